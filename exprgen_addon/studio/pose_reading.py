"""How a pose reads: a Blender without a window renders it, the worker's SCNN names it.

The picture is the one that SCNN learned from (capture.py's studio, small): Cycles, plain light,
registered by the character's own landmarks. A picture of the viewport would be quicker to get and
is a stranger to SCNN: drawn by Workbench, Mira's key poses are named right 15 times of 71, by the
studio at 96 pixels 23 times of 24. And since another process renders it, the window only reads some
numbers off the rig.

`main` is that process; `Mirror` asks it, and the worker, and may be used from any one thread. It
never imports bpy.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from ...networks.characters.profile import RigProfile, load_profile
from ...networks.errors import ExprGenError
from ...networks.files import new_scratch, remove, temporary_in
from ...networks.messages import Sender
from ...networks.records import json_text
from ...networks.worker import NICE_VARIABLE, step_back
from ..engine import engine_python, jobs, worker_process

SIZE = 96
"""Side of the pictures in pixels: a little more than SCNN's input."""
SAMPLES = 2
NICE = 2
"""Somebody waits for it, so it steps back less than a job."""
THREADS = 1
"""Of the worker. One small picture is no work to share out: on a busy machine a second thread is
waited for much longer than the picture takes (0.5 s and not 0.025 s)."""
PATIENCE = 120.0
"""Seconds for the first picture; a busy machine takes long to start two processes."""


class Mirror:
    """Shows one character's poses to SCNN.

    Args:
        profile: saved; its `path` is given to the process. blender: the command that runs this
            module's `main` (`capture.blender_command`). worker: a worker to use; its own by
            default, so that a long job does not hold the view up.
    """

    def __init__(
        self,
        profile: RigProfile,
        blender: list[str],
        worker: worker_process.WorkerProcess | None = None,
    ):
        self.profile = profile
        self._folder = new_scratch()
        self._own_worker = worker is None
        self._worker = worker or worker_process.WorkerProcess(nice=NICE, threads=THREADS)
        self._answers: SimpleQueue = SimpleQueue()
        self._waiting = False
        self._last_words = ""
        self.known = False
        self._process = worker_process.start_piped(
            [*blender, str(profile.path.resolve()), str(self._folder)],
            engine_python.command_environment()
            | {NICE_VARIABLE: str(NICE)}
            | temporary_in(self._folder),
        )
        for target in (self._read, self._listen):
            threading.Thread(target=target, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None and self._worker.alive

    @property
    def busy(self) -> bool:
        """A pose was shown and its reading has not come yet."""
        return self._waiting

    @property
    def pids(self) -> tuple[int, int]:
        return self._process.pid, self._worker.pid

    def show(self, values: np.ndarray) -> None:
        """Ask for the reading of a pose, native values (C,) of all controls; don't ask again while
        `busy`."""
        self._waiting = True
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json_text([float(v) for v in values]) + "\n")
            self._process.stdin.flush()

    def answer(self) -> np.ndarray | None:
        """Probabilities (7,) of the pose that was shown, once; None while there are none.

        Raises:
            ExprGenError: a process failed or ended.
        """
        try:
            found = self._answers.get_nowait()
        except Empty:
            return None
        self._waiting = False
        if found is None:
            raise self._death()
        if isinstance(found, ExprGenError):
            raise found
        self.known = self.profile.name in found["characters"]
        if not found["probabilities"]:
            return None
        row = np.asarray(found["probabilities"][0], float)
        return row / max(row.sum(), 1e-9)

    def read(self, values: np.ndarray, stopped=lambda: False) -> np.ndarray | None:
        """Show a pose and wait for its reading; None if stopped.

        Raises:
            ExprGenError: see `answer`; or nothing came within `PATIENCE`.
        """
        end = time.monotonic() + PATIENCE
        while self.busy and time.monotonic() < end:  # what was asked before
            self.answer()
            time.sleep(0.005)
        self.show(values)
        while time.monotonic() < end:
            if stopped():
                return None
            found = self.answer()
            if found is not None:
                return found
            time.sleep(0.005)
        raise ExprGenError("no picture of the pose came in time", fix="try again")

    def close(self) -> None:
        """End the processes and remove their pictures."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._own_worker and self._worker.alive:
            self._worker.kill()
        remove(self._folder)

    def _death(self) -> ExprGenError:
        how = worker_process.how_ended(self._process.wait())
        return ExprGenError(
            f"the picture maker ended ({how}); it said last: {self._last_words or 'nothing'}",
            fix="switch the clarity view on again",
        )

    def _read(self) -> None:
        """Each picture goes on to the worker from this thread: a window that draws slowly asks
        seldom, and would lose a turn between the two."""
        try:
            for message in worker_process.answers(self._process.stdout, self._take_line):
                if message["type"] in ("picture", "error"):
                    self._answers.put(self._reading(message))
        finally:
            self._answers.put(None)

    def _reading(self, message: dict) -> dict | ExprGenError:
        if message["type"] == "error":
            return ExprGenError.from_message(message)
        picture = {"file": message["file"], "landmarks": message["landmarks"]}
        try:
            return jobs.Job("read_character", {"pictures": [picture]}, self._worker).run_blocking()
        except ExprGenError as error:
            return error

    def _listen(self) -> None:
        for line in worker_process.lines_of(self._process.stderr):
            self._take_line(line)

    def _take_line(self, line: str) -> None:
        if line.strip():
            self._last_words = line.strip()[:300]


def main(words: list[str]) -> None:
    """The process: a line of values in, a picture out, until stdin ends.

    Of lines that came while a picture was made only the last counts.
    """
    from .face_studio import FaceStudio, StudioSettings
    from .look import Look

    step_back()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    code, lines, send = 0, SimpleQueue(), Sender(out)
    threading.Thread(target=_take_lines, args=(lines,), daemon=True).start()
    try:
        profile = load_profile(words[0])
        with FaceStudio(profile, StudioSettings(size=SIZE, samples=SAMPLES)) as studio:
            studio.look(Look(ambient=1.1))
            number = 0
            while (line := _newest(lines)) is not None:
                studio.pose(np.array(json.loads(line), float))
                # Two names in turn: the one before may still be read.
                path = Path(words[1]) / f"pose_{number % 2}.png"
                studio.render_to(path)
                points = studio.landmarks().tolist() if profile.landmarks else None
                send({"type": "picture", "file": str(path), "landmarks": points})
                number += 1
    except ExprGenError as error:
        send(error.to_message())
        code = error.exit_code
    except BrokenPipeError:
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _take_lines(lines: SimpleQueue) -> None:
    for line in sys.stdin:
        lines.put(line)
    lines.put(None)


def _newest(lines: SimpleQueue) -> str | None:
    line = lines.get()
    while line is not None and not lines.empty():
        line = lines.get()
    return line
