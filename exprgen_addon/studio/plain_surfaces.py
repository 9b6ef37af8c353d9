"""A character's surfaces in numbers, colours and gloss, where their materials are plain.

Plain is an opaque Principled BSDF whose colour is one colour, a colour attribute or a picture laid
on by UVs. Who has other materials is not drawn by `drawn_studio.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .plain_light import length

_OPAQUE = {"Alpha": 1.0, "Transmission Weight": 0.0}
COMPACT = 0.01
"""Volume of a body against its surface to the power of 1.5 at least: a ball has 0.09, a lock of
hair 0.04, a lash 0.002."""
OPEN = 0.08
"""Share of the edges without a neighbour from which on a body is seen from its inside too."""
_NUMBERS = ("Roughness", "Metallic", "Emission Strength")


class NotPlain(Exception):
    """A material that can't be drawn without rays; says which and why."""


@dataclass(frozen=True)
class Surface:
    """A material in numbers.

    colour (3,): linear; of the colour where there is neither attribute nor picture. attribute: name
    of the colour attribute. picture (H, W, 3): linear, from below. uv: the layer by which it lies.
    roughness, metallic; emission (3,): light of its own; glow: the same in shares of the colour.
    """

    colour: np.ndarray
    attribute: str = ""
    picture: np.ndarray | None = field(default=None, repr=False)
    uv: str = ""
    roughness: float = 0.5
    metallic: float = 0.0
    emission: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    glow: float = 0.0


def surface(material) -> Surface:
    """A material in numbers; a plain grey where there is none.

    Raises:
        NotPlain: it can't be drawn without rays.
    """
    if material is None or not material.node_tree:
        colour = material.diffuse_color[:3] if material is not None else (0.8, 0.8, 0.8)
        return Surface(np.array(colour, np.float32))
    shader = _shader(material)
    for name, wanted in _OPAQUE.items():
        given = shader.inputs[name]
        if given.is_linked or abs(given.default_value - wanted) > 0.01:
            raise NotPlain(f"{material.name}: {name}")
    numbers = {}
    for name in _NUMBERS:
        if shader.inputs[name].is_linked:
            raise NotPlain(f"{material.name}: {name}")
        numbers[name] = float(shader.inputs[name].default_value)
    return Surface(
        **_colour(material, shader.inputs["Base Color"]),
        **_own_light(material, shader, numbers["Emission Strength"]),
        roughness=numbers["Roughness"],
        metallic=numbers["Metallic"],
    )


def _own_light(material, shader, strength: float) -> dict:
    """Fields of a Surface that tell the light that it gives itself."""
    colour = shader.inputs["Emission Color"]
    if not colour.is_linked:
        return {"emission": strength * np.array(colour.default_value[:3], np.float32)}
    base = shader.inputs["Base Color"]
    if strength and not (base.is_linked and base.links[0].from_node == colour.links[0].from_node):
        raise NotPlain(f"{material.name}: Emission Color")
    return {"glow": strength}


def _shader(material):
    """The Principled BSDF that a material is."""
    output = material.node_tree.get_output_node("CYCLES")
    link = next(iter(output.inputs["Surface"].links), None) if output else None
    if link is None or link.from_node.type != "BSDF_PRINCIPLED":
        raise NotPlain(f"{material.name}: no Principled BSDF")
    return link.from_node


def _colour(material, socket) -> dict:
    """Fields of a Surface that tell its colour."""
    plain = {"colour": np.array(socket.default_value[:3], np.float32)}
    if not socket.is_linked:
        return plain
    node = socket.links[0].from_node
    if node.type == "VERTEX_COLOR":
        return plain | {"attribute": node.layer_name}
    if node.type == "ATTRIBUTE" and node.attribute_type == "GEOMETRY":
        return plain | {"attribute": node.attribute_name}
    if node.type == "TEX_IMAGE" and node.image:
        return plain | {"picture": _pixels(node.image), "uv": _layer(material, node)}
    raise NotPlain(f"{material.name}: Base Color by {node.bl_label}")


def _layer(material, node) -> str:
    """The UV layer by which a picture lies; "" is the active one."""
    vector = node.inputs["Vector"]
    if not vector.is_linked:
        return ""
    source = vector.links[0].from_node
    if source.type == "UVMAP":
        return source.uv_map
    if source.type == "TEX_COORD" and vector.links[0].from_socket.name == "UV":
        return ""
    raise NotPlain(f"{material.name}: a picture laid on by {source.bl_label}")


def _pixels(image) -> np.ndarray:
    """A picture's linear colours (H, W, 3) float32, from below."""
    width, height = image.size
    if not width or not height:
        raise NotPlain(f"{image.name}: no picture")
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)
    colours = pixels.reshape(height, width, image.channels)[:, :, :3]
    if image.colorspace_settings.name == "sRGB" and not image.is_float:
        bright = ((colours + 0.055) / 1.055) ** 2.4
        colours = np.where(colours <= 0.04045, colours / 12.92, bright)
    return np.ascontiguousarray(np.broadcast_to(colours, (height, width, 3)), np.float32)


class Skin:
    """One mesh object of a character, read anew at every pose.

    Raises:
        NotPlain: a material of it can't be drawn without rays.
    """

    def __init__(self, part, evaluated: Callable):
        self._part, self._evaluated = part, evaluated
        mesh = evaluated(part).data
        mesh.calc_loop_triangles()
        count = len(mesh.loop_triangles)
        self.points_count = len(mesh.vertices)
        self.triangles = _read(mesh.loop_triangles, "vertices", count * 3, np.int32).reshape(-1, 3)
        loops = _read(mesh.loop_triangles, "loops", count * 3, np.int32).reshape(-1, 3)
        self._sign = np.ones(self.points_count, np.float32)
        body, self._sign = bodies(self.read()[0], self.triangles)
        self.closed = body[self.triangles].all(1)
        used = _read(mesh.loop_triangles, "material_index", count, np.int32)
        materials = [slot.material for slot in part.material_slots] or [None]
        self.surfaces = [surface(m) for m in materials]
        self._used = used = np.clip(used, 0, len(materials) - 1)
        self.roughness = self._by_point(used, [s.roughness for s in self.surfaces])
        self.metallic = self._by_material(used, lambda s: np.array([s.metallic]), 1)
        self.pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._painted: list[tuple[str, np.ndarray, np.ndarray]] = []
        for number, look in enumerate(self.surfaces):
            rows = np.flatnonzero(used == number)
            if look.attribute and len(rows):
                self._painted.append((look.attribute, loops[rows], rows))
            elif look.picture is not None and len(rows):
                self.pictures.append((rows, self._uvs(mesh, look.uv, loops[rows]), look.picture))
        self.repaint()

    def repaint(self) -> None:
        """Read colours and glow at the present pose, which modifiers may paint differently in each:
        `colours` and `emission`, linear, of the triangles' corners (T, 3, 3)."""
        mesh = self._evaluated(self._part).data
        self.colours = self._by_material(self._used, lambda s: s.colour, 3)
        for name, loops, rows in self._painted:
            self.colours[rows] = self._attribute(mesh, name, loops, rows)
        emission = self._by_material(self._used, lambda s: s.emission, 3)
        glow = self._by_material(self._used, lambda s: np.array([s.glow]), 1)
        self.emission = emission + self.colours * glow

    @property
    def painted(self) -> bool:
        """Whether modifiers may paint it differently in another pose."""
        nodes = any(m.type == "NODES" for m in self._part.modifiers)
        return bool(self._painted) and nodes

    def _by_material(self, used: np.ndarray, tell: Callable, width: int) -> np.ndarray:
        table = np.array([tell(s) for s in self.surfaces], np.float32).reshape(-1, 1, width)
        return np.repeat(table[used], 3, 1)

    def _by_point(self, used: np.ndarray, values: list[float]) -> np.ndarray:
        told = np.zeros(self.points_count, np.float32)
        told[self.triangles] = np.array(values, np.float32)[used][:, None]
        return told

    def _attribute(self, mesh, name: str, loops: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found = mesh.color_attributes.get(name) or mesh.color_attributes.active_color
        if found is None:
            return self.colours[rows]
        colours = _read(found.data, "color", 4 * len(found.data), np.float32).reshape(-1, 4)
        places = loops if found.domain == "CORNER" else self.triangles[rows]
        return colours[places, :3]

    @staticmethod
    def _uvs(mesh, name: str, loops: np.ndarray) -> np.ndarray:
        layer = mesh.uv_layers.get(name) or mesh.uv_layers.active
        if layer is None:
            return np.zeros((*loops.shape, 2), np.float32)
        return _read(layer.uv, "vector", 2 * len(layer.uv), np.float32).reshape(-1, 2)[loops]

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and normals (V, 3) float32 in world space at the present pose."""
        found = self._evaluated(self._part)
        mesh = found.data
        if len(mesh.vertices) != self.points_count:
            raise NotPlain(f"{self._part.name}: another mesh at every pose")
        points = _read(mesh.vertices, "co", 3 * self.points_count, np.float32).reshape(-1, 3)
        normals = _read(mesh.vertex_normals, "vector", 3 * self.points_count, np.float32)
        matrix = np.array(found.matrix_world, np.float32)
        turn = np.linalg.inv(matrix[:3, :3])
        normals = normals.reshape(-1, 3) @ turn
        normals *= (self._sign / np.maximum(length(normals), 1e-9))[:, None]
        return points @ matrix[:3, :3].T + matrix[:3, 3], normals


def bodies(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which parts of a mesh are bodies, whose inside nobody sees, and which of them are inside out.

    A head that ends at the neck is one, and so are locks of hair that end at their roots; cards and
    lashes are none. Characters are often put together of bodies whose normals point in.

    Args:
        points: (V, 3). triangles: (T, 3).

    Returns:
        (V,) bool; (V,) 1, or -1 where the normals point in.
    """
    part = _parts(len(points), triangles)
    owner, lone = _edges(part, triangles)
    middle = np.stack([_mean(part, points[:, k], len(points)) for k in range(3)], 1)
    a, b, c = ((points - middle[part])[triangles[:, k]] for k in range(3))
    mine = part[triangles[:, 0]]
    volume = np.bincount(mine, np.einsum("tk,tk->t", a, np.cross(b, c)) / 6, len(points))
    area = np.bincount(mine, length(np.cross(b - a, c - a)) / 2, len(points))
    solid = np.abs(volume) > COMPACT * area**1.5
    whole = _mean(owner, lone, len(points)) < OPEN
    return (solid & whole)[part], np.where(solid & (volume < 0), -1, 1).astype(np.float32)[part]


def _edges(part: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges of triangles: of which part each is, and whether it has one triangle only."""
    ends = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1).astype(np.int64)
    keys, count = np.unique(ends[:, 0] * len(part) + ends[:, 1], return_counts=True)
    return part[keys // len(part)], count == 1


def _mean(group: np.ndarray, values: np.ndarray, groups: int) -> np.ndarray:
    """Of values by the number of their group; 0 where there is none."""
    return np.bincount(group, values, groups) / np.maximum(np.bincount(group, None, groups), 1)


def _parts(count: int, triangles: np.ndarray) -> np.ndarray:
    """(V,) the lowest number of the points that a point hangs together with."""
    part = np.arange(count)
    while True:
        lowest = part.copy()
        np.minimum.at(lowest, triangles.ravel(), np.repeat(part[triangles].min(1), 3))
        lowest = lowest[lowest]
        if np.array_equal(lowest, part):
            return part
        part = lowest


def _read(collection, name: str, count: int, kind) -> np.ndarray:
    values = np.empty(count, kind)
    collection.foreach_get(name, values)
    return values
