"""The settings of a retarget, frozen; the command line, the panel and the worker share them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from .errors import UsageError
from .vocabulary import OUTPUTS, REGIONS


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
        known = {f.name for f in fields(RetargetSettings)}
        unknown = set(data) - known
        if unknown:
            raise UsageError(f"unknown setting {min(unknown)!r}", fix=f"use {', '.join(known)}")
        data = dict(data)
        if "outputs" in data:
            data["outputs"] = tuple(data["outputs"])
        return RetargetSettings(**data)
