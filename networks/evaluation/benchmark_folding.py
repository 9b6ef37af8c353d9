"""How fast and how exact the inference form of the networks is.

Prints the largest difference and the time of a face for the printed, the folded and the bfloat16
form of one network, and for HCNN with a 3D-CNN that shares its first layers. Ends with exit code 1
if the folded form is not at least three times as fast as the printed one, or not equal to it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch

from ..models.cnn_3d import rig_regressor
from ..models.perceptual import PerceptualNetwork, hcnn, prepare_faces
from ..models.weights_io import load_network
from ..perception.drawn_faces import calibration_faces
from ..perception.folding import (
    FoldedNetwork,
    SharedStem,
    bfloat16_change,
    faces_a_pass,
    native_bfloat16,
)
from ..vocabulary import REGISTERED_SIZE

LEAST_RATIO = 3.0
LARGEST_DIFFERENCE = 1e-4


def milliseconds_a_face(run: Callable[[], object], faces: int, repeats: int) -> float:
    """Least time of some runs over `faces` faces, in milliseconds a face."""
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1000 / faces


def uneven(network: PerceptualNetwork, seed: int = 0) -> PerceptualNetwork:
    """The network with batch norms as uneven as after a training."""
    torch.manual_seed(seed)
    for layer in network.layers:
        layer.norm.running_mean.normal_(0, 0.3)
        layer.norm.running_var.uniform_(0.5, 2)
    return network.eval()


@torch.inference_mode()
def measure(weights: str | None, repeats: int, shared: int, size: int) -> dict[str, float]:
    """Times in milliseconds a face and differences; see the module's docstring."""
    network = load_network(weights, "hcnn")[0] if weights else uneven(hcnn())
    child = rig_regressor(46)
    child.layers.load_state_dict(network.layers.state_dict())
    for layer in child.layers[shared:]:
        torch.nn.init.kaiming_normal_(layer.conv.weight)
    batch = faces_a_pass(size)
    grey = prepare_faces(calibration_faces(batch), size)
    rgb = grey.expand(-1, 3, -1, -1).contiguous()
    folded = FoldedNetwork(network)
    stem = SharedStem({"hcnn": folded, "3d-cnn": FoldedNetwork(child.eval())})
    printed = network(rgb)
    found = {
        "difference": float((printed - folded(grey)).abs().max() / printed.abs().max()),
        "printed": milliseconds_a_face(lambda: network(rgb), batch, max(2, repeats // 4)),
        "folded, three channels": milliseconds_a_face(lambda: folded(rgb), batch, repeats),
        "folded, grey": milliseconds_a_face(lambda: folded(grey), batch, repeats),
        "HCNN and 3D-CNN": milliseconds_a_face(lambda: stem(grey, {}), batch, repeats),
        "bfloat16 change": bfloat16_change(
            {"hcnn": folded}, prepare_faces(calibration_faces(), size)
        ),
    }
    if native_bfloat16():
        half, small = folded.to(torch.bfloat16), grey.bfloat16()
        found["folded, grey, bfloat16"] = milliseconds_a_face(lambda: half(small), batch, repeats)
    found["ratio"] = found["printed"] / found["folded, grey"]
    return found


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", help="HCNN's weights; by default an untrained network")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own setting")
    parser.add_argument("--size", type=int, default=REGISTERED_SIZE, help="pixels")
    parser.add_argument("--shared", type=int, default=6, help="layers 3D-CNN shares with HCNN")
    options = parser.parse_args(args)
    if options.threads:
        torch.set_num_threads(options.threads)
    found = measure(options.weights, options.repeats, options.shared, options.size)
    side, batch = options.size, faces_a_pass(options.size)
    print(f"{side}x{side} faces, {torch.get_num_threads()} threads, {batch} faces a pass")
    print(f"bfloat16: {'in the processor' if native_bfloat16() else 'not in this processor'}")
    difference = found.pop("difference")
    print(f"printed against folded: {difference:.2e} of the largest logit")
    print(f"bfloat16 would move a probability by up to {found.pop('bfloat16 change'):.2%}")
    ratio = found.pop("ratio")
    for name, value in found.items():
        print(f"{name:>24}: {value:7.2f} ms a face")
    print(f"{'printed / folded, grey':>24}: {ratio:7.2f}")
    return 0 if ratio >= LEAST_RATIO and difference < LARGEST_DIFFERENCE else 1


if __name__ == "__main__":
    sys.exit(main())
