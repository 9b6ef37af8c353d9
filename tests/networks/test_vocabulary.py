"""The vocabulary is complete and consistent: every word once, every mirror mutual."""

import numpy as np
import pytest

from exprgen.networks import vocabulary as v
from exprgen.networks.footage import film_composer


def test_counts_are_the_fields():
    assert len(v.EXPRESSIONS) == 7
    assert len(v.LANDMARKS) == 49
    assert len(v.GEOMETRIC_FEATURES) == 9
    assert len(v.ARKIT_CHANNELS) == 52


def test_expression_colours_are_told_apart_and_readable_on_the_film():
    colours = np.array([v.EXPRESSION_COLOURS[e] for e in v.EXPRESSIONS], float)
    assert len(v.EXPRESSION_COLOURS) == len(v.EXPRESSIONS)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[~np.eye(7, dtype=bool)].min() > 60
    assert (
        (_luminance(colours) + 0.05) / (_luminance(np.array(film_composer.PANEL)) + 0.05)
    ).min() > 4


def _luminance(srgb: np.ndarray) -> np.ndarray:
    """Relative luminance (WCAG 2) of sRGB colours (..., 3) in 0-255."""
    share = srgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


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
