"""Live Link Face's CSV: 52 ARKit coefficients, head and eyes of every frame, read and written.

The app on a phone writes one row a frame: the timecode (HH:MM:SS:FF.fff), how many values follow,
the coefficients and nine angles in radians. As its eyes' angles go with its own eyeLook
coefficients, yaw is positive to the subject's right and pitch is positive downwards; the head's are
taken for the same. Here angles are as in vocabulary.ROLES: positive to the subject's left.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError
from ..files import write_text
from ..reading import LARGEST_TEXT, read_bytes
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX

ENDING = ".csv"
COEFFICIENTS = (
    *(f"{n}{s}" for s in ("Left", "Right") for n in (
        "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide",
    )),
    "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker",
    "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp",
    "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The app's order."""
ANGLES = tuple(f"{w}{a}" for w in ("Head", "LeftEye", "RightEye") for a in ("Yaw", "Pitch", "Roll"))
SIGNS = np.array([-1.0, 1.0, -1.0] * 3)
HEADER = ("Timecode", "BlendShapeCount", *(n[0].upper() + n[1:] for n in COEFFICIENTS), *ANGLES)
RATES = (24.0, 25.0, 30.0, 60.0)
LEAST_FRAMES = 2
_FIX = "give a CSV as Live Link Face writes it"
_ORDER = [ARKIT_INDEX[n] for n in COEFFICIENTS]


@dataclass(frozen=True)
class CoefficientTake:
    """A recorded face. N frames.

    times (N,) seconds from the first; coefficients (N, 52) in the order of ARKIT_CHANNELS, as they
    were sent (now and then above 1); angles (N, 9) radians: yaw, pitch and roll of head, left eye
    and right eye, signs as in ROLES. start: seconds of day of the first frame; rate: frames a
    second of the timecode. broken_off: what of it is missing at its end, in words.
    """

    times: np.ndarray
    coefficients: np.ndarray
    angles: np.ndarray
    start: float = 0.0
    rate: float = 60.0
    broken_off: str = ""

    @property
    def fps(self) -> float:
        """Frames a second that were recorded."""
        return round(float(1.0 / np.median(np.diff(self.times))), 3)

    def between(self, start: float | None, end: float | None) -> CoefficientTake:
        """The frames with start <= time < end.

        Raises:
            UsageError: there are none.
        """
        keep = (self.times >= (start or 0.0) - 1e-6) & (
            self.times < (math.inf if end is None else end - 1e-6)
        )
        if keep.sum() < LEAST_FRAMES:
            last = f"{self.times[-1]:.2f}"
            raise UsageError("the range holds no frame", fix=f"choose one from 0 to {last} s")
        columns = (self.times[keep], self.coefficients[keep], self.angles[keep])
        return CoefficientTake(*columns, self.start, self.rate, self.broken_off if keep[-1] else "")


def is_live_link(reference: list[str] | tuple[str, ...]) -> bool:
    """A reference is one CSV."""
    return len(reference) == 1 and Path(reference[0]).suffix.lower() == ENDING


def read_live_link(path: str | Path) -> CoefficientTake:
    """Read a CSV; columns may stand in any order, angles may be missing. A last row that is cut
    short, as where a recording was broken off, is left out and told.

    Raises:
        InputError: it can't be read, is no such CSV, or a row has no number where one belongs, or
            more than there are columns.
    """
    try:
        text = read_bytes(path, LARGEST_TEXT).decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(text))
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError("is no table of text", file=path, fix=_FIX) from error
    missing = [n for n in HEADER[: 2 + len(COEFFICIENTS)] if n not in header and n != HEADER[1]]
    if missing:
        raise InputError(f"has no column {missing[0]}", file=path, fix=_FIX)
    rows = [r for r in rows if r]
    cut = len(rows) > 0 and len(rows[-1]) < len(header)
    rows = rows[:-1] if cut else rows
    _check_widths(path, rows, len(header))
    if len(rows) < LEAST_FRAMES:
        raise InputError(f"has {len(rows)} frames", file=path, fix="record the take again")
    place = {n: header.index(n) for n in HEADER if n in header}
    numbers = [n for n in HEADER[2:] if n in place]
    values = dict.fromkeys(HEADER[2:], np.zeros(len(rows)))
    table = _numbers(path, rows, [place[n] for n in numbers])
    values |= dict(zip(numbers, table.T, strict=True))
    stamps = [_timecode(path, i, row[place["Timecode"]]) for i, row in enumerate(rows)]
    rate = next((r for r in RATES if max(f for _, f in stamps) < r), 60.0)
    seconds = np.array([s + f / rate for s, f in stamps])
    times = np.unwrap(seconds - seconds[0], period=86400.0)  # a take may pass midnight
    if np.any(np.diff(times) <= 0):
        row = int(np.argmax(np.diff(times) <= 0)) + 3
        raise InputError(f"its timecode does not go on in row {row}", file=path, fix=_FIX)
    by_channel = {n: values[n[0].upper() + n[1:]] for n in ARKIT_CHANNELS}
    angles = np.stack([values[n] for n in ANGLES], axis=1) * SIGNS
    coefficients = np.stack([by_channel[n] for n in ARKIT_CHANNELS], axis=1)
    broken_off = f"{path}: its last row is cut short" if cut else ""
    return CoefficientTake(times, coefficients, angles, float(seconds[0]), rate, broken_off)


def write_live_link(path: str | Path, take: CoefficientTake) -> Path:
    """Write a CSV as the app does, for Unreal and MotionBuilder.

    Raises:
        OutputError: the place can't be written.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    values = np.concatenate([take.coefficients[:, _ORDER], take.angles * SIGNS + 0.0], axis=1)
    for time, row in zip(take.times, values, strict=True):
        stamp = _stamp(take.start + float(time), take.rate)
        writer.writerow([stamp, len(HEADER) - 2, *(f"{v:.10f}" for v in row)])
    write_text(path, out.getvalue())
    return Path(path)


def _check_widths(path, rows: list[list[str]], columns: int) -> None:
    """Refuse rows whose numbers lie in other columns, as where each has a comma in it."""
    wide = [i for i, row in enumerate(rows) if any(cell.strip() for cell in row[columns:])]
    if wide:
        raise InputError(f"row {wide[0] + 2} has more cells than columns", file=path, fix=_FIX)


def _numbers(path, rows: list[list[str]], columns: list[int]) -> np.ndarray:
    out = np.empty((len(rows), len(columns)))
    for i, row in enumerate(rows):
        try:
            out[i] = [float(row[c]) for c in columns]
        except (ValueError, IndexError):
            raise InputError(f"row {i + 2} lacks a number", file=path, fix=_FIX) from None
    if not np.isfinite(out).all() or np.abs(out).max() > 10.0:
        row = int(np.argmax(~(np.abs(out) <= 10.0).all(1))) + 2
        raise InputError(f"row {row} holds no coefficients", file=path, fix=_FIX)
    return out


def _timecode(path, index: int, text: str) -> tuple[float, float]:
    """(seconds of day, frames)."""
    try:
        hours, minutes, seconds, frames = (float(x) for x in text.replace(";", ":").split(":"))
    except ValueError:
        hours = math.nan
    if math.isnan(hours) or not math.isfinite(hours + minutes + seconds + frames):
        raise InputError(f"row {index + 2} has no timecode HH:MM:SS:FF", file=path, fix=_FIX)
    return hours * 3600 + minutes * 60 + seconds, frames


def _stamp(seconds: float, rate: float) -> str:
    thousandths = round((seconds % 86400.0) * rate * 1000)  # of a frame
    whole, part = divmod(thousandths, round(rate * 1000))
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}:{part // 1000:02d}.{part % 1000:03d}"
