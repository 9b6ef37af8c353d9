"""From the panel's settings to keys: what Apply asks the worker, and what it writes then.

The same functions as the command line's: the worker solves, `keyframes.apply_tracks` writes. What
is added here needs the open scene: each character's own gain, its corrections, a range of the
timeline, blending with what was there before, and the take that all of it goes to, with its sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ...networks.characters.profile import RigProfile, from_unit, to_unit
from ...networks.errors import ExprGenError, InputError, UsageError
from ...networks.models.playable import lead_rank
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack, RigTrack
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
    note_about,
    other_clip,
    show_take,
)
from ..keying.takes import fit_range
from . import overruling, references
from .scene_settings import key_options, retarget_settings
from .take_pieces import Piece, about_now, target_take, track_of


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


def solve_request(
    scene: bpy.types.Scene, cast: Cast, out: Path, about: About | None = None
) -> dict:
    """What the worker is asked (`pipeline.SolveRequest`).

    Args:
        about: of what; None: the scene's reference.

    Raises:
        InputError: there is no analysis. UsageError: the settings make no sense.
    """
    now = about_now(scene.exprgen)
    about = about or now
    track = track_of(about)
    if track is None or not track.is_file():
        raise InputError("the reference is not analysed", file=track, fix="press Analyse first")
    settings = retarget_settings(scene.exprgen, about.start_frame)
    if not same_reference(about.source, now.source):
        settings = _of_other_clip(scene.exprgen, settings, about)
    first, *others = cast.profiles
    return {
        "track": str(track),
        "primary": str(first.path),
        "secondary": [str(p.path) for p in others],
        "settings": settings.to_json(),
        "out": str(out),
    }


def _of_other_clip(panel, settings: RetargetSettings, about: About) -> RetargetSettings:
    """Settings for another clip than the scene's, of which the panel's neutral moment is none, and
    of which other things were said."""
    said = overruling.words_of(
        panel, overruling.Clip(about.source, FaceTrack.load(track_of(about)))
    )
    at_a_time = not isinstance(settings.calibration, str)
    return replace(
        settings, phrases=said, calibration="auto" if at_a_time else settings.calibration
    )


def punch_of(settings) -> Punch:
    """What of a take is keyed, as the panel says."""
    use = settings.use_apply_range
    span = (settings.apply_first, settings.apply_last) if use else (None, None)
    return Punch(*span, settings.blend_in, settings.blend_out)


def write_take(scene: bpy.types.Scene, folder: Path) -> KeyReport:
    """Key the tracks that were solved into a folder on the scene's characters, as the panel says.

    Raises:
        InputError: a track is missing or lies outside of the chosen range.
    """
    settings = scene.exprgen
    punch = punch_of(settings)
    piece = Piece(target_take(settings), about_now(settings), punch.parts, str(folder))
    report = write_pieces(scene, [piece], punch)
    settings.new_take = False
    said = references.phrases_said(settings)
    overruling.note_applied(settings, references.identity(settings), said)
    if settings.fit_range and punch.first is None:
        fit_range(scene, report)
    return report


def write_pieces(
    scene: bpy.types.Scene, pieces: Sequence[Piece], punch: Punch, again: bool = False
) -> KeyReport:
    """Key what was solved on the scene's characters, each piece into its take; all are computed
    before the first is written.

    Args:
        again: the takes are there already; their sounds and what is shown stay.

    Raises:
        InputError: a track is missing or lies outside of the chosen range.
    """
    settings, cast = scene.exprgen, cast_of(scene)
    shown, everyone = settings.take, characters_in(scene)
    apart = is_split(everyone)
    join(everyone)
    try:
        ready = [_computed(scene, cast, everyone, piece, punch) for piece in pieces]
    except ExprGenError:
        if find_take(shown) is not None:
            show_take(scene, everyone, shown)
        raise
    reports = [_written(scene, everyone, *done, punch, again) for done in ready]
    report = together(reports, cast.skipped)
    settings.take = pieces[-1].take
    followed = [name for piece in pieces for name in follow_up(everyone, piece.take)]
    if shown in followed or (again and find_take(shown) is not None):
        show_take(scene, everyone, shown)  # and hear it
        settings.take = shown
    if shown in followed:
        report = replace(report, notes=(*report.notes, f"{shown} has it from there"))
    if apart:
        split(everyone, settings.take, find_take(settings.take).action)
    scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)
    return report


Keyed = list[tuple[RigTrack, Character]]


def _computed(
    scene: bpy.types.Scene, cast: Cast, everyone: Sequence[Character], piece: Piece, punch: Punch
) -> tuple[Piece, Keyed]:
    """A piece and what it keys: each track as its character has it."""
    if find_take(piece.take) is not None:
        show_take(scene, everyone, piece.take)  # what it blends with is its own
    punch = replace(punch, parts=piece.parts)
    start, fps = piece.about.start_frame, scene_fps(scene)
    keyed = []
    for character in cast.driven:
        path = Path(piece.folder) / f"{character.profile.name}.npz"
        if path.is_file():
            track = with_gain(RigTrack.load(path), character)
            track = correct(track, character, piece.about.source)
            keyed.append((punched(track, character, punch, start, fps), character))
    if not keyed:
        raise InputError("nothing was solved for the characters of the scene", fix="apply again")
    return piece, keyed


def _written(
    scene: bpy.types.Scene,
    everyone: Sequence[Character],
    piece: Piece,
    keyed: Keyed,
    punch: Punch,
    again: bool,
) -> KeyReport:
    """Key a piece."""
    settings, take, about = scene.exprgen, piece.take, piece.about
    tracks, characters = [t for t, _ in keyed], [c for _, c in keyed]
    if find_take(take) is not None:
        show_take(scene, everyone, take)
    options = key_options(settings)
    whole = options.whole and replace(punch, parts=piece.parts).whole
    options = replace(options, whole=whole, start_frame=about.start_frame)
    other = other_clip(take, about.source)
    report = apply_tracks(tracks, characters, scene, take=take, options=options,
                          source=about.source)  # fmt: skip
    _note_take(take, about)
    if settings.sound and not again:
        path = bpy.path.abspath(about.reference) if about.reference else ""
        put_sound(scene, path, take, tracks[0], about.start_frame)
    hear(scene, take)
    settings.neutral_used = str(tracks[0].meta.get("neutral", ""))
    for entry in (e for c in characters for e in c.collection.exprgen.corrections):
        if is_of(entry, about.source):
            mark_keyed(entry)
    return replace(report, notes=(*other, *report.notes))


def together(reports: Sequence[KeyReport], notes: tuple[str, ...] = ()) -> KeyReport:
    """Several reports as one, with notes before theirs."""
    said = dict.fromkeys((*notes, *(n for r in reports for n in r.notes)))
    return KeyReport(
        action=" and ".join(dict.fromkeys(r.action for r in reports)),
        curves=sum(r.curves for r in reports),
        keys=sum(r.keys for r in reports),
        first=min(r.first for r in reports),
        last=max(r.last for r in reports),
        seconds=sum(r.seconds for r in reports),
        notes=tuple(said),
    )


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


def _note_take(take: str, about: About) -> None:
    """Write on a take's actions what they are of now; parts that are switched off stay so."""
    found = find_take(take)
    for action in actions_of(take):
        note_about(action, replace(about, muted=found.about.muted if found else ()))


def describe(report: KeyReport) -> str:
    """One line for a person."""
    said = (
        f"{report.keys} keys on {report.curves} curves, frames {report.first:g} to "
        f"{report.last:g}, in {report.action}"
    )
    return "; ".join((said, *report.notes))
