"""Synthetic people of many builds, for performances: `people` with faces that are easily misread.

Low brows look angry, hooded lids tired, a drooping mouth sad, round cheeks merry, though nobody
feels anything. Whoever learns from these people also gets each one's neutral, so that a build is
not taken for an expression.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from .config import CharacterConfig
from .people import HELD_OUT, person

_SINGLE = ("eyebrows-trans-up", "forehead-trans-forward", "head-fat-incr", "head-scale-horiz-incr",
           "head-scale-vert-incr", "chin-width-incr", "nose-point-width-incr")  # fmt: skip
_SIDED = ("cheek-inner-incr", "eye-height2-incr", "eye-eyefold-angle-up", "eye-epicanthus-out")
_LIPS = ("mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr", "mouth-upperlip-height-incr",
         "mouth-lowerlip-height-incr")  # fmt: skip


def performer(seed: int, number: int, lower_brows: float = 0.0) -> CharacterConfig:
    """The configuration of one performer; the same for the same seed and number.

    Args:
        lower_brows: metres by which the brows lie lower than the base mesh has them.
    """
    plain = person(seed, number)
    rng = np.random.default_rng([seed, number, 21])
    return replace(
        plain,
        name=f"performer_{number:03d}",
        title=f"Performer {number}",
        local=_shapes(rng, plain.local),
        style=replace(
            plain.style,
            eye_open=float(rng.uniform(0.0, 0.5)),
            smile=float(rng.uniform(-0.04, 0.18)),
            strength=float(rng.uniform(0.35, 0.75)),
            brow_scale=float(rng.uniform(0.75, 1.05)),
            jaw_width=float(rng.uniform(0.93, 1.07)),
            mouth_scale=float(rng.uniform(0.92, 1.06)),
        ),
        brow=replace(
            plain.brow,
            lift=float(rng.uniform(-0.0045, 0.003)) - lower_brows,
            inner_lift=float(rng.uniform(-0.0015, 0.0015)),
        ),
    )


def _shapes(rng: np.random.Generator, local: dict[str, float]) -> dict[str, float]:
    """Local changes of the face on top of a person's, both sides alike."""
    out = dict(local) | {name: float(rng.uniform(-0.4, 0.4)) for name in _SINGLE}
    for name in _SIDED:
        out[f"l-{name}"] = out[f"r-{name}"] = float(rng.uniform(-0.4, 0.4))
    thin = float(rng.uniform(-0.3, 0.15))
    return out | {name: local[name] + thin for name in _LIPS}


def is_held_out(number: int) -> bool:
    """Whether a performer is for validation, with all clips and stills."""
    return number % HELD_OUT == HELD_OUT - 1


def performer_profile(seed: int, number: int, folder: Path, lower_brows: float = 0.0) -> RigProfile:
    """A performer's profile, built once in `folder`; the open file is given up."""
    from .assemble import build_once

    config = performer(seed, number, lower_brows)
    return build_once(config, folder / config.name)
