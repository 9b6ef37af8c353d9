"""Which take the next Apply writes to, said where it is not the one that everybody expects."""

from __future__ import annotations

from ...keying.generated import same_reference
from ...keying.take_list import TakeInfo, find_take, takes_in_file
from .. import references
from ..take_pieces import usual_target
from ..text_layout import wrapped
from .drawing import alert, draw_lines, draw_wrapped

WIDTH = 30
"""Letters of a line beside an icon."""


def apply_text(settings) -> str:
    """The button's text, which tells of a new take that was asked for: a line above the button
    would push what asks for it away from under the mouse."""
    return "Apply to a New Take" if settings.new_take and takes_in_file() else "Apply"


def draw_target(layout, settings) -> None:
    """A line or more for a shown take that the keys don't go to, or that is another clip's. Where a
    new take is asked for, what is said instead takes as many: nothing moves under the mouse."""
    text, alarming = _told(settings)
    if not text:
        return
    if settings.new_take and find_take(settings.take) is not None:
        draw_lines(layout, _as_many(f"{settings.take} stays as it is", wrapped(text, WIDTH)), "ADD")
    elif alarming:
        alert(layout, text)
    else:
        draw_wrapped(layout, text, "ADD", WIDTH)


def _told(settings) -> tuple[str, bool]:
    """What an Apply does where that is not plain, "" where it is; whether keys are lost by it."""
    take = find_take(settings.take)
    if take is None:
        return (f"Keys go to the new take {settings.take}" if takes_in_file() else ""), False
    if take.is_live or take.about.parts:
        target = usual_target(settings)
        follows = f"; {take.name} follows" if target in take.about.parts.values() else ""
        return f"Keys go to {target}{follows}", False
    if take.about.source and not _is_of(take, settings):
        return f"{take.name} is of {take.clip}: its keys in the range are replaced", True
    return "", False


def _as_many(text: str, lines: list[str]) -> list[str]:
    """A text in as many lines as others are; nothing of it where they are too few."""
    own = wrapped(text, WIDTH)
    return [*(own if len(own) <= len(lines) else []), *[""] * len(lines)][: len(lines)]


def _is_of(take: TakeInfo, settings) -> bool:
    return same_reference(take.about.source, references.identity(settings))
