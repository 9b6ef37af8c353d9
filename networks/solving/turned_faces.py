"""Relations of faces that are turned away, from the fitted head and the landmarks together.

The farther a face is turned, the more of its landmarks are guesses: quick motion shrinks, a jaw
hardly drops, brows and lids sink as the head turns. The face fitted to what is seen (`pose_free`)
errs otherwise. By how far it is turned, a relation passes over from what its landmarks say to a
linear blend of both, and of its partner on the other side, since faces are much alike on both:
one for what moves quickly, one for what is slow, where errors differ from person to person. The
blends are learned from rendered people who talk and turn (`exprgen train turned_faces`), and a
relation that does not gain on people left out has none. What looks at the camera stays as it is,
and nothing is loaded for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..track import FaceTrack, load_arrays, save_arrays
from .head_and_gaze import head_angles
from .relations import NAMES, measure, own_points
from .smoothing import slow

KIND = "exprgen.turned_faces"
FILE = Path(__file__).with_name("turned_faces.npz")
YAW = np.radians((18.0, 30.0, 42.0, 52.0))
"""How far a head is turned aside, as tracked (30 degrees look like 20, 60 like 48): up to the first
nothing is changed; at the others each has its blends, and between two both have a share."""
PITCH = np.radians((18.0, 30.0))
"""The same of a head that is seen from above or below, each of which has its own."""
WAYS = {"aside": slice(0, 3), "above": slice(3, 4), "below": slice(4, 5)}
"""From where a face is seen, and its stages."""
STAGES = 5
STEADY_HERTZ = 1.6
"""Of a head's turn what is quicker is left out."""
FRONTAL = np.radians((18.0, 15.0))
"""Yaw and pitch up to which a face looks at the camera: it tells who that is, and its own rest."""
FEWEST = 5
"""Frames that look there from which on they alone tell it."""
ENOUGH = 150
"""Of them, that tell it of a long clip."""
TERMS = ("own", "partner", "fitted", "partner fitted", "offset")
"""What is blended of each relation."""
OFFSET = 0.05
"""Eye distances that a weight of one for the offset adds; only what is slow has one."""

_SWAP = {"_left": "_right", "_right": "_left"}
PARTNER = np.array(
    [NAMES.index(next((n.replace(a, b) for a, b in _SWAP.items() if a in n), n)) for n in NAMES]
)
"""(K,) the relation that is each one's mirror image, or itself."""
_SIGN = np.where([n.endswith("_side") for n in NAMES], -1.0, 1.0)


@dataclass(frozen=True)
class TurnedFaces:
    """Linear blends. slow, quick (STAGES, K, TERMS): what is added to each relation of a face whose
    left side is seen, for each of its terms; 0 where a relation stays as it is."""

    slow: np.ndarray
    quick: np.ndarray

    def added(self, times: np.ndarray, terms: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """(N, K) what terms (N, K, TERMS) add at shares (N, STAGES) of the stages."""
        lasting = slow_terms(times, terms)
        kinds = (self.slow, lasting), (self.quick, terms - lasting)
        return sum(np.einsum("nj,jkt,nkt->nk", shares, w, part) for w, part in kinds)

    def save(self, path: Path, meta: dict) -> None:
        told = {"relations": list(NAMES), "terms": list(TERMS), "yaw": np.degrees(YAW).tolist()}
        arrays = {name: value.astype(np.float32) for name, value in vars(self).items()}
        save_arrays(path, KIND, {**meta, **told}, arrays)


@cache
def turned_faces() -> TurnedFaces:
    """The numbers that ship with ExprGen."""
    meta, arrays = load_arrays(FILE, KIND)
    rows = [meta["relations"].index(name) for name in NAMES]
    return TurnedFaces(**{name: array[:, rows].astype(float) for name, array in arrays.items()})


def slow_terms(times: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """The slow part of terms (N, K, TERMS)."""
    return slow(times, terms.reshape(len(terms), -1)).reshape(terms.shape)


def turns(track: FaceTrack) -> np.ndarray:
    """(N, 3) how the head stands (`head_angles`), without what trembles: a face must not change
    with a tracked turn that a moving mouth has caused."""
    return slow(np.asarray(track.times, float), head_angles(track.head_pose), STEADY_HERTZ)


def stages(angles: np.ndarray) -> np.ndarray:
    """(N, STAGES) the shares of the stages in heads (N, 3) that stand so (`turns`), at most one
    together; 0 for those that hardly turn."""
    pitch, yaw = angles[:, 0], angles[:, 1]
    ways = (np.abs(yaw), YAW), (pitch, PITCH), (-pitch, PITCH)
    shares = [np.interp(way, at, row) for way, at in ways for row in np.eye(len(at))[1:]]
    out = np.stack(shares, axis=1)
    return out / np.maximum(out.sum(1, keepdims=True), 1.0)


def with_turned_faces(track: FaceTrack, values: np.ndarray) -> np.ndarray:
    """Relations (N, K) of a clip, those of faces that are turned away as both tell them."""
    angles = turns(track)
    shares = stages(angles) * track.found[:, None]
    if not shares.any():
        return values
    terms = turned_terms(track, values, angles)
    added = turned_faces().added(np.asarray(track.times, float), terms, shares)
    return values + mirrored(added, angles[:, 1])


def turned_terms(track: FaceTrack, values: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(N, K, TERMS) of each frame as if its left side were seen; moved from how the clip's face
    looks from the front."""
    frontal = track.found & (np.abs(angles[:, [1, 0]]) <= FRONTAL).all(1)
    rest = frontal if frontal.sum() >= FEWEST else track.found
    rows = np.flatnonzero(track.found & _fitted(track.times, stages(angles).any(1), rest))
    told = fitted_relations(track, rows, frontal).T
    fitted = np.stack([np.interp(track.times, track.times[rows], column) for column in told], 1)
    moved = [mirrored(v - v[rest].mean(0), angles[:, 1]) for v in (values, fitted)]
    both = [m[:, which] for m in moved for which in (slice(None), PARTNER)]
    return np.stack([*both, np.full_like(values, OFFSET)], axis=2)


def _fitted(times: np.ndarray, turned: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """(N,) bool: frames whose head is fitted: those that are turned, what is about them, and as
    many of those at rest as tell what it looks like."""
    about = slow(np.asarray(times, float), turned.astype(float)) > 0.0
    every = max(1, int(rest.sum()) // ENOUGH)
    told = np.zeros(len(times), bool)
    told[np.flatnonzero(rest)[::every]] = True
    return turned | about | told


def fitted_relations(track: FaceTrack, rows: np.ndarray, frontal: np.ndarray) -> np.ndarray:
    """(R, K) the relations of the face fitted to rows (R,); frontal (N,) as in `pose_free`."""
    from ..face_model.pose_free import pose_free

    seen = np.asarray(track.landmarks[rows][..., :2], float)
    face = pose_free(seen, np.asarray(track.times[rows], float), frontal[rows])
    return measure(own_points(face.points, face.rest))


def mirrored(values: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Relations (N, K), those of faces that show their right side as in a mirror; twice is not at
    all."""
    return np.where((yaw > 0)[:, None], _SIGN * values[:, PARTNER], values)
