"""Whose a temporary file is: names that tell the process that made it, and whether it still runs.

What a killed process left can so be removed without touching what another one is at work on.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
from pathlib import Path

_TOKEN = re.compile(r"~([0-9a-f]{6})-(\d+)-(\d+)-[0-9a-f]{6}")


def token() -> str:
    """A new part of a name: this machine, this process, when it began, and chance."""
    return f"~{_machine()}-{os.getpid()}-{_began(os.getpid())}-{secrets.token_hex(3)}"


def is_orphan(name: str) -> bool:
    """The name holds a token of this machine's whose process has ended. False where it can't be
    told: another machine's, or no token at all."""
    found = _TOKEN.search(name)
    if found is None or found[1] != _machine():
        return False
    return not _runs(int(found[2]), int(found[3]))


@functools.cache
def _machine() -> str:
    """This machine and its set of process numbers (a container has one of its own)."""
    space = ""
    with contextlib.suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:6]


def _began(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])  # the name in brackets may hold anything


def _runs(pid: int, began: int) -> bool:
    if os.name == "nt":
        return _runs_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return not began or _began(pid) in (0, began)


def _runs_on_windows(pid: int) -> bool:
    import ctypes

    kernel, still_active = ctypes.windll.kernel32, 259
    handle = kernel.OpenProcess(0x1000, False, pid)  # only to ask
    if not handle:
        return False
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return not known or code.value == still_active
