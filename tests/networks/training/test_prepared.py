"""What a training prepares: there for --resume, gone when it has ended or is begun anew."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_OUTPUT,
    InputError,
)
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.owners import token
from exprgen.networks.training import upper_look
from exprgen.networks.training.shared import features
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.training.shared.prepared import FOLDER, left, prepared_folder


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A small training of the upper look, as a command."""
    data = synthetic_faces(140, seed=2)
    monkeypatch.setattr(upper_look, "load_faces", lambda folder: data)
    torch.manual_seed(0)
    start = tmp_path / "hcnn.safetensors"
    save_network(start, hcnn(), replace(WeightsInfo.of_classifier("hcnn"), input_size=32))
    return ["--data", "any", "--init", str(start), "--images", "200", "--variants", "2"]


def stopping(monkeypatch, owner, name: str, at: int):
    """The call number `at` of a function is also Ctrl-C; returns how to have that no more."""
    old, calls = getattr(owner, name), []

    def stops(*args, **kwargs):
        calls.append(name)
        if len(calls) == at:
            signal.raise_signal(signal.SIGINT)
        return old(*args, **kwargs)

    monkeypatch.setattr(owner, name, stops)
    return lambda: monkeypatch.setattr(owner, name, old)


def files(folder: Path) -> list[str]:
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_a_stopped_training_keeps_and_tells_it_and_one_that_ended_does_not(
    words, tmp_path, monkeypatch, capsys
):
    whole, out = tmp_path / "a" / "u.safetensors", tmp_path / "b" / "u.safetensors"
    assert upper_look.main([*words, "--out", str(whole)]) == EXIT_OK
    ended = ["u.md", "u.safetensors", "u/checkpoint.pt"]
    assert files(whole.parent) == ended

    go_on = stopping(monkeypatch, upper_look.UpperLookTask, "loss", 2)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    prepared = out.with_suffix("") / FOLDER
    assert {"humans.npy", "humans.json", "check.npy", "check.json"} == set(files(prepared))
    size = sum(f.stat().st_size for f in prepared.iterdir())
    told = capsys.readouterr().err
    kept = f"{size / 1e6:,.1f} MB in {prepared}, which go when it has ended"
    assert f"stopped; --resume goes on from here: {kept}\n" in told
    monkeypatch.setattr(features, "_compute", None)  # nothing is computed again
    assert upper_look.main([*words, "--out", str(out), "--resume"]) == EXIT_OK
    assert "going on from step 2 of 4" in capsys.readouterr().out
    assert files(out.parent) == ended
    assert out.read_bytes() == whole.read_bytes()


def test_what_was_prepared_half_is_not_kept_and_a_new_beginning_keeps_nothing(
    words, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "b" / "u.safetensors"
    go_on = stopping(monkeypatch, features, "augment", 3)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    assert not out.parent.exists() or not any(out.parent.iterdir())
    out.with_suffix("").mkdir(parents=True, exist_ok=True)
    go_on = stopping(monkeypatch, features, "augment", 3)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    assert not [*out.with_suffix("").iterdir()], "a folder that was there stays, as it was"
    assert "stopped; nothing was learned yet\n" in capsys.readouterr().err
    go_on = stopping(monkeypatch, upper_look, "begun_from", 1)
    old = out.with_suffix("") / FOLDER / "humans.npy"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of an earlier training")
    assert upper_look.main([*words, "--out", str(out), "--resume"]) == EXIT_INTERRUPTED
    assert old.is_file()
    checkpoint = out.with_suffix("") / "checkpoint.pt"
    checkpoint.write_bytes(b"of an earlier training")
    other = checkpoint.parent / "of_others" / "checkpoint.pt"
    other.parent.mkdir()
    other.touch()
    nothing = ["--data", "any", "--init", "nowhere.safetensors", "--out", str(out)]
    assert upper_look.main(nothing) == EXIT_MODEL
    assert checkpoint.read_bytes() == b"of an earlier training", "a wrong word costs nothing"
    go_on = stopping(monkeypatch, upper_look, "begun_from", 1)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    assert not checkpoint.exists(), "it must not be gone on from"
    checkpoint.with_name("checkpoint.before.pt").touch()  # by one that was killed
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_OK
    assert not old.parent.exists()
    assert files(checkpoint.parent) == ["checkpoint.pt", "of_others/checkpoint.pt"]


def test_a_new_beginning_that_is_refused_loses_nothing(words, tmp_path, monkeypatch):
    out = tmp_path / "u.safetensors"
    go_on = stopping(monkeypatch, upper_look.UpperLookTask, "loss", 2)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    there = {f: (out.with_suffix("") / f).read_bytes() for f in files(out.with_suffix(""))}
    assert len(there) == 5

    def refuses(folder):
        raise InputError("holds no faces", file=folder, fix="prepare it")

    with monkeypatch.context() as patch:
        patch.setattr(upper_look, "load_faces", refuses)
        assert upper_look.main([*words, "--out", str(out)]) == EXIT_INPUT
    assert {f: (out.with_suffix("") / f).read_bytes() for f in files(out.with_suffix(""))} == there
    go_on = stopping(monkeypatch, features, "_compute", 1)
    assert upper_look.main([*words, "--out", str(out)]) == EXIT_INTERRUPTED
    go_on()
    assert not files(out.with_suffix("")), "once its data are read nothing older is left"


def test_what_a_killed_new_beginning_had_moved_aside_never_comes_back(tmp_path):
    from exprgen.networks.training.photographs import PhotographSettings
    from exprgen.networks.training.shared.prepared import without_older

    new = PhotographSettings("any", str(tmp_path / "p.safetensors"))
    checkpoint = tmp_path / "p" / "checkpoint.pt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"of the first, which ended")
    code = (
        "import os, sys\n"
        "from exprgen.networks.training.photographs import PhotographSettings\n"
        "from exprgen.networks.training.shared.prepared import without_older\n"
        "with without_older(PhotographSettings('any', sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)  # before its first checkpoint"
    )
    subprocess.run([sys.executable, "-c", code, new.out])
    assert files(checkpoint.parent) == ["checkpoint.before.pt"]
    for third in (replace(new, resume=True), new):
        with pytest.raises(InputError), without_older(third):
            raise InputError("holds no faces", file=tmp_path, fix="prepare it")
        assert not files(checkpoint.parent), "--resume must not take up the first"
        checkpoint.with_name("checkpoint.before.pt").write_bytes(b"of the first again")


def test_what_a_kill_left_half_written_beside_the_weights_goes(words, tmp_path):
    code = "from exprgen.networks.owners import token; print(token())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    half, others = (tmp_path / f".exprgen-{t.strip()}.npz" for t in (ended.stdout, token()))
    half.touch()
    others.touch()
    assert upper_look.main([*words, "--out", str(tmp_path / "u.safetensors")]) == EXIT_OK
    assert not half.exists()
    assert others.exists(), "its process runs"


def test_a_folder_that_the_user_names_stays(tmp_path):
    from exprgen.networks.training.photographs import PhotographSettings
    from exprgen.networks.training.shared import prepared

    s = PhotographSettings("any", str(tmp_path / "p.safetensors"), kept=str(tmp_path / "kept"))
    kept = prepared_folder(s) / "look_1.npy"
    kept.parent.mkdir()
    np.save(kept, np.zeros(1000))
    with prepared.without_older(s):
        prepared.place_to_prepare(s)
        prepared.end(s)
    assert kept.is_file()
    assert f"begins with what is prepared: 0.0 MB in {kept.parent}, which stay" in left(s)


@pytest.mark.parametrize("option", ["--out", "--checkpoints"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_learned(
    words, tmp_path, monkeypatch, capsys, option
):
    monkeypatch.setattr(upper_look, "load_network", None)  # it does not come so far
    (tmp_path / "a_file").touch()
    before = files(tmp_path)
    place = str(tmp_path / "a_file" / "folder" / "w.safetensors")
    given = {"--out": str(tmp_path / "b" / "w.safetensors"), option: place}
    options = [word for pair in given.items() for word in pair]
    assert upper_look.main([*words, *options]) == EXIT_OUTPUT
    assert "can't be written" in capsys.readouterr().err
    assert files(tmp_path) == before
    assert not (tmp_path / "b").exists()
