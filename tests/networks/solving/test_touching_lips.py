"""Where a character's lips touch: at rest, or, where they are parted, when they are closed."""

from types import SimpleNamespace

import numpy as np
import pytest

from exprgen.networks.solving.relations import LIP_GAPS, RELATIONS
from exprgen.networks.solving.targets import _touching_lips


@pytest.mark.parametrize(
    ("rest", "closed", "touch"),
    [
        (0.02, -0.2, 0.02),  # lips that touch: what closes an open jaw takes them past each other
        (0.1, 0.01, 0.01),  # parted, and brought together
        (0.1, -0.2, 0.1),  # landmarks that lie far apart on lips that touch
        (0.1, 0.1, 0.1),  # nothing closes them
    ],
)
def test_lips_touch_where_they_are_closed(rest, closed, touch):
    def gaps(value: float) -> np.ndarray:
        out = np.zeros(len(RELATIONS))
        out[LIP_GAPS] = value
        return out

    pose = np.ones(4)
    response = SimpleNamespace(rest=gaps(rest), predict=lambda poses: gaps(closed)[None])
    assert _touching_lips(response, pose) == pytest.approx([touch] * 3)
