"""A clip that is cut, as the clips of its own that its shots are.

What comes after a cut may be another person, and is another performance: a neutral, a filter or a
feeling that went on from one to the other would be wrong on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..settings import RetargetSettings
from ..track import FaceTrack, RigTrack
from .actor_file import footage_name
from .controls import selected_rows


@dataclass(frozen=True)
class Shot:
    """rows: the frames of the clip that it has; track: those frames as a clip; settings: with which
    it is solved."""

    rows: slice
    track: FaceTrack
    settings: RetargetSettings


def shots_in(track: FaceTrack, settings: RetargetSettings) -> list[Shot]:
    """The shots of a clip; of one that is not cut, and of pictures, the whole.

    A second that the user calls neutral tells the neutral of its own shot; the others find theirs.
    """
    rows = track.shots
    if len(rows) < 2:
        return [Shot(slice(0, len(track)), track, settings)]
    whole = {"shot_of": footage_name(track)}
    parts = [track.part(one) for one in rows]
    named = _named(parts, settings.calibration)
    return [
        Shot(
            rows=one,
            track=replace(part, meta=part.meta | whole),
            settings=settings if i in named else replace(settings, calibration="auto"),
        )
        for i, (one, part) in enumerate(zip(rows, parts, strict=True))
    ]


def shots_in_range(track: FaceTrack, settings: RetargetSettings) -> list[Shot]:
    """Those of `shots_in` of which the settings' range has frames.

    Raises:
        UsageError: it has none.
    """
    rows = selected_rows(track, settings)
    shots = shots_in(track, settings)
    return [s for s in shots if np.any((rows >= s.rows.start) & (rows < s.rows.stop))]


def _named(parts: Sequence[FaceTrack], calibration: str | float) -> set[int]:
    """Numbers of the shots that a calibration is meant for."""
    if isinstance(calibration, str):
        return set(range(len(parts)))
    return {max((i for i, p in enumerate(parts) if p.times[0] <= calibration), default=0)}


def joined(tracks: Sequence[RigTrack]) -> RigTrack:
    """The tracks of a clip's shots, of one character, as one of the clip."""
    if len(tracks) == 1:
        return tracks[0]
    first = tracks[0]
    columns = ("times", "values", "state", "expression")
    affect = None if first.affect is None else np.concatenate([t.affect for t in tracks])
    return replace(
        first,
        **{name: np.concatenate([getattr(t, name) for t in tracks]) for name in columns},
        affect=affect,
        meta=first.meta | _joined_meta([t.meta for t in tracks]),
    )


def _joined_meta(metas: Sequence[dict]) -> dict:
    """What the shots' meta data say of their neutrals: the least trust, and where each is from."""
    shots: dict[str, list[str]] = {}
    for number, meta in enumerate(metas, 1):
        if source := meta.get("neutral"):
            shots.setdefault(source, []).append(str(number))
    told = [f"{source} (shot {', '.join(numbers)})" for source, numbers in shots.items()]
    told = [*shots] if len(shots) == 1 else told
    neutral = {"neutral": "; ".join(told)} if told else {}
    return neutral | {"neutral_trust": min(m["neutral_trust"] for m in metas)}
