"""Blind rating: numbered sheets of shuffled pictures, the key that raters must not see, the scores.

A rater writes one line a picture, "number,label". The key holds "number,file" without a heading,
the truth "stem,label"; the picture's folders tell the method and the character it belongs to.
"""

from __future__ import annotations

import contextlib
import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..files import scratch_folder, write_bytes, write_text
from ..footage.pictures import read_image
from ..reading import read_table
from ..vocabulary import EXPRESSIONS
from .numbering import first_number, refuse_earlier, sweep_sheets
from .recognition import Recognition

A_SHEET = 20
COLUMNS = 5
SIDE = 220
BAND = 26
"""Pixels above a picture for its number."""


@dataclass(frozen=True)
class Sheets:
    """Files of a blind rating."""

    pictures: tuple[Path, ...]
    key: Path
    truth: Path


def write_sheets(files: list[Path], truth: dict[str, str], prefix: Path, seed: int = 0) -> Sheets:
    """Shuffle pictures onto <prefix>_1.png, ..., with <prefix>_key.csv and <prefix>_truth.csv;
    how they are numbered, see `numbering.first_number`.

    Args:
        files: <method>/<character>/<stem>.png each. truth: stem -> expression.

    Raises:
        InputError: a picture can't be read. OutputError: the place can't be written.
    """
    files = sorted(files)
    random.Random(seed).shuffle(files)
    sheets = []
    with _squares(files) as pictures:
        start = first_number(prefix, (picture.tobytes() for picture in pictures), len(files))
        for first in range(0, len(files), A_SHEET):
            path = prefix.with_name(f"{prefix.name}_{first // A_SHEET + 1}.png")
            write_picture(path, draw(pictures[first : first + A_SHEET], start + first))
            sheets.append(path)
    sweep_sheets(prefix, sheets)
    key, answers = (prefix.with_name(f"{prefix.name}_{n}.csv") for n in ("key", "truth"))
    write_text(key, csv_text([(n, str(f)) for n, f in enumerate(files, start=start)]))
    write_text(answers, csv_text(sorted(truth.items())))
    return Sheets(tuple(sheets), key, answers)


@contextlib.contextmanager
def _squares(files: list[Path]) -> Iterator[np.ndarray]:
    """The middle squares of pictures, uint8 (N, SIDE, SIDE, 3) RGB. Their numbers are known only
    when all are seen, and thousands fill the memory: they lie in a temporary file meanwhile.

    Raises:
        InputError: a picture can't be read. OutputError: there is no place for temporary files.
    """
    if not files:
        yield np.empty((0, SIDE, SIDE, 3), np.uint8)
        return
    with scratch_folder() as folder:
        kept = np.memmap(folder / "squares", np.uint8, "w+", shape=(len(files), SIDE, SIDE, 3))
        for i, path in enumerate(files):
            kept[i] = square(path, SIDE)
        yield kept


def draw(pictures: np.ndarray, first: int) -> np.ndarray:
    """One sheet, uint8 (H, W, 3) RGB, of squares (N, SIDE, SIDE, 3), numbered from `first`."""
    cells = [_cell(picture, number) for number, picture in enumerate(pictures, start=first)]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def _cell(picture: np.ndarray, number: int) -> np.ndarray:
    cell = np.full((SIDE + BAND, SIDE + 6, 3), 255, np.uint8)
    cell[BAND:, 3 : SIDE + 3] = picture
    cv2.putText(cell, str(number), (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 2)
    return cell


def square(path: Path, side: int) -> np.ndarray:
    """The middle square of a picture, uint8 (side, side, 3) RGB.

    Raises:
        InputError: it can't be read.
    """
    rgb = read_image(path)
    height, width = rgb.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    part = rgb[top : top + short, left : left + short]
    way = cv2.INTER_AREA if short > side else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=way)


def write_picture(path: Path, rgb: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB as PNG, whole or not at all.

    Raises:
        OutputError: the place can't be written.
    """
    write_bytes(path, cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes())


def score_ratings(key: Path, truth: Path, ratings: list[Path]) -> dict[str, Recognition]:
    """What raters named, by group "<method>/<character>"; all raters' answers count alike.

    Raises:
        InputError: a file is missing, a number is not in the key or of earlier sheets, or a label
            is none.
    """
    labels = dict(_rows(truth, 2))
    answers: dict[str, list[tuple[int, int]]] = {}
    for file, label in _answers(key, ratings):
        group = "/".join(file.parts[-3:-1])
        right = EXPRESSIONS.index(labels[file.stem])
        answers.setdefault(group, []).append((right, EXPRESSIONS.index(label)))
    return {
        group: Recognition.of("raters", group, *np.array(pairs).T)
        for group, pairs in sorted(answers.items())
    }


def named_right(key: Path, truth: Path, ratings: list[Path]) -> dict[str, float]:
    """Stem of each picture that was rated -> share of the answers that name its expression.

    Raises:
        InputError: see `score_ratings`.
    """
    labels = dict(_rows(truth, 2))
    given: dict[str, list[bool]] = {}
    for file, answers in named(key, ratings).items():
        given.setdefault(file.stem, []).extend(a == labels[file.stem] for a in answers)
    return {stem: sum(right) / len(right) for stem, right in given.items()}


def named(key: Path, ratings: list[Path]) -> dict[Path, list[str]]:
    """Picture of the key -> what each rater named it.

    Raises:
        InputError: see `score_ratings`.
    """
    given: dict[Path, list[str]] = {}
    for file, answer in _answers(key, ratings):
        given.setdefault(file, []).append(answer)
    return given


def _answers(key: Path, ratings: list[Path]):
    """(picture, expression that a rater named) for each line of the ratings."""
    files = {int(n): Path(f) for n, f in _rows(key, 2)}
    for path in ratings:
        for number, label in _rows(path, 2):
            if not number.strip().isdecimal():
                continue  # a heading
            refuse_earlier(int(number), files, path)
            if int(number) not in files or label.strip() not in EXPRESSIONS:
                raise InputError(
                    f"has the line {number},{label}, which names no picture or no expression",
                    file=path,
                    fix=f"write NUMBER,LABEL with one of {', '.join(EXPRESSIONS)}",
                )
            yield files[int(number)], label.strip()


def _rows(path: Path, columns: int) -> list[list[str]]:
    rows = read_table(path)
    if any(len(row) != columns for row in rows):
        raise InputError(f"has a line without {columns} fields", file=path, fix="mend it")
    return rows


def csv_text(rows) -> str:
    """Rows as the text of a .csv file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
