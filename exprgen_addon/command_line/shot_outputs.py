"""A shot's files: which of those that stand are its own, and how new ones get their names.

Nothing that stands is ever lost: what this batch did not make, or somebody edited, is set aside;
what was made in part goes beside what is whole; pictures of an earlier, longer run are set aside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ...networks.files import kept_name, partial_name, rename_to_new, set_aside
from .shot_list import OUTPUTS, Shot
from .shot_state import FINISHED, Made, State


class ShotOutputs:
    """Where a shot writes.

    Args:
        folder: the list's; states name files relative to it.
        kept: gets (file, why or "", where it is now) of all that was set aside or left standing.
    """

    def __init__(self, shot: Shot, folder: Path, kept: Callable[[Path, str, Path], None]):
        self.shot, self.folder, self._kept = shot, folder, kept
        self._shelves: dict[Path, Path] = {}

    def named(self, path: Path) -> str:
        """A file's name in states."""
        with contextlib.suppress(ValueError):
            return path.relative_to(self.folder).as_posix()
        return str(path)

    def owns(self, name: str) -> bool:
        """A file of a state lies where this shot writes, whatever the state says."""
        if ".." in Path(name).parts:
            return False
        file = self.folder / name
        for column, path in self.shot.outputs.items():
            places = (path, partial_name(path))
            if file in places if OUTPUTS[column] else any(p in file.parents for p in places):
                return True
        return False

    def standing(self, before: State | None) -> dict[str, Made]:
        """The files that stand as one of the shot's runs made them."""
        found: dict[str, Made] = {}
        for made in (before.coming, before.outputs) if before else ():
            for name, one in made.items():
                if self.owns(name) and one.is_in(self.folder / name):
                    found[name] = one
        return found

    def are_those_of(self, state: State) -> bool:
        """A finished shot's files, and no others, are there as they were made."""
        if state.state not in FINISHED or not state.outputs:
            return False
        for name, made in state.outputs.items():
            if not self.owns(name) or not made.is_in(self.folder / name):
                return False
        for column, path in self.shot.outputs.items():
            places = (path, partial_name(path))
            known = any(self.named(p) in state.outputs for p in places)
            if not (known if OUTPUTS[column] else any(p.exists() for p in places)):
                return False
        return True

    def moves(
        self, staged: dict[str, Path], standing: dict[str, Made], partial: bool
    ) -> list[tuple[Path, Path]]:
        """(file that was made, where it goes) of all outputs.

        Args:
            staged: column -> where it was made. standing: see there. partial: of footage that could
                be read in part only.
        """
        found: list[tuple[Path, Path]] = []
        for column, path in self.shot.outputs.items():
            moves = list(_files_of(staged[column], path))
            if partial and any(self._is_whole(standing, target) for _, target in moves):
                self._kept(path, "", partial_name(path))
                moves = list(_files_of(staged[column], partial_name(path)))
            found += moves
        return found

    def publish(
        self, moves: list[tuple[Path, Path]], standing: dict[str, Made], partial: bool, over: bool
    ) -> None:
        """Give new files their names.

        Args:
            over: write over what somebody edited.

        Raises:
            OSError: a file can't be moved.
        """
        for file, target in moves:
            known = standing.get(self.named(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            if over or (known and known.is_in(target)):
                os.replace(file, target)
            else:
                self._put(file, target)
        if partial:  # what is whole stands on
            return
        made = {self.named(target) for _, target in moves}
        for file in (self.folder / name for name in set(standing) - made):
            if self._folder_of(file) is not None:
                self._aside(file, "is of an earlier run")

    def _put(self, file: Path, target: Path) -> None:
        """Give a new file its name; whatever has it, or comes in between, is set aside."""
        while True:
            if os.path.lexists(target):
                with contextlib.suppress(FileNotFoundError):  # somebody else has just done so
                    self._aside(target, "is not as this batch made it")
            try:
                return rename_to_new(file, target)
            except FileExistsError:
                continue

    def _is_whole(self, standing: dict[str, Made], target: Path) -> bool:
        known = standing.get(self.named(target))
        return target.exists() and not (known and known.partial)

    def _folder_of(self, file: Path) -> Path | None:
        """The output folder that a file really lies in."""
        for column, path in self.shot.outputs.items():
            inside = path in file.parents and file.resolve().is_relative_to(path.resolve())
            if not OUTPUTS[column] and inside:
                return path
        return None

    def _aside(self, file: Path, why: str) -> None:
        """Move a file out of the way: beside itself, or of a folder's into one folder beside it."""
        folder = self._folder_of(file)
        if folder is None:
            kept = set_aside(file)
        else:
            shelf = self._shelves.setdefault(folder, kept_name(folder))
            kept = shelf / file.relative_to(folder)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, kept)
        self._kept(file, why, kept)


def _files_of(staged: Path, path: Path) -> Iterator[tuple[Path, Path]]:
    """(file that was made, where it goes) of an output."""
    if staged.is_dir():
        for file in sorted(p for p in staged.rglob("*") if p.is_file()):
            yield file, path / file.relative_to(staged)
    elif staged.is_file():
        yield staged, path
