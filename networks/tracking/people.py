"""Who is who when several faces are in the picture: people, how they move, which face is whose.

Numbers of faces alone: no picture is looked at here.
"""

from __future__ import annotations

import math

import numpy as np

from .face_detector import FaceObservation
from .face_measures import in_head

NEAR = 0.7  # widths of the face that it may be off where it is expected between two looks,
SPEED = 3.0  # and in a second more
GROWTH = 1.6  # factor by which its size may change between two looks
REUNION = 2.0  # widths within which a lost face is looked for at first
SHAPE_WEIGHT = 5.0  # of a different shape against one width of distance; see `_shape`
DOUBT = 0.15  # unlikenesses nearer to each other than this decide nothing
STEADY = 0.15  # seconds over which a speed is averaged
COAST = 1.0  # seconds for which a hidden face is taken to move on
CLOSE = 1.6  # widths between two faces that may soon cover each other
KNOWN = 3  # looks at which somebody was there before they can be hidden
FORGOTTEN = 10.0  # seconds after which somebody who was not seen again has left
# Points that expressions hardly move: eye corners, nose, temples and forehead.
_RIGID = np.array(
    [33, 133, 362, 263, 168, 6, 197, 4, 1, 2, 98, 327, 10, 109, 338, 54, 284, 127, 356]
)


class Person:
    """Somebody in the picture: face: as it was seen last; time: when, in seconds; velocity (2,)
    pixels a second; hidden: was not there at the last look; looks: at how many they were."""

    def __init__(self, face: FaceObservation, time: float):
        self.face, self.time, self.hidden, self.looks = face, time, False, 1
        self.velocity = np.zeros(2)

    def see(self, face: FaceObservation, time: float) -> None:
        """The face is here now."""
        passed = time - self.time
        if passed > 0:
            speed = (face.centre - self.face.centre) / passed
            self.velocity += (1 - math.exp(-passed / STEADY)) * (speed - self.velocity)
        self.face, self.time, self.hidden = face, time, False
        self.looks += 1

    def has_left(self, time: float) -> bool:
        """Not seen for long; or hardly seen at all: where faces overlap, more may seem to be."""
        return self.hidden and (time - self.time > FORGOTTEN or self.looks < KNOWN)

    def expected(self, time: float) -> np.ndarray:
        """(2,) pixels: where the face is by its speed."""
        return self.face.centre + self.velocity * min(max(0.0, time - self.time), COAST)

    def off(self, face: FaceObservation, time: float) -> float:
        """How far a face is from where this one is expected, in widths."""
        return float(np.linalg.norm(face.centre - self.expected(time))) / self.face.width

    def is_near(self, other: Person, time: float, soon: float) -> bool:
        """The two may cover each other at a time or within `soon` seconds from it."""
        apart = self.expected(time) - other.expected(time)
        speed = self.velocity - other.velocity
        distance = float(np.linalg.norm(apart)) - float(np.linalg.norm(speed)) * soon
        return distance < CLOSE * max(self.face.width, other.face.width)


def match(
    people: list[Person], faces: list[FaceObservation], time: float
) -> list[FaceObservation | None]:
    """Which of the faces found at a time is each person's; None: hidden, or nobody can tell.

    Those who were there at the last look come first: each goes on smoothly from where they were.
    What remains may be those who were hidden, where their speed has led them.
    """
    mine: list[FaceObservation | None] = [None] * len(people)
    free = list(range(len(faces)))
    for hidden in (False, True):
        group = [i for i, p in enumerate(people) if p.hidden == hidden]
        free = _share_out(people, faces, time, group, free, mine)
    return mine


def _share_out(people, faces, time, group, free, mine) -> list[int]:
    """Give faces to a group of people, the likeliest pair first; the numbers of those left."""
    alone = len(people) == 1
    costs = {
        (i, k): unlikeness(people[i], faces[k], time)
        for i in group
        for k in free
        if _in_reach(people[i], faces[k], time, alone)
    }
    taken: set[int] = set()
    for i, k in sorted(costs, key=costs.get):
        if mine[i] is None and k not in taken:
            mine[i] = faces[k]
            taken.add(k)
    for i in group:
        if mine[i] is not None and _doubtful(i, group, costs, faces, mine):
            mine[i] = None
    return [k for k in free if k not in taken]


def _doubtful(i: int, group: list[int], costs: dict, faces: list, mine: list) -> bool:
    """Somebody else of the group, who got no face, is as likely to be behind this one's."""
    k = next(k for k, face in enumerate(faces) if face is mine[i])
    rivals = (costs.get((j, k), math.inf) for j in group if j != i and mine[j] is None)
    return min(rivals, default=math.inf) < costs[i, k] + DOUBT


def _in_reach(person: Person, face: FaceObservation, time: float, alone: bool) -> bool:
    passed = max(0.0, time - person.time)
    if not person.hidden:
        return person.off(face, time) < NEAR + SPEED * passed and not outgrown(person, face)
    # Somebody seen beside other people may have left; alone, they can come back anywhere.
    reach = REUNION + SPEED * passed if alone else REUNION
    back = float(np.linalg.norm(face.centre - person.face.centre)) / person.face.width
    return min(back, person.off(face, time)) < reach


def outgrown(person: Person, face: FaceObservation) -> bool:
    """A face is of another size than this person's can be by now."""
    return abs(math.log(face.width / person.face.width)) > math.log(GROWTH)


def unlikeness(person: Person, face: FaceObservation, time: float) -> float:
    """How little a face is this person's: place and size first, shape to decide where these
    don't."""
    width = math.sqrt(person.face.width * face.width)
    apart = float(np.linalg.norm(face.centre - person.expected(time))) / width
    size = abs(math.log(face.width / person.face.width))
    shape = float(np.sqrt(((_shape(face) - _shape(person.face)) ** 2).sum(1).mean()))
    return apart + size + SHAPE_WEIGHT * shape


def _shape(face: FaceObservation) -> np.ndarray:
    """Where the rigid points of a face are, seen from the front, in eye distances. It differs by
    about 0.03 for one person and 0.08 between people: a hint, not proof."""
    points = in_head(face)[_RIGID, :2]
    points = points - points[:4].mean(0)
    return points / max(float(np.hypot(*(points[0] - points[3]))), 1e-6)
