"""Who judges: the judge networks, each on pictures it has not learned from; HCNN and SCNN beside.

Faces of people come registered from the FaceTrack, those of characters by their projected
landmarks, so the judge never depends on a tracker's luck with a drawn face.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from ..errors import InputError
from ..footage.pictures import read_image
from ..models.weights_io import file_digest, load_network
from ..models.weights_places import WEIGHTS
from ..track import FaceTrack
from ..tracking.registration import centred_affine, register, warp_face
from ..tracking.track_recorder import decode_face
from ..training.shared.classifying import classify
from ..vocabulary import EXPRESSIONS


@dataclass(frozen=True)
class Judge:
    """One judge: its network, input size in pixels, and the half it learned from (None: no part of
    the validation pictures)."""

    network: nn.Module
    size: int
    half: int | None
    digest: str

    @staticmethod
    def load(path: str | Path) -> Judge:
        """Raises ModelError where the file is missing, damaged or no judge's."""
        network, info = load_network(path, "judge")
        return Judge(network, info.input_size, info.training.get("half"), file_digest(path))


def judge_paths(folder: Path) -> list[Path]:
    """The judges' weights of a folder: judge.safetensors, judge_0.safetensors, ...; those that ship
    with ExprGen where the folder has none."""
    own = sorted(Path(folder).glob("judge*.safetensors"))
    return own or sorted(WEIGHTS.glob("judge*.safetensors"))


def judged(judges: list[Judge], faces: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """float32 (N, 7): the mean of the judges that have not learned from a picture's half.

    Args:
        faces: uint8 (N, 256, 256) registered. halves: (N,) the half of each human picture, for a
            character's picture that of the human picture it came from; -1 where there is none.

    Raises:
        InputError: every judge has learned from some picture's half.
    """
    total = np.zeros((len(faces), len(EXPRESSIONS)), np.float32)
    count = np.zeros(len(faces))
    for judge in judges:
        rows = np.flatnonzero(halves != (-2 if judge.half is None else judge.half))
        if len(rows):
            total[rows] += classify(judge.network, faces, rows, judge.size)
            count[rows] += 1
    if not count.all():
        raise InputError(
            "the only judge has learned from some of these pictures",
            fix="train the other half's too: exprgen train judge --half 1",
        )
    return total / count[:, None]


def actor_faces(track: FaceTrack, frames: np.ndarray) -> np.ndarray:
    """uint8 (len(frames), 256, 256) the registered faces of a FaceTrack's frames."""
    return np.stack([decode_face(track.face_jpeg(int(i))) for i in frames])


def character_faces(files: list[str], landmarks: list | None) -> np.ndarray:
    """uint8 (N, 256, 256) the registered faces of character pictures.

    Args:
        landmarks: (49, 2) pixels of each picture; None for characters without anchors, whose
            pictures are taken as they are framed.

    Raises:
        InputError: a picture can't be read.
    """
    faces = []
    for i, file in enumerate(files):
        rgb = read_image(Path(file))
        if landmarks is None:
            faces.append(warp_face(rgb, centred_affine(rgb.shape[1], rgb.shape[0])))
        else:
            faces.append(register(rgb, np.asarray(landmarks[i], float)))
    return np.stack(faces)


def own_reading(name: str, faces: np.ndarray, folder: Path) -> np.ndarray:
    """float32 (N, 7) of "hcnn" or "scnn" alone, the networks that are judged."""
    from ..models.weights_file import weights_path

    network, info = load_network(weights_path(name, folder=folder), name)
    return classify(network, faces, np.arange(len(faces)), info.input_size)
