"""FaceTrack to RigTracks: the primary by its 3D-CNN, the secondaries by their C-MLPs.

The 3D-CNN's outputs are kept in the FaceTrack, keyed by the digest of the weights that made them,
and are computed again from its registered faces for another character.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..characters.profile import RigProfile, to_unit
from ..perception.needed_weights import (
    BATCH,
    load_mapping,
    load_runner,
    needed_weights,
    regressor_name,
)
from ..progress import Emit, Progress
from ..settings import RetargetSettings
from ..track import FaceTrack, RigTrack
from ..vocabulary import OUTPUTS

PASSED_ON = ("stills", "names", "partial", "source", "fps", "stamp")
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
    Head, eyes and blinks of each come straight from the tracker. In a clip each then performs the
    actor's relations on its own geometry, with that as its prior (see perform.py), and puts its
    tongue out where the actor's was seen (see tongue.py).

    Raises:
        ModelError: weights are missing, damaged or another character's.
        UsageError: the range holds no frame.
    """
    from .controls import follow_controls, solve_controls
    from .perform import performer
    from .tongue import with_tongue

    mappings = [load_mapping(primary, p) for p in secondaries]  # told before the work is done
    units = primary_units(face_track, primary, emit)
    # Solved whole, since the C-MLPs need the expression even where it is not to be keyed.
    whole = replace(settings, outputs=OUTPUTS)
    perform = performer(face_track, whole, emit)
    lead = perform(solve_controls(face_track, primary, units, whole), primary)
    final = expression_units(lead, primary)
    tracks = [(lead, primary)]
    for profile, mapping in zip(secondaries, mappings, strict=True):
        followed = follow_controls(face_track, profile, mapping(final), whole)
        tracks.append((perform(followed, profile), profile))
    shown = ((with_tongue(track, face_track, p, whole), p) for track, p in tracks)
    meta = {k: face_track.meta.get(k) for k in PASSED_ON}
    told = ((replace(track, meta={**track.meta, **meta}), p) for track, p in shown)
    return [_with_outputs(track, p, settings) for track, p in told]


def primary_units(
    face_track: FaceTrack, primary: RigProfile, emit: Emit = lambda message: None
) -> np.ndarray:
    """The 3D-CNN's unit values (N, M) for each frame: kept ones, or computed from the faces.

    Raises:
        ModelError: see `load_runner`.
    """
    from ..models.weights_io import file_digest

    path = needed_weights([primary])[regressor_name(primary)]
    cached = face_track.rig_units.get(f"{primary.name}:{file_digest(path)}")
    if cached is not None and cached.shape[1] == len(primary.expression_controls):
        return cached
    return _look_again(face_track, primary, emit)


def _look_again(face_track: FaceTrack, primary: RigProfile, emit: Emit) -> np.ndarray:
    from ..tracking.lost_frames import fill_lost
    from ..tracking.track_recorder import decode_face

    runner, _ = load_runner([primary])
    units = np.zeros((len(face_track), len(primary.expression_controls)), np.float32)
    seen = np.flatnonzero(face_track.found)
    progress = Progress(emit, "networks", len(seen))
    for first in range(0, len(seen), BATCH):
        frames = seen[first : first + BATCH]
        faces = np.stack([decode_face(face_track.face_jpeg(int(i))) for i in frames])
        found = runner(faces, face_track.geometry[frames], face_track.arkit[frames])
        units[frames] = found["rig"][primary.name]
        progress.show(first + len(frames))
    progress.show(len(seen), last=True)
    stills = bool(face_track.meta.get("stills"))
    filled = fill_lost(face_track.times, face_track.state, units, stills=stills)
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
