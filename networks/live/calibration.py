"""The actor's neutral in a live session: from a few seconds of it, or from what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..characters.profile import RigProfile, arkit_to_unit
from ..errors import UsageError
from ..settings import RetargetSettings
from ..solving.actor_file import NOBODY, load_actor
from ..solving.actor_neutral import neutral_from
from ..solving.coefficients import coefficient_relations
from ..solving.contact import lips_bias
from ..solving.head_and_gaze import head_angles, neutral_head, turned_past, usual_gaze
from ..solving.neutral import OPEN_EYE, Neutral, find_neutral, neutral_offset, weighted_median
from ..solving.people import people
from ..solving.relations import LIP_GAPS, NAMES, FaceFrame, measure
from ..track import FaceTrack
from .felt import RestingLooks
from .seen import Seen, as_track

SECONDS = 2.0
"""Of frames with a face that a calibration looks at."""
MOST_ARKIT = 0.5
"""Of a coefficient that a neutral face may have: what is more is no build."""
LEAST_FRAMES = 8
"""Of them that it needs."""


@dataclass(frozen=True)
class LiveNeutral:
    """What frames are seen against. K relations.

    frame: of the actor's face, None where coefficients tell the relations. relations (K,); lips:
    what a gap of closed lips adds; head (3, 3) and gaze (4,): where the neutral face looks; lids
    (2,): openings of open eyes. arkit (52,): its coefficients, which none is seen
    below. offsets: character -> (M,) unit values of the neutral face; calm:
    0..1 how far the build is *not* known (see `emphasis.emphasise`); reach (2, K) of other footage;
    looks: how the readers of expressions see it; source: for the user; trust: 0..1, how far it was
    seen and not guessed.
    """

    frame: FaceFrame | None
    relations: np.ndarray
    lips: float
    head: np.ndarray
    gaze: np.ndarray
    lids: np.ndarray
    arkit: np.ndarray
    offsets: dict[str, np.ndarray]
    calm: float
    reach: np.ndarray
    looks: RestingLooks
    source: str
    trust: float

    def seen_from(self, arkit: np.ndarray) -> np.ndarray:
        """Coefficients (N, 52) seen from the neutral's."""
        return np.clip((arkit - self.arkit) / (1.0 - self.arkit), 0.0, 1.0)

    def measured(self, seen: Seen) -> np.ndarray:
        """(K,) the relations of a frame."""
        if self.frame is None:
            return coefficient_relations(seen.arkit[None])[0]
        points = self.frame.points(seen.landmarks[None], seen.head_pose[None])
        return measure(points)[0]

    def blink(self, seen: Seen) -> np.ndarray:
        """(2,) how far the lids are closed."""
        from ..tracking.track_recorder import closed_lids

        return seen.blink if seen.lids is None else closed_lids(seen.lids, self.lids)


def calibrated(
    frames: list[Seen],
    profiles: list[RigProfile],
    settings: RetargetSettings,
    named: bool,
    by_channels: set[str],
) -> LiveNeutral:
    """The neutral that some frames show.

    Args:
        frames: that show a face, in order of time. named: the user says that they are neutral;
            else what is calm in them counts, as in a clip, and otherwise what people look like.
        by_channels: names of the characters that are solved by their channels.

    Raises:
        UsageError: too few frames. InputError: the actor's file is damaged.
    """
    from ..tracking.track_recorder import OPEN_LIDS, usual_lids

    if len(frames) < LEAST_FRAMES:
        raise UsageError("no face was seen to calibrate to", fix="look at the camera")
    phone = frames[0].phone
    track = as_track(frames, {"coefficients": True} if phone else {})
    frame = None if phone else FaceFrame.of(track)
    values = coefficient_relations(track.arkit) if phone else measure(_points(frame, track))
    found = _all_of(track) if named else find_neutral(track, _auto(settings))
    known = load_actor(settings.actor) if settings.actor else NOBODY
    own = neutral_from(track, values, found, named).beside(known, settings.actor)
    lids = np.full(2, OPEN_LIDS)
    if all(f.lids is not None for f in frames):
        lids = usual_lids(np.array([f.lids for f in frames]), track.arkit, track.found)
    head, flat = neutral_head(track, found, named), track.gaze.reshape(len(track), 4)
    gaze, arkit = np.zeros(4), people().calm
    if named:
        own_arkit = np.array([weighted_median(c, found.weights) for c in track.arkit.T])
        arkit = np.clip(own_arkit, 0.0, MOST_ARKIT)
        gaze = np.array([weighted_median(column, found.weights) for column in flat.T])
    elif not phone and settings.calibration != "none":
        angles = head_angles(track.head_pose[track.found], head)
        gaze = usual_gaze(flat[track.found], angles, turned_past(track, found))
    return LiveNeutral(
        frame=frame,
        relations=own.relations,
        lips=lips_bias(values[:, LIP_GAPS].mean(1), track.found),
        head=head,
        gaze=gaze,
        lids=lids,
        arkit=arkit,
        offsets={
            p.name: _offset(track, p, found, arkit if p.name in by_channels else None)
            for p in profiles
        },
        calm=1.0 - found.trust,
        reach=_known_reach(known),
        looks=RestingLooks() if phone else RestingLooks.of(track, found),
        source=own.source,
        trust=own.trust,
    )


def _points(frame: FaceFrame, track: FaceTrack) -> np.ndarray:
    return frame.points(track.landmarks, track.head_pose)


def _auto(settings: RetargetSettings) -> str:
    return "none" if settings.calibration == "none" else "auto"


def _all_of(track: FaceTrack) -> Neutral:
    weights = np.ones(len(track))
    lids = weights * (track.blink.max(1) < OPEN_EYE)
    return Neutral(weights, lids if lids.any() else weights, 1.0)


def _offset(
    track: FaceTrack, profile: RigProfile, found: Neutral, arkit: np.ndarray | None
) -> np.ndarray:
    """(M,) a character's unit values of the neutral face; arkit: that of a neutral face, for one
    that is solved by its channels."""
    controls = profile.expression_controls
    if arkit is not None:
        seen = np.clip((track.arkit - arkit) / (1.0 - arkit), 0.0, 1.0)
        units = arkit_to_unit(controls, seen)
    else:
        units = track.rig_units.get(profile.name)
    if units is None or len(units) != len(track):
        return np.zeros(len(controls))
    return neutral_offset(units, controls, found)


def _known_reach(known) -> np.ndarray:
    if not len(known.reach):
        return np.zeros((2, len(NAMES)))
    return np.stack([known.reach[:, 0].min(0), known.reach[:, 1].max(0)])
