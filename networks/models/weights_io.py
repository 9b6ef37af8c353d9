"""Weight files: safetensors with everything needed to rebuild the network, and their model cards.

A file holds no code. Its metadata names the network's entry point and arguments, the controls or
classes its outputs stand for, and what it was trained on, so that a file that does not fit is
refused with the reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import ModelError, UsageError
from ..files import write_bytes, write_text
from ..reading import one_line, parse_json, plain_file, read_bytes, why_unreadable
from ..records import FieldError, as_record, json_text
from ..vocabulary import EXPRESSIONS, REGISTERED_SIZE
from .registry import build_network
from .weights_places import WEIGHTS, file_name

FORMAT = "exprgen.weights"
VERSION = 1
LARGEST_FILE = 1 << 30  # bytes
LARGEST_INPUT = 1024  # pixels
MISSING = "restore the weights or train the network"
RESTORE = "restore it or train it again"
_FULL_PRECISION = ("running_mean", "running_var", "extra_mean", "extra_std")


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


def save_network(path: str | Path, network: nn.Module, info: WeightsInfo, half: bool = True) -> str:
    """Write a network, whole or not at all, and return its `file_digest`.

    Args:
        half: store weights in 16 bits (statistics stay in 32). `half_precision_change` says what
            that changes.

    Raises:
        OutputError: the place can't be written.
    """
    header = {"format": FORMAT, "version": VERSION, "digest": info.digest, **asdict(info)}
    data = save(stored_tensors(network, half), metadata={"exprgen": json_text(header)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()[:12]


def stored_tensors(network: nn.Module, half: bool) -> dict[str, Tensor]:
    """The tensors of a network as they go into a file."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        keep = not half or name.endswith(_FULL_PRECISION)
        tensors[name] = tensor.detach().to(torch.float32 if keep else torch.float16).contiguous()
    return tensors


@torch.inference_mode()
def half_precision_change(network: nn.Module, *inputs: Tensor) -> float:
    """Largest change of the outputs on `inputs` when the weights are stored in 16 bits."""
    network.eval()
    before = network(*inputs)
    state = {k: v.clone() for k, v in network.state_dict().items()}
    network.load_state_dict(stored_tensors(network, half=True), strict=False)
    after = network(*inputs)
    network.load_state_dict(state)
    return float((before - after).abs().max())


def read_info(path: str | Path) -> WeightsInfo:
    """What a weight file says of itself, without reading the weights.

    Raises:
        ModelError: missing, damaged, or written by another version.
    """
    return _read(path, tensors=False)[0]


def load_network(
    path: str | Path,
    network: str | None = None,
    *,
    character: str | None = None,
    controls: tuple[str, ...] | None = None,
    source_controls: tuple[str, ...] | None = None,
) -> tuple[nn.Module, WeightsInfo]:
    """Rebuild a network from its file, in evaluation mode and float32.

    Args:
        network, character, controls, source_controls: what the file must hold, where given.

    Raises:
        ModelError: missing, damaged, another version, or not what was asked for.
    """
    info, tensors = _read(path, tensors=True)
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
    try:
        _check_fit(info, tensors)
        built = build_network(info.network, **info.config)
        built.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
    except (UsageError, RuntimeError) as error:
        what = f"does not fit its network ({one_line(error)})"
        raise ModelError(what, file=path, fix=RESTORE) from error
    return built.eval(), info


def _check_fit(info: WeightsInfo, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors of other names or sizes than the network's, before memory is asked for it, and
    weights that are no numbers.

    Raises:
        UsageError: which tensor.
    """
    with torch.device("meta"):
        wanted = build_network(info.network, **info.config).state_dict()
    sizes = {k: v.shape for k, v in wanted.items() if not k.endswith("num_batches_tracked")}
    if sizes.keys() != tensors.keys():
        odd = min(sizes.keys() ^ tensors.keys())
        raise UsageError(f"tensor {odd!r} is missing or unknown")
    for name, tensor in tensors.items():
        if tensor.shape != sizes[name]:
            raise UsageError(f"tensor {name!r} is {list(tensor.shape)}, not {list(sizes[name])}")
        if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
            raise UsageError(f"tensor {name!r} is not finite")


def _mismatch(what: str, want, have) -> str:
    if isinstance(want, str):
        return f"{what} {have!r}, not {want!r}"
    missing = sorted(set(want) ^ set(have))
    word = f"; {missing[0]!r} is in one only" if missing else ", in another order"
    return f"{len(have)} {what}, not these {len(want)}{word}"


def _read(path: str | Path, tensors: bool) -> tuple[WeightsInfo, dict[str, Tensor]]:
    """What a file says of itself, and its tensors if they are wanted."""
    plain_file(path, ModelError, MISSING)
    try:
        with safe_open(path, framework="pt") as f:
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
    if header.get("version") != VERSION:
        raise ModelError(
            f"has weights version {str(header.get('version'))[:20]}, this ExprGen reads {VERSION}",
            file=path,
            fix="update ExprGen or train the network again",
        )
    known = {f.name for f in fields(WeightsInfo)}
    try:
        info = as_record(WeightsInfo, {k: v for k, v in header.items() if k in known})
    except FieldError as error:
        what = f"says wrong things of itself: {error}"
        raise ModelError(what, file=path, fix=RESTORE) from error
    if not 1 <= info.input_size <= LARGEST_INPUT:
        what = f"is for faces of {info.input_size} pixels"
        raise ModelError(what, file=path, fix=RESTORE)
    return info, found


@dataclass(frozen=True)
class ModelCard:
    """What a reader should know of a weight file; written beside it as `<name>.md`."""

    title: str
    purpose: str
    data: str
    licence_of_data: str
    split: str
    metrics: dict[str, float | str]
    seed: int
    command: str
    limits: str = ""


def write_card(weights: str | Path, card: ModelCard, info: WeightsInfo) -> Path:
    """Write the model card of a weight file and return its path.

    Raises:
        OutputError: the place can't be written.
    """
    path = Path(weights).with_suffix(".md")
    rows = "\n".join(f"| {k} | {_number(v)} |" for k, v in card.metrics.items())
    parts = [
        f"# {card.title}",
        card.purpose,
        f"- Network: `{info.network}` {json_text(info.config)}, input {info.input_size} px",
        f"- File: `{Path(weights).name}`, SHA-256 begins `{file_digest(weights)}`",
        f"- Training digest: `{info.digest}`, seed {card.seed}",
        f"\n**Data.** {card.data}\n\n**Licence of the data.** {card.licence_of_data}\n\n"
        f"**Split.** {card.split}\n",
        f"| measure | value |\n|---|---|\n{rows}\n",
        f"Made by:\n\n```\n{card.command}\n```",
    ]
    if card.limits:
        parts.append(f"\n**Limits.** {card.limits}")
    write_text(path, "\n".join(parts) + "\n")
    return path


def _number(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
