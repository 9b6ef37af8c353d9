"""Which keys of a take's curves are kept: no control strays from its bound, and lips and lids that
touch, or just don't, stay so.

A control's bound knows nothing of the face: a hundredth of ten controls each can part two lips. So
what the curves show together is measured by the character's response, gap by gap, and where a gap
is off by more than is seen, those controls that are to blame get keys. Arithmetic on numpy arrays;
it must not know Blender.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...networks.characters.profile import Control, RigProfile, to_unit
from ...networks.characters.response import LinearResponse, load_response
from ...networks.errors import InputError
from ...networks.solving.contact import stretches
from ...networks.solving.relations import LID_GAPS, LIP_GAPS, relation_weights
from ...networks.solving.targets import Geometry

OFF = 0.0005
"""Eye distances by which a gap that touches, or nearly does, may be off."""
NEAR = 0.05
"""Eye distances over contact from which on a gap may be off by more,"""
OFF_OPEN = 0.15
"""so much of what it is wider."""


@dataclass(frozen=True)
class Fitted:
    """The keys of one curve: kept (K,) numbers of the frames, slopes (K,) per frame there, held
    (K,) bool: those that stay as they are until the next, whatever the interpolation."""

    kept: np.ndarray
    slopes: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class Gaps:
    """A character's lips and lids as its response tells them: three gaps between its lips, one of
    each eye. touching (5,): the gaps at contact; columns (C,): where each control of the response
    stands in a track, -1: nowhere; controls: those of the response."""

    response: LinearResponse
    touching: np.ndarray
    columns: np.ndarray
    controls: tuple[Control, ...]

    @staticmethod
    def of(profile: RigProfile, names: Sequence[str]) -> Gaps | None:
        """Those that controls of these names move; None where nobody has measured the character."""
        try:
            model = load_response(profile)
        except InputError:
            return None
        geometry, chosen = Geometry.of(model, profile), [*LIP_GAPS, *LID_GAPS]
        places = {name: i for i, name in enumerate(names)}
        return Gaps(
            model.through(relation_weights()[chosen]),
            np.concatenate([geometry.lips, geometry.lids]),
            np.array([places.get(name, -1) for name in model.controls], int),
            tuple(profile.control(name) for name in model.controls),
        )

    def units(self, values: np.ndarray) -> np.ndarray:
        """(N, C) unit values of the response's controls; values (N, M): the track's, native ones.
        What the track lacks is at rest."""
        rest = np.tile([c.rest for c in self.controls], (len(values), 1)).astype(float)
        known = self.columns >= 0
        rest[:, known] = values[:, self.columns[known]]
        return to_unit(self.controls, rest)

    def limits(self, gaps: np.ndarray) -> np.ndarray:
        """(N, 5) eye distances by which gaps (N, 5) may be off."""
        return OFF + OFF_OPEN * np.maximum(gaps - self.touching - NEAR, 0.0)

    def blamed(self, wanted: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """(N, M) bool: which controls need a key in which frames for the gaps to be as wanted.

        Args:
            wanted, shown: (N, M) native values of the track's controls, and what their curves show.
        """
        units, ours = self.units(wanted), self.units(shown)
        gaps = self.response.predict(units)
        off = np.abs(self.response.predict(ours) - gaps) / self.limits(gaps)
        out = np.zeros(wanted.shape, bool)
        for frame in _worst_of_runs(off.max(1)):
            measure = int(off[frame].argmax())
            slopes = self.response.jacobian(units[frame, None])[0, measure]
            way = np.abs(ours[frame] - units[frame])
            blame = np.abs(slopes) * way
            out[frame, self.columns[_most_of(blame if blame.any() else way)]] = True
        return out


def _worst_of_runs(off: np.ndarray) -> list[int]:
    """The worst frame of each stretch in which (N,) is more than one."""
    return [start + int(off[start:end].argmax()) for start, end in stretches(off > 1.0)]


def _most_of(blame: np.ndarray) -> np.ndarray:
    """Numbers of the few that make up half of the blame (C,)."""
    order = np.argsort(blame)[::-1]
    enough = int(np.searchsorted(np.cumsum(blame[order]), 0.5 * blame.sum())) + 1
    return order[:enough]


def fit_curves(
    frames: np.ndarray,
    values: np.ndarray,
    bounds: np.ndarray,
    interpolation: str,
    shots: list[slice],
    gaps: Gaps | None = None,
) -> list[Fitted]:
    """Choose the keys of all curves of a character.

    Args:
        frames: (N,). values: (N, M) at them, native. bounds: (M,) how far each curve may miss its
            values, in their unit; 0 keeps all. shots: the rows of each, which are fitted apart.
        gaps: what the curves must neither open nor shut; None: nothing is known of that.
    """
    wanted = np.zeros(values.shape, bool)
    shown = np.array(values)
    fitted: list[Fitted] = [None] * values.shape[1]
    again = np.arange(values.shape[1])
    while len(again):
        for i in again:
            given = frames, values[:, i], bounds[i], interpolation, shots
            fitted[i] = fit_shots(*given, wanted[:, i])
            shown[:, i] = _drawn(frames, values[:, i], fitted[i], interpolation, shots)
        if gaps is None or not np.any(bounds > 0.0):
            break
        more = gaps.blamed(values, shown)
        for i, keyed in enumerate(fitted):
            more[keyed.kept, i] = False
        wanted |= more
        again = np.flatnonzero(more.any(0))
    return fitted


def fit_shots(
    frames: np.ndarray,
    values: np.ndarray,
    bound: float,
    interpolation: str,
    shots: list[slice],
    wanted: np.ndarray | None = None,
) -> Fitted:
    """`fit_keys` in each shot by itself: a pose holds until the cut that ends it."""
    kept, slopes, held = [], [], []
    for rows in shots:
        own = None if wanted is None else wanted[rows]
        chosen, steep = fit_keys(frames[rows], values[rows], bound, interpolation, own)
        kept.append(rows.start + chosen)
        slopes.append(steep)
        held.append(np.arange(len(chosen)) == len(chosen) - 1)
    held[-1][:] = False
    return Fitted(np.concatenate(kept), np.concatenate(slopes), np.concatenate(held))


def _drawn(
    frames: np.ndarray, values: np.ndarray, keys: Fitted, interpolation: str, shots: list[slice]
) -> np.ndarray:
    """(N,) what the curve through these keys is at the frames."""
    out = np.array(values, float)
    for rows in shots:
        own = (keys.kept >= rows.start) & (keys.kept < rows.stop)
        at, slopes = keys.kept[own], keys.slopes[own]
        if len(at) > 1:
            out[rows] = evaluate(frames[rows], frames[at], values[at], slopes, interpolation)
    return out


def fit_keys(
    frames: np.ndarray,
    values: np.ndarray,
    bound: float,
    interpolation: str,
    wanted: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the keys of one curve: (indices kept (K,), slope at each, value per frame).

    Keys are added where the curve through those chosen so far misses by most, until it misses none
    of `values` by more than `bound` (in the values' unit). 0 keeps all. wanted: (N,) bool, frames
    that have a key in any case.
    """
    n = len(frames)
    if bound <= 0.0 or n < 3:
        return np.arange(n), slopes_of(frames, values)
    chosen = np.zeros(n, bool)
    chosen[[0, -1]] = True
    if wanted is not None:
        chosen |= wanted
    while True:
        kept = np.flatnonzero(chosen)
        slopes = slopes_of(frames[kept], values[kept])
        error = np.abs(evaluate(frames, frames[kept], values[kept], slopes, interpolation) - values)
        error[kept] = 0.0
        if error.max() <= bound:
            return kept, slopes
        # The worst frame of every stretch that misses, all at once: few rounds are needed.
        stretch = np.searchsorted(kept, np.arange(n), side="right")
        worst = np.zeros(len(kept) + 1)
        np.maximum.at(worst, stretch, error)
        chosen[(error > bound) & (error == worst[stretch])] = True


def slopes_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes (K,) of a smooth curve that never leaves the range of neighbouring keys.

    Flat at peaks and valleys, else the weighted harmonic mean of the slopes on both sides
    (Fritsch and Butland 1984), so values stay inside a control's limits.
    """
    if len(x) < 2:
        return np.zeros(len(x))
    gaps = np.diff(x)
    chords = np.diff(y) / gaps
    slopes = np.empty(len(x))
    slopes[0], slopes[-1] = chords[0], chords[-1]
    before, after = chords[:-1], chords[1:]
    same_way = before * after > 0
    a, b = 2 * gaps[1:] + gaps[:-1], gaps[1:] + 2 * gaps[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (a + b) / (a / before + b / after)
    slopes[1:-1] = np.where(same_way, mean, 0.0)
    return slopes


def evaluate(
    at: np.ndarray, x: np.ndarray, y: np.ndarray, slopes: np.ndarray, interpolation: str
) -> np.ndarray:
    """The curve through keys (x, y) at frames `at`, as Blender will draw it."""
    right = np.clip(np.searchsorted(x, at, side="right"), 1, len(x) - 1)
    left = right - 1
    gap = x[right] - x[left]
    t = np.clip((at - x[left]) / gap, 0.0, 1.0)
    if interpolation == "CONSTANT":
        return np.where(t < 1.0, y[left], y[right])
    if interpolation == "LINEAR":
        return y[left] * (1 - t) + y[right] * t
    return (
        y[left] * (1 + 2 * t) * (1 - t) ** 2
        + gap * slopes[left] * t * (1 - t) ** 2
        + y[right] * t**2 * (3 - 2 * t)
        + gap * slopes[right] * t**2 * (t - 1)
    )
