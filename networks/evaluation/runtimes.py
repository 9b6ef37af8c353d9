"""The shipped networks by torch and without it, over the same faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..inference.forms import form
from ..inference.network import softmax
from ..inference.opening import fitted
from ..inference.table1 import FaceReaders
from ..models.against_neutral import opinion_against
from ..models.coefficient_reader import coefficient_opinion
from ..models.face_input import grey_faces
from ..models.headset import headset_codes
from ..models.kind import character_chance
from ..models.layouts import (
    AFFECT_INPUTS,
    LOOKED,
    MEASURED,
    SHARED_LAYERS,
    TIME_INPUTS,
    TIME_REACH,
)
from ..models.mouth_reader import mouth_opinion
from ..models.photograph_reader import photograph_opinion
from ..models.teacher import teacher_opinion
from ..models.weights_file import Weights, read_weights
from ..models.weights_io import load_network
from ..models.weights_places import WEIGHTS
from ..perception.drawn_faces import calibration_faces
from ..tracking.mouth_crop import CROP_SIZE
from ..vocabulary import HEADSET_SIZE, HEADSET_VIEWS

LARGEST_DIFFERENCE = 1e-4
"""Of an output, a probability or a unit value, from torch's."""
FACES = 2
MOMENTS = 50
"""Of a clip, for the reader over time."""

Way = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Runtimes:
    """One network by torch and without it, over the same `FACES` faces."""

    torch: Way
    plain: Way

    @property
    def difference(self) -> float:
        """The largest between their outputs."""
        return float(np.abs(self.torch() - self.plain()).max())


def runtimes(path: str | Path) -> Runtimes | None:
    """A weight file both ways; None where the network serves trainings alone.

    Raises:
        ModelError: the file is missing or damaged.
    """
    weights = read_weights(path)
    make = form(weights.info.network)
    if make is None:
        return None
    made, network = fitted(make, weights), load_network(path)[0]
    return Runtimes(*_WAYS[weights.info.network](made, network, weights))


def _rng() -> np.random.Generator:
    return np.random.default_rng(3)


def _classifier(made, network, weights: Weights) -> tuple[Way, Way]:
    faces = grey_faces(calibration_faces(FACES), weights.info.input_size)
    readers = FaceReaders({"": made}, {}, weights.info.input_size)
    both = torch.from_numpy(np.concatenate([faces, faces[..., ::-1]]))
    return (
        lambda: network(both, folded=True).softmax(1).numpy(),
        lambda: softmax(readers(faces, {})[""].reshape(2 * FACES, -1)),
    )


def _upper(made, network, weights: Weights) -> tuple[Way, Way]:
    place = WEIGHTS / "hcnn.safetensors"
    size = weights.info.input_size
    parent, readers = load_network(place, "hcnn")[0], {"": made.on(read_weights(place, "hcnn"))}
    faces = grey_faces(calibration_faces(FACES), size)
    both = torch.from_numpy(np.concatenate([faces, faces[..., ::-1]]))
    looking = FaceReaders(readers, {}, size)
    return (
        lambda: network(parent.maps(both, 0, SHARED_LAYERS), folded=True).softmax(1).numpy(),
        lambda: softmax(looking(faces, {})[""].reshape(2 * FACES, -1)),
    )


def _regressor(made, network, weights: Weights) -> tuple[Way, Way]:
    faces = grey_faces(calibration_faces(FACES), weights.info.input_size)
    extra = _rng().random((FACES, made.extra), np.float32)
    readers = FaceReaders({}, {"": made}, weights.info.input_size)
    given = torch.from_numpy(faces), torch.from_numpy(extra)
    return (
        lambda: network(*given, folded=True).numpy(),
        lambda: readers(faces, {"": extra})[""],
    )


def _teacher(made, network, weights: Weights) -> tuple[Way, Way]:
    faces = grey_faces(calibration_faces(FACES), made.size)
    return lambda: teacher_opinion(network, torch.from_numpy(faces)), lambda: made(faces)[0]


def _against(made, network, weights: Weights) -> tuple[Way, Way]:
    measured, neutral = _rng().random((2, FACES, MEASURED + made.pooled))
    numbers = measured[:, :MEASURED], neutral[:, :MEASURED]

    def said() -> np.ndarray:
        answers = [made(*numbers, mouth) for mouth in (True, False)]
        if made.pooled:
            seen = measured[:, MEASURED:], neutral[:, MEASURED:]
            answers.append(made.with_pixels(*numbers, *seen))
        return np.stack(answers)

    return lambda: np.stack(opinion_against(network, measured, neutral)), said


def _kind(made, network, weights: Weights) -> tuple[Way, Way]:
    faces = grey_faces(calibration_faces(FACES), made.size)
    return (
        lambda: character_chance(network, torch.from_numpy(faces)).numpy(),
        lambda: made(faces),
    )


def _mouth(made, network, weights: Weights) -> tuple[Way, Way]:
    mouths = _rng().integers(0, 256, (FACES, *CROP_SIZE[::-1]), np.uint8)
    return lambda: mouth_opinion(network, mouths), lambda: made(mouths)


def _coefficients(made, network, weights: Weights) -> tuple[Way, Way]:
    geometry, arkit = _rng().random((FACES, 9)), _rng().random((FACES, 52))
    return lambda: coefficient_opinion(network, geometry, arkit), lambda: made(geometry, arkit)


def _photograph(made, network, weights: Weights) -> tuple[Way, Way]:
    looked = _rng().random((2, FACES, LOOKED))
    given = looked, _rng().random((FACES, 9)), _rng().random((FACES, 52))
    return lambda: photograph_opinion(network, *given), lambda: made(*given)


def _mlp(made, network, weights: Weights) -> tuple[Way, Way]:
    units = _rng().uniform(-1, 1, (FACES, weights.info.config["inputs"])).astype(np.float32)
    return lambda: network(torch.from_numpy(units)).numpy(), lambda: made(units)


def _head(made, network, weights: Weights) -> tuple[Way, Way]:
    config = weights.info.config
    code = np.eye(config["actions"], dtype=np.float32)
    shape = _rng().standard_normal((len(code), config["shapes"])).astype(np.float32)
    given = torch.from_numpy(code), torch.from_numpy(shape)
    # Amounts of displacements are hundreds of millimetres over all points together.
    return lambda: network(*given).numpy() / AMOUNT, lambda: made(code, shape) / AMOUNT


def _over_time(made, network, weights: Weights) -> tuple[Way, Way]:
    clip = _rng().standard_normal((MOMENTS, TIME_INPUTS)).astype(np.float32)
    around = np.pad(clip, ((TIME_REACH, TIME_REACH), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * TIME_REACH + 1, axis=0)
    given = torch.from_numpy(np.ascontiguousarray(windows.transpose(0, 2, 1)))

    def by_torch() -> np.ndarray:
        said = network(given)
        return torch.cat([said[:, :-1].softmax(1), said[:, -1:].sigmoid()], 1).numpy()

    return by_torch, lambda: np.column_stack(made(clip))


def _affect(made, network, weights: Weights) -> tuple[Way, Way]:
    inputs = _rng().random((FACES, AFFECT_INPUTS), np.float32)
    return (
        lambda: network(torch.from_numpy(inputs)).clamp(-1, 1).numpy(),
        lambda: made.of_inputs(inputs),
    )


def _headset(made, network, weights: Weights) -> tuple[Way, Way]:
    views = _rng().integers(0, 256, (FACES, len(HEADSET_VIEWS), *[HEADSET_SIZE] * 2), np.uint8)

    def by_torch() -> np.ndarray:
        codes = headset_codes(network, views)
        with torch.inference_mode():
            return network.adapted(codes, codes[:1].expand_as(codes)).clamp(0, 1).numpy()

    def plain() -> np.ndarray:
        codes = made.codes(views)
        return made.coefficients(codes, codes[0])

    return by_torch, plain


_WAYS = {
    "hcnn": _classifier,
    "scnn": _classifier,
    "rig_regressor": _regressor,
    "upper_look": _upper,
    "teacher": _teacher,
    "kind": _kind,
    "mouth_reader": _mouth,
    "coefficient_reader": _coefficients,
    "photograph_reader": _photograph,
    "against_neutral": _against,
    "time_reader": _over_time,
    "affect_reader": _affect,
    "character_mlp": _mlp,
    "head_shapes": _head,
    "headset": _headset,
}
AMOUNT = 1000.0
