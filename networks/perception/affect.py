"""The affect reader with the weights that are there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ..inference.affect_reader import AffectReader
from ..inference.opening import opened
from ..models.weights_places import find_weights


def affect_reader() -> AffectReader | None:
    """The affect reader, opened once; None without its weights.

    Raises:
        ModelError: the file is damaged.
    """
    return _opened(find_weights("affect_reader"))


@cache
def _opened(path: Path) -> AffectReader | None:
    return opened(AffectReader, path, "affect_reader") if path.is_file() else None
