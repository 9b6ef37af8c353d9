"""Shot lists: a table, CSV or JSON, whose rows are retargets; read and checked as a whole.

The columns are `exprgen retarget`'s own options, so an option added there is a column here. Nothing
runs before every row makes sense: each mistake is told with the list, the row, the column and what
to write instead.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...networks.characters.profile import RigProfile, find_character
from ...networks.errors import ExprGenError, InputError, UsageError
from ...networks.models.playable import check_follow, check_lead
from ...networks.names import NAME_FIX, is_name
from ...networks.reading import parse_json, plain_file, read_text
from ...networks.records import FieldError
from ...networks.records import text as plain_text
from .console import check_file, check_folder
from .options import check_options, retarget_options
from .places import Inputs, picture_folders, real_name

SHOT = "shot"
REQUIRED = (SHOT, "reference", "primary", "out")
OUTPUTS = {"out": (".blend",), "preview": (".mp4",), "render": (), "tracks": ()}
"""Columns that name what is written, with the endings of files; the others are folders."""

ALIASES = {"secondaries": "secondary", "references": "reference", "name": SHOT}
YES = ("yes", "true", "1", "x", "on")
NO = ("no", "false", "0", "off")
SEPARATOR = re.compile(r"\s*[;|]\s*")


@dataclass(frozen=True)
class Shot:
    """One row of a list.

    Args:
        name: unique; names its log. number: its place among the shots, from 1. row: as a
            spreadsheet counts, the header being row 1 (in JSON: the shots' own count).
        cells: column -> texts, one for most columns, several for those that may be repeated;
            paths absolute.
        profiles: of its characters, the primary first.
    """

    name: str
    number: int
    row: int
    cells: dict[str, tuple[str, ...]]
    profiles: tuple[RigProfile, ...]

    @property
    def references(self) -> list[Path]:
        return [Path(p) for p in self.cells["reference"]]

    @property
    def outputs(self) -> dict[str, Path]:
        """Column -> the file or folder that it names; only those that are asked for."""
        return {c: Path(self.cells[c][0]) for c in OUTPUTS if c in self.cells}

    def words(self, outputs: dict[str, Path]) -> list[str]:
        """The `exprgen` command of this shot, writing to other places than its own."""
        words = ["retarget", *self.cells["reference"]]
        for column, texts in self.cells.items():
            option = "--" + column.replace("_", "-")
            if column in outputs:
                words.append(f"{option}={outputs[column]}")
            elif column not in (SHOT, "reference"):
                words += [f"{option}={text}" if text else option for text in texts]
        return words


class ShotListError(Exception):
    """A list that can't run: `errors` are its mistakes, in the order of the rows."""

    def __init__(self, errors: list[ExprGenError]):
        self.errors = errors
        super().__init__(str(errors[0]))


def load_shots(
    path: str | Path, names: list[str] | None = None, numbers: str | None = None
) -> list[Shot]:
    """Read and check a shot list, or of it only the shots that were asked for, by name and number.

    Paths in it are relative to the list's own folder. Cells that hold several things part them by
    `;` or `|`. Empty rows, and rows whose first cell begins with `#`, are passed over.

    Raises:
        InputError: the file can't be read as a table, or holds no shots.
        UsageError: there is no such shot.
        ShotListError: columns or cells that make no sense, all of them at once.
    """
    path = Path(path)
    rows = _rows(path)
    if not rows:
        raise InputError("holds no shots", file=path, fix="write a row for each shot")
    reader = _Reader(path)
    shots, errors = [], []
    for number, (row, cells) in _chosen(list(enumerate(rows, start=1)), names, numbers):
        try:
            shots.append(reader.shot(row, number, cells))
        except ExprGenError as error:
            errors.append(error)
    errors += _clashes(path, shots)
    errors += _clobbered(path, shots)
    if errors:
        raise ShotListError(errors)
    return shots


def _chosen(rows: list, names: list[str] | None, numbers: str | None) -> list:
    """The numbered rows that were asked for, in the list's order; all without names and numbers.

    Raises:
        UsageError: there is no such shot.
    """
    if names:
        known = [_text(cells.get(SHOT)) for _, (_, cells) in rows]
        missing = set(names) - set(known)
        if missing:
            fix = f"the list has {', '.join(known[:20])}"
            raise UsageError(f"there is no shot {min(missing)!r}", fix=fix)
        rows = [row for row, name in zip(rows, known, strict=True) if name in names]
    if numbers:
        first, _, last = numbers.partition("-")
        try:
            wanted = range(int(first), int(last or first) + 1)
        except ValueError:
            raise UsageError(f"{numbers!r} is not N or N-M", fix="such as 3, or 1-10") from None
        found = [row for row in rows if row[0] in wanted]
        if not found:
            fix = f"the list's numbers run from 1 to {rows[-1][0]}"
            raise UsageError(f"there are no shots {numbers}", fix=fix)
        rows = found
    return rows


def _text(cell: object) -> str:
    """A cell that holds one value, as text."""
    return str(cell if cell is not None else "").strip()


# --- tables --------------------------------------------------------------------------------------


def _rows(path: Path) -> list[tuple[int, dict[str, object]]]:
    """(row, column -> cell as it stands) of each shot."""
    if path.suffix.lower() not in (".csv", ".json"):
        raise InputError("is no shot list", file=path, fix="give a .csv or a .json")
    text = read_text(path, "save it as CSV UTF-8", encoding="utf-8-sig")
    return _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> list[tuple[int, dict[str, object]]]:
    head, _, _ = text.partition("\n")
    # Spreadsheets of half the world part cells by semicolons.
    delimiter = max(",;\t", key=head.count)
    try:
        table = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"is no table ({error})", file=path, fix="save it as CSV UTF-8") from error
    if not table:
        return []
    header = [_column(name) for name in table[0]]
    while header and not header[-1]:
        header.pop()
    _check_header(path, header)
    rows = []
    for row, cells in enumerate(table[1:], start=2):
        if not any(c.strip() for c in cells) or cells[0].lstrip().startswith("#"):
            continue
        if any(c.strip() for c in cells[len(header) :]):
            raise InputError(
                f"row {row} has {len(cells)} cells, the header {len(header)}",
                file=path,
                fix="put cells that contain the separator in double quotes",
            )
        rows.append((row, dict(zip(header, cells, strict=False))))
    return rows


def _json_rows(path: Path, text: str) -> list[tuple[int, dict[str, object]]]:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise InputError(f"is no JSON ({error})", file=path, fix="mend it there") from error
    defaults = {}
    if isinstance(data, dict):
        defaults, data = data.get("defaults", {}), data.get("shots")
    if not isinstance(data, list) or not isinstance(defaults, dict):
        raise InputError(
            "holds no list of shots",
            file=path,
            fix='write [{"shot": ...}, ...] or {"defaults": {...}, "shots": [...]}',
        )
    rows, headers = [], []
    for row, shot in enumerate(data, start=1):
        if not isinstance(shot, dict):
            fix = 'write {"shot": ..., "reference": ..., "primary": ..., "out": ...}'
            raise InputError(f"shot {row} is no object", file=path, fix=fix)
        cells = {_column(k): v for k, v in {**defaults, **shot}.items()}
        if cells.keys() not in headers:
            _check_header(path, list(cells), row)
            headers.append(cells.keys())
        rows.append((row, cells))
    return rows


def _column(name: str) -> str:
    """A column's name as options are called: `Smoothing eyes` and `--smoothing-eyes` are one."""
    plain = re.sub(r"[\s-]+", "_", name.strip().lower().lstrip("-"))
    return ALIASES.get(plain, plain)


def _check_header(path: Path, columns: list[str], row: int | None = None) -> None:
    """Refuse unknown, repeated and missing columns.

    Raises:
        UsageError: names the column, and what may have been meant.
    """
    where = "the header" if row is None else f"shot {row}"
    known = [SHOT, *_options()]
    for column in columns:
        if column not in known:
            near = difflib.get_close_matches(column, known, 1)
            fix = f"perhaps {near[0]!r}; else" if near else "use"
            fix += f" one of {', '.join(known)}"
            raise UsageError(f"{where} has an unknown column {column!r}", file=path, fix=fix)
        if columns.count(column) > 1:
            fix = "keep one; several values go into one cell, parted by ;"
            raise UsageError(f"{where} has the column {column!r} twice", file=path, fix=fix)
    for column in REQUIRED:
        if column not in columns:
            fix = f"every shot needs {', '.join(REQUIRED)}"
            raise UsageError(f"{where} has no column {column!r}", file=path, fix=fix)


@cache
def _options() -> dict[str, argparse.Action]:
    """Column -> the option of `exprgen retarget` that it is."""
    return {a.dest: a for a in _parser()._actions}


@cache
def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    retarget_options(parser)
    return parser


# --- one row -------------------------------------------------------------------------------------


class _Reader:
    """Turns rows into shots; remembers the characters that it has looked up."""

    def __init__(self, path: Path):
        self.path = path
        self.folder = path.resolve().parent
        self.options = _options()
        self._characters: dict[str, RigProfile] = {}
        self._right: set = set()

    def shot(self, row: int, number: int, raw: dict[str, object]) -> Shot:
        """One checked shot.

        Raises:
            ExprGenError: the first mistake, named by row and column.
        """
        name = self._name(row, raw.get(SHOT))
        cells: dict[str, tuple[str, ...]] = {}
        for column, cell in raw.items():
            with _at(self.path, row, name, column):
                texts = (name,) if column == SHOT else self._texts(column, cell)
            if texts:
                cells[column] = texts
        for column in REQUIRED:
            if column not in cells:
                with _at(self.path, row, name, column):
                    raise UsageError("is empty", fix=f"every shot needs {', '.join(REQUIRED)}")
        for column, ending in OUTPUTS.items():
            with _at(self.path, row, name, column):
                for text in cells.get(column, ()):
                    self._once(_check_output, Path(text), ending)
        profiles: list[RigProfile] = []
        for column in ("primary", "secondary"):
            with _at(self.path, row, name, column):
                profiles += [self._character(text, profiles) for text in cells.get(column, ())]
        self._check_cast(row, name, tuple(profiles))
        shot = Shot(name, number, row, cells, tuple(profiles))
        self._check_options(shot)
        return shot

    def _check_cast(self, row: int, name: str, profiles: tuple[RigProfile, ...]) -> None:
        key = tuple(str(p.path) for p in profiles)
        if key in self._right:
            return
        with _at(self.path, row, name, "primary"):
            check_lead(profiles[0], profiles[1:])
        with _at(self.path, row, name, "secondary"):
            for profile in profiles[1:]:
                check_follow(profile, profiles[0])
        self._right.add(key)

    def _once(self, check: Callable, path: Path, endings: tuple[str, ...]) -> None:
        """Check a place; files that are new in one folder can all be written or none."""
        key = (path.parent, path.suffix) if endings else path
        if key not in self._right or path.exists():
            check(path, endings)
            self._right.add(key)

    def _name(self, row: int, cell: object) -> str:
        name = _text(cell)
        with _at(self.path, row, name, SHOT):
            if not is_name(name):
                what = f"{name[:60]!r} can't name a file" if name else "is empty"
                raise UsageError(what, fix=NAME_FIX)
        return name

    def _texts(self, column: str, cell: object) -> tuple[str, ...]:
        """The cell's values as an option takes them; an empty text for a switch that is on."""
        action = self.options[column]
        texts = _split(cell, several=action.nargs == "+" or isinstance(action.default, list))
        if isinstance(action, argparse._StoreTrueAction):
            return ("",) if texts and _switch(texts[0]) else ()
        for text in texts:
            _convert(action, text)
        if column == "reference" or column in OUTPUTS:
            texts = tuple(str((self.folder / os.path.expanduser(t)).absolute()) for t in texts)
        elif column in ("primary", "secondary"):
            texts = tuple(str(self.folder / t) if t.endswith(".json") else t for t in texts)
        if column == "reference":
            for text in texts:
                if not Path(text).exists():
                    fix = f"paths are relative to {self.folder}"
                    raise InputError(f"there is no {text}", fix=fix)
                if not Path(text).is_dir():
                    plain_file(text)
        return texts

    def _character(self, text: str, others: list[RigProfile]) -> RigProfile:
        if text not in self._characters:
            self._characters[text] = find_character(text)
        profile = self._characters[text]
        if profile.name in [p.name for p in others]:
            fix = "name each character once"
            raise UsageError(f"the character {profile.name!r} is named twice", fix=fix)
        if not profile.blend.is_file():
            fix = "put the character's .blend beside its profile"
            raise InputError(f"there is no {profile.blend}", fix=fix)
        return profile

    def _check_options(self, shot: Shot) -> None:
        """What the options mean together; the column at fault is the one that fails alone."""
        apart = (SHOT, "reference", "primary", "secondary", *OUTPUTS)
        key = tuple(sorted((c, t) for c, t in shot.cells.items() if c not in apart))
        if key in self._right:
            return
        with suppress(ExprGenError):
            _check(shot)
            self._right.add(key)
            return
        plain = {c: shot.cells[c] for c in REQUIRED}
        for column, texts in shot.cells.items():
            with _at(self.path, shot.row, shot.name, column):
                _check(Shot(shot.name, 1, 1, {**plain, column: texts}, ()))
        with _at(self.path, shot.row, shot.name, "no_..."):  # each is fine, together they are not
            _check(shot)


def _check(shot: Shot) -> None:
    check_options(_parser().parse_args(shot.words({})[1:]))


class _at:
    """Errors inside get the list's name, the row and the column; a context manager."""

    def __init__(self, path: Path, row: int, name: str, column: str):
        self.path = path
        self.place = f"row {row}, shot {name or '?'}, column {column}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, OSError):  # a name that the system refuses to look up
            error = UsageError(f"can't be a path ({error.strerror})", fix="check the path")
        if isinstance(error, ExprGenError):
            what = f"{error.file} {error.problem}" if error.file else error.problem
            raise type(error)(f"{self.place}: {what}", file=self.path, fix=error.fix) from error


def _split(cell: object, several: bool) -> tuple[str, ...]:
    """A cell's values as texts: CSV text, or JSON text, number, switch, list or table."""
    if cell is None:
        return ()
    if isinstance(cell, bool):
        return (YES[0] if cell else NO[0],)
    if isinstance(cell, dict):
        cell = [f"{k}={v}" for k, v in cell.items()]
    if isinstance(cell, list):
        texts = [str(c).strip() for c in cell]
    else:
        text = str(cell).strip()
        texts = SEPARATOR.split(text) if several else [text]
    try:
        texts = [plain_text(t, "a value") for t in texts if t]
    except FieldError as error:
        raise UsageError(str(error), fix="write it anew") from None
    if len(texts) > 1 and not several:
        raise UsageError(f"holds {len(texts)} values", fix="give one")
    return tuple(texts)


def _switch(text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise UsageError(f"{text!r} is neither yes nor no", fix="write yes or no, or leave it empty")


def _convert(action: argparse.Action, text: str) -> None:
    """Refuse what the option's own reading of the text refuses."""
    convert: Callable = action.type or str
    fix = f"write {action.metavar}" if action.metavar else "write a number"
    try:
        value = convert(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error), fix=fix) from None
    except ValueError:
        raise UsageError(f"{text!r} is no {convert.__name__} number", fix=fix) from None
    if action.choices and value not in action.choices:
        fix = f"use one of {', '.join(action.choices)}"
        raise UsageError(f"{text!r} is unknown", fix=fix)


def _check_output(path: Path, endings: tuple[str, ...]) -> None:
    """Whether it can be written; folders on the way there need not exist yet, and are not made."""
    there = path.parent
    while not there.exists() and there != there.parent:
        there = there.parent
    if not endings:
        check_folder(path if path.exists() else there)
    elif there == path.parent and there.is_dir():
        check_file(path, endings)
    else:
        check_folder(there)
        check_file(there / path.name, endings)


def _clashes(path: Path, shots: list[Shot]) -> Iterator[ExprGenError]:
    """Names and outputs that two shots share."""
    seen: dict[str, tuple[Shot, str]] = {}
    for shot in shots:
        keys = {f"shot {shot.name.lower()}": SHOT}
        keys |= {real_name(p): c for c, p in shot.outputs.items()}
        for key, column in keys.items():
            if key in seen:
                other = seen[key][0]
                what = "the same name" if column == SHOT else "the same place"
                yield UsageError(
                    f"row {shot.row}, shot {shot.name}, column {column}: {what} as row {other.row}",
                    file=path,
                    fix="give every shot its own",
                )
            seen.setdefault(key, (shot, column))


def _clobbered(path: Path, shots: list[Shot]) -> Iterator[ExprGenError]:
    """Outputs that would take the place of what some shot of the list reads, or of the list."""
    inputs = inputs_of(path, shots)
    for shot in shots:
        taken = {c: inputs.at(output) for c, output in shot.outputs.items()}
        for folder in picture_folders(shot.outputs.get("render"), shot.profiles):
            taken["render"] = taken["render"] or inputs.within(folder)
        for column, what in taken.items():
            if what:
                yield UsageError(
                    f"row {shot.row}, shot {shot.name}, column {column}: would replace {what}",
                    file=path,
                    fix="give it another name",
                )


def inputs_of(path: Path, shots: list[Shot]) -> Inputs:
    """All that a list's shots read, and the list."""
    inputs = Inputs()
    inputs.add("the list itself", path)
    for shot in shots:
        for reference in shot.references:
            inputs.add(f"the reference of row {shot.row}", reference)
    for profile in {str(p.path): p for shot in shots for p in shot.profiles}.values():
        inputs.add_character(profile)
    return inputs
