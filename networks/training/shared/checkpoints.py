"""Checkpoints: a training that is killed at any moment goes on where it was.

Every random choice of a step comes from (seed, step) alone (see `seed_step`), so a checkpoint needs
no random states: weights, running average, optimiser and the step number are the whole state, and a
resumed training equals an uninterrupted one.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from ...arrays import check_members
from ...errors import InputError, UsageError
from ...files import sweep, written_whole
from ...reading import parse_json, plain_file
from ...records import json_text

FILE = "checkpoint.pt"
VERSION = 1
MOST_TENSORS = 10_000
DELETE = "delete it and start the training again"


def seed_step(seed: int, step: int) -> np.random.Generator:
    """Seed torch for one step (dropout, augmentation) and return numpy's generator for it."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)
    return np.random.default_rng((seed, step))


def save_checkpoint(folder: str | Path, settings: dict, state: dict) -> None:
    """Write the state of a training; the previous one stays until the new one is complete.

    Raises:
        OutputError: the folder can't be written.
    """
    path = Path(folder) / FILE
    sweep(folder)
    with written_whole(path, fsync=True) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as stream:
            _write(stream, {"version": VERSION, "settings": json_text(settings), **state})


def _write(stream: BinaryIO, state: dict) -> None:
    try:
        torch.save(state, stream)
    except RuntimeError as error:  # torch's own, when it ends a file that could not be written
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def load_checkpoint(folder: str | Path, settings: dict) -> dict | None:
    """The last state written to `folder`, or None if there is none.

    Raises:
        InputError: the file is damaged.
        UsageError: it belongs to a training with other settings.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    state = _read(path)
    if state.get("version") != VERSION:
        raise InputError("is of another version", file=path, fix="start the training again")
    before = _parsed(state.get("settings"))
    if before is None:
        raise InputError("is a damaged checkpoint", file=path, fix=DELETE)
    now = json.loads(json_text(settings))
    changed = [k for k in before.keys() | now.keys() if before.get(k) != now.get(k)]
    if changed:  # an option is told before what follows from it
        k = min(changed, key=lambda k: (isinstance(before.get(k), dict | list), k))
        raise UsageError(
            f"the checkpoint was made with {k} = {before.get(k)!r}, not {now.get(k)!r}",
            file=path,
            fix="give the same settings, or start anew without --resume",
        )
    return state


def _read(path: Path) -> dict:
    """The object that a checkpoint holds: tensors and plain values, no code.

    Raises:
        InputError: the file is damaged, or no checkpoint.
    """
    size = plain_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = check_members(archive, size, most=MOST_TENSORS)
            if any(m.compress_type != zipfile.ZIP_STORED for m in members.values()):
                raise ValueError("it is compressed")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged pickle raises is anybody's guess
        raise InputError("is a damaged checkpoint", file=path, fix=DELETE) from error
    if not isinstance(state, dict):
        raise InputError("is no checkpoint", file=path, fix=DELETE)
    return state


def _parsed(settings: object) -> dict | None:
    try:
        found = parse_json(settings) if isinstance(settings, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
