"""How fast, how exact and how large the runtime of the shipped networks is against torch.

Prints for each network the largest difference of its outputs, torch's and OpenCV's milliseconds a
face, and what two faces together cost in use; then the memory that either takes. Ends with exit
code 1 if an output differs by more than LARGEST_DIFFERENCE.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from ..models.weights_places import WEIGHTS
from ..perception.drawn_faces import calibration_faces
from .runtimes import FACES, LARGEST_DIFFERENCE, runtimes

MEMORY = """
import sys
import numpy as np
if sys.argv[1] == "torch":
    import torch
    from exprgen.networks.models.weights_io import load_network
    from exprgen.networks.models.weights_places import WEIGHTS
    torch.set_num_threads(1)
    for name, size in (("hcnn", 64), ("hcnn_posed", 64), ("teacher", 112)):
        with torch.inference_mode():
            load_network(WEIGHTS / f"{name}.safetensors")[0](torch.zeros(4, 1, size, size))
else:
    from exprgen.networks.perception.needed_weights import load_runner
    load_runner([])[0](np.zeros((2, 256, 256), np.uint8))
with open("/proc/self/status") as status:  # of this program alone, not of who started it
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    """Least time of some runs."""
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def megabytes(runtime: str) -> float:
    """Largest memory of a process that does nothing but look at two faces; on Linux."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, runtime], capture_output=True, text=True, check=True
    )
    return float(done.stdout) / 1024


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    import cv2
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args(args)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with torch.inference_mode():
        return _compared(options.repeats)


def _compared(repeats: int) -> int:
    """Print all that is measured; an exit code."""
    from ..perception.needed_weights import load_runner

    worst = 0.0
    for path in sorted(WEIGHTS.glob("*.safetensors")):
        both = runtimes(path)
        if both is None:
            continue
        worst = max(worst, both.difference)
        times = [milliseconds(run, repeats) for run in (both.torch, both.plain)]
        shown = f"{both.difference:.1e}  torch {times[0]:6.2f} ms, without {times[1]:6.2f} ms"
        print(f"{path.stem:>28}: {shown}, {FACES} faces")
    faces = calibration_faces(2)
    runner = load_runner([])[0]
    second = np.zeros((2, 9)), np.zeros((2, 52))
    taken = milliseconds(lambda: runner(faces, *second), repeats)
    print(f"{'the joint opinion':>28}: {2000 / taken:.0f} faces a second, one core")
    for runtime in ("torch", "opencv"):
        print(f"{runtime:>28}: {megabytes(runtime):.0f} MB")
    return 0 if worst < LARGEST_DIFFERENCE else 1


if __name__ == "__main__":
    sys.exit(main())
