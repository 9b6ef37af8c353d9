"""Who leads and who follows, and what stands in the way: quick enough for every redraw to ask.

Reads profiles once and looks whether weight files are there; binds no rig, as `application` does.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy

from ...networks.characters.profile import (
    RigProfile,
    find_character,
    load_profile,
    sample_characters,
)
from ...networks.errors import ExprGenError
from ...networks.models import playable
from .in_scene import CHARACTER_TAG, PROFILE_TAG, collections_in, tag_of

_profiles: dict[tuple, RigProfile] = {}
_samples: list[RigProfile] = []


def samples() -> list[RigProfile]:
    """The sample characters, read once; none where one is damaged (`doctor` tells which)."""
    if not _samples:
        with contextlib.suppress(ExprGenError):
            _samples.extend(sample_characters())
    return _samples


def profile_of(collection: bpy.types.Collection) -> RigProfile | None:
    """A character's profile, read once as long as its file is the same; None if it is gone."""
    path, name = (tag_of(collection, tag) for tag in (PROFILE_TAG, CHARACTER_TAG))
    try:
        key = (path, Path(path).stat().st_mtime_ns) if path else (name,)
        if key not in _profiles:
            _profiles[key] = load_profile(path) if path else find_character(key[0])
        return _profiles[key]
    except (OSError, ValueError, ExprGenError):
        return None


def can_lead(profile: RigProfile | None) -> bool:
    """It can be solved from a face, by its rig regressor or by its channels."""
    return profile is not None and playable.can_lead(profile)


def refinement(collection: bpy.types.Collection, scene: bpy.types.Scene) -> str:
    """What training would add to a character that is solved by its channels, or ""."""
    profile, lead = profile_of(collection), primary_collection(scene)
    primary = lead and profile_of(lead)
    return playable.refinement(profile, primary) if profile and primary else ""


def _lead_rank(collection: bpy.types.Collection) -> int:
    profile = profile_of(collection)
    return playable.lead_rank(profile) if profile else 0


def primary_collection(scene: bpy.types.Scene) -> bpy.types.Collection | None:
    """The character that is solved first, as `application.primary_of` chooses it."""
    chosen = scene.exprgen.primary
    present = collections_in(scene)
    if chosen in present:
        return chosen
    return max(present, key=_lead_rank, default=None)


def network_there(collection: bpy.types.Collection, scene: bpy.types.Scene) -> bool:
    """What drives a character in this scene is there."""
    return not refusal_of(collection, scene)


def refusal(scene: bpy.types.Scene) -> str:
    """Why the characters that are switched on can't be driven, or ""."""
    present = collections_in(scene)
    driven = [c for c in present if c.exprgen.enabled]
    if present and not driven:
        return "Tick a character to be driven"
    lead = primary_collection(scene)
    asked = driven if lead is None or lead in driven else [lead, *driven]
    # One whose profile is gone is skipped by name; the others wait for nobody.
    there = [c for c in asked if c == lead or profile_of(c) is not None] or asked
    return next(filter(None, (refusal_of(c, scene) for c in there)), "")


def refusal_of(collection: bpy.types.Collection, scene: bpy.types.Scene) -> str:
    """Why a character can't be driven in this scene, and what to do, or ""."""
    profile, lead = profile_of(collection), primary_collection(scene)
    if profile is None:
        return f"{collection.name}'s profile is gone: restore it, or remove {collection.name}"
    primary = profile_of(lead)
    if primary is not None and primary.name == profile.name:
        return "" if can_lead(profile) else _without_lead(collection, profile, scene)
    if primary is None or playable.can_follow(profile, primary):
        return ""
    lacks = playable.lacks_landmarks_alone(profile)
    mend = "find its landmarks (New Character)" if lacks else "train one"
    return (
        f"No network leads from {lead.name} to {collection.name}: {mend}, or switch "
        f"{collection.name} off"
    )


def _without_lead(collection, profile: RigProfile, scene: bpy.types.Scene) -> str:
    """It leads, but can't: who could instead."""
    problem = f"{collection.name} can't be solved from a face"
    for other in collections_in(scene):
        if (found := profile_of(other)) is not None and playable.leads(found, profile):
            return f"{problem}: make {other.name} the primary, {collection.name} then follows"
    for sample in samples():
        if playable.leads(sample, profile):
            return f"{problem}: add {sample.title}, {collection.name} then follows"
    if playable.lacks_landmarks_alone(profile):
        return f"{problem}: find its landmarks (New Character)"
    return f"{problem}: train its network (New Character)"


def forget() -> None:
    """Let go of what was read."""
    _profiles.clear()
    _samples.clear()
