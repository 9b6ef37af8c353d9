"""From the panel's settings to keys: what Apply asks the worker, and what it writes then.

The same functions as the command line's: the worker solves, `keyframes.apply_tracks` writes. What
is added here needs the open scene: each character's own gain, its corrections, a range of the
timeline, and blending with what was there before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ...networks.characters.profile import RigProfile, from_unit, to_unit
from ...networks.errors import InputError, UsageError
from ...networks.models.playable import lead_rank
from ...networks.track import RigTrack
from ..characters.in_scene import Character, broken_in, characters_in, profile_in
from ..keying.corrections import correct, is_of, mark_keyed
from ..keying.fcurves import sample
from ..keying.keyframes import KeyReport, apply_tracks, scene_fps
from ..keying.take_actions import actions_of
from ..keying.takes import fit_range
from . import references
from .scene_settings import key_options, retarget_settings


@dataclass(frozen=True)
class Cast:
    """Who is driven: the primary, whether it is keyed or only solved, and all that are keyed."""

    primary: RigProfile
    driven: tuple[Character, ...]
    skipped: tuple[str, ...] = ()
    """Of those that are switched on and can't be keyed: who, and why."""

    @property
    def profiles(self) -> list[RigProfile]:
        """What is solved: the primary first, each character once."""
        found = {self.primary.name: self.primary}
        for c in self.driven:
            found.setdefault(c.profile.name, c.profile)
        return list(found.values())


def primary_of(scene: bpy.types.Scene, present: list[Character]) -> Character | None:
    """The scene's primary: the one that was chosen, else one that can be solved from a face."""
    chosen = scene.exprgen.primary
    for c in present:
        if chosen is not None and c.collection == chosen:
            return c
    return max(present, key=lambda c: lead_rank(c.profile), default=None)


def cast_of(scene: bpy.types.Scene) -> Cast:
    """Who is to be driven in a scene; one that is broken stands in the way of no other.

    Raises:
        UsageError: nobody is there, or nobody is switched on.
        ExprGenError: all that are switched on are broken, or the chosen primary's profile is gone.
    """
    present, broken = characters_in(scene), broken_in(scene)
    if not present and not broken:
        raise UsageError("the scene has no character", fix="add one in the Characters panel")
    driven = tuple(c for c in present if c.collection.exprgen.enabled)
    lost = {c: error for c, error in broken.items() if c.exprgen.enabled}
    if not driven and lost:
        raise next(iter(lost.values()))
    if not driven:
        raise UsageError("no character is switched on", fix="tick one in the Characters panel")
    skipped = tuple(f"{c.name} is skipped: {error}" for c, error in lost.items())
    chosen = scene.exprgen.primary
    if chosen in broken:  # it is solved all the same, for which its profile is enough
        return Cast(profile_in(chosen), driven, skipped)
    return Cast(primary_of(scene, present).profile, driven, skipped)


def solve_request(scene: bpy.types.Scene, cast: Cast, out: Path) -> dict:
    """What the worker is asked (`pipeline.SolveRequest`).

    Raises:
        InputError: there is no analysis. UsageError: the settings make no sense.
    """
    track = references.track_path(scene.exprgen)
    if track is None or not track.is_file():
        raise InputError("the reference is not analysed", file=track, fix="press Analyse first")
    first, *others = cast.profiles
    return {
        "track": str(track),
        "primary": str(first.path),
        "secondary": [str(p.path) for p in others],
        "settings": retarget_settings(scene.exprgen).to_json(),
        "out": str(out),
    }


def write_take(scene: bpy.types.Scene, folder: Path) -> KeyReport:
    """Key the tracks that were solved into a folder on the scene's characters.

    Raises:
        InputError: a track is missing or lies outside of the chosen range.
    """
    settings = scene.exprgen
    cast = cast_of(scene)
    source = references.identity(settings)
    tracks, characters = [], []
    for character in cast.driven:
        path = folder / f"{character.profile.name}.npz"
        if path.is_file():
            track = RigTrack.load(path)
            track = correct(with_gain(track, character), character, source)
            track = _in_range(track, scene)
            tracks.append(blended(track, character, scene))
            characters.append(character)
    if not tracks:
        raise InputError("nothing was solved for the characters of the scene", fix="apply again")
    take = settings.take or "Take"
    if settings.new_take:
        take = free_take(take)
    options = key_options(settings)
    report = apply_tracks(tracks, characters, scene, take=take, options=options, source=source)
    report = replace(report, notes=(*cast.skipped, *report.notes))
    settings.take, settings.new_take = take, False
    settings.neutral_used = str(tracks[0].meta.get("neutral", ""))
    if settings.fit_range and not settings.use_apply_range:
        fit_range(scene, report)
    for entry in (e for c in characters for e in c.collection.exprgen.corrections):
        if is_of(entry, source):
            mark_keyed(entry)
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    return report


def with_gain(track: RigTrack, character: Character) -> RigTrack:
    """The track with its character's own gain on the expression's unit values."""
    gain = character.collection.exprgen.gain
    controls = tuple(character.profile.control(n) for n in track.controls)
    rows = [i for i, c in enumerate(controls) if c.output == "expression"]
    if abs(gain - 1.0) < 1e-6 or not rows:
        return track
    chosen = tuple(controls[i] for i in rows)
    units = to_unit(chosen, track.values[:, rows].astype(float)) * gain
    values = track.values.copy()
    values[:, rows] = from_unit(chosen, np.clip(units, -1.0, 1.0))
    return track.with_values(values)


def free_take(take: str) -> str:
    """A take's name that no action has yet."""
    number, name = 2, take
    while bpy.data.actions.get(f"ExprGen {name}") is not None or actions_of(name):
        name, number = f"{take} {number}", number + 1
    return name


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
        found = [np.interp(times, track.times, column) for column in columns.T]
        return np.stack(found, axis=-1).astype(np.float32)

    return replace(
        track,
        times=times,
        values=at(track.values),
        expression=at(track.expression),
        state=track.state[nearest],
    )


def _in_range(track: RigTrack, scene: bpy.types.Scene) -> RigTrack:
    settings = scene.exprgen
    if not settings.use_apply_range or track.meta.get("stills"):
        return track
    if settings.apply_last < settings.apply_first:
        raise UsageError("the range ends before it begins", fix="mend First and Last")
    return cut(
        track,
        references.seconds_at(scene, settings.apply_first),
        references.seconds_at(scene, settings.apply_last),
    )


def blended(track: RigTrack, character: Character, scene: bpy.types.Scene) -> RigTrack:
    """The track faded into what is keyed, or posed, before and after it."""
    settings = scene.exprgen
    if not (settings.blend_in or settings.blend_out) or track.meta.get("stills"):
        return track
    frames = settings.start_frame + np.asarray(track.times) * scene_fps(scene)
    share = np.ones(len(frames))
    if settings.blend_in:
        share = np.minimum(share, (frames - frames[0]) / settings.blend_in)
    if settings.blend_out:
        share = np.minimum(share, (frames[-1] - frames) / settings.blend_out)
    share = np.clip(share, 0.0, 1.0)
    share = share * share * (3.0 - 2.0 * share)
    fading = share < 1.0
    values = track.values.copy()
    for column, name in enumerate(track.controls):
        before = sample(character.bindings[name][0], frames[fading])
        part = share[fading]
        values[fading, column] = before * (1 - part) + values[fading, column] * part
    return track.with_values(values)


def describe(report: KeyReport) -> str:
    """One line for a person."""
    said = (
        f"{report.keys} keys on {report.curves} curves, frames {report.first:g} to "
        f"{report.last:g}, in {report.action}"
    )
    return "; ".join((said, *report.notes))
