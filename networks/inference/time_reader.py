"""The reader over time without torch: see models/time_reader.py for what it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..models.layouts import (
    TIME_DILATIONS,
    TIME_JOINED,
    TIME_KERNEL,
    TIME_MOTION,
    TIME_MOUTH,
    TIME_OPINIONS,
    TIME_REACH,
    TIME_READERS,
    TIME_STANDS_IN,
    TIME_STEP,
    TIME_WIDTH,
)
from ..models.weights_file import Weights
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, LEAST_CHANCE, NEUTRAL
from .forms import form_of
from .network import softmax
from .tensors import Tensors

_COUNT = len(EXPRESSIONS)
_PARTS = np.array([[c.startswith(name) for c in ARKIT_CHANNELS] for name in TIME_MOUTH], float)
_PARTS /= _PARTS.sum(1, keepdims=True)


@form_of("time_reader")
class TimeReader:
    """What the readers say of many moments -> what is felt in each, and whether it is spoken.

    Raises:
        UsageError: the arrays are not those of the network.
    """

    def __init__(self, weights: Weights):
        tensors = Tensors(weights)
        widths = (TIME_MOTION, *[TIME_WIDTH] * len(TIME_DILATIONS))
        self._layers = [
            (
                tensors.take(f"layers.{i}.weight", TIME_WIDTH, widths[i], TIME_KERNEL),
                tensors.take(f"layers.{i}.bias", TIME_WIDTH),
            )
            for i in range(len(TIME_DILATIONS))
        ]
        self._mean, self._deviation = (
            tensors.take(name, TIME_MOTION) for name in ("mean", "deviation")
        )
        self._speech = tensors.linear("speech", TIME_WIDTH, 1)
        self._tables = tensors.take("tables", 2, TIME_JOINED) + tensors.take("first", TIME_JOINED)
        self._temperature = float(tensors.take("temperature", 1)[0])
        tensors.all_taken()

    def __call__(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moments (T, TIME_INPUTS), `TIME_STEP` apart -> chances (T, 7) and speech (T,) in 0..1.
        Before the first and after the last nothing changes."""
        inputs = np.asarray(inputs, float)
        speaks = self._speaks((inputs[:, TIME_OPINIONS:] - self._mean) / self._deviation)
        table = (1.0 - speaks) * self._tables[0] + speaks * self._tables[1]
        logits = joined(table, inputs[:, :TIME_OPINIONS]) / self._temperature
        return softmax(logits).astype(np.float32), speaks[:, 0]

    def _speaks(self, motion: np.ndarray) -> np.ndarray:
        """(T, 1) 0..1 of the mouth's motion (T, TIME_MOTION)."""
        x = np.pad(np.clip(motion, -6.0, 6.0), ((TIME_REACH, TIME_REACH), (0, 0)), mode="edge")
        for (weight, bias), dilation in zip(self._layers, TIME_DILATIONS, strict=True):
            x = np.maximum(_over_time(x, weight, dilation) + bias, 0.0)
        return 1.0 / (1.0 + np.exp(-(x @ self._speech[0].T + self._speech[1])))


def _over_time(x: np.ndarray, weight: np.ndarray, dilation: int) -> np.ndarray:
    """A convolution (O, I, K) over rows (T, I), which get as many fewer as it reaches."""
    count = len(x) - dilation * (TIME_KERNEL - 1)
    parts = [x[k * dilation : k * dilation + count] @ weight[:, :, k].T for k in range(TIME_KERNEL)]
    return np.sum(parts, axis=0)


def joined(table: np.ndarray, opinions: np.ndarray) -> np.ndarray:
    """(T, 7) logits from opinions (T, TIME_OPINIONS): each as much as the moment's table (T,
    TIME_JOINED) lets it count."""
    shares = np.logaddexp(0.0, table[:, :TIME_OPINIONS])
    said = (opinions * shares).reshape(len(table), len(TIME_READERS), _COUNT).sum(1)
    said[:, NEUTRAL] += table[:, -1]
    return said


def moments(times: np.ndarray) -> np.ndarray:
    """(T,) the moments, `TIME_STEP` apart, of a clip with frames at these times."""
    count = max(1, int(np.floor((times[-1] - times[0]) / TIME_STEP + 1e-6)) + 1)
    return times[0] + TIME_STEP * np.arange(count)


def time_inputs(
    times: np.ndarray, opinions: Mapping[str, np.ndarray], arkit: np.ndarray, found: np.ndarray
) -> np.ndarray:
    """(T, TIME_INPUTS) what is said at `moments(times)`.

    Args:
        times: (N,) seconds, increasing. opinions: of TIME_READERS, each (N, 7); "whole" must be
            there; who stands in for those that are not, see TIME_STANDS_IN. arkit: (N, 52).
        found: (N,) bool.
    """
    at = moments(times)
    said: list[np.ndarray] = []
    for name, other in zip(TIME_READERS, TIME_STANDS_IN, strict=True):
        said.append(_logarithm(opinions[name]) if name in opinions else said[other])
    mouth = np.clip(arkit, 0.0, 1.0) @ _PARTS.T
    columns = np.concatenate([*said, mouth, np.asarray(found, float)[:, None]], axis=1)
    rows = np.stack([np.interp(at, times, column) for column in columns.T], axis=1)
    mouth = rows[:, -1 - len(TIME_MOUTH) : -1]
    speed = np.abs(np.gradient(mouth, axis=0)) / TIME_STEP if len(at) > 1 else 0.0 * mouth
    return np.concatenate([rows[:, :-1], speed, rows[:, -1:]], axis=1)


def _logarithm(chances: np.ndarray) -> np.ndarray:
    """Log chances (N, 7) about their mean: what one opinion says for each expression."""
    said = np.log(np.clip(chances, LEAST_CHANCE, 1.0))
    return said - said.mean(1, keepdims=True)
