"""From what the tracker and the networks say of each frame to control values that can be keyed.

Calibration to the actor's neutral, filling of lost frames, zero-phase smoothing, gain and limits;
everything here works on columns of numbers (numpy only), so it runs again in a moment when a
setting changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..characters.profile import Control, RigProfile, from_unit
from ..errors import UsageError
from ..settings import RetargetSettings
from ..track import BRIDGED, HELD, RESTING, TRACKED, FaceTrack, RigTrack
from ..vocabulary import ARKIT_CHANNELS, NEUTRAL, mirror_name
from .emphasis import EVEN_STILLS, SHARPEN, SHARPEN_STILLS, emphasise, unprejudiced

BRIDGE_SECONDS = 0.4  # a loss up to this long is interpolated
HOLD_SECONDS = 0.4  # a longer one keeps the last face this long,
RELAX_SECONDS = 0.8  # then goes to rest in this time,
RETURN_SECONDS = 0.4  # and leaves it this long before the face is seen again


# --- lost frames ---------------------------------------------------------------------------------


def classify_losses(times: np.ndarray, found: np.ndarray) -> np.ndarray:
    """What each frame of a clip is: (N,) uint8 of TRACKED, BRIDGED, HELD, RESTING.

    Args:
        times: (N,) seconds, increasing.
        found: (N,) bool, the face was seen.
    """
    times, found = np.asarray(times, float), np.asarray(found, bool)
    last, following = _neighbours(found)
    since = np.where(last >= 0, times - times[last], np.inf)
    gap = np.where((last >= 0) & (following >= 0), times[following] - times[last], np.inf)
    state = np.full(len(times), RESTING, np.uint8)
    state[since <= HOLD_SECONDS + 1e-9] = HELD
    state[gap <= BRIDGE_SECONDS + 1e-9] = BRIDGED
    state[found] = TRACKED
    return state


def loss_weights(times: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, ...]:
    """How lost frames are made of the seen ones around them.

    Returns:
        last, following (N,): indices of the seen frames before and after (the frame itself where it
        was seen; any where there is none, with weight 0); from_last, from_following (N,): their
        shares; what is missing to 1 is the share of rest. All change smoothly in time, and a seen
        frame is wholly itself.
    """
    times, found = np.asarray(times, float), np.asarray(state) == TRACKED
    last, following = _neighbours(found)
    since = np.where(last >= 0, times - times[last], np.inf)
    until = np.where(following >= 0, times[following] - times, np.inf)
    from_last = 1.0 - _ease((since - HOLD_SECONDS) / RELAX_SECONDS)
    from_following = 1.0 - _ease(until / RETURN_SECONDS)
    bridged = np.asarray(state) == BRIDGED
    if bridged.any():
        share = _ease(since[bridged] / (since[bridged] + until[bridged]))
        from_last[bridged], from_following[bridged] = 1.0 - share, share
    from_last = np.where(bridged, from_last, from_last * (1.0 - from_following))
    from_last[found], from_following[found] = 1.0, 0.0
    return np.maximum(last, 0), np.maximum(following, 0), from_last, from_following


def fill_lost(
    times: np.ndarray,
    state: np.ndarray,
    values: np.ndarray,
    rest: np.ndarray | float = 0.0,
    *,
    stills: bool = False,
) -> np.ndarray:
    """The rows of `values` (N, ...) with those of lost frames made anew, by `loss_weights`.

    Args:
        rest: what a face at rest has, broadcast against a row.
        stills: separate pictures know nothing of each other: a lost one is at rest.
    """
    values = np.asarray(values, float)
    found = np.asarray(state) == TRACKED
    shape = (-1, *([1] * (values.ndim - 1)))
    if stills or not found.any():
        return np.where(found.reshape(shape), values, rest)
    last, following, a, b = loss_weights(times, state)
    a, b = a.reshape(shape), b.reshape(shape)
    return a * values[last] + b * values[following] + (1.0 - a - b) * rest


def _neighbours(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each frame the seen frame at or before it, and at or after it; -1 where there is none."""
    n = len(found)
    index = np.arange(n)
    last = np.maximum.accumulate(np.where(found, index, -1))
    following = np.minimum.accumulate(np.where(found, index, n)[::-1])[::-1]
    return last, np.where(following == n, -1, following)


def _ease(x: np.ndarray) -> np.ndarray:
    """0 up to 0, 1 from 1 on, and between them a curve that starts and ends level."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


# --- calibration ---------------------------------------------------------------------------------

NEUTRAL_SPAN = 0.15  # seconds on each side of a frame that the user calls neutral
ACTIVITY_SCALE = 0.3  # of the strongest ARKit coefficient; above it a face is hardly neutral
TRUST = (0.15, 0.5)  # how neutral the best frames must be: below nothing, above all is believed
MIN_SECONDS = 0.2  # of neutral frames that a clip must show for automatic calibration
MAX_OFFSET = 0.35  # unit value; a larger one is not a face's build but an expression
MAX_HEAD_OFFSET = np.radians(20.0)
OPEN_EYE = 0.2  # blink amount below which an eye is open
# The channels that tell activity: not gaze, which a neutral face is free in; not lids, see below.
_ACTIVE = np.array([not c.startswith(("eyeLook", "eyeBlink", "eyeSquint")) for c in ARKIT_CHANNELS])


@dataclass(frozen=True)
class Neutral:
    """The frames in which the actor is neutral, and how far to believe it.

    weights (N,): 0 for all others; lids (N,): the same, but only of frames with open eyes, since a
    blink in a neutral moment must not become the lids' neutral; trust: 0..1.
    """

    weights: np.ndarray
    lids: np.ndarray
    trust: float


def find_neutral(track: FaceTrack, calibration: str | float) -> Neutral:
    """The actor's neutral frames.

    "auto" takes the frames that the perceptual network calls neutral *and* in which no ARKit
    channel is strong, so that a small expression held for long is not mistaken for the face's
    build. Where no such frames exist (a clip that is sad and then glad), nothing is subtracted.
    Separate pictures may show different people and are not calibrated automatically.

    Raises:
        UsageError: no face was seen at the given second.
    """
    found, open_eyes = track.found, track.blink.max(1) < OPEN_EYE
    if isinstance(calibration, str):
        if calibration == "none" or track.meta.get("stills"):
            nothing = np.zeros(len(track))
            return Neutral(nothing, nothing, 0.0)
        return _find_automatically(track, found, open_eyes)
    near = found & (np.abs(track.times - calibration) <= NEUTRAL_SPAN)
    if not near.any():
        raise UsageError(
            f"no face was seen at {calibration:g} s to calibrate to.",
            fix=f"choose a second from {track.times[0]:.2f} to {track.times[-1]:.2f} with a face",
        )
    weights = near.astype(float)
    lids = weights * open_eyes
    return Neutral(weights, lids if lids.any() else weights, 1.0)


def _find_automatically(track: FaceTrack, found: np.ndarray, open_eyes: np.ndarray) -> Neutral:
    activity = track.arkit[:, _ACTIVE].max(1)
    score = track.expression[:, NEUTRAL] * np.exp(-((activity / ACTIVITY_SCALE) ** 2))
    score = np.where(found, score, 0.0)
    step = float(np.median(np.diff(track.times))) if len(track) > 1 else 1.0
    enough = max(1, round(MIN_SECONDS / step))
    if len(score) < enough:
        nothing = np.zeros(len(track))
        return Neutral(nothing, nothing, 0.0)
    best = float(np.sort(score)[-enough])
    trust = float(_ease((best - TRUST[0]) / (TRUST[1] - TRUST[0])))
    weights = np.where(score >= 0.5 * max(best, 1e-9), score, 0.0)
    return Neutral(weights, weights * open_eyes, trust)


def neutral_offset(
    units: np.ndarray, controls: tuple[Control, ...], neutral: Neutral
) -> np.ndarray:
    """What each control (M,) says, in unit values (N, M), while the actor is neutral."""
    offset = np.zeros(units.shape[1])
    for column, control in enumerate(controls):
        weights = neutral.lids if control.region == "eye" else neutral.weights
        if weights.any():
            offset[column] = weighted_median(units[:, column], weights)
    return neutral.trust * np.clip(offset, -MAX_OFFSET, MAX_OFFSET)


def subtract_neutral(units: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Unit values (N, M) seen from the neutral: `offset` becomes 0, 1 and -1 stay in reach."""
    span = np.where(units >= offset, 1.0 - offset, 1.0 + offset)
    return (units - offset) / span


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with half of the weight on each side of it."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, 0.5 * reached[-1])])


# --- smoothing -----------------------------------------------------------------------------------

SIGMA_SECONDS = 0.15  # of the time window at strength 1
JUMP_UNITS = 0.15  # changes well above this (a blink, lips that seal) are motion, not noise
JUMP_BLINK = 0.08
JUMP_PERCEIVED = 0.6  # probability; one that flickers within a second says little
JUMP_HEAD = 0.10  # radians
JUMP_GAZE = 0.08  # radians; a saccade is a jump
# Region -> the setting that smooths it.
STRENGTH = {
    **dict.fromkeys(("brow", "eye", "gaze"), "smoothing_eyes"),
    **dict.fromkeys(("nose", "cheek", "mouth", "jaw"), "smoothing_mouth"),
    "head": "smoothing_head",
}


def smooth(times: np.ndarray, values: np.ndarray, strength: float, jump: float) -> np.ndarray:
    """Values (N, ...) with their jitter taken off, without delay.

    A mean over the frames before and after, weighted by nearness in time and in value (a bilateral
    filter): symmetric, so nothing comes late; and frames on the other side of a quick change have
    no weight, so its height and its moment stay. Uses the frames' own times.

    Args:
        times: (N,) seconds, increasing.
        strength: 0 none .. 1 strong.
        jump: changes well below it are smoothed, well above it kept.
    """
    values = np.asarray(values, float)
    if strength <= 0 or len(values) < 3:
        return values.copy()
    sigma = strength * SIGMA_SECONDS
    total, weight = values.copy(), np.ones_like(values)
    shape = (-1, *([1] * (values.ndim - 1)))
    for lag in range(1, len(values)):
        apart = (times[lag:] - times[:-lag]) / sigma
        if apart.min() > 3.0:
            break
        difference = values[lag:] - values[:-lag]
        w = np.exp(-0.5 * apart**2).reshape(shape) * np.exp(-0.5 * (difference / jump) ** 2)
        total[:-lag] += w * values[lag:]
        weight[:-lag] += w
        total[lag:] += w * values[:-lag]
        weight[lag:] += w
    return total / weight


# --- head ----------------------------------------------------------------------------------------


def head_angles(poses: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
    """Rotations -> (N, 3) pitch, yaw, roll in radians, signs as in ROLES.

    The head turns by yaw about its upright axis, then by pitch, then by roll.

    Args:
        poses: (N, 4, 4) face -> camera, x to the subject's left, y up, z to the camera.
        neutral: (3, 3) rotation from which they are counted; by default facing the camera.
    """
    rotation = np.asarray(poses, float)[:, :3, :3]
    rotation = rotation / np.cbrt(np.linalg.det(rotation))[:, None, None]
    if neutral is not None:
        rotation = neutral.T @ rotation
    yaw = np.arctan2(rotation[:, 0, 2], rotation[:, 2, 2])
    pitch = np.arcsin(np.clip(-rotation[:, 1, 2], -1.0, 1.0))
    roll = -np.arctan2(rotation[:, 1, 0], rotation[:, 1, 1])
    return np.stack([pitch, yaw, roll], axis=1)


def rotation_of(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """The (3, 3) rotation whose `head_angles` these are."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, -roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def _neutral_head(track: FaceTrack, neutral: Neutral, exact: bool) -> np.ndarray:
    """The rotation of the head in neutral frames; limited, unless the user named the frame."""
    if neutral.trust <= 0 or not neutral.weights.any():
        return np.eye(3)
    angles = head_angles(track.head_pose)
    middle = np.array([weighted_median(column, neutral.weights) for column in angles.T])
    if not exact:
        middle = np.clip(middle, -MAX_HEAD_OFFSET, MAX_HEAD_OFFSET)
    return rotation_of(*(neutral.trust * middle))


# --- all of it -----------------------------------------------------------------------------------


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
    perceived = _perceived(face_track)
    calm = 1.0 - neutral.trust
    poses, amount = profile.key_poses, settings.emphasis
    units = emphasise(units, perceived, controls, poses, amount, calm, _sharpening(face_track))
    if not stills:
        units = _smooth_units(face_track, controls, units, settings)
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
    poses, amount, sharpen = profile.key_poses, settings.emphasis, _sharpening(face_track)
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


def _perceived(track: FaceTrack) -> np.ndarray:
    """(N, 7) probabilities, steadied: a flicker of the classifier must not shake the face."""
    if track.meta.get("stills"):
        return unprejudiced(track.expression, track.meta.get("prior") or (), EVEN_STILLS)
    return smooth(track.times, track.expression, 1.0, JUMP_PERCEIVED)


def _sharpening(track: FaceTrack) -> float:
    """Exponent on the perceived probabilities that suits the footage."""
    return SHARPEN_STILLS if track.meta.get("stills") else SHARPEN


def _smooth_units(
    track: FaceTrack, controls: tuple[Control, ...], units: np.ndarray, settings: RetargetSettings
) -> np.ndarray:
    smoothed = units.copy()
    blink = track.blink.max(1, keepdims=True)
    for setting in sorted({STRENGTH[c.region] for c in controls}):
        columns = [i for i, c in enumerate(controls) if STRENGTH[c.region] == setting]
        strength = getattr(settings, setting)
        smoothed[:, columns] = smooth(track.times, units[:, columns], strength, JUMP_UNITS)
    lids = [i for i, c in enumerate(controls) if c.region == "eye"]
    # While the eye shuts, the lids' own curve counts, whatever the strength.
    smoothed[:, lids] = (1.0 - blink) * smoothed[:, lids] + blink * units[:, lids]
    return smoothed


def _assemble(
    track: FaceTrack,
    profile: RigProfile,
    units: np.ndarray,
    settings: RetargetSettings,
    neutral: Neutral,
) -> RigTrack:
    """Expression units (K, M) of the range's K frames, with blinks, head and eyes -> values."""
    rows = selected_rows(track, settings)
    directed = _for_one_eye(_directed(track, settings, neutral), profile)
    columns: dict[str, np.ndarray] = {}
    expression = profile.expression_controls
    for i, control in enumerate(expression):
        if control.role in directed:
            gain = settings.gain.get(control.region, 1.0)
            blink = np.clip(gain * directed[control.role][rows], 0.0, 1.0)
            units[:, i] = blend_blink(units[:, i], blink)
    values = from_unit(expression, units)
    columns |= {c.name: values[:, i] for i, c in enumerate(expression)}
    for control in profile.controls:
        if control.output != "expression":
            angle = directed[control.role][rows] if control.role in directed else 0.0
            value = np.broadcast_to(control.rest + angle, len(rows))
            columns[control.name] = np.clip(value, control.minimum, control.maximum)
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
    )


def _for_one_eye(directed: dict[str, np.ndarray], profile: RigProfile) -> dict[str, np.ndarray]:
    """A character with one eye turns and closes it by the mean of the actor's two."""
    roles = {c.role for c in profile.controls}
    mean = dict(directed)
    for left in ("blink_left", "gaze_left_yaw", "gaze_left_pitch"):
        right = mirror_name(left)
        if (left in roles) != (right in roles):
            mean[left] = mean[right] = 0.5 * (directed[left] + directed[right])
    return mean


def blend_blink(units: np.ndarray, blink: np.ndarray) -> np.ndarray:
    """A lid control's unit values (N,), with what the tracker saw of the lid (0 open .. 1 closed).

    The tracker measures the lids, so a closing lid is at least where it says; the network may close
    it further, but is only half believed (a drowsy look of a wide-awake actor is worse than the
    reverse). Opening beyond rest is the network's, as far as the eye is open.
    """
    closing, opening = np.maximum(units, 0.0), np.minimum(units, 0.0)
    closed = np.maximum(blink, 0.5 * (blink + closing))
    return closed + (1.0 - blink) * opening


def _directed(
    track: FaceTrack, settings: RetargetSettings, neutral: Neutral
) -> dict[str, np.ndarray]:
    """Role -> (N,) what the tracker says: blinks as amounts, the rest as angles in radians."""
    stills = bool(track.meta.get("stills"))
    exact = not isinstance(settings.calibration, str)
    head = head_angles(track.head_pose, _neutral_head(track, neutral, exact))
    gaze = track.gaze.reshape(len(track), 4).astype(float)
    if exact:  # the user says that the actor looks ahead in this frame
        gaze = gaze - [weighted_median(column, neutral.weights) for column in gaze.T]
    head, gaze = (fill_lost(track.times, track.state, x, stills=stills) for x in (head, gaze))
    blink = track.blink.astype(float)
    if not stills:
        head = smooth(track.times, head, settings.smoothing_head, JUMP_HEAD)
        gaze = smooth(track.times, gaze, settings.smoothing_eyes, JUMP_GAZE)
        blink = smooth(track.times, blink, settings.smoothing_eyes, JUMP_BLINK)
    head = head * settings.gain.get("head", 1.0)
    gaze = gaze * settings.gain.get("gaze", 1.0)
    directed = dict(zip(("head_pitch", "head_yaw", "head_roll"), head.T, strict=True))
    names = ("gaze_left_yaw", "gaze_left_pitch", "gaze_right_yaw", "gaze_right_pitch")
    directed |= dict(zip(names, gaze.T, strict=True))
    directed |= dict(zip(("blink_left", "blink_right"), blink.T, strict=True))
    return directed
