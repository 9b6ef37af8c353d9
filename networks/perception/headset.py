"""What the cameras in a headset see of a face, as a take of coefficients."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError, ModelError
from ..footage.headset_views import HeadsetClips
from ..footage.live_link import LEAST_FRAMES, CoefficientTake
from ..inference.headset import HeadsetReader
from ..inference.opening import opened
from ..models.weights_places import find_weights
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX

BATCH = 32
BLANK = 1.0
"""Deviation in grey levels within a view that shows nothing at all; skin in the dark has more."""
LEAST_WHOLE = 0.2
"""Share of the moments that all three views must show."""
GAZE_FULL = 0.6
"""Radians that the eyeLook channels call 1, as in the captures that were learned from."""
TRAIN = (
    "train it: python -m exprgen.sample_rigs.build headset --out HEADSET, then exprgen train "
    "headset --data HEADSET --out headset.safetensors, and give it by --network"
)


def load_headset_reader(network: str = "") -> HeadsetReader:
    """The network of a file; by default the one among the weights.

    Raises:
        ModelError: there is none (it says how to train one), or it is damaged.
    """
    path = Path(network) if network else find_weights("headset")
    if not path.is_file():
        raise ModelError("the network for headsets is not there", file=path, fix=TRAIN)
    return opened(HeadsetReader, path, "headset")


def read_headset(
    clips: HeadsetClips,
    reader: HeadsetReader,
    calibrate: float,
    stop: threading.Event,
    show: Callable[[int], None] = lambda done: None,
) -> tuple[CoefficientTake, np.ndarray]:
    """Clips -> their take, and (N,) bool which of its moments all three views show.

    Args:
        calibrate: seconds from the beginning on in which the face is neutral; 0: not known.
        show: told how many moments are done.

    Raises:
        InputError: too few moments, or none of them in the seconds of the neutral.
    """
    source = clips.paths[0]
    _check_calibrate(calibrate, clips)
    times, codes, whole, waiting, dark = [], [], [], [], np.zeros(3, int)
    for triple in clips:
        if stop.is_set():
            break
        times.append(triple.time)
        nothing = blank(triple.views)
        dark += nothing
        whole.append(triple.whole and not nothing.any())
        waiting.append(triple.views)
        if len(waiting) == BATCH:
            codes.append(reader.codes(np.stack(waiting)))
            waiting = []
            show(len(times))
    if waiting:
        codes.append(reader.codes(np.stack(waiting)))
    moments, there = np.array(times), np.array(whole, bool)
    if len(moments) < LEAST_FRAMES or there.mean() < LEAST_WHOLE:
        what = f"only {int(there.sum())} moments are seen by all three cameras"
        fix = "record them at the same time, with no camera covered"
        worst = int(dark.argmax())
        if len(clips.paths) > 1 and dark[worst] > 0.5 * len(moments):
            what, source = f"shows nothing in {dark[worst]} moments", clips.paths[worst]
        raise InputError(what, file=source, fix=fix)
    code = np.concatenate(codes)
    answer = reader.coefficients(code, neutral_code(moments, code, there, calibrate, source))
    answer = bridged(moments, answer, there)
    return CoefficientTake(moments - moments[0], answer, eye_angles(answer)), there


def blank(views: np.ndarray) -> np.ndarray:
    """(3,) bool, which views of uint8 (3, S, S) are of one grey: a covered lens, a dead camera."""
    return views.std((1, 2)) < BLANK


def _check_calibrate(calibrate: float, clips: HeadsetClips) -> None:
    seconds = clips.count / clips.fps if clips.count and clips.fps else None
    if seconds and calibrate >= seconds:
        raise InputError(
            f"lasts {seconds:.2f} s, and its first {calibrate:g} s were to be neutral",
            file=clips.paths[0],
            fix="give fewer seconds to --calibrate",
        )


def neutral_code(times, codes, there, calibrate: float, source) -> np.ndarray | None:
    """(HEADSET_CODE,) of the seconds at the start in which the face is neutral."""
    if not calibrate:
        return None
    rows = there & (times < times[0] + calibrate)
    if not rows.any():
        what = f"its first {calibrate:g} s hold no frame of all three cameras"
        raise InputError(what, file=source, fix="give more seconds to --calibrate")
    return np.median(codes[rows], axis=0)  # a blink among them is no neutral


def bridged(times: np.ndarray, answer: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Coefficients (N, 52), those of moments that not all views show between their neighbours'."""
    out = answer.copy()
    for column in range(answer.shape[1]):
        out[~there, column] = np.interp(times[~there], times[there], answer[there, column])
    return out


def eye_angles(arkit: np.ndarray) -> np.ndarray:
    """(N, 9) angles of a take from coefficients (N, 52): of head, which nobody sees, none."""
    assert arkit.shape[1] == len(ARKIT_CHANNELS)
    angles = np.zeros((len(arkit), 9))
    for side, sign, first in (("Left", 1.0, 3), ("Right", -1.0, 6)):
        level = {k: arkit[:, ARKIT_INDEX[f"eyeLook{k}{side}"]] for k in ("In", "Out", "Up", "Down")}
        angles[:, first] = sign * (level["Out"] - level["In"]) * GAZE_FULL
        angles[:, first + 1] = (level["Down"] - level["Up"]) * GAZE_FULL
    return angles
