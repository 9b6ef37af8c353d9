"""Which take the next Apply writes to, said where it is not the one that everybody expects."""

from __future__ import annotations

from ...keying.generated import same_reference
from ...keying.take_list import TakeInfo, find_take, takes_in_file
from .. import references
from ..take_pieces import target_take
from .drawing import alert, draw_wrapped


def draw_target(layout, settings) -> None:
    """A line for a take that is new, or another clip's."""
    take = find_take(settings.take)
    if take is None or settings.new_take:
        if takes_in_file():
            name = "a new take" if settings.new_take else f"the new take {settings.take}"
            draw_wrapped(layout, f"Keys go to {name}", "ADD", 30)
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
