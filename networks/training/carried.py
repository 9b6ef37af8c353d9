"""Training photographs carried to held-in expressions by FACS, for networks to learn from.

Labelled photographs of held-in anger or fear hardly exist. So calm faces of a prepared set are
moved by action units, and smiles that show teeth are drawn flat for fear; a fifth is changed just
as much without an expression. They are registered anew, as photographs are, into one more prepared
set. Faces to check on are made of faces to check on alone.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path

import cv2
import numpy as np

from ..arrays import read_array
from ..errors import InputError, UsageError
from ..files import output_folder, sweep, write_bytes, write_text
from ..reading import read_json
from ..records import json_text
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS
from . import hed
from .shared import carrying
from .shared.hed_cache import FIX, NO_FACE, load_hed
from .shared.loop import say, say_written
from .shared.options import (
    add_options,
    check_numbers,
    command_parser,
    conclude,
    option,
    settings_from,
)
from .shared.sets import TRAIN, VALIDATION, FaceSet

MADE_WITH = "settings.json"
"""Beside the pictures: what they were made with."""
PICTURES = "pictures"
"""Folder within the set's own of the carried pictures and their table."""
CHECK_SHARE = 0.1
"""Of the pictures, for validation."""
STRENGTHS = (0.45, 1.1)
SURE_FROM, SURE_AT, LEAST_SURE = 0.45, 0.8, 0.35
"""Strength from which on viewers begin to name an expression, at which all of them do, and the
share of them who do at the least; the others still say what the photograph showed."""
AGREED = 0.75
"""Share of the votes that call a photograph calm from which on it is."""
TURNED = 25.0
"""Degrees of yaw from which on a face no longer is carried: the spline knows no depth."""
FROWNING = 0.35
"""Mean of both lowered brows from which on a calm face is left out: it looks cross already."""
CLOSED, BARED = 0.05, 0.08
"""Opening of the lips, in 70 pixels, up to which a mouth is shut, and from which teeth show."""
BORDER = 64
"""Pixels of grey around a registered face, in which its landmarks are looked for anew."""


@dataclass(frozen=True)
class Kind:
    """One way to carry a photograph: by what, to which expression, how often, and whether it begins
    with a smile instead of a calm face."""

    carry: Callable[[carrying.Carried], None]
    label: str
    share: float
    smiling: bool = False


KINDS = {
    "anger": Kind(carrying.anger, "anger", 0.30),
    "glare": Kind(carrying.glare, "anger", 0.08),
    "fear": Kind(carrying.fear, "fear", 0.09),
    "bared_fear": Kind(carrying.bared_fear, "fear", 0.12, smiling=True),
    "sadness": Kind(carrying.sadness, "sadness", 0.10),
    "disgust": Kind(carrying.disgust, "disgust", 0.10),
    "calm": Kind(carrying.calm, "neutral", 0.21),
}


@dataclass(frozen=True)
class CarriedSettings:
    """What is made; each option's help says what it is."""

    data: str = option(MISSING)
    out: str = option(MISSING, "folder of the prepared carried photographs to make")
    count: int = option(9000, "photographs")
    processes: int = option(2, "that look at pictures at once")
    seed: int = option(0)


def train(s: CarriedSettings) -> dict[str, float]:
    """Make the set; returns how many pictures it has and in which share a face is found. Run again,
    it goes on where it was stopped.

    Raises:
        InputError: no prepared set, or one without photographs that could be carried. UsageError:
            there is another set.
    """
    pictures = Path(s.out) / PICTURES
    if (pictures / "labels.csv").is_file():
        _check_made(s, pictures / MADE_WITH)
    else:
        _write_pictures(s, pictures)
    made = hed.build(pictures, s.out, processes=s.processes)
    return {"pictures": len(made), "with a face": float((made.split != NO_FACE).mean())}


def _check_made(s: CarriedSettings, note: Path) -> None:
    """That the pictures that are there are those that would be made; of older sets nobody knows."""
    made = read_json(note) if note.is_file() else _made_with(s)
    if made != _made_with(s):
        what = " ".join(f"--{k} {v}" for k, v in made.items()) if isinstance(made, dict) else "?"
        raise UsageError(f"was made with {what}", file=s.out, fix="give the same, or another --out")


def _made_with(s: CarriedSettings) -> dict[str, int]:
    return {"count": s.count, "seed": s.seed}


def _write_pictures(s: CarriedSettings, folder: Path) -> None:
    data, points = load_hed(s.data), read_array(Path(s.data) / "landmarks49.npy", fix=FIX)
    calm, smiling = to_carry(data, points, read_array(Path(s.data) / "head_pose.npy", fix=FIX))
    pools = {
        (smile, part): np.intersect1d(rows, data.rows(part))
        for smile, rows in ((False, calm), (True, smiling))
        for part in (TRAIN, VALIDATION)
    }
    if not all(map(len, pools.values())):
        what = "has too few calm faces, or smiles that show teeth, to carry"
        raise InputError(what, file=s.data, fix="prepare the human expression set")
    sweep(output_folder(folder))
    write_text(folder / MADE_WITH, json_text(_made_with(s)))
    rng, rows = np.random.default_rng(s.seed), []
    for number in range(s.count):
        rows.append(_made(data, points, pools, number, rng, folder))
        if number % 1000 == 999:
            say(f"carried: {number + 1}/{s.count} photographs")
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["file", "label", "subject", "split", *EXPRESSIONS])
    writer.writerows(rows)
    write_text(folder / "labels.csv", table.getvalue())  # last: it says that all are there


def _made(
    data: FaceSet,
    points: np.ndarray,
    pools: dict[tuple[bool, str], np.ndarray],
    number: int,
    rng: np.random.Generator,
    folder: Path,
) -> list:
    """Write one picture; its row of the table."""
    shares = np.array([kind.share for kind in KINDS.values()])
    name = list(KINDS)[rng.choice(len(KINDS), p=shares / shares.sum())]
    kind, part = KINDS[name], VALIDATION if rng.random() < CHECK_SHARE else TRAIN
    row = rng.choice(pools[kind.smiling, part])
    strength = rng.uniform(*STRENGTHS)
    face = carrying.Carried(data.faces[row], points[row], strength, rng)
    kind.carry(face)
    grey = np.clip(face.face, 0, 255).astype(np.uint8)
    grey = grey[:, ::-1] if rng.random() < 0.5 else grey
    framed = cv2.copyMakeBorder(grey, *[BORDER] * 4, cv2.BORDER_CONSTANT, value=128)
    file = f"{name}_{number:05d}.png"
    write_bytes(folder / file, cv2.imencode(".png", framed)[1].tobytes())
    return [file, kind.label, row, part, *np.round(10 * votes(kind, strength), 3)]


def votes(kind: Kind, strength: float) -> np.ndarray:
    """(7,) what viewers would say of a face carried so far, sums to 1."""
    rise = (strength - SURE_FROM) / (SURE_AT - SURE_FROM)
    sure = float(np.clip(LEAST_SURE + (1 - LEAST_SURE) * rise, LEAST_SURE, 1.0))
    said = np.zeros(len(EXPRESSIONS))
    said[EXPRESSIONS.index(kind.label)] = sure
    said[EXPRESSIONS.index("joy" if kind.smiling else "neutral")] += 1.0 - sure
    return said


def to_carry(data: FaceSet, points: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a set's calm faces with shut mouths, and of its smiles that show teeth, both seen
    nearly from the front.

    Args:
        points: (N, 49, 2) landmarks in the registered faces. poses: (N, 4, 4) head -> camera.
    """
    yaw = np.degrees(np.arctan2(poses[:, 0, 2], poses[:, 2, 2]))
    seen = (data.split != NO_FACE) & (np.abs(yaw) < TURNED)
    below, above = points[:, carrying.INNER_BOTTOM, 1], points[:, carrying.INNER_TOP, 1]
    opening = (below - above).mean(1) / 70.0
    brows = [ARKIT_CHANNELS.index(f"browDown{side}") for side in ("Left", "Right")]
    calm = data.targets[:, EXPRESSIONS.index("neutral")] >= AGREED
    calm &= data.arkit[:, brows].mean(1) < FROWNING
    joy = data.labels == EXPRESSIONS.index("joy")
    return np.flatnonzero(seen & calm & (opening < CLOSED)), np.flatnonzero(
        seen & joy & (opening > BARED)
    )


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    parser = command_parser("carried", __doc__.partition("\n")[0])
    add_options(parser, CarriedSettings)
    given = parser.parse_args(args)

    def work() -> dict:
        settings = settings_from(CarriedSettings, given)
        check_numbers(settings)
        metrics = train(settings)
        say_written(settings.out, metrics)
        return {"out": settings.out, "metrics": metrics}

    return conclude("carried", work, given.json, lambda: "run it again to go on")


if __name__ == "__main__":
    sys.exit(main())
