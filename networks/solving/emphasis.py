"""Perceptual emphasis: a pose drawn towards key poses of what the face was perceived to express.

A regression answers the mean of the poses that go with a face, which is weaker than each and reads
less surely (Aneja et al. 2018, 5.3, name ambiguous poses as a cause of failure). EMOCA (Danecek et
al. 2022, 3.2) answers the same weakness with a loss that asks the rendered face to keep the emotion
of the picture. Here it is answered with what every character has: its labelled key poses. The pose
is drawn to those of the perceived expression that it already resembles, so that a closed smile
stays closed, and never away from poses that an animator has made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..characters.profile import Control, KeyPose, to_unit
from ..vocabulary import EXPRESSIONS, NEUTRAL

SHARPEN = 4.0
"""Exponent on the perceived probabilities: a mixture of key poses of several expressions reads as
none of them, so the likeliest counts more than its share (0.5 against 0.25 is 0.94 to 0.06)."""

SHARPEN_STILLS = 16.0
"""The same for single pictures: no face has to pass from one expression into the next, and half of
each of two reads as neither."""

LIFT = 0.6
"""Exponent on the intensity that a pose has of a key pose: 0.3 is drawn to 0.49, 0.6 to 0.74."""

STRONG = 75
"""Percentile of the key poses' sizes that counts as a strong one; subtle key poses are as much a
guide to what moves, but not to how far."""

GUIDE = 6.0
"""Exponent on a key pose's strength and clarity where an expression is perceived for certain: of
half the strength, or named right by half of its viewers, it has a 64th of the say."""

USED = 0.1
"""Unit value from which on a key pose counts as using a control."""

LEAST_CLARITY = 0.05
"""What a key pose counts that no viewer names right: where there is no other it still guides."""

KERNEL = 0.02
"""Width of the resemblance: share of the median squared distance between key poses."""


def emphasise(
    units: np.ndarray,
    perceived: np.ndarray,
    controls: tuple[Control, ...],
    poses: tuple[KeyPose, ...],
    amount: float | np.ndarray,
    calm: float = 0.0,
    sharpen: float = SHARPEN,
) -> np.ndarray:
    """Draw poses towards the key poses of the perceived expressions.

    Each expression pulls with `amount` times its sharpened probability; expressions without a key
    pose don't pull. Neutral pulls towards what its key poses hold of the pose, with
    `calm` as a further factor.

    Args:
        units: (N, M) unit values of `controls`. perceived: (N, 7) probabilities.
        poses: the character's labelled key poses. amount: 0 (nothing changes) .. 1,
            one for all or (N, M).
        calm: 0 for a face whose neutral is known, since what is left after calibration is motion
            (speech looks neutral too) .. 1 for one whose build is not known from its motion.
        sharpen: exponent on the probabilities.

    Returns:
        (N, M) unit values, between the given ones and the key poses, subtle ones as large as
        strong ones.
    """
    return Guides.of(controls, poses).emphasise(units, perceived, amount, calm, sharpen)


@dataclass(frozen=True)
class Guides:
    """A character's key poses as `emphasise` needs them.

    targets: of each expression, (K, M) unit values; clarity: likewise (K,); shuts: (M,), see
    `lid_closing`; brows: (M,) bool, what moves them.
    """

    targets: tuple[np.ndarray, ...]
    clarity: tuple[np.ndarray, ...]
    shuts: np.ndarray
    brows: np.ndarray

    @staticmethod
    def of(controls: tuple[Control, ...], poses: tuple[KeyPose, ...]) -> Guides:
        """Those of `controls` (M)."""
        sorted_poses = [[p for p in poses if p.expression == e] for e in EXPRESSIONS]
        found = [key_pose_units(controls, own) for own in sorted_poses]
        targets, clarity = zip(*found, strict=True)
        brows = np.array([c.region == "brow" for c in controls], bool)
        return Guides(targets, clarity, lid_closing(controls), brows)

    def emphasise(
        self,
        units: np.ndarray,
        perceived: np.ndarray,
        amount: float | np.ndarray,
        calm: float = 0.0,
        sharpen: float = SHARPEN,
    ) -> np.ndarray:
        """As the function `emphasise`."""
        return _drawn(np.asarray(units, float), perceived, self, amount, calm, sharpen)


def _drawn(
    units: np.ndarray,
    perceived: np.ndarray,
    guides: Guides,
    amount: float | np.ndarray,
    calm: float,
    sharpen: float,
) -> np.ndarray:
    perceived = np.asarray(perceived, float) ** sharpen
    perceived = perceived / perceived.sum(1, keepdims=True)
    drawn, shuts = units.copy(), guides.shuts
    amount = np.broadcast_to(amount, units.shape)
    for index in range(len(EXPRESSIONS)):
        targets, clarity = guides.targets[index], guides.clarity[index]
        chance = perceived[:, index]
        neutral = index == NEUTRAL
        chance = chance * (calm if neutral else 1.0)
        if not len(targets) or not amount.any() or not chance.any():
            continue
        # However little of it the regression has found, an expression that is perceived for certain
        # is shown strongly: a crying face with the mouth of a smile is still a sad one.
        goal = resembling(units, targets, chance * (not neutral), clarity, shuts)
        # Not of brows: whether inner ends are raised further than outer ones is what tells fear
        # from surprise (FACS: AU 1 with 4, or with 2), and a mean over both has them so.
        if not neutral:
            goal = np.where(guides.brows, goal, at_least(units, goal))
        drawn += amount * chance[:, None] * (goal - units)
    return drawn


def lid_closing(controls: tuple[Control, ...]) -> np.ndarray:
    """(M,) the sign of the unit value by which a control shuts an eye; 0 for those that don't."""
    shuts = [sum(w for name, w in c.channels.items() if "eyeBlink" in name) for c in controls]
    return np.sign(np.array(shuts, float))


def at_least(units: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The goal (N, M), with whatever a pose does already more of, in the same direction: a mouth
    that is wider open than any key pose has it is no weaker surprise."""
    more = (goal * units > 0) & (np.abs(units) > np.abs(goal)) & (np.abs(goal) > USED)
    return np.where(more, units, goal)


def key_pose_units(
    controls: tuple[Control, ...], poses: list[KeyPose]
) -> tuple[np.ndarray, np.ndarray]:
    """(K, M) unit values of the key poses and (K,) their clarity; those at rest are left out."""
    rest = {c.name: c.rest for c in controls}
    rows = [[(rest | pose.values)[c.name] for c in controls] for pose in poses]
    targets = to_unit(controls, np.array(rows, float).reshape(-1, len(controls)))
    moved = (targets**2).sum(1) > 1e-6
    return targets[moved], np.array([pose.clarity for pose in poses], float)[moved]


def resembling(
    units: np.ndarray,
    targets: np.ndarray,
    least: np.ndarray,
    clarity: np.ndarray,
    shuts: np.ndarray,
) -> np.ndarray:
    """(N, M) mean of the key poses (K, M) that each pose (N, M) resembles, at a lifted intensity.

    How much of a key pose a pose has is its projection on it; how little it resembles it, what is
    left over. `least` (N,) is the intensity below which no pose is drawn, as a share of the strong
    ones among the key poses. `clarity` (K,) of the key poses, 0..1. `shuts` (M,): see
    `lid_closing`; how far an eye is shut decides nothing here, or a lowered glance would choose the
    open mouth of a sobbing pose.
    """
    seen, poses = (np.where(x * shuts > 0, 0.0, x) for x in (units, targets))
    length = np.maximum((poses**2).sum(1), 1e-6)
    share = np.clip(seen @ poses.T / length, 0.0, 1.0)
    left = (seen**2).sum(1)[:, None] - 2 * share * (seen @ poses.T) + share**2 * length
    between = length[:, None] + length[None] - 2 * poses @ poses.T
    width = KERNEL * np.median(between[between > 1e-6]) if (between > 1e-6).any() else 1.0
    nearness = np.exp(-(left - left.min(1, keepdims=True)) / (2 * width))
    length = np.sqrt((targets**2).sum(1))
    strong = np.percentile(length, STRONG) / length
    # The surer the perception, the less a subtle or unclear key pose is a guide, however near it
    # is: a hand before an open mouth looks like a closed one.
    say = np.minimum(1 / strong, 1.0) * np.maximum(clarity, LEAST_CLARITY)
    nearness *= say ** (GUIDE * least[:, None])
    nearness /= nearness.sum(1, keepdims=True)
    most = 1.0 / np.abs(targets).max(1)
    shown = np.maximum(share**LIFT, np.minimum(least[:, None] * strong, np.maximum(most, 1.0)))
    return (nearness * shown) @ targets
