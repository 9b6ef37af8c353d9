"""How near a keyed character stays to its actor, for the curve in the 3D view."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.window import review
from exprgen.networks.characters.profile import find_character
from exprgen.tests.support import synthetic
from exprgen.tests.support.clips import write_clip

FRAMES = 24


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Tobi, keyed over a clip that is analysed."""
    folder = tmp_path_factory.mktemp("mimicry")
    clip = folder / "clip.mp4"
    write_clip(clip, range(FRAMES))
    synthetic.face_track(frames=FRAMES).save(folder / "clip.npz")
    (folder / "tracks").mkdir()
    track = synthetic.rig_track(find_character("tobi"), seed=2, frames=FRAMES)
    track.save(folder / "tracks" / "tobi.npz")
    exprgen.register()
    try:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        scene = bpy.context.scene
        scene.exprgen.reference, scene.exprgen.track = str(clip), str(folder / "clip.npz")
        bpy.ops.exprgen.add_character(name="tobi")
        done = bpy.ops.exprgen.write_take(scene=scene.name, folder=str(folder / "tracks"))
        assert done == {"FINISHED"}
        yield scene
    finally:
        exprgen.unregister()


def test_nobody_pays_for_what_is_not_drawn(scene):
    scene.exprgen.show_mimicry = False
    (shown,) = review.review_of(scene).shown.values()
    assert len(shown.mimicry) == 0


def test_the_curve_has_a_place_for_every_frame_and_one_score(scene):
    scene.exprgen.show_mimicry = True
    looked = review.review_of(scene)
    (shown,) = looked.shown.values()
    assert len(shown.mimicry) == len(looked.rows) == FRAMES
    assert np.abs(shown.mimicry).max() <= 1.0 + 1e-9
    assert -1.0 <= shown.mimicry_score <= 1.0
    assert review.review_of(scene) is looked
