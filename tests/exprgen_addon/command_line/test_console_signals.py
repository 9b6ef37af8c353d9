"""The console gives signals back, also those that were not taken from Python, and names files from
the present folder on."""

from __future__ import annotations

import signal
import sys

from exprgen.exprgen_addon.command_line import console
from exprgen.exprgen_addon.command_line.console import from_here


def test_a_handler_that_is_not_python_s_is_no_trouble(monkeypatch):
    given = []
    real = signal.signal

    def as_in_blender(number, handler):
        given.append((number, handler))
        real(number, handler)
        return None if len(given) == 1 else signal.SIG_DFL  # what Python says of C's handlers

    before = {n: signal.getsignal(n) for n in console.ending_signals()}
    monkeypatch.setattr(console.signal, "signal", as_in_blender)
    try:
        with console.Console():
            pass
        first = given[0][0]
        assert [h for n, h in given if n == first][-1] == signal.SIG_DFL
    finally:
        for number, handler in before.items():
            real(number, handler)


def test_what_python_would_swallow_is_not_raised():
    def frame_in(file, name):
        space = {"frame": sys._getframe}
        exec(compile(f"def {name}(): return frame()", file, "exec"), space)
        return space[name]()

    assert console.would_be_lost(frame_in("<frozen importlib._bootstrap>", "cb"))
    assert console.would_be_lost(frame_in("<frozen importlib._bootstrap>", "_find_and_load"))
    assert console.would_be_lost(frame_in("/b/scripts/addons_core/io/x.py", "load"))
    assert not console.would_be_lost(frame_in("/b/exprgen/x.py", "cb"))


def test_paths_below_the_present_folder_begin_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = f"{tmp_path}/clips/a b.mp4: breaks off; give {tmp_path}/clips/b.mp4"
    assert from_here(said) == "clips/a b.mp4: breaks off; give clips/b.mp4"
    for other in (f"/mnt{tmp_path}/a.mp4: is gone", f"{tmp_path}: is gone", f"{tmp_path}2/a.mp4"):
        assert from_here(other) == other
    monkeypatch.chdir("/")
    assert from_here(said) == said
