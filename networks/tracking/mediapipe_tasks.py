"""MediaPipe without the plotting library that its own drawings want.

MediaPipe imports matplotlib for a function that draws landmarks, which nobody here calls. With its
own needs that is 25 MB a Python in a release and half a second at each start; so while MediaPipe
loads, empty modules take its place. They are gone afterwards: whoever wants the real one gets it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

PLOTTING = ("matplotlib", "matplotlib.pyplot")

os.environ.setdefault("GLOG_minloglevel", "2")  # the library's start-up chatter is no news


def mediapipe() -> ModuleType:
    """The package, with `tasks.BaseOptions` and `tasks.vision`."""
    with _without_plotting():
        return importlib.import_module("mediapipe")


@contextlib.contextmanager
def _without_plotting() -> Iterator[None]:
    if "mediapipe" in sys.modules or any(name in sys.modules for name in PLOTTING):
        yield
        return
    stand_ins = {name: ModuleType(name) for name in PLOTTING}
    stand_ins["matplotlib"].pyplot = stand_ins["matplotlib.pyplot"]
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in PLOTTING:
            sys.modules.pop(name, None)
