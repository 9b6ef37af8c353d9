"""Ctrl-C while a command is still loading: a sentence and its exit code."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from exprgen.networks import worker
from exprgen.networks.errors import EXIT_INTERRUPTED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX does")

MAIN = "from exprgen.exprgen_addon.command_line.main import main; print('on', flush=True); main()"


@pytest.mark.parametrize("delay", [0.0, 0.3, 1.0])
def test_a_training_in_its_first_second(delay, tmp_path):
    words = ["train", "hcnn", "--data", "drawn:70", "--out", str(tmp_path / "h.safetensors")]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "Traceback" not in said
    assert "interrupted" in said or "stopped" in said


def test_a_training_of_the_worker_that_is_stopped_while_it_begins(monkeypatch):
    def begins(words):
        time.sleep(30)

    monkeypatch.setattr(worker, "training", lambda name: begins)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    result = worker.train({"name": "hcnn"}, lambda message: None, stop)
    assert result == {"exit_code": EXIT_INTERRUPTED, "partial": True}
