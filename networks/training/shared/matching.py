"""Pairs: which pose of a character goes with a human face, or with another character's pose.

ExprGen, sections 4.1 and 4.2: among the pictures with the same perceived label, the one with the
nearest geometry. A human's and a stylised face's geometry are not comparable as they are, so both
are measured from their own neutral, in units of their own spread. Beyond the paper, each switchable
in `MatchSettings`: the tracker's ARKit coefficients as a second geometry; several near pictures
averaged by distance; labels as people's votes; a correction by what differs in ARKit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...characters.profile import Control, arkit_to_unit
from ...vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, NEUTRAL, mirror_name

SIGMA_FLOOR = 1e-3


@dataclass(frozen=True)
class MatchSettings:
    """How pairs are made; the paper is `MatchSettings.paper()`.

    geometry, arkit: weights of the two distances.
    neighbours: pictures that are averaged, nearer ones more.
    softness: how much further a neighbour may be and still count; in median nearest distances.
    votes: weight of the human's label distribution; the paper's hard label is `hard_labels`.
    refine: 0 takes the retrieved pose as it is, 1 moves it all the way to the face's ARKit vector.
    """

    geometry: float = 1.0
    arkit: float = 1.0
    neighbours: int = 5
    softness: float = 0.5
    votes: float = 1.0
    hard_labels: bool = False
    refine: float = 0.5

    @staticmethod
    def paper() -> MatchSettings:
        """Same label, nearest geometry, its pose."""
        return MatchSettings(arkit=0.0, neighbours=1, hard_labels=True, refine=0.0)


@dataclass(frozen=True)
class DomainScale:
    """Neutral and spread of a set of faces: (K,) each."""

    neutral: np.ndarray
    spread: np.ndarray

    @staticmethod
    def of(values: np.ndarray, labels: np.ndarray) -> DomainScale:
        """From values (N, K) and labels (N,); without neutral faces the median stands in."""
        calm = values[labels == NEUTRAL]
        neutral = np.median(calm if len(calm) else values, axis=0)
        return DomainScale(neutral, np.maximum(values.std(0), SIGMA_FLOOR))

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """(N, K) measured from neutral, in units of the spread."""
        return (values - self.neutral) / self.spread

    def convert(self, values: np.ndarray, to: DomainScale) -> np.ndarray:
        """What these values (N, K) would be in another domain."""
        return self.normalise(values) * to.spread + to.neutral


@dataclass(frozen=True)
class ArkitScale:
    """Turns the tracker's coefficients into weights that start at 0 for neutral and reach 1.

    The tracker reports some channels weakly (a full frown may read 0.3) and others above 0 for a
    calm face; neutral (52,) and full (52,) are what it says of calm and of the strongest faces.
    """

    neutral: np.ndarray
    full: np.ndarray

    @staticmethod
    def of(arkit: np.ndarray, labels: np.ndarray, least: float = 0.2) -> ArkitScale:
        """From coefficients (N, 52) and labels (N,); `least` bounds the amplification."""
        calm = arkit[labels == NEUTRAL]
        neutral = np.median(calm if len(calm) else arkit, axis=0)
        high = np.quantile(arkit, 0.985, axis=0)
        return ArkitScale(neutral, np.minimum(neutral + np.maximum(high - neutral, least), 1.0))

    def weights(self, arkit: np.ndarray) -> np.ndarray:
        """Coefficients (N, 52) -> weights (N, 52) in 0..1."""
        span = np.maximum(self.full - self.neutral, 1e-6)
        return np.clip((arkit - self.neutral) / span, 0.0, 1.0)


@dataclass(frozen=True)
class Described:
    """N faces or poses as matching sees them.

    geometry (N, 9) normalised by their domain; arkit (N, 52) weights in 0..1.
    """

    geometry: np.ndarray
    arkit: np.ndarray


_GAZE = [i for i, name in enumerate(ARKIT_CHANNELS) if name.startswith("eyeLook")]
_USED = [i for i in range(len(ARKIT_CHANNELS)) if i not in _GAZE]


def squared_distances(a: Described, b: Described, s: MatchSettings) -> np.ndarray:
    """(Na, Nb): weighted mean square difference of the features; where the eyes look is no part."""
    total = np.zeros((len(a.geometry), len(b.geometry)), np.float32)
    if s.geometry:
        total += s.geometry * _pairwise(a.geometry, b.geometry) / len(GEOMETRIC_FEATURES)
    if s.arkit:
        scale = np.maximum(b.arkit[:, _USED].std(0), 0.05)
        one, other = a.arkit[:, _USED] / scale, b.arkit[:, _USED] / scale
        total += s.arkit * _pairwise(one, other) / len(_USED)
    return total


def _pairwise(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.astype(np.float32), b.astype(np.float32)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def retrieve(
    distances: np.ndarray, chances: np.ndarray, labels: np.ndarray, s: MatchSettings
) -> tuple[np.ndarray, np.ndarray]:
    """For each of Na faces the best `neighbours` of Nb pictures.

    Args:
        distances: squared (Na, Nb).
        chances: (Na, 7) how likely each label is for each face.
        labels: (Nb,) labels of the pictures; those below 0 are never retrieved.

    Returns:
        indices (Na, k) and weights (Na, k), rows sum to 1, best first.
    """
    if s.hard_labels:
        chances = np.eye(len(EXPRESSIONS))[chances.argmax(1)]
    nearest = np.median(distances.min(1)) + 1e-6
    cost = distances / (2 * s.softness * nearest)
    with np.errstate(divide="ignore"):
        disbelief = -s.votes * np.log(chances)
    if s.hard_labels:
        disbelief = np.where(chances > 0, 0.0, np.inf)
    cost = cost + np.where(labels >= 0, disbelief[:, labels], np.inf)
    # A label nobody has posed: better a pose of another label than none.
    cost = np.where(np.isfinite(cost).any(1)[:, None], cost, distances)
    k = min(s.neighbours, cost.shape[1])
    best = np.argpartition(cost, k - 1, axis=1)[:, :k]
    order = np.take_along_axis(cost, best, 1).argsort(1)
    best = np.take_along_axis(best, order, 1)
    values = np.take_along_axis(cost, best, 1)
    weights = np.exp(values[:, :1] - values)
    return best, weights / weights.sum(1, keepdims=True)


def match_units(
    faces: Described,
    chances: np.ndarray,
    poses: Described,
    labels: np.ndarray,
    units: np.ndarray,
    controls: tuple[Control, ...],
    s: MatchSettings,
    block: int = 2000,
) -> np.ndarray:
    """Unit values (Na, M) for each face from the retrieved poses' units (Nb, M)."""
    parts = []
    for i in range(0, len(chances), block):
        part = Described(faces.geometry[i : i + block], faces.arkit[i : i + block])
        best, weights = retrieve(
            squared_distances(part, poses, s), chances[i : i + block], labels, s
        )
        found = np.einsum("nk,nkm->nm", weights, units[best])
        if s.refine:
            pose = np.einsum("nk,nkc->nc", weights, poses.arkit[best])
            found = found + s.refine * (
                arkit_to_unit(controls, part.arkit) - arkit_to_unit(controls, pose)
            )
        parts.append(np.clip(found, -1, 1))
    return np.concatenate(parts).astype(np.float32)


def pair_characters(
    primary: Described,
    primary_labels: np.ndarray,
    secondary: Described,
    secondary_labels: np.ndarray,
    s: MatchSettings,
    chances: np.ndarray | None = None,
    perception: np.ndarray | None = None,
) -> np.ndarray:
    """For each pose of the primary the index of the secondary's (ExprGen, section 4.2.2).

    A secondary that SCNN has seen: same label, nearest geometry. One that it has not: the two
    likeliest labels of the primary's picture, ordered by the mean of geometric and perceptual
    distance. Poses without a label pair with poses without one.

    Args:
        chances: (Np, 7) SCNN's probabilities of the primary's pictures, for an unseen secondary.
        perception: (Np, Ns) perceptual distances, likewise.
    """
    cost = np.sqrt(squared_distances(primary, secondary, s))
    if chances is None:
        allowed = primary_labels[:, None] == secondary_labels
    else:
        two = np.argsort(-chances, 1)[:, :2]
        allowed = (two[:, :, None] == secondary_labels).any(1)
        cost = cost if perception is None else (cost + perception) / 2
    allowed |= ~allowed.any(1)[:, None]
    return np.where(allowed, cost, np.inf).argmin(1)


def perceptual_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (Na, Nb) of SCNN's last layer, (Na, 7) and (Nb, 7), each normalised."""
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-9)
    b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-9)
    return np.sqrt(_pairwise(a, b))


@dataclass(frozen=True)
class Mirror:
    """Mirroring of unit values, geometric features and ARKit vectors: columns and signs."""

    controls: np.ndarray
    signs: np.ndarray

    @staticmethod
    def of(controls: tuple[Control, ...]) -> Mirror:
        """From the controls' partners; a middle control that leans to a side changes sign."""
        names = [c.name for c in controls]
        columns = [
            names.index(c.mirror) if c.mirror in names else i for i, c in enumerate(controls)
        ]
        signs = [_sign(c, controls[k]) for c, k in zip(controls, columns, strict=True)]
        return Mirror(np.array(columns, int), np.array(signs, np.float32))

    def units(self, units: np.ndarray) -> np.ndarray:
        """Unit values (..., M) of the mirrored face."""
        return units[..., self.controls] * self.signs


def _sign(control: Control, partner: Control) -> float:
    """-1 where the mirrored motion of `control` is the opposite of its partner's."""
    agreement = sum(
        weight * partner.channels.get(mirror_name(channel), 0.0)
        for channel, weight in control.channels.items()
    )
    return -1.0 if agreement < 0 else 1.0


def mirrored_columns(names: tuple[str, ...]) -> np.ndarray:
    """Column of the other side's value for each name (features or channels)."""
    index = {name: i for i, name in enumerate(names)}
    return np.array([index.get(mirror_name(name), i) for i, name in enumerate(names)], int)


def spread_report(predicted: np.ndarray, posed: np.ndarray, names: tuple[str, ...]) -> dict:
    """How much livelier or flatter predictions (N, M) are than poses (N, M): ratio of deviations.

    Returns {"spread": overall ratio, "flattest": the weakest control and its ratio}; controls that
    are never posed are left out.
    """
    posed_std = posed.std(0)
    moving = posed_std > 0.02
    if not moving.any():
        return {"spread": float("nan"), "flattest": ""}
    ratio = predicted.std(0)[moving] / posed_std[moving]
    flattest = int(ratio.argmin())
    name = np.array(names)[moving][flattest]
    return {"spread": float(np.median(ratio)), "flattest": f"{name} {ratio[flattest]:.2f}"}
