"""*Actor's Head* in the panel: from an analysed reference to a head in the scene."""

from fractions import Fraction

import pytest

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

import exprgen
from exprgen.exprgen_addon.actor_head.build import TAG
from exprgen.networks.face_model.model import face_model
from exprgen.tests.support.clips import write_clip
from exprgen.tests.support.filmed_face import film, track_of

FRAMES = 8


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A file whose reference is analysed."""
    folder = tmp_path_factory.mktemp("head")
    clip = folder / "clip.mp4"
    write_clip(clip, range(FRAMES), base=Fraction(1, 30), size=(640, 480))
    track_of(film(face_model(), frames=FRAMES)).save(folder / "clip.npz")
    exprgen.register()
    try:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        scene = bpy.context.scene
        scene.render.fps = 30
        scene.exprgen.reference, scene.exprgen.track = str(clip), str(folder / "clip.npz")
        yield scene
    finally:
        exprgen.unregister()


def test_the_head_comes_into_the_scene_as_the_actor_looks_in_the_present_frame(scene):
    scene.frame_set(scene.frame_current + 5)
    assert bpy.ops.exprgen.actor_head(texture=True) == {"FINISHED"}
    (collection,) = [c for c in scene.collection.children if TAG in c]
    head = next(o for o in collection.all_objects if o.type == "MESH" and o.data.shape_keys)
    assert head.animation_data.action is not None
    camera = next(o for o in collection.all_objects if o.type == "CAMERA")
    assert scene.camera == camera, "there was none: the footage is one key away"
    image = camera.data.background_images[0].image
    assert bpy.path.abspath(image.filepath).endswith("reference_00001.jpg")
    assert head.data.shape_keys.key_blocks["mouthSmileLeft"].value > 0.2


def test_without_an_analysis_there_is_nothing_to_press(scene):
    kept, scene.exprgen.track = scene.exprgen.track, ""
    assert not bpy.ops.exprgen.actor_head.poll()
    scene.exprgen.track = kept


def test_a_file_without_a_head_is_refused(scene, tmp_path):
    path = tmp_path / "none.blend"
    path.write_bytes(b"no blend")
    with pytest.raises(RuntimeError, match=r"none.blend"):
        bpy.ops.exprgen.take_actor_head(scene=scene.name, filepath=str(path))
