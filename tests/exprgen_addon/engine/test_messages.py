"""Processes that say what is no message, say too much, or say nothing any more."""

import io
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from exprgen.exprgen_addon.engine import jobs, worker_process
from exprgen.networks import messages
from exprgen.networks.errors import ExprGenError

BAD_LINES = ["42", "null", "[1]", '"x"', "{}", '{"id": [1], "type": "log"}', '{"type": []}',
             '{"id": {}, "command": "ping"}', "[" * 100_000, '{"type": "progress"}', "\x00", "nan",
             '{"id": 1, "type": "progress", "stage": "x", "done": NaN, "total": 1}',
             '{"id": 1, "type": "error", "problem": 3}']  # fmt: skip

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stand-ins for the engine are scripts")


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Let a Python script be the engine; it gets the request's number in `id`."""

    def use(code: str) -> None:
        script = tmp_path / "engine.py"
        script.write_text(
            "import json, sys, time, os\n"
            "id = json.loads(sys.stdin.readline())['id']\n"
            "def say(**m): print(json.dumps({'id': id, **m}), flush=True)\n" + code
        )
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
        python.chmod(0o755)
        monkeypatch.setenv("EXPRGEN_PYTHON", str(python))

    return use


def test_lines_that_are_no_message_do_not_end_the_reading(engine):
    engine(f"for line in {BAD_LINES!r}: print(line, flush=True)\nsay(type='result', echo=7)\n")
    assert jobs.Job("ping", {}).run_blocking()["echo"] == 7


def test_a_line_without_an_end_is_cut(engine):
    size = messages.LONGEST_LINE + 5
    engine(f"print('x' * {size}, flush=True)\nsay(type='result', echo=8)\n")
    assert jobs.Job("ping", {}).run_blocking()["echo"] == 8
    lines = io.StringIO("y" * size + "\n" + '{"type": "ready"}\n')
    first, second = messages.read_messages(lines)
    assert len(first) < 300
    assert second == {"type": "ready"}


def test_an_engine_that_is_silent_is_given_up(engine, monkeypatch):
    monkeypatch.setattr(jobs, "SILENCE", 1.0)
    engine("say(type='stage', stage='x')\ntime.sleep(600)\n")
    job = jobs.Job("ping", {})
    began = time.monotonic()
    with pytest.raises(ExprGenError, match="no sign of life for 1 s"):
        job.run_blocking()
    assert time.monotonic() - began < 60
    assert not job.worker.alive


def test_a_window_gives_up_a_silent_engine_too(engine, monkeypatch):
    monkeypatch.setattr(jobs, "SILENCE", 0.5)
    engine("time.sleep(600)\n")
    job, seen = jobs.Job("ping", {}), []
    end = time.monotonic() + 60
    while not job.done and time.monotonic() < end:
        seen += job.messages()
        time.sleep(0.05)
    assert seen[-1]["type"] == "error"
    assert "no sign of life" in job.error.problem


def test_an_engine_that_gives_signs_of_life_is_waited_for(engine, monkeypatch):
    monkeypatch.setattr(jobs, "SILENCE", 1.5)
    engine(
        "for _ in range(30):\n"
        "    print(json.dumps({'type': 'alive'}), flush=True); time.sleep(0.1)\n"
        "say(type='result', echo=9)\n"
    )
    assert jobs.Job("ping", {}).run_blocking()["echo"] == 9


def test_an_engine_that_closed_its_mouth_is_ended(engine):
    engine("sys.stdout.flush(); os.close(1)\ntime.sleep(600)\n")
    job = jobs.Job("ping", {})
    with pytest.raises(ExprGenError, match="ended unexpectedly"):
        job.run_blocking()
    assert not job.worker.alive


def test_time_in_which_nobody_looks_is_no_silence(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(worker_process.time, "monotonic", lambda: now[0])
    silence = worker_process.Silence(10.0)
    assert not silence.is_over(1)
    now[0] = 10_000.0  # the machine slept
    assert not silence.is_over(1)
    for _ in range(11):
        now[0] += 1.0
        over = silence.is_over(1)
    assert over
    assert not silence.is_over(2)


def test_the_worker_reads_on_whatever_comes():
    requests = [*BAD_LINES, '{"id": 5, "command": "ping", "arguments": 3}', '{"id": 6}']
    requests += ['{"id": 7, "command": "ping", "arguments": {"echo": "still here"}}']
    done = subprocess.run(
        [sys.executable, "-u", str(worker_process.WORKER)],
        input="\n".join(requests).encode() + b"\n\xff\xfe\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[-1]["type"] in ("result", "error")
    assert [m["echo"] for m in answers if m["type"] == "result"] == ["still here"]
    assert sum(m["type"] == "error" for m in answers) == len(BAD_LINES) + 3
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


def test_the_worker_says_that_it_lives(monkeypatch):
    monkeypatch.setattr(messages, "HEARTBEAT", 0.05)
    heard = threading.Event()
    messages.keep_alive(lambda m: heard.set() if m == {"type": "alive"} else None)
    assert heard.wait(10)
