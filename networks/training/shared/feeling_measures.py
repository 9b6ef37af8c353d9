"""How well what is felt is read over time: frames, changes, onsets, certainty, affect; numpy alone.

The measures of affect are those of EMOCA's Table 1 (Danecek et al. 2022): Pearson's and the
concordance correlation, the root of the mean squared error, and how often the sign is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...vocabulary import AFFECT, NEUTRAL

NEAR = 1.0
"""Seconds around a true change in which a change to the same expression is no false one."""
BINS = 10
"""Of chances, for the reliability."""


@dataclass(frozen=True)
class FeltClip:
    """A clip of N frames: times (N,) seconds; said (N, 7) chances over time; target (N, 7) what is
    true of them; affect, true_affect (N, 2) valence and arousal, or None."""

    times: np.ndarray
    said: np.ndarray
    target: np.ndarray
    affect: np.ndarray | None = None
    true_affect: np.ndarray | None = None

    @property
    def label(self) -> np.ndarray:
        return self.said.argmax(1)

    @property
    def truth(self) -> np.ndarray:
        return self.target.argmax(1)

    @property
    def seconds(self) -> float:
        return float(self.times[-1] - self.times[0])

    @property
    def plain(self) -> bool:
        """Nothing is felt in it."""
        return bool((self.truth == NEUTRAL).all())


def measures(clips: Sequence[FeltClip]) -> dict[str, float]:
    """Of clips together; NaN where there is nothing to measure.

    frames: share right. balanced: the mean of that over what occurs. plain: share of the frames of
    plain clips that are called neutral. false_changes: a second. onset: median seconds by which a
    change is found late or early, and onset_found: the share found within .3 s. ece: the expected
    calibration error. Affect: "<valence|arousal> <pcc|ccc|rmse|sign>".
    """
    right = np.concatenate([c.label == c.truth for c in clips])
    truth = np.concatenate([c.truth for c in clips])
    certain = np.concatenate([c.said.max(1) for c in clips])
    plain = [c.label == NEUTRAL for c in clips if c.plain]
    late = np.concatenate([onsets(c) for c in clips])
    found = late[np.isfinite(late)]
    return {
        "frames": float(right.mean()),
        "balanced": float(np.mean([right[truth == k].mean() for k in np.unique(truth)])),
        "plain": float(np.concatenate(plain).mean()) if plain else float("nan"),
        "false_changes": sum(map(false_changes, clips)) / max(sum(c.seconds for c in clips), 1e-9),
        "onset": float(np.median(np.abs(found))) if len(found) else float("nan"),
        "onset_found": float((np.abs(late) <= 0.3).mean()) if len(late) else float("nan"),
        "ece": calibration_error(certain, right),
    } | _of_affect(clips)


def changes(label: np.ndarray) -> np.ndarray:
    """The frames at which a label (N,) is another than before."""
    return np.flatnonzero(np.diff(label)) + 1


def false_changes(clip: FeltClip) -> int:
    """Changes of what is said that no true change to the same is `NEAR`; each stands for one."""
    true = [(clip.times[i], clip.truth[i]) for i in changes(clip.truth)]
    count = 0
    for i in changes(clip.label):
        near = [t for t in true if t[1] == clip.label[i] and abs(t[0] - clip.times[i]) <= NEAR]
        if near:
            true.remove(min(near, key=lambda t: abs(t[0] - clip.times[i])))
        count += not near
    return count


def onsets(clip: FeltClip) -> np.ndarray:
    """Seconds by which each true change to a feeling is found late (early ones are negative); inf
    where it is not found `NEAR`. A feeling that is there from the first frame has no onset."""
    said = [(clip.times[i], clip.label[i]) for i in changes(clip.label)]
    late = []
    for i in changes(clip.truth):
        if clip.truth[i] == NEUTRAL:
            continue
        off = [t - clip.times[i] for t, label in said if label == clip.truth[i]]
        best = min(off, key=abs, default=np.inf)
        late.append(best if abs(best) <= NEAR else np.inf)
    return np.array(late, float)


def calibration_error(certain: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: by how much chances (N,) and the share that is right (N,) bool
    part, on the mean over BINS of chances, each by how many are in it."""
    bins = reliability(certain, right)
    return float(sum(abs(hits - said) * n for said, hits, n in bins) / max(len(right), 1))


def reliability(certain: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean chance, share that is right, how many) of each of BINS of chances (N,) that occurs;
    where chances are calibrated the first two are alike."""
    certain, right = np.asarray(certain, float), np.asarray(right)
    place = np.minimum((certain * BINS).astype(int), BINS - 1)
    parts = [p for k in range(BINS) if len(p := np.flatnonzero(place == k))]
    return [(float(certain[p].mean()), float(right[p].mean()), len(p)) for p in parts]


def _of_affect(clips: Sequence[FeltClip]) -> dict[str, float]:
    both = [(c.affect, c.true_affect) for c in clips if c.affect is not None]
    both = [(a, t) for a, t in both if t is not None]
    if not both:
        return {}
    said, true = (np.concatenate(x) for x in zip(*both, strict=True))
    return affect_measures(said, true)


def affect_measures(said: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """The measures of valence and arousal (N, 2), named "<which> <measure>"."""
    out = {}
    for k, name in enumerate(AFFECT):
        x, y = np.asarray(said[:, k], float), np.asarray(true[:, k], float)
        clear = np.abs(y) > 0.05
        out |= {
            f"{name} pcc": _pearson(x, y),
            f"{name} ccc": concordance(x, y),
            f"{name} rmse": float(np.sqrt(((x - y) ** 2).mean())),
            f"{name} sign": float((np.sign(x) == np.sign(y))[clear].mean())
            if clear.any()
            else float("nan"),
        }
    return out


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    size = x.std() * y.std()
    return float(((x - x.mean()) * (y - y.mean())).mean() / size) if size > 1e-9 else float("nan")


def concordance(x: np.ndarray, y: np.ndarray) -> float:
    """The concordance correlation coefficient of two series (N,): 1 only where they are equal."""
    size = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    shared = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2.0 * shared / size) if size > 1e-9 else float("nan")
