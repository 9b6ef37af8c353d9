"""Examine the weight files: there, whole, of the right network and character, each with its card.

Three things say which files there should be: what the characters need, the files themselves, and
the model cards, which stay behind where a file was lost.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..characters.profile import RigProfile
from ..errors import ExprGenError, ModelError
from ..inference.forms import form
from ..inference.opening import fitted
from ..models.layouts import KINDS
from ..models.playable import with_landmarks
from ..models.registry import network_names
from ..models.weights_file import WeightsInfo, file_digest, read_weights
from ..models.weights_places import POSED, file_name, weights_folder
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, MOUTH
from .needed_weights import needed_weights, network_name

SIZE_LIMIT = 15_000_000
"""Bytes that all weight files together may take: they lie in the repository and in the add-on."""

RESTORE = "restore it from the repository, or install the extension again"

_CARD_LINE = re.compile(r"- File: `([^`]+)`, SHA-256 begins `([0-9a-f]+)`")
_OTHERS = {
    f"hcnn_{POSED}": "HCNN of posed people",
    "upper_look": "upper look",
    "teacher": "teacher",
    "scnn": "SCNN",
    "kind": "kind network",
    "coefficient_reader": "coefficient reader",
    "photograph_reader": "photograph reader",
    "against_neutral": "reader against neutral",
    "mouth_reader": "mouth reader",
    "time_reader": "reader over time",
    "affect_reader": "affect reader",
    "headset": "headset network",
}
"""What is needed beside the networks of the characters."""
_READS = {
    "hcnn": "people",
    "upper_look": "people",
    "against_neutral": "people",
    "teacher": "people",
    "coefficient_reader": "people",
    "photograph_reader": "people",
    "mouth_reader": "people",
    "time_reader": "people",
    "affect_reader": "people",
    "headset": "people",
    "scnn": "characters",
}
"""Whose faces a network reads that serves no single character; the others read both."""
_LABELS = {"kind": KINDS, "mouth_reader": MOUTH, "headset": ARKIT_CHANNELS}
"""What the outputs of a network are where they are not the expressions."""


def examine_weights(profiles: list[RigProfile]) -> list[dict]:
    """A finding for each weight file, and one for their size together.

    A file's numbers, outputs, character and controls are compared with what they must be, and its
    digest with its model card's. Networks that only trainings use are not put together.

    Args:
        profiles: the characters that must be served, the primary first.

    Returns:
        {"what", "ok", "detail", "fix"} each; never raises for a file's sake.
    """
    named = _named(profiles)
    by_name = {p.name: p for p in profiles}
    findings = [_examined(f"weights {what}", path, by_name) for path, what in named.items()]
    mended = {f"weights {network_name(p, profiles[0])}": with_landmarks(p) for p in profiles}
    for finding in findings:
        if not finding["ok"] and mended.get(finding["what"]):
            finding["fix"] = mended[finding["what"]]
    return [*findings, _size(named)]


def _named(profiles: list[RigProfile]) -> dict[Path, str]:
    """Every file that is needed, there, or described -> what it is called."""
    folder = weights_folder()
    named = {path: what for what, path in needed_weights(profiles).items()}
    for network, what in _OTHERS.items():
        named[folder / file_name(network)] = what
    described = [p.with_suffix(".safetensors") for p in folder.glob("*.md") if _card(p)]
    for path in sorted({*folder.glob("*.safetensors"), *described}):
        named.setdefault(path, path.stem)
    return named


def _examined(what: str, path: Path, profiles: dict[str, RigProfile]) -> dict:
    try:
        weights = read_weights(path)
        info = weights.info
        _check_network(path, info)
        make = form(info.network)
        if make is not None:
            fitted(make, weights)
        _check_controls(path, info, profiles)
        digest = _check_card(path)
    except ExprGenError as error:
        return _finding(what, False, f"{error.file}: {error.problem}", error.fix)
    size = path.stat().st_size / 1e6
    detail = f"{path.name} {digest}, {size:.2f} MB, {info.network} for {_served(info)}"
    return _finding(what, True, detail)


def _check_network(path: Path, info: WeightsInfo) -> None:
    """Raises ModelError where the file holds not what its name says, or other classes."""
    fits = [n for n in network_names() if path.stem == n or path.stem.startswith(f"{n}_")]
    expected = max(fits, key=len, default=None)
    if info.network != expected:
        problem = f"holds a network {info.network!r}, not {expected!r} as its name says"
        raise ModelError(problem, file=path, fix=RESTORE)
    labels = _LABELS.get(info.network, EXPRESSIONS)
    if info.labels and info.labels != labels:
        problem = f"tells {', '.join(info.labels)}, not {', '.join(labels)}"
        raise ModelError(problem, file=path, fix="train it again")


def _check_controls(path: Path, info: WeightsInfo, profiles: dict[str, RigProfile]) -> None:
    """Raises ModelError where a character is another than the name's, or was rebuilt since."""
    served = "_".join(n for n in (info.source_character, info.character) if n)
    if served and path.stem != f"{info.network}_{served}":
        problem = f"serves {_served(info)}, not whom its name says"
        raise ModelError(problem, file=path, fix=RESTORE)
    for name, controls in (
        (info.source_character, info.source_controls),
        (info.character, info.controls),
    ):
        if not controls or name not in profiles:
            continue
        now = tuple(c.name for c in profiles[name].expression_controls)
        if controls != now:
            problem = (
                f"is for {len(controls)} controls of {name}, whose profile has other {len(now)}"
            )
            raise ModelError(problem, file=path, fix=f"train it again for {name} as it is now")


def _check_card(path: Path) -> str:
    """The file's digest, if its model card says the same; raises ModelError if not."""
    card = path.with_suffix(".md")
    said = _card(card)
    if said is None:
        raise ModelError(
            "the model card of the weights is missing or does not name them",
            file=card,
            fix=f"{RESTORE}; a training writes one beside the weights",
        )
    digest = file_digest(path)
    if said != (path.name, digest):
        problem = f"is {digest}, but {card.name} describes {said[0]} {said[1]}"
        raise ModelError(problem, file=path, fix="restore the weights and their card together")
    return digest


def _card(path: Path) -> tuple[str, str] | None:
    """(file name, digest) that a model card is about; None where it is no card of weights."""
    try:
        found = _CARD_LINE.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return (found[1], found[2]) if found else None


def _served(info: WeightsInfo) -> str:
    """Whose faces or controls a network reads and gives."""
    if info.source_character:
        return f"{info.source_character} to {info.character}, {len(info.controls)} controls"
    if info.controls:
        return f"{info.character}, {len(info.controls)} controls"
    return info.character or _READS.get(info.network, "people and characters")


def _size(paths) -> dict:
    """All files together against the limit."""
    total = sum(p.stat().st_size for p in paths if p.is_file())
    detail = f"{total / 1e6:.1f} MB, {SIZE_LIMIT / 1e6:.0f} MB at most"
    fix = "store the weights in 16 bits (`save_network(half=True)`) or leave some out"
    return _finding("weights together", total <= SIZE_LIMIT, detail, fix)


def _finding(what: str, ok: bool, detail: str, fix: str = "") -> dict:
    return {"what": what, "ok": ok, "detail": detail, "fix": "" if ok else fix}
