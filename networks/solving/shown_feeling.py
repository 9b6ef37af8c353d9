"""How much of what is felt a performance shows: emphasis of what is slow in it and of what the
relations leave free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..characters.profile import Control
from ..phrases import Overruling
from ..settings import RetargetSettings
from ..vocabulary import EXPRESSIONS, NEUTRAL
from .actor import ActorRelations
from .relations import RELATIONS
from .smoothing import FEELING_HERTZ, slow
from .targets import INNER_BROWS, Geometry, kind_of

STIRRED = 0.01
"""Eye distances from which on an actor's slow motion has a direction."""
STRONG_MOTION = 0.05
"""Eye distances from which on it is a clear one."""
CERTAIN = 1.5
"""Exponent on the chance of a feeling: only one that is read for certain (0.9 is 0.85, 0.5 is
0.35) may stand against what the landmarks say: a crying mouth is drawn wide like a smile, and a
hand before it deceives a tracker."""
STIRS = 0.25
"""Certainty of a feeling from which on emphasis is whole."""
TOLD = [EXPRESSIONS.index(name) for name in ("joy", "surprise")]
"""Feelings that a face's landmarks tell by themselves: how little is shown of them is how little is
felt. A crying mouth is drawn wide like a smile, and a scowl lies in what no landmark sees."""
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
OPPOSED = 3.0
"""Factor on how far a change of a control goes against the actor: a third of it is enough to leave
the change out."""
AGAINST = {"mouth_bend": 1.0, "mouth_corner": 1.0, "brow": 1.0}
"""Region, or name without side -> how far the slow part of a relation may then be turned."""
FIRM = 0.04
"""Eye distances by which brows are held from which on they are not turned, as far as the actor's
neutral was seen: a scowl is the actor's own, whatever is read."""
CONTRADICTS = 0.6
"""Share of an emphasised pose that brows leave out which are so firmly held the other way."""
BROWS = np.array([r.region == "brow" for r in RELATIONS.values()])
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
    brows that the actor holds not at all as far as his neutral can be trusted (`trust`, 0..1).
    Quick motion is never touched.
    """
    amount = emphasis([r.region for r in RELATIONS.values()])
    rest = geometry.response.rest
    own = slow(times, values, FEELING_HERTZ) - rest
    more = slow(times, geometry.response.predict(felt), FEELING_HERTZ) - rest - own
    onwards = np.tanh(own * np.sign(more) / STIRRED)  # 1: the same way; -1: the other
    shown = _shares(FEELING_SHOWN) * np.maximum(onwards, 0.0)
    firm = trust * BROWS * np.clip(np.abs(own) / FIRM, 0.0, 1.0)
    against = certain[:, None] * (1.0 - firm) * _shares(AGAINST)
    return values + amount * np.maximum(shown, against) * more


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
