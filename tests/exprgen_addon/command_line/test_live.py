"""`exprgen live`: refused before anything starts, a phone's take with keys at exact times, takes of
sessions that are ended or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.command_line.main import main
from exprgen.exprgen_addon.engine.live_tape import LiveTape
from exprgen.networks.errors import EXIT_INPUT, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from exprgen.networks.tracking import landmark_model
from exprgen.tests.support.clips import write_clip
from exprgen.tests.support.phone import free_port, phone


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("--primary tobi", EXIT_USAGE),
        ("--clip a.mp4 --udp 11111 --primary tobi", EXIT_USAGE),
        ("--udp 99999 --primary tobi", EXIT_USAGE),
        ("--udp 11111 --primary tobi --out seen.npz", EXIT_USAGE),
        ("--camera 0 --loop --primary tobi", EXIT_USAGE),
        ("--camera 0 --primary tobi --record take.mp4", EXIT_USAGE),
        ("--clip /nowhere/none.mp4 --primary tobi", EXIT_INPUT),
    ],
)
def test_what_makes_no_sense_starts_nothing(words, code, capfd):
    assert main(["live", *words.split()]) == code
    assert "error" in capfd.readouterr().err


def test_an_address_that_is_none_is_a_clear_line(capfd):
    words = ["live", "--udp", str(free_port()), "--address", "example.org", "--primary", "tobi"]
    assert main(words) == EXIT_USAGE
    assert "'example.org' is no address" in capfd.readouterr().err


def test_a_phone_is_recorded_at_its_own_times(tmp_path, capfd):
    take = tmp_path / "take.blend"
    with phone() as port:
        words = ["live", "--udp", str(port), "--primary", "tobi", "--seconds", "3", "--json"]
        assert main([*words, "--calibrate", "0.3", "--record", str(take)]) == EXIT_OK
    told = capfd.readouterr()
    result = json.loads(told.out)
    assert result["refused"] > 5
    assert result["frames"] > 20
    assert "frames a second" in told.err
    bpy.ops.wm.open_mainfile(filepath=str(take))
    (action,) = (a for a in bpy.data.actions if a.name.startswith("ExprGen"))
    bag = action.layers[0].strips[0].channelbags[0]
    frames = np.array([k.co[0] for k in bag.fcurves[0].keyframe_points], float)
    fps = bpy.context.scene.render.fps / bpy.context.scene.render.fps_base
    assert fps >= 24, "the scene is not as slow as a busy machine"
    sent = (frames - frames[0]) / fps * 60
    assert np.abs(sent - np.rint(sent)).max() < 0.05, "keys lie on the phone's own frames"


@pytest.mark.skipif(
    not (landmark_model.cache_dir() / "face_landmarker.task").is_file(), reason="no landmark model"
)
def test_a_track_that_nobody_is_in_is_told(tmp_path, capfd):
    clip, out = write_clip(tmp_path / "a.mp4", [i / 25 for i in range(10)]), tmp_path / "seen.npz"
    words = ["live", "--clip", str(clip), "--primary", "tobi", "--out", str(out)]
    assert main(words) == EXIT_INPUT
    assert "a.mp4: no face was seen" in capfd.readouterr().err
    assert not out.exists()


# --- sessions that end otherwise -----------------------------------------------------------------

COMMAND = [sys.executable, "-m", "exprgen.exprgen_addon.command_line.main"]
ENOUGH = 40
"""Frames on a tape before something happens to its session."""


def words_for(take, port: int) -> list[str]:
    words = ["live", "--udp", str(port), "--primary", "tobi", "--calibrate", "0.3"]
    return [*words, "--record", str(take), "--json"]


@pytest.fixture
def recording(tmp_path):
    """A command that records what a phone sends, when it has some of it: (process, take, tape)."""
    take = tmp_path / "take.blend"
    with phone() as port:
        process = subprocess.Popen(
            [*COMMAND, *words_for(take, port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            yield process, take, tape_with_enough(tmp_path, process)
        finally:
            process.kill()
            process.communicate()


def tape_with_enough(folder, process):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        for tape in folder.glob("take.live~*.jsonl"):
            if tape.read_bytes().count(b"\n") > ENOUGH:
                return tape
        time.sleep(0.05)
    raise AssertionError("nothing was taped")


def key_times(take) -> np.ndarray:
    """Seconds of the keys of a take's first curve."""
    bpy.ops.wm.open_mainfile(filepath=str(take))
    (action,) = (a for a in bpy.data.actions if a.name.startswith("ExprGen"))
    curve = action.layers[0].strips[0].channelbags[0].fcurves[0]
    render = bpy.context.scene.render
    return np.array([k.co[0] for k in curve.keyframe_points]) / render.fps * render.fps_base


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_who_ends_it_has_the_take(recording, number):
    process, take, tape = recording
    process.send_signal(number)
    out, told = process.communicate(timeout=120)
    assert process.returncode == EXIT_OK, told
    result = json.loads(out)
    assert result["record"] == str(take)
    assert not tape.exists(), "it has become the take"
    assert len(key_times(take)) > 0.8 * ENOUGH


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_session_has_left_all_that_it_played(recording, capfd):
    process, take, tape = recording
    process.kill()
    process.communicate()
    assert not take.exists()
    played = [json.loads(line) for line in tape.read_text().splitlines()[1:]]
    with open(tape, "ab") as cut_short:
        cut_short.write(b'{"time": 3.1, "sta')

    with phone() as port:
        assert main([*words_for(take, port), "--seconds", "2"]) == EXIT_OK
    assert f"--tape {tape}" in capfd.readouterr().err, "the next start tells of it"

    saved = take.with_name("saved.blend")
    assert main(["live", "--tape", str(tape), "--primary", "tobi", "--record", str(saved)]) == 0
    times = key_times(saved)
    sent = np.array([frame["time"] for frame in played])
    assert times - times[0] == pytest.approx(sent - sent[0], abs=1e-4)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_session_whose_engine_dies_has_its_take(recording):
    process, take, tape = recording
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("this system does not tell who started whom")
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert process.returncode not in (EXIT_OK, EXIT_INTERRUPTED), told
    assert f"what was played until then is in {take}".encode() in told
    assert not tape.exists()
    assert len(key_times(take)) > 0.8 * ENOUGH


def test_a_tape_of_others_is_refused(tmp_path, capfd):
    tape = tmp_path / "take.live.jsonl"
    head = {"format": "exprgen.live_tape", "source": "live", "characters": []}
    tape.write_text(json.dumps(head) + "\n")
    words = ["live", "--tape", str(tape), "--primary", "tobi"]
    assert main(words) == EXIT_USAGE, "it says not where"
    assert main([*words, "--record", str(tmp_path / "t.blend")]) == EXIT_INPUT
    assert "line 1 makes no sense" in capfd.readouterr().err


def test_a_tape_that_cant_be_written_ends_no_session(tmp_path):
    tape = LiveTape(tmp_path / "gone" / "take.blend", "live")
    frame = {"time": 0.0, "state": "live", "values": [[0.5]], "expression": [1.0] + [0.0] * 6}
    tape.add([("tobi", ("jaw",))], [frame])
    assert tape.error is not None
    tape.add([("tobi", ("jaw",))], [frame])
    tape.remove()
