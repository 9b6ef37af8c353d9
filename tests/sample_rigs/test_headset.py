"""Simulated captures of cameras in a headset: what they show is what their truth says."""

import cv2
import numpy as np
import pytest
import torch

from exprgen.networks.errors import UsageError
from exprgen.networks.face_model.model import face_model
from exprgen.networks.models.headset import HeadsetNetwork
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.perception.headset import load_headset_reader
from exprgen.networks.training.shared.headset_lens import Cameras
from exprgen.networks.training.shared.headset_set import DEPTH_UNIT, HeadsetPerson
from exprgen.networks.vocabulary import ARKIT_INDEX, HEADSET_SIZE
from exprgen.sample_rigs.build import headset, headset_sheet
from exprgen.sample_rigs.build.headset_looks import draw_appearance, draw_headset, draw_light

STILL = (np.zeros(3), np.zeros(3))


@pytest.fixture(scope="module")
def sitter():
    return headset.Sitter(face_model(), np.zeros(face_model().identities))


@pytest.fixture(scope="module")
def session():
    rng = np.random.default_rng(0)
    return headset.Session(draw_headset(rng, 0.0), draw_light(rng, 0.0), draw_appearance(rng))


def shown(sitter, session, view, **channels):
    arkit = np.zeros(52)
    for name, value in channels.items():
        arkit[ARKIT_INDEX[name]] = value
    scene = headset.Scene.of(sitter, arkit, STILL, session.look)
    return headset.draw_view(scene, session, view, np.random.default_rng(1))


def test_each_camera_sees_its_own_part(sitter, session):
    for view, own in enumerate(("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")):
        still = shown(sitter, session, view)[0].astype(int)
        assert still.std() > 20
        moved = np.abs(shown(sitter, session, view, **{own: 1.0})[0].astype(int) - still).mean()
        others = {"eyeBlinkLeft", "eyeBlinkRight", "jawOpen"} - {own}
        beside = {n: 1.0 for n in others if "eye" in n or "eye" not in own}
        strange = np.abs(shown(sitter, session, view, **beside)[0].astype(int) - still).mean()
        assert moved > 4 * strange


def test_distances_are_those_of_the_face(sitter, session):
    _, far = shown(sitter, session, 2)
    camera = Cameras.of(session.headset.cameras.rows[2])
    hit = far > 0
    assert 0.3 < hit.mean() < 1
    rays = camera.rays(HEADSET_SIZE).reshape(HEADSET_SIZE, HEADSET_SIZE, 3)
    places = (rays * far[..., None])[hit] @ camera.rotation + camera.position
    away = np.linalg.norm(places[::9, None] - sitter.rest[None], axis=-1).min(1)
    assert np.median(away) < 3
    assert far.max() < 255 * DEPTH_UNIT


def test_what_is_made_is_whole_and_made_once(tmp_path):
    s = headset.HeadsetSettings(people=1, val_people=1, each=7, changed=0, again=9)
    sheet = headset.build_headset(tmp_path, s, say=lambda text: None)
    assert sheet.is_file()
    first = tmp_path / "person_train_000.npz"
    person, written = HeadsetPerson.load(first), first.stat().st_mtime_ns
    assert person.split == "train"
    assert len(person) == 7
    assert person.neutral.sum() == headset.NEUTRALS
    assert not person.truth[person.neutral == 1].any()
    other = HeadsetPerson.load(tmp_path / "person_val_000.npz")
    assert np.bincount(other.change).tolist() == [9, 7, 7, 7, 7]
    # A blink at 1 moves what is measured around the eyes by millimetres, and the mouth by none.
    eyes, mouth = person.region & 2 > 0, person.region & 4 > 0
    blink = np.linalg.norm(person.moves[ARKIT_INDEX["eyeBlinkLeft"]], axis=1)
    assert blink[eyes].max() > 4 > 1 > blink[mouth].max()
    headset.build_headset(tmp_path, s, say=lambda text: None)
    assert first.stat().st_mtime_ns == written
    with pytest.raises(UsageError):
        headset.HeadsetSettings(each=headset.NEUTRALS)
    with pytest.raises(UsageError):
        headset.HeadsetSettings(again=headset.NEUTRALS)


def test_somebody_never_seen_is_read_by_the_network_that_ships():
    s = headset.HeadsetSettings(people=1, each=50, changed=0, seed=77)
    person = headset.capture(s, 0, "train")
    reader = load_headset_reader()
    still, shown = (np.flatnonzero(person.neutral == k) for k in (1, 0))
    neutral = np.median(reader.codes(person.pictures[still]), axis=0)
    answer = reader.coefficients(reader.codes(person.pictures[shown]), neutral)
    for name, least in (("jawOpen", 0.7), ("eyeBlinkLeft", 0.85), ("eyeBlinkRight", 0.85)):
        column = ARKIT_INDEX[name]
        assert np.corrcoef(answer[:, column], person.truth[shown, column])[0, 1] > least
    off = person.errors(answer, shown).mean()
    assert off < 0.8 * person.errors(np.zeros_like(answer), shown).mean()


def test_one_expression_on_several_people(tmp_path):
    s = headset.HeadsetSettings(people=2, val_people=1, each=9, changed=0)
    headset.build_headset(tmp_path, s, say=lambda text: None)
    torch.manual_seed(0)
    network, sheet = tmp_path / "headset.safetensors", tmp_path / "sheet.png"
    save_network(network, HeadsetNetwork().eval(), WeightsInfo("headset"))
    words = ["--data", str(tmp_path), "--network", str(network), "--out", str(sheet)]
    assert headset_sheet.main([*words, "--rows", "2", "--others", "2"]) == 0
    picture = cv2.imread(str(sheet))
    assert picture.shape[:2] == (2 * headset_sheet.SIDE, 7 * headset_sheet.SIDE)
    assert picture.std() > 20
    code = headset_sheet.main([*words[:3], str(tmp_path / "none.safetensors"), *words[4:]])
    assert code != 0
