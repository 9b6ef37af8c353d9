"""What a network was, kept beside what it has learned since.

Weights of a training and those it went on from lie near each other, so that their mean is a network
as good as either (`hcnn.starting_network` has the same of several files).
"""

from __future__ import annotations

from torch import nn


def kept_in(model: nn.Module, parent: nn.Module, share: float) -> nn.Module:
    """The model with this share of its parent in its weights, so that what it no longer saw is not
    forgotten.

    Args:
        share: 0..1; 0 is the model as it is.
    """
    theirs = parent.state_dict()
    mixed = {
        name: value.lerp(theirs[name], share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(mixed)
    return model
