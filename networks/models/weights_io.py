"""Weight files of torch's networks: written with everything needed to rebuild them, and read back;
their model cards. What needs no torch is in weights_file.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import ModelError, UsageError
from ..files import write_bytes, write_text
from ..reading import one_line
from ..records import json_text
from .registry import build_network
from .weights_file import (
    FORMAT,
    RESTORE,
    VERSION,
    VERSIONS,
    Weights,
    WeightsInfo,
    file_digest,
    read_weights,
)

_FULL_PRECISION = ("running_mean", "running_var", "extra_mean", "extra_std")


def save_network(path: str | Path, network: nn.Module, info: WeightsInfo, half: bool = True) -> str:
    """Write a network, whole or not at all, and return its `file_digest`.

    What is equal in every bit is written once (see weights_file.py).

    Args:
        half: store weights in 16 bits (statistics stay in 32). `half_precision_change` says what
            that changes.

    Raises:
        OutputError: the place can't be written.
    """
    info = replace(info, training=without_places(info.training))
    tensors, same = _once(stored_tensors(network, half))
    version = {"version": VERSION, "same": same} if same else {"version": VERSIONS[0]}
    header = {"format": FORMAT, **version, "digest": info.digest, **asdict(info)}
    data = save(tensors, metadata={"exprgen": json_text(header)})
    write_bytes(path, data)
    return hashlib.sha256(data).hexdigest()[:12]


def without_places(data):
    """JSON data with the last part alone of every string that is a place on somebody's machine:
    what a network learned from is told, where that lay is nobody's business."""
    if isinstance(data, dict):
        return {key: without_places(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_places(value) for value in data]
    if isinstance(data, str) and Path(data).is_absolute():
        return Path(data).name
    return data


def stored_tensors(network: nn.Module, half: bool) -> dict[str, Tensor]:
    """The tensors of a network as they go into a file."""
    tensors = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        keep = not half or name.endswith(_FULL_PRECISION)
        tensors[name] = tensor.detach().to(torch.float32 if keep else torch.float16).contiguous()
    return tensors


def _once(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors without those that equal an earlier one in type, shape and every bit, and for
    each of those the name of the earlier one. Those without numbers are no burden and stay."""
    first: dict[tuple, str] = {}
    same = {}
    for name, tensor in tensors.items():
        bits = hashlib.sha256(tensor.cpu().numpy().tobytes()).digest()
        earlier = first.setdefault((tensor.dtype, tensor.shape, bits), name)
        if earlier != name and tensor.numel():
            same[name] = earlier
    return {name: tensor for name, tensor in tensors.items() if name not in same}, same


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


def weights_of(network: nn.Module, info: WeightsInfo) -> Weights:
    """A network as its file would have it, without rounding."""
    tensors = stored_tensors(network, half=False)
    return Weights({name: tensor.numpy() for name, tensor in tensors.items()}, info)


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
    weights = read_weights(
        path, network, character=character, controls=controls, source_controls=source_controls
    )
    info = weights.info
    tensors = {name: torch.from_numpy(values) for name, values in weights.tensors.items()}
    try:
        _check_fit(info, tensors)
        built = build_network(info.network, **info.config)
        built.load_state_dict(tensors, strict=False)
    except (UsageError, RuntimeError) as error:
        what = f"does not fit its network ({one_line(error)})"
        raise ModelError(what, file=path, fix=RESTORE) from error
    return built.eval(), info


def _check_fit(info: WeightsInfo, tensors: dict[str, Tensor]) -> None:
    """Refuse tensors of other names or sizes than the network's, before memory is asked for it.

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
