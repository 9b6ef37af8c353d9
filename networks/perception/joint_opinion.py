"""The readers' joint opinion: HCNN, its second, the teacher and the coefficients, and their shares;
beside them the upper look, and the 3D-CNNs of characters, which look at the same faces.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..inference.coefficient_reader import CoefficientReader, joint_opinion
from ..inference.network import softmax
from ..inference.opening import fitted
from ..inference.photograph_reader import PhotographReader
from ..inference.table1 import FaceReaders, Table1, pooled_name, table1
from ..inference.teacher import Teacher
from ..inference.upper_look import UpperLook
from ..models.face_input import grey_faces
from ..models.weights_file import Weights, WeightsInfo, read_weights
from ..vocabulary import (
    ARKIT_CHANNELS,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    POOLED,
    REGISTERED_SIZE,
)
from .look_times import FACES_A_PASS
from .prior import EVEN_PHOTOGRAPHS, EVEN_READING, leaning, leaning_to, mixed, unprejudiced

TEACHER_SHARE = 0.6
"""Of the teacher in what is seen in the pixels (0.5 to 0.85 are as good on ferplus/val); the small
networks have the rest."""

ASKED = (0.7, 0.8)
"""How sure the small readers must be: up to the first the teacher has all of its share, from the
second on it has none and is not asked, since it takes most of the time, unless what its
convolutions give is wanted. On 404 validation pictures that changed no answer and spared two of
five; at 0.5 and 0.6 it spares seven of ten for half a point of the mean over classes."""

CLASSIFIER, SECOND, UPPER = "", " second", " upper"
"""Names of the networks of a runner that read expressions; the others bear their character's."""


class PerceptionRunner:
    """HCNN and the 3D-CNNs of some characters over the same faces.

    Args:
        classifier: HCNN, as `read_weights` gives it.
        regressors: character -> its 3D-CNN.
        second: another HCNN, trained on other faces, that joins in the classifier's opinion.
        upper: the upper look, which goes on from the classifier's first layers and has an opinion
            of its own.
        teacher: the larger network, which is asked where the small ones are not sure.
        coefficients: joins in the classifier's opinion wherever geometry and arkit are given.
        photographs: reads single pictures in place of all of them, wherever the teacher, both HCNNs
            and the measurements are there, but for faces that look drawn.
        pooled_by: tell what the teacher's convolutions give of a clip's faces, which is then asked
            of each of them: the teacher's digest, "" where that is not wanted.

    Attributes:
        pooled_by: the same, "" without a teacher.
        prior: (7,) what the answers still lean to, sums to 1; empty if the weights don't tell.
        prior_of_pictures: the same of answers on single pictures.

    Raises:
        ModelError: weights are not those of the network that they name.
    """

    def __init__(
        self,
        classifier: Weights,
        regressors: Mapping[str, Weights] | None = None,
        *,
        second: Weights | None = None,
        upper: Weights | None = None,
        teacher: Weights | None = None,
        coefficients: Weights | None = None,
        photographs: Weights | None = None,
        pooled_by: str = "",
    ):
        self._teacher = fitted(Teacher, teacher) if teacher else None
        self.pooled_by = pooled_by if teacher else ""
        self.coefficients = fitted(CoefficientReader, coefficients) if coefficients else None
        self._regressors = {name: w.info for name, w in (regressors or {}).items()}
        read = {CLASSIFIER: classifier, SECOND: second, UPPER: upper}
        read = {name: weights for name, weights in read.items() if weights}
        self._small = tuple(name for name in (CLASSIFIER, SECOND) if name in read)
        told = [read[name].info for name in self._small] + ([teacher.info] if teacher else [])
        self._learned = _mean_prior(told, bool(teacher))
        self.prior = leaning(self._learned, EVEN_READING)
        self._photographs, self.prior_of_pictures = None, self.prior
        learned = photographs.info.training if photographs else {}
        if teacher and second and len(learned.get("usual", ())) == len(EXPRESSIONS):
            self._photographs = fitted(PhotographReader, photographs)
            self._photographs_learned = learned.get("prior", ())
            self.prior_of_pictures = mixed(learned["usual"], EVEN_PHOTOGRAPHS)
        self._upper_learned = upper.info.training.get("prior", ()) if upper else ()
        small = {name: fitted(table1, read[name]) for name in self._small}
        if upper:
            small[UPPER] = fitted(lambda w: UpperLook(w).on(classifier), upper)
        sizes = {name: weights.info.input_size for name, weights in read.items()}
        units = {name: fitted(table1, w) for name, w in (regressors or {}).items()}
        sizes |= {name: info.input_size for name, info in self._regressors.items()}
        # Faces of one size pass together; networks trained on another size get their own.
        self._all = _by_size(small, units, sizes)
        self._units = _by_size({}, units, sizes)

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
        *,
        mirrored: bool = True,
    ) -> dict[str, np.ndarray | dict[str, np.ndarray]]:
        """Look at registered faces.

        Args:
            faces: uint8 (B, 256, 256) grey or (B, 256, 256, 3) RGB.
            geometry: (B, 9) geometric features; needed by 3D-CNNs trained with them.
            arkit: (B, 52) the tracker's coefficients; likewise. Given both, the coefficient
                reader has a say in the expression.
            mirrored: their mirror images are looked at as well, for twice the work, as those of
                pictures are; a clip's faces, of which there are many, are seen as they are.

        Returns:
            "expression": float32 (B, 7) probabilities in the order of EXPRESSIONS, the joint
            opinion on the face and its mirror image, its leaning to frequent classes partly undone;
            where mirror images are looked at and the photograph reader is there, what that says
            of all that do not look drawn;
            "no_mouth": the same of the upper part of the face alone, where the upper look is there;
            "pooled": float32 (B, POOLED) what the teacher's convolutions give of the faces as they
            are, where it is wanted and they are not mirrored;
            "rig": character -> float32 (B, M) unit values in [-1, 1].

        Raises:
            UsageError: another shape or type, or a second input that is needed is missing.
        """
        read = self._passed(self._all, faces, geometry, arkit, mirrored)
        # An expression has no side: the mirrored face is a second look at it.
        looked = {
            n: joint_opinion(softmax(read[n][0]), softmax(read[n][-1]), share=0.5)
            for n in (*self._small, UPPER)
            if n in read
        }
        measured = None if geometry is None or arkit is None else (geometry, arkit)
        seen = None
        if mirrored and measured and self._photographs is not None:
            expression, drawn = self._photographed(faces, read, *measured)
            if len(drawn):
                small = {name: looked[name][drawn] for name in self._small}
                those = [numbers[drawn] for numbers in measured]
                expression[drawn], _ = self._together(small, those, faces[drawn], mirrored)
        else:
            expression, seen = self._together(looked, measured, faces, mirrored)
        found = {"expression": expression}
        if UPPER in looked:
            found["no_mouth"] = _even(looked[UPPER], self._upper_learned)
        if seen is not None:
            found["pooled"] = seen
        return found | {"rig": {name: read[name] for name in self._regressors}}

    def prepare(self) -> None:
        """Look at blank faces of a clip, as many as pass together: the networks are made when they
        are first asked, and a clip's first faces need not wait for that."""
        blank = np.zeros((FACES_A_PASS, REGISTERED_SIZE, REGISTERED_SIZE), np.uint8)
        numbers = (GEOMETRIC_FEATURES, ARKIT_CHANNELS)
        given = (blank, *(np.zeros((len(blank), len(n)), np.float32) for n in numbers))
        self(*given, mirrored=False)
        self.units(*given)
        if self._teacher is not None:
            self._teacher(grey_faces(blank, self._teacher.size), mirrored=False)

    def units(
        self,
        faces: np.ndarray,
        geometry: np.ndarray | None = None,
        arkit: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """What `__call__` gives as "rig", without reading the expression."""
        # One by one: each costs as much beside another, and so there is one copy of the networks.
        return self._passed(self._units, faces, geometry, arkit, step=1)

    def _passed(
        self,
        networks: Mapping[int, FaceReaders],
        faces,
        geometry,
        arkit,
        mirrored: bool = True,
        step: int = FACES_A_PASS,
    ) -> dict:
        """What the small networks give of faces, `step` a pass: logits (1 or 2, B, 7) of
        classifiers."""
        second, read = self._second_inputs(faces, geometry, arkit), {}
        for size, readers in networks.items():
            parts = [
                readers(
                    grey_faces(faces[i : i + step], size),
                    {k: v[i : i + step] for k, v in second.items()},
                    mirrored,
                )
                for i in range(0, len(faces), step)
            ] or [readers.nothing()]
            for name in parts[0]:
                axis = parts[0][name].ndim - 2
                read[name] = np.concatenate([p[name] for p in parts], axis)
        return read

    def _together(
        self, looked: Mapping[str, np.ndarray], measured, faces: np.ndarray, mirrored: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The joint opinion (B, 7) of all but the photograph reader; what the teacher's
        convolutions give, see `_with_teacher`."""
        # Not the geometric mean: whoever knows a kind of face must be heard by who does not.
        expression = sum(looked[name] for name in self._small) / len(self._small)
        numbers = None
        if self.coefficients is not None and measured:
            numbers = self.coefficients(*measured)
        expression, seen = self._with_teacher(expression, numbers, faces, mirrored)
        return _even(_joined(expression, numbers), self._learned), seen

    def _with_teacher(
        self, small: np.ndarray, numbers, faces: np.ndarray, mirrored: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The small networks' opinion (B, 7) with the teacher's where they are not sure; what its
        convolutions give of the faces (B, POOLED), None where that is not wanted."""
        wanted = bool(self.pooled_by) and not mirrored
        seen = np.zeros((len(faces), POOLED), np.float32) if wanted else None
        if self._teacher is None or not len(faces):
            return small, seen
        low, high = ASKED
        share = TEACHER_SHARE * ((high - _joined(small, numbers).max(1)) / (high - low)).clip(0, 1)
        rows = np.arange(len(faces)) if wanted else np.flatnonzero(share)
        joint = np.array(small)
        for part in (rows[i : i + FACES_A_PASS] for i in range(0, len(rows), FACES_A_PASS)):
            said, given = self._teacher(grey_faces(faces[part], self._teacher.size), mirrored)
            joint[part] += share[part, None] * (said - joint[part])
            if seen is not None:
                seen[part] = given[0]
        return joint, seen

    def _photographed(
        self, faces: np.ndarray, read: Mapping[str, np.ndarray], geometry, arkit
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the photograph reader says (B, 7) of faces through which the small networks have
        passed, and which of them look drawn."""
        given = np.zeros((2, len(faces), POOLED), np.float32)
        for i in range(0, len(faces), FACES_A_PASS):
            part = slice(i, i + FACES_A_PASS)
            given[:, part] = self._teacher(grey_faces(faces[part], self._teacher.size))[1]
        looked = np.concatenate([given, *(read[pooled_name(n)] for n in self._small)], 2)
        said = self._photographs(looked, geometry, arkit)
        to = self.prior_of_pictures
        said = leaning_to(said, self._photographs_learned, to).astype(np.float32)
        return said, np.flatnonzero(self._photographs.drawn(looked, geometry, arkit))

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
        for name, info in self._regressors.items():
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


def _by_size(
    classifiers: Mapping[str, Table1], regressors: Mapping[str, Table1], sizes: Mapping[str, int]
) -> dict[int, FaceReaders]:
    """Networks that pass together, by the size of the faces that they look at."""
    groups = {}
    for size in {sizes[name] for name in (*classifiers, *regressors)}:
        readers, others = (
            {n: table for n, table in tables.items() if sizes[n] == size}
            for tables in (classifiers, regressors)
        )
        groups[size] = FaceReaders(readers, others, size)
    return groups


def _mean_prior(infos: list[WeightsInfo], taught: bool) -> tuple[float, ...]:
    """What the readers learned from, on the mean; empty if one of them does not tell.

    taught: the last of them is the teacher.
    """
    priors = [info.training.get("prior", ()) for info in infos]
    if not all(len(p) for p in priors):
        return ()
    small = len(priors) - taught
    shares = [(1 - TEACHER_SHARE * taught) / small] * small + [TEACHER_SHARE] * taught
    return tuple(np.dot(shares, priors).tolist())


def _joined(pixels: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
    return pixels if numbers is None else joint_opinion(pixels, numbers)


def _even(opinion: np.ndarray, prior: tuple[float, ...]) -> np.ndarray:
    return unprejudiced(opinion, prior, EVEN_READING).astype(np.float32)
