"""Live in the window: a phone drives a character through the real worker, and nothing is left."""

from __future__ import annotations

import time

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.engine import engine_python
from exprgen.exprgen_addon.keying.take_list import find_take
from exprgen.exprgen_addon.studio.response import measure_response
from exprgen.exprgen_addon.window import job_timer, live_drive, live_tapes, take_pieces
from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import is_measured, response_path
from exprgen.networks.errors import ExprGenError
from exprgen.tests.support import synthetic
from exprgen.tests.support.phone import free_port, phone


@pytest.fixture
def scene():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    exprgen.register()
    try:
        in_scene.append_characters([find_character("tobi")], bpy.context.scene)
        yield bpy.context.scene
    finally:
        exprgen.unregister()


@pytest.fixture
def port():
    with phone() as port:
        yield port


def pose(scene) -> np.ndarray:
    (character,) = in_scene.characters_in(scene)
    return np.array([p.read() for ps in character.bindings.values() for p in ps])


def until(condition, seconds: float = 60.0) -> None:
    """Step the session until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        live_drive.step()
        time.sleep(0.005)


def start(port: int) -> None:
    live = bpy.context.window_manager.exprgen_live
    live.source, live.port = "phone", port
    assert live.address == "127.0.0.1"
    assert bpy.ops.exprgen.live_start() == {"FINISHED"}
    until(lambda: not live_drive.state.calibrating)


def test_it_drives_records_at_exact_times_and_leaves_nothing(scene, port):
    before = pose(scene)
    before[3] = 0.25  # somebody has posed it
    (character,) = in_scene.characters_in(scene)
    properties = [p for ps in character.bindings.values() for p in ps]
    properties[3].set(0.25)
    start(port)
    scene.frame_set(10)
    worker = live_drive.state.worker
    assert bpy.ops.exprgen.live_record() == {"FINISHED"}
    until(lambda: len(live_drive.state.session.tape) > 40)
    assert np.abs(pose(scene) - before).max() > 0.05
    assert not bpy.data.actions, "nothing is keyed while it is live"
    times = np.array([f.time for f in live_drive.state.session.tape])
    live_drive.put_back()
    assert pose(scene) == pytest.approx(before, abs=1e-6), "a file that is saved holds the old pose"
    assert bpy.ops.exprgen.live_stop() == {"FINISHED"}
    assert not worker.alive
    assert not live_drive.state.runs
    assert "keys on" in live_drive.state.said
    take = find_take(scene.exprgen.take)
    assert take.is_live, "the list marks what is played"
    assert take_pieces.target_take(scene.exprgen) != "Live", "a clip is never applied to it"
    assert not bpy.ops.exprgen.punch_in.poll()
    (action,) = bpy.data.actions
    bag = action.layers[0].strips[0].channelbags[0]
    frames = np.array([k.co[0] for k in bag.fcurves[0].keyframe_points])
    wanted = 10 + (times - times[0]) * 24
    assert frames[: len(wanted)] == pytest.approx(wanted[: len(frames)], abs=2e-3)
    assert len(frames) >= len(wanted)


def test_a_window_that_draws_slowly_tells_what_it_showed(scene, port):
    start(port)
    session = live_drive.state.session
    come, shown = session.come, session.shown
    for _ in range(3):
        time.sleep(0.3)
        live_drive.step()
    assert session.come - come > session.shown - shown
    assert session.shown - shown <= 3
    assert live_drive.outcome().startswith(f"{session.shown} frames shown")


def test_a_pose_comes_back_when_it_stops_or_the_worker_dies(scene, port):
    before = pose(scene)
    start(port)
    until(lambda: np.abs(pose(scene) - before).max() > 0.05)
    live_drive.rebind()  # as after an undo
    live_drive.state.worker.kill()
    with pytest.raises(ExprGenError, match="ended unexpectedly"):
        until(lambda: False)
    assert live_drive._tick() is None
    assert pose(scene) == pytest.approx(before, abs=1e-6)
    assert "ended unexpectedly" in str(live_drive.state.error)
    assert not bpy.data.actions


@pytest.fixture
def changed(tmp_path):
    """A character whose .blend is another than its response was measured on."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = synthetic.with_landmarks(synthetic.build(tmp_path, "carl"))
    made.save(made.path)
    measure_response(made).save(response_path(made))
    with open(made.blend, "ab") as f:
        f.write(b" ")
    exprgen.register()
    try:
        in_scene.append_characters([made], bpy.context.scene)
        yield made
    finally:
        exprgen.unregister()


def test_a_rig_that_has_changed_is_measured_before_it_is_driven(changed, port):
    assert not is_measured(changed)
    start(port)
    assert is_measured(changed)
    assert not live_drive.state.doubt
    assert bpy.ops.exprgen.live_stop() == {"FINISHED"}


def test_who_cannot_be_measured_is_driven_with_a_warning(changed, port, monkeypatch):
    monkeypatch.setattr(job_timer.os, "access", lambda path, mode: False)  # root may write anywhere
    start(port)
    assert not is_measured(changed)
    assert "carl is not measured" in live_drive.state.doubt.lower()
    assert bpy.ops.exprgen.live_stop() == {"FINISHED"}
    assert not live_drive.state.doubt


def test_a_port_that_is_taken_is_a_clear_line(scene):
    import socket

    live = bpy.context.window_manager.exprgen_live
    live.source, live.port = "phone", free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", live.port))
        assert bpy.ops.exprgen.live_start() == {"FINISHED"}
        with pytest.raises(ExprGenError, match=f"port {live.port} of 127.0.0.1 can't be opened"):
            until(lambda: False)
    live_drive._tick()
    assert not live_drive.state.runs


def test_without_a_character_or_a_clip_it_cannot_start(scene):
    live = bpy.context.window_manager.exprgen_live
    live.source, live.clip = "clip", "/nowhere/none.mp4"
    assert not bpy.ops.exprgen.live_start.poll()
    live.source = "camera"
    assert bpy.ops.exprgen.live_start.poll()
    assert not bpy.ops.exprgen.live_record.poll()
    live.source = "phone"
    assert bpy.ops.exprgen.live_start.poll()
    live.address = "0.0.0.0"
    assert bpy.ops.exprgen.live_start.poll() == bpy.app.online_access
    live.address = "127.0.0.1"
    for collection in in_scene.collections_in(scene):
        bpy.data.collections.remove(collection)
    assert not bpy.ops.exprgen.live_start.poll()


# --- what a Blender that ends otherwise leaves ---------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, so that nobody's recordings are met."""
    monkeypatch.setattr(engine_python, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(live_tapes, "_given_up", [])
    live_tapes.look_again()
    yield tmp_path
    live_tapes.look_again()


def keys_of(take: str) -> dict[str, np.ndarray]:
    action = find_take(take).action
    bags = action.layers[0].strips[0].channelbags
    curves = [c for bag in bags for c in bag.fcurves]
    return {c.data_path: np.array([k.co for k in c.keyframe_points]) for c in curves}


KILLED = """
import sys, time
import bpy, exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.window import live_drive
from exprgen.networks.characters.profile import find_character
bpy.ops.wm.read_factory_settings(use_empty=True)
exprgen.register()
in_scene.append_characters([find_character("tobi")], bpy.context.scene)
live = bpy.context.window_manager.exprgen_live
live.source, live.port = "phone", int(sys.argv[1])
bpy.ops.exprgen.live_start()
while live_drive.state.calibrating:
    live_drive.step()
bpy.ops.exprgen.live_record()
while True:
    live_drive.step()
    time.sleep(0.005)
    print(len(live_drive.state.session.tape), flush=True)
"""


def test_a_blender_that_is_killed_has_left_its_recording(scene, port, cache):
    import os
    import subprocess
    import sys

    words = [sys.executable, "-c", KILLED, str(port)]
    surroundings = {**os.environ, "EXPRGEN_CACHE_DIR": str(cache)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=surroundings) as killed:
        counts = (int(line) for line in killed.stdout if line.strip().isdigit())
        told = next(n for n in counts if n > 40)
        assert not live_tapes.left(anew=True), "while it runs it is its own"
        killed.kill()
    (tape,) = live_tapes.left(anew=True)
    assert live_tapes.titled(tape).startswith("untitled, 2")
    scene.frame_set(10)
    assert bpy.ops.exprgen.live_recover(tape=str(tape)) == {"FINISHED"}
    assert find_take(scene.exprgen.take).is_live
    curves = keys_of(scene.exprgen.take)
    assert max(len(points) for points in curves.values()) >= told
    assert min(points[0, 0] for points in curves.values()) == 10
    assert not live_tapes.left(anew=True)
    assert not tape.exists()


def test_what_became_a_take_leaves_no_tape_and_what_did_not_is_offered(scene, port, cache):
    start(port)
    for keep in (True, False):
        assert bpy.ops.exprgen.live_record() == {"FINISHED"}
        until(lambda: len(live_drive.state.session.tape) > 20)
        assert [*live_tapes.folder().iterdir()] == [live_drive.state.tape.path]
        assert not live_tapes.left(anew=True)
        if keep:
            assert bpy.ops.exprgen.live_record() == {"FINISHED"}
            assert not [*live_tapes.folder().iterdir()]
    live_drive.forget()  # as where another file is opened
    (tape,) = live_tapes.left(anew=True)
    for collection in in_scene.collections_in(scene):
        bpy.data.collections.remove(collection)
    with pytest.raises(RuntimeError, match="character"):
        bpy.ops.exprgen.live_recover(tape=str(tape))
    assert tape.exists()
    with pytest.raises(RuntimeError, match="no such recording"):
        bpy.ops.exprgen.live_discard(tape=str(cache / "other.txt"))
    assert bpy.ops.exprgen.live_discard(tape=str(tape)) == {"FINISHED"}
    assert not tape.exists()


def test_a_disk_that_is_full_is_told_and_the_take_is_kept(scene, port, cache):
    (cache / "live").write_text("a file, and no folder")
    start(port)
    assert bpy.ops.exprgen.live_record() == {"FINISHED"}
    until(lambda: len(live_drive.state.session.tape) > 20)
    assert "can't be written" in live_drive.state.said
    assert bpy.ops.exprgen.live_record() == {"FINISHED"}
    assert find_take(scene.exprgen.take).is_live
