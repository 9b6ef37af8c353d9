"""`exprgen batch`: every shot of a list retargeted, each in a process of its own.

A shot's process runs the `exprgen retarget` that a person would type, so one that crashes takes no
other with it. It writes into hidden folders beside the places asked for; what it made is moved
there when it is whole, then the shot's state is written: what it was made of and what came out.
A run that was stopped, killed or failed therefore goes on by doing the shots whose state is missing
or no longer true, and nobody ever sees half a file.

Never imports bpy: the shots' processes do.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
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
from ...networks.perception.needed_weights import solving_weights
from ...networks.tracking.landmark_model import LANDMARK_SHA256, sha256
from ..engine.engine_python import PYTHON_VARIABLE, worker_environment, worker_python
from .console import Console, check_folder
from .shot_list import OUTPUTS, Shot, ShotListError, load_shots

DONE, PART, FAILED, STOPPED, RUNNING = "done", "partial", "failed", "stopped", "running"
FINISHED = (DONE, PART)
POLL = 0.1  # seconds between looks at the running shots
GRACE = 15.0
"""Seconds that a stopped shot has to end by itself."""


@dataclass(frozen=True)
class State:
    """What is known of a shot: LOGS/<shot>.json.

    Args:
        state: done, partial (what could be read is kept), failed, stopped, or running, which after
            a kill means that it never ended.
        exit_code: of its `exprgen retarget`; None while it runs. Below 0: ended by that signal.
        digest: of all that it was made of, see `digest`.
        outputs: file -> size in bytes; paths relative to the list's folder where they can be.
        error: {"problem", "file", "fix"} if it failed. result: what `retarget --json` said.
    """

    shot: str
    state: str
    exit_code: int | None = None
    digest: str = ""
    outputs: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    host: str = ""
    error: dict | None = None
    result: dict | None = None

    @staticmethod
    def load(path: Path) -> State | None:
        """The state in a file; None if there is none that can be read."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return State(**{f.name: data[f.name] for f in fields(State)})
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def save(self, path: Path) -> None:
        """Write it; temporary name first, then renamed."""
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(asdict(self), indent=1, default=str), encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            fix = "give a writable folder with --logs"
            raise OutputError(f"can't be written ({error.strerror})", file=path, fix=fix) from error


def run(args: argparse.Namespace, console: Console) -> int:
    """The command; see `cli.build_parser` for its options."""
    if args.processes < 1:
        raise UsageError(f"{args.processes} shots at a time make no sense", fix="use 1 or more")
    try:
        shots = chosen(load_shots(args.list), args.shot, args.numbers)
    except ShotListError as problem:
        return _refuse(problem, console)
    logs = Path(args.logs) if args.logs else Path(args.list).with_suffix(".exprgen")
    batch = Batch(Path(args.list), logs, console, again=args.again, verbose=args.verbose)
    return batch.show(shots) if args.check else batch.run(shots, args.processes)


def chosen(shots: list[Shot], names: list[str] | None, numbers: str | None) -> list[Shot]:
    """The shots that were asked for, in the list's order; all without names and numbers.

    Raises:
        UsageError: there is no such shot.
    """
    if names:
        missing = set(names) - {s.name for s in shots}
        if missing:
            fix = f"the list has {', '.join(s.name for s in shots[:20])}"
            raise UsageError(f"there is no shot {min(missing)!r}", fix=fix)
        shots = [s for s in shots if s.name in names]
    if numbers:
        first, _, last = numbers.partition("-")
        try:
            wanted = range(int(first), int(last or first) + 1)
        except ValueError:
            raise UsageError(f"{numbers!r} is not N or N-M", fix="such as 3, or 1-10") from None
        found = [s for s in shots if s.number in wanted]
        if not found:
            fix = f"the list's numbers run from 1 to {shots[-1].number}"
            raise UsageError(f"there are no shots {numbers}", fix=fix)
        shots = found
    return shots


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
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


@cache
def _content(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    try:
        if path.is_dir():
            parts = [[p.name, _content(p)] for p in sorted(path.iterdir()) if p.is_file()]
            return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
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

    def show(self, shots: list[Shot]) -> int:
        """Say what state each shot is in; runs nothing."""
        rows = []
        for shot in shots:
            state = State.load(self._state_file(shot))
            word = "to do" if state is None else state.state
            if state is not None and state.state in FINISHED and not self._is_true(shot, state):
                word = "changed"
            if word == RUNNING:
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
        total, ended = len(waiting), 0
        with _terminated_is_interrupted():
            try:
                while waiting or running:
                    if self.console.interrupted:
                        waiting.clear()
                        for one in running:
                            one.stop()
                    while waiting and len(running) < processes:
                        running.append(self._start(waiting.popleft(), processes))
                    time.sleep(POLL)
                    for one in list(running):
                        self._echo(one)
                        if one.ended():
                            running.remove(one)
                            ended += 1
                            self._finish(one)
                            self.console.progress("batch", ended, total)
            finally:
                for one in running:  # a second Ctrl-C, or a fault
                    one.kill()
                    _sweep(one.shot)

    def _start(self, shot: Shot, processes: int) -> _Running:
        before = State.load(self._state_file(shot))
        outputs = before.outputs if before else {}
        made_of = digest(shot)
        host = socket.gethostname()
        State(shot.name, RUNNING, digest=made_of, outputs=outputs, host=host).save(
            self._state_file(shot)
        )
        _sweep(shot)
        self.console.say(f"{shot.name}: begun")
        return _Running(shot, made_of, outputs, self.logs / f"{shot.name}.log", processes)

    def _finish(self, one: _Running) -> None:
        """Move what a shot made to its place, and write down how it went."""
        code, said = one.process.returncode, one.said()
        error, outputs, state = said.pop("error", None), one.outputs_before, FAILED
        if one.stopping or code == EXIT_INTERRUPTED:
            state = STOPPED
        elif code in (EXIT_OK, EXIT_PARTIAL):
            try:
                outputs = self._publish(one.shot, one.outputs_before)
                state = PART if code == EXIT_PARTIAL else DONE
            except OSError as problem:
                code = OutputError.exit_code
                fix = "choose a writable place with room"
                error = OutputError(
                    f"can't be written ({problem.strerror})", file=problem.filename, fix=fix
                ).to_message()
        if state == FAILED and error is None:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            error = {"problem": f"it ended with {how}: {one.last_line()}", "file": None, "fix": ""}
        with contextlib.suppress(OSError):
            _sweep(one.shot)
        result = {k: v for k, v in said.items() if k not in OUTPUTS} or None
        seconds = round(time.monotonic() - one.began, 2)
        made = State(
            one.shot.name, state, code, one.digest, outputs, seconds, socket.gethostname(),
            error if state == FAILED else None, result,
        )  # fmt: skip
        made.save(self._state_file(one.shot))
        self._note(one.shot, made)
        line = f"{one.shot.name}: {state}, {seconds:.1f} s"
        if state == FAILED:
            about = f"{error['file']}: " if error.get("file") else ""
            line += f"; {about}{error['problem']}"
            line += f"\n  fix: {error['fix']}" if error.get("fix") else ""
            line += f"\n  log: {one.log}"
        self.console.say(line)

    def _publish(self, shot: Shot, before: dict[str, int]) -> dict[str, int]:
        """Give a shot's files their names; files of an earlier run that are no more made go."""
        made: dict[str, int] = {}
        for path in shot.outputs.values():
            staged = _staged(path)
            files = [p for p in staged.rglob("*") if p.is_file()] if staged.is_dir() else [staged]
            for file in files:
                target = path / file.relative_to(staged) if staged.is_dir() else path
                if file.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(file, target)
                    made[self._named(target)] = target.stat().st_size
        for name in set(before) - set(made):
            (self.path.resolve().parent / name).unlink(missing_ok=True)
        return made

    def _is_true(self, shot: Shot, state: State) -> bool:
        """The shot is finished, of these very inputs, and its files are there as they were."""
        if state.state not in FINISHED or not state.outputs:
            return False
        folder = self.path.resolve().parent
        for name, size in state.outputs.items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != size:
                return False
        wanted = [p for p in shot.outputs.values() if not p.exists()]
        return not wanted and state.digest == digest(shot)

    def _note(self, shot: Shot, state: State, skipped: bool = False) -> None:
        self.rows[shot.name] = {
            "shot": shot.name,
            "number": shot.number,
            "row": shot.row,
            "state": state.state,
            "skipped": skipped,
            "exit_code": state.exit_code,
            "seconds": state.seconds,
            "log": str(self.logs / f"{shot.name}.log"),
            "error": state.error,
        }

    def _named(self, path: Path) -> str:
        with contextlib.suppress(ValueError):
            return path.relative_to(self.path.resolve().parent).as_posix()
        return str(path)

    def _state_file(self, shot: Shot) -> Path:
        return self.logs / f"{shot.name}.json"

    def _echo(self, one: _Running) -> None:
        if self.verbose:
            for line in one.new_lines():
                self.console.say(f"{one.shot.name}: {line}")


class _Running:
    """A shot's process, its log and where it writes."""

    def __init__(
        self, shot: Shot, made_of: str, outputs: dict[str, int], log: Path, processes: int
    ):
        self.shot, self.digest, self.outputs_before, self.log = shot, made_of, outputs, log
        self.began = time.monotonic()
        self.stopping: float | None = None
        self._read = 0
        staged = {column: _staged(path) for column, path in shot.outputs.items()}
        words = [*shot.words(staged), "--json"]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        try:
            for path in staged.values():
                path.parent.mkdir(parents=True, exist_ok=True)
            with open(log, "w", encoding="utf-8") as stream:
                print(f"exprgen {' '.join(shot.words(shot.outputs))}", file=stream, flush=True)
                self.process = subprocess.Popen(
                    [*shot_command(), *words],
                    stdin=subprocess.PIPE,  # its end tells the shot to stop, whatever ended us
                    stdout=self._said,
                    stderr=stream,
                    env=_environment(processes),
                    **({} if os.name == "nt" else {"start_new_session": True}),
                )
        except OSError as error:
            raise OutputError(
                f"can't be written ({error.strerror})",
                file=error.filename or log,
                fix="choose a writable place",
            ) from error

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
                said = json.loads(line)
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


def _staged(path: Path) -> Path:
    """Where a shot's process writes what becomes `path`: the same name, in a hidden folder."""
    return path.parent / f".{path.name}.part" / path.name


def _sweep(shot: Shot) -> None:
    """Remove what an unfinished run of the shot left."""
    for path in shot.outputs.values():
        shutil.rmtree(_staged(path).parent, ignore_errors=True)


@contextlib.contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Farm managers end tasks by SIGTERM: let it do what Ctrl-C does."""
    try:
        old = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


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
    share = (int(all_cores) if all_cores.isdigit() else cores()) // processes
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
        time.sleep(0.5)
    time.sleep(GRACE)
    os._exit(EXIT_INTERRUPTED)
