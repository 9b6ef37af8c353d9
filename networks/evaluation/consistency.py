"""`python -m exprgen.networks.evaluation.consistency CLIP ...`: what each term of equation 7 gains
(EMOCA, Table 2).

Frames of clips are reconstructed, their expressions bettered with all terms and with one left out,
and drawn. Two judges, which share nothing with the readers whose features are made alike, say what
picture and drawing express.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError, exit_code_of
from ..face_model.cascade import face_regression
from ..face_model.consistency import (
    CONSISTENCY,
    LIPS,
    Artist,
    ConsistencySettings,
    check_shots,
    check_torch,
    chosen,
)
from ..face_model.face_fit import FaceFit, fit_track
from ..face_model.model import face_model
from ..face_model.own_shape import with_own_shape
from ..face_model.regressed import regressed, told_alone
from ..face_model.steps import pictures_of
from ..footage.stamp import is_replaced
from ..reading import plain_file
from ..track import FaceTrack
from ..vocabulary import EXPRESSIONS, SKIN_LANDMARKS

VARIANTS: dict[str, ConsistencySettings | None] = {
    "fit as it is": None,
    "all terms": CONSISTENCY,
    "without emotion": replace(CONSISTENCY, emotion=0.0),
    "without photometric": replace(CONSISTENCY, photometric=0.0),
    "without eye closure": replace(CONSISTENCY, eyes=0.0),
    "without mouth closure": replace(CONSISTENCY, mouth=0.0),
    "without lip corners": replace(CONSISTENCY, corners=0.0),
    "without landmarks": replace(CONSISTENCY, landmarks=0.0),
    "emotion alone": replace(
        CONSISTENCY, photometric=0.0, eyes=0.0, mouth=0.0, corners=0.0, landmarks=0.0
    ),
}
JUDGES = ("judge_0", "judge_1")


class Judges:
    """What two networks of another kind say of a drawing."""

    def __init__(self):
        from ..models.weights_io import load_network
        from ..models.weights_places import weights_folder

        self.networks = [load_network(weights_folder() / f"{n}.safetensors")[0] for n in JUDGES]

    def __call__(self, picture) -> np.ndarray:
        """(7,) probabilities of a picture (SIDE, SIDE)."""
        import torch

        from ..models.judge import JUDGE_SIZE

        with torch.no_grad():
            grey = torch.nn.functional.interpolate(
                picture[None, None], (JUDGE_SIZE, JUDGE_SIZE), mode="bilinear", antialias=True
            )
            grey = (grey - grey.mean()) / (grey.std(correction=0) + 8.0)
            return np.mean([torch.softmax(n(grey), 1)[0].numpy() for n in self.networks], axis=0)


def measure(artist: Artist, shots, settings: ConsistencySettings | None, judges: Judges) -> list:
    """A row a frame: named alike (0, 1), overlap of the judges' probabilities, distance of
    landmarks and error of the lips' gap, millimetres, and what the picture is named."""
    import torch

    rows = []
    for shot in shots:
        view = artist.view(shot)
        expression = np.asarray(artist.fit.expression[shot.row], float)
        if settings is not None:
            expression = artist.bettered(shot, settings)
        points = artist.face.points(torch.from_numpy(expression.astype(np.float32)))
        drawn = artist.drawing(points, view, artist.covering(points, view), alone=True)
        said, told = judges(view.picture), judges(drawn)
        scale = float(view.heads.scale(artist.fit.camera)[0])
        own = artist.face.pixels(artist.face.marks(points), view.heads)[0].numpy()
        off = np.linalg.norm(own - view.marks, axis=1)[:SKIN_LANDMARKS].mean() / scale
        gaps = [np.mean([np.linalg.norm(m[i] - m[j]) for i, j in LIPS]) for m in (own, view.marks)]
        rows.append((said.argmax() == told.argmax(), np.minimum(said, told).sum(), off,
                     abs(gaps[0] - gaps[1]) / scale, EXPRESSIONS[said.argmax()]))  # fmt: skip
    return rows


def reconstruction(track: FaceTrack, reference: str, alone: bool = False) -> FaceFit:
    """A clip's, as it is without consistency; alone: as the cascade alone tells it."""
    model = face_model()
    fit = fit_track(track)
    if alone:
        pictures = pictures_of([reference], track)
        return told_alone(track, fit, pictures, face_regression(model), model)
    fit = regressed(track, fit, pictures_of([reference], track), face_regression(model), model)
    return with_own_shape(fit, track.landmarks[..., :2], model)


def prepared(clip: Path, tracks: Path, every: float, alone: bool) -> tuple[Artist, list]:
    """A clip's drawer, and the frames that are looked at.

    Raises:
        InputError: clip or track can't be read, or the one is not of the other.
    """
    plain_file(clip)
    path = tracks / f"{clip.stem}.npz"
    plain_file(path, fix=f"analyse the clip: exprgen analyse {clip} --out {path}")
    track = FaceTrack.load(path)
    if is_replaced(track.meta.get("stamp"), [clip]):
        what = f"was made from {track.meta.get('source') or 'another clip'}, not from this {clip}"
        raise InputError(what, file=path, fix="analyse the clip again")
    fit = reconstruction(track, str(clip), alone)
    shots = chosen(track, pictures_of([str(clip)], track), every)
    check_shots(track, fit, shots)
    return Artist(track, fit, face_model(), shots), shots


def main(args: list[str] | None = None) -> int:
    """Print the table; returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument(
        "--tracks", type=Path, required=True, help="folder of NAME.npz of `analyse`"
    )
    parser.add_argument("--every", type=float, default=0.5, help="seconds between frames")
    parser.add_argument("--variant", action="append", choices=tuple(VARIANTS))
    parser.add_argument(
        "--alone", action="store_true", help="faces as the cascade alone tells them"
    )
    given = parser.parse_args(args)
    return exit_code_of(lambda: _print_table(given))


def _print_table(given: argparse.Namespace) -> None:
    if not 0.0 <= given.every < float("inf"):
        raise UsageError(f"--every {given.every:g} is no time", fix="give seconds from 0 on")
    check_torch()
    made = [prepared(clip, given.tracks, given.every, given.alone) for clip in given.clips]
    judges = Judges()
    print(f"{'':<24} frames  named alike  overlap  landmarks mm  lip gap mm")
    for name in given.variant or VARIANTS:
        rows = [r for a, shots in made for r in measure(a, shots, VARIANTS[name], judges)]
        alike, overlap, off, gap = np.array([r[:4] for r in rows], float).mean(0)
        print(
            f"{name:<24} {len(rows):>6}  {alike:>11.1%} {overlap:>8.3f} {off:>13.2f} {gap:>11.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
