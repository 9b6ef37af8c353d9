"""Retrieval finds the same label with the nearest geometry, and mirrors are mirrors."""

import numpy as np
import pytest

from exprgen.networks.characters.profile import arkit_to_unit
from exprgen.networks.training.shared.matching import (
    ArkitScale,
    Described,
    DomainScale,
    MatchSettings,
    Mirror,
    match_units,
    mirrored_columns,
    pair_characters,
    perceptual_distances,
    retrieve,
    spread_report,
    squared_distances,
)
from exprgen.networks.vocabulary import (
    ARKIT_CHANNELS,
    ARKIT_INDEX,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
    NEUTRAL,
)
from exprgen.tests.support import trainings

JOY, ANGER = EXPRESSIONS.index("joy"), EXPRESSIONS.index("anger")


def described(count, seed=0):
    rng = np.random.default_rng(seed)
    return Described(rng.normal(size=(count, 9)), rng.random((count, 52)))


def certain(labels):
    return np.eye(7)[labels]


def test_domains_meet_at_neutral():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 400)
    human = rng.normal(0.2, 0.02, (400, 9)) + 0.05 * (labels == JOY)[:, None]
    doll = 3 * human + 0.4
    a, b = DomainScale.of(human, labels), DomainScale.of(doll, labels)
    assert np.allclose(a.normalise(human), b.normalise(doll), atol=1e-6)
    assert np.allclose(a.convert(human, b), doll, atol=1e-6)
    assert np.abs(np.median(a.normalise(human)[labels == NEUTRAL], axis=0)).max() < 1e-9


def test_arkit_scale_lifts_weak_channels_but_not_noise():
    labels = np.repeat([NEUTRAL, JOY], 200)
    arkit = np.zeros((400, 52))
    arkit[:200, 0], arkit[200:, 0] = 0.1, 0.5
    arkit[::7, 1] = 0.01
    weights = ArkitScale.of(arkit, labels).weights(arkit)
    assert weights[:200, 0].max() == 0
    assert weights[200:, 0].min() == pytest.approx(1)
    assert weights[:, 1].max() <= 0.051


@pytest.mark.parametrize("settings", [MatchSettings.paper(), MatchSettings(neighbours=1)])
def test_retrieval_is_same_label_then_nearest(settings):
    poses = described(60)
    labels = np.arange(60) % 7
    faces = Described(poses.geometry + 0.01, poses.arkit)
    distances = squared_distances(faces, poses, settings)
    best, weights = retrieve(distances, certain(labels), labels, settings)
    assert (best[:, 0] == np.arange(60)).all()
    assert (weights == 1).all()
    # Another label: never its own twin, always the nearest of that label.
    wanted = (labels + 1) % 7
    best, _ = retrieve(distances, certain(wanted), labels, settings)
    assert (labels[best[:, 0]] == wanted).all()
    for row in range(5):
        same = np.flatnonzero(labels == wanted[row])
        assert best[row, 0] == same[distances[row, same].argmin()]


def test_unlabelled_poses_are_never_retrieved():
    poses = described(20)
    labels = np.where(np.arange(20) < 10, -1, JOY)
    settings = MatchSettings()
    best, _ = retrieve(
        squared_distances(poses, poses, settings), certain([JOY] * 20), labels, settings
    )
    assert (best[:, 0] >= 10).all()


def test_votes_choose_between_labels():
    labels = np.array([JOY, ANGER])
    chances = np.zeros((1, 7))
    chances[0, [JOY, ANGER]] = 0.8, 0.2
    settings = MatchSettings(neighbours=2)
    best, weights = retrieve(np.full((1, 2), 1.0), chances, labels, settings)
    assert dict(zip(labels[best[0]], weights[0], strict=True))[JOY] == pytest.approx(0.8)


def test_refinement_moves_towards_the_face(tmp_path):
    controls = trainings.write_profile(tmp_path).expression_controls
    face, pose = np.zeros((1, 52)), np.zeros((1, 52))
    face[0, ARKIT_INDEX["jawOpen"]], pose[0, ARKIT_INDEX["jawOpen"]] = 0.8, 0.2
    units = arkit_to_unit(controls, pose)
    for refine, expected in ((0.0, 0.2), (0.5, 0.5), (1.0, 0.8)):
        found = match_units(
            Described(np.zeros((1, 9)), face),
            certain([JOY]),
            Described(np.zeros((1, 9)), pose),
            np.array([JOY]),
            units,
            controls,
            MatchSettings(refine=refine),
        )
        assert found[0, 2] == pytest.approx(expected, abs=1e-6)


def test_character_pairs():
    a = described(30)
    b = Described(a.geometry[::-1] + 0.001, a.arkit[::-1])
    labels = np.arange(30) % 7
    settings = MatchSettings()
    assert (pair_characters(a, labels, b, labels[::-1], settings) == np.arange(30)[::-1]).all()
    # Unseen secondary: the two likeliest labels, combined distance.
    chances = np.full((30, 7), 0.01)
    chances[:, JOY], chances[:, ANGER] = 0.6, 0.3
    found = pair_characters(a, labels, b, labels, settings, chances, np.zeros((30, 30)))
    assert set(labels[found]) <= {JOY, ANGER}
    same = perceptual_distances(chances, 2 * chances)
    assert np.allclose(same, 0, atol=1e-3)


def test_mirror(tmp_path):
    profile = trainings.write_profile(tmp_path)
    mirror = Mirror.of(profile.expression_controls)
    units = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
    assert mirror.units(units).tolist() == pytest.approx([0.2, 0.1, 0.3, -0.4, 0.5])
    assert np.allclose(mirror.units(mirror.units(units)), units)
    # Mirroring the ARKit vector and mapping it is mapping it and mirroring the units.
    arkit = np.random.default_rng(0).random((20, 52)) * 0.5
    columns = mirrored_columns(ARKIT_CHANNELS)
    controls = profile.expression_controls
    assert np.allclose(
        arkit_to_unit(controls, arkit[:, columns]), mirror.units(arkit_to_unit(controls, arkit))
    )
    assert (columns[columns] == np.arange(52)).all()
    names = [GEOMETRIC_FEATURES[i] for i in mirrored_columns(GEOMETRIC_FEATURES)]
    assert names[:2] == ["brow_height_right", "brow_height_left"]


def test_spread_report():
    posed = np.random.default_rng(0).normal(size=(200, 3))
    predicted = posed * [1.0, 0.5, 0.1]
    report = spread_report(predicted, posed, ("a", "b", "c"))
    assert report == {"spread": pytest.approx(0.5), "flattest": "c 0.10"}
