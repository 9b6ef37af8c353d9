"""Lids that meet: the upper one comes down onto the lower one, and the lashes ride on its edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import source
from .loops import Loops
from .stylise import StyledHead, smooth

OVERLAP = np.array([0.0, -0.0003, -0.0007])
"""How far in front of and below the lower lid's edge the upper one comes to rest, metres."""
LASH_ACTIONS = ("eyeBlink", "eyeWide", "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut")


def shape_lids(head: StyledHead) -> StyledHead:
    """The head with lids that close entirely and lashes that stay on the upper lid's edge."""
    data = source.load_source()
    upper, lower = lid_edges(head, data)
    actions = dict(head.actions)
    actions["eyeBlinkLeft"] = _closed(head, data, upper, lower)
    lash = np.unique(data.parts["helper-l-eyelashes-2"])
    for name in LASH_ACTIONS:
        left = actions[f"{name}Left"].copy()
        left[lash] = _ride(head, left, upper, lash)
        actions[f"{name}Left"] = left
        actions[f"{name}Right"] = left[data.mirror] * (-1.0, 1.0, 1.0)
    return replace(head, actions=actions)


def lid_edges(head: StyledHead, data) -> tuple[np.ndarray, np.ndarray]:
    """Base vertices along the left upper and lower lid, each from the inner to the outer corner."""
    body = np.unique(data.parts["body"])
    strength = np.linalg.norm(data.actions["eyeBlinkLeft"][body], axis=1)
    top = int(body[strength.argmax()])  # on the upper lid's edge
    loops = Loops(data.parts["body"])
    walks = [loops.walk(top, n) for n in loops.neighbours[top]]
    ring = min((w for w in walks if top in loops.neighbours[w[-1]]), key=len)
    x = head.rest[ring, 0]
    ring = np.roll(ring, -int(x.argmin()))
    outer = int(head.rest[ring, 0].argmax())
    one, other = ring[: outer + 1], np.r_[ring[0], ring[:outer:-1], ring[outer]]
    return (one, other) if top in one else (other, one)


def _closed(head: StyledHead, data, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """(V, 3) the left blink with the upper edge brought onto the lower one."""
    rest, blink = head.rest, head.actions["eyeBlinkLeft"]
    end, floor = (rest + blink)[upper], (rest + blink)[lower]
    across = (end[:, 0] - floor[0, 0]) / np.ptp(floor[:, 0])
    order = np.argsort(floor[:, 0])
    goal = np.stack([np.interp(end[:, 0], floor[order, 0], floor[order, a]) for a in range(3)], 1)
    window = smooth(0.0, 0.14, across) * smooth(1.0, 0.90, across)
    lack = (goal + OVERLAP - end) * window[:, None]
    lack[:, 0] = 0.0
    # A lid's skin takes its share of what the edge below it lacks.
    moving = np.flatnonzero(np.linalg.norm(blink, axis=1) > 1e-4)
    near = np.exp(-(((rest[moving, None, 0] - rest[None, upper, 0]) / 0.0025) ** 2)) + 1e-9
    near /= near.sum(1, keepdims=True)
    drop = near @ np.linalg.norm(blink[upper], axis=1)
    share = np.clip(np.linalg.norm(blink[moving], axis=1) / np.maximum(drop, 1e-4), 0.0, 1.0)
    out = blink.copy()
    out[moving] += (near @ lack) * share[:, None]
    return out


def _ride(head: StyledHead, action: np.ndarray, upper: np.ndarray, lash: np.ndarray) -> np.ndarray:
    """(N, 3) motion of lash points that are carried by the lid's edge and turn with it."""
    rest, eye = head.rest, head.after.eye
    gap = np.linalg.norm(rest[lash, None] - rest[None, upper], axis=2)
    weight = 1.0 / (gap + 5e-4) ** 4
    weight /= weight.sum(1, keepdims=True)
    edge, moved = weight @ rest[upper], weight @ action[upper]
    return moved + _turned(edge - eye, edge + moved - eye, rest[lash] - edge) - (rest[lash] - edge)


def _turned(before: np.ndarray, after: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(N, 3) offsets turned as the directions `before` turn into `after` (Rodrigues)."""
    a = before / np.linalg.norm(before, axis=1, keepdims=True)
    b = after / np.linalg.norm(after, axis=1, keepdims=True)
    axis, cosine = np.cross(a, b), (a * b).sum(1, keepdims=True)
    cross = np.cross(axis, offset)
    return offset * cosine + cross + axis * (axis * offset).sum(1, keepdims=True) / (1.0 + cosine)
