"""How a face at rest looks: what of an actor's heavy lids is shown, and how calm a character is.

An actor's neutral face counts as its build, and motion alone is played. But who compares two still
faces sees looks: heavy lids on the one, and on the other brows and eyes that were drawn awake and
read as worry. A share of the first is played, and of the second what goes beyond people.

What differs from side to side in a resting face is no look: landmarks and coefficients contradict
each other about it in nearly every film, since a head that is tilted or turned deceives them.
"""

from __future__ import annotations

import numpy as np

from ..characters.response import LinearResponse
from ..settings import RetargetSettings
from .actor import ActorRelations
from .actor_neutral import sure
from .people import people
from .relations import INDEX, LID_GAPS, NAMES, RELATIONS, SIDES
from .smoothing import FEELING_HERTZ, slow
from .targets import SIZE_LIMITS

HEAVY_LIDS = 0.5
"""Share of how much narrower than people's an actor's open eyes are that is shown."""
WAKEFUL = 0.15
"""Share of the open eye by which a character's are less open, from below as far as lower lids go:
large eyes that are as open as they are drawn look startled beside a calm person's,"""
WIDE_FROM = 0.25
"""and in a real start they are, from this share beyond open on."""
HALF = 0.5
"""Share of the open eye down to which that comes to nothing: lids that are lowered look sleepy."""
LEVELLED, MOST_LEVELLED = 1.0, 0.03
"""Share of how much higher than people's a character's inner brows are, beside the middle of them,
that is taken off, since high ones worry; and the most, in eye distances."""
HELD = 0.05
"""Eye distances by which brows are held in an expression that has a look of its own."""
_INNER, _MIDDLE = ([INDEX[f"brow_{part}_{s}"] for s in SIDES] for part in ("inner", "middle"))
_LOWER_LIDS = [INDEX[f"lower_lid_{side}"] for side in SIDES]


def with_resting_look(
    times: np.ndarray,
    values: np.ndarray,
    actor: ActorRelations,
    response: LinearResponse,
    settings: RetargetSettings,
) -> np.ndarray:
    """Targets (N, K) of a character with the look of a face at rest: of brows less the more they
    are held in an expression, of lids as far as the eye is open; none where the actor's neutral was
    named or is a guess.

    response: the character's.
    """
    seen = sure(actor.trust) * actor.looks
    if not seen:
        return values
    gain = np.array([settings.gain.get(r.region, 1.0) for r in RELATIONS.values()]).clip(max=1.0)
    held = np.abs(slow(times, values, FEELING_HERTZ) - response.rest) / HELD
    out = values + seen * gain * own_look(response.rest) * np.clip(1.0 - held, 0.0, 1.0)
    return _calmer_lids(out, seen * gain[LID_GAPS[0]], actor, response.rest[LID_GAPS])


def _calmer_lids(
    values: np.ndarray, share: float, actor: ActorRelations, rest: np.ndarray
) -> np.ndarray:
    """Targets (N, K) whose open eyes are less so; rest (2,): the character's open ones."""
    out, open_ = values.copy(), values[:, LID_GAPS] / np.maximum(rest, 1e-3)
    heavy = heaviness(actor) * np.clip(open_, 0.0, 1.0)
    out[:, LID_GAPS] *= 1.0 - share * heavy
    startled = np.interp(open_, (HALF, 1.0, 1.0 + WIDE_FROM), (0.0, 1.0, 0.0))
    raised = share * WAKEFUL * rest * startled
    out[:, LID_GAPS] -= raised
    out[:, _LOWER_LIDS] += raised
    return out


def heaviness(actor: ActorRelations) -> float:
    """0..1 how much less than it could be the actor's open eye is shown open."""
    usual = people().mean[LID_GAPS]
    return HEAVY_LIDS * float(np.clip(1.0 - actor.neutral[LID_GAPS] / usual, 0.0, 1.0).mean())


def own_look(rest: np.ndarray) -> np.ndarray:
    """(K,) what a character whose relations at rest (K,) are given plays when nothing is
    expressed."""
    mean, out = people().mean, np.zeros(len(NAMES))
    size = np.clip(rest[_MIDDLE] / mean[_MIDDLE], *SIZE_LIMITS)
    lack = size * (mean[_MIDDLE] - mean[_INNER]) - (rest[_MIDDLE] - rest[_INNER])
    out[_INNER] = -np.clip(LEVELLED * lack, 0.0, MOST_LEVELLED)
    return out
