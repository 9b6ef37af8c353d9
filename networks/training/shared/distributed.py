"""One training on several processes, started by `torchrun`: each takes its share of every batch.

    torchrun --nproc-per-node 2 -m exprgen.networks.training.hcnn --data HED --out hcnn.safetensors

Gradients and the statistics of batch norm are averaged after every step, so all processes hold the
same network; the first one evaluates, writes checkpoints and speaks. Random choices come from
(seed, process, step): a result differs from that of one process by no more than by another seed,
and a training goes on from its checkpoint with any number of processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import distributed as dist
from torch import nn

T = TypeVar("T")
APART = 7919
"""Between the seeds of two processes; a prime, so that small seeds don't meet."""


@dataclass(frozen=True)
class Processes:
    """This process among those of a training: rank 0 is the main one; alone, size is 1."""

    rank: int = 0
    size: int = 1

    @property
    def main(self) -> bool:
        """This one evaluates, writes and speaks."""
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """The seed of this process's random choices; the main one's is the training's."""
        return seed + APART * self.rank

    def share(self, stage):
        """The stage with this process's part of each batch; the parts add up to the batch."""
        part = stage.batch // self.size + (self.rank < stage.batch % self.size)
        return stage if self.size == 1 else replace(stage, batch=max(1, part))

    def average(self, model: nn.Module) -> None:
        """Make gradients and batch-norm statistics of all processes their mean."""
        if self.size == 1:
            return
        shared = [p.grad for p in model.parameters() if p.grad is not None]
        shared += [b for b in model.buffers() if b.is_floating_point() and b.numel()]
        # One exchange for all: many small ones would take longer than the step.
        flat = torch.cat([t.detach().reshape(-1).float() for t in shared])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(shared, flat.split([t.numel() for t in shared]), strict=True):
            tensor.detach().copy_(mean.view(tensor.shape))

    def from_main(self, compute: Callable[[], T]) -> T:
        """What the main process computes, in every process; the others wait for it."""
        if self.size == 1:
            return compute()
        box = [compute() if self.main else None]
        dist.broadcast_object_list(box, src=0)
        return box[0]


def processes() -> Processes:
    """This process's place, from the variables that torchrun sets; alone without them."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    return Processes(int(os.environ.get("RANK", "0")), size) if size > 1 else Processes()


def start() -> Processes:
    """Join the other processes, if there are any, and silence all but the main one."""
    here = processes()
    if here.size > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")
        if not here.main:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    return here


def leave() -> None:
    """End this process once all have done their work; alone, do nothing.

    Nobody may go before: a connection that closes while another process still listens on it aborts
    that one. And gloo's threads can abort an interpreter that ends normally ("terminate called
    without an active exception"), after everything has been written.
    """
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(0)
