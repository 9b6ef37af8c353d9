"""How far a jaw is apart from its lips, where the pictures of a clip show more than its landmarks.

A tracker's mesh hardly knows a jaw that moves behind closed or rounded lips. Pictures show its edge
before the neck, folds beside the chin, the skin below the lower lip, lower teeth. A small
convolutional network looks at the lower half of each face, laid where its nose lies, beside this
actor's own closed mouth. The quick part of what it makes of a frame, of those a frame's length
before and after, and what landmarks tell, tell together what `mouth_motion` misses; learned from
people who talk and whose jaws are known (`exprgen train jaw_seen`). A face that turns away tells
nothing, nor does one whose nose is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ..track import load_arrays, save_arrays
from ..tracking.lost_frames import classify_losses, fill_lost
from .head_and_gaze import head_angles
from .mouth_motion import MouthSeen, motion_features, mouth_motion, quick
from .patches_seen import NOSE, Seen, facing
from .relations import JAW, LIP_GAPS

KIND = "exprgen.jaw_seen"
FILE = Path(__file__).with_name("jaw_seen.npz")
NEAR = (-0.04, 0.0, 0.04)
"""Seconds from a frame at which it is looked at."""
TIP, BELOW = (5, 4, 1), 50.0
"""Mesh points of the nose's tip, of NOSE, and how far below it the middle of what is looked at
lies, pixels of the registered face."""
WIDTH, HEIGHT = 108, 74
"""Size of a cut, each of its pixels two of the registered face's wide and high,"""
MARGIN = (3, 4)
"""and how much of it lies about what the network sees: training moves it there."""
SURE, SURE_GAP, CLOSED_SHARE = 0.9, 0.035, 15
"""The chance of a touch above which, and the gap beyond the least below which lips are closed for
certain; percentile of the gap below which they count as closed in a clip without such frames."""
FEWEST = 4
"""Frames whose lips are closed for certain that tell how this actor's closed mouth looks."""
USUAL = 120
"""Closed mouths whose median is taken, at most twice as many."""
NEIGHBOURS, STEPS, FLAT, GREY = 5.0, 31, 2.5, 5.0
"""Deviation and size, pixels of a cut, of the Gaussian about a pixel in which it is brighter or
darker; what is added to the deviations that it is counted in, there and in the whole closed
mouth."""
STILL, DARKEST = 30, 8.0
"""Rows of a cut, nose and cheeks, whose brightness is kept alike, and below which it is none."""
CHANNELS = ("contrast", "more contrast", "brighter", "closed")
"""What the network sees of a frame: contrast in its neighbourhood, that less the closed mouth's,
brightness less the closed mouth's, contrast of the closed mouth."""
BESIDE = (30.0, 30.0, 30.0, 30.0, 30.0, 1.0, 1.0, 10.0)
"""What is counted beside it, times these: what `mouth_motion` tells (3), the quick jaw and lip gap
as tracked, the chance that lips touch, its quick part, the quick pitch of the head."""
PER = 30.0
"""What the network answers is in so many parts of an eye distance."""
STRIDES = (4, 2, 2)
"""Of its convolutions,"""
PADDING = (2, 1, 1)
"""and the pixels of nothing about their pictures."""
BLOCK = 64
"""Faces that are looked at together."""
MOST = 0.05
"""Eye distances beyond which nothing more is believed: of twelve talkers' what is missed is farther
in less than 1 frame of 1000."""


@dataclass(frozen=True)
class JawSeen:
    """The network. kernels: of each convolution (O, C, K, K) and (O,); what follows each is its
    positive part. embed: (E, features) and (E,). hidden: (H, 3 E + BESIDE) and (H,), then tanh.
    answer: (1, H) and (1,)."""

    kernels: tuple[tuple[np.ndarray, np.ndarray], ...]
    embed: tuple[np.ndarray, np.ndarray]
    hidden: tuple[np.ndarray, np.ndarray]
    answer: tuple[np.ndarray, np.ndarray]

    def looked(self, pictures: np.ndarray) -> np.ndarray:
        """(B, E) float32 of pictures (B, CHANNELS, H, W)."""
        for (weight, bias), stride, padding in zip(self.kernels, STRIDES, PADDING, strict=True):
            pictures = _convolved(pictures, weight, bias, stride, padding)
        weight, bias = self.embed
        return pictures.reshape(len(pictures), -1) @ weight.T + bias

    def told(self, times: np.ndarray, looked: np.ndarray, beside: np.ndarray) -> np.ndarray:
        """(N,) quick motion, eye distances, from what it made of each frame (N, E) and `beside` (N,
        BESIDE)."""
        moves = quick(times, looked)
        near = [
            np.stack([np.interp(times + s, times, column) for column in moves.T], axis=1)
            for s in NEAR
        ]
        (hidden, ground), (weight, bias) = self.hidden, self.answer
        seen = np.concatenate([*near, beside], axis=1)
        answer = np.tanh(seen @ hidden.T + ground) @ weight.T + bias
        return quick(times, answer[:, 0]) / PER

    def save(self, path: Path, meta: dict) -> None:
        parts = {**{f"kernel_{i}": k for i, k in enumerate(self.kernels)}, "embed": self.embed}
        parts |= {"hidden": self.hidden, "answer": self.answer}
        arrays = {f"{name}.weight": weight for name, (weight, _) in parts.items()}
        arrays |= {f"{name}.bias": bias for name, (_, bias) in parts.items()}
        save_arrays(path, KIND, meta, {n: np.asarray(a, np.float16) for n, a in arrays.items()})


@cache
def jaw_network() -> JawSeen:
    """The numbers that ship with ExprGen."""
    return load_jaw_network(FILE)


def load_jaw_network(path: Path) -> JawSeen:
    """Read what `JawSeen.save` wrote.

    Raises:
        InputError: it is not there, is damaged, or holds something else.
    """
    arrays = {n: a.astype(np.float32) for n, a in load_arrays(path, KIND)[1].items()}
    pair = {n: (arrays[f"{n}.weight"], arrays[f"{n}.bias"]) for n in ("embed", "hidden", "answer")}
    kernels = [
        (arrays[f"kernel_{i}.weight"], arrays[f"kernel_{i}.bias"]) for i in range(len(STRIDES))
    ]
    return JawSeen(tuple(kernels), **pair)


def _convolved(
    pictures: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    """The positive part of pictures (B, C, H, W) convolved: (B, O, H', W')."""
    edge = (padding, padding)
    padded = np.pad(pictures, ((0, 0), (0, 0), edge, edge))
    size = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    some = windows[:, :, ::stride, ::stride]
    out = np.tensordot(some, weight, axes=((1, 4, 5), (1, 2, 3))) + bias
    return np.maximum(out, 0.0).transpose(0, 3, 1, 2)


# --- what the network is shown -------------------------------------------------------------------


@dataclass(frozen=True)
class LowerFaces:
    """The lower faces of a clip. rows (R,): the frames whose face and nose are seen. cuts uint8 (R,
    HEIGHT, WIDTH). light (R,): what they are multiplied with, since light changes as quickly as
    jaws. closed float32 (HEIGHT, WIDTH): this actor's closed mouth in the usual light."""

    rows: np.ndarray
    cuts: np.ndarray
    light: np.ndarray
    closed: np.ndarray

    def pictures(self) -> Iterator[np.ndarray]:
        """float32 (B, CHANNELS, HEIGHT, WIDTH), a block at a time."""
        contrast, deviation = _contrast(self.closed), float(self.closed.std()) + GREY
        for i in range(0, len(self.cuts), BLOCK):
            cuts = _lit(self.cuts[i : i + BLOCK], self.light[i : i + BLOCK])
            own = np.stack([_contrast(cut) for cut in cuts])
            still = np.broadcast_to(contrast, own.shape)
            yield np.stack([own, own - contrast, (cuts - self.closed) / deviation, still], axis=1)


def lower_faces(seen: Seen, mouth: MouthSeen) -> LowerFaces | None:
    """The lower faces of a clip, laid where their noses lie; None where no closed mouth is seen."""
    off = _nose_off(seen)
    told = np.isfinite(off[:, 0])
    rows = seen.rows[told]
    closed = _closed(mouth, rows)
    if not closed.any():
        return None
    places = np.median(seen.places(TIP), axis=0) + off + (0.0, BELOW)
    cuts = np.stack(
        [_cut(face, place) for face, place, t in zip(seen.faces(), places, told, strict=True) if t]
    )
    bright = np.maximum(cuts[:, :STILL].mean((1, 2)), DARKEST)
    light = np.median(bright) / bright
    some = np.flatnonzero(closed)[:: 1 + int(closed.sum()) // USUAL]
    return LowerFaces(rows, cuts, light, np.median(_lit(cuts[some], light[some]), axis=0))


def _lit(cuts: np.ndarray, light: np.ndarray) -> np.ndarray:
    """float32: cuts (R, HEIGHT, WIDTH) in other light (R,)."""
    return cuts * light.astype(np.float32)[:, None, None]


def _nose_off(seen: Seen) -> np.ndarray:
    """(R, 2) how far the nose lies from where it usually does, pixels of the registered face: the
    median of the patches that are seen; NaN where none is."""
    places = np.stack(
        [seen.places(points) + shift for points, shift in zip(NOSE, seen.nose, strict=True)]
    )
    shown = np.isfinite(places[..., 0])
    out = np.full(places.shape[1:], np.nan)
    if shown.any(1).all():
        off = places - np.nanmedian(places, axis=1, keepdims=True)
        out[shown.any(0)] = np.nanmedian(off[:, shown.any(0)], axis=0)
    return out


def _closed(mouth: MouthSeen, rows: np.ndarray) -> np.ndarray:
    """(R,) bool: of these frames those whose lips are closed."""
    if not len(rows):
        return np.zeros(0, bool)
    gap = mouth.moved[rows][:, LIP_GAPS].mean(1)
    sure = (mouth.touch[rows] > SURE) & (gap - np.percentile(gap, 5) < SURE_GAP)
    return sure if sure.sum() >= FEWEST else gap <= np.percentile(gap, CLOSED_SHARE)


def _cut(face: np.ndarray, place: np.ndarray) -> np.ndarray:
    """uint8 (HEIGHT, WIDTH): what lies about a place of a registered face."""
    import cv2

    whole = cv2.getRectSubPix(face, (2 * WIDTH, 2 * HEIGHT), tuple(map(float, place)))
    return cv2.resize(whole, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _contrast(cut: np.ndarray) -> np.ndarray:
    """float32 (HEIGHT, WIDTH): how much brighter or darker each place is than those about it, in
    their deviations."""
    own = cut - _blurred(cut)
    return own / (np.sqrt(_blurred(own * own)) + FLAT)


def _blurred(cut: np.ndarray) -> np.ndarray:
    import cv2

    size = (STEPS, STEPS)
    return cv2.GaussianBlur(cut, size, NEIGHBOURS, borderType=cv2.BORDER_REPLICATE)


def what_is_beside(seen: Seen, mouth: MouthSeen) -> np.ndarray:
    """(N, BESIDE) what else is counted of a clip."""
    track = seen.kept.track
    times = track.times
    told = mouth_motion().told(motion_features(times, mouth))
    pitch = fill_lost(times, track.state, head_angles(track.head_pose)[:, 0])
    tracked = np.stack([mouth.moved[:, JAW], mouth.moved[:, LIP_GAPS].mean(1)], axis=1)
    moves = quick(times, np.c_[tracked, mouth.touch, pitch])
    return np.c_[told, moves[:, :2], mouth.touch, moves[:, 2:]] * BESIDE


# --- what is told --------------------------------------------------------------------------------


def jaw_apart_seen(seen: Seen | None, mouth: MouthSeen) -> np.ndarray:
    """(N,) how much farther the jaw is apart from the lips than `mouth_motion` tells, quick motion,
    eye distances; 0 where nothing is told, and where there are too few pictures."""
    faces = None if seen is None else lower_faces(seen, mouth)
    if faces is None:
        return np.zeros(len(mouth.touch))
    network, (high, aside) = jaw_network(), MARGIN
    own = [network.looked(some[:, :, high:-high, aside:-aside]) for some in faces.pictures()]
    track = seen.kept.track
    looked = _of_all_frames(track.times, faces.rows, np.concatenate(own))
    more = network.told(track.times, looked, what_is_beside(seen, mouth))
    return facing(track) * np.clip(more, -MOST, MOST)


def _of_all_frames(times: np.ndarray, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """What is known of some frames (R, E), less its median, of all (N, E): others are filled as
    lost ones are."""
    out = np.zeros((len(times), own.shape[1]))
    out[rows] = own - np.median(own, axis=0)
    known = np.isin(np.arange(len(times)), rows)
    return fill_lost(times, classify_losses(times, known), out)
