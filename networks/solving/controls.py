"""Unit values to control values that can be keyed: calibrated, filled, emphasised, smoothed,
limited.

Everything works on columns of numbers (numpy only), so it runs again in a moment when a setting
changes.
"""

from __future__ import annotations

import numpy as np

from ..characters.profile import Control, KeyPose, RigProfile, arkit_to_unit, from_unit
from ..characters.told_poses import guiding_poses
from ..errors import UsageError
from ..perception.prior import EVEN_STILLS, unprejudiced
from ..settings import RetargetSettings
from ..track import FaceTrack, RigTrack
from ..tracking.lost_frames import fill_lost
from .blinks import blend_blink, for_one_eye
from .emphasis import SHARPEN, SHARPEN_STILLS, emphasise
from .head_and_gaze import directed_by_tracker
from .marked_poses import as_pictures
from .neutral import Neutral, find_neutral, neutral_offset, subtract_neutral
from .smoothing import smooth, smooth_units

JUMP_PERCEIVED = 0.6  # probability; one that flickers within a second says little


def solve_controls(
    face_track: FaceTrack,
    profile: RigProfile,
    unit_values: np.ndarray,
    settings: RetargetSettings,
) -> RigTrack:
    """What the primary does: calibrated, filled, emphasised, smoothed, amplified, within limits.

    Args:
        unit_values: (N, M) of the profile's M expression controls, as the 3D-CNN gives them for the
            N frames of the track; rows of frames without a face don't matter.

    Returns:
        The controls of `settings.outputs` in profile order, for the frames of the settings' range.

    Raises:
        UsageError: the range holds no frame, or there is no face at the calibration's second.
    """
    controls = profile.expression_controls
    units = _checked(unit_values, len(face_track), len(controls))
    rows = selected_rows(face_track, settings)
    stills = bool(face_track.meta.get("stills"))
    neutral = find_neutral(face_track, settings.calibration)
    units = subtract_neutral(units, neutral_offset(units, controls, neutral))
    units = fill_lost(face_track.times, face_track.state, units, stills=stills)
    if stills:
        units = _opened(units, controls, face_track, neutral)
    perceived = _perceived(face_track)
    calm = 1.0 - neutral.trust
    amount = settings.emphasis_at(face_track.times, [c.region for c in controls])
    poses, sharpen = _guiding(face_track, profile), _sharpening(face_track)
    units = emphasise(units, perceived, controls, poses, amount, calm, sharpen)
    if not stills:
        units = smooth_units(face_track, controls, units, settings)
    units = units * [settings.gain.get(c.region, 1.0) for c in controls]
    return _assemble(face_track, profile, units[rows], settings, neutral)


def follow_controls(
    face_track: FaceTrack,
    profile: RigProfile,
    unit_values: np.ndarray,
    settings: RetargetSettings,
) -> RigTrack:
    """What a secondary does: its C-MLP's answer to the primary's final expression, emphasised.

    That expression is calibrated, smoothed and amplified already; but the C-MLP is a regression
    too, and answers weaker poses than its own character has. Head, eyes and blinks come from the
    tracker as for the primary.

    Args:
        unit_values: (K, M) of the profile's M expression controls, for the K frames of the range.

    Raises:
        UsageError: as `solve_controls`.
    """
    rows = selected_rows(face_track, settings)
    controls = profile.expression_controls
    units = _checked(unit_values, len(rows), len(controls))
    neutral = find_neutral(face_track, settings.calibration)
    perceived = _perceived(face_track)[rows]
    amount = settings.emphasis_at(face_track.times[rows], [c.region for c in controls])
    poses, sharpen = _guiding(face_track, profile), _sharpening(face_track)
    units = emphasise(units, perceived, controls, poses, amount, sharpen=sharpen)
    return _assemble(face_track, profile, units, settings, neutral)


def selected_rows(face_track: FaceTrack, settings: RetargetSettings) -> np.ndarray:
    """Indices of the frames with start <= time < end.

    Raises:
        UsageError: there is none.
    """
    times = face_track.times
    keep = np.ones(len(times), bool)
    if settings.start is not None:
        keep &= times >= settings.start - 1e-6
    if settings.end is not None:
        keep &= times < settings.end - 1e-6
    if not keep.any():
        last = f"{times[-1]:.2f}" if len(times) else "0"
        raise UsageError(
            "the range holds no frame of the footage.",
            fix=f"choose a start and an end between 0 and {last} s",
        )
    return np.flatnonzero(keep)


def _checked(unit_values: np.ndarray, frames: int, controls: int) -> np.ndarray:
    units = np.asarray(unit_values, float)
    if units.shape != (frames, controls):
        raise ValueError(f"unit values are {units.shape}, not {(frames, controls)}")
    return np.clip(np.nan_to_num(units), -1.0, 1.0)


def _opened(
    units: np.ndarray, controls: tuple[Control, ...], track: FaceTrack, neutral: Neutral
) -> np.ndarray:
    """Poses (N, M) of separate pictures whose jaws are open at least as far as tracked, seen from
    the neutral as they are.

    A regression over all mouths opens each of them half-way, and to which key pose a pose is then
    drawn is decided by its mouth: half open, a gasp of surprise is one of fear. In a clip relations
    tell the jaw.
    """
    jaws = [c.channels.get("jawOpen", 0.0) > 0.5 for c in controls]
    arkit = np.where(track.found[:, None], track.arkit, 0.0)
    seen = arkit_to_unit(controls, np.nan_to_num(arkit))
    seen = subtract_neutral(seen, neutral_offset(seen, controls, neutral))
    return np.where(jaws & (seen > 0.0), np.maximum(units, seen), units)


def _perceived(track: FaceTrack) -> np.ndarray:
    """(N, 7) probabilities, steadied: a flicker of the classifier must not shake the face."""
    if track.meta.get("stills"):
        return unprejudiced(track.expression, track.meta.get("prior") or (), EVEN_STILLS)
    return smooth(track.times, track.expression, 1.0, JUMP_PERCEIVED)


def _guiding(track: FaceTrack, profile: RigProfile) -> tuple[KeyPose, ...]:
    """The key poses that guide a character in such footage."""
    poses = guiding_poses(profile)
    return as_pictures(profile.expression_controls, poses) if track.meta.get("stills") else poses


def _sharpening(track: FaceTrack) -> float:
    """Exponent on the perceived probabilities that suits the footage."""
    return SHARPEN_STILLS if track.meta.get("stills") else SHARPEN


def _assemble(
    track: FaceTrack,
    profile: RigProfile,
    units: np.ndarray,
    settings: RetargetSettings,
    neutral: Neutral,
) -> RigTrack:
    """Expression units (K, M) of the range's K frames, with blinks, head and eyes -> values."""
    rows = selected_rows(track, settings)
    directed = directed_by_tracker(track, settings, neutral)
    directed = {role: values[rows] for role, values in directed.items()}
    columns = assembled(profile, units, directed, settings)
    names = tuple(c.name for c in profile.controls if c.output in settings.outputs)
    chosen = [columns[n] for n in names]
    return RigTrack(
        character=profile.name,
        times=np.array(track.times[rows]),
        controls=names,
        values=np.stack(chosen, axis=1).astype(np.float32) if names else np.zeros((len(rows), 0)),
        state=np.array(track.state[rows]),
        expression=np.array(track.expression[rows]),
        meta={"settings": settings.to_json(), "neutral_trust": round(neutral.trust, 3)},
        affect=None if track.affect is None else np.array(track.affect[rows]),
    )


def assembled(
    profile: RigProfile,
    units: np.ndarray,
    directed: dict[str, np.ndarray],
    settings: RetargetSettings,
) -> dict[str, np.ndarray]:
    """Values (K,) of every control, by name, from expression units (K, M) and what the tracker
    says (`directed_by_tracker`) of the same K frames."""
    directed, units = for_one_eye(directed, profile), np.array(units, float)
    expression = profile.expression_controls
    for i, control in enumerate(expression):
        if control.role in directed:
            gain = settings.gain.get(control.region, 1.0)
            blink = np.clip(gain * directed[control.role], 0.0, 1.0)
            units[:, i] = blend_blink(units[:, i], blink)
    values = from_unit(expression, units)
    columns = {c.name: values[:, i] for i, c in enumerate(expression)}
    for control in profile.controls:
        if control.output != "expression":
            value = np.broadcast_to(control.rest + directed.get(control.role, 0.0), len(units))
            columns[control.name] = np.clip(value, control.minimum, control.maximum)
    return columns
