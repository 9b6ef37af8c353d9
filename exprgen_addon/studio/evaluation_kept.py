"""What an evaluation that was stopped or killed has had from the worker, taken up by the next one.

Analyses, solutions and readings take minutes each. Until an evaluation has come to its end, each
answer lies beside its results with a digest of all that it was made of: what was asked, the files
that it names, the weights and the program. The next run into the folder asks only for what differs.
An evaluation that ends takes them away: one that is run again after that measures everything anew.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ...networks.errors import InputError
from ...networks.files import write_text
from ...networks.footage.stamp import stamp
from ...networks.models.weights_places import weights_folder
from ...networks.reading import read_object
from ...networks.records import json_text
from .evaluation_plan import Run, digest

UNFINISHED = "unfinished"
"""Folder of the answers, in that of the evaluation."""
_PROGRAM = Path(__file__).resolve().parents[2]
_PROGRAM_FOLDERS = ("networks", "exprgen_addon", "sample_rigs")
_KEPT = ("analyse", "solve", "recognition", "feelings", "shown", "read_frames", "transfer")
"""Commands, and steps of `evaluation`, whose answers are kept."""
_READ_OF_OUT = {"transfer": ("groups.json", "chosen.json", "pictures", "stills", "tracks")}
"""What a step reads in the evaluation's folder that its arguments don't name."""


class KeptAnswers:
    """A worker's `run` that remembers.

    Args:
        out: the evaluation's folder. stop: whether somebody has asked for an end: what comes after
            that is no whole answer. say: told of each answer that is taken up.
    """

    def __init__(self, out: Path, run: Run, stop: Callable[[], bool], say: Callable[[str], None]):
        self._out, self._run, self._stop, self._say = out, run, stop, say
        self._folder = out / UNFINISHED
        program = [_PROGRAM / name for name in _PROGRAM_FOLDERS]
        self._program = digest([list(_tree(f)) for f in (*program, weights_folder())])

    def __call__(self, command: str, arguments: dict) -> dict:
        """The worker's answer, or the one that it gave to the same request."""
        name = arguments["step"] if command == "evaluation" else command
        if name not in _KEPT:
            return self._run(command, arguments)
        asked = digest([command, arguments])
        path = self._folder / f"{name}_{asked}.json"
        made_of = digest([self._program, self._read(name, arguments)])
        kept = _record(path)
        if kept.get("of") == made_of and kept.get("made") == self._made(kept.get("answer")):
            self._say(f"taken up from a run that did not end: {_words(name, arguments)}")
            return kept["answer"]
        answer = self._run(command, arguments)
        if not self._stop() and not answer.get("stopped"):
            record = {"of": made_of, "answer": answer, "made": self._made(answer)}
            write_text(path, json_text(record))
        return answer

    def finish(self) -> None:
        """The evaluation has come to its end."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, name: str, arguments: dict) -> list:
        """What tells the files that a request reads from others that may take their place."""
        named = [a for k, a in arguments.items() if k != "out"]
        files = [p for p in _paths(named) if not p.is_dir()]
        folders = [p for p in _paths(named) if p.is_dir()]
        own = [self._out / part for part in _READ_OF_OUT.get(name, ())]
        files += [Path(f) for part in own for f in _files(part)]
        return [*map(self._content, files), *([str(f), list(_tree(f))] for f in folders)]

    def _made(self, answer: object) -> list:
        """The files that an answer names, as they are now."""
        return [self._content(p) for p in _paths(answer) if p.is_file()]

    def _content(self, path: Path) -> list:
        """What tells a file; of what the user gave also what lies beside it under its name."""
        own = self._out in path.parents
        return [str(path), stamp([path, *([] if own else _beside(path))]).get("digest", "")]


def _words(name: str, arguments: dict) -> str:
    about = [a for k in ("reference", "track", "tracks") for a in _paths(arguments.get(k))]
    more = f" and {len(about) - 1} more" if len(about) > 1 else ""
    return f"{name} {about[0].name}{more}" if about else name


def _record(path: Path) -> dict:
    try:
        return read_object(path)
    except InputError:
        return {}


def _beside(path: Path) -> list[Path]:
    """A clip's truth; a character's .blend, its geometry and networks of its own."""
    stem = glob.escape(path.stem)
    found = {p for name in (f"{stem}.*", f"*_{stem}.safetensors") for p in path.parent.glob(name)}
    return sorted(p for p in found - {path} if p.is_file())


def _paths(value: object) -> Iterator[Path]:
    """The paths of what is there that a request or an answer holds, in their order."""
    if isinstance(value, str):
        if os.path.exists(value):
            yield Path(value)
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _paths(part)


def _files(path: Path) -> list[str]:
    return [str(path)] if path.is_file() else [name for name, *_ in _tree(path)]


def _tree(folder: Path) -> Iterator[list]:
    """[path, size, time] of each file below a folder, in order."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != "__pycache__")
        for name in sorted(names):
            path = os.path.join(place, name)
            if os.path.isfile(path):
                about = os.stat(path)
                yield [path, about.st_size, about.st_mtime_ns]
