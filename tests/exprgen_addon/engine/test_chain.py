"""Several jobs as one, the progress over them, and whether processes get the processor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exprgen.exprgen_addon.engine import jobs, processor_share, worker_process
from exprgen.exprgen_addon.engine.chain import Chain, Link
from exprgen.exprgen_addon.engine.course import Course
from exprgen.exprgen_addon.engine.task_queue import DONE, STOPPED, Task, TaskQueue
from exprgen.networks.errors import UsageError


@pytest.fixture
def worker():
    worker = worker_process.WorkerProcess()
    yield worker
    worker.kill()


def links(worker, *seconds: float) -> list[Link]:
    return [
        Link(f"part {i}", lambda s=s: jobs.Job("ping", {"seconds": s, "echo": s}, worker))
        for i, s in enumerate(seconds)
    ]


def test_the_bar_of_a_chain_never_goes_back(worker):
    course = Course((("part 0", 1.0), ("part 1", 3.0), ("part 2", 1.0)))
    queue, shares, stages = TaskQueue(), [], []
    task = Task("all", lambda: Chain(links(worker, 0.3, 0.6, 0.3)), course=course)
    queue.add(task)
    end = time.monotonic() + 30
    while queue.busy and time.monotonic() < end:
        queue.step()
        shares.append(task.share)
        if task.stage not in stages:
            stages.append(task.stage)
        time.sleep(0.005)
    assert (task.state, task.share) == (DONE, 1.0)
    assert shares == sorted(shares)
    assert len({round(s, 2) for s in shares}) > 8
    assert [s for s in stages if s.startswith("part")] == ["part 0", "part 1", "part 2"]


def test_the_last_ones_result_is_the_chains(worker):
    assert Chain(links(worker, 0.0, 0.1)).run_blocking()["echo"] == 0.1


def test_jobs_without_a_label_tell_their_own_stages():
    class Told(jobs.Messages):
        log = ()

        def __init__(self, stage: str):
            super().__init__()
            self.stage = stage

        def messages(self):
            self.result = {"last": self.stage}
            return [{"type": "progress", "stage": self.stage}]

    named = Chain([Link("", lambda: Told("trying")), Link("own", lambda: Told("landmarks"))])
    told = []
    assert named.run_blocking(told.append) == {"last": "landmarks"}
    assert [m["stage"] for m in told if "stage" in m] == ["trying", "own", "own"]


def test_a_stop_ends_the_chain_and_an_error_too(worker):
    queue = TaskQueue()
    task = Task("all", lambda: Chain(links(worker, 60.0, 0.0)))
    queue.add(task)
    while not task.done:
        queue.step()
    queue.cancel()
    end = time.monotonic() + 20
    while queue.busy and time.monotonic() < end:
        queue.step()
    assert task.state == STOPPED
    wrong = [Link("wrong", lambda: jobs.Job("sing", {}, worker)), *links(worker, 60.0)]
    with pytest.raises(UsageError, match="no command"):
        Chain(wrong).run_blocking()


def test_a_chain_goes_on_without_what_merely_helps(worker):
    helps = Link("help", lambda: jobs.Job("sing", {}, worker), helps=True)
    task = Task("all", lambda: Chain([helps, *links(worker, 0.0)]))
    TaskQueue().run(task)
    assert (task.state, task.error, task.job.result["echo"]) == (DONE, None, 0.0)
    assert len(task.warnings) == 1
    assert "no command" in task.warnings[0]


def test_time_left_counts_down_and_is_unknown_at_first(worker):
    task = Task("one", lambda: None)
    assert task.left is None
    task.eta, task.told = 5.0, time.monotonic() - 4.0
    assert 0.5 < task.left <= 1.0
    task.told -= 60.0
    assert task.left == 0.0


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").is_file() or not hasattr(os, "sched_setaffinity"),
    reason="this system does not tell how long processes wait",
)
def test_who_is_kept_waiting_is_known():
    """Beside a busy program on its only core, one that steps back all the way waits."""
    core = min(os.sched_getaffinity(0))
    busy = f"import os; os.sched_setaffinity(0, {{{core}}})\n"
    back = "os.nice(19); open('/proc/self/autogroup', 'w').write('19')\n"
    grouped = Path("/proc/self/autogroup").is_file()
    loop = "while True: pass"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        for code in (
            busy + (back if grouped else "os.nice(19)\n") + loop,
            busy + loop,
            "import time; time.sleep(60)",
        )
    ]
    try:
        late, sleeper = (processor_share.ProcessorShare() for _ in range(2))
        end = time.monotonic() + 30
        while not late.waits and time.monotonic() < end:
            late.look([processes[0].pid])
            sleeper.look([processes[2].pid])
            time.sleep(0.1)
        assert late.waits
        assert not sleeper.waits
    finally:
        for process in processes:
            process.kill()
            process.wait()
