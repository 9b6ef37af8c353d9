"""`python -m exprgen.sample_rigs.build face --out DIR`: makes `networks/face_model/face_model.npz`.

In DIR lie the heads, the actions and the pictures' points that are made on the way, each kept, so
that an interrupted run goes on. An hour on two cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....networks.characters.key_poses import POSES, arkit_weights
from ....networks.face_model.model import FACE_MODEL, FaceModel
from ....networks.files import output_folder, written_whole
from ....networks.vocabulary import ARKIT_INDEX, LANDMARKS
from . import anchors, heads, tensor
from .canonical import canonical_points

FINEST = 0.004
"""Millimetres below which a displacement is none: zeros take no place in the file."""
FLOOR = 0.12
"""Least deviation of an action's weight: nobody forbids what no key pose uses."""

LOWER, FORWARD, NARROWER = 3.5, 4.0, 0.92
"""Where people's teeth are beside those of the base mesh: upper incisors end so many millimetres
below the line of the lips, all stand so far behind them, and the arches are so wide."""


@dataclass(frozen=True)
class FaceSettings:
    """people: at rest, for identities. actors: of them, those whose actions are measured too.
    faces: people in pictures, for the landmarks. seed: of everything."""

    people: int = 400
    actors: int = 24
    faces: int = 6
    seed: int = 0


def build_face(out: Path, s: FaceSettings, say=print, file: Path = FACE_MODEL) -> Path:
    """Make the model's file; returns it."""
    output_folder(out)
    found = _hits(out, s, say)
    rests = _kept(out / "rests.npy", lambda: _rests(s, say))
    moves = np.stack([_kept(out / f"moves_{n:03d}.npy", lambda n=n: _moves(s, n, say))
                      for n in range(s.actors)])  # fmt: skip
    reduced = tensor.reduce(rests, np.arange(s.actors), moves)
    say(f"identities explain {reduced.explained:.2%} of heads, {reduced.between:.2%} of actions")
    placed = anchors.gather(found, reduced.mean, canonical_points())
    contour, slides = anchors.slides(placed, reduced.mean)
    shared = heads.topology()
    mean, deviation = expression_statistics()
    model = FaceModel(
        mean=with_teeth(reduced.mean, shared.groups), basis=_bare(reduced.basis), core=reduced.core,
        expressions=heads.EXPRESSIONS, expression_mean=mean, expression_deviation=deviation,
        faces=shared.faces, skin=shared.skin, eyes=shared.eyes,
        groups={**shared.groups, **_brows(placed)}, landmark_corners=placed.corners,
        landmark_shares=placed.shares, landmark_deviation=placed.deviation, contour=contour,
        slides=slides,
    )  # fmt: skip
    made = {"people": s.people, "actors": s.actors, "faces": s.faces, "seed": s.seed}
    told = {"explained": round(reduced.explained, 5), "between": round(reduced.between, 5)}
    model.save(file, {**made, **told, "license": "CC0-1.0"})
    say(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    return file


def _kept(path: Path, make) -> np.ndarray:
    """The array of a file, made now if it is not there."""
    if not path.exists():
        array = make()
        with written_whole(path) as part, open(part, "wb") as file:
            np.save(file, array)
    return np.load(path)


def _rests(s: FaceSettings, say) -> np.ndarray:
    say(f"{s.people} heads at rest")
    return heads.at_rest([heads.identity(s.seed, n) for n in range(s.people)])


def _moves(s: FaceSettings, number: int, say) -> np.ndarray:
    say(f"actions of {number + 1} of {s.actors} people")
    return heads.acting(heads.identity(s.seed, number)).astype(np.float16)


def _hits(out: Path, s: FaceSettings, say) -> list[anchors.Hit]:
    """The landmarker's points in pictures, a file a person."""
    found = []
    for number in range(s.faces):
        path = out / f"points_{number:03d}.npz"
        if not path.exists():
            say(f"pictures of {number + 1} of {s.faces} people")
            hits = list(anchors.shots(number, out / "people"))
            columns = {n: np.array([getattr(h, n) for h in hits]) for n in _HIT}
            with written_whole(path) as part, open(part, "wb") as file:
                np.savez(file, **columns)
        with np.load(path) as data:
            found += [anchors.Hit(*row) for row in zip(*(data[n] for n in _HIT), strict=True)]
    return found


_HIT = ("corners", "shares", "facing", "open_mouth")


def with_teeth(mean: np.ndarray, groups: dict[str, np.ndarray]) -> np.ndarray:
    """Points (V, 3) with the teeth where people's are: a smile shows them, and not a dark bar."""
    out = mean.copy()
    for name, lower in (("teeth_upper", LOWER), ("teeth_lower", 0.0)):
        out[groups[name]] = out[groups[name]] * (NARROWER, 1.0, 1.0) + (0.0, -lower, FORWARD)
    return out


def _bare(basis: np.ndarray) -> np.ndarray:
    return np.where(np.abs(basis) < FINEST, 0.0, basis)


def _brows(placed: anchors.Anchors) -> dict[str, np.ndarray]:
    """The points of each brow: the nearest to its landmarks."""
    nearest = placed.corners[np.arange(len(placed.corners)), placed.shares.argmax(1)]
    rows = {side: [i for n, i in LANDMARKS.items() if n.startswith(f"brow_{side}")]
            for side in ("left", "right")}  # fmt: skip
    return {f"brow_{side}": np.unique(nearest[numbers]) for side, numbers in rows.items()}


def expression_statistics() -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (E,) of the actions' weights, for eq. 7: over the key poses of all
    expressions and as many calm faces."""
    rows = np.array([arkit_weights(pose) for pose in POSES.values()])
    rows = rows[:, [ARKIT_INDEX[name] for name in heads.EXPRESSIONS]]
    rows = np.concatenate([rows, np.zeros_like(rows)])
    return np.zeros(rows.shape[1]), np.maximum(rows.std(0), FLOOR)
