"""`python -m exprgen.sample_rigs.build.face_model.named_alike CLIP ... --tracks TRACKS --out DIR`:
is a reconstruction named as its actor is? (EMOCA, section 5.3.)

In DIR come pictures of the actors, and of their heads with and without consistency and as the
cascade alone tells them, drawn alone and grey; then numbered sheets: `heads_N.png` with all kinds
of heads shuffled, `actors_N.png`, each with a key that viewers must not see. A viewer writes
NUMBER,LABEL a line, with one of the seven expressions. `... named_alike --out DIR --heads FILE ...
--actors FILE ...` tells then how many of the heads are named as most viewers named the actor.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ....exprgen_addon.studio import rasteriser
from ....networks.evaluation.consistency import reconstruction
from ....networks.evaluation.sheets import named, write_picture, write_sheets
from ....networks.evaluation.strips import actor_crop
from ....networks.face_model.consistency import CONSISTENCY, PLAIN, Artist, Shot, chosen
from ....networks.face_model.drawn_face import SIDE
from ....networks.face_model.model import face_model
from ....networks.face_model.steps import pictures_of
from ....networks.footage.reference_pictures import decoded
from ....networks.track import FaceTrack
from ....networks.vocabulary import EXPRESSIONS

SIZE = 300
SHOWN = 1.05
"""How large a head is drawn beside a registered face."""
KINDS = ("alone", "without", "with")
HEADS, ACTORS = "heads", "actors"


def drawn(artist: Artist, shot: Shot, expression: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8: a frame's head with an expression (E,), alone."""
    import torch

    points = artist.face.points(torch.from_numpy(np.asarray(expression, np.float32)))
    flat, far = (part.numpy() for part in artist.flat(points, artist.view(shot)))
    light = artist.face.shades(points).numpy() / 255.0
    side = SIZE * rasteriser.SAMPLES
    places = (flat - SIDE / 2.0) * SHOWN * side / SIDE + side / 2.0
    triangles = artist.face.triangles
    covered = rasteriser.cover(np.c_[places, far].astype(np.float32), triangles, side)
    shown = np.full(side * side, PLAIN / 255.0, np.float32)
    shares = torch.from_numpy(covered.shares)
    grey = artist.face.colours(
        artist.skin, torch.from_numpy(covered.triangle).long(), shares[:, 1], shares[:, 2]
    )
    shown[covered.sample] = covered.blend(light[triangles][..., None])[:, 0] * grey.numpy()
    shown = cv2.resize(shown.reshape(side, side), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.repeat((np.clip(shown, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def make(clips: list[Path], tracks: Path, out: Path, frames: int, seed: int) -> None:
    """Pictures and sheets of so many frames a clip, evenly over it; of what is there already the
    pictures are kept."""
    names: dict[str, list[Path]] = {HEADS: [], ACTORS: []}
    for clip in clips:
        track = FaceTrack.load(tracks / f"{clip.stem}.npz")
        rows = np.linspace(0, len(track) - 1, frames + 2)[1:-1].astype(int).tolist()
        stems = [f"{clip.stem}_{row:04d}" for row in rows]
        kept = {kind: [out / kind / clip.stem / f"{s}.png" for s in stems]
                for kind in (*KINDS, ACTORS)}  # fmt: skip
        if not all(path.exists() for paths in kept.values() for path in paths):
            for kind, number, picture in _pictures(clip, track, rows):
                kept[kind][number].parent.mkdir(parents=True, exist_ok=True)
                write_picture(kept[kind][number], picture)
        names[HEADS] += [path for kind in KINDS for path in kept[kind]]
        names[ACTORS] += kept[ACTORS]
    for name, files in names.items():
        truth = {path.stem: "unknown" for path in files}
        for path in write_sheets(files, truth, out / name, seed).pictures:
            print(path)


def _pictures(clip: Path, track: FaceTrack, rows: list[int]) -> Iterator[tuple]:
    """(kind, number of the row, picture) of a clip."""
    every = chosen(track, pictures_of([str(clip)], track), 0.0)
    usual = [s for s in every if s.row in set(np.arange(0, len(track), 5)) | set(rows)]
    shown = [shot for shot in usual if shot.row in rows]
    for alone in (True, False):
        fit = reconstruction(track, str(clip), alone)
        artist = Artist(track, fit, face_model(), usual)
        for shot in shown:
            number = rows.index(shot.row)
            yield KINDS[not alone], number, drawn(artist, shot, fit.expression[shot.row])
            if not alone:
                yield KINDS[2], number, drawn(artist, shot, artist.bettered(shot, CONSISTENCY))
    for row, frame in decoded([str(clip)], track):
        if row in rows:
            marks = np.asarray(track.landmarks[row, :, :2]) / frame.scale
            yield ACTORS, rows.index(row), actor_crop(frame.rgb, marks)


def score(out: Path, heads: list[Path], actors: list[Path]) -> None:
    """Print how many heads are named as the actor of their moment is."""
    said = {stem: Counter(labels).most_common(1)[0][0]
            for path, labels in named(out / f"{ACTORS}_key.csv", actors).items()
            for stem in [path.stem]}  # fmt: skip
    alike: dict[tuple[str, str], list[bool]] = {}
    for path, labels in named(out / f"{HEADS}_key.csv", heads).items():
        if path.stem in said:
            right = [label == said[path.stem] for label in labels]
            for group in (path.parts[-2], "all", said[path.stem]):
                alike.setdefault((path.parts[-3], group), []).extend(right)
    for group in sorted({g for _, g in alike}, key=lambda g: (g in EXPRESSIONS, g)):
        shares = [f"{k} {np.mean(alike[k, group]):.1%} of {len(alike[k, group])}"
                  for k in KINDS if (k, group) in alike]  # fmt: skip
        print(f"{group:<20} {', '.join(shares)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--tracks", type=Path, help="folder of NAME.npz of `analyse`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=16, help="of each clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heads", type=Path, nargs="+", help="answers to heads_N.png")
    parser.add_argument("--actors", type=Path, nargs="+", help="answers to actors_N.png")
    given = parser.parse_args()
    if given.heads and given.actors:
        score(given.out, given.heads, given.actors)
    else:
        make(given.clips, given.tracks, given.out, given.frames, given.seed)


if __name__ == "__main__":
    main()
