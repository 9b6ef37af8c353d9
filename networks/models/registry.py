"""Networks by name: each network's file registers its own entry point, nothing is listed here."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from torch import nn

_ENTRY_POINTS: dict[str, Callable[..., nn.Module]] = {}
_ENTRY_POINT = re.compile(r"^@register_network\s+def (\w+)\(", re.MULTILINE)


def register_network(entry_point: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Decorator: make `entry_point` known to `build_network` by its function name."""
    _ENTRY_POINTS[entry_point.__name__] = entry_point
    return entry_point


def network_names() -> tuple[str, ...]:
    """The names that `build_network` takes, sorted; imports none of them, nor torch."""
    return tuple(sorted({n for path in _network_files() for n in _named(path)} | {*_ENTRY_POINTS}))


def build_network(name: str, **config) -> nn.Module:
    """A new network by the name of its entry point, for example `build_network("hcnn")`.

    Raises:
        UsageError: no network of this name, or its entry point does not take this config.
    """
    if name not in _ENTRY_POINTS:
        _import_network_files()
    if name not in _ENTRY_POINTS:
        raise UsageError(
            f"there is no network {name!r}", fix=f"use one of {', '.join(network_names())}"
        )
    try:
        return _ENTRY_POINTS[name](**config)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"network {name!r} does not take this config ({error})",
            fix="use the arguments of its entry point",
        ) from error


def _import_network_files() -> None:
    # Found by reading the sources, so that a new network edits no list (house rule 4) and looking
    # one up does not import the tracker and its heavy libraries.
    for path in _network_files():
        importlib.import_module(f".{path.stem}", __package__)


def _network_files() -> list[Path]:
    here = Path(__file__)
    others = (path for path in sorted(here.parent.glob("*.py")) if path != here)
    return [path for path in others if _named(path)]


def _named(path: Path) -> list[str]:
    """The entry points that a file registers."""
    return _ENTRY_POINT.findall(path.read_text(encoding="utf-8"))
