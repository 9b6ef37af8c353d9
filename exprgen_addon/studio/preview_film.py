"""The preview film: reference, primary and secondaries side by side, and what was perceived.

Every character's pictures are drawn from triangles (drawn_studio.py), or, where its materials need
rays, rendered by Cycles with few samples and its noise removed (see face_studio.py for why not
Workbench), in processes beside this one; networks/footage/film_composer.py then composes and
encodes, in a process of its own, since Blender's lacks the libraries. So the open file is never
touched, and memory does not grow with the clip: what is kept are picture files in a temporary
folder.

Not every frame is rendered. A picture is held while a character does not move, or moves slowly and
the last picture is younger than 1/`SLOW_RATE` s; a blink or a jaw drop gets all its frames.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from ...networks.characters.profile import RigProfile, find_character, titles_of, to_unit
from ...networks.errors import ExprGenError, UsageError
from ...networks.files import scratch_folder, sweep
from ...networks.records import json_text
from ...networks.track import TRACKED, FaceTrack, RigTrack, columns_at
from ..engine.other_blender import package_code
from ..engine.worker_process import SILENCE, Silence, answers, lines_of
from .face_studio import CED, full_values
from .look import Look
from .render_processes import Progress, Shots, Stop, make_folder, render_cast

MAX_FPS = 30.0
SLOW_RATE = 12.0
"""Pictures a second that slow motion gets."""
STILL_MOTION = 0.015
"""Change of every control, as a share of its range, that is not worth a picture."""
FAST_MOTION = 0.08
"""Change of a control, as a share of its range, that gets a picture at once."""


def make_preview(
    reference: str | Path,
    face_track: FaceTrack,
    rig_tracks: Sequence[RigTrack],
    out: str | Path,
    *,
    fps: float | None = None,
    size: int = 256,
    profiles: Sequence[RigProfile] | None = None,
    sound: bool = True,
    processes: int | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Path | None:
    """Render and write the preview of a retarget as an mp4.

    Args:
        reference: the clip, picture or folder that `face_track` was made from.
        rig_tracks: one for each character, the primary first; their common range is shown.
        fps: of the film; the reference's own, at most 30, by default.
        size: height of reference and characters in pixels, 64 to 1080.
        profiles: of the tracks' characters; sample characters are found by name.
        sound: the reference's is heard, where it has one.
        processes: see `capture.render_shots`.
        progress: called with (done, all) from this thread; pictures, then frames of the film.
        stop: asked about ten times a second; True ends the work and nothing is written.

    Returns:
        the film's path, or None if stopped.

    Raises:
        InputError: the reference or a character can't be read.
        OutputError: the film can't be written.
        UsageError: no tracks, or tracks that share no moment.
    """
    if not rig_tracks:
        raise UsageError("a preview needs at least one character", fix="name a primary character")
    if not 64 <= size <= 1080:
        raise UsageError(f"a preview of {size} pixels can't be made", fix="use 64 to 1080 pixels")
    profiles = list(profiles or [find_character(t.character) for t in rig_tracks])
    progress, stop = progress or (lambda done, total: None), stop or (lambda: False)
    out = Path(out)
    make_folder(out.resolve().parent)
    times = frame_times(face_track, rig_tracks, fps)
    values = [at_times(p, t, times) for p, t in zip(profiles, rig_tracks, strict=True)]
    fps = 1.0 / (times[1] - times[0]) if len(times) > 1 else 1.0
    chosen = [choose_pictures(p, v, fps) for p, v in zip(profiles, values, strict=True)]
    total = sum(len(np.unique(c)) for c in chosen) + len(times)
    with scratch_folder() as folder:
        cast, pictures = [], []
        for i, (profile, v, keep) in enumerate(zip(profiles, values, chosen, strict=True)):
            needed = np.unique(keep)
            paths = {f: folder / f"{i}_{f:06d}.png" for f in needed.tolist()}
            looks = np.tile(Look().to_row(), (len(needed), 1))
            cast.append((profile, Shots(v[needed], looks, list(paths.values()))))
            pictures.append([str(paths[f]) for f in keep.tolist()])
        done = render_cast(
            cast,
            replace(CED, size=size, drawn=True),
            processes=processes,
            progress=lambda k, _: progress(k, total),
            stop=stop,
        )
        if done < total - len(times):
            return None
        plan = {
            "reference": str(Path(reference).resolve()),
            "titles": titles_of(profiles),
            "pictures": pictures,
            "times": times.tolist(),
            "expression": _expression_at(face_track, times).tolist(),
            "seen": _seen_at(face_track, times).tolist(),
            "fps": fps,
            "size": size,
            "out": str(out.resolve()),
            "turns": face_track.meta.get("turns") or 0,
            "sound": sound and not face_track.meta.get("stills"),
        }
        path = folder / "plan.json"
        path.write_text(json_text(plan), encoding="utf-8")
        try:
            finished = _run_film(path, lambda k, _: progress(done + k, total), stop)
        finally:
            sweep(out.resolve().parent)  # half a film, where it was stopped
    return out if finished else None


def frame_times(
    face_track: FaceTrack, rig_tracks: Sequence[RigTrack], fps: float | None
) -> np.ndarray:
    """Times (F,) of the film's frames in seconds of the reference: the tracks' common range."""
    if face_track.meta.get("stills"):  # separate pictures: one frame each, as they are
        return rig_tracks[0].times.copy()
    start = max(float(t.times[0]) for t in rig_tracks)
    end = min(float(t.times[-1]) for t in rig_tracks)
    if end < start:
        raise UsageError("the characters' tracks share no moment", fix="use one range for all")
    if fps is None:
        own = float(face_track.meta.get("fps") or 0.0) or MAX_FPS
        fps = min(own, MAX_FPS)
    if fps <= 0:
        raise UsageError(f"{fps:g} frames a second make no film", fix="give a rate above 0")
    return start + np.arange(int((end - start) * fps + 1e-6) + 1) / fps


def at_times(profile: RigProfile, track: RigTrack, times: np.ndarray) -> np.ndarray:
    """A track's values at other times (F, C): all of the profile's controls, native values."""
    values = columns_at(times, track.times, track.values, track.cuts)
    return full_values(profile, track.controls, values)


def choose_pictures(profile: RigProfile, values: np.ndarray, fps: float) -> np.ndarray:
    """For each frame (F,), the frame whose picture it shows: itself, or an earlier one.

    See the module's docstring for the rule.
    """
    units = to_unit(profile.controls, values)
    patience = max(1, round(fps / SLOW_RATE))
    shown = np.zeros(len(values), int)
    last = 0
    for i in range(1, len(values)):
        motion = np.abs(units[i] - units[last]).max()
        due = motion > STILL_MOTION and i - last >= patience
        if due or motion > FAST_MOTION:
            last = i
        shown[i] = last
    return shown


def _expression_at(track: FaceTrack, times: np.ndarray) -> np.ndarray:
    return columns_at(times, track.times, track.expression, track.cuts).round(4)


def _seen_at(track: FaceTrack, times: np.ndarray) -> np.ndarray:
    """Whether the face was seen in the frame that is on screen at each time."""
    shown = np.searchsorted(track.times, times + 1e-6, side="right") - 1
    return track.state[np.clip(shown, 0, len(track) - 1)] == TRACKED


def _run_film(plan: Path, progress: Progress, stop: Stop) -> bool:
    """Run networks/footage/film_composer.py on a plan; False if stopped."""
    from ..engine.engine_python import worker_environment, worker_python

    process = subprocess.Popen(
        [worker_python(), "-c", package_code("networks.footage.film_composer"), str(plan)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=worker_environment(),
        encoding="utf-8",
        errors="replace",
    )
    queue: Queue = Queue()
    silence, heard = Silence(SILENCE), 0
    last_words: deque = deque(maxlen=1)
    readers = [
        threading.Thread(target=_listen, args=(process, queue.put), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, last_words.append), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        while readers[0].is_alive() or not queue.empty():
            if stop():
                return False
            if silence.is_over(heard):
                raise ExprGenError(f"the film's maker gave no sign of life for {SILENCE:.0f} s")
            with contextlib.suppress(Empty):
                message = queue.get(timeout=0.1)
                heard += 1
                if message["type"] == "error":
                    raise ExprGenError.from_message(message)
                if message["type"] == "progress":
                    progress(message["done"], message["total"])
    finally:
        if process.poll() is None and readers[0].is_alive():
            process.terminate()
        process.wait()
    if process.returncode:
        readers[1].join(2.0)
        said = last_words[0].strip() if last_words else f"exit code {process.returncode}"
        raise ExprGenError(f"the film could not be made ({said})")
    return True


def _listen(process, take) -> None:
    for message in answers(process.stdout, lambda line: None):
        take(message)


def _drain(stream, take) -> None:
    for line in lines_of(stream):
        take(line)
