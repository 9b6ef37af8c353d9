"""Who is who: faces that cross, cover each other, come back."""

import numpy as np
import pytest

from exprgen.networks.tracking.face_detector import FaceObservation
from exprgen.networks.tracking.people import COAST, Person, match

FORM = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 478, 3)).astype(np.float32)
STEP = 0.04


def face(x, y=200.0, width=100.0, shape=0):
    points = FORM[0] + 0.15 * shape * (FORM[1] - FORM[0])
    points = points * np.float32(width) + np.float32([x, y, 0])
    return FaceObservation(points, np.zeros(52), np.eye(4, dtype=np.float32), (1280, 720))


def walk(*moves, frames=20):
    """People at x + speed * time, seen in each frame."""
    people = [Person(face(x, **how), 0.0) for x, _, how in moves]
    for i in range(1, frames):
        for person, (x, speed, how) in zip(people, moves, strict=True):
            person.see(face(x + speed * i * STEP, **how), i * STEP)
    return people, (frames - 1) * STEP


def test_speed_is_learned_and_carries_on_for_a_while():
    (person,), now = walk((100, 150.0, {}))
    np.testing.assert_allclose(person.velocity, (150, 0), atol=3)
    ahead = person.expected(now + 0.5)[0] - person.face.centre[0]
    assert ahead == pytest.approx(75, abs=2)
    assert person.expected(now + 9)[0] - person.face.centre[0] == pytest.approx(150 * COAST, abs=3)


def test_each_gets_the_face_that_goes_on_from_theirs():
    people, now = walk((300, 100.0, {}), (500, -100.0, {}))
    faces = [face(500 - 100 * (now + STEP)), face(300 + 100 * (now + STEP))]
    assert match(people, faces, now + STEP) == [faces[1], faces[0]]


@pytest.mark.parametrize("front", [0, 1])
def test_the_hidden_one_of_two_gets_no_face(front):
    moves = (300, 250.0, {}), (520, -250.0, {"width": 90.0})
    people, _ = walk(*moves, frames=8)
    for i in range(8, 22):
        time = i * STEP
        x, speed, how = moves[front]
        seen = face(x + speed * time, **how)
        mine = match(people, [seen], time)
        if i == 8:
            assert mine[front] is seen
        assert mine[1 - front] is None, f"frame {i}"
        for person, found in zip(people, mine, strict=True):
            if found is None:
                person.hidden = True
            else:
                person.see(found, time)
    time = 22 * STEP
    faces = [face(x + speed * time, **how) for x, speed, how in moves]
    assert match(people, faces, time) == faces


def test_where_nobody_can_tell_nobody_gets_it():
    people = [Person(face(300), 0.0), Person(face(302), 0.0)]
    assert match(people, [face(301)], STEP) == [None, None]


def test_one_who_is_lost_beside_others_is_looked_for_near_by_only():
    chosen, other = Person(face(300), 0.0), Person(face(800), 0.0)
    chosen.hidden = True
    far = face(600, shape=1)
    assert match([chosen, other], [far, face(800)], 2.0)[0] is None
    assert match([chosen], [far], 2.0)[0] is far
    near = face(380)
    assert match([chosen, other], [near, face(800)], 2.0)[0] is near
