"""What a head has beside its skin: eyeballs, teeth, a tongue, and how each moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..face_model.projection import rotation_of
from .lids import Ball
from .nearest import nearest_rows
from .registration import Head, Laid
from .sides import named
from .template import Template

EYE, UPPER_TEETH, LOWER_TEETH, BOTH_JAWS, TONGUE, ON_SKIN, STILL = (
    "eye", "upper teeth", "lower teeth", "both jaws", "tongue", "on the skin", "still",
)  # fmt: skip
YAW, PITCH = 0.50, 0.42
"""How far an eye turns at 1, radians."""
LOOKS = {"Up": (1, -1.0), "Down": (1, 1.0), "In": (0, -1.0), "Out": (0, 1.0)}
"""Of a left eye: the axis, yaw or pitch, and the way."""
_WORDS = {
    EYE: {"eye", "eyes", "eyeball", "eyeballs", "cornea", "iris", "pupil", "sclera"},
    TONGUE: {"tongue"},
    STILL: {"glasses", "hat", "helmet", "hair", "cap", "ear", "ears", "horn", "horns"},
}
_NOT_EYE = {
    "brow", "brows", "eyebrow", "eyebrows", "lash", "lashes", "eyelash", "eyelashes", "lid", "lids",
    "occlusion", "lacrimal", "tear", "tearline", "shadow",
}  # fmt: skip
PART_WORDS = frozenset({"teeth", "tooth", "gum", "gums"} | _NOT_EYE).union(*_WORDS.values())
"""Words of the names of what belongs to a head and is none."""
DEEP = 9.0
"""Millimetres above and below the line of the lips to which what is of both jaws reaches."""
BEFORE, DEEPEST = 12.0, 20.0
"""Millimetres beside lower teeth, and ahead of them, within which skin lies before them."""
ROOM = 4.0
"""Millimetres that a jaw leaves between its teeth and the skin before them: a smile takes two."""
CLOSE = 8.0
"""Millimetres from the skin up to which what lies on it goes along."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected piece of mesh: points (P, 3) in the template's frame, and the words of the names
    of its object and materials."""

    points: np.ndarray
    words: frozenset[str]

    @property
    def middle(self) -> np.ndarray:
        """Of its box."""
        return 0.5 * (self.points.min(0) + self.points.max(0))

    @property
    def size(self) -> float:
        """The longest side of its box."""
        return float(np.ptp(self.points, axis=0).max())


@dataclass(frozen=True)
class Motion:
    """A rigid motion: points p go to rotation p + shift."""

    rotation: np.ndarray
    shift: np.ndarray

    def moves(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) displacements."""
        return points @ self.rotation.T + self.shift - points


def rigid(before: np.ndarray, after: np.ndarray, weight: np.ndarray) -> Motion:
    """The rigid motion that takes points nearest to others (Kabsch)."""
    share = (weight / weight.sum())[:, None]
    a, b = (share * before).sum(0), (share * after).sum(0)
    u, _, v = np.linalg.svd((after - b).T @ (share * (before - a)))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v
    return Motion(rotation, b - rotation @ a)


def fit_ball(points: np.ndarray) -> Ball:
    """The sphere that lies nearest to points (least squares)."""
    system = np.c_[2.0 * points, np.ones(len(points))]
    found = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return Ball(found[:3], float(np.sqrt(max(found[3] + found[:3] @ found[:3], 1e-9))))


def expected_balls(shape: Template, laid: Laid) -> dict[str, Ball]:
    """Where the eyeballs are, judged by the lids of the laid template."""
    from .registration import similarity

    out = {}
    for side in ("left", "right"):
        groups = shape.model.groups
        ring = np.unique(np.r_[groups[f"lid_upper_{side}"], groups[f"lid_lower_{side}"]])
        placed = similarity(shape.rest[ring], laid.points[ring])
        ball = fit_ball(shape.model.mean[groups[f"eye_{side}"]])
        out[side] = Ball(placed(ball.middle[None])[0], ball.radius * placed.scale)
    return out


def find_balls(pieces: list[Piece], expected: dict[str, Ball]) -> tuple[dict[str, Ball], set[int]]:
    """The eyeballs by side, and which pieces belong to an eye: balls where the lids say, or what
    is named so; else what was expected."""
    balls, taken = dict(expected), set()
    for side, ball in expected.items():
        near = [i for i, p in enumerate(pieces) if _may_be_eye(p, ball)]
        if not near:
            continue
        largest = max(near, key=lambda i: pieces[i].size)
        found = fit_ball(pieces[largest].points)
        if not 0.3 * ball.radius < found.radius < 3.0 * ball.radius:
            found = Ball(pieces[largest].middle, 0.5 * pieces[largest].size)
        off = np.linalg.norm(pieces[largest].points - found.middle, axis=1)
        balls[side] = Ball(found.middle, float(np.percentile(off, 98)))
        taken |= set(near)
    return balls, taken


def _may_be_eye(piece: Piece, ball: Ball) -> bool:
    if piece.words & _NOT_EYE or len(piece.points) < 4:
        return False
    away = float(np.linalg.norm(piece.middle - ball.middle)) / ball.radius
    told = bool(piece.words & _WORDS[EYE])
    reach, largest = (2.0, 5.0) if told else (1.0, 3.2)
    return away < reach and 0.2 < piece.size / ball.radius < largest


def side_of(piece: Piece, balls: dict[str, Ball]) -> str:
    """The eye that a piece belongs to."""
    return min(balls, key=lambda s: np.linalg.norm(piece.middle - balls[s].middle))


def kind_of(piece: Piece, head: Head, eyes: bool) -> str:
    """What a piece is; eyes: whether it was found to be of an eye."""
    if eyes:
        return EYE
    if piece.words & _WORDS[TONGUE] and not piece.words & {"gum", "gums", "teeth"}:
        return TONGUE
    if piece.words & _WORDS[STILL]:
        return STILL
    if _in_mouth(piece, head):
        return _of_mouth(piece, head)
    return ON_SKIN


def _in_mouth(piece: Piece, head: Head) -> bool:
    """It lies between cheeks, nose and chin, and behind the lips."""
    lips = named(head.landmarks, _LIPS)
    corners = named(head.landmarks, ("mouth_right_corner", "mouth_left_corner"))
    wide = float(np.linalg.norm(corners[0] - corners[1]))
    low, high = piece.points.min(0), piece.points.max(0)
    line = corners.mean(0)[1]
    behind = high[2] < lips[:, 2].max() + 0.1 * wide and low[2] > lips[:, 2].max() - 2.5 * wide
    level = low[1] > line - 1.1 * wide and high[1] < line + 1.1 * wide
    return bool(behind and level and max(-low[0], high[0]) < 1.0 * wide)


_LIPS = tuple(f"lip_{s}_inner_{i}" for s in ("top", "bottom") for i in (1, 2, 3))


def _of_mouth(piece: Piece, head: Head) -> str:
    if piece.words & {"upper", "top", "up"} and not piece.words & {"lower", "bottom"}:
        return UPPER_TEETH
    if piece.words & {"lower", "bottom", "low"} and not piece.words & {"upper", "top"}:
        return LOWER_TEETH
    line = lip_line(head)
    if piece.points[:, 1].min() < line - DEEP and piece.points[:, 1].max() > line + DEEP:
        return BOTH_JAWS
    return UPPER_TEETH if piece.points[:, 1].mean() > line else LOWER_TEETH


def lip_line(head: Head) -> float:
    """The height at which the lips, and the teeth, meet."""
    return float(named(head.landmarks, _LIPS).mean(0)[1])


def jaw_share(points: np.ndarray, line: float) -> np.ndarray:
    """(P, 1) how much of what fills a mouth goes with the lower jaw: what lies below the line."""
    return np.clip(0.5 - (points[:, 1:2] - line) / 4.0, 0.0, 1.0)


def jaw_weights(shape: Template) -> np.ndarray:
    """(V,) how surely each point of the template's skin is of the jaw's bone: it goes where the
    lower teeth go when the jaw opens."""
    model = shape.model
    at = model.expressions.index("jawOpen")
    rest, moves = model.person(np.zeros(model.identities))
    teeth = model.groups["teeth_lower"]
    motion = rigid(rest[teeth], rest[teeth] + moves[at][teeth], np.ones(len(teeth)))
    own = motion.moves(rest[: shape.count])
    off = np.linalg.norm(moves[at][: shape.count] - own, axis=1)
    far = np.linalg.norm(own, axis=1)
    return np.where(shape.outside & (far > 8.0), np.exp(-((off / 3.0) ** 2)), 0.0)


def before_teeth(head: Head, teeth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each point of a head's skin lies ahead of the lower teeth (T, 3), millimetres (N,),
    and how surely it does (N,): 1 before them, 0 from BEFORE beside them on, and behind them."""
    if not len(teeth):
        return np.zeros((2, len(head.points)))
    rows = nearest_rows(head.points[:, :2], teeth[:, :2])
    beside = np.linalg.norm(head.points[:, :2] - teeth[rows, :2], axis=1)
    ahead = head.points[:, 2] - teeth[rows, 2]
    outer = (ahead > -1.0) & (ahead < DEEPEST) & (head.normals[:, 2] > 0.0)
    return ahead, np.where(outer, np.clip(2.0 - 2.0 * beside / BEFORE, 0.0, 1.0), 0.0)


def looking(points: np.ndarray, ball: Ball, side: str, way: str) -> np.ndarray:
    """(P, 3) what a look does to an eye's points. way: of LOOKS."""
    axis, sign = LOOKS[way]
    if axis == 0 and side == "right":
        sign = -sign
    turn = np.array([[0.0, YAW * sign, 0.0], [PITCH * sign, 0.0, 0.0]][axis])
    return (points - ball.middle) @ (rotation_of(turn[None])[0].T - np.eye(3))


def tongue_out(points: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """(P, 3) a tongue's points put out over the lower lip. lips (L, 3): the lower lip's landmarks.

    Its root stays, the farther to the front a point is the more it goes: ahead until the tip is
    well before the lip, then down over it.
    """
    back, front = points[:, 2].min(), points[:, 2].max()
    length = max(front - back, 1e-6)
    share = np.clip((points[:, 2] - back) / length, 0.0, 1.0) ** 1.5
    ahead = max(lips[:, 2].max() - front, 0.0) + 0.45 * length
    rise = lips[:, 1].max() - points[points[:, 2] > back + 0.7 * length, 1].max()
    out = np.zeros_like(points)
    out[:, 2] = share * ahead
    out[:, 1] = share * max(rise, 0.0) - 0.35 * length * np.clip((share - 0.4) / 0.6, 0.0, 1.0) ** 2
    return out
