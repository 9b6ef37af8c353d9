"""The end by force of a command that was told to end and is still inside a long step of Blender's.

Ctrl-C is a KeyboardInterrupt, which Python raises once it is at work again: a picture that renders
or a file that opens may take longer than anybody waits. What the command was writing is removed, as
are its temporary folder and the processes that it started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from ...networks.errors import EXIT_INTERRUPTED
from ...networks.files import SCRATCH, drop_unfinished
from ..engine.worker_process import children

PATIENCE = 1.0
"""Seconds that a command has to end by itself."""


class LastResort:
    """A clock that ends the process unless it is stopped in time."""

    def __init__(self) -> None:
        self._clock: threading.Timer | None = None

    def start(self) -> None:
        """Begin to count; once is enough."""
        if self._clock is None:
            self._clock = threading.Timer(PATIENCE, end_at_once)
            self._clock.daemon = True
            self._clock.start()

    def stop(self) -> None:
        """The command has ended by itself."""
        if self._clock is not None:
            self._clock.cancel()


def end_at_once() -> None:
    """End this process and all that it has started; leave nothing half written."""
    for child in list(children):
        with contextlib.suppress(OSError):
            child.kill()
    drop_unfinished()
    with contextlib.suppress(OSError, ValueError):
        print("interrupted", file=sys.stderr)
    own = Path(tempfile.gettempdir())
    if own.name.startswith(SCRATCH):  # see own_folder.py
        shutil.rmtree(own, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(EXIT_INTERRUPTED)
