"""The readers' joint opinion: HCNN, its second, the teacher and the coefficients, and their shares;
beside them the 3D-CNNs of characters, which look at the same faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..inference.coefficient_reader import CoefficientReader, joint_opinion
from ..inference.network import softmax
from ..inference.opening import fitted
from ..inference.table1 import FaceReaders, Table1, table1
from ..inference.teacher import Teacher
from ..models.face_input import grey_faces
from ..models.weights_file import Weights, WeightsInfo, read_weights
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES
from .prior import EVEN_READING, leaning, unprejudiced

TEACHER_SHARE = 0.6
"""Of the teacher in what is seen in the pixels (0.5 to 0.85 are as good on ferplus/val); the HCNNs
have the rest."""

FACES_A_PASS = 2
"""Faces that go through the networks together: the tracker hands over as many, and each number of
faces keeps its own copy of the networks in memory."""

CLASSIFIER, SECOND, TEACHER = "", " second", " teacher"
"""Names of the networks of a runner that read expressions; the others bear their character's."""


class PerceptionRunner:
    """HCNN and the 3D-CNNs of some characters over the same faces.

    Args:
        classifier: HCNN, as `read_weights` gives it.
        regressors: character -> its 3D-CNN.
        second: another HCNN, trained on other faces, that joins in the classifier's opinion.
        teacher: the larger network, which has most of the say in what is seen in the pixels.
        coefficients: joins in the classifier's opinion wherever geometry and arkit are given.

    Attributes:
        prior: (7,) what the answers still lean to, sums to 1; empty if the weights don't tell.

    Raises:
        ModelError: weights are not those of the network that they name.
    """

    def __init__(
        self,
        classifier: Weights,
        regressors: Mapping[str, Weights] | None = None,
        *,
        second: Weights | None = None,
        teacher: Weights | None = None,
        coefficients: Weights | None = None,
    ):
        loaded = {CLASSIFIER: classifier, **(regressors or {})}
        if second:
            loaded[SECOND] = second
        self.infos = {name: weights.info for name, weights in loaded.items()}
        self._readers = tuple(name for name in (CLASSIFIER, SECOND) if name in loaded)
        self._teacher = fitted(Teacher, teacher) if teacher else None
        self.coefficients = fitted(CoefficientReader, coefficients) if coefficients else None
        self._shares = {name: 1 / len(self._readers) for name in self._readers}
        if teacher:
            small = {name: share * (1 - TEACHER_SHARE) for name, share in self._shares.items()}
            self._shares = small | {TEACHER: TEACHER_SHARE}
        told = {name: self.infos[name] for name in self._readers}
        self._learned = self._mean_prior(told | ({TEACHER: teacher.info} if teacher else {}))
        self.prior = leaning(self._learned, EVEN_READING)
        networks = {name: fitted(table1, weights) for name, weights in loaded.items()}
        # Faces of one size pass together; networks trained on another size get their own.
        self._groups = {
            size: self._group(networks, size)
            for size in {info.input_size for info in self.infos.values()}
        }

    def _group(self, networks: Mapping[str, Table1], size: int) -> FaceReaders:
        here = {n: table for n, table in networks.items() if self.infos[n].input_size == size}
        readers = {n: table for n, table in here.items() if n in self._readers}
        others = {n: table for n, table in here.items() if n not in self._readers}
        return FaceReaders(readers, others, size)

    @staticmethod
    def load(
        classifier: str | Path, regressors: Mapping[str, str | Path] | None = None, **options
    ) -> PerceptionRunner:
        """From weight files: HCNN's and each character's 3D-CNN's.

        Raises:
            ModelError: a file is missing, damaged, or holds another network.
        """
        return PerceptionRunner(
            read_weights(classifier, "hcnn"),
            {
                name: read_weights(path, "rig_regressor", character=name)
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
        second = self._second_inputs(faces, geometry, arkit)
        step = FACES_A_PASS
        parts = [
            self._run(faces[i : i + step], {k: v[i : i + step] for k, v in second.items()})
            for i in range(0, max(1, len(faces)), step)
        ]
        outputs = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        # Not the geometric mean: whoever knows a kind of face must be heard by who does not.
        expression = sum(share * outputs.pop(name) for name, share in self._shares.items())
        if self.coefficients is not None and geometry is not None and arkit is not None:
            opinion = self.coefficients(geometry, arkit)
            expression = joint_opinion(expression, opinion)
        expression = unprejudiced(expression, self._learned, EVEN_READING).astype(np.float32)
        return {"expression": expression, "rig": outputs}

    def _run(self, faces: np.ndarray, second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not len(faces):
            width = {n: len(i.controls) or len(EXPRESSIONS) for n, i in self.infos.items()}
            width |= dict.fromkeys(self._shares, len(EXPRESSIONS))
            return {name: np.zeros((0, w), np.float32) for name, w in width.items()}
        read: dict[str, np.ndarray] = {}
        for size, readers in self._groups.items():
            read |= readers(grey_faces(faces, size), second)
        for name in self._readers:
            # An expression has no side: the mirrored face is a second look at it.
            read[name] = joint_opinion(*map(softmax, read[name]), share=0.5)
        if self._teacher is not None:
            read[TEACHER] = self._teacher(grey_faces(faces, self._teacher.size))
        return read

    def _mean_prior(self, infos: Mapping[str, WeightsInfo]) -> tuple[float, ...]:
        """What the readers learned from, on the mean; empty if one of them does not tell."""
        priors = [infos[name].training.get("prior", ()) for name in self._shares]
        shares = [*self._shares.values()]
        return tuple(np.dot(shares, priors).tolist()) if all(len(p) for p in priors) else ()

    def _second_inputs(self, faces, geometry, arkit) -> dict[str, np.ndarray]:
        given = {
            "geometry": (geometry, len(GEOMETRIC_FEATURES)),
            "arkit": (arkit, len(ARKIT_CHANNELS)),
        }
        for name, (values, width) in given.items():
            if values is not None and np.shape(values) != (len(faces), width):
                raise UsageError(
                    f"{name} is {np.shape(values)}, not {(len(faces), width)}",
                    fix="give a row a face",
                )
        second = {}
        for name, info in self.infos.items():
            parts = [geometry, arkit][: (1 if len(info.extra) == len(GEOMETRIC_FEATURES) else 2)]
            if not info.extra:
                continue
            if any(part is None for part in parts):
                raise UsageError(
                    f"the 3D-CNN of {name!r} needs {len(info.extra)} more numbers a face",
                    fix="give geometry, and arkit where it was trained with them",
                )
            second[name] = np.concatenate(parts, 1).astype(np.float32)
        return second
