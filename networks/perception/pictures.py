"""What single pictures of faces express: `exprgen perceive`."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..models.weights_places import weights_folder
from ..progress import Emit, Progress
from ..vocabulary import EXPRESSIONS
from .affect import affect_reader
from .clips import affect_json
from .needed_weights import load_advisers

Lost = list[tuple[str, InputError]]
"""Of several files those that can't be read, and why."""


def perceive(images: list[str], kind: str, emit: Emit, stop: threading.Event, lost: Lost) -> dict:
    """The seven probabilities of pictures: {"pictures": [{"file", "as", "face", "expression",
    "probabilities", "valence", "arousal", "sure", "problem"}], "partial"}; expression and
    probabilities are null where no face was found, and valence and arousal (-1..1) are there for
    people alone; sure (.5 to 1) is how surely it was one of "as", where nobody has said which;
    problem is there where a picture can't be read.

    Args:
        images: pictures, or folders of them. kind: "human" (HCNN), "character" (SCNN) or "auto".
        lost: takes the pictures that can't be read.

    Raises:
        InputError: a folder holds no picture. ModelError: weights are missing or damaged.
    """
    from ..tracking.face_detector import FaceDetector

    emit({"type": "stage", "stage": "loading"})
    files = _pictures(images)
    runners: dict = {}
    pictures = []
    progress = Progress(emit, "perceive", len(files))
    with FaceDetector(faces=8) as detector:
        for path in files:
            if stop.is_set():
                break
            try:
                pictures.append(_perceive_one(path, kind, detector, runners))
            except InputError as error:
                lost.append((str(path), error))
                pictures.append({**_no_face(path, kind), "problem": error.problem})
            progress.show(len(pictures))
    progress.show(len(pictures), last=True)
    missed = any(p["expression"] is None for p in pictures)
    return {"pictures": pictures, "partial": missed or len(pictures) < len(files)}


def _perceive_one(path: Path, kind: str, detector, runners: dict) -> dict:
    from ..footage.pictures import read_image
    from ..tracking.registration import centred_affine, geometric_features, register, warp_face

    picture = read_image(path)
    faces = detector.search(picture)
    if faces:
        found = max(faces, key=lambda f: f.area)
        face = register(picture, found.landmarks49)
    elif kind == "character":
        # Drawn faces are often not found; character pictures are framed on the face.
        face = warp_face(picture, centred_affine(picture.shape[1], picture.shape[0]))
    else:
        return _no_face(path, kind)
    chosen, sure = kind_of(face) if kind == "auto" else (kind, None)
    if chosen not in runners:
        runners[chosen] = classifier_of(chosen)
    measured = ()
    if chosen == "human" and faces:
        measured = (geometric_features(found.landmarks49)[None], found.arkit[None])
    probabilities = runners[chosen](face[None], *measured)["expression"][0]
    affect = affect_reader() if measured else None
    felt = affect_json(affect(probabilities[None], measured[1])[0]) if affect else {}
    return {
        "file": str(path),
        "as": chosen,
        "face": bool(faces),
        "expression": EXPRESSIONS[int(probabilities.argmax())],
        "probabilities": {
            e: round(float(p), 5) for e, p in zip(EXPRESSIONS, probabilities, strict=True)
        },
        **felt,
        **({} if sure is None else {"sure": round(sure, 4)}),
    }


def _no_face(path: Path, kind: str) -> dict:
    nothing = dict.fromkeys(("expression", "probabilities"))
    return {"file": str(path), "as": kind, "face": False, **nothing}


def kind_of(face: np.ndarray) -> tuple[str, float]:
    """("human" or "character", how surely, .5 to 1) of a registered face (256, 256) uint8, when
    nobody says which.

    Raises:
        ModelError: the kind network's weights are missing or damaged.
    """
    from ..models.face_input import grey_faces
    from ..models.layouts import KINDS

    reader = _kind_reader(weights_folder())
    chance = float(reader(grey_faces(face[None], reader.size))[0])
    return KINDS[int(chance > 0.5)], max(chance, 1.0 - chance)


@cache
def _kind_reader(folder: Path):
    from ..inference.kind import KindReader
    from ..inference.opening import opened
    from ..models.weights_file import weights_path

    return opened(KindReader, weights_path("kind", folder=folder), "kind")


def _pictures(paths: list[str]) -> list[Path]:
    from ..footage.media import pictures_in

    files: list[Path] = []
    for path in map(Path, paths):
        files += pictures_in(path)[0] if path.is_dir() else [path]
    return files


def classifier_of(kind: str):
    from ..models.weights_file import read_weights, weights_path
    from .joint_opinion import PerceptionRunner

    name = "hcnn" if kind == "human" else "scnn"
    classifier = read_weights(weights_path(name, folder=weights_folder()), name)
    return PerceptionRunner(classifier, **(load_advisers() if kind == "human" else {}))
