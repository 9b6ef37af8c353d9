"""VRM Animation (.vrma): a take's expressions, head and gaze for any VRM 1.0 avatar.

A binary glTF without meshes: nodes that stand for the bones of a body at rest, of which the head
turns; a node for each expression, whose place along x is its weight; a node whose rotation is the
gaze (VRMC_vrm_animation 1.0). Space: x to the subject's left, y up, z where it looks. The file
knows no Blender.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...networks.characters.key_poses import POSES, arkit_weights, label
from ...networks.characters.naming_schemes import schemes
from ...networks.files import write_bytes
from ...networks.footage.live_link import CoefficientTake
from ...networks.records import json_text
from ...networks.solving.coefficients import nearest
from ...networks.solving.head_and_gaze import rotation_of
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX

EXTENSION = "VRMC_vrm_animation"
MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
FLOAT = 5126
"""glTF's number for 32-bit floats."""
LIDS = {"blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight"}
MOUTHS = ("aa", "ih", "ou", "ee", "oh")
FEELINGS = {"happy": "joy", "angry": "anger", "sad": "sadness", "surprised": "surprise"}
"""Preset -> the expression whose key poses show it."""
EYES = (0.0, 0.06, 0.0)
"""Where the gaze begins, seen from the head's bone, metres."""
BODY = {
    # bone: (parent, place seen from it in metres): a grown body in T-pose
    "hips": ("", (0.0, 0.95, 0.0)),
    "spine": ("hips", (0.0, 0.12, 0.0)),
    "chest": ("spine", (0.0, 0.14, 0.0)),
    "neck": ("chest", (0.0, 0.24, 0.0)),
    "head": ("neck", (0.0, 0.09, 0.0)),
    **{
        f"{side}{bone}": (f"{side}{parent}" if parent[0].isupper() else parent, (sign * x, y, 0.0))
        for side, sign in (("left", 1.0), ("right", -1.0))
        for bone, parent, x, y in (
            ("UpperArm", "chest", 0.16, 0.19), ("LowerArm", "UpperArm", 0.26, 0.0),
            ("Hand", "LowerArm", 0.25, 0.0), ("UpperLeg", "hips", 0.09, -0.04),
            ("LowerLeg", "UpperLeg", 0.0, -0.42), ("Foot", "LowerLeg", 0.0, -0.41),
        )
    },
}  # fmt: skip


def preset_weights(coefficients: np.ndarray) -> dict[str, np.ndarray]:
    """VRM preset -> its weights (N,), 0 to 1, from ARKit coefficients (N, 52): lids as they are, of
    mouths and feelings those whose mixture comes nearest."""
    lids = [ARKIT_INDEX[channel] for channel in LIDS.values()]
    names, rows = zip(*_presets().items(), strict=True)
    others = np.delete(np.arange(len(ARKIT_CHANNELS)), lids)
    mixed = nearest(np.array(rows)[:, others], coefficients[:, others])
    shut = dict(zip(LIDS, coefficients[:, lids].T, strict=True))
    return shut | dict(zip(names, mixed.T, strict=True))


def _presets() -> dict[str, np.ndarray]:
    """Preset -> the ARKit coefficients (52,) that it shows."""
    table = next(s for s in schemes() if s.name == "VRM 1.0 presets")
    shown = {n: _vector(table.meaning(n).channels) for n in MOUTHS}
    for preset, expression in FEELINGS.items():
        poses = [arkit_weights(p) for name, p in POSES.items() if label(name) == expression]
        shown[preset] = np.mean(poses, axis=0)
    return shown


def _vector(channels: dict[str, float]) -> np.ndarray:
    return np.array([channels.get(c, 0.0) for c in ARKIT_CHANNELS])


def write_vrma(path: str | Path, take: CoefficientTake, custom: bool = False) -> Path:
    """Write a take.

    Args:
        custom: the 52 coefficients as custom expressions of their names ("Perfect Sync") in place
            of the presets.

    Raises:
        OutputError: the place can't be written.
    """
    clipped = np.clip(take.coefficients, 0.0, 1.0)
    by_name = dict(zip(ARKIT_CHANNELS, clipped.T, strict=True))
    weights = by_name if custom else preset_weights(clipped)
    file = _Animation(take.times)
    bones = file.body()
    file.turn(bones["head"], [rotation_of(p, y, r) for y, p, r in take.angles[:, :3]])
    expressions = {name: {"node": file.weight(name, w)} for name, w in weights.items()}
    yaw, pitch = take.angles[:, [3, 6]].mean(1), take.angles[:, [4, 7]].mean(1)
    gaze = file.node("lookAt")
    file.turn(gaze, [rotation_of(p, y, 0.0) for p, y in zip(pitch, yaw, strict=True)])
    extension = {
        "specVersion": "1.0",
        "humanoid": {"humanBones": {name: {"node": node} for name, node in bones.items()}},
        "expressions": {"custom" if custom else "preset": expressions},
        "lookAt": {"node": gaze, "offsetFromHeadBone": list(EYES)},
    }
    write_bytes(path, file.to_bytes({EXTENSION: extension}))
    return Path(path)


class _Animation:
    """A glTF of nodes and one animation. times (N,): seconds of all keys."""

    def __init__(self, times: np.ndarray):
        self._binary, self._nodes, self._roots = b"", [], []
        self._views, self._accessors = [], []
        self._samplers, self._channels = [], []
        first = np.asarray(times, float) - float(times[0])
        self._times = self._accessor(first[:, None], "SCALAR", ends=True)

    def node(self, name: str, parent: int | None = None, place=None) -> int:
        node = {"name": name} | ({"translation": list(place)} if place else {})
        self._nodes.append(node)
        number = len(self._nodes) - 1
        if parent is None:
            self._roots.append(number)
        else:
            self._nodes[parent].setdefault("children", []).append(number)
        return number

    def body(self) -> dict[str, int]:
        """Bone -> its node."""
        made: dict[str, int] = {}
        for name, (parent, place) in BODY.items():
            made[name] = self.node(name, made[parent] if parent else None, place)
        return made

    def turn(self, node: int, rotations: list[np.ndarray]) -> None:
        """Key rotations, matrices (3, 3)."""
        quaternions = np.array([_quaternion(r) for r in rotations])
        for i in range(1, len(quaternions)):  # the short way round, since readers go straight
            if quaternions[i] @ quaternions[i - 1] < 0.0:
                quaternions[i] *= -1.0
        self._channel(node, "rotation", self._accessor(quaternions, "VEC4"))

    def weight(self, name: str, values: np.ndarray) -> int:
        """A node whose place along x is an expression's weight; its number."""
        node = self.node(name)
        places = np.stack([values, np.zeros_like(values), np.zeros_like(values)], axis=1)
        self._channel(node, "translation", self._accessor(places, "VEC3"))
        return node

    def to_bytes(self, extensions: Mapping) -> bytes:
        data = {
            "asset": {"version": "2.0", "generator": "ExprGen"},
            "extensionsUsed": list(extensions),
            "extensions": dict(extensions),
            "scene": 0,
            "scenes": [{"nodes": self._roots}],
            "nodes": self._nodes,
            "animations": [{"samplers": self._samplers, "channels": self._channels}],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._binary)}],
        }
        text = json_text(data).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), JSON_CHUNK) + text
        chunks += struct.pack("<II", len(self._binary), BINARY_CHUNK) + self._binary
        return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks

    def _channel(self, node: int, path: str, output: int) -> None:
        self._samplers.append({"input": self._times, "output": output, "interpolation": "LINEAR"})
        target = {"node": node, "path": path}
        self._channels.append({"sampler": len(self._samplers) - 1, "target": target})

    def _accessor(self, rows: np.ndarray, kind: str, ends: bool = False) -> int:
        data = np.ascontiguousarray(rows, "<f4")
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": data.nbytes}
        self._views.append(view)
        self._binary += data.tobytes()
        number = len(self._views) - 1
        made = {"bufferView": number, "componentType": FLOAT, "count": len(data), "type": kind}
        if ends:  # glTF asks for them where the values are times
            made |= {"min": data.min(0).tolist(), "max": data.max(0).tolist()}
        self._accessors.append(made)
        return len(self._accessors) - 1


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) of less than half a turn as (x, y, z, w)."""
    w = 0.5 * np.sqrt(max(1.0 + np.trace(matrix), 1e-12))
    axis = np.array([
        matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1],
    ])  # fmt: skip
    return np.append(axis / (4.0 * w), w)
