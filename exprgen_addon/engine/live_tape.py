"""A live recording on the disk while it is played, so that it outlives the program that makes it.

A tape is a text beside the take that it will become: a line of JSON for the cast, then one a frame.
Each frame is written when it comes, so that a killed program loses none that had come, and brought
to the disk every second, for a power cut. It goes when the take is written; what a program that
ended otherwise has left is known by its name (networks/owners.py), and read by `read_tape`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ...networks.errors import InputError
from ...networks.names import is_name
from ...networks.owners import is_orphan, token
from ...networks.reading import parse_json, plain_file
from ...networks.records import FieldError, as_record
from ...networks.track import RigTrack, check_span
from ...networks.vocabulary import EXPRESSIONS
from .live import LONGEST_TAKE, frame_of, tracks_of

SYNC_EVERY = 1.0
"""Seconds of a recording that a power cut may take."""
LONGEST_LINE = 1 << 22
"""Bytes; 64 characters with 1000 controls each take a sixth of it."""
FORMAT = "exprgen.live_tape"
FIX = "give a tape that a live recording has left"


@dataclass(frozen=True)
class _Player:
    character: str
    controls: tuple[str, ...]


@dataclass(frozen=True)
class _Head:
    format: str
    source: str
    characters: tuple[_Player, ...]


@dataclass(frozen=True)
class _Line:
    time: float
    state: str
    values: tuple[tuple[float, ...], ...]
    expression: tuple[float, ...]


class LiveTape:
    """What is played, written beside a take as it comes; there is no file before the first frame.

    Args:
        take: the file that it will become. source: as of the take's tracks. synced: brought to the
            disk every second, for which a slow disk may let the caller wait.
    """

    def __init__(self, take: str | Path, source: str, synced: bool = True):
        take = Path(take)
        self.path = take.with_name(f"{take.stem}.live{token()}.jsonl")
        self.error: OSError | None = None
        """Why nothing more is written, such as a full disk; what was written stays."""
        self._source = source
        self._file: BinaryIO | None = None
        self._synced = 0.0 if synced else math.inf

    def add(self, cast: list[tuple[str, tuple[str, ...]]], messages: list[dict]) -> None:
        """Write frames as the session has sent them. Never raises: see `error`."""
        if self.error is not None or not messages:
            return
        try:
            self._write(cast, messages)
        except OSError as error:
            self.error = error
            self.close()

    def _write(self, cast: list, messages: list[dict]) -> None:
        lines = [{n: m[n] for n in _Line.__annotations__} for m in messages]
        if self._file is None:
            self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115
            characters = [{"character": name, "controls": list(names)} for name, names in cast]
            lines[:0] = [{"format": FORMAT, "source": self._source, "characters": characters}]
        left = "".join(json.dumps(line) + "\n" for line in lines).encode()
        while left:
            left = left[self._file.write(left) :]
        if time.monotonic() - self._synced >= SYNC_EVERY:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    @property
    def is_begun(self) -> bool:
        """Some of it lies on the disk."""
        return self._file is not None

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def remove(self) -> None:
        """It has become a take, or nobody wants it."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def tapes_left_of(take: str | Path) -> list[Path]:
    """Tapes beside a take whose programs have ended without writing it."""
    begin = f"{Path(take).stem}.live~"
    return [p for p in tapes_left_in(Path(take).parent) if p.name.startswith(begin)]


def tapes_left_in(folder: Path) -> list[Path]:
    """The same of all takes in a folder, by their names."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if ".live~" in e.name)
        return [folder / n for n in names if n.endswith(".jsonl") and is_orphan(n)]
    return []


def read_tape(path: str | Path) -> list[RigTrack]:
    """What a tape holds as a track a character, from zero; empty where it is too little. A last
    line that was cut short is left out.

    Raises:
        InputError: it can't be read, or is no tape.
    """
    plain_file(path)
    with open(path, "rb") as stream:
        head = _head(_next(stream, path, 1), path)
        cast = [(p.character, p.controls) for p in head.characters]
        widths = [len(controls) for _, controls in cast]
        frames = []
        for number in range(2, LONGEST_TAKE + 2):
            data = _next(stream, path, number)
            if data is None:
                break
            frames.append(frame_of(_line(data, widths, path, number)))
    tracks = tracks_of(frames, cast, head.source)
    if tracks and (word := check_span(tracks[0].times)):
        raise InputError(f"its time {word}", file=path, fix=FIX)
    return tracks


def _next(stream: BinaryIO, path: str | Path, number: int) -> object:
    """What the next whole line holds; None at the end."""
    line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise _wrong(path, number, "it is too long")
    if not line.endswith(b"\n"):
        return None
    try:
        return parse_json(line.decode())
    except ValueError as error:
        raise _wrong(path, number, error) from error


def _head(data: object, path: str | Path) -> _Head:
    try:
        head = as_record(_Head, data)
    except FieldError as error:
        raise _wrong(path, 1, error) from error
    names = [p.character for p in head.characters]
    if head.format != FORMAT or not all(map(is_name, names)):
        raise _wrong(path, 1, "it is no tape's")
    if len(set(names)) != len(names) or not names:
        raise _wrong(path, 1, "it names no cast")
    return head


def _line(data: object, widths: list[int], path: str | Path, number: int) -> dict:
    try:
        line = as_record(_Line, data)
    except FieldError as error:
        raise _wrong(path, number, error) from error
    if [len(row) for row in line.values] != widths or len(line.expression) != len(EXPRESSIONS):
        raise _wrong(path, number, "it fits not the cast")
    return {**vars(line), "captured": 0.0, "missed": 0}


def _wrong(path: str | Path, number: int, what: object) -> InputError:
    return InputError(f"line {number} makes no sense ({what})", file=path, fix=FIX)
