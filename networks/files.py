"""Kinds of files by their endings, and writing so that nothing is left half written.

A file is written whole: under a temporary name of its writer's own, then renamed. So a reader meets
the old file or the new one, two writers never meet at all, and what a killed one left is known by
its name (see owners.py) and swept by the next that writes there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import OutputError
from .owners import is_orphan, token

IMAGE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".heic", ".heif", ".avif",
)  # fmt: skip
VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".gif")
TRACK_SUFFIX = ".npz"

SCRATCH = "exprgen-"
"""How the names of ExprGen's folders in the system's temporary folder begin."""
PLACE_VARIABLES = ("TMPDIR", "TMP", "TEMP")
"""Variables of the environment that say where temporary files go."""
HIDDEN = ".exprgen-"
"""How temporary files and folders beside an output begin."""
_unfinished: set[Path] = set()
"""Temporary files that this process is writing."""
_to_put_back: dict[Path, Path] = {}
"""Files that `all_or_none` may have to put back, and where they are kept meanwhile."""
_made_folders: list[Path] = []
"""Folders that `output_folder` has made, the outer ones first."""


# --- written whole -------------------------------------------------------------------------------


@contextlib.contextmanager
def written_whole(path: str | Path, *, fsync: bool = False) -> Iterator[Path]:
    """A temporary path to write, with the ending of `path`; it becomes `path` at the end, and is
    removed if anything fails.

    Args:
        fsync: on the disk before it gets its name, for what must outlive a power cut.

    Raises:
        OutputError: the place can't be written.
    """
    path = Path(path)
    part = path.with_name(f"{HIDDEN}{token()}{path.suffix}")
    _unfinished.add(part)
    try:
        yield part
        if fsync:
            with open(part, "rb+") as written:
                os.fsync(written.fileno())
        os.replace(part, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        _unfinished.discard(part)


@contextlib.contextmanager
def all_or_none(*paths: str | Path) -> Iterator[None]:
    """Files that are only of use together: if anything fails within, each is as it was before.

    Of folders, which may be among them, only those go again that were not there.

    Raises:
        OutputError: their folder can't be written.
    """
    files = [p for p in map(Path, paths) if not p.is_dir()]
    kept = {p: p.with_name(f"{HIDDEN}{token()}.kept") for p in files}
    try:
        for path, aside in kept.items():
            if path.exists():
                shutil.copy2(path, aside)
            _to_put_back[path] = aside
    except OSError as error:
        _forget(kept)
        raise unwritable(path, error) from error
    try:
        yield
    except BaseException:
        _put_back(kept)
        raise
    finally:
        _forget(kept)


def _put_back(kept: dict[Path, Path]) -> None:
    for path, aside in kept.items():
        with contextlib.suppress(OSError):
            if aside.exists():
                os.replace(aside, path)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _forget(kept: dict[Path, Path]) -> None:
    for path, aside in kept.items():
        _to_put_back.pop(path, None)
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def is_track(path: str | Path) -> bool:
    """By its ending; where a clip may be given, the track of one may be as well."""
    return Path(path).suffix.lower() == TRACK_SUFFIX


def output_folder(path: str | Path) -> Path:
    """A folder for what will be written, made if need be with those that it lies in; see
    `drop_empty_folders`.

    Raises:
        OutputError: it is a file, or can't be made.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise OutputError("is a file, not a folder", file=path, fix="choose a folder")
        missing = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    _made_folders.extend(p.absolute() for p in reversed(missing))
    return path


@contextlib.contextmanager
def made_folders() -> Iterator[None]:
    """Within, a command makes folders; where it fails, those that stayed empty go again."""
    _made_folders.clear()
    try:
        yield
    except BaseException:
        drop_empty_folders()
        raise


def drop_empty_folders() -> None:
    """Remove what `output_folder` has made that stayed empty, after a command that failed."""
    while _made_folders:
        with contextlib.suppress(OSError):  # it holds something
            _made_folders.pop().rmdir()


def drop_unfinished() -> None:
    """Remove what this process is writing, for one that ends without an ending."""
    for part in list(_unfinished):
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    _put_back(dict(_to_put_back))
    drop_empty_folders()


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file whole; its folder is made if need be.

    Raises:
        OutputError: the place can't be written.
    """
    with written_whole(path) as part:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as stream:
            np.save(stream, array)


def mapped_array(path: Path, dtype, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy file of zeros, mapped. Its room is taken at once, where the system can: on a disk
    that is full, writing through the map would be no error but the end of the process.

    Raises:
        OSError: the place can't be written, or has no room.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        try:
            with open(path, "rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if is_full(error):
                del array
                path.unlink(missing_ok=True)
                raise OSError(error.errno, error.strerror, str(path)) from error
    return array


def start_array(file: BinaryIO, dtype, shape: tuple[int, ...]) -> None:
    """The beginning of a .npy file; its numbers follow, row by row."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file whole, in UTF-8.

    Raises:
        OutputError: the place can't be written.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole; its folder is made if need be.

    Raises:
        OutputError: the place can't be written.
    """
    with written_whole(path) as part:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)


def check_writable(path: str | Path, told: str | Path | None = None) -> None:
    """That a file could be written, for work that takes long before it writes it. Nothing is left
    there: the file, and the folders that it lies in, need not be there yet.

    Args:
        told: what a person is told of in its place.

    Raises:
        OutputError: it can't be written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise OutputError("is a folder", file=path, fix="give the name of a file")
        try_folder(next(p for p in path.absolute().parents if p.exists()))
    except OSError as error:
        raise unwritable(told or path, error) from error


def try_folder(folder: Path) -> None:
    """Write something into a folder, and take it away again.

    Raises:
        OSError: it can't be written into.
    """
    probe = folder / f"{HIDDEN}{token()}"
    try:
        probe.touch(exist_ok=False)
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def unwritable(path: str | Path, error: Exception) -> OutputError:
    """The error for a place that can't be written, with the reason and what helps."""
    said = str(error).strip() or "?"
    reason = getattr(error, "strerror", None) or said.splitlines()[-1].removeprefix("Error: ")
    return OutputError(f"can't be written ({reason})", file=path, fix=_remedy(error))


_REMEDIES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room: the quota is used up",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or write to another disk",
    errno.EMFILE: "raise the number of files that may be open (ulimit -n)",
    errno.ENFILE: "the machine has too many files open: close other programs",
    errno.ENAMETOOLONG: "give it a shorter name",
}
"""What helps against each; the keys are the faults of a system that is full."""


def _remedy(error: Exception) -> str:
    if isinstance(error, NotADirectoryError | FileExistsError):
        return "choose another name: a file stands where a folder should be"
    return _REMEDIES.get(getattr(error, "errno", None), "choose a writable folder with room")


def is_full(error: BaseException) -> bool:
    """The system has no room, descriptors or rights left to write with: no fault of a program's."""
    known = (*_REMEDIES, errno.EROFS, errno.EACCES, errno.EPERM)
    return isinstance(error, OSError) and error.errno in known


# --- beside what is whole ------------------------------------------------------------------------


def partial_name(path: Path) -> Path:
    """Where what was made in part goes while something whole has the name: x.partial.npz."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


def kept_beside(path: str | Path, written: Path) -> str:
    """What a person is told where a partial result went beside a whole one."""
    return f"{path} is whole and stays; this partial result is {written}"


def set_aside(path: Path) -> Path:
    """Rename a file or folder to its `kept_name`; the new path. Two that do so at once never take
    each other's.

    Raises:
        OSError: it can't be renamed.
    """
    own = path
    if not path.is_dir():
        # Nobody else's from here on; the name is not one of those that are swept.
        own = path.with_name(f".kept-{token()}{path.suffix}")
        os.rename(path, own)
    while True:
        kept = kept_name(path)
        try:
            rename_to_new(own, kept)
        except FileExistsError:  # somebody was quicker
            continue
        return kept


def rename_to_new(path: Path, new: Path) -> None:
    """Rename, but never over a file; raises FileExistsError instead, as far as the disk can."""
    if path.is_dir():  # a folder never takes the place of one with something in it
        os.rename(path, new)
        return
    try:
        os.link(path, new, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a disk without hard links
        os.rename(path, new)
    else:
        os.unlink(path)


def kept_name(path: Path) -> Path:
    """The first free of x.kept1.blend, x.kept2.blend, ..."""
    number = 1
    while os.path.lexists(kept := path.with_name(f"{path.stem}.kept{number}{path.suffix}")):
        number += 1
    return kept


# --- temporary folders ---------------------------------------------------------------------------


def spool_prefix(out: Path) -> str:
    """How the name of an output's spool begins, so that what a killed process left can be told
    from another one's."""
    return f".spool-{hashlib.sha256(out.name.encode('utf-8', 'replace')).hexdigest()[:8]}-"


def new_spool(out: Path) -> Path:
    """A new hidden folder beside an output, for what is not finished; sweeps there first.

    Raises:
        OSError: it can't be made.
    """
    sweep(out.parent)
    folder = out.with_name(f"{spool_prefix(out)}{token()}")
    folder.mkdir()
    return folder


@contextlib.contextmanager
def spool_folder(out: Path) -> Iterator[Path]:
    """The same, and gone at the end.

    Raises:
        OutputError: it can't be made.
    """
    try:
        folder = new_spool(out)
    except OSError as error:
        raise unwritable(out, error) from error
    try:
        yield folder
    finally:
        remove(folder)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder that vanishes at the end, or is swept by the next one after a kill.

    Raises:
        OutputError: there is no place for temporary files.
    """
    folder = new_scratch()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_scratch() -> Path:
    """The same, for a caller that removes it itself.

    Raises:
        OutputError: there is no place for temporary files.
    """
    try:
        place = Path(tempfile.gettempdir())
        sweep(place)
        folder = place / f"{SCRATCH}{token()}"
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise OutputError(
            f"there is no place for temporary files ({error.strerror})",
            fix="make room, or name a writable folder by TMPDIR",
        ) from error
    return folder


def temporary_in(folder: Path) -> dict[str, str]:
    """What the environment of a process has to say for its temporary files to lie in a folder."""
    return dict.fromkeys(PLACE_VARIABLES, str(folder))


def sweep(folder: str | Path) -> None:
    """Remove what ended processes of this machine left in a folder: never what has another's name,
    or whose process runs."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            ours = entry.name.startswith((HIDDEN, SCRATCH, ".spool-")) or entry.name[:1] == "."
            if ours and is_orphan(entry.name):
                remove(Path(entry.path))


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, as far as can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
