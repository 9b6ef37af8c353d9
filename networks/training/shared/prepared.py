"""What a training prepares once and keeps only as long as it may be resumed.

It lies in a folder of its own among the checkpoints, gigabytes of it at times. `--resume` finds
it there; a training that begins anew, and one that has ended, leave nothing of it. Where an option
`--kept` names a folder for it, that is the user's, and stays.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import ExprGenError
from ...files import remove, sweep
from .checkpoints import FILE

FOLDER = "checkpoint.prepared"
"""Its name, which is no one else's: what lies in a folder of that name is removed."""
BEFORE = ".before"
"""In the name of what an earlier training left, while one is begun anew."""
READER = "reader"
"""Folder of the checkpoints of the reader of a character's poses."""


def checkpoint_folder(settings) -> Path:
    """Where a training's checkpoints go: beside its weights, unless its settings name a folder."""
    given = getattr(settings, "checkpoints", "")
    return Path(given or Path(settings.out).with_suffix(""))


def prepared_folder(settings) -> Path:
    """Where what a training prepares goes; it need not be there. All folds share it."""
    folder = checkpoint_folder(settings)
    if folder.name == fold_name(getattr(settings, "fold", -1)):
        folder = folder.parent
    return Path(_named(settings) or folder / FOLDER)


def fold_name(fold: int | str) -> str:
    """What the folder of a fold's checkpoints, and its weights, are called."""
    return f"fold_{fold}"


def place_to_prepare(settings) -> Path:
    """`prepared_folder` for a training that is about to prepare, having read its data: what an
    earlier one prepared, which this one does not go on with, is gone from here on."""
    folder = prepared_folder(settings)
    if _is_own(settings):
        remove(_aside(folder))
    return folder


def folds_table(settings) -> Path:
    """Where a cross-validation keeps the folds that are finished."""
    return Path(settings.out).with_suffix(".folds.json")


def validates(settings) -> bool:
    """All folds are trained, one after the other."""
    return bool(getattr(settings, "folds", 0)) and settings.fold < 0


@contextlib.contextmanager
def without_older(settings) -> Iterator[None]:
    """Within, a training that is begun anew finds nothing of an earlier one, no checkpoint, no
    finished fold and nothing prepared: where this one is killed before its first, --resume must not
    take up that one's. Where it is refused they are there again, but for what was prepared, once
    this one has begun to prepare. What a killed one had moved aside never comes back: whoever began
    that one anew did not want it."""
    if _is_own(settings):
        sweep(prepared_folder(settings))  # what a kill left half written
    moved = _move_aside(settings)
    try:
        yield
    except ExprGenError:
        for place, aside in moved.items():
            if aside.exists() and not place.exists():
                os.replace(aside, place)
        raise
    finally:
        for aside in moved.values():
            remove(aside)


def _move_aside(settings) -> dict[Path, Path]:
    """Place -> where what was there lies while a training is begun anew; empty for one that goes
    on. What a killed one had moved there is gone."""
    moved = {}
    for place in _places(settings):
        aside = _aside(place)
        remove(aside)
        if _is_begun_anew(settings) and place.exists():
            os.replace(place, aside)
            moved[place] = aside
    return moved


def _is_begun_anew(settings) -> bool:
    """It is not to go on where an earlier one was stopped, as one without an option for that always
    does."""
    return not getattr(settings, "resume", True)


def _places(settings) -> list[Path]:
    """Where a training leaves what it goes on with; they need not be there."""
    places = [folder / FILE for folder in _folders(settings)]
    if _is_own(settings):
        places.append(prepared_folder(settings))
    return [*places, folds_table(settings)] if validates(settings) else places


def _aside(place: Path) -> Path:
    """Its name while a training is begun anew: checkpoint.before.pt."""
    return place.with_name(f"{place.stem}{BEFORE}{place.suffix}")


def _checkpoints(settings) -> list[Path]:
    """Those of a training that are there."""
    return [folder / FILE for folder in _folders(settings) if (folder / FILE).is_file()]


def _folders(settings) -> list[Path]:
    """Where its checkpoints are: its own, and those of the networks that it learns beside."""
    if not getattr(settings, "out", ""):
        return []
    folder = checkpoint_folder(settings)
    return [f for f in (folder, *folder.glob(fold_name("*")), folder / READER) if f.is_dir()]


def end(settings) -> None:
    """Remove what a training has prepared."""
    if _is_own(settings):
        remove(prepared_folder(settings))


@contextlib.contextmanager
def no_empty_folder(settings) -> Iterator[None]:
    """Within, a training makes its folders; where nothing is in them at the end, they go again. An
    empty one that was there before stays."""
    if not _is_own(settings):
        yield
        return
    prepared = prepared_folder(settings)
    was_there = prepared.parent.is_dir() and not prepared.is_dir()
    try:
        yield
    finally:
        for folder in (prepared,) if was_there else (prepared, prepared.parent):
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


def left(settings) -> str:
    """How a stopped training is gone on with, and what takes how much room until then."""
    if not getattr(settings, "out", ""):
        return "run it again to go on"
    if not hasattr(settings, "resume"):
        how = "run it again"
    elif _checkpoints(settings):
        how = "--resume goes on from here"
    else:
        how = "nothing was learned yet"
    folder = prepared_folder(settings)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if not size:
        return how
    stays = "which go when it has ended" if _is_own(settings) else "which stay"
    again = "; --resume begins with what is prepared" if how.startswith("nothing") else ""
    return f"{how}{again}: {size / 1e6:,.1f} MB in {folder}, {stays}"


def _is_own(settings) -> bool:
    """It is the training's own, and no folder that the user has named."""
    return bool(getattr(settings, "out", "")) and not _named(settings)


def _named(settings) -> str:
    """The folder that an option --kept names, where there is such an option."""
    named = getattr(settings, "kept", "")
    return named if isinstance(named, str) else ""
