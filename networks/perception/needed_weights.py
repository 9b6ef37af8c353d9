"""Which weight files a set of characters needs, and loading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..characters.profile import RigProfile
from ..models.playable import by_channels, network_of
from ..models.weights_places import find_weights, second_hcnn

if TYPE_CHECKING:
    from .against_neutral import AgainstNeutral

_ADVISERS = ("second", "upper", "teacher", "coefficients")
_NETWORKS = ("hcnn", "upper_look", "teacher", "coefficient_reader")
_OF_PICTURES = "photograph_reader"


def needed_weights(profiles: list[RigProfile]) -> dict[str, Path]:
    """What is shown to a user -> weight file, for these characters, the primary first; those that
    are solved by their channels need none."""
    needed = {"HCNN": find_weights("hcnn")}
    for p in profiles:
        if not by_channels(p, profiles[0]):
            needed[network_name(p, profiles[0])] = network_of(p, profiles[0])
    return needed


def load_runner(
    profiles: list[RigProfile], pooled: bool | None = None, reader: AgainstNeutral | None = None
):
    """HCNN and the 3D-CNNs of the profiles that need one: (PerceptionRunner, character -> key of
    FaceTrack.rig_units).

    Args:
        pooled: tell what the teacher's convolutions give of a clip's faces; None: where the reader
            against neutral looks at that. reader: it, where it is open already.

    Raises:
        ModelError: weights are missing, damaged, or of other controls than the profile's.
    """
    from ..models.weights_file import file_digest, read_weights
    from .against_neutral import AgainstNeutral
    from .joint_opinion import PerceptionRunner
    from .pooled import pooled_by

    regressors, keys = {}, {}
    for profile in profiles:
        if by_channels(profile, profile):
            continue
        path = network_of(profile, profile)
        names = tuple(c.name for c in profile.expression_controls)
        regressors[profile.name] = read_weights(
            path, "rig_regressor", character=profile.name, controls=names
        )
        keys[profile.name] = f"{profile.name}:{file_digest(path)}"
    classifier = read_weights(needed_weights([])["HCNN"], "hcnn")
    if pooled is None:
        reader = reader or AgainstNeutral.load()
        by = reader.under if reader is not None and reader.sees_pixels else ""
    else:
        by = pooled_by() if pooled else ""
    runner = PerceptionRunner(classifier, regressors, **load_advisers(), pooled_by=by)
    return runner, keys


def adviser_weights() -> dict[str, Path]:
    """Weight files of what joins in HCNN's opinion on people: "second", an HCNN trained on posed
    people, "upper", the upper look, "teacher", the larger network, and "coefficients", the
    coefficient reader. Any may be missing, since HCNN can do without."""
    return {
        "second": second_hcnn(),
        "upper": find_weights("upper_look"),
        "teacher": find_weights("teacher"),
        "coefficients": find_weights("coefficient_reader"),
    }


def solving_weights(profiles: list[RigProfile]) -> list[Path]:
    """The weight files that have a say in what these characters do, the primary first; those that
    are missing are left out."""
    others = (find_weights(name) for name in ("mouth_reader", "against_neutral", _OF_PICTURES))
    advisers = [*adviser_weights().values(), *others]
    paths = [*needed_weights(profiles).values(), *advisers]
    return [path for path in paths if path.is_file()]


def load_advisers() -> dict:
    """The weights of `adviser_weights`, None for what is not there, and "photographs", the
    photograph reader, where it was taught by the networks that are there.

    Raises:
        ModelError: a file is damaged.
    """
    from ..models.weights_file import read_weights

    networks = dict(zip(_ADVISERS, _NETWORKS, strict=True))
    found = {
        name: read_weights(path, networks[name]) if path.is_file() else None
        for name, path in adviser_weights().items()
    }
    return found | {"photographs": _photograph_reader()}


def _photograph_reader():
    """Its weights; None without, or where other networks than those that are there taught it."""
    from ..models.weights_file import read_weights
    from .pooled import looked_by

    path = find_weights(_OF_PICTURES)
    weights = read_weights(path, _OF_PICTURES) if path.is_file() else None
    return weights if weights and weights.info.config.get("under") == looked_by() else None


def load_mapping(primary: RigProfile, secondary: RigProfile):
    """The C-MLP between two characters: primary's unit values (N, M) -> secondary's (N, K).

    Raises:
        ModelError: weights are missing, damaged, or of other controls than the profiles'.
    """
    from ..inference.character_mlp import CharacterMlp

    path = network_of(secondary, primary)
    return CharacterMlp.load(
        path,
        source_controls=tuple(c.name for c in primary.expression_controls),
        controls=tuple(c.name for c in secondary.expression_controls),
    )


def network_name(profile: RigProfile, primary: RigProfile) -> str:
    """What the network that drives a character is called, where the primary leads."""
    if profile.name == primary.name:
        return f"3D-CNN {primary.name}"
    return f"C-MLP {primary.name} to {profile.name}"
