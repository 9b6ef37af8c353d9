"""What is wrong with the scene's characters, and in doubt in its footage: looked at when asked.

The characters are read from their keys, so that hand-set ones and corrections count. What was found
is kept while the analysis, the settings and the keys are the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...networks.characters.profile import to_unit
from ...networks.characters.response import ResponseModel, load_response
from ...networks.errors import ExprGenError
from ...networks.records import json_text
from ...networks.settings import RetargetSettings
from ...networks.solving import review
from ...networks.solving.actor import ActorRelations, actor_relations
from ...networks.solving.shots import shots_in
from ...networks.solving.targets import Geometry
from ...networks.track import FaceTrack
from ..characters.in_scene import Character, active_collection, characters_in, collections_in
from ..keying.fcurves import curve_of, sample
from ..keying.generated import same_reference
from ..keying.keyframes import scene_fps
from ..keying.nla_layers import layered
from ..keying.take_actions import TAKE_TAG, own_action
from ..keying.take_list import find_take, owners_of
from . import references
from .scene_settings import retarget_settings


@dataclass(frozen=True)
class Review:
    """What was found. rows: those of the track that were looked at; shown: each keyed character;
    lacking: sentences on those that could not be looked at; track: the analysis it is of."""

    findings: tuple[review.Finding, ...]
    rows: np.ndarray
    shown: dict[str, review.Shown]
    lacking: tuple[str, ...]
    track: FaceTrack


_kept: tuple[str, Review] | None = None
_actor: tuple[tuple, list[tuple[slice, ActorRelations]]] | None = None
_acted: tuple[FaceTrack, np.ndarray] | None = None


def forget() -> None:
    """Let go of what was found."""
    global _kept, _actor, _acted
    _kept = _actor = _acted = None


def kept(scene: bpy.types.Scene) -> Review | None:
    """What was found last, without looking again; for what draws at every redraw. None where it was
    found in another clip than the scene's."""
    found = references.seen(scene.exprgen)
    if _kept is None or found is None or _kept[1].track is not found.track:
        return None
    return _kept[1]


def review_of(scene: bpy.types.Scene) -> Review | None:
    """What is wrong and what is in doubt now; None without an analysis."""
    global _kept
    found = references.seen(scene.exprgen)
    if found is None:
        return None
    keyed = [c for c in characters_in(scene) if c.collection.exprgen.enabled and _is_keyed(c)]
    settings = _settings(scene)
    key = _digest(scene, found, settings, keyed)
    if _kept is None or _kept[0] != key:
        _kept = (key, _look(scene, found, settings, keyed))
    return _kept[1]


def places(scene: bpy.types.Scene) -> list[tuple[int, str]]:
    """(scene frame, what is wrong there) of all findings, the worst first, each frame once."""
    found, looked = references.seen(scene.exprgen), kept(scene)
    if found is None or looked is None:
        return []
    told: dict[int, list[str]] = {}
    for finding in looked.findings:
        frame = round(references.frame_of_row(scene, found, finding.row))
        told.setdefault(frame, []).append(finding.text)
    return [(frame, "; ".join(texts)) for frame, texts in told.items()]


def told_at(scene: bpy.types.Scene, frame: int) -> str:
    """Which of the findings a scene frame is, and what it says; "" if it is none of them."""
    frames = places(scene)
    at = next((i for i, (f, _) in enumerate(frames) if f == frame), None)
    return "" if at is None else f"{at + 1} of {len(frames)}: {frames[at][1]}"


def shown_now(scene: bpy.types.Scene) -> review.Shown | None:
    """The character whose curve is drawn: the one that is chosen in the list, else the first."""
    looked, chosen = kept(scene), active_collection(scene)
    if looked is None or not looked.shown:
        return None
    first = next(iter(looked.shown.values()))
    return looked.shown.get(chosen.name, first) if chosen is not None else first


def _settings(scene: bpy.types.Scene) -> RetargetSettings:
    """The panel's settings, as far as they tell what a character should do. The actor's file is
    left alone."""
    try:
        settings = retarget_settings(scene.exprgen)
        return replace(settings, actor="", emphasis_curve=(), emphasis_part_curves={})
    except ExprGenError:  # nothing is to be keyed: what is there is looked at all the same
        return RetargetSettings()


def _is_keyed(character: Character) -> bool:
    curves = (curve_of(p) for props in character.bindings.values() for p in props)
    return any(c is not None and len(c.keyframe_points) for c in curves)


def _other_clip(scene: bpy.types.Scene, character: Character) -> str:
    """The clip that a character's keys are of, "" where it is the scene's."""
    owners = owners_of([character])
    tags = {a.get(TAKE_TAG) for o in owners if (a := own_action(o)) is not None}
    here = references.identity(scene.exprgen)
    for take in filter(None, map(find_take, filter(None, tags))):
        if take.about.source and not take.about.parts:
            return "" if same_reference(take.about.source, here) else take.clip
    return ""


def _digest(scene, found: references.Seen, settings: RetargetSettings, keyed) -> str:
    """Tells one state of all that counts from another."""
    known = [str(id(found.track)), f"{scene_fps(scene)} {scene.exprgen.start_frame}"]
    known.append(str(scene.exprgen.show_mimicry))
    digest = hashlib.sha256(json_text([known, settings.to_json()]).encode())
    for character in keyed:
        digest.update(character.collection.name.encode())
        for props in character.bindings.values():
            curve = curve_of(props[0])
            if curve is None:
                digest.update(np.float64(props[0].read()).tobytes())
                continue
            for name in ("co", "handle_left", "handle_right"):
                places = np.empty(2 * len(curve.keyframe_points), np.float32)
                curve.keyframe_points.foreach_get(name, places)
                digest.update(places.tobytes())
    return digest.hexdigest()


def _look(scene, found: references.Seen, settings: RetargetSettings, keyed) -> Review:
    track = found.track
    rows, lacking = np.arange(len(track)), []
    others = {c.collection.name: clip for c in keyed if (clip := _other_clip(scene, c))}
    if others:
        clips, names = ", ".join(sorted(set(others.values()))), ", ".join(others)
        lacking.append(f"{names}: the keys are of {clips}, apply to compare them with this clip")
    keyed = [c for c in keyed if c.collection.name not in others]
    if not keyed and layered(scene.exprgen.take):
        lacking.append("the take's parts lie in NLA tracks: put them together to compare")
    shown: dict[str, review.Shown] = {}
    if not found.stills and keyed:
        frames = np.array([references.frame_of_row(scene, found, r) for r in rows])
        first, last = _span(keyed)
        rows = rows[(frames >= first - 0.5) & (frames <= last + 0.5)]
        shots = [(at, actor.at(own)) for at, actor, own in _in_shots(track, settings, rows)]
        acted = _acted_in(track)[rows] if scene.exprgen.show_mimicry else None
        for character in keyed if shots else ():
            try:
                one = _shown(character, frames[rows], shots, settings)
                if acted is not None:
                    one = _compared(one, character, frames[rows], acted, track.found[rows])
                shown[character.collection.name] = one
            except ExprGenError as error:
                lacking.append(f"{character.collection.name} is not compared: {error}")
    everyone = list(shown.values())
    told = review.findings(track, everyone, rows)
    return Review(tuple(told), rows, shown, tuple(lacking), track)


def _span(keyed: list[Character]) -> tuple[float, float]:
    """First and last scene frame that is keyed."""
    props = (p for c in keyed for found in c.bindings.values() for p in found[:1])
    curves = [c for p in props if (c := curve_of(p)) is not None and len(c.keyframe_points)]
    spans = [c.range() for c in curves]
    return min(s[0] for s in spans), max(s[1] for s in spans)


def _actors_in(track, settings: RetargetSettings) -> list[tuple[slice, ActorRelations]]:
    """Of each shot its rows and the relations of who acts in it, made once."""
    global _actor
    key = (id(track), json_text(settings.to_json()))
    if _actor is None or _actor[0] != key:
        shots = shots_in(track, settings)
        _actor = (key, [(s.rows, actor_relations(s.track, s.settings)) for s in shots])
    return _actor[1]


def _in_shots(track, settings: RetargetSettings, rows: np.ndarray):
    """(which of the rows lie in a shot, who acts in it, which of its frames they are), of each shot
    that has some."""
    for shot, actor in _actors_in(track, settings):
        at = np.flatnonzero((rows >= shot.start) & (rows < shot.stop))
        if len(at):
            yield at, actor, rows[at] - shot.start


def _acted_in(track: FaceTrack) -> np.ndarray:
    """What the actor plays, worked out once."""
    global _acted
    if _acted is None or _acted[0] is not track:
        from ...networks.evaluation.mimicry import actor_played

        played = [actor_played(track.part(rows)) for rows in track.shots]
        _acted = (track, np.concatenate(played))
    return _acted[1]


def _compared(one: review.Shown, character: Character, frames, acted, seen) -> review.Shown:
    """With how near the character's face stays to the actor's."""
    from ...networks.evaluation.mimicry import mimicry, response_played

    model, units = _units(character, frames)
    near = mimicry(acted, response_played(model, units), seen)
    return replace(one, mimicry=near.curve, mimicry_score=near.score)


def _units(character: Character, frames: np.ndarray) -> tuple[ResponseModel, np.ndarray]:
    """A character's response, and the unit values (N, C) of its controls that are keyed."""
    model = load_response(character.profile)
    controls = tuple(character.profile.control(name) for name in model.controls)
    values = [sample(character.bindings[name][0], frames) for name in model.controls]
    return model, to_unit(controls, np.stack(values, axis=1))


def _shown(
    character: Character,
    frames: np.ndarray,
    shots: list[tuple[np.ndarray, ActorRelations]],
    settings: RetargetSettings,
) -> review.Shown:
    """What a character's keys let it show; by the name of its collection. shots: which of the
    frames lie in each, and the relations of who acts in it."""
    profile = character.profile
    model, units = _units(character, frames)
    geometry = Geometry.of(model, profile)
    shown = [
        review.shown_by(profile, model.controls, units[at], actor, geometry, settings)
        for at, actor in shots
    ]
    one = review.joined(shown)
    return replace(one, name=character.collection.name)


def follow(scene: bpy.types.Scene) -> None:
    """Look again after the keys have changed, if somebody watches the curve."""
    wanted = scene.exprgen.show_lips or scene.exprgen.show_mimicry
    if collections_in(scene) and wanted:
        review_of(scene)
