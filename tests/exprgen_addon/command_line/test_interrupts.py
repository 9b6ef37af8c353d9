"""Ctrl-C: a sentence and its exit code, at once, while a command loads and while it works."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from exprgen.exprgen_addon.command_line import console as consoles
from exprgen.exprgen_addon.command_line import verb_steps
from exprgen.networks import worker
from exprgen.networks.characters.profile import SAMPLE_RIGS
from exprgen.networks.errors import EXIT_INTERRUPTED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are sent as POSIX does")

MAIN = "from exprgen.exprgen_addon.command_line.main import main; print('on', flush=True); main()"


@pytest.mark.parametrize("delay", [0.02, 0.3, 1.0])  # 0: before there is a command
def test_a_training_in_its_first_second(delay, tmp_path):
    words = ["train", "hcnn", "--data", "drawn:70", "--out", str(tmp_path / "h.safetensors")]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "Traceback" not in said
    assert "interrupted" in said or "stopped" in said


WORK = {
    "profile": ("trying", "hero.blend", "--object", "tobi_head", "--out", "new.json"),
    "propose": ("proposing", "hero.json", "--out", "sheet.png"),
    "response": ("poses of", "hero.json"),
    "clarity": ("rendering", "hero.json", "--out", "read", "--processes", "1"),
}
"""Command -> what it says while it works, and its words."""


@pytest.mark.parametrize("command", WORK)
def test_work_ends_at_once_and_leaves_nothing(command, tmp_path):
    """Not at the end of the work, half of which would take longer than this test may."""
    sign, *words = WORK[command]
    (tmp_path / "tmp").mkdir()
    shutil.copy(SAMPLE_RIGS / "tobi.blend", tmp_path / "hero.blend")
    text = (SAMPLE_RIGS / "tobi.json").read_text("utf-8")
    (tmp_path / "hero.json").write_text(text.replace('"name": "tobi"', '"name": "hero"', 1))
    before = set(tmp_path.rglob("*"))
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    while sign not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "interrupted" in said
    assert "Traceback" not in said
    left = {p for p in set(tmp_path.rglob("*")) - before if p.is_file()}
    pictures = {p for p in left if p.parent.name == "hero" and p.suffix == ".png"}
    assert left == pictures, "what is not whole is not there"
    assert len(pictures) < 20
    assert not _work_in(tmp_path)


def _work_in(folder: Path) -> list[str]:
    """Processes that work in a folder, where the system tells."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if place.resolve() == folder.resolve():
                found.append((place.parent / "cmdline").read_text())
        except OSError:  # ended, or somebody else's
            continue
    return found


class TestConsole:
    def test_ends_unless_something_is_kept(self):
        with consoles.Console() as console:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            console._last_resort.stop()
            with pytest.raises(KeyboardInterrupt):  # a loop of Blender's may have swallowed it
                console.progress("work", 1, 2)

    def test_keeps_what_is_finished_once_there_is_something(self):
        told = []
        with consoles.Console() as console:
            console.on_interrupt(lambda: told.append("stop"))
            with console.keeping(from_first=True):
                console.progress("work", 1, 3)
                signal.raise_signal(signal.SIGINT)
                assert console.interrupted
                assert told == ["stop"]
                console.progress("work", 2, 3)
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(signal.SIGINT)
                console._last_resort.stop()

    def test_before_there_is_something_it_ends(self):
        with consoles.Console() as console, console.keeping(from_first=True):
            console.progress("work", 0, 3)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            console._last_resort.stop()

    def test_what_never_comes_back_is_ended_by_force(self, tmp_path):
        """As a step inside Blender's C code: Python is asked, and does not answer."""
        code = (
            "import sys, time, signal, subprocess\n"
            "from pathlib import Path\n"
            "from exprgen.exprgen_addon.command_line import console, own_folder\n"
            "from exprgen.exprgen_addon.engine.worker_process import children\n"
            "from exprgen.networks.files import written_whole\n"
            "out = Path(sys.argv[1])\n"
            "with console.Console() as one, own_folder.own_temporary_folder():\n"
            "    signal.signal(signal.SIGINT, lambda *_: one._last_resort.start())\n"
            "    with written_whole(out / 'x.bin') as part:\n"
            "        part.write_bytes(b'half')\n"
            "        words = [sys.executable, '-c', 'import time; time.sleep(90)']\n"
            "        child = subprocess.Popen(words)\n"
            "        children.add(child)\n"
            "        print('on', file=sys.stderr, flush=True)\n"
            "        while True: time.sleep(1)\n"
        )
        (tmp_path / "tmp").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        )
        assert process.stderr.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == EXIT_INTERRUPTED
        assert "interrupted" in said
        assert [p.name for p in tmp_path.rglob("*")] == ["tmp"]
        assert not _work_in(tmp_path)


def test_a_worker_that_is_ended_before_there_is_anything_to_keep_leaves_nothing(
    tmp_path, monkeypatch
):
    out = tmp_path / "shot.npz"
    begun = f"from exprgen.networks.files import *; new_spool(Path({str(out)!r}))"

    class Worker:
        def kill(self):
            """Dies as it writes."""
            subprocess.run([sys.executable, "-c", begun], check=True)
            assert list(tmp_path.iterdir())

    def interrupted(job, tell):
        raise KeyboardInterrupt

    monkeypatch.setattr(verb_steps.Job, "run_blocking", interrupted)
    monkeypatch.setattr(verb_steps.Job, "__init__", lambda *_: None)
    with consoles.Console(False) as console, pytest.raises(KeyboardInterrupt):
        verb_steps.run_job(Worker(), "analyse", {"out": str(out)}, console)
    assert list(tmp_path.iterdir()) == []


def test_a_training_of_the_worker_that_is_stopped_while_it_begins(monkeypatch):
    def begins(words):
        time.sleep(30)

    monkeypatch.setattr(worker, "training", lambda name: begins)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    result = worker.train({"name": "hcnn"}, lambda message: None, stop)
    assert result == {"exit_code": EXIT_INTERRUPTED, "partial": True}
