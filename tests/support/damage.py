"""Good data made bad, by chance: bytes, JSON, arrays, archives."""

from __future__ import annotations

import copy
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Rng = np.random.Generator

WORDS = (
    "", "x", "../../../tmp/x", "/etc/passwd", "..", ".", "a/b", "a\\b", "C:\\x", "\\\\host\\x",
    "CON", "a" * 5000, "\0", "\ud800", "\u202e", "é", "-rf", "%s{0}", "\n\r\t", "nan", "__class__",
)  # fmt: skip
NUMBERS = (
    0, -1, 1, 2, 0.5, -0.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"),
    2**31, 2**63, -(2**63), 10**30, 10**400, 1e6, 1e12,
)  # fmt: skip
VALUES = (
    *WORDS,
    *NUMBERS,
    None,
    True,
    False,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [1, 2, 3],
    {"a": 1},
)
BYTES = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"PK\x03\x04", b"{", b"]", b'"')


def pick(rng: Rng, values):
    """One of some values, as it is."""
    return values[int(rng.integers(len(values)))]


# --- bytes ---------------------------------------------------------------------------------------


def damage_bytes(data: bytes, rng: Rng) -> bytes:
    """Bits turned, bytes written over, cut out, doubled, put in, or an end that is missing."""
    made = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        size = max(1, len(made))
        # Half of the time near an end, where headers and directories are.
        near = min(size, 400)
        at = int(rng.integers(near)) if rng.random() < 0.4 else int(rng.integers(size))
        at = size - 1 - int(rng.integers(near)) if rng.random() < 0.3 else at
        length = int(rng.integers(1, 1 + min(64, size)))
        word = pick(rng, BYTES)
        match int(rng.integers(6)):
            case 0:
                made[at : at + 1] = bytes(
                    [(made[at] if at < len(made) else 0) ^ (1 << rng.integers(8))]
                )
            case 1:
                made[at : at + len(word)] = word
            case 2:
                del made[at : at + length]
            case 3:
                made[at:at] = made[at : at + length]
            case 4:
                made[at:at] = word
            case 5:
                made = made[:at]
    return bytes(made)


# --- JSON ----------------------------------------------------------------------------------------


def damage_value(value: object, rng: Rng) -> object:
    """A copy of what JSON can hold, with one to three places changed."""
    holder = [copy.deepcopy(value)]
    for _ in range(int(rng.integers(1, 4))):
        _change(*pick(rng, list(_places(holder))), rng)
    return holder[0]


def _places(node: object):
    """(container, key) of everything within a container."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from _places(node[key])


def _change(node, key, rng: Rng) -> None:
    match int(rng.integers(7)):
        case 0 if isinstance(node, dict):
            del node[key]
        case 1 if isinstance(node, dict):
            node[pick(rng, WORDS)] = node.pop(key)
        case 2 if isinstance(node, dict):
            node[pick(rng, WORDS)] = pick(rng, VALUES)
        case 3 if isinstance(node, list) and node:
            node.append(copy.deepcopy(pick(rng, node)))
        case 4:
            node[key] = [node[key]]
        case _:
            node[key] = copy.deepcopy(pick(rng, VALUES))


def damage_json(text: str, rng: Rng) -> bytes:
    """A JSON text with changed values, changed bytes, or nested without an end."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # gone bad already
        return damage_bytes(text.encode(), rng)
    match int(rng.integers(10)):
        case 0:
            depth = int(rng.integers(1, 200_000))
            return (b"[" * depth) + text.encode() + (b"]" * depth)
        case 1 | 2 | 3:
            return damage_bytes(text.encode(), rng)
        case _:
            return json.dumps(damage_value(value, rng)).encode("utf-8", "surrogatepass")


# --- arrays --------------------------------------------------------------------------------------


class Evil:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (print, ("code of a file ran",))


def damage_array(array: np.ndarray, rng: Rng) -> np.ndarray:
    """Another type, another shape, or numbers that can't be."""
    match int(rng.integers(8)):
        case 0:
            kinds = (object, complex, "U3", "S3", "f2", ">f8", "i1", bool, "M8[s]", "V4")
            return _retyped(array, pick(rng, kinds))
        case 1:
            return array.reshape(-1)
        case 2:
            return array[: int(rng.integers(len(array) + 1))] if array.ndim else array.reshape(1)
        case 3:
            return np.repeat(array, 2, axis=0) if array.ndim else array
        case 4:
            return array[None]
        case 5:
            return np.asfortranarray(array)
        case _:
            return _renumbered(array, rng)


def _retyped(array: np.ndarray, kind) -> np.ndarray:
    try:
        return array.astype(kind)
    except (TypeError, ValueError):
        return np.zeros(array.shape, kind)


def _renumbered(array: np.ndarray, rng: Rng) -> np.ndarray:
    if array.dtype.kind not in "iuf" or not array.size:
        return array
    array = array.copy()
    with np.errstate(all="ignore"):
        value = pick(rng, (np.nan, np.inf, -np.inf, -1, 1e30, 255, 0, 1e6, -1e6))
        array.flat[int(rng.integers(array.size))] = np.array(value).astype(array.dtype)
    return array


HEADERS = (
    "{'descr': '|O', 'fortran_order': False, 'shape': (1000000,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': __import__('os')}",
    "{'descr': '<U999999999', 'fortran_order': False, 'shape': (9999999,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 2000 + "), }",
    "(" * 3000,
)


def npy(array: np.ndarray, rng: Rng, hostile: bool) -> bytes:
    """The bytes of an .npy file, with a header that lies if it is hostile."""
    made = io.BytesIO()
    np.lib.format.write_array(made, array, allow_pickle=True)
    if not hostile:
        return made.getvalue()
    if rng.random() < 0.2:
        made = io.BytesIO()
        np.save(made, np.array([Evil()] * 3, object), allow_pickle=True)
        return made.getvalue()
    head = pick(rng, HEADERS).encode() + b"\n"
    rest = rng.bytes(int(rng.integers(64)))
    if rng.random() < 0.3:
        rest = pickle.dumps(Evil())
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + rest


def damage_npz(path: Path, rng: Rng) -> bytes:
    """An .npz with changed arrays, changed members, a changed header, or changed bytes."""
    if rng.random() < 0.35:
        return damage_bytes(path.read_bytes(), rng)
    with np.load(path) as f:
        arrays = {name: f[name] for name in f.files}
    for _ in range(int(rng.integers(1, 3))):
        name = pick(rng, list(arrays) or ["x"])
        match int(rng.integers(6)):
            case 0 if len(arrays) > 1:
                del arrays[name]
            case 1:
                arrays[pick(rng, (*WORDS[1:12], "rig_units/../x:y"))] = np.zeros(3, np.float32)
            case 2 if "header" in arrays:
                text = damage_json(str(arrays["header"]), rng).decode("utf-8", "replace")
                arrays["header"] = np.array(text)
            case _:
                arrays[name] = damage_array(arrays.get(name, np.zeros(2)), rng)
    liar = pick(rng, [*arrays, *[None] * 4])
    members = {f"{n}.npy": npy(a, rng, n == liar) for n, a in arrays.items()}
    return pack(members, rng)


def pack(members: dict[str, bytes], rng: Rng) -> bytes:
    """A zip of some members, now and then with one that unpacks to a gigabyte."""
    made = io.BytesIO()
    kind = pick(
        rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2)
    )
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("\0", "_"), data)
    data = bytearray(made.getvalue())
    if rng.random() < 0.15:  # a directory that lies about a member's length
        at = data.rfind(b"PK\x01\x02")
        field = at + pick(rng, (10, 20, 24, 28, 30, 42))
        data[field : field + 4] = struct.pack("<I", pick(rng, (0, 1, 2**31, 2**32 - 1, len(data))))
    return bytes(data)


def bomb(rng: Rng) -> bytes:
    """An .npz of half a megabyte whose one array has 512 MiB."""
    made = io.BytesIO()
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (67108864,), }\n"
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("times.npy", "w", force_zip64=True) as f,
    ):
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
        for _ in range(512):
            f.write(bytes(1 << 20))
    return made.getvalue()


# --- safetensors, checkpoints --------------------------------------------------------------------


def damage_safetensors(data: bytes, rng: Rng) -> bytes:
    """Another header, other numbers, or other bytes."""
    if rng.random() < 0.3:
        return damage_bytes(data, rng)
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    match int(rng.integers(4)):
        case 0:  # weights that are no numbers
            at = int(rng.integers(len(body) - 4)) & ~3
            body[at : at + 4] = pick(rng, (b"\xff\xff\xff\xff", b"\0\x7c\0\x7c", b"\0\0\x80\x7f"))
        case 1:
            header = damage_value(header, rng)
        case _:  # what it says of itself
            said = json.loads(header["__metadata__"]["exprgen"])
            header["__metadata__"]["exprgen"] = damage_json(json.dumps(said), rng).decode(
                "utf-8", "replace"
            )
    text = json.dumps(header).encode("utf-8", "replace")
    return struct.pack("<Q", len(text)) + text + bytes(body)


def damage_zip(path: Path, rng: Rng, inside: Callable[[bytes, Rng], bytes] = damage_bytes) -> bytes:
    """A zip whose members are changed and well packed again, or changed as it lies there."""
    if rng.random() < 0.3:
        return damage_bytes(path.read_bytes(), rng)
    with zipfile.ZipFile(path) as archive:
        members = {i.filename: archive.read(i) for i in archive.infolist()}
    small = [n for n, data in members.items() if n.endswith("data.pkl")] or list(members)
    name = pick(rng, small if rng.random() < 0.8 else list(members))
    if rng.random() < 0.2:
        members[name] = pickle.dumps(Evil(), protocol=2)
    elif rng.random() < 0.1 and len(members) > 1:
        del members[name]
    else:
        members[name] = inside(members[name], rng)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return made.getvalue()


# --- tables, messages ----------------------------------------------------------------------------


def damage_table(text: str, rng: Rng) -> bytes:
    """A CSV with changed cells, or changed bytes."""
    if rng.random() < 0.4:
        return damage_bytes(text.encode(), rng)
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(int(rng.integers(1, 4))):
        row = pick(rng, rows)
        if row:
            row[int(rng.integers(len(row)))] = str(pick(rng, (*WORDS, *NUMBERS)))
    return "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def damage_lines(lines: list[str], rng: Rng) -> bytes:
    """Messages, one a line, among lines that are none."""
    made = []
    for line in lines:
        while rng.random() < 0.6:
            made.append(_line(line, rng))
        made.append(line.encode())
    if rng.random() < 0.3:
        made.append(_line(pick(rng, lines), rng))
    return b"\n".join(made) + (b"\n" if rng.random() < 0.9 else b"")


def _line(line: str, rng: Rng) -> bytes:
    match int(rng.integers(4)):
        case 0:
            strange = (
                b"42",
                b"null",
                b"[]",
                b'"x"',
                b"\xff\xfe",
                b"{}",
                b'{"id": [1]}',
                b'{"id": {}}',
            )
            return pick(rng, strange)
        case 1:
            return b"[" * int(rng.integers(1, 100_000))
        case _:
            return damage_json(line, rng).replace(b"\n", b" ")
