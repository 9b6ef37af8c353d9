"""A small writer of text FBX 7.4: meshes with materials and shape keys, as Maya and Unity tools
write them. Centimetres, Y up."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

_HEAD = """; FBX 7.4.0 project file
FBXHeaderExtension:  {{
	FBXHeaderVersion: 1003
	FBXVersion: 7400
	Creator: "avatars"
}}
GlobalSettings:  {{
	Version: 1000
	Properties70:  {{
		P: "UpAxis", "int", "Integer", "",1
		P: "UpAxisSign", "int", "Integer", "",1
		P: "FrontAxis", "int", "Integer", "",2
		P: "FrontAxisSign", "int", "Integer", "",1
		P: "CoordAxis", "int", "Integer", "",0
		P: "CoordAxisSign", "int", "Integer", "",1
		P: "UnitScaleFactor", "double", "Number", "",1
	}}
}}
Definitions:  {{
	Version: 100
	Count: {count}
}}
Objects:  {{
"""


def write_text_fbx(path: Path, objects: list[bpy.types.Object]) -> None:
    """Write meshes with their shape keys."""
    writer = _Writer()
    for made in objects:
        writer.add(made)
    body = _HEAD.format(count=len(writer.objects)) + "\n".join(writer.objects) + "\n}\n"
    links = "\n".join(f'\tC: "OO",{child},{parent}' for child, parent in writer.links)
    path.write_text(f"{body}Connections:  {{\n{links}\n}}\n", "utf-8")


class _Writer:
    def __init__(self) -> None:
        self.objects: list[str] = []
        self.links: list[tuple[int, int]] = []
        self._last = 1000

    def _new(self, kind: str, name: str, sub: str, lines: list[str], parent: int) -> int:
        self._last += 1
        inner = "\n".join(f"\t\t{line}" for line in lines)
        label = {"Deformer": "SubDeformer" if sub == "BlendShapeChannel" else "Deformer"}
        word = label.get(kind, kind)
        head = f'\t{kind}: {self._last}, "{word}::{name}", "{sub}" {{'
        self.objects.append(f"{head}\n{inner}\n\t}}")
        self.links.append((self._last, parent))
        return self._last

    def add(self, made: bpy.types.Object) -> None:
        mesh = made.data
        keys = mesh.shape_keys.key_blocks if mesh.shape_keys else []
        rest = _points(keys[0].data if keys else mesh.vertices, made)
        model = self._new("Model", made.name, "Mesh", ["Version: 232"], 0)
        geometry = self._new("Geometry", made.name, "Mesh", _shape_of(mesh, rest), model)
        for slot in mesh.materials:
            self._new("Material", slot.name, "", _colour_of(slot), model)
        if not keys:
            return
        deformer = self._new("Deformer", f"{made.name} keys", "BlendShape", ["Version: 100"],
                             geometry)  # fmt: skip
        for key in keys[1:]:
            moved = _points(key.data, made) - rest
            rows = np.flatnonzero(np.abs(moved).max(1) > 1e-5)
            channel = self._new(
                "Deformer", key.name, "BlendShapeChannel",
                ["Version: 100", "DeformPercent: 0", "FullWeights: *1 {", "a: 100", "}"], deformer,
            )  # fmt: skip
            lines = ["Version: 100", *_array("Indexes", rows), *_array("Vertices", moved[rows]),
                     *_array("Normals", np.zeros((len(rows), 3)))]  # fmt: skip
            self._new("Geometry", key.name, "Shape", lines, channel)


def _points(data, made) -> np.ndarray:
    flat = np.empty(3 * len(data), np.float32)
    data.foreach_get("co", flat)
    matrix = np.array(made.matrix_world)
    world = flat.reshape(-1, 3).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
    return 100.0 * world[:, (0, 2, 1)] * (1.0, 1.0, -1.0)


def _array(name: str, values: np.ndarray) -> list[str]:
    flat = np.asarray(values).ravel()
    text = ",".join(str(v) if flat.dtype.kind in "iu" else f"{v:.5f}" for v in flat.tolist())
    return [f"{name}: *{len(flat)} {{", f"a: {text}", "}"]


def _shape_of(mesh, rest: np.ndarray) -> list[str]:
    corners: list[int] = []
    for polygon in mesh.polygons:
        *others, last = polygon.vertices
        corners += [*others, -last - 1]  # the last corner of a polygon is marked so
    index = np.array([p.material_index for p in mesh.polygons])
    return [
        *_array("Vertices", rest), *_array("PolygonVertexIndex", np.array(corners)),
        "GeometryVersion: 124",
        "LayerElementMaterial: 0 {", "Version: 101", 'Name: ""',
        'MappingInformationType: "ByPolygon"', 'ReferenceInformationType: "IndexToDirect"',
        *_array("Materials", index), "}",
        "Layer: 0 {", "Version: 100", "LayerElement:  {", 'Type: "LayerElementMaterial"',
        "TypedIndex: 0", "}", "}",
    ]  # fmt: skip


def _colour_of(material) -> list[str]:
    shader = next(n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    r, g, b, _ = shader.inputs["Base Color"].default_value
    return [
        "Version: 102", 'ShadingModel: "phong"', "Properties70:  {",
        f'P: "DiffuseColor", "Color", "", "A",{r:.4f},{g:.4f},{b:.4f}', "}",
    ]  # fmt: skip
