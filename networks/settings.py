"""The settings of a retarget, frozen; the command line, the panel and the worker share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from .errors import UsageError
from .phrases import Overruling
from .records import FieldError, as_record
from .vocabulary import EXPRESSIONS, OUTPUTS, REGIONS

FARTHEST = 200_000.0
"""Seconds from zero that a setting may name, as in track.py."""
MOST_GAIN = 100.0
EMPHASIS_PARTS = {
    "brows": ("brow",),
    "eyes": ("eye", "cheek"),
    "mouth": ("mouth", "jaw", "nose"),
}
"""Parts of the face that may have an emphasis of their own -> their regions."""
PARTS = {**EMPHASIS_PARTS, "gaze": ("gaze",), "head": ("head",)}
"""Parts of a performance that may be taken from another take, or keyed alone -> their regions; all
of them together are all regions."""
SPAN_EDGE = 0.2
"""Seconds in which a span of emphasis comes and goes."""


def range_of_pictures(given: str | None = None) -> UsageError:
    """What is said of a range of seconds for separate pictures, which have none.

    Args:
        given: the pictures, or the track of them, for the message.
    """
    return UsageError(
        "a range is of a clip's seconds, and this has none: pictures",
        file=given,
        fix="leave the range out; of several pictures give those that are wanted",
    )


@dataclass(frozen=True)
class RetargetSettings:
    """How a FaceTrack becomes RigTracks.

    smoothing_eyes, smoothing_mouth, smoothing_head: 0 none .. 1 strong; zero-phase, so nothing is
        delayed; "eyes" covers brows, lids and gaze, "mouth" covers nose, cheeks, mouth and jaw.
        Blinks are kept whatever the strength.
    calibration: "auto" (the actor's neutral found in the clip), "none", or seconds of a frame in
        which the actor is neutral.
    emphasis: 0 none .. 1: how far a character's pose is drawn to its key poses of the perceived
        expression (see emphasis.py); in a clip only in what is slow and what the actor's relations
        leave free.
    emphasis_parts: part of EMPHASIS_PARTS -> its own emphasis.
    emphasis_spans: (start, end, emphasis) in seconds; over all parts, the later over the earlier.
    emphasis_part_spans: (part, start, end, emphasis); over `emphasis_spans`, in that part alone.
    emphasis_curve: (time, emphasis) samples, in order of time, instead of the one number;
        emphasis_part_curves: part -> such samples, instead of the part's own.
    phrases: (start, end, weights) in seconds: what is felt there by a person's word, as weights of
        EXPRESSIONS, instead of what was read (see phrases.py); in a clip alone.
    articulation: 0.5..1.5, factor on how far the actor's mouth and jaw open and round in a clip;
        what smiles do too follows it by less. 1 is as tracked; viewers prefer more.
    actor: name under which the actor's neutral and reach are kept from clip to clip; "" for none.
    gain: region -> factor on the unit values, 1 by default (head and gaze: on the angle).
    start, end: seconds; None means the clip's own; of a clip alone.
    outputs: what is solved and keyed, of OUTPUTS.
    """

    smoothing_eyes: float = 0.4
    smoothing_mouth: float = 0.4
    smoothing_head: float = 0.5
    calibration: str | float = "auto"
    emphasis: float = 0.9
    emphasis_parts: dict[str, float] = field(default_factory=dict)
    emphasis_spans: tuple[tuple[float, float, float], ...] = ()
    emphasis_part_spans: tuple[tuple[str, float, float, float], ...] = ()
    emphasis_curve: tuple[tuple[float, float], ...] = ()
    emphasis_part_curves: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    phrases: tuple[Overruling, ...] = ()
    articulation: float = 1.3
    actor: str = ""
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
        self._check_emphasis()
        self._check_phrases()
        if not 0.5 <= self.articulation <= 1.5:
            raise UsageError("articulation must lie in 0.5..1.5", fix="1 is the actor's own")
        if self.actor and not self.actor.replace("-", "").replace("_", "").isalnum():
            raise UsageError(
                f"{self.actor!r} can't be an actor's name", fix="use letters, digits, - and _"
            )
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

    def _check_emphasis(self) -> None:
        spanned = {part for part, *_ in self.emphasis_part_spans}
        named = {*self.emphasis_parts, *self.emphasis_part_curves, *spanned}
        unknown = named - set(EMPHASIS_PARTS)
        if unknown:
            raise UsageError(
                f"unknown part {min(unknown)!r} of emphasis",
                fix=f"use one of {', '.join(EMPHASIS_PARTS)}",
            )
        spans = self.all_emphasis_spans
        for start, end, _ in spans:
            if end <= start:
                raise UsageError(
                    f"the span {start:g}:{end:g} of emphasis is empty",
                    fix="end must be after start",
                )
        curves = (self.emphasis_curve, *self.emphasis_part_curves.values())
        for curve in curves:
            times = [t for t, _ in curve]
            if times != sorted(set(times)):
                raise UsageError("the curve of emphasis runs backwards", fix="sort it by time")
        amounts = [*self.emphasis_parts.values(), *(v for *_, v in spans)]
        amounts += [v for curve in curves for _, v in curve]
        if not all(0.0 <= v <= 1.0 for v in amounts):
            raise UsageError("emphasis must lie in 0..1", fix="give numbers from 0 to 1")

    def _check_phrases(self) -> None:
        for start, end, weights in self.phrases:
            if not -FARTHEST < start < end < FARTHEST:
                raise UsageError(
                    f"the phrase {start:g}:{end:g} is empty or too far",
                    fix="end must be after start",
                )
            if len(weights) != len(EXPRESSIONS) or min(weights) < 0.0 or sum(weights) <= 0.0:
                raise UsageError(
                    f"the phrase {start:g}:{end:g} says no mixture",
                    fix=f"give a weight of 0 or more for each of {', '.join(EXPRESSIONS)}",
                )

    def emphasis_at(self, times: np.ndarray, regions: Sequence[str]) -> np.ndarray:
        """(N, R) the emphasis at times (N,) seconds for things of these regions."""
        whole = np.full(len(times), self.emphasis, float)
        if self.emphasis_curve:
            whole = np.interp(times, *np.transpose(self.emphasis_curve))
        of = {region: part for part, its in EMPHASIS_PARTS.items() for region in its}
        own = {part: np.full(len(times), x, float) for part, x in self.emphasis_parts.items()}
        for part, curve in self.emphasis_part_curves.items():
            if curve:
                own[part] = np.interp(times, *np.transpose(curve))
        out = np.stack([own.get(of.get(region, ""), whole) for region in regions], axis=1)
        for start, end, value in self.emphasis_spans:
            out += _within(times, start, end)[:, None] * (value - out)
        for part, start, end, value in self.emphasis_part_spans:
            its = [i for i, region in enumerate(regions) if of.get(region) == part]
            out[:, its] += _within(times, start, end)[:, None] * (value - out[:, its])
        return out

    @property
    def all_emphasis_spans(self) -> tuple[tuple[float, float, float], ...]:
        """(start, end, emphasis) of the spans of all parts and of single ones."""
        return (*self.emphasis_spans, *(span for _, *span in self.emphasis_part_spans))

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


def _within(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """(N,) share in which a span holds at times (N,); it comes and goes in SPAN_EDGE."""
    return np.clip(np.minimum(times - start, end - times) / SPAN_EDGE + 0.5, 0.0, 1.0)
