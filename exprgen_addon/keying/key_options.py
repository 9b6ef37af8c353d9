"""How values become keys: the options of `keyframes.py`, kept apart so that the command line can
refuse bad ones before Blender is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from ...networks.errors import UsageError

INTERPOLATIONS = ("LINEAR", "BEZIER", "CONSTANT")
INTERPOLATION_ITEMS = (
    ("LINEAR", "Linear", "Straight between keys"),
    ("BEZIER", "Smooth", "Smooth, never beyond the keys' own values"),
)
"""Those that a menu offers: identifier, name, what it does."""
FPS_RANGE = (1.0, 240.0)
LAST_FRAME = 1_048_574
"""The last one that Blender knows."""


@dataclass(frozen=True)
class KeyOptions:
    """How values become keys.

    start_frame: scene frame on which the reference's time zero lies. A range of the reference
        therefore lands where it belongs, and a punched-in range fits what is around it.
    subframes: keep one key for each frame of the reference, at its exact time, between whole frames
        if need be. Off: values are interpolated to the scene's whole frames, so that a 30 fps clip
        plays at the right speed, and is easy to edit, in a 24 fps scene.
    interpolation: "LINEAR", or "BEZIER": smooth, never beyond the keys' own values, or "CONSTANT".
        Between keys on every frame they look alike.
    reduce: largest error that leaving keys out may make at any frame, as a fraction of the
        control's range (maximum - minimum); 0 keeps every key.
    keep_hand_made: keys that were not generated stay, in the range too. Outside it they always do.
    whole: the track is all of its reference that shall be keyed: what was generated from the same
        reference earlier goes outside its range too. Off for a part that is punched in.
    affect: valence and arousal are keyed too, as custom properties of the character's rig.
    """

    start_frame: float = 1.0
    subframes: bool = False
    interpolation: str = "LINEAR"
    reduce: float = 0.0
    keep_hand_made: bool = True
    whole: bool = True
    affect: bool = False

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise UsageError(
                f"unknown interpolation {self.interpolation!r}",
                fix=f"use one of {', '.join(INTERPOLATIONS)}",
            )
        if not abs(self.start_frame) <= LAST_FRAME:
            raise UsageError(
                f"Blender has no frame {self.start_frame:g}", fix="give a frame of the scene"
            )
        if not 0.0 <= self.reduce < 1.0:
            raise UsageError(
                f"the reduction error {self.reduce:g} is not in 0..1",
                fix="give a fraction of the control's range, such as 0.01",
            )


def check_fps(fps: float | None) -> float | None:
    """A scene rate that Blender can play, or None for the reference's own.

    Raises:
        UsageError: outside FPS_RANGE.
    """
    if fps is not None and not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        raise UsageError(f"{fps:g} frames per second can't be used", fix="use 1 to 240")
    return fps
