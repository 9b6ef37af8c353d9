"""The worker process: its protocol, stops, death, and libraries that print."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from exprgen.exprgen_addon.engine import engine_python, jobs, worker_process
from exprgen.networks import worker as worker_module
from exprgen.networks.errors import ExprGenError, InputError, ModelError, UsageError

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "networks" / "worker.py"


@pytest.fixture
def worker():
    worker = worker_process.WorkerProcess()
    yield worker
    worker.kill()


def talk(*lines: str, command=None) -> tuple[list[dict], int]:
    done = subprocess.run(
        command or [sys.executable, "-u", str(WORKER)],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def test_requests_are_answered_in_order_with_their_id(worker):
    first = jobs.Job("ping", {"echo": "a"}, worker)
    second = jobs.Job("ping", {"echo": "b"}, worker)
    assert second.run_blocking()["echo"] == "b"
    assert first.run_blocking()["echo"] == "a"
    assert first.done


def test_progress_comes_before_the_result(worker):
    seen = []
    result = jobs.Job("ping", {"seconds": 0.2}, worker).run_blocking(seen.append)
    assert [m["type"] for m in seen] == ["progress"] * 4 + ["result"]
    assert result["partial"] is False


def test_messages_can_be_drained_without_waiting(worker):
    job = jobs.Job("ping", {"seconds": 0.3}, worker)
    assert job.messages() == [] or not job.done
    seen, deadline = [], time.monotonic() + 20
    while not job.done and time.monotonic() < deadline:
        seen += job.messages()
        time.sleep(0.02)
    assert job.result["done"] == 6
    assert seen[-1]["type"] == "result"
    assert job.messages() == []


def test_a_stop_keeps_what_is_done(worker):
    job = jobs.Job("ping", {"seconds": 30}, worker)
    while not job.messages():
        time.sleep(0.02)
    job.stop()
    result = job.run_blocking()
    assert result["partial"] is True
    assert 0 < result["done"] < 600
    assert jobs.Job("ping", {"echo": 1}, worker).run_blocking()["echo"] == 1, "it serves on"


def test_what_a_request_leaves_is_given_back(monkeypatch):
    left = []

    def rings(arguments, emit, stop):
        ring = Ring()
        ring.itself = ring
        left.append(weakref.ref(ring))
        return {}

    monkeypatch.setitem(worker_module._COMMANDS, "rings", rings)
    lines = io.StringIO('{"id": 1, "command": "rings"}\n{"id": 2, "command": "rings"}\n')
    with without_rings_found_by_chance():
        worker_module.Worker(lines, io.StringIO()).run()
        assert [ring() for ring in left] == [None, None]


class Ring:
    itself: object = None


@contextlib.contextmanager
def without_rings_found_by_chance():
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_errors_keep_their_kind(worker):
    with pytest.raises(UsageError, match="no command 'dance'"):
        jobs.Job("dance", {}, worker).run_blocking()
    missing = str(ROOT / "nothing.json")
    with pytest.raises(InputError, match=r"nothing\.json"):
        jobs.Job("weights", {"profiles": [missing]}, worker).run_blocking()
    with pytest.raises(ExprGenError, match="fault in ExprGen"):
        jobs.Job("weights", {}, worker).run_blocking()


def test_a_killed_worker_is_a_clear_error(worker):
    job = jobs.Job("ping", {"seconds": 30}, worker)
    time.sleep(0.3)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ExprGenError, match=r"ended unexpectedly.*SIGKILL"):
        job.run_blocking()
    with pytest.raises(ExprGenError, match="ended unexpectedly"):
        jobs.Job("ping", {}, worker).run_blocking()


def test_the_last_lines_of_stderr_are_told(tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: libfoo.so is missing' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(python))
    with pytest.raises(ExprGenError, match=r"exit code 3.*libfoo\.so is missing"):
        jobs.Job("ping", {}).run_blocking()
    python.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'x'\" >&2\nexit 1\n")
    with pytest.raises(ModelError, match="lacks a package"):
        jobs.Job("ping", {}).run_blocking()
    problem = "ModuleNotFoundError: No module named 'threadpoolctl'"  # not at its start
    answer = json.dumps({"type": "error", "id": 1, "kind": "", "problem": problem, "fix": "report"})
    python.write_text(f"#!/bin/sh\nread line\necho '{answer}' | sed \"s/@/'/g\"\nread line\n")
    python.write_text(python.read_text().replace(problem, problem.replace("'", "@")))
    monkeypatch.setattr(jobs, "_numbers", iter([1]))
    with pytest.raises(ModelError, match="package: threadpoolctl") as caught:
        jobs.Job("ping", {}).run_blocking()
    assert "preferences" in caught.value.fix
    monkeypatch.setattr(jobs, "_numbers", itertools.count(1000))
    monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="can't be started"):
        jobs.Job("ping", {})


def test_end_of_input_stops_everything():
    messages, code = talk(json.dumps({"id": 1, "command": "ping", "arguments": {"seconds": 30}}))
    assert code == 0
    assert messages[0]["type"] == "ready"
    assert next(m for m in messages if m["type"] == "result")["partial"] is True


def test_sigint_ends_with_a_partial_result():
    process = subprocess.Popen(
        [sys.executable, "-u", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    request = {"id": 7, "command": "ping", "arguments": {"seconds": 30}}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    for line in process.stdout:
        if json.loads(line)["type"] == "progress":
            break
    process.send_signal(signal.SIGINT)
    last = [json.loads(line) for line in process.stdout][-1]
    assert process.wait(10) == 0
    assert (last["type"], last["partial"], last["id"]) == ("result", True, 7)
    process.stdin.close()


def test_a_bad_request_is_answered_not_fatal():
    messages, _ = talk("this is no JSON", "[1, 2]", "")
    assert [m["type"] for m in messages] == ["ready", "error", "error"]
    assert messages[1]["kind"] == "UsageError"


def test_what_libraries_print_never_reaches_the_stream():
    noisy = (
        "import sys, ctypes\n"
        "from exprgen.networks import worker\n"
        "@worker.command\n"
        "def shout(arguments, emit, stop):\n"
        "    print('python chatter')\n"
        "    sys.stdout.write('more\\n')\n"
        "    libc = ctypes.CDLL(None)\n"
        "    libc.printf(b'C chatter\\n'); libc.fflush(None)\n"
        "    import os; os.write(1, b'raw chatter\\n')\n"
        "    return {'said': 4}\n"
        "@worker.command\n"
        "def wait(arguments, emit, stop):\n"
        "    stop.wait(5); return {}\n"
        "worker.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", noisy],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps({"id": 1, "command": "shout"}) + "\n")
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(2)]
    rest, errors = process.communicate(timeout=30)
    messages = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [m["type"] for m in messages] == ["ready", "result"]
    for words in ("python chatter", "C chatter", "raw chatter"):
        assert words in errors


def test_it_runs_by_path_from_a_folder_of_any_name(tmp_path):
    clone = tmp_path / "bl_ext_copy"
    shutil.copytree(
        ROOT / "networks",
        clone / "networks",
        ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
    )
    shutil.copy(ROOT / "__init__.py", clone)
    code = f"import runpy, sys; runpy.run_path({str(clone / 'networks' / 'worker.py')!r}, "
    code += "run_name='__main__')"
    for command in ([str(clone / "networks" / "worker.py")], ["-c", code]):
        process = subprocess.Popen(
            [sys.executable, "-u", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        process.stdin.write(json.dumps({"id": 1, "command": "nothing"}) + "\n")
        process.stdin.flush()
        messages = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        assert process.wait(10) == 0
        assert [m["type"] for m in messages] == ["ready", "error"]


def test_the_module_form_works():
    messages, code = talk(command=[sys.executable, "-m", "exprgen.networks.worker"])
    assert (messages[0]["type"], code) == ("ready", 0)


def test_the_worker_never_loads_blender(worker):
    versions = jobs.Job("versions", {}, worker).run_blocking()
    assert versions["packages"]["numpy"]
    maps = Path(f"/proc/{worker.pid}/maps")
    if maps.exists():
        assert "/bpy/" not in maps.read_text()


def test_closing_ends_the_process(worker):
    jobs.Job("ping", {}, worker).run_blocking()
    worker.close()
    assert not worker.alive
