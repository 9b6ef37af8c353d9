"""`python -m exprgen.exprgen_addon.studio.capture_benchmark CHARACTER`: what a CED picture costs.

Renders the same drawn poses with several settings, one process on one core, and prints for each:
processor seconds a picture (other work on the machine does not count), of these pose and landmarks,
and how far its registered-size grey picture is from a reference of 64 paths a pixel without
denoiser, as mean difference in grey levels: what is lost for the speed. Then 8,000 pictures on two
cores in minutes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile, find_character
from .ced_poses import draw_samples
from .face_studio import CED, FaceStudio, StudioSettings, read_bmp
from .look import Look

PICTURES = 8000
CORES = 2
GREY = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Variant:
    """A way to render. engine: of Blender; denoise: whether Cycles removes its noise."""

    name: str
    settings: StudioSettings
    denoise: bool = True
    engine: str = "CYCLES"


VARIANTS = (
    *(Variant(f"Cycles {n}, denoised", replace(CED, samples=n)) for n in (1, 2, 4, 8)),
    *(Variant(f"Cycles {n}, raw", replace(CED, samples=n), denoise=False) for n in (4, 8, 16)),
    *(Variant(f"Cycles 4, denoised, {s} px", replace(CED, size=s)) for s in (128, 192)),
    Variant("Cycles 4, denoised, subdivided", replace(CED, subdivision=1)),
    Variant("Workbench", CED, engine="BLENDER_WORKBENCH"),
)


def measure(profile: RigProfile, variant: Variant, rows: list) -> tuple[float, float, np.ndarray]:
    """(processor seconds a picture, of these pose and landmarks, pictures (K, H, W) grey): medians
    over the rows but the first, which also builds what is kept between pictures."""
    settings = replace(variant.settings, threads=1)
    spent, posing, pictures = [], [], []
    with FaceStudio(profile, settings) as studio, tempfile.TemporaryDirectory() as folder:
        studio.scene.render.engine = variant.engine
        studio.scene.cycles.use_denoising = variant.denoise
        studio.scene.render.image_settings.file_format = "BMP"
        for values, look in rows:
            began = time.process_time()
            studio.look(Look.from_row(look))
            studio.pose(values)
            if profile.landmarks:
                studio.shown()
            posed = time.process_time()
            path = Path(folder) / "face.bmp"
            studio._render_file(path)
            spent.append(time.process_time() - began)
            posing.append(posed - began)
            pictures.append(read_bmp(path) @ GREY)
    return float(np.median(spent[1:])), float(np.median(posing[1:])), np.array(pictures)


def difference(pictures: np.ndarray, reference: np.ndarray) -> float:
    """Mean difference in grey levels after both are brought to the smaller one's size by areas, of
    the middle half of the picture, where the face is."""
    side = min(pictures.shape[1], reference.shape[1])
    a, b = (_shrunk(p, side) for p in (pictures, reference))
    quarter = side // 4
    middle = slice(quarter, side - quarter)
    return float(np.abs(a - b)[:, middle, middle].mean())


def _shrunk(pictures: np.ndarray, side: int) -> np.ndarray:
    """(K, H, H) -> (K, side, side): each new pixel is the mean of the area it covers."""
    edges = np.linspace(0, pictures.shape[1], side + 1)
    share = np.clip(
        np.minimum(edges[1:, None], np.arange(pictures.shape[1]) + 1)
        - np.maximum(edges[:-1, None], np.arange(pictures.shape[1])),
        0,
        None,
    )
    share /= share.sum(1, keepdims=True)
    return share @ pictures @ share.T


def main(words: list[str]) -> int:
    """Print the table; returns 0."""
    parser = argparse.ArgumentParser(prog="capture_benchmark", description=__doc__)
    parser.add_argument("character")
    parser.add_argument("--pictures", type=int, default=8, help="a variant (default: %(default)s)")
    args = parser.parse_args(words)
    profile = find_character(args.character)
    samples = draw_samples(profile, 0, range(args.pictures))
    rows = list(zip(samples.values, samples.looks, strict=True))
    truth = Variant("reference", replace(CED, samples=64), denoise=False)
    seconds, _, reference = measure(profile, truth, rows)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{args.pictures} pictures of {profile.name}, one core, load {load:.1f}")
    print(f"{'':<34}{'s/picture':>10}{'posing':>9}{'grey off':>10}{'8,000 on 2 cores':>19}")
    print(f"{'Cycles 64, raw (reference)':<34}{seconds:>10.2f}", flush=True)
    for variant in VARIANTS:
        try:
            seconds, posing, pictures = measure(profile, variant, rows)
        except RuntimeError as error:  # Workbench without OpenGL
            print(f"{variant.name:<34}  not possible here: {str(error).splitlines()[0][:60]}")
            continue
        minutes = seconds * PICTURES / CORES / 60
        off = "" if variant.engine != "CYCLES" else f"{difference(pictures, reference):.2f}"
        print(
            f"{variant.name:<34}{seconds:>10.2f}{posing:>9.3f}{off:>10}{minutes:>15.0f} min",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the bpy module can hang a normal exit
