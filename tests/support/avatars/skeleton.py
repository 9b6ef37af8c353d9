"""Bones that hold the skin of a face, as game rigs have them: without limits, drivers or keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exprgen.networks.vocabulary import LANDMARK_INDEX

from .donor import Donor

LENGTH = 0.02
"""Of a bone that slides, metres."""
HINGE = np.array([0.0, 0.075, 0.055])
"""Where a jaw turns, from the middle of the lips: back and up, metres."""


@dataclass(frozen=True)
class FaceBone:
    """A bone that holds skin.

    channel: whose motion tells which skin, the more it moves the more is held. at: landmarks whose
    middle is the bone's place. width: how far around it skin is held, metres; 0 for all that the
    channel moves. parent: "" for the head.
    """

    name: str
    channel: str
    at: tuple[str, ...]
    width: float = 0.0
    parent: str = ""

    def ends(self, face: Donor) -> tuple[np.ndarray, np.ndarray]:
        """Head and tail (3,) each: of a jaw from its hinge to the lips, else a short one into the
        head."""
        place = face.landmarks[[LANDMARK_INDEX[n] for n in self.at]].mean(0)
        if self.channel == "jawOpen":
            return place + HINGE, place
        return place, place + np.array([0.0, LENGTH, 0.0])


def skin_held(bones: tuple[FaceBone, ...], face: Donor) -> dict[str, np.ndarray]:
    """Bone -> (V,) its share of each vertex of the head; together 1 at most. What a bone with a
    parent holds is taken from the parent, so that it still goes where the parent goes."""
    whole = {bone.name: _share(bone, face) for bone in bones}
    held = dict(whole)
    for bone in (b for b in bones if b.parent):
        held[bone.name] = whole[bone.name] * whole[bone.parent]
        held[bone.parent] = np.maximum(held[bone.parent] - held[bone.name], 0.0)
    total = np.maximum(sum(held.values(), np.zeros(len(face.parts["head"].vertices))), 1.0)
    return {name: share / total for name, share in held.items()}


def _share(bone: FaceBone, face: Donor) -> np.ndarray:
    """(V,) how much of each vertex a bone would hold alone."""
    moved = np.linalg.norm(face.moves[bone.channel], axis=1)
    share = moved / moved.max()
    if not bone.width:
        return share
    far = np.linalg.norm(face.parts["head"].vertices - bone.ends(face)[0], axis=1) / bone.width
    return np.sqrt(share) * np.exp(-(far**2))


def _sides(name: str, channel: str, at: tuple[str, ...], width: float, parent: str = ""):
    """The bone of the left and that of the right; `{side}` and `{Side}` stand for them, and a
    number may be given as `{left's|right's}`."""
    return tuple(
        FaceBone(
            f"{name}_{side[0]}",
            channel.format(Side=side.title()),
            _of(side, at),
            width,
            parent,
        )
        for side in ("left", "right")
    )


def _of(side: str, at: tuple[str, ...]) -> tuple[str, ...]:
    """Landmarks of a side; `1|5` is the left's number, then the right's."""
    out = []
    for name in at:
        stem, _, last = name.format(side=side).rpartition("_")
        ends = last.split("|")
        out.append(f"{stem}_{ends[-1] if side == 'right' else ends[0]}")
    return tuple(out)


FACE = (
    FaceBone("jaw", "jawOpen", ("lip_bottom_outer_3",)),
    *_sides("brow_inner", "browInnerUp", ("brow_{side}_1|5", "brow_{side}_2|4"), 0.022),
    *_sides("brow_outer", "browOuterUp{Side}", ("brow_{side}_4|2", "brow_{side}_5|1"), 0.022),
    *_sides("eyelid_upper", "eyeBlink{Side}", ("eye_{side}_top_1", "eye_{side}_top_2"), 0.0),
    *_sides("eyelid_lower", "eyeSquint{Side}",
            ("eye_{side}_bottom_1", "eye_{side}_bottom_2"), 0.014),
    *_sides("nostril", "noseSneer{Side}", ("nostril_{side}_outer",), 0.018),
    *_sides("cheek", "cheekSquint{Side}", ("eye_{side}_outer", "mouth_{side}_corner"), 0.03),
    *_sides("lip_corner", "mouthSmile{Side}", ("mouth_{side}_corner",), 0.018),
    *_sides("lip_upper", "mouthUpperUp{Side}", ("lip_top_inner_3|1", "lip_top_outer_4|2"), 0.014),
    *_sides("lip_lower", "mouthLowerDown{Side}",
            ("lip_bottom_inner_1|3", "lip_bottom_outer_2|4"), 0.014, parent="jaw"),
)  # fmt: skip
"""Twenty-one bones of a face."""
