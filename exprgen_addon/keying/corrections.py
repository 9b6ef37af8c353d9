"""Corrections: poses that an animator set by hand, which outlive the next apply.

A correction is not a key but what the hand-set pose adds to the solved one, in unit values, at a
moment of the reference, fading in and out around it, but not into another shot. `apply` adds it to
whatever the solver says, so other settings, a better network or another frame rate keep it; and it
can be weakened, widened or taken back. Its keys are generated ones like the rest.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...networks.characters.profile import from_unit, to_unit
from ...networks.errors import UsageError
from ...networks.reading import parse_json
from ...networks.records import as_type, json_text
from ...networks.track import RigTrack, same_shot
from ..characters.in_scene import Character
from .fcurves import curve_of, sample
from .generated import same_reference
from .keyframes import Curve, scene_fps, write_curves
from .take_actions import check_owners

SMALLEST = 1e-3
"""Difference in unit values below which a control was not touched."""
SAME_FRAME = 0.01
"""Frames within which a key is at a frame."""
STANDS_OUT = 0.08
"""Difference in unit values of a key from its neighbours that nobody solved."""
TIMES_AROUND = 3.0
"""So many times more than the keys around do from theirs: lips that talk are quick all along."""
AROUND = 6
"""Keys before and after that are looked at for that."""


def weights(times: np.ndarray, at: float, radius: float) -> np.ndarray:
    """(N,) 0..1 how much a correction counts at each moment: all at its own, nothing beyond its
    reach, without a corner."""
    if radius <= 0:
        return (np.abs(np.asarray(times) - at) < 1e-6).astype(float)
    away = np.clip(np.abs(np.asarray(times, float) - at) / radius, 0.0, 1.0)
    return 1.0 - away * away * (3.0 - 2.0 * away)


def is_of(entry, source: str) -> bool:
    """A correction belongs to a reference: it was made on it, or before that was kept."""
    return not entry.reference or not source or same_reference(entry.reference, source)


def adopt(collection: bpy.types.Collection, source: str) -> None:
    """Tie corrections of before references were kept to the one that they were made on."""
    for entry in collection.exprgen.corrections:
        entry.reference = entry.reference or source


def correct(track: RigTrack, character: Character, source: str = "") -> RigTrack:
    """The track with its character's corrections of a reference added, within the controls'
    limits; source: see `generated.same_reference`, "" for all."""
    entries = [e for e in character.collection.exprgen.corrections if is_of(e, source)]
    if not entries or not len(track):
        return track
    controls = tuple(character.profile.control(n) for n in track.controls)
    units = to_unit(controls, track.values.astype(float))
    for entry in entries:
        share = entry.strength * weights(track.times, entry.time, entry.radius)
        share *= same_shot(track.times, entry.time, track.cuts)
        for name, offset in offsets_of(entry).items():
            if name in track.controls:
                units[:, track.controls.index(name)] += share * offset
    return track.with_values(from_unit(controls, np.clip(units, -1.0, 1.0)))


def mark_keyed(entry) -> None:
    """Remember the strength and reach of a correction that the keys now hold."""
    entry.keyed = _as_keyed(entry)


def is_changed(entry) -> bool:
    """A correction's strength or reach is another than the one in the keys, as far as is known."""
    return bool(entry.keyed) and entry.keyed != _as_keyed(entry)


def _as_keyed(entry) -> str:
    return f"{entry.strength:.4f} {entry.radius:.4f}"


def offsets_of(entry) -> dict[str, float]:
    """Control -> unit offset of a stored correction."""
    try:
        return as_type(dict[str, float], parse_json(entry.offsets or "{}"), "offsets")
    except ValueError:
        return {}


def posed_offsets(character: Character, frame: float, keyed: bool = False) -> dict[str, float]:
    """Control -> unit value by which the pose on screen differs from what is keyed at `frame`.

    Args:
        keyed: the pose was keyed by hand on this very frame. Then a key that stands out from its
            neighbours (`_stands_out`) is what was meant, since Blender leaves it a generated one;
            lids are left out, for a blink stands out by itself.
    """
    found = {}
    for control in character.profile.controls:
        prop = character.bindings[control.name][0]
        curve = curve_of(prop)
        if curve is None or not len(curve.keyframe_points):
            continue
        solved = _without_key(curve, frame) if keyed else curve.evaluate(frame)
        pair = np.array([[prop.read() / prop.scale], [solved / prop.scale]])
        a, b = to_unit((control,), pair).ravel()
        if keyed and (control.role.startswith("blink") or not _stands_out(control, prop, frame, b)):
            continue
        if abs(a - b) > SMALLEST:
            found[control.name] = round(float(a - b), 5)
    return found


def _stands_out(control, prop, frame: float, without: float) -> bool:
    """The key at a frame is off the unit value `without` it by more than `STANDS_OUT`, and by
    `TIMES_AROUND` as much as those around it are off theirs when it is left out."""
    keys = np.array([k.co for k in curve_of(prop).keyframe_points], float)
    units = to_unit((control,), keys[:, 1:] / prop.scale)[:, 0]
    at = int(np.abs(keys[:, 0] - frame).argmin())
    if abs(keys[at, 0] - frame) > SAME_FRAME or len(keys) < 2:
        return False
    near = slice(max(0, at - AROUND), at + AROUND + 1)
    others = np.arange(len(keys)) != at
    off = abs(units[at] - without)
    usual = _offs(keys[near][others[near], 0], units[near][others[near]]).max(initial=0.0)
    return off > max(STANDS_OUT, TIMES_AROUND * usual)


def _offs(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N - 2,) how far each value is off the line between its neighbours."""
    if len(places) < 3:
        return np.zeros(0)
    share = (places[1:-1] - places[:-2]) / (places[2:] - places[:-2])
    return np.abs(values[1:-1] - (1.0 - share) * values[:-2] - share * values[2:])


def add_correction(
    character: Character,
    scene: bpy.types.Scene,
    frame: float,
    seconds: float,
    radius: float,
    offsets: dict[str, float],
    keyed: bool = False,
    source: str = "",
):
    """Store a correction and add it to the keys that are there; the new entry.

    One at the same moment is joined to it. keyed: see `posed_offsets`; source: the reference that
    it belongs to.

    Raises:
        UsageError: nothing was posed, or the character has no keys.
        InputError: its keys can't be changed; nothing is stored then.
    """
    if not offsets:
        raise UsageError(
            "the pose is what is keyed already",
            fix="pose the character on this frame first, by more than its motion around it if you "
            "key it yourself",
        )
    check_owners({p.owner: None for name in offsets for p in character.bindings[name]})
    store = character.collection.exprgen
    same = (e for e in store.corrections if abs(e.time - seconds) < 1e-4 and is_of(e, source))
    entry = next(same, None)
    if entry is None:
        entry = store.corrections.add()
        entry.time, entry.radius, entry.reference = seconds, radius, source
        mark_keyed(entry)
    total = offsets_of(entry)
    for name, offset in offsets.items():
        total[name] = round(total.get(name, 0.0) + offset, 5)
    entry.offsets = json_text(total)
    store.active_correction = next(i for i, e in enumerate(store.corrections) if e == entry)
    if keyed:
        for name in offsets:
            for prop in character.bindings[name]:
                if (curve := curve_of(prop)) is not None:
                    _drop_key(curve, frame)
    _add_to_keys(character, scene, frame, entry, offsets)
    return entry


def remove_correction(
    character: Character, scene: bpy.types.Scene, index: int, frame: float, source: str = ""
) -> None:
    """Take a correction back, and from the keys if they are of its reference; `frame` is its scene
    frame, source: what the keys are of."""
    entry = character.collection.exprgen.corrections[index]
    if is_of(entry, source):
        backwards = {name: -entry.strength * v for name, v in offsets_of(entry).items()}
        _add_to_keys(character, scene, frame, entry, backwards)
    character.collection.exprgen.corrections.remove(index)


def _add_to_keys(character, scene, frame: float, entry, offsets: dict[str, float]) -> None:
    """Add offsets to the curves around a frame, on whole frames."""
    reach = entry.radius * scene_fps(scene)
    frames = np.arange(np.ceil(frame - reach), np.floor(frame + reach) + 1)
    frames = np.unique(np.append(frames, frame))
    share = weights(frames, frame, reach)
    actions: dict[bpy.types.Action, list[Curve]] = {}
    for name, offset in offsets.items():
        control = character.profile.control(name)
        for prop in character.bindings[name]:
            curve = curve_of(prop)
            if curve is None or not len(curve.keyframe_points):
                continue
            first, last = (curve.keyframe_points[i].co[0] for i in (0, -1))
            how, (after, end) = _between_cuts(curve, frame)
            inside = (frames >= first - 1e-3) & (frames <= last + 1e-3)
            inside &= (frames > after + 1e-3) & (frames <= end + 1e-3)
            if not inside.any():
                continue
            at = frames[inside]
            units = to_unit((control,), sample(prop, at)[:, None])[:, 0]
            values = from_unit((control,), np.clip(units + share[inside] * offset, -1, 1)[:, None])
            actions.setdefault(prop.owner.animation_data.action, []).append(
                Curve(
                    owner=prop.owner,
                    data_path=prop.data_path,
                    index=prop.index,
                    group=control.region.capitalize(),
                    interpolation=how if how in ("LINEAR", "BEZIER", "CONSTANT") else "LINEAR",
                    frames=at,
                    values=values[:, 0] * prop.scale,
                    slopes=np.gradient(values[:, 0] * prop.scale, at)
                    if len(at) > 1
                    else np.zeros(1),
                    held=np.abs(at - end) < 1e-3,
                )
            )
    check_owners({c.owner: None for curves in actions.values() for c in curves})
    for action, curves in actions.items():
        write_curves(curves, action, character.collection.name)


def _between_cuts(curve, frame: float) -> tuple[str, tuple[float, float]]:
    """How a curve's keys go on, and the last frames of the shot before and of the one that a frame
    is in: a key that holds among others that don't is the last before a cut."""
    held = [(k.co[0], k.interpolation == "CONSTANT") for k in curve.keyframe_points]
    ends = [at for at, holds in held if holds]
    if len(ends) == len(held):
        return "CONSTANT", (-np.inf, np.inf)
    how = next(k.interpolation for k in curve.keyframe_points if k.interpolation != "CONSTANT")
    before = max((at for at in ends if at < frame - 1e-3), default=-np.inf)
    return how, (before, min((at for at in ends if at >= frame - 1e-3), default=np.inf))


def _without_key(curve, frame: float) -> float:
    """The curve's value at a frame if it had no key there: between its neighbours."""
    others = [k.co for k in curve.keyframe_points if abs(k.co[0] - frame) > SAME_FRAME]
    if not others:
        return curve.evaluate(frame)
    places, values = zip(*others, strict=True)
    return float(np.interp(frame, places, values))


def _drop_key(curve, frame: float) -> None:
    """Take out the key at a frame, so that what is added is not added to it as well."""
    for key in curve.keyframe_points:
        if abs(key.co[0] - frame) < SAME_FRAME and len(curve.keyframe_points) > 1:
            curve.keyframe_points.remove(key)
            return
