"""Targets of what the tracker's coefficients know better than its landmarks do.

How far lips reach forward and how round they are, how high a mouth lies over a phrase, how a chin
hangs beside the opening of the lips, whether a brow that is low frowns, and how
deep a frown is.
"""

from __future__ import annotations

import numpy as np

from ..tracking.lost_frames import ramp
from .actor import ActorRelations
from .actor_neutral import sure
from .drawn_shapes import CURVES, FROWN, raised
from .mouth_motion import quick
from .relations import (
    APART,
    FORWARD,
    INDEX,
    JAW,
    LIP_GAPS,
    LOWER_LIP,
    RELATIONS,
    SIDES,
    UPPER_LIP,
    WIDTH,
)
from .smoothing import FEELING_HERTZ, slow, without_dips
from .targets import FULL, FULL_AND_FORWARD, Geometry, kind_of

LEAST_ROUND, MOST_ROUND = 1.2, 2.0
"""How many times further than the actor's a narrow mouth is narrowed; one that is quickly spread,
as by "ee", is widened as many times, so that the motion stays one, and never beyond this actor's
own widest. A smile stays as wide as it is."""
MOST_NARROW = 1.8
"""The most for the mouth's width: a spread one becomes a grin."""
SMILES_SPREAD = 0.5
"""Share of that spreading that is left out where corners are up as in a whole smile."""
HEIGHTS = [
    i
    for i, name in enumerate(RELATIONS)
    if kind_of(name) in ("upper_lip", "lower_lip", "mouth_corner", "jaw_height", "nostril")
]
"""Relations that are heights over the eyes."""
TEETH_PART = 0.6
"""Share of what lips are apart by which the chin may be lower than the coefficients say."""
SINKS, PEAKS = 2.0, 4.0
"""Factor on how far chins hang lower where speech would lift them over their rest, and the power
whose mean stands for the highest of them."""
FOLLOWS = 0.5
"""Share of what heights that are told one by one leave of an opening that is the lower lip's alone:
else half of it would lift the upper one, and bare a row of teeth over a chin that hangs; all of it
would hide the teeth."""
OPEN_FROM, OPEN_WHOLE = 0.3, 0.5
"""Lip gap, eye distances, from which on a mouth is wide open, and where it is wholly so."""
PUSHED_FROM, PUSHED_WHOLE = 0.01, 0.03
"""Eye distances by which corners are bent up where a smile may push brows down, and where it
does."""
BETWEEN_SMILES = 3.0
"""Seconds between smiles in which brows don't fall to rise again."""
DEEPER = 1.0
"""Share by which frowns are made deeper, and half of it closer, where there is room."""
TOUCH_HERTZ = 3.0
"""Lips get thin as they touch and not in a jump."""
LEVEL_KEPT = 0.5
"""Share of their slow part that is kept where the actor's neutral was seen."""


def told_mouths(
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
    values = _pressed(times, _rounded(times, values, geometry, said, widest), values, actor)
    values = _levelled(times, values, said, rest, actor.trust)
    values = _hung(times, values, actor, scale, rest)
    return _opened_downwards(values, actor, scale, rest)


def _opened_downwards(
    values: np.ndarray, actor: ActorRelations, scale: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """Targets (N, K) whose wide open mouths open downwards, by the jaw.

    Heights and opening are told by different means; where they don't agree a drawn mouth would open
    upwards as far as it lacks room below, and bare a whole row of teeth in an "ah".
    """
    moved, out = values - rest, values.copy()
    gap, upper, lower = (moved[:, k].mean(1) for k in (LIP_GAPS, UPPER_LIP, LOWER_LIP))
    share = ramp(gap, OPEN_FROM, OPEN_WHOLE)
    chin = ((actor.moved[:, JAW] - actor.moved[:, LOWER_LIP].mean(1)) * scale[JAW]).clip(min=0.0)
    low = upper - gap
    out[:, LOWER_LIP] += (share * np.minimum(low - lower, 0.0))[:, None]
    out[:, JAW] += share * np.minimum(low + chin - moved[:, JAW], 0.0)
    return out


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
    smile = SMILES_SPREAD * raised(values - geometry.response.rest)
    room = np.maximum(widest - widened, 1e-6)
    wider = room * np.tanh((gain - 1.0) * (1.0 - smile) * spread / room)
    out[:, WIDTH] += (gain - 1.0) * narrowed + wider
    return out


def _pressed(
    times: np.ndarray, values: np.ndarray, own: np.ndarray, actor: ActorRelations
) -> np.ndarray:
    """Targets (N, K) with lips that touch as thin as they are said to be or are seen (`own`, (N,
    K)), if they aren't pursed: what is left of pressed lips is a line, and coefficients see half
    of that."""
    touch = slow(times, actor.lips_meet.astype(float), TOUCH_HERTZ) * (1.0 - actor.pursed)
    out = values.copy()
    out[:, FULL] += touch[:, None] * np.minimum(own - values, 0.0)[:, FULL]
    return out


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
    says, as far as lips that are apart let it be, and the lower lip follows it.
    """
    held = slow(times, said, FEELING_HERTZ)
    own, out = slow(times, values, FEELING_HERTZ), values.copy()
    out[:, HEIGHTS] += (1.0 - LEVEL_KEPT * trust) * (held - own)[:, HEIGHTS]
    smile = raised(held - rest)
    out[:, WIDTH] += (1.0 - trust) * (1.0 - smile) * (held - own)[:, WIDTH]
    apart = np.maximum((own - rest)[:, LIP_GAPS].mean(1), 0.0)
    low = np.minimum(own[:, JAW], held[:, JAW]).clip(held[:, JAW] - TEETH_PART * apart)
    out[:, JAW] = values[:, JAW] + low - own[:, JAW]
    left = slow(times, out, FEELING_HERTZ) - rest
    between = left[:, UPPER_LIP].mean(1) - left[:, LOWER_LIP].mean(1)
    out[:, LOWER_LIP] -= FOLLOWS * np.maximum(apart - between, 0.0)[:, None]
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


def unfrowned(
    times: np.ndarray,
    values: np.ndarray,
    geometry: Geometry,
    said: np.ndarray,
    actor: ActorRelations,
) -> np.ndarray:
    """Targets (N, K) whose brows a smile holds down only where the coefficients say a frown.

    Cheeks that rise in a smile push a person's brows down a little, and a low brow on a drawn face
    reads as anger: what is slow of it follows the coefficients there, and wherever the neutral is
    a guess. Quick motion stays, and no brow is lifted over its rest: inner ones that are raised
    further would worry.
    """
    said, out = slow(times, said, FEELING_HERTZ), values.copy()
    own = slow(times, values, FEELING_HERTZ)
    rest = geometry.response.rest
    bend = slow(times, actor.moved[:, CURVES].mean(1), FEELING_HERTZ)
    smile = ramp(bend, PUSHED_FROM, PUSHED_WHOLE)
    smile = slow(times, without_dips(times, smile, BETWEEN_SMILES), FEELING_HERTZ)
    pushed = 1.0 - sure(actor.trust) * (1.0 - smile)
    for side in SIDES:
        inner = INDEX[f"brow_inner_{side}"]
        calm = pushed * (1.0 - np.clip((rest[inner] - said[:, inner]) / FROWN, 0.0, 1.0))
        for place in ("height", "inner", "middle", "outer"):
            k = INDEX[f"brow_{place}_{side}"]
            out[:, k] += calm * np.maximum(np.minimum(said[:, k], rest[k]) - own[:, k], 0.0)
    return out


def frowned(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, said: np.ndarray, trust: float
) -> np.ndarray:
    """Targets (N, K) whose brows frown as deep as drawn ones do, where the coefficients say so.

    A frown is read from its furrow and its shadow, which landmarks don't see and drawn skin has
    less of; on a brow that is arched at rest half a frown is a calm one. What is slow of it goes
    further down and together, less the nearer it is to the end of its reach, as far as the neutral
    was seen (`trust`, 0..1).
    """
    rest, out = geometry.response.rest, values.copy()
    own, held = (slow(times, x, FEELING_HERTZ) - rest for x in (values, said))
    inner = [INDEX[f"brow_inner_{side}"] for side in SIDES]
    share = DEEPER * sure(trust) * np.clip(-held[:, inner] / FROWN, 0.0, 1.0)
    for k, much in ((inner[0], share[:, 0]), (inner[1], share[:, 1]), (APART, 0.5 * share.mean(1))):
        down = np.minimum(own[:, k], 0.0)
        out[:, k] += much * down * np.clip(1.0 - down / min(geometry.low[k], -1e-3), 0.0, 1.0)
    return out
