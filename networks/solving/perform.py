"""A character's controls from an actor's relations and a prior: what binds and what stays free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from ..characters.profile import Control, RigProfile, arkit_to_unit, from_unit, to_unit
from ..characters.response import ResponseModel, load_response
from ..errors import InputError
from ..settings import RetargetSettings
from ..track import FaceTrack, RigTrack
from ..tracking.lost_frames import fill_lost, ramp
from .actor import ActorRelations, actor_relations, keep_pictures
from .actor_neutral import sure
from .by_channels import calm_coefficients
from .contact import BLINK_SECONDS
from .controls import selected_rows
from .drawn_shapes import WIDE, over_teeth, pouting, raising, smiling, wrinkling
from .emphasised import emphasised
from .fit import Fit
from .relations import INDEX, RELATIONS, WIDTH
from .resting_look import with_resting_look
from .shown_feeling import (
    GLAD,
    STIRS,
    TOLD,
    along,
    carried_on,
    certainty,
    emphasis_of,
    opposed_by_brows,
    room_to_smile,
    share_of_feeling,
    shown_share,
    told_by_landmarks,
)
from .smoothing import FEELING_HERTZ, JUMP_UNITS, slow, smooth, without_dips
from .targets import (
    HOLD,
    PURSED_BEHIND,
    Geometry,
    Targets,
    bound_targets,
    rounded,
    scales,
    targets_for,
)
from .told_shapes import frowned, told_mouths, unfrowned

SIDEWAYS_CHANNELS = {
    f"{part}{side}": (f"{part}_side", sign)
    for part in ("mouth", "jaw")
    for side, sign in (("Left", 1), ("Right", -1))
}
"""Channel that moves a part to one side -> (relation, its sign then)."""
ASIDE_LEAST = 0.05
"""Unit value that it may have beyond what moves the part to where it is asked to be: with a jaw at
the end of its reach one that goes aside opens lips further, and twists them."""
BLINKS = ("blink_left", "blink_right")
"""Roles of the controls that shut an eye, in the order of `ActorRelations.lids`."""
SQUINTS = ("eyeSquintLeft", "eyeSquintRight")
"""Channels that squint, in the order of `ActorRelations.lids`."""
BLINK_DIPS = 0.3
"""Share of the open eye by which lids come down in what is surely a blink."""
PURSING = ("mouthFunnel", "mouthPucker")
"""Channels that purse the lips."""
SOUND = 0.45
"""Seconds that no sound holds the lips together."""
LOWERING = "mouthLowerDown"
"""What draws the lower lip off the upper one is used no further than said where they touch: with a
shrug that shuts them again it would lower the chin, and bend the lips apart beside the middle."""
DRAWN, BARED_HERTZ = 0.9, 3.0
"""How far it is drawn off both rows of teeth that are seen together; and how quickly they come and
go."""
OPENED = (0.08, 0.2)
"""Eye distances that lips are apart from which on there is room for that, and for all of it."""
FILLING = ("Roll", "Puff")
"""What moves the lips' landmarks cheaply, and looks like something else: toothless, out of
breath,"""
KEPT = 4.0
"""keeps to its prior so many times as much."""


def performer(
    face_track: FaceTrack,
    settings: RetargetSettings,
    emit: Callable[[dict], None],
    seen: np.ndarray | None = None,
) -> Callable[[RigTrack, RigProfile], RigTrack]:
    """What makes a character's track perform the actor's relations.

    Separate pictures stay as they are, for a photograph has no speech and no neutral to start from;
    what they show of a named actor is kept. So does a character whose geometry is not known; `emit`
    is told. seen (N, 52): how much of each channel the primary's network sees in the frames, if one
    has looked.
    """
    if face_track.meta.get("stills"):
        if settings.actor:
            _keep_pictures(face_track, settings, emit)
        return lambda track, profile: track
    rows = selected_rows(face_track, settings)
    actor = actor_relations(face_track, settings).at(rows)
    arkit = _steady_coefficients(face_track, settings)[rows]
    times, expression = face_track.times[rows], face_track.expression[rows]
    actor = over_teeth(times, actor, settings.articulation)
    if seen is not None:
        looked = fill_lost(face_track.times, face_track.state, seen)[rows]
        actor, arkit = pouting(times, actor, arkit, looked)
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


def _keep_pictures(
    face_track: FaceTrack, settings: RetargetSettings, emit: Callable[[dict], None]
) -> None:
    """Keep what pictures show of the actor; say what came of it."""
    name = settings.actor
    if keep_pictures(face_track, settings) > 0.0:
        text = f"what the pictures show of {name}'s neutral face is kept for clips of {name}"
        emit({"type": "log", "level": "info", "text": text})
    else:
        text = f"no picture shows {name}'s neutral face: nothing of it is kept"
        emit({"type": "log", "level": "warning", "text": text})


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
    told, glad = (told_by_landmarks(times, said, settings.phrases, w) for w in (TOLD, GLAD))
    reading = Reading(certainty(times, said), told, glad)
    units = solve_relations(times, actor, profile, model, plain, felt, settings, reading)
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


@dataclass(frozen=True)
class Reading:
    """What is read of an expression, 0..1 each, of every frame (N,) or of all alike.

    certain: how certainly it is read; 0: there is nothing to emphasise. told: how far it is one
    that landmarks tell (`TOLD`). glad: how far it is joy.
    """

    certain: np.ndarray | float = 0.0
    told: np.ndarray | float = 0.0
    glad: np.ndarray | float = 0.0

    def of_frames(self, count: int) -> Reading:
        """The same, of each of so many frames."""
        alone = self.certain, self.told, self.glad
        return Reading(*(np.broadcast_to(value, count) for value in alone))


@dataclass(frozen=True)
class Asked:
    """What a character is asked for in N frames: what the actor does, and what he feels.

    times: (N,) seconds. controls: those of the response that `geometry` is made of. plain, felt:
    (N, C) unit values of them: what the actor's motion says, and what the actor's expression says.
    Where the relations leave a control free it is the first, with the second's slow part as far as
    the emphasis goes. The controls of the eyes are taken from `felt` as they are.
    """

    times: np.ndarray
    actor: ActorRelations
    geometry: Geometry
    controls: list[Control]
    plain: np.ndarray
    felt: np.ndarray
    settings: RetargetSettings
    reading: Reading = Reading()

    def plain_fit(self) -> Fit:
        """What is asked without emphasis."""
        return self._fit(self._values, self.plain)

    def felt_fit(self) -> Fit | None:
        """What is asked with all of the emphasis; nothing where there is none."""
        emphasis = partial(emphasis_of, self.times, self.settings, *self._stirred())
        share = share_of_feeling(self.controls, emphasis, self.actor)
        if not (share.any() or emphasis([r.region for r in RELATIONS.values()]).any()):
            return None
        about = self.times, self._values, self.geometry, self.felt
        values = carried_on(*about, emphasis, self._each.certain, self.actor.trust)
        return self._fit(values, self._felt_prior(share))

    @cached_property
    def _aim(self) -> Targets:
        """The targets that the actor's relations alone tell."""
        return targets_for(self.times, self.actor, self.geometry, self.settings)

    @cached_property
    def _values(self) -> np.ndarray:
        """(N, K) the targets without emphasis."""
        times, actor, geometry = self.times, self.actor, self.geometry
        said, scale = geometry.response.predict(self.plain), scales(actor, geometry, self.settings)
        values = told_mouths(times, self._aim.values, actor, geometry, said, scale)
        values = unfrowned(times, values, geometry, said, actor)
        return frowned(times, values, geometry, said, actor.trust)

    @cached_property
    def _each(self) -> Reading:
        return self.reading.of_frames(len(self.times))

    def _stirred(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N,) each, for `emphasis_of`: how far there is something to emphasise, how far speech
        leaves the mouth free, how far it is joy."""
        times, actor = self.times, self.actor
        certain, told, glad = self._each.certain, self._each.told, self._each.glad
        about = times, self._values, self.geometry, self.felt
        stirred = 1.0 - actor.trust * told * (1.0 - shown_share(*about))
        opposed = sure(actor.trust) * opposed_by_brows(*about)
        stirred = stirred * np.clip(certain / STIRS, 0.0, 1.0) * (1.0 - opposed)
        stirred = stirred * (1.0 - glad * (1.0 - room_to_smile(times, actor.moved)))
        return stirred, 1.0 - rounded(times, actor), glad

    def _felt_prior(self, share: np.ndarray) -> np.ndarray:
        """(N, C) what the motion says, and a `share` (N, C) of the slow part of what is felt beside
        it, as far as that goes along with what the actor does."""
        more = slow(self.times, self.felt - self.plain, FEELING_HERTZ)
        moved = slow(self.times, self._aim.values, FEELING_HERTZ) - self.geometry.response.rest
        alike = along(more, moved, self.controls, self.geometry, self._each.certain)
        return self.plain + share * alike * more

    def _fit(self, values: np.ndarray, prior: np.ndarray) -> Fit:
        """The fit to targets (N, K) near a prior (N, C), within what the actor's contacts allow."""
        times, actor, geometry = self.times, self.actor, self.geometry
        values = with_resting_look(times, values, actor, geometry.response, self.settings)
        hold = np.array([_hold(c) for c in self.controls])
        prior = self._own_prior(prior, hold)
        low, high = self._box(values, prior)
        held = 1.0 - without_dips(times, 1.0 - actor.lips_meet, SOUND)
        touching = actor.lips_meet * (1.0 - (1.0 - PURSED_BEHIND) * actor.pursed)
        bound = bound_targets(values, self._aim.weights, geometry, touching, held)
        return Fit(geometry.bound, bound.values, bound.weights, prior, hold, low, high)

    def _own_prior(self, prior: np.ndarray, hold: np.ndarray) -> np.ndarray:
        """The prior (N, C) with eyes as they are felt, and with lids shut by what shuts them."""
        prior = np.where(np.isfinite(hold), prior, self.felt)
        prior = _unsquinted(self.times, prior, self.controls, self.actor)
        return _shut_by_their_own(prior, self.controls, self.actor)

    def _box(self, values: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, C) each: the least and most unit values at targets `values` (N, K)."""
        response, actor = self.geometry.response, self.actor
        low, high = _limits(self.controls, values - response.rest, prior, response.reach())
        high = _held_back(self.controls, prior, low, high, actor.lips_meet)
        bared = actor.bared * ramp(actor.lip_gaps.mean(1), *OPENED)
        return _bared(self.controls, low, high, slow(self.times, bared, BARED_HERTZ)), high


def solve_relations(
    times: np.ndarray,
    actor: ActorRelations,
    profile: RigProfile,
    model: ResponseModel,
    plain: np.ndarray,
    felt: np.ndarray,
    settings: RetargetSettings,
    reading: Reading = Reading(),
) -> np.ndarray:
    """Unit values (N, C) of `model.controls` with which the character does what the actor does.

    times, plain, felt: see `Asked`.
    """
    geometry = Geometry.of(model, profile)
    controls = [profile.control(n) for n in model.controls]
    asked = Asked(times, actor, geometry, controls, plain, felt, settings, reading)
    plain_fit = asked.plain_fit()
    plain_units, felt_fit = plain_fit.solve(), asked.felt_fit()
    if felt_fit is None:
        return plain_units
    contact = np.concatenate([geometry.lips, geometry.lids])
    return emphasised(times, plain_units, plain_fit, felt_fit, contact)


def relation_fit(asked: Asked) -> Fit:
    """What a frame alone can be asked for: that with all of the emphasis, in one.
    `solve_relations` shows a clip more evenly."""
    felt_fit = asked.felt_fit()
    return asked.plain_fit() if felt_fit is None else felt_fit


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


def _bared(
    controls: list[Control], low: np.ndarray, high: np.ndarray, bared: np.ndarray
) -> np.ndarray:
    """The lower limits (N, C): what lowers the lower lip does so as far as both rows of teeth are
    `bared` (N,). A jaw that opens the lips instead takes the lower row down behind its lip."""
    share = np.outer(bared, [min(_lowers(c), 1.0) for c in controls])
    return np.minimum(low + share * (DRAWN - low), high)


def _lowers(control: Control) -> float:
    """How far a control is one that lowers the lower lip."""
    return max([0.0, *(w for n, w in control.channels.items() if n.startswith(LOWERING))])


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


def _unsquinted(
    times: np.ndarray, prior: np.ndarray, controls: list[Control], actor: ActorRelations
) -> np.ndarray:
    """The prior (N, C) without squints that come and go with a blink: the tracker takes each blink
    for one as well, but it is the upper lid's, and lids that meet half-way are not where a response
    that knows each alone says they are."""
    dips = without_dips(times, actor.lids, BLINK_SECONDS) - actor.lids
    blinks = np.clip(dips / BLINK_DIPS, 0.0, 1.0)
    out = prior.copy()
    for i, control in enumerate(controls):
        sides = np.array([abs(control.channels.get(name, 0.0)) for name in SQUINTS])
        if sides.sum() > 0.5:
            held = -without_dips(times, -prior[:, i], BLINK_SECONDS)
            blink = blinks @ (sides / sides.sum())
            out[:, i] -= blink * np.maximum(prior[:, i] - held, 0.0)
    return out


def _limits(
    controls: list[Control], moved: np.ndarray, prior: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) each: the least and most unit values at targets that move the relations by (N, K).

    Of two controls that pull to opposite sides only the one that the target goes to may be used:
    both together narrow the mouth in a way that no face does. Nor may it go further than there, by
    its own reach (C, 2, K). For the first reason a mouth that is wide is not pursed beyond its
    `prior` (N, C), though that would part its lips.
    """
    low = np.array([-1.0 if c.minimum < c.rest else 0.0 for c in controls])
    high = np.array([1.0 if c.maximum > c.rest else 0.0 for c in controls])
    low, high = (np.tile(limit, (len(moved), 1)) for limit in (low, high))
    wide = np.clip(moved[:, WIDTH] / WIDE, 0.0, 1.0)
    for column, control in enumerate(controls):
        for channel, (relation, sign) in SIDEWAYS_CHANNELS.items():
            weight, k = control.channels.get(channel, 0.0), INDEX[relation]
            if abs(weight) > 0.5:
                most = _aside(sign * moved[:, k], abs(reach[column, int(weight > 0), k]))
                if weight > 0:
                    high[:, column] = np.minimum(high[:, column], most)
                else:
                    low[:, column] = np.maximum(low[:, column], -most)
        if any(control.channels.get(name, 0.0) > 0.5 for name in PURSING):
            own = np.clip(prior[:, column], 0.0, 1.0)
            high[:, column] = own + (1.0 - own) * (1.0 - wide)
    return low, high


def _aside(asked: np.ndarray, whole: float) -> np.ndarray:
    """(N,) unit value up to which what moves a part aside by `whole` may be used where it is
    `asked` (N,) to go; none to the other side."""
    share = asked / max(whole, 1e-3)
    return np.where(asked > 0.0, np.clip(share + ASIDE_LEAST, 0.0, 1.0), 0.0)


def _hold(control: Control) -> float:
    """How much a control keeps to its prior: see HOLD; what turns the eyes keeps to it wholly."""
    if control.output != "expression":
        return np.inf
    weights = {name: abs(weight) for name, weight in control.channels.items()}
    fills = sum(w for name, w in weights.items() if any(part in name for part in FILLING))
    return HOLD * (KEPT if 2.0 * fills > sum(weights.values()) else 1.0)
