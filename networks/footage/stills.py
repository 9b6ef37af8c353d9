"""Separate pictures, one after the other.

Of a numbered sequence the gaps are kept, which a renderer left; those in a camera's numbers are
photographs that nobody chose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..track import STILL_SECONDS, check_span
from . import picture_size
from .animations import is_animated
from .frames import Frame, Reader
from .pictures import read_bytes, read_image

WHOLE_ENOUGH = 0.5
"""Share of a numbered sequence that has to be there for its gaps to be gaps."""
_CAMERAS = re.compile(
    r"((IMG|_MG|DSC|_DSC|DSCN|DSCF|PXL|MVIMG|DJI|GOPR|CIMG|PICT|IMGP)[-_ ]?\d|P\d{7}\b)",
    re.IGNORECASE,
)
"""How cameras and telephones call photographs: letters and digits by DCF (JEITA CP-3461), or what
has grown beside it."""
KEPT = (
    "taken for a sequence, their time is kept (if they are photographs, number them without gaps)"
)
SIDE_BY_SIDE = (
    "the numbers have gaps, taken for photographs, side by side (if they are a sequence that lacks "
    "frames, call them frame.0001.png and so on, and have at least half of them there)"
)


class StillReader(Reader):
    """Separate pictures, STILL_SECONDS apart. A damaged one of several is skipped with a note; its
    place in time stays empty, and so do those of numbers that are missing in a sequence."""

    stills = True

    def __init__(self, paths: list[Path], *, source: str, given: str | Path = ""):
        super().__init__(source, given)
        self._paths = paths
        self._names = _unique_stems(paths)
        self._places, uneven = places(paths)
        self.count = len(paths)
        if uneven:
            self.notes.append(f"{self.given}: {uneven}")

    def __iter__(self) -> Iterator[Frame]:
        index, first, failure = 0, 0.0, None
        for path, name, place in zip(self._paths, self._names, self._places, strict=True):
            try:
                rgb = read_image(path)
            except InputError as error:
                failure = failure or error
                self.partial = True
                self.notes.append(error.skipping(path))
                continue
            self._note_more(path)
            size = (rgb.shape[1], rgb.shape[0])
            if index == 0:
                self.size, first = size, place
            yield Frame(index, (place - first) * STILL_SECONDS, rgb, size, name)
            index += 1
        if index == 0 and failure is not None:
            raise failure

    def _note_more(self, path: Path) -> None:
        """A file that holds more pictures than the one that is read."""
        if path.suffix.lower() in (".tif", ".tiff"):
            pages = picture_size.pages(read_bytes(path))
            if pages > 1:
                self.notes.append(f"{path}: holds {pages} pictures, the first is read")
        elif is_animated(path):
            self.notes.append(f"{path}: moves, its first picture is read; give it alone")


def places(paths: list[Path]) -> tuple[list[float], str]:
    """(where each file stands, from 0; what was made of gaps in the numbers and how to have it
    otherwise, "" where there are none).

    Files whose names differ in one number are a sequence if at least half of it is there, in steps
    that divide every difference, and no camera has named them. Anything else stands side by side.
    """
    numbers = _numbers(paths)
    plain = [float(i) for i in range(len(paths))]
    if numbers is None:
        return plain, ""
    step = int(np.gcd.reduce(np.diff(numbers)))
    found = [float((n - numbers[0]) // step) for n in numbers]
    if found == plain:
        return plain, ""
    loose = len(paths) < WHOLE_ENOUGH * (found[-1] + 1) or _CAMERAS.match(paths[0].name)
    if loose or check_span(np.array(found) * STILL_SECONDS, stills=True):
        return plain, SIDE_BY_SIDE
    gaps = [(a + step, b - step) for a, b in pairwise(numbers) if b - a > step]
    told = ", ".join(str(a) if a >= b else f"{a}-{b}" for a, b in gaps[:5])
    more = f" and {len(gaps) - 5} more gaps" if len(gaps) > 5 else ""
    return found, f"lacks number {told}{more}; {KEPT}"


def _numbers(paths: list[Path]) -> list[int] | None:
    """The one number that differs in the files' names, if it grows from file to file."""
    if len(paths) < 3:
        return None
    split = [re.split(r"(\d+)", path.name) for path in paths]
    if len({len(parts) for parts in split}) != 1:
        return None
    columns = list(zip(*split, strict=True))
    varying = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if len(varying) != 1 or varying[0] % 2 == 0:
        return None
    numbers = [int(number) for number in columns[varying[0]]]
    return numbers if all(a < b for a, b in pairwise(numbers)) else None


def _unique_stems(paths: list[Path]) -> list[str]:
    """File stems; where two files share one, the suffix is added, then a number."""
    stems = [p.stem for p in paths]
    names: list[str] = []
    for path in paths:
        name = path.stem
        if stems.count(name) > 1:
            name = f"{name}_{path.suffix.lstrip('.').lower()}"
        unique, number = name, 2
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names.append(unique)
    return names
