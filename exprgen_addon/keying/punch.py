"""Punch-in: a stretch of a take, or some of its parts, keyed anew and blended into the rest.

Needs bpy, since what is there already is read from the scene.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...networks.errors import InputError, UsageError
from ...networks.track import RigTrack, columns_at
from ..characters.in_scene import Character
from .fcurves import sample
from .parts import PARTS, only_parts


@dataclass(frozen=True)
class Punch:
    """What of a take is keyed anew. first, last: scene frames, None for all of it; blend_in,
    blend_out: frames over which it fades into what was there; parts: see `parts.PARTS`."""

    first: int | None = None
    last: int | None = None
    blend_in: int = 0
    blend_out: int = 0
    parts: tuple[str, ...] = tuple(PARTS)

    @property
    def whole(self) -> bool:
        """It is all of the clip."""
        ranged = self.first is not None or self.blend_in or self.blend_out
        return not ranged and set(self.parts) >= set(PARTS)


def punched(
    track: RigTrack, character: Character, punch: Punch, start_frame: float, fps: float
) -> RigTrack:
    """The part of a track that is keyed anew, faded into what its character does now.

    Args:
        start_frame: scene frame of the track's time zero.

    Raises:
        UsageError: the range ends before it begins. InputError: the track has no part there.
    """
    track = only_parts(track, character, punch.parts)
    if track.meta.get("stills"):
        return track
    if punch.first is not None:
        if punch.last < punch.first:
            raise UsageError("the range ends before it begins", fix="mend First and Last")
        first, last = ((f - start_frame) / fps for f in (punch.first, punch.last))
        track = cut(track, first, last)
    if not (punch.blend_in or punch.blend_out):
        return track
    return _blended(track, character, punch, start_frame + np.asarray(track.times) * fps)


def cut(track: RigTrack, start: float, end: float) -> RigTrack:
    """The part of a track from `start` to `end` seconds, its ends between frames interpolated.

    Raises:
        InputError: it has no part there.
    """
    start, end = max(start, float(track.times[0])), min(end, float(track.times[-1]))
    if end < start:
        raise InputError("the range shows nothing of the reference", fix="choose another range")
    inner = (track.times > start) & (track.times < end)
    times = np.unique(np.concatenate([[start], track.times[inner], [end]]))
    nearest = np.abs(track.times[None] - times[:, None]).argmin(1)

    def at(columns: np.ndarray) -> np.ndarray:
        return columns_at(times, track.times, columns, track.cuts).astype(np.float32)

    return replace(
        track,
        times=times,
        values=at(track.values),
        expression=at(track.expression),
        affect=None if track.affect is None else at(track.affect),
        state=track.state[nearest],
    )


def _blended(track: RigTrack, character: Character, punch: Punch, frames: np.ndarray) -> RigTrack:
    """The track faded into what is keyed, or posed, before and after it."""
    share = np.ones(len(frames))
    if punch.blend_in:
        share = np.minimum(share, (frames - frames[0]) / punch.blend_in)
    if punch.blend_out:
        share = np.minimum(share, (frames[-1] - frames) / punch.blend_out)
    share = np.clip(share, 0.0, 1.0)
    share = share * share * (3.0 - 2.0 * share)
    fading = share < 1.0
    values = track.values.copy()
    for column, name in enumerate(track.controls):
        before = sample(character.bindings[name][0], frames[fading])
        part = share[fading]
        values[fading, column] = before * (1 - part) + values[fading, column] * part
    return track.with_values(values)
