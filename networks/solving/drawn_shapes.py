"""An actor's smiles, sneers, pouts and raised brows, as drawn faces make them.

What a person's face does and what reads the same on a drawn one differ: gums that are not there,
lids that a tracker doesn't see rise, brows that would worry.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..tracking.lost_frames import ramp
from ..vocabulary import ARKIT_INDEX, EXPRESSIONS
from .actor import ActorRelations
from .actor_neutral import sure
from .relations import INDEX, JAW, LIP_GAPS, LOWER_LIP, SIDES, UPPER_LIP, WIDTH
from .smoothing import FEELING_HERTZ, slow

SMILE = 0.04
"""Eye distances by which corners of a whole smile are up."""
LID_LIFTED, CHEEK_LIFTED, LIFTING = 0.04, 0.6, 0.1
"""Eye distances by which a whole smile lifts lower lids at least, and the coefficient of its cheeks
at least; and how far corners are up in one that does so, less in a lesser one: a faint smile is
the mouth's alone."""
OPEN_EYED = (1.15, 0.95)
"""Shares of the open eye from which on, down to where it does so wholly, a smile lifts them: one
muscle raises cheeks and squeezes eyes, and who laughs with eyes wide is amazed."""
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
SHRUG = ARKIT_INDEX["mouthShrugLower"]
FROWNS = [ARKIT_INDEX[f"mouthFrown{side}"] for side in ("Left", "Right")]
SMILES = [ARKIT_INDEX[f"mouthSmile{side}"] for side in ("Left", "Right")]
UPPER_UP = [ARKIT_INDEX[f"mouthUpperUp{side}"] for side in ("Left", "Right")]
CORNERS, CURVES = ([INDEX[f"mouth_{of}_{side}"] for side in SIDES] for of in ("corner", "bend"))
EVEN = 0.5
"""Share of the other corner's bend from which on the lesser makes a whole smile of both."""
WORRIED = 0.3
"""Chance of sadness and fear together from which on brows may be raised at their inner ends."""
POUT_FROM, POUT_WHOLE, POUT = 0.03, 0.12, 1.0
"""How much of a lower lip that shrugs a network sees where there may be, and where there is, a
pout, since what it answers of one that it is hardly sure of is small; and how far it is made."""
POUT_BENDS = 0.04
"""Eye distances by which corners hang beside a lower lip that is pushed up."""
DROOP_FROM, DROOP_WHOLE, DROOP = 0.08, 0.2, 0.7
"""How much of corners that droop it sees where they may, and where they do; and how far they are
then drawn to what it sees."""
DROOP_BENDS = 0.15
"""Eye distances by which corners hang that droop wholly."""
SMILE_SEEN = 0.3
"""How much of a smile it sees where nothing of that is a pout."""
POUT_HERTZ = 2.0
"""Pouts come and go more quickly than what is felt."""
WIDE = 0.08
"""Eye distances by which a smile's mouth is wide."""
FROWN = 0.05
"""Eye distances by which the coefficients must lower an inner brow for a full frown."""


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
    (AU 6), which a tracker hardly sees: its coefficient of cheeks is 0 in every smile; not where
    eyes are held open wide.

    In speech lips that part do so downwards as well, by less, unless the lip is a sneer's: a drawn
    one is thin and lies on the teeth, a whole row of which would be bared, and a spoken "a" laugh.
    """
    joy = slow(times, expression[:, EXPRESSIONS.index("joy")], FEELING_HERTZ)
    lifted = np.clip(slow(times, actor.moved[:, CORNERS].mean(1), FEELING_HERTZ) / SMILE, 0.0, 1.0)
    moved, share = actor.moved.copy(), np.clip(joy, 0.0, 1.0) * lifted * _even(times, actor)
    sneer = slow(times, expression[:, SNEERED].sum(1), FEELING_HERTZ)
    spoken = LIP_SPOKEN * (1.0 - share) * (1.0 - np.clip(sneer, 0.0, 1.0))
    bared = np.minimum(moved[:, UPPER_LIP].mean(1), moved[:, LIP_GAPS].mean(1)).clip(min=0.0)
    closed = _closed_smile(actor)
    pushed = CLOSED_LEFT * closed * moved[:, UPPER_LIP].mean(1).clip(min=0.0)
    smiled = LIP_LEFT * share
    moved[:, UPPER_LIP + LOWER_LIP] -= ((smiled + spoken) * bared + pushed)[:, None]
    moved[:, CURVES] += (smiled * bared + pushed)[:, None]
    moved[:, WIDTH] -= LESS_WIDE * share * np.maximum(moved[:, WIDTH], 0.0)
    said = np.array(arkit)
    said[:, UPPER_UP] *= ((1.0 - smiled) * (1.0 - spoken))[:, None]
    lower, open_ = [INDEX[f"lower_lid_{side}"] for side in SIDES], actor.lids.mean(1)
    squeezed = ramp(slow(times, open_, FEELING_HERTZ), *OPEN_EYED)
    lifting = np.clip(slow(times, actor.moved[:, CORNERS].mean(1), POUT_HERTZ) / LIFTING, 0.0, 1.0)
    glad = (squeezed * lifting * np.maximum(share, closed))[:, None]
    moved[:, lower] += glad * np.maximum(LID_LIFTED - moved[:, lower], 0.0)
    said[:, CHEEKS] += glad * np.maximum(CHEEK_LIFTED - said[:, CHEEKS], 0.0)
    return replace(actor, moved=moved), said


def over_teeth(times: np.ndarray, actor: ActorRelations, articulation: float) -> ActorRelations:
    """The same actor with lips that articulation won't open further over teeth that are seen
    together, over a second or so: a clenched grin would become an open laugh, with a gap in it."""
    held = slow(times, actor.teeth, FEELING_HERTZ).clip(0.0, 1.0)
    kept = 1.0 - held * max(1.0 - 1.0 / articulation, 0.0)
    less = (1.0 - kept) * actor.moved[:, LIP_GAPS].mean(1).clip(min=0.0)
    moved = actor.moved.copy()
    moved[:, LIP_GAPS] -= less[:, None]
    moved[:, [*LOWER_LIP, JAW]] += less[:, None]
    return replace(actor, moved=moved, lip_gaps=actor.lip_gaps * kept[:, None])


def _even(times: np.ndarray, actor: ActorRelations) -> np.ndarray:
    """(N,) 0..1 how far both sides of a mouth that is open are bent upwards, over a second or so: a
    wince or a sneer that draws one corner up may be read as joy, and is no smile."""
    bends = slow(times, actor.moved[:, CURVES], FEELING_HERTZ)
    even = np.clip(bends.min(1) / np.maximum(EVEN * bends.max(1), 1e-3), 0.0, 1.0)
    opened = np.clip(slow(times, actor.lip_gaps, FEELING_HERTZ).mean(1) / AJAR, 0.0, 1.0)
    return 1.0 - opened * (1.0 - even)


def _closed_smile(actor: ActorRelations) -> np.ndarray:
    """(N,) 0..1 how far the actor smiles with lips that touch: corners up and apart. No reading is
    asked: an amused mouth that is pressed shut looks like nothing that readers know."""
    wide = np.clip(actor.moved[:, WIDTH] / WIDE, 0.0, 1.0)
    shut = 1.0 - np.clip(actor.lip_gaps.mean(1) / AJAR, 0.0, 1.0)
    return raised(actor.moved) * wide * shut


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


def pouting(
    times: np.ndarray, actor: ActorRelations, arkit: np.ndarray, seen: np.ndarray
) -> tuple[ActorRelations, np.ndarray]:
    """The same actor and coefficients (N, 52) with the pouts and drooping corners that are seen.

    A lower lip that is pushed up under closed lips (AU 17) moves landmarks hardly more than a head
    that nods, and the tracker has no coefficient for it while a mouth is pursed; corners that hang
    in most frames of a clip are taken for the mouth's build. A network that looks at the skin sees
    both, though by a fifth of what they are.

    Args:
        seen: (N, 52) how much of each channel it sees.
    """
    held = slow(times, np.c_[actor.lips_meet, seen], POUT_HERTZ)
    closed, seen = held[:, 0], held[:, 1:]
    smile = np.clip(seen[:, SMILES].mean(1) / SMILE_SEEN, 0.0, 1.0)
    free = sure(actor.trust) * closed * (1.0 - smile)
    said, moved = np.array(arkit), actor.moved.copy()
    pout = POUT * free * ramp(seen[:, SHRUG], POUT_FROM, POUT_WHOLE)
    more = np.maximum(pout - said[:, SHRUG], 0.0)
    said[:, SHRUG] += more
    moved[:, CURVES] -= (POUT_BENDS * more)[:, None]
    frown = seen[:, FROWNS].mean(1)
    droop = DROOP * free * ramp(frown, DROOP_FROM, DROOP_WHOLE)
    low = np.minimum(-DROOP_BENDS * frown[:, None] - slow(times, moved[:, CURVES]), 0.0)
    moved[:, CURVES] += droop[:, None] * low
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


def raised(moved: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how far motions (N, K) lift the lip corners towards a whole smile's."""
    return np.clip(moved[:, CORNERS].mean(1) / SMILE, 0.0, 1.0)
