"""Random weights for made-up characters, where trained ones are missing or not wanted."""

from __future__ import annotations

from pathlib import Path

import torch

from exprgen.networks.characters.profile import RigProfile
from exprgen.networks.models.layouts import KIND_SIZE, KINDS
from exprgen.networks.models.registry import build_network
from exprgen.networks.models.weights_file import WeightsInfo, weights_path
from exprgen.networks.models.weights_io import save_network
from exprgen.networks.tracking.mouth_crop import CROP_SIZE
from exprgen.networks.vocabulary import EXPRESSIONS, GEOMETRIC_FEATURES, MOUTH

SIZE = 64
"""Side of the pictures these networks look at: a sixteenth of the work."""


def write(folder: Path, profiles: list[RigProfile]) -> Path:
    """HCNN, SCNN, the kind network, the first profile's 3D-CNN and a C-MLP to each other one;
    random, repeatable."""
    torch.manual_seed(1)
    for name in ("hcnn", "scnn"):
        save_network(
            weights_path(name, folder=folder),
            build_network(name),
            WeightsInfo(name, labels=EXPRESSIONS, input_size=SIZE),
        )
    save_network(
        weights_path("kind", folder=folder),
        build_network("kind"),
        WeightsInfo("kind", labels=KINDS, input_size=KIND_SIZE),
    )
    save_network(
        weights_path("coefficient_reader", folder=folder),
        build_network("coefficient_reader"),
        WeightsInfo("coefficient_reader", config={"hidden": 256}, labels=EXPRESSIONS),
    )
    save_network(
        weights_path("mouth_reader", folder=folder),
        build_network("mouth_reader"),
        WeightsInfo("mouth_reader", labels=MOUTH, input_size=CROP_SIZE[0]),
    )
    primary, *others = profiles
    names = tuple(c.name for c in primary.expression_controls)
    config = {"controls": len(names), "geometry": len(GEOMETRIC_FEATURES)}
    save_network(
        weights_path("rig_regressor", primary.name, folder=folder),
        build_network("rig_regressor", **config),
        WeightsInfo(
            "rig_regressor",
            config,
            character=primary.name,
            controls=names,
            input_size=SIZE,
            extra=GEOMETRIC_FEATURES,
            training={"random": primary.name},
        ),
    )
    for other in others:
        outputs = tuple(c.name for c in other.expression_controls)
        config = {"inputs": len(names), "outputs": len(outputs)}
        save_network(
            weights_path("character_mlp", primary.name, other.name, folder),
            build_network("character_mlp", **config),
            WeightsInfo(
                "character_mlp",
                config,
                character=other.name,
                controls=outputs,
                source_character=primary.name,
                source_controls=names,
            ),
        )
    return folder
