"""The command line: messages and exit codes, --json, places that can't be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main, verb_steps
from exprgen.exprgen_addon.command_line.verbs import apply
from exprgen.networks.characters.profile import find_character, load_profile, sample_characters
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_OUTPUT,
    EXIT_USAGE,
    UsageError,
)
from exprgen.tests.support import synthetic

COMMANDS = (
    "retarget", "analyse", "apply", "characters", "perceive", "demo", "doctor", "capture", "train",
    "profile", "propose", "landmarks", "clarity",
)  # fmt: skip


@pytest.fixture
def run(capfd):
    """Run a command in this process -> (exit code, stdout, stderr)."""

    def run(*words) -> tuple[int, str, str]:
        code = main.main([str(w) for w in words])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="module")
def primary(tmp_path_factory) -> Path:
    """A profile without a .blend: enough for everything that fails before Blender is needed."""
    path = tmp_path_factory.mktemp("profile") / "ann.json"
    synthetic.profile("ann", primary=True).save(path)
    path.with_name("rig_regressor_ann.safetensors").write_bytes(b"not looked at")
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not looked at")
    return path


@pytest.mark.parametrize("command", [(), *((c,) for c in COMMANDS)], ids=lambda c: "-".join(c))
def test_help(run, command):
    code, out, _ = run(*command, "--help")
    assert code == EXIT_OK
    assert "usage: exprgen" in out
    if not command:
        assert all(c in out for c in COMMANDS)


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (EXIT_OK, "exprgen")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("sing",),
        ("retarget",),
        ("retarget", "x.mp4", "--primary", "a", "--out", "b.blend", "--range", "soon"),
        ("retarget", "x.mp4", "--primary", "a", "--out", "b.blend", "--gain", "brow"),
        ("retarget", "x.mp4", "--primary", "a", "--out", "b.blend", "--calibrate", "maybe"),
    ],
    ids=lambda w: " ".join(w) or "nothing",
)
def test_a_misspelt_command_line_is_a_usage_error(run, words):
    code, out, err = run(*words)
    assert code == EXIT_USAGE
    assert "usage:" in err
    assert out == ""


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("analyze", "did you mean 'analyse'?"),
        ("Retarget", "did you mean 'retarget'?"),
        ("percieve", "did you mean 'perceive'?"),
        ("qqqq", "the commands are retarget, "),
    ],
)
def test_an_unknown_command_gets_the_nearest_named(run, word, told):
    code, _, err = run(word, "x.mp4", "--json")
    assert code == EXIT_USAGE
    assert f"no command {word!r}" in err
    assert told in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--range", "2:2"), "empty"),
        (("--range", "3:1"), "empty"),
        (("--smoothing-eyes", "1.5"), "smoothing_eyes"),
        (("--gain", "elbow=2"), "elbow"),
        (("--reduce", "-1"), "reduction"),
        (("--fps", "0"), "frames per second"),
        (("--size", "3"), "pixels"),
        (("--secondary", "nobody"), "no character 'nobody'"),
        (("--no-head", "--no-eyes", "--no-expression"), "outputs"),
    ],
    ids=lambda v: "_".join(v) if isinstance(v, tuple) else "",
)
def test_requests_that_make_no_sense(run, tmp_path, clip, primary, options, told):
    out = tmp_path / "a.blend"
    code, _, err = run("retarget", clip, "--primary", primary, "--out", out, *options)
    assert code == EXIT_USAGE
    assert told in err
    assert "fix:" in err
    assert not out.exists()


def test_missing_character(run, tmp_path, clip):
    code, _, err = run("retarget", clip, "--primary", "nobody", "--out", tmp_path / "a.blend")
    assert code == EXIT_USAGE
    assert "there is no character 'nobody'" in err


def test_the_same_character_twice(run, tmp_path, clip, primary):
    out = tmp_path / "a.blend"
    words = ("retarget", clip, "--primary", primary, "--secondary", primary, "--out", out)
    code, _, err = run(*words)
    assert code == EXIT_USAGE
    assert "twice" in err


def test_missing_reference(run, tmp_path, primary):
    words = ("retarget", tmp_path / "no.mp4", "--primary", primary, "--out", tmp_path / "a.blend")
    code, _, err = run(*words)
    assert code == EXIT_INPUT
    assert f"{tmp_path / 'no.mp4'}: does not exist" in err


def test_profile_with_an_unknown_control_in_a_key_pose(run, tmp_path, clip, primary):
    data = json.loads(primary.read_text())
    data["key_poses"][0]["values"] = {"snout": 1.0}
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(data))
    words = ("retarget", clip, "--primary", broken, "--out", tmp_path / "a.blend")
    code, _, err = run(*words)
    assert code == EXIT_INPUT
    assert "broken.json" in err
    assert "unknown control 'snout'" in err


class TestOutputs:
    """Found out before the long work: no worker is started."""

    @pytest.fixture(autouse=True)
    def no_worker(self, monkeypatch):
        def refuse(*_):
            raise AssertionError("the worker was started")

        monkeypatch.setattr(verb_steps, "WorkerProcess", refuse)

    def check(self, run, clip, primary, out, told: str, exit_code: int = EXIT_OUTPUT):
        code, _, err = run("retarget", clip, "--primary", primary, "--out", out)
        assert code == exit_code
        assert told in err
        assert "fix:" in err

    def test_missing_folder(self, run, tmp_path, clip, primary):
        self.check(run, clip, primary, tmp_path / "no" / "a.blend", "does not exist")

    def test_a_folder_that_is_a_file_is_not_to_be_made(self, run, tmp_path, clip, primary):
        (tmp_path / "file").touch()
        for out in (tmp_path / "file" / "a.blend", tmp_path / "file" / "no" / "a.blend"):
            self.check(run, clip, primary, out, "lies in a file, not in a folder")

    def test_read_only_folder(self, run, tmp_path, clip, primary):
        folder = tmp_path / "locked"
        folder.mkdir()
        folder.chmod(0o555)
        try:
            self.check(run, clip, primary, folder / "a.blend", "can't be written")
        finally:
            folder.chmod(0o755)

    def test_read_only_file(self, run, tmp_path, clip, primary):
        out = tmp_path / "a.blend"
        out.write_bytes(b"")
        out.chmod(0o444)
        self.check(run, clip, primary, out, "read-only")

    def test_folder_given_as_file(self, run, tmp_path, clip, primary):
        folder = tmp_path / "a.blend"
        folder.mkdir()
        self.check(run, clip, primary, folder, "is a folder")

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
    def test_a_file_system_that_takes_no_files(self, run, clip, primary):
        self.check(run, clip, primary, "/proc/a.blend", "can't be written")

    def test_wrong_ending(self, run, tmp_path, clip, primary):
        self.check(run, clip, primary, tmp_path / "a.fbx", ".blend", EXIT_USAGE)

    def test_render_folder_is_a_file(self, run, tmp_path, clip, primary):
        words = ("retarget", clip, "--primary", primary, "--out", tmp_path / "a.blend")
        (tmp_path / "file").write_text("x")
        code, _, err = run(*words, "--render", tmp_path / "file")
        assert code == EXIT_OUTPUT
        assert "is a file" in err

    def test_preview_without_folder(self, run, tmp_path, clip, primary):
        words = ("retarget", clip, "--primary", primary, "--out", tmp_path / "a.blend")
        code, _, err = run(*words, "--preview", tmp_path / "no" / "a.mp4")
        assert code == EXIT_OUTPUT
        assert "does not exist" in err

    def test_preview_of_what_has_no_pictures(self, run, tmp_path, primary):
        take = tmp_path / "take.csv"
        take.write_text("Timecode")
        words = ("retarget", take, "--primary", primary, "--out", tmp_path / "a.blend")
        code, _, err = run(*words, "--preview", tmp_path / "a.mp4")
        assert code == EXIT_USAGE
        assert "holds no pictures" in err

    def test_nothing_is_left_behind(self, run, tmp_path, clip, primary):
        before = sorted(tmp_path.iterdir())
        run("retarget", clip, "--primary", "nobody", "--out", tmp_path / "a.blend")
        run("analyse", clip, "--out", tmp_path / "t.npz", "--range", "1:1")
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not sample_characters(), reason="no characters are built")
def test_a_picture_that_is_no_clip_leaves_no_folder(run, tmp_path):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((64, 64, 3), np.uint8))
    words = ("evaluate", "--clip", tmp_path / "face.png", "--only", "performance")
    code, _, err = run(*words, "--out", tmp_path / "new" / "ev")
    assert code == EXIT_INPUT
    assert "is no clip: nothing moves in it" in err
    assert [p.name for p in tmp_path.iterdir()] == ["face.png"]


def test_errors_as_json(run, tmp_path, clip):
    words = ("retarget", clip, "--primary", "nobody", "--out", tmp_path / "a.blend", "--json")
    code, out, err = run(*words)
    error = json.loads(out)["error"]
    assert code == error["exit_code"] == EXIT_USAGE
    assert error["kind"] == "UsageError"
    assert "nobody" in error["problem"]
    assert "error:" in err


@pytest.mark.skipif(not sample_characters(), reason="no characters are built")
def test_characters(run):
    code, out, err = run("characters", "--json")
    assert (code, err) == (EXIT_OK, "")
    listed = json.loads(out)["characters"]
    assert listed[0]["primary"]
    for row in listed:
        assert row["control_count"] == len(row["controls"]) > 10
        assert row["control_count"] > row["expression_count"] > 10
        assert {"name", "title", "family"} <= set(row)
    code, out, _ = run("characters")
    for row, line in zip(listed, out.splitlines(), strict=True):
        assert row["name"] in line
        others = row["control_count"] - row["expression_count"]
        assert f"{row['expression_count']} controls + {others} head and gaze" in line


@pytest.mark.skipif(not sample_characters(), reason="no characters are built")
def test_names_of_characters_in_any_case(run, tmp_path, clip):
    name = sample_characters()[0].name
    words = ("retarget", clip, "--primary", name.upper(), "--secondary", name.title())
    code, _, err = run(*words, "--out", tmp_path / "a.blend")
    assert code == EXIT_USAGE
    assert "a character is named twice" in err


class TestWhatApplyCosts:
    """A track that keeps the primary's network's answers needs no second look at the faces."""

    @pytest.fixture(autouse=True)
    def no_solving(self, monkeypatch):
        def stop(*_):
            raise UsageError("far enough")

        monkeypatch.setattr(apply, "solve_tracks", stop)

    @pytest.mark.parametrize(("seen", "told"), [("ann", False), ("anna", True), (None, True)])
    def test_a_second_look_is_told(self, run, tmp_path, primary, seen, told):
        units = {f"{seen}:0123": np.zeros((3, 2), np.float32)} if seen else {}
        replace(synthetic.face_track(frames=3), rig_units=units).save(tmp_path / "t.npz")
        words = ("apply", tmp_path / "t.npz", "--primary", primary, "--out", tmp_path / "a.blend")
        _, _, err = run(*words)
        assert "far enough" in err
        assert (f"exprgen analyse ... --primary {primary}" in err) is told


def test_progress_of_slow_work_tells_how_long_each_takes(capfd):
    from exprgen.exprgen_addon.command_line.console import Console

    with Console() as console:
        console.progress("render", 1, 2, rate=0.04)
        console.progress("render", 2, 2, rate=1.44)
    err = capfd.readouterr().err
    assert "25.0 s each" in err
    assert "1.4/s" in err


def test_quiet_silences_python_and_what_c_prints(capfd):
    from exprgen.exprgen_addon.command_line.console import quiet

    with quiet():
        print("not shown")
        os.write(1, b"nor this")
    print("shown again")
    assert capfd.readouterr().out == "shown again\n"


def test_unknown_training(run):
    code, _, err = run("train", "juggling")
    assert code == EXIT_USAGE
    assert "no training 'juggling'" in err


@pytest.mark.parametrize("words", [("--json", "juggling"), ("juggling", "--json")])
def test_unknown_training_as_json(run, words):
    code, out, _ = run("train", *words)
    assert code == json.loads(out)["error"]["exit_code"] == EXIT_USAGE


def test_trainings_are_listed(run):
    _, out, _ = run("train", "--help")
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert {"cmlp", "hed", "rig", "scnn"} <= lines.keys()
    assert "primary to secondary" in lines["cmlp"]
    assert {"against_neutral", "face_regression", "headset_character"} <= lines.keys()  # long ones


@pytest.mark.parametrize(
    ("words", "place"),
    [(("--json", "ced", "--data"), "none"), (("ced", "--json", "--data"), "none")],
)
def test_a_failed_training_as_json(run, tmp_path, words, place):
    code, out, err = run("train", *words, tmp_path / place)
    error = json.loads(out)["error"]
    assert code == error["exit_code"] == EXIT_INPUT
    assert "no captured character" in error["problem"]
    assert f"{error['problem']}. Fix: " in err


class TestCast:
    """Characters without a network are told before the faces are looked at."""

    def words(self, clip, primary, *more):
        return ("retarget", clip, "--primary", primary, *more, "--out", clip.with_suffix(".blend"))

    def without_channels(self, folder, name):
        """A sample character whose controls' meaning nobody knows."""
        known = find_character(name)
        controls = tuple(replace(c, channels={}) for c in known.controls)
        profile = replace(known, controls=controls, file=str(known.blend))
        profile.save(folder / f"{name}.json")
        return folder / f"{name}.json"

    def test_who_could_lead_instead(self, run, clip, tmp_path):
        code, _, err = run(*self.words(clip, self.without_channels(tmp_path, "tobi")))
        assert code == EXIT_MODEL
        assert (
            "tobi has no network to lead from a face, and no control of it opens the mouth" in err
        )
        assert "make mira the primary and tobi a secondary" in err

    def test_what_no_name_tells_is_to_be_told_in_the_profile(self, run, clip, tmp_path):
        self.without_channels(tmp_path, "tobi")
        profile = load_profile(tmp_path / "tobi.json")
        renamed = replace(profile, name="puppet", file=str(profile.blend))
        renamed.save(tmp_path / "puppet.json")
        words = self.words(clip, "mira", "--secondary", tmp_path / "puppet.json")
        err = run(*words)[2]
        assert "no network leads from mira to puppet" in err
        assert "give its controls `channels` in puppet.json, or train one" in err

    def test_analyse_too(self, run, clip, tmp_path):
        blip = self.without_channels(tmp_path, "blip")
        words = ("analyse", clip, "--primary", blip, "--out", clip.with_suffix(".npz"))
        assert "blip has no network to lead from a face" in run(*words)[2]

    def test_channels_do_instead_of_a_network(self, run, clip):
        for words in (("tobi",), ("tobi", "--secondary", "blip")):
            assert run(*self.words(clip, *words))[0] == EXIT_INPUT, "the clip's turn to be refused"

    def test_nobody_could(self, run, clip, tmp_path):
        alone = tmp_path / "kim.json"
        synthetic.profile("kim").save(alone)
        _, _, err = run(*self.words(clip, alone))
        assert f"exprgen landmarks {alone}" in err, "nothing else is missing"
        assert "restore" not in err
        known = synthetic.profile("kim")
        replace(known, controls=tuple(replace(c, channels={}) for c in known.controls)).save(alone)
        _, _, err = run(*self.words(clip, alone))
        assert "give its controls `channels` in kim.json, restore " in err
        assert "rig_regressor_kim.safetensors" in err
        assert f"exprgen train rig --primary {alone}" in err

    def test_a_secondary_that_nobody_leads_to(self, run, clip, primary, tmp_path):
        tobi = self.without_channels(tmp_path, "tobi")
        code, _, err = run(*self.words(clip, primary, "--secondary", tobi))
        assert code == EXIT_MODEL
        assert "no network leads from ann to tobi" in err
        assert f"train cmlp --primary {primary} --secondary {tobi}" in err


def test_doctor_names_what_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path))
    code, out, _ = run("doctor", "--json")
    data = json.loads(out)
    assert code == EXIT_MODEL
    assert data["ok"] is False
    model = next(f for f in data["findings"] if f["what"] == "face landmark model")
    assert "doctor --fetch" in model["fix"]
    assert any(f["what"] == "torch" and f["ok"] for f in data["findings"])


def test_blender_is_not_loaded_without_need():
    code = (
        "import sys\n"
        "from exprgen.exprgen_addon.command_line.main import main\n"
        "main(['characters']); main(['retarget', 'x', '--primary', 'y', '--out', 'z'])\n"
        "import exprgen.networks.live.solver, exprgen.networks.solving.perform\n"
        "heavy = {'bpy', 'torch', 'mediapipe', 'cv2'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_stops_and_exits_130(tmp_path, primary):
    """The worker is a stand-in that works until it is told to stop."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from exprgen.exprgen_addon.command_line import main\n"
        "from exprgen.exprgen_addon.command_line.verbs import analyse\n"
        "from exprgen.tests.support import synthetic\n"
        "work = analyse.run_job\n"
        "def ping(worker, command, arguments, console):\n"
        "    result = work(worker, 'ping', {'seconds': 30}, console)\n"
        "    seen = {'frames': result['done'], 'found': 1, 'seconds': 1.0}\n"
        "    synthetic.face_track(frames=10).save(arguments['out'])\n"
        "    return {**result, **seen, 'track': arguments['out']}\n"
        "analyse.run_job = ping\n"
        "main.main()\n"
    )
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"x")
    process = subprocess.Popen(
        [sys.executable, program, "analyse", clip, "--out", tmp_path / "t.npz", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stderr.readline()  # the first progress line
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    result = json.loads(out)
    assert result["partial"] is True
    assert 0 < result["frames"] < 600
    assert "what is finished is kept" in err
