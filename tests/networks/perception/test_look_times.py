import numpy as np
import pytest

from exprgen.networks.perception.look_times import looked_at


@pytest.mark.parametrize(("fps", "step"), [(24, 2), (25, 2), (30, 2), (50, 3), (60, 4), (10, 1)])
def test_frames_of_any_rate_are_looked_at_evenly(fps, step):
    times = np.round(np.arange(4 * fps) / fps, 3)
    looked = np.flatnonzero(looked_at(times, np.ones(len(times), bool), 0.06))
    assert (np.diff(looked) == step).all()
    assert looked[0] == 0


def test_a_face_that_comes_back_is_looked_at_at_once():
    found = np.ones(30, bool)
    found[4:11] = False
    looked = looked_at(np.arange(30) / 25, found, 0.2)
    assert list(np.flatnonzero(looked)) == [0, 11, 16, 21, 26]
