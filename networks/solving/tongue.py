"""The tongue: what was seen of the actor's goes to the controls that put a character's out."""

from __future__ import annotations

import numpy as np

from ..characters.control_names import channels_of
from ..characters.profile import Control, RigProfile, from_unit, to_unit
from ..settings import RetargetSettings
from ..spans import runs
from ..track import FaceTrack, RigTrack
from ..vocabulary import MOUTH
from .controls import selected_rows
from .smoothing import JUMP_UNITS, SIGMA_SECONDS, smooth

CHANNEL = "tongueOut"
COMES, GOES = 0.9, 0.45
"""The reading from which a tongue comes out, and below which it goes back in. The reader learned
from rendered mouths: in 310 frames of footage without a tongue it said up to 0.87."""
LASTS, LASTS_SECONDS = 0.62, 0.3
"""A tongue comes out by less than COMES too where the reading, and twice the tongue's share of what
is seen, stay above this for so long. In ten clips of footage without a tongue the lesser of both
stays above .54 nowhere for so long; in a tongue that is played fully out it stays above .69."""
OPEN = 0.06
"""Area of what is seen between the lips, in that of their outline, below which they are closed."""
AT_LIPS = 0.3
"""Of its way out a tongue has gone so far when it passes the lips."""
JAW = 0.2
"""Unit value of a jaw at least when the tongue is out altogether: it has to pass the teeth."""
IS_JAW = 0.5
"""Share of the jaw's channel from which on a control opens the jaw; what goes with one by less, a
lip's side say, is none."""
EASE_SECONDS = 0.06
"""Deviation of the time in which it comes and goes."""


def with_tongue(
    track: RigTrack, face_track: FaceTrack, profile: RigProfile, settings: RetargetSettings
) -> RigTrack:
    """A character's track whose tongue is out where the actor's is, and in elsewhere.

    The tracker's points say nothing of a tongue, and a network that knows the disgusted poses of
    photographs puts it out with every sneer: where the mouth was looked at, that decides. Pictures,
    and tracks without the column `mouth`, stay as they are.

    Args:
        track: of the frames of the settings' range, with all controls of the profile.
    """
    controls = profile.expression_controls
    if face_track.mouth is None or face_track.meta.get("stills") or not has_tongue(controls):
        return track
    amount = tongue_amount(face_track, settings)[selected_rows(face_track, settings)]
    columns = [track.controls.index(c.name) for c in controls]
    units = put_out(to_unit(controls, track.values[:, columns]), controls, amount, settings)
    values = np.array(track.values, np.float32)
    values[:, columns] = from_unit(controls, units)
    return track.with_values(values)


def has_tongue(controls: tuple[Control, ...]) -> bool:
    """Some control puts a tongue out."""
    return any(_share(c, CHANNEL) for c in controls)


def put_out(
    units: np.ndarray, controls: tuple[Control, ...], amount: np.ndarray, settings: RetargetSettings
) -> np.ndarray:
    """Unit values (N, M) with the tongue as far out as `amount` (N,) says, and the jaw with it."""
    units = np.array(units, float)
    for i, control in enumerate(controls):
        if share := _share(control, CHANNEL):
            others = units[:, i] if len(control.channels) > 1 else 0.0
            gain = settings.gain.get(control.region, 1.0)
            units[:, i] = np.clip(others + gain * share * amount, -1.0, 1.0)
        elif (share := _share(control, "jawOpen")) > IS_JAW:
            units[:, i] = _opened(units[:, i], JAW * share, amount)
    return units


def _opened(units: np.ndarray, least: float, amount: np.ndarray) -> np.ndarray:
    """Unit values (N,) of a jaw that is open by `least` where the tongue is out; as they are, below
    rest too, where it is in."""
    return np.maximum(units, amount * least + (1.0 - amount) * np.minimum(units, 0.0))


def tongue_amount(face_track: FaceTrack, settings: RetargetSettings) -> np.ndarray:
    """(N,) how far the tongue has gone on its way out, 0..1, in all frames of a track that has
    `mouth`."""
    times, mouth = face_track.times, face_track.mouth
    read = smooth(times, mouth, settings.smoothing_mouth, JUMP_UNITS)
    reading, comes, goes = readings(read)
    shown = _held(comes | lasting(times, may_last(read)), goes)
    amount = way_out(shown, reading)
    return smooth(times, amount, EASE_SECONDS / SIGMA_SECONDS, np.inf)


def readings(mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of steadied mouths (N, 4): (N,) how surely a tongue is out, whether it comes, whether it
    goes."""
    reading = np.clip(mouth[:, MOUTH.index("tongue_out")], 0.0, 1.0)
    is_open = mouth[:, [MOUTH.index(n) for n in ("teeth", "tongue", "dark")]].sum(1) > OPEN
    return reading, reading > COMES, (reading < GOES) | ~is_open


def may_last(mouth: np.ndarray) -> np.ndarray:
    """Of steadied mouths (N, 4): (N,) bool, a tongue is out if this lasts LASTS_SECONDS."""
    out, share = (mouth[:, MOUTH.index(n)] for n in ("tongue_out", "tongue"))
    return np.minimum(out, 2.0 * share) > LASTS


def lasting(times: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """(N,) bool: where flags (N,) are set for LASTS_SECONDS or more on end."""
    out = np.zeros(len(flags), bool)
    for start, end in runs(flags):
        out[start:end] = times[end - 1] - times[start] >= LASTS_SECONDS
    return out


def way_out(shown: np.ndarray, reading: np.ndarray) -> np.ndarray:
    """(N,) how far a tongue that is `shown` has gone."""
    return shown * (AT_LIPS + (1.0 - AT_LIPS) * reading)


def _share(control: Control, channel: str) -> float:
    """How far a control goes with a channel, by its own channels or, where it has none, its
    name."""
    return (control.channels or channels_of(control.name)).get(channel, 0.0)


def _held(comes: np.ndarray, goes: np.ndarray) -> np.ndarray:
    """(N,) bool: on from where it comes until it goes."""
    last = np.maximum.accumulate(np.where(comes | goes, np.arange(len(comes)), -1))
    return (last >= 0) & ~goes[last]
