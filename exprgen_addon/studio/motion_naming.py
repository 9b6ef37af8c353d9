"""A rig whose names don't tell a face: what its controls stand for is seen in what they move.

It needs landmarks, and landmarks of the lips need a control that opens the jaw: so the face is
looked at twice, the second time with the jaw that the first look has shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...networks.characters.coverage import missing_parts
from ...networks.characters.profile import RigProfile
from ...networks.characters.response import load_response
from ...networks.errors import InputError
from .landmark_finding import Locate, Placement, open_jaw, place_landmarks
from .response import measure_response

Progress = Callable[[int, int], None]


def place_on_any(
    profile: RigProfile, locate: Locate, points: dict | None, progress: Progress | None = None
) -> Placement:
    """`place_landmarks`, once more with the jaw open where no name told what opens it.

    Raises:
        InputError, UsageError: see there.
    """
    placed = place_landmarks(profile, locate, points)
    if points is not None or open_jaw(profile) is not None:
        return placed
    from ...networks.solving.named_by_motion import named_by_motion

    alone = measure_response(placed.profile, progress, stop=lambda: True)  # no pairs are needed
    named = named_by_motion(placed.profile, alone, lips_known=False)
    if open_jaw(named) is None:
        return placed
    again = place_landmarks(named, locate)
    return replace(again, profile=replace(again.profile, controls=profile.controls))


def named_where_names_say_nothing(profile: RigProfile) -> tuple[RigProfile, str]:
    """The profile with channels by motion where those that its names tell don't cover a face, and a
    line about it; as it is, and "", where they do or where its response is not known."""
    if not missing_parts(profile):
        return profile, ""
    from ...networks.solving.named_by_motion import named_by_motion

    try:
        named = named_by_motion(profile, load_response(profile))
    except InputError:
        return profile, ""
    before = {c.name for c in profile.controls if c.channels}
    count = sum(bool(c.channels) and c.name not in before for c in named.controls)
    text = f"what {count} controls of {profile.name} stand for was seen in what they move"
    return named, text if count else ""
