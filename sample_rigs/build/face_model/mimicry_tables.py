"""`python -m exprgen.sample_rigs.build.face_model.mimicry_tables --out DIR`: how well mimicry tells
expressions apart, as in tables I to III of Prima's paper.

One synthetic person shows five target faces, three others mimic each: the same key pose, acted more
or less strongly and turned otherwise. All are rendered and given to the landmarker; a person's
pictures have one identity. The tables are made once more for each way: by the fit to the landmarks
or by the cascade, as it is, beside a picture of the same person at rest, and as the blends of
emotive expressions that are nearest (the paper's way). With `--moments` each face is held while the
head turns, and seen so many times: what is found is averaged, as over a clip. Pictures are kept in
DIR: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np

from ....exprgen_addon.studio.look import Look
from ....networks.characters.key_poses import POSES, arkit_weights
from ....networks.characters.profile import RigProfile, arkit_to_unit, load_profile
from ....networks.face_model.cascade import Guess, Upright, face_regression
from ....networks.face_model.fitting import Fitter
from ....networks.face_model.measure import MEASURED_ANGLE
from ....networks.face_model.mimicry import blended, correlation, moved, telling
from ....networks.face_model.model import face_model
from ....networks.face_model.projection import Camera, Heads
from ....networks.footage.pictures import read_image
from ....networks.tracking.face_detector import FaceDetector
from ..assemble import build_once
from ..people import person

SEED = 91
FACES = ("joy_laugh", "surprise_open", "anger_teeth", "sadness_pout", "disgust_sneer")
SUBJECTS = 3
SIZE = 400
REST = "rest"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faces", nargs=5, choices=sorted(POSES), default=FACES)
    parser.add_argument("--moments", type=int, default=1, help="pictures of each face that is held")
    parser.add_argument("--people", nargs=4, type=Path, help="profiles of people who are built")
    given = parser.parse_args()
    people = [acted(given, number) for number in range(1 + SUBJECTS)]
    for way in people[0]:
        _print_tables(way, given.faces, [own[way] for own in people])


def _print_tables(way: str, names, faces: list[np.ndarray]) -> None:
    weights = telling(face_model())
    print(way)
    same, other = [], []
    for number, own in enumerate(faces[1:], 1):
        table = np.array([[correlation(a, t, weights) for t in faces[0]] for a in own])
        same += np.diag(table).tolist()
        other += table[~np.eye(len(table), dtype=bool)].tolist()
        print(f"subject {number}: acts in rows, target faces in columns")
        for name, row in zip(names, table, strict=True):
            print(f"  {name:<18}" + "".join(f"{x:8.3f}" for x in row))
    print(f"same: {np.sum(np.array(same) > 0.98)} of {len(same)} above .98, least {min(same):.3f}; "
          f"different: most {max(other):.3f}")  # fmt: skip


def acted(given: argparse.Namespace, number: int) -> dict[str, np.ndarray]:
    """Way -> (5, L, 3) displacements of the expressions that are seen in a person's pictures."""
    model, names = face_model(), (REST, *given.faces)
    paths = [
        given.out / (f"{number}_{name}_{moment}.png" if moment else f"{number}_{name}.png")
        for moment in range(given.moments)
        for name in names
    ]
    if not all(path.exists() for path in paths):
        config = person(SEED, number)
        built = load_profile(given.people[number]) if given.people else None
        _render(built or build_once(config, given.out / config.name), number, names, paths)
    fitter = Fitter(model, Camera.of((SIZE, SIZE), MEASURED_ANGLE))
    pictures = [read_image(path) for path in paths]
    with FaceDetector() as detector:
        seen = [detector.detect(picture)[0].landmarks[None, :, :2] for picture in pictures]
    seen = np.concatenate(seen).astype(float)
    found = {"fit": _fitted(fitter, seen), "regression": _regressed(fitter, seen, pictures)}
    ways = {}
    for name, each in found.items():
        expressions = each.reshape(given.moments, len(names), -1).mean(0)
        ways[name] = moved(expressions[1:], model)
        own = expressions[1:] - expressions[0]
        ways[f"{name}, beside the own rest"] = moved(own, model)
        ways[f"{name}, as emotive blends"] = blended(np.clip(own, 0.0, 1.0), model)
    return ways


def _fitted(fitter: Fitter, seen: np.ndarray) -> np.ndarray:
    identity = fitter.identity(seen)
    solved = [fitter.frames(marks[None], np.zeros(1), identity) for marks in seen]
    return np.concatenate([s.expression for s in solved])


def _regressed(fitter: Fitter, seen: np.ndarray, pictures: list[np.ndarray]) -> np.ndarray:
    identity = fitter.identity(seen)
    solved = [fitter.frames(marks[None], np.zeros(1), identity) for marks in seen]
    heads = Heads.joined([s.heads for s in solved])
    expression = np.concatenate([s.expression for s in solved])
    start = Guess.settled(fitter, seen, np.tile(identity, (len(seen), 1)), expression, heads)
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    uprights = [Upright.of(grey, fitter.camera, heads.of(np.array([n])))
                for n, grey in enumerate(greys)]  # fmt: skip
    return face_regression(fitter.model)(fitter, uprights, seen, start).expression


def _render(profile: RigProfile, number: int, names, paths: list[Path]) -> None:
    from ....exprgen_addon.studio.drawn_studio import DrawnStudio
    from ....exprgen_addon.studio.face_studio import StudioSettings

    # The first moment of every face as it is without more of them.
    acting, turning = (np.random.default_rng(seed) for seed in ([SEED, number], [SEED, number, 1]))
    acted: dict[str, np.ndarray] = {}
    with DrawnStudio(profile, StudioSettings(size=SIZE, subdivision=1)) as studio:
        for name, path in zip(itertools.cycle(names), paths, strict=False):
            rng = turning if name in acted else acting
            if name not in acted:
                acted[name] = _acted_weights(name, number, acting)
            pitch, yaw = rng.normal(0, 0.12, 2)
            if not path.exists():
                studio.pose_units(arkit_to_unit(profile.expression_controls, acted[name]))
                studio.look(Look(orbit=(pitch, yaw, 0.0), ambient=1.3, zoom=0.85))
                studio.render_to(path)


def _acted_weights(name: str, number: int, rng: np.random.Generator) -> np.ndarray:
    """(52,) a key pose, as person `number` acts it; the first shows it as it is."""
    weights = np.array(arkit_weights(POSES.get(name, {})))
    return np.clip(weights * rng.normal(0.92, 0.08, len(weights)), 0, 1) if number else weights


if __name__ == "__main__":
    main()
