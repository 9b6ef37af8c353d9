"""Messages between processes, one JSON object a line: the one reader of them, for both sides.

Whatever comes, the reading goes on: what is no message is handed back as a line that somebody
printed, and a line without end is cut. So the thread that reads never dies of what it reads, and
nobody waits for an answer that it has thrown away.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from .reading import parse_json
from .records import json_text

LONGEST_LINE = 1 << 24
"""Characters of a message; a longer line is none. A character's capture tells some 10,000."""

MOST = 1e15
"""Of what a message counts."""

ALIVE = "alive"
"""Type of the message that says nothing but that its sender still works."""

HEARTBEAT = 5.0
"""Seconds between two signs of life."""


class Sender:
    """Writes messages to a stream, each in one piece and from any thread, and signs of life between
    them until the process ends.

    Raises (when called):
        OSError: nobody listens any more.
    """

    def __init__(self, stream: TextIO):
        self._stream, self._lock = stream, threading.Lock()
        keep_alive(self)

    def __call__(self, message: dict) -> None:
        with self._lock:
            self._stream.write(json_text(message) + "\n")
            self._stream.flush()


def keep_alive(send: Callable[[dict], None]) -> None:
    """Send a sign of life every HEARTBEAT seconds from a thread of its own, so that nobody waits
    for a process that does nothing any more."""

    def beat() -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            while True:
                time.sleep(HEARTBEAT)
                send({"type": ALIVE})

    threading.Thread(target=beat, daemon=True).start()


def read_messages(stream: TextIO) -> Iterator[dict | str]:
    """The lines of a stream to its end: a message as its object, anything else as it stands.

    Raises:
        OSError, ValueError: the stream itself broke, or was closed.
    """
    while line := stream.readline(LONGEST_LINE):
        whole = line.endswith("\n") or len(line) < LONGEST_LINE
        while not line.endswith("\n") and (more := stream.readline(LONGEST_LINE)):
            line = line[:200] + more[-1]  # the rest of what is too long is passed over
        if line.strip():
            yield (parse_message(line) if whole else None) or line.rstrip("\n")


def parse_message(line: str) -> dict | None:
    """The object of a line, or None if it holds something else."""
    try:
        found = parse_json(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and _is_request_id(found.get("id")) else None


def _is_request_id(value: object) -> bool:
    """It can number a request: a whole number, a text, or None for what belongs to no request."""
    return value is None or isinstance(value, (int, str))


def is_answer(message: dict) -> bool:
    """A message as networks/worker.py describes them, with all that its type needs."""
    kind = message.get("type")
    if not isinstance(kind, str):
        return False
    return all(check(message.get(name)) for name, check in _NEEDED.get(kind, {}).items())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value <= MOST


def _is_count_or_none(value: object) -> bool:
    return value is None or _is_count(value)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_list_or_none(value: object) -> bool:
    return value is None or isinstance(value, list)


def _is_row(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(v, (int, float)) and abs(v) <= MOST for v in value
    )


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and all(_is_row(row) for row in value)


_NEEDED = {
    "stage": {"stage": _is_text},
    "progress": {
        "stage": _is_text,
        "done": _is_count,
        "total": _is_count_or_none,
        "rate": _is_count_or_none,
        "eta": _is_count_or_none,
    },
    "log": {"text": _is_text},
    "cast": {"characters": _is_list},
    "live": {
        "time": _is_count,
        "captured": _is_count,
        "state": _is_text,
        "values": _is_rows,
        "expression": _is_row,
        "missed": _is_count,
    },
    "picture": {"file": _is_text, "landmarks": _is_list_or_none},
    "shown": {"shot": _is_count, "reason": _is_text, "landmarks": _is_list, "camera": _is_list},
    "error": {"problem": _is_text, "file": _is_text_or_none, "fix": _is_text_or_none},
}
"""Type -> the fields that a reader relies on."""
