"""The same expression on several people (MIA, Figure 11): what a headset's cameras see of somebody
never seen before, and what the network makes of it on that person and on others.

`python -m exprgen.sample_rigs.build.headset_sheet --data HEADSET --network FILE --out PNG`. A row a
frame: the three views; the true face; the network's answer on that person; the same answer, so the
same code, on others' neutral shapes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from ...networks.errors import exit_code_of
from ...networks.face_model.model import face_model
from ...networks.files import write_bytes
from ...networks.inference.headset import HeadsetReader
from ...networks.inference.opening import opened
from ...networks.training.headset import parted
from ...networks.training.shared.headset_lens import Cameras, looking
from ...networks.training.shared.headset_set import HeadsetPerson, load_people
from ...networks.training.shared.sets import VALIDATION
from .headset import Scene, Session, Sitter, draw_view
from .headset_looks import Appearance, Headset, Light, draw_appearance

SIDE = 144
"""Pixels of a face."""
PLACE, AIM, HALF = (0.0, -35.0, 420.0), (0.0, -38.0, 0.0), 0.225
"""Millimetres: where the camera before a face is and what it looks at; radians to the edge of its
picture."""
STILL = (np.zeros(3), np.zeros(3))
APART = 0.9
"""Least distance of two rows' truths: no expression is shown twice."""


def before_the_face() -> Headset:
    """A camera and a lamp in front of a head, as far away as somebody who talks to it."""
    focal, middle = SIDE / 2 / HALF, np.full(2, (SIDE - 1) / 2)
    camera = looking(np.array(PLACE), np.array(AIM), 0.0, focal, middle, 0.0)
    return Headset(Cameras.of(camera.rows[None]), np.array([[120.0, -160.0, 0.0]]), 0.0)


def drawn(sitter: Sitter, arkit: np.ndarray, look: Appearance) -> np.ndarray:
    """A person with weights (52,) from the front: (SIDE, SIDE) uint8."""
    light = Light(0.75, np.array([0.0, 0.6, 0.8]), 190.0, 1.0, 0.0, (235.0, 0.0))
    scene = Scene.of(sitter, arkit, STILL, look)
    session = Session(before_the_face(), light, look)
    return draw_view(scene, session, 0, np.random.default_rng(0), SIDE)[0]


def chosen(person: HeadsetPerson, count: int) -> list[int]:
    """Frames of the first capture that show most, each unlike those before."""
    first = np.flatnonzero((person.change == 0) & (person.neutral == 0))
    strong, found = first[np.argsort(-(person.truth[first] ** 2).sum(1))], []
    for row in strong:
        away = [np.linalg.norm(person.truth[row] - person.truth[other]) for other in found]
        if min(away, default=np.inf) > APART:
            found.append(int(row))
    # The very strongest are channels at random; the middle shows what faces do.
    middle = found[len(found) // 4 :]
    return middle[:: max(1, len(middle) // count)][:count]


def sheet(
    seen: list[HeadsetPerson], others: list[HeadsetPerson], reader: HeadsetReader, rows: int
) -> np.ndarray:
    """The picture: rows of (views, truth, answer, answer on others)."""
    import cv2

    model, lines = face_model(), []
    looks = [draw_appearance(np.random.default_rng([n, 5])) for n in range(len(others) + 1)]
    for number in range(rows):
        person = seen[number % len(seen)]
        row = chosen(person, 1 + (rows - 1) // len(seen))[number // len(seen)]
        still = np.flatnonzero((person.change == 0) & (person.neutral == 1))
        neutral = np.median(reader.codes(person.pictures[still]), axis=0)
        answer = reader.coefficients(reader.codes(person.pictures[[row]]), neutral)[0]
        size = (SIDE, SIDE)
        cells = [cv2.resize(v, size, interpolation=cv2.INTER_CUBIC) for v in person.pictures[row]]
        own = Sitter(model, person.identity.astype(float))
        cells += [drawn(own, person.truth[row], looks[0]), drawn(own, answer, looks[0])]
        for other, look in zip(others, looks[1:], strict=True):
            cells.append(drawn(Sitter(model, other.identity.astype(float)), answer, look))
        lines.append(np.concatenate(cells, axis=1))
    return np.concatenate(lines)


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of simulated captures")
    parser.add_argument("--network", required=True, help="weight file")
    parser.add_argument("--out", type=Path, required=True, help="picture to write")
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--others", type=int, default=4)
    given = parser.parse_args(args)
    return exit_code_of(lambda: _write(given))


def _write(given: argparse.Namespace) -> None:
    import cv2

    people = load_people(given.data)
    seen = parted([p for p in people if p.split == VALIDATION])[1]
    others = [p for p in people if p.split != VALIDATION][: given.others]
    picture = sheet(seen, others, opened(HeadsetReader, given.network, "headset"), given.rows)
    write_bytes(given.out, cv2.imencode(given.out.suffix or ".png", picture)[1].tobytes())
    print(given.out)


if __name__ == "__main__":
    sys.exit(main())
