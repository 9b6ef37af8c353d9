"""What `live --record` plays, kept on a tape until it is a take, and told of where it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..engine.live import live_source
from ..engine.live_tape import LiveTape, tapes_left_of
from .console import Console


class Recording:
    """A recording's tape; nothing is kept where there is no take to make of it.

    Args:
        take: the .blend, or None.
    """

    def __init__(self, take: str | None, console: Console):
        self.source = live_source()
        self.tape = LiveTape(take, self.source) if take else None
        self._console = console

    def add(self, cast: list, messages: list[dict]) -> None:
        """Frames, as the session has sent them."""
        if self.tape is None or self.tape.error is not None:
            return
        self.tape.add(cast, messages)
        if self.tape.error is not None:
            why = self.tape.error.strerror
            self._console.say(
                f"warning: {self.tape.path} can't be written any more ({why}): what follows is "
                "kept when the session ends, and lost if it is killed"
            )


@contextlib.contextmanager
def live_recording(take: str | None, console: Console) -> Iterator[Recording]:
    """Within, what is played is kept; at the end it is the take. Where that fails, the tape stays,
    and it is told how to make one of it."""
    if take:
        for tape in tapes_left_of(take):
            console.say(f"warning: {tape} was not finished: its program was ended")
            console.say(f"  fix: {_advice(tape)}, then delete it")
    recording = Recording(take, console)
    try:
        yield recording
    except BaseException:
        if recording.tape is not None and recording.tape.is_begun:
            recording.tape.close()
            console.say(f"what was played is kept in {recording.tape.path}")
            console.say(f"  fix: {_advice(recording.tape.path)}, then delete it")
        raise
    if recording.tape is not None:
        recording.tape.remove()


def _advice(tape: object) -> str:
    return f"make a take of it with `live --tape {tape}`, its characters and --record FILE.blend"
