"""Patches of an actor's face found again in every picture of a clip, by how they usually look
(normalised cross-correlation, to parts of a pixel), wherever the tracker draws its mesh.

A tracker's whole mesh gives way when lids shut or a mouth opens, so where a face lies in its
pictures is told by three patches of the nose that expressions hardly move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..track import FaceTrack
from ..tracking.lost_frames import fill_lost
from .head_and_gaze import head_angles, rotation_of
from .kept_faces import AT_ONCE, KeptFaces, has_pictures
from .relations import FaceFrame
from .smoothing import slow
from .turned_faces import PITCH, STEADY_HERTZ


@dataclass(frozen=True)
class Window:
    """A patch and how far it is looked for: width and height, and the way aside and up or down, in
    pixels of the registered face."""

    width: int
    height: int
    aside: int
    along: int

    @property
    def whole(self) -> tuple[int, int]:
        """Width and height of all that is looked at."""
        return self.width + 2 * self.aside, self.height + 2 * self.along


NOSE = {
    (6, 197): Window(31, 55, 6, 8),
    (168, 6): Window(31, 55, 6, 8),
    (5, 4, 1): Window(41, 31, 6, 8),
}
"""Patches of the nose about the middles of mesh points: ridge, bridge and tip. One frowns with the
brows, one wrinkles, one is far away."""
USUAL = 120
"""Pictures whose median is how a patch usually looks, at most twice as many."""
ALIKE = 0.6
"""Correlation with it below which something else is seen there, a hand or hair, and nothing is
told."""
FEWEST = 8
"""Frames from which on anything is told."""
SIZE_HERTZ = 0.8
"""Of a face's size in the picture what is quicker is the tracker's trembling."""
SMALLEST = 1.0
"""Pixels between the eyes below which landmarks are no face's."""
FACING = np.radians((12.0, 24.0))
"""Yaw up to which what pictures show of a face counts, and from which on it does not; of pitch
`PITCH`, where what is tracked begins to be mended."""


@dataclass(frozen=True)
class Seen:
    """What the R frames of a clip show whose picture is there.

    kept: their faces. rows (R,): their numbers. turns (R, 2, 3): see `KeptFaces.picture`. tracked
    (R, 478, 3): landmarks, pixels of the footage. usual (478, 3): the actor's usual mesh in the
    face's own frame. head (R, 3, 3): how it is turned. size (R,): its eyes' distance in pixels.
    """

    kept: KeptFaces
    rows: np.ndarray
    turns: np.ndarray
    tracked: np.ndarray
    usual: np.ndarray
    head: np.ndarray
    size: np.ndarray

    @staticmethod
    def of(kept: KeptFaces) -> Seen | None:
        """None where there are too few, and of a track without pictures or of separate ones."""
        track = kept.track
        if track.meta.get("stills") or not has_pictures(track):
            return None
        frame = FaceFrame.of(track)
        shown = track.found & (frame.size(track.landmarks) > SMALLEST)
        pictures = ((i, kept.picture(i)) for i in np.flatnonzero(shown).tolist())
        turns = {i: picture[1] for i, picture in pictures if picture is not None}
        rows = np.array([*turns], int)
        if len(rows) < FEWEST:
            return None
        times, tracked, pose = track.times[rows], track.landmarks[rows], track.head_pose[rows]
        some = slice(None, None, 1 + len(rows) // AT_ONCE)
        turned = slow(times, head_angles(pose), STEADY_HERTZ)
        return Seen(
            kept,
            rows,
            np.array([*turns.values()]),
            tracked,
            np.median(frame.mesh(tracked[some], pose[some]), axis=0),
            np.array([rotation_of(*angles) for angles in turned]),
            np.exp(slow(times, np.log(frame.size(tracked)), SIZE_HERTZ)),
        )

    def shift(self, points, window: Window, start: np.ndarray | float = 0.0) -> np.ndarray:
        """(R, 2) how far a patch lies from where its mesh points are tracked and from `start` (R,
        2) there, pixels of the registered faces."""
        return found_again(self.faces(), self.places(points) + start, window)

    @cached_property
    def nose(self) -> np.ndarray:
        """(P, R, 2) the `shift` of each patch of NOSE."""
        return np.stack([self.shift(points, window) for points, window in NOSE.items()])

    def places(self, points) -> np.ndarray:
        """(R, 2) where the middles of mesh points are tracked, pixels of the registered faces."""
        middle = self._middles(points)
        return np.einsum("rij,rj->ri", self.turns[:, :, :2], middle) + self.turns[:, :, 2]

    def off(self, points, shift: np.ndarray) -> np.ndarray:
        """(R, 2) how far mesh points that lie `shift` (R, 2) from where they are tracked are seen
        from where a usual face has them: right and up in the picture, eye distances."""
        more = np.linalg.solve(self.turns[:, :, :2], shift[..., None])[..., 0]
        seen = (self._middles(points) + more) * (1.0, -1.0)
        usual = self.head @ self.usual[list(points)].mean(0)
        return seen / self.size[:, None] - usual[:, :2]

    def faces(self) -> Iterator[np.ndarray]:
        """The R faces uint8 (256, 256)."""
        return (self.kept.picture(row)[0] for row in self.rows.tolist())

    def _middles(self, points) -> np.ndarray:
        """(R, 2) where the middles of mesh points are tracked, pixels of the footage."""
        return self.tracked[:, list(points), :2].mean(1, dtype=float)


def facing(track: FaceTrack) -> np.ndarray:
    """(N,) 1 where a face looks at the camera, less and less to 0 as it turns aside, up or down."""
    rows = np.flatnonzero(track.found)
    turned = np.abs(slow(track.times[rows], head_angles(track.head_pose[rows]), STEADY_HERTZ))
    out = np.zeros(len(track))
    out[rows] = np.interp(turned[:, 1], FACING, (1.0, 0.0))
    out[rows] *= np.interp(turned[:, 0], PITCH, (1.0, 0.0))
    return fill_lost(track.times, track.state, out)


def found_again(faces: Iterable[np.ndarray], places: np.ndarray, window: Window) -> np.ndarray:
    """(R, 2) how far from where it is looked for, (R, 2), a patch lies in each of the faces (256,
    256), in their pixels; NaN where it looks like something else."""
    import cv2

    cuts = [
        cv2.getRectSubPix(face, window.whole, (float(x), float(y)))
        for face, (x, y) in zip(faces, places, strict=True)
    ]
    some = cuts[:: 1 + len(cuts) // USUAL]
    usual = _usual(some, np.zeros((len(some), 2)), window)
    usual = _usual(some, _found(some, usual, window)[0], window)  # sharper: they lie alike now
    shift, alike = _found(cuts, usual, window)
    inside = np.abs(shift[:, 1]) < window.along - 0.5  # aside it may lie farther: brows are long
    return np.where((inside & (alike > ALIKE))[:, None], shift, np.nan)


def _usual(cuts: list[np.ndarray], shift: np.ndarray, window: Window) -> np.ndarray:
    """The median patch of cuts that show it `shift` (R, 2) off their middles."""
    import cv2

    places = shift + (np.array(window.whole) - 1) / 2.0
    size = (window.width, window.height)
    laid = [
        cv2.getRectSubPix(cut, size, (float(x), float(y)))
        for cut, (x, y) in zip(cuts, places, strict=True)
    ]
    return np.median(laid, axis=0).astype(np.uint8)


def _found(
    cuts: list[np.ndarray], usual: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    """(R, 2) how far off their middles cuts show the usual patch, and (R,) how much alike."""
    import cv2

    maps = np.stack([cv2.matchTemplate(cut, usual, cv2.TM_CCOEFF_NORMED) for cut in cuts])
    peak, alike = peaks(maps)
    return peak - (window.aside, window.along), alike


def peaks(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R, 2) x and y of the peaks of maps (R, H, W), to parts of a pixel by the parabola through
    each and its neighbours, and (R,) how high they are."""
    count, height, width = maps.shape
    y, x = np.divmod(maps.reshape(count, -1).argmax(1), width)
    rows, inner = np.arange(count), (np.clip(x, 1, width - 2), np.clip(y, 1, height - 2))
    across = _vertex(*(maps[rows, y, inner[0] + k] for k in (-1, 0, 1)))
    along = _vertex(*(maps[rows, inner[1] + k, x] for k in (-1, 0, 1)))
    place = np.stack([x + across * (x == inner[0]), y + along * (y == inner[1])], axis=1)
    return place, maps[rows, y, x]


def _vertex(before: np.ndarray, here: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where, from the middle of three values, the parabola through them is highest, -.5 to .5."""
    bend = np.minimum(before - 2.0 * here + after, -1e-9)
    return np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
