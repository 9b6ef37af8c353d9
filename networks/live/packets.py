"""Live Link Face's UDP packets, read with care and written for tests: one face a packet.

The layout, big endian, as the app sends it and public receivers read it:
    uint8    6, the layout's version
    int32    length of the device's id, then as many bytes of UTF-8
    int32    length of the subject's name, then as many bytes of UTF-8
    int32    frame number; float32 part of a frame; int32, int32 frames a second as a fraction
    uint8    61, or 0 where the phone sees no face; the packet may also end before it
    float32  61: the 52 ARKit coefficients, then yaw, pitch and roll of head, left and right eye

The coefficients stand in the engine's order, in which `left` comes before `right` for jaw and mouth
too; the app's CSV has those two the other way round. The angles are those of the CSV.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..footage.live_link import ANGLES, COEFFICIENTS, SIGNS
from ..vocabulary import ARKIT_CHANNELS

VERSION = 6
LONGEST_NAME = 256
"""Bytes of a device's id and of a subject's name."""
RATES = (1.0, 1000.0)
"""Frames a second that a timecode may have."""
FARTHEST = 10.0
"""Coefficients and radians beyond it are none."""
_SWAPPED = {"jawRight": "jawLeft", "jawLeft": "jawRight"} | {
    "mouthRight": "mouthLeft",
    "mouthLeft": "mouthRight",
}
ORDER = tuple(_SWAPPED.get(name, name) for name in COEFFICIENTS)
"""The packets' order of the coefficients."""
_PLACES = [ORDER.index(name) for name in ARKIT_CHANNELS]
_TIME = struct.Struct(">ifii")
_LENGTH = struct.Struct(">i")
COUNT = len(ORDER) + len(ANGLES)
LARGEST = 1 + 2 * (_LENGTH.size + LONGEST_NAME) + _TIME.size + 1 + 4 * COUNT
"""Bytes of a packet."""


@dataclass(frozen=True)
class FacePacket:
    """device, subject: texts; seconds: of the timecode; coefficients (52,) in the
    order of ARKIT_CHANNELS and angles (9,) as in CoefficientTake, or None without a face."""

    device: str
    subject: str
    seconds: float = 0.0
    coefficients: np.ndarray | None = None
    angles: np.ndarray | None = None

    @property
    def found(self) -> bool:
        """The phone sees a face."""
        return self.coefficients is not None


def read_packet(data: bytes) -> FacePacket:
    """The packet of these bytes.

    Raises:
        InputError: it is none, is cut, or holds what is no number of a face.
    """
    if len(data) > LARGEST:
        raise _refused(f"is longer than {LARGEST} bytes")
    if not data or data[0] != VERSION:
        raise _refused(f"is not of version {VERSION}")
    device, at = _text(data, 1)
    subject, at = _text(data, at)
    seconds, at = _seconds(data, at)
    count = data[at] if at < len(data) else 0
    if at < len(data) and (count not in (0, COUNT) or len(data) != at + 1 + 4 * count):
        raise _refused(f"announces {count} numbers and holds others")
    if not count:
        return FacePacket(device, subject, seconds)
    values = np.frombuffer(data, ">f4", COUNT, at + 1).astype(float)
    if not np.isfinite(values).all() or np.abs(values).max() > FARTHEST:
        raise _refused("holds what is no coefficient")
    angles = values[len(ORDER) :] * SIGNS
    return FacePacket(device, subject, seconds, values[: len(ORDER)][_PLACES], angles)


def write_packet(packet: FacePacket, rate: int = 60) -> bytes:
    """The bytes of a packet, as the app would send them."""
    out = bytes([VERSION])
    for text in (packet.device, packet.subject):
        encoded = text.encode("utf-8")
        out += _LENGTH.pack(len(encoded)) + encoded
    part, frame = math.modf(packet.seconds * rate)
    out += _TIME.pack(int(frame), part, rate, 1)
    if not packet.found:
        return out + bytes([0])
    values = np.empty(COUNT)
    values[_PLACES] = packet.coefficients
    values[len(ORDER) :] = packet.angles * SIGNS
    return out + bytes([COUNT]) + values.astype(">f4").tobytes()


def _text(data: bytes, at: int) -> tuple[str, int]:
    """(the text that begins with its length at a place, the place behind it)."""
    if at + _LENGTH.size > len(data):
        raise _refused("is cut")
    (length,) = _LENGTH.unpack_from(data, at)
    start, end = at + _LENGTH.size, at + _LENGTH.size + length
    if not 0 <= length <= LONGEST_NAME or end > len(data):
        raise _refused("has a name of an impossible length")
    try:
        text = data[start:end].decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        raise _refused("has a name that is no text") from None
    if not text.isprintable():
        raise _refused("has a name that is no text")
    return text, end


def _seconds(data: bytes, at: int) -> tuple[float, int]:
    if at + _TIME.size > len(data):
        raise _refused("is cut")
    frame, part, rate, base = _TIME.unpack_from(data, at)
    whole = frame >= 0 and rate > 0 and base > 0 and 0.0 <= part <= 1.0  # False for NaN
    if not whole or not RATES[0] <= rate / base <= RATES[1]:
        raise _refused("has no time")
    return (frame + part) * base / rate, at + _TIME.size


def _refused(why: str) -> InputError:
    return InputError(f"a packet {why}", fix="send what Live Link Face sends (ARKit, not video)")
