"""Materials and the wrinkle node group. Colours live in a point attribute, so Workbench shows them.

Cycles cost is kept low on purpose: no subsurface scattering, no textures, no bump. Wrinkles are
geometry (shape keys) plus darkening of the colour attribute by a Geometry Nodes modifier.
"""

from __future__ import annotations

import bpy
import numpy as np

COLOR = "Color"
"""Name of every mesh's colour attribute (linear RGBA, point domain)."""
CREASED = "creased"
"""Boolean attribute of points that some wrinkle darkens; on them alone it is worked out."""
LIPS = ("lip_above", "lip_below")
"""Integer attributes of a tooth's points: the lips' points before it; 0 on what is no tooth."""
DIM, LIT = 0.2, 0.36
"""Share of the light before the lips that comes to a tooth: none is seen of a tooth up to the
first, all of it from the second on."""
SMILE, SMILE_FROM, SMILE_LIGHT = "smile_line", 0.04, 4.5
"""The wrinkle whose inputs tell a smile, which draws the lips against the teeth: from which sum of
both on (0.16 in a full smile) more light comes to them, and how much for each unit."""


def linear(hex_color: str) -> np.ndarray:
    """sRGB hex -> linear RGB in [0, 1]."""
    srgb = np.array([int(hex_color[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def material(name: str, roughness: float, specular: float = 0.5, glow: float = 0.0):
    """Principled material coloured by the colour attribute; `glow` lifts it out of shadow."""
    mat = bpy.data.materials.new(name)
    mat.use_nodes = True
    tree = mat.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Specular IOR Level"].default_value = specular
    color = tree.nodes.new("ShaderNodeVertexColor")
    color.layer_name = COLOR
    color.location = (-250, 250)
    tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])
    if glow:
        tree.links.new(color.outputs["Color"], shader.inputs["Emission Color"])
        shader.inputs["Emission Strength"].default_value = glow
    return mat


def glow_white(name: str):
    """White emission for the glint in the eyes, so that it survives any light."""
    mat = bpy.data.materials.new(name)
    mat.use_nodes = True
    shader = mat.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (1, 1, 1, 1)
    shader.inputs["Emission Color"].default_value = (1, 1, 1, 1)
    shader.inputs["Emission Strength"].default_value = 1.0
    return mat


def paint(mesh, colors: np.ndarray, changing: bool = False) -> None:
    """Write (V, 3) linear colours as the mesh's active colour attribute. changing: nodes mix other
    colours into some points, which need not turn all of them from bytes into numbers then."""
    layer = mesh.color_attributes.new(COLOR, "BYTE_COLOR", "POINT")
    rgba = np.c_[colors, np.ones(len(colors))].astype(np.float32).ravel()
    layer.data.foreach_set("color", rgba)
    if changing:
        layer.data.foreach_get("color", rgba)
        mesh.color_attributes.remove(layer)
        layer = mesh.color_attributes.new(COLOR, "FLOAT_COLOR", "POINT")
        layer.data.foreach_set("color", rgba)
    mesh.color_attributes.active_color = layer
    mesh.color_attributes.render_color_index = 0


def note_creases(mesh, masks: dict[str, np.ndarray]) -> None:
    """Write where wrinkles are, (V,) each, positive on the subject's left, negative on the right,
    and where any is."""
    creased = np.zeros(len(mesh.vertices), bool)
    for name, mask in masks.items():
        layer = mesh.attributes.new(f"crease_{name}", "FLOAT", "POINT")
        layer.data.foreach_set("value", mask.astype(np.float32))
        creased |= mask != 0.0
    mesh.attributes.new(CREASED, "BOOLEAN", "POINT").data.foreach_set("value", creased)


class Graph:
    """A little shorthand for building node trees."""

    def __init__(self, tree):
        self.tree = tree

    def node(self, kind: str, *inputs, **settings):
        """New node with RNA `settings`; `inputs` are values or output sockets by position."""
        node = self.tree.nodes.new(kind)
        for key, value in settings.items():
            setattr(node, key, value)
        for socket, value in zip([s for s in node.inputs if s.enabled], inputs, strict=False):
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            elif value is not None:
                socket.default_value = value
        return node

    def math(self, operation: str, *inputs):
        return self.node("ShaderNodeMath", *inputs, operation=operation).outputs[0]

    def vector(self, operation: str, *inputs, scalar: bool = False):
        node = self.node("ShaderNodeVectorMath", *inputs, operation=operation)
        return node.outputs["Value" if scalar else "Vector"]


def face_nodes(
    name: str, creases: tuple[str, ...], eyes, radius: float, crease_color: str, hollow: str = ""
):
    """Node group of the head's modifier: keep lids outside the eyeballs, darken the wrinkles, and
    the teeth in the lips' shadow.

    eyes: two ball centres in the head mesh's rest space; radius: what lids keep clear of, metres.
    hollow: sRGB hex of what teeth fade into, "" if they don't: see `shade_teeth`.
    Inputs `<crease>_L` and `<crease>_R` (0..1) are driven by the shape keys.
    """
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    for crease in creases:
        for side in "LR":
            tree.interface.new_socket(
                f"{crease}_{side}", in_out="INPUT", socket_type="NodeSocketFloat"
            )
    g = Graph(tree)
    entry, leave = g.node("NodeGroupInput"), g.node("NodeGroupOutput")
    geometry = entry.outputs["Geometry"]
    for centre in eyes:
        geometry = _push(g, geometry, centre, radius)
    geometry = _darken(g, geometry, entry, creases, crease_color)
    if hollow:
        geometry = shade_teeth(g, geometry, entry, hollow)
    tree.links.new(geometry, leave.inputs[0])
    return tree


def hollow_of(config) -> str:
    """The colour that a character's teeth fade into, "" if they don't."""
    return config.palette.cavity if config.mouth.teeth_shaded else ""


def shade_teeth(g: Graph, geometry, entry, hollow: str):
    """Fade the teeth into the colour `hollow` where little light falls on them between the lips.

    Of the light from all around before it a surface sees the sine of half the angle that the lips
    leave open before it (the form factor of a long slit), as the pose has them: a slit shows the
    hollow, a wide mouth its teeth, darker beside the lips, and a smile too. So it is in any
    renderer, and without light.
    """
    position = g.node("GeometryNodeInputPosition").outputs[0]
    rays = []
    for name in LIPS:
        index = g.node("GeometryNodeInputNamedAttribute", name, data_type="INT").outputs[0]
        lip = g.node("GeometryNodeSampleIndex", data_type="FLOAT_VECTOR")
        g.tree.links.new(geometry, lip.inputs["Geometry"])
        g.tree.links.new(position, next(s for s in lip.inputs if s.name == "Value" and s.enabled))
        g.tree.links.new(index, lip.inputs["Index"])
        place = next(s for s in lip.outputs if s.enabled)
        rays.append(g.vector("NORMALIZE", g.vector("SUBTRACT", place, position)))
    cosine = g.vector("DOT_PRODUCT", *rays, scalar=True)
    light = g.math("SQRT", g.math("MAXIMUM", g.math("MULTIPLY_ADD", cosine, -0.5, 0.5), 0.0))
    smile = g.math("ADD", *(entry.outputs[f"{SMILE}_{side}"] for side in "LR"))
    smile = g.math("MAXIMUM", g.math("SUBTRACT", smile, SMILE_FROM), 0.0)
    light = g.math("MULTIPLY_ADD", smile, SMILE_LIGHT, light)
    shade = g.node("ShaderNodeMapRange", light, LIT, DIM, 0.0, 1.0, interpolation_type="SMOOTHSTEP")
    tooth = g.node("FunctionNodeCompare", index, 0, data_type="INT", operation="GREATER_THAN")
    return _mixed(g, geometry, shade.outputs[0], hollow, tooth.outputs[0])


def _push(g: Graph, geometry, centre, radius: float):
    """Move points that are inside the ball straight out to its surface."""
    position = g.node("GeometryNodeInputPosition").outputs[0]
    away = g.vector("SUBTRACT", position, tuple(centre))
    length = g.math("MAXIMUM", g.vector("LENGTH", away, scalar=True), 1e-4)
    scale = g.math("MAXIMUM", 1.0, g.math("DIVIDE", radius, length))
    node = g.node("ShaderNodeVectorMath", away, operation="SCALE")
    g.tree.links.new(scale, node.inputs["Scale"])
    target = g.vector("ADD", node.outputs["Vector"], tuple(centre))
    move = g.node("GeometryNodeSetPosition")
    g.tree.links.new(geometry, move.inputs["Geometry"])
    g.tree.links.new(target, move.inputs["Position"])
    return move.outputs["Geometry"]


def _darken(g: Graph, geometry, entry, creases, crease_color: str):
    """Mix the colour attribute towards the crease colour by mask times activation."""
    total = None
    for crease in creases:
        # Signed masks: positive on the subject's left, negative on the right.
        mask = g.node("GeometryNodeInputNamedAttribute", f"crease_{crease}", data_type="FLOAT")
        mask = mask.outputs["Attribute"]
        left = g.math("MULTIPLY", g.math("MAXIMUM", mask, 0.0), entry.outputs[f"{crease}_L"])
        right = g.math(
            "MULTIPLY",
            g.math("MAXIMUM", g.math("MULTIPLY", mask, -1.0), 0.0),
            entry.outputs[f"{crease}_R"],
        )
        both = g.math("ADD", left, right)
        total = both if total is None else g.math("ADD", total, both)
    creased = g.node("GeometryNodeInputNamedAttribute", CREASED, data_type="BOOLEAN")
    share = g.math("MINIMUM", total, 0.85)
    return _mixed(g, geometry, share, crease_color, creased.outputs["Attribute"])


def _mixed(g: Graph, geometry, share, color: str, selection):
    """Mix the colour attribute of the points `selection` towards `color` by `share`."""
    painted = g.node("GeometryNodeInputNamedAttribute", COLOR, data_type="FLOAT_COLOR")
    mix = g.node("ShaderNodeMix", data_type="RGBA", blend_type="MIX")
    g.tree.links.new(share, mix.inputs["Factor"])
    sockets = [s for s in mix.inputs if s.type == "RGBA"]
    g.tree.links.new(painted.outputs["Attribute"], sockets[0])
    sockets[1].default_value = (*linear(color), 1.0)
    result = next(s for s in mix.outputs if s.type == "RGBA")
    store = g.node("GeometryNodeStoreNamedAttribute", data_type="FLOAT_COLOR", domain="POINT")
    store.inputs["Name"].default_value = COLOR
    g.tree.links.new(selection, store.inputs["Selection"])
    g.tree.links.new(geometry, store.inputs["Geometry"])
    g.tree.links.new(result, store.inputs["Value"])
    return store.outputs["Geometry"]
