"""From the panel's settings to keys: what Apply asks the worker, and what it writes then.

The same functions as the command line's: the worker solves, `keyframes.apply_tracks` writes. What
is added here needs the open scene: each character's own gain, its corrections, a range of the
timeline, blending with what was there before, and the take that all of it goes to, with its sound.
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
from ..keying.generated import same_reference
from ..keying.keyframes import KeyReport, apply_tracks, scene_fps
from ..keying.nla_layers import is_split, join, split
from ..keying.punch import Punch, punched
from ..keying.sound import hear, put_sound
from ..keying.take_actions import actions_of
from ..keying.take_list import (
    About,
    find_take,
    follow_up,
    free_take,
    note_about,
    other_clip,
    show_take,
    take_for,
)
from ..keying.takes import fit_range
from . import overruling, references
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


def punch_of(settings) -> Punch:
    """What of a take is keyed, as the panel says."""
    use = settings.use_apply_range
    span = (settings.apply_first, settings.apply_last) if use else (None, None)
    return Punch(*span, settings.blend_in, settings.blend_out)


def write_take(scene: bpy.types.Scene, folder: Path, punch: Punch | None = None) -> KeyReport:
    """Key the tracks that were solved into a folder on the scene's characters.

    Args:
        punch: what of the take; None: as the panel says.

    Raises:
        InputError: a track is missing or lies outside of the chosen range.
    """
    settings = scene.exprgen
    punch = punch or punch_of(settings)
    cast = cast_of(scene)
    shown = settings.take
    take = target_take(settings)
    everyone = characters_in(scene)
    apart = is_split(everyone)
    join(everyone)
    if find_take(take) is not None:
        show_take(scene, everyone, take)  # what it blends with is its own
    source = references.identity(settings)
    tracks, characters = [], []
    for character in cast.driven:
        path = folder / f"{character.profile.name}.npz"
        if path.is_file():
            track = RigTrack.load(path)
            track = correct(with_gain(track, character), character, source)
            tracks.append(punched(track, character, punch, settings.start_frame, scene_fps(scene)))
            characters.append(character)
    if not tracks:
        raise InputError("nothing was solved for the characters of the scene", fix="apply again")
    options = key_options(settings)
    options = replace(options, whole=options.whole and punch.whole)
    other = other_clip(take, source)
    report = apply_tracks(tracks, characters, scene, take=take, options=options, source=source)
    report = replace(report, notes=(*cast.skipped, *other, *report.notes))
    _note_take(settings, take, source)
    if settings.sound:
        path = references.reference_path(settings)
        put_sound(scene, path, take, tracks[0], settings.start_frame)
    hear(scene, take)
    settings.take, settings.new_take = take, False
    settings.overruled_used = overruling.as_text(references.phrases_said(settings))
    settings.neutral_used = str(tracks[0].meta.get("neutral", ""))
    if settings.fit_range and punch.first is None:
        fit_range(scene, report)
    if (combined := follow_up(everyone, take)) and shown in combined:
        show_take(scene, everyone, shown)  # and hear it
        settings.take = shown
        report = replace(report, notes=(*report.notes, f"{shown} has it from there"))
    if apart:
        split(everyone, settings.take, find_take(settings.take).action)
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


def target_take(settings) -> str:
    """The take that an apply writes to: of a combined one, the one that its mouth, or another part,
    has from this reference; where a live one is shown, the reference's own."""
    take = settings.take or "Take"
    found = find_take(take)
    if found is not None and found.about.parts:
        of = [found.about.parts.get("mouth", ""), *found.about.parts.values()]
        source = references.identity(settings)
        own = (t for name in of if (t := find_take(name)) is not None)
        own = (t.name for t in own if same_reference(t.about.source, source))
        take = next(own, "") or free_take("Take")
    elif found is not None and found.is_live:
        take = take_for(references.identity(settings), take)
    return free_take(take) if settings.new_take else take


def _note_take(settings, take: str, source: str) -> None:
    """Write on a take's actions what they are of now."""
    about = About(source, settings.reference, settings.track, settings.start_frame)
    for action in actions_of(take):
        note_about(action, about)


def describe(report: KeyReport) -> str:
    """One line for a person."""
    said = (
        f"{report.keys} keys on {report.curves} curves, frames {report.first:g} to "
        f"{report.last:g}, in {report.action}"
    )
    return "; ".join((said, *report.notes))
