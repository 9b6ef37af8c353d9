"""`python -m exprgen.sample_rigs.build.face_model.scan_pictures --scans heads.npz`: reconstructions
from pictures of heads of another making, as distances to their surface, millimetres.

The heads (see `measure`) are drawn plainly: skin, painted brows and lips, eyes, a sun and a sky.
Each picture is read by itself, by the fit to the landmarks alone, by the cascade and by others that
are given; what comes out is laid rigidly onto the head, as `measure` does it. Everybody has every
expression from every side, so that expressions and sides differ in nothing else.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ....exprgen_addon.studio import rasteriser
from ....networks.face_model.cascade import FaceRegression, Guess, Upright, face_regression
from ....networks.face_model.fitting import Fitter, vertex_normals
from ....networks.face_model.measure import (
    MEASURED_ANGLE,
    centre_points,
    whole_points,
)
from ....networks.face_model.model import FaceModel, face_model
from ....networks.face_model.projection import Camera, rotation_of
from .measure import Heads as ScannedHeads
from .measure import Scan, nearest, pairs

SIZE = 240
AWAY = 1900.0
"""Millimetres from the camera."""
COLOURS = {"M_Face": (0.60, 0.36, 0.26), "M_BackHead": (0.56, 0.34, 0.25),
           "M_GumsTongue": (0.25, 0.06, 0.06), "M_Teeth": (0.75, 0.72, 0.65),
           "M_IrisLeft": (0.7, 0.68, 0.66), "M_IrisRight": (0.7, 0.68, 0.66),
           "M_EyeLashes": (0.03, 0.02, 0.02)}  # fmt: skip
"""Linear colours of what is drawn; the eyes' outer shells are of glass."""
LIPS, BROWS, IRIS = (0.42, 0.18, 0.15), (0.06, 0.04, 0.03), (0.05, 0.04, 0.03)
IRIS_SIZE = 0.62
"""Centimetres of an iris across, halved."""
EXPRESSIONS = {
    "neutral": {},
    "joy": {"mouthSmile_L": 0.9, "mouthSmile_R": 0.9, "cheekRaiser_L": 0.6, "cheekRaiser_R": 0.6},
    "surprise": {"browInnerUp_L": 0.9, "browInnerUp_R": 0.9, "browOuterUp_L": 0.9,
                 "browOuterUp_R": 0.9, "jawOpen": 0.5, "eyeWide_L": 0.7, "eyeWide_R": 0.7},
    "anger": {"browDown_L": 1.0, "browDown_R": 1.0, "mouthPress_L": 0.7, "mouthPress_R": 0.7},
    "sadness": {"browInnerUp_L": 0.9, "browInnerUp_R": 0.9, "mouthFrown_L": 0.9,
                "mouthFrown_R": 0.9},
    "disgust": {"noseSneer_L": 0.9, "noseSneer_R": 0.9, "mouthUpperUp_L": 0.7,
                "mouthUpperUp_R": 0.7, "browDown_L": 0.5, "browDown_R": 0.5},
}  # fmt: skip
YAWS = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0)
STEEP = 0.3
"""Cosine of a normal to the front from which a distance along it tells one along z."""
ALIKE = 0.5
"""Cosine of the normals of two points that are of the same piece of skin."""
ROUNDS, FEWER = 8, 4
"""Times that a face is laid onto a scan, by every fourth of its points."""
BEYOND = 8.0
"""Millimetres beside the model's edge from which there is nothing to compare."""


@dataclass(frozen=True)
class Drawn:
    """A picture (SIZE, SIZE, 3) of a head, and the head's face."""

    picture: np.ndarray
    scan: Scan


class Painter:
    """The heads in colour."""

    def __init__(self, path: Path):
        self.heads = ScannedHeads(path)
        data = self.heads._data
        firsts = [*map(int, data["material_first_face"]), len(data["faces"])]
        triangles, colours = [], []
        paint = self._painted(data)
        for k, name in enumerate(map(str, data["material_names"])):
            if name in COLOURS:
                quads = data["faces"][firsts[k] : firsts[k + 1]]
                own = np.concatenate([quads[:, :3], quads[quads[:, 3] >= 0][:, (0, 2, 3)]])
                triangles.append(own)
                plain = np.broadcast_to(COLOURS[name], (len(own), 3, 3))
                painted = name == "M_Face" or name.startswith("M_Iris")
                colours.append(paint[own] if painted else plain)
        self.triangles, self.colours = np.concatenate(triangles), np.concatenate(colours)

    def _painted(self, data) -> np.ndarray:
        """(P, 3) colours of the skin with lips and brows, and of the eyes."""
        out = np.tile(np.array(COLOURS["M_Face"]), (len(data["neutral"]), 1))
        names = [str(n) for n in data["expression_names"]]
        rolled = [np.linalg.norm(data["expression_deltas"][names.index(n)].astype(float), axis=1)
                  for n in ("mouthRollLower", "mouthRollUpper")]  # fmt: skip
        for moved in rolled:
            out[moved > 0.7 * moved.max()] = LIPS
        x, y, _ = data["neutral"].T
        line = 5.0 + 0.35 * np.exp(-((np.abs(x) - 3.6) ** 2) / 3.0)
        out[(np.abs(y - line) < 0.32) & (np.abs(x) > 1.1) & (np.abs(x) < 5.2)] = BROWS
        firsts = dict(zip(map(str, data["material_names"]), map(int, data["material_first_face"]),
                          strict=True))  # fmt: skip
        for side, after in (("Left", "M_ScleraRight"), ("Right", "M_LacrimalFluid")):
            rows = np.unique(data["faces"][firsts[f"M_Iris{side}"] : firsts[after]])
            rows = rows[rows >= 0]
            eye = data["neutral"][rows]
            off = np.linalg.norm((eye - eye.mean(0))[:, :2], axis=1)
            out[rows] = COLOURS[f"M_Iris{side}"]
            out[rows[(off < IRIS_SIZE) & (eye[:, 2] > eye[:, 2].mean())]] = IRIS
        return out

    def draw(self, identity: np.ndarray, expression: dict, yaw: float, sun: np.ndarray) -> Drawn:
        """A head turned by yaw, degrees, about the upright, lit by a sun (3,)."""
        points = self.heads.points(identity, expression)
        turn = rotation_of(np.array([[0.0, np.radians(yaw), 0.0]]))[0]
        seen = points @ turn.T + (0.0, 30.0, -AWAY)
        quads = np.c_[self.triangles, self.triangles[:, 2]]
        normals = vertex_normals(seen, quads)
        light = 0.45 + 1.5 * np.clip(normals @ sun, 0.0, 1.0)
        focal = SIZE / 2.0 / np.tan(MEASURED_ANGLE / 2.0) * rasteriser.SAMPLES
        middle = SIZE * rasteriser.SAMPLES / 2.0
        flat = np.c_[middle + focal * seen[:, 0] / -seen[:, 2],
                     middle - focal * seen[:, 1] / -seen[:, 2], -seen[:, 2]]  # fmt: skip
        flat = flat.astype(np.float32)
        covered = rasteriser.cover(flat, self.triangles, SIZE * rasteriser.SAMPLES)
        shaded = (self.colours * light[self.triangles][..., None]).astype(np.float32)
        colours = covered.blend(shaded)
        picture = rasteriser.picture(covered, colours, (0.2, 0.22, 0.25), SIZE)
        return Drawn(picture, self.heads.scan(identity, expression))


def pictures(painter: Painter, people: range, seed: int = 5) -> Iterator[tuple[str, float, Drawn]]:
    """(expression, yaw, picture) of some people, each in every expression from every side."""
    for number in people:
        rng = np.random.default_rng([seed, number])
        identity = rng.normal(0, 1, painter.heads.identities)
        sun = rng.normal((-0.3, 0.5, 1.0), 0.25)
        sun = sun / np.linalg.norm(sun)
        for (name, weights), yaw in itertools.product(EXPRESSIONS.items(), YAWS):
            side = yaw if number % 2 else -yaw
            yield name, yaw, painter.draw(identity, weights, side, sun)


def to_surface(points: np.ndarray, model: FaceModel, scan: Scan) -> tuple[float, ...]:
    """How far a scan's face lies from the model's points (V, 3), laid onto it rigidly, see
    MEASURES."""
    distance, centre, whole = _off(_laid(points, model, scan, sized=False), model, scan)
    return distance, centre, whole, _off(_laid(points, model, scan, sized=True), model, scan)[0]


def _laid(points: np.ndarray, model: FaceModel, scan: Scan, sized: bool) -> np.ndarray:
    """All points moved rigidly, point to plane, to where the face is nearest to a scan's; sized:
    and scaled."""
    rows = whole_points(model)[::FEWER]
    for _ in range(ROUNDS):
        mine, theirs = pairs(points, model, rows, scan)
        normals, own = scan.normals[theirs], points[mine]
        system = np.concatenate([np.cross(own, normals), normals], axis=1)
        if sized:
            system = np.c_[system, (own * normals).sum(1)]
        lack = ((scan.points[theirs] - own) * normals).sum(1)
        step = np.linalg.lstsq(system, lack, rcond=None)[0]
        turn = rotation_of(step[None, :3])[0]
        points = (1.0 + step[6:].sum()) * points @ turn.T + step[3:6]
    return points


def _off(points: np.ndarray, model: FaceModel, scan: Scan) -> tuple[float, float, float]:
    """Mean distance, and the root mean square along z of centre and whole."""
    rows = whole_points(model)
    normals = vertex_normals(points, model.faces[: model.skin])[rows]
    which, gap = nearest(scan.points, points[rows])
    along = ((scan.points - points[rows][which]) * normals[which]).sum(1)
    covered = gap < BEYOND + np.abs(along)
    covered &= (normals[which] * scan.normals).sum(1) > ALIKE  # else it is of a mouth's inside
    front = covered & (normals[which, 2] > STEEP)
    high = along / np.maximum(normals[which, 2], STEEP)
    centre = front & centre_points(model)[which]
    rmse = [float(np.sqrt((high[kept] ** 2).mean())) for kept in (centre, front)]
    return float(np.abs(along[covered]).mean()), *rmse


MEASURES = ("distance", "centre RMSE z", "whole RMSE z", "distance with size taken out")


def read(drawn: Drawn, detector, fitter: Fitter, methods: dict) -> dict[str, Guess] | None:
    """What each method makes of a picture; None: no face is found."""
    if not (faces := detector.detect(drawn.picture)):
        return None
    seen = faces[0].landmarks[None, :, :2].astype(float)
    solved = fitter.clip(seen, np.zeros(1))
    start = Guess.settled(fitter, seen, solved.identity[None], solved.expression, solved.heads)
    grey = cv2.cvtColor(drawn.picture, cv2.COLOR_RGB2GRAY)
    upright = [Upright.of(grey, fitter.camera, start.heads)]
    found = {"mean face": replace(start, identity=0.0 * start.identity), "fit": start}
    return found | {name: told(fitter, upright, seen, start) for name, told in methods.items()}


def _methods(given: argparse.Namespace, model: FaceModel) -> dict:
    """name -> what tells faces."""
    out = {"regression": face_regression(model)}
    for text in given.regression:
        name, _, path = text.rpartition("=")
        out[name or Path(path).stem] = FaceRegression.load(path, model)
    if given.cnn:
        from ....networks.training.face_cnn import FaceCnn

        out["network"] = FaceCnn.load(given.cnn)
    return out


def _print(rows: list[tuple[str, float, dict]]) -> None:
    """A line a method and group: the measures."""
    names = list(rows[0][2])
    groups = [("all", rows), *((n, [r for r in rows if r[0] == n]) for n in EXPRESSIONS),
              *((f"yaw {y:g}", [r for r in rows if r[1] == y]) for y in YAWS)]  # fmt: skip
    print(f"{'':<9} pictures  " + "  ".join(f"{name:>25}" for name in names))
    print(f"{'':<19}{' / '.join(MEASURES)}, millimetres")
    for group, own in groups:
        if own:
            means = [np.mean([r[2][name] for r in own], axis=0) for name in names]
            told = "  ".join(" / ".join(f"{v:.2f}" for v in m).rjust(25) for m in means)
            print(f"{group:<9} {len(own):>8}  {told}")


def main() -> None:
    from ....networks.tracking.face_detector import FaceDetector

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, required=True)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    parser.add_argument(
        "--regression", action="append", default=[], help="NAME=FILE, beside the one that ships"
    )
    parser.add_argument("--cnn", type=Path, help="of `exprgen train face_cnn --out`")
    parser.add_argument("--sheet", type=Path, help="a PNG of some of the pictures")
    given = parser.parse_args()
    model, painter = face_model(), Painter(given.scans)
    methods = _methods(given, model)
    fitter = Fitter(model, Camera.of((SIZE, SIZE), MEASURED_ANGLE))
    rows, shown = [], []
    with FaceDetector() as detector:
        for name, yaw, drawn in pictures(painter, range(given.first, given.first + given.people)):
            shown.append(drawn.picture)
            if (found := read(drawn, detector, fitter, methods)) is None:
                continue
            off = {}
            for method, guess in found.items():
                points = model.points(guess.identity[0], guess.expression[0])
                off[method] = to_surface(points, model, drawn.scan)
            rows.append((name, yaw, off))
    if given.sheet:
        cv2.imwrite(str(given.sheet), np.hstack(shown[: len(YAWS)])[..., ::-1])
    print(f"{len(rows)} of {len(shown)} pictures with a face")
    _print(rows)


if __name__ == "__main__":
    main()
