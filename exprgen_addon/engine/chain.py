"""Jobs one after the other as one, with one progress over all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...networks.errors import ExprGenError
from .jobs import Messages


@dataclass(frozen=True)
class Link:
    """One job of a chain. label: its stage, for a person; "" for the stages that it tells itself;
    begin: starts it. helps: the next one goes on without it too, if it fails, which is told."""

    label: str
    begin: Callable[[], Messages]
    helps: bool = False


class Nothing(Messages):
    """A job that is done as it begins: what a chain ends with whose links only help."""

    def __init__(self):
        super().__init__()
        self.result = {}

    @property
    def pids(self) -> list[int]:
        return []

    @property
    def log(self) -> list[str]:
        return []

    def messages(self) -> list[dict]:
        return []

    def stop(self) -> None:
        """There is nothing to stop."""

    def kill(self) -> None:
        """There is nothing to end."""


class Chain(Messages):
    """Begins each job when the one before has ended; the last one's result is its own. One that was
    stopped, came to a part only, or failed and does not merely help, ends the chain with what it
    gave.

    Args:
        links: the jobs; each one's messages tell its label as their stage, and beside it the stage
            that the job itself tells, where that says more.
    """

    def __init__(self, links: Sequence[Link]):
        super().__init__()
        self._left = list(links)
        self._logs: list[str] = []
        self._begin()

    def _begin(self) -> None:
        link = self._left.pop(0)
        self._label, self._helps = link.label, link.helps
        self._job = link.begin()

    @property
    def pids(self) -> list[int]:
        return self._job.pids

    @property
    def log(self) -> list[str]:
        return [*self._logs, *self._job.log]

    def messages(self) -> list[dict]:
        if self.done:
            return []
        ends = ("result", "error") if self._helps else ("result",)
        told = [self._labelled(m) for m in self._job.messages() if m["type"] not in ends]
        if self._job.error is not None and self._helps and not self.stopping:
            warning = {"type": "log", "level": "warning", "text": self._job.error.problem}
            told += [warning, *self._go_on({})]
        elif self._job.error is not None:
            self.error = self._job.error
        elif self._job.result is not None:
            told += self._go_on(self._job.result)
        return told

    def _go_on(self, result: dict) -> list[dict]:
        if not self._left or self.stopping or result.get("partial"):
            self.result = result
            return [{"type": "result", **result}]
        self._logs = self.log
        try:
            self._begin()
        except ExprGenError as error:
            self.error = error
            return [error.to_message()]
        return [{"type": "stage", "stage": self._label}] if self._label else []

    def run_blocking(self, on_message: Callable[[dict], None] = lambda message: None) -> dict:
        while not self.done:
            for message in self.messages():
                on_message(message)
            time.sleep(0.02)
        if self.error is not None:
            raise self.error
        return self.result

    def stop(self) -> None:
        self.stopping = True
        self._job.stop()

    def kill(self) -> None:
        self._job.kill()

    def _labelled(self, message: dict) -> dict:
        told = self._label and "stage" in message
        return {**message, "stage": self._label} if told else message
