"""A phone's packets: the published layout, and nothing else, through a port of one's own."""

from __future__ import annotations

import math
import socket
import struct
import time

import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.live.face_port import FacePort
from exprgen.networks.live.packets import (
    COUNT,
    LARGEST,
    ORDER,
    FacePacket,
    read_packet,
    write_packet,
)
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX


def bare(values, name: bytes = b"iPhone", frame=(1200, 0.5, 60, 1), count: int = COUNT) -> bytes:
    """A packet laid out by hand."""
    device = b"F3A1C2D4-0000-4000-8000-1234567890AB"
    out = struct.pack(">Bi", 6, len(device)) + device
    out += struct.pack(">i", len(name)) + name + struct.pack(">ifii", *frame)
    return out + struct.pack(f">B{len(values)}f", count, *values)


def face(seed: int = 0) -> FacePacket:
    rng = np.random.default_rng(seed)
    coefficients = rng.uniform(0, 1, len(ARKIT_CHANNELS))
    return FacePacket("phone", "me", 10.0 + seed / 60, coefficients, rng.uniform(-0.5, 0.5, 9))


def malformed(seed: int) -> bytes:
    """Bytes that are no packet: cut, lengthened, overwritten, or nothing but noise."""
    rng = np.random.default_rng(seed)
    good = bytearray(write_packet(face(seed)))
    kind = seed % 7
    if kind == 0:
        end = int(rng.integers(0, len(good)))
        return bytes(good[: end - (end == len(good) - 4 * COUNT - 1)])  # there it would be whole
    if kind == 1:
        return bytes(good) + rng.bytes(int(rng.integers(1, 60_000 if seed % 50 == 1 else 400)))
    if kind == 2:
        return rng.bytes(int(rng.integers(0, 2 * LARGEST)))
    if kind == 3:  # a length that points far away
        struct.pack_into(">i", good, 1, int(rng.integers(300, 2**31 - 1)) * (-1) ** seed)
    if kind == 4:  # no number, or no coefficient
        worst = (math.nan, math.inf, -math.inf, 1e30, 11.0)[seed % 5]
        struct.pack_into(">f", good, len(good) - 4 * int(rng.integers(1, COUNT + 1)), worst)
    if kind == 5:
        good[0] = int(rng.choice([v for v in range(256) if v != 6]))
    if kind == 6:
        good[len(good) - 4 * COUNT - 1] = int(rng.choice([1, 52, 60, 62, 255]))
    return bytes(good)


def test_the_published_layout_is_read():
    packet = read_packet(bare([i / 100 for i in range(COUNT)]))
    assert packet.subject == "iPhone"
    assert packet.seconds == pytest.approx(1200.5 / 60)
    assert packet.coefficients[ARKIT_INDEX["eyeBlinkLeft"]] == pytest.approx(0.0)
    assert packet.coefficients[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.17)
    assert packet.coefficients[ARKIT_INDEX["tongueOut"]] == pytest.approx(0.51)
    # The engine counts left before right, the app's table does not.
    assert ORDER.index("jawLeft") == 15
    assert ORDER.index("mouthRight") == 22
    assert packet.angles == pytest.approx(
        [-0.52, 0.53, -0.54, -0.55, 0.56, -0.57, -0.58, 0.59, -0.60]
    )


def test_a_phone_that_sees_no_face_says_so():
    for data in (bare([], count=0), bare([])[:-1], write_packet(FacePacket("a", "b", 1.0))):
        assert not read_packet(data).found


def test_what_is_written_is_read():
    sent = face(3)
    got = read_packet(write_packet(sent))
    assert got.coefficients == pytest.approx(sent.coefficients, abs=1e-6)
    assert got.angles == pytest.approx(sent.angles, abs=1e-6)
    assert got.seconds == pytest.approx(sent.seconds, abs=1e-6)


def test_a_thousand_malformed_packets_are_refused():
    for seed in range(1000):
        with pytest.raises(InputError, match="a packet "):
            read_packet(malformed(seed))


def test_any_byte_may_be_changed():
    """Whatever a bit flips to, the answer is a packet of finite numbers or a refusal."""
    rng = np.random.default_rng(0)
    for seed in range(2000):
        data = bytearray(write_packet(face(seed)))
        for place in rng.integers(0, len(data), 3):
            data[place] ^= 1 << int(rng.integers(8))
        try:
            found = read_packet(bytes(data))
        except InputError:
            continue
        if found.found:
            assert np.abs([*found.coefficients, *found.angles]).max() <= 10.0


@pytest.fixture
def port():
    with FacePort(0) as port:
        yield port


def sender(port: FacePort) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port.port))
    return out


def test_a_port_is_this_machines_alone(port):
    assert port._socket.getsockname()[0] == "127.0.0.1"
    with pytest.raises(InputError, match="can't be opened"):
        FacePort(port.port)
    with pytest.raises(UsageError, match="no address"):
        FacePort(0, "example.org")


def test_a_flood_of_nonsense_is_refused_and_a_face_comes_through(port):
    with sender(port) as out:
        for seed in range(1000):
            out.send(malformed(seed)[:60_000])
            if seed % 50 == 49:
                assert port.newest(0.0) is None
        out.send(write_packet(face()))
        until = time.monotonic() + 5.0
        while (found := port.newest(0.1)) is None and time.monotonic() < until:
            pass
    assert found is not None
    assert found[0].found
    assert port.refused > 900  # a system may throw some away itself
    assert port.sender == ("127.0.0.1", "phone")


def test_the_newest_counts_and_time_is_the_phones(port):
    with sender(port) as out:
        out.send(write_packet(face(0)))
        first = port.newest(1.0)
        for seed in (1, 2, 6):
            out.send(write_packet(face(seed)))
        time.sleep(0.05)
        last = port.newest(1.0)
    assert (first[1], last[1]) == pytest.approx((0.0, 0.1), abs=1e-6)
    assert port.passed_over == 2


def test_one_sender_is_listened_to(port):
    with sender(port) as out:
        out.send(write_packet(face()))
        assert port.newest(1.0) is not None
        other = face(5)
        out.send(write_packet(FacePacket("other", "x", 1.0, other.coefficients, other.angles)))
        assert port.newest(0.2) is None
    assert port.others == 1
