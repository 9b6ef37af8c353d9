"""A build that is killed leaves the file of before, or the new one whole."""

import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.characters.profile import SAMPLE_RIGS, load_profile
from exprgen.networks.owners import is_orphan
from exprgen.sample_rigs.build import packing

KILLS = 6


def scene_in(path) -> str:
    """What the only scene of a .blend is called; fails where the file is not whole."""
    packing.unpacked(path)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.context.scene.name


SAVES = """
    import sys
    from pathlib import Path
    import bpy
    from exprgen.sample_rigs.build.packing import save_open
    path = Path(sys.argv[1])
    bpy.ops.wm.open_mainfile(filepath=str(path))
    bpy.context.scene.name = "new"
    print("begins", flush=True)
    save_open(path)
    print("ended", flush=True)
"""


def killed(program: str, path, seconds: float) -> None:
    """Run a program on a file and kill it so long after it has said that it begins."""
    words = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert any(line.startswith("begins") for line in process.stdout)
        time.sleep(seconds)
        process.kill()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_save_that_is_killed_leaves_a_whole_file(tmp_path):
    path, chance = tmp_path / "a.blend", random.Random(0)
    blend = load_profile(SAMPLE_RIGS / "mira.json").blend
    for _ in range(KILLS):
        path.write_bytes(blend.read_bytes())
        was = scene_in(path)
        killed(SAVES, path, chance.uniform(0.0, 0.6))
        assert scene_in(path) in {was, "new"}
    left = {p.name for p in tmp_path.iterdir()} - {path.name}
    assert all(is_orphan(name) for name in left), "the next that writes there sweeps them"


def test_a_character_appears_when_it_is_whole(tmp_path, monkeypatch):
    """Until its pictures are made, what was there stays; and a build that fails leaves nothing."""
    from exprgen.sample_rigs.build import __main__ as program

    old = {"mira.blend": b"old", "mira.json": b"older"}
    for name, data in old.items():
        (tmp_path / name).write_bytes(data)
    seen = []

    def small(name, folder):
        for suffix in (".blend", ".json"):
            (folder / f"{name}{suffix}").write_bytes(b"new")
        return folder / f"{name}.blend"

    def pictures(path):
        seen.append({n: (tmp_path / n).read_bytes() for n in old})
        if len(seen) == 1:
            raise OSError("no room")
        path.write_bytes(b"pictured")

    monkeypatch.setattr(program, "_build_aside", small)
    monkeypatch.setattr(program, "add_thumbnails", pictures)
    with pytest.raises(OSError, match="no room"):
        program.build("mira", tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == old
    assert program.build("mira", tmp_path).read_bytes() == b"pictured"
    assert seen == [old, old]
    assert (tmp_path / "mira.json").read_bytes() == b"new"
