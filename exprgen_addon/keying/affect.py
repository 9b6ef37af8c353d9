"""Valence and arousal as animated custom properties of a character's rig, for who asks for them.

They drive nothing; drivers, geometry nodes, light and sound may follow them.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...networks.track import RigTrack
from ...networks.vocabulary import AFFECT
from ..characters.in_scene import Character, rig_of

GROUP = "Affect"


def property_name(which: str) -> str:
    """The custom property that holds valence or arousal."""
    return f"exprgen_{which}"


def affect_owner(track: RigTrack, character: Character) -> bpy.types.Object | None:
    """The object that gets the properties; None where the track knows no affect, or the character
    has no rig."""
    return rig_of(character) if track.affect is not None else None


def affect_paths() -> list[str]:
    """Data paths of the two properties, in the order of AFFECT."""
    return [f'["{property_name(which)}"]' for which in AFFECT]


def ensure_properties(owner: bpy.types.Object, first: np.ndarray) -> None:
    """Make the properties where they are not, with their range and what they mean.

    Args:
        first: (2,) their values at first.
    """
    what = ("How pleasant what the actor feels looks", "How stirred the actor looks")
    for which, value, text in zip(AFFECT, first, what, strict=True):
        name = property_name(which)
        if name not in owner:
            owner[name] = float(value)
        owner.id_properties_ui(name).update(min=-1.0, max=1.0, description=f"{text}, -1 to 1")
