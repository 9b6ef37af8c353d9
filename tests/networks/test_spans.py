"""Stretches of a mask."""

from itertools import pairwise

import numpy as np
import pytest

from exprgen.networks.spans import runs


@pytest.mark.parametrize("seed", range(5))
def test_runs_make_up_the_mask_and_never_touch(seed):
    mask = np.random.default_rng(seed).random(40) < 0.6
    made = np.zeros(40, bool)
    found = runs(mask)
    for first, end in found:
        made[first:end] = True
    assert np.array_equal(made, mask)
    assert all(b < c for (_, b), (c, _) in pairwise(found))


def test_nothing_has_no_runs():
    assert runs(np.zeros(0, bool)) == runs(np.zeros(3, bool)) == []
