"""The panel in the 3D view's sidebar: a file a part; adding a file is all there is to it.

Parts stand in the order of the work (`bl_order`) and are foldable. They only look: they read
settings, files that are kept open, and the queue of jobs.
"""

from __future__ import annotations

import importlib
import pkgutil


def modules() -> list:
    """The parts' modules, by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}") for name in names]


def classes() -> tuple[type, ...]:
    """All classes of the panel, in the order in which they are registered."""
    return tuple(c for module in modules() for c in getattr(module, "classes", ()))
