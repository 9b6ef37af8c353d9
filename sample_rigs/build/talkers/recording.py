"""A recorded performance played on a talker: ARKit weights of a Live Link Face table (.csv)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ....exprgen_addon.studio.ced_poses import gaze_channels
from ....networks.errors import InputError
from ....networks.vocabulary import ARKIT_CHANNELS
from ..reference import Performance

TIMECODE_RATE = 60
"""Frames a second that the last number of the table's timecodes counts."""
_HEAD = ("HeadPitch", "HeadYaw", "HeadRoll")
_EYES = ("LeftEyeYaw", "LeftEyePitch", "RightEyeYaw", "RightEyePitch")


def read_recording(path: str | Path, times: np.ndarray) -> Performance:
    """The recording at times (N,), seconds from its first row; it starts again after its end.

    Raises:
        InputError: the file can't be read, or lacks a column.
    """
    clock, columns = _read(Path(path))
    count = len(ARKIT_CHANNELS)
    times = np.asarray(times, float) % clock[-1]
    values = np.stack([np.interp(times, clock, column) for column in columns.T], axis=1)
    head, eyes = values[:, count : count + 3], values[:, count + 3 :]
    # The table's eyes turn to the own right where ours turn to the own left.
    gaze = np.stack([-eyes[:, (0, 2)].mean(1), eyes[:, (1, 3)].mean(1)], axis=1)
    arkit = np.clip(values[:, :count], 0.0, 1.0)
    looking = [name.startswith("eyeLook") for name in ARKIT_CHANNELS]
    arkit[:, looking] = gaze_channels(gaze)[:, looking]
    return Performance(times, arkit, head, gaze, np.full(len(times), -1))


def seconds(path: str | Path) -> float:
    """How long a recording is; raises InputError as `read_recording`."""
    return float(_read(Path(path))[0][-1])


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (R,) of the rows, and their channels, head and eyes (R, 52 + 3 + 4)."""
    names = [c[0].upper() + c[1:] for c in ARKIT_CHANNELS] + [*_HEAD, *_EYES]
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        values = np.array([[float(row[name]) for name in names] for row in rows])
        clock = np.array([_seconds(row["Timecode"]) for row in rows])
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", file=path) from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"is no Live Link Face table ({error})", file=path, fix="export it as .csv"
        ) from error
    if len(clock) < 2 or np.any(np.diff(clock) < 0):
        raise InputError("its timecodes do not rise", file=path, fix="export it again")
    return clock - clock[0], values


def _seconds(timecode: str) -> float:
    hours, minutes, whole, frames = (float(word) for word in timecode.split(":"))
    return hours * 3600 + minutes * 60 + whole + frames / TIMECODE_RATE
