"""How many cores a process may use: all of the machine's, or as many as it was told."""

from __future__ import annotations

import os

CORES_VARIABLE = "EXPRGEN_CORES"


def cores() -> int:
    """$EXPRGEN_CORES, else the machine's cores; at least 1.

    The variable lets several shots of a batch, or a farm's slots, share a machine.
    """
    with_variable = os.environ.get(CORES_VARIABLE, "")
    if with_variable.isdigit() and int(with_variable):
        return int(with_variable)
    return os.cpu_count() or 1
