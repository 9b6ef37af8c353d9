"""HED, the Human Expression Database (ExprGen, section 3): labelled faces, registered once, cached.

The source is one of
- a folder with `labels.csv` (columns pack,file,label,subject,split and votes by class) and a zip a
  pack, `<pack>.zip`;
- a table of one's own, a .csv with the columns file and label, and subject, split and votes where
  known; files are given relative to the table. Rendered faces may have a column for each ARKit
  channel with the weight they were posed by (all 52, or none);
- a folder with a folder of images for each class: `joy/a.png`, `anger/b.jpg`, ...

`exprgen train hed --source DIR --out DIR` makes the cache; run again, it goes on where it was
stopped.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import multiprocessing
import os
import sys
import time
import zipfile
import zlib
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path

import cv2
import numpy as np

from ..arrays import ROWS, Column, check_columns, read_array
from ..errors import InputError, OutputError, UsageError
from ..files import (
    IMAGE_SUFFIXES,
    mapped_array,
    output_folder,
    sweep,
    write_text,
    written_whole,
)
from ..footage.pictures import decode_image, read_bytes
from ..reading import read_json, read_text
from ..records import json_text
from ..tracking.face_detector import FaceDetector
from ..tracking.registration import (
    apply_affine,
    average_face,
    centred_affine,
    geometric_features,
    registering_affine,
    warp_face,
)
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, REGISTERED_SIZE
from .shared.copies import KEPT as COPIES
from .shared.hed_cache import _COLUMNS, FIX, NO_FACE, VERSION, load_hed
from .shared.interrupts import deaf, end_with_starter, started_deaf
from .shared.sets import TRAIN, VALIDATION, FaceSet

MOST_VOTES = 1e9
VALIDATION_SHARE = 0.1  # of the subjects (or files) of a source that has no split of its own
# Crops out of films whose labels follow the scene and not the face: they teach noise.
FILM_SUBJECTS = {
    "mux": {
        *("Avinash", "Dileep", "Dwarakish", "FaridaJalal"),
        *("HrithikRoshan", "Jayamadhuri", "KatrinaKaif", "SharmilaTagore"),
    }
}
CHUNK = 64  # images handed to a process at a time


@dataclass(frozen=True)
class Item:
    """One labelled picture.

    source: "<pack>/<file>" or the file; archive: its zip, or empty and `member` is a path; label:
    index into EXPRESSIONS; target: (7,) what people said, sums to 1; split: "train" or "val";
    posed: (52,) ARKit weights that a rendered face was posed by, else empty.
    """

    source: str
    pack: str
    archive: str
    member: str
    label: int
    split: str
    subject: str
    target: tuple[float, ...]
    posed: tuple[float, ...] = ()


def list_items(source: str | Path) -> list[Item]:
    """The labelled pictures of a source (see the module's docstring), in a fixed order.

    Raises:
        InputError: nothing usable there; it names the file and the row.
    """
    source = Path(source)
    if source.is_file():
        return _from_table(source, source.parent)
    if (source / "labels.csv").is_file():
        return _from_table(source / "labels.csv", source)
    if not source.is_dir():
        raise InputError("does not exist.", file=source, fix="give a folder or a .csv table")
    return _from_folders(source)


def _from_table(table: Path, root: Path) -> list[Item]:
    text = read_text(table, "save it as .csv", "utf-8-sig")
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(f"is no table ({error}).", file=table, fix="save it as .csv") from error
    if not rows or not {"file", "label"} <= set(rows[0]):
        raise InputError("has no rows with file and label.", file=table, fix="add these columns")
    items = (_from_row(row, n, table, root) for n, row in enumerate(rows, start=2))
    return [item for item in items if item is not None]


def _from_row(row: dict, number: int, table: Path, root: Path) -> Item | None:
    pack, subject = row.get("pack") or "", row.get("subject") or ""
    if subject in FILM_SUBJECTS.get(pack, ()):
        return None
    label = (row["label"] or "").strip()
    if label not in EXPRESSIONS:
        raise InputError(
            f"row {number} has unknown label {label[:60]!r}.",
            file=table,
            fix=f"use one of {', '.join(EXPRESSIONS)}",
        )
    archive = root / f"{pack}.zip"
    zipped = bool(pack) and archive.is_file()
    return Item(
        source=f"{pack}/{row['file']}" if pack else row["file"],
        pack=pack,
        archive=str(archive) if zipped else "",
        member=row["file"] if zipped else str(root / row["file"]),
        label=EXPRESSIONS.index(label),
        split=_split(row.get("split"), subject or row["file"]),
        subject=subject,
        target=_target(row, label, table, number),
        posed=_posed(row, table, number),
    )


def _from_folders(source: Path) -> list[Item]:
    items = []
    for number, label in enumerate(EXPRESSIONS):
        target = tuple(float(name == label) for name in EXPRESSIONS)
        for path in sorted((source / label).rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                name = str(path.relative_to(source))
                split = _split("", name)
                items.append(Item(name, "", "", str(path), number, split, "", target))
    if not items:
        raise InputError(
            "has no labels.csv and no folder of images named after a class.",
            file=source,
            fix=f"name its folders {', '.join(EXPRESSIONS)}",
        )
    return items


def _target(row: dict, label: str, table: Path, number: int) -> tuple[float, ...]:
    """The votes for the seven classes as probabilities; without votes, the label."""
    try:
        votes = [float(row.get(name) or 0) for name in EXPRESSIONS]
    except ValueError as error:
        raise InputError(
            f"row {number} has a vote that is no number.", file=table, fix="mend it"
        ) from error
    if not all(0 <= v < MOST_VOTES for v in votes):
        raise InputError(f"row {number} has a vote below 0.", file=table, fix="mend it")
    if sum(votes) <= 0:
        votes = [float(name == label) for name in EXPRESSIONS]
    return tuple(v / sum(votes) for v in votes)


def _posed(row: dict, table: Path, number: int) -> tuple[float, ...]:
    """The weights of a rendered face, in the order of ARKIT_CHANNELS; empty without the columns."""
    if not set(ARKIT_CHANNELS) <= row.keys():
        return ()
    try:
        weights = tuple(float(row[name]) for name in ARKIT_CHANNELS)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"row {number} has an ARKit weight that is no number.", file=table, fix="mend it"
        ) from error
    if not all(0 <= w <= 1 for w in weights):
        raise InputError(
            f"row {number} has an ARKit weight outside 0..1.", file=table, fix="mend it"
        )
    return weights


def _split(given: str | None, key: str) -> str:
    """The split that is given, else one that depends on the key alone: the same on every machine,
    the pictures of a subject together."""
    if given in (TRAIN, VALIDATION):
        return given
    digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    return VALIDATION if digest < VALIDATION_SHARE * 2**32 else TRAIN


def build(source: str | Path, out: str | Path, *, processes: int = 2, limit: int = 0) -> FaceSet:
    """Register every picture of `source` into the cache folder `out`; goes on if it was stopped.
    Pictures that can't be read are said, and kept as such without a face.

    Args:
        limit: only the first so many pictures (a trial); 0 for all.

    Raises:
        InputError: see `list_items`; or no picture can be read, or shows a face.
    """
    if processes < 1 or limit < 0:
        raise UsageError("processes and limit count things.", fix="give positive numbers")
    items = list_items(source)
    items = items[:limit] if limit else items
    out = output_folder(out)
    sweep(out)
    _prepare(items, out)
    todo = np.flatnonzero(~read_array(out / "done.npy", fix=FIX))
    chunks = [todo[i : i + CHUNK].tolist() for i in range(0, len(todo), CHUNK)]
    unread = _run(chunks, items, out, processes) if chunks else 0
    faces = load_hed(out)
    if (faces.split == NO_FACE).all():
        what = "can be read" if unread == len(items) else "shows a face"
        fix = "give labelled pictures of faces, see `exprgen train hed --help`"
        raise InputError(f"none of its {len(items)} pictures {what}", file=source, fix=fix)
    return faces


def _prepare(items: list[Item], out: Path) -> None:
    """Make the empty columns and the table, unless those of the same pictures are there already,
    and whole.

    Raises:
        OutputError: those of others are there: they took hours, and a trial may be of a few.
    """
    rows = [(i.source, i.label, i.split, i.target) + ((i.posed,) if i.posed else ()) for i in items]
    text = json_text(rows)
    meta = {"version": VERSION, "pictures": hashlib.sha256(text.encode()).hexdigest()}
    header = out / "hed.json"
    there = read_json(header, "remove it to begin anew") if header.is_file() else None
    if there == meta and _has_columns(out, len(items)):
        _write_table(items, out)  # the old one may be damaged
        return
    if there == meta:
        print(f"{out} is damaged: all is looked at again", file=sys.stderr, flush=True)
    elif isinstance(there, dict) and there.get("version") == VERSION:
        raise OutputError(
            "holds the faces of other pictures", file=out, fix="give another folder, or remove it"
        )
    header.unlink(missing_ok=True)
    (out / COPIES).unlink(missing_ok=True)  # they were found among other pictures
    for name, (shape, dtype) in _COLUMNS.items():
        mapped_array(out / f"{name}.npy", dtype, (len(items), *shape))
    _write_table(items, out)
    write_text(header, json_text(meta))


def _has_columns(out: Path, count: int) -> bool:
    """All columns are there, whole."""
    try:
        for name, (shape, dtype) in _COLUMNS.items():
            path = out / f"{name}.npy"
            column = {name: read_array(path, fix=FIX)}
            check_columns(path, column, {name: Column((ROWS, *shape), dtype)}, FIX, count)
    except InputError:
        return False
    return True


def _write_table(items: list[Item], out: Path) -> None:
    with written_whole(out / "table.npz") as part:
        np.savez(
            part,
            target=np.array([i.target for i in items], np.float32),
            label=np.array([i.label for i in items], np.int64),
            split=np.array([i.split for i in items]),
            source=np.array([i.source for i in items]),
            pack=np.array([i.pack for i in items]),
            subject=np.array([i.subject for i in items]),
            **_posed_column(items),
        )


def _posed_column(items: list[Item]) -> dict[str, np.ndarray]:
    """The weights of rendered faces, NaN where a row has none; nothing where no row has any."""
    if not any(i.posed for i in items):
        return {}
    unknown = (np.nan,) * len(ARKIT_CHANNELS)
    return {"posed": np.array([i.posed or unknown for i in items], np.float32)}


def _run(chunks: list[list[int]], items: list[Item], out: Path, processes: int) -> int:
    """Register the items of these rows; how many of them can't be read, which is said."""
    tasks = [[(row, items[row]) for row in chunk] for chunk in chunks]
    total, started = sum(map(len, tasks)), time.monotonic()
    seen, found, unread = 0, 0, 0
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        with started_deaf():
            pool = context.Pool(processes, initializer=_start_process, initargs=(str(out),))
            stack.callback(_end, pool)
        for count, hits, lost in pool.imap_unordered(_register_chunk, tasks):
            seen, found, unread = seen + count, found + hits, unread + lost
            rate = seen / max(time.monotonic() - started, 1e-6)
            left = round((total - seen) / rate)
            print(
                f"{seen}/{total} pictures, {rate:.0f}/s, face found in {found / seen:.1%}, "
                f"{left // 60} min {left % 60:02d} s left",
                file=sys.stderr,
                flush=True,
            )
    if unread:
        print(f"{unread} of {total} pictures can't be read", file=sys.stderr, flush=True)
    return unread


def _end(pool: Pool) -> None:
    """End the processes; a second Ctrl-C would leave some of it undone."""
    with deaf():
        pool.terminate()
        pool.join()


_process: dict = {}  # what a process of the pool makes once and uses for all its pictures


def _start_process(out: str) -> None:
    end_with_starter()
    cv2.setNumThreads(1)
    _process["detector"] = FaceDetector()
    _process["columns"] = {n: read_array(Path(out) / f"{n}.npy", "r+") for n in _COLUMNS}
    _process["archives"] = {}


def _register_chunk(task: list[tuple[int, Item]]) -> tuple[int, int, int]:
    columns, found, unread = _process["columns"], 0, 0
    for row, item in task:
        picture = read_item(item)
        unread += picture is None
        values = describe(picture, _process["detector"])
        for name, value in values.items():
            columns[name][row] = value
        columns["done"][row] = (
            True  # last: a stop in between costs a picture its time, not its data
        )
        found += bool(values["found"])
    return len(task), found, unread


def describe(picture: np.ndarray | None, detector: FaceDetector) -> dict:
    """The columns of one picture, by name.

    Args:
        picture: (H, W, 3) RGB uint8; None for one that can't be read: a grey one, without a face.
        detector: for separate pictures.
    """
    if picture is None:
        picture = np.full((REGISTERED_SIZE, REGISTERED_SIZE, 3), 127, np.uint8)
    faces = detector.search(picture)
    if not faces:
        affine = centred_affine(picture.shape[1], picture.shape[0])
        return {
            "faces": warp_face(picture, affine),
            "landmarks49": average_face(),
            "geometry": 0.0,
            "arkit": 0.0,
            "head_pose": np.eye(4),
            "found": False,
        }
    face = max(faces, key=lambda f: f.area)
    affine = registering_affine(face.landmarks49)
    return {
        "faces": warp_face(picture, affine),
        "landmarks49": apply_affine(affine, face.landmarks49),
        "geometry": geometric_features(face.landmarks49),
        "arkit": face.arkit,
        "head_pose": face.head_pose,
        "found": True,
    }


def read_item(item: Item) -> np.ndarray | None:
    """A picture as RGB (H, W, 3) uint8; None where it can't be read, which is said."""
    try:
        return decode_image(_bytes(item), Path(item.source))
    except InputError as error:
        print(f"warning: {error.skipping(item.source)}", file=sys.stderr)
        return None


def _bytes(item: Item) -> bytes:
    if not item.archive:
        return read_bytes(Path(item.member))
    archives = _process.setdefault("archives", {})
    try:
        if item.archive not in archives:
            archives[item.archive] = zipfile.ZipFile(item.archive)
        return archives[item.archive].read(item.member)
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        fix = "copy or make its archive again"
        raise InputError(f"can't be read ({error})", file=item.source, fix=fix) from error


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    from .shared.options import command_parser, conclude

    parser = command_parser("hed", __doc__.partition("\n")[0])
    parser.add_argument("--source", required=True, help="folder or .csv table of labelled faces")
    parser.add_argument("--out", required=True, help="folder of the cache")
    parser.add_argument(
        "--processes",
        type=int,
        default=min(2, os.cpu_count() or 1),
        help="that look at pictures at once (default: %(default)s)",
    )
    parser.add_argument("--limit", type=int, default=0, help="only the first so many (a trial)")
    given = parser.parse_args(arguments)

    def work() -> dict:
        faces = build(given.source, given.out, processes=given.processes, limit=given.limit)
        found = float((faces.split != NO_FACE).mean())
        print(f"{len(faces)} pictures, {found:.1%} with a face, in {given.out}")
        return {"out": given.out, "metrics": {"pictures": len(faces), "with a face": found}}

    return conclude("hed", work, given.json, lambda: "run it again to go on")


if __name__ == "__main__":
    raise SystemExit(main())
