"""FaceTrack to RigTracks: the primary by its 3D-CNN, the secondaries by their C-MLPs, and whoever
has no such network by its channels (by_channels.py).

The 3D-CNN's outputs are kept in the FaceTrack, keyed by the digest of the weights that made them,
and are computed again from its registered faces for another character.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..characters.coverage import plays_by_channels
from ..characters.profile import RigProfile, titles_of, to_unit
from ..models.playable import by_channels, network_of, refinement
from ..perception.look_times import FACES_A_PASS, UNITS_EVERY, looked_at
from ..perception.needed_weights import (
    load_mapping,
    load_runner,
)
from ..perception.phrasing import felt, through_calm
from ..phrases import Overruling
from ..progress import Emit, Progress
from ..settings import RetargetSettings, range_of_pictures
from ..track import FaceTrack, RigTrack
from ..vocabulary import OUTPUTS
from .by_channels import CHANNELS, NETWORK, channel_units
from .coefficients import channels_in

PASSED_ON = ("stills", "names", "partial", "source", "fps", "stamp", "sound")
"""What a RigTrack's meta has from its FaceTrack's."""


def solve(
    face_track: FaceTrack,
    primary: RigProfile,
    secondaries: list[RigProfile],
    settings: RetargetSettings,
    emit: Emit = lambda message: None,
) -> list[RigTrack]:
    """FaceTrack -> a RigTrack for the primary, then one for each secondary.

    The primary's expression comes from its 3D-CNN, calibrated, smoothed and limited. A secondary's
    is its C-MLP's answer to the primary's final expression, so that all play the same performance.
    Without a network a character's expression is what the tracker's coefficients say through its
    channels, and treated as a primary's: `emit` and the track's meta tell.
    Head, eyes and blinks of each come straight from the tracker. In a clip each then performs the
    actor's relations on its own geometry, with that as its prior (see perform.py), and puts its
    tongue out where the actor's was seen (see tongue.py). Of a clip that is cut each shot is played
    by itself (see shots.py).

    Raises:
        ModelError: weights are missing, damaged or another character's.
        UsageError: the range holds no frame, or is one of separate pictures.
    """
    from .shots import joined, shots_in_range

    if face_track.meta.get("stills") and (settings.start, settings.end) != (None, None):
        raise range_of_pictures(face_track.meta.get("source"))
    face_track = felt(face_track, settings.phrases)
    _tell_unheard(face_track, settings.phrases, emit)
    _tell_unreached(face_track, settings.all_emphasis_spans, emit)
    face_track = through_calm(face_track)
    # Told before the work is done.
    followers = [_follower(face_track, primary, p) for p in secondaries]
    units = primary_units(face_track, primary, emit)
    cast = (primary, *secondaries)
    for profile, title in zip(cast, titles_of(cast), strict=True):
        if gain := refinement(profile, primary):
            text = f"{title} is solved by its channels; {gain}"
            emit({"type": "log", "level": "info", "text": text})
    # Solved whole, since the C-MLPs need the expression even where it is not to be keyed.
    whole = replace(settings, outputs=OUTPUTS)
    shots, once = shots_in_range(face_track, whole), _once(emit)
    _tell_named(face_track, whole, emit)
    parts = [_played(s.track, units[s.rows], cast, followers, s.settings, once) for s in shots]
    meta = {k: face_track.meta.get(k) for k in PASSED_ON} | {"settings": whole.to_json()}
    meta |= {"cuts": [*face_track.cuts]} if face_track.cuts else {}
    told = []
    for profile, shown in zip(cast, map(joined, zip(*parts, strict=True)), strict=True):
        by = _told_by_channels(face_track, profile, primary)
        way = CHANNELS if by else NETWORK
        shown = replace(shown, meta={**shown.meta, **meta, "solved_by": way})
        told.append(_with_outputs(shown, profile, settings))
    return told


def _played(
    shot: FaceTrack,
    units: np.ndarray,
    cast: Sequence[RigProfile],
    followers: Sequence[Follow],
    settings: RetargetSettings,
    emit: Emit,
) -> list[RigTrack]:
    """What everyone does in a shot. units (N, M): the primary's, see `primary_units`."""
    from .controls import solve_controls
    from .perform import performer
    from .tongue import with_tongue

    primary, *secondaries = cast
    looked = not _told_by_channels(shot, primary, primary)
    seen = channels_in(units, primary) if looked else None
    perform = performer(shot, settings, emit, seen)
    lead = perform(solve_controls(shot, primary, units, settings), primary)
    final = expression_units(lead, primary)
    followed = zip(secondaries, followers, strict=True)
    tracks = [lead, *(perform(follow(shot, final, settings), p) for p, follow in followed)]
    return [with_tongue(t, shot, p, settings) for t, p in zip(tracks, cast, strict=True)]


def _once(emit: Emit) -> Emit:
    """Tells nothing twice: what is lacking is lacking in every shot."""
    told: list[dict] = []

    def tell(message: dict) -> None:
        if message not in told:
            told.append(message)
            emit(message)

    return tell


def _tell_named(face_track: FaceTrack, settings: RetargetSettings, emit: Emit) -> None:
    """Say how far a second that is called neutral counts in a clip that is cut."""
    if face_track.cuts and not isinstance(settings.calibration, str):
        second = f"{settings.calibration:g} s"
        text = f"{second} tells the neutral of its own shot; the clip's other shots find theirs"
        emit({"type": "log", "level": "info", "text": text})


def _tell_unheard(face_track: FaceTrack, words: Sequence[Overruling], emit: Emit) -> None:
    """Warn of words on phrases, (start, end, weights) each, that are of no part of the footage."""
    phrases = face_track.phrases
    if phrases:
        first, last = phrases[0].start, phrases[-1].end
        why = f"lies outside the clip ({first:.2f} to {last:.2f} s)"
        words = [w for w in words if w[1] <= first or w[0] >= last]
    else:
        why = "is not heard: separate pictures have no phrases"
    for start, end, _ in words:
        _warn(f"what is said of {start:g} to {end:g} s {why}", emit)


def _tell_unreached(face_track: FaceTrack, spans: Sequence[tuple], emit: Emit) -> None:
    """Warn of spans of emphasis, (start, end, amount) each, that are of no part of the footage."""
    first, last = float(face_track.times[0]), float(face_track.times[-1])
    for start, end, _ in spans:
        if end <= first or start > last:
            why = f"lies outside the clip ({first:.2f} to {last:.2f} s)"
            _warn(f"the emphasis of {start:g} to {end:g} s {why}", emit)


def _warn(text: str, emit: Emit) -> None:
    emit({"type": "log", "level": "warning", "text": text})


def _told_by_channels(face_track: FaceTrack, profile: RigProfile, primary: RigProfile) -> bool:
    """No network tells a character's expression: it has none, or there is nothing to look at."""
    blind = bool(face_track.meta.get("coefficients"))
    return by_channels(profile, primary) or (blind and plays_by_channels(profile))


Follow = Callable[[FaceTrack, np.ndarray, RetargetSettings], RigTrack]
"""A shot, the primary's final expression (N, M) in it and the settings -> what a secondary does."""


def _follower(face_track: FaceTrack, primary: RigProfile, profile: RigProfile) -> Follow:
    """How a secondary follows: by its C-MLP, or the face itself by its channels."""
    from .controls import follow_controls, solve_controls

    if _told_by_channels(face_track, profile, primary):
        return lambda shot, final, settings: solve_controls(
            shot, profile, channel_units(shot, profile), settings
        )
    mapping = load_mapping(primary, profile)
    return lambda shot, final, settings: follow_controls(shot, profile, mapping(final), settings)


def primary_units(
    face_track: FaceTrack, primary: RigProfile, emit: Emit = lambda message: None
) -> np.ndarray:
    """The primary's unit values (N, M) for each frame: by its channels, or its 3D-CNN's, kept ones
    or computed from the faces.

    Raises:
        ModelError: see `load_runner`.
    """
    if _told_by_channels(face_track, primary, primary):
        return channel_units(face_track, primary)
    from ..models.weights_file import file_digest

    path = network_of(primary, primary)
    cached = face_track.rig_units.get(f"{primary.name}:{file_digest(path)}")
    if cached is not None and cached.shape[1] == len(primary.expression_controls):
        return cached
    return _look_again(face_track, primary, emit)


def _look_again(face_track: FaceTrack, primary: RigProfile, emit: Emit) -> np.ndarray:
    from ..tracking.lost_frames import fill_lost
    from ..tracking.track_recorder import decode_face, fill_unread

    runner, _ = load_runner([primary])
    units = np.zeros((len(face_track), len(primary.expression_controls)), np.float32)
    stills = bool(face_track.meta.get("stills"))
    times, found = face_track.times, face_track.found
    looked = found if stills else looked_at(times, found, UNITS_EVERY)
    seen = np.flatnonzero(looked)
    progress = Progress(emit, "networks", len(seen))
    for first in range(0, len(seen), FACES_A_PASS):
        frames = seen[first : first + FACES_A_PASS]
        faces = np.stack([decode_face(face_track.face_jpeg(int(i))) for i in frames])
        given = (faces, face_track.geometry[frames], face_track.arkit[frames])
        units[frames] = runner.units(*given)[primary.name]
        progress.show(first + len(frames))
    progress.show(len(seen), last=True)
    units = fill_unread(times, found, looked, units, face_track.shots)
    filled = fill_lost(times, face_track.state, units, stills=stills)
    return filled.astype(np.float32)


def expression_units(track: RigTrack, profile: RigProfile) -> np.ndarray:
    """Unit values (N, M) of the profile's expression controls in a track that has all of them."""
    controls = profile.expression_controls
    columns = [track.controls.index(c.name) for c in controls]
    return to_unit(controls, track.values[:, columns]).astype(np.float32)


def _with_outputs(track: RigTrack, profile: RigProfile, settings: RetargetSettings) -> RigTrack:
    """The track with only the controls of the outputs that are switched on."""
    kept = [
        i for i, n in enumerate(track.controls) if profile.control(n).output in settings.outputs
    ]
    names = tuple(track.controls[i] for i in kept)
    return replace(track, controls=names, values=np.ascontiguousarray(track.values[:, kept]))
