"""Blind strips of performances: the actor's frames above the character's by each method.

The key that raters must not see lies apart; see `windows` for what it holds and how raters answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..files import write_text
from ..footage.media import open_reference
from ..track import FaceTrack
from .numbering import first_number, sweep_sheets
from .sheets import csv_text, square, write_picture
from .windows import LETTERS, Shown

SIDE = 150
MARGIN = 30
"""Pixels left of a row for its letter."""
ZOOM = 0.75
"""Half of the actor's crop, in longer sides of the box of the landmarks."""
CHANGED, UNSEEN = 12, 0.004
"""Grey levels by which a pixel has changed, and the share of a picture's pixels up to which nobody
sees that it did: less than half of a lid's edge."""


@dataclass(frozen=True)
class Strip:
    """One window of a clip on one character: clip and face track (files), frames of the clip, and
    for each method the character's pictures of them."""

    clip: str
    track: str
    character: str
    frames: list[int]
    files: dict[str, list[str]]


Rows = dict[tuple[str, ...], list[np.ndarray]]
"""Of a window: methods -> the pictures that they share."""


def write_strips(strips: list[Strip], prefix: Path, seed: int = 0) -> tuple[list[Path], Path]:
    """Write <prefix>_1.png, ... in shuffled order and <prefix>_key.csv; returns these. How they are
    numbered, see `numbering.first_number`.

    Methods whose pictures of a window can't be told apart share a row there: what a rater says of
    it is said of each.

    Raises:
        InputError: a clip or picture can't be read. OutputError: the place can't be written.
    """
    rng = random.Random(seed)
    faces = {clip: _actors(clip, strips) for clip in {s.clip for s in strips}}
    order = rng.sample(strips, len(strips))
    told = [_told_apart(strip) for strip in order]
    sheets, rows = [], []
    first = first_number(prefix, _shown(order, faces, told), len(order))
    for number, (strip, rows_below) in enumerate(zip(order, told, strict=True), start=first):
        methods = rng.sample(sorted(rows_below), len(rows_below))
        actor = np.hstack([faces[strip.clip][f] for f in strip.frames])
        below = [np.hstack(rows_below[m]) for m in methods]
        sheets.append(prefix.with_name(f"{prefix.name}_{number}.png"))
        write_picture(sheets[-1], draw(number, [actor, *below]))
        start = float(FaceTrack.load(strip.track).times[strip.frames[0]])
        name = Path(strip.clip).name
        rows.append(Shown(number, name, strip.character, start, tuple(methods)).to_row())
    sweep_sheets(prefix, sheets)
    key = prefix.with_name(f"{prefix.name}_key.csv")
    write_text(key, csv_text(rows))
    return sheets, key


def _shown(
    strips: list[Strip], faces: dict[str, dict[int, np.ndarray]], told: list[Rows]
) -> Iterator[bytes]:
    """All that can be seen of strips, and of which methods it is."""
    for strip, rows in zip(strips, told, strict=True):
        yield from (faces[strip.clip][f].tobytes() for f in strip.frames)
        for methods in sorted(rows):
            yield "+".join(methods).encode()
            yield from (picture.tobytes() for picture in rows[methods])


def _told_apart(strip: Strip) -> Rows:
    """The rows of a window that can be told apart."""
    rows: Rows = {}
    for method in sorted(strip.files):
        pictures = [square(Path(p), SIDE) for p in strip.files[method]]
        same = next((m for m, row in rows.items() if alike(row, pictures)), ())
        rows[(*same, method)] = rows.pop(same, pictures)
    return rows


def alike(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Nobody sees which is which of two rows of pictures, uint8 (SIDE, SIDE, 3) each."""
    pairs = zip(first, second, strict=True)
    return all((cv2.absdiff(a, b).max(-1) > CHANGED).mean() < UNSEEN for a, b in pairs)


def draw(number: int, rows: list[np.ndarray]) -> np.ndarray:
    """One sheet, uint8 (H, W, 3) RGB: the actor's row with the window's number, then A, B, ..."""
    edged = []
    for row, word in zip(rows, [str(number), *LETTERS], strict=False):
        row = cv2.copyMakeBorder(row, 2, 2, MARGIN, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        place = (5, row.shape[0] // 2)
        cv2.putText(row, word, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 2)
        edged.append(row)
    return np.vstack(edged)


def actor_crop(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The square about a face, uint8 (SIDE, SIDE, 3); what lies outside repeats the edge.

    Args:
        rgb: (h, w, 3) uint8. points: (K, 2) landmarks in its pixels.
    """
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2.0, float((high - low).max()) * ZOOM
    scale = SIDE / (2.0 * half)
    matrix = np.array(
        [[scale, 0.0, SIDE / 2 - scale * middle[0]], [0.0, scale, SIDE / 2 - scale * middle[1]]]
    )
    shrunk = max(1, round(1.0 / scale))  # against flicker where the crop is much reduced
    smooth = cv2.blur(rgb, (shrunk, shrunk)) if shrunk > 1 else rgb
    return cv2.warpAffine(
        smooth, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _actors(clip: str, strips: Iterable[Strip]) -> dict[int, np.ndarray]:
    """Frame -> the actor's crop, of all frames that strips show of a clip."""
    own = [s for s in strips if s.clip == clip]
    wanted = {f for s in own for f in s.frames}
    track = FaceTrack.load(own[0].track)
    crops: dict[int, np.ndarray] = {}
    with open_reference([clip]) as reader:
        for frame in reader:
            row = int(np.abs(track.times - frame.time).argmin())
            if row in wanted:
                points = np.asarray(track.landmarks[row][:, :2]) / frame.scale
                crops[row] = actor_crop(frame.rgb, points)
            if len(crops) == len(wanted):
                return crops
    raise InputError("is shorter than its face track", file=clip, fix="evaluate into a new folder")
