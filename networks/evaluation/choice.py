"""The validation pictures that a transfer is measured on: a seeded choice of the originals.

Only pictures that people agree on say whether a transfer keeps what they saw, and of those the ones
of which training held no near copy come first. Where a class has fewer than are wanted, the agreed
ones with a copy fill it up, then the next most agreed ones of that label, and the choice says how
far down it had to go. No picture is shown twice while there is another.
"""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, OutputError, UsageError
from ..files import write_bytes, write_text
from ..names import is_name
from ..reading import read_object
from ..records import FieldError, as_type, json_text
from ..training.shared.copies import prints, repeated
from ..training.shared.sets import AGREED, half_of
from ..vocabulary import EXPRESSIONS
from .parts import Part

FORMAT = "exprgen.chosen"


@dataclass(frozen=True)
class Chosen:
    """One picture: stem of its file, people's label and its share of the votes, where it is from,
    which half of the validation pictures it lies in (see `half_of`), and whether training held a
    near copy of it."""

    stem: str
    label: str
    agreement: float
    source: str
    half: int
    seen: bool = False


def choose(parts: list[Part], each: int, seed: int = 0, agreement: float = AGREED) -> list[Chosen]:
    """`each` pictures of each expression, from all parts together.

    Args:
        agreement: least share of the votes; see the module's docstring for what fills up.

    Raises:
        UsageError: nothing to choose. InputError: a class has no picture at all.
    """
    if each < 1 or not 0.0 <= agreement <= 1.0:
        raise UsageError("nothing to choose", fix="give a count above 0, an agreement of 0 to 1")
    labels = np.concatenate([p.labels for p in parts])
    shares = np.concatenate([p.agreement for p in parts])
    sources = np.concatenate([p.sources for p in parts])
    seen = np.concatenate([p.seen for p in parts])
    looks = np.concatenate([prints(p.faces, p.rows) for p in parts])
    rng = np.random.default_rng(seed)
    chosen = []
    for index, expression in enumerate(EXPRESSIONS):
        rows = rng.permutation(np.flatnonzero(labels == index))
        if not len(rows):
            names = ", ".join(p.name for p in parts)
            raise InputError(f"{names}: no picture of {expression}", fix="name another part")
        again = repeated(looks[rows])
        below = np.where(shares[rows] < agreement, agreement - shares[rows], 0.0)
        order = rows[np.lexsort((seen[rows], below, again))]
        for number, row in enumerate(order[:each], start=1):
            source = str(sources[row])
            chosen.append(
                Chosen(
                    f"{expression}_{number:02d}",
                    expression,
                    round(float(shares[row]), 3),
                    source,
                    half_of(source),
                    bool(seen[row]),
                )
            )
    return chosen


def describe(chosen: list[Chosen], agreement: float = AGREED) -> dict:
    """What a reader must know of a choice, by expression: count, least agreement, how many lie
    below `agreement`, of how many training held a near copy."""
    about = {}
    for expression in EXPRESSIONS:
        own = [c for c in chosen if c.label == expression]
        shares = [c.agreement for c in own]
        about[expression] = {
            "count": len(shares),
            "least_agreement": min(shares, default=None),
            "mean_agreement": round(float(np.mean(shares)), 3) if shares else None,
            "below": sum(s < agreement for s in shares),
            "seen": sum(c.seen for c in own),
        }
    return about


def save_choice(chosen: list[Chosen], path: Path) -> None:
    """Write a choice as JSON (temporary name first)."""
    write_text(path, json_text({"format": FORMAT, "pictures": [asdict(c) for c in chosen]}))


def load_choice(path: str | Path) -> list[Chosen]:
    """Read what `save_choice` wrote.

    Raises:
        InputError: it is none.
    """
    fix = "evaluate into an empty folder"
    data = read_object(path, fix)
    try:
        if data.get("format") != FORMAT:
            raise FieldError("another format")
        chosen = as_type(list[Chosen], data.get("pictures"), "pictures")
        for picture in chosen:
            if not is_name(picture.stem) or picture.label not in EXPRESSIONS:
                raise FieldError(f"{picture.stem[:60]!r} names no picture of an expression")
    except FieldError as error:
        raise InputError(f"is no choice of pictures ({error})", file=path, fix=fix) from error
    return chosen


def write_originals(chosen: list[Chosen], source: str | Path, folder: Path) -> list[Path]:
    """The chosen pictures as they were given out, in `folder` as <stem>.<their suffix>.

    Args:
        source: the folder that the HED cache was made from: a zip a pack, or files.

    Raises:
        InputError: a picture is not there. OutputError: the folder can't be written.
    """
    source, archives, written = Path(source), {}, []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in chosen:
            path = original_path(picture, folder)
            write_bytes(path, _original(picture.source, source, archives))
            written.append(path)
    except OSError as error:
        raise OutputError(
            f"can't be written ({error.strerror})", file=folder, fix="choose a writable folder"
        ) from error
    finally:
        for archive in archives.values():
            archive.close()
    return written


def original_path(picture: Chosen, folder: Path) -> Path:
    """Where `write_originals` puts a picture."""
    return folder / f"{picture.stem}{Path(picture.source).suffix or '.png'}"


def _original(name: str, source: Path, archives: dict) -> bytes:
    pack, _, member = name.partition("/")
    archive = source / f"{pack}.zip"
    try:
        if archive.is_file() and member:
            if pack not in archives:
                archives[pack] = zipfile.ZipFile(archive)
            return archives[pack].read(member)
        return (source / name).read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"has no picture {name!r} ({error})",
            file=source,
            fix="give the folder that the prepared faces came from",
        ) from error
