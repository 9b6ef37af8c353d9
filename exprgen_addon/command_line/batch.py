"""`exprgen batch`: every shot of a list retargeted, each in a process of its own.

A shot's process runs the `exprgen retarget` that a person would type, so one that crashes takes no
other with it. It writes into hidden folders beside the places asked for; what it made is moved
there when it is whole, then the shot's state is written: what it was made of and what came out.
A run that was stopped, killed or failed therefore goes on by doing the shots whose state is missing
or no longer true, and nobody ever sees half a file.

Nothing but a shot's own hidden folders is ever removed. A file at an output's place that this batch
did not make, or that somebody edited since, is set aside under another name and told. A lock a shot
keeps two batches on one list from doing the same shot twice.

Never imports bpy: the shots' processes do.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ...networks.cores import CORES_VARIABLE, cores
from ...networks.errors import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PARTIAL,
    InputError,
    OutputError,
    UsageError,
)
from ...networks.files import (
    HIDDEN,
    remove,
    set_aside,
    sweep,
    unwritable,
)
from ...networks.locks import Lock
from ...networks.owners import token
from ...networks.perception.needed_weights import solving_weights
from ...networks.reading import parse_json, plain_file
from ...networks.records import json_text
from ...networks.tracking.landmark_model import LANDMARK_SHA256, sha256
from ..engine.engine_python import PYTHON_VARIABLE, worker_environment, worker_python
from .console import Console, check_folder
from .shot_list import OUTPUTS, Shot, ShotListError, inputs_of, load_shots
from .shot_outputs import ShotOutputs
from .shot_state import DONE, FAILED, FINISHED, PART, RUNNING, STOPPED, Made, State

POLL = 0.1  # seconds between looks at the running shots
GRACE = 15.0
"""Seconds that a stopped shot has to end by itself."""
LOG_BEGINS = "exprgen "
TOLD = 8
"""Files that were set aside are told one by one up to so many a shot; all are in the result."""


def run(args: argparse.Namespace, console: Console) -> int:
    """The command; see `cli.build_parser` for its options."""
    if args.processes < 1:
        raise UsageError(f"{args.processes} shots at a time make no sense", fix="use 1 or more")
    try:
        shots = load_shots(args.list, args.shot, args.numbers)
    except ShotListError as problem:
        return _refuse(problem, console)
    logs = Path(args.logs) if args.logs else Path(args.list).with_suffix(".exprgen")
    _check_logs(Path(args.list), shots, logs)
    batch = Batch(Path(args.list), logs, console, again=args.again, verbose=args.verbose)
    return batch.show(shots) if args.check else batch.run(shots, args.processes)


def _check_logs(path: Path, shots: list[Shot], logs: Path) -> None:
    """Refuse a folder of logs in which a shot's state or log would take the place of an input.

    Raises:
        UsageError: it names both.
    """
    inputs = inputs_of(path, shots)
    for shot in shots:
        for file in (logs / f"{shot.name}.json", logs / f"{shot.name}.log"):
            if what := inputs.at(file):
                fix = "give another folder, or the shot another name"
                raise UsageError(f"--logs would replace {what}", file=file, fix=fix)


def _refuse(problem: ShotListError, console: Console) -> int:
    """Tell all mistakes of a list; the exit code of the first."""
    told = [error.to_message() for error in problem.errors]
    if console.as_json:
        console.result({"error": told[0], "errors": told}, "")
    for error in problem.errors:
        console.say(f"error: {error.file}: {error.problem}\n  fix: {error.fix}")
    return problem.errors[0].exit_code


# --- what a shot is made of ----------------------------------------------------------------------


def digest(shot: Shot) -> str:
    """SHA-256 of all that decides a shot's outputs: its options, its footage's content, its
    characters, the networks that drive them and ExprGen's version. Where things lie does not count,
    so a list and its footage can move to another machine."""
    from ..addon import version

    options = {c: list(t) for c, t in shot.cells.items() if c not in ("reference", *OUTPUTS)}
    for column in ("primary", "secondary"):
        options.pop(column, None)
    made_of = {
        "exprgen": version(),
        "options": options,
        "outputs": sorted(shot.outputs),
        "reference": [_content(p) for p in shot.references],
        "characters": [[p.name, _content(p.path), _content(p.blend)] for p in shot.profiles],
        "networks": [[p.name, _content(p)] for p in solving_weights([*shot.profiles])],
        "landmarks": LANDMARK_SHA256,
    }
    return hashlib.sha256(json_text(made_of, sort_keys=True).encode()).hexdigest()


@cache
def _content(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    try:
        if path.is_dir():
            parts = [[p.name, _content(p)] for p in sorted(path.iterdir()) if p.is_file()]
            return hashlib.sha256(json_text(parts).encode()).hexdigest()
        plain_file(path)
        return sha256(path)
    except OSError as error:
        raise InputError(f"can't be read ({error.strerror})", file=path) from error


# --- the run -------------------------------------------------------------------------------------


class Batch:
    """One run of a list.

    Args:
        path: the list. logs: folder of the shots' logs and states, made if need be.
        again: do what is done already, too. verbose: show the shots' logs as they grow.
    """

    def __init__(self, path: Path, logs: Path, console: Console, *, again=False, verbose=False):
        self.path, self.logs, self.console = path, logs, console
        self.again, self.verbose = again, verbose
        self.rows: dict[str, dict] = {}
        self.folder = path.resolve().parent

    def show(self, shots: list[Shot]) -> int:
        """Say what state each shot is in; runs nothing."""
        rows = []
        for shot in shots:
            state = State.load(self._state_file(shot))
            word = "to do" if state is None else state.state
            if state is not None and state.state in FINISHED and not self._is_true(shot, state):
                word = "changed"
            if self._lock(shot).is_held():
                word = RUNNING
            elif word == RUNNING:
                word = "unfinished"
            rows.append({"shot": shot.name, "number": shot.number, "row": shot.row, "state": word})
        lines = [f"{r['number']:>4}  {r['shot']:<24} {r['state']}" for r in rows]
        self.console.result({"list": str(self.path), "shots": rows}, "\n".join(lines))
        return EXIT_OK

    def run(self, shots: list[Shot], processes: int) -> int:
        """Do what is not done; returns the exit code.

        0 if all is done, 4 if some shots failed or are partial, the first one's own code if all
        failed, 130 if stopped.
        """
        began = time.monotonic()
        check_folder(self.logs)
        waiting: deque[Shot] = deque()
        for shot in shots:
            state = State.load(self._state_file(shot))
            if not self.again and state is not None and self._is_true(shot, state):
                self._note(shot, state, skipped=True)
                self.console.say(f"{shot.name}: {state.state} already")
            else:
                waiting.append(shot)
        with self.console.keeping():
            self._run_all(waiting, min(processes, len(waiting)))
        rows = [self.rows[s.name] for s in shots if s.name in self.rows]
        counts = {s: sum(r["state"] == s for r in rows) for s in (DONE, PART, FAILED, STOPPED)}
        result = {
            "list": str(self.path),
            "logs": str(self.logs),
            **counts,
            "skipped": sum(r["skipped"] for r in rows),
            "not_begun": len(shots) - len(rows),
            "seconds": round(time.monotonic() - began, 2),
            "shots": rows,
        }
        said = [f"{n} {s}" for s, n in counts.items() if n]
        said += [f"{result['skipped']} of them before"] if result["skipped"] else []
        said += [f"{result['not_begun']} not begun"] if result["not_begun"] else []
        self.console.result(result, f"{', '.join(said)}; logs in {self.logs}")
        return self._exit_code(rows)

    def _exit_code(self, rows: list[dict]) -> int:
        if self.console.interrupted:
            return EXIT_INTERRUPTED
        failed = [r["exit_code"] for r in rows if r["state"] == FAILED]
        if failed and len(failed) == len(rows):
            return failed[0] if failed[0] > 0 else 128 - failed[0]
        return EXIT_PARTIAL if failed or any(r["state"] == PART for r in rows) else EXIT_OK

    def _run_all(self, waiting: deque[Shot], processes: int) -> None:
        running: list[_Running] = []
        total = len(waiting)
        busy: deque[Shot] = deque()
        try:
            while waiting or running or busy:
                if self.console.interrupted:
                    waiting.clear()
                    busy.clear()
                    for one in running:
                        one.stop()
                while waiting and len(running) < processes:
                    self._take(waiting.popleft(), processes, running, busy)
                if busy and not waiting and len(running) < processes:
                    self._take(busy.popleft(), processes, running, busy, waited=True)
                time.sleep(POLL)
                for one in list(running):
                    self._echo(one)
                    if one.ended():
                        self._finish(one)
                        running.remove(one)
                ended = total - len(waiting) - len(running) - len(busy)
                self.console.progress("batch", ended, total)
        finally:
            for one in running:  # a second Ctrl-C, or a fault
                one.kill()
                one.close()

    def _take(self, shot: Shot, processes: int, running: list, busy: deque, waited=False) -> None:
        """Begin a shot, unless another batch is at it: then it waits for what that one makes."""
        lock = self._lock(shot)
        try:
            if not lock.take():
                if not waited:
                    self.console.say(f"{shot.name}: another batch is at it; waiting for it")
                busy.append(shot)
                return
        except OSError as error:
            raise unwritable(lock.path, error) from error
        try:
            before = State.load(self._state_file(shot))
            if before is not None and (waited or not self.again) and self._is_true(shot, before):
                self._note(shot, before, skipped=True)
                self.console.say(f"{shot.name}: {before.state} already")
                lock.release()
                return
            running.append(self._start(shot, before, lock, processes))
        except BaseException:
            lock.release()
            raise

    def _start(self, shot: Shot, before: State | None, lock: Lock, processes: int) -> _Running:
        kept: list[str] = []
        outputs = self._outputs(shot, kept)
        standing = outputs.standing(before)
        made_of = digest(shot)
        host = socket.gethostname()
        self._make_way(shot, before)
        state = State(shot.name, RUNNING, digest=made_of, outputs=standing, host=host)
        state.save(self._state_file(shot))
        for path in shot.outputs.values():
            sweep(path.parent)
        self.console.say(f"{shot.name}: begun")
        log = self._log_file(shot)
        return _Running(outputs, made_of, standing, kept, log, processes, lock)

    def _make_way(self, shot: Shot, before: State | None) -> None:
        """Set aside what is no state and no log of a shot, where those go.

        Raises:
            OutputError: it can't be.
        """
        state, log = self._state_file(shot), self._log_file(shot)
        for file, ours in ((state, before is not None), (log, is_log(log))):
            if os.path.lexists(file) and not ours:
                try:
                    kept = set_aside(file)
                except OSError as error:
                    raise unwritable(file, error) from error
                self.console.say(f"{shot.name}: {file} is not of this batch: kept as {kept}")

    def _finish(self, one: _Running) -> None:
        """Move what a shot made to its place, and write down how it went."""
        code, said = one.process.returncode, one.said()
        error, outputs, state = said.pop("error", None), one.standing, FAILED
        if one.stopping or code == EXIT_INTERRUPTED:
            state = STOPPED
        elif code in (EXIT_OK, EXIT_PARTIAL):
            try:
                outputs = self._publish(one, partial=code == EXIT_PARTIAL)
                state = PART if code == EXIT_PARTIAL else DONE
            except (OSError, OutputError) as problem:
                code = OutputError.exit_code
                full = isinstance(problem, OSError)
                told = unwritable(problem.filename, problem) if full else problem
                error = told.to_message()
        if state == FAILED and error is None:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            error = {"problem": f"it ended with {how}: {one.last_line()}", "file": None, "fix": ""}
        result = {k: v for k, v in said.items() if k not in OUTPUTS} or None
        seconds = round(time.monotonic() - one.began, 2)
        made = State(
            one.shot.name, state, code, one.digest, outputs, seconds, socket.gethostname(),
            error if state == FAILED else None, result,
        )  # fmt: skip
        try:
            made.save(self._state_file(one.shot))
        finally:
            one.close()
        self._note(one.shot, made, kept=one.kept)
        line = f"{one.shot.name}: {state}, {seconds:.1f} s"
        if state == FAILED:
            about = f"{error['file']}: " if error.get("file") else ""
            line += f"; {about}{error['problem']}"
            line += f"\n  fix: {error['fix']}" if error.get("fix") else ""
            line += f"\n  log: {one.log}"
        self.console.say(line)

    def _publish(self, one: _Running, partial: bool) -> dict[str, Made]:
        """Give a shot's files their names; what they are then.

        Raises:
            OSError: a file can't be moved. OutputError: the state can't be written.
        """
        moves = one.outputs.moves(one.staged, one.standing, partial)
        coming = {one.outputs.named(target): Made.of(file, partial) for file, target in moves}
        name, host = one.shot.name, socket.gethostname()
        # Killed from here on, the next run knows by this what of the files that stand is ours.
        state = State(name, RUNNING, None, one.digest, one.standing, 0.0, host, coming=coming)
        state.save(self._state_file(one.shot))
        one.outputs.publish(moves, one.standing, partial, over=self.again)
        return {**one.standing, **coming} if partial else coming

    def _outputs(self, shot: Shot, kept: list[str]) -> ShotOutputs:
        """A shot's files; what is set aside of them goes into `kept`, and is told."""

        def tell(file: Path, why: str, now: Path) -> None:
            kept.append(str(now if why else file))
            if not why:
                self.console.say(f"{shot.name}: {file} stays; this partial result is {now}")
            elif len(kept) <= TOLD:
                self.console.say(f"{shot.name}: {file} {why}: kept as {now}")

        return ShotOutputs(shot, self.folder, tell)

    def _is_true(self, shot: Shot, state: State) -> bool:
        """The shot is finished, of these very inputs, and its files are there as they were made."""
        return self._outputs(shot, []).are_those_of(state) and state.digest == digest(shot)

    def _lock(self, shot: Shot) -> Lock:
        return Lock(self.logs / f".{shot.name}.lock")

    def _note(
        self, shot: Shot, state: State, skipped: bool = False, kept: Sequence[str] = ()
    ) -> None:
        self.rows[shot.name] = {
            "shot": shot.name,
            "number": shot.number,
            "row": shot.row,
            "state": state.state,
            "skipped": skipped,
            "exit_code": state.exit_code,
            "seconds": state.seconds,
            "log": str(self._log_file(shot)),
            "error": state.error,
            "kept": list(kept),
        }

    def _state_file(self, shot: Shot) -> Path:
        return self.logs / f"{shot.name}.json"

    def _log_file(self, shot: Shot) -> Path:
        return self.logs / f"{shot.name}.log"

    def _echo(self, one: _Running) -> None:
        if self.verbose:
            for line in one.new_lines():
                self.console.say(f"{one.shot.name}: {line}")


class _Running:
    """A shot's process, its lock, its log and where it writes.

    standing: what is there as an earlier run made it. kept: what was set aside or left standing.
    """

    def __init__(
        self,
        outputs: ShotOutputs,
        made_of: str,
        standing: dict[str, Made],
        kept: list[str],
        log: Path,
        processes: int,
        lock: Lock,
    ):
        self.outputs, self.shot = outputs, outputs.shot
        self.digest, self.standing, self.kept, self.log = made_of, standing, kept, log
        self.began = time.monotonic()
        self.stopping: float | None = None
        self._read = 0
        self._lock = lock
        self.staged = {column: _staged(path) for column, path in self.shot.outputs.items()}
        words = [*self.shot.words(self.staged), "--json"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        try:
            for path in self.staged.values():
                path.parent.mkdir(parents=True, exist_ok=True)
            with open(log, "w", encoding="utf-8", errors="backslashreplace") as stream:
                print(
                    f"{LOG_BEGINS}{' '.join(self.shot.words(self.shot.outputs))}",
                    file=stream,
                    flush=True,
                )
                self.process = subprocess.Popen(
                    [*shot_command(), *words],
                    stdin=subprocess.PIPE,  # its end tells the shot to stop, whatever ended us
                    stdout=self._said,
                    stderr=stream,
                    env=_environment(processes),
                    **({} if os.name == "nt" else {"start_new_session": True}),
                )
        except OSError as error:
            self.close()
            raise unwritable(error.filename or log, error) from error

    def close(self) -> None:
        """Remove where it wrote, and let others have the shot."""
        for path in self.staged.values():
            remove(path.parent)
        self._said.close()
        self._lock.release()

    def ended(self) -> bool:
        """It has ended; one that was told to stop and does not is killed."""
        if self.stopping and time.monotonic() - self.stopping > GRACE:
            self.process.kill()
        return self.process.poll() is not None

    def stop(self) -> None:
        """Tell it to stop soon."""
        if not self.stopping:
            self.stopping = time.monotonic()
            self.process.stdin.close()

    def kill(self) -> None:
        """End it now."""
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        self.process.kill()
        self.process.wait()

    def said(self) -> dict:
        """What its command said on stdout: the last line that is a JSON object; {} if none is."""
        self._said.seek(0)
        for line in reversed(self._said.read().decode("utf-8", "replace").splitlines()):
            with contextlib.suppress(ValueError):
                said = parse_json(line)
                if isinstance(said, dict):
                    return said
        return {}

    def last_line(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if len(lines) > 1 else "it said nothing"

    def new_lines(self) -> list[str]:
        """Whole lines of the log since the last call."""
        with open(self.log, "rb") as stream:
            stream.seek(self._read)
            text = stream.read()
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        return text.decode("utf-8", "replace").splitlines()


def is_log(path: Path) -> bool:
    """A plain file that begins as a shot's log does."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "rb") as stream:
            return stream.read(len(LOG_BEGINS)) in (LOG_BEGINS.encode(), b"")
    except OSError:
        return False


def _staged(path: Path) -> Path:
    """Where a shot's process writes what becomes `path`: the same name, in a hidden folder of this
    run's own."""
    return path.parent / f"{HIDDEN}{token()}" / path.name


# --- a shot's own process ------------------------------------------------------------------------


def shot_command() -> list[str]:
    """The command that runs `main` below, with the words that follow: in this Blender without a
    window, or in this Python, where Blender is a module."""
    from ..engine.other_blender import package_code

    code = package_code("exprgen_addon.command_line.batch")
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.app.binary_path:
        return [
            bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1",
            "--python-expr", code, "--",
        ]  # fmt: skip
    return [sys.executable, "-c", code]


def _environment(processes: int) -> dict[str, str]:
    """The engine's Python and packages as this process knows them; a shot's share of the cores."""
    known = worker_environment()
    all_cores = known.get(CORES_VARIABLE, "")
    share = (int(all_cores) if all_cores.isdecimal() else cores()) // processes
    return {
        **known,
        PYTHON_VARIABLE: worker_python(),
        CORES_VARIABLE: str(max(1, share)),
        "PYTHONUNBUFFERED": "1",
    }


def main(words: list[str]) -> None:
    """One shot: an `exprgen` command that stops when its stdin ends, as it does when the batch is
    stopped or killed. Ends the process."""
    from .main import main as run_command

    threading.Thread(target=_stop_with_stdin, daemon=True).start()
    code = run_command(words)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)  # the bpy module can hang a normal exit


def _stop_with_stdin() -> None:
    import _thread

    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    for _ in range(2):  # as Ctrl-C twice: nobody waits for what is half done
        _thread.interrupt_main()
        time.sleep(0.2)
    time.sleep(GRACE)
    os._exit(EXIT_INTERRUPTED)
