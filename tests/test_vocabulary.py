"""The vocabulary is complete and consistent: every word once, every mirror mutual."""

import pytest

from exprgen.networks import vocabulary as v


def test_counts_are_the_fields():
    assert len(v.EXPRESSIONS) == 7
    assert len(v.LANDMARKS) == 49
    assert len(v.GEOMETRIC_FEATURES) == 9
    assert len(v.ARKIT_CHANNELS) == 52


def test_every_landmark_is_another_mesh_point():
    points = list(v.LANDMARKS.values())
    assert len(set(points)) == len(points)
    assert all(0 <= p < 468 for p in points)


@pytest.mark.parametrize("words", [v.ARKIT_CHANNELS, v.GEOMETRIC_FEATURES, v.ROLES])
def test_mirrors_are_mutual_and_known(words):
    for word in words:
        partner = v.mirror_name(word)
        if not word.startswith(("jaw", "mouthLeft", "mouthRight", "head")):
            assert partner in words, word
        assert v.mirror_name(partner) == word


def test_landmark_groups_match_the_markup():
    groups = {"brow": 10, "nose": 9, "nostril": 0, "eye": 12, "mouth": 2, "lip": 16}
    counted = dict.fromkeys(groups, 0)
    for name in v.LANDMARK_NAMES:
        counted[name.split("_")[0]] += 1
    assert counted["brow"] == 10
    assert counted["nose"] + counted["nostril"] == 9
    assert counted["eye"] == 12
    assert counted["mouth"] + counted["lip"] == 18


def test_landmark_mirrors_are_mutual():
    for name in v.LANDMARK_NAMES:
        partner = v.mirror_landmark(name)
        assert partner in v.LANDMARKS, name
        assert v.mirror_landmark(partner) == name
    assert v.mirror_landmark("eye_right_top_1") == "eye_left_top_2"
    assert v.mirror_landmark("lip_top_inner_2") == "lip_top_inner_2"
