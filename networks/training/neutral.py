"""Statistics of neutral faces, from face tracks of many actors."""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..solving.people import PEOPLE, People
from ..solving.relations import LIP_GAPS, RELATIONS, actor_points, measure
from ..track import FaceTrack
from ..vocabulary import ARKIT_CHANNELS, NEUTRAL
from .shared.loop import say_written
from .shared.options import option, run_command

RIDGE = 0.02
"""On the slopes, beside each coefficient's variance within a clip."""
CLOSED = 0.05
"""Lip gap of a mouth that is at rest, eye distances."""


@dataclass(frozen=True)
class NeutralSettings:
    """What the statistics need; each option's help says what it is."""

    tracks: str = option(MISSING, "folder of face tracks (.npz), one of each actor")
    out: str = option(str(PEOPLE), "file to write")


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("neutral", __doc__.partition("\n")[0], NeutralSettings, gather, args)


def gather(settings: NeutralSettings) -> dict:
    """Read the tracks and write the file.

    Raises:
        InputError: fewer than three tracks.
    """
    files = sorted(Path(settings.tracks).glob("*.npz"))
    if len(files) < 3:
        raise InputError(
            "holds fewer than three face tracks",
            file=settings.tracks,
            fix="analyse clips of three actors or more",
        )
    found = people_of([FaceTrack.load(f) for f in files])
    found.save(Path(settings.out), {"actors": len(files)})
    say_written(settings.out, {"actors": len(files)})
    return {"actors": len(files)}


def people_of(tracks: list[FaceTrack]) -> People:
    """The statistics of actors, one clip each."""
    clips = [_Clip.of(t) for t in tracks]
    slopes = _slopes(clips)
    calm = np.average(
        [c.arkit.T @ c.neutral / max(c.neutral.sum(), 1e-6) for c in clips],
        axis=0,
        weights=[min(c.neutral.sum(), 25.0) + 1e-3 for c in clips],
    )
    bare = [c.values - (c.arkit - calm) @ slopes.T for c in clips]
    middle = np.array([np.median(b, axis=0) for b in bare])
    return People(slopes, calm, middle.mean(0), middle.std(0, ddof=1))


@dataclass(frozen=True)
class _Clip:
    """The frames of a clip that show open eyes. neutral (N,): how neutral each is perceived."""

    values: np.ndarray
    arkit: np.ndarray
    neutral: np.ndarray

    @staticmethod
    def of(track: FaceTrack) -> _Clip:
        values = measure(actor_points(track))
        seen = track.found & (track.blink.max(1) < 0.2)
        closed = values[:, LIP_GAPS].mean(1) < CLOSED
        neutral = track.momentary[:, NEUTRAL] * closed
        arkit = track.arkit.astype(float)
        return _Clip(values[seen], arkit[seen], neutral[seen])


def _slopes(clips: list[_Clip]) -> np.ndarray:
    """(K, 52) by ridge regression within clips, each clip with the same say; both sides alike."""
    own, own_values = (
        np.concatenate([(x - x.mean(0)) / np.sqrt(len(x)) for x in columns])
        for columns in ([c.arkit for c in clips], [c.values for c in clips])
    )
    channels, signs = _mirrored()
    inputs = np.concatenate([own, own[:, channels]])
    outputs = np.concatenate([own_values, own_values[:, signs[0]] * signs[1]])
    gram = inputs.T @ inputs + RIDGE * np.eye(len(ARKIT_CHANNELS))
    return np.linalg.solve(gram, inputs.T @ outputs).T


def _mirrored() -> tuple[list[int], tuple[list[int], np.ndarray]]:
    """Columns of the mirrored face: of the channels, and of the relations with their signs."""
    from ..vocabulary import ARKIT_INDEX, mirror_name

    names = list(RELATIONS)
    channels = [ARKIT_INDEX.get(mirror_name(c), ARKIT_INDEX[c]) for c in ARKIT_CHANNELS]
    rows = [
        names.index(mirror_name(n)) if mirror_name(n) in names else i for i, n in enumerate(names)
    ]
    signs = np.array([-1.0 if n.endswith("_side") else 1.0 for n in names])
    return channels, (rows, signs)


if __name__ == "__main__":
    sys.exit(main())
