"""The readers' joint opinion: HCNN, its second, the teacher and the coefficients, and their shares;
beside them the 3D-CNNs of characters, which look at the same faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UsageError
from ..models.cnn_3d import GEOMETRY
from ..models.coefficient_reader import CoefficientReader, coefficient_opinion, joint_opinion
from ..models.perceptual import PerceptualNetwork, prepare_faces
from ..models.teacher import TeacherNetwork, fused, teacher_opinion
from ..models.weights_io import WeightsInfo, load_network
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS
from .drawn_faces import calibration_faces
from .folding import (
    FoldedNetwork,
    SharedStem,
    bfloat16_change,
    choose_precision,
    faces_a_pass,
    native_bfloat16,
)
from .prior import EVEN_READING, leaning, unprejudiced

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
