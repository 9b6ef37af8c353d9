"""Prepares captured character pictures: the tracker looks at them as it looks at people.

Reads <folder>/<character>/samples.npz and images/%06d.png; writes faces.npy (N, 256, 256) uint8 and
seen.npz (geometry, arkit, found). Goes on where it was stopped.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import MISSING, dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..registration import centred_affine, geometric_features, register, warp_face
from ..track import load_arrays, save_arrays
from ..tracking import FaceDetector
from ..vocabulary import ARKIT_CHANNELS, GEOMETRIC_FEATURES, REGISTERED_SIZE
from .datasets import CED_KIND, SEEN_KIND
from .loop import say
from .options import option, run_command

SAVE_EVERY = 200


@dataclass(frozen=True)
class CedSettings:
    data: str = option(MISSING, "folder of the capture")
    character: str = option("", "one character; by default all that are there")
    again: bool = option(False, "look at all pictures anew")


def prepare(s: CedSettings) -> dict[str, float]:
    """Look at the pictures of each character; returns the share of faces found by character.

    Raises:
        InputError: the folder holds no capture.
    """
    folder = Path(s.data)
    names = [s.character] if s.character else characters(folder)
    if not names:
        raise InputError("holds no captured character", file=folder, fix="run the capture first")
    return {name: prepare_character(folder / name, s.again) for name in names}


def characters(folder: Path) -> list[str]:
    """Names of the captured characters in a folder."""
    return sorted(path.parent.name for path in folder.glob("*/samples.npz"))


def prepare_character(folder: Path, again: bool = False) -> float:
    """Look at one character's pictures; returns the share in which the face was found."""
    _, samples = load_arrays(folder / "samples.npz", CED_KIND)
    images = _complete_images(folder, len(samples["label"]))
    faces, seen, done = _open(folder, len(images), again)
    started = time.perf_counter()
    with FaceDetector() as detector:
        for i in range(done, len(images)):
            face, geometry, arkit, found = look(detector, images[i])
            faces[i] = face
            seen["geometry"][i], seen["arkit"][i], seen["found"][i] = geometry, arkit, found
            if (i + 1) % SAVE_EVERY == 0:
                faces.flush()
                _save(folder, seen, i + 1)
                left = (time.perf_counter() - started) / (i + 1 - done) * (len(images) - i - 1)
                say(f"{folder.name}: {i + 1} of {len(images)} pictures, {left / 60:.1f} min left")
    faces.flush()
    _save(folder, seen, len(images))
    share = float(seen["found"].mean())
    say(f"{folder.name}: {len(images)} pictures, face found in {100 * share:.1f}%")
    return share


def look(detector: FaceDetector, image: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """A picture -> registered face (256, 256) uint8, geometry (9,), arkit (52,), found.

    Where no face is found the face is the picture's middle, and the numbers are 0.

    Raises:
        InputError: the file is no picture.
    """
    bgr = cv2.imread(str(image), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError("can't be read as a picture", file=image, fix="capture it again")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    observed = detector.search(rgb)
    if not observed:
        face = warp_face(rgb, centred_affine(rgb.shape[1], rgb.shape[0]))
        return face, np.zeros(len(GEOMETRIC_FEATURES)), np.zeros(len(ARKIT_CHANNELS)), False
    points = observed[0].landmarks49
    return register(rgb, points), geometric_features(points), observed[0].arkit, True


def _complete_images(folder: Path, count: int) -> list[Path]:
    """The pictures up to the first missing one: a capture that is still running counts so far."""
    images = []
    for i in range(count):
        path = folder / "images" / f"{i:06d}.png"
        if not path.exists():
            break
        images.append(path)
    if not images:
        raise InputError("holds no pictures", file=folder / "images", fix="run the capture first")
    return images


def _open(folder: Path, count: int, again: bool) -> tuple[np.memmap, dict[str, np.ndarray], int]:
    """(faces, seen, pictures that are done)."""
    shape = (count, REGISTERED_SIZE, REGISTERED_SIZE)
    path = folder / "faces.npy"
    seen = {
        "geometry": np.zeros((count, len(GEOMETRIC_FEATURES)), np.float32),
        "arkit": np.zeros((count, len(ARKIT_CHANNELS)), np.float32),
        "found": np.zeros(count, bool),
    }
    if again or not path.exists() or not (folder / "seen.npz").exists():
        return np.lib.format.open_memmap(path, "w+", np.uint8, shape), seen, 0
    _, old = load_arrays(folder / "seen.npz", SEEN_KIND)
    done = min(len(old["found"]), count)
    for name, values in seen.items():
        values[:done] = old[name][:done]
    faces = np.load(path, mmap_mode="r+")
    if len(faces) != count:
        grown = folder / "faces.npy.part"
        larger = np.lib.format.open_memmap(grown, "w+", np.uint8, shape)
        larger[:done] = faces[:done]
        larger.flush()
        os.replace(grown, path)
        faces = np.load(path, mmap_mode="r+")
    return faces, seen, done


def _save(folder: Path, seen: dict[str, np.ndarray], done: int) -> None:
    save_arrays(folder / "seen.npz", SEEN_KIND, {}, {k: v[:done] for k, v in seen.items()})


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("ced", __doc__.partition("\n")[0], CedSettings, prepare, args)


if __name__ == "__main__":
    sys.exit(main())
