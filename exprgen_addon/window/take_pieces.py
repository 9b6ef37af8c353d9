"""Which takes an Apply or a Punch In keys: each with what it is of and the parts that go to it.

Needs bpy. It only looks; `applying` has it solved and writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import bpy

from ...networks.errors import InputError, UsageError
from ..keying.generated import same_reference
from ..keying.parts import PART_NAMES, PARTS
from ..keying.take_list import About, TakeInfo, find_take, free_take, need_take, take_for
from . import references


@dataclass(frozen=True)
class Piece:
    """What of one take is keyed. about: what it is of; parts: see `keying.parts.PARTS`; folder: of
    the tracks that are solved for it."""

    take: str
    about: About
    parts: tuple[str, ...] = tuple(PARTS)
    folder: str = ""


def about_now(settings) -> About:
    """What a take is of that the scene's reference is applied to."""
    source = references.identity(settings)
    return About(source, settings.reference, settings.track, settings.start_frame)


def target_take(settings) -> str:
    """The take that an apply writes to."""
    take = usual_target(settings)
    return free_take(take) if settings.new_take else take


def usual_target(settings) -> str:
    """The same where no new one is asked for: of a combined one, the one that its mouth, or another
    part, has from this reference; where a live one is shown, the reference's own."""
    take = settings.take or "Take"
    found = find_take(take)
    if found is not None and found.about.parts:
        of = [found.about.parts.get("mouth", ""), *found.about.parts.values()]
        source = references.identity(settings)
        own = (t for name in of if (t := find_take(name)) is not None)
        own = (t.name for t in own if same_reference(t.about.source, source))
        take = next(own, "") or free_take("Take")
    elif found is not None and found.is_live:
        take = take_for(references.identity(settings), take)
    return take


def punched_pieces(settings, parts: Iterable[str]) -> tuple[list[Piece], tuple[str, ...]]:
    """(what of the shown take is keyed anew, what a person should know of the rest).

    Each part of a combined take goes to the take that it is from, and is solved from that one's
    own clip.

    Raises:
        UsageError: there is no such take, or nothing of it can be keyed anew. InputError: a clip's
        analysis is gone.
    """
    shown = need_take(settings.take)
    if not shown.about.parts:
        return [Piece(shown.name, _punched_about(settings, shown, own=True), tuple(parts))], ()
    by_take: dict[str, list[str]] = {}
    for part in parts:
        by_take.setdefault(shown.about.parts.get(part, ""), []).append(part)
    pieces, left = [], []
    for take, of in by_take.items():
        found = find_take(take)
        if why := _why_left(take, found):
            left.append(f"{', '.join(PART_NAMES[p] for p in of)}: as before, {why}")
        else:
            pieces.append(Piece(take, _punched_about(settings, found), tuple(of)))
    if not pieces:
        raise UsageError("nothing here can be keyed anew: " + "; ".join(left))
    return pieces, tuple(left)


def track_of(about: About) -> Path | None:
    """The file of the analysis that a take is of."""
    return Path(bpy.path.abspath(about.track)) if about.track else None


def _why_left(take: str, found: TakeInfo | None) -> str:
    if found is None:
        return f"the take {take} is gone"
    return f"{take} was recorded live" if found.is_live else ""


def _punched_about(settings, take: TakeInfo, own: bool = False) -> About:
    """What a take is keyed anew of: its own clip, by the scene's analysis where it is of that one.

    Args:
        own: the scene's clip whatever it was of.
    """
    now, about = about_now(settings), take.about
    if same_reference(about.source, now.source):
        return replace(now, start_frame=about.start_frame) if about.made else now
    if own:
        return now
    track = track_of(about)
    if track is None or not track.is_file():
        fix = f"show the take {take.name} and analyse its clip again"
        raise InputError("the analysis is gone", file=track or take.clip, fix=fix)
    return replace(about, made="", parts={}, muted=())
