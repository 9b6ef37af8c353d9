"""A sheet of talkers to look at: of each clip the frames in which a mouth has something to show."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....networks.footage.truth import ClipTruth, truth_path
from ....networks.vocabulary import EXPRESSIONS
from .phonetics import SOUND

SHOWN = {
    "closed": ("bilabial",),
    "teeth": ("labiodental",),
    "round": ("close_round", "glide_round", "mid_round"),
    "wide": ("close_front",),
    "open": ("open", "open_front", "open_round"),
    "hushing": ("hushing",),
}
"""Column of a sheet -> visemes of which it shows one."""


def draw_talkers(clips: Sequence[Path], out: Path, most: int = 10) -> Path:
    """Write a sheet of at most `most` clips, spread over them all, as PNG.

    Raises:
        InputError: a clip or its truth can't be read. OutputError: the place can't be written.
    """
    from ....networks.perception.character_pictures import Cell, draw_sheet

    chosen = [clips[i] for i in np.unique(np.linspace(0, len(clips) - 1, most).astype(int))]
    with tempfile.TemporaryDirectory(prefix="exprgen_") as folder:
        cells = []
        for clip in chosen:
            truth = ClipTruth.load(truth_path(clip))
            picked = pick(truth)
            for number, (what, frame) in enumerate(picked):
                path = Path(folder) / f"{clip.stem}_{number}.png"
                _write_frame(clip, truth.times[frame], path)
                cells.append(Cell(str(path), (f"{clip.stem} {what}", _felt(truth, frame))))
        return draw_sheet(cells, out, columns=len(SHOWN) + 2, side=200)


def pick(truth: ClipTruth) -> list[tuple[str, int]]:
    """(what it should show, frame) of each column; without such a sound, the widest gap."""
    gap = truth.extra["lip_gap"].mean(1)
    widest, picked = int(gap.argmax()), [("rest", 0)]
    for column, visemes in SHOWN.items():
        sounds = [i for i, p in enumerate(truth.phonemes) if p and SOUND.get(p[:1]) in visemes]
        if not sounds:
            picked.append(("gap", widest))
            continue
        sound = sounds[len(sounds) // 2]
        picked.append((f"{column} {_plain(truth.phonemes[sound])}", _middle(truth, sound)))
    felt = truth.extra["strength"]
    picked.append(("felt", int(felt.argmax()) if felt.any() else widest))
    return picked


def _plain(phoneme: str) -> str:
    """The sound as the sheet's letters can show it."""
    return phoneme[0] if phoneme[0].isascii() else ""


def _middle(truth: ClipTruth, phoneme: int) -> int:
    moment = (truth.starts[phoneme] + truth.ends[phoneme]) / 2
    return int(np.abs(truth.times - moment).argmin())


def _felt(truth: ClipTruth, frame: int) -> str:
    strength = truth.extra["strength"][frame]
    return f"{EXPRESSIONS[truth.extra['expression'][frame]]} {strength:.2f}"


def _write_frame(clip: Path, seconds: float, path: Path) -> None:
    import cv2

    from ....networks.footage.media import VideoReader

    with VideoReader(clip, start=float(seconds)) as reader:
        frame = next(iter(reader))
    cv2.imwrite(str(path), frame.rgb[:, :, ::-1])
