"""An actor's head in Blender: it lies over the footage, acts as it was fitted, and can be saved."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.actor_head.build import TAG, build_head
from exprgen.exprgen_addon.actor_head.footage import Pictures
from exprgen.exprgen_addon.actor_head.scene import append_heads, finish_scene, picture_of
from exprgen.exprgen_addon.actor_head.texture import best_frame
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.exprgen_addon.keying.keyframes import set_scene_fps
from exprgen.exprgen_addon.keying.takes import new_file, save_file
from exprgen.networks.errors import InputError
from exprgen.networks.face_model.model import face_model
from exprgen.tests.support.filmed_face import as_fit

FRAMES = 5


@pytest.fixture
def scene():
    scene = new_file()
    set_scene_fps(scene, 30.0)
    return scene


@pytest.fixture
def fit():
    model = face_model()
    expression = np.zeros((FRAMES, len(model.expressions)))
    expression[:, model.expressions.index("jawOpen")] = np.linspace(0, 0.8, FRAMES)
    expression[:, model.expressions.index("mouthSmileLeft")] = 0.5
    return as_fit(model, expression, seed=4)


@pytest.fixture
def pictures(tmp_path):
    """A picture a frame, each of its own grey."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for number in range(1, FRAMES + 1):
        image = bpy.data.images.new("grey", 64, 48)
        image.pixels.foreach_set(np.full(64 * 48 * 4, 0.15 * number, np.float32))
        image.filepath_raw, image.file_format = str(folder / f"p_{number:05d}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    return Pictures(str(folder), "p_%05d.png", FRAMES, 1)


def seen_in_blender(scene, made, fit):
    """(V, 2) pixels of the head's points through Blender's own camera, at the present frame."""
    made.head.modifiers["Subdivision"].show_viewport = False
    graph = bpy.context.evaluated_depsgraph_get()
    head = made.head.evaluated_get(graph)
    mesh = head.to_mesh()
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    world = np.array(head.matrix_world)
    points = flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
    width, height = fit.camera.size
    camera = made.camera.evaluated_get(graph)
    window = np.array(camera.calc_matrix_camera(graph, x=width, y=height))
    view = np.linalg.inv(np.array(camera.matrix_world))
    clip = np.c_[points, np.ones(len(points))] @ (window @ view).T
    shown = clip[:, :2] / clip[:, 3:]
    return (shown * (0.5, -0.5) + 0.5) * (width, height)


@pytest.mark.parametrize("frame", [1, 3, 5])
def test_it_lies_where_it_was_seen(scene, fit, frame):
    made = build_head(fit, scene, "actor", 30.0)
    finish_scene(scene, made, fit.camera)
    scene.frame_set(frame)
    model, row = face_model(), frame - 1
    whole = model.points(fit.identity, fit.expression[row])[None]
    wanted = fit.camera.project(whole, fit.heads.of(np.array([row])))[0]
    faces = np.concatenate([model.faces[: model.skin], model.faces[model.skin + model.eyes :]])
    off = np.linalg.norm(seen_in_blender(scene, made, fit) - wanted[np.unique(faces)], axis=1)
    assert np.median(off) < 0.2
    assert off.max() < 1.0


def test_it_has_the_actions_as_shape_keys(scene, fit):
    made = build_head(fit, scene, "actor", 30.0)
    keys = made.head.data.shape_keys.key_blocks
    assert set(keys.keys()) <= {"Basis", *face_model().expressions}
    assert {"jawOpen", "mouthSmileLeft", "eyeBlinkRight"} <= set(keys.keys())
    scene.frame_set(5)
    assert keys["jawOpen"].value == pytest.approx(0.8, abs=1e-4)
    assert (made.first, made.last) == (1, FRAMES)


def test_it_begins_where_it_is_told(scene, fit):
    made = build_head(fit, scene, "actor", 30.0, options=KeyOptions(start_frame=101))
    assert (made.first, made.last) == (101, 105)


def test_eyes_follow_the_gaze(scene, fit):
    fit.gaze[:, 0] = (0.3, 0.1)
    made = build_head(fit, scene, "actor", 30.0)
    eye = next(o for o in made.collection.objects if o.name.endswith("eye left"))
    scene.frame_set(2)
    forward = np.array(eye.matrix_local.to_3x3()) @ (0.0, -1.0, 0.0)
    assert forward[0] > 0.2  # to the own left
    assert forward[2] < -0.05  # down


def test_the_footage_is_behind_it(scene, fit, pictures):
    made = build_head(fit, scene, "actor", 30.0, pictures=pictures)
    shown = made.camera.data.background_images[0]
    assert made.camera.data.show_background_images
    assert shown.image.source == "SEQUENCE"
    assert (shown.image_user.frame_start, shown.image_user.frame_duration) == (1, FRAMES)


def test_it_wears_a_picture_of_the_actor(scene, fit, pictures):
    frame = best_frame(fit)
    path = picture_of(fit, frame, pictures, 30.0, KeyOptions())
    assert path.is_file()
    made = build_head(fit, scene, "actor", 30.0, texture=(frame, path))
    image = next(i for i in bpy.data.images if i.name.startswith("actor picture"))
    assert image.packed_file is not None
    mask = made.head.data.attributes["seen"].data
    values = np.array([v.value for v in mask])
    assert values.max() > 0.9
    assert values.min() == 0.0


def test_a_broken_picture_is_refused(scene, fit, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    with pytest.raises(InputError):
        build_head(fit, scene, "actor", 30.0, texture=(0, path))


def test_it_comes_into_another_file(scene, fit, pictures, tmp_path):
    build_head(fit, scene, "actor", 30.0, pictures=pictures)
    path = save_file(tmp_path / "head.blend")
    other = new_file()
    (collection,) = append_heads(other, path)
    assert collection[TAG] == "clip.mp4"
    kinds = sorted(o.type for o in collection.all_objects)
    assert kinds == ["CAMERA", "EMPTY", "MESH", "MESH", "MESH"]
    head = next(o for o in collection.all_objects if o.data and o.data.id_type == "MESH"
                and o.data.shape_keys)  # fmt: skip
    assert head.animation_data.action is not None


def test_a_file_without_a_head_is_refused(scene, tmp_path):
    path = save_file(tmp_path / "empty.blend")
    with pytest.raises(InputError, match="no actor's head"):
        append_heads(new_file(), path)
