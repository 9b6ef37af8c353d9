"""What a capture draws, and that pictures show it. The made-up character stands for any."""

import json
from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.studio import ced_capture, ced_poses, face_studio, render_processes
from exprgen.exprgen_addon.studio.face_studio import FaceStudio, StudioSettings
from exprgen.exprgen_addon.studio.look import Look
from exprgen.exprgen_addon.studio.render_processes import Shots
from exprgen.networks.characters.profile import arkit_to_unit, clamp, sample_characters, to_unit
from exprgen.networks.errors import InputError, OutputError, UsageError
from exprgen.networks.track import load_arrays
from exprgen.networks.tracking.registration import geometric_features
from exprgen.networks.vocabulary import ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from exprgen.tests.support import synthetic

TINY = StudioSettings(size=48, samples=1)
CHARACTERS = [*sample_characters(), synthetic.profile("ann")]


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """The made-up character, on disk."""
    return synthetic.build(tmp_path_factory.mktemp("characters"), "ann")


def by_name(characters):
    return pytest.mark.parametrize("profile", characters, ids=lambda p: p.name)


@by_name(CHARACTERS)
def test_a_draw_depends_on_seed_and_index_alone(profile):
    whole = ced_poses.draw_samples(profile, 3, range(30))
    part = ced_poses.draw_samples(profile, 3, [21, 4])
    for name, column in vars(part).items():
        np.testing.assert_array_equal(column, getattr(whole, name)[[21, 4]], err_msg=name)
    other = ced_poses.draw_samples(profile, 4, range(30))
    assert not np.array_equal(whole.values, other.values)


@by_name(CHARACTERS)
def test_draws_stay_inside_the_limits_and_units_say_what_is_shown(profile):
    samples = ced_poses.draw_samples(profile, 0, range(100))
    assert np.abs(samples.units).max() <= 1.0
    np.testing.assert_allclose(clamp(profile.controls, samples.values), samples.values, atol=1e-6)
    columns = [profile.names.index(c.name) for c in profile.expression_controls]
    shown = to_unit(profile.controls, samples.values)[:, columns]
    np.testing.assert_allclose(shown, samples.units, atol=1e-4)
    assert samples.arkit.min() >= 0
    assert samples.arkit.max() <= 1


def test_what_only_turns_its_head_is_drawn_too():
    whole = synthetic.profile("ann")
    turns = tuple(c for c in whole.controls if c.output != "expression")
    alone = replace(whole, controls=turns, key_poses=())
    samples = ced_poses.draw_samples(alone, 0, range(40))
    assert samples.units.shape == (40, 0)
    assert np.ptp(samples.values, axis=0).max() > 0


@pytest.mark.parametrize("profile", sample_characters(), ids=lambda p: p.name)
def test_classes_are_balanced_and_a_third_has_none(profile):
    samples = ced_poses.draw_samples(profile, 0, range(300))
    balance = ced_poses.class_balance(samples.label)
    assert sum(balance.values()) == 300
    assert balance["unlabelled"] == 90
    assert all(20 <= balance[name] <= 30 for name in EXPRESSIONS if name != "neutral")
    weak = samples.intensity < ced_poses.WEAK
    assert (samples.label[weak & (samples.label >= 0)] == NEUTRAL).all()


@pytest.mark.parametrize("profile", sample_characters(), ids=lambda p: p.name)
def test_intended_arkit_explains_the_units(profile):
    samples = ced_poses.draw_samples(profile, 1, range(100))
    expressive = arkit_to_unit(profile.expression_controls, samples.arkit)
    assert np.abs(expressive - samples.units).mean() < 0.03


def test_arkit_is_recovered_exactly_where_controls_are_channels():
    controls = synthetic.profile("ann").expression_controls
    wanted = np.zeros((1, len(ARKIT_INDEX)))
    wanted[0, ARKIT_INDEX["jawOpen"]] = 0.7
    found = ced_poses.arkit_from_unit(controls, arkit_to_unit(controls, wanted))
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_head_that_can_not_turn_is_seen_from_elsewhere():
    still = synthetic.profile("ann")
    still = replace(still, controls=still.expression_controls)
    samples = ced_poses.draw_samples(still, 0, range(40))
    orbits = np.array([Look.from_row(row).orbit for row in samples.looks])
    np.testing.assert_allclose(orbits, samples.head, atol=1e-6)
    assert np.abs(orbits).max() > 0.05


def test_looks_survive_as_rows():
    look = Look(zoom=1.2, shift=(0.1, -0.1), orbit=(0.1, 0.2, 0.3))
    assert Look.from_row(look.to_row()) == look


def test_a_picture_changes_with_a_control_and_with_the_light(ann):
    before_scenes = _scenes()
    with FaceStudio(ann, TINY) as studio:
        rest = studio.render()
        assert rest.shape == (48, 48, 3)
        assert rest.dtype == np.uint8
        assert np.array_equal(rest, studio.render())
        units = np.zeros(len(ann.expression_controls))
        units[1] = 1.0
        studio.pose_units(units)
        assert not np.array_equal(rest, studio.render())
        studio.pose_units(units * 0)
        assert np.array_equal(rest, studio.render())
        studio.look(Look(key_azimuth=1.0, background=(0.5, 0.1, 0.1)))
        assert np.abs(rest.astype(int) - studio.render()).mean() > 2
    assert _scenes() == before_scenes


def test_camera_and_head_agree_on_left_and_up(ann):
    """Turning the head and moving the camera the other way show the same side of the face."""
    with FaceStudio(ann, TINY) as studio:
        studio.look(Look(orbit=(0.3, 0.0, 0.0)))  # a head that nods is seen from above
        above = studio.camera.matrix_world.translation.z
        studio.look(Look(orbit=(0.0, 0.3, 0.0)))  # one that turns to its left, from its right
        aside = studio.camera.matrix_world.translation.x
    assert above > ann.framing.center[2] + 0.1
    assert aside < -0.1


def test_capture_can_be_repeated_resumed_and_enlarged(ann, tmp_path):
    first = ced_capture.capture_ced(ann, tmp_path, 4, seed=5, processes=0, settings=TINY)
    assert (first["done"], first["rendered"]) == (4, 4)
    pictures = tmp_path / "ann" / "images"
    old = (pictures / "000002.png").read_bytes()
    (pictures / "000002.png").unlink()
    again = ced_capture.capture_ced(ann, tmp_path, 6, seed=5, processes=2, settings=TINY)
    assert (again["done"], again["rendered"]) == (6, 3)
    assert _pixels(pictures / "000002.png") == pytest.approx(_pixels_of(old, tmp_path), abs=2)
    with np.load(tmp_path / "ann" / "samples.npz") as f:
        assert f["units"].shape == (6, len(ann.expression_controls))
        assert f["arkit"].shape == (6, 52)
        assert f["head"].shape == (6, 3)
        assert f["label"].dtype.kind == "i"
        assert f["intensity"].shape == (6,)
    manifest = json.loads((tmp_path / "ann" / "manifest.json").read_text())
    assert manifest["seed"] == 5
    assert sum(manifest["classes"].values()) == 6
    assert not list(pictures.glob(".*"))


def test_a_folder_of_another_seed_is_refused(ann, tmp_path):
    ced_capture.capture_ced(ann, tmp_path, 1, seed=1, processes=0, settings=TINY)
    with pytest.raises(OutputError, match="another seed"):
        ced_capture.capture_ced(ann, tmp_path, 1, seed=2, processes=0, settings=TINY)


def test_a_stop_keeps_what_is_made(ann, tmp_path):
    made = []
    manifest = ced_capture.capture_ced(
        ann, tmp_path, 5, processes=0, settings=TINY,
        progress=lambda done, total: made.append(done), stop=lambda: len(made) >= 2,
    )  # fmt: skip
    assert manifest["done"] == 2


@pytest.fixture(scope="module")
def marked(ann, tmp_path_factory):
    """The made-up character with landmarks, saved beside a copy of its .blend."""
    made = synthetic.build(tmp_path_factory.mktemp("marked"), "ann")
    made = synthetic.with_landmarks(made)
    made.save(made.path)
    return made


def test_rows_tell_their_landmarks(marked, tmp_path):
    """Pixels, features and camera of each row, the same whatever the number of processes."""
    first = ced_capture.capture_ced(marked, tmp_path / "a", 4, seed=5, processes=0, settings=TINY)
    again = ced_capture.capture_ced(marked, tmp_path / "b", 4, seed=5, processes=2, settings=TINY)
    assert first["landmarks"]
    assert ced_capture.is_complete(first)
    assert first["rejected"] == again["rejected"]
    meta, a = load_arrays(tmp_path / "a" / "ann" / "samples.npz", ced_capture.CED_KIND)
    _, b = load_arrays(tmp_path / "b" / "ann" / "samples.npz", ced_capture.CED_KIND)
    for name in ("landmarks", "geometry", "camera", "rejected", "values"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-3, err_msg=name)
    np.testing.assert_allclose(a["geometry"], geometric_features(a["landmarks"]), atol=1e-4)
    with FaceStudio(marked, TINY) as studio:
        studio.look(Look.from_row(a["looks"][2]))
        studio.pose(a["values"][2])
        np.testing.assert_allclose(studio.landmarks(), a["landmarks"][2], atol=0.01)
        np.testing.assert_allclose(studio.camera_matrix(), a["camera"][2], atol=1e-6)
    assert meta["anchors"] == ced_capture.anchors_digest(marked)


def test_useless_rows_are_counted_and_not_rendered(marked, tmp_path, monkeypatch):
    reasons = iter(["lips inverted", "", "face hidden"])
    monkeypatch.setattr(face_studio, "fault", lambda *_: next(reasons))
    made = ced_capture.capture_ced(marked, tmp_path, 3, seed=5, processes=0, settings=TINY)
    assert (made["done"], made["rendered"]) == (1, 1)
    assert made["rejected"]["lips inverted"] == made["rejected"]["face hidden"] == 1
    assert sum(made["classes"].values()) == 1
    assert ced_capture.is_complete(made)
    again = ced_capture.capture_ced(marked, tmp_path, 3, seed=5, processes=0, settings=TINY)
    assert (again["done"], again["rendered"]) == (1, 0)
    assert again["rejected"] == made["rejected"]
    assert [c["file"][-10:] for c in ced_capture.sheet_cells(tmp_path / "ann")] == ["000001.png"]


def test_a_capture_from_before_its_landmarks_is_measured_not_rendered(marked, tmp_path):
    bare = replace(marked, landmarks={}, path=marked.path)
    old = ced_capture.capture_ced(bare, tmp_path, 3, seed=5, processes=0, settings=TINY)
    assert not old["landmarks"]
    stamps = [p.stat().st_mtime_ns for p in sorted((tmp_path / "ann" / "images").iterdir())]
    new = ced_capture.capture_ced(marked, tmp_path, 3, seed=5, processes=0, settings=TINY)
    assert new["rendered"] == 0
    assert new["landmarks"]
    if not any(new["rejected"].values()):
        now = [p.stat().st_mtime_ns for p in sorted((tmp_path / "ann" / "images").iterdir())]
        assert now == stamps
    _, samples = load_arrays(tmp_path / "ann" / "samples.npz", ced_capture.CED_KIND)
    assert np.isfinite(samples["landmarks"]).all()


def test_the_training_registers_by_the_projected_landmarks(marked, tmp_path, monkeypatch):
    """No face is looked for; rejected rows get no face and belong to neither split."""
    from exprgen.networks.training import ced
    from exprgen.networks.training.shared import datasets, sets

    reasons = iter(["", "face hidden", ""])
    monkeypatch.setattr(face_studio, "fault", lambda *_: next(reasons))
    monkeypatch.setattr(ced, "FaceDetector", None)
    ced_capture.capture_ced(marked, tmp_path, 3, seed=5, processes=0, settings=TINY)
    assert ced.prepare_character(tmp_path / "ann") == 1.0
    posed = datasets.load_ced(tmp_path, "ann")
    _, samples = load_arrays(tmp_path / "ann" / "samples.npz", ced_capture.CED_KIND)
    assert posed.found.tolist() == [True, False, True]
    assert posed.split[1] == sets.REJECTED
    assert posed.labels[1] == -1
    np.testing.assert_allclose(posed.geometry[0], samples["geometry"][0], atol=1e-6)
    assert posed.faces[0].std() > 0
    assert posed.faces[1].max() == 0


def test_poses_alone_are_all_that_a_character_network_learns_from(marked, tmp_path):
    """No picture is made, and the set is the one that pictures would have given."""
    from exprgen.networks.training import ced
    from exprgen.networks.training.shared import datasets

    def capture(folder, **more):
        return ced_capture.capture_ced(
            marked, folder, 4, seed=5, processes=0, settings=TINY, **more
        )

    bare, drawn = capture(tmp_path / "a", pictures=False), capture(tmp_path / "b")
    assert not list((tmp_path / "a" / "ann" / "images").iterdir())
    assert ced_capture.is_complete(bare)
    assert (bare["done"], bare["rejected"]) == (drawn["done"], drawn["rejected"])
    ced.prepare_character(tmp_path / "b" / "ann")
    a, b = datasets.load_poses(tmp_path / "a", "ann"), datasets.load_ced(tmp_path / "b", "ann")
    assert a.split.tolist() == b.split.tolist()
    for name in ("units", "labels", "geometry", "intended", "arkit", "found"):
        one, other = (getattr(s, name).astype(float) for s in (a, b))
        np.testing.assert_allclose(one, other, atol=1e-5, err_msg=name)
    again = capture(tmp_path / "a")
    assert (again["done"], again["rendered"]) == (drawn["done"], drawn["rendered"])
    with pytest.raises(InputError, match="has no landmarks"):
        ced_capture.capture_ced(
            replace(marked, landmarks={}, path=marked.path), tmp_path / "c", 4, pictures=False
        )


def test_stills_go_by_character_and_name(ann, tmp_path):
    track = synthetic.rig_track(ann, frames=2)
    paths = render_processes.render_stills(ann, track, tmp_path, ["a", "b"], 64, processes=0)
    assert paths == [tmp_path / "ann" / "a.png", tmp_path / "ann" / "b.png"]
    assert _pixels(paths[0]).size == 64 * 64 * 3
    with pytest.raises(UsageError, match="2 pictures but 1 names"):
        render_processes.render_stills(ann, track, tmp_path, ["a"], 64)


def test_errors_cross_the_process(ann, tmp_path):
    lost = replace(ann, path=tmp_path / "lost.json")
    lost.save(lost.path)
    values = np.array([[c.rest for c in ann.controls]])
    shots = Shots(values, Look().to_row()[None], [tmp_path / "a.png"])
    with pytest.raises(InputError, match=r"lost\.blend"):
        render_processes.render_shots(lost, shots, TINY, processes=1)


def test_unreachable_places_and_silly_sizes(ann, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="can't be written"):
        ced_capture.capture_ced(ann, tmp_path / "file", 1, processes=0)
    with pytest.raises(UsageError, match="16 to 4096"):
        StudioSettings(size=4)
    with pytest.raises(UsageError, match="count above 0"):
        ced_capture.capture_ced(ann, tmp_path, 0)


def _scenes() -> list[str]:
    import bpy

    return [s.name for s in bpy.data.scenes]


def _pixels(path) -> np.ndarray:
    import cv2

    return cv2.imread(str(path)).astype(int).ravel()


def _pixels_of(data: bytes, folder) -> np.ndarray:
    path = folder / "old.png"
    path.write_bytes(data)
    return _pixels(path)


def test_a_stop_ends_the_processes_and_leaves_no_fragments(ann, tmp_path):
    values = np.tile([c.rest for c in ann.controls], (200, 1))
    looks = np.tile(Look().to_row(), (200, 1))
    paths = [tmp_path / f"{i}.png" for i in range(200)]
    made = []
    count = render_processes.render_shots(
        ann, Shots(values, looks, paths), StudioSettings(size=64, samples=1), processes=1,
        progress=lambda done, total: made.append(done), stop=lambda: bool(made),
    )  # fmt: skip
    assert 0 < count < 200
    assert all(_pixels(p).size for p in tmp_path.iterdir())
    assert not list(tmp_path.glob(".*"))
