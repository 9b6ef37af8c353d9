"""torchrun: several processes train one network, equal to what one process would train."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from exprgen.networks.errors import EXIT_INTERRUPTED
from exprgen.networks.models.weights_file import read_info
from exprgen.networks.training.hcnn import HcnnSettings, train
from exprgen.networks.training.shared.distributed import Processes, processes
from exprgen.networks.training.shared.loop import Stage
from exprgen.networks.training.shared.options import conclude

SIZES = "32:600:4e-3"


def test_shares_add_up_to_the_batch_and_seeds_differ():
    for size in (1, 2, 3):
        parts = [
            Processes(rank, size).share(Stage(64, 100, 50, 1e-3)).batch for rank in range(size)
        ]
        assert sum(parts) == 50
        assert max(parts) - min(parts) <= 1
    assert Processes(0, 2).seed(5) == 5
    assert len({Processes(r, 4).seed(s) for r in range(4) for s in range(20)}) == 80


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert processes() == Processes(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert not processes().main


@pytest.mark.parametrize(("rank", "says"), [("0", "stopped; again\n"), ("1", "")])
def test_of_several_processes_one_says_that_they_stopped(monkeypatch, capsys, rank, says):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)

    def stopped():
        raise KeyboardInterrupt

    assert conclude("hcnn", stopped, False, lambda: "again") == EXIT_INTERRUPTED
    assert capsys.readouterr().err == says


def test_two_processes_train_as_well_as_one(tmp_path):
    two = tmp_path / "two.safetensors"
    words = ["--data", "drawn:70", "--sizes", SIZES, "--batch", "20", "--threads", "1"]
    here = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
            "--master-port", str(20000 + os.getpid() % 20000)]  # fmt: skip
    module = ["-m", "exprgen.networks.training.hcnn", *words, "--out", str(two)]
    done = subprocess.run([*here, *module], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("faces to learn from") == 1  # one of them speaks
    one = tmp_path / "one.safetensors"
    train(HcnnSettings("drawn:70", str(one), sizes=SIZES, batch=20, threads=1))
    told = [read_info(path).training for path in (one, two)]
    assert told[0]["steps"] == told[1]["steps"]
    losses = [t["metrics"]["cross_entropy"] for t in told]
    assert abs(losses[0] - losses[1]) < 0.35 * max(losses)
    # What two began, one can end.
    state = torch.load(tmp_path / "two" / "checkpoint.pt", weights_only=True)
    assert state["step"] == told[1]["steps"]
    assert json.loads(state["settings"])["sizes"] == SIZES
    assert all(np.isfinite(t.float().numpy()).all() for t in state["model"].values())
