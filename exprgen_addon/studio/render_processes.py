"""Pictures shared out to Blender processes.

Blender renders one picture at a time and much of the time between two of them uses one core, so
pictures are shared out to several Blender processes (`render_shots`). They are started from this
very Blender (or Python with the bpy module), report one JSON line for each picture, and leave the
open file of the caller alone. With `processes=0` the pictures are made in this process.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from ...networks.characters.profile import RigProfile, load_profile
from ...networks.cores import cores
from ...networks.errors import ExprGenError, InputError, UsageError
from ...networks.files import output_folder, scratch_folder, sweep
from ...networks.messages import Sender
from ...networks.track import RigTrack, load_arrays, save_arrays
from ..engine.other_blender import blender_command
from ..engine.worker_process import SILENCE, Silence, answers, children
from .drawn_studio import studio
from .face_studio import STILL, Shown, StudioSettings, full_values
from .look import Look

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


def render_stills(
    profile: RigProfile,
    values: np.ndarray | RigTrack,
    out_dir: str | Path,
    stems: Sequence[str] | None = None,
    size: int = 256,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> list[Path]:
    """One PNG for each row of values: <out_dir>/<character>/<stem>.png, framed on the face.

    Args:
        values: native values (N, C) of all controls, or a RigTrack of this character.
        stems: N file names without suffix; a track's own names by default, else frame numbers.
        size: side in pixels. processes, progress, stop: see `render_shots`.

    Raises:
        InputError: the character is damaged, or the track names controls it lacks.
        OutputError: the folder can't be written.
    """
    if isinstance(values, RigTrack):
        stems = stems or values.meta.get("names") or None
        values = full_values(profile, values.controls, values.values)
    values = np.asarray(values, float).reshape(-1, len(profile.controls))
    stems = [f"{i:06d}" for i in range(len(values))] if stems is None else list(stems)
    if len(stems) != len(values):
        raise UsageError(f"{len(values)} pictures but {len(stems)} names", fix="give one for each")
    folder = make_folder(Path(out_dir) / profile.name)
    paths = [folder / f"{stem}.png" for stem in stems]
    looks = np.tile(Look().to_row(), (len(values), 1))
    shots = Shots(values, looks, paths)
    render_shots(
        profile, shots, replace(STILL, size=size), processes=processes, progress=progress, stop=stop
    )
    return paths


@dataclass(frozen=True)
class Shots:
    """Pictures to be made: native values (K, C) of all controls, looks (K, LOOK_SIZE), files.

    measure: the landmarks are told as well; then a useless picture is not rendered, nor one that is
    there already. The profile needs landmarks for it. render: pictures are made at all.
    """

    values: np.ndarray
    looks: np.ndarray
    paths: list[Path]
    measure: bool = False
    render: bool = True

    def __len__(self) -> int:
        return len(self.paths)


def render_shots(
    profile: RigProfile,
    shots: Shots,
    settings: StudioSettings,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    keep: Callable[[int, Shown], None] | None = None,
) -> int:
    """Render pictures of one character; see `render_cast`.

    Args:
        keep: called with (number of the shot, what it shows) where `shots.measure`.
    """
    return render_cast(
        [(profile, shots)], settings, processes=processes, progress=progress, stop=stop, keep=keep
    )


def render_cast(
    cast: Sequence[tuple[RigProfile, Shots]],
    settings: StudioSettings,
    *,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    keep: Callable[[int, Shown], None] | None = None,
) -> int:
    """Render pictures of some characters, shared out over processes; returns how many were made.

    Args:
        processes: 0 renders in this process (needs bpy); None takes one for each core, but none for
            fewer than 8 pictures each, since each takes about 3 s to start.
        progress: called with (made, all) after each picture, from the calling thread.
        stop: asked about ten times a second; True ends the work, what is made stays.
        keep: as in `render_shots`; the shots are numbered through the cast.

    Raises:
        ExprGenError: whatever a process reports, as if it had happened here.
    """
    progress = progress or (lambda made, total: None)
    stop = stop or (lambda: False)
    keep = keep or (lambda shot, shown: None)
    total = sum(len(shots) for _, shots in cast)
    if not total:
        return 0
    if processes is None:
        processes = max(1, min(cores(), total // 8))
    if processes == 0:
        return _cast_here(cast, settings, progress, stop, keep)
    if not settings.threads:
        settings = replace(settings, threads=max(1, cores() // processes))
    with scratch_folder() as folder:
        running = [_start(r) for r in _write_requests(folder, cast, settings, processes)]
        try:
            return _watch(running, total, progress, stop, keep)
        finally:  # pictures that ended processes were in the middle of
            for place in {Path(p).parent for _, shots in cast for p in shots.paths}:
                sweep(place)


def _cast_here(cast, settings, progress: Progress, stop: Stop, keep) -> int:
    """One character after the other, in this process."""
    total, before = sum(len(shots) for _, shots in cast), 0
    for profile, shots in cast:
        made = _render_here(
            profile,
            shots,
            settings,
            lambda k, _, before=before: progress(before + k, total),
            stop,
            lambda shot, shown, before=before: keep(before + shot, shown),
        )
        before += made
        if made < len(shots):
            break
    return before


def _render_here(profile, shots: Shots, settings, progress: Progress, stop: Stop, keep) -> int:
    with studio(profile, settings) as place:
        for made, (values, look, path) in enumerate(
            zip(shots.values, shots.looks, shots.paths, strict=True)
        ):
            if stop():
                return made
            place.look(Look.from_row(look))
            place.pose(values)
            shown = place.shown() if shots.measure else None
            there = shots.measure and Path(path).exists()
            if shots.render and not there and not (shown and shown.reason):
                place.render_to(Path(path))
            if shown:
                keep(made, shown)
            progress(made + 1, len(shots))
    return len(shots)


def _write_requests(folder: Path, cast, settings, processes: int) -> list[list[Path]]:
    """The requests of each process, one a character: every n-th picture, so that all come to an end
    together."""
    requests: list[list[Path]] = [[] for _ in range(processes)]
    before = 0
    for number, (profile, shots) in enumerate(cast):
        if profile.path is None:
            raise InputError(f"profile {profile.name!r} was never saved", fix="save it first")
        for share in range(min(processes, len(shots))):
            chosen = slice(share, None, processes)
            request = folder / f"request_{number}_{share}.npz"
            meta = {
                "profile": str(profile.path.resolve()),
                "settings": asdict(settings),
                "paths": [str(Path(p).resolve()) for p in shots.paths[chosen]],
                "numbers": [before + k for k in range(len(shots))[chosen]],
                "measure": shots.measure,
                "render": shots.render,
            }
            arrays = {"values": shots.values[chosen], "looks": shots.looks[chosen]}
            save_arrays(request, "exprgen.shots", meta, arrays)
            requests[share].append(request)
        before += len(shots)
    return [r for r in requests if r]


def _start(requests: list[Path]) -> subprocess.Popen:
    """A Blender that renders requests; its messages come on stdout, its complaints in a file."""
    with open(requests[0].with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [*blender_command("exprgen_addon.studio.render_processes"), *map(str, requests)],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
    process.log = requests[0].with_suffix(".log")
    children.add(process)
    return process


def _watch(processes: list, total: int, progress: Progress, stop: Stop, keep) -> int:
    """Follow the processes' messages to the end; ends them all on a stop or an error."""
    queue: Queue = Queue()
    for process in processes:
        threading.Thread(target=_read, args=(process, queue), daemon=True).start()
    made, open_ends = 0, len(processes)
    silences = {process: Silence(SILENCE) for process in processes}
    heard = Counter()
    try:
        while open_ends and not stop():
            try:
                process, message = queue.get(timeout=0.1)
            except Empty:
                _check_alive(silences, heard)
                continue
            heard[process] += 1
            if message is None:
                open_ends -= 1
                silences.pop(process)
                if process.wait() != 0:
                    raise ExprGenError(f"Blender stopped while rendering ({_last_words(process)})")
            elif message["type"] == "error":
                raise ExprGenError.from_message(message)
            elif message["type"] == "shown":
                keep(message["shot"], Shown.from_json(message))
            elif message["type"] == "progress":
                made += 1
                progress(made, total)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
            process.wait()
    return made


def _read(process, queue: Queue) -> None:
    try:
        for message in answers(process.stdout, lambda chatter: None):
            queue.put((process, message))
    finally:
        queue.put((process, None))


def _check_alive(silences: dict, heard: Counter) -> None:
    for process, silence in silences.items():
        if silence.is_over(heard[process]):
            raise ExprGenError(f"Blender gave no sign of life for {SILENCE:.0f} s", fix="try again")


def _last_words(process) -> str:
    with contextlib.suppress(OSError):
        lines = Path(process.log).read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return f"exit code {process.returncode}"


def main(words: list[str]) -> None:
    """A rendering process: makes the pictures of the requests whose paths are the words.

    Prints one JSON line for each and ends the process.
    """
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender's C code prints every picture it saves
    code, send = 0, Sender(out)
    try:
        for request in words:
            _serve(request, send)
    except ExprGenError as error:
        send(error.to_message())
        code = error.exit_code
    except BrokenPipeError:  # whoever asked is gone
        code = 1
    except Exception:
        import traceback

        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    with contextlib.suppress(OSError):
        out.flush()
    os._exit(code)  # some Blender add-ons hang the interpreter's own ending


def _serve(request: str, send: Sender) -> None:
    """Make the pictures of one request."""
    meta, arrays = load_arrays(request, "exprgen.shots")
    paths = [Path(p) for p in meta["paths"]]
    shots = Shots(arrays["values"], arrays["looks"], paths, meta["measure"], meta["render"])
    settings = StudioSettings(**meta["settings"])

    def say(made: int, total: int) -> None:
        send({"type": "progress", "stage": "render", "done": made, "total": total})

    def keep(shot: int, shown: Shown) -> None:
        send({"type": "shown", "shot": meta["numbers"][shot], **shown.to_json()})

    _render_here(load_profile(meta["profile"]), shots, settings, say, lambda: False, keep)


def make_folder(folder: Path) -> Path:
    """The folder, made when missing, without what killed runs left in it.

    Raises:
        OutputError: it can't be made.
    """
    folder = output_folder(folder)
    sweep(folder)
    return folder
