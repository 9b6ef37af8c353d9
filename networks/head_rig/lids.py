"""Lids that close over the eye, on any mesh: in latitude and longitude about the eyeball's middle.

There the eye's opening is a gap between two curves, however the lids are modelled; a blink takes
the upper curve down onto the lower one along the ball, and the skin above with it, ever less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..spans import runs
from .mesh_graph import edges_of, smoothed, springs
from .registration import Head
from .sides import EYES, LID_LOWER, LID_UPPER, NOWHERE, named

LOWER_SHARE = 0.12
"""Share of the gap that the lower lid closes."""
OVERLAP = 0.04
"""The upper lid's edge goes so many gaps beyond the lower one's."""
STEPS, FEWEST = 61, 5
"""Longitudes at which the curves are known, and at so many the eye must be open."""
BEYOND = 0.25
"""How far beyond the corners' landmarks the eye may be open, in its widths."""
CLEAR = 0.012
"""How far from the ball lids stay, in its radii; and as much again as a mesh's edges cut short."""
WIDE, MOVED = 0.9, 0.05
"""Longest edge that is reckoned with, radians on the ball, and share from which a point moves."""
WIDEST = 2.6
"""Skin is of the lids up to so many radii from the ball's middle."""
LYING, FREE = 1.35, 2.0
"""Up to where skin goes with a lid as if it lay on the ball, and from where not, in radii."""
KEPT, EVEN = (0.5, 0.8), 5.0
"""Shares of a lid's way between which its blink becomes what was worked out; skin that goes along
less is smoothed over so many millimetres, else it crumples beside a nose."""
RIM = 1.7
"""And its edge is no farther off than this."""
ASIDE = np.linspace(-0.2, 0.2, 13)
"""Where an opening is looked for beside what the landmarks say, radians."""
SIDES = ("left", "right")


class Ball(NamedTuple):
    """An eyeball: middle (3,) and radius, millimetres of the template's frame."""

    middle: np.ndarray
    radius: float


@dataclass(frozen=True)
class Gap:
    """The opening of an eye: upper, lower (STEPS,) latitudes at longitudes (STEPS,), radians."""

    longitudes: np.ndarray
    upper: np.ndarray
    lower: np.ndarray

    @property
    def widest(self) -> float:
        """The largest height of the gap."""
        return float((self.upper - self.lower).max())

    def at(self, longitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(upper, lower) at longitudes (N,)."""
        return tuple(np.interp(longitude, self.longitudes, c) for c in (self.upper, self.lower))


@dataclass(frozen=True)
class Eye:
    """One eye of a head: points of the head about its ball in longitude, latitude (N,) and radii
    (N,), axes (3, 3) in rows: out to the subject's left, up, ahead."""

    side: str
    ball: Ball
    axes: np.ndarray
    longitude: np.ndarray
    latitude: np.ndarray
    radius: np.ndarray
    near: np.ndarray

    @property
    def close(self) -> np.ndarray:
        """(N,) 1 on what lies on the ball, 0 on brow bone and nose, which stand off it."""
        return np.clip((FREE - self.radius / self.ball.radius) / (FREE - LYING), 0.0, 1.0)

    @staticmethod
    def of(head: Head, side: str, ball: Ball) -> Eye:
        """The eye of a side."""
        opening = EYES[side]
        marks = named(head.landmarks, (*opening.above, *opening.below, *opening.ends))
        ahead = marks.mean(0) - ball.middle
        ahead = ahead / np.linalg.norm(ahead)
        up = np.array([0.0, 1.0, 0.0]) - ahead[1] * ahead
        up = up / np.linalg.norm(up)
        axes = np.stack([np.cross(up, ahead), up, ahead])
        longitude, latitude, radius = _polar((head.points - ball.middle) @ axes.T)
        near = (radius < WIDEST * ball.radius) & (np.abs(longitude) < 1.5)
        return Eye(side, ball, axes, longitude, latitude, radius, near)

    def place(self, longitude, latitude, radius) -> np.ndarray:
        """(N, 3) points of the head's frame."""
        flat = radius * np.cos(latitude)
        out = np.stack(
            [flat * np.sin(longitude), radius * np.sin(latitude), flat * np.cos(longitude)], -1
        )
        return out @ self.axes + self.ball.middle


def _polar(away: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = away.T
    return np.arctan2(x, z), np.arctan2(y, np.hypot(x, z)), np.linalg.norm(away, axis=1)


def gap_of(head: Head, eye: Eye) -> Gap | None:
    """The opening between the lids; None where there is none.

    At each longitude it reaches from its middle, which the landmarks tell, up and down to the
    first of the skin.
    """
    ends, middles = (
        _polar((marks - eye.ball.middle) @ eye.axes.T)[:2] for marks in _lid_marks(head, eye.side)
    )
    order = np.argsort(ends[0])
    first, last = ends[0][order]
    beyond = BEYOND * (last - first)  # landmarks lie a little beside the corners
    longitudes = np.linspace(first - beyond, last + beyond, STEPS)
    known = np.stack([np.r_[e, m] for e, m in zip(ends, middles, strict=True)])
    known = known[:, np.argsort(known[0])]
    middle, covered = _openings(eye, head.triangles, longitudes, np.interp(longitudes, *known))
    rows = edges_of(head.triangles)
    rows = rows[(eye.near & (eye.radius < RIM * eye.ball.radius))[rows].all(1)]
    if not len(rows):
        return None
    found = _crossings(eye, rows, longitudes)
    of = head.sides[rows].max(1)
    is_upper, is_lower = of == LID_UPPER[eye.side], of == LID_LOWER[eye.side]
    above = is_upper | (~is_lower & (found >= middle[:, None]))
    below = is_lower | (~is_upper & (found < middle[:, None]))
    upper = np.where(above & np.isfinite(found), found, np.inf).min(1)
    lower = np.where(below & np.isfinite(found), found, -np.inf).max(1)
    covered[[0, -1]] = True
    open_ = _longest(~covered) if not covered.all() else []
    covered = ~np.isin(np.arange(STEPS), open_)  # what is open apart from it is no eye
    if (~covered).sum() < FEWEST:
        return None
    for curve in (upper, lower):
        curve[covered] = middle[covered]
        good = np.isfinite(curve)
        curve[:] = np.interp(longitudes, longitudes[good], curve[good])
    # A rough mesh's eye ends in an upright edge: its points go with what is open beside them.
    beside = np.convolve(~covered, np.ones(3), "same") > 0
    high, low = _beside(np.maximum(upper, lower), np.maximum), _beside(lower, np.minimum)
    return Gap(longitudes, np.where(beside, high, middle), np.where(beside, low, middle))


def _beside(curve: np.ndarray, choose: np.ufunc) -> np.ndarray:
    """A curve's value, or that of a neighbour, whichever is chosen."""
    left, right = np.r_[curve[:1], curve[:-1]], np.r_[curve[1:], curve[-1:]]
    return choose(curve, choose(left, right))


def _lid_marks(head: Head, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The corners (2, 3) of an eye, and (2, 3) what is half way between upper and lower marks."""
    opening = EYES[side]
    above, below = (named(head.landmarks, n) for n in (opening.above, opening.below))
    order = [int(((below - mark) ** 2).sum(1).argmin()) for mark in above]
    return named(head.landmarks, opening.ends), 0.5 * (above + below[order])


def _openings(eye: Eye, triangles, longitudes, latitudes) -> tuple[np.ndarray, np.ndarray]:
    """At each longitude the middle of where the eye is open, near a given latitude, and (STEPS,)
    whether it is open nowhere near it."""
    tried = latitudes[:, None] + ASIDE
    rows = _within(eye, triangles, longitudes, tried)
    shut = np.stack([_covered(eye, rows, longitudes, t) for t in tried.T], 1)
    covered = shut.all(1)
    middles = [ASIDE[_longest(~row)].mean() if not row.all() else 0.0 for row in shut]
    return latitudes + np.array(middles), covered


def _longest(mask: np.ndarray) -> np.ndarray:
    """Where the longest run of True is."""
    return np.arange(*max(runs(mask), key=lambda run: run[1] - run[0]))


def _within(eye: Eye, triangles, longitudes: np.ndarray, latitudes: np.ndarray) -> np.ndarray:
    """The triangles near an eye that may lie in some of these directions."""
    rows = triangles[eye.near[triangles].all(1)]
    for angle, asked in ((eye.longitude, longitudes), (eye.latitude, latitudes)):
        own = angle[rows]
        rows = rows[(own.max(1) >= asked.min()) & (own.min(1) <= asked.max())]
    return rows


def _covered(eye: Eye, rows: np.ndarray, longitudes: np.ndarray, latitudes: np.ndarray):
    """(STEPS,) whether skin, triangles (T, 3), lies before the ball in each of these directions."""
    flat = np.stack([eye.longitude, eye.latitude], 1)
    a, b, c = (flat[rows[:, k]] for k in range(3))
    at = np.stack([longitudes, latitudes], 1)[:, None]
    sides = [
        (q - p)[:, 0] * (at - p)[..., 1] - (q - p)[:, 1] * (at - p)[..., 0]
        for p, q in ((a, b), (b, c), (c, a))
    ]
    inside = np.all([s >= 0.0 for s in sides], 0) | np.all([s <= 0.0 for s in sides], 0)
    return inside.any(1)


def _crossings(eye: Eye, rows: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """(STEPS, E) the latitude at which each edge crosses each longitude, NaN where it does not."""
    a, b = eye.longitude[rows].T
    one, other = eye.latitude[rows].T
    low, high = np.minimum(a, b), np.maximum(a, b)
    across = (low <= longitudes[:, None]) & (longitudes[:, None] <= high)
    share = (longitudes[:, None] - a) / np.where(np.abs(b - a) < 1e-9, 1e-9, b - a)
    return np.where(across, one + np.clip(share, 0.0, 1.0) * (other - one), np.nan)


@dataclass(frozen=True)
class Blink:
    """closed (N, 3): the blink of an eye; halfway (N, 3): what half of it lacks to lie along the
    ball."""

    closed: np.ndarray
    halfway: np.ndarray


def blink(head: Head, eye: Eye, gap: Gap, brow: np.ndarray) -> Blink:
    """The lids closed. brow (5, 3): the landmarks of the brow above."""
    fall, weight = _fall(head, eye, gap, brow)
    weight = weight * eye.close
    fall = fall * eye.close
    drawn = weight * np.clip(_height(eye, gap) / (0.4 * gap.widest), 0.0, 1.0)
    floor = _floor(head, eye, fall, weight)

    def at(share: float) -> np.ndarray:
        radius = _drawn_in(eye, drawn * share, floor)
        goal = eye.place(eye.longitude, eye.latitude + share * fall, radius)
        return np.where(weight[:, None] > 0, goal - head.points, 0.0)

    share = np.clip((weight - KEPT[0]) / (KEPT[1] - KEPT[0]), 0.0, 1.0)[:, None]
    edges = edges_of(head.triangles)
    pulls = springs(head.points, edges[eye.near[edges].all(1)], EVEN)

    def even(moves: np.ndarray) -> np.ndarray:
        calm = share * moves + (1.0 - share) * smoothed(moves, pulls)
        return np.where(eye.near[:, None], calm, moves)

    closed = even(at(1.0))
    return Blink(closed, even(at(0.5)) - 0.5 * closed)


def _fall(head: Head, eye: Eye, gap: Gap, brow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) how far each point's latitude goes up, and (N,) the share of its lid's whole way."""
    upper, lower = gap.at(eye.longitude)
    height = upper - lower
    longitude, latitude, _ = _polar((brow - eye.ball.middle) @ eye.axes.T)
    order = np.argsort(longitude)
    above = np.interp(eye.longitude, longitude[order], latitude[order]) - upper
    wide_above = np.clip(0.65 * above, 0.6 * gap.widest, 2.2 * gap.widest)
    is_upper, is_lower = _which(head, eye, upper, lower)
    over = np.clip((eye.latitude - upper) / wide_above, 0.0, 1.0)
    under = np.clip((lower - eye.latitude) / (1.2 * gap.widest), 0.0, 1.0)
    weight = np.where(is_upper, _soft(over), np.where(is_lower, _soft(under), 0.0))
    down = -(1.0 - LOWER_SHARE + OVERLAP) * height
    fall = weight * np.where(is_upper, down, LOWER_SHARE * height)
    return fall, weight * (height > 1e-4)


def _which(head: Head, eye: Eye, upper, lower) -> tuple[np.ndarray, np.ndarray]:
    """Which points go with the upper and which with the lower lid."""
    middle = 0.5 * (upper + lower)
    free = (head.sides == NOWHERE) & eye.near
    is_upper = (head.sides == LID_UPPER[eye.side]) | (free & (eye.latitude >= middle))
    is_lower = (head.sides == LID_LOWER[eye.side]) | (free & (eye.latitude < middle))
    return is_upper & eye.near, is_lower & eye.near


def _soft(t: np.ndarray) -> np.ndarray:
    """1 at 0 with a flat start, 0 at 1."""
    return 1.0 - t * t * (3.0 - 2.0 * t)


def _height(eye: Eye, gap: Gap) -> np.ndarray:
    """(N,) how high the gap is at each point's longitude."""
    upper, lower = gap.at(eye.longitude)
    return upper - lower


def _floor(head: Head, eye: Eye, fall: np.ndarray, weight: np.ndarray) -> float:
    """The radius that the lids' outer skin keeps: off the ball, and as much farther as the longest
    edges of the closed lids would cut into it."""
    rows = edges_of(head.triangles)
    rows = rows[(weight[rows] > MOVED).all(1)]
    if not len(rows):
        return eye.ball.radius * (1.0 + CLEAR)
    ways = eye.place(eye.longitude, eye.latitude + fall, np.ones(len(fall))) - eye.ball.middle
    cosine = (ways[rows[:, 0]] * ways[rows[:, 1]]).sum(1)
    wide = float(np.percentile(np.arccos(np.clip(cosine, -1.0, 1.0)), 95))
    return eye.ball.radius * (1.0 + CLEAR + 1.0 - np.cos(0.5 * min(wide, WIDE)))


def _drawn_in(eye: Eye, weight: np.ndarray, floor: float) -> np.ndarray:
    """(N,) radii: skin that comes down onto the ball lies on it, and nothing sinks into it."""
    edge = max(floor, 1.04 * eye.ball.radius)
    outer = eye.radius > 0.97 * eye.ball.radius
    drawn = eye.radius + np.minimum(edge - eye.radius, 0.0) * weight
    lifted = eye.radius + (floor - eye.radius) * np.minimum(2.0 * weight, 1.0)
    return np.where(outer & (eye.radius < floor), np.maximum(drawn, lifted), drawn)


def off_the_ball(head: Head, eye: Eye, moves: np.ndarray) -> np.ndarray:
    """Displacements (N, 3) that take nothing of the lids nearer to the ball's middle than it was:
    then sums of them, too, leave nothing inside the ball."""
    after = head.points + moves - eye.ball.middle
    radius = np.linalg.norm(after, axis=1)
    floor = np.minimum(eye.radius, (1.0 + CLEAR) * eye.ball.radius)
    least = floor + eye.close * (eye.radius - floor)
    outside = eye.near & (eye.radius > 0.97 * eye.ball.radius) & (eye.latitude < 1.4)
    sunk = outside & (radius < least) & (np.abs(moves).max(1) > 1e-6)
    grow = np.where(sunk, least / np.maximum(radius, 1e-9), 1.0)[:, None]
    return np.where(sunk[:, None], eye.ball.middle + after * grow - head.points, moves)
