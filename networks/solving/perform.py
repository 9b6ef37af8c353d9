"""A character's controls from an actor's relations and a prior: what binds and what stays free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..characters.profile import Control, RigProfile, arkit_to_unit, from_unit, to_unit
from ..characters.response import ResponseModel, load_response
from ..errors import InputError
from ..phrases import Overruling
from ..settings import RetargetSettings
from ..track import FaceTrack, RigTrack
from ..tracking.lost_frames import fill_lost
from ..vocabulary import ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from .actor import ActorRelations, actor_relations
from .by_channels import calm_coefficients
from .controls import selected_rows
from .fit import Fit
from .mouth_motion import quick
from .relations import FORWARD, INDEX, JAW, LIP_GAPS, LOWER_LIP, RELATIONS, SIDES, UPPER_LIP, WIDTH
from .smoothing import FEELING_HERTZ, JUMP_UNITS, slow, smooth, without_dips
from .targets import (
    FULL_AND_FORWARD,
    HOLD,
    Geometry,
    bound_targets,
    kind_of,
    rounded,
    scales,
    targets_for,
)

STIRRED = 0.01
"""Eye distances from which on an actor's slow motion has a direction."""
STRONG_MOTION = 0.05
"""Eye distances from which on it is a clear one."""
CERTAIN = 1.5
"""Exponent on the chance of a feeling: only one that is read for certain (0.9 is 0.85, 0.5 is
0.35) may stand against what the landmarks say: a crying mouth is drawn wide like a smile, and a
hand before it deceives a tracker."""
LEAST_ROUND, MOST_ROUND = 1.2, 2.0
"""How many times further than the actor's a narrow mouth is narrowed; one that is quickly spread,
as by "ee", is widened as many times, so that the motion stays one, and never beyond this actor's
own widest. A smile stays as wide as it is."""
MOST_NARROW = 1.8
"""The most for the mouth's width: a spread one becomes a grin."""
SMILES_SPREAD = 0.5
"""Share of that spreading that is left out where corners are up as in a whole smile."""
STIRS = 0.25
"""Certainty of a feeling from which on emphasis is whole."""
TOLD = [EXPRESSIONS.index(name) for name in ("joy", "surprise")]
"""Feelings that a face's landmarks tell by themselves: how little is shown of them is how little is
felt. A crying mouth is drawn wide like a smile, and a scowl lies in what no landmark sees."""
SPEAKING = ("mouth", "jaw")
"""Regions that speech moves."""
SMILE = 0.04
"""Eye distances by which corners of a whole smile are up."""
LID_LIFTED, CHEEK_LIFTED = 0.04, 0.6
"""Eye distances by which a whole smile lifts lower lids at least, and the coefficient of its cheeks
at least."""
CHEEKS = [ARKIT_INDEX[f"cheekSquint{side}"] for side in ("Left", "Right")]
LIP_LEFT, LESS_WIDE = 0.7, 0.25
"""Shares of an upper lip's rise, and of a width, that a smile leaves out."""
CLOSED_LEFT, AJAR = 0.8, 0.06
"""Share of the middle's rise that a closed smile leaves out; eye distances from which on lips that
are apart are no closed smile's."""
LIP_SPOKEN = 0.5
"""The first of these that speech leaves out."""
SNEERED = [EXPRESSIONS.index(name) for name in ("anger", "disgust")]
"""Feelings that lift the upper lip."""
SNEER, SNEER_WING = 0.08, 0.04
"""Eye distances by which a whole sneer lifts the upper lip, and the wings of the nose;"""
SNEER_LIP = 0.5
"""what the coefficient of a raised upper lip gains then;"""
WRINKLE, ANGRY = 1.4, 0.5
"""how far the nose is wrinkled then, and the share of anger that counts as disgust."""
NOSE = [ARKIT_INDEX[f"noseSneer{side}"] for side in ("Left", "Right")]
UPPER_UP = [ARKIT_INDEX[f"mouthUpperUp{side}"] for side in ("Left", "Right")]
SIDEWAYS_CHANNELS = {
    f"{part}{side}": (f"{part}_side", sign)
    for part in ("mouth", "jaw")
    for side, sign in (("Left", 1), ("Right", -1))
}
"""Channel that moves a part to one side -> (relation, its sign then)."""
BLINKS = ("blink_left", "blink_right")
"""Roles of the controls that shut an eye, in the order of `ActorRelations.lids`."""
PURSING = ("mouthFunnel", "mouthPucker")
"""Channels that purse the lips."""
PARTING = ("mouthUpperUp", "mouthLowerDown")
"""Channels that part the lips."""
SOUND = 0.45
"""Seconds that no sound holds the lips together."""
LOWERING = "mouthLowerDown"
"""What draws the lower lip off the upper one is used no further than said where they touch: with a
shrug that shuts them again it would lower the chin, and bend the lips apart beside the middle."""
FILLING = ("Roll", "Puff")
"""What moves the lips' landmarks cheaply, and looks like something else: toothless, out of
breath,"""
KEPT = 4.0
"""keeps to its prior so many times as much."""
CORNERS = [INDEX[f"mouth_corner_{side}"] for side in SIDES]
HEIGHTS = [
    i
    for i, name in enumerate(RELATIONS)
    if kind_of(name) in ("upper_lip", "lower_lip", "mouth_corner", "jaw_height", "nostril")
]
"""Relations that are heights over the eyes."""
SHOWING = [
    i
    for i, name in enumerate(RELATIONS)
    if kind_of(name)
    in ("mouth_corner", "mouth_bend", "mouth_width", "brow_inner", "brow_outer", "nostril")
]
"""Relations that show a feeling, and that speech hardly moves."""
WORRIED = 0.3
"""Chance of sadness and fear together from which on brows may be raised at their inner ends."""
TEETH_PART = 0.6
"""Share of what lips are apart by which the chin may be lower than the coefficients say."""
WIDE = 0.08
"""Eye distances by which a smile's mouth is wide."""
SINKS, PEAKS = 2.0, 4.0
"""Factor on how far chins hang lower where speech would lift them over their rest, and the power
whose mean stands for the highest of them."""
LEVEL_KEPT = 0.5
"""Share of their slow part that is kept where the actor's neutral was seen."""
FROWN = 0.05
"""Eye distances by which the coefficients must lower an inner brow for a full frown."""
OPPOSED = 3.0
"""Factor on how far a change of a control goes against the actor: a third of it is enough to leave
the change out."""
AGAINST = {"mouth_bend": 1.0, "mouth_corner": 1.0, "brow": 1.0}
"""Region, or name without side -> how far the slow part of a relation may then be turned."""
FEELING = {"brow": 1.0, "eye": 0.5, "nose": 1.0, "cheek": 0.7, "mouth": 0.5, "jaw": 0.2}
"""Region -> how far the slow part of what the relations leave free is the emphasised pose's."""
FEELING_SHOWN = {"brow": 0.8, "nose": 0.5, "cheek": 0.5, "mouth_width": 0.25, "mouth_bend": 0.5}
"""Region, or name without side -> how far the slow part of a relation may be carried on towards
the emphasised pose."""


def performer(
    face_track: FaceTrack, settings: RetargetSettings, emit: Callable[[dict], None]
) -> Callable[[RigTrack, RigProfile], RigTrack]:
    """What makes a character's track perform the actor's relations.

    Separate pictures stay as they are: a photograph has no speech and no neutral to start from. So
    does a character whose geometry is not known; `emit` is told.
    """
    if face_track.meta.get("stills"):
        return lambda track, profile: track
    rows = selected_rows(face_track, settings)
    actor = actor_relations(face_track, settings).at(rows)
    arkit = _steady_coefficients(face_track, settings)[rows]
    times, expression = face_track.times[rows], face_track.expression[rows]
    actor, arkit = smiling(times, actor, arkit, expression)
    actor, arkit = wrinkling(times, raising(times, actor, expression), arkit, expression)

    def perform(track: RigTrack, profile: RigProfile) -> RigTrack:
        try:
            model = load_response(profile)
        except InputError as error:
            text = f"{profile.name}'s relations are not solved: {error}"
            emit({"type": "log", "level": "warning", "text": text})
            return track
        return with_relations(track, actor, arkit, profile, model, settings)

    return perform


def smiling(
    times: np.ndarray, actor: ActorRelations, arkit: np.ndarray, expression: np.ndarray
) -> tuple[ActorRelations, np.ndarray]:
    """The same actor and coefficients (N, 52) with smiles as drawn faces smile; `expression` (N, 7)
    are the readings.

    A person's smile lifts the upper lip off the teeth, over a gum; drawn teeth have none, and a
    black bar is seen there, while the smile's curve is gone. Where joy is read and the corners go
    up, the lips open downwards instead, and less in width. Where lips touch, a smile that is
    pressed lifts the whole mouth with the chin, and its line stays straight; on a drawn face the
    curve is the smile, so the corners go up and the middle hardly. Cheeks push the lower lids up
    (AU 6), which a tracker hardly sees: its coefficient of cheeks is 0 in every smile.

    In speech lips that part do so downwards as well, by less, unless the lip is a sneer's: a drawn
    one is thin and lies on the teeth, a whole row of which would be bared, and a spoken "a" laugh.
    """
    joy = slow(times, expression[:, EXPRESSIONS.index("joy")], FEELING_HERTZ)
    raised = np.clip(slow(times, actor.moved[:, CORNERS].mean(1), FEELING_HERTZ) / SMILE, 0.0, 1.0)
    moved, share = actor.moved.copy(), np.clip(joy, 0.0, 1.0) * raised
    sneer = slow(times, expression[:, SNEERED].sum(1), FEELING_HERTZ)
    spoken = LIP_SPOKEN * (1.0 - share) * (1.0 - np.clip(sneer, 0.0, 1.0))
    bared = np.minimum(moved[:, UPPER_LIP].mean(1), moved[:, LIP_GAPS].mean(1)).clip(min=0.0)
    closed = _closed_smile(actor)
    pushed = CLOSED_LEFT * closed * moved[:, UPPER_LIP].mean(1).clip(min=0.0)
    smiled = LIP_LEFT * share
    moved[:, UPPER_LIP + LOWER_LIP] -= ((smiled + spoken) * bared + pushed)[:, None]
    moved[:, [INDEX[f"mouth_bend_{side}"] for side in SIDES]] += (smiled * bared + pushed)[:, None]
    moved[:, WIDTH] -= LESS_WIDE * share * np.maximum(moved[:, WIDTH], 0.0)
    said = np.array(arkit)
    said[:, UPPER_UP] *= ((1.0 - smiled) * (1.0 - spoken))[:, None]
    lower, glad = [INDEX[f"lower_lid_{side}"] for side in SIDES], np.maximum(share, closed)[:, None]
    moved[:, lower] += glad * np.maximum(LID_LIFTED - moved[:, lower], 0.0)
    said[:, CHEEKS] += glad * np.maximum(CHEEK_LIFTED - said[:, CHEEKS], 0.0)
    return replace(actor, moved=moved), said


def _closed_smile(actor: ActorRelations) -> np.ndarray:
    """(N,) 0..1 how far the actor smiles with lips that touch: corners up and apart. No reading is
    asked: an amused mouth that is pressed shut looks like nothing that readers know."""
    wide = np.clip(actor.moved[:, WIDTH] / WIDE, 0.0, 1.0)
    shut = 1.0 - np.clip(actor.lip_gaps.mean(1) / AJAR, 0.0, 1.0)
    return _raised(actor.moved) * wide * shut


def wrinkling(
    times: np.ndarray, actor: ActorRelations, arkit: np.ndarray, expression: np.ndarray
) -> tuple[ActorRelations, np.ndarray]:
    """The same actor and coefficients (N, 52) with a nose that wrinkles where it must.

    The tracker's own coefficient of a wrinkled nose is 0 whatever people do. But AU 9 lowers brows
    and lifts the upper lip as well (FACS, its description): where both are held and disgust, or
    by half anger, is read, the nose is wrinkled as far as the lesser of them goes, and the lip is
    held higher by some of that (AU 10).
    """
    disgust, anger = (
        slow(times, expression[:, EXPRESSIONS.index(name)], FEELING_HERTZ)
        for name in ("disgust", "anger")
    )
    brows = actor.moved[:, [INDEX[f"brow_inner_{side}"] for side in SIDES]].mean(1)
    lip = actor.moved[:, UPPER_LIP].mean(1)
    held = np.minimum(-slow(times, brows) / FROWN, slow(times, lip) / SNEER)
    felt = np.clip(disgust + ANGRY * anger, 0.0, 1.0)
    amount = np.minimum(WRINKLE * felt * np.clip(held, 0.0, 1.0), 1.0)
    moved, said = actor.moved.copy(), np.array(arkit)
    moved[:, [INDEX[f"nostril_{side}"] for side in SIDES]] += (SNEER_WING * amount)[:, None]
    said[:, NOSE] = np.maximum(said[:, NOSE], amount[:, None])
    said[:, UPPER_UP] = np.minimum(said[:, UPPER_UP] + SNEER_LIP * amount[:, None], 1.0)
    return replace(actor, moved=moved), said


def raising(times: np.ndarray, actor: ActorRelations, expression: np.ndarray) -> ActorRelations:
    """The same actor with brows that are raised evenly where neither sadness nor fear is read.

    People who look up, or are surprised, lift the inner ends of their brows further than the outer
    ones; on a drawn face that is worry (FACS: AU 1 without 2). Of what is held, both ends rise as
    far as the two do together; what a brow does quickly is its own.
    """
    worried = sum(slow(times, expression[:, EXPRESSIONS.index(n)]) for n in ("sadness", "fear"))
    calm, moved = 1.0 - np.clip(worried / WORRIED, 0.0, 1.0), actor.moved.copy()
    for side in SIDES:
        inner, outer = INDEX[f"brow_inner_{side}"], INDEX[f"brow_outer_{side}"]
        held = slow(times, actor.moved[:, [inner, outer]])
        slant = 0.5 * calm * np.maximum(np.minimum(held[:, 0], held[:, 0] - held[:, 1]), 0.0)
        moved[:, inner] -= slant
        moved[:, outer] += slant
    return replace(actor, moved=moved)


def with_relations(
    track: RigTrack,
    actor: ActorRelations,
    arkit: np.ndarray,
    profile: RigProfile,
    model: ResponseModel,
    settings: RetargetSettings,
) -> RigTrack:
    """A character's track, solved so that its relations follow the actor's.

    Args:
        track: with all controls of the profile; what it expresses is kept where it is slow.
        actor, arkit: the relations and the tracker's coefficients (N, 52) of the same frames.
        model: the character's response.
    """
    controls = tuple(profile.control(n) for n in model.controls)
    columns = [track.controls.index(n) for n in model.controls]
    felt = to_unit(controls, track.values[:, columns])
    plain = plain_prior(controls, felt, arkit)
    times, said = track.times, track.expression
    told = told_by_landmarks(times, said, settings.phrases)
    read = certainty(times, said), told
    units = solve_relations(times, actor, profile, model, plain, felt, settings, *read)
    values = np.array(track.values, np.float32)
    values[:, columns] = from_unit(controls, units)
    return replace(track, values=values, meta={**track.meta, "neutral": actor.source})


def plain_prior(controls: tuple[Control, ...], felt: np.ndarray, arkit: np.ndarray) -> np.ndarray:
    """(N, C) what the tracker's coefficients say of each control; the network's pose where a
    control stands for none.

    Two networks answer a frame: the tracker's own tells in which way a face makes its shape (lips
    pursed, not drawn in), the 3D-CNN what it expresses.
    """
    said = arkit_to_unit(controls, arkit)
    mapped = np.array([bool(c.channels) and c.output == "expression" for c in controls])
    return np.where(mapped, said, felt)


def _steady_coefficients(track: FaceTrack, settings: RetargetSettings) -> np.ndarray:
    """(N, 52) the tracker's coefficients seen from those of a neutral face, filled and smoothed."""
    arkit = fill_lost(track.times, track.state, calm_coefficients(track))
    return smooth(track.times, arkit, settings.smoothing_mouth, JUMP_UNITS)


def solve_relations(
    times: np.ndarray,
    actor: ActorRelations,
    profile: RigProfile,
    model: ResponseModel,
    plain: np.ndarray,
    felt: np.ndarray,
    settings: RetargetSettings,
    certain: np.ndarray | float = 0.0,
    told: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Unit values (N, C) of `model.controls` with which the character does what the actor does.

    Args:
        times: (N,) seconds. plain, felt: (N, C) unit values of `model.controls`: what the actor's
            motion says, and what the actor's expression says. Where the relations leave a control
            free it is the first, with the second's slow part as far as the emphasis goes. The
            controls of the eyes are taken from `felt` as they are.
        certain: (N,) 0..1, how certainly that expression is read; 0: there is nothing to emphasise.
        told: (N,) 0..1, how far it is one that landmarks tell (`TOLD`).
    """
    geometry = Geometry.of(model, profile)
    controls = [profile.control(n) for n in model.controls]
    fit = relation_fit(times, actor, geometry, controls, plain, felt, settings, certain, told)
    return fit.solve()


def relation_fit(
    times: np.ndarray,
    actor: ActorRelations,
    geometry: Geometry,
    controls: list[Control],
    plain: np.ndarray,
    felt: np.ndarray,
    settings: RetargetSettings,
    certain: np.ndarray | float = 0.0,
    told: np.ndarray | float = 0.0,
) -> Fit:
    """What `solve_relations` solves; `controls` are the response's, `geometry` is made of it."""
    certain = np.broadcast_to(certain, len(times))
    aim = targets_for(times, actor, geometry, settings)
    said, scale = geometry.response.predict(plain), scales(actor, geometry, settings)
    values = _mouths(times, aim.values, actor, geometry, said, scale)
    values = _unfrowned(times, values, geometry, said)
    doubt = actor.trust * np.broadcast_to(told, len(times))
    stirred = 1.0 - doubt * (1.0 - shown_share(times, values, geometry, felt))
    stirred = stirred * np.clip(certain / STIRS, 0.0, 1.0)
    emphasis = partial(_emphasis, times, settings, stirred, 1.0 - rounded(times, actor))
    values = _carried_on(times, values, geometry, felt, emphasis, certain)
    more = slow(times, felt - plain, FEELING_HERTZ)
    own = slow(times, aim.values, FEELING_HERTZ) - geometry.response.rest
    share = _share_of_feeling(controls, emphasis, actor)
    prior = plain + share * _along(more, own, controls, geometry, certain) * more
    hold = np.array([_hold(c) for c in controls])
    prior[:, ~np.isfinite(hold)] = felt[:, ~np.isfinite(hold)]
    prior = _shut_by_their_own(prior, controls, actor)
    low, high = _limits(controls, values - geometry.response.rest, prior)
    high = _held_back(controls, prior, low, high, actor.lips_meet)
    held = 1.0 - without_dips(times, 1.0 - actor.lips_meet, SOUND)
    bound = bound_targets(values, aim.weights, geometry, held)
    return Fit(geometry.bound, bound.values, bound.weights, prior, hold, low, high)


def _mouths(
    times: np.ndarray,
    values: np.ndarray,
    actor: ActorRelations,
    geometry: Geometry,
    said: np.ndarray,
    scale: np.ndarray,
) -> np.ndarray:
    """Targets (N, K) of mouth and chin: round as the makers drew them, lips level, chins that hang
    beside their opening; scale (K,): see `scales`."""
    rest = geometry.response.rest
    widest = max(actor.reach[1, WIDTH], 0.0) * scale[WIDTH]
    values = _rounded(times, values, geometry, said, widest)
    values = _levelled(times, values, said, rest, actor.trust)
    return _hung(times, values, actor, scale, rest)


def _share_of_feeling(
    controls: list[Control],
    emphasis: Callable[[Sequence[str]], np.ndarray],
    actor: ActorRelations,
) -> np.ndarray:
    """(N, C) how much of what is felt each control takes from the emphasis; what parts lips takes
    nothing where they touch."""
    regions = [c.region for c in controls]
    share = emphasis(regions) * [FEELING.get(r, 0.0) for r in regions]
    share[:, [_parts_lips(c) for c in controls]] *= 1.0 - actor.lips_meet[:, None]
    return share


def _held_back(
    controls: list[Control],
    prior: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    lips_meet: np.ndarray,
) -> np.ndarray:
    """The upper limits (N, C): what lowers the lower lip goes no further than the prior where lips
    touch."""
    high = high.copy()
    drawn = [any(n.startswith(LOWERING) for n in c.channels) for c in controls]
    own = np.clip(prior[:, drawn], low[:, drawn], high[:, drawn])
    high[:, drawn] = np.where(lips_meet[:, None], own, high[:, drawn])
    return high


def _emphasis(
    times: np.ndarray,
    settings: RetargetSettings,
    stirred: np.ndarray,
    free: np.ndarray,
    regions: Sequence[str],
) -> np.ndarray:
    """(N, R) the emphasis of regions: none where nothing is felt, since a calm face has no pose to
    be drawn to but the network's guess, and little where little of it is shown (`stirred`, (N,));
    of mouth and jaw as far as speech leaves them `free`."""
    amount = settings.emphasis_at(times, regions) * stirred[:, None]
    amount[:, [r in SPEAKING for r in regions]] *= free[:, None]
    return amount


def shown_share(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, felt: np.ndarray
) -> np.ndarray:
    """(N,) 0..1 how much of an emphasised pose's face is in what the actor does himself.

    Of the slow part of what faces show of a feeling beside speech (`SHOWING`) the projection on the
    pose's: a smile half as large as the pose's is half of it, a mouth that does something else
    nothing. That a feeling is read for certain doesn't say that it is strong.

    Args:
        values: (N, K) the targets before emphasis. felt: (N, C) unit values of the emphasised pose.
    """
    rest, posed = geometry.response.rest, geometry.response.predict(felt)
    own, meant = (slow(times, (x - rest)[:, SHOWING], FEELING_HERTZ) for x in (values, posed))
    share = (own * meant).sum(1) / np.maximum((meant**2).sum(1), STIRRED**2)
    return np.clip(share, 0.0, 1.0)


def _shut_by_their_own(
    prior: np.ndarray, controls: list[Control], actor: ActorRelations
) -> np.ndarray:
    """The prior (N, C) with lids that are more than half shut on their way to the control whose
    role it is: squints can bring landmarks together and leave an eye ajar."""
    out = prior.copy()
    for i, control in enumerate(controls):
        if control.role in BLINKS:
            shut = np.clip(1.0 - 2.0 * actor.lids[:, BLINKS.index(control.role)], 0.0, 1.0)
            out[:, i] = np.maximum(out[:, i], shut)
    return out


def _limits(
    controls: list[Control], moved: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) each: the least and most unit values at targets that move the relations by (N, K).

    Of two controls that pull to opposite sides only the one that the target goes to may be used:
    both together narrow the mouth in a way that no face does. For the same reason a mouth that is
    wide is not pursed beyond its `prior` (N, C), though that would part its lips.
    """
    low = np.array([-1.0 if c.minimum < c.rest else 0.0 for c in controls])
    high = np.array([1.0 if c.maximum > c.rest else 0.0 for c in controls])
    low, high = (np.tile(limit, (len(moved), 1)) for limit in (low, high))
    wide = np.clip(moved[:, WIDTH] / WIDE, 0.0, 1.0)
    for column, control in enumerate(controls):
        for channel, (relation, sign) in SIDEWAYS_CHANNELS.items():
            if control.channels.get(channel, 0.0) > 0.5:
                high[sign * moved[:, INDEX[relation]] <= 0, column] = 0.0
        if any(control.channels.get(name, 0.0) > 0.5 for name in PURSING):
            own = np.clip(prior[:, column], 0.0, 1.0)
            high[:, column] = own + (1.0 - own) * (1.0 - wide)
    return low, high


def _hold(control: Control) -> float:
    """How much a control keeps to its prior: see HOLD; what turns the eyes keeps to it wholly."""
    if control.output != "expression":
        return np.inf
    weights = {name: abs(weight) for name, weight in control.channels.items()}
    fills = sum(w for name, w in weights.items() if any(part in name for part in FILLING))
    return HOLD * (KEPT if 2.0 * fills > sum(weights.values()) else 1.0)


def _parts_lips(control: Control) -> bool:
    """Whether it moves a lip off the other: landmarks may meet all the same, and skin beside them
    does not."""
    return any(name.startswith(PARTING) for name in control.channels)


def _rounded(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, said: np.ndarray, widest: float
) -> np.ndarray:
    """Targets (N, K) with round mouths as the character's makers drew them; `said` (N, K): what the
    relations are where the coefficients alone have their way.

    How far lips reach forward and how much of them is seen is told by the tracker's coefficients,
    since a tracker that looks at one picture hardly knows depth. So is how narrow pursed lips are,
    for the most part: a person's mouth gets rounder than narrower, a drawn one both, and "oo" is
    read from it. `widest`: how far, in eye distances, this actor's mouth is ever spread.
    """
    out = values.copy()
    out[:, FULL_AND_FORWARD] = said[:, FULL_AND_FORWARD]
    own, meant = (quick(times, x[:, FORWARD]).mean(1) for x in (values, said))
    held = slow(times, said[:, FORWARD])
    out[:, FORWARD] = held + (_gain(own, meant, MOST_ROUND) * own)[:, None]
    narrowed, meant = (
        np.minimum(x[:, WIDTH] - geometry.response.rest[WIDTH], 0.0) for x in (out, said)
    )
    most = min(MOST_NARROW, geometry.low[WIDTH] / min(narrowed.min(), -1e-6))
    gain = _gain(narrowed, meant, max(most, 1.0))
    widened = np.maximum(values[:, WIDTH] - geometry.response.rest[WIDTH], 0.0)
    spread = np.maximum(widened - slow(times, widened, FEELING_HERTZ), 0.0)
    smile = SMILES_SPREAD * _raised(values - geometry.response.rest)
    room = np.maximum(widest - widened, 1e-6)
    wider = room * np.tanh((gain - 1.0) * (1.0 - smile) * spread / room)
    out[:, WIDTH] += (gain - 1.0) * narrowed + wider
    return out


def _raised(moved: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how far motions (N, K) lift the lip corners towards a whole smile's."""
    return np.clip(moved[:, CORNERS].mean(1) / SMILE, 0.0, 1.0)


def _gain(seen: np.ndarray, meant: np.ndarray, most: float) -> float:
    """How many times, up to `most`, a motion (N,) must be made larger to be what is meant (N,)
    where much is meant; one number for a whole clip, so that a motion stays the actor's own."""
    much = float(seen @ meant)
    gain = float(meant @ meant) / much if much > 1e-9 else 1.0
    return float(np.clip(gain, min(LEAST_ROUND, most), most))


def _levelled(
    times: np.ndarray,
    values: np.ndarray,
    said: np.ndarray,
    rest: np.ndarray,
    trust: float,
) -> np.ndarray:
    """Targets (N, K) whose slow heights are those that the coefficients say (`HEIGHTS`).

    How high lips and chin are over a whole phrase can't be told from landmarks alone: a head that
    nods, or a neutral that was never seen, shifts them all together. `trust` (0..1) is the
    neutral's. As far as it was not seen a wide mouth is a build's, unless its corners go up. Quick
    motion, and all differences between heights, stay the actor's. The chin is as low as either
    says, as far as lips that are apart let it be.
    """
    held = slow(times, said, FEELING_HERTZ)
    own, out = slow(times, values, FEELING_HERTZ), values.copy()
    out[:, HEIGHTS] += (1.0 - LEVEL_KEPT * trust) * (held - own)[:, HEIGHTS]
    smile = _raised(held - rest)
    out[:, WIDTH] += (1.0 - trust) * (1.0 - smile) * (held - own)[:, WIDTH]
    apart = np.maximum((own - rest)[:, LIP_GAPS].mean(1), 0.0)
    low = np.minimum(own[:, JAW], held[:, JAW]).clip(held[:, JAW] - TEETH_PART * apart)
    out[:, JAW] = values[:, JAW] + low - own[:, JAW]
    return out


def _hung(
    times: np.ndarray,
    values: np.ndarray,
    actor: ActorRelations,
    scale: np.ndarray,
    rest: np.ndarray,
) -> np.ndarray:
    """Targets (N, K) whose chin hangs, quickly, as far beside the lips' opening as the actor's, by
    `scale` (K,).

    The actor's own quick chin goes with the actor's own opening; but lips that touch are put
    together and parted ones apart, and what was added to them is added to the chin. Teeth stop a
    chin at its `rest`: where it would go further up in speech, the whole phrase hangs lower.
    """
    apart = (actor.moved[:, JAW] + actor.moved[:, LIP_GAPS].mean(1)) * scale[JAW]
    own = quick(times, apart - values[:, LIP_GAPS].mean(1))
    held, out = slow(times, values[:, JAW]), values.copy()
    over = np.maximum(own - np.maximum(rest[JAW] - held, 0.0), 0.0)
    out[:, JAW] = held + own - SINKS * slow(times, over**PEAKS, FEELING_HERTZ) ** (1.0 / PEAKS)
    return out


def _unfrowned(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, said: np.ndarray
) -> np.ndarray:
    """Targets (N, K) whose brows are held down only where the coefficients say a frown.

    Cheeks that rise in a smile push a person's brows down a little, and a low brow on a drawn face
    reads as anger: what is slow of it follows the coefficients there. Quick motion stays, and
    no brow is lifted over its rest: inner ones that are raised further would worry.
    """
    said, out = slow(times, said, FEELING_HERTZ), values.copy()
    own = slow(times, values, FEELING_HERTZ)
    rest = geometry.response.rest
    for side in SIDES:
        inner = INDEX[f"brow_inner_{side}"]
        calm = 1.0 - np.clip((rest[inner] - said[:, inner]) / FROWN, 0.0, 1.0)
        for place in ("height", "inner", "middle", "outer"):
            k = INDEX[f"brow_{place}_{side}"]
            out[:, k] += calm * np.maximum(np.minimum(said[:, k], rest[k]) - own[:, k], 0.0)
    return out


def _carried_on(
    times: np.ndarray,
    values: np.ndarray,
    geometry: Geometry,
    felt: np.ndarray,
    emphasis: Callable[[Sequence[str]], np.ndarray],
    certain: np.ndarray,
) -> np.ndarray:
    """Targets (N, K) whose slow part goes on towards the emphasised pose's, by `emphasis` (see
    `_emphasis`).

    Onwards: where the pose shows more of what the actor does, in the same direction; where the
    actor does nothing, or the other way, only as far as the feeling is `certain` (N,), 0..1. Quick
    motion is never touched.
    """
    amount = emphasis([r.region for r in RELATIONS.values()])
    rest = geometry.response.rest
    own = slow(times, values, FEELING_HERTZ) - rest
    more = slow(times, geometry.response.predict(felt), FEELING_HERTZ) - rest - own
    onwards = np.tanh(own * np.sign(more) / STIRRED)  # 1: the same way; -1: the other
    shown = _shares(FEELING_SHOWN) * np.maximum(onwards, 0.0)
    return values + amount * np.maximum(shown, certain[:, None] * _shares(AGAINST)) * more


def _shares(of: dict[str, float]) -> np.ndarray:
    """(K,) what a table by region or name says of each relation; 0 where nothing."""
    return np.array([of.get(r.region, of.get(kind_of(name), 0.0)) for name, r in RELATIONS.items()])


def _along(
    more: np.ndarray,
    own: np.ndarray,
    controls: list[Control],
    geometry: Geometry,
    certain: np.ndarray,
) -> np.ndarray:
    """(N, C) 1 for a change `more` (N, C) of a control that goes with, or beside, what the actor
    does with the relations (`own`, (N, K)); towards 0 for one that goes clearly against it."""
    reach = geometry.response.reach()
    effect = np.where(more[..., None] >= 0, reach[:, 1], -reach[:, 0]) * more[..., None]
    moved = own * np.minimum(np.abs(own) / STRONG_MOTION, 1.0)
    across = np.einsum("nck,nk->nc", effect, moved)
    touched = np.abs(effect) / np.maximum(np.abs(effect).max(2, keepdims=True), 1e-9)
    seen = np.linalg.norm(touched * own[:, None], axis=2)  # of what the actor does there
    size = np.linalg.norm(effect, axis=2) * seen
    agreement = across / np.maximum(size, 1e-9)
    return np.clip(1.0 + OPPOSED * agreement, certain[:, None], 1.0)


def certainty(times: np.ndarray, expression: np.ndarray) -> np.ndarray:
    """(N,) how certainly some feeling is read from probabilities (N, 7), over a second or so."""
    felt = np.delete(slow(times, expression, FEELING_HERTZ), NEUTRAL, axis=1)
    return felt.max(1) ** CERTAIN


def told_by_landmarks(
    times: np.ndarray, expression: np.ndarray, words: Sequence[Overruling] = ()
) -> np.ndarray:
    """(N,) 0..1 how far what is felt, by probabilities (N, 7), is something that landmarks tell;
    where a person has said what is felt (`words`), nothing is to be told by them."""
    held = slow(times, expression, FEELING_HERTZ)
    felt = np.delete(held, NEUTRAL, axis=1).sum(1)
    own = np.ones(len(times))
    for start, end, _ in words:
        own[(times >= start) & (times <= end)] = 0.0
    return slow(times, own) * held[:, TOLD].sum(1) / np.maximum(felt, 1e-6)
