"""Who can lead and who can follow, and what to do where a network for it is missing; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..characters.profile import SAMPLE_RIGS, RigProfile, sample_characters
from ..errors import ModelError
from .weights_places import find_weights


def can_lead(profile: RigProfile) -> bool:
    """A character can be solved from a face: its 3D-CNN's weights are there."""
    return find_weights("rig_regressor", profile).is_file()


def can_follow(profile: RigProfile, primary: RigProfile) -> bool:
    """A network (C-MLP) leads from the primary to the character."""
    return find_weights("character_mlp", primary, profile).is_file()


def leads(leader: RigProfile, profile: RigProfile) -> bool:
    """One character can be solved from a face, and the other can follow it."""
    return can_lead(leader) and can_follow(profile, leader)


def check_cast(profiles: Sequence[RigProfile]) -> None:
    """Refuse characters that can't be driven, before the long work begins.

    Args:
        profiles: the primary first; may be empty.

    Raises:
        ModelError: the primary can't be solved from a face, or another one can't follow it; the fix
            names who could lead instead.
    """
    if not profiles:
        return
    primary, *others = profiles
    check_lead(primary, others)
    for profile in others:
        check_follow(profile, primary)


def check_lead(primary: RigProfile, others: Iterable[RigProfile] = ()) -> None:
    """Refuse a primary that can't be solved from a face; `others` are asked first to lead instead.

    Raises:
        ModelError: see `check_cast`.
    """
    if can_lead(primary):
        return
    instead = next((p for p in [*others, *sample_characters()] if leads(p, primary)), None)
    fix = f"restore {find_weights('rig_regressor', primary)}"
    if instead is not None:
        fix = f"make {instead.name} the primary and {primary.name} a secondary"
    raise ModelError(
        f"{primary.name} has no network to lead from a face",
        fix=f"{fix}, or train one: exprgen train rig --primary {_word(primary)} ...",
    )


def check_follow(profile: RigProfile, primary: RigProfile) -> None:
    """Refuse a secondary that can't follow the primary.

    Raises:
        ModelError: see `check_cast`.
    """
    if can_follow(profile, primary):
        return
    raise ModelError(
        f"no network leads from {primary.name} to {profile.name}",
        fix=f"leave {profile.name} out, or train one: exprgen train cmlp "
        f"--primary {_word(primary)} --secondary {_word(profile)} ...",
    )


def _word(profile: RigProfile) -> str:
    """A character as the command line takes it."""
    own = profile.path is not None and profile.path.parent != SAMPLE_RIGS
    return str(profile.path) if own else profile.name
