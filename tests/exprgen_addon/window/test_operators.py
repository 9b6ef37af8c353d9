"""The panel's work without a window: what its operators do, undone, redone, repeated, broken."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from exprgen.networks import files
from exprgen.networks.characters.profile import from_unit, load_profile, to_unit
from exprgen.networks.characters.response import is_measured
from exprgen.networks.errors import ExprGenError
from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE
from exprgen.networks.track import FaceTrack
from exprgen.networks.tracking import landmark_model
from exprgen.tests.support import synthetic, tiny_weights

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

from mathutils import Vector

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.engine import engine_python, jobs, task_queue, worker_process
from exprgen.exprgen_addon.keying import corrections, fcurves
from exprgen.exprgen_addon.window import applying, job_timer, reference_overlay, references
from exprgen.exprgen_addon.window.operators import apply as apply_operators
from exprgen.exprgen_addon.window.operators import show_reference

try:
    landmark_model.landmark_model()
except ExprGenError:
    pytest.skip("the face landmark model is not here", allow_module_level=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Characters, weights, a clip and what was seen in it."""
    folder = tmp_path_factory.mktemp("house")
    profiles = [synthetic.build(folder, "ann", primary=True), synthetic.build(folder, "bob")]
    tiny_weights.write(folder / "weights", profiles)
    synthetic.speaking_clip(folder / "clip.mp4", frames=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WEIGHTS_VARIABLE, str(folder / "weights"))
        exprgen.register()
        try:
            yield folder
        finally:
            exprgen.unregister()


@pytest.fixture
def scene(house):
    """A new, saved file with both characters and the clip chosen."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(house / "shot.blend"))
    for name in ("ann", "bob"):
        bpy.ops.exprgen.add_character(name=str(house / f"{name}.json"))
    scene = bpy.context.scene
    scene.render.fps = 25
    scene.exprgen.reference = str(house / "clip.mp4")
    return scene


@pytest.fixture
def analysed(scene, house):
    """The same, analysed; looked at once for all tests."""
    kept = house / "kept.npz"
    if not kept.is_file():
        assert bpy.ops.exprgen.analyse() == {"FINISHED"}
        track = references.track_path(scene.exprgen)
        kept.write_bytes(track.read_bytes())
        kept.with_suffix(".png").write_bytes(track.with_suffix(".png").read_bytes())
    scene.exprgen.track = str(kept)
    return scene


def keys(action) -> dict:
    """Every key of an action, to be compared exactly."""
    found = {}
    for layer in action.layers:
        for strip in layer.strips:
            for bag in strip.channelbags:
                for curve in bag.fcurves:
                    points = [(*k.co, *k.handle_left, k.type) for k in curve.keyframe_points]
                    found[bag.slot_handle, curve.data_path, curve.array_index] = points
    return found


def all_keys() -> dict:
    return {a.name: keys(a) for a in bpy.data.actions}


MOVING = "brow"
"""A control that the made-up network moves."""


def ann(scene):
    return in_scene.characters_in(scene)[0]


def value_at(scene, frame: int) -> float:
    """Unit value of the moving control."""
    (prop,) = ann(scene).bindings[MOVING]
    scene.frame_set(frame)
    return float(to_unit((ann(scene).profile.control(MOVING),), np.array([prop.read()]))[0])


def pose(scene, unit: float):
    """Set the moving control on the rig, without a key."""
    (prop,) = ann(scene).bindings[MOVING]
    prop.write(float(from_unit((ann(scene).profile.control(MOVING),), np.array([unit]))[0]))
    return prop


def test_analyse_keeps_track_and_thumbnail_beside_the_file(scene, house):
    assert bpy.ops.exprgen.analyse() == {"FINISHED"}
    track = references.track_path(scene.exprgen)
    assert scene.exprgen.track.startswith("//"), "kept relative to the saved file"
    assert track.parent == house / references.TRACKS
    assert len(FaceTrack.load(track)) == 30
    picture = bpy.data.images.load(str(references.thumbnail_path(track)))
    assert tuple(picture.size) == (256, 256)
    pixels = np.array(picture.pixels[:]).reshape(-1, 4)
    marks = (pixels[:, 1] > 0.8) & (pixels[:, 0] < 0.45) & (pixels[:, 2] < 0.5)
    assert marks.sum() > 49, "its landmarks are drawn"
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    found = references.seen(bpy.context.scene.exprgen)
    assert len(found.track) == 30, "it is there after reopening"


def test_a_stopped_second_look_leaves_the_first_whole(analysed, monkeypatch):
    kept = references.track_path(analysed.exprgen)
    out = references.new_track_path(analysed.exprgen)
    monkeypatch.setattr(job_timer, "ask", _stopped_after(10))
    for there, frames in ((False, 10), (True, 30)):
        out.unlink(missing_ok=True)
        if there:
            out.write_bytes(kept.read_bytes())
        assert bpy.ops.exprgen.analyse() == {"FINISHED"}
        assert len(FaceTrack.load(out)) == frames, "kept, unless there is a whole one"
        assert not [p for p in out.parent.iterdir() if ".new" in p.name]


def _stopped_after(frames: int, stopped: bool = True):
    """window.ask, as of an analysis that somebody stopped after so many frames."""
    from exprgen.exprgen_addon.engine import task_queue

    def ask(command, request):
        def look(emit, _):
            track = synthetic.face_track(frames=frames)
            track.meta["partial"] = True
            track.save(request["out"])
            return {"track": request["out"], "found": frames, "frames": frames, "stopped": stopped,
                    "partial": True, "reason": ""}  # fmt: skip

        return lambda: task_queue.Thinking(look)

    return ask


def test_the_landmark_model_may_come_with_the_extension(tmp_path, monkeypatch):
    from exprgen.exprgen_addon.window import preferences

    monkeypatch.setattr(engine_python, "_engine", engine_python.Engine(cache=str(tmp_path)))
    monkeypatch.setattr(landmark_model, "BUNDLED", tmp_path / "bundled.task")
    assert not preferences.model_there()
    (tmp_path / "bundled.task").write_bytes(bytes(landmark_model.LANDMARK_SIZE))
    assert preferences.model_there()


def test_trying_again_puts_the_failure_away_and_another_reference_the_analysis(analysed):
    from exprgen.exprgen_addon.engine import task_queue

    failed = [task_queue.Task(title, lambda: None) for title in ("Analyse", "Apply")]
    job_timer.queue.failures[:] = failed
    try:
        assert bpy.ops.exprgen.apply() == {"FINISHED"}
        assert job_timer.queue.failures == failed[:1]
    finally:
        job_timer.queue.failures.clear()
    analysed.exprgen.reference = "//another.mp4"
    assert not analysed.exprgen.track


def test_what_came_of_a_job_is_not_told_while_it_runs_again(house):
    for title, told in (("Wait", None), ("Other", "Wait")):
        seen = []

        def begin(seen=seen):
            seen.append(job_timer.queue.last)
            return task_queue.Thinking(lambda emit, stopped: {})

        job_timer.queue.last = task_queue.Task("Wait", lambda: None)
        assert job_timer.start(task_queue.Task(title, begin), None) == {"FINISHED"}
        assert [t and t.title for t in seen] == [told]


def test_another_engine_gets_another_worker(house, monkeypatch):
    from dataclasses import replace

    first = job_timer.worker()
    assert job_timer.worker() is first
    monkeypatch.setattr(engine_python, "_engine", replace(engine_python.engine(), threads=1))
    second = job_timer.worker()
    assert second is not first
    assert second.alive
    assert not first.alive


def test_who_poses_a_rig_means_its_character(scene):
    from exprgen.exprgen_addon.window.operators.correct import posed_collection

    names = [c.collection.name for c in in_scene.characters_in(scene)]
    for character in reversed(in_scene.characters_in(scene)):
        bpy.context.view_layer.objects.active = next(iter(character.collection.objects))
        assert posed_collection(bpy.context) == character.collection
    bpy.context.view_layer.objects.active = None
    assert posed_collection(bpy.context).name in names, "else the one chosen in the list"


def test_a_view_of_the_faces_shows_all_of_them(scene):
    from exprgen.exprgen_addon.window.operators import view_faces

    present = in_scene.characters_in(scene)
    middle, width, height = view_faces.extent(present)
    centers = np.array([c.face_center for c in present])
    size = present[0].profile.framing.size
    assert np.allclose(middle, centers.mean(0), atol=size)
    assert width >= np.ptp(centers[:, 0]) + size - 1e-6
    assert height >= size - 1e-6
    forward = present[0].profile.framing.forward
    turned = view_faces.facing(Vector(forward))
    assert np.allclose(turned @ Vector((0, 0, 1)), Vector(forward).normalized(), atol=1e-6)
    assert np.allclose((turned @ Vector((0, 1, 0))).z, 1.0, atol=1e-6), "upright"


def test_each_button_that_looks_at_faces_says_whom(scene):
    from types import SimpleNamespace

    from exprgen.exprgen_addon.window.operators.view_faces import EXPRGEN_OT_view_faces

    ways = bpy.ops.exprgen.view_faces.get_rna_type().properties["which"].enum_items.keys()
    said = {
        EXPRGEN_OT_view_faces.description(bpy.context, SimpleNamespace(which=way)) for way in ways
    }
    assert len(said) == len(ways)


def test_a_plain_view_of_the_faces_shows_colours_without_highlights(scene):
    from exprgen.exprgen_addon.window.operators import view_faces

    present = in_scene.characters_in(scene)
    shading = scene.display.shading
    shading.type, shading.color_type, shading.show_specular_highlight = "SOLID", "MATERIAL", True
    view_faces.show_colors(shading, present)
    assert shading.color_type in ("VERTEX", "TEXTURE")
    assert not shading.show_specular_highlight, "they lie grey over pupils"
    shading.show_specular_highlight = True
    view_faces.show_colors(shading, present)
    assert shading.show_specular_highlight, "what somebody chose stays"


def test_a_painted_character_after_one_with_textures_is_not_grey(scene):
    from exprgen.exprgen_addon.window.operators import view_faces

    one, other = in_scene.characters_in(scene)[:2]
    painted = next(o for o in other.collection.all_objects if o.type == "MESH")
    painted.data.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    shading = scene.display.shading
    shading.type, shading.color_type = "SOLID", "MATERIAL"
    view_faces.show_colors(shading, [one])
    assert shading.color_type == "TEXTURE"
    view_faces.show_colors(shading, [one, other])
    assert shading.color_type == "VERTEX"
    shading.color_type, shading.show_specular_highlight = "TEXTURE", True
    view_faces.show_colors(shading, [one, other])
    assert shading.color_type == "TEXTURE", "what somebody chose stays"


def test_a_character_is_added_by_its_profile(house):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.ops.exprgen.add_profile(filepath=str(house / "bob.json")) == {"FINISHED"}
    assert [c.profile.name for c in in_scene.characters_in(bpy.context.scene)] == ["bob"]
    (house / "broken.json").write_text("{}")
    with pytest.raises(RuntimeError, match="broken"):
        bpy.ops.exprgen.add_profile(filepath=str(house / "broken.json"))


def test_what_a_killed_worker_left_is_swept(tmp_path):
    old, young = tmp_path / ".spool-a", tmp_path / ".spool-b"
    for folder in (old, young):
        folder.mkdir()
        (folder / "times").write_bytes(b"0")
    (tmp_path / "clip.npz").write_bytes(b"0")
    for path in (old / "times", old, tmp_path / "clip.npz"):
        os.utime(path, (1.0, 1.0))
    references.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".spool-b", "clip.npz"]


def test_each_step_of_the_checklist_says_what_it_does(house):
    from types import SimpleNamespace

    from exprgen.exprgen_addon.window.operators.new_character import STEPS, EXPRGEN_OT_new_step

    said = [
        EXPRGEN_OT_new_step.description(bpy.context, SimpleNamespace(step=name))
        for name, _, _ in STEPS
    ]
    assert len(set(said)) == 6
    assert all("Esc" in text for text in said)


def test_operators_say_why_not(house):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not bpy.ops.exprgen.analyse.poll()
    assert not bpy.ops.exprgen.apply.poll()
    assert not bpy.ops.exprgen.key_correction.poll()
    assert not bpy.ops.exprgen.cancel_job.poll()
    bpy.context.scene.exprgen.reference = str(house / "nothing.mp4")
    with pytest.raises(RuntimeError, match=r"nothing\.mp4.*does not exist"):
        bpy.ops.exprgen.analyse()


def test_apply_keys_both_and_is_one_exact_step_of_undo(analysed):
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.exprgen.apply() == {"FINISHED"}
    after = all_keys()
    assert list(after) == ["ExprGen Take"]
    assert len({slot for slot, _, _ in after["ExprGen Take"]}) == 6
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 30)
    bpy.ops.ed.undo()
    assert all_keys() == {}
    bpy.ops.ed.redo()
    assert all_keys() == after


def test_apply_selects_the_rig_that_it_keyed_within_its_step(analysed):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object.name
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.exprgen.apply()
    layer = bpy.context.view_layer
    rig = in_scene.rig_of(ann(bpy.context.scene))
    assert layer.objects.active == rig
    assert rig.animation_data.action or rig.data.shape_keys.animation_data.action
    bpy.ops.ed.undo()
    assert bpy.context.view_layer.objects.active.name == cube
    assert bpy.data.objects[cube].select_get()
    bob = in_scene.characters_in(bpy.context.scene)[1].collection
    mine = next(o for o in bob.all_objects if o.type == "MESH")
    mine.select_set(True)
    bpy.ops.exprgen.apply()
    assert bpy.context.view_layer.objects.active.name == cube, "who has one selected keeps it"


def test_apply_again_changes_nothing(analysed):
    bpy.ops.exprgen.apply()
    first = all_keys()
    bpy.ops.exprgen.apply()
    assert all_keys() == first


def test_a_character_that_is_off_is_left_alone(analysed):
    bob = in_scene.characters_in(analysed)[1].collection
    bob.exprgen.enabled = False
    bpy.ops.exprgen.apply()
    (action,) = bpy.data.actions
    assert all(s.name_display.lower().startswith("ann") for s in action.slots)


def test_gain_of_one_character(analysed):
    bpy.ops.exprgen.apply()
    plain = [value_at(analysed, f) for f in (5, 15, 25)]
    ann(analysed).collection.exprgen.gain = 0.5
    bpy.ops.exprgen.apply()
    halved = [value_at(analysed, f) for f in (5, 15, 25)]
    assert halved == pytest.approx([v / 2 for v in plain], abs=1e-5)


def test_a_new_take_leaves_the_old_one(analysed):
    bpy.ops.exprgen.apply()
    old = keys(bpy.data.actions["ExprGen Take"])
    analysed.exprgen.new_take = True
    analysed.exprgen.gain_brow = 0.3
    bpy.ops.exprgen.apply()
    assert analysed.exprgen.take == "Take 2"
    assert keys(bpy.data.actions["ExprGen Take"]) == old
    assert keys(bpy.data.actions["ExprGen Take 2"]) != old


def test_a_clip_that_got_shorter_leaves_the_whole_analysis(analysed, monkeypatch):
    kept = references.track_path(analysed.exprgen)
    out = references.new_track_path(analysed.exprgen)
    out.write_bytes(kept.read_bytes())
    monkeypatch.setattr(job_timer, "ask", _stopped_after(10, stopped=False))
    assert bpy.ops.exprgen.analyse() == {"FINISHED"}
    assert len(FaceTrack.load(out)) == 30
    assert len(FaceTrack.load(files.partial_name(out))) == 10, "kept beside"
    files.partial_name(out).unlink()


def test_corrections_belong_to_their_clip(analysed, house):
    bpy.ops.exprgen.apply()
    solved = value_at(analysed, 15)
    pose(analysed, solved + 0.3)
    bpy.ops.exprgen.key_correction(radius=0.2)
    (entry,) = ann(analysed).collection.exprgen.corrections
    assert entry.reference == f"clip.mp4:{(house / 'clip.mp4').stat().st_size}"
    (house / "other.mp4").write_bytes((house / "clip.mp4").read_bytes() + b"longer")
    kept = analysed.exprgen.track
    analysed.exprgen.reference = str(house / "other.mp4")
    analysed.exprgen.track = kept  # what was seen is not the point here
    bpy.ops.exprgen.apply()
    assert value_at(analysed, 15) == pytest.approx(solved, abs=1e-4), "it pushes no other clip"
    before = all_keys()
    in_scene_entry = ann(analysed).collection.exprgen.corrections
    corrections.remove_correction(ann(analysed), analysed, 0, 15.0, "other.mp4")
    assert all_keys() == before, "nor does its end"
    assert not len(in_scene_entry)
    corrections.add_correction(ann(analysed), analysed, 15.0, 0.56, 0.2, {MOVING: 0.3}, source="b")
    (entry,) = in_scene_entry
    bpy.ops.exprgen.apply()
    assert value_at(analysed, 15) == pytest.approx(solved, abs=1e-4)
    entry.reference = ""
    bpy.ops.exprgen.apply()
    assert value_at(analysed, 15) > solved + 0.1, "one of before this was kept counts as ever"


def test_corrections_of_older_files_get_their_scenes_reference(analysed, house):
    bpy.ops.exprgen.apply()
    pose(analysed, value_at(analysed, 15) + 0.3)
    bpy.ops.exprgen.key_correction(radius=0.2)
    ann(analysed).collection.exprgen.corrections[0].reference = ""
    bpy.ops.wm.save_as_mainfile(filepath=str(house / "older.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(house / "older.blend"))
    (entry,) = ann(bpy.context.scene).collection.exprgen.corrections
    assert entry.reference.startswith("clip.mp4:")


def test_a_broken_character_is_skipped_by_name(analysed):
    bpy.data.objects.remove(bpy.data.objects["bob teeth"])
    assert bpy.ops.exprgen.apply() == {"FINISHED"}
    assert "Bob is skipped: " in apply_operators.EXPRGEN_OT_write_take.said
    assert "'bob teeth' is missing" in apply_operators.EXPRGEN_OT_write_take.said
    bpy.data.collections["Bob"].exprgen.enabled = False
    assert bpy.ops.exprgen.apply() == {"FINISHED"}
    assert "skipped" not in apply_operators.EXPRGEN_OT_write_take.said


@pytest.mark.parametrize("enabled", [True, False])
def test_a_character_whose_profile_moved_blocks_no_other(analysed, enabled):
    bob = bpy.data.collections["Bob"]
    bob[in_scene.PROFILE_TAG], bob.exprgen.enabled = "/nowhere/bob.json", enabled
    assert bpy.ops.exprgen.apply() == {"FINISHED"}
    assert ("Bob is skipped" in apply_operators.EXPRGEN_OT_write_take.said) == enabled
    bob.exprgen.enabled = True
    ann(analysed).collection.exprgen.enabled = False
    with pytest.raises(RuntimeError, match=r"poll\(\) failed|bob\.json"):
        bpy.ops.exprgen.apply()


def test_a_range_is_punched_in_and_blended(analysed):
    settings = analysed.exprgen
    bpy.ops.exprgen.apply()
    before = np.array([value_at(analysed, f) for f in range(1, 31)])
    settings.gain_brow = 0.0
    settings.use_apply_range, settings.apply_first, settings.apply_last = True, 8, 22
    settings.blend_in = settings.blend_out = 5
    bpy.ops.exprgen.apply()
    after = np.array([value_at(analysed, f) for f in range(1, 31)])
    assert after[:8] == pytest.approx(before[:8], abs=1e-5)
    assert after[21:] == pytest.approx(before[21:], abs=1e-5)
    assert np.abs(before).min() > 0.01
    assert after[12:17] == pytest.approx(np.zeros(5), abs=1e-5)
    assert 0 < abs(after[9]) < abs(before[9])


def test_a_correction_survives_the_next_apply(analysed):
    bpy.ops.exprgen.apply()
    solved = np.array([value_at(analysed, f) for f in range(1, 31)])
    analysed.frame_set(15)
    goal = solved[14] + (0.4 if solved[14] < 0.5 else -0.4)
    pose(analysed, goal)
    keyed = all_keys()
    assert bpy.ops.exprgen.key_correction("EXEC_DEFAULT", True, radius=0.2) == {"FINISHED"}
    scene = bpy.context.scene
    corrected = np.array([value_at(scene, f) for f in range(1, 31)])
    assert corrected[14] == pytest.approx(goal, abs=1e-4)
    assert corrected[:9] == pytest.approx(solved[:9], abs=1e-4), "it ends with its reach"
    assert np.abs(np.diff(corrected - solved)).max() < abs(goal - solved[14]) * 0.6, "no jump"
    bpy.ops.exprgen.apply()
    again = np.array([value_at(scene, f) for f in range(1, 31)])
    assert again == pytest.approx(corrected, abs=2e-3)
    entry = ann(scene).collection.exprgen.corrections[0]
    entry.strength = 0.0
    bpy.ops.exprgen.apply()
    assert value_at(scene, 15) == pytest.approx(solved[14], abs=1e-4), "and can be weakened"
    assert keyed["ExprGen Take"].keys() == all_keys()["ExprGen Take"].keys()


def test_a_correction_is_taken_back_from_the_keys(analysed):
    bpy.ops.exprgen.apply()
    solved = value_at(analysed, 15)
    pose(analysed, solved + 0.3)
    bpy.ops.exprgen.key_correction(radius=0.2)
    assert value_at(analysed, 15) > solved + 0.1
    bpy.ops.exprgen.remove_correction(index=0)
    assert value_at(analysed, 15) == pytest.approx(solved, abs=1e-4)
    with pytest.raises(RuntimeError, match="pose the character"):
        bpy.ops.exprgen.key_correction()


@pytest.mark.parametrize("automatic", [True, False])
def test_a_key_set_by_hand_is_a_correction_too(analysed, automatic):
    bpy.ops.exprgen.apply()
    solved = value_at(analysed, 15)
    prop = pose(analysed, solved + 0.4)
    analysed.tool_settings.use_keyframe_insert_auto = automatic
    prop.owner.keyframe_insert(prop.data_path, index=prop.index, frame=15)
    found = corrections.posed_offsets(ann(analysed), 15.0, keyed=True)
    assert found == {MOVING: pytest.approx(0.4, abs=0.03)}
    bpy.ops.exprgen.key_correction(radius=0.2)
    assert value_at(analysed, 15) == pytest.approx(solved + 0.4, abs=0.03)
    assert {k.type for k in fcurves.curve_of(prop).keyframe_points} == {"GENERATED"}
    bpy.ops.exprgen.apply()
    assert value_at(analysed, 15) == pytest.approx(solved + 0.4, abs=0.03), "it outlives Apply"


def test_motion_that_is_quick_all_along_is_no_key_set_by_hand(analysed):
    bpy.ops.exprgen.apply()
    prop = pose(analysed, 0.5)
    for key in fcurves.curve_of(prop).keyframe_points:
        key.co[1] = 0.5 + 0.15 * (int(key.co[0]) % 2)
    analysed.frame_set(15)
    assert MOVING not in corrections.posed_offsets(ann(analysed), 15.0, keyed=True)
    with pytest.raises(RuntimeError, match="pose the character"):
        bpy.ops.exprgen.key_correction()


def test_generated_keys_are_cleared_in_a_range_and_others_stay(analysed):
    bpy.ops.exprgen.apply()
    prop = pose(analysed, 0.6)
    prop.owner.keyframe_insert(prop.data_path, index=prop.index, frame=40)
    bpy.ops.exprgen.clear_keys(first=10, last=20)
    places = [k.co[0] for k in fcurves.curve_of(prop).keyframe_points]
    assert places == [*range(1, 10), *range(21, 31), 40]
    bpy.ops.exprgen.clear_keys(everything=True)
    assert [k.co[0] for k in fcurves.curve_of(prop).keyframe_points] == [40]


def test_the_reference_stands_beside_in_step_with_the_timeline(analysed):
    analysed.render.fps = 50  # two scene frames a picture
    assert bpy.ops.exprgen.show_reference(way="beside") == {"FINISHED"}
    empty = reference_overlay.overlay_of(analysed)
    pictures = sorted(
        reference_overlay.frames_folder(references.track_path(analysed.exprgen)).glob("*.jpg")
    )
    assert len(pictures) == 60, "and one for the moment before Blender knows its frame"
    assert pictures[1].read_bytes() == pictures[2].read_bytes() != pictures[3].read_bytes()
    assert (empty.image_user.frame_start, empty.image_user.frame_duration) == (1, 59)
    assert empty.hide_render
    facing = np.array(ann(analysed).profile.framing.forward)
    away = np.array(empty.matrix_world.translation - ann(analysed).face_center)
    assert abs(away @ facing) < 1e-6 < np.linalg.norm(away)
    bpy.ops.exprgen.show_reference(way="behind")
    away = np.array(empty.matrix_world.translation - ann(analysed).face_center)
    assert away @ facing < 0
    bpy.ops.exprgen.show_reference(way="off")
    assert empty.hide_viewport
    made = pictures[1].stat().st_mtime_ns
    bpy.ops.exprgen.show_reference(way="beside")
    assert reference_overlay.overlay_of(analysed) == empty
    assert not empty.hide_viewport
    assert pictures[1].stat().st_mtime_ns == made, "nothing is prepared again"


def test_footage_that_is_not_finished_is_not_said_to_be_shown(analysed):
    folder = reference_overlay.frames_folder(references.track_path(analysed.exprgen))
    shutil.rmtree(folder.parent, ignore_errors=True)
    task = show_reference._task(analysed)
    analysed.exprgen.overlay = "beside"
    folder.mkdir(parents=True)
    task.state = task_queue.STOPPED
    task.drop()
    assert analysed.exprgen.overlay == "off"
    assert not folder.parent.exists()
    bpy.ops.exprgen.show_reference(way="beside")
    task = show_reference._task(analysed)  # of pictures that are made anew
    task.state = task_queue.STOPPED
    task.drop()
    assert analysed.exprgen.overlay == "beside"
    assert list(folder.iterdir())


def test_another_reference_brings_its_own_footage(scene, tmp_path, house):
    other = synthetic.speaking_clip(tmp_path / "other.mp4", frames=3)
    bpy.ops.exprgen.analyse()
    bpy.ops.exprgen.show_reference(way="beside")
    first = scene.exprgen.track
    bpy.ops.exprgen.pick_reference(filepath=str(other))
    assert reference_overlay.overlay_of(scene) is None, "not the footage of before"
    bpy.ops.exprgen.analyse()
    shown = reference_overlay.overlay_of(scene)
    assert shown.image_user.frame_duration == 3, "shown without being asked for"
    bpy.ops.exprgen.pick_reference(filepath=str(house / "clip.mp4"))
    assert scene.exprgen.track == first, "looked at before: nothing to wait for"
    assert reference_overlay.overlay_of(scene).image_user.frame_duration == 30
    bpy.ops.exprgen.pick_reference(filepath=str(synthetic.speaking_clip(house / "c.mp4", frames=2)))
    assert scene.exprgen.track == ""


def test_the_clips_rate_is_offered_and_the_footage_keeps_step(analysed):
    from exprgen.exprgen_addon.window.operators import scene_rate

    found = references.seen(analysed.exprgen)
    assert scene_rate.offered(analysed, found) is None
    analysed.render.fps = 30
    assert scene_rate.offered(analysed, found) == 25
    bpy.ops.exprgen.show_reference(way="beside")
    assert reference_overlay.overlay_of(analysed).image_user.frame_duration > 30
    bpy.ops.exprgen.take_rate()
    assert (analysed.render.fps, analysed.render.fps_base) == (25, 1.0)
    assert reference_overlay.overlay_of(analysed).image_user.frame_duration == 30
    assert not bpy.ops.exprgen.take_rate.poll()


def test_the_thumbnail_is_of_the_present_frame(analysed):
    found = references.seen(analysed.exprgen)
    analysed.frame_set(5)
    fifth = references.face_at(analysed, found).read_bytes()
    assert fifth[:2] == b"\xff\xd8"
    assert fifth == found.track.face_jpeg(4)
    analysed.frame_set(500)
    assert references.face_at(analysed, found) is None
    analysed.frame_set(5)
    bpy.ops.exprgen.show_reference(way="beside")
    assert reference_overlay.picture_at(analysed).name == "reference_00005.jpg"
    analysed.frame_set(500)
    assert reference_overlay.picture_at(analysed) is None


def test_one_face_then_the_next_then_all(analysed):
    from exprgen.exprgen_addon.window.operators import view_faces

    order = view_faces.in_the_list(analysed)
    assert [c.name for c in order] == ["Ann", "Bob"]
    seen = []
    for _ in range(3):
        view_faces.choose_neighbour(analysed, 1)
        seen.append(in_scene.active_collection(analysed).name)
    assert seen in (["Ann", "Bob", "Ann"], ["Bob", "Ann", "Bob"])
    both = in_scene.characters_in(analysed)
    _, wide, _ = view_faces.extent(both)
    _, narrow, tall = view_faces.extent(both[:1], handles=False)
    size = both[0].profile.framing.size
    assert wide > 2 * size
    assert (narrow, tall) == pytest.approx((size, size))
    bpy.ops.exprgen.show_reference(way="beside")
    _, with_footage, _ = view_faces.extent(both[:1], view_faces.beside_of(analysed), handles=False)
    assert with_footage > 1.9 * size


def test_a_killed_worker_is_told_and_the_next_run_works(analysed):
    worker = job_timer.worker()
    jobs.Job("ping", {}, worker).run_blocking()
    request = applying.solve_request(analysed, applying.cast_of(analysed), job_timer.scratch())
    os.kill(worker.pid, signal.SIGSTOP)  # so that it can't answer first
    task = job_timer.Task("Apply", job_timer.ask("solve", request))
    job_timer.queue.add(task)
    os.kill(worker.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while job_timer.queue.busy and time.monotonic() < end:
        job_timer.queue.step()
        time.sleep(0.01)
    assert task.state == "failed"
    assert "SIGKILL" in str(task.error)
    assert task.error.fix
    assert bpy.ops.exprgen.apply() == {"FINISHED"}
    assert job_timer.worker().pid != worker.pid


def test_nothing_is_left_behind_by_disabling(house):
    exprgen.unregister()
    try:
        assert not hasattr(bpy.types.Scene, "exprgen")
        assert not hasattr(bpy.types.Collection, "exprgen")
        assert not hasattr(bpy.types.WindowManager, "exprgen")
        left = [n for n in dir(bpy.types) if n.startswith("EXPRGEN_")]
        assert not left
        assert not any("exprgen" in f.__module__ for f in bpy.app.handlers.load_pre)
        assert not any("exprgen" in f.__module__ for f in bpy.app.handlers.undo_post)
        assert bpy.utils.preset_paths("exprgen/apply") == []
        assert engine_python.engine() == engine_python.Engine()
        assert all(not w.alive for w in list(worker_process.running_workers))
    finally:
        exprgen.register()


def test_another_file_ends_what_runs(analysed):
    worker = job_timer.worker()
    job_timer.queue.add(job_timer.Task("Wait", job_timer.ask("ping", {"seconds": 60})))
    folder = job_timer.scratch()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not job_timer.queue.busy
    assert not worker.alive
    assert not Path(folder).exists()


def _behind_the_window(monkeypatch, operator) -> task_queue.Task:
    """Start an operator's job as a window does, and wait until it has begun to write."""
    monkeypatch.setattr(
        job_timer, "start", lambda task, _: job_timer.queue.add(task) or {"FINISHED"}
    )
    assert operator() == {"FINISHED"}
    return job_timer.queue.running


def _spools(folder: Path) -> list[Path]:
    return list(folder.glob(".spool-*"))


def _step_until(condition) -> None:
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        job_timer.queue.step()
        time.sleep(0.005)
    assert condition()


def test_a_file_opened_in_an_analysis_ends_it_and_leaves_nothing(scene, house, monkeypatch):
    folder = house / references.TRACKS
    bpy.ops.wm.save_mainfile()
    before = sorted(folder.glob("*"))
    task = _behind_the_window(monkeypatch, bpy.ops.exprgen.analyse)
    other = folder / ".spool-00000000-other"
    _step_until(lambda: _spools(folder))
    other.mkdir()  # another Blender's
    os.kill(job_timer.worker().pid, signal.SIGSTOP)  # so that it can't end first
    try:
        assert len(_spools(folder)) == 2
        bpy.ops.wm.revert_mainfile()
        assert _spools(folder) == [other]
    finally:
        other.rmdir()
    assert sorted(folder.glob("*")) == before
    assert (task.state, task.said) == ("stopped", "ended by opening a file")
    assert job_timer.queue.last is task, "and is told"
    assert not bpy.context.scene.exprgen.track
    monkeypatch.undo()
    assert bpy.ops.exprgen.analyse() == {"FINISHED"}
    assert references.seen(bpy.context.scene.exprgen) is not None, "the next one works"


def test_a_file_saved_in_an_analysis_gets_it_at_its_end(scene, house, monkeypatch):
    references.new_track_path(scene.exprgen).unlink(missing_ok=True)
    _behind_the_window(monkeypatch, bpy.ops.exprgen.analyse)
    bpy.ops.wm.save_mainfile()
    _step_until(lambda: not job_timer.queue.busy)
    assert references.seen(bpy.context.scene.exprgen) is not None
    assert not [p for p in (house / references.TRACKS).iterdir() if ".new" in p.name]
    assert job_timer.queue.last.holds()
    bpy.context.scene.exprgen.reference = "//another.mp4"
    assert not job_timer.queue.last.holds(), "what came of it is not told beside another reference"


def test_an_analysis_of_another_reference_is_not_taken(scene, house, monkeypatch):
    _behind_the_window(monkeypatch, bpy.ops.exprgen.analyse)
    scene.exprgen.reference = "//another.mp4"
    _step_until(lambda: not job_timer.queue.busy)
    assert not scene.exprgen.track
    assert "reference was changed" in job_timer.queue.last.said
    assert job_timer.queue.last.holds(), "and is told"
    assert not [p for p in (house / references.TRACKS).iterdir() if ".new" in p.name]


def test_what_a_job_says_of_its_keys_goes_and_comes_with_them(analysed):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.exprgen.apply()
    last = job_timer.queue.last
    assert "keys on" in last.said
    assert last.holds()
    bpy.ops.ed.undo()
    assert not last.holds()
    bpy.ops.ed.redo()
    assert last.holds()
    bpy.ops.exprgen.apply()
    assert job_timer.queue.last.holds()
    bpy.ops.ed.undo()
    assert not job_timer.queue.last.holds(), "the first one's keys are another's word"


def test_a_pose_is_taken_as_a_correction_where_there_are_keys(analysed):
    import json

    bpy.ops.exprgen.apply()
    analysed.frame_set(12)
    character = ann(analysed)
    control = character.profile.control(MOVING)
    goal = value_at(analysed, 12) - 0.3
    value = float(from_unit((control,), np.array([goal]))[0])
    bpy.ops.exprgen.take_pose(
        scene=analysed.name,
        collection=character.collection.name,
        values=json.dumps({MOVING: value}),
    )
    assert value_at(analysed, 12) == pytest.approx(goal, abs=1e-3)
    assert len(character.collection.exprgen.corrections) == 1


def test_make_it_clearer_looks_and_leaves_nothing(analysed, monkeypatch):
    from exprgen.exprgen_addon.window import live_clarity

    made = []

    def mirror_for(profile):
        made.append(kept(profile))
        return made[-1]

    kept = live_clarity.mirror_for
    monkeypatch.setattr(live_clarity, "mirror_for", mirror_for)
    before = len(bpy.data.objects)
    analysed.exprgen.clearer_expression = "joy"
    assert bpy.ops.exprgen.make_clearer() == {"FINISHED"}
    assert len(bpy.data.objects) == before
    assert not made[0].alive
    assert not Path(made[0]._folder.name).exists()
    analysed.exprgen.clearer_expression = "fear"
    with pytest.raises(RuntimeError, match="no key pose of fear"):
        bpy.ops.exprgen.make_clearer()


def test_a_mirror_reads_poses_and_tells_its_death(house):
    from exprgen.exprgen_addon.window import live_clarity
    from exprgen.networks.characters.profile import load_profile

    profile = load_profile(house / "ann.json")
    mirror = live_clarity.mirror_for(profile)
    try:
        rest = np.array([c.rest for c in profile.controls])
        first = mirror.read(rest)
        assert first.shape == (7,)
        assert first.sum() == pytest.approx(1.0)
        again = mirror.read(rest)
        assert again == pytest.approx(first, abs=0.02), "the same pose reads the same"
        os.kill(mirror.pids[0], signal.SIGKILL)
        with pytest.raises(ExprGenError, match=r"picture maker ended.*SIGKILL"):
            mirror.read(rest)
    finally:
        mirror.close()
    assert not mirror.alive


def test_the_checklist_tells_what_is_done_and_what_is_next(house, tmp_path):
    import json
    import shutil

    from exprgen.exprgen_addon.window import new_character_steps
    from exprgen.networks.characters.profile import load_profile

    primary = load_profile(house / "ann.json")
    steps = new_character_steps.steps_of(tmp_path / "hero.json", primary)
    assert [s.done for s in steps] == [False] * 6
    assert new_character_steps.next_step(steps).name == new_character_steps.CONTROLS
    for end in ("json", "blend"):
        shutil.copy(house / f"bob.{end}", tmp_path / f"hero.{end}")
    profile = load_profile(tmp_path / "hero.json")
    steps = {s.name: s for s in new_character_steps.steps_of(profile.path, primary)}
    assert steps["controls"].done
    assert not steps["landmarks"].done
    assert "none of anger" in steps["poses"].detail
    assert not steps["train"].ready
    assert steps["test"].ready
    folder = new_character_steps.captures(profile) / profile.name
    folder.mkdir(parents=True)
    manifest = {"done": 8, "rejected": {"face hidden": 2}, "count": 10}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert new_character_steps.captured(folder.parent, profile.name) == (10, 10)
    steps = {s.name: s for s in new_character_steps.steps_of(profile.path, primary)}
    assert not steps["capture"].done, "the primary's poses are missing"
    new_character_steps.network_path(profile, primary).write_bytes(b"weights")
    steps = {s.name: s for s in new_character_steps.steps_of(profile.path, primary)}
    assert steps["train"].done, "a network beside the profile is found"
    assert [s.done for s in new_character_steps.steps_of(profile.path, None)][4] is False


def test_a_step_of_the_checklist_is_a_job(house, tmp_path):
    import shutil

    from exprgen.exprgen_addon.window import new_character_steps
    from exprgen.networks.characters.profile import load_profile

    shutil.copy(house / "bob.blend", tmp_path / "hero.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "hero.blend"))
    bpy.context.view_layer.objects.active = None
    with pytest.raises(RuntimeError, match="select the mesh"):
        bpy.ops.exprgen.new_step(step="controls")
    bpy.context.view_layer.objects.active = bpy.data.objects["bob face"]
    bpy.ops.wm.save_mainfile()
    assert bpy.ops.exprgen.new_step(step="controls") == {"FINISHED"}
    made = load_profile(tmp_path / "hero.json")
    assert made.names
    assert bpy.context.scene.exprgen.new_profile == "//hero.json", "goes where the file goes"
    assert new_character_steps.steps_of(made.path, None)[0].done
    rows = bpy.context.window_manager.exprgen.controls
    assert [r.name for r in rows] == list(made.names), "listed, to be tried"
    before = {c.name: c for c in made.controls}
    smile = next(
        r for r in rows if before[r.name].targets[0].data_path == 'key_blocks["smile"].value'
    )
    smile.raised = 0.5
    keys = bpy.data.objects["bob face"].data.shape_keys.key_blocks
    assert keys["smile"].value == pytest.approx(0.5)
    bpy.ops.exprgen.rest_controls()
    assert keys["smile"].value == 0.0
    lid = next(r for r in rows if before[r.name].mirror)
    lid.kept = False
    kept = load_profile(made.path)
    assert lid.name not in kept.names
    assert before[lid.name].mirror in kept.names, "the other side alone, and a whole profile"
    lid.kept = True
    assert load_profile(made.path).controls == made.controls


def test_presets_hold_every_setting_of_apply(house):
    from exprgen.exprgen_addon.window.scene_settings import PRESET_FIELDS

    folder = Path(bpy.utils.preset_paths("exprgen/apply")[0])
    settings = bpy.context.scene.exprgen
    assert all(hasattr(settings, name) for name in PRESET_FIELDS)
    shipped = sorted(folder.glob("*.py"))
    assert len(shipped) == 6
    for preset in shipped:
        exec(compile(preset.read_text(encoding="utf-8"), str(preset), "exec"))  # as Blender does
        applying.key_options(settings)
        applying.retarget_settings(settings)


def test_presets_set_what_the_animators_page_says(house):
    """Its table names emphasis, articulation and the error of reduction of each."""
    from exprgen.networks.settings import RetargetSettings

    folder = Path(bpy.utils.preset_paths("exprgen/apply")[0])
    page = (Path(__file__).parents[3] / "docs" / "animators.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \*([A-Z][A-Za-z ]+)\* \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE)
    settings, told = bpy.context.scene.exprgen, dict(rows)
    for preset in folder.glob("*.py"):
        exec(compile(preset.read_text(encoding="utf-8"), str(preset), "exec"))  # as Blender does
        text = told[preset.stem.replace("_", " ")]
        for what, number in re.findall(r"(emphasis|articulat\w+)[a-z ]*\(?([.\d]+)", text):
            value = settings.emphasis if what == "emphasis" else settings.articulation
            assert value == pytest.approx(float(number)), preset.name
        share = re.search(r"within (\d+)%", text)
        assert settings.reduce == pytest.approx(int(share[1]) / 100 if share else 0.0), preset.name
        if "what is set from the start" in text:
            assert settings.emphasis == pytest.approx(RetargetSettings().emphasis)
            assert settings.articulation == pytest.approx(RetargetSettings().articulation)


def test_apply_measures_who_has_changed(house, tmp_path):
    """Landmarks, a rig that was saved anew, a response that is gone: Apply sees to it first."""
    made = synthetic.with_landmarks(synthetic.build(tmp_path, "carl"))
    made.save(made.path)
    solve = jobs.Messages
    assert job_timer.measured_first([], solve) is solve
    bare = load_profile(house / "ann.json")
    assert job_timer.measured_first([bare], solve) is solve, "nothing can be measured of it"
    assert not is_measured(made)

    def apply() -> list[str]:
        begin = job_timer.measured_first([made], job_timer.ask("ping", {"echo": 1}))
        task = task_queue.TaskQueue().run(task_queue.Task("Apply", begin))
        assert task.job.result["echo"] == 1
        return task.warnings

    assert apply() == []
    assert is_measured(made)
    assert job_timer.measured_first([made], solve) is solve
    with open(made.blend, "ab") as f:
        f.write(b" ")
    assert not is_measured(made)
    made.blend.rename(tmp_path / "away.blend")
    (said,) = apply()
    assert "carl" in said


def test_emphasis_is_keyed_over_the_shot(house):
    from exprgen.exprgen_addon.window.scene_settings import retarget_settings

    scene = bpy.context.scene
    settings = scene.exprgen
    assert retarget_settings(settings).emphasis_curve == ()
    for frame, value in ((1, 0.2), (13, 1.0)):
        settings.emphasis = value
        scene.keyframe_insert("exprgen.emphasis", frame=frame)
    made = retarget_settings(settings)
    fps = scene.render.fps / scene.render.fps_base
    times, amounts = np.transpose(made.emphasis_curve)
    np.testing.assert_allclose(times, np.arange(13) / fps)
    assert (amounts[0], amounts[-1]) == pytest.approx((0.2, 1.0))
    assert (np.diff(amounts) > 0).all()
    np.testing.assert_allclose(made.emphasis_at(times, ["mouth"])[:, 0], amounts)
    settings.emphasis_mouth, settings.own_emphasis = 0.1, True
    both = retarget_settings(settings).emphasis_at(times, ["mouth", "nose", "gaze"])
    np.testing.assert_allclose(both[:, 0], 0.1)
    np.testing.assert_allclose(both[:, 2], amounts)
    for frame, value in ((1, 0.0), (13, 0.6)):
        settings.emphasis_mouth = value
        scene.keyframe_insert("exprgen.emphasis_mouth", frame=frame)
    all_three = retarget_settings(settings).emphasis_at(times, ["mouth", "brow", "gaze"])
    assert (all_three[0, 0], all_three[-1, 0]) == pytest.approx((0.0, 0.6))
    np.testing.assert_allclose(all_three[:, 1], amounts, err_msg="keyed as the whole was")
    np.testing.assert_allclose(all_three[:, 2], amounts)
    settings.own_emphasis = False
    unused = retarget_settings(settings).emphasis_at(times, ["mouth"])[:, 0]
    np.testing.assert_allclose(unused, amounts)
