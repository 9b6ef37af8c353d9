"""What is told of turned faces is measured against what is true."""

import numpy as np
import pytest

from exprgen.networks.evaluation.turned_faces import SHOWN, compare_turned, table
from exprgen.networks.footage.truth import ClipTruth
from exprgen.networks.solving.relations import INDEX
from exprgen.networks.training.turned_faces import true_relations
from exprgen.networks.vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES
from exprgen.tests.support import synthetic

FRAMES = 90


@pytest.fixture(scope="module")
def talker():
    """A face whose points all tremble, and its track."""
    rng = np.random.default_rng(0)
    rest = rng.uniform(-1, 1, (len(LANDMARK_NAMES), 3))
    eyes = [LANDMARK_NAMES.index(f"eye_{s}_{e}") for s in ("left", "right")
            for e in ("inner", "outer")]  # fmt: skip
    rest[eyes] = [(0.6, 0, 0), (1.4, 0, 0), (-0.6, 0, 0), (-1.4, 0, 0)]
    moved = rng.normal(0, 0.05, (FRAMES, len(LANDMARK_NAMES), 3))
    moved[:, eyes] = 0.0
    count = (FRAMES,)
    truth = ClipTruth(
        times=np.arange(FRAMES) / 25.0, arkit=np.zeros((FRAMES, len(ARKIT_CHANNELS)), np.float32),
        landmarks=(rest + moved).astype(np.float32),
        chin=rng.normal(0, 0.05, (FRAMES, 3)).astype(np.float32), head=np.zeros((*count, 3)),
    )  # fmt: skip
    return synthetic.face_track(frames=FRAMES, fps=25.0), truth


def test_who_tells_the_truth_errs_in_nothing(talker):
    track, truth = talker
    values = true_relations(truth, track.times)
    told = compare_turned(track, truth, values)
    for name in ("lip gap", "lids", "brows", "jaw"):
        assert told[name] == pytest.approx((1.0, 0.0), abs=1e-4)
    constant = values + np.random.default_rng(1).normal(0, 1, values.shape[1])
    again = compare_turned(track, truth, constant)
    assert again["jaw"] == pytest.approx((1.0, 0.0), abs=1e-4), "a person's own rest is taken off"


def test_what_a_turn_adds_is_an_error_and_no_quick_motion(talker):
    track, truth = talker
    values = true_relations(truth, track.times)
    values[track.times > 1.2, INDEX["jaw_height"]] -= 0.3
    right, off = compare_turned(track, truth, values)["jaw"]
    assert off == pytest.approx(0.3, abs=1e-3)
    assert right > 0.8


def test_a_table_has_a_row_a_view(talker):
    cells = {name: [0.5, 0.1, 0.75, 0.05] for name in SHOWN}
    text = table({"yaw60": cells, "below": cells})
    assert text.count("\n") == 3
    assert "| yaw60 | 0.50 0.100 > 0.75 0.050 |" in text
