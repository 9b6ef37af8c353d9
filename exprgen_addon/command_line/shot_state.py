"""What is known of a shot between two runs of a batch, and of the files that it made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ...networks.errors import InputError
from ...networks.files import write_text
from ...networks.reading import read_object
from ...networks.records import json_text, text
from ...networks.tracking.landmark_model import sha256

DONE, PART, FAILED, STOPPED, RUNNING = "done", "partial", "failed", "stopped", "running"
FINISHED = (DONE, PART)


@dataclass(frozen=True)
class Made:
    """A file as a batch made it. size: bytes; changed: its time, ns; sha256: of its content, "" in
    states of an earlier version; partial: of footage that could be read in part only."""

    size: int
    changed: int = 0
    sha256: str = ""
    partial: bool = False

    @staticmethod
    def read(data: object) -> Made:
        """From a state's JSON.

        Raises:
            TypeError, ValueError, KeyError, OverflowError: it is none.
        """
        if isinstance(data, dict):
            return Made(int(data["size"]), int(data["changed"]), str(data["sha256"]),
                        bool(data["partial"]))  # fmt: skip
        return Made(int(data))

    @staticmethod
    def of(file: Path, partial: bool) -> Made:
        """What a file is now; raises OSError."""
        found = file.stat()
        return Made(found.st_size, found.st_mtime_ns, sha256(file), partial)

    def is_in(self, file: Path) -> bool:
        """The file is there as it was made."""
        try:
            found = file.stat()
            if not file.is_file() or found.st_size != self.size:
                return False
            if not self.sha256 or found.st_mtime_ns == self.changed:
                return True
            return sha256(file) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class State:
    """What is known of a shot: LOGS/<shot>.json.

    Args:
        state: done, partial (what could be read is kept), failed, stopped, or running, which after
            a kill means that it never ended.
        exit_code: of its `exprgen retarget`; None while it runs. Below 0: ended by that signal.
        digest: of all that it was made of, see `digest`.
        outputs: file -> what was made there; paths relative to the list's folder where they can
            be. coming: the same of files that were about to get their names.
        error: {"problem", "file", "fix"} if it failed. result: what `retarget --json` said.
    """

    shot: str
    state: str
    exit_code: int | None = None
    digest: str = ""
    outputs: dict[str, Made] = field(default_factory=dict)
    seconds: float = 0.0
    host: str = ""
    error: dict | None = None
    result: dict | None = None
    coming: dict[str, Made] = field(default_factory=dict)

    @staticmethod
    def load(path: Path) -> State | None:
        """The state in a file; None if there is none that can be read. One of an earlier version
        knows only the sizes of its outputs."""
        try:
            data = read_object(path)
            known = {f.name: data[f.name] for f in fields(State) if f.name in data}
            for name in ("outputs", "coming"):
                known[name] = {text(n, name): Made.read(m) for n, m in known.get(name, {}).items()}
            state = State(**known)
            texts = (state.shot, state.state, state.digest, state.host)
            right = all(isinstance(t, str) for t in texts)
            return state if right and isinstance(state.seconds, int | float) else None
        except (InputError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return None

    def save(self, path: Path) -> None:
        """Write it whole.

        Raises:
            OutputError: it can't be written.
        """
        write_text(path, json_text(asdict(self), indent=1))
