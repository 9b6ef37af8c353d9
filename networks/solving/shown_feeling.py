"""How much of what is felt a performance shows: emphasis of what is slow in it and of what the
relations leave free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..characters.profile import Control
from ..phrases import Overruling
from ..settings import RetargetSettings
from ..tracking.lost_frames import ramp
from ..vocabulary import EXPRESSIONS, NEUTRAL
from .actor import ActorRelations
from .actor_neutral import sure
from .relations import APART, INDEX, LID_GAPS, RELATIONS, SIDES, WIDTH
from .smoothing import FEELING_HERTZ, slow, without_dips
from .targets import BENT_UP, INNER_BROWS, Geometry, kind_of

STIRRED = 0.01
"""Eye distances from which on an actor's slow motion has a direction."""
STRONG_MOTION = 0.05
"""Eye distances from which on it is a clear one."""
CERTAIN = 1.5
"""Exponent on the chance of a feeling: only one that is read for certain (0.9 is 0.85, 0.5 is
0.35) may stand against what the landmarks say: a crying mouth is drawn wide like a smile, and a
hand before it deceives a tracker."""
KIN = [EXPRESSIONS.index(name) for name in ("anger", "disgust")]
"""Feelings that do the same with brows and corners: read for .6 and .3 it is certain that these are
no smile's."""
STIRS = 0.25
"""Certainty of a feeling from which on emphasis is whole."""
TOLD = [EXPRESSIONS.index(name) for name in ("joy", "surprise")]
"""Feelings that a face's landmarks tell by themselves: how little is shown of them is how little is
felt. A crying mouth is drawn wide like a smile, and a scowl lies in what no landmark sees."""
GLAD = [EXPRESSIONS.index("joy")]
FULL_SMILE = (0.19, 0.27)
"""Eye distances by which an actor's mouth is held wide and its corners over its middle, together,
from which on a smile has less room for more, and none: on top of a full laugh emphasis draws the
corners into a V and shuts the eyes."""
SPEAKING = ("mouth", "jaw")
"""Regions that speech moves."""
PARTING = ("mouthUpperUp", "mouthLowerDown")
"""Channels that part the lips."""
SHOWING = [
    i
    for i, name in enumerate(RELATIONS)
    if kind_of(name)
    in ("mouth_corner", "mouth_bend", "mouth_width", "brow_inner", "brow_outer", "nostril")
]
"""Relations that show a feeling, and that speech hardly moves."""
SIDES_SHOWING = [
    [k for k, i in enumerate(SHOWING) if not [*RELATIONS][i].endswith(other)]
    for other in ("right", "left")
]
"""The same of each side of the face, with what has none."""
MEANT = 0.5
"""Share of the other side's of what a pose means for one from which on that side counts wholly: a
sneer or a raised brow means nothing of the side that stays as it is."""
MOMENT_HERTZ, MOMENT_DIPS = 2.0, 0.5
"""What is slower is what is shown at the moment, without what speech takes from it for so many
seconds: a smile that fades, or has not begun, is none because of the broad one beside it."""
OPPOSED = 3.0
"""Factor on how far a change of a control goes against the actor: a third of it is enough to leave
the change out."""
ENDS = [INDEX[f"mouth_corner_{side}"] for side in SIDES]
AGAINST = {"mouth_bend": 1.0, "mouth_corner": 1.0, "brow": 1.0}
"""Region, or name without side -> how far the slow part of a relation may then be turned."""
FIRM = 0.04
"""Eye distances by which brows are held from which on they are not turned, as far as the actor's
neutral was seen: a scowl is the actor's own, whatever is read."""
UNTURNED, UNTURNED_SHARE = (0.02, 0.06), 0.5
"""Eye distances by which corners are held from which on, and from which on wholly, emphasis brings
them back to rest and leaves out so much of what is beyond: a wince of tears is a straight mouth,
not the opposite of what the actor does;"""
AWAKE, AWAKE_HELD = (0.6, 0.9), 0.02
"""and all of it as far as eyes are held open, by shares of a character's open eye, and from so much
less on: tears squeeze them (FACS: AU 6 and 7), and a mouth that hangs under eyes that stare is
afraid and no sadder for being drawn down."""
SQUEEZED = (0.5, 0.25)
"""Shares of the open eye from which on, and from which on wholly, eyes are held squeezed."""
KNIT, LEAST_KNIT, KNIT_TOGETHER = 0.5, 0.2, 0.25
"""Shares of how far emphasis slants brows by which they then come down, as far as their outer ends
can, or by the second, since without a slant they would scowl; and by which they come together:
weeping knits them (FACS: AU 4 beside 1), and inner ends that are only raised float over shut eyes.
"""
CONTRADICTS = 0.6
"""Share of an emphasised pose that brows leave out which are so firmly held the other way."""
ALONG = 0.3
"""Share of an actor's own quick motion by which, at most, emphasis may change as quickly."""
BROWS = np.array([r.region == "brow" for r in RELATIONS.values()])
CORNERS = np.array([kind_of(name) in ("mouth_corner", "mouth_bend") for name in RELATIONS])
BROW_PLACES = [
    (
        [INDEX[f"brow_{place}_{side}"] for place in ("inner", "middle", "outer")],
        [INDEX[f"brow_{place}_{side}"] for place in ("inner", "middle", "outer", "height")],
    )
    for side in SIDES
]
"""Of each side the relations that are a brow's height together, and all that go with it."""
FEELING = {"brow": 1.0, "eye": 0.5, "nose": 1.0, "cheek": 0.7, "mouth": 0.5, "jaw": 0.2}
"""Region -> how far the slow part of what the relations leave free is the emphasised pose's."""
FEELING_SHOWN = {"brow": 0.8, "nose": 0.5, "cheek": 0.5, "mouth_width": 0.25, "mouth_bend": 0.5}
"""Region, or name without side -> how far the slow part of a relation may be carried on towards
the emphasised pose."""


def emphasis_of(
    times: np.ndarray,
    settings: RetargetSettings,
    stirred: np.ndarray,
    free: np.ndarray,
    glad: np.ndarray,
    regions: Sequence[str],
) -> np.ndarray:
    """(N, R) the emphasis of regions: none where nothing is felt, since a calm face has no pose to
    be drawn to but the network's guess, and little where little of it is shown (`stirred`, (N,));
    of mouth and jaw as far as speech leaves them `free`. Brows take nothing of what is `glad` (N,):
    a smile is the mouth's and the cheeks' (FACS: AU 6 and 12), and key poses add brows to it."""
    amount = settings.emphasis_at(times, regions) * stirred[:, None]
    amount[:, [r in SPEAKING for r in regions]] *= free[:, None]
    amount[:, [r == "brow" for r in regions]] *= 1.0 - glad[:, None]
    return amount


def room_to_smile(times: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(N,) 1..0 how much room an actor's own smile leaves for more; moved (N, K): see
    `ActorRelations`."""
    held = slow(times, moved[:, WIDTH] + moved[:, BENT_UP].mean(1), FEELING_HERTZ)
    return 1.0 - ramp(held, *FULL_SMILE)


def shown_share(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, felt: np.ndarray
) -> np.ndarray:
    """(N,) 0..1 how much of an emphasised pose's face is in what the actor does himself.

    Of the slow part of what faces show of a feeling beside speech (`SHOWING`) the projection on the
    pose's: a smile half as large as the pose's is half of it, a mouth that does something else
    nothing; and no more of it than is shown at the moment (`MOMENT_HERTZ`). That a feeling is read
    for certain doesn't say that it is strong.

    Args:
        values: (N, K) the targets before emphasis. felt: (N, C) unit values of the emphasised pose.
    """
    rest, posed = geometry.response.rest, geometry.response.predict(felt)
    own, meant = ((x - rest)[:, SHOWING] for x in (values, posed))
    meant = slow(times, meant, FEELING_HERTZ)
    moment = _shown(slow(times, own, MOMENT_HERTZ), meant)
    held = _shown(slow(times, own, FEELING_HERTZ), meant)
    return np.minimum(held, without_dips(times, moment, MOMENT_DIPS))


def _shown(own: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """(N,) 0..1 how much of motions (N, len(SHOWING)) that are meant is in the own ones."""
    whole = _share_of(own, meant)
    much = [(meant[:, of] ** 2).sum(1) for of in SIDES_SHOWING]
    counts = np.clip(much / np.maximum(MEANT**2 * np.max(much, axis=0), 1e-12), 0.0, 1.0)
    sides = [_share_of(own[:, of], meant[:, of]) for of in SIDES_SHOWING]
    less = counts * np.minimum(sides - whole, 0.0)
    return np.clip(whole + less.min(0), 0.0, 1.0)


def _share_of(own: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """(N,) the projection of motions (N, K) on those that are meant, as a share of these."""
    return (own * meant).sum(1) / np.maximum((meant**2).sum(1), STIRRED**2)


def opposed_by_brows(
    times: np.ndarray, values: np.ndarray, geometry: Geometry, felt: np.ndarray
) -> np.ndarray:
    """(N,) how much of an emphasised pose is left out where the brows are held the other way: who
    scowls hardly feels what a pose of raised brows expresses, whatever is read, and hardly has its
    mouth.

    Args: as `shown_share`'s.
    """
    rest, posed = geometry.response.rest, geometry.response.predict(felt)
    own, meant = (
        slow(times, (x - rest)[:, INNER_BROWS].mean(1), FEELING_HERTZ) / FIRM
        for x in (values, posed)
    )
    return CONTRADICTS * np.clip(np.abs(own), 0.0, 1.0) * np.clip(-np.sign(own) * meant, 0.0, 1.0)


def share_of_feeling(
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


def _parts_lips(control: Control) -> bool:
    """Whether it moves a lip off the other: landmarks may meet all the same, and skin beside them
    does not."""
    return any(name.startswith(PARTING) for name in control.channels)


def carried_on(
    times: np.ndarray,
    values: np.ndarray,
    geometry: Geometry,
    felt: np.ndarray,
    emphasis: Callable[[Sequence[str]], np.ndarray],
    certain: np.ndarray,
    trust: float,
) -> np.ndarray:
    """Targets (N, K) whose slow part goes on towards the emphasised pose's, by `emphasis` (see
    `emphasis_of`).

    Onwards: where the pose shows more of what the actor does, in the same direction; where the
    actor does nothing, or the other way, only as far as the feeling is `certain` (N,), 0..1, and
    brows that the actor holds not at all as far as his neutral can be trusted (`trust`, 0..1);
    corners that are held hardly further than to rest. Brows as a whole rise only with the actor's:
    their slant is the feeling's, their height his. Quick motion is touched only where speech takes
    a mouth from the feeling for a moment, and never turned.
    """
    amount = emphasis([r.region for r in RELATIONS.values()])
    rest = geometry.response.rest
    own = slow(times, values, FEELING_HERTZ) - rest
    more = slow(times, geometry.response.predict(felt), FEELING_HERTZ) - rest - own
    onwards = np.tanh(own * np.sign(more) / STIRRED)  # 1: the same way; -1: the other
    shown = _shares(FEELING_SHOWN) * np.maximum(onwards, 0.0)
    firm = trust * BROWS * np.clip(np.abs(own) / FIRM, 0.0, 1.0)
    against = certain[:, None] * (1.0 - firm) * _shares(AGAINST)
    step = amount * np.maximum(shown, against) * more
    open_ = (own + rest)[:, LID_GAPS].mean(1) / max(float(rest[LID_GAPS].mean()), 1e-3)
    step = _unraised(_unturned(step, own, open_), own, firm)
    weeping = (1.0 - sure(trust)) * ramp(open_, *SQUEEZED)
    return values + along_motion(times, _knit(step, own - geometry.low, weeping), values)


def along_motion(times: np.ndarray, step: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Steps (N, K) that change quickly only as targets (N, K) do, and less: a smile that gives way
    to an "oh" narrows the mouth with it; corners that are drawn down in one are not let up by a
    frown that gives way."""
    held = slow(times, step)
    own = ALONG * (values - slow(times, values))
    return held + np.clip(step - held, np.minimum(own, 0.0), np.maximum(own, 0.0))


def _unturned(step: np.ndarray, own: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Steps (N, K) from where relations are held (N, K, from rest) that take corners hardly
    further than back to rest, and no further where the eyes are held `open_` (N,)."""
    turned = np.where(step * own < 0.0, np.maximum(np.abs(step) - np.abs(own), 0.0), 0.0)
    awake = ramp(open_, *AWAKE)[:, None]
    share = UNTURNED_SHARE + (1.0 - UNTURNED_SHARE) * awake
    held = ramp(np.abs(own) + AWAKE_HELD * awake, *UNTURNED)
    back = share * CORNERS * held * np.sign(own) * turned
    # A bend is a corner's height over the middle: a mouth that hangs has the one and not the other.
    for corner, bent in zip(ENDS, BENT_UP, strict=True):
        less = np.clip(back[:, bent], 0.0, np.maximum(-step[:, corner], 0.0))
        back[:, corner] = np.where(less > 0.0, np.maximum(back[:, corner], less), back[:, corner])
    return step + back


def _knit(step: np.ndarray, room: np.ndarray, weeping: np.ndarray) -> np.ndarray:
    """Such steps whose slanted brows are low and together as far as the actor is `weeping` (N,),
    0..1; room (N, K): how far relations could go down from where they are held."""
    out = step.copy()
    for (inner, _, outer), whole in BROW_PLACES:
        slant = np.maximum(step[:, inner] - step[:, outer], 0.0)
        down = np.clip((room + step)[:, outer], LEAST_KNIT * slant, KNIT * slant)
        out[:, whole] -= (weeping * down)[:, None]
        out[:, APART] -= KNIT_TOGETHER / len(SIDES) * weeping * slant
    return out


def _unraised(step: np.ndarray, own: np.ndarray, firm: np.ndarray) -> np.ndarray:
    """Such steps without the rise of whole brows that are not held raised; those that are `firm`
    (N, K), 0..1, are left as they are."""
    out = step.copy()
    for places, whole in BROW_PLACES:
        rise = np.maximum(step[:, places].mean(1), 0.0)
        raised = np.clip(own[:, places].mean(1) / FIRM, 0.0, 1.0)
        out[:, whole] -= ((1.0 - raised) * rise)[:, None] * (1.0 - firm[:, whole])
    return out


def _shares(of: dict[str, float]) -> np.ndarray:
    """(K,) what a table by region or name says of each relation; 0 where nothing."""
    return np.array([of.get(r.region, of.get(kind_of(name), 0.0)) for name, r in RELATIONS.items()])


def along(
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
    """(N,) how certainly some feeling is read from probabilities (N, 7), over a second or so; two
    that are kin (`KIN`) as one."""
    held = slow(times, expression, FEELING_HERTZ)
    felt = np.delete(held, NEUTRAL, axis=1)
    return np.maximum(felt.max(1), held[:, KIN].sum(1)) ** CERTAIN


def told_by_landmarks(
    times: np.ndarray,
    expression: np.ndarray,
    words: Sequence[Overruling] = (),
    which: Sequence[int] = TOLD,
) -> np.ndarray:
    """(N,) 0..1 how far what is felt, by probabilities (N, 7), is one of `which`, which landmarks
    tell; where a person has said what is felt (`words`), nothing is to be told by them."""
    held = slow(times, expression, FEELING_HERTZ)
    felt = np.delete(held, NEUTRAL, axis=1).sum(1)
    own = np.ones(len(times))
    for start, end, _ in words:
        own[(times >= start) & (times <= end)] = 0.0
    return slow(times, own) * held[:, which].sum(1) / np.maximum(felt, 1e-6)
