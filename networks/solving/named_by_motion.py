"""What controls stand for whose names tell nothing, by what they move: bones, Rigify's handles.

A sample character knows how each ARKit channel moves a face. The unnamed controls that together
move another face so, in its own proportions, stand for the channel: each with the share that it has
in it. It must not know actors or footage.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ..characters.profile import SAMPLE_RIGS, Control, RigProfile, load_profile
from ..characters.response import ResponseModel, load_response
from ..vocabulary import ARKIT_CHANNELS
from .fit import Fit
from .relations import RELATIONS, by_size, neutral_sizes, relation_weights
from .targets import HOLD, SIZE_LIMITS, WEIGHTS, Geometry, kind_of

TEACHER = "tobi"
"""The sample whose controls are the channels themselves, one each."""
LEAST_SHARE = 0.08
"""Unit value below which a control has no part in a channel."""
ALONE = 1.3
"""How much more than in a performance a control keeps to its rest, so that few make a channel."""
TELLING, LEAST_MOTION = 0.5, 0.4
"""Share of a channel's largest motion from which on a relation tells how far a face can follow, and
the least share of the motion that is then asked for."""
MISSED = 0.6
"""Share of a channel's motion that may be missing; what a rig can't do, no control stands for."""


OF_LIPS = ("lip_gap", "lower_lip", "mouth_outline", "mouth_bend")
"""What the relations are called that tell nothing while the lips were never seen apart: the lower
lip's landmarks then lie on the upper one."""


def named_by_motion(
    profile: RigProfile, model: ResponseModel, lips_known: bool = True
) -> RigProfile:
    """The profile with channels for its unnamed controls; those that its names tell stay as told.

    Args:
        model: the response of the profile's landmarks and controls. lips_known: its landmarks were
            found with the jaw open.
    """
    unnamed = {c.name for c in profile.expression_controls if not c.channels}
    told = {channel for c in profile.controls for channel in c.channels}
    blind = () if lips_known else OF_LIPS
    shares = {c: s for c, s in _shares(profile, model, unnamed, blind).items() if c not in told}
    found = {
        name: {c: round(float(s[i]), 3) for c, s in shares.items() if abs(s[i]) >= LEAST_SHARE}
        for i, name in enumerate(model.controls)
        if name in unnamed
    }
    controls = tuple(replace(c, channels=found.get(c.name) or c.channels) for c in profile.controls)
    return replace(profile, controls=controls)


def _shares(
    profile: RigProfile, model: ResponseModel, free: set[str], blind: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Channel -> unit values (C,) of `model.controls` that make it, those of `free` alone; without
    the channels that they can't make. Relations whose names begin with one of `blind` don't count.
    """
    channels, moved, sizes = _taught()
    geometry = Geometry.of(model, profile)
    response = geometry.response
    moved = np.clip(by_size(neutral_sizes(response.rest) / sizes), *SIZE_LIMITS) * moved
    counts = [0.0 if name.startswith(blind) else WEIGHTS[kind_of(name)] for name in RELATIONS]
    weights = np.tile(counts, (len(moved), 1))
    targets = response.rest + _within_reach(moved, weights, geometry)
    controls = [profile.control(n) for n in model.controls]
    hold = np.array([ALONE * HOLD if c.name in free else np.inf for c in controls])
    low, high = _limits(controls)
    fit = Fit(response, targets, weights, np.zeros((len(targets), len(controls))), hold, low, high)
    units = fit.solve()
    left = (weights * (response.predict(units) - targets)) ** 2
    whole = (weights * (targets - response.rest)) ** 2
    missed = left.sum(1) / np.maximum(whole.sum(1), 1e-12)
    return {c: u for c, u, m in zip(channels, units, missed, strict=True) if m <= MISSED}


def _within_reach(moved: np.ndarray, weights: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Motions (N, K) made smaller, each as a whole, where the face can't go so far: else everything
    that helps a little would be called in."""
    room = np.where(moved < 0.0, -geometry.low, geometry.high)
    felt = np.abs(weights * moved)
    much = felt > TELLING * felt.max(1, keepdims=True)
    share = np.where(much, room / np.maximum(np.abs(moved), 1e-9), 1.0)
    return moved * np.clip(share.min(1, keepdims=True), LEAST_MOTION, 1.0)


def _limits(controls: list[Control]) -> tuple[np.ndarray, np.ndarray]:
    """(C,) each: the least and most unit value."""
    low = np.array([-1.0 if c.minimum < c.rest else 0.0 for c in controls])
    return low, np.array([1.0 if c.maximum > c.rest else 0.0 for c in controls])


@cache
def _taught() -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The channels that the teacher has, how each moves its relations (N, K), and its sizes."""
    teacher = load_profile(SAMPLE_RIGS / f"{TEACHER}.json")
    model = load_response(teacher)
    response = model.through(relation_weights())
    channels = tuple(c for c in ARKIT_CHANNELS if c in model.controls and c != "tongueOut")
    units = np.zeros((len(channels), len(model.controls)))
    for row, channel in enumerate(channels):
        units[row, model.controls.index(channel)] = 1.0
    return channels, response.predict(units) - response.rest, neutral_sizes(response.rest)
