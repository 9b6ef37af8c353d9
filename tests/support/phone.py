"""A made-up phone: Live Link Face's packets, sixty a second, its jaw going up and down."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import numpy as np

from exprgen.networks.live.packets import FacePacket, write_packet
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX

RATE = 60
CALM = 40
"""Packets at the beginning of which the face is neutral."""


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def phone(nonsense: int = 4) -> Iterator[int]:
    """The port that it sends to; one of `nonsense` packets is followed by one that is none."""
    port, stop = free_port(), threading.Event()
    thread = threading.Thread(target=_send, args=(port, stop, nonsense), daemon=True)
    thread.start()
    try:
        yield port
    finally:
        stop.set()
        thread.join()


def _send(port: int, stop: threading.Event, nonsense: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        i = 0
        while not stop.wait(1 / RATE):
            out.sendto(write_packet(packet(i)), ("127.0.0.1", port))
            if i % nonsense == 0:
                out.sendto(b"nonsense", ("127.0.0.1", port))
            i += 1


def packet(i: int) -> FacePacket:
    """The packet with this number."""
    coefficients = np.zeros(len(ARKIT_CHANNELS))
    if i > CALM:
        coefficients[ARKIT_INDEX["jawOpen"]] = 0.5 - 0.5 * np.cos(i / 6)
    return FacePacket("phone", "me", 100 + i / RATE, coefficients, np.zeros(9))
