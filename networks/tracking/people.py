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
COLOUR_WEIGHT = 3.0  # of a difference of 255 in colour, likewise
REAPPEARS = 0.3  # unlikeness of being seen again just now
DOUBT = 0.15  # unlikenesses nearer to each other than this decide nothing
SAME_LOOK = 0.1  # share of a new sighting in a person's colour
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
        self.colour = face.colour

    def see(self, face: FaceObservation, time: float) -> None:
        """The face is here now."""
        passed = time - self.time
        if passed > 0:
            speed = (face.centre - self.face.centre) / passed
            self.velocity += (1 - math.exp(-passed / STEADY)) * (speed - self.velocity)
        if face.colour is not None and self.colour is not None:
            self.colour = self.colour + SAME_LOOK * (face.colour - self.colour)
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

    The likeliest pair comes first. Those who were there at the last look go on smoothly from where
    they were; those who were hidden may be where their speed has led them, which is less likely.
    """
    alone = len(people) == 1
    costs = {
        (i, k): unlikeness(person, face, time) + REAPPEARS * person.hidden
        for i, person in enumerate(people)
        for k, face in enumerate(faces)
        if _in_reach(person, face, time, alone)
    }
    mine: dict[int, int] = {}
    for i, k in sorted(costs, key=costs.get):
        if i not in mine and k not in mine.values():
            mine[i] = k
    clear = {i: k for i, k in mine.items() if not _is_doubtful(i, k, costs, mine)}
    return [faces[clear[i]] if i in clear else None for i in range(len(people))]


def _is_doubtful(i: int, k: int, costs: dict[tuple[int, int], float], mine: dict) -> bool:
    """Somebody else, who got no face, is as likely to be behind this one."""
    rivals = [cost for (j, face), cost in costs.items() if face == k and j not in mine]
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
    """How little a face is this person's: place and size first, shape and colour to decide where
    these don't."""
    width = math.sqrt(person.face.width * face.width)
    apart = float(np.linalg.norm(face.centre - person.expected(time))) / width
    size = abs(math.log(face.width / person.face.width))
    shape = float(np.sqrt(((_shape(face) - _shape(person.face)) ** 2).sum(1).mean()))
    colour = 0.0
    if face.colour is not None and person.colour is not None:
        colour = float(np.linalg.norm(face.colour - person.colour)) / 255
    return apart + size + SHAPE_WEIGHT * shape + COLOUR_WEIGHT * colour


def _shape(face: FaceObservation) -> np.ndarray:
    """Where the rigid points of a face are, seen from the front, in eye distances. It differs by
    about 0.03 for one person and 0.08 between people: a hint, not proof."""
    points = in_head(face)[_RIGID, :2]
    points = points - points[:4].mean(0)
    return points / max(float(np.hypot(*(points[0] - points[3]))), 1e-6)
