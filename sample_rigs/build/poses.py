"""What the sample characters add to the key poses of `networks/characters/key_poses.py`:
corrections made by looking, and pupils.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...networks.characters.key_poses import POSES, arkit_weights, label
from ...networks.errors import UsageError
from ...networks.vocabulary import ARKIT_INDEX

__all__ = ["IRIS", "POSES", "Edits", "arkit_weights", "edited_poses", "is_channel", "label"]

IRIS = {"fear": 1.0, "surprise": 0.3, "anger": 0.3, "joy": -0.35, "sadness": -0.15}
"""Unit value of `iris_small` for characters that have it: pupils shrink in fright."""


Edits = Mapping[str, Mapping[str, float]]
"""Pose name -> channel or control -> value: a character's corrections of POSES."""


def edited_poses(edits: Edits) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """POSES with a character's corrections: name -> (ARKit channels, unit values of controls).

    An entry of `edits` replaces the channel's weight (without a side: on both sides, also where the
    pose has sides); 0 takes it out. What is no ARKit channel names a control of the character,
    whose unit value it sets whatever the channels say.

    Raises:
        UsageError: `edits` names a pose that is not in POSES.
    """
    unknown = set(edits) - set(POSES)
    if unknown:
        raise UsageError(f"there is no key pose {min(unknown)!r}", fix="use a name of POSES")
    out = {}
    for name, pose in POSES.items():
        channels, controls = dict(pose), {}
        for key, value in edits.get(name, {}).items():
            if not is_channel(key):
                controls[key] = value
                continue
            for side in ("Left", "Right"):
                channels.pop(key + side, None)
            channels[key] = value
        out[name] = channels, controls
    return out


def is_channel(name: str) -> bool:
    """Whether `name` is an ARKit channel, with its side or without."""
    return name in ARKIT_INDEX or name + "Left" in ARKIT_INDEX
