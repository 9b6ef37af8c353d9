"""What is told of faces that are turned away, by landmarks alone and with the fitted head.

`python -m exprgen.networks.evaluation.turned_faces DIR [--people p04 p05]` reads what
`sample_rigs/build/talkers/turned.py` made and prints, for each view, the correlation of quick
motion with the true one and the mean error in eye distances, how the face looked from the front
taken off; after > the same with the fitted head.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..footage.truth import ClipTruth
from ..solving.relations import INDEX, actor_points, measure
from ..solving.turned_faces import with_turned_faces
from ..track import FaceTrack
from ..training.shared.talkers import talkers
from .correlation import correlation
from .face_features import features, true_points, unit
from .performance import fast, mean_of

FRONT, STANDS = 1.0, 1.5
"""Seconds until which a clip is from the front, and from which on the camera stands aside."""
SHOWN = {
    "lip gap": ("gap", 1.0, ("lip_gap_left", "lip_gap_middle", "lip_gap_right")),
    "width": ("width", 1.0, ("mouth_width",)),
    "lids": ("lids", 1.0, ("lid_gap_left", "lid_gap_right")),
    "brows": ("brows", 1.0, ("brow_height_left", "brow_height_right")),
    "left corner": ("corner_left", 1.0, ("mouth_corner_left",)),
    "right corner": ("corner_right", 1.0, ("mouth_corner_right",)),
    "jaw": ("jaw", -1.0, ("jaw_height",)),
}
"""What a table shows -> its feature, and the relations whose mean times a sign it is."""


def compare_turned(track: FaceTrack, truth: ClipTruth, values: np.ndarray) -> dict[str, tuple]:
    """Column -> (correlation of quick motion, mean error) of relations (N, K) while the camera
    stands aside."""
    rate = 1.0 / float(np.median(np.diff(track.times)))
    scale = unit(true_points(truth, truth.times))
    true = features(true_points(truth, track.times), scale)
    front, rows = (track.found & late for late in (track.times < FRONT, track.times > STANDS))
    out = {}
    for column, (feature, sign, names) in SHOWN.items():
        told = sign * values[:, [INDEX[n] for n in names]].mean(1)
        off = told - true[feature]
        off = off - off[front].mean()
        quick = (fast(v, rate)[rows] for v in (true[feature], told))
        out[column] = correlation(*quick), float(np.abs(off[rows]).mean())
    return out


def measure_turned(folder: Path, people: Iterable[str] = ()) -> dict[str, dict[str, list]]:
    """View -> column -> [correlation, error by landmarks alone, the same with the fitted head].

    Args:
        people: their names ("p04"); none: all.
    """
    found: dict[str, list] = {}
    for track, truth in talkers(folder, folder):
        person, _, view = str(track.meta["source"]).partition("_")
        if not people or person in people:
            plain = measure(actor_points(track))
            both = (plain, with_turned_faces(track, plain))
            found.setdefault(view, []).append([compare_turned(track, truth, v) for v in both])
    return {view: _means(clips) for view, clips in found.items()}


def _means(clips: list[list[dict]]) -> dict[str, list]:
    return {
        column: [mean_of(c[way][column][n] for c in clips) for way in (0, 1) for n in (0, 1)]
        for column in SHOWN
    }


def table(measured: dict[str, dict[str, list]]) -> str:
    """As Markdown: "correlation error" without and with."""
    lines = ["| | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for view, columns in measured.items():
        cells = ["{:.2f} {:.3f} > {:.2f} {:.3f}".format(*v) for v in columns.values()]
        lines.append(f"| {view} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", nargs="*", default=())
    given = parser.parse_args()
    print(table(measure_turned(given.folder, given.people)))


if __name__ == "__main__":
    main()
