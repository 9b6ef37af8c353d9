"""What an actor's relations do, seen from the actor's own neutral; nothing of any character."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..settings import RetargetSettings
from ..track import FaceTrack
from ..tracking.lost_frames import fill_lost
from .actor_file import NOBODY, clip_name, footage_name, load_actor
from .actor_neutral import NAMED, estimate_neutral, neutral_from, sure
from .brows_seen import HEIGHTS, with_brows_seen
from .coefficients import coefficient_relations
from .contact import (
    LIDS_SHUT_GAP,
    deepen_blinks,
    held_winks,
    lids_opening,
    lips_bias,
    parted,
    pursed,
    together,
)
from .head_and_gaze import head_angles
from .jaw_seen import jaw_apart_seen
from .kept_faces import KeptFaces
from .lips_seen import lips_seen, slit_seen
from .lips_touch import touch_chance
from .mouth_motion import MouthSeen, with_mouth_motion
from .neutral import neutral_pictures
from .patches_seen import Seen
from .relations import (
    INDEX,
    JAW,
    LID_GAPS,
    LIP_GAPS,
    LOWER_LIP,
    RELATIONS,
    actor_points,
    measure,
)
from .smoothing import JUMP_UNITS, STRENGTH, slow, smooth
from .teeth_seen import lower_row, teeth_together
from .turned_faces import with_turned_faces

JUMP = 0.012
"""Eye distances; changes well above it are motion, not noise: the landmarks of a still face waver
by .0005 (lips) to .003 (brows)."""

LAG = 0.0025
"""Seconds by which the landmarks come late: on people who talk and whose motion is known, lip gap,
width and lids correlate best with it at this delay."""
TURNED = 6.0
"""Exponent on how far a face looks at the camera, for what is seen badly from the side: at 30
degrees such relations have 42% of their weight."""
_PAIRS = {
    region: [
        (INDEX[name], INDEX[name.replace("_left", "_right")])
        for name, r in RELATIONS.items()
        if name.endswith("_left") and r.region == region
    ]
    for region in ("brow", "eye")
}


@dataclass(frozen=True)
class ActorRelations:
    """A clip's performance. N frames, K relations (`relations.NAMES`), eye distances.

    moved (N, K): relations less the neutral's; 0 where the face was lost for long. neutral (K,).
    reach (2, K): how far down and up this actor moves each, in all footage that is known.
    quick (2, K): how far down and up of what is slow the rest of the motion goes.
    facing (N,): 1 for a face that looks at the camera .. 0 in profile. lip_gaps (N, 3): openings,
    0 exactly where lips touch; lips_meet (N,) bool. pursed (N,): 0..1, how round and forward the
    lips are said to be. lids (N, 2): share of the open eye, left and
    right, 0 exactly where lids touch. teeth (N,): 0..1, how far teeth fill what is seen between the
    lips; bared (N,): likewise of the lower row. source: for the user, where the neutral is from.
    trust: 0..1, how far that neutral was seen and not guessed. looks: whether it may be a look of
    its own (see `resting_look`), which one that the user named is not.
    """

    moved: np.ndarray
    neutral: np.ndarray
    reach: np.ndarray
    quick: np.ndarray
    facing: np.ndarray
    lip_gaps: np.ndarray
    lips_meet: np.ndarray
    pursed: np.ndarray
    lids: np.ndarray
    teeth: np.ndarray
    bared: np.ndarray
    source: str
    trust: float = 1.0
    looks: bool = False

    def at(self, rows: np.ndarray) -> ActorRelations:
        """The same at some frames."""
        of_frames = ("moved", "facing", "lip_gaps", "lips_meet", "pursed", "lids", "teeth", "bared")
        return replace(self, **{name: getattr(self, name)[rows] for name in of_frames})


def actor_relations(track: FaceTrack, settings: RetargetSettings) -> ActorRelations:
    """The relations of a clip's actor, smoothed as the settings say, lost frames filled.

    Where the settings name an actor, what other footage of the same person showed counts too, and
    what this clip shows is kept.

    Raises:
        UsageError: no face at the calibration's second. InputError, OutputError: the actor's file
        is damaged or can't be written.
    """
    kept = KeptFaces(track)
    seen = Seen.of(kept)
    values = with_brows_seen(seen, _relations_of(track))
    own = estimate_neutral(track, values, settings.calibration)
    known = load_actor(settings.actor) if settings.actor else NOBODY
    others = known.without(clip_name(track))
    found = own.beside(others, settings.actor)
    neutral = found.relations
    bias = lips_bias(values[:, LIP_GAPS].mean(1), track.found)
    # Whether lips touch is told by the frame itself: smoothing would open a quick "p".
    gap = _own_gap(track, values[:, LIP_GAPS].mean(1), bias)
    chance = None if track.meta.get("coefficients") else touch_chance(track, gap)
    teeth = teeth_together(kept, gap)
    raw = _told(track, seen, values - neutral, chance, teeth)
    facing = np.cos(head_angles(track.head_pose)[:, 1]).clip(0.0, 1.0)
    moved = evened(track.times, _smoothed(track.times, raw, settings), facing)
    reach = np.percentile(moved[track.found] if track.found.any() else moved, (2, 98), axis=0)
    if settings.actor:
        shown = footage_name(track), own.relations, own.seconds, reach
        known.seen(*shown).save(settings.actor)
        reach = others.seen(*shown).reach
        reach = np.stack([reach[:, 0].min(0), reach[:, 1].max(0)])
    mouth = lips_seen(kept, gap, chance)
    gaps = moved[:, LIP_GAPS] + neutral[LIP_GAPS] - bias
    return ActorRelations(
        moved=moved,
        neutral=neutral,
        reach=reach,
        quick=quick_reach(moved - slow(track.times, moved)),
        facing=facing,
        lip_gaps=parted(gaps, mouth.shut, mouth.least, mouth.most),
        lips_meet=mouth.shut,
        pursed=_pursed(track, settings),
        lids=_lids(track, moved, neutral, found.trust),
        teeth=teeth,
        bared=lower_row(teeth, moved[:, JAW] - moved[:, LOWER_LIP].mean(1)),
        source=found.source,
        trust=found.trust,
        looks=found.source != NAMED,
    )


def keep_pictures(track: FaceTrack, settings: RetargetSettings) -> float:
    """Keep under the settings' actor what separate pictures show of the neutral face, and of its
    reach; pictures none of which is neutral show nothing of it.

    Returns:
        the seconds of a clip that they are worth.

    Raises:
        As `actor_relations`.
    """
    values, calibration = _relations_of(track), settings.calibration
    if calibration == "auto":
        own = neutral_from(track, values, neutral_pictures(track), named=False)
    else:
        own = estimate_neutral(track, values, calibration)
    if own.seconds > 0.0:
        reach = np.percentile(values[track.found] - own.relations, (2, 98), axis=0)
        known = load_actor(settings.actor).seen(
            footage_name(track), own.relations, own.seconds, reach
        )
        known.save(settings.actor)
    return own.seconds


def _pursed(track: FaceTrack, settings: RetargetSettings) -> np.ndarray:
    """(N,) how far the lips are pursed, lost frames filled, smoothed as the mouth is."""
    arkit = fill_lost(track.times, track.state, track.arkit.astype(float))
    return smooth(track.times, pursed(arkit)[:, None], settings.smoothing_mouth, JUMP_UNITS)[:, 0]


def own_motion(track: FaceTrack) -> MouthSeen:
    """What `mouth_motion` is told from, of a clip."""
    values = _relations_of(track)
    gap = _lip_gap(track, values)
    chance, teeth = touch_chance(track, gap), teeth_together(KeptFaces(track), gap)
    return _mouth_seen(track, values, chance, teeth)


def _mouth_seen(track: FaceTrack, moved, chance, teeth) -> MouthSeen:
    return MouthSeen(_without_lag(track, moved), _without_lag(track, track.arkit), chance, teeth)


def _told(track: FaceTrack, seen: Seen | None, moved: np.ndarray, chance, teeth) -> np.ndarray:
    """Motions (N, K), lost frames filled, the mouth's quick ones as its landmarks together tell,
    and of the jaw its pictures."""
    if track.meta.get("stills") or chance is None:
        return _without_lag(track, moved)
    mouth = _mouth_seen(track, moved, chance, teeth)
    return with_mouth_motion(track.times, mouth, jaw_apart_seen(seen, mouth))


def quick_reach(quick: np.ndarray) -> np.ndarray:
    """(2, K) how far down and up quick motion (N, K) goes."""
    return np.stack([np.percentile(side * quick, 95, axis=0) for side in (-1.0, 1.0)])


def _without_lag(track: FaceTrack, values: np.ndarray) -> np.ndarray:
    """Values (N, ...) as they are LAG later, lost frames filled."""
    filled = fill_lost(track.times, track.state, np.asarray(values, float))
    if track.meta.get("stills") or track.meta.get("coefficients"):
        return filled
    columns = filled.reshape(len(filled), -1).T
    early = [np.interp(track.times + LAG, track.times, column) for column in columns]
    return np.stack(early, axis=1).reshape(filled.shape)


def own_lip_gap(track: FaceTrack) -> np.ndarray:
    """(N,) the lip gap, eye distances, seen from this actor's own closed mouth."""
    return _lip_gap(track, _relations_of(track))


def pictures_show(track: FaceTrack) -> tuple[np.ndarray, np.ndarray]:
    """What a clip's pictures show beside what is tracked: (N,) between the lips, see `slit_seen`,
    and (N, 6) how much higher the brows are, eye distances, in the order of `brows_seen.HEIGHTS`;
    see `with_brows_seen`."""
    kept, values = KeptFaces(track), _relations_of(track)
    gap = _lip_gap(track, values)
    slit = slit_seen(kept, gap, touch_chance(track, gap))
    return slit, (with_brows_seen(Seen.of(kept), values) - values)[:, HEIGHTS]


def _lip_gap(track: FaceTrack, values: np.ndarray) -> np.ndarray:
    """`own_lip_gap` of a clip's relations (N, K)."""
    gap = values[:, LIP_GAPS].mean(1)
    return _own_gap(track, gap, lips_bias(gap, track.found))


def _own_gap(track: FaceTrack, gap: np.ndarray, bias: float) -> np.ndarray:
    return _without_lag(track, gap - bias)


def _relations_of(track: FaceTrack) -> np.ndarray:
    """(N, K) the actor's relations: measured, or told by coefficients where nothing was seen."""
    if track.meta.get("coefficients"):
        return coefficient_relations(track.arkit)
    values = measure(actor_points(track))
    return values if track.meta.get("stills") else with_turned_faces(track, values)


def _smoothed(times: np.ndarray, moved: np.ndarray, settings: RetargetSettings) -> np.ndarray:
    out = moved.copy()
    for setting in sorted({STRENGTH[r.region] for r in RELATIONS.values()}):
        columns = [k for k, r in enumerate(RELATIONS.values()) if STRENGTH[r.region] == setting]
        out[:, columns] = smooth(times, moved[:, columns], getattr(settings, setting), JUMP)
    return out


def evened(times: np.ndarray, moved: np.ndarray, facing: np.ndarray) -> np.ndarray:
    """Motions (N, K) of brows and lids, alike on both sides as far as the face is turned away.

    What a tracker says of the far side of a turned face is half guessed, and a head that turns
    seems to lift one brow. Of brows only the slow difference is taken: a brow that flicks is seen.
    """
    out, seen = moved.copy(), (facing**TURNED)[:, None]
    for region, pairs in _PAIRS.items():
        left, right = np.transpose(pairs)
        half = 0.5 * (moved[:, left] - moved[:, right])
        lost = (1.0 - seen) * (slow(times, half) if region == "brow" else half)
        out[:, left] -= lost
        out[:, right] += lost
    return out


def _lids(track: FaceTrack, moved: np.ndarray, neutral: np.ndarray, trust: float) -> np.ndarray:
    """(N, 2) share of the open eye; in touching frames 0. Where the neutral is a guess, whether one
    eye is held further shut is one too."""
    shares = []
    for k in LID_GAPS:
        whole = max(neutral[k] - LIDS_SHUT_GAP, 0.02)
        shares.append((moved[:, k] + whole) / whole)
    arkit = fill_lost(track.times, track.state, track.arkit.astype(float))
    winks = sure(trust) * held_winks(track.times, np.stack(shares, axis=1), arkit)
    deep = np.stack([deepen_blinks(track.times, share) for share in shares], axis=1)
    return np.stack([lids_opening(track.times, s) for s in together(deep, winks).T], axis=1)
