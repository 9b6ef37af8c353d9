"""Which moments of a clip are shown on strips, and what raters said of them; numpy alone.

A strip shows a window: `FRAMES` frames, `STEP` seconds apart.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError
from ..reading import read_table
from .numbering import refuse_earlier

FRAMES = 8
STEP = 0.18
"""Seconds between two frames of a window: the eight see about six syllables."""
LETTERS = "ABCDEFGH"
"""What the methods are called on a sheet."""
AND = "+"
"""Between the methods of one row in a key."""
LOWEST, HIGHEST = 1.0, 5.0
"""Of closeness and feeling."""


def choose_windows(
    times: np.ndarray, found: np.ndarray, count: int, seed: int, name: str
) -> list[list[int]]:
    """Frames of at most `count` windows, spread over the parts of a clip where the face is seen.

    Args:
        times: (N,) seconds. found: (N,) bool. name: the clip's, so that each gets its own choice.
    """
    windows = [w for t in times if (w := _frames_from(times, t)) and found[w].all()]
    count = min(count, len(windows))
    parts = np.array_split(np.arange(len(windows)), count) if count else []
    rng = random.Random(seed + zlib.crc32(name.encode()))
    return [windows[rng.choice(part.tolist())] for part in parts]


def windows_at(times: np.ndarray, starts: Sequence[float], name: str) -> list[list[int]]:
    """Frames of the windows that begin at these seconds.

    Raises:
        UsageError: the clip ends before one of them does.
    """
    windows = [_frames_from(times, start) for start in starts]
    if not all(windows):
        raise UsageError(
            f"a window of {name} would end after the clip",
            fix=f"begin it before {times[-1] - STEP * (FRAMES - 1):.2f} s",
        )
    return windows


def _frames_from(times: np.ndarray, start: float) -> list[int]:
    """The frames nearest to the window's moments; none where the clip ends before."""
    moments = start + STEP * np.arange(FRAMES)
    if moments[-1] > times[-1] + 0.5 * STEP:
        return []
    return np.abs(times[:, None] - moments).argmin(0).tolist()


# --- ratings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What a numbered sheet shows: clip, character, seconds at its start, and for each letter in
    order the methods whose row it is (several where they can't be told apart)."""

    number: int
    clip: str
    character: str
    start: float
    methods: tuple[tuple[str, ...], ...]

    def to_row(self) -> tuple:
        rows = [AND.join(methods) for methods in self.methods]
        return (self.number, self.clip, self.character, round(self.start, 3), *rows)

    @staticmethod
    def of_row(row: Sequence[str]) -> Shown:
        number, clip, character, start, *rows = row
        methods = tuple(tuple(methods.split(AND)) for methods in rows)
        return Shown(int(number), clip, character, float(start), methods)


def rates_strips(path: Path) -> bool:
    """The file rates strips (five fields a line), not single pictures.

    Raises:
        InputError: it can't be read, or rates neither.
    """
    fields = len(next(iter(read_table(path)), ()))
    if fields not in (2, 5):
        raise InputError(
            "rates neither pictures nor strips",
            file=path,
            fix="write a line each: NUMBER,LABEL or WINDOW,LETTER,CLOSENESS,FEELING,KEPT",
        )
    return fields == 5


def load_key(path: Path) -> dict[int, Shown]:
    """Number of a sheet -> what it shows.

    Raises:
        InputError: it can't be read.
    """
    try:
        shown = [Shown.of_row(row) for row in read_table(path)]
    except ValueError as error:
        raise InputError(
            f"is no key of strips ({error})", file=path, fix="measure the performance again"
        ) from error
    return {s.number: s for s in shown}


def score_strips(key: Path, ratings: Sequence[Path]) -> dict[str, dict]:
    """What raters said, by method, and by "method/character" where there are several characters.

    A rater writes one line for each row of a sheet: window,letter,closeness,feeling,kept; closeness
    and feeling from 1 to 5, kept 1 for the one row that the rater would keep, else 0. All raters'
    answers count alike, and for each of the methods that share a row.

    Returns:
        group -> {"closeness", "feeling" (means), "kept" (share of the windows), "answers"}.

    Raises:
        InputError: a file is missing, or a line names no row of a sheet, one of earlier sheets, or
            no rating.
    """
    shown = load_key(key)
    several = len({s.character for s in shown.values()}) > 1
    given: dict[str, list[tuple[float, float, float]]] = {}
    for path in ratings:
        for sheet, methods, answer in _answers(path, shown):
            own = [f"{method}/{sheet.character}" for method in methods if several]
            for group in (*methods, *own):
                given.setdefault(group, []).append(answer)
    return {group: _means(answers) for group, answers in sorted(given.items())}


def _means(answers: list) -> dict:
    closeness, feeling, kept = np.mean(answers, axis=0)
    return {
        "closeness": round(float(closeness), 3),
        "feeling": round(float(feeling), 3),
        "kept": round(float(kept), 4),
        "answers": len(answers),
    }


def _answers(path: Path, shown: dict[int, Shown]):
    """(sheet, methods, (closeness, feeling, kept)) of each line of a rater."""
    for row in read_table(path):
        number, *said = (field.strip() for field in row)
        if not number.isdecimal():
            continue  # a heading
        refuse_earlier(int(number), shown, path)
        try:
            letter, sheet = said[0].upper(), shown[int(number)]
            closeness, feeling, kept = map(float, said[1:])
            methods = sheet.methods[[*LETTERS].index(letter)]
        except (KeyError, IndexError, ValueError):
            closeness = np.nan
        if not (LOWEST <= closeness <= HIGHEST and LOWEST <= feeling <= HIGHEST and kept in (0, 1)):
            raise InputError(
                f"has the line {','.join(row)}, which rates no row of a sheet",
                file=path,
                fix="write WINDOW,LETTER,CLOSENESS,FEELING,KEPT, two of 1 to 5, then 0 or 1",
            )
        yield sheet, methods, (closeness, feeling, kept)
