"""What a network was, kept beside what it has learned since.

Trainings that grew out of one another lie so near that the mean of their weights is a network as
good as either, between what each knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ...errors import UsageError


def check_kept(share: float, possible: bool, given: str, wanted: str) -> None:
    """That a share of what --init gave can be kept; possible: it is what is `wanted`.

    Raises:
        UsageError: it can't.
    """
    if not 0 <= share < 1 or (share and not possible):
        raise UsageError(
            f"{share:g} of {given} can't be kept",
            fix=f"give a share from 0 up and below 1, and --init {wanted}",
        )


def mean_of(models: Sequence[nn.Module], shares: Sequence[float]) -> nn.Module:
    """The first of models of one kind, with the mean of all their weights; shares sum to 1."""
    states = [model.state_dict() for model in models]
    mean = {
        name: sum(w * state[name] for w, state in zip(shares, states, strict=True))
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]


def kept_in(model: nn.Module, parent: nn.Module, share: float) -> nn.Module:
    """The model with this share of its parent in its weights, so that what it no longer saw is not
    forgotten.

    Args:
        share: 0..1; 0 is the model as it is.
    """
    return mean_of((model, parent), (1 - share, share))
