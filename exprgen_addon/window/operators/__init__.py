"""Operators, one file a job, each with a tuple `classes`; adding a file is all there is to it."""

from __future__ import annotations

import importlib
import pkgutil


def modules() -> list:
    """The operator modules, by name."""
    return [
        importlib.import_module(f"{__name__}.{m.name}")
        for m in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name)
    ]


def classes() -> tuple[type, ...]:
    """All operator classes, in the order in which they are registered."""
    return tuple(c for module in modules() for c in module.classes)
