"""Avatars as files: .blend, .glb, .vrm of both versions, .fbx, text .fbx."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import bpy

from .building import Avatar, Built
from .text_fbx import write_text_fbx

ENDS = {"blend": ".blend", "glb": ".glb", "vrm0": ".vrm", "vrm1": ".vrm", "fbx": ".fbx",
        "fbx_text": ".fbx"}  # fmt: skip
_OF_VROID = {
    "a": "Fcl_MTH_A", "i": "Fcl_MTH_I", "u": "Fcl_MTH_U", "e": "Fcl_MTH_E", "o": "Fcl_MTH_O",
    "blink": "Fcl_EYE_Close", "blink_l": "Fcl_EYE_Close_L", "blink_r": "Fcl_EYE_Close_R",
    "joy": "Fcl_ALL_Joy", "angry": "Fcl_ALL_Angry", "sorrow": "Fcl_ALL_Sorrow",
    "fun": "Fcl_ALL_Fun",
}  # fmt: skip
_OLD = ("neutral", "a", "i", "u", "e", "o", "blink", "blink_l", "blink_r", "joy", "angry", "sorrow",
        "fun", "lookup", "lookdown", "lookleft", "lookright")  # fmt: skip


def save(built: Built, folder: Path) -> Path:
    """Write the avatar in the open file; its path."""
    avatar = built.avatar
    path = folder.resolve() / f"{avatar.name}{ENDS[avatar.kind]}"
    if avatar.kind == "blend":
        bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, copy=True)
    elif avatar.kind == "fbx":
        bpy.ops.export_scene.fbx(filepath=str(path), add_leaf_bones=False, bake_anim=False)
    elif avatar.kind == "fbx_text":
        write_text_fbx(path, [o for o in bpy.data.objects if o.type == "MESH"])
    else:
        _save_gltf(built, path)
    return path


def _save_gltf(built: Built, path: Path) -> None:
    plain = path.with_suffix(".glb")
    bpy.ops.export_scene.gltf(
        filepath=str(plain), export_morph=True, export_morph_normal=False, export_animations=False
    )
    gltf, rest = read_glb(plain.read_bytes())
    avatar = built.avatar
    if avatar.spoilt:
        _spoil(gltf)
    if avatar.kind.startswith("vrm"):
        _face_away(gltf) if avatar.kind == "vrm0" else None
        extension = _vrm0(avatar, gltf) if avatar.kind == "vrm0" else _vrm1(avatar, gltf)
        gltf.setdefault("extensions", {}).update(extension)
        gltf.setdefault("extensionsUsed", []).extend(extension)
        plain.unlink()
    path.write_bytes(packed_glb(gltf, rest))


def read_glb(data: bytes) -> tuple[dict, bytes]:
    """The JSON of a .glb and the chunks behind it."""
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length]), data[20 + length :]


def packed_glb(gltf: dict, rest: bytes) -> bytes:
    """The inverse of `read_glb`."""
    text = json.dumps(gltf).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + rest


def _spoil(gltf: dict) -> None:
    gltf["images"] = [{"uri": "skin_diffuse.png"}]
    gltf["textures"] = [{"source": 0}]
    for material in gltf["materials"]:
        colour = material.setdefault("pbrMetallicRoughness", {})
        colour["baseColorFactor"] = [*colour.get("baseColorFactor", [1, 1, 1, 1])[:3], 0.0]
        material["alphaMode"] = "BLEND"
    head = next(m for m in gltf["materials"] if m["name"].startswith("hair"))
    head["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}


def _face_away(gltf: dict) -> None:
    """VRM 0 looks along -Z, half a turn from other glTF."""
    scene = gltf["scenes"][gltf.get("scene", 0)]
    gltf["nodes"].append({"name": "Root", "children": scene["nodes"], "rotation": [0, 1, 0, 0]})
    scene["nodes"] = [len(gltf["nodes"]) - 1]


def _humans(avatar: Avatar, gltf: dict) -> dict[str, int]:
    """Bone of the extension -> node."""
    if avatar.bones is None:
        return {}
    nodes = {n.get("name"): i for i, n in enumerate(gltf["nodes"])}
    names = {"head": avatar.bones.head, "neck": avatar.bones.neck, "hips": "hips"}
    if avatar.bones.eyes:
        names |= dict(zip(("leftEye", "rightEye"), avatar.bones.eyes, strict=True))
    return {bone: nodes[name] for bone, name in names.items()}


def _hair(avatar: Avatar, gltf: dict) -> list[int]:
    hair = {b for b, what in avatar.bones.others.items() if what == "hair"}
    return [i for i, n in enumerate(gltf["nodes"]) if n.get("name") in hair]


def _binds(gltf: dict, key: str) -> list[tuple[int, int]]:
    """(mesh, target) of a key on all meshes."""
    names = [m.get("extras", {}).get("targetNames", []) for m in gltf["meshes"]]
    return [(i, n.index(key)) for i, n in enumerate(names) if key in n]


def _vrm0(avatar: Avatar, gltf: dict) -> dict:
    own = {n.replace("_", "").casefold(): n for n in avatar.names}
    groups = []
    for preset in _OLD:
        key = _OF_VROID.get(preset)
        key = key if key in avatar.names else own.get(preset.replace("_", ""), "")
        binds = [{"mesh": m, "index": t, "weight": 100} for m, t in _binds(gltf, key)]
        groups.append({"name": preset.title(), "presetName": preset, "binds": binds})
    groups += [
        {"name": n, "presetName": "unknown",
         "binds": [{"mesh": m, "index": t, "weight": 100} for m, t in _binds(gltf, n)]}
        for n in avatar.names if n.startswith("eye")
    ]  # fmt: skip
    bones = [{"bone": b, "node": n} for b, n in _humans(avatar, gltf).items()]
    return {"VRM": {
        "specVersion": "0.0", "meta": {"title": avatar.name, "licenseName": "CC0"},
        "humanoid": {"humanBones": bones},
        "blendShapeMaster": {"blendShapeGroups": groups},
        "secondaryAnimation": {"boneGroups": [{"bones": _hair(avatar, gltf)}]},
    }}  # fmt: skip


def _vrm1(avatar: Avatar, gltf: dict) -> dict:
    node_of = {n["mesh"]: i for i, n in enumerate(gltf["nodes"]) if "mesh" in n}
    preset = {
        name: {"morphTargetBinds": [
            {"node": node_of[m], "index": t, "weight": 1.0}
            for m, t in _binds(gltf, avatar.renamed.get(name, name))
        ]}
        for name in avatar.names
    }  # fmt: skip
    joints = [{"node": i} for i in _hair(avatar, gltf)]
    return {
        "VRMC_vrm": {
            "specVersion": "1.0", "meta": {"name": avatar.name},
            "humanoid": {
                "humanBones": {b: {"node": n} for b, n in _humans(avatar, gltf).items()}
            },
            "expressions": {"preset": preset},
        },
        "VRMC_springBone": {"specVersion": "1.0", "springs": [{"joints": joints}]},
    }  # fmt: skip
