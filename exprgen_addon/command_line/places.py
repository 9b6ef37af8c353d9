"""Where a command writes, held against what it reads: no output ever takes an input's place.

Compared are the files themselves, not their names: through folders that are links, other spellings
and hard links.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...networks.characters.profile import SAMPLE_RIGS, RigProfile
from ...networks.characters.response import response_path
from ...networks.errors import UsageError


@functools.lru_cache(65536)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def real_name(path: str | Path) -> str:
    """A path's one name: links and `..` resolved, whether it exists or not."""
    path = os.path.abspath(path)
    if os.path.islink(path):
        return os.path.normcase(os.path.realpath(path))
    return _own_name(path)


def _own_name(path: str | Path) -> str:
    """The same of a link itself, not of what it leads to."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.normcase(os.path.join(_real_folder(folder), name))


def _node(path: str | Path) -> tuple[int, int] | None:
    """What a file is to the system; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None


class Inputs:
    """What is read, each with the words that tell what it is."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._nodes: dict[tuple[int, int], str] = {}
        self._folders: dict[str, str] = {}
        self._seen: set[str] = set()

    def add(self, what: str, path: str | Path) -> None:
        """An input; of a folder all files in it count."""
        if str(path) in self._seen:
            return
        self._seen.add(str(path))
        for name in {real_name(path), _own_name(path)}:
            self._names.setdefault(name, what)
            self._add_folders(what, name)
        if node := _node(path):
            self._nodes.setdefault(node, what)

    def _add_folders(self, what: str, name: str) -> None:
        """Remember every folder that it lies in, and itself, which may be one."""
        while name not in self._folders:
            self._folders[name] = what
            name = os.path.dirname(name)

    def add_character(self, profile: RigProfile) -> None:
        """A character's files."""
        if profile.path is not None:
            self.add(f"the profile of {profile.name}", profile.path)
            self.add(f"the character {profile.name}", profile.blend)
            self.add(f"the response of {profile.name}", response_path(profile))

    def at(self, output: str | Path) -> str:
        """Which input an output would take the place of, in words; "" for none."""
        name = real_name(output)
        found = self._names.get(name) or self._nodes.get(_node(output))
        if found:
            return found
        folder = os.path.dirname(name)
        if os.path.isfile(name) and folder in self._names:
            return f"a file of {self._names[folder]}"
        if os.path.isfile(name) and Path(name).is_relative_to(_samples()):
            return "a file that ships with ExprGen"
        return ""

    def within(self, folder: str | Path) -> str:
        """Which input lies in a folder that is filled with pictures, however deep, or is it, in
        words; "" for none."""
        return self._folders.get(real_name(folder), "")


@functools.cache
def _samples() -> str:
    return os.path.normcase(os.path.realpath(SAMPLE_RIGS))


def check_outputs(
    outputs: Mapping[str, str | Path | None],
    inputs: Iterable[str | Path],
    profiles: Iterable[RigProfile] = (),
    filled: Mapping[str, Iterable[Path]] | None = None,
) -> None:
    """Refuse an output that is an input, and a folder of pictures that an input lies in.

    Args:
        outputs: option -> the path given to it, None where it is not used.
        inputs: the footage and other files that are read. profiles: the characters.
        filled: option -> the folders that it fills with files of many names.

    Raises:
        UsageError: it names both.
    """
    known = Inputs()
    for path in inputs:
        known.add("what is read", path)
    for profile in profiles:
        known.add_character(profile)
    for option, path in outputs.items():
        if path and (what := known.at(path)):
            raise UsageError(
                f"--{option} would replace {what}", file=path, fix="give it another name"
            )
    for option, folder in ((o, f) for o, folders in (filled or {}).items() for f in folders):
        if what := known.within(folder):
            fix = "give another folder"
            raise UsageError(f"--{option} would write among {what}", file=folder, fix=fix)


def picture_folders(render: str | Path | None, profiles: Iterable[RigProfile]) -> list[Path]:
    """The folders that `--render` fills: one a character."""
    return [Path(render) / profile.name for profile in profiles] if render else []
