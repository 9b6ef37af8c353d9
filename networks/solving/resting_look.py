"""How a face at rest looks: what of an actor's heavy lids is shown, how calm a character's are, and
that its mouth, if it was drawn with a smile, doesn't smile through every performance.

An actor's neutral face counts as its build, and motion alone is played. But who compares two still
faces sees looks: heavy lids on the one, and on the other eyes that were drawn awake. A share of
both is played.

What differs from side to side in a resting face is no look: landmarks and coefficients contradict
each other about it in nearly every film, since a head that is tilted or turned deceives them. Nor
are a character's brows: brought to people's proportions they look sly beside an open face.
"""

from __future__ import annotations

import numpy as np

from ..characters.response import LinearResponse
from ..settings import RetargetSettings
from ..tracking.lost_frames import ramp
from .actor import ActorRelations
from .actor_neutral import sure
from .drawn_shapes import CORNERS, CURVES
from .people import people
from .relations import INDEX, LID_GAPS, SIDES, WIDTH
from .smoothing import FEELING_HERTZ, slow

HEAVY_LIDS = 0.5
"""Share of how much narrower than people's an actor's open eyes are that is shown."""
WAKEFUL = 0.08
"""Share of the open eye by which a character's are less open, from below as far as lower lids go:
large eyes that are as open as they are drawn look startled beside a calm person's,"""
WIDE_FROM = 0.25
"""and in a real start they are, from this share beyond open on."""
HALF = 0.5
"""Share of the open eye down to which that comes to nothing: lids that are lowered look sleepy."""
SMILED = 0.08
"""Eye distances by which corners are held up from which on a mouth smiles as it was drawn."""
_LOWER_LIDS = [INDEX[f"lower_lid_{side}"] for side in SIDES]


def with_resting_look(
    times: np.ndarray,
    values: np.ndarray,
    actor: ActorRelations,
    response: LinearResponse,
    settings: RetargetSettings,
) -> np.ndarray:
    """Targets (N, K) of a character with the lids and the mouth of a face at rest, as far as its
    eyes are open and nobody smiles; as they are where the actor's neutral was named or is a guess.

    response: the character's.
    """
    share = sure(actor.trust) * actor.looks
    if not share:
        return values
    gain = {region: min(settings.gain.get(region, 1.0), 1.0) for region in ("eye", "mouth")}
    values = _straighter_mouth(times, values, share * gain["mouth"], response.rest)
    return _calmer_lids(values, share * gain["eye"], actor, response.rest[LID_GAPS])


def _straighter_mouth(
    times: np.ndarray, values: np.ndarray, share: float, rest: np.ndarray
) -> np.ndarray:
    """Targets (N, K) whose corners lie no higher beside the middle of a mouth at rest than people's
    do, for its width; rest (K,): the character's."""
    usual = people().mean[CURVES].mean() / people().mean[WIDTH]
    drawn = share * max(rest[CURVES].mean() - usual * rest[WIDTH], 0.0)
    if not drawn:
        return values
    bend = slow(times, (values - rest)[:, CURVES].mean(1), FEELING_HERTZ)
    still = ramp(bend, SMILED, 0.0)
    out = values.copy()
    out[:, CURVES + CORNERS] -= (drawn * still)[:, None]
    return out


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
