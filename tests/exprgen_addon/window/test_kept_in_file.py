"""What a saved file takes along: nothing of it may be lost by saving, or by clearing the cache."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.engine import engine_python
from exprgen.exprgen_addon.engine.live import live_source
from exprgen.exprgen_addon.keying.take_actions import TAKE_TAG
from exprgen.exprgen_addon.keying.take_list import About, note_about
from exprgen.exprgen_addon.window import reference_overlay, references

CLIP = "clip.mp4"


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A never-saved file whose analysis lies in the cache, with the reference beside a face."""
    exprgen.register()
    try:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        monkeypatch.setattr(
            engine_python, "_engine", replace(engine_python.engine(), cache=str(tmp_path / "cache"))
        )
        scene = bpy.context.scene
        scene.exprgen.reference = str(tmp_path / CLIP)
        keep(scene)
        yield scene
    finally:
        exprgen.unregister()


def keep(scene):
    """Give a scene an analysis with thumbnail and pictures where a new one goes."""
    track = references.new_track_path(scene.exprgen)
    synthetic.face_track(frames=5).save(track)
    references.thumbnail_path(track).write_bytes(b"picture")
    pictures = reference_overlay.frames_folder(track)
    pictures.mkdir(parents=True)
    image = bpy.data.images.new("frame", 8, 8)
    for number in (1, 2):
        image.save(filepath=str(pictures / f"{number:04d}.png"))
    bpy.data.images.remove(image)
    empty = reference_overlay.make_overlay(scene, pictures, "%04d.png", 2, 1, (8, 8))
    scene.exprgen.track = str(track)
    empty["exprgen_step"] = f"{track} 24 1"
    return track


def whole(scene) -> bool:
    """The scene's analysis, thumbnail and pictures are there."""
    track = references.track_path(scene.exprgen)
    picture = bpy.path.abspath(reference_overlay.overlay_of(scene).data.filepath)
    return (
        references.seen(scene.exprgen) is not None
        and references.thumbnail_path(track).is_file()
        and picture == str(reference_overlay.frames_folder(track) / "0001.png")
        and reference_overlay.frames_folder(track).joinpath("0002.png").is_file()
    )


def test_the_first_save_takes_the_analysis_out_of_the_cache(scene, tmp_path):
    assert references.in_cache(references.track_path(scene.exprgen))
    (tmp_path / "shot").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot" / "a.blend"))
    shutil.rmtree(tmp_path / "cache")
    for reopened in (False, True):
        if reopened:
            bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot" / "a.blend"))
        scene = bpy.context.scene
        assert scene.exprgen.track.startswith(f"//{references.TRACKS}/")
        assert whole(scene)
        assert reference_overlay.overlay_of(scene)["exprgen_step"].startswith(scene.exprgen.track)
        assert references.reference_path(scene.exprgen) == str(tmp_path / CLIP)
    left = [p.name for p in (tmp_path / "shot" / references.TRACKS).rglob(".*")]
    assert not left


def test_an_opened_file_shows_the_footage_of_its_frame(scene, tmp_path):
    scene.frame_set(1)
    reference_overlay.catch_up(scene)
    scene.frame_set(2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    assert reference_overlay.overlay_of(scene).image_user.frame_current == scene.frame_current == 2


def test_saved_elsewhere_it_goes_along_and_a_copy_leaves_the_open_file(scene, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a" / "x.blend"))
    track = scene.exprgen.track
    scene.exprgen.reference = f"//../{CLIP}"
    assert not scene.exprgen.track, "another reference puts the analysis away"
    scene.exprgen.track = track
    action = bpy.data.actions.new("ExprGen Live")
    action[TAKE_TAG] = scene.exprgen.take = "Live"
    note_about(action, About(source=live_source()))
    action.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "b" / "x.blend"), copy=True)
    assert scene.exprgen.take == "Live", "of whatever it is, the take that is shown stays"
    assert references.track_path(scene.exprgen).parent.parent == tmp_path / "a"
    assert whole(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "c" / "x.blend"))
    shutil.rmtree(tmp_path / "a")
    for folder in ("c", "b"):
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / folder / "x.blend"))
        scene = bpy.context.scene
        assert references.track_path(scene.exprgen).parent.parent == tmp_path / folder
        assert whole(scene)
        assert scene.exprgen.take == "Live"
        assert (tmp_path / folder / scene.exprgen.reference[2:]).resolve() == tmp_path / CLIP


def test_a_save_that_fails_changes_nothing(scene, tmp_path):
    track = scene.exprgen.track
    (tmp_path / "folder.blend").mkdir()
    for path in (tmp_path / "nowhere" / "a.blend", tmp_path / "folder.blend"):
        with pytest.raises(RuntimeError):
            bpy.ops.wm.save_as_mainfile(filepath=str(path))
        assert scene.exprgen.track == track
        assert whole(scene)


def test_clearing_the_cache_leaves_what_the_open_file_uses(scene, tmp_path):
    other = references.cached_tracks() / "other.npz"
    other.write_bytes(b"0" * 1000)
    (references.cached_tracks() / "other" / "frames").mkdir(parents=True)
    model = tmp_path / "cache" / "face_landmarker.task"
    model.write_bytes(b"model")
    assert bpy.ops.exprgen.clear_cache() == {"FINISHED"}
    assert whole(scene)
    assert model.is_file()
    assert not other.exists()
    assert not other.with_suffix("").exists()
    scene.exprgen.track = ""
    bpy.ops.exprgen.clear_cache()
    assert not list(references.cached_tracks().iterdir())
