"""Where weight files lie, by convention; needs no torch, so that a panel can look."""

from __future__ import annotations

import os
from pathlib import Path

from ..characters.profile import SAMPLE_RIGS, RigProfile

WEIGHTS_VARIABLE = "EXPRGEN_WEIGHTS_DIR"
POSED = "posed"
"""Of the two HCNNs the one that learned from synthetic people as well."""
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"


def weights_folder() -> Path:
    """Where the networks' weights are: $EXPRGEN_WEIGHTS_DIR, else those that ship with ExprGen."""
    given = os.environ.get(WEIGHTS_VARIABLE)
    return Path(given) if given else WEIGHTS


def file_name(network: str, *names: str) -> str:
    """A weight file's name: of the network and the characters, the primary first."""
    return "_".join((network, *names)) + ".safetensors"


def second_hcnn() -> Path:
    """The weight file of the HCNN that learned from synthetic people as well; it may be missing."""
    return weights_folder() / file_name("hcnn", POSED)


def find_weights(network: str, *profiles: RigProfile) -> Path:
    """The weight file of a network of these characters, the primary first; it may be missing.

    A character of your own may have its networks beside its profile; else they are in
    `weights_folder()`.
    """
    name = file_name(network, *(p.name for p in profiles))
    own = profiles[-1].path if profiles else None
    if own is not None and own.parent != SAMPLE_RIGS and own.with_name(name).is_file():
        return own.with_name(name)
    return weights_folder() / name
