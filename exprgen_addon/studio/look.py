"""A look: light, background and camera of a picture, as numbers. No Blender."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Look:
    """Light, background and camera of one picture.

    key_azimuth, key_elevation: where the main light stands seen from the face, radians; positive
    azimuth is the viewer's right. key, ambient: strengths (1 is a plain portrait). key_tint, tint,
    background: linear RGB of the main light, of the ambient light, of what is behind. zoom: size of
    the face against the profile's framing. shift: of the picture, in parts of its side. orbit:
    camera's (pitch, yaw, roll) about the face, radians, for heads that can't turn themselves.
    """

    key_azimuth: float = -0.55
    key_elevation: float = 0.6
    key: float = 1.0
    ambient: float = 1.0
    key_tint: tuple[float, float, float] = (1.0, 0.97, 0.92)
    tint: tuple[float, float, float] = (0.92, 0.96, 1.0)
    background: tuple[float, float, float] = (0.16, 0.18, 0.21)
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    orbit: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def to_row(self) -> np.ndarray:
        """The look as one vector (LOOK_SIZE,), for arrays of looks."""
        return np.concatenate([np.atleast_1d(v) for v in asdict(self).values()]).astype(float)

    @staticmethod
    def from_row(row: np.ndarray) -> Look:
        """The inverse of `to_row`."""
        values, start = {}, 0
        for f in fields(Look):
            if isinstance(f.default, tuple):
                end = start + len(f.default)
                values[f.name] = tuple(float(v) for v in row[start:end])
            else:
                end = start + 1
                values[f.name] = float(row[start])
            start = end
        return Look(**values)


LOOK_SIZE = len(Look().to_row())
