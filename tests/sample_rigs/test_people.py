"""Synthetic people: drawn the same each time, labelled by their poses, learned from as such."""

import csv
import sys

import numpy as np
import pytest

from exprgen.networks.characters.profile import arkit_to_unit, find_character
from exprgen.networks.errors import InputError, ModelError
from exprgen.networks.models.weights_io import WeightsInfo, load_network, save_network
from exprgen.networks.training import cnn_3d, coefficients, hcnn, hed
from exprgen.networks.training.shared import mixing
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.training.shared.sets import FaceSet
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS
from exprgen.sample_rigs.build import source
from exprgen.sample_rigs.build.people import PeopleSettings, draw, person, votes
from exprgen.tests.support import trainings


def test_a_person_is_the_same_each_time_and_like_no_other():
    first = [person(0, number) for number in range(12)]
    assert first == [person(0, number) for number in range(12)]
    assert len({p.palette.skin for p in first}) > 8
    assert len({p.phenotypes["age"] for p in first}) == 12
    assert first[0] != person(1, 0)
    for p in first:
        assert p.local["l-cheek-volume-incr"] == p.local["r-cheek-volume-incr"]
        assert all(len(color) == 7 for color in vars(p.palette).values())


def test_without_anny_the_build_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "anny", None)  # as if it were not installed
    source._model.cache_clear()
    with pytest.raises(ModelError, match=r"lacks the package anny\. Fix: pip install -e") as caught:
        source.rest_vertices({}, {})
    assert '".[build]"' in caught.value.fix
    with pytest.raises(ModelError):
        source._dump(tmp_path / "anny_head.npz")
    assert not any(tmp_path.iterdir())


def test_votes_follow_the_intensity():
    joy, neutral = EXPRESSIONS.index("joy"), EXPRESSIONS.index("neutral")
    rows = [votes(joy, x) for x in (0.2, 0.4, 0.6, 1.0)]
    assert [sum(row) for row in rows] == [10] * 4
    assert [row[joy] for row in rows] == sorted(row[joy] for row in rows)
    assert rows[-1][joy] == 10
    assert rows[0][neutral] > 0
    assert votes(neutral, 1.0)[neutral] == 10


def test_pictures_of_a_person_are_labelled_and_repeatable():
    profile, s = find_character("tobi"), PeopleSettings(pictures=21)
    one, again, other = draw(profile, s, 3), draw(profile, s, 3), draw(profile, s, 4)
    assert len(one) == 21
    assert (one.label >= 0).all()
    assert np.bincount(one.label, minlength=7).min() >= 1
    np.testing.assert_array_equal(one.values, again.values)
    np.testing.assert_array_equal(one.looks, again.looks)
    assert not np.array_equal(one.values, other.values)
    more = draw(profile, PeopleSettings(pictures=30), 3)
    np.testing.assert_array_equal(more.values[:21], one.values)


def table(path, rows):
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, ["file", "label", *ARKIT_CHANNELS])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_may_say_how_faces_were_posed(tmp_path):
    weights = dict.fromkeys(ARKIT_CHANNELS, 0.25)
    path = table(tmp_path / "own.csv", [{"file": "a.png", "label": "joy"} | weights])
    assert hed.list_items(path)[0].posed == (0.25,) * len(ARKIT_CHANNELS)
    path = table(tmp_path / "own.csv", [{"file": "a.png", "label": "joy"}])
    with pytest.raises(InputError, match="row 2 has an ARKit weight that is no number"):
        hed.list_items(path)
    path = table(
        tmp_path / "own.csv", [{"file": "a.png", "label": "joy"} | weights | {"jawOpen": 3}]
    )
    with pytest.raises(InputError, match="row 2 has an ARKit weight outside"):
        hed.list_items(path)


def rendered(count, seed):
    """Drawn faces that know how they were posed."""
    drawn = synthetic_faces(count, seed)
    columns = (drawn.faces, drawn.targets, drawn.split, drawn.geometry, drawn.arkit * 0.5, "drawn")
    return FaceSet(*columns, posed=drawn.arkit)


def test_batches_hold_their_share_of_each_set(monkeypatch):
    monkeypatch.setattr(mixing, "load_faces", lambda _: rendered(70, 5))
    alone = mixing.pools(synthetic_faces(70), 0.5)
    assert len(alone) == 1
    assert mixing.held_out(alone) is None
    parts = mixing.pools(synthetic_faces(70), 0.5, "people", 0.25)
    rng = np.random.default_rng(0)
    counts = np.array([[len(rows) for rows in mixing.draw(parts, 40, rng)] for _ in range(200)])
    assert (counts.sum(1) == 40).all()
    assert counts.mean(0)[1] == pytest.approx(10, abs=0.7)
    prior = mixing.prior(parts)
    assert prior.sum() == pytest.approx(1)
    drawn = np.concatenate(
        [
            p.data.targets[p.rows[k]]
            for p, k in zip(parts, mixing.draw(parts, 9000, rng), strict=True)
        ]
    )
    np.testing.assert_allclose(drawn.mean(0), prior, atol=0.02)


def test_classifiers_learn_from_people_and_are_measured_on_others(tmp_path, monkeypatch):
    monkeypatch.setattr(mixing, "load_faces", lambda _: rendered(140, 5))
    out = str(tmp_path / "hcnn.safetensors")
    s = hcnn.HcnnSettings("drawn:70", out, sizes="32:2000:0.003", batch=25, people="people")
    metrics = hcnn.train(s).metrics
    assert metrics["posed accuracy"] > 0.3
    card = (tmp_path / "hcnn.md").read_text()
    assert "synthetic people" in card
    assert "--people" in card
    monkeypatch.setattr(coefficients, "load_faces", lambda _: synthetic_faces(140))
    monkeypatch.setattr(coefficients, "subjects_of", lambda _: np.full(140, ""))
    reader = str(tmp_path / "reader.safetensors")
    s = coefficients.CoefficientSettings("drawn", reader, out, epochs=8, people="people")
    coefficients.train(s)
    metrics = load_network(reader)[1].training["metrics"]
    assert metrics["posed accuracy"] > 0.5
    assert "joint accuracy" in metrics


@pytest.fixture
def room(tmp_path):
    profile = trainings.write_profile(tmp_path)
    trainings.write_ced(tmp_path / "ced", profile)
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, input_size=64)
    from exprgen.networks.models.perceptual import hcnn as network

    save_network(tmp_path / "hcnn.safetensors", network(), info)
    return tmp_path


def rig_settings(room, **changes):
    names = ("ced", "doll.json", "hcnn.safetensors", "rig.safetensors")
    ced, doll, init, out = (str(room / name) for name in names)
    values = {"variants": 2, "epochs": 80, "humans": 140, "people": "people"} | changes
    return cnn_3d.RigSettings("drawn", ced, doll, init, out, **values)


def test_the_rig_regressor_learns_the_very_pose(room, monkeypatch):
    """Known poses are met, though the tracker sees only half of them."""
    humans = synthetic_faces(140, 7)
    monkeypatch.setattr(
        cnn_3d, "load_faces", lambda name: rendered(140, 8) if name == "people" else humans
    )
    metrics = cnn_3d.train(rig_settings(room)).metrics
    assert metrics["people"] > 0.6
    shop = cnn_3d.Workshop(rig_settings(room))
    pairs = shop.people_pairs()
    wanted = arkit_to_unit(shop.controls, rendered(140, 8).posed)
    np.testing.assert_allclose(pairs.units, wanted, atol=1e-6)


def test_people_without_poses_are_refused(room, monkeypatch):
    monkeypatch.setattr(cnn_3d, "load_faces", lambda _: synthetic_faces(70))
    with pytest.raises(InputError, match="does not say how its faces were posed"):
        cnn_3d.train(rig_settings(room))
