"""Landmarks on a character: anchors follow the mesh, points by hand, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.characters import landmark_anchors, landmark_points
from exprgen.exprgen_addon.characters.landmark_anchors import FaceAnchors, project
from exprgen.exprgen_addon.characters.landmark_points import warp_template
from exprgen.exprgen_addon.studio import (
    ced_capture,
    face_studio,
    landmark_finding,
    picture_check,
    skin_rays,
)
from exprgen.exprgen_addon.studio.face_studio import FaceStudio, StudioSettings
from exprgen.exprgen_addon.studio.look import Look
from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.perception import character_pictures
from exprgen.networks.tracking.registration import average_face, geometric_features
from exprgen.networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES
from exprgen.tests.support import synthetic

TINY = StudioSettings(size=64, samples=1)


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """The made-up character with landmarks on its sphere, saved."""
    made = synthetic.with_landmarks(synthetic.build(tmp_path_factory.mktemp("characters"), "ann"))
    made.save(made.path)
    return load_profile(made.path)


@pytest.fixture
def small_views(monkeypatch):
    """Where a stand-in looks, pictures need not be large."""
    monkeypatch.setattr(landmark_finding, "VIEW_SIZE", 64)


def full(profile, **values) -> np.ndarray:
    return face_studio.full_values(profile, list(values), list(values.values()))


def test_anchors_follow_keys_and_bones(ann):
    """A landmark on a vertex goes wherever the evaluated vertex goes."""
    head = "ann face"
    on_vertex = replace(next(iter(ann.landmarks.values())), object=head, weights=(1.0, 0.0, 0.0))
    moving = {**ann.landmarks, "nose_tip": replace(on_vertex, vertices=(1, 2, 3))}
    with FaceStudio(replace(ann, landmarks=moving), TINY) as studio:
        rest = studio.world_landmarks()[LANDMARK_INDEX["nose_tip"]]
        studio.pose(full(ann, jaw=1.0))  # key "jaw" lifts vertex 1 by 2 cm
        posed = studio.world_landmarks()[LANDMARK_INDEX["nose_tip"]]
        mesh = landmark_anchors.find_object(ann, studio.character.collection, head)
        evaluated = mesh.evaluated_get(studio.depsgraph)
        np.testing.assert_allclose(posed, landmark_anchors.world_vertices(evaluated)[1], atol=1e-6)
        np.testing.assert_allclose(posed - rest, [0, 0, 0.02], atol=1e-5)
        studio.pose(full(ann))
        np.testing.assert_allclose(
            studio.world_landmarks()[LANDMARK_INDEX["nose_tip"]], rest, atol=1e-7
        )


def test_a_refined_mesh_keeps_its_anchors(ann):
    """Subdivision counts vertices anew: it is off where anchors are read."""
    with FaceStudio(ann, TINY) as studio:
        mesh = landmark_anchors.find_object(ann, studio.character.collection, "ann face")
        before = studio.world_landmarks()
        mesh.modifiers.new("Subdivision", "SUBSURF").levels = 2
        landmark_anchors.switch_off_rebuilding(studio.character.collection)
        studio.scene.view_layers[0].update()
        np.testing.assert_allclose(studio.world_landmarks(), before, atol=1e-7)


def test_the_projection_is_the_camera_s(ann):
    """A projected landmark is where the renderer draws that place."""
    import bpy
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    with FaceStudio(ann, TINY) as studio:
        studio.look(Look(zoom=0.8, shift=(0.05, -0.03), orbit=(0.1, -0.2, 0.15)))
        studio.scene.view_layers[0].update()
        place = Vector((0.03, -0.08, 1.52))
        x, y, _ = world_to_camera_view(studio.scene, studio.camera, place)
        pixel = project(studio.camera_matrix(), np.array(place))
        np.testing.assert_allclose(pixel, [64 * x, 64 * (1 - y)], atol=0.02)
        assert bpy.context.scene != studio.scene


def test_features_do_not_change_with_the_framing(ann):
    with FaceStudio(ann, TINY) as studio:
        plain = geometric_features(studio.landmarks())
        studio.look(Look(zoom=0.7, shift=(0.06, 0.04), orbit=(0.0, 0.0, 0.2)))
        np.testing.assert_allclose(geometric_features(studio.landmarks()), plain, atol=0.01)


def test_casting_gives_back_what_is_projected(ann):
    """Placed by its own projected landmarks, a face gets them again."""
    with FaceStudio(ann, TINY) as studio:
        shown = studio.landmarks()
    points = {n: tuple(p / 64) for n, p in zip(LANDMARK_NAMES, shown, strict=True)}
    again = synthetic.with_landmarks(ann, points)
    with FaceStudio(again, TINY) as studio:
        np.testing.assert_allclose(studio.landmarks(), shown, atol=0.3)


def test_landmarks_are_found_by_looking(ann, small_views):
    """`place_landmarks` takes what the landmarker sees: here the average face, wherever the view
    has moved it."""
    looked = []

    def locate(paths):
        looked.append(len(paths))
        face = (average_face() / 256 - 0.5) * 0.4 + 0.5
        looks = landmark_finding._VIEWS[: len(paths)]
        return [
            landmark_finding.VIEW_SIZE * ((face - 0.5) * k.zoom + 0.5 - np.array(k.shift) * (1, -1))
            for k in looks
        ]

    placed = landmark_finding.place_landmarks(replace(ann, landmarks={}), locate)
    assert (placed.found, placed.looked, placed.open_mouth) == (7, 7, True)
    assert set(placed.profile.landmarks) == set(LANDMARK_NAMES)
    with FaceStudio(placed.profile, TINY) as studio:
        want = 64 * ((average_face() / 256 - 0.5) * 0.4 + 0.5)
        np.testing.assert_allclose(studio.landmarks(), want, atol=1.0)


def test_a_face_that_the_framing_misses_is_found_nearer_and_framed_anew(ann, small_views):
    """Nothing at first nor from farther off; then, twice as near, and ever after."""
    calls = []

    def locate(paths):
        calls.append(len(paths))
        size = {3: 0.8}.get(len(calls), 0.4)
        face = landmark_finding.VIEW_SIZE * ((average_face() / 256 - 0.5) * size + 0.5)
        return [None if len(calls) < 3 else face for _ in paths]

    wide = replace(ann.framing, size=2.5 * ann.framing.size)
    controls = tuple(replace(c, channels={}) for c in ann.controls)  # no jaw to check it by
    missed = replace(ann, landmarks={}, framing=wide, controls=controls)
    placed = landmark_finding.place_landmarks(missed, locate)
    assert placed.framed.startswith("the face was found nearer; framed anew")
    assert placed.warnings[0] == placed.framed
    assert placed.profile.framing.size < 0.8 * wide.size
    assert set(placed.profile.landmarks) == set(LANDMARK_NAMES)


def test_a_face_that_is_not_found_names_the_way_by_hand(ann, small_views):
    with pytest.raises(InputError, match="finds no face") as error:
        landmark_finding.place_landmarks(ann, lambda paths: [None] * len(paths))
    assert "--points" in error.value.fix


def test_missing_landmarks_name_the_command(ann):
    bare = replace(ann, landmarks={})
    with (
        FaceStudio(bare, TINY) as studio,
        pytest.raises(InputError, match="no landmarks") as error,
    ):
        studio.landmarks()
    assert "exprgen landmarks" in error.value.fix


def test_anchors_on_another_mesh_are_refused(ann):
    one = ann.landmarks["nose_tip"]
    for wrong, words in (
        (replace(one, vertices=(0, 1, 10_000)), "does not have"),
        (replace(one, object="lost"), "is gone"),
    ):
        changed = replace(ann, landmarks={**ann.landmarks, "nose_tip": wrong})
        with FaceStudio(changed, TINY) as studio, pytest.raises(InputError, match=words):
            FaceAnchors(changed, studio.character.collection).world(studio.depsgraph)


def test_profiles_keep_landmarks_and_old_ones_have_none(ann, tmp_path):
    assert load_profile(ann.path).landmarks == ann.landmarks
    bare = replace(ann, landmarks={})
    bare.save(tmp_path / "bare.json")
    assert "landmarks" not in json.loads((tmp_path / "bare.json").read_text())
    assert load_profile(tmp_path / "bare.json").landmarks == {}


@pytest.mark.parametrize("harm", ["missing", "unknown", "weights", "vertices"])
def test_damaged_landmarks_are_refused(ann, tmp_path, harm):
    ann.save(tmp_path / "ann.json")
    data = json.loads((tmp_path / "ann.json").read_text())
    marks = data["landmarks"]
    if harm == "missing":
        del marks["nose_tip"]
    elif harm == "unknown":
        marks["horn"] = marks["nose_tip"]
    elif harm == "weights":
        marks["nose_tip"]["weights"] = [0.5, 0.5, 0.5]
    else:
        marks["nose_tip"]["vertices"] = [0, 1]
    (tmp_path / "ann.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="landmark") as error:
        load_profile(tmp_path / "ann.json")
    assert "exprgen landmarks" in error.value.fix


def test_the_template_meets_its_points_and_moves_with_them():
    face = dict(zip(LANDMARK_NAMES, average_face() / 256, strict=True))
    four = ("eye_left_outer", "eye_right_outer", "mouth_left_corner", "mouth_right_corner")
    points = {name: tuple(face[name]) for name in four}
    np.testing.assert_allclose(warp_template(points), average_face() / 256, atol=1e-6)
    points["nose_tip"] = (0.5, 0.7)
    bent = warp_template(points)
    for name, place in points.items():
        np.testing.assert_allclose(bent[LANDMARK_INDEX[name]], place, atol=1e-6)
    turned = {n: (1 - y, x) for n, (x, y) in points.items()}
    np.testing.assert_allclose(warp_template(turned), np.c_[1 - bent[:, 1], bent[:, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({"nose_tip": (0.5, 0.5)}, "can't place"),
        ({"nose_tip": (0.5, 0.5), "nose_base": (0.5, 0.6), "nose_bridge_1": (0.5, 0.4)}, "can't"),
        ({"horn": (0.5, 0.5)}, "no landmark 'horn'"),
    ],
)
def test_too_few_or_unknown_points_are_refused(points, words):
    with pytest.raises(UsageError, match=words):
        warp_template(points)


def test_point_files_round_trip_and_are_checked(tmp_path):
    path = tmp_path / "points.json"
    points = {"nose_tip": (0.5, 0.25), "nose_base": (0.25, 0.75)}
    landmark_points.save_points(path, points)
    assert landmark_points.load_points(path) == points
    for text, words in (
        ("{", "not valid JSON"),
        ("{}", "no landmark points"),
        (path.read_text().replace("0.25", "7"), "0..1"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            landmark_points.load_points(path)
    with pytest.raises(InputError, match="does not exist"):
        landmark_points.load_points(tmp_path / "lost.json")


def test_connected_pieces_are_told_apart():
    triangles = np.array([[0, 1, 2], [2, 3, 4], [5, 6, 7], [9, 8, 7]])
    assert skin_rays.connected(11, triangles).tolist() == [0] * 5 + [5] * 5 + [10]


def test_seams_part_no_skin():
    """Vertices that a file doubles along a seam are one."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], float)
    triangles = np.array([[0, 1, 2], [3, 5, 4]])
    assert len(set(skin_rays.connected(6, triangles)[triangles[:, 0]])) == 2
    joined = skin_rays.welded(points)[triangles]
    assert len(set(skin_rays.connected(6, joined)[joined[:, 0]])) == 1


def test_faults_are_told_by_reason():
    face, seen = average_face(), np.zeros(49, bool)
    assert picture_check.fault(face, seen, 256) == ""
    assert picture_check.fault(face, np.arange(49) < 30, 256) == "face hidden"
    assert picture_check.fault(face + 150, seen, 256) == "landmarks outside the frame"
    for one, other, reason in (
        ("lip_top_inner_2", "lip_bottom_inner_2", "lips inverted"),
        ("eye_left_top_1", "eye_left_bottom_1", "lids inverted"),
    ):
        crossed = face.copy()
        crossed[LANDMARK_INDEX[one], 1] = crossed[LANDMARK_INDEX[other], 1] + 30
        assert picture_check.fault(crossed, seen, 256) == reason
        assert reason in ced_capture.REASONS


def test_both_ways_undoes_the_mirror():
    """A landmarker that errs to the viewer's right is put straight by the mirror image."""
    face = average_face()
    flipped = face[character_pictures.MIRRORED] * (-1, 1) + (256, 0)
    np.testing.assert_allclose(flipped, face, atol=1e-6)  # the average face is symmetric
    picture = np.zeros((256, 256, 3), np.uint8)
    found = character_pictures.both_ways(picture, lambda rgb: face + np.array([4, 1]))
    np.testing.assert_allclose(found, face + np.array([0, 1]), atol=1e-6)
    assert character_pictures.both_ways(picture, lambda rgb: None) is None
