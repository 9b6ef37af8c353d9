"""`python -m exprgen.sample_rigs.build.face_model.measure --scans heads.npz`: what the model can't
represent, on heads that it was not made of.

The model is laid onto each scan as well as it can be: rigid motion and identity (then expression)
by point to plane, in turns with the nearest points. What is left is the distance of the scan's face
to the model's surface, millimetres. Heads in the form of the light ICT-FaceKit model: `neutral` in
centimetres, `faces`, `material_first_face`, deltas of identities and expressions.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ....networks.arrays import read_archive
from ....networks.face_model.fitting import descend, vertex_normals
from ....networks.face_model.measure import whole_points
from ....networks.face_model.model import FaceModel, face_model
from ....networks.face_model.projection import rotation_of

ROUNDS = 8
RIDGE = 0.02
"""Of identity, in square millimetres a point: scans are dense and exact."""
FAR = 12.0
"""Millimetres from which a pair of nearest points is none."""
FACING = 0.6
"""Least cosine between normals of a pair."""
DRAWN = 6
"""Random identities that are looked at."""


@dataclass(frozen=True)
class Scan:
    """Points (P, 3) of a face's skin with unit normals (P, 3), in the model's frame."""

    points: np.ndarray
    normals: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, required=True)
    heads = Heads(parser.parse_args().scans)
    model = face_model()
    rng = np.random.default_rng(0)
    mean, own = [], []
    neutral = None
    for number in range(DRAWN):
        amounts = np.zeros(heads.identities) if number == 0 else rng.normal(0, 1, heads.identities)
        scan = heads.scan(amounts, {})
        fitted = lay(model, scan, model.identities)
        mean.append(distances(lay(model, scan, 0).points, model, scan))
        own.append(distances(fitted.points, model, scan))
        neutral = fitted if number == 0 else neutral
    print(f"{'':<24} mean   p95")
    print(f"{'the mean face':<24}{_told(np.concatenate(mean))}")
    print(f"{'with its identity':<24}{_told(np.concatenate(own))}")
    for name in heads.expressions:
        if ("eye" in name and "Look" in name) or name.startswith("Pupil"):
            continue
        scan = heads.scan(np.zeros(heads.identities), {name: 1.0})
        before = distances(neutral.points, model, scan)
        after = distances(act(model, scan, neutral), model, scan)
        print(f"{name:<24}{_told(after)}   held neutral{_told(before)}")


def _told(off: np.ndarray) -> str:
    return f"{off.mean():6.2f}{np.percentile(off, 95):6.2f}"


class Heads:
    """The scans' own morphable model."""

    def __init__(self, path: Path):
        data = read_archive(path)
        self._data = data
        self.expressions = [str(n) for n in data["expression_names"]]
        self.identities = len(data["identity_deltas"])
        first = list(data["material_first_face"])
        faces = data["faces"].copy()
        faces[:, 3] = np.where(faces[:, 3] < 0, faces[:, 2], faces[:, 3])
        self._skin, self._faces = faces[: first[1]], faces
        self._eyes = [np.unique(faces[first[k] : first[k + 2]]) for k in (4, 6)]

    def scan(self, identity: np.ndarray, expression: dict[str, float]) -> Scan:
        """A head's face, millimetres from between the eyes."""
        points = self.points(identity, expression)
        normals = vertex_normals(points, self._skin)
        used = np.unique(self._skin)
        front = used[(normals[used, 2] > 0.1) & (points[used, 2] > -30.0)]
        return Scan(points[front], normals[front])

    def points(self, identity: np.ndarray, expression: dict[str, float]) -> np.ndarray:
        """(P, 3) all of a head, millimetres from between the eyes."""
        data = self._data
        points = data["neutral"] + np.tensordot(identity, data["identity_deltas"].astype(float), 1)
        origin = 0.5 * sum(points[e].mean(0) for e in self._eyes)
        for name, weight in expression.items():
            at = self.expressions.index(name)
            points = points + weight * data["expression_deltas"][at].astype(float)
        return 10.0 * (points - origin)


@dataclass(frozen=True)
class Laid:
    """The model laid onto a scan: points (V, 3), and what put them there."""

    points: np.ndarray
    identity: np.ndarray
    rotation: np.ndarray
    shift: np.ndarray


def lay(model: FaceModel, scan: Scan, identities: int) -> Laid:
    """The model's rest face with its first `identities` numbers and a rigid motion, on a scan."""
    identity, rotation, shift = np.zeros(model.identities), np.eye(3), np.zeros(3)
    outside = whole_points(model)
    rest, _ = model.person(identity)
    for _ in range(ROUNDS):
        points = rest @ rotation.T + shift
        mine, theirs = pairs(points, model, outside, scan)
        normals = scan.normals[theirs]
        slopes = [np.cross(points[mine], normals), normals]
        moves = model.basis.reshape(len(rest), 3, -1)[mine] @ model.core[:, 1:, 0]
        moves = np.einsum("ij,pjk->pik", rotation, moves)[:, :, :identities]
        slopes.append(np.einsum("pik,pi->pk", moves, normals))
        system = np.concatenate(slopes, 1)
        lack = ((scan.points[theirs] - points[mine]) * normals).sum(1)
        ridge = np.r_[np.full(6, 1e-6), np.full(identities, RIDGE * len(mine) / 50.0)]
        pull = system.T @ lack - np.r_[np.zeros(6), ridge[6:] * identity[:identities]]
        step = np.linalg.solve(system.T @ system + np.diag(ridge), pull)
        turn = rotation_of(step[None, :3])[0]
        rotation, shift = turn @ rotation, turn @ shift + step[3:6]
        identity[:identities] += step[6:]
        rest, _ = model.person(identity)
    return Laid(rest @ rotation.T + shift, identity, rotation, shift)


def act(model: FaceModel, scan: Scan, start: Laid) -> np.ndarray:
    """(V, 3) the laid model with the expression that brings it nearest to a scan."""
    rest, moves = model.person(start.identity)
    moves = moves @ start.rotation.T
    rest = rest @ start.rotation.T + start.shift
    weights, points, outside = np.zeros((1, len(moves))), rest, whole_points(model)
    for _ in range(ROUNDS):
        mine, theirs = pairs(points, model, outside, scan)
        normals = scan.normals[theirs]
        system = np.einsum("epi,pi->pe", moves[:, mine], normals)
        lack = ((scan.points[theirs] - rest[mine]) * normals).sum(1)
        normal = system.T @ system + 0.02 * len(mine) / 50.0 * np.eye(len(moves))
        weights = descend(normal[None], (system.T @ lack)[None], weights, sweeps=40)
        points = rest + np.tensordot(weights[0], moves, 1)
    return points


def pairs(points, model: FaceModel, outside, scan: Scan) -> tuple[np.ndarray, np.ndarray]:
    """Points of the model and the scan's that are nearest to them and face the same way."""
    normals = vertex_normals(points, model.faces[: model.skin])[outside]
    theirs, gap = nearest(points[outside], scan.points)
    good = (gap < FAR) & ((normals * scan.normals[theirs]).sum(1) > FACING)
    return outside[good], theirs[good]


def nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points (P, 3) the nearest of others (Q, 3): (P,) which, (P,) how far."""
    which, gap = np.empty(len(points), int), np.empty(len(points))
    squares = (others**2).sum(1)
    for start in range(0, len(points), 1000):
        part = points[start : start + 1000]
        apart = squares - 2.0 * part @ others.T
        which[start : start + 1000] = apart.argmin(1)
    gap[:] = np.linalg.norm(points - others[which], axis=1)
    return which, gap


def distances(points: np.ndarray, model: FaceModel, scan: Scan) -> np.ndarray:
    """(P,) millimetres from the scan's face to the model's surface, along the model's normals;
    where the model has face."""
    outside = whole_points(model)
    normals = vertex_normals(points, model.faces[: model.skin])
    which, gap = nearest(scan.points, points[outside])
    which = outside[which]
    along = np.abs(((scan.points - points[which]) * normals[which]).sum(1))
    covered = gap < 8.0 + along  # beyond the model's edge there is nothing to compare
    return along[covered]


if __name__ == "__main__":
    main()
