"""Whether a character's controls cover a face, told by the channels that they stand for.

Such a character can be played at once: the tracker's coefficients say what each control does, and
the character's own geometry corrects it. It must not know weights, footage or solving.
"""

from __future__ import annotations

from .profile import RigProfile

PARTS = {
    "opens the mouth": ("jawOpen",),
    "shapes the lips": (
        "mouthSmile", "mouthFrown", "mouthStretch", "mouthPucker", "mouthFunnel",
        "mouthUpperUp", "mouthLowerDown",
    ),
    "moves brows or lids": ("browDown", "browInnerUp", "browOuterUp", "eyeBlink"),
}  # fmt: skip
"""What a face needs to be played, in words -> stems of channels of which one must be there."""


def missing_parts(profile: RigProfile) -> tuple[str, ...]:
    """Of PARTS, what none of a character's expression controls stands for."""
    reached = [c for control in profile.expression_controls for c in control.channels]
    return tuple(p for p, stems in PARTS.items() if not any(c.startswith(stems) for c in reached))


def plays_by_channels(profile: RigProfile) -> bool:
    """A character can be solved without a network of its own: its controls cover the face, and its
    landmarks are there, so that its geometry can be measured."""
    return bool(profile.landmarks) and not missing_parts(profile)
