"""How people look when they express nothing: what a clip without a neutral moment is seen against.

Build and expression both move a brow; a clip that is angry throughout shows one height and not
which of the two made it. The tracker's coefficients, learned over many people, say how far the face
is from its own neutral; what they explain *within* clips is taken off, and what is left differs
between people 40% less (brows .069 to .042 eye distances over ten clips). The rest is drawn to what
people have on the mean, the more the more had to be taken off.

`exprgen train neutral` makes the numbers from face tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..track import load_arrays, save_arrays
from ..vocabulary import ARKIT_CHANNELS
from .relations import NAMES

KIND = "exprgen.people"
DOUBT = 0.5
"""Error of what is taken off for expression, as a share of it."""
PEOPLE = Path(__file__).with_name("people.npz")


@dataclass(frozen=True)
class People:
    """Statistics over actors, K relations (`relations.NAMES`) and the 52 ARKit channels.

    slopes (K, 52): eye distances that a relation moves where a coefficient goes from 0 to 1, within
    a clip. calm (52,): what the coefficients say of neutral faces. mean (K,): the relations of
    neutral faces. deviation (K,): between people, of the relations without expression.
    """

    slopes: np.ndarray
    calm: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    def without_expression(self, values: np.ndarray, arkit: np.ndarray) -> np.ndarray:
        """Relations (N, K) with what the coefficients (N, 52) say of expression taken off."""
        return values - (arkit - self.calm) @ self.slopes.T

    def drawn(self, seen: np.ndarray, neutral: np.ndarray) -> np.ndarray:
        """A clip's estimate (K,) of its neutral, drawn to what people have.

        The more was taken off what is `seen` (K,) to get at it, the less the estimate is believed:
        it is weighed against how much people differ.
        """
        error = DOUBT * (seen - neutral)
        believed = self.deviation**2 / (self.deviation**2 + error**2)
        return self.mean + believed * (neutral - self.mean)

    def save(self, path: Path, meta: dict) -> None:
        arrays = {name: value.astype(np.float32) for name, value in vars(self).items()}
        names = {"relations": list(NAMES), "channels": list(ARKIT_CHANNELS)}
        save_arrays(path, KIND, {**meta, **names}, arrays)


@cache
def people() -> People:
    """The numbers that ship with ExprGen."""
    meta, arrays = load_arrays(PEOPLE, KIND)
    rows = [meta["relations"].index(name) for name in NAMES]
    return People(
        slopes=arrays["slopes"][rows].astype(float),
        calm=arrays["calm"].astype(float),
        mean=arrays["mean"][rows].astype(float),
        deviation=arrays["deviation"][rows].astype(float),
    )
