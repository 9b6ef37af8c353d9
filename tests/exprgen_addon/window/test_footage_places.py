"""Where the footage is shown: beside a character where it hides nobody, and over its own head."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.networks.characters.profile import sample_characters
from exprgen.networks.errors import InputError
from exprgen.networks.footage.reference_pictures import around_face
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

from dataclasses import replace

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.characters.landmark_anchors import FaceAnchors
from exprgen.exprgen_addon.window import face_overlay, free_places, reference_overlay, references
from exprgen.exprgen_addon.window.picture_board import Grid

SHOWN = ("mira", "tobi", "blip")


@pytest.fixture(scope="module")
def row():
    """Three sample characters side by side, as they are added one after the other."""
    made = {p.name: p for p in sample_characters()}
    if not set(SHOWN) <= set(made):
        pytest.skip("the sample characters are not built")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    exprgen.register()
    try:
        for name in SHOWN:
            bpy.ops.exprgen.add_character(name=name)
        yield in_scene.characters_in(bpy.context.scene)
    finally:
        exprgen.unregister()


@pytest.mark.parametrize("shape", [(1.0, 1.0), (1.78, 1.0), (0.56, 1.0)])
def test_beside_hides_no_character(row, shape):
    graph = bpy.context.evaluated_depsgraph_get()
    for character in row:
        size = character.profile.framing.size
        width, height = shape[0] * size, shape[1] * size
        centre = free_places.place_beside(character, row, width, height)
        right, up, back = free_places.axes_of(character.forward)
        assert abs(back.dot(centre - character.face_center)) < 1e-6, "as near as the face"
        assert (centre - character.face_center).length < 4 * size
        for other in row:
            for part in other.collection.all_objects:
                if part.type != "MESH" or not part.visible_get():
                    continue
                points = free_places.world_vertices(part.evaluated_get(graph)) - np.array(centre)
                x, y = points @ np.array(right), points @ np.array(up)
                hidden = (np.abs(x) < width / 2) & (np.abs(y) < height / 2)
                assert not hidden.any(), f"{part.name} behind the footage of {character.profile}"


def test_the_footage_is_opaque_and_of_the_present_frame_when_it_is_shown_again(row, tmp_path):
    scene = bpy.context.scene
    picture = bpy.data.images.new("one", 8, 8)
    picture.filepath_raw, picture.file_format = str(tmp_path / "1.png"), "PNG"
    picture.save()
    empty = reference_overlay.make_overlay(scene, tmp_path, "%d.png", 90, 11, (8, 8))
    try:
        reference_overlay.place_overlay(scene, row[0], "off", 1.0)
        scene.frame_set(50)
        for opacity in (1.0, 0.7):
            reference_overlay.place_overlay(scene, row[0], "beside", opacity)
            assert empty.use_empty_image_alpha == (opacity < 1), "the grid is not drawn over it"
            assert empty.image_user.frame_current == 40
        scene.frame_set(1)
        reference_overlay.place_overlay(scene, row[0], "behind", 1.0)
        assert empty.image_user.frame_current == 1
        assert empty.use_empty_image_alpha, "what is behind is pale"
        bpy.data.images.remove(empty.data)
        reference_overlay.place_overlay(scene, row[0], "beside", 1.0)
    finally:
        reference_overlay.remove_overlay(scene)


def looked_at(character, angle: float, scale: float):
    """A track whose actor is this very character, in pictures that are turned and scaled."""
    graph = bpy.context.evaluated_depsgraph_get()
    places = FaceAnchors(character.profile, character.collection).world(graph)
    right, up, _ = free_places.axes_of(character.forward)
    flat = (places - np.array(character.face_center)) @ np.array([right, up]).T
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pixels = flat @ turn.T * scale * (1, -1) + (320, 240)
    track = synthetic.face_track(frames=3)
    landmarks = track.landmarks.copy()
    landmarks[:, list(LANDMARKS.values()), :2] = pixels
    meta = track.meta | {"size": [640, 480]}
    return replace(track, landmarks=landmarks, meta=meta), places


def test_over_the_head_every_landmark_lies_on_its_own(row, monkeypatch):
    character, scene = row[0], bpy.context.scene

    def over(picture):
        return face_overlay.matrix_over(scene, character.profile, character.collection, picture)

    for angle, scale in ((0.0, 900.0), (0.35, 1400.0)):
        track, places = looked_at(character, angle, scale)
        found = references.Seen(track, [])
        monkeypatch.setattr(references, "seen", lambda settings, found=found: found)
        scene.frame_set(2)
        x, y, width, height = around_face(track)
        assert 0 <= x < x + width <= 640
        assert 0 <= y < y + height <= 480
        picture = (round(width * 1.5), round(height * 1.5))
        matrix, side = face_overlay.matrix_over(
            scene, character.profile, character.collection, picture
        )
        points = track.landmarks[1][list(LANDMARKS.values()), :2]
        local = ((points - (x, y)) / (width, height) - 0.5) * picture * (1, -1) / max(picture)
        there = np.c_[local * side, np.zeros(49), np.ones(49)] @ np.array(matrix).T
        right, up, _ = free_places.axes_of(character.forward)
        axes = np.array([right, up]).T
        off = np.abs(there[:, :3] @ axes - places @ axes).max()
        assert off < 0.003 * character.profile.framing.size
    scene.frame_set(400)
    assert over(picture) is None, "after the clip's end"
    bare = replace(track, landmarks=np.zeros_like(track.landmarks))
    monkeypatch.setattr(references, "seen", lambda s: references.Seen(bare, []))
    scene.frame_set(2)
    with pytest.raises(InputError, match="holds no landmarks"):
        over((64, 64))


def test_every_picture_of_a_grid_is_met_where_it_is_drawn():
    grid = Grid(40, 12, 1000, 700, 71)
    met = set()
    for page in range(grid.pages):
        for number in grid.shown(page):
            x, y = grid.place(number)
            assert 40 <= x <= 1041 - grid.side
            assert 12 <= y <= 712 - grid.side
            assert grid.at(x + grid.side / 2, y + grid.side / 2, page) == number
            met.add(number)
        assert grid.at(39, 300, page) is None
    assert met == set(range(71))


def test_who_was_saved_selected_is_not_chosen_by_being_added(row):
    bpy.ops.exprgen.add_character(name="rosa")
    assert not bpy.context.selected_objects
