"""Where names tell nothing: the second look with an open jaw, and the channels that are written.
Blender is replaced: what poses would show is the response that a sample has."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.studio import motion_naming
from exprgen.exprgen_addon.studio.landmark_finding import Placement, open_jaw
from exprgen.networks.characters.coverage import missing_parts
from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response, response_path


@pytest.fixture
def rosa():
    return find_character("rosa")


@pytest.fixture
def bare(rosa):
    return replace(rosa, controls=tuple(replace(c, channels={}) for c in rosa.controls))


@pytest.fixture
def looks(monkeypatch, rosa):
    """The profiles with which the face was looked at."""
    seen = []

    def place(profile, locate, points=None):
        seen.append(profile)
        return Placement(profile, 7, 7, points is not None, False, (), np.zeros(49))

    monkeypatch.setattr(motion_naming, "place_landmarks", place)
    monkeypatch.setattr(motion_naming, "measure_response", lambda *a, **k: load_response(rosa))
    return seen


def test_the_face_is_looked_at_again_with_the_jaw_that_the_first_look_showed(bare, looks):
    placed = motion_naming.place_on_any(bare, None, None)
    first, second = looks
    assert open_jaw(first) is None
    assert open_jaw(second) is not None
    assert placed.profile.controls == bare.controls  # named when the whole response is known


def test_one_look_is_enough_where_names_tell_the_jaw_or_a_person_placed_points(rosa, bare, looks):
    motion_naming.place_on_any(rosa, None, None)
    motion_naming.place_on_any(bare, None, {"nose_tip": (0.5, 0.5)})
    assert looks == [rosa, bare]


def test_channels_are_written_only_where_names_do_not_cover_the_face(rosa, bare, tmp_path):
    assert motion_naming.named_where_names_say_nothing(rosa) == (rosa, "")
    lost = replace(bare, path=tmp_path / "rosa.json")
    assert motion_naming.named_where_names_say_nothing(lost) == (lost, "")  # nothing is measured
    (tmp_path / "rosa.response.npz").write_bytes(response_path(rosa).read_bytes())
    named, said = motion_naming.named_where_names_say_nothing(lost)
    assert missing_parts(named) == ()
    assert "seen in what they move" in said
    assert motion_naming.named_where_names_say_nothing(named) == (named, "")
