"""Text for narrow places: lines that fit, and times as a person says them. No Blender."""

from __future__ import annotations

import textwrap


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters; a longer word, such as a path, is broken."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def shortened(name: str, width: int) -> str:
    """At most `width` letters; of a longer name the middle is left out, for names that begin alike
    differ at their ends."""
    if len(name) <= width:
        return name
    end = width // 3
    return f"{name[: width - 1 - end]}…{name[len(name) - end :]}"


def clock(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min" if whole >= 60 else f"{whole} s"
