"""Perception and training as a process: JSON-lines requests on stdin, a message stream on stdout.

Started by `exprgen_addon/engine/jobs.py`, so that MediaPipe, OpenCV and torch never load in
Blender's own process. By hand: `python -m exprgen.networks.worker` in an environment where ExprGen
is installed, or `python PATH/networks/worker.py` for any copy of it, whatever its folder is called
and without installing: the file then makes its own folder's parent the package `exprgen`.

Requests, one JSON object a line:
    {"id": 1, "command": "analyse", "arguments": {...}}   one at a time, in order
    {"command": "stop", "id": 1}                          end that request soon, keep what is done
    {"command": "tell", "id": 1, "arguments": {...}}      leave words for that request; see `live`

Messages, one JSON object a line, each with the request's id:
    {"type": "ready"}                                     once, before any request is read
    {"type": "stage", "stage": "..."}                     what begins now
    {"type": "progress", "stage", "done", "total", "rate", "eta"}   total and eta (s) may be null
    {"type": "log", "level": "info" | "warning", "text"}
    {"type": "result", "partial": bool, ...}              the request is done; see each command
    {"type": "cast"}, {"type": "live"}                    of a live session, see live/session.py
    {"type": "alive"}                                     without an id, every few seconds
    {"type": "error", "kind", "problem", "file", "fix", "exit_code"}   ExprGenError.to_message

End of stdin or SIGINT is a stop of everything: the running request gives a partial result, the
process ends. What is finished is kept, but of an analysis only if somebody is there still: after
the end of stdin nobody could be told that it is partial.

Only messages reach stdout: whatever libraries print, from Python or from C++, goes to stderr.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - any Python may be chosen as the engine's
    sys.exit("needs Python 3.11 or later, this is " + sys.version.split()[0])

if __name__ == "__main__" and not __package__:
    # Run by its path. Its folder leads sys.path then, and our profile.py hides the standard one.
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    _folder = Path(__file__).resolve().parent
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != _folder]
    _spec = spec_from_file_location(
        "exprgen", _folder.parent / "__init__.py", submodule_search_locations=[str(_folder.parent)]
    )
    sys.modules["exprgen"] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["exprgen"])

    from exprgen.networks.worker import main as _main

    raise SystemExit(_main())

import contextlib
import importlib
import io
import os
import queue
import re
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, ExprGenError, ModelError, UsageError
from .files import is_full, unwritable
from .memory import give_back
from .messages import keep_alive, read_messages
from .progress import Stop
from .records import json_text
from .vocabulary import LARGEST

NICE_VARIABLE = "EXPRGEN_NICE"
"""How far the process steps back behind others (POSIX niceness), so that a window stays quick."""

GRACE = 20.0
"""Seconds that a request has to end by itself once nobody listens any more."""

Emit = Callable[[dict], None]
Command = Callable[[dict, Emit, threading.Event], dict]
_COMMANDS: dict[str, Command] = {}


def command(function: Command) -> Command:
    """Make a function a command of its own name: (arguments, emit, stop) -> the result's fields."""
    _COMMANDS[function.__name__] = function
    return function


@command
def ping(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """Answers; with `seconds`, works that long first and counts. For tests and for `doctor`."""
    ticks = int(float(arguments.get("seconds", 0)) * 20)
    done = 0
    while done < ticks and not stop.wait(0.05):
        done += 1
        emit({"type": "progress", "stage": "ping", "done": done, "total": ticks})
    return {"echo": arguments.get("echo"), "done": done, "partial": done < ticks}


@command
def versions(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """Versions of what the worker needs: {"python", "packages": {module: version or null}}, and of
    what trainings need beside it: {"training": likewise}."""
    from importlib.metadata import packages_distributions, version

    from .packages import PACKAGES, TRAINING, missing

    owners = packages_distributions()

    def found(modules: dict[str, str]) -> dict[str, str | None]:
        lacking = missing(modules)
        known = {m: next((version(d) for d in owners.get(m, [])), "there") for m in modules}
        return {m: None if m in lacking else number for m, number in known.items()}

    told = {"python": sys.version.split()[0], "executable": sys.executable}
    return {**told, "packages": found(PACKAGES), "training": found(TRAINING)}


@command
def analyse(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """pipeline.AnalyseRequest's fields -> {"track": path, "frames", "found", "seconds", ...}.

    With `thumbnail`, a path: also a picture of the face that was followed, its landmarks drawn.
    """
    from . import pipeline
    from .footage import reference_pictures
    from .footage.live_link import is_live_link

    arguments = dict(arguments)
    thumbnail = arguments.pop("thumbnail", None)
    done = pipeline.analyse(pipeline.AnalyseRequest.from_json(arguments), emit, stop).to_json()
    if thumbnail and not is_live_link(arguments["reference"]):  # which has no pictures
        reference_pictures.thumbnail(arguments["reference"], done["track"], thumbnail)
    return done


@command
def frames(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """reference_pictures.FramesRequest's fields -> {"count", "first", "size", "pattern"}."""
    from .footage import reference_pictures

    request = reference_pictures.FramesRequest(**arguments)
    return reference_pictures.write_frames(request, emit, stop)


@command
def solve(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"track", "primary", "secondary": [...], "settings": {...}, "out": folder} -> {"tracks"}.

    `tracks` is a list of {"character", "path", "frames"}, the primary first.
    """
    from . import pipeline

    return {"tracks": pipeline.solve_file(pipeline.SolveRequest.from_json(arguments), emit, stop)}


@command
def reconstruct(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"track", "out", "angle", "reference", "method"} -> {"fit", "frames", "seen", "residual",
    "rate"}: see face_model/steps.py."""
    from .face_model import steps

    emit({"type": "stage", "stage": "the head"})
    return steps.reconstruct(**arguments)


@command
def mimic(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"target", "attempt", "sheet", "title", "references"} -> {"score", "curve", "blends",
    "notes", ...}: see face_model/steps.py."""
    from .face_model import steps

    emit({"type": "stage", "stage": "comparing"})
    return steps.mimic(**arguments)


@command
def live(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """live/session.LiveRequest's fields -> {"frames", "seconds", "rate", "missed", ...}; between
    them a message a frame, until a stop. It may be told {"calibrate": true} and {"taken": n}."""
    from .live import session

    return session.run_live(session.LiveRequest.from_json(arguments), emit, stop)


@command
def perceive(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"files": [...], "as": "auto"|"human"|"character", "frames": bool, "face": which of several
    in a clip} -> {"pictures": [...], "clips": [...]}, each where there are some; of tracks of
    pictures each picture. What can't be read is left out with a warning, as long as something
    can."""
    from . import pipeline
    from .perception import pictures

    told: dict = {"partial": False}
    lost: pictures.Lost = []
    images, clips = pipeline.pictures_and_clips(arguments["files"])
    if images:
        told |= pictures.perceive(images, arguments.get("as", "auto"), emit, stop, lost)
    if clips:
        each_frame, face = bool(arguments.get("frames")), arguments.get("face", LARGEST)
        found = pipeline.perceive_clips(clips, emit, stop, lost, each_frame, face)
        found["pictures"] = [*told.get("pictures", ()), *found["pictures"]]
        found["partial"] |= told["partial"]
        told |= {k: v for k, v in found.items() if v}
    if lost and len(lost) == len(told.get("pictures", ())) + len(told.get("clips", ())):
        raise lost[0][1]
    for file, error in lost:
        emit({"type": "log", "level": "warning", "text": error.skipping(file)})
    return told | {"partial": told["partial"] or bool(lost)}


@command
def locate(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"images": [...]} -> {"pictures": [{"file", "landmarks"}]}: 49 landmarks of each picture."""
    from .perception import character_pictures

    return character_pictures.locate(arguments["images"], emit, stop)


@command
def read_character(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"pictures": [{"file", "landmarks"}]} -> {"probabilities", "characters", "weights"}."""
    from .perception import character_pictures

    return character_pictures.read_expressions(arguments["pictures"], emit, stop)


@command
def sheet(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"cells": [Cell's fields], "out", "columns", "side", "title"} -> {"sheet": path}."""
    from .perception import character_pictures

    options = {k: v for k, v in arguments.items() if k not in ("cells", "out")}
    cells = [character_pictures.Cell.from_json(c) for c in arguments["cells"]]
    return {"sheet": str(character_pictures.draw_sheet(cells, arguments["out"], **options))}


@command
def weights(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"profiles": [paths, primary first]} -> {"weights": [{"what", "ok", "detail", "fix"}]}."""
    from .characters.profile import load_profile
    from .perception.weights_check import examine_weights

    profiles = [load_profile(p) for p in arguments["profiles"]]
    return {"weights": examine_weights(profiles)}


@command
def evaluation(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"step", ...}: one step of an evaluation with its arguments; see evaluation/steps.py."""
    from .evaluation.steps import run_step

    options = {k: v for k, v in arguments.items() if k != "step"}
    return run_step(arguments["step"], options, emit)


@command
def fetch(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """Fetch the face landmark model -> {"path"}."""
    from .tracking import landmark_model

    path = landmark_model.fetch_landmark_model(
        say=lambda line: emit({"type": "log", "level": "info", "text": line})
    )
    return {"path": str(path)}


@command
def train(arguments: dict, emit: Emit, stop: threading.Event) -> dict:
    """{"name", "arguments": [words]} -> {"exit_code"}: networks/training/<name>.py's main.

    What it prints becomes log messages, and "7/40" in it progress. A stop is Ctrl-C to it: it keeps
    a checkpoint, and `--resume` goes on from there.
    """
    main = training(arguments["name"])
    words = [str(w) for w in arguments.get("arguments", [])]
    try:
        with _told(emit, arguments["name"]), _interrupted_by(stop):
            code = main(words) or 0
    except KeyboardInterrupt:  # before the training began, or at its very end
        code = EXIT_INTERRUPTED
    if code not in (EXIT_OK, EXIT_INTERRUPTED):
        raise ExprGenError(f"the training {arguments['name']!r} failed", fix="read the log")
    return {"exit_code": code, "partial": code == EXIT_INTERRUPTED}


_FRACTION = re.compile(r"(\d+)\s*(?:/|of)\s*(\d+)")


class _Tee(io.TextIOBase):
    """A stream whose lines also become messages."""

    def __init__(self, stream, emit: Emit, stage: str):
        self._stream, self._emit, self._stage, self._line = stream, emit, stage, ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        self._line += text
        while "\n" in self._line:
            line, _, self._line = self._line.partition("\n")
            self._tell(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def _tell(self, line: str) -> None:
        if not line.strip():
            return
        self._emit({"type": "log", "level": "info", "text": line})
        if found := _FRACTION.search(line):
            done, total = map(int, found.groups())
            progress = {"type": "progress", "stage": self._stage, "done": done, "total": total}
            self._emit(progress)


@contextlib.contextmanager
def _told(emit: Emit, stage: str) -> Iterator[None]:
    emit({"type": "stage", "stage": stage})
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Tee(out, emit, stage), _Tee(err, emit, stage)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


@contextlib.contextmanager
def _interrupted_by(stop: threading.Event) -> Iterator[None]:
    """Within, a stop is a KeyboardInterrupt of the main thread, as a training expects it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if stop.wait(0.2):
                if not over.is_set():
                    _interrupt_main()
                return

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, old)


def _interrupt_main() -> None:
    """Ctrl-C for the main thread, out of whatever it waits in."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


def training_names() -> list[str]:
    """The trainings there are: modules of networks/training that define `main(words)`."""
    return list(trainings())


_COMMAND = re.compile(r'^COMMAND = "(\w+)"$', re.MULTILINE)


def _training_files() -> dict[str, tuple[str, str]]:
    """Name of each training -> its module and its text: a training that is called otherwise than
    its file says so in a line `COMMAND = "name"`."""
    files = sorted((Path(__file__).resolve().parent / "training").glob("*.py"))
    texts = {path.stem: path.read_text("utf-8") for path in files}
    found = {stem: text for stem, text in texts.items() if "\ndef main(" in text}
    named = {stem: _COMMAND.search(text) for stem, text in found.items()}
    return {n[1] if (n := named[stem]) else stem: (stem, t) for stem, t in found.items()}


def trainings() -> dict[str, str]:
    """Name of each training -> what it does, the first line of its module; imports none."""
    return {
        name: text.removeprefix('"""').partition("\n")[0].removesuffix('"""').removesuffix(".")
        for name, (_, text) in sorted(_training_files().items())
    }


def training(name: str) -> Callable[[list[str]], int | None]:
    """The `main(words)` of a training, by its name with - or _ between words.

    Raises:
        UsageError: there is no such training.
    """
    files = _training_files()
    found = files.get(name.replace("-", "_"))
    if found is None:
        raise UsageError(
            f"there is no training {name!r}",
            fix=f"use one of {', '.join(sorted(files)) or '(none yet)'}",
        )
    return importlib.import_module(f".training.{found[0]}", __package__).main


def claim_stdout():
    """Keep the real stdout for messages and point everything else that prints to stderr.

    Done on the file descriptor, since C++ libraries print past Python's sys.stdout.
    """
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


class Worker:
    """Reads requests, runs them one after the other, writes messages.

    Args:
        grace: seconds after the end of the requests from which the process is ended, whatever it
            still does; None where others need it.
    """

    def __init__(self, requests, stream, grace: float | None = None):
        self._requests = requests
        self._stream = stream
        self._grace = grace
        self._lock = threading.Lock()
        self._queue: queue.Queue[dict | None] = queue.Queue()
        self._stops: dict[object, Stop] = {}

    def emit(self, message: dict) -> None:
        """Write one message; from any thread."""
        line = json_text(message, allow_nan=False)
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # nobody listens any more
                self.end()

    def end(self) -> None:
        """Stop what runs and take no more requests."""
        for stop in list(self._stops.values()):
            stop.set()
        self._queue.put(None)

    def run(self) -> int:
        """Serve until stdin ends; returns the process's exit code."""
        self.emit({"type": "ready", "pid": os.getpid()})
        threading.Thread(target=self._read, daemon=True).start()
        # Requests that wait when the end comes are served too: asked to stop at once, each still
        # gets its answer.
        while (request := self._queue.get()) is not None:
            self._serve(request)
            give_back()
        return EXIT_OK

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a broken stream ends like a closed one
            for request in self._parsed():
                if request["command"] in ("stop", "tell"):
                    stop = self._stops.get(request.get("id"))
                    if stop is not None and request["command"] == "tell":
                        stop.tell(request.get("arguments") or {})
                    elif stop is not None:
                        stop.set()
                else:
                    self._stops[request.get("id")] = Stop()
                    self._queue.put(request)
        for stop in list(self._stops.values()):
            stop.unheard = True
        self.end()
        if self._grace is None:
            return
        # A library call that never comes back must not keep a process that nobody listens to.
        timer = threading.Timer(self._grace, lambda: os._exit(EXIT_BUG))
        timer.daemon = True
        timer.start()

    def _parsed(self) -> Iterator[dict]:
        for request in read_messages(self._requests):
            if problem := self._problem(request):
                number = request.get("id") if isinstance(request, dict) else None
                self.emit({**UsageError(problem).to_message(), "id": number})
            else:
                yield request

    def _problem(self, request: dict | str) -> str:
        """Why a line can't be served, or ""."""
        if isinstance(request, str):
            return "the request is no JSON object with a number for its id"
        if not isinstance(request.get("command"), str):
            return "the request names no command"
        if not isinstance(request.get("arguments") or {}, dict):
            return "the request's arguments are no object"
        if request["command"] not in ("stop", "tell") and request.get("id") in self._stops:
            return f"a request {request.get('id')!r} is under way"
        return ""

    def _serve(self, request: dict) -> None:
        number = request.get("id")
        stop = self._stops[number]

        def emit(message: dict) -> None:
            self.emit({**message, "id": number})

        try:
            name = request["command"]
            if name not in _COMMANDS:
                raise UsageError(
                    f"the worker has no command {name!r}", fix=f"use one of {', '.join(_COMMANDS)}"
                )
            result = _COMMANDS[name](request.get("arguments") or {}, emit, stop)
            emit({"type": "result", "partial": False, **result})
        except ExprGenError as error:
            emit(error.to_message())
        except Exception as error:
            traceback.print_exc()
            emit(_fault(error).to_message())
        finally:
            self._stops.pop(number, None)


def step_back() -> None:
    """Let others go first as far as $EXPRGEN_NICE says."""
    wanted = os.environ.get(NICE_VARIABLE, "")
    if not wanted.isdecimal() or not hasattr(os, "nice"):
        return
    if hasattr(os, "SCHED_BATCH") and wanted != "0":
        # What wakes up, such as a window, then runs at once: the delay matters, not the share.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(int(wanted))
    # Linux desktops share the processor among sessions first, and this is one of its own: niceness
    # alone would only count within it.
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as f:
        f.write(wanted)


def _fault(error: Exception) -> ExprGenError:
    """What nobody foresaw, in words; of a missing package with all that are missing beside it."""
    from .packages import lacking, missing

    name = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name != __package__.partition(".")[0]:
        modules = missing()
        return lacking(modules if name in modules else [name, *modules], sys.executable)
    if is_full(error):
        return unwritable(error.filename or "the result", error)
    if isinstance(error, ImportError) and name != __package__.partition(".")[0]:
        return ModelError(
            f"a package of the engine's Python can't be loaded ({error})",
            file=sys.executable,
            fix="reinstall its packages, or choose another Python (exprgen doctor tells more)",
        )
    return ExprGenError(
        f"{type(error).__name__}: {error}", fix="this is a fault in ExprGen: report it"
    )


def main() -> int:
    """Serve requests on stdin until it ends."""
    step_back()
    # Whatever the locale: a byte that is no text must not end the reading.
    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    worker = Worker(requests, claim_stdout(), GRACE)
    keep_alive(worker.emit)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: worker.end())
    code = worker.run()
    sys.stderr.flush()
    # Native libraries' threads may hang a normal exit; everything is written by now.
    os._exit(code)


if __name__ == "__main__":
    raise SystemExit(main())
