"""A photograph carried to a held-in expression by FACS: its 49 landmarks are moved, a spline
carries the pixels along, and furrows, folds and the shade of pressed lips are drawn in.

Lengths are shares of the distance between the eyes. What is drawn has the picture's own contrast.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ...vocabulary import LANDMARK_INDEX, LANDMARK_NAMES, REGISTERED_SIZE

ROUNDED = 3.0
"""Pixels within which the spline's kernel, the distance, is round."""
LOOSE = 0.5
"""How little exactly it goes through its points, so that two near ones don't tear the skin."""
COARSE = 64
"""Places a side at which it is worked out; between them it is smooth."""
FORCED = 0.6
"""Least strength of what pulls a smile flat: less of it is still a smile."""
DIES_OUT = np.linspace(0.2, 1.0, 5)
"""Share of a brow's knitting at its five points, from the outer to the inner one."""


def _points(*names: str) -> np.ndarray:
    return np.array([LANDMARK_INDEX[name] for name in names])


def _brow(side: str) -> np.ndarray:
    """Its five points from the outer to the inner one."""
    order = range(1, 6) if side == "right" else range(5, 0, -1)
    return _points(*(f"brow_{side}_{k}" for k in order))


SIDES = (("right", -1.0), ("left", 1.0))
BROWS = {side: _brow(side) for side, _ in SIDES}
UPPER = {side: _points(f"eye_{side}_top_1", f"eye_{side}_top_2") for side, _ in SIDES}
LOWER = {side: _points(f"eye_{side}_bottom_1", f"eye_{side}_bottom_2") for side, _ in SIDES}
EYES = {
    side: _points(*(name for name in LANDMARK_NAMES if name.startswith(f"eye_{side}")))
    for side, _ in SIDES
}
CORNERS = {side: _points(f"mouth_{side}_corner")[0] for side, _ in SIDES}
NOSTRILS = {side: _points(f"nostril_{side}_outer")[0] for side, _ in SIDES}
NOSTRIL_LINE = _points(
    "nostril_right_outer",
    "nostril_right_inner",
    "nose_base",
    "nostril_left_inner",
    "nostril_left_outer",
)
BETWEEN, BRIDGE, LOW_BRIDGE, TIP = _points(
    "nose_bridge_1", "nose_bridge_2", "nose_bridge_3", "nose_tip"
)
TOP_LIP = _points(*(f"lip_top_outer_{k}" for k in range(1, 6)))
BOTTOM_LIP = _points(*(f"lip_bottom_outer_{k}" for k in range(1, 6)))
INNER_TOP = _points(*(f"lip_top_inner_{k}" for k in (1, 2, 3)))
INNER_BOTTOM = _points(*(f"lip_bottom_inner_{k}" for k in (3, 2, 1)))
MOUTH = np.arange(LANDMARK_INDEX["mouth_right_corner"], len(LANDMARK_NAMES))

_LAST = REGISTERED_SIZE - 1
_FRAME = np.array(
    [(x, y) for x in (0, 64, 128, 192, _LAST) for y in (0, _LAST)]
    + [(x, y) for y in (64, 128, 192) for x in (0, _LAST)],
    float,
)
"""Points of the picture's edge, which stay where they are."""


class Carried:
    """A registered face on its way to another expression.

    Args:
        face: uint8 or float (256, 256) grey. points: (49, 2) its landmarks in pixels. strength: of
            the expression, 0 none, 1 clear. rng: by which each face moves a little otherwise.
    """

    def __init__(
        self, face: np.ndarray, points: np.ndarray, strength: float, rng: np.random.Generator
    ):
        self.face = np.asarray(face, np.float32)
        self.before = np.array(points, float)
        self.points = self.before.copy()
        self.strength, self._rng = strength, rng
        eyes = [self.before[EYES[side]].mean(0) for side, _ in SIDES]
        self.size = float(np.linalg.norm(eyes[1] - eyes[0]))

    def some(self, low: float, high: float) -> float:
        return self._rng.uniform(low, high)

    def happens(self, chance: float) -> bool:
        return self._rng.random() < chance

    def one_of(self, count: int) -> int:
        return int(self._rng.integers(count))

    def much(self, low: float, high: float) -> float:
        """Some amount, in proportion to the strength."""
        return self.strength * self.some(low, high)

    # Landmarks

    def lower_brows(self, share: float = 1.0) -> None:
        """AU 4."""
        down = share * self.much(0.07, 0.14) * self.size
        knit = share * self.much(0.02, 0.07) * self.size
        along = np.linspace(self.some(0.2, 0.8), 1, 5)
        self._move_brows(down * along, knit)
        self.points[BETWEEN, 1] += 0.3 * down

    def raise_brows(self, inner: float, outer: float, knit: float) -> None:
        """AU 1 and 2, drawn together by 4."""
        up = self.strength * np.linspace(outer, inner, 5) * self.size
        self._move_brows(-up, self.strength * knit * self.size)

    def _move_brows(self, down: np.ndarray, knit: float) -> None:
        for side, outwards in SIDES:
            self.points[BROWS[side], 1] += down
            self.points[BROWS[side], 0] -= outwards * knit * DIES_OUT

    def narrow_lids(self, upper: float, lower: float) -> None:
        """AU 43 (5, below 0) and 7: shares of the opening by which the lids come together."""
        for side, _ in SIDES:
            top, bottom = UPPER[side], LOWER[side]
            opening = self.points[bottom, 1].mean() - self.points[top, 1].mean()
            self.points[top, 1] += upper * opening
            self.points[bottom, 1] -= lower * opening

    def press_lips(self, share: float = 1.0) -> None:
        """AU 24 with 23: both lips thinner, towards the line between them."""
        by = share * self.much(0.4, 0.9)
        middle = (self.points[INNER_TOP] + self.points[INNER_BOTTOM]) / 2
        right, left = (self.points[CORNERS[side]] for side, _ in SIDES)
        at, height = np.array([right, *middle, left]).T
        order = np.argsort(at)
        line = np.interp(self.points[:, 0], at[order], height[order])
        for lip, part in ((TOP_LIP, 1.0), (BOTTOM_LIP, 1.0), (INNER_TOP, 0.9), (INNER_BOTTOM, 0.9)):
            self.points[lip, 1] += part * by * (line[lip] - self.points[lip, 1])
        centre = (right[0] + left[0]) / 2
        wider = 1 + share * self.much(-0.05, 0.1)
        self.points[MOUTH, 0] = centre + (self.points[MOUTH, 0] - centre) * wider

    def draw_corners(self, out: float, down: float) -> None:
        """AU 20 (out) and 15 (down)."""
        right, left = (self.points[CORNERS[side], 0] for side, _ in SIDES)
        from_centre = self.points[MOUTH, 0] - (right + left) / 2
        share = np.abs(from_centre) / max(abs(left - right) / 2, 1.0)
        self.points[MOUTH, 0] += np.sign(from_centre) * share * out * self.size
        self.points[MOUTH, 1] += share**2 * down * self.size

    def raise_mouth(self, up: float) -> None:
        """AU 17, which lifts both lips."""
        self.points[MOUTH, 1] -= up * self.size

    def raise_nose(self) -> None:
        """AU 9 and 10: nostrils and upper lip."""
        up = self.much(0.05, 0.12) * self.size
        moved = self.points
        moved[NOSTRIL_LINE, 1] -= up
        moved[TIP, 1] -= 0.8 * up
        moved[LOW_BRIDGE, 1] -= 0.4 * up
        for side, outwards in SIDES:
            moved[NOSTRILS[side], 0] += outwards * 0.3 * up
            moved[CORNERS[side], 1] += 0.1 * up
        moved[TOP_LIP, 1] -= up * np.array([0.7, 1.0, 0.9, 1.0, 0.7])
        if self.happens(0.5):
            moved[BOTTOM_LIP, 1] -= 0.5 * up

    def smile_of(self) -> float:
        """How far the corners lie above the lips' middle, 0 if they don't."""
        middle = (self.points[TOP_LIP[2], 1] + self.points[BOTTOM_LIP[2], 1]) / 2
        corners = [self.points[CORNERS[side], 1] for side, _ in SIDES]
        return max(middle - float(np.mean(corners)), 0.0) / self.size

    def carry(self) -> None:
        """Move the pixels as the landmarks have been moved."""
        self.face = carried(self.face, self.before, self.points)

    # What is drawn

    def furrow(self, share: float = 1.0) -> None:
        """Between the brows, and shade under them."""
        inner = [self.points[BROWS[side][-1]] for side, _ in SIDES]
        between, gap = (inner[0] + inner[1]) / 2, abs(inner[1][0] - inner[0][0])
        depth, size = self._depth(share), self.size
        sides = (-1.0, 1.0) if self.happens(0.75) else (self._rng.choice([-1.0, 1.0]),)
        for sign in sides:
            aside, low = sign * gap * self.some(0.12, 0.3), size * self.some(-0.08, 0.05)
            shade = depth * self.some(0.2, 0.7)
            across, along = size * self.some(0.012, 0.03), size * self.some(0.05, 0.12)
            at = between + np.array([aside, low])
            self._shade(shade, at, across, along, sign * self.some(-0.1, 0.3))
        self._shade(-depth * self.some(0, 0.25), between, gap * 0.12, size * 0.08)
        for side, _ in SIDES:
            lid = self.points[EYES[side]].mean(0) - _down(0.1 * size)
            self._shade(depth * self.some(0, 0.35), lid, 0.2 * size, 0.06 * size)

    def forehead_lines(self) -> None:
        """None to three lines across, as raised brows make."""
        between = sum(self.points[BROWS[side][-1]] for side, _ in SIDES) / 2
        depth = self._depth()
        for k in range(self.one_of(4)):
            at = between - _down(self.size * (0.15 + 0.1 * k))
            self._shade(depth * self.some(0.1, 0.35), at, 0.3 * self.size, 0.015 * self.size)

    def pressed_shade(self, share: float = 1.0) -> None:
        """The dark line between pressed lips, the corners' dimples, a bulging chin."""
        right, left = (self.points[CORNERS[side]] for side, _ in SIDES)
        centre, half = (right + left) / 2, abs(left[0] - right[0]) / 2
        depth, size = self._depth(share), self.size
        shade = depth * self.some(0.1, 0.8)
        self._shade(shade, centre, half * self.some(0.5, 0.9), size * self.some(0.012, 0.03))
        for corner in (right, left):
            self._shade(depth * self.some(0, 0.45), corner, 0.04 * size, 0.05 * size)
        if self.happens(0.7):
            self._chin(depth, centre, half)
        if self.happens(0.4):
            above, below = (centre + _down(by * size) for by in (-0.08, 0.07))
            self._shade(-depth * self.some(0, 0.4), above, 0.7 * half, 0.03 * size)
            self._shade(-depth * self.some(0, 0.4), below, 0.6 * half, 0.02 * size)

    def _chin(self, depth: float, centre: np.ndarray, half: float) -> None:
        shade, low = depth * self.some(0.1, 0.6), self.some(0.12, 0.2)
        wide, high = half * self.some(0.4, 0.7), self.size * self.some(0.02, 0.045)
        self._shade(shade, centre + _down(low * self.size), wide, high)
        light, low = depth * self.some(0.0, 0.5), self.some(0.27, 0.36)
        self._shade(-light, centre + _down(low * self.size), half * 0.5, self.size * 0.07)

    def nose_wrinkles(self) -> None:
        depth = self._depth()
        for k in range(3):
            at = self.points[BRIDGE] + _down(self.size * (0.07 * k - 0.12))
            self._shade(depth * self.some(0.1, 0.45), at, 0.06 * self.size, 0.014 * self.size)

    def folds(self, share: float = 1.0) -> None:
        """From the nostrils to the corners of the mouth."""
        depth = self._depth(share)
        for side, outwards in SIDES:
            start = self.points[NOSTRILS[side]] + self.size * np.array([0.06 * outwards, -0.02])
            end = self.points[CORNERS[side]] + self.size * np.array([0.08 * outwards, 0.0])
            along = end - start
            shade, angle = depth * self.some(0.1, 0.5), float(np.arctan2(along[1], along[0]))
            long = 0.4 * float(np.linalg.norm(along))
            self._shade(shade, (start + end) / 2, long, 0.02 * self.size, angle)

    def _depth(self, share: float = 1.0) -> float:
        """Grey values of a full shade: the picture's contrast, by the strength."""
        return share * self.strength * float(self.face.std())

    def _shade(
        self, depth: float, at: np.ndarray, wide: float, high: float, angle: float = 0.0
    ) -> None:
        """Darken by a soft ellipse of these deviations in pixels; lighten below 0."""
        self.face = self.face - depth * _ellipse(at, wide, high, angle)


def carried(face: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The picture (256, 256) with what was at points (K, 2) `before` at those `after`, its edge
    where it was."""
    at, rest = np.vstack([after, _FRAME]), np.vstack([before, _FRAME])
    # Where each pixel of the new picture comes from: Bookstein 1989, "Principal warps", with the
    # distance as the kernel, which overshoots less than that of a plate.
    kernel = -_distances(at, at) - LOOSE * np.eye(len(at))
    affine = np.hstack([np.ones((len(at), 1)), at])
    system = np.block([[kernel, affine], [affine.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.vstack([rest - at, np.zeros((3, 2))]))
    places = _places()
    flow = np.hstack([-_distances(places, at), np.ones((len(places), 1)), places]) @ weights
    flow = flow.reshape(COARSE, COARSE, 2).astype(np.float32)
    flow = cv2.resize(flow, (REGISTERED_SIZE,) * 2, interpolation=cv2.INTER_CUBIC)
    x, y = _pixels()
    return cv2.remap(
        face, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _distances(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    return np.sqrt(((these[:, None] - those[None]) ** 2).sum(2) + ROUNDED**2)


@lru_cache
def _places() -> np.ndarray:
    x, y = np.meshgrid(*[np.linspace(0, _LAST, COARSE)] * 2)
    return np.stack([x.ravel(), y.ravel()], 1)


@lru_cache
def _pixels() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(*[np.arange(REGISTERED_SIZE, dtype=np.float32)] * 2)
    return x, y


def _down(pixels: float) -> np.ndarray:
    return np.array([0.0, pixels])


def _ellipse(at: np.ndarray, wide: float, high: float, angle: float) -> np.ndarray:
    x, y = _pixels()
    dx, dy, cos, sin = x - float(at[0]), y - float(at[1]), np.cos(angle), np.sin(angle)
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    return np.exp(-0.5 * ((along / wide) ** 2 + (across / high) ** 2)).astype(np.float32)


# The expressions, each by its action units


def anger(face: Carried) -> None:
    """4, 7, and 23 or 24 with 17."""
    face.lower_brows()
    face.narrow_lids(face.much(0.0, 0.35), face.much(0.05, 0.35))
    face.press_lips()
    if face.happens(0.6):
        face.raise_mouth(face.much(0, 0.05))
    face.draw_corners(0.0, face.much(-0.01, 0.05))
    face.carry()
    if face.happens(0.85):
        face.furrow()
    face.pressed_shade()


def glare(face: Carried) -> None:
    """4 and 7 alone."""
    face.lower_brows()
    face.narrow_lids(face.much(0.0, 0.3), face.much(0.1, 0.35))
    face.draw_corners(0.0, face.much(0, 0.05))
    face.carry()
    face.furrow()


def fear(face: Carried) -> None:
    """1, 2, 4, 5 and 20."""
    face.raise_brows(face.some(0.06, 0.14), face.some(0.0, 0.07), face.some(0.02, 0.06))
    face.narrow_lids(-face.much(0.15, 0.6), -face.much(0, 0.15))
    face.draw_corners(face.much(0.03, 0.13), face.much(0.0, 0.08))
    face.carry()
    face.forehead_lines()
    if face.happens(0.5):
        face.furrow(0.4)


def bared_fear(face: Carried) -> None:
    """1, 2, 4, 5 and 20 with 25, from a smile that shows teeth: its corners are drawn flat."""
    face.strength = max(face.strength, FORCED)
    face.raise_brows(face.some(0.06, 0.14), face.some(-0.02, 0.07), face.some(0.02, 0.06))
    face.narrow_lids(-face.much(0.2, 0.7), -face.much(0, 0.3))
    out = face.much(-0.02, 0.06)
    face.draw_corners(out, face.smile_of() * face.much(0.8, 1.6) + face.much(0.02, 0.08))
    face.carry()
    if face.happens(0.6):
        face.furrow(0.5)


def sadness(face: Carried) -> None:
    """1, 4 and 15."""
    face.raise_brows(face.some(0.05, 0.13), face.some(-0.06, 0.0), face.some(0.02, 0.06))
    face.narrow_lids(face.much(0.0, 0.3), 0.0)
    face.draw_corners(face.much(-0.02, 0.03), face.much(0.04, 0.12))
    if face.happens(0.5):
        face.raise_mouth(face.much(0, 0.04))
    face.carry()
    face.furrow(0.5)
    if face.happens(0.5):
        face.pressed_shade(0.4)


def disgust(face: Carried) -> None:
    """9 and 10 with 4 and 7."""
    face.lower_brows(0.6)
    face.narrow_lids(face.much(0, 0.3), face.much(0.1, 0.45))
    face.raise_nose()
    face.carry()
    face.nose_wrinkles()
    face.folds()
    if face.happens(0.6):
        face.furrow(0.5)


def calm(face: Carried) -> None:
    """As large differences of build and hold, none of which is an expression."""
    (_lips_pressed, _brows_elsewhere, _lids_elsewhere, _corners_elsewhere, _brows_bent)[
        face.one_of(5)
    ](face)
    face.carry()
    if face.happens(0.3):
        face.folds(0.6)
    if face.happens(0.2):
        face.furrow(0.25)


def _lips_pressed(face: Carried) -> None:
    face.press_lips(0.7)


def _brows_elsewhere(face: Carried) -> None:
    by = face.some(-0.05, 0.05)
    face.raise_brows(by, by, 0.0)


def _lids_elsewhere(face: Carried) -> None:
    face.narrow_lids(face.much(-0.15, 0.3), face.much(-0.1, 0.15))


def _corners_elsewhere(face: Carried) -> None:
    face.draw_corners(face.much(-0.08, 0.08), face.much(-0.02, 0.03))


def _brows_bent(face: Carried) -> None:
    face.raise_brows(face.some(-0.02, 0.04), face.some(-0.02, 0.04), 0.0)
