"""From a weight file to a network that can be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..errors import ModelError, UsageError
from ..models.weights_file import RESTORE, Weights, read_weights
from ..models.weights_places import find_weights

Form = TypeVar("Form")


def opened(form: Callable[[Weights], Form], path: str | Path, network: str, **wanted) -> Form:
    """A weight file as one of this folder's classes.

    Args:
        network, wanted: what the file must hold (`read_weights`).

    Raises:
        ModelError: missing, damaged, another version, or not what was asked for.
    """
    return fitted(form, read_weights(path, network, **wanted))


def opened_if_there(form: Callable[[Weights], Form], network: str) -> Form | None:
    """The same of the weights by the network's name; None without, for whom one can do without.

    Raises:
        ModelError: the file is damaged.
    """
    path = find_weights(network)
    return opened(form, path, network) if path.is_file() else None


def fitted(form: Callable[[Weights], Form], weights: Weights) -> Form:
    """Weights as one of this folder's classes.

    Raises:
        ModelError: the arrays are not those of the network that they name.
    """
    try:
        return form(weights)
    except (UsageError, ValueError, TypeError, OverflowError) as error:
        problem = f"does not fit its network ({getattr(error, 'problem', error)})"
        raise ModelError(problem, file=weights.path, fix=RESTORE) from error
