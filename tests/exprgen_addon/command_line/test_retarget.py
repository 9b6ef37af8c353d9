"""The main job from end to end in little: drawn face, made-up characters, random weights."""

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

from exprgen.exprgen_addon.command_line import main
from exprgen.networks.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_PARTIAL, ExprGenError
from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE
from exprgen.networks.track import FaceTrack, RigTrack
from exprgen.networks.tracking import landmark_model
from exprgen.tests.support import synthetic, tiny_weights

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

try:
    landmark_model.landmark_model()
except ExprGenError:
    pytest.skip("the face landmark model is not here", allow_module_level=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Characters, weights and a clip in one folder."""
    folder = tmp_path_factory.mktemp("house")
    profiles = [synthetic.build(folder, "ann", primary=True), synthetic.build(folder, "bob")]
    tiny_weights.write(folder / "weights", profiles)
    synthetic.speaking_clip(folder / "clip.mp4", frames=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WEIGHTS_VARIABLE, str(folder / "weights"))
        yield folder


def words(house: Path, command: str, reference: Path, out: Path, *options) -> list[str]:
    first = [command, reference, "--primary", house / "ann.json"]
    more = ["--secondary", house / "bob.json", "--out", out, "--json", *options]
    return [str(w) for w in (*first, *more)]


@pytest.fixture(scope="module")
def taken(house):
    """`exprgen retarget` of the clip -> (result, .blend)."""
    out = house / "take.blend"
    command = words(house, "retarget", house / "clip.mp4", out, "--tracks", house / "tracks")
    done = subprocess.run(
        [sys.executable, "-m", "exprgen.exprgen_addon.command_line.main", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == EXIT_OK, done.stderr
    return json.loads(done.stdout), out


def test_the_result_says_what_was_done(taken):
    result, out = taken
    assert result["out"] == str(out)
    assert result["frames"] == result["found"] == 40
    assert result["partial"] is False
    assert result["fps"] == 25.0
    assert [c["name"] for c in result["characters"]] == ["ann", "bob"]
    assert result["keyed_frames"] == [1.0, 40.0]
    assert result["seconds"]["keying"] < 0.5
    assert not list(out.parent.glob(".exprgen-*")), "nothing half-written is left"


def test_the_blend_holds_both_characters_keyed(taken, house):
    from exprgen.exprgen_addon.characters import in_scene

    bpy.ops.wm.open_mainfile(filepath=str(taken[1]))
    scene = bpy.context.scene
    assert (scene.frame_start, scene.frame_end) == (1, 40)
    assert scene.render.fps == 25
    assert scene.camera is not None
    (action,) = bpy.data.actions
    assert action.name == "ExprGen clip"
    present = in_scene.characters_in(scene)
    assert [c.profile.name for c in present] == ["ann", "bob"]
    track = RigTrack.load(house / "tracks" / "bob.npz")
    for frame in (1, 22, 40):
        scene.frame_set(frame)
        for column, name in enumerate(track.controls):
            for prop in present[1].bindings[name]:
                wanted = track.values[frame - 1, column] * prop.scale
                assert prop.read() == pytest.approx(wanted, abs=1e-4)


def test_a_blink_reaches_both_characters(taken, house):
    for name in ("ann", "bob"):
        track = RigTrack.load(house / "tracks" / f"{name}.npz")
        lid = track.values[:, track.controls.index("blink_l")]
        assert lid[20:24].max() > 0.8
        assert np.median(lid) < 0.6


def test_apply_needs_no_footage(taken, house, capfd):
    out = house / "again.blend"
    track = house / "tracks" / "face.npz"
    code = main.main(words(house, "apply", track, out, "--reduce", "0.02", "--no-head"))
    result = json.loads(capfd.readouterr().out)
    assert code == EXIT_OK
    assert out.is_file()
    assert result["keys"] < taken[0]["keys"] / 2
    assert result["characters"][0]["controls"] == taken[0]["characters"][0]["controls"] - 3


def test_a_cut_clip_is_kept_and_marked(house, tmp_path, capfd):
    data = (house / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    out = tmp_path / "cut.blend"
    code = main.main(words(house, "retarget", tmp_path / "cut.mp4", out))
    captured = capfd.readouterr()
    result = json.loads(captured.out)
    assert code == EXIT_PARTIAL
    assert result["partial"] is True
    assert result["reason"]
    assert 5 < result["frames"] < 40
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert bpy.context.scene["exprgen_partial"]
    track, again = tmp_path / "cut.npz", tmp_path / "again.blend"
    assert main.main(["analyse", str(tmp_path / "cut.mp4"), "--out", str(track)]) == EXIT_PARTIAL
    capfd.readouterr()
    assert main.main(words(house, "apply", track, again)) == EXIT_PARTIAL
    assert "cut.npz: holds less than its footage" in capfd.readouterr().err


def test_pictures_give_pictures(house, tmp_path, capfd):
    import cv2

    from exprgen.networks.footage.media import open_reference

    folder = tmp_path / "faces"
    folder.mkdir()
    with open_reference(house / "clip.mp4") as reader:
        for frame in list(reader)[:2]:
            cv2.imwrite(str(folder / f"f{frame.index}.png"), frame.rgb[..., ::-1])
    cv2.imwrite(str(folder / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    out, pictures = tmp_path / "stills.blend", tmp_path / "pictures"
    options = ("--render", pictures, "--size", "32")
    code = main.main(words(house, "retarget", folder, out, *options))
    result = json.loads(capfd.readouterr().out)
    assert code == EXIT_PARTIAL, "one picture shows no face"
    assert result["without_face"] == ["wall"]
    made = sorted(str(p.relative_to(pictures)) for p in pictures.rglob("*.png"))
    assert made == ["ann/f0.png", "ann/f1.png", "bob/f0.png", "bob/f1.png"]
    assert cv2.imread(str(pictures / made[0])).shape == (32, 32, 3)
    assert result["pictures"] == 4


def test_ctrl_c_keeps_what_is_finished(house, tmp_path):
    long = synthetic.speaking_clip(tmp_path / "long.mp4", frames=400)
    out = tmp_path / "long.blend"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "exprgen.exprgen_addon.command_line.main",
            *words(house, "retarget", long, out),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("analyse"):
            break
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    printed, told = process.communicate(timeout=90)
    assert process.returncode == EXIT_INTERRUPTED, told
    result = json.loads(printed)
    assert result["stopped"] is True
    assert 0 < result["frames"] < 400
    assert out.is_file()
    assert "preview" not in result


def test_the_same_parser_serves_blender(house):
    """`blender --command exprgen` calls the function registered here with the words behind it."""
    import exprgen
    from exprgen import exprgen_addon

    exprgen.register()
    try:
        assert exprgen_addon._run_command(["characters", "--help"]) == EXIT_OK
        assert exprgen_addon._run_command(["sing"]) == 2
    finally:
        exprgen.unregister()


def test_analyse_writes_a_face_track(house, tmp_path, capfd):
    out = tmp_path / "t.npz"
    code = main.main(["analyse", str(house / "clip.mp4"), "--out", str(out), "--range", "0:0.4"])
    assert code == EXIT_OK
    assert "10 of 10 frames" in capfd.readouterr().out
    assert len(FaceTrack.load(out)) == 10
