"""Who can lead and who can follow, by a network or by channels, and what to do where neither is
there; no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..characters.coverage import missing_parts, plays_by_channels
from ..characters.profile import SAMPLE_RIGS, RigProfile, sample_characters
from ..errors import ModelError
from .weights_places import find_weights


def network_of(profile: RigProfile, primary: RigProfile) -> Path:
    """The weight file that drives a character where the primary leads; it may be missing."""
    if profile.name == primary.name:
        return find_weights("rig_regressor", primary)
    return find_weights("character_mlp", primary, profile)


def by_channels(profile: RigProfile, primary: RigProfile) -> bool:
    """A character is solved by its channels: it has no network in this cast, and needs none."""
    return not network_of(profile, primary).is_file() and plays_by_channels(profile)


def can_lead(profile: RigProfile) -> bool:
    """A character can be solved from a face: by its 3D-CNN, or by its channels."""
    return network_of(profile, profile).is_file() or plays_by_channels(profile)


def can_follow(profile: RigProfile, primary: RigProfile) -> bool:
    """A character can play what the primary plays: by the C-MLP between both, or by its channels,
    from the same face."""
    return network_of(profile, primary).is_file() or plays_by_channels(profile)


def lead_rank(profile: RigProfile) -> int:
    """How well a character leads, to choose one among several: 2 by its network, 1 by its channels,
    0 not at all."""
    return 2 if network_of(profile, profile).is_file() else int(plays_by_channels(profile))


def leads(leader: RigProfile, profile: RigProfile) -> bool:
    """One character can be solved from a face, and the other can follow it."""
    return can_lead(leader) and can_follow(profile, leader)


def refinement(profile: RigProfile, primary: RigProfile) -> str:
    """How a character that is solved by its channels could be refined, or ""."""
    if not by_channels(profile, primary):
        return ""
    if profile.name == primary.name:
        return "a trained 3D-CNN would read more of the face than the tracker tells"
    return f"a trained C-MLP would take over {primary.title}'s own way of showing it"


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
    train = f"train one: exprgen train rig --primary {_word(primary)} ..."
    own = with_landmarks(primary) or train
    if instead is not None:
        fix = f"make {instead.name} the primary and {primary.name} a secondary, or {own}"
    else:
        restored = f"restore {find_weights('rig_regressor', primary)}, or {train}"
        by_hand = _told_by_hand(primary)
        fix = with_landmarks(primary) or (f"{by_hand}, {restored}" if by_hand else restored)
    raise ModelError(
        f"{primary.name} has no network to lead from a face, and {_lacks(primary)}", fix=fix
    )


def check_follow(profile: RigProfile, primary: RigProfile) -> None:
    """Refuse a secondary that can't follow the primary.

    Raises:
        ModelError: see `check_cast`.
    """
    if can_follow(profile, primary):
        return
    else_ = _told_by_hand(profile) or f"leave {profile.name} out"
    raise ModelError(
        f"no network leads from {primary.name} to {profile.name}, and {_lacks(profile)}",
        fix=with_landmarks(profile)
        or f"{else_}, or train one: exprgen train cmlp "
        f"--primary {_word(primary)} --secondary {_word(profile)} ...",
    )


def lacks_landmarks_alone(profile: RigProfile) -> bool:
    """A character whose controls cover a face is not solved by them for want of landmarks."""
    return not profile.landmarks and not missing_parts(profile)


def with_landmarks(profile: RigProfile) -> str:
    """What a character that lacks nothing but its landmarks needs, or ""."""
    if not lacks_landmarks_alone(profile):
        return ""
    return f"find its landmarks, then its channels will do: exprgen landmarks {_word(profile)}"


def _told_by_hand(profile: RigProfile) -> str:
    """How somebody says what the controls of a character of their own make, or ""."""
    if profile.path is None or profile.path.parent == SAMPLE_RIGS or not missing_parts(profile):
        return ""
    return f"give its controls `channels` in {profile.path.name}"


def _lacks(profile: RigProfile) -> str:
    """Why a character can't be solved by its channels."""
    missing = missing_parts(profile)
    if missing:
        return f"no control of it {missing[0]} by a known name or channel"
    return "it has no landmarks to be solved by its channels"


def _word(profile: RigProfile) -> str:
    """A character as the command line takes it."""
    own = profile.path is not None and profile.path.parent != SAMPLE_RIGS
    return str(profile.path) if own else profile.name
