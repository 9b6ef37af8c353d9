"""Weight files as they are read: what a file says of itself, and its numbers; no torch.

A file holds no code. Its metadata names the network's entry point and arguments, the controls or
classes its outputs stand for, and what it was trained on, so that a file that does not fit is
refused with the reason. Tensors that are equal in every bit, such as the frozen layers that both
branches of the f-CNN have from HCNN, are stored once: `same` in the metadata names, for each tensor
that was left out, the one that is stored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ..errors import ModelError
from ..reading import parse_json, plain_file, read_bytes, why_unreadable
from ..records import FieldError, as_record, as_type, json_text
from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE
from .weights_places import WEIGHTS, file_name

FORMAT = "exprgen.weights"
VERSION = 2
"""Of files with `same`; those without are of version 1, which earlier ExprGens read as well."""
VERSIONS = (1, VERSION)
LARGEST_FILE = 1 << 30  # bytes
LARGEST_INPUT = 1024  # pixels
MISSING = "restore the weights or train the network"
RESTORE = "restore it or train it again"
FREQUENCIES = ("prior", "usual")
"""What a training tells of how often it met each expression: nothing, or a share of each."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a weight file says of itself.

    network, config: entry point and its arguments (`build_network(network, **config)`).
    labels: the classes of the outputs, in order; empty for networks that predict controls.
    character, controls: whose controls, and which, the outputs are (unit values).
    source_character, source_controls: the same of the inputs (C-MLP).
    input_size: side in pixels of the faces the network was trained on.
    extra: names of the second input's numbers, in order.
    training: settings, data and metrics of the training; `digest` is its hash.
    """

    network: str
    config: dict = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    character: str = ""
    controls: tuple[str, ...] = ()
    source_character: str = ""
    source_controls: tuple[str, ...] = ()
    input_size: int = REGISTERED_SIZE
    extra: tuple[str, ...] = ()
    training: dict = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Twelve hex digits of the training's settings, data and metrics."""
        text = json_text(self.training, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @staticmethod
    def of_classifier(network: str, training: dict | None = None) -> WeightsInfo:
        """For HCNN and SCNN: the outputs are the seven expressions."""
        return WeightsInfo(network, labels=EXPRESSIONS, training=training or {})


def weights_path(
    network: str, primary: str = "", secondary: str = "", folder: Path = WEIGHTS
) -> Path:
    """Where a network's weights lie by convention.

    `hcnn.safetensors`, `scnn.safetensors`, `fcnn_<primary>.safetensors`,
    `rig_regressor_<primary>.safetensors`, `character_mlp_<primary>_<secondary>.safetensors`.
    """
    return Path(folder) / file_name(network, *(n for n in (primary, secondary) if n))


def file_digest(path: str | Path) -> str:
    """First twelve hex digits of a weight file's SHA-256: the key of cached results.

    Raises:
        ModelError: the file can't be read.
    """
    return hashlib.sha256(read_bytes(path, LARGEST_FILE, ModelError, MISSING)).hexdigest()[:12]


def read_info(path: str | Path) -> WeightsInfo:
    """What a weight file says of itself, without reading the weights.

    Raises:
        ModelError: missing, damaged, or written by another version.
    """
    return _read(path, tensors=False)[0]


@dataclass(frozen=True)
class Weights:
    """A network as its file, `path`, has it: float32 arrays by name, and what it says of itself."""

    tensors: dict[str, np.ndarray]
    info: WeightsInfo
    path: Path | None = None


def read_weights(
    path: str | Path,
    network: str | None = None,
    *,
    character: str | None = None,
    controls: tuple[str, ...] | None = None,
    source_controls: tuple[str, ...] | None = None,
) -> Weights:
    """A weight file's numbers, all of them finite. Tensors that were stored once share an array.

    Args:
        network, character, controls, source_controls: what the file must hold, where given.

    Raises:
        ModelError: missing, damaged, another version, or not what was asked for.
    """
    info, tensors, same = _read(path, tensors=True)
    for what, want, have in (
        ("network", network, info.network),
        ("character", character, info.character),
        ("controls", controls, info.controls),
        ("source controls", source_controls, info.source_controls),
    ):
        if want is not None and want != have:
            raise ModelError(
                f"is for {_mismatch(what, want, have)}",
                file=path,
                fix="train it for this character, or restore the file that belongs here",
            )
    for name, tensor in tensors.items():
        if not np.issubdtype(tensor.dtype, np.floating) or not np.isfinite(tensor).all():
            problem = f"does not fit its network (tensor {name!r} is not finite)"
            raise ModelError(problem, file=path, fix=RESTORE)
    stored = {k: v.astype(np.float32) for k, v in tensors.items()}
    return Weights(_with_same(stored, same, path), info, Path(path))


def _with_same(
    stored: dict[str, np.ndarray], same: dict[str, str], path: str | Path
) -> dict[str, np.ndarray]:
    """The stored tensors and those that are the same as one of them."""
    for name, source in same.items():
        if name in stored or source not in stored:
            what = f"says wrong things of itself: tensor {name!r} can't be the same as {source!r}"
            raise ModelError(what, file=path, fix=RESTORE)
    return stored | {name: stored[source] for name, source in same.items()}


def _mismatch(what: str, want, have) -> str:
    if isinstance(want, str):
        return f"{what} {have!r}, not {want!r}"
    missing = sorted(set(want) ^ set(have))
    word = f"; {missing[0]!r} is in one only" if missing else ", in another order"
    return f"{len(have)} {what}, not these {len(want)}{word}"


def _read(
    path: str | Path, tensors: bool
) -> tuple[WeightsInfo, dict[str, np.ndarray], dict[str, str]]:
    """What a file says of itself, its tensors if they are wanted, and which others are the same."""
    plain_file(path, ModelError, MISSING)
    try:
        with safe_open(path, framework="numpy") as f:
            metadata = f.metadata() or {}
            found = {name: f.get_tensor(name) for name in f.keys()} if tensors else {}  # noqa: SIM118
        header = parse_json(metadata.get("exprgen", "{}"))
    except OSError as error:
        raise ModelError(why_unreadable(error), file=path, fix=MISSING) from error
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ModelError("is damaged or no weight file", file=path, fix=RESTORE) from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ModelError(
            "is a weight file, but not of ExprGen", file=path, fix="restore the right file"
        )
    if header.get("version") not in VERSIONS:
        raise ModelError(
            f"has weights version {str(header.get('version'))[:20]}, this ExprGen reads "
            f"{VERSIONS[0]} to {VERSION}",
            file=path,
            fix="update ExprGen or train the network again",
        )
    known = {f.name for f in fields(WeightsInfo)}
    try:
        info = as_record(WeightsInfo, {k: v for k, v in header.items() if k in known})
        same = as_type(dict[str, str], header.get("same", {}), "same")
        _check_frequencies(info.training)
    except FieldError as error:
        what = f"says wrong things of itself: {error}"
        raise ModelError(what, file=path, fix=RESTORE) from error
    if not 1 <= info.input_size <= LARGEST_INPUT:
        what = f"is for faces of {info.input_size} pixels"
        raise ModelError(what, file=path, fix=RESTORE)
    return info, found, same


def _check_frequencies(training: dict) -> None:
    """Raises FieldError where a training tells frequencies that are none."""
    for name in FREQUENCIES:
        told = as_type(tuple[float, ...], training.get(name, ()), f"training.{name}")
        if told and (len(told) != len(EXPRESSIONS) or min(told) < 0.0 or not sum(told)):
            raise FieldError(f"training.{name} holds no frequencies of {len(EXPRESSIONS)} classes")
