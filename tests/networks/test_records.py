"""Data to JSON and back: numbers of numpy, under its first and its second version."""

import json
from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import load_profile
from exprgen.networks.records import json_text
from exprgen.tests.support import synthetic


def test_numbers_of_numpy_become_plain():
    data = {"a": np.float32(0.25), "b": np.arange(2), "c": round(np.float32(1.26), 1), "d": 1.0}
    again = json.loads(json_text(data))
    assert again == {"a": 0.25, "b": [0, 1], "c": pytest.approx(1.3), "d": 1.0}


def test_a_profile_of_measured_numbers_is_saved(tmp_path):
    """Limits that nobody set are measured on the mesh, in single precision."""
    made = synthetic.profile("ann", primary=True)
    first = replace(made.controls[0], minimum=np.float32(-0.5), maximum=np.float32(0.5))
    replace(made, controls=(first, *made.controls[1:])).save(tmp_path / "ann.json")
    read = load_profile(tmp_path / "ann.json").controls[0]
    assert (read.minimum, read.maximum) == (-0.5, 0.5)
    assert type(read.minimum) is float
