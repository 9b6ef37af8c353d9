"""What is true of a clip whose face was made and not filmed: motion, landmarks, phonemes.

It lies beside the clip as <clip's stem>.truth.npz, and nothing in it depends on a tracker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..records import FieldError, as_type
from ..track import load_arrays, save_arrays
from ..vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES

KIND = "exprgen.clip_truth"
SUFFIX = ".truth.npz"
_REMAKE = "make it again, or remove it: the clip is then measured without"
"""What to do about one that can't be read."""
_EXTRA = "extra:"

BILABIALS = frozenset("pbm")
"""Phonemes in which the lips touch each other."""
LABIODENTALS = frozenset("fv")
"""Phonemes in which the lower lip touches the upper teeth."""
VOWELS = frozenset("aɐɑɒæʌeɛəɘɜɚɝiɪɨoɔɵøœuʊʉyɯɤ")
"""Sounds of IPA in which the mouth is open; a long or rounded one begins with one of them."""

_COLUMNS = {
    "times": ((-1,), np.float64),
    "arkit": ((-1, len(ARKIT_CHANNELS)), np.float32),
    "landmarks": ((-1, len(LANDMARK_NAMES), 3), np.float32),
    "chin": ((-1, 3), np.float32),
    "head": ((-1, 3), np.float32),
}


@dataclass(frozen=True)
class ClipTruth:
    """What is true in each of the N frames of a made clip, and the P phonemes that are spoken.

    times (N,) float64 seconds, the clip's own timestamps, strictly increasing.
    arkit (N, 52) float32 weights 0..1 in the order of ARKIT_CHANNELS.
    landmarks (N, 49, 3) float32 in the order of LANDMARK_NAMES, in the face's own frame, which
        moves with the skull: x to the subject's own left, y up, z out of the face. Any unit of
        length and any origin, the same in every frame; measures are taken in eye distances.
    chin (N, 3) float32: the middle of the chin's front (MediaPipe's point 199), like the landmarks;
        it moves with the jaw alone.
    head (N, 3) float32: pitch, yaw, roll in radians, signs as in vocabulary.ROLES.
    phonemes (P,) str, IPA, one sound each, stress and length marks may follow it; silence is "".
    starts, ends (P,) float64 seconds on the clip's clock, starts increasing, ends after starts.
        A clip without speech has P = 0.
    extra: name -> array of N rows: what else is true in each frame. Read here, where it is there:
        "lip_gap" (N, 3), the nearest that upper and lower lip come in the mouth's right, middle and
        left third, 0 where they touch, in the landmarks' unit.
    meta: "person", "sentence", "expression" (of EXPRESSIONS), "strength" (0..1).
    """

    times: np.ndarray
    arkit: np.ndarray
    landmarks: np.ndarray
    chin: np.ndarray
    head: np.ndarray
    phonemes: tuple[str, ...] = ()
    starts: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ends: np.ndarray = field(default_factory=lambda: np.zeros(0))
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def spans(self, sounds: frozenset[str]) -> np.ndarray:
        """(K, 2) seconds: start and end of the phonemes that begin with one of `sounds`."""
        chosen = [i for i, name in enumerate(self.phonemes) if name[:1] in sounds and name]
        return np.stack([self.starts[chosen], self.ends[chosen]], axis=1).reshape(-1, 2)

    def save(self, path: str | Path) -> None:
        """Write it whole.

        Raises:
            InputError: a field is of another shape or order than told above, or not finite.
            OutputError: the place can't be written.
        """
        arrays = {n: np.asarray(getattr(self, n), t) for n, (_, t) in _COLUMNS.items()}
        arrays |= {"starts": np.asarray(self.starts, float), "ends": np.asarray(self.ends, float)}
        arrays |= {f"{_EXTRA}{n}": np.asarray(a) for n, a in self.extra.items()}
        _check(path, arrays, self.phonemes)
        meta = {**self.meta, "phonemes": list(self.phonemes), "channels": list(ARKIT_CHANNELS)}
        save_arrays(path, KIND, meta, arrays)

    @staticmethod
    def load(path: str | Path) -> ClipTruth:
        """Read and check a clip's truth.

        Raises:
            InputError: it is none, of another order of channels, or a field is of the wrong shape.
        """
        meta, arrays = load_arrays(path, KIND, _REMAKE)
        if meta.pop("channels", None) != list(ARKIT_CHANNELS):
            raise InputError("is of another order of channels", file=path, fix=_REMAKE)
        try:
            phonemes = as_type(tuple[str, ...], meta.pop("phonemes", ()), "phonemes")
        except FieldError as error:
            raise InputError(f"is wrong: {error}", file=path, fix=_REMAKE) from error
        _check(path, arrays, phonemes)
        extra = {n.removeprefix(_EXTRA): arrays.pop(n) for n in list(arrays) if n[:6] == _EXTRA}
        return ClipTruth(**arrays, phonemes=phonemes, extra=extra, meta=meta)


def truth_of(clip: str | Path) -> ClipTruth | None:
    """The truth that lies beside a clip; None where there is none.

    Raises:
        InputError: it can't be read.
    """
    path = truth_path(clip)
    return ClipTruth.load(path) if path.is_file() else None


def truth_path(clip: str | Path) -> Path:
    """Where a clip's truth lies."""
    return Path(clip).with_suffix(SUFFIX)


def _check(path, arrays: dict, phonemes: tuple) -> None:
    for reason in _faults(arrays, phonemes):
        raise InputError(reason, file=path, fix=_REMAKE)


def _faults(arrays: dict, phonemes: tuple):
    """What is wrong with the fields, in words; nothing if they are right."""
    more = {n: (a.shape, a.dtype) for n, a in arrays.items() if n.startswith(_EXTRA)}
    wanted = {**_COLUMNS, "starts": ((-1,), np.float64), "ends": ((-1,), np.float64), **more}
    if set(arrays) != set(wanted):
        yield f"has not the fields {', '.join(wanted)}"
        return
    count, spoken = len(arrays["times"]), len(phonemes)
    for name, (shape, dtype) in wanted.items():
        rows = spoken if name in ("starts", "ends") else count
        if arrays[name].shape != (rows, *shape[1:]) or arrays[name].dtype != dtype:
            yield f"field {name!r} is {arrays[name].dtype} {arrays[name].shape}"
        elif not np.isfinite(arrays[name]).all():
            yield f"field {name!r} is not finite"
    if count < 2 or np.any(np.diff(arrays["times"]) <= 0):
        yield "field 'times' does not increase"
    if np.any(np.diff(arrays["starts"]) < 0) or np.any(arrays["ends"] <= arrays["starts"]):
        yield "the phonemes are not in order"
