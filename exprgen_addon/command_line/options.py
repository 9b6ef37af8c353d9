"""Options that verbs share, and what they mean: `retarget`'s are a shot list's columns."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from ...networks.errors import UsageError
from ...networks.phrases import Overruling, weights_of
from ...networks.records import number_of
from ...networks.settings import EMPHASIS_PARTS, RetargetSettings
from ...networks.vocabulary import EXPRESSIONS, LARGEST, OUTPUTS, REGIONS
from ..keying.key_options import KeyOptions, check_fps

LONGEST = 1e6
"""Seconds; no clip is longer."""
LONGEST_PHRASE = 1e5
"""Seconds at which a phrase without an end ends."""


def retarget_options(sub: argparse.ArgumentParser) -> None:
    """All that `exprgen retarget` takes; the columns of a shot list are the same."""
    reference_options(sub)
    character_options(sub)
    take_options(sub)
    sub.add_argument("--tracks", metavar="DIR", help="also keep the solved tracks (.npz) there")


def reference_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "reference", nargs="+", metavar="REFERENCE", help="a clip, pictures, or a folder of them"
    )
    face_option(sub)
    range_option(sub)


def face_option(sub: argparse.ArgumentParser, of: str = "") -> None:
    """Which of several people is followed; `of` says of what, where not of all that is given."""
    what = "largest, left, right, or a number from the left, from 0 (default: %(default)s)"
    sub.add_argument("--face", default=LARGEST, metavar="WHICH", help=of + what)


def range_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--range",
        type=_range,
        default=(None, None),
        metavar="START:END",
        help="seconds of the reference, such as 2:6; either side may be empty (2: is from 2 s on)",
    )


def character_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--primary", required=True, metavar="NAME", help="name, or a profile's .json")
    sub.add_argument(
        "--secondary", action="append", default=[], metavar="NAME", help="may be given again"
    )


def take_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", required=True, metavar="FILE.blend")
    sub.add_argument("--preview", metavar="FILE.mp4", help="film of reference and characters")
    sub.add_argument("--render", metavar="DIR", help="one picture a character and frame")
    sub.add_argument("--size", type=int, default=256, help="of --render (default: %(default)s)")
    defaults = RetargetSettings()
    solving = sub.add_argument_group("solving")
    for part in ("eyes", "mouth", "head"):
        name = f"smoothing_{part}"
        solving.add_argument(
            f"--smoothing-{part}",
            type=finite,
            default=getattr(defaults, name),
            metavar="0..1",
            help="default: %(default)s",
        )
    solving.add_argument(
        "--calibrate",
        type=_calibration,
        default=defaults.calibration,
        metavar="auto|none|SECONDS",
        help="the actor's neutral: found, unused, or at this time, which tells that of its shot "
        "(default: %(default)s)",
    )
    solving.add_argument(
        "--emphasis",
        type=_emphasis,
        action="append",
        default=[],
        metavar="X|START:END=X|PART=X|PART@START:END=X",
        help="0..1, pull towards key poses of the perceived expression; for seconds of the clip, "
        f"for {', '.join(EMPHASIS_PARTS)}, or for both, such as brows@4:6=0.3; may be given again, "
        f"what is narrower counts (default: {defaults.emphasis})",
    )
    solving.add_argument(
        "--phrase",
        type=_phrase,
        action="append",
        default=[],
        metavar="START:END=EXPRESSION",
        help="what is felt in these seconds of a clip, instead of what was read: "
        f"{', '.join(EXPRESSIONS)}, or a mixture such as sadness*2+joy; may be given again",
    )
    solving.add_argument(
        "--articulation",
        type=finite,
        default=defaults.articulation,
        metavar="0.5..1.5",
        help="factor on what mouth and jaw do in a clip (default: %(default)s)",
    )
    solving.add_argument(
        "--actor",
        default="",
        metavar="NAME",
        help="keep this actor's neutral and reach from clip to clip",
    )
    solving.add_argument(
        "--gain",
        type=_gain,
        action="append",
        default=[],
        metavar="REGION=X",
        help=f"may be given again; regions: {', '.join(REGIONS)}",
    )
    for output in OUTPUTS:
        solving.add_argument(
            f"--no-{output}", action="store_true", help=f"leave the {output} unkeyed"
        )
    keying = sub.add_argument_group("keying")
    keying.add_argument("--fps", type=finite, help="of the scene (default: the reference's)")
    keying.add_argument("--start-frame", type=finite, default=1.0, help="frame of time zero")
    keying.add_argument("--interpolation", choices=("linear", "bezier"), default="linear")
    keying.add_argument(
        "--reduce",
        type=finite,
        default=0.0,
        metavar="ERROR",
        help="leave out keys; largest error as a part of a control's range, such as 0.01",
    )
    keying.add_argument(
        "--subframes", action="store_true", help="keys at the reference's own times"
    )
    keying.add_argument(
        "--affect",
        action="store_true",
        help="key valence and arousal too, as custom properties of each rig",
    )
    keying.add_argument(
        "--no-sound", action="store_true", help="leave the clip's sound out of scene and film"
    )


def finite(text: str) -> float:
    """A number, for options; NaN and infinity are none.

    Raises:
        argparse.ArgumentTypeError: the text is no such number.
    """
    try:
        return number_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def whole(low: int, high: int) -> Callable[[str], int]:
    """Takes a whole number of low..high, for options."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{number} is not within {low} to {high}")
        return number

    return convert


processes = whole(1, 1024)
seed = whole(0, 2**63 - 1)


def _range(text: str) -> tuple[float | None, float | None]:
    start, colon, end = text.partition(":")
    try:
        if colon:
            return (number_of(start) if start else None, number_of(end) if end else None)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not START:END in seconds")


def _calibration(text: str) -> str | float:
    if text in ("auto", "none"):
        return text
    try:
        return number_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, none or seconds") from None


@dataclass(frozen=True)
class Emphasis:
    """One word of --emphasis: how much, in which part ("": all) and which seconds (None: all)."""

    amount: float
    part: str = ""
    span: tuple[float, float] | None = None


def _emphasis(text: str) -> Emphasis:
    """X, PART=X, START:END=X or PART@START:END=X."""
    where, _, number = text.rpartition("=")
    part, at, seconds = where.rpartition("@")
    if not at and ":" not in where:
        part, seconds = where, ""
    try:
        amount = number_of(number)
        if at and not part:
            raise ValueError
        span = _range(seconds) if at or seconds else None
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not X, START:END=X, PART=X or PART@START:END=X, such as brows@4:6=0.3"
        ) from None
    if part and part not in EMPHASIS_PARTS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: no part {part!r}; use one of {', '.join(EMPHASIS_PARTS)}"
        )
    if span is None:
        return Emphasis(amount, part)
    start, end = span
    return Emphasis(amount, part, (start or 0.0, LONGEST if end is None else end))


def _phrase(text: str) -> Overruling:
    where, _, words = text.rpartition("=")
    start, end = _range(where)
    try:
        weights = weights_of(words)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r}: {error}; use some of {', '.join(EXPRESSIONS)}, such as 2:4.5=anger"
        ) from None
    return (start or 0.0, LONGEST_PHRASE if end is None else end, weights)


def _emphasis_settings(given: list[Emphasis]) -> dict:
    """The settings of emphasis that the words mean."""
    lasting, spans = ([e for e in given if (e.span is None) == lasts] for lasts in (True, False))
    whole = [e.amount for e in lasting if not e.part]
    return {
        "emphasis": whole[-1] if whole else RetargetSettings().emphasis,
        "emphasis_parts": {e.part: e.amount for e in lasting if e.part},
        "emphasis_spans": tuple((*e.span, e.amount) for e in spans if not e.part),
        "emphasis_part_spans": tuple((e.part, *e.span, e.amount) for e in spans if e.part),
    }


def _gain(text: str) -> tuple[str, float]:
    region, _, number = text.partition("=")
    try:
        return region, number_of(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not REGION=NUMBER") from None


def settings_of(args: argparse.Namespace) -> RetargetSettings:
    return RetargetSettings(
        smoothing_eyes=args.smoothing_eyes,
        smoothing_mouth=args.smoothing_mouth,
        smoothing_head=args.smoothing_head,
        calibration=args.calibrate,
        **_emphasis_settings(args.emphasis),
        phrases=tuple(args.phrase),
        articulation=args.articulation,
        actor=args.actor,
        gain=dict(args.gain),
        start=args.range[0],
        end=args.range[1],
        outputs=tuple(o for o in OUTPUTS if not getattr(args, f"no_{o}")),
    )


def check_options(args: argparse.Namespace) -> None:
    """Refuse options of a retarget that make no sense; looks at no file.

    Raises:
        UsageError: what is wrong and what to write instead.
    """
    settings_of(args)
    check_fps(args.fps)
    key_options_of(args)
    if not 16 <= args.size <= 4096:
        raise UsageError(f"pictures of {args.size} pixels can't be made", fix="use 16 to 4096")


def key_options_of(args: argparse.Namespace) -> KeyOptions:
    return KeyOptions(
        start_frame=args.start_frame,
        subframes=args.subframes,
        interpolation=args.interpolation.upper(),
        reduce=args.reduce,
        affect=args.affect,
    )
