"""Takes out of the window and in: the open file stays as it is."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.window import references
from exprgen.networks.footage.live_link import read_live_link
from exprgen.networks.vocabulary import ARKIT_INDEX


@pytest.fixture(scope="module")
def scene():
    """Tobi opens his mouth over ten frames, in a file that was never saved."""
    exprgen.register()
    try:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        bpy.ops.exprgen.add_character(name="tobi")
        scene = bpy.context.scene
        scene.frame_start, scene.frame_end = 1, 10
        (prop,) = in_scene.characters_in(scene)[0].bindings["jawOpen"]
        for frame in (1, 10):
            prop.set((frame - 1) / 9)
            prop.owner.keyframe_insert(prop.data_path, frame=frame)
        yield scene
    finally:
        exprgen.unregister()


def test_a_take_goes_out_and_comes_in_as_a_reference(scene, tmp_path):
    scene.frame_set(4)
    objects = sorted(bpy.data.objects.keys())
    out = tmp_path / "take.csv"
    assert bpy.ops.exprgen.export_take(filepath=str(out)) == {"FINISHED"}
    take = read_live_link(out)
    jaw = take.coefficients[:, ARKIT_INDEX["jawOpen"]]
    assert len(jaw) == 10
    assert jaw[0] < 1e-6
    assert abs(jaw[-1] - 1.0) < 1e-6
    assert np.all(np.diff(jaw) > 0)
    assert scene.frame_current == 4
    assert sorted(bpy.data.objects.keys()) == objects
    assert not bpy.data.filepath

    assert bpy.ops.exprgen.import_live_link(filepath=str(out)) == {"FINISHED"}
    assert bpy.ops.exprgen.analyse() == {"FINISHED"}
    found = references.seen(scene.exprgen)
    assert len(found.track) == 10
    assert np.abs(found.track.arkit[:, ARKIT_INDEX["jawOpen"]] - jaw).max() < 1e-6


def test_the_name_follows_the_format(scene, tmp_path):
    out = tmp_path / "take"
    assert bpy.ops.exprgen.export_take(filepath=str(out), ending=".vrma") == {"FINISHED"}
    assert out.with_suffix(".vrma").read_bytes()[:4] == b"glTF"


def test_entries_stand_in_the_file_menus(scene):
    from exprgen.exprgen_addon.window import exchange_menus

    drawn = bpy.types.TOPBAR_MT_file_export._dyn_ui_initialize()
    assert exchange_menus._export in drawn
    assert exchange_menus._import in bpy.types.TOPBAR_MT_file_import._dyn_ui_initialize()


def test_another_file_is_no_live_link_take(scene, tmp_path):
    (tmp_path / "x.txt").write_text("no take")
    with pytest.raises(RuntimeError, match="neither a clip"):
        bpy.ops.exprgen.import_live_link(filepath=str(tmp_path / "x.txt"))
