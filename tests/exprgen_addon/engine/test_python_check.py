"""What the window says of the engine's Python before a job fails of it, and how it is chosen."""

from __future__ import annotations

import json
import sys
import time

import pytest

from exprgen.networks import packages
from exprgen.networks.errors import ModelError

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.engine import engine_python, jobs, python_check
from exprgen.exprgen_addon.window import preferences


@pytest.fixture
def bare(tmp_path):
    """A Python that finds none of the engine's packages but numpy; its path."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    blocked = [m for m in (*packages.PACKAGES, *packages.TRAINING) if m != "numpy"]
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name in {blocked!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import importlib.util as u\n"
        "kept = u.find_spec\n"
        f"u.find_spec = lambda n, p=None: None if n in {blocked!r} else kept(n, p)\n"
    )
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tmp_path / "block"}" exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return python


def asked() -> None:
    """Look, and wait for the answer as the timer does."""
    python_check.look()
    end = time.monotonic() + 20
    while not python_check.step() and time.monotonic() < end:
        time.sleep(0.02)


def test_all_that_is_missing_is_told_at_once(bare, monkeypatch):
    monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(bare.parent.parent))
    try:
        asked()
        trouble = python_check.trouble
        names = "mediapipe, opencv-contrib-python, av, safetensors, threadpoolctl"
        assert trouble.problem == f"the engine's Python lacks 5 packages: {names}"
        assert trouble.file == str(bare), "which one was tried"
        assert "Training needs torch" in python_check.without_training
        line = python_check.pip_line(trouble)
        assert line.startswith(f'"{bare}" -m pip install mediapipe')
        assert line not in python_check.without_line(trouble)
        with pytest.raises(ModelError, match=f"5 packages: {names}") as caught:
            jobs.Job("perceive", {"images": ["none.png"]}).run_blocking()
        # The process knows itself by another name than the script that started it.
        assert "-m pip install mediapipe opencv" in python_check.pip_line(caught.value)
        monkeypatch.setenv(engine_python.PYTHON_VARIABLE, sys.executable)
        asked()
        assert python_check.trouble is None, "a whole one clears it"
        assert not python_check.without_training
        monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(bare.with_name("nothing")))
        asked()
        assert "engine's Python can't be started" in python_check.trouble.problem
    finally:
        python_check.forget()


@pytest.mark.parametrize(("inner", "name"), [("bin", "python"), ("Scripts", "python.exe")])
def test_an_environment_s_folder_is_a_python_too(tmp_path, inner, name):
    python = tmp_path / ".venv" / inner / name
    python.parent.mkdir(parents=True)
    python.write_bytes(b"")
    for given in (tmp_path / ".venv", python.parent, python):
        assert engine_python.python_in(str(given)) == str(python)
    with pytest.raises(ModelError, match="folder without a Python"):
        engine_python.python_in(str(tmp_path))


@pytest.mark.parametrize(
    "said",
    [
        "needs Python 3.11 or later, this is 3.8.2",  # what the engine's file says itself
        "SyntaxError: future feature annotations is not defined",  # what Python 3.6 says of it
    ],
)
def test_a_python_that_is_too_old_is_named(tmp_path, monkeypatch, said):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(python))
    try:
        asked()
        assert python_check.trouble.problem == "the engine's Python is too old"
        assert python_check.trouble.file == str(python)
        assert "3.11" in python_check.trouble.fix
    finally:
        python_check.forget()


def test_a_check_tells_what_one_line_mends_once(monkeypatch):
    lacks = packages.lacking(["torch", "av"], "/opt/python")
    found = [
        {"what": "numpy", "ok": True, "detail": "1.26", "fix": ""},
        *({"what": w, "ok": False, "detail": "not installed", "fix": lacks.fix} for w in
          ("torch", "av")),
        {"what": "face landmark model", "ok": False, "detail": "gone", "fix": "fetch it"},
    ]  # fmt: skip
    monkeypatch.setattr(preferences, "findings", found)
    told = preferences.missing()
    assert told == [
        ("torch, av: not installed", lacks.fix),
        ("face landmark model: gone", "fetch it"),
    ]
    assert '"/opt/python" -m pip install torch av' in lacks.fix
    assert "Engine's Python" in lacks.fix
    assert engine_python.PYTHON_VARIABLE in lacks.fix


def test_doctor_names_what_is_missing_and_no_more(bare, monkeypatch):
    from exprgen.exprgen_addon.command_line.doctor import examine

    monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(bare))
    found = {f.what: f for f in examine(preferences.Quiet(lambda message: None))}
    assert found["numpy"].ok
    assert found["torch"].ok, "who trains nothing needs none"
    assert not found["numpy"].fix, "what is there needs no advice"
    missing = [name for name, f in found.items() if not f.ok]
    assert missing == ["mediapipe", "cv2", "av", "safetensors", "threadpoolctl"]
    assert json.dumps(found["mediapipe"].to_json())
