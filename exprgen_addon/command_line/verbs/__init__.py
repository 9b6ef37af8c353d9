"""The verbs of the command line, a file each; adding a file is all there is to it.

A verb has NAME, ORDER (its place in the list of commands), HELP (one line), `add_arguments(parser)`
and `run(args, console) -> exit code`.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def verbs() -> list[ModuleType]:
    """All verbs, in the order in which they are listed."""
    names = [m.name for m in pkgutil.iter_modules(__path__)]
    found = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return sorted(found, key=lambda verb: verb.ORDER)
