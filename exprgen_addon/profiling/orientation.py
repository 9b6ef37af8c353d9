"""Which way a face looks, where its chin, top and eyes are, how a camera frames it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...networks.characters.control_names import words_of
from ...networks.characters.profile import Framing
from .face import Face
from .meanings import Meanings
from .movers import Mover, is_rigid
from .notes import Notes
from .probe import Probe

SURE = 4
"""Movers with known names from which these alone tell where the face is."""
NEAREST, FARTHEST = 0.8, 2.8
"""Chin and top against the eyes, in distances of the eyes: about 1.8 each for people."""


def orient(probe: Probe, face: Face, movers: list[Mover], notes: Notes, meanings: Meanings) -> Face:
    """Which way it looks, where chin, top and eyes are."""
    local = [m for m in movers if not is_rigid(m, face)] or movers
    named = [m for m in local if meanings.channels(m.found)]
    # What is known to be of the face tells where it is; what else moves may be a hat's.
    local = named if len(named) >= SURE else local
    amount = np.max([m.size / max(m.size.max(), 1e-12) for m in local], axis=0)
    normals = probe.normals()[face.mask]
    look = (normals * (amount[:, None] > 0.3)).sum(0) * (1.0, 1.0, 0.0)
    if np.linalg.norm(look) < 0.05 * (amount > 0.3).sum():
        notes.say("which way the face looks is not clear: taken for -Y")
        look = np.array([0.0, -1.0, 0.0])
    look = look / np.linalg.norm(look)
    axis = np.zeros(3)
    axis[np.abs(look).argmax()] = np.sign(look[np.abs(look).argmax()])
    # Characters stand along an axis; a few degrees off is how the skin is formed.
    forward = axis if look @ axis > math.cos(math.radians(30)) else look
    moved = face.points[amount > 0.15]
    chin, high = np.percentile(moved[:, 2], (2, 98))
    # The crown belongs to the picture where the mesh has one, a hat or a body's top does not.
    reach = face.points[face.points[:, 2] > chin][:, 2].max()
    top = float(min(reach, chin + 2.0 * (high - chin)))
    face = replace(face, forward=forward, chin=float(chin), top=top)
    eyes = _eye_centres(probe, face, local, meanings)
    middle = 0.5 * (moved.min(0) + moved.max(0))
    if eyes is not None:
        middle = eyes.mean(0)
        chin, top = _within_eyes(eyes, face)
        face = replace(face, eye_line=float(middle[2]), chin=chin, top=top)
    else:
        notes.say("the eyes were not found: heights of brow, eye and mouth are taken from the box")
    middle[2] = 0.5 * (face.chin + face.top)
    return replace(face, middle=middle, height=max(face.top - face.chin, 1e-6))


def _within_eyes(eyes: np.ndarray, face: Face) -> tuple[float, float]:
    """Chin and top no farther from the eyes than a face's can be, seen from how far these are
    apart: what lies beyond is a body, a hat, or hair."""
    apart, level = float(np.linalg.norm(eyes[0] - eyes[1])), float(eyes[:, 2].mean())
    if not apart > 0.0:
        return face.chin, face.top
    chin = min(max(face.chin, level - FARTHEST * apart), level - NEAREST * apart)
    top = max(min(face.top, level + FARTHEST * apart), level + NEAREST * apart)
    return chin, top


def _eye_centres(
    probe: Probe, face: Face, movers: list[Mover], meanings: Meanings
) -> np.ndarray | None:
    """(2, 3) centres of the eyes, in any order: from blinks, eyeball meshes or eye bones."""
    for channels in (("eyeBlinkLeft", "eyeBlinkRight"), ("eyeWideLeft", "eyeWideRight")):
        centres = []
        for channel in channels:
            for m in movers:
                if meanings.channels(m.found).get(channel) == 1.0:
                    centres.append((face.points * m.size[:, None]).sum(0) / m.size.sum())
                    break
        if len(centres) == 2:
            return np.array(centres)
    for m in movers:
        if meanings.channels(m.found).keys() >= {"eyeBlinkLeft", "eyeBlinkRight"}:
            return _both_sides(face, m.size)
    rest = probe.rest_points
    centres = [rest[p.start : p.end].mean(0) for p in probe.parts if is_eye(p.name)]
    if len(centres) < 2:
        centres = [
            probe.bone_head(o, b.name)
            for o in probe.objects
            if o.pose
            for b in o.pose.bones
            if is_eye(b.name)
        ]
    if len(centres) < 2:
        return None
    pairs = np.array(centres)
    across = pairs @ face.left
    return pairs[[across.argmin(), across.argmax()]] if np.ptp(across) > 0 else None


def _both_sides(face: Face, size: np.ndarray) -> np.ndarray | None:
    """(2, 3) where one control moves the face at each side of its own middle."""
    across = face.points @ face.left
    middle = (across * size).sum() / size.sum()
    weights = [size * (across > middle), size * (across <= middle)]
    if not all(w.sum() > 0.0 for w in weights):
        return None
    return np.array([(face.points * w[:, None]).sum(0) / w.sum() for w in weights])


def is_eye(name: str) -> bool:
    """eye_L, LeftEye, Eyeball.R; not eyebrows, lids or lashes."""
    words = set(words_of(name))
    return bool(words & {"eye", "eyeball"}) and not words & {
        "brow", "lid", "lash", "lashes", "lids", "blink", "target", "mch", "org", "master", "wide",
        "squint", "look",
    }  # fmt: skip


def framing(face: Face) -> Framing:
    """The square that shows chin, brows and most of the hair with a margin."""
    front = float((face.points @ face.forward).max())
    centre = face.middle + face.forward * (0.6 * (front - face.middle @ face.forward))
    return Framing.rounded(centre, face.forward, 1.26 * face.height)
