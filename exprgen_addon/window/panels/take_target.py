"""Which take the next Apply writes to, said where it is not the one that everybody expects."""

from __future__ import annotations

from ...keying.generated import same_reference
from ...keying.take_list import TakeInfo, find_take, takes_in_file
from .. import references
from ..take_pieces import target_take
from .drawing import alert, draw_wrapped


def apply_text(settings) -> str:
    """The button's text, which tells of a new take that was asked for: a line above the button
    would push what asks for it away from under the mouse."""
    return "Apply to a New Take" if settings.new_take and takes_in_file() else "Apply"


def draw_target(layout, settings) -> None:
    """A line for a take that has a new name, or is another clip's."""
    if settings.new_take:
        return
    take = find_take(settings.take)
    if take is None:
        if takes_in_file():
            draw_wrapped(layout, f"Keys go to the new take {settings.take}", "ADD", 30)
    elif take.is_live:
        draw_wrapped(layout, f"Keys go to {target_take(settings)}", "ADD", 30)
    elif take.about.parts:
        target = target_take(settings)
        follows = f"; {take.name} follows" if target in take.about.parts.values() else ""
        draw_wrapped(layout, f"Keys go to {target}{follows}", "ADD", 30)
    elif take.about.source and not _is_of(take, settings):
        alert(layout, f"{take.name} is of {take.clip}: its keys in the range are replaced")


def _is_of(take: TakeInfo, settings) -> bool:
    return same_reference(take.about.source, references.identity(settings))
