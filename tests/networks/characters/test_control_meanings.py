"""Names of avatar tools: known, read together, and no channel made twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from exprgen.networks.characters.control_meanings import read_names, shared
from exprgen.networks.characters.control_names import channels_of
from exprgen.networks.characters.naming_schemes import schemes
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS

LISTS = Path(__file__).parents[2] / "support" / "scheme_names.json"
NAMES = {k: v.split("|") for k, v in json.loads(LISTS.read_text("utf-8")).items()}
"""Scheme -> the names of its facial controls as its tool writes them, without patterns."""


@pytest.mark.parametrize("scheme", NAMES)
def test_names_of_every_scheme_are_known(scheme):
    known = read_names(NAMES[scheme])
    assert len(known) >= 0.95 * len(NAMES[scheme]), set(NAMES[scheme]) - known.keys()
    told = [n for n, m in known.items() if m.channels or m.pose]
    assert len(told) >= 0.85 * len(NAMES[scheme]), set(known) - set(told)


@pytest.mark.parametrize("scheme", schemes(), ids=lambda s: s.name)
def test_tables_speak_of_what_there_is(scheme):
    assert scheme.source
    for name, meaning in scheme.table.items():
        assert meaning.channels.keys() <= set(ARKIT_CHANNELS), name
        assert meaning.pose in ("", *EXPRESSIONS), name
        assert not (meaning.pose and meaning.channels), name


@pytest.mark.parametrize("scheme", NAMES)
def test_no_channel_is_made_twice(scheme):
    """What the sides of a face add up to is never more than the channel."""
    meanings = read_names(NAMES[scheme])
    sums = Counter()
    for name, channels in shared(meanings).items():
        for channel, value in channels.items():
            sums[channel, meanings[name].side, meanings[name].half] += abs(value)
    assert max(sums.values()) <= 1.0 + 1e-9, sums.most_common(3)


def test_the_scheme_that_knows_most_is_asked_first():
    assert channels_of("Smile") == {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}
    assert read_names(NAMES["MMD English"])["Smile"].pose == "joy"
    assert read_names(["Smile", "Blink", "Frown", "Jaw_Open"])["Smile"].channels


def test_an_exact_one_sided_key_goes_before_others():
    keys = ["Eye_Blink", "Eye_Blink_L", "Eye_Blink_R", "Jaw_Open"]
    assert shared(read_names(keys)) == {
        "Eye_Blink": {},
        "Eye_Blink_L": {"eyeBlinkLeft": 1.0},
        "Eye_Blink_R": {"eyeBlinkRight": 1.0},
        "Jaw_Open": {"jawOpen": 1.0},
    }
    one = shared(read_names(["Eye_Blink", "Jaw_Open"]))
    assert one["Eye_Blink"] == {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5}


def test_perfect_sync_beside_the_keys_of_vroid():
    made = shared(read_names([*NAMES["VRoid"], *NAMES["ARKit"]]))
    assert all(made[c] == {c: 1.0} for c in NAMES["ARKit"])
    assert not any(made[n] for n in NAMES["VRoid"])


def test_keys_that_are_the_same_share():
    made = shared(read_names(["Blink_L", "EyeBlink_L", "JawOpen"]))
    assert made["Blink_L"] == made["EyeBlink_L"] == {"eyeBlinkLeft": 0.5}


@pytest.mark.parametrize(
    ("name", "pose"),
    [("Fcl_ALL_Joy", "joy"), ("笑い", "joy"), ("facs_ctrl_Afraid", "fear")],
)
def test_whole_expressions_have_a_label(name, pose):
    assert read_names([name])[name].pose == pose
    assert channels_of(name) == {}


def test_what_is_not_of_the_face_is_said():
    names = ["Fcl_HA_Hide", "Ear_Up_L", "Fcl_EYE_Iris_Hide"]
    assert [read_names(names)[n].apart for n in names] == [True, True, False]
    assert read_names(NAMES["VRM 0"])["Angry"].pose == "anger"


@pytest.mark.parametrize("name", ["ear.R", "ear.R.001", "hair.R", "Bone|x.r"])
def test_a_side_behind_a_bone_is_no_viseme(name):
    assert channels_of(name) == {}
    assert channels_of("blendShape1.jawOpen") == {"jawOpen": 1.0}
