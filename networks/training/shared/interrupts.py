"""Ctrl-C between steps: what is half done when it comes is done to its end first; and processes
beside this one, which end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing import connection, parent_process, resource_tracker

from ...errors import EXIT_INTERRUPTED


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Within, the first Ctrl-C is heeded at the end; a second one at once. So are other signals
    that are Ctrl-C to this process.

    Raises:
        KeyboardInterrupt: at the end, where one came.
    """
    if not _hears():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    heeded = _heeded()
    for number in heeded:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


@contextlib.contextmanager
def started_deaf() -> Iterator[None]:
    """Within, processes are started that Ctrl-C does not reach, which a terminal tells to all
    that run there: who has started them ends them, and they have nothing to say of it.

    Raises:
        KeyboardInterrupt: at the end, where it came meanwhile.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it is begun with the first of them, and hears again after
    with held_back():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def deaf() -> Iterator[None]:
    """Within, Ctrl-C is not heeded: work that it has stopped is ending, and is soon at its end. Nor
    are other signals that are Ctrl-C to this process."""
    heeded = _heeded() if _hears() else []
    for number in heeded:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.default_int_handler)


def end_with_starter() -> None:
    """Let this process end as soon as that which has started it is killed."""
    starter = parent_process()
    if starter is None:
        return

    def watch() -> None:
        connection.wait([starter.sentinel])
        os._exit(EXIT_INTERRUPTED)

    threading.Thread(target=watch, name="watch the starter", daemon=True).start()


def _hears() -> bool:
    """This thread is the one that signals reach."""
    return threading.current_thread() is threading.main_thread()


def _heeded() -> list[int]:
    """The signals that are Ctrl-C to this process."""
    return [n for n in _ENDING if signal.getsignal(n) is signal.default_int_handler]


_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_ENDING = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
