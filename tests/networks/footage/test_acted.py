"""The truth beside a performance: kept whole, and refused where it is damaged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.footage.acted import ActedTruth, acted_path
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS


def truth(count: int = 4) -> ActedTruth:
    felt = np.zeros((count, len(EXPRESSIONS)), np.float32)
    felt[-1, EXPRESSIONS.index("joy")] = 0.5
    return ActedTruth(
        times=np.arange(count) / 15,
        arkit=np.full((count, len(ARKIT_CHANNELS)), 0.25, np.float32),
        felt=felt,
        speaking=np.zeros(count, np.float32),
        phoneme=np.zeros(count, np.int16),
        blink=np.zeros(count, np.float32),
        head=np.zeros((count, 3), np.float32),
        gaze=np.zeros((count, 2), np.float32),
        meta={"person": "performer_000a", "split": "train", "phonemes": ["rest"]},
    )


def test_it_comes_back_as_it_was(tmp_path):
    path = acted_path(tmp_path / "clip_000.mp4")
    truth().save(path)
    found = ActedTruth.load(path)
    assert len(found) == 4
    assert np.array_equal(found.felt, truth().felt)
    assert found.meta == truth().meta


def test_it_lies_beside_clips_and_folders():
    assert acted_path("a/clip_001.mp4") == Path("a/clip_001.acted.npz")
    assert acted_path("a/stills_001") == Path("a/stills_001.acted.npz")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("felt", np.full((4, 7), 1.5)), ("arkit", np.zeros((3, 52))), ("blink", np.full(4, np.nan))],
)
def test_what_is_wrong_is_refused_by_name(tmp_path, field, wrong):
    with pytest.raises(InputError, match=field):
        replace(truth(), **{field: wrong}).save(tmp_path / "x.acted.npz")


def test_another_file_is_refused_by_name(tmp_path):
    path = tmp_path / "x.acted.npz"
    path.write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"x\.acted\.npz"):
        ActedTruth.load(path)
