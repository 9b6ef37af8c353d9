"""`exprgen live`: refused before anything starts, and a phone's take with keys at exact times."""

from __future__ import annotations

import json

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.command_line.main import main
from exprgen.networks.errors import EXIT_INPUT, EXIT_OK, EXIT_USAGE
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
