"""The loop every training shares: stages, learning rate, running average, checkpoints, progress."""

from __future__ import annotations

import copy
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import InputError, UsageError
from ...records import FieldError, as_type
from .checkpoints import DELETE, FILE, load_checkpoint, save_checkpoint, seed_step
from .distributed import start
from .folding import native_bfloat16
from .interrupts import held_back

WARM_UP = 50  # steps
SPEAK_SECONDS = 15.0  # between progress lines


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one picture size.

    size: pixels; 0 where no pictures are looked at. images: how many pictures are seen. batch:
    pictures a step. rate: learning rate at the start of the stage.
    """

    size: int
    images: int
    batch: int
    rate: float

    @property
    def steps(self) -> int:
        return max(1, math.ceil(self.images / self.batch))


@dataclass(frozen=True)
class LoopSettings:
    """How the loop runs.

    optimiser: "adamw", "sgd" (momentum 0.9, the paper's) or "plain" (gradient descent, C-MLP).
    schedule: "cosine" within each stage, or "drop": by 10 after every `drop_images` (the paper's).
    average: decay of the running average of the weights, which is what is kept; 0 for none.
    patience: evaluations of the last stage without a better one before it ends early.
    minutes: if given, the stages are shortened to fit into this time, measured at the start.
    """

    optimiser: str = "adamw"
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    drop_images: int = 0
    average: float = 0.998
    evaluate_every: int = 400
    patience: int = 8
    minutes: float | None = None
    seed: int = 0
    checkpoint_seconds: float = 60.0


class Task(Protocol):
    """What a training adds to the loop."""

    model: nn.Module

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        """The loss of one step, its pictures chosen and changed with `rng`."""

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        """Measures on the validation part; "score" is the one to raise."""

    def train_mode(self) -> None:
        """Put the model in training mode (frozen layers stay in evaluation mode)."""


@dataclass
class Outcome:
    """What a training leaves: the best network, its measures and how it got there."""

    model: nn.Module
    metrics: dict[str, float]
    history: list[dict]
    steps: int


def run(
    task: Task, stages: tuple[Stage, ...], folder: Path, s: LoopSettings, settings: dict, resume
) -> Outcome:
    """Train to the end of the last stage or until nothing improves.

    Args:
        folder: where checkpoints go.
        settings: what a checkpoint must agree on to be resumed.
        resume: go on from the folder's checkpoint, if there is one.
    """
    here = start()
    loop = {k: v for k, v in asdict(s).items() if k not in ("minutes", "checkpoint_seconds")}
    settings = {**settings, "loop": loop, "stages": [asdict(stage) for stage in stages]}
    state = load_checkpoint(folder, settings) if resume else None
    if state:
        stages = _plan(state, folder)
    elif s.minutes:
        stages = here.from_main(lambda: fit_to_time(task, stages, s))
    training = _Training(task, stages, Path(folder), s, settings)
    if state:
        training.restore(state)
    return training.run()


def _plan(state: dict, folder: str | Path) -> tuple[Stage, ...]:
    """The stages of a checkpoint's training."""
    try:
        stages = as_type(tuple[Stage, ...], state.get("plan"), "plan")
    except FieldError as error:
        raise _no_state(folder) from error
    if not stages or any(g.size < 0 or min(g.images, g.batch) < 1 for g in stages):
        raise _no_state(folder)
    return stages


def _no_state(folder: str | Path) -> InputError:
    return InputError("holds no state of this training", file=Path(folder) / FILE, fix=DELETE)


def fit_to_time(task: Task, stages: tuple[Stage, ...], s: LoopSettings) -> tuple[Stage, ...]:
    """The stages, shortened alike so that they take `s.minutes`; never lengthened."""
    kept = copy.deepcopy(task.model.state_dict())
    seconds = 0.0
    for stage in stages:
        task.train_mode()
        best = math.inf
        for i in range(3):
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
                task.loss(stage, seed_step(s.seed, i)).backward()
            best = min(best, time.perf_counter() - start)
        seconds += best * stage.steps
    task.model.zero_grad()
    task.model.load_state_dict(kept)
    share = min(1.0, 0.9 * 60 * s.minutes / seconds)
    print(f"all stages take about {seconds / 60:.0f} min; {100 * share:.0f}% of each fits")
    return tuple(replace(g, images=max(g.batch, int(g.images * share))) for g in stages)


class _Training:
    def __init__(self, task, stages, folder, s: LoopSettings, settings: dict):
        self.task, self.stages, self.folder, self.s = task, stages, folder, s
        self.processes = start()
        self.settings = settings
        self.average = copy.deepcopy(task.model).eval()
        self.best: dict[str, Tensor] = copy.deepcopy(task.model.state_dict())
        self.best_score = -math.inf
        self.stale = 0
        self.history: list[dict] = []
        self.step = self.measured_at = 0
        self.running_loss = 0.0
        self.whole = True  # all that is kept belongs to one step
        self.optimiser = _optimiser(task.model, s, stages[0].rate)
        self.total = sum(stage.steps for stage in stages)

    def restore(self, state: dict) -> None:
        """Go on from a checkpoint.

        Raises:
            InputError: it is of another network, or damaged.
        """
        try:
            self._take(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise _no_state(self.folder) from error
        print(f"going on from step {self.step} of {self.total}")

    def _take(self, state: dict) -> None:
        self.task.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.load_state_dict(state["best"])  # fits as well
        self.best, self.best_score = state["best"], float(state["best_score"])
        self.average.load_state_dict(state["average"])
        self.history, self.stale = list(state["history"]), int(state["stale"])
        self.measured_at = int(self.history[-1]["step"]) if self.history else 0
        self.step, self.running_loss = int(state["step"]), float(state["running_loss"])
        if not 0 <= self.step <= self.total:
            raise ValueError(f"{self.step} steps of {self.total}")

    def save(self) -> None:
        if not self.processes.main:
            return
        state = {
            "model": self.task.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plan": [asdict(stage) for stage in self.stages],
        }
        names = ("best", "best_score", "history", "stale", "step", "running_loss")
        save_checkpoint(self.folder, self.settings, state | {n: getattr(self, n) for n in names})

    def run(self) -> Outcome:
        self.started, self.first = time.perf_counter(), self.step
        saved = self.spoken = self.started
        try:
            self._evaluate_if_due()  # where it was stopped meanwhile
            while self.step < self.total and self.stale < self.s.patience:
                self._step()
                self._evaluate_if_due()
                if time.perf_counter() - saved > self.s.checkpoint_seconds:
                    self.save()
                    saved = time.perf_counter()
        except KeyboardInterrupt:
            if self.whole:
                self.save()
            raise
        self.save()
        self.average.load_state_dict(self.best)
        metrics = self._measure(self.stages[-1])
        # What comes after it, such as the next fold, begins alike where no step was left to make.
        seed_step(self.processes.seed(self.s.seed), self.step)
        return Outcome(self.average, metrics, self.history, self.step)

    def _step(self) -> None:
        """One step, to its end also where Ctrl-C comes: half of one, statistics that have seen a
        batch of which nothing was learned, could not be gone on from to the same weights."""
        with held_back():
            self.whole = False
            self._learn()
            self.whole = True
        if time.perf_counter() - self.spoken > SPEAK_SECONDS and not self._is_due():
            self._say(self.stages[self._where(self.step - 1)[0]], {})

    def _learn(self) -> None:
        index, within = self._where(self.step)
        stage = self.stages[index]
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(stage, within)
        self.task.train_mode()
        rng = seed_step(self.processes.seed(self.s.seed), self.step)
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
            loss = self.task.loss(self.processes.share(stage), rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average(self.task.model)
        self.optimiser.step()
        self.step += 1
        if self.s.average:
            # A stage at another picture size must outlive what the one before it left behind.
            fresh = 1 - 5 / max(10, stage.steps)
            decay = min(self.s.average, fresh, self.step / (self.step + 10))
            _blend(self.average, self.task.model, decay)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise UsageError(
                f"the loss is {value} at step {self.step}", fix="train with a lower learning rate"
            )
        self.running_loss += (value - self.running_loss) * max(0.01, 1 / self.step)

    def _is_due(self) -> bool:
        """It is to be measured after the last step, and has not been yet."""
        if self.measured_at == self.step:
            return False
        index, within = self._where(self.step - 1)
        return within + 1 == self.stages[index].steps or self.step % self.s.evaluate_every == 0

    def _evaluate_if_due(self) -> None:
        if self._is_due():
            index, _ = self._where(self.step - 1)
            self._evaluate(self.stages[index], index)

    def _where(self, step: int) -> tuple[int, int]:
        """(stage, step within it) of a step, counted from 0."""
        left = step
        for index, stage in enumerate(self.stages):
            if left < stage.steps:
                return index, left
            left -= stage.steps
        raise AssertionError("past the last stage")

    def _rate(self, stage: Stage, within: int) -> float:
        if self.s.schedule == "drop":
            return stage.rate * 0.1 ** (within * stage.batch // max(1, self.s.drop_images))
        warm = min(1.0, (within + 1) / min(WARM_UP, max(1, stage.steps // 10)))
        return stage.rate * warm * (0.04 + 0.48 * (1 + math.cos(math.pi * within / stage.steps)))

    def _evaluate(self, stage: Stage, index: int) -> None:
        if not self.s.average:
            self.average.load_state_dict(self.task.model.state_dict())
        metrics = self._measure(stage)
        self._say(stage, metrics)
        with held_back():
            self._note(index, metrics)

    def _note(self, index: int, metrics: dict[str, float]) -> None:
        self.history.append({"step": self.step, "loss": self.running_loss, **metrics})
        self.measured_at = self.step
        if index + 1 < len(self.stages):
            return  # scores of another picture size say nothing about the network that is kept
        if metrics["score"] > self.best_score:
            self.best_score, self.stale = metrics["score"], 0
            self.best = copy.deepcopy(self.average.state_dict())
        else:
            self.stale += 1

    def _measure(self, stage: Stage) -> dict[str, float]:
        return self.processes.from_main(lambda: self.task.evaluate(self.average, stage))

    def _say(self, stage: Stage, metrics: dict) -> None:
        self.spoken = time.perf_counter()
        spent = self.spoken - self.started
        left = spent / max(1, self.step - self.first) * (self.total - self.step)
        words = " ".join(f"{k} {v:.4f}" for k, v in metrics.items())
        print(
            f"step {self.step}/{self.total}  {stage.size} px  loss {self.running_loss:.4f}  "
            f"{words}  {spent / 60:.1f} min, about {left / 60:.0f} min left at this pace",
            flush=True,
        )


def _optimiser(model: nn.Module, s: LoopSettings, rate: float) -> torch.optim.Optimizer:
    moving = [p for p in model.parameters() if p.requires_grad]
    if s.optimiser == "adamw":
        return torch.optim.AdamW(moving, rate, weight_decay=s.weight_decay)
    if s.optimiser == "sgd":
        return torch.optim.SGD(moving, rate, momentum=0.9, weight_decay=s.weight_decay)
    if s.optimiser == "plain":
        return torch.optim.SGD(moving, rate, weight_decay=s.weight_decay)
    raise UsageError(f"unknown optimiser {s.optimiser!r}", fix="use adamw, sgd or plain")


@torch.no_grad()
def _blend(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the running average towards the model, statistics of batch norm included."""
    moving = dict(model.state_dict())
    for name, value in average.state_dict().items():
        if value.is_floating_point() and value.numel():
            value.lerp_(moving[name], 1 - decay)
        else:
            value.copy_(moving[name])


def say_written(out: str, told: dict) -> None:
    """What a training without a loop ends with."""
    say(f"wrote {out}: " + ", ".join(f"{k} {v}" for k, v in told.items()))


def say(text: str) -> None:
    """A progress line."""
    print(text, flush=True)
    sys.stdout.flush()
