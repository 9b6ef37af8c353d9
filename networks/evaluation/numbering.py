"""Numbers on blind sheets: they run on where sheets are drawn that show something else.

A rating is of a number, and whoever rates knows nothing else of a sheet. So sheets that were
measured anew must not bear the numbers of those that they replace: what was said of these would be
taken for theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InputError
from ..files import write_text
from ..reading import read_object, read_table
from ..records import FieldError, as_record, json_text

NOTE = "numbers.json"
REMOVE = "remove it"


@dataclass(frozen=True)
class Numbers:
    """Of the sheets that were drawn last: a digest of what they show, the first and last number."""

    shows: str = ""
    first: int = 1
    last: int = 0


def first_number(prefix: Path, shows: Iterable[bytes], count: int) -> int:
    """What the first of `count` pictures on the sheets <prefix>_1.png, ... is numbered: as before
    if they show the same, else one more than the last that was drawn there. Kept in
    <prefix>_numbers.json.

    Args:
        shows: all that can be seen, in its order.

    Raises:
        InputError: the note or the key that lies there is damaged. OutputError: see `write_text`.
    """
    digest = hashlib.sha256()
    for part in shows:
        digest.update(part)
    path = prefix.with_name(f"{prefix.name}_{NOTE}")
    before = _numbers(path) if path.is_file() else Numbers(last=_last_of_key(prefix))
    if before.shows == digest.hexdigest():
        return before.first
    first = before.last + 1
    now = Numbers(digest.hexdigest(), first, before.last + count)
    write_text(path, json_text(asdict(now)) + "\n")
    return first


def _numbers(path: Path) -> Numbers:
    try:
        return as_record(Numbers, read_object(path, REMOVE))
    except FieldError as error:
        raise InputError(f"is no note of numbers ({error})", file=path, fix=REMOVE) from error


def _last_of_key(prefix: Path) -> int:
    """The last number of a key from before numbers were noted; 0 without one."""
    key = prefix.with_name(f"{prefix.name}_key.csv")
    rows = read_table(key, REMOVE) if key.is_file() else []
    return max((int(row[0]) for row in rows if row[0].isdecimal()), default=0)


def sweep_sheets(prefix: Path, drawn: Collection[Path]) -> None:
    """Remove sheets <prefix>_<number>.png that no key tells of, since they were not drawn now."""
    for path in prefix.parent.glob(f"{prefix.name}_*.png"):
        if path.stem.removeprefix(f"{prefix.name}_").isdecimal() and path not in drawn:
            path.unlink()


def refuse_earlier(number: int, known: Collection[int], ratings: Path) -> None:
    """Refuse a rating of a sheet that another one took the place of.

    Args:
        known: the numbers of the key.

    Raises:
        InputError: the number is one from before them.
    """
    if known and number < min(known):
        what = f"rates number {number}, of sheets that were measured anew since"
        raise InputError(what, file=ratings, fix=f"rate the sheets from {min(known)} on")
