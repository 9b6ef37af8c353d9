"""The exact inference form of Table 1 networks, and the runner that looks at faces with several.

Three foldings, none of which changes an output by more than float32 rounding, at any picture size:

- strides: a 1x1 layer at stride 2 reads every second pixel of the layer before, so that layer
  computes only those (see `perceptual.folded_strides`): a quarter of the work;
- batch norm: its scale and shift go into the convolution before it;
- grey input: the three channels are the same picture, so CONV-1 is summed over them; a kernel of
  11x11 on one channel is then run as 11x1 on the picture's eleven horizontal shifts, which suits
  the processor's vector units.

Networks that share their first layers (3D-CNN and SCNN start from HCNN and keep them frozen) run
them once. bfloat16 is not exact: it is used only where the processor computes in it and the outputs
move by less than half a percent of their range (`choose_precision`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UsageError
from ..models.cnn_3d import GEOMETRY
from ..models.coefficient_reader import CoefficientReader, coefficient_opinion, joint_opinion
from ..models.perceptual import FOLDED_STRIDES, PerceptualNetwork, pool, prepare_faces
from ..models.teacher import TeacherNetwork, fused, teacher_opinion
from ..models.weights_io import WeightsInfo, load_network
from ..solving.emphasis import EVEN_READING, leaning, unprejudiced
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, REGISTERED_SIZE

BFLOAT16_LIMIT = 0.005
"""Largest change of an output that bfloat16 may make, as a share of its range."""


def faces_a_pass(size: int) -> int:
    """How many faces of `size` pixels go through a network together: 1 at 256, 4 at 128.

    The activations of more no longer fit into the caches of common processors.
    """
    return max(1, (REGISTERED_SIZE // size) ** 2)


@dataclass(frozen=True)
class FoldedLayer:
    """Convolution with batch norm and stride folded in, then ReLU."""

    weight: Tensor
    bias: Tensor
    stride: int

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 64, ceil(H / stride), ceil(W / stride))."""
        if x.shape[1] == 1 and self.weight.shape[1] == 3:
            return _grey_convolution(x, self.weight.sum(1), self.bias, self.stride)
        padding = self.weight.shape[2] // 2
        return F.conv2d(x, self.weight, self.bias, self.stride, padding).relu_()

    def same_as(self, other: FoldedLayer) -> bool:
        """Both compute the same."""
        return (
            self.stride == other.stride
            and torch.equal(self.weight, other.weight)
            and torch.equal(self.bias, other.bias)
        )

    def to(self, dtype: torch.dtype) -> FoldedLayer:
        return FoldedLayer(self.weight.to(dtype), self.bias.to(dtype), self.stride)


def _grey_convolution(x: Tensor, kernel: Tensor, bias: Tensor, stride: int) -> Tensor:
    """x (B, 1, H, W) with kernel (64, K, K), zero-padded, then ReLU."""
    size = kernel.shape[1]
    around = size // 2
    padded = F.pad(x, (around,) * 4)[:, 0].contiguous()
    b, height, width = padded.shape
    columns = (width - size) // stride + 1
    shifts = padded.as_strided(
        (b, height, columns, size), (height * width, width, stride, 1)
    ).contiguous()
    weight = kernel.permute(0, 2, 1)[..., None].contiguous(memory_format=torch.channels_last)
    return F.conv2d(shifts.permute(0, 3, 1, 2), weight, bias, (stride, 1)).relu_()


def fold_layers(network: PerceptualNetwork) -> tuple[FoldedLayer, ...]:
    """The eleven convolutions of a Table 1 network, folded (in float64, then rounded once)."""
    return tuple(
        _fold(layer, stride) for layer, stride in zip(network.layers, FOLDED_STRIDES, strict=True)
    )


@torch.no_grad()
def _fold(layer, stride: int) -> FoldedLayer:
    norm = layer.norm
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = layer.conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    weight = weight.float().contiguous(memory_format=torch.channels_last)
    return FoldedLayer(weight, bias.float(), stride)


class FoldedNetwork:
    """A Table 1 network ready for use; equal to the printed one in evaluation mode."""

    def __init__(self, network: PerceptualNetwork):
        self.layers = fold_layers(network)
        self.extra = network.extra
        self.bounded = network.bounded
        self._head = network.eval().head

    @torch.inference_mode()
    def __call__(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """Faces (B, 1 or 3, H, W) from `prepare_faces`, second input -> (B, outputs)."""
        return self.head(self.maps(x), extra)

    def maps(self, x: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Layers `start` to `stop` - 1."""
        for layer in self.layers[start:stop]:
            x = layer(x)
        return x

    def head(self, maps: Tensor, extra: Tensor | None = None) -> Tensor:
        """Output of CONV-11 and second input -> (B, outputs), float32."""
        return self._head(pool(maps.float()), extra)

    def to(self, dtype: torch.dtype) -> FoldedNetwork:
        """The same network with its convolutions in another precision."""
        other = copy.copy(self)
        other.layers = tuple(layer.to(dtype) for layer in self.layers)
        return other


class SharedStem:
    """Several networks over the same faces; equal first layers run once.

    Layers that are equal, by their weights, are found when it is made: nothing has to be declared.
    """

    def __init__(self, networks: Mapping[str, FoldedNetwork]):
        self.networks = dict(networks)
        first = next(iter(self.networks.values()))
        self.first = first
        self.shared = {name: _shared_layers(first, n) for name, n in self.networks.items()}

    @torch.inference_mode()
    def __call__(self, x: Tensor, extra: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """Faces (B, 1 or 3, H, W) and each network's second input -> outputs by name."""
        dtype = self.first.layers[0].weight.dtype
        x = x.to(dtype)
        wanted = sorted(set(self.shared.values()))
        # Outputs of the shared layers that some network branches off from.
        at = {0: x}
        done, maps = 0, x
        for depth in wanted:
            maps = self.first.maps(maps, done, depth)
            at[depth], done = maps, depth
        return {
            name: network.head(
                network.maps(at[self.shared[name]], self.shared[name]), extra.get(name)
            )
            for name, network in self.networks.items()
        }


def _shared_layers(a: FoldedNetwork, b: FoldedNetwork) -> int:
    count = 0
    for one, other in zip(a.layers, b.layers, strict=True):
        if not one.same_as(other):
            break
        count += 1
    return count


def native_bfloat16() -> bool:
    """The processor computes in bfloat16 itself; where it is imitated it is slower."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


def choose_precision(available: bool, change: float) -> torch.dtype:
    """bfloat16 if the processor has it and `change` (share of the range) stays below the limit."""
    return torch.bfloat16 if available and change < BFLOAT16_LIMIT else torch.float32


@torch.inference_mode()
def bfloat16_change(networks: Mapping[str, FoldedNetwork], faces: Tensor) -> float:
    """Largest change of any output on `faces` in bfloat16, as a share of its range.

    The range of a probability is 0..1, that of a unit value -1..1. The second inputs are zero.
    """
    worst = 0.0
    for network in networks.values():
        extra = torch.zeros(len(faces), network.extra)
        exact = network(faces, extra)
        rough = network.to(torch.bfloat16)(faces.bfloat16(), extra)
        if not network.bounded:
            exact, rough = exact.softmax(1), rough.softmax(1)
        size = 2.0 if network.bounded else 1.0
        worst = max(worst, float((exact - rough).abs().max()) / size)
    return worst


TEACHER_SHARE = 0.6
"""Of the teacher in what is seen in the pixels (0.5 to 0.85 are as good on ferplus/val); the HCNNs
have the rest."""

CLASSIFIER, SECOND, TEACHER = "", " second", " teacher"
"""Names of the networks of a runner that read expressions; the others bear their character's."""


class PerceptionRunner:
    """HCNN and the 3D-CNNs of some characters over the same faces, numpy in and out.

    Args:
        classifier: HCNN, as `load_network` gives it.
        regressors: character -> its 3D-CNN.
        second: another HCNN, trained on other faces, that joins in the classifier's opinion.
        teacher: the larger network, which has most of the say in what is seen in the pixels.
        coefficients: joins in the classifier's opinion wherever geometry and arkit are given.
        precision: "auto", "float32" or "bfloat16" (see `choose_precision`).
        calibration: uint8 (B, 256, 256) faces on which "auto" measures; drawn ones by default.
        threads: processor threads for torch; None leaves torch's own setting.

    Attributes:
        precision: what is used, torch.float32 or torch.bfloat16.
        prior: (7,) what the answers still lean to, sums to 1; empty if the weights don't tell.
        change: largest change of an output by bfloat16 (share of its range); nan if not measured.
    """

    def __init__(
        self,
        classifier: tuple[PerceptualNetwork, WeightsInfo],
        regressors: Mapping[str, tuple[PerceptualNetwork, WeightsInfo]] | None = None,
        *,
        second: tuple[PerceptualNetwork, WeightsInfo] | None = None,
        teacher: tuple[TeacherNetwork, WeightsInfo] | None = None,
        coefficients: CoefficientReader | None = None,
        precision: str = "auto",
        calibration: np.ndarray | None = None,
        threads: int | None = None,
    ):
        if precision not in ("auto", "float32", "bfloat16"):
            raise UsageError(
                f"unknown precision {precision!r}", fix="use auto, float32 or bfloat16"
            )
        self.threads = threads
        self.coefficients = coefficients
        self._claim_threads()
        loaded = {CLASSIFIER: classifier, **(regressors or {})}
        if second:
            loaded[SECOND] = second
        self.infos = {name: info for name, (_, info) in loaded.items()}
        self._readers = tuple(name for name in (CLASSIFIER, SECOND) if name in loaded)
        self._teacher = fused(teacher[0]) if teacher else None
        self._teacher_size = teacher[1].input_size if teacher else 0
        self._shares = {name: 1 / len(self._readers) for name in self._readers}
        if teacher:
            small = {name: share * (1 - TEACHER_SHARE) for name, share in self._shares.items()}
            self._shares = small | {TEACHER: TEACHER_SHARE}
        told = {name: self.infos[name] for name in self._readers}
        self._learned = self._mean_prior(told | ({TEACHER: teacher[1]} if teacher else {}))
        self.prior = leaning(self._learned, EVEN_READING)
        networks = {name: FoldedNetwork(network) for name, (network, _) in loaded.items()}
        self.precision, self.change = self._precision(networks, precision, calibration)
        networks = {name: network.to(self.precision) for name, network in networks.items()}
        self._mirror_readers = {n: SharedStem({n: networks[n]}) for n in self._readers}
        # Faces of one size pass together; networks trained on another size get their own.
        self._groups = {
            size: SharedStem({n: networks[n] for n in networks if self.infos[n].input_size == size})
            for size in {info.input_size for info in self.infos.values()}
        }

    @staticmethod
    def load(
        classifier: str | Path, regressors: Mapping[str, str | Path] | None = None, **options
    ) -> PerceptionRunner:
        """From weight files: HCNN's and each character's 3D-CNN's.

        Raises:
            ModelError: a file is missing, damaged, or holds another network.
        """
        return PerceptionRunner(
            load_network(classifier, "hcnn"),
            {
                name: load_network(path, "rig_regressor", character=name)
                for name, path in (regressors or {}).items()
            },
            **options,
        )

    def __call__(
        self,
        faces: np.ndarray,
        geometry: np.ndarray | None = None,
        arkit: np.ndarray | None = None,
    ) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
        """Look at registered faces.

        Args:
            faces: uint8 (B, 256, 256) grey or (B, 256, 256, 3) RGB.
            geometry: (B, 9) geometric features; needed by 3D-CNNs trained with them.
            arkit: (B, 52) the tracker's coefficients; likewise. Given both, the coefficient
                reader has a say in the expression.

        Returns:
            "expression": float32 (B, 7) probabilities in the order of EXPRESSIONS, the joint
            opinion on the face and its mirror image, its leaning to frequent classes partly undone;
            "rig": character -> float32 (B, M) unit values in [-1, 1].

        Raises:
            UsageError: another shape or type, or a second input that is needed is missing.
        """
        self._claim_threads()
        second = self._second_inputs(faces, geometry, arkit)
        step = faces_a_pass(max(self._groups))
        parts = [
            self._run(faces[i : i + step], {k: v[i : i + step] for k, v in second.items()})
            for i in range(0, max(1, len(faces)), step)
        ]
        outputs = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        # Not the geometric mean: whoever knows a kind of face must be heard by who does not.
        expression = sum(share * outputs.pop(name) for name, share in self._shares.items())
        if self.coefficients is not None and geometry is not None and arkit is not None:
            opinion = coefficient_opinion(self.coefficients, geometry, arkit)
            expression = joint_opinion(expression, opinion)
        expression = unprejudiced(expression, self._learned, EVEN_READING).astype(np.float32)
        return {"expression": expression, "rig": outputs}

    def _claim_threads(self) -> None:
        # OpenMP keeps this number for each calling thread, and calls may come from any.
        if self.threads:
            torch.set_num_threads(self.threads)

    def _run(self, faces: np.ndarray, second: dict[str, Tensor]) -> dict[str, np.ndarray]:
        if not len(faces):
            width = {n: len(i.controls) or len(EXPRESSIONS) for n, i in self.infos.items()}
            width |= dict.fromkeys(self._shares, len(EXPRESSIONS))
            return {name: np.zeros((0, w), np.float32) for name, w in width.items()}
        outputs: dict[str, Tensor] = {}
        prepared = {size: prepare_faces(faces, size) for size in self._groups}
        for size, stem in self._groups.items():
            outputs |= stem(prepared[size], second)
        read = {name: value.numpy() for name, value in outputs.items()}
        for name, reader in self._mirror_readers.items():
            mirrored = reader(prepared[self.infos[name].input_size].flip(3), {})
            # An expression has no side: the mirrored face is a second look at it.
            looks = (outputs[name].softmax(1), mirrored[name].softmax(1))
            read[name] = joint_opinion(*(look.numpy() for look in looks), share=0.5)
        if self._teacher is not None:
            read[TEACHER] = teacher_opinion(self._teacher, prepare_faces(faces, self._teacher_size))
        return read

    def _mean_prior(self, infos: Mapping[str, WeightsInfo]) -> tuple[float, ...]:
        """What the readers learned from, on the mean; empty if one of them does not tell."""
        priors = [infos[name].training.get("prior", ()) for name in self._shares]
        shares = [*self._shares.values()]
        return tuple(np.dot(shares, priors).tolist()) if all(len(p) for p in priors) else ()

    def _second_inputs(self, faces, geometry, arkit) -> dict[str, Tensor]:
        given = {"geometry": (geometry, GEOMETRY), "arkit": (arkit, len(ARKIT_CHANNELS))}
        for name, (values, width) in given.items():
            if values is not None and np.shape(values) != (len(faces), width):
                raise UsageError(
                    f"{name} is {np.shape(values)}, not {(len(faces), width)}",
                    fix="give a row a face",
                )
        second = {}
        for name, info in self.infos.items():
            parts = [geometry, arkit][: (1 if len(info.extra) == GEOMETRY else 2)]
            if not info.extra:
                continue
            if any(part is None for part in parts):
                raise UsageError(
                    f"the 3D-CNN of {name!r} needs {len(info.extra)} more numbers a face",
                    fix="give geometry, and arkit where it was trained with them",
                )
            second[name] = torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))
        return second

    @staticmethod
    def _precision(networks, wanted: str, calibration) -> tuple[torch.dtype, float]:
        if wanted != "auto":
            return getattr(torch, wanted), float("nan")
        if not native_bfloat16():
            return torch.float32, float("nan")
        faces = calibration_faces() if calibration is None else calibration
        change = bfloat16_change(networks, prepare_faces(faces))
        return choose_precision(True, change), change


def calibration_faces(count: int = 14) -> np.ndarray:
    """Drawn faces of all seven expressions, uint8 (count, 256, 256)."""
    from ..training.datasets import synthetic_faces

    return synthetic_faces(count, seed=1).faces
