"""An actor's relations -> what a character's relations should be, and how much each binds.

Scaled by the character's proportions (a wide mouth opens more), fitted into its reach without
cutting peaks off, and with its own contacts: where its lips and lids touch is told by its response.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from ..characters.profile import RigProfile, arkit_to_unit, to_unit
from ..characters.response import LinearResponse, ResponseModel
from ..settings import RetargetSettings
from ..tracking.lost_frames import ramp
from ..vocabulary import ARKIT_CHANNELS
from .actor import TURNED, ActorRelations
from .contact import BLINK_SECONDS
from .relations import (
    INDEX,
    JAW,
    LID_GAPS,
    LIP_GAPS,
    NAMES,
    RELATIONS,
    SIDES,
    WIDTH,
    by_size,
    neutral_sizes,
    relation_weights,
    seam_weights,
)
from .smoothing import FEELING_HERTZ, slow, without_dips

WEIGHTS = {
    "lip_gap": 3.0,
    "lid_gap": 10.0,
    "mouth_width": 4.0,
    "mouth_corner": 2.0,
    "mouth_bend": 2.0,
    "mouth_side": 5.0,
    "mouth_outline": 1.0,
    "upper_lip": 2.0,
    "lower_lip": 2.0,
    "upper_lip_full": 0.5,
    "lower_lip_full": 0.5,
    "upper_lip_forward": 2.0,
    "lower_lip_forward": 2.0,
    "mouth_corners_forward": 0.2,
    "jaw_height": 5.0,
    "jaw_side": 0.5,
    "jaw_forward": 0.1,
    "lower_lid": 2.0,
    "brow_height": 14.0,
    "brow_inner": 10.0,
    "brow_middle": 3.0,
    "brow_outer": 8.0,
    "brow_apart": 5.0,
    "nostril": 3.0,
    "cheek": 0.1,
    "cheekbone": 0.1,
    "nose_width": 0.3,
}
"""How much each relation binds, by name without side or place."""
SEAM = 6.0
"""The same for how much further aside the lower lip goes than the upper one, where they touch in
a mouth that is to go aside: a jaw that carries it off would part them at a corner, though their
landmarks are at one height."""
FAR_ASIDE = (0.04, 0.1)
"""Eye distances that the mouth is aside from which on it binds, and from which on wholly."""
CHIN_APART = 15.0
"""The same for how low the chin hangs beside the lips' opening, less by the share of its own motion
by which a character's jaw parts the lips further: a cartoon's chin can't be told from its mouth."""
BEHIND = 2.5
"""Factor on that weight where lips touch, in addition to BESIDE: a jaw that hangs behind a "p" is
most of what is seen of it. A cartoon's lips would lose their width, so for it what the factor adds
is less by that share as well."""
PURSED_BEHIND = 0.5
"""Share of what the factor adds that is left where lips are wholly pursed: they would lose their
roundness."""
MEETING = 0.1
"""Factor on that weight where lips are held together for longer than a sound."""
SIDEWAYS = [
    i
    for i, (name, r) in enumerate(RELATIONS.items())
    if name.endswith("_side") or {axis for axis, _ in r.plus} == {"z"}
]
FULL_AND_FORWARD = [i for i, n in enumerate(RELATIONS) if n.endswith(("lip_forward", "lip_full"))]
FULL = [INDEX["upper_lip_full"], INDEX["lower_lip_full"]]
BENDS = [i for i, n in enumerate(RELATIONS) if n.startswith(("mouth_corner_", "mouth_bend_"))]
BENT_UP = [i for i, n in enumerate(RELATIONS) if n.startswith("mouth_bend_")]
INNER_BROWS = [i for i, n in enumerate(RELATIONS) if n.startswith("brow_inner_")]
MOUTH = [i for i, r in enumerate(RELATIONS.values()) if r.region == "mouth"]
TOUCH = 8.0
"""Factor on the weight of a gap that must be shut,"""
BESIDE = 0.6
"""and on the weights of jaw and width there: a chin that hangs would part the lips."""
PRESSED, BENT = 0.012, 0.05
"""Eye distances by which lips that touch go on towards each other where something of the mouth has
moved by BENT: landmarks lie on their rims, and rims that just meet leave a slit where a smile or a
sneer bends them. Lips at rest stay as they are."""
SLIT = 0.01
"""Eye distances by which pursed lips stay apart where they seem to touch: a tracker hardly sees the
small hole of an "oo" or a "w", and drawn lips that touch can't be pursed. So thin a line between
lips is still seen as closed."""
RIMS, LEAST_SLIT = 0.015, 0.5
"""Lip gap at rest from which on landmarks lie on the lips' rims: those show SLIT as thin as it is.
Landmarks on the seam move less than the rims: for them a share of SLIT is enough, this at least."""
OVERLOOKED, SURELY = (0.05, 0.1), 3.0
"""An opening, eye distances, up to which parted lips are easily overlooked, and from which on they
are not; and factor on the weight of the first, which other relations would narrow by a third."""
HIDDEN = 0.02
"""Eye distances of it that pursed lips hide from the front: their rims come before the seam, and
they look shut where others are seen apart."""
ON_RIMS = 0.05
"""Lip gap at rest from which on landmarks lie on the rims themselves, and nothing is hidden."""
PARTED_ROUND = 0.3
"""Eye distances by which what narrows a mouth parts its lips, for each of them: from there on the
round mouth is an open one."""
ROUND = 3.0
"""Factor on the weights of what makes pursed lips look so: how far forward and full they are."""
THIN = 10.0
"""Factor on the weight of how full lips that touch are: pressed ones are a thin line, which what
else moves the mouth would fill."""
NARROW = 0.12
"""Eye distances by which a mouth is narrower than about that moment when it is round."""
ASIDE = 0.04
"""Eye distances by which a pursed mouth may seem to be aside; half of a small "oo"."""
HOLD = 0.2
"""How much a unit value away from the prior weighs against an eye distance's error."""
SMILING = 0.3
"""Share of the articulation in what smiles do too."""
CLOSES = ("mouthClose",)
RESTING, MET = 0.035, 0.4
"""Lip gap at rest, in eye distances, from which lips may be parted; and share of it within which
they meet."""
BLINKS = ("eyeBlinkLeft", "eyeBlinkRight")
"""Channels that shut the eyes: upper and lower lid may have a bone each."""
SIZE_LIMITS = (0.4, 4.0)
"""How far a character's proportions may scale an actor's motion."""
LEAST_SCALE = 0.6
"""Share of its proportional scale below which a motion is not shrunk to fit a reach."""
KNEE = 0.75
"""Share of its reach up to which a target is kept as it is."""
LIDS_OVERLAP = 0.1
"""How far, in shares of the open eye, an upper lid must pass the lower one until nothing of the eye
is seen between them; the landmarks are on their rims."""
HEAVY, HEAVY_CALM = 0.6, 0.2
"""How much further than the actor's lids that are held half shut come down: large eyes stare
through a scowl that narrows small ones to slits; the latter without a scowl, where lids that are
lowered a little would look asleep."""
SMILED = (0.02, 0.06)
"""Eye distances by which corners are bent up from which on lids come down less further, and from
which on no further: cheeks push them together, and a smile would tire."""
SLITS, HELD_NARROW = 0.22, (0.4, 0.6)
"""Share of the open eye as which lids are seen that are held so narrow, by shares that they are
down, and don't touch: less is no slit but a shut eye, before lashes most of all."""
SCOWL = 0.05
"""Eye distances by which inner brows are held down in a scowl."""
WIDE = 0.4
"""How much further than neutral a character opens its eyes where the actor does; drawn eyes are
large, and all of it reads as surprise."""


@dataclass(frozen=True)
class Targets:
    """What a character's relations should be. values, weights: (N, K); with what `bound_targets`
    adds, (N, K + 2)."""

    values: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Geometry:
    """What of a character's response decides its targets.

    response: its controls seen through the relations. low, high (K,): how far it can move each
    relation, up and down from rest. lips, lids: the gaps (3,), (2,) at which they touch. seam: its
    controls seen through how far the lower lip goes aside of the upper one.
    """

    response: LinearResponse
    low: np.ndarray
    high: np.ndarray
    lips: np.ndarray
    lids: np.ndarray
    seam: LinearResponse

    @cached_property
    def bound(self) -> LinearResponse:
        """The response with two measures more: `seam`, and the chin's height over where the lips'
        opening would put it. Lips and chin each follow the actor with errors of their own, and what
        one sees of a jaw behind them is the difference."""
        return self.response.beside(self.seam).with_sums(np.append(_chin_apart(), 0.0)[None])

    @staticmethod
    def of(model: ResponseModel, profile: RigProfile) -> Geometry:
        """Look at a character's response; `profile` is the one it was measured on."""
        response = model.through(relation_weights())
        controls = tuple(profile.control(n) for n in model.controls)
        poses = _telling_poses(model, profile)
        moved = response.predict(poses) - response.rest
        low, high = _halfway(moved, response)
        closing = arkit_to_unit(controls, np.isin(ARKIT_CHANNELS, CLOSES).astype(float))
        lips, lids = _touching_lips(response, closing), _touching_lids(response, poses)
        if model.parted > 0.0:
            lips = _brought_together(response, model.parted)
        return Geometry(response, low, high, lips, lids, model.through(seam_weights()))


def _chin_apart() -> np.ndarray:
    """(K,) weights of the relations in how high the chin is beside the lips' opening."""
    weights = np.zeros(len(NAMES))
    weights[JAW], weights[LIP_GAPS] = 1.0, 1.0 / len(LIP_GAPS)
    return weights


def bound_targets(
    values: np.ndarray,
    weights: np.ndarray,
    geometry: Geometry,
    touching: np.ndarray,
    held: np.ndarray,
) -> Targets:
    """Targets (N, K) and their weights with those of `Geometry.bound`'s measures beside them.

    Args:
        touching: (N,) 0..1, how far the lips touch, less where they are pursed.
        held: (N,) 0..1, how far lips are held together, longer than a sound: a chin must not part
            them.
    """
    alone = _chin_alone(geometry.bound)
    apart = CHIN_APART / WEIGHTS["jaw_height"] * alone * weights[:, JAW]
    apart = apart * (1.0 + (BEHIND - 1.0) * alone * touching) * (1.0 - (1.0 - MEETING) * held)
    straight = np.broadcast_to(geometry.seam.rest, (len(values), 1))
    aside = np.abs((values - geometry.response.rest)[:, INDEX["mouth_side"]])
    seam = SEAM * touching * ramp(aside, *FAR_ASIDE)
    return Targets(np.c_[values, straight, values @ _chin_apart()], np.c_[weights, seam, apart])


def _chin_alone(bound: LinearResponse) -> float:
    """0..1, how far what hangs the chin lowest moves the chin alone, and doesn't part the lips by
    more or less than that."""
    alone = bound.reach().reshape(-1, len(bound.rest))
    lowest = alone[alone[:, JAW].argmin()] if len(alone) else bound.rest
    return 1.0 - min(abs(lowest[-1]) / max(abs(lowest[JAW]), 1e-9), 1.0)


def _telling_poses(model: ResponseModel, profile: RigProfile) -> np.ndarray:
    """(J, C) poses that show a character's reach: each control alone, both sides together, the shut
    eyes that several make together, and the key poses that its makers think of as strong."""
    names, controls = model.controls, [profile.control(n) for n in model.controls]
    poses = []
    for i, control in enumerate(controls):
        for limit, sign in ((control.maximum, 1.0), (control.minimum, -1.0)):
            pose = np.zeros(len(names))
            pose[i] = sign if limit != control.rest else 0.0
            poses.append(pose)
            if control.mirror in names:
                both = pose.copy()
                both[names.index(control.mirror)] = pose[i]
                poses.append(both)
    poses.append(arkit_to_unit(tuple(controls), np.isin(ARKIT_CHANNELS, BLINKS).astype(float)))
    rest = {c.name: c.rest for c in controls}
    keyed = [[(rest | p.values)[n] for n in names] for p in profile.key_poses]
    if keyed:
        poses += list(to_unit(tuple(controls), np.array(keyed, float)))
    return np.array(poses)


def _halfway(moved: np.ndarray, response: LinearResponse) -> tuple[np.ndarray, np.ndarray]:
    """(K,), (K,) the reach: half-way from what single controls and key poses show to what all
    controls together might, since some of them go together and some don't."""
    alone = response.reach()
    low, high = alone.min(1).clip(max=0.0).sum(0), alone.max(1).clip(min=0.0).sum(0)
    return 0.5 * (moved.min(0) + low), 0.5 * (moved.max(0) + high)


def _touching_lips(response: LinearResponse, closing: np.ndarray) -> np.ndarray:
    """(3,) the gaps of closed lips; closing (C,): the pose of what closes an open jaw.

    A face at rest has its mouth closed, however far apart its lips' landmarks were placed; unless
    they are parted and that pose brings them just together (`head_rig/parted.py`): with a jaw that
    is shut, others' takes lips that touch far past each other.
    """
    rest = response.rest[LIP_GAPS]
    closed = response.predict(closing[None])[0, LIP_GAPS]
    parted = rest.mean() > RESTING and np.abs(closed).max() < MET * rest.mean()
    return closed if parted else rest


def _brought_together(response: LinearResponse, parted: float) -> np.ndarray:
    """(3,) the gaps of closed lips of a mouth that is open at rest, so far as one looks between
    them: as much less, or as near as the control brings them that closes them most."""
    rest = response.rest[LIP_GAPS]
    nearest = min(response.curves[:, -1, LIP_GAPS], key=lambda moved: moved.mean(), default=None)
    if nearest is None or nearest.mean() >= 0.0:
        return rest
    return rest + min(parted / -nearest.mean(), 1.0) * nearest


def _touching_lids(response: LinearResponse, poses: np.ndarray) -> np.ndarray:
    """(2,) the gaps of the closed eyes: as far as the character's poses shut them, and not more
    than just past each other."""
    least = response.predict(poses)[:, LID_GAPS].min(0)
    return np.maximum(least, -LIDS_OVERLAP * response.rest[LID_GAPS])


def targets_for(
    times: np.ndarray, actor: ActorRelations, geometry: Geometry, settings: RetargetSettings
) -> Targets:
    """The targets of a character at the frames' `times` (N,) seconds."""
    response = geometry.response
    scale = scales(actor, geometry, settings)
    moved = _centred(_drooping(actor.moved * scale, settings), actor.pursed)
    moved = _into_reach(times, moved, actor.quick * scale, geometry)
    values = response.rest + moved
    sizes = np.clip(by_size(_proportions(actor, response)), *SIZE_LIMITS)
    weights = np.tile(_base_weights() / sizes, (len(values), 1))
    weights[:, SIDEWAYS] *= (actor.facing**TURNED)[:, None]
    weights[:, FULL_AND_FORWARD] *= 1.0 + (ROUND - 1.0) * actor.pursed[:, None]
    weights[:, FULL] *= np.where(actor.lips_meet, THIN, 1.0)[:, None]
    _set_lips(values, weights, actor, geometry, scale)
    held = held_down(times, actor)
    lids = narrowed(times, heavier(times, actor, held))
    _set_lids(values, weights, actor, lids, _narrow(held), geometry)
    can = np.maximum(geometry.high, -geometry.low) > 0.01 * sizes
    return Targets(values, weights * can)


def rounded(times: np.ndarray, actor: ActorRelations) -> np.ndarray:
    """(N,) 0..1, how far speech makes the mouth round: quickly pursed, or narrower than it was. A
    smile gives way to an "oh"; a pout that is held is a feeling's own."""
    width = actor.moved[:, WIDTH]
    narrower = (slow(times, width, FEELING_HERTZ) - width) / NARROW
    quickly = actor.pursed - slow(times, actor.pursed, FEELING_HERTZ)
    return np.clip(np.maximum(quickly, narrower), 0.0, 1.0)


def _amplified(settings: RetargetSettings) -> np.ndarray:
    """(K,) the user's factors: gain by region, articulation of mouth and jaw."""
    gain = [settings.gain.get(r.region, 1.0) for r in RELATIONS.values()]
    share = [_articulated(name) for name in NAMES]
    return np.array(gain) * (1.0 + np.array(share) * (settings.articulation - 1.0))


def _articulated(name: str) -> float:
    """How far a relation follows the articulation: speech opens and rounds a mouth further, and
    makes it hardly wider, which would be a smile."""
    if RELATIONS[name].region not in ("mouth", "jaw"):
        return 0.0
    return SMILING if kind_of(name) in ("mouth_width", "mouth_corner", "mouth_bend") else 1.0


def _drooping(moved: np.ndarray, settings: RetargetSettings) -> np.ndarray:
    """Motions (N, K) whose corners go down as far as the whole articulation lets them: what would
    be a smile upwards is a pout downwards, and drawn lips show a small one hardly."""
    more = settings.articulation / (1.0 + SMILING * (settings.articulation - 1.0))
    out = moved.copy()
    out[:, BENDS] *= np.where(moved[:, BENDS] < 0.0, more, 1.0)
    return out


def _centred(moved: np.ndarray, pursed: np.ndarray) -> np.ndarray:
    """Motions (N, K) whose `pursed` (N,) mouths go aside by what is surely more than an error."""
    out, side = moved.copy(), INDEX["mouth_side"]
    less = np.maximum(np.abs(moved[:, side]) - ASIDE * pursed, 0.0)
    out[:, side] = np.sign(moved[:, side]) * less
    return out


def _base_weights() -> np.ndarray:
    return np.array([WEIGHTS[kind_of(name)] for name in NAMES])


@cache
def kind_of(name: str) -> str:
    """A relation's name without its side or place."""
    for end in (*SIDES, "middle"):
        if name.removesuffix(f"_{end}") in WEIGHTS:
            return name.removesuffix(f"_{end}")
    return name


def _proportions(actor: ActorRelations, response: LinearResponse) -> np.ndarray:
    """(5,) the character's sizes over the actor's."""
    return neutral_sizes(response.rest) / np.maximum(neutral_sizes(actor.neutral), 1e-3)


def scales(actor: ActorRelations, geometry: Geometry, settings: RetargetSettings) -> np.ndarray:
    """(K,) factor on each of the actor's motions: the proportions', less where the actor's whole
    span would not fit into the character's reach, and the user's."""
    scale = np.clip(by_size(_proportions(actor, geometry.response)), *SIZE_LIMITS)
    span = (actor.reach[1] - actor.reach[0]) * scale
    fits = (geometry.high - geometry.low) / np.maximum(span, 1e-3)
    return scale * np.clip(fits, LEAST_SCALE, 1.0) * _amplified(settings)


def _into_reach(
    times: np.ndarray, moved: np.ndarray, quickest: np.ndarray, geometry: Geometry
) -> np.ndarray:
    """Motions (N, K) eased into the character's reach.

    What is held (slow) gives way first, so that a brow that is low throughout still moves; what is
    then too far grows ever slower towards the reach. quickest (2, K): see ActorRelations.
    """
    held = slow(times, moved)
    quick = moved - held
    down, up = quickest
    low, high = np.minimum(geometry.low, -1e-3), np.maximum(geometry.high, 1e-3)
    held = _eased(held, low + np.minimum(down, -0.5 * low), high - np.minimum(up, 0.5 * high))
    return _eased(held + quick, low, high)


def _eased(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values as they are up to KNEE of a limit (below or above zero), then ever slower to it."""
    out = values
    for limit, sign in ((high, 1.0), (-low, -1.0)):
        share = sign * values / limit
        eased = KNEE + (1 - KNEE) * np.tanh((share - KNEE) / (1 - KNEE))
        out = np.where(share > KNEE, sign * eased * limit, out)
    return out


def _set_lips(values, weights, actor: ActorRelations, geometry: Geometry, scale) -> None:
    """Gaps of the lips, counted from the character's own contact."""
    values[:, LIP_GAPS] = geometry.lips + lip_openings(actor, geometry, scale)
    small = _small_openings(values, actor, geometry)
    hidden = 1.0 - np.clip(geometry.lips.mean() / ON_RIMS, 0.0, 1.0)
    values[:, LIP_GAPS] += (HIDDEN * hidden * small * actor.pursed)[:, None]
    bent = np.clip(np.abs(actor.moved[:, MOUTH]).max(1) / BENT, 0.0, 1.0)
    slit = SLIT * np.clip(geometry.lips.mean() / RIMS, LEAST_SLIT, 1.0)
    pressed = (1.0 - actor.pursed) * PRESSED * bent - actor.pursed * slit
    values[:, LIP_GAPS] -= (pressed * actor.lips_meet)[:, None]
    lenient = 0.5 * (1.0 - _narrowing_parts(geometry.response)) * actor.pursed
    touch = TOUCH ** ((1.0 - lenient) * actor.lips_meet)
    weights[:, LIP_GAPS] *= (touch * SURELY**small)[:, None]
    weights[:, [JAW, WIDTH]] *= np.where(actor.lips_meet, BESIDE, 1.0)[:, None]


def _small_openings(values: np.ndarray, actor: ActorRelations, geometry: Geometry) -> np.ndarray:
    """(N,) 0..1 how far what the targets (N, K) ask is parted lips that are easily overlooked."""
    asked = (values[:, LIP_GAPS] - geometry.lips).mean(1)
    share = (OVERLOOKED[1] - asked) / (OVERLOOKED[1] - OVERLOOKED[0])
    return np.clip(share, 0.0, 1.0) * ~actor.lips_meet


def _narrowing_parts(response: LinearResponse) -> float:
    """0..1 how far what narrows the mouth most parts its lips: a cartoon's round mouth may be an
    open one, and closes only where it is wider."""
    alone = response.reach().reshape(-1, len(response.rest))
    narrow = alone[alone[:, WIDTH] <= 0.5 * alone[:, WIDTH].min(initial=-1e-3)]
    if not len(narrow):
        return 0.0
    least = (narrow[:, LIP_GAPS].mean(1) / -narrow[:, WIDTH]).min()
    return float(np.clip(least / PARTED_ROUND, 0.0, 1.0))


def lip_openings(actor: ActorRelations, geometry: Geometry, scale: np.ndarray) -> np.ndarray:
    """(N, 3) how far a character's lips should be apart, from contact; scale (K,): see `scales`."""
    room = (geometry.response.rest + geometry.high)[LIP_GAPS] - geometry.lips
    room = np.maximum(room, 1e-3)
    return _eased(actor.lip_gaps * scale[LIP_GAPS], -room, room)


def heavier(times: np.ndarray, actor: ActorRelations, held: np.ndarray) -> np.ndarray:
    """Shares of the open eye (N, 2), what is `held_down` (N, 2) half held further, most of all
    under brows that scowl, and no further in a smile; blinks as they are, and eyes between them:
    who blinks often isn't sleepy."""
    scowl = -slow(times, actor.moved[:, INNER_BROWS].mean(1), FEELING_HERTZ) / SCOWL
    smile = ramp(slow(times, actor.moved[:, BENT_UP].mean(1), FEELING_HERTZ), *SMILED)
    calm = HEAVY_CALM * (1.0 - smile)
    heavy = calm + (HEAVY - calm) * np.clip(scowl, 0.0, 1.0)
    lids = actor.lids * (1.0 - heavy[:, None] * held)
    return np.maximum(lids, np.where(actor.lids > 0.0, SLITS * _narrow(held), 0.0))


def held_down(times: np.ndarray, actor: ActorRelations) -> np.ndarray:
    """(N, 2) shares of the open eye by which lids are held down."""
    open_ = without_dips(times, actor.lids, BLINK_SECONDS)
    return np.clip(1.0 - slow(times, open_, FEELING_HERTZ), 0.0, 1.0)


def _narrow(held: np.ndarray) -> np.ndarray:
    """(N, 2) 0..1, how far eyes whose lids are `held_down` are held as slits, or shut."""
    return ramp(held, *HELD_NARROW)


def narrowed(times: np.ndarray, lids: np.ndarray) -> np.ndarray:
    """Shares of the open eye (N, 2), what is held wide open held less so by WIDE; blinks, and looks
    down, between there and shut as they are: a share of an eye as it is held."""
    held = slow(times, np.maximum(without_dips(times, lids, BLINK_SECONDS), lids))
    more = np.maximum(held - 1.0, 0.0)
    return lids * (1.0 + WIDE * more) / (1.0 + more)


def _set_lids(values, weights, actor: ActorRelations, lids, slits, geometry: Geometry) -> None:
    """Gaps of the lids, between the character's own shut and open; of eyes that are held as `slits`
    (N, 2) between where something is first seen and open."""
    rest = geometry.response.rest[LID_GAPS]
    room = np.maximum(geometry.high[LID_GAPS], 1e-3)
    wide = np.maximum(lids - 1.0, 0.0) * rest
    wide = room * np.tanh(wide / room)
    shut = actor.lids <= 0
    least = geometry.lids + np.where(shut, 0.0, slits) * np.maximum(-geometry.lids, 0.0)
    values[:, LID_GAPS] = least + np.minimum(lids, 1.0) * (rest - least) + wide
    for column, k in enumerate(LID_GAPS):
        weights[shut[:, column], k] *= TOUCH
