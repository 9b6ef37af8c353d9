"""A port for a phone's packets: opened when asked, on this machine alone unless told otherwise.

Whoever sends the first face is listened to until the port is closed; others are counted and passed
over. What is no packet is counted and thrown away; nothing that is sent can make this wait or grow.
"""

from __future__ import annotations

import contextlib
import socket
import time

from ..errors import InputError, UsageError
from .packets import LARGEST, FacePacket, read_packet

PORT = 11111
"""The app's own."""
LOCAL = "127.0.0.1"
AT_ONCE = 256
"""Packets that are looked at before somebody else has a turn."""
LONGEST_STEP = 1.0
"""Seconds between two timecodes that follow each other; else the clock was set anew."""


class FacePort:
    """An open port; a context manager.

    refused: packets that were none; others: packets of other senders; passed_over: faces that a
    newer one has overtaken.

    Raises:
        UsageError: no such port or address. InputError: it can't be opened.
    """

    def __init__(self, port: int = PORT, address: str = LOCAL):
        if not 0 <= port <= 65535:
            raise UsageError(f"there is no port {port}", fix="use 1024 to 65535")
        self.refused = self.others = self.passed_over = 0
        self.sender: tuple[str, str] | None = None
        self._time = 0.0
        self._last: tuple[float, float] | None = None
        try:
            self._socket = socket.socket(_family(address), socket.SOCK_DGRAM)
        except OSError as error:
            raise InputError(f"no port can be opened ({error.strerror})") from error
        try:
            self._socket.bind((address, port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            raise InputError(
                f"port {port} of {address} can't be opened ({_reason(error)})",
                fix="end the program that uses it, or give another --udp PORT or --address",
            ) from error
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> FacePort:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close it; who waits for a packet gets none."""
        self._socket.close()

    def newest(self, timeout: float) -> tuple[FacePacket, float, float] | None:
        """(the newest packet of the sender, its time in seconds from the first one, when it came by
        time.monotonic); None if none has come within `timeout` seconds.

        Raises:
            OSError: the port was closed.
        """
        found = None
        until = time.monotonic() + timeout
        for _ in range(AT_ONCE):
            wait = until - time.monotonic() if found is None else 0.0
            data = self._receive(max(wait, 0.0))
            if data is None:
                break
            packet = self._accepted(*data)
            if packet is None:
                continue
            self.passed_over += found is not None
            now = time.monotonic()
            found = packet, self._placed(packet, now), now
        return found

    def _receive(self, wait: float) -> tuple[bytes, str] | None:
        self._socket.settimeout(wait)
        with contextlib.suppress(TimeoutError, BlockingIOError, ConnectionResetError):
            data, sender = self._socket.recvfrom(LARGEST + 1)
            return data, str(sender[0])
        return None

    def _accepted(self, data: bytes, host: str) -> FacePacket | None:
        try:
            packet = read_packet(data)
        except InputError:
            self.refused += 1
            return None
        if self.sender is None:
            self.sender = (host, packet.device)
        if self.sender != (host, packet.device):
            self.others += 1
            return None
        return packet

    def _placed(self, packet: FacePacket, now: float) -> float:
        """Seconds from the first packet: by the timecode, or by the clock where that was set."""
        if self._last is not None:
            then, came = self._last
            told = packet.seconds - then
            step = told if 0.0 < told < LONGEST_STEP else now - came
            self._time += max(step, 1e-4)
        self._last = (packet.seconds, now)
        return self._time


def _family(address: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(address, None, flags=socket.AI_NUMERICHOST)[0][0]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{address[:60]!r} is no address",
            fix="give one of this machine in numbers, such as 192.168.0.5, or 0.0.0.0 for all",
        ) from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
