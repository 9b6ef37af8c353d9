"""How a picture is turned and mirrored to stand upright, from a clip's display matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """What is done to a picture as it is stored, in this order.

    swapped: rows become columns; mirrored, flipped: left becomes right, top becomes bottom.
    """

    swapped: bool = False
    mirrored: bool = False
    flipped: bool = False

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """A picture (h, w, ...) upright; contiguous if it was."""
        if not (self.swapped or self.mirrored or self.flipped):
            return picture
        if self.swapped:
            picture = picture.swapaxes(0, 1)
        if self.mirrored:
            picture = picture[:, ::-1]
        if self.flipped:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture."""
        return (height, width) if self.swapped else (width, height)


def from_display_matrix(matrix: np.ndarray) -> Orientation:
    """The nearest of the eight ways in which a picture can lie, of a 3x3 display matrix.

    A stored point (x, y) is shown at (a x + c y, b x + d y), up to a shift, where the matrix's rows
    are (a, b, u), (c, d, v), (x, y, w): ISO/IEC 14496-12, 6.2.2. A matrix of determinant below 0
    mirrors; no rotation is the same.
    """
    (a, b), (c, d) = np.asarray(matrix, float).reshape(3, 3)[:2, :2]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, bool(a < 0), bool(d < 0))
    return Orientation(True, bool(c < 0), bool(b < 0))
