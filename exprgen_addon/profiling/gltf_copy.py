"""glTF and VRM files as Blender's importer takes them: a copy whose text is mended. No Blender.

What a VRM file knows of its names stands in its extension (VRM 0.x: `VRM`, 1.0: `VRMC_vrm`; see
https://github.com/vrm-c/vrm-specification): which nodes are head and eyes, which of its shape
targets make "A" or "Blink", which chains swing by themselves. The importer reads none of it, and
finds the targets' names in one of the two places only where exporters keep them. So the names are
written into the glTF part, where they are lacking.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from ...networks.characters.control_meanings import read_names
from ...networks.characters.control_names import words_of
from ...networks.errors import InputError
from ...networks.files import write_bytes
from ...networks.reading import parse_json, read_bytes
from ...networks.records import json_text

LARGEST = 1 << 31  # bytes; no avatar is larger
MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
SPARE = ("VRM", "VRMC_", "EXT_texture_", "KHR_texture_basisu", "KHR_xmp", "KHR_materials_", "MOZ_")
"""How names of extensions begin without which shape and bones are still whole."""
DAMAGED = "export it again"
_BONES = {"head": "head", "neck": "neck", "leftEye": "eye", "rightEye": "eye"}
"""Bones of the extension -> the word that their nodes' names should have. A jaw is not among them:
Unity's guess puts it on hair."""
_SWINGS = {"hair", "skirt", "bust", "spring"}


@dataclass(frozen=True)
class GltfCopy:
    """A file that Blender imports, and what its text told.

    notes: what was read and mended, in words. mixes: expression -> {shape key: value} of those that
    several keys make together and no key makes alone. packed: with meshopt.
    """

    file: Path
    notes: tuple[str, ...] = ()
    mixes: dict[str, dict[str, float]] = field(default_factory=dict)
    packed: bool = False


def importable(path: Path, folder: Path) -> GltfCopy:
    """A .glb, .gltf or .vrm as Blender can import it: itself, or a mended copy in `folder`.

    Raises:
        InputError: it is damaged.
    """
    data = read_bytes(path, LARGEST)
    text, rest = _parts(data, path)
    gltf = _object(text, path)
    try:
        packed = bool(set(MESHOPT) & set(gltf.get("extensionsRequired") or []))
        before = json.dumps(gltf)
        notes = _loosen(gltf)
        _name_targets(gltf)
        told, mixes = _read_vrm(gltf)
        notes = [*told, *notes, *_mend_weights(gltf)]
        _drop_no_numbers(gltf)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise InputError(
            f"its description of meshes and nodes is damaged ({error})", file=path, fix=DAMAGED
        ) from error
    if json.dumps(gltf) == before and path.suffix.lower() != ".vrm":
        return GltfCopy(path, tuple(notes), mixes, packed)
    copy = folder / f"{path.stem}{'.gltf' if rest is None else '.glb'}"
    _beside(gltf, path)
    write_bytes(copy, _packed(gltf, rest))
    return GltfCopy(copy, tuple(notes), mixes, packed)


# --- the container -------------------------------------------------------------------------------


def _parts(data: bytes, path: Path) -> tuple[bytes, bytes | None]:
    """The JSON text, and the chunks behind it of a binary file (None of a text file).

    glTF 2.0 specification, 4.4: header of 12 bytes, chunks of length, type and content.
    """
    if data[:4] != b"glTF":
        return data, None
    if len(data) < 20:
        raise InputError("ends within its header", file=path, fix=DAMAGED)
    version, _, length, kind = struct.unpack_from("<III4s", data, 4)
    if version != 2 or kind != b"JSON" or 20 + length > len(data):
        raise InputError(f"is no whole glTF 2 file (version {version})", file=path, fix=DAMAGED)
    return data[20 : 20 + length], data[20 + length :]


def _object(text: bytes, path: Path) -> dict:
    try:
        gltf = parse_json(text.decode("utf-8"))
        if not isinstance(gltf, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise InputError(f"is no glTF ({error})", file=path, fix=DAMAGED) from error
    return gltf


def _packed(gltf: dict, rest: bytes | None) -> bytes:
    text = json_text(gltf).encode("utf-8")
    if rest is None:
        return text
    text += b" " * (-len(text) % 4)
    size = 20 + len(text) + len(rest)
    return struct.pack("<4sIII4s", b"glTF", 2, size, len(text), b"JSON") + text + rest


def _beside(gltf: dict, path: Path) -> None:
    """What lies beside the file is found from another folder too."""
    for holder in [*gltf.get("buffers", []), *gltf.get("images", [])]:
        uri = holder.get("uri", "")
        if uri and not uri.startswith("data:"):
            holder["uri"] = quote(str(path.resolve().parent / unquote(uri)))


def meshopt_refusal(path: Path) -> InputError:
    """What to do with a packed file that this Blender doesn't read."""
    return InputError(
        "is compressed with meshopt, which this Blender doesn't read",
        file=path,
        fix="use Blender 5.2 or later, or unpack it with gltfpack, of the meshoptimizer project: "
        f"gltfpack -noq -kn -km -ke -i {path.name} -o unpacked.glb",
    )


def _loosen(gltf: dict) -> list[str]:
    """Extensions that only colour or describe are no longer required; says which."""
    asked = gltf.get("extensionsRequired") or []
    spare = [n for n in asked if str(n).startswith(SPARE)]
    if not spare:
        return []
    gltf["extensionsRequired"] = [n for n in asked if n not in spare]
    shown = [n for n in spare if not n.startswith("VRM")]
    return [f"extensions that Blender doesn't read: {', '.join(shown)}"] if shown else []


# --- names ---------------------------------------------------------------------------------------


def _meshes(gltf: dict) -> list[dict]:
    return gltf.get("meshes") or []


def _count(mesh: dict) -> int:
    return max((len(p.get("targets") or []) for p in mesh.get("primitives") or []), default=0)


def _name_targets(gltf: dict) -> None:
    """The targets' names where the importer looks for them: some exporters put them elsewhere."""
    for mesh in _meshes(gltf):
        holders = [mesh, *(mesh.get("primitives") or [])]
        names = [(h.get("extras") or {}).get("targetNames") for h in holders]
        found = next((n for n in names if n), None)
        if found and not names[0]:
            mesh["extras"] = {**(mesh.get("extras") or {}), "targetNames": list(found)}


def _names_of(gltf: dict, mesh: int) -> list[str]:
    """A mesh's names of its targets; "" where there is none."""
    found = _meshes(gltf)[mesh]
    names = [str(n) for n in (found.get("extras") or {}).get("targetNames") or []]
    return names + [_accessors_name(gltf, found, k) for k in range(len(names), _count(found))]


def _accessors_name(gltf: dict, mesh: dict, target: int) -> str:
    """Where some exporters have a target's name, and the importer looks next."""
    targets = mesh["primitives"][0].get("targets") or []
    at = targets[target].get("POSITION") if target < len(targets) else None
    return "" if at is None else str(gltf["accessors"][at].get("name") or "")


def _read_vrm(gltf: dict) -> tuple[list[str], dict[str, dict[str, float]]]:
    extensions = gltf.get("extensions") or {}
    new, old = extensions.get("VRMC_vrm"), extensions.get("VRM")
    if not (new or old):
        return [], {}
    said = f"VRM {new.get('specVersion', '1.0') if new else '0.x'}"
    bones = _new_bones(new) if new else _old_bones(old)
    expressions, bad = _sound(_new_expressions(gltf, new) if new else _old_expressions(old), gltf)
    lines = [f"read as {said}: {len(expressions)} expressions, {len(bones)} bones"]
    if bad:
        lines.append("expressions left out, the others are read: " + "; ".join(bad))
    renamed = _name_bones(gltf, bones, _springs(gltf, extensions))
    if renamed:
        lines.append("named after what the file says they are: " + ", ".join(renamed[:8]))
    named, mixes = _name_expressions(gltf, expressions)
    if named:
        lines.append(f"{len(named)} keys got their expression's name: " + ", ".join(named[:8]))
    return lines, mixes


def _new_bones(extension: dict) -> dict[str, int]:
    bones = (extension.get("humanoid") or {}).get("humanBones") or {}
    return {name: b["node"] for name, b in bones.items() if isinstance(b.get("node"), int)}


def _old_bones(extension: dict) -> dict[str, int]:
    bones = (extension.get("humanoid") or {}).get("humanBones") or []
    return {b["bone"]: b["node"] for b in bones if isinstance(b.get("node"), int)}


Binds = list[tuple[int, int, float]]
"""(mesh, target, value 0 to 1) each."""
_BEYOND = 1e-3
"""Of a weight above what it may be that is rounding."""


def _new_expressions(gltf: dict, extension: dict) -> Iterator[tuple[str, list, float]]:
    """(name, binds with the mesh of their node, largest weight) each."""
    nodes = gltf.get("nodes") or []
    groups = extension.get("expressions") or {}
    for kind in ("preset", "custom"):
        for name, expression in (groups.get(kind) or {}).items():
            binds = expression.get("morphTargetBinds") or []
            meshes = [_at(nodes, b.get("node")).get("mesh") for b in binds]
            yield name, [{**b, "mesh": m} for b, m in zip(binds, meshes, strict=True)], 1.0


def _at(items: list, index: object) -> dict:
    """One of the file's lists; {} where the index leads nowhere."""
    there = isinstance(index, int) and 0 <= index < len(items)
    return items[index] if there else {}


def _old_expressions(extension: dict) -> Iterator[tuple[str, list, float]]:
    for group in (extension.get("blendShapeMaster") or {}).get("blendShapeGroups") or []:
        preset = str(group.get("presetName") or "unknown").lower()
        name = str(group.get("name") or "") if preset == "unknown" else preset
        yield name, group.get("binds") or [], 100.0


def _sound(expressions, gltf: dict) -> tuple[list[tuple[str, Binds]], list[str]]:
    """The expressions whose binds make sense, and of the others each with what is wrong with it: a
    part of an expression would be another one."""
    sound, bad = [], []
    for name, binds, most in expressions:
        faults = [f for b in binds if (f := _fault(b, most, gltf))]
        if faults:
            bad.append(f"{name or 'one without a name'} ({faults[0]})")
        else:
            weights = [min(float(b.get("weight", most)) / most, 1.0) for b in binds]
            pairs = zip(binds, weights, strict=True)
            sound.append((name, [(b["mesh"], b["index"], w) for b, w in pairs]))
    return sound, bad


def _fault(bind: dict, most: float, gltf: dict) -> str:
    """What is wrong with a bind, or ""."""
    weight = bind.get("weight", most)
    if not _is_number(weight) or not 0.0 <= weight <= most * (1.0 + _BEYOND):
        return f"its weight is {weight!r:.40}, not 0 to {most:g}"
    mesh, index = _at(_meshes(gltf), bind.get("mesh")), bind.get("index")
    if not isinstance(index, int) or not 0 <= index < _count(mesh):
        return f"there is no shape {index!r:.40} of mesh {bind.get('mesh')!r:.40}"
    return ""


def _is_number(value: object) -> bool:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return right and math.isfinite(value)


def _mend_weights(gltf: dict) -> list[str]:
    """Shapes that the file shows by a weight that is none are at rest; says which."""
    mended = []
    for holder in [*_meshes(gltf), *(gltf.get("nodes") or [])]:
        weights = holder.get("weights") or []
        bad = [k for k, weight in enumerate(weights) if not _is_number(weight)]
        for k in bad:
            weights[k] = 0.0
        mended += [f"{holder.get('name', 'a mesh')} {k}" for k in bad]
    return [f"weights that are no numbers, taken as 0: {', '.join(mended[:8])}"] if mended else []


def _drop_no_numbers(gltf: dict) -> None:
    """What is no number in extensions, of which the importer reads nothing but would refuse all."""
    if "extensions" in gltf:
        gltf["extensions"] = _finite(gltf["extensions"])


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return 0.0 if isinstance(value, float) and not math.isfinite(value) else value


def _springs(gltf: dict, extensions: dict) -> list[int]:
    """Nodes that swing by themselves, and what hangs on them: hair, ribbons, clothes."""
    old = (extensions.get("VRM") or {}).get("secondaryAnimation") or {}
    new = extensions.get("VRMC_springBone") or {}
    roots = [n for g in old.get("boneGroups") or [] for n in g.get("bones") or []]
    roots += [j["node"] for s in new.get("springs") or [] for j in s.get("joints") or []]
    nodes, found, queue = gltf.get("nodes") or [], {}, roots
    while queue:
        node = queue.pop()
        if node not in found and 0 <= node < len(nodes):
            found[node] = None
            queue.extend(nodes[node].get("children") or [])
    return list(found)


def _name_bones(gltf: dict, bones: dict[str, int], springs: list[int]) -> list[str]:
    """Head and eyes are called so where their names say something else, and what swings too."""
    nodes, renamed = gltf.get("nodes") or [], []
    used = {n.get("name") for n in nodes}
    for bone, word in _BONES.items():
        node = nodes[bones[bone]] if bone in bones else None
        if node is None or word in words_of(node.get("name") or "") or bone in used:
            continue
        renamed.append(f"{node.get('name', '')} ({bone})")
        node["name"] = bone
    human = set(bones.values())
    for i in springs:
        name = str(nodes[i].get("name") or i)
        if i not in human and "mesh" not in nodes[i] and not _SWINGS & set(words_of(name)):
            nodes[i]["name"] = f"spring {name}"
    return renamed


def _name_expressions(gltf: dict, expressions) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Targets whose names say nothing get that of the expression that they alone make; what several
    make together, and no name says, is a mix."""
    names = {i: _names_of(gltf, i) for i in range(len(_meshes(gltf)))}
    known = read_names(n for of in names.values() for n in of if n)
    named, mixes = [], {}
    for name, binds in expressions:
        binds = [b for b in binds if b[2] > 0.0 and b[1] < len(names.get(b[0], ()))]
        keys = {names[mesh][target] for mesh, target, _ in binds}
        if not name or not binds or _told(name, keys, known):
            continue
        if len({mesh for mesh, _, _ in binds}) == len(binds) and len(keys) == 1:
            if not keys & known.keys():
                for mesh, target, _ in binds:
                    names[mesh][target] = name
                named.append(name)
                known |= read_names([name])
        else:
            mixes[name] = binds
    for i, mesh in enumerate(_meshes(gltf)):
        if names[i]:
            mesh["extras"] = {
                **(mesh.get("extras") or {}),
                "targetNames": [n or f"target_{k}" for k, n in enumerate(names[i])],
            }
    return named, {
        name: {names[mesh][target] or f"target_{target}": value for mesh, target, value in binds}
        for name, binds in mixes.items()
    }


def _told(name: str, keys: set[str], known: dict) -> bool:
    """The keys say by their own names what this expression would."""
    meant = read_names([name]).get(name)
    if meant is None:
        return True  # an expression that nobody knows tells nothing
    if meant.pose:
        return any(known[k].pose == meant.pose for k in keys if k in known)
    return all(k in known and known[k].channels for k in keys)
