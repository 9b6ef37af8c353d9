"""Tracks as takes of Live Link Face: what an actor did, or what a character does.

The file itself is in networks/footage/live_link.py. It needs no Blender.
"""

from __future__ import annotations

from pathlib import Path

from ...networks.characters.coverage import missing_parts
from ...networks.characters.profile import RigProfile
from ...networks.errors import UsageError
from ...networks.footage.live_link import CoefficientTake
from ...networks.track import FaceTrack, RigTrack


def seen_in(path: str | Path) -> CoefficientTake:
    """The coefficients of a FaceTrack's file.

    Raises:
        InputError: it is no FaceTrack.
    """
    from ...networks.solving.coefficients import seen_take

    return seen_take(FaceTrack.load(path))


def shown_by(path: str | Path, profile: RigProfile) -> CoefficientTake:
    """What a character does in a RigTrack's file, as coefficients.

    Raises:
        InputError: it is no RigTrack. UsageError: it is another character's, or the character's
        controls don't stand for a face's channels.
    """
    from ...networks.solving.coefficients import take_of

    track = RigTrack.load(path)
    if track.character != profile.name:
        fix = f"give --character {track.character}"
        raise UsageError(f"is a track of {track.character!r}", file=path, fix=fix)
    if missing := missing_parts(profile):
        raise UsageError(
            f"no control of {profile.name} {missing[0]} by a known name or channel",
            file=profile.path,
            fix="give its controls `channels` in the profile",
        )
    return take_of(track, profile)
