"""How relations of turned faces are blended, from talkers who turn and whose faces are known."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..characters.response import POINTS
from ..footage.truth import ClipTruth
from ..solving.relations import NAMES, RELATIONS, actor_points, measure
from ..solving.smoothing import slow
from ..solving.turned_faces import (
    FEWEST,
    FILE,
    FRONTAL,
    PARTNER,
    STAGES,
    TERMS,
    WAYS,
    YAW,
    TurnedFaces,
    mirrored,
    slow_terms,
    stages,
    turned_terms,
    turns,
)
from ..track import FaceTrack
from ..vocabulary import LANDMARK_NAMES
from .shared.loop import say_written
from .shared.options import option, run_command
from .shared.talkers import eye_distance, talkers

KINDS = ("slow", "quick")
GAIN = 0.95
"""Share of its error that may be left for a relation to have a blend."""
LIDS = np.array([r.region == "eye" for r in RELATIONS.values()])
SEEN_WELL = [0, 1, 4]
"""Stages in which lids are still seen well: with blends there a seventh of the blinks of faces that
are turned by 45 degrees, or seen from below, were no longer met."""
TURNING = np.radians(8.0)
"""How far a head may turn in half a second: while it turns further, what it does to landmarks looks
like quick motion."""
KNOWN = np.array(
    [
        all(point in (*LANDMARK_NAMES, "chin") for _, point in (*r.plus, *r.minus))
        for r in RELATIONS.values()
    ]
)
"""(K,) relations of which a truth tells all points."""


@dataclass(frozen=True)
class TurnedFacesSettings:
    """What the blend needs; each option's help says what it is."""

    tracks: str = option(MISSING, "folder of face tracks (NAME.npz) of talkers who turn")
    truth: str = option(MISSING)
    out: str = option(str(FILE), "file to write")
    slow_ridge: float = option(0.3, "weight decay of what is slow, in squared eye distances")
    quick_ridge: float = option(0.003, "weight decay of what is quick, likewise")


@dataclass(frozen=True)
class Turned:
    """Rows in which a person's face is turned: terms (N, K, TERMS), shares (N, STAGES), lack
    (N, K): what is true less what landmarks say; slow_terms, slow_lack: their slow part."""

    person: str
    terms: np.ndarray
    shares: np.ndarray
    lack: np.ndarray
    slow_terms: np.ndarray
    slow_lack: np.ndarray

    @property
    def way(self) -> str:
        """Of WAYS, the one that the face is turned most."""
        return max(WAYS, key=lambda way: self.shares[:, WAYS[way]].sum())

    def part(self, kind: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Of one relation, what is "slow" or "quick": terms (N, TERMS) and lack (N,)."""
        terms, lack = self.slow_terms[:, k], self.slow_lack[:, k]
        if kind == "slow":
            return terms, lack
        return self.terms[:, k] - terms, self.lack[:, k] - lack


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("turned_faces", __doc__.partition("\n")[0], TurnedFacesSettings, learn, args)


def learn(settings: TurnedFacesSettings) -> dict:
    """Read the clips and write the file.

    Raises:
        InputError: no clip has both a track and a truth.
    """
    pairs = talkers(Path(settings.tracks), Path(settings.truth))
    clips = [clip for pair in pairs for clip in seen_turned(*pair) if len(clip.shares)]
    found = fit(clips, settings.slow_ridge, settings.quick_ridge)
    frames, people = sum(len(c.shares) for c in clips), len({c.person for c in clips})
    told = {"people": people, "clips": len(clips), "frames": frames}
    found.save(Path(settings.out), told)
    gained = {kind: int(getattr(found, kind).any((0, 2)).sum()) for kind in KINDS}
    say_written(settings.out, told | gained)
    return told | gained


def seen_turned(track: FaceTrack, truth: ClipTruth) -> list[Turned]:
    """What one clip tells; one that is seen from above or below alone tells it of both sides."""
    aside = np.abs(turns(track)[track.found, 1]).max() > YAW[0]
    return [turned(track, truth, side) for side in ((1.0,) if aside else (1.0, -1.0))]


def turned(track: FaceTrack, truth: ClipTruth, side: float = 1.0) -> Turned:
    """The same, as if its head had turned to this side; from the front of its own."""
    angles = turns(track) * (1.0, side, 1.0)
    values = measure(actor_points(track))
    frontal = track.found & (np.abs(angles[:, [1, 0]]) <= FRONTAL).all(1)
    rest = frontal if frontal.sum() >= FEWEST else track.found
    true = true_relations(truth, track.times)
    lack = mirrored(true - true[rest].mean(0) - (values - values[rest].mean(0)), angles[:, 1])
    terms, shares = turned_terms(track, values, angles), stages(angles)
    rows = track.found & shares.any(1) & _steady(track.times, angles)
    parts = (terms, shares, lack, slow_terms(track.times, terms), slow(track.times, lack))
    return Turned(str(truth.meta.get("person", "")), *(part[rows] for part in parts))


def _steady(times: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(N,) bool: frames about which a head hardly turns."""
    gone = [np.interp(times + 0.25, times, a) - np.interp(times - 0.25, times, a) for a in angles.T]
    return np.abs(gone).max(0) < TURNING


def true_relations(truth: ClipTruth, times: np.ndarray) -> np.ndarray:
    """(N, K) at these moments (N,) seconds; those of points that nobody knows are zero."""
    points = np.zeros((len(truth), len(POINTS), 3))
    points[:, : len(LANDMARK_NAMES)] = truth.landmarks
    points[:, POINTS.index("chin")] = truth.chin
    known = measure(points / eye_distance(truth)) * KNOWN
    return np.stack([np.interp(times, truth.times, column) for column in known.T], axis=1)


def fit(clips: list[Turned], slow_ridge: float, quick_ridge: float) -> TurnedFaces:
    """The blends that lack least, of the relations that gain by them on people left out."""
    found = {}
    for kind, ridge in zip(KINDS, (slow_ridge, quick_ridge), strict=True):
        found[kind] = np.zeros((STAGES, len(NAMES), len(TERMS)))
        for way, columns in WAYS.items():
            seen = [clip for clip in clips if clip.way == way]
            for k in np.flatnonzero(KNOWN) if seen else ():
                if _gains(seen, kind, k, ridge):
                    found[kind][columns, k] = _blend(seen, kind, k, ridge)
        found[kind][np.ix_(SEEN_WELL, LIDS)] = 0.0
    return TurnedFaces(**found)


def _gains(clips: list[Turned], kind: str, k: int, ridge: float) -> bool:
    """Whether a relation errs less with the blend that others teach, of clips that are seen from
    one way; with one person, always."""
    people = sorted({c.person for c in clips})
    if len(people) < 2:
        return True
    before, after = 0.0, 0.0
    for person in people:
        others, own = ([c for c in clips if (c.person == person) == is_] for is_ in (False, True))
        blend = _blend(others, kind, k, ridge)
        for clip in own:
            terms, lack = clip.part(kind, k)
            added = np.einsum("nj,jt,nt->n", clip.shares[:, WAYS[clip.way]], blend, terms)
            true, seen = terms[:, 0] + lack, terms[:, 0]
            before += _error(kind, true, seen)
            after += _error(kind, true, seen + added)
    return after < GAIN * before


def _error(kind: str, true: np.ndarray, shown: np.ndarray) -> float:
    """Of what is slow the squared error, of what is quick what its correlation (N,) lacks: how far
    it goes is for those to say who fit it to a character."""
    if kind == "slow":
        return float(((true - shown) ** 2).sum())
    spread = float(np.std(true) * np.std(shown))
    return len(true) * (1.0 - float(np.cov(true, shown, bias=True)[0, 1]) / max(spread, 1e-9))


def _blend(clips: list[Turned], kind: str, k: int, ridge: float) -> np.ndarray:
    """(stages of the clips' way, TERMS) of one relation by least squares."""
    used = [t for t, name in enumerate(TERMS) if _is_used(name, kind, k)]
    systems, goals = [], []
    for clip in clips:
        terms, lack = clip.part(kind, k)
        system = clip.shares[:, WAYS[clip.way], None] * terms[:, None, used]
        systems.append(system.reshape(len(terms), -1))
        goals.append(lack)
    system, goal = np.concatenate(systems), np.concatenate(goals)
    square = system.T @ system + ridge * np.eye(system.shape[1])
    weights = np.linalg.solve(square, system.T @ goal).reshape(-1, len(used))
    out = np.zeros((len(weights), len(TERMS)))
    out[:, used] = weights
    return out


def _is_used(term: str, kind: str, k: int) -> bool:
    if "partner" in term:
        return PARTNER[k] != k
    return kind == "slow" or term != "offset"


if __name__ == "__main__":
    sys.exit(main())
