"""RigTracks -> keys: seconds become frames here and nowhere else (house rule 5).

`compute_curves` is arithmetic on numpy arrays and touches no datablock; `write_curves` then writes
everything in bulk. So a failure happens before the scene is changed, and one operator call is one
undo step (house rule 7).

A pose holds until a cut of the footage, and the next begins at once: nothing is between them.

All characters of a take share one action, called "ExprGen <take>" at first and known by its tag, so
that it may be renamed. It holds a slot for each animated
datablock of each character, named after the character: an object's pose and its mesh's shape keys
are different datablocks to Blender and can't share a slot. A datablock that already has an action
made by hand keeps it and gets its curves in there, so that body animation is not switched off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ...networks.errors import InputError
from ...networks.track import RigTrack, each_shot, shots_of, still_places
from ..characters.in_scene import Character
from .affect import GROUP, affect_owner, affect_paths, ensure_properties
from .generated import Generated, generated_in, remember, same_reference
from .key_columns import ENUMS, enum_number, read_keys, write_keys
from .key_options import KeyOptions
from .reduction import Gaps, fit_curves, fit_shots
from .take_actions import (
    action_for,
    assign,
    bag_of,
    check_owners,
    hidden_keys,
    is_locked,
    leave_tweak_mode,
    shared_slots,
    take_action,
    twins,
)

_COMMON_FPS = (24.0, 25.0, 30.0, 48.0, 50.0, 60.0)
_NTSC = 1.001
_SAME_FRAME = 0.01  # keys nearer than this (in frames) are on one frame


@dataclass(frozen=True)
class Curve:
    """The keys of one property: K frames, values and slopes (per frame), ready to be written; held
    (K,) bool: those that stay as they are until the next, whatever the interpolation."""

    owner: bpy.types.ID
    data_path: str
    index: int
    group: str
    interpolation: str
    frames: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    held: np.ndarray | None = None


@dataclass(frozen=True)
class KeyReport:
    """What was written. first, last: scene frames; seconds: time taken to compute and write.
    notes: what a person should know of it, sentences without a full stop."""

    action: str
    curves: int
    keys: int
    first: float
    last: float
    seconds: float
    notes: tuple[str, ...] = ()


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames per second of a scene; Blender divides by `fps_base`."""
    return scene.render.fps / scene.render.fps_base


def set_scene_fps(scene: bpy.types.Scene, fps: float) -> float:
    """Set the scene's rate to `fps`, exactly if it can be, and return the rate that was set."""
    whole = round(fps)
    if abs(fps - whole) < 1e-3:
        scene.render.fps, scene.render.fps_base = whole, 1.0
    elif abs(fps * _NTSC - round(fps * _NTSC)) < 5e-3:
        scene.render.fps, scene.render.fps_base = round(fps * _NTSC), _NTSC
    else:
        scene.render.fps, scene.render.fps_base = math.ceil(fps), math.ceil(fps) / fps
    return scene_fps(scene)


def nearest_common_fps(rate: float) -> float:
    """The usual rate within 2% of a clip's own, else the nearest whole number, at least 1.

    Variable-rate clips have rates such as 29.4 that nobody wants in a scene. A camera's rates for
    slow motion are no scene's either: of those it is the highest usual rate that they are a whole
    multiple of (240 -> 60, 100 -> 50, 144 -> 48), so that frames of the clip fall on the scene's.
    """
    rates = [*_COMMON_FPS, *(f / _NTSC for f in (24.0, 30.0, 60.0))]
    for divisor in range(1, max(1, round(rate / min(rates))) + 1):
        part = rate / divisor
        nearest = min(rates, key=lambda f, part=part: abs(f - part))
        if abs(nearest - part) <= (0.02 if divisor == 1 else 0.002) * part:
            return nearest
    return float(min(max(1, round(rate)), max(rates)))


def apply_tracks(
    tracks: list[RigTrack],
    characters: list[Character],
    scene: bpy.types.Scene,
    *,
    take: str = "Take",
    options: KeyOptions | None = None,
    source: str | None = None,
) -> KeyReport:
    """Key each track on the character beside it, as one take, at the scene's rate.

    Args:
        source: the reference (see `generated.same_reference`); None: as the tracks say.

    Keys generated earlier in the tracks' range are replaced; for other keys see KeyOptions. All of
    it is written, or nothing: every owner is looked at first.

    Raises:
        UsageError: a track has a control that its character lacks.
        InputError: a datablock, or its own action, can't be changed.
    """
    began = time.perf_counter()
    options = options or KeyOptions()
    fps = scene_fps(scene)
    plans = [
        (character, track, compute_curves(track, character, fps, options))
        for track, character in zip(tracks, characters, strict=True)
    ]
    curves = [c for *_, plan in plans for c in plan]
    if not curves:
        raise InputError("the tracks hold no frames", fix="analyse the footage again")
    owners = list({c.owner: None for c in curves})
    check_owners(owners)
    notes = [*(n for c in characters for n in c.notes), *twins(take, owners)]
    action = take_action(take, owners)
    for character, track, plan in plans:
        if options.affect and (rig := affect_owner(track, character)) is not None:
            ensure_properties(rig, track.affect[0])
        notes += write_curves(
            plan,
            action,
            character.collection.name,
            options.keep_hand_made,
            source=str(track.meta.get("source") or "") if source is None else source,
            whole=options.whole and not track.meta.get("partial"),
        )
    for owner in owners:
        notes += hidden_keys(owner, written_on(owner, curves))
    notes += shared_slots(owners)
    return KeyReport(
        action=action.name,
        curves=len(curves),
        keys=sum(len(c.frames) for c in curves),
        first=min(float(c.frames[0]) for c in curves),
        last=max(float(c.frames[-1]) for c in curves),
        seconds=time.perf_counter() - began,
        notes=tuple(dict.fromkeys(notes)),
    )


def written_on(owner: bpy.types.ID, curves: list[Curve]) -> list[bpy.types.FCurve]:
    """The F-curves of a datablock that curves were written to."""
    bag = bag_of(owner.animation_data.action, owner.animation_data.action_slot)
    wanted = {(c.data_path, max(c.index, 0)) for c in curves if c.owner == owner}
    return [f for f in bag.fcurves if (f.data_path, f.array_index) in wanted]


def compute_curves(
    track: RigTrack, character: Character, fps: float, options: KeyOptions
) -> list[Curve]:
    """The curves of one character; changes nothing.

    Raises:
        UsageError: the track has a control that the character lacks.
    """
    if not len(track):
        return []
    if track.meta.get("stills"):  # separate pictures: one a frame, nothing between them
        options = replace(options, interpolation="CONSTANT", reduce=0.0)
        frames = options.start_frame + still_places(track.times)
        values = track.values.astype(float)
    else:
        frames, values = to_frames(track.times, track.values, fps, options, track.cuts)
    shots, curves = _shots(frames, track, fps, options), []
    controls = [character.profile.control(name) for name in track.controls]
    bounds = options.reduce * np.array([c.maximum - c.minimum for c in controls])
    gaps = Gaps.of(character.profile, track.controls) if options.reduce else None
    fitted = fit_curves(frames, values, bounds, options.interpolation, shots, gaps)
    for column, (control, keys) in enumerate(zip(controls, fitted, strict=True)):
        curves += [
            Curve(
                owner=p.owner,
                data_path=p.data_path,
                index=p.index,
                group=control.region.capitalize(),
                interpolation=options.interpolation,
                frames=frames[keys.kept],
                values=values[keys.kept, column] * p.scale,
                slopes=keys.slopes * p.scale,
                held=keys.held,
            )
            for p in character.bindings[control.name]
        ]
    return curves + (_affect_curves(track, character, fps, options) if options.affect else [])


def _affect_curves(
    track: RigTrack, character: Character, fps: float, options: KeyOptions
) -> list[Curve]:
    """The curves of valence and arousal, which any character with a rig can carry."""
    owner = affect_owner(track, character)
    if owner is None:
        return []
    frames, values = options.start_frame + still_places(track.times), track.affect.astype(float)
    if not track.meta.get("stills"):
        frames, values = to_frames(track.times, track.affect, fps, options, track.cuts)
    shots, curves = _shots(frames, track, fps, options), []
    for column, path in enumerate(affect_paths()):
        bound = 2.0 * options.reduce
        fitted = fit_shots(frames, values[:, column], bound, options.interpolation, shots)
        keys = frames[fitted.kept], values[fitted.kept, column], fitted.slopes, fitted.held
        curves.append(Curve(owner, path, -1, GROUP, options.interpolation, *keys))
    return curves


def to_frames(
    times: np.ndarray,
    values: np.ndarray,
    fps: float,
    options: KeyOptions,
    cuts: Sequence[float] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) seconds and values (N, M) -> frames (K,) and values (K, M) at those frames; cuts:
    seconds of the first frames after cuts, before which a value stays."""
    exact = _frames_of(times, fps, options)
    values = np.asarray(values, float)
    if options.subframes:
        return exact, values
    # Timestamps are rounded by containers: a hair past a whole frame is that frame.
    first, last = math.ceil(exact[0] - _SAME_FRAME), math.floor(exact[-1] + _SAME_FRAME)
    if last < first:  # all of it lies between two whole frames
        first = last = round(float(exact[len(exact) // 2]))
    frames = np.arange(first, last + 1, dtype=float)
    shots = each_shot(exact, frames, _frames_of(cuts, fps, options), _SAME_FRAME)
    told = [_between(exact[rows], values[rows], frames[at]) for rows, at in shots]
    return frames, np.concatenate(told)


def _frames_of(seconds: Sequence[float], fps: float, options: KeyOptions) -> np.ndarray:
    """Scene frames, whole or not, of seconds of the reference."""
    return options.start_frame + np.asarray(seconds, float) * fps


def _between(exact: np.ndarray, values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Values (N, M) at places (N,) -> (K, M) at frames, on the line between two; as the first or
    the last beyond them."""
    if len(exact) == 1:
        return np.repeat(values, len(frames), axis=0)
    right = np.clip(np.searchsorted(exact, frames), 1, len(exact) - 1)
    left = right - 1
    part = np.clip((frames - exact[left]) / (exact[right] - exact[left]), 0.0, 1.0)[:, None]
    return values[left] * (1 - part) + values[right] * part


def _shots(frames: np.ndarray, track: RigTrack, fps: float, options: KeyOptions) -> list[slice]:
    """The keys at scene frames (K,) of each shot of a track."""
    return shots_of(frames, _frames_of(track.cuts, fps, options), _SAME_FRAME)


def write_curves(
    curves: list[Curve],
    action: bpy.types.Action,
    character: str,
    keep_hand_made: bool = True,
    *,
    source: str | None = None,
    whole: bool = False,
) -> list[str]:
    """Write curves of one character into the take's action, or the owners' own actions; what a
    person should know of it. The owners are ones that `check_owners` lets pass.

    Args:
        character: name of this copy of the character; its slots are named after it.
        source: the reference, to be remembered with the keys; None for a change of what is there.
        whole: see `KeyOptions`.
    """
    notes: list[str] = []
    for owner in {c.owner: None for c in curves}:
        if leave_tweak_mode(owner):
            notes.append(f"tweak mode of {owner.name} was left")
        assign(owner, action_for(owner, action), character)
        its_curves = [c for c in curves if c.owner == owner]
        notes += _write_owner(owner, its_curves, keep_hand_made, source, whole)
    return notes


def _write_owner(owner, curves: list[Curve], keep_hand_made: bool, source, whole) -> Iterator[str]:
    """Write one datablock's curves into the action that it plays."""
    action, slot = owner.animation_data.action, owner.animation_data.action_slot
    known = generated_in(action, slot)
    stale = [g for g in known if whole and same_reference(g.source, source)]
    groups: dict = {}
    unknown: list[float] = []
    locked: list[str] = []
    for curve in curves:
        path, index = curve.data_path, max(curve.index, 0)
        fcurve = action.fcurve_ensure_for_datablock(owner, path, index=index)
        if is_locked(fcurve):
            locked.append(path)
            continue
        _group(fcurve, curve, action, groups)
        _write(fcurve, curve, keep_hand_made, stale)
        if whole and not known:
            unknown += _generated_outside(fcurve, curve)
    if locked:
        yield f"{len(locked)} locked curves of {owner.name} are left as they were: {locked[0]}, ..."
    if unknown:
        yield (
            f"generated keys of before stay on {owner.name} up to frame {max(unknown):g}: "
            "Clear Generated Keys removes them"
        )
    if source is not None:
        first = min(float(c.frames[0]) for c in curves)
        last = max(float(c.frames[-1]) for c in curves)
        remember(action, slot, Generated(source, first, last), whole=whole)


def _group(fcurve, curve: Curve, action: bpy.types.Action, groups: dict) -> None:
    """Sort the curve under its region in the dope sheet; curves that have a group keep it."""
    if fcurve.group is not None:
        return
    slot = curve.owner.animation_data.action_slot
    bag = bag_of(action, slot)
    key = (slot.handle, action.name, curve.group)
    if key not in groups:
        groups[key] = bag.groups.get(curve.group) or bag.groups.new(curve.group)
    fcurve.group = groups[key]


def _generated_outside(fcurve, curve: Curve) -> list[float]:
    """Frames of generated keys outside of a curve's range."""
    first, last = curve.frames[0] - _SAME_FRAME, curve.frames[-1] + _SAME_FRAME
    at, kinds = _places(fcurve)
    return at[(kinds == enum_number("type", "GENERATED")) & ((at < first) | (at > last))].tolist()


def _places(fcurve) -> tuple[np.ndarray, np.ndarray]:
    """Frames (N,) and kinds (N,) of a curve's keys."""
    n = len(fcurve.keyframe_points)
    co, kinds = np.empty(2 * n, np.float32), np.empty(n, np.int32)
    fcurve.keyframe_points.foreach_get("co", co)
    fcurve.keyframe_points.foreach_get("type", kinds)
    return co[::2], kinds


def _write(fcurve, curve: Curve, keep_hand_made: bool, stale: list[Generated]) -> None:
    columns = _columns(curve)
    if len(fcurve.keyframe_points):
        columns = _merged(fcurve, columns, keep_hand_made, stale)
    write_keys(fcurve, columns)


def _columns(curve: Curve) -> dict[str, np.ndarray]:
    """Generated keys as `foreach_set` wants them.

    Handles reach a third of the way to the neighbours: Blender's curve is then exactly the cubic
    that `reduction.evaluate` predicts.
    """
    frames, values, slopes = curve.frames, curve.values, curve.slopes
    n = len(frames)
    gaps = np.diff(frames) if n > 1 else np.ones(1)
    left = np.concatenate([gaps[:1], gaps])[:n] / 3.0
    right = np.concatenate([gaps, gaps[-1:]])[:n] / 3.0

    def pairs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([x, y], axis=1).astype(np.float32).ravel()

    held = np.zeros(n, bool) if curve.held is None else curve.held

    def all_of(enum: str, value: str) -> np.ndarray:
        return np.full(n, enum_number(enum, value), np.int32)

    between = all_of("interpolation", curve.interpolation)
    return {
        "co": pairs(frames, values),
        "handle_left": pairs(frames - left, values - slopes * left),
        "handle_right": pairs(frames + right, values + slopes * right),
        "handle_left_type": all_of("handle_left_type", "ALIGNED"),
        "handle_right_type": all_of("handle_right_type", "ALIGNED"),
        "interpolation": np.where(held, enum_number("interpolation", "CONSTANT"), between),
        "type": all_of("type", "GENERATED"),
    }


def _merged(
    fcurve, new: dict[str, np.ndarray], keep_hand_made: bool, stale: list[Generated]
) -> dict[str, np.ndarray]:
    """The curve's present keys with the generated ones of the new range, and of the stale ones,
    replaced by `new`."""
    old = read_keys(fcurve)
    n = len(old["type"])
    at, new_at = old["co"][::2], new["co"][::2]
    inside = (at >= new_at[0] - _SAME_FRAME) & (at <= new_at[-1] + _SAME_FRAME)
    generated = old["type"] == enum_number("type", "GENERATED")
    replaced = inside & generated if keep_hand_made else inside
    for g in stale:
        replaced |= generated & (at >= g.first - _SAME_FRAME) & (at <= g.last + _SAME_FRAME)
    stay = ~replaced
    # A hand-made key rules its frame: no generated key is written on top of it.
    free = np.ones(len(new_at), bool)
    if stay.any():
        free = np.abs(new_at[:, None] - at[None, stay]).min(axis=1) > _SAME_FRAME
    order = np.argsort(np.concatenate([at[stay], new_at[free]]), kind="stable")
    merged = {}
    for name, column in old.items():
        width = len(column) // n
        kept = column.reshape(n, width)[stay]
        added = new.get(name)
        if added is None:  # easing and the like: Blender's defaults
            value = 0 if name in ENUMS else _DEFAULT_FLOATS[name]
            added = np.full((len(new_at), width), value, column.dtype)
        rows = np.concatenate([kept, added.reshape(-1, width)[free]])[order]
        merged[name] = np.ascontiguousarray(rows).ravel()
    return merged


_DEFAULT_FLOATS = {"amplitude": 0.8, "back": 1.70158, "period": 4.1}
