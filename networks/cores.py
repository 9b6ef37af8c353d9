"""How many cores a process may use: all of the machine's, or as many as it was told; and work of
which each thread does its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

CORES_VARIABLE = "EXPRGEN_CORES"


def cores() -> int:
    """$EXPRGEN_CORES, else the machine's cores; at least 1.

    The variable lets several shots of a batch, or a farm's slots, share a machine.
    """
    with_variable = os.environ.get(CORES_VARIABLE, "")
    if with_variable.isdecimal() and int(with_variable):
        return int(with_variable)
    return os.cpu_count() or 1


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Within, whoever computes does so in its own thread alone: two faces side by side keep two
    cores busier than one face shared by both, and leave the tracker its turn. OpenBLAS's helpers
    would also spin for a while after the smallest product, and hold a core."""
    import cv2
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        cv2.setNumThreads(before)
