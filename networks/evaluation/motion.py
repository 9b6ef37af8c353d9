"""Over time: intensity from neutral to an expression, jitter of a held face, delay of a blink.

The embedded reference clip has what no filmed clip has: the ARKit weights that are true in each
frame (sample_rigs/reference/README.md). Measured against these, nothing depends on a tracker.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import ANY, ROWS, Column, check_columns, read_archive
from ..characters.profile import SAMPLE_RIGS
from ..errors import InputError
from ..vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS

REFERENCE = SAMPLE_RIGS / "reference" / "reference.mp4"
CURVES = REFERENCE.with_suffix(".npz")
SEQUENCES = ("joy", "surprise", "sadness", "anger")
"""The expressions of Figure 5."""
STILL_CHANGE = 0.004
"""Largest change of any ARKit weight from frame to frame in a face that counts as held."""
LEAST_HELD = 6
"""Frames a held stretch must have."""
BLINK = 0.5
"""Closing above which a rise of the lids counts as a blink."""
WINDOW = 8
"""Frames around a true blink in which the character's is looked for."""

BUILD = "build the reference again"
_CURVES = {
    "times": Column((ROWS,), np.floating, 0.0, 1e6),
    "arkit": Column((ROWS, len(ARKIT_CHANNELS)), np.floating, 0.0, 1.0),
    "label": Column((ROWS,), np.integer, -1, len(EXPRESSIONS) - 1),
    "head": Column((ROWS, 3), np.floating, -10.0, 10.0),
    **dict.fromkeys(("channels", "expressions"), Column((ANY,), str)),
}
_LIDS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
_FACE = [i for i, name in enumerate(ARKIT_CHANNELS) if not name.startswith(("eyeLook", "eyeBlink"))]


@dataclass(frozen=True)
class Truth:
    """What is true in each frame of the reference clip.

    times (N,) seconds; arkit (N, 52) weights; label (N,) index into EXPRESSIONS, -1 between two;
    head (N, 3) radians.
    """

    times: np.ndarray
    arkit: np.ndarray
    label: np.ndarray
    head: np.ndarray

    @staticmethod
    def load(path: str | Path = CURVES) -> Truth:
        """Read the curves beside the clip.

        Raises:
            InputError: they are missing, or in another order of channels.
        """
        data = read_archive(path, BUILD)
        check_columns(path, data, _CURVES, BUILD)
        if tuple(data["channels"]) != ARKIT_CHANNELS or tuple(data["expressions"]) != EXPRESSIONS:
            raise InputError("is of another order", file=path, fix=BUILD)
        return Truth(data["times"], data["arkit"].astype(float), data["label"], data["head"])


# --- intensity (Figure 5) ------------------------------------------------------------------------


def sequence_frames(truth: Truth, expression: str, count: int = 12) -> tuple[np.ndarray, str]:
    """At most `count` frames on the way into an expression, and the expression it comes from.

    The way goes from the last held frame before the expression to its peak; the frames are spread
    evenly over the true intensity. The embedded clip reaches joy and surprise from neutral, the
    others from the expression before.

    Raises:
        InputError: the clip never goes into this expression.
    """
    held = np.flatnonzero(truth.label == EXPRESSIONS.index(expression))
    before = np.flatnonzero(truth.label[: held[0]] >= 0) if len(held) else held
    if not len(before):
        raise InputError(f"the reference does not go into {expression}", fix="build it again")
    start, last = before[-1], held[np.append(np.diff(held) > 1, True)][0]
    way = np.arange(start, last + 1)
    faces = truth.arkit[way][:, _FACE]
    rising = np.maximum.accumulate(intensity(faces - faces[0], faces[-1] - faces[0]))
    chosen = np.searchsorted(rising, np.linspace(rising[0], rising[-1], count) - 1e-9)
    frames = way[np.unique(np.clip(chosen, 0, len(way) - 1))]
    return frames, EXPRESSIONS[truth.label[start]]


def intensity(poses: np.ndarray, full: np.ndarray) -> np.ndarray:
    """(N,) share of the full pose (M,) that poses (N, M) have: their projection on it."""
    return np.asarray(poses, float) @ full / max(float(full @ full), 1e-9)


def true_intensity(truth: Truth, frames: np.ndarray) -> np.ndarray:
    """(K,) intensity of the true face in the frames of a sequence, 1 in its last."""
    faces = truth.arkit[frames][:, _FACE]
    return intensity(faces - faces[0], faces[-1] - faces[0])


def shown_intensity(units: np.ndarray) -> np.ndarray:
    """(K,) intensity of a character's poses (K, M) along a sequence, 1 in its last."""
    return intensity(units - units[0], units[-1] - units[0])


# --- stability -----------------------------------------------------------------------------------


def held_stretches(truth: Truth) -> list[np.ndarray]:
    """Stretches of frames in which the true face, lids included, does not move."""
    used = [*_FACE, *_LIDS]
    change = np.abs(np.diff(truth.arkit[:, used], axis=0)).max(1)
    still = np.flatnonzero(change < STILL_CHANGE)
    runs = np.split(still, np.flatnonzero(np.diff(still) > 1) + 1)
    return [np.append(run, run[-1] + 1) for run in runs if len(run) + 1 >= LEAST_HELD]


def jitter(units: np.ndarray, stretches: list[np.ndarray] | None = None) -> float:
    """How much a face that should be still trembles, in unit values a frame.

    The root mean square of the controls' second differences, divided by the square root of 6: for
    independent noise that is its standard deviation, while slow drift does not count.

    Args:
        units: (N, M). stretches: frames of the held parts; None takes all.
    """
    stretches = [np.arange(len(units))] if stretches is None else stretches
    seconds = [np.diff(units[run], 2, axis=0).ravel() for run in stretches if len(run) > 2]
    if not seconds:
        return float("nan")
    return float(np.sqrt(np.mean(np.concatenate(seconds) ** 2) / 6.0))


@dataclass(frozen=True)
class Blink:
    """One true blink and what the character did: frame of the true middle, delay in frames of the
    character's (negative: early), how far its lids closed (1 is shut) of how far was true."""

    frame: float
    delay: float
    closed: float
    true: float


def blinks(true_lids: np.ndarray, shown_lids: np.ndarray) -> list[Blink]:
    """Every true blink with the character's answer.

    The moment of a blink is the centre of gravity of the closing within `WINDOW` frames, which also
    tells parts of a frame.

    Args:
        true_lids, shown_lids: (N,) 0 open .. 1 shut, of the same frames.
    """
    high = true_lids > BLINK
    starts = np.flatnonzero(high & ~np.roll(high, 1))
    found = []
    for start in starts:
        end = start
        while end + 1 < len(high) and high[end + 1]:
            end += 1
        low, top = max(0, start - WINDOW), min(len(high), end + 1 + WINDOW)
        frames = np.arange(low, top)
        true, shown = true_lids[low:top], shown_lids[low:top]
        moment = _centre(frames, true)
        found.append(
            Blink(moment, _centre(frames, shown) - moment, float(shown.max()), float(true.max()))
        )
    return found


def _centre(frames: np.ndarray, closing: np.ndarray) -> float:
    """Centre of gravity of what rises above half of the closing's peak; NaN where nothing does."""
    base = np.median(closing)
    weight = np.maximum(closing - base - 0.5 * (closing.max() - base), 0.0)
    return float((frames * weight).sum() / weight.sum()) if weight.sum() > 1e-6 else float("nan")


def lids(arkit: np.ndarray) -> np.ndarray:
    """(N,) the mean closing of both lids of ARKit weights (N, 52)."""
    return np.asarray(arkit, float)[:, _LIDS].mean(1)


def unmoving(clip: str | Path) -> InputError:
    """What is said of pictures, or a single frame, where a clip of a performance is asked for."""
    return InputError("is no clip: nothing moves in it", file=clip, fix="give --clip a video")


def write_held_clip(
    out: str | Path, still: np.ndarray, frames: int = 48, noise: float = 2.0, seed: int = 0
) -> Path:
    """A clip of one still, repeated with fresh noise in each frame; returns `out`.

    What moves in the answer to it is the machine's own trembling.

    Args:
        still: (H, W, 3) uint8 RGB with even sides. noise: deviation in grey levels.
    """
    import av

    rng = np.random.default_rng(seed)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.height, stream.width = still.shape[:2]
        # Fine quantisation, or the encoder takes the noise out again.
        stream.pix_fmt, stream.options = "yuv420p", {"qp": "4", "tune": "grain"}
        for _ in range(frames):
            grain = rng.normal(0.0, noise, still.shape)
            picture = np.clip(still + grain, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(out)
