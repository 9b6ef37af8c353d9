"""Prepares captured character pictures: registers their faces as people's are registered.

Reads <folder>/<character>/samples.npz and images/%06d.png; writes faces.npy (N, 256, 256) uint8 and
seen.npz (geometry, arkit, found). Goes on where it was stopped.

Captures that tell where the landmarks are (of characters with anchors) are registered by those: it
is faster and exact, and goes for faces that no landmarker finds. The ARKit coefficients are then
those that were meant. In other captures, and with --detect, the tracker looks at the pictures as it
looks at people. Rows that the capture rejected have no picture: their face is black, not found.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np

from ..arrays import read_array
from ..errors import InputError
from ..files import mapped_array, sweep, written_whole
from ..footage.pictures import read_image
from ..track import save_arrays
from ..tracking.face_detector import FaceDetector
from ..tracking.registration import centred_affine, geometric_features, register, warp_face
from ..vocabulary import ARKIT_CHANNELS, GEOMETRIC_FEATURES, REGISTERED_SIZE
from .shared.datasets import characters, load_samples, load_seen
from .shared.loop import say
from .shared.options import option, run_command
from .shared.sets import SEEN_KIND

SAVE_EVERY = 200
POSES_ONLY = (
    "nothing is to be registered where --poses-only captured: go on with `exprgen train cmlp`; "
    "for pictures capture once more without it"
)


@dataclass(frozen=True)
class CedSettings:
    data: str = option(MISSING, "folder of the capture")
    character: str = option("", "one character; by default all that are there")
    again: bool = option(False, "look at all pictures anew")
    detect: bool = option(False, "look for faces even where the capture tells the landmarks")


def prepare(s: CedSettings) -> dict[str, float]:
    """Look at the pictures of each character; returns the share of faces found by character.

    Raises:
        InputError: the folder holds no capture.
    """
    folder = Path(s.data)
    names = [s.character] if s.character else characters(folder)
    if not names:
        raise InputError("holds no captured character", file=folder, fix="run the capture first")
    return {name: prepare_character(folder / name, s.again, s.detect) for name in names}


def prepare_character(folder: Path, again: bool = False, detect: bool = False) -> float:
    """Register one character's pictures; returns the share in which the face was found.

    Args:
        again: also those that are done. detect: look for faces even where landmarks are told.
    """
    meta, samples = load_samples(folder / "samples.npz")
    sweep(folder)  # what a kill left half written
    told = "landmarks" in samples and not detect
    source = f"projected {meta.get('anchors', '')}" if told else "detected"
    images = _complete_images(folder, samples)
    faces, seen, done = _open(folder, len(images), again, source)
    started = time.perf_counter()
    with contextlib.ExitStack() as stack:
        detector = None if told else stack.enter_context(FaceDetector())
        for i in range(done, len(images)):
            if images[i] is None:
                faces[i] = 0
            elif told:
                faces[i] = register(_picture(images[i]), samples["landmarks"][i].astype(float))
                seen["geometry"][i], seen["arkit"][i] = samples["geometry"][i], samples["arkit"][i]
                seen["found"][i] = True
            else:
                faces[i], geometry, arkit, found = look(detector, images[i])
                seen["geometry"][i], seen["arkit"][i], seen["found"][i] = geometry, arkit, found
            if (i + 1) % SAVE_EVERY == 0:
                faces.flush()
                _save(folder, seen, i + 1, source)
                left = (time.perf_counter() - started) / (i + 1 - done) * (len(images) - i - 1)
                say(f"{folder.name}: {i + 1} of {len(images)} pictures, {left / 60:.1f} min left")
    faces.flush()
    _save(folder, seen, len(images), source)
    there = np.array([image is not None for image in images])
    share = float(seen["found"][there].mean())
    how = "by its projected landmarks" if told else "by the tracker"
    say(f"{folder.name}: {there.sum()} pictures, face found in {100 * share:.1f}% {how}")
    return share


def look(detector: FaceDetector, image: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """A picture -> registered face (256, 256) uint8, geometry (9,), arkit (52,), found.

    Where no face is found the face is the picture's middle, and the numbers are 0.

    Raises:
        InputError: it is damaged. A capture is whole or goes on: the fix makes it anew.
    """
    rgb = _picture(image)
    observed = detector.search(rgb)
    if not observed:
        face = warp_face(rgb, centred_affine(rgb.shape[1], rgb.shape[0]))
        return face, np.zeros(len(GEOMETRIC_FEATURES)), np.zeros(len(ARKIT_CHANNELS)), False
    points = observed[0].landmarks49
    return register(rgb, points), geometric_features(points), observed[0].arkit, True


def _picture(path: Path) -> np.ndarray:
    """(H, W, 3) RGB uint8."""
    try:
        return read_image(path)
    except InputError as error:
        fix = "delete it and run the same capture again, which renders what is missing"
        raise InputError(error.problem, file=path, fix=fix) from error


def _complete_images(folder: Path, samples: dict[str, np.ndarray]) -> list[Path | None]:
    """The pictures up to the first missing one: a capture that is still running counts so far.
    None for a row that the capture rejected."""
    images = []
    rejected = samples.get("rejected", np.zeros(len(samples["label"])))
    for i in range(len(samples["label"])):
        path = folder / "images" / f"{i:06d}.png"
        if not rejected[i] and not _is_told(path, samples, i):
            break
        images.append(None if rejected[i] else path)
    if not any(images):
        fix = POSES_ONLY if _holds_poses(samples) else "run the capture first"
        raise InputError("holds no pictures", file=folder / "images", fix=fix)
    return images


def _holds_poses(samples: dict[str, np.ndarray]) -> bool:
    """Poses were taken and measured, whether or not they were rendered."""
    return "landmarks" in samples and bool(np.isfinite(samples["landmarks"]).all(axis=(1, 2)).any())


def _is_told(path: Path, samples: dict[str, np.ndarray], row: int) -> bool:
    """The picture is there and, in a capture with landmarks, they have been written down."""
    told = "landmarks" not in samples or bool(np.isfinite(samples["landmarks"][row]).all())
    return told and path.exists()


def _open(
    folder: Path, count: int, again: bool, source: str
) -> tuple[np.memmap, dict[str, np.ndarray], int]:
    """(faces, seen, pictures that are done); nothing is done if it came from another source."""
    shape = (count, REGISTERED_SIZE, REGISTERED_SIZE)
    path = folder / "faces.npy"
    seen = {
        "geometry": np.zeros((count, len(GEOMETRIC_FEATURES)), np.float32),
        "arkit": np.zeros((count, len(ARKIT_CHANNELS)), np.float32),
        "found": np.zeros(count, bool),
    }
    if again or not path.exists() or not (folder / "seen.npz").exists():
        return mapped_array(path, np.uint8, shape), seen, 0
    meta, old = load_seen(folder / "seen.npz")
    if meta.get("source", "detected") != source:
        return mapped_array(path, np.uint8, shape), seen, 0
    done = min(len(old["found"]), count)
    for name, values in seen.items():
        values[:done] = old[name][:done]
    faces = read_array(path, "r+")
    if len(faces) != count:
        with written_whole(path) as grown:
            larger = mapped_array(grown, np.uint8, shape)
            larger[:done] = faces[:done]
            larger.flush()
        faces = read_array(path, "r+")
    return faces, seen, done


def _save(folder: Path, seen: dict[str, np.ndarray], done: int, source: str) -> None:
    columns = {k: v[:done] for k, v in seen.items()}
    save_arrays(folder / "seen.npz", SEEN_KIND, {"source": source}, columns)


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("ced", __doc__.partition("\n")[0], CedSettings, prepare, args)


if __name__ == "__main__":
    sys.exit(main())
