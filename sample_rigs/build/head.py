"""The head object: skin, teeth, tongue, lashes and brows in one mesh with one set of shape keys.

One object means one driver a key and nothing to keep in step.
"""

from __future__ import annotations

import bpy
import numpy as np

from . import shading
from .config import CharacterConfig
from .paint import part_colors
from .parts import SKIN, TEETH, Part, make_mesh
from .stylise import StyledHead, smooth

QUANTUM = 2.0**-15
"""Coordinates are rounded to this many metres (30 um): compresses well, is never seen."""
STILL = 4.9e-4
"""Shapes lose this many metres everywhere, so that faint tails end and the file stays small."""


def head_weight(anatomy: np.ndarray, head: StyledHead) -> np.ndarray:
    """(N,) share of the head bone: 1 on the head, fading down the neck along its slant."""
    height = anatomy[:, 2] - 0.30 * (anatomy[:, 1] + 0.065) - head.before.chin[2]
    return smooth(-0.075, 0.004, height)


def assemble(
    parts: list[Part], masks: dict[str, np.ndarray], head: StyledHead, config: CharacterConfig,
    keys: tuple[str, ...], offset: np.ndarray,
):  # fmt: skip
    """Join the parts into the head object with colours, crease masks and the shape keys `keys`."""
    starts = np.cumsum([0, *(len(p.vertices) for p in parts)])
    vertices = np.concatenate([p.vertices for p in parts]) + offset
    faces = np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)])
    mesh = make_mesh(f"{config.name}_head", _round(vertices), faces)
    kinds = np.concatenate([np.full(len(p.faces), p.kind) for p in parts])
    for mat in _materials(config):
        mesh.materials.append(mat)
    mesh.polygons.foreach_set("material_index", kinds)
    colors = np.concatenate([part_colors(p, head, config) for p in parts])
    shading.paint(mesh, colors, changing=True)
    rounded = {n: np.where(np.abs(m) > 0.01, np.round(m * 64) / 64, 0.0) for n, m in masks.items()}
    whole = {n: np.pad(m, (0, len(vertices) - len(m))) for n, m in rounded.items()}
    shading.note_creases(mesh, whole)
    _note_lips(mesh, parts, starts)
    obj = bpy.data.objects.new(f"{config.name}_head", mesh)
    _add_keys(obj, parts, starts, keys)
    _add_groups(obj, parts, head)
    return obj


def _note_lips(mesh, parts: list[Part], starts: np.ndarray) -> None:
    """Give the teeth's points the numbers of the lips' points before them, see `shading.LIPS`."""
    if not any(p.kind == TEETH and "lips" in p.extra for p in parts):
        return
    for lip, name in enumerate(shading.LIPS):
        numbers = np.zeros(starts[-1], np.int32)
        for part, start in zip(parts, starts, strict=False):
            if part.kind == TEETH:
                numbers[start : start + len(part.vertices)] = part.extra["lips"][lip]
        mesh.attributes.new(name, "INT", "POINT").data.foreach_set("value", numbers)


def _round(values: np.ndarray, quantum: float = QUANTUM) -> np.ndarray:
    return np.round(values / quantum) * quantum


def _materials(config: CharacterConfig):
    name = config.name
    return [
        shading.material(f"{name}_skin", 0.52, 0.3),
        shading.material(f"{name}_teeth", 0.2, 0.5, glow=config.mouth.teeth_glow),
        shading.material(f"{name}_tongue", 0.4, 0.5),
        shading.material(f"{name}_lash", 0.6, 0.2),
        shading.material(f"{name}_brow", 0.7, 0.2),
    ]


def _add_keys(obj, parts, starts, keys, still: float = STILL) -> None:
    obj.shape_key_add(name="Basis", from_mix=False)
    base = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", base)
    base = base.reshape(-1, 3)
    for key in keys:
        delta = np.zeros_like(base)
        for part, start in zip(parts, starts, strict=False):
            if key in part.shapes:
                delta[start : start + len(part.vertices)] = part.shapes[key]
        size = np.linalg.norm(delta, axis=1, keepdims=True)
        delta *= np.maximum(size - still, 0.0) / np.maximum(size, 1e-9)  # fades out, no step
        block = obj.shape_key_add(name=key, from_mix=False)
        moved = np.where(size > still, _round(base + delta, 2 * QUANTUM), base)
        block.data.foreach_set("co", moved.astype(np.float32).ravel())
    obj.data.shape_keys.name = obj.name + "_keys"


def _add_groups(obj, parts, head: StyledHead) -> None:
    weights = np.concatenate([
        head_weight(p.extra["anatomy"], head) if p.kind == SKIN else np.ones(len(p.vertices))
        for p in parts
    ])  # fmt: skip
    groups = obj.vertex_groups.new(name="head"), obj.vertex_groups.new(name="root")
    for level in np.unique(np.round(weights, 2)):
        members = np.flatnonzero(np.round(weights, 2) == level).tolist()
        if level > 0:
            groups[0].add(members, float(level), "REPLACE")
        if level < 1:
            groups[1].add(members, float(1 - level), "REPLACE")
