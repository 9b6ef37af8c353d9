"""Expressions bettered until the drawn reconstruction reads as the picture does (EMOCA, section 4).

Identity, heads and camera are held (6). What is made least is equation 7: the difference of the
emotion features of picture and drawing, photometric error, and relative keypoints of lids, lips and
the lips' corners (equation 5), which a misplaced landmark does not hurt; beside them the
expression stays near the one that the fit has found. Features are those of our own readers of
people. It looks at some frames a second; between them what was changed is changed smoothly. Needs
torch, and a second a frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError, ModelError
from ..packages import TRAINING, missing
from ..track import FaceTrack
from ..vocabulary import LANDMARKS, REGISTERED_SIZE, SKIN_LANDMARKS
from .drawn_face import SIDE, DrawnFace, SkinShot, read_skin
from .face_fit import FaceFit, footage_of
from .fitting import unlike
from .mimicry import emotive_expressions
from .model import FaceModel
from .projection import Heads
from .regressed import Picture

LIDS = ((386, 374), (385, 380), (387, 373), (159, 145), (158, 153), (160, 144))
LIPS = ((13, 14), (82, 87), (312, 317))
CORNERS = ((61, 291),)
READERS = ("hcnn", "hcnn_posed")
SEEN_SIZE = 64
"""Pixels of a side at which the readers look."""
SHOTS, TURNED = 16, 0.06
"""Frames off which the skin's colours are read: of those that look into the camera nearly (cosine)
as well as the best, those whose expressions differ most."""
BLENDING = 1.5
"""How much faster blends of emotive expressions are changed than single actions."""
ODD_SIZE = 0.02
"""Share by which a picture may be of another size than what was tracked."""
PLAIN = 110.0
"""Grey around a face that is drawn alone."""
AGAIN = 6
"""Steps after which it is looked anew which triangle a pixel shows."""


@dataclass(frozen=True)
class ConsistencySettings:
    """Weights of equation 7's terms, in the order of the equation, of what holds single actions and
    blends of emotive expressions, and landmarks; steps of `rate` in weights; every: seconds between
    frames that are looked at."""

    emotion: float = 1.0
    photometric: float = 0.5
    eyes: float = 0.6
    mouth: float = 1.0
    corners: float = 0.6
    expression: float = 90.0
    blend: float = 90.0
    landmarks: float = 1.0
    steps: int = 20
    rate: float = 0.03
    every: float = 0.2


CONSISTENCY = ConsistencySettings()


@dataclass(frozen=True)
class Shot:
    """A frame that is looked at: row; grey (H, W) uint8; zoom, its pixels a pixel of the track."""

    row: int
    grey: np.ndarray
    zoom: float


def check_torch() -> None:
    """Raises ModelError where torch is missing."""
    if missing(TRAINING):
        raise ModelError("consistency needs torch", fix="leave --consistency out, or install torch")


def consistent(
    track: FaceTrack,
    fit: FaceFit,
    pictures: Iterable[Picture],
    model: FaceModel,
    settings: ConsistencySettings = CONSISTENCY,
) -> FaceFit:
    """A fit whose expressions read as the pictures do.

    Raises:
        ModelError: torch or a reader's weights are missing. InputError: see `check_shots`.
    """
    check_torch()
    shots = chosen(track, pictures, settings.every)
    check_shots(track, fit, shots)
    artist = Artist(track, fit, model, shots)
    rows = np.array([s.row for s in shots])
    change = np.array([artist.bettered(s, settings) - fit.expression[s.row] for s in shots])
    if track.meta.get("stills"):
        expression = np.array(fit.expression, float)
        expression[rows] += change
    else:
        times = np.asarray(track.times, float)
        spread = [np.interp(times, times[rows], column) for column in change.T]
        expression = fit.expression + np.stack(spread, axis=1)
    return replace(fit, expression=np.clip(expression, 0.0, 1.0))


def chosen(track: FaceTrack, pictures: Iterable[Picture], every: float) -> list[Shot]:
    """Seen frames, so many seconds apart; of separate pictures all."""
    out: list[Shot] = []
    for row, grey, zoom in pictures:
        apart = bool(track.meta.get("stills")) or not out or (
            track.times[row] - track.times[out[-1].row] >= every - 1e-6
        )  # fmt: skip
        if track.found[row] and apart:
            out.append(Shot(row, grey, zoom))
    return out


def check_shots(track: FaceTrack, fit: FaceFit, shots: Sequence[Shot]) -> None:
    """Refuse, in words, what would only break or mislead later.

    Raises:
        InputError: no picture shows the face that was tracked; one is of another size than the
            track's, or has no extent; a landmark or the fit is nowhere; the fit is of another
            track.
    """
    file = footage_of(track.meta)
    if len(fit) != len(track):
        what = f"the reconstruction has {len(fit)} frames, its track {len(track)}"
        raise InputError(what, file=file, fix="reconstruct it from this track")
    if not shots:
        what = "none of its pictures shows the face that was tracked"
        raise InputError(what, file=file, fix="give the footage that the track was made from")
    for shot in shots:
        _check_shot(track, fit, shot, file)


def _check_shot(track: FaceTrack, fit: FaceFit, shot: Shot, file: str | None) -> None:
    sizes = shot.grey.shape[1::-1], track.meta.get("size") or (0, 0)
    found, wanted = np.array(sizes[0]) / shot.zoom, np.array(sizes[1], float)
    known = wanted.all() and not track.meta.get("stills")  # which may each have a size of its own
    # A film that lies on its side is turned.
    if known and np.abs(np.sort(found) / np.sort(wanted) - 1.0).max() > ODD_SIZE:
        shown, known = ("{:.0f} x {:.0f}".format(*pair) for pair in (found, wanted))
        what = f"the picture of frame {shot.row} is {shown}, the track was made from {known}"
        raise InputError(what, file=file, fix="give the footage that was analysed")
    told = (track.landmarks[shot.row, :, :2], fit.expression[shot.row], fit.rotation[shot.row])
    if not all(np.isfinite(values).all() for values in told):
        what = f"the face of frame {shot.row} is nowhere: its numbers are not finite"
        raise InputError(what, file=file, fix="analyse the footage again")


class Artist:
    """Draws the reconstruction of a clip, and reads drawings and pictures."""

    def __init__(self, track: FaceTrack, fit: FaceFit, model: FaceModel, shots: list[Shot]):
        import torch

        from ..models.weights_io import load_network
        from ..models.weights_places import weights_folder

        self.track, self.fit, self.torch = track, fit, torch
        self.face = DrawnFace(model, fit.identity, fit.camera, fit.own)
        self.emotive = torch.from_numpy(emotive_expressions(model).astype(np.float32))
        self.readers = [
            load_network(weights_folder() / f"{n}.safetensors", "hcnn")[0] for n in READERS
        ]
        for reader in self.readers:
            reader.requires_grad_(False)
        skin = read_skin(self.face, [self._shot(s) for s in self._clear(shots)])
        self.skin = torch.from_numpy(skin.grey.astype(np.float32))

    def _clear(self, shots: list[Shot]) -> list[Shot]:
        """Frames that show the skin well, of many expressions."""
        facing = np.array([self.fit.rotation[s.row, 2, 2] for s in shots])
        near = np.flatnonzero(facing >= facing.max() - TURNED)
        rows = near[unlike(self.fit.expression[[shots[n].row for n in near]], SHOTS)]
        return [shots[n] for n in rows]

    def _shot(self, shot: Shot) -> SkinShot:
        import cv2

        size = tuple(map(int, self.fit.camera.size))
        grey = shot.grey
        if abs(shot.zoom - 1.0) > 1e-3:
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)
        heads = self.fit.heads.of(np.array([shot.row]))
        marks = np.asarray(self.track.landmarks[shot.row, :, :2], float)
        return SkinShot(grey, self.fit.expression[shot.row], heads, marks)

    def bettered(self, shot: Shot, s: ConsistencySettings) -> np.ndarray:
        """(E,) the expression of a frame that makes equation 7 least.

        It changes by a blend of whole emotive expressions (Prima) and, held more strongly, action
        by action: a reader is fooled by much that nobody would call a sad face.
        """
        torch = self.torch
        before = torch.from_numpy(np.asarray(self.fit.expression[shot.row], np.float32))
        view = self.view(shot)
        wanted = self.wanted(shot.row, view)
        own = torch.zeros_like(before, requires_grad=True)
        blend = torch.zeros(len(self.emotive), requires_grad=True)
        optimiser = torch.optim.Adam(
            [{"params": [own], "lr": s.rate}, {"params": [blend], "lr": BLENDING * s.rate}]
        )
        ridge = torch.from_numpy((1.0 / self.face.model.expression_deviation**2).astype(np.float32))
        covered = None
        for step in range(s.steps):
            expression = (before + own + blend @ self.emotive).clamp(0.0, 1.0)
            points = self.face.points(expression)
            if step % AGAIN == 0:
                covered = self.covering(points.detach(), view)
            loss = 1e-3 * (s.expression * (ridge * own**2).sum() + s.blend * (blend**2).sum())
            loss = loss + self._keypoints(points, view, s)
            # Alone every other time: else what is around it would say what it does not.
            drawn = self.drawing(points, view, covered, alone=step % 2 == 1)
            if s.emotion:
                loss = loss + s.emotion * self.apart(wanted, self.read(drawn))
            if s.photometric:
                shown = torch.from_numpy(
                    np.isin(np.arange(SIDE**2), covered[0]).reshape(SIDE, SIDE)
                )
                loss = loss + s.photometric * ((drawn - view.picture).abs() * shown).mean() / 60.0
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            expression = (before + own + blend @ self.emotive).clamp(0.0, 1.0)
        return expression.numpy().astype(float)

    # --- picture and drawing ---

    def view(self, shot: Shot) -> View:
        """A frame's registered face and what puts the camera's pixels there."""
        import cv2

        from ..tracking.registration import registering_affine, warp_face

        marks = np.asarray(self.track.landmarks[shot.row, :, :2], float)
        affine = registering_affine(marks[list(LANDMARKS.values())])
        shown = affine.copy()
        shown[:, :2] /= shot.zoom
        face = warp_face(shot.grey, shown)
        small = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        scale = SIDE / REGISTERED_SIZE
        heads = self.fit.heads.of(np.array([shot.row]))
        return View(
            self.torch.from_numpy(small),
            self.torch.from_numpy((affine * scale).astype(np.float32)),
            heads, marks,
        )  # fmt: skip

    def flat(self, points, view: View):
        """Pixels (V, 2) of the drawing, and the distance (V,)."""
        pixels, far = self.face.pixels(points, view.heads)
        return pixels @ view.affine[:, :2].T + view.affine[:, 2], far

    def covering(self, points, view: View) -> tuple[np.ndarray, np.ndarray]:
        """What of points is seen, see `DrawnFace.covered`."""
        flat, far = self.flat(points, view)
        return self.face.covered(flat.numpy(), far.numpy())

    def drawing(self, points, view: View, covered, alone: bool = False):
        """The drawn face (SIDE, SIDE), as bright as the picture; around it the picture itself, or
        what is plain."""
        torch = self.torch
        flat, _ = self.flat(points, view)
        drawn = self.face.draw(flat, self.skin, self.face.shades(points), covered, view.picture)
        rows = torch.from_numpy(covered[0])
        own, shown = drawn.reshape(-1)[rows], view.picture.reshape(-1)[rows]
        matched = (own - own.mean()) * (shown.std() / own.std().clamp_min(1.0)) + shown.mean()
        around = torch.full_like(view.picture, PLAIN) if alone else view.picture
        return around.reshape(-1).index_put((rows,), matched).reshape(SIDE, SIDE)

    # --- what they read as ---

    def read(self, picture) -> list:
        """Features (1, 64) and logits (1, 7) of each reader."""
        from ..models.perceptual import pool

        grey = self.torch.nn.functional.interpolate(
            picture[None, None], (SEEN_SIZE, SEEN_SIZE), mode="bilinear", antialias=True
        )
        grey = (grey - grey.mean()) / (grey.std(correction=0) + 8.0)
        found = []
        for reader in self.readers:
            features = pool(reader.maps(grey, folded=True))
            found.append((features, reader.head(features)))
        return found

    def wanted(self, row: int, view: View) -> list:
        """What each reader should see in a drawing: features (1, 64) of the picture, and chances
        (1, 7): half its own, half what all readers together found in the clip around this frame."""
        torch = self.torch
        together = torch.from_numpy(np.asarray(self.track.expression[row], np.float32))[None]
        with torch.no_grad():
            return [(features, (torch.softmax(said, 1) + together) / 2.0)
                    for features, said in self.read(view.picture)]  # fmt: skip

    def apart(self, wanted: list, shown: list):
        """How far the emotion features lie apart, as a share of their length (equation 8), and what
        the readers make of them."""
        torch, total = self.torch, 0.0
        for (goal, chances), (own, told) in zip(wanted, shown, strict=True):
            total = total + (goal - own).norm() / goal.norm().clamp_min(1e-6)
            total = total - (chances * torch.log_softmax(told, 1)).sum()
        return total / len(wanted)

    def _keypoints(self, points, view: View, s: ConsistencySettings):
        """Equation 5 for lids, lips and corners, and landmarks themselves; in shares of the
        distance of the eyes."""
        torch = self.torch
        seen = torch.from_numpy(view.marks.astype(np.float32))
        own, _ = self.face.pixels(self.face.marks(points), view.heads)
        unit = (seen[33] - seen[263]).norm()
        loss = s.landmarks * (((own - seen) / unit) ** 2)[:SKIN_LANDMARKS].sum(1).mean() * 100.0
        for weight, pairs in ((s.eyes, LIDS), (s.mouth, LIPS), (s.corners, CORNERS)):
            one, other = ([p[k] for p in pairs] for k in (0, 1))
            off = (seen[one] - seen[other]) - (own[one] - own[other])
            loss = loss + weight * off.abs().sum(1).mean() / unit * 10.0
        return loss


@dataclass(frozen=True)
class View:
    """A registered picture (SIDE, SIDE), the affine (2, 3) from the camera's pixels to the
    drawing's, the head, and where its landmarks are seen (478, 2)."""

    picture: object
    affine: object
    heads: Heads
    marks: np.ndarray
