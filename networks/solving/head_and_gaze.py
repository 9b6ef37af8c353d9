"""What the tracker drives directly: head and gaze as angles, blinks as amounts."""

from __future__ import annotations

import numpy as np

from ..settings import RetargetSettings
from ..track import FaceTrack
from ..tracking.lost_frames import fill_lost, ramp
from ..tracking.registration import rotations_of
from .neutral import Neutral, weighted_median
from .smoothing import smooth

MAX_HEAD_OFFSET = np.radians(20.0)
JUMP_BLINK = 0.08
JUMP_HEAD = 0.10  # radians
JUMP_GAZE = 0.08  # radians; a saccade is a jump
GAZE_BIAS = np.radians([1.0, 4.5, 1.0, 4.5])
"""Yaw and pitch of each eye that the tracker adds to where people look, by talkers of whom that is
known."""
USUAL = np.radians(8.0)
"""Most people look at whom they talk to, and that is ahead: so far off it the usual direction of a
clip is taken for ahead, from twice that on for a look aside."""

UPWARDS = 2.5
"""How many times further than tracked eyes look up, by drawn people whose eyes go up by 9 to 32
degrees. Lids that come down are taken for a look downwards, so that stays as it is,"""
GLANCE = np.radians(6.0)
"""and what is less than such a glance grows by less,"""
HELD = np.radians(2.0)
"""not at all up to here: eyes that stay on the camera are tracked so far off it."""


def head_angles(poses: np.ndarray, neutral: np.ndarray | None = None) -> np.ndarray:
    """Rotations -> (N, 3) pitch, yaw, roll in radians, signs as in ROLES.

    The head turns by yaw about its upright axis, then by pitch, then by roll.

    Args:
        poses: (N, 4, 4) face -> camera, x to the subject's left, y up, z to the camera.
        neutral: (3, 3) rotation from which they are counted; by default facing the camera.
    """
    rotation = rotations_of(poses)
    if neutral is not None:
        rotation = neutral.T @ rotation
    # In rows of their own: of columns numpy's last bit depends on where in memory they lie.
    rows = np.ascontiguousarray(rotation.transpose(1, 2, 0))
    yaw = np.arctan2(rows[0, 2], rows[2, 2])
    pitch = np.arcsin(np.clip(-rows[1, 2], -1.0, 1.0))
    roll = -np.arctan2(rows[1, 0], rows[1, 1])
    return np.stack([pitch, yaw, roll], axis=1)


def rotation_of(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """The (3, 3) rotation whose `head_angles` these are."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, -roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def neutral_head(track: FaceTrack, neutral: Neutral, exact: bool) -> np.ndarray:
    """The rotation of the head that counts as facing ahead: that in neutral frames, limited, and
    without a tilt, since cameras stand level, or a turn that eyes look past (`turned_past`); all of
    it where the user named the frame (`exact`)."""
    if exact:
        return rotation_of(*_middle(head_angles(track.head_pose), neutral))
    turn = _neutral_turn(track, neutral) - turned_past(track, neutral)
    return rotation_of(turn[1], turn[0], 0.0)


def turned_past(track: FaceTrack, neutral: Neutral) -> np.ndarray:
    """(2,) yaw and pitch by which a clip's head is turned on purpose: whose eyes are turned against
    it as much looks at the camera, which therefore is ahead of it."""
    turn = _neutral_turn(track, neutral)
    gaze = track.gaze.reshape(len(track), 4)[track.found]
    return _past(np.median(_of_both(gaze), axis=0), turn) * turn if len(gaze) else np.zeros(2)


def usual_gaze(gaze: np.ndarray, head: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """(4,) what of a clip's gaze (N, 4) is taken for looking ahead, radians.

    People look at something that stays in the room while their heads nod, or along with their
    heads: it is looked for where their eyes move less.

    Args:
        head: (N, 3) angles of the head from what counts as facing ahead, see `head_angles`.
        turned: (2,) yaw and pitch of a head that stays turned (`turned_past`): who looks past it
            looks ahead, and keeps looking there.
    """
    if not len(gaze):
        return GAZE_BIAS
    both = _of_both(gaze)
    frames = np.stack([both, both + head[:, [1, 0]]])
    middles = np.median(frames, axis=1)
    spreads = np.median(np.abs(frames - middles[:, None]), axis=1)
    off = np.where(spreads[1] < spreads[0], middles[1], middles[0] + turned)
    ahead = off * np.clip(2.0 - np.abs(off) / USUAL, 0.0, 1.0)
    return GAZE_BIAS + np.tile(ahead, 2)


def _neutral_turn(track: FaceTrack, neutral: Neutral) -> np.ndarray:
    """(2,) yaw and pitch of the head in neutral frames, limited."""
    if neutral.trust <= 0 or not neutral.weights.any():
        return np.zeros(2)
    middle = _middle(head_angles(track.head_pose)[:, [1, 0]], neutral)
    return neutral.trust * np.clip(middle, -MAX_HEAD_OFFSET, MAX_HEAD_OFFSET)


def _middle(values: np.ndarray, neutral: Neutral) -> np.ndarray:
    """(M,) the medians of values (N, M) in neutral frames."""
    return np.array([weighted_median(column, neutral.weights) for column in values.T])


def _of_both(gaze: np.ndarray) -> np.ndarray:
    """(N, 2) yaw and pitch of eyes (N, 4), which look at one thing, from where their head does."""
    off = gaze - GAZE_BIAS
    return 0.5 * (off[:, :2] + off[:, 2:])


def _past(gaze: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """0..1 how far eyes, yaw and pitch from a head, look past its turn to what is ahead of it: all
    of it where they are turned against it as much, nothing up to half of it."""
    nearer = np.abs(gaze) - np.abs(gaze + turn)
    return np.clip(nearer / np.maximum(np.abs(turn), 1e-9), 0.0, 1.0)


def glances(gaze: np.ndarray, head_pitch: np.ndarray | float) -> np.ndarray:
    """Gaze (..., 4) from straight ahead with its pitches, radians, as far as eyes really go.

    Eyes that stay on something while the head nods go up in it as the head goes down, and are
    tracked that far: only what is upward of the head and of the room as well is a look upwards.

    Args:
        head_pitch: (...) how far the head is turned down, radians.
    """
    out = np.array(gaze, float)
    pitch = out[..., 1::2]
    in_room = pitch + np.asarray(head_pitch, float)[..., None]
    up = -np.maximum(pitch, in_room).clip(max=0.0)
    out[..., 1::2] -= (UPWARDS - 1.0) * up * ramp(up, HELD, GLANCE)
    return out


def directed_by_tracker(
    track: FaceTrack, settings: RetargetSettings, neutral: Neutral
) -> dict[str, np.ndarray]:
    """Role -> (N,) what the tracker says: blinks as amounts, the rest as angles in radians."""
    stills = bool(track.meta.get("stills"))
    exact = not isinstance(settings.calibration, str)
    facing = neutral_head(track, neutral, exact)
    head = head_angles(track.head_pose, facing)
    gaze = track.gaze.reshape(len(track), 4).astype(float)
    if exact:  # the user says that the actor looks ahead in this frame
        gaze = gaze - _middle(gaze, neutral)
    elif not stills and settings.calibration != "none":
        turned = turned_past(track, neutral)
        gaze = gaze - usual_gaze(gaze[track.found], head[track.found], turned)
    head, gaze = (fill_lost(track.times, track.state, x, stills=stills) for x in (head, gaze))
    gaze = gaze if stills else glances(gaze, head[:, 0])
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
