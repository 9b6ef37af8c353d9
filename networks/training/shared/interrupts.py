"""Ctrl-C between steps: what is half done when it comes is done to its end first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Within, the first Ctrl-C is heeded at the end; a second one at once. So are other signals
    that are Ctrl-C to this process.

    Raises:
        KeyboardInterrupt: at the end, where one came.
    """
    if threading.current_thread() is not threading.main_thread():  # which none of them reaches
        yield
        return
    came: list[int] = []

    def note(number: int, _frame) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    heeded = [n for n in _ENDING if signal.getsignal(n) is signal.default_int_handler]
    for number in heeded:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_ENDING = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
