"""What is kept of an actor from clip to clip: the neutral face and the reach of each relation.

`--actor NAME` keeps a small file under the user's folder. A clip that shows no neutral moment is
then seen against what other footage of the same person showed, and a second clip starts calibrated.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import ROWS, Column, check_columns
from ..errors import InputError, OutputError, UsageError
from ..names import NAME_FIX, is_name
from ..records import FieldError, as_type
from ..track import FaceTrack, load_arrays, save_arrays
from .relations import NAMES

KIND = "exprgen.actor"
ACTORS_VARIABLE = "EXPRGEN_ACTORS_DIR"
FORGET = "delete it: the actor's next clips are seen as a first one's"
_COLUMNS = {
    "neutral": Column((ROWS, len(NAMES)), np.floating, -1e3, 1e3),
    "seconds": Column((ROWS,), np.floating, 0.0, 1e6),
    "reach": Column((ROWS, 2, len(NAMES)), np.floating, -1e3, 1e3),
}
FROM = ", shot from "
"""Between the name of a clip and the moment, in what tells its shots from each other."""
MOST_SECONDS = 5.0
"""Seconds of neutral frames from which on a clip has the full say."""


def actor_path(name: str) -> Path:
    """Where an actor is kept: $EXPRGEN_ACTORS_DIR, else `.exprgen/actors` in the home folder.

    Raises:
        UsageError: the name can't name a file.
    """
    if not is_name(name):
        raise UsageError(f"{name[:60]!r} can't name an actor", fix=NAME_FIX)
    given = os.environ.get(ACTORS_VARIABLE)
    return (Path(given) if given else Path.home() / ".exprgen" / "actors") / f"{name}.npz"


@dataclass(frozen=True)
class Actor:
    """An actor's clips. sources: names of the footage, one of each clip; neutral (S, K); seconds
    (S,) of neutral frames behind each; reach (S, 2, K): the 2nd and 98th percentile of motion."""

    sources: tuple[str, ...]
    neutral: np.ndarray
    seconds: np.ndarray
    reach: np.ndarray

    def without(self, source: str) -> Actor:
        """What other footage showed: neither the source, nor shots of it."""
        rows = [i for i, s in enumerate(self.sources) if not _is_of(s, source)]
        return self._of(rows)

    def _of(self, rows: list[int]) -> Actor:
        names = tuple(self.sources[i] for i in rows)
        return Actor(names, self.neutral[rows], self.seconds[rows], self.reach[rows])

    def seen(self, source: str, neutral, seconds: float, reach) -> Actor:
        """With a clip added, or a shot of one, in place of an earlier look at it."""
        rows = [
            i for i, s in enumerate(self.sources) if not (_is_of(s, source) or _is_of(source, s))
        ]
        old = self._of(rows)
        return Actor(
            (*old.sources, source),
            np.concatenate([old.neutral, [neutral]]),
            np.append(old.seconds, min(seconds, MOST_SECONDS)),
            np.concatenate([old.reach, [reach]]),
        )

    def save(self, name: str) -> None:
        """Raises OutputError where the folder can't be written."""
        path = actor_path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"can't be made ({error.strerror})",
                file=path.parent,
                fix=f"set {ACTORS_VARIABLE} to a folder that can be written",
            ) from error
        meta = {"name": name, "sources": list(self.sources), "relations": list(NAMES)}
        arrays = {n: getattr(self, n) for n in ("neutral", "seconds", "reach")}
        save_arrays(path, KIND, meta, arrays)


NOBODY = Actor((), np.zeros((0, len(NAMES))), np.zeros(0), np.zeros((0, 2, len(NAMES))))
"""An actor of whom nothing is known."""


def _is_of(name: str, source: str) -> bool:
    """Whether a name is that source's, or a shot's of it."""
    return name == source or name.startswith(source + FROM)


def clip_name(track: FaceTrack) -> str:
    """What tells a clip, be it one of which a shot is, from another one of the same actor."""
    return track.meta.get("shot_of") or footage_name(track)


def footage_name(track: FaceTrack) -> str:
    """What tells a clip, or a shot of one, from another one of the same actor."""
    if whole := track.meta.get("shot_of"):
        return f"{whole}{FROM}{track.times[0]:.2f} s"
    last = f"{track.times[-1]:.2f}" if len(track) else "0"
    return f"{track.meta.get('source', '')}, {len(track)} frames to {last} s"


def load_actor(name: str) -> Actor:
    """What is kept of an actor; nothing where there is no file, or one of other relations.

    Raises:
        InputError: the file is damaged.
    """
    path = actor_path(name)
    if not path.is_file():
        return NOBODY
    meta, arrays = load_arrays(path, KIND, FORGET)
    if meta.get("relations") != list(NAMES):
        return NOBODY
    try:
        sources = as_type(tuple[str, ...], meta.get("sources"), "sources")
    except FieldError as error:
        raise InputError(f"has a wrong field: {error}", file=path, fix=FORGET) from error
    check_columns(path, arrays, _COLUMNS, FORGET, len(sources))
    return Actor(sources, **{n: arrays[n] for n in _COLUMNS})
