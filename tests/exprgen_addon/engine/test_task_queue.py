"""The queue of a window: order, cancel, failure, and commands in a Blender of their own."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from exprgen.exprgen_addon.engine import engine_python, jobs, worker_process
from exprgen.exprgen_addon.engine.other_blender import package_code
from exprgen.exprgen_addon.engine.task_queue import DONE, FAILED, STOPPED, Task, TaskQueue, Thinking
from exprgen.networks.errors import ExprGenError, InputError, UsageError

HOST = [sys.executable, "-c", package_code("exprgen_addon.command_line.hosted")]


@pytest.fixture
def worker():
    worker = worker_process.WorkerProcess()
    yield worker
    worker.kill()


def drain(queue: TaskQueue, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while queue.busy and time.monotonic() < end:
        queue.step()
        time.sleep(0.01)
    assert not queue.busy


def ping(worker, title: str, seconds: float = 0.0, **more) -> Task:
    request = {"seconds": seconds}
    return Task(title, lambda: jobs.Job("ping", request, worker), **more)


def test_two_queue_and_a_third_is_refused(worker):
    queue, ended = TaskQueue(), []
    for title in ("one", "two"):
        queue.add(ping(worker, title, 0.2, finish=lambda r, t=title: ended.append(t) or "ok"))
    with pytest.raises(UsageError, match="under way already"):
        queue.add(ping(worker, "two"))
    with pytest.raises(UsageError, match="One job runs and one waits"):
        queue.add(ping(worker, "three"))
    assert (queue.running.title, [t.title for t in queue.waiting]) == ("one", ["two"])
    drain(queue)
    assert ended == ["one", "two"]
    assert (queue.last.title, queue.last.state, queue.last.said) == ("two", DONE, "ok")


def test_progress_and_time_left_are_shown(worker):
    queue = TaskQueue()
    task = ping(worker, "one", 2.0)
    queue.add(task)
    end = time.monotonic() + 20
    while task.eta is None and time.monotonic() < end:
        queue.step()
        time.sleep(0.01)
    assert task.stage == "ping"
    assert 0 < task.share < 1
    assert 0 < task.eta < 3
    queue.clear()


def test_cancel_keeps_a_part_only_where_it_is_of_use(worker):
    for keep, said in ((False, "stopped"), (True, "part")):
        queue = TaskQueue()
        task = ping(worker, "one", 60, finish=lambda r: "part", keep_partial=keep)
        queue.add(task)
        while not task.done:
            queue.step()
            time.sleep(0.01)
        queue.cancel()
        drain(queue)
        assert (task.state, task.said, task.error) == (STOPPED, said, None)


@pytest.mark.parametrize("until_stopped", [False, True])
def test_a_stop_after_the_work_is_done_counts_where_nothing_is_to_come_of_it(until_stopped):
    ready, ended = threading.Event(), []

    def think(emit, stopped):
        ready.wait(10)
        return {"partial": False, "whole": 1}

    queue = TaskQueue()
    task = Task(
        "one",
        lambda: Thinking(think),
        finish=lambda r: ended.append(r["whole"]) or "whole",
        until_stopped=until_stopped,
    )
    queue.add(task)
    queue.step()
    queue.cancel()  # too late for the work, but nothing of it was written yet
    ready.set()
    drain(queue)
    assert (task.state, task.error) == (STOPPED, None)
    assert (ended, task.said) == (([], "stopped") if until_stopped else ([1], "whole"))


def test_a_waiting_task_can_be_cancelled(worker):
    queue = TaskQueue()
    one, two = ping(worker, "one", 0.2), ping(worker, "two", 60)
    queue.add(one)
    queue.add(two)
    queue.cancel(two)
    drain(queue)
    assert (one.state, two.state) == (DONE, STOPPED)


def test_a_task_that_does_not_stop_is_ended(worker, monkeypatch):
    monkeypatch.setattr("exprgen.exprgen_addon.engine.task_queue.PATIENCE", 0.2)
    queue = TaskQueue()
    task = ping(worker, "one", 60)
    queue.add(task)
    while not task.done:
        queue.step()
    monkeypatch.setattr(task.job, "stop", lambda: None)  # deaf
    queue.cancel()
    drain(queue)
    assert task.state == STOPPED
    assert not worker.alive


def test_what_ends_early_is_dropped_and_what_is_finished_stays(worker):
    dropped = []

    def task(title: str, seconds: float = 60.0, **more) -> Task:
        return ping(worker, title, seconds, drop=lambda: dropped.append(title), **more)

    queue = TaskQueue()
    queue.add(task("whole", 0.1))
    drain(queue)
    queue.add(task("part", keep_partial=True, finish=lambda r: "part"))
    queue.cancel()
    drain(queue)
    assert dropped == []
    queue.add(task("stopped"))
    queue.cancel()
    drain(queue)
    assert dropped == ["stopped"]
    queue.add(task("closed"))
    queue.clear("its file was closed")
    assert dropped == ["stopped", "closed"]
    assert not worker.alive, "it has ended before its leavings are removed"
    last = queue.last
    assert (last.title, last.state, last.said) == ("closed", STOPPED, "its file was closed")
    queue.clear()
    assert queue.last is None


def test_a_copy_of_the_open_file_goes_at_every_end_and_no_error_names_it(worker, tmp_path):
    def task(title: str, seconds: float = 60.0, **more) -> Task:
        copy = tmp_path / f"{title}.blend"
        copy.touch()
        return ping(worker, title, seconds, copy=copy, **more)

    def refuse(result):
        raise InputError("no head", file=failing.copy, fix="choose a head")

    queue = TaskQueue()
    queue.add(task("whole", 0.1))
    drain(queue)
    for number in range(2):
        queue.add(task(f"stopped_{number}"))
    queue.cancel(queue.waiting[0])
    queue.cancel()
    drain(queue)
    failing = task("failing")
    failing.begin = lambda: refuse(None)
    queue.add(failing)
    queue.step()
    assert str(failing.error) == "no head. Fix: choose a head"
    queue.add(task("closed"))
    queue.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_is_held_open_holds_up_nothing(worker, tmp_path, monkeypatch):
    def held(path, **more):
        raise PermissionError(13, "used by another process")

    copy = tmp_path / "held.blend"
    copy.touch()
    monkeypatch.setattr(type(copy), "unlink", held)
    queue = TaskQueue()
    first, second = ping(worker, "first", 0.1, copy=copy), ping(worker, "second", 0.1)
    queue.add(first)
    queue.add(second)
    drain(queue)
    assert [first.state, second.state] == [DONE, DONE]


def test_failures_are_kept_and_the_next_one_runs(worker):
    queue = TaskQueue()

    def refuse(result):
        raise InputError("no such thing", fix="look elsewhere")

    queue.add(ping(worker, "one", finish=refuse))
    queue.add(ping(worker, "two", finish=lambda r: 1 / 0))
    first = queue.running
    drain(queue)
    assert (first.state, first.error.fix) == (FAILED, "look elsewhere")
    assert [t.title for t in queue.failures] == ["one", "two"], "shown until they are read"
    assert "ZeroDivisionError" in str(queue.last.error)
    assert any("ZeroDivisionError" in line for line in queue.last.full_log())


def test_results_wait_while_somebody_uses_a_tool(worker):
    queue = TaskQueue()
    task = ping(worker, "one", finish=lambda r: "ok")
    queue.add(task)
    end = time.monotonic() + 20
    while not task.job.done and time.monotonic() < end:
        queue.step(may_finish=False)
    queue.step(may_finish=False)
    assert not task.over
    queue.step()
    assert task.said == "ok"


def test_a_thought_reports_and_fails_as_a_job(worker):
    def think(emit, stopped):
        emit({"type": "progress", "stage": "thinking", "done": 1, "total": 2})
        return {"answer": 42}

    task = TaskQueue().run(Task("one", lambda: Thinking(think), lambda r: str(r["answer"])))
    assert (task.said, task.stage, task.done) == ("42", "thinking", 1)

    def fail(emit, stopped):
        raise UsageError("no")

    with pytest.raises(UsageError, match="no"):
        TaskQueue().run(Task("one", lambda: Thinking(fail)))


def test_a_command_of_the_command_line_is_a_job():
    seen = []
    result = jobs.Command(["characters"], HOST).run_blocking(seen.append)
    assert result["characters"][0]["primary"]
    assert "primary" in result["text"]
    with pytest.raises(UsageError, match="there is no character 'nobody'"):
        jobs.Command(["capture", "nobody", "--out", "x"], HOST).run_blocking()
    with pytest.raises(UsageError, match="makes no sense"):
        jobs.Command(["sing"], HOST).run_blocking()


def test_a_command_can_be_stopped_and_killed(tmp_path):
    pytest.importorskip("bpy")
    job = jobs.Command(["capture", "mira", "--out", str(tmp_path), "--count", "500"], HOST)
    job.stop()
    result = job.run_blocking()
    assert result["partial"]
    assert result.get("done", 0) < 500
    job = jobs.Command(["capture", "mira", "--out", str(tmp_path / "b"), "--count", "500"], HOST)
    job.kill()
    with pytest.raises(ExprGenError, match="ended unexpectedly"):
        job.run_blocking()
    assert not job.alive


@pytest.mark.parametrize("killed", [False, True])
def test_a_commands_blender_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch, killed):
    pytest.importorskip("bpy")
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    job = jobs.Command(["capture", "mira", "--out", str(tmp_path / "out"), "--count", "500"], HOST)
    if killed:
        while not job.messages():
            time.sleep(0.02)
        job.kill()
    else:
        job.stop()
        job.run_blocking()
    assert not list(place.iterdir())


def test_a_training_is_told_line_by_line_and_stops(worker, tmp_path):
    with pytest.raises(ExprGenError):
        jobs.Job(
            "train", {"name": "ced", "arguments": ["--data", str(tmp_path)]}, worker
        ).run_blocking()
    assert jobs.Job("ping", {}, worker).run_blocking()["done"] == 0, "it serves on"


def test_the_engine_of_the_preferences_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv(engine_python.PYTHON_VARIABLE, raising=False)
    before = engine_python.worker_environment().get("PYTHONPATH")
    engine_python.use_engine(
        engine_python.Engine(python=sys.executable, cache=str(tmp_path), threads=3, nice=2)
    )
    try:
        environment = engine_python.worker_environment()
        assert engine_python.worker_python() == sys.executable
        assert environment["EXPRGEN_CORES"] == "3"
        assert environment["EXPRGEN_CACHE_DIR"] == str(tmp_path)
        assert environment.get("PYTHONPATH") != before or before is None, "its own packages"
        assert engine_python.cache_folder() == tmp_path
        assert jobs.Job("versions", {}).run_blocking()["executable"] == sys.executable
        monkeypatch.setenv(engine_python.PYTHON_VARIABLE, "/usr/bin/other")
        assert engine_python.worker_python() == "/usr/bin/other", "the variable goes first"
    finally:
        engine_python.use_engine(engine_python.Engine())
