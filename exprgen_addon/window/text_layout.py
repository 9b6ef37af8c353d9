"""Text for narrow places: lines that fit, and times as a person says them. No Blender."""

from __future__ import annotations

import textwrap


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters; a longer word, such as a path, is broken."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def clock(seconds: float) -> str:
    """Seconds as a person says them."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min" if whole >= 60 else f"{whole} s"
