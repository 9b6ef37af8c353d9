"""Memory that a long-lived process holds and no longer needs goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def give_back() -> None:
    """Free what only holds itself, and hand freed pages back.

    Networks, trackers and decoders lie in rings of references. Python looks for those when many
    objects have been made, which they are not: a network of 20 MB is one. And glibc keeps what
    short-lived threads freed, in a pool a thread. Of an analysis of 1,152 frames 200 MB stayed.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)
