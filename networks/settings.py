"""The settings of a retarget, frozen; the command line, the panel and the worker share them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from .errors import UsageError
from .records import FieldError, as_record
from .vocabulary import OUTPUTS, REGIONS

FARTHEST = 200_000.0
"""Seconds from zero that a setting may name, as in track.py."""
MOST_GAIN = 100.0


@dataclass(frozen=True)
class RetargetSettings:
    """How a FaceTrack becomes RigTracks.

    smoothing_eyes, smoothing_mouth, smoothing_head: 0 none .. 1 strong; zero-phase, so nothing is
        delayed; "eyes" covers brows, lids and gaze, "mouth" covers nose, cheeks, mouth and jaw.
        Blinks are kept whatever the strength.
    calibration: "auto" (the actor's neutral found in the clip), "none", or seconds of a frame in
        which the actor is neutral.
    emphasis: 0 none .. 1: how far a character's pose is drawn to its key poses of the perceived
        expression (see emphasis.py).
    gain: region -> factor on the unit values, 1 by default (head and gaze: on the angle).
    start, end: seconds; None means the clip's own.
    outputs: what is solved and keyed, of OUTPUTS.
    """

    smoothing_eyes: float = 0.4
    smoothing_mouth: float = 0.4
    smoothing_head: float = 0.5
    calibration: str | float = "auto"
    emphasis: float = 0.9
    gain: dict[str, float] = field(default_factory=dict)
    start: float | None = None
    end: float | None = None
    outputs: tuple[str, ...] = OUTPUTS

    def __post_init__(self) -> None:
        for name in ("calibration", "start", "end"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not abs(value) < FARTHEST:
                raise UsageError(f"{name} is {value:g}", fix="give seconds of the footage")
        for name in ("smoothing_eyes", "smoothing_mouth", "smoothing_head", "emphasis"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} must lie in 0..1", fix="give a number from 0 to 1")
        if isinstance(self.calibration, str) and self.calibration not in ("auto", "none"):
            raise UsageError(
                f"unknown calibration {self.calibration!r}",
                fix="use auto, none or the seconds of a neutral frame",
            )
        unknown = set(self.gain) - set(REGIONS)
        if unknown:
            raise UsageError(
                f"unknown gain region {min(unknown)!r}", fix=f"use one of {', '.join(REGIONS)}"
            )
        for region, factor in self.gain.items():
            if not 0.0 <= factor <= MOST_GAIN:
                raise UsageError(
                    f"the gain of {region} is {factor:g}",
                    fix=f"give a number from 0 to {MOST_GAIN:g}",
                )
        if set(self.outputs) - set(OUTPUTS) or not self.outputs:
            raise UsageError("unknown or empty outputs", fix=f"use some of {', '.join(OUTPUTS)}")
        if None not in (self.start, self.end) and self.end <= self.start:
            raise UsageError(
                f"the range {self.start:g}-{self.end:g} s is empty", fix="end must be after start"
            )

    def to_json(self) -> dict:
        return asdict(self)

    @staticmethod
    def from_json(data: dict) -> RetargetSettings:
        """The inverse of `to_json`.

        Raises:
            UsageError: a setting that is unknown, of another kind, or out of its range.
        """
        try:
            return as_record(RetargetSettings, data)
        except FieldError as error:
            known = ", ".join(f.name for f in fields(RetargetSettings))
            raise UsageError(f"setting {error}", fix=f"use {known}") from error
