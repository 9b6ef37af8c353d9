"""`python -m exprgen.sample_rigs.build.face_model.views --out DIR`: people in every expression and
from every side, with their points: what the cascaded regression learns (Wu, section 4.1).

With `--grid` each person has every expression from every side instead, one picture each: what
measures it, so that expressions differ in nothing else (as the paper's Figure 4).

A person's pictures are drawn quickly, made worse as footage is (small, blurred, noisy, compressed),
and given to the landmarker. A person's file is kept: an interrupted run goes on.
`networks/training/face_regression.py` reads them.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ....exprgen_addon.studio.ced_poses import random_look
from ....networks.characters.key_poses import POSES, arkit_weights, label
from ....networks.characters.profile import arkit_to_unit
from ....networks.errors import InputError, exit_code_of
from ....networks.face_model.measure import whole_points
from ....networks.face_model.model import face_model
from ....networks.files import output_folder, written_whole
from ....networks.vocabulary import ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from ..mouths import mouth_pose
from .heads import identity, in_frame, origin_of, shaped, styled, turned

SEED = 177
"""Of these people, who are not those of the model."""
SIZE = 240
UNLABELLED = -1
FRONTAL = 0.4
"""Share of the pictures that look into the camera as people do who talk to somebody."""
LOOKED_AWAY = np.radians(90.0)
GRID_YAWS = (0, 15, 30, 45, 60, 75)
"""Degrees; at 90 no face is found."""


@dataclass(frozen=True)
class ViewSettings:
    """people: how many, from number `first` on. pictures: of each; grid: every expression from
    every side instead. seed: of everything."""

    people: int = 60
    pictures: int = 36
    first: int = 0
    seed: int = SEED
    grid: bool = False

    def drawn(self, number: int) -> Iterator[tuple[np.random.Generator, tuple]]:
        """Generators of a person's pictures and what is on them, see `draw`."""
        if self.grid:
            for n, cell in enumerate(itertools.product(EXPRESSIONS, GRID_YAWS)):
                yield np.random.default_rng([self.seed, number, n]), cell_of(number, *cell)
            return
        for n in range(self.pictures):
            rng = np.random.default_rng([self.seed, number, n])
            yield rng, draw(rng)


def build_views(out: Path, s: ViewSettings, say=print) -> list[Path]:
    """The files of all people, made where they are missing.

    Raises:
        InputError: no face is found in any picture of somebody.
    """
    from ....networks.tracking.face_detector import FaceDetector

    output_folder(out)
    paths = []
    with FaceDetector() as detector:
        for number in range(s.first, s.first + s.people):
            path = out / f"views_{number:03d}.npz"
            if not path.exists():
                columns = _of_person(out / "people", s, number, detector)
                with written_whole(path) as part, open(part, "wb") as file:
                    np.savez(file, **columns)
                say(f"{path.name}: {len(columns['label'])} pictures with a face")
            paths.append(path)
    return paths


def draw(rng: np.random.Generator) -> tuple[np.ndarray, int, tuple[float, float, float]]:
    """One picture: weights (52,), label (UNLABELLED: none), and the camera's pitch, yaw, roll."""
    weights, kind = np.zeros(len(ARKIT_INDEX)), NEUTRAL
    if rng.random() < 0.85:
        name = list(POSES)[rng.integers(len(POSES))]
        kind = EXPRESSIONS.index(label(name))
        weights = np.array(arkit_weights(POSES[name])) * rng.uniform(0.4, 1.1)
        weights = weights * rng.normal(1.0, 0.12, len(weights))
    if rng.random() < 0.25:
        weights, kind = np.maximum(0.6 * weights, rng.uniform(0.4, 1.0) * mouth_pose(rng)), -1
    weights[ARKIT_INDEX["tongueOut"]] = 0.0
    yaw = rng.normal(0, 0.15) if rng.random() < FRONTAL else rng.uniform(-1, 1) * LOOKED_AWAY
    return np.clip(weights, 0, 1), kind, (rng.normal(0, 0.12), float(yaw), rng.normal(0, 0.08))


def cell_of(number: int, expression: str, yaw: int) -> tuple:
    """As `draw`: an expression as its first key pose has it, to one side or, of odd people, the
    other."""
    poses = [name for name in POSES if label(name) == expression]
    weights = np.array(arkit_weights(POSES[poses[0]])) if poses else np.zeros(len(ARKIT_INDEX))
    side = np.radians(yaw) * (1 if number % 2 else -1)
    return np.clip(weights, 0, 1), EXPRESSIONS.index(expression), (0.0, float(side), 0.0)


def _of_person(folder: Path, s: ViewSettings, number: int, detector) -> dict[str, np.ndarray]:
    from ....exprgen_addon.studio.face_studio import StudioSettings
    from ..assemble import build_once
    from ..quick_studio import QuickStudio

    config = replace(identity(s.seed, number), name=f"seen_{number:03d}", controls="arkit")
    profile = build_once(config, folder / config.name)
    rows = []
    with QuickStudio(profile, StudioSettings(size=SIZE)) as studio:
        true = Truth(studio, config)
        for rng, (weights, kind, orbit) in s.drawn(number):
            studio.pose_units(arkit_to_unit(profile.expression_controls, weights))
            studio.look(replace(random_look(rng), orbit=orbit, zoom=rng.uniform(0.75, 1.0)))
            picture = worse(studio.render(), rng)
            if faces := detector.detect(picture):
                grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
                rows.append((grey, faces[0].landmarks, weights, kind, orbit, true.points()))
    if not rows:
        fix = "give more --pictures, or another --seed"
        raise InputError("no face was found in its pictures", file=folder / config.name, fix=fix)
    names = ("pictures", "landmarks", "arkit", "label", "orbit", "points")
    kinds = (np.uint8, np.float32, np.float32, np.int64, np.float32, np.float32)
    columns = zip(names, zip(*rows, strict=True), kinds, strict=True)
    return {n: np.array(c, k) for n, c, k in columns} | {"rest": true.rest.astype(np.float32)}


class Truth:
    """Where a studio's head has the model's points `whole_points`, in the model's frame.

    At rest they are those that the model learns from; how they move is read off the posed mesh,
    which has more points, with all that a shape key does not say: lids that keep to the eye, lips
    that keep apart.
    """

    def __init__(self, studio, config):
        from ..talkers.clips import head_of

        self._studio, self._head = studio, head_of(studio)
        studio.pose(np.array([c.rest for c in studio.profile.controls]))
        rest, _ = shaped(config)
        origin = origin_of(rest)
        rest = rest[whole_points(face_model())]
        offset = np.array([0.0, 0.0, -(styled(config).after.chin[2] - 0.16)])
        here = self._places()
        self._rows = np.array([((here - place) ** 2).sum(1).argmin() for place in rest + offset])
        self._rest = here[self._rows]
        self.rest = in_frame(rest, origin)

    def _places(self) -> np.ndarray:
        from ....exprgen_addon.characters.landmark_anchors import world_vertices

        return world_vertices(self._head.evaluated_get(self._studio.depsgraph))

    def points(self) -> np.ndarray:
        """(W, 3) millimetres, at the present pose."""
        return self.rest + 1000.0 * turned(self._places()[self._rows] - self._rest)


def worse(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (H, W, 3) as footage has it: reduced, blurred, noisy, compressed, some of it."""
    size = picture.shape[0]
    if rng.random() < 0.5:
        small = int(size * rng.uniform(0.35, 0.9))
        picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(1, 10), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--grid", action="store_true", help="every expression from every side")
    for name in ("people", "pictures", "first", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(ViewSettings, name))
    given = vars(parser.parse_args())
    if failed := exit_code_of(lambda: build_views(given.pop("out"), ViewSettings(**given))):
        sys.exit(failed)


if __name__ == "__main__":
    main()
