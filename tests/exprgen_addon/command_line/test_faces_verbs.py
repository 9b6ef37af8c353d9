"""`exprgen mimic` and `exprgen reconstruct`: from tracks to scores, words and heads."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.command_line.console import Console
from exprgen.exprgen_addon.command_line.verb_steps import tell_other_footage
from exprgen.exprgen_addon.command_line.verbs import reconstruct
from exprgen.networks.errors import EXIT_INPUT, EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, InputError
from exprgen.networks.face_model.model import face_model
from exprgen.networks.footage.stamp import stamp
from exprgen.networks.track import FaceTrack
from exprgen.tests.support.filmed_face import film, track_of

pytest.importorskip("bpy")


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """A target, and an attempt by somebody else who smiles less on the left."""
    folder, model = tmp_path_factory.mktemp("tracks"), face_model()
    target = film(model, seed=0, frames=12)
    other = film(model, seed=5, frames=12)
    expression = target.expression.copy()
    expression[:, model.expressions.index("mouthSmileLeft")] *= 0.1
    rest, moves = model.landmarks().of_person(other.identity)
    points = rest + np.tensordot(expression, moves, 1)
    attempt = replace(other, seen=other.camera.project(points, other.heads))
    track_of(target).save(folder / "target.npz")
    track_of(attempt).save(folder / "attempt.npz")
    return folder


def told(capfd, *words) -> dict:
    capfd.readouterr()
    assert main.main([*map(str, words), "--json"]) == EXIT_OK
    return json.loads(capfd.readouterr().out)


def refused(capfd, *words) -> tuple[int, str]:
    capfd.readouterr()
    code = main.main([*map(str, words)])
    return code, capfd.readouterr().err


def test_an_attempt_is_told_what_it_lacks(tracks, tmp_path, capfd):
    sheet, curve = tmp_path / "sheet.png", tmp_path / "curve.csv"
    names = tracks / "target.npz", tracks / "attempt.npz"
    found = told(capfd, "mimic", *names, "--sheet", sheet, "--curve", curve)
    assert 0.3 < found["score"] < 0.99
    assert any(note["words"] == "more smile on the left" for note in found["notes"])
    assert sheet.stat().st_size > 5000
    rows = list(csv.DictReader(curve.open()))
    assert len(rows) == len(found["curve"]) >= 12


def test_a_performance_is_like_itself(tracks, capfd):
    found = told(capfd, "mimic", tracks / "target.npz", tracks / "target.npz")
    assert found["score"] == pytest.approx(1.0, abs=1e-3)
    assert found["notes"] == []
    assert found["lag"] == 0.0


def test_a_target_that_is_not_there(tracks, capfd):
    code, said = refused(capfd, "mimic", tracks / "none.mp4", tracks / "attempt.npz")
    assert code == EXIT_INPUT
    assert "none.mp4" in said


def test_a_sheet_must_not_replace_what_is_read(tracks, capfd):
    path = tracks / "target.npz"
    code, said = refused(capfd, "mimic", path, tracks / "attempt.npz", "--curve", path)
    assert code == EXIT_USAGE
    assert "would replace" in said


def test_no_lens_has_that_angle(tracks, tmp_path, capfd):
    words = ["reconstruct", tracks / "target.npz", "--out", tmp_path / "head.blend"]
    code, said = refused(capfd, *words, "--angle", "170")
    assert code == EXIT_USAGE
    assert "170 degrees" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--range", "0:1"], ["--face", "left"]])
def test_what_only_an_analysis_heeds_is_refused_beside_a_track(tracks, tmp_path, capfd, words):
    track = tracks / "target.npz"
    said = refused(
        capfd, "reconstruct", track, "--track", track, "--out", tmp_path / "h.blend", *words
    )
    assert said[0] == EXIT_USAGE
    assert "--track" in said[1]
    assert not list(tmp_path.iterdir())


def test_footage_that_a_track_was_not_made_from_is_told(tracks, tmp_path, capfd):
    own, other, track = (tmp_path / n for n in ("own.mp4", "other.mp4", "track.npz"))
    own.write_bytes(b"one film")
    other.write_bytes(b"another film")
    seen = FaceTrack.load(tracks / "target.npz")
    replace(seen, meta={**seen.meta, "source": own.name, "stamp": stamp([own])}).save(track)
    console = Console(as_json=False)
    tell_other_footage(str(track), [str(own)], console)
    assert "warning" not in capfd.readouterr().err
    tell_other_footage(str(track), [str(other)], console)
    assert f"{track} was made from own.mp4, not from this {other}" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["livelink"], ["apply", "--primary", "tobi"]])
def test_footage_where_a_track_is_asked_for_is_told(tmp_path, capfd, words):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a film")
    out = tmp_path / ("out.csv" if words == ["livelink"] else "out.blend")
    code, said = refused(capfd, *words, clip, "--out", out)
    assert code == EXIT_INPUT
    assert "clip.mp4: is no track" in said
    assert "exprgen analyse" in said
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("part", ["track", "reconstruct", "frames"])
def test_a_head_of_less_than_its_footage_is_told_whatever_is_missing(
    tracks, tmp_path, capfd, monkeypatch, part
):
    """The worker says of each step whether it is whole, also of one that knows only the track."""
    track = tmp_path / "seen.npz"
    seen = FaceTrack.load(tracks / "target.npz")
    replace(seen, meta={**seen.meta, "partial": part == "track"}).save(track)
    made = {"fit": str(tmp_path / "fit.npz"), "residual": 1.0, "partial": part == "reconstruct"}
    steps = {"reconstruct": made, "frames": {"partial": part == "frames"}}
    built = {"out": str(tmp_path / "h.blend"), "keyed_frames": [1, 2], "fps": 24.0}
    monkeypatch.setattr(reconstruct, "run_job", lambda _worker, command, *_: steps[command])
    monkeypatch.setattr(reconstruct, "_usual_fps", lambda _: 24.0)
    monkeypatch.setattr(reconstruct, "_build", lambda *_: built)
    capfd.readouterr()
    words = ["reconstruct", track, "--track", track, "--out", tmp_path / "h.blend", "--json"]
    assert main.main([*map(str, words)]) == EXIT_PARTIAL
    assert json.loads(capfd.readouterr().out)["partial"]


def test_a_head_that_fails_at_its_end_leaves_nothing(tracks, tmp_path, capfd, monkeypatch):
    (tmp_path / "fit.npz").write_text("mine")
    made = {"fit": str(tmp_path / "fit.npz"), "residual": 1.0}

    def job(_worker, command, *_):
        (tmp_path / "fit.npz").write_text("half")
        (tmp_path / "head_footage" / "1.png").touch()
        return {"reconstruct": made, "frames": {}}[command]

    def fails(*_):
        raise InputError("no pictures")

    monkeypatch.setattr(reconstruct, "run_job", job)
    monkeypatch.setattr(reconstruct, "_usual_fps", lambda _: 24.0)
    monkeypatch.setattr(reconstruct, "_build", fails)
    track = tracks / "target.npz"
    words = ["reconstruct", track, "--track", track, "--out", tmp_path / "head.blend"]
    code, _ = refused(capfd, *words, "--fit", tmp_path / "fit.npz")
    assert code == EXIT_INPUT
    assert [p.name for p in tmp_path.iterdir()] == ["fit.npz"]
    assert (tmp_path / "fit.npz").read_text() == "mine"
