"""*Make Face Rig* in the panel: what it can be pressed for, and what it refuses."""

import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.engine.task_queue import Task
from exprgen.exprgen_addon.window import job_timer, operators
from exprgen.exprgen_addon.window.operators import make_face_rig
from exprgen.exprgen_addon.window.panels import job
from exprgen.networks.errors import UsageError
from exprgen.tests.support import bare_heads

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def head(tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    found = bare_heads.build("child", kept=0.2)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "sculpt.blend"))
    bpy.context.view_layer.objects.active = found
    return found


def test_it_wants_a_mesh(head):
    assert bpy.ops.exprgen.make_face_rig.poll()
    bpy.context.view_layer.objects.active = None
    assert not bpy.ops.exprgen.make_face_rig.poll()


def test_the_open_file_is_not_written_over(head):
    with pytest.raises(RuntimeError, match="written over"):
        bpy.ops.exprgen.make_face_rig(filepath=bpy.data.filepath)


def test_another_head_of_the_same_name_does_not_take_the_first_one_s_file(head, tmp_path):
    assert make_face_rig._beside(bpy.context) == tmp_path / "head_rig.blend"
    for made in ("head_rig.blend", "head_rig_2.json"):
        (tmp_path / made).touch()
    assert make_face_rig._beside(bpy.context) == tmp_path / "head_rig_3.blend"


def test_a_failure_is_told_once_below_its_button():
    titles = [m.TITLE for m in operators.modules() if hasattr(m, "TITLE")]
    assert {make_face_rig.TITLE, "Actor's Head", "Add Avatar", "Export Take"} <= set(titles)
    try:
        job_timer.queue.failures[:] = [Task(t, lambda: None) for t in (*titles, "Elsewhere")]
        assert [t.title for t in job._begun_elsewhere()] == ["Elsewhere"]
    finally:
        job_timer.queue.failures.clear()


def test_a_head_that_has_a_rig_is_refused(head, tmp_path):
    head.shape_key_add(name="Basis")
    head.shape_key_add(name="mouthSmileLeft")
    with pytest.raises(RuntimeError, match="no bare head"):
        bpy.ops.exprgen.make_face_rig(filepath=str(tmp_path / "hero.blend"))
    assert not (tmp_path / "hero.blend").exists()


def test_the_character_takes_the_sculpts_place(head, tmp_path):
    from exprgen.networks.characters.profile import SAMPLE_RIGS

    bpy.context.view_layer.update()
    done = bpy.ops.exprgen.bring_rigged_head(
        scene=bpy.context.scene.name, profile=str(SAMPLE_RIGS / "blip.json"), sculpt="Head"
    )
    assert done == {"FINISHED"}
    assert head.hide_get()
    assert bpy.data.objects["Eye_L"].hide_render
    assert bpy.context.scene.exprgen.new_profile.endswith("blip.json")


def test_who_is_refused_takes_no_copy_from_the_job_under_way(head):
    copy = job_timer.copied(make_face_rig.TITLE, "head.blend")
    written = copy.stat().st_mtime_ns
    job_timer.queue.waiting.append(Task(make_face_rig.TITLE, lambda: None, copy=copy))
    try:
        with pytest.raises(UsageError, match="under way"):
            job_timer.copied(make_face_rig.TITLE, "head.blend")
        assert copy.stat().st_mtime_ns == written
    finally:
        job_timer.queue.clear()
    assert not copy.exists()
