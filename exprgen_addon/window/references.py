"""The scene's reference and what was seen of it: file, FaceTrack, thumbnail, and where we are.

A FaceTrack lies beside the saved .blend, in `exprgen_tracks`, or in the cache for a file that was
never saved; the scene keeps its path. It is read once and kept while the file is the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...networks.errors import ExprGenError, InputError
from ...networks.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, remove, spool_prefix
from ...networks.files import sweep as files_sweep
from ...networks.footage.live_link import ENDING as LIVE_LINK
from ...networks.footage.stamp import is_replaced
from ...networks.perception.phrasing import felt
from ...networks.phrases import Overruling, Phrase, phrase_at
from ...networks.solving import worst_frames
from ...networks.track import FaceTrack, still_places
from ..engine import engine_python
from ..keying.keyframes import scene_fps
from ..keying.take_list import takes_in_file
from . import overruling

TRACKS = "exprgen_tracks"
STALE = 600.0
"""Seconds without a change after which an unfinished analysis is nobody's."""


@dataclass(frozen=True)
class Seen:
    """A FaceTrack and what the panel shows of it."""

    track: FaceTrack
    warnings: list[worst_frames.Warning]

    @property
    def stills(self) -> bool:
        return bool(self.track.meta.get("stills"))


_kept: dict[tuple, Seen | ExprGenError] = {}
_as_said: tuple[Seen, tuple[Overruling, ...], Seen] | None = None
_pictures = None
_replaced: tuple[tuple, float, bool] | None = None
MOST_PICTURES = 200
"""That are kept at a time: the thumbnail of every frame is one."""
LOOKED_UP = 3.0
"""Seconds between two looks at whether the reference was replaced."""


def reference_path(settings) -> str:
    """The reference's absolute path, "" for none."""
    return bpy.path.abspath(settings.reference) if settings.reference else ""


def identity(settings) -> str:
    """The reference's name and, of a file, its size: what keys and corrections are tied to; see
    `keying.generated.same_reference`."""
    path = Path(reference_path(settings))
    with contextlib.suppress(OSError):
        if path.is_file():
            return f"{path.name}:{path.stat().st_size}"
    return path.name


def check_reference(settings) -> str:
    """The reference's path.

    Raises:
        InputError: none is chosen, or it is not there.
    """
    path = reference_path(settings)
    if not path:
        raise InputError("no reference is chosen", fix="choose a clip, a picture or a folder")
    if not Path(path).exists():
        raise InputError("does not exist", file=path, fix="choose the reference again")
    check_kind(path)
    return path


def check_kind(path: str) -> None:
    """Refuse a file by its ending that is neither a clip nor a picture; a folder may be both.

    Raises:
        InputError: it names the kinds that are taken.
    """
    ending = Path(path).suffix.lower()
    if ending == LIVE_LINK:  # a take without pictures
        return
    # Blender's list of clips is longer than ours, which is of those that are tried.
    kinds = {"", *VIDEO_SUFFIXES, *IMAGE_SUFFIXES, *bpy.path.extensions_movie}
    if ending in kinds or Path(path).is_dir():
        return
    raise InputError(
        "is neither a clip nor a picture",
        file=path,
        fix=f"choose a clip ({' '.join(s[1:] for s in VIDEO_SUFFIXES)}), a picture "
        f"({' '.join(s[1:] for s in IMAGE_SUFFIXES)}), a folder of pictures or a Live Link Face "
        f"{LIVE_LINK[1:]}",
    )


def new_track_path(settings) -> Path:
    """Where the analysis of the scene's reference goes; its folder is made."""
    path = reference_path(settings)
    choice = (path, settings.face_choice, settings.use_range and settings.range_text)
    digest = hashlib.sha256(repr(choice).encode()).hexdigest()[:8]
    saved = bpy.data.filepath
    folder = Path(saved).parent / TRACKS if saved else cached_tracks()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"can't be made ({error.strerror})", file=folder, fix="save the file somewhere else"
        ) from error
    return folder / f"{Path(path).stem}_{digest}.npz"


def cached_tracks() -> Path:
    """The folder of analyses of files that were never saved."""
    return engine_python.cache_folder() / "tracks"


def in_cache(track: Path) -> bool:
    """An analysis lies there."""
    return track.resolve().is_relative_to(cached_tracks().resolve())


def unused() -> list[Path]:
    """What lies in the cache of analyses and the open file does not use."""
    used = set()
    for scene in bpy.data.scenes:
        track = track_path(scene.exprgen)
        if track is not None:
            used |= _with_company(track)
    for take in takes_in_file():
        if take.about.track:
            used |= _with_company(Path(bpy.path.abspath(take.about.track)))
    folder = cached_tracks()
    return [p for p in folder.glob("*") if p.resolve() not in used] if folder.is_dir() else []


def _with_company(track: Path) -> set[Path]:
    """An analysis with what lies beside it: its thumbnail and the folder of its pictures."""
    track = track.resolve()
    return {track, thumbnail_path(track), track.with_suffix("")}


def sweep(folder: Path) -> None:
    """Remove what a killed worker has left of an analysis: one that nobody wrote to for `STALE`
    seconds. Another Blender may be at work in the same folder."""
    oldest = time.time() - STALE
    for path in (*folder.glob(".spool-*"), *folder.glob("*.new.npz"), *folder.glob("*.new.png")):
        with contextlib.suppress(OSError):
            if max(p.stat().st_mtime for p in (path, *path.glob("*"))) > oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def discard(out: Path) -> None:
    """Remove an analysis that is not wanted, however far it came; nobody may be at work on it."""
    for spool in out.parent.glob(f"{spool_prefix(out)}*"):
        shutil.rmtree(spool, ignore_errors=True)
    for path in (out, thumbnail_path(out)):
        remove(path)
    files_sweep(out.parent)


def is_whole(track: Path) -> bool:
    """An analysis lies there and reaches the clip's end."""
    try:
        return not FaceTrack.load(track).meta.get("partial")
    except ExprGenError:
        return False


def track_path(settings) -> Path | None:
    """The scene's FaceTrack, if it was analysed."""
    return Path(bpy.path.abspath(settings.track)) if settings.track else None


def seen(settings) -> Seen | None:
    """The scene's FaceTrack, with what the animator says of its phrases; None where there is none
    or it can't be read."""
    global _as_said
    found = _read(settings)
    if found is None:
        return None
    words = phrases_said(settings)
    if not words:
        return found
    if _as_said is None or _as_said[0] is not found or _as_said[1] != words:
        _as_said = (found, words, _seen(felt(found.track, words)))
    return _as_said[2]


def clip_of(settings) -> overruling.Clip:
    """The scene's reference with what was seen in it, of which the animator says something."""
    found = _read(settings)
    return overruling.Clip(identity(settings), None if found is None else found.track)


def phrases_said(settings) -> tuple[Overruling, ...]:
    """What the animator says of the phrases of the scene's reference."""
    return overruling.words_of(settings, clip_of(settings))


def phrase_near(settings, seconds: float, as_read: bool = False) -> Phrase | None:
    """The phrase, as it is now or as it was read, that a moment of the reference lies in."""
    found = _read(settings) if as_read else seen(settings)
    if found is None or not found.track.phrases:
        return None
    return found.track.phrases[phrase_at(found.track.phrases, seconds)]


def _seen(track: FaceTrack) -> Seen:
    return Seen(track, worst_frames.warnings(track))


def _read(settings) -> Seen | None:
    """The scene's FaceTrack as it was read, once."""
    path = track_path(settings)
    if path is None:
        return None
    try:
        key = (str(path), path.stat().st_mtime_ns)
    except OSError:
        return None
    if key not in _kept:
        _kept.clear()
        try:
            _kept[key] = _seen(felt(FaceTrack.load(path)))
        except ExprGenError as error:
            _kept[key] = error
    found = _kept[key]
    return found if isinstance(found, Seen) else None


def was_replaced(settings, found: Seen) -> bool:
    """The reference's file is another than the one that was analysed; looked up every few seconds,
    since panels ask at every redraw."""
    global _replaced
    path, now = reference_path(settings), time.monotonic()
    key = (path, id(found.track))
    if _replaced is None or _replaced[0] != key or now - _replaced[1] > LOOKED_UP:
        _replaced = (key, now, is_replaced(found.track.meta.get("stamp"), [path] if path else None))
    return _replaced[2]


def frame_of(scene: bpy.types.Scene, seconds: float, *, stills: bool = False) -> float:
    """The scene frame of a moment of the reference, a clip or separate pictures."""
    frames = float(still_places(seconds)) if stills else seconds * scene_fps(scene)
    return scene.exprgen.start_frame + frames


def frame_of_row(scene: bpy.types.Scene, found: Seen, row: int) -> float:
    """The scene frame of a row of the track."""
    return frame_of(scene, float(found.track.times[row]), stills=found.stills)


def seconds_at(scene: bpy.types.Scene, frame: float) -> float:
    """The moment of the reference at a scene frame."""
    return (frame - scene.exprgen.start_frame) / scene_fps(scene)


def row_at(scene: bpy.types.Scene, found: Seen, frame: float) -> int | None:
    """The row of the track nearest to a scene frame; None outside of the clip."""
    track = found.track
    if found.stills:
        place, places = frame - scene.exprgen.start_frame, still_places(track.times)
        row = int(np.searchsorted(places, place + 0.5, side="right")) - 1
        return row if row >= 0 and place < places[-1] + 0.5 else None
    seconds = seconds_at(scene, frame)
    margin = 0.75 / scene_fps(scene)
    if not track.times[0] - margin <= seconds <= track.times[-1] + margin:
        return None
    return int(np.abs(np.asarray(track.times) - seconds).argmin())


def face_at(scene: bpy.types.Scene, found: Seen) -> Path | None:
    """A picture file of the face at the present frame, as the networks read it; None where none is
    seen."""
    row = row_at(scene, found, scene.frame_current)
    data = found.track.face_jpeg(row) if row is not None else b""
    if not data:
        return None
    from . import job_timer

    path = job_timer.scratch() / f"face_{id(found.track):x}_{row}.jpg"
    if not path.is_file():
        for old in path.parent.glob("face_*.jpg"):
            remove(old)
        path.write_bytes(data)
    return path


def thumbnail_path(track: Path) -> Path:
    """Where the picture of the followed face lies: beside the track."""
    return track.with_suffix(".png")


def icon_of(path: Path) -> int:
    """The icon number of a picture file, read again when it was written anew; 0 for none."""
    global _pictures
    import bpy.utils.previews

    try:
        name = f"{path}:{path.stat().st_mtime_ns}"
    except OSError:
        return 0
    if _pictures is None:
        _pictures = bpy.utils.previews.new()
    if name not in _pictures:
        if len(_pictures) >= MOST_PICTURES:
            _pictures.clear()  # those that are shown are read again
        _pictures.load(name, str(path), "IMAGE")
    return _pictures[name].icon_id


def forget() -> None:
    """Let go of everything that was read."""
    global _pictures, _as_said
    _kept.clear()
    _as_said = None
    if _pictures is not None:
        import bpy.utils.previews

        bpy.utils.previews.remove(_pictures)
        _pictures = None
