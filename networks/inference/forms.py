"""Networks without torch by name: each file of this folder registers its own, nothing is listed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ..models.weights_file import Weights

_FORMS: dict[str, Callable[[Weights], object]] = {}
_DECORATOR = "@form_of("


def form_of(*networks: str):
    """Decorator: what is made of the weights of networks of these names."""

    def register(form):
        _FORMS.update(dict.fromkeys(networks, form))
        return form

    return register


def form(network: str) -> Callable[[Weights], object] | None:
    """What `form_of` registered for a network; None for those that only trainings use."""
    here = Path(__file__)
    for path in here.parent.glob("*.py"):
        if path != here and _DECORATOR in path.read_text(encoding="utf-8"):
            importlib.import_module(f".{path.stem}", __package__)
    return _FORMS.get(network)
