"""Commands in surroundings that nobody wishes for: full disks, closed terminals, folders that are
gone, names in other bytes, signals. Always a sentence, its exit code, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.command_line.console import check_file
from exprgen.exprgen_addon.engine import engine_python, jobs, worker_process
from exprgen.networks import files, owners
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_OUTPUT,
    EXIT_USAGE,
    ExprGenError,
    ModelError,
    OutputError,
)
from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE
from exprgen.networks.tracking import landmark_model
from exprgen.tests.support import synthetic, tiny_weights

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors, limits and signals of POSIX")

COMMAND = [sys.executable, "-m", "exprgen.exprgen_addon.command_line.main"]


def exprgen(*words, before: str = "", **options) -> subprocess.CompletedProcess:
    """Run a command by a shell, which `before` prepares; what it said, as bytes."""
    line = f'{before} exec "$@"'
    words = [w if isinstance(w, bytes) else str(w) for w in words]
    options = {"capture_output": True, "timeout": 120, **options}
    return subprocess.run(["/bin/sh", "-c", line, "sh", *COMMAND, *words], check=False, **options)


class TestStreams:
    def test_none_at_all(self):
        assert exprgen("characters", before="exec <&- >&- 2>&-;").returncode == EXIT_OK

    def test_what_is_opened_later_does_not_take_their_place(self, tmp_path):
        code = "import os; os.close(1); os.close(2)\n"
        code += "from exprgen.exprgen_addon.command_line.console import ensure_streams\n"
        code += f"ensure_streams(); f = open({str(tmp_path / 'x')!r}, 'w')\n"
        code += "os._exit(f.fileno())"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode > 2

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    def test_full_ones(self):
        done = exprgen("characters", before="exec >/dev/full;")
        assert done.returncode == EXIT_OUTPUT
        assert b"No space left" in done.stderr
        assert exprgen("characters", before="exec 2>/dev/full;").returncode == EXIT_OK


class TestFolders:
    def test_the_current_one_is_gone(self, tmp_path):
        gone = tmp_path / "gone"
        gone.mkdir()
        done = exprgen("characters", before=f'cd "{gone}"; rmdir "{gone}";')
        assert done.returncode == EXIT_USAGE
        assert b"is gone" in done.stderr
        assert b"Traceback" not in done.stderr

    def test_there_is_none_for_temporary_files(self, monkeypatch, capfd):
        def none():
            raise FileNotFoundError(2, "No usable temporary directory found")

        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "gettempdir", none)
            code = main.main(["characters"])
        assert code == EXIT_OUTPUT
        assert "TMPDIR" in capfd.readouterr().err

    def test_names_in_other_bytes_and_no_locale(self, tmp_path):
        place = os.fsencode(tmp_path) + b"/\xff\xfe"
        os.mkdir(place)
        with open(place + b"/\xe9.mp4", "wb") as clip:
            clip.write(b"no film")
        environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        for name in (b"/\xe9.mp4", b"/none\xff.mp4"):
            done = exprgen("analyse", place + name, "--out", place + b"/o.npz", env=environment)
            assert done.returncode == EXIT_INPUT
            assert b"Traceback" not in done.stderr
            assert b"fix:" in done.stderr
        assert os.listdir(place) == [b"\xe9.mp4"]

    def test_temporary_files_go_with_the_command(self, tmp_path, monkeypatch):
        seen = []
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        from exprgen.exprgen_addon.command_line.verbs import characters

        def run(args, console):
            seen.append(tempfile.mkdtemp())
            seen.append(os.environ["TMPDIR"])
            return EXIT_OK

        monkeypatch.setattr(characters, "run", run)
        assert main.main(["characters"]) == EXIT_OK
        assert Path(seen[0]).parent == Path(seen[1])
        assert Path(seen[1]).parent == tmp_path
        assert not list(tmp_path.iterdir())
        assert os.environ["TMPDIR"] == str(tmp_path)


class TestSweeping:
    """Only what ended processes of this machine left goes."""

    def test_names_tell_their_owner(self):
        assert not owners.is_orphan(f"x{owners.token()}.part")
        code = "from exprgen.networks.owners import token; print(token())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        ended = done.stdout.strip()
        assert owners.is_orphan(f".exprgen-{ended}.npz")
        machine, pid, began, _ = owners.token()[1:].split("-")
        assert owners.is_orphan(f"~{machine}-{pid}-{int(began) + 5}-abcdef"), "its number again"
        assert not owners.is_orphan(ended.replace(machine, "f" * 6)), "another machine's"
        assert not owners.is_orphan(".exprgen-mine.npz")

    def test_what_was_left_goes_and_all_else_stays(self, tmp_path):
        process = subprocess.Popen([sys.executable, "-c", "pass"])
        ended = owners.token().replace(f"-{os.getpid()}-", f"-{process.pid}-", 1)
        process.wait()
        stays = [
            ".exprgen-x",
            "blender_a1b2c3",
            f".exprgen-{owners.token()}",
            f"mine{ended}",
            "a.npz",
        ]
        for name in (f".exprgen-{ended}.npz", f"exprgen-{ended}", f".spool-0-{ended}", *stays):
            (tmp_path / name).mkdir()
        (tmp_path / f"exprgen-{ended}" / "blender_a1b2c3").mkdir()
        files.sweep(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(stays)

    def test_where_a_command_writes_half_a_file_of_a_killed_one_goes(self, tmp_path):
        """Blender writes its own half beside the temporary name, with a @ behind."""
        code = (
            "import sys, time; from pathlib import Path\n"
            "from exprgen.networks.files import written_whole\n"
            "with written_whole(Path(sys.argv[1])) as part:\n"
            "    part.write_bytes(b'half'); Path(f'{part}@').write_bytes(b'half')\n"
            "    print('written', flush=True); time.sleep(600)"
        )
        out = tmp_path / "take.blend"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "written\n"
        process.kill()
        process.communicate()
        assert len(list(tmp_path.glob(".exprgen-*"))) == 2
        check_file(out, (".blend",))
        assert list(tmp_path.iterdir()) == []

    def test_a_drive_that_is_not_there_is_a_folder_that_is_not(self, tmp_path, monkeypatch):
        """On Windows no folder above such a file exists, not even the drive's own."""
        monkeypatch.setattr(Path, "exists", lambda path: False)
        with pytest.raises(OutputError, match="its folder does not exist"):
            check_file(tmp_path / "no" / "take.blend", (".blend",))

    def test_two_writers_of_one_file_never_meet(self, tmp_path):
        code = (
            "import sys; from pathlib import Path; from exprgen.networks.files import write_text\n"
            "for i in range(60): write_text(Path(sys.argv[1]), sys.argv[2] * 20000)"
        )
        path = tmp_path / "x.txt"
        files.write_text(path, "a" * 20000)
        both = [subprocess.Popen([sys.executable, "-c", code, str(path), c]) for c in "ab"]
        while any(p.poll() is None for p in both):
            text = path.read_text()
            assert text in ("a" * 20000, "b" * 20000)
        assert [p.returncode for p in both] == [0, 0]
        assert list(tmp_path.iterdir()) == [path]


class TestEngineEnvironment:
    """The worker never meets what the user's own PYTHONPATH and PYTHONHOME say."""

    @pytest.fixture
    def block(self, tmp_path, monkeypatch):
        """A folder whose numpy can't be imported, on the user's PYTHONPATH."""
        (tmp_path / "numpy").mkdir()
        (tmp_path / "numpy" / "__init__.py").write_text("raise RuntimeError('another numpy')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("PYTHONHOME", str(tmp_path))
        return tmp_path

    def test_it_is_not_inherited(self, block):
        assert str(block) not in json.dumps(engine_python.worker_environment())

    def test_the_worker_works(self, block):
        assert jobs.Job("versions", {}).run_blocking()["packages"]["numpy"]

    def test_a_python_that_does_not_start_is_no_fault_of_ours(self, tmp_path, monkeypatch):
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\nPYTHONHOME="{tmp_path}" exec "{sys.executable}" "$@"\n')
        script.chmod(0o755)
        monkeypatch.setenv(engine_python.PYTHON_VARIABLE, str(script))
        with pytest.raises(ModelError, match="the engine's Python does not work") as told:
            jobs.Job("ping", {}).run_blocking()
        assert told.value.file == str(script)
        assert "report" not in told.value.fix

    def test_nor_is_a_package_that_can_not_be_loaded(self):
        from exprgen.networks import worker

        error = ImportError("libwrong.so: cannot open shared object file", name="cv2")
        assert isinstance(worker._fault(error), ModelError)
        assert isinstance(worker._fault(OSError(28, "No space left on device")), OutputError)

    def test_few_descriptors(self, monkeypatch):
        def none(*_):
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(worker_process, "start_piped", none)
        with pytest.raises(OutputError, match=r"Too many open files.*ulimit -n"):
            worker_process.WorkerProcess()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A character, weights and a clip in one folder."""
    pytest.importorskip("bpy")
    pytest.importorskip("av")
    try:
        landmark_model.landmark_model()
    except ExprGenError:
        pytest.skip("the face landmark model is not here")
    folder = tmp_path_factory.mktemp("house")
    tiny_weights.write(folder / "weights", [synthetic.build(folder, "ann", primary=True)])
    synthetic.speaking_clip(folder / "clip.mp4", frames=16)
    synthetic.speaking_clip(folder / "long.mp4", frames=200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WEIGHTS_VARIABLE, str(folder / "weights"))
        yield folder


def retarget(house, clip, out, *options) -> list:
    return ["retarget", house / clip, "--primary", house / "ann.json", "--out", out, *options]


@contextlib.contextmanager
def limited(size: int):
    """No file may grow beyond so many bytes, in this process and those that it starts."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestFull:
    """A disk that fills, a limit of a file's size, few descriptors: exit 6, nothing left.

    In this process where that can be: each start of a command with Blender takes seconds.
    """

    def check(self, code: int, said: str, place: Path, told: str, there=()) -> None:
        assert code == EXIT_OUTPUT, said
        assert told in said
        assert "Traceback" not in said
        assert sorted(p.name for p in place.iterdir()) == sorted(there)

    def test_a_limit_of_a_files_size(self, house, tmp_path, capfd):
        track = tmp_path / "t.npz"
        track.write_bytes(b"an older one")
        words = ["analyse", house / "clip.mp4", "--primary", house / "ann.json", "--out", track]
        with limited(1 << 15):
            code = main.main([str(w) for w in words])
        self.check(code, capfd.readouterr().err, tmp_path, "File too large", ["t.npz"])
        assert track.read_bytes() == b"an older one"

    def test_a_checkpoint(self, tmp_path, capfd):
        (tmp_path / "w").mkdir()
        words = ["train", "hcnn", "--data", "drawn:70", "--out", tmp_path / "w.safetensors"]
        words += ["--sizes", "32:2:0.003", "--threads", "1"]
        with limited(1 << 15):
            code = main.main([str(w) for w in words])
        self.check(code, capfd.readouterr().err, tmp_path / "w", "File too large")

    def test_a_blend(self, tmp_path):
        bpy = pytest.importorskip("bpy")
        from exprgen.exprgen_addon.keying import takes

        takes.new_file()
        bpy.ops.mesh.primitive_uv_sphere_add(segments=200, ring_count=200)
        (tmp_path / "t.blend").write_bytes(b"an older one")
        with limited(20000), pytest.raises(OutputError):
            takes.save_file(tmp_path / "t.blend")
        takes.new_file()
        assert (tmp_path / "t.blend").read_bytes() == b"an older one"
        assert [p.name for p in tmp_path.iterdir()] == ["t.blend"]

    def test_few_descriptors(self, house, tmp_path):
        done = exprgen(*retarget(house, "clip.mp4", tmp_path / "t.blend"), before="ulimit -n 12;")
        self.check(done.returncode, done.stderr.decode(), tmp_path, "ulimit -n")

    def test_a_full_disk(self, house, tmp_path, capfd):
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("can't mount a small disk")
        try:
            words = retarget(house, "clip.mp4", disk / "t.blend", "--tracks", disk)
            code = main.main([str(w) for w in words])
            self.check(code, capfd.readouterr().err, disk, "No space left")
        finally:
            subprocess.run(["umount", str(disk)], check=True)


class TestSignals:
    def test_a_command_ends_clean(self, house, tmp_path):
        out, place = tmp_path / "out", tmp_path / "tmp"
        out.mkdir()
        place.mkdir()
        process = subprocess.Popen(
            [*COMMAND, *map(str, retarget(house, "long.mp4", out / "t.blend", "--tracks", out))],
            stderr=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(place)},
        )
        for _ in range(400):
            if list(out.glob(".spool-*")):
                break
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGHUP)
        _, told = process.communicate(timeout=60)
        assert process.returncode == EXIT_INTERRUPTED, told
        assert b"Traceback" not in told
        assert not list(place.iterdir()), "no temporary folder stays"
        assert not list(out.glob(".*")), "and no spool"

    def test_a_second_look_that_is_stopped_leaves_the_first_whole(self, house, tmp_path):
        """Of a track and of a .blend: what came of it goes beside."""
        for name in ("t.npz", "t.blend", "face.npz"):
            (tmp_path / name).write_bytes(b"")
        face = synthetic.face_track(frames=12)
        face.save(tmp_path / "face.npz")
        process = subprocess.Popen(
            [
                *COMMAND,
                *map(str, retarget(house, "long.mp4", tmp_path / "t.blend", "--tracks", tmp_path)),
            ],
            stderr=subprocess.PIPE,
        )
        while b"analyse" not in process.stderr.readline():  # it has seen its first frame
            assert process.poll() is None
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
        assert process.returncode == EXIT_INTERRUPTED, told
        assert (tmp_path / "t.blend").read_bytes() == b""
        assert len(type(face).load(tmp_path / "face.npz")) == 12
        if (tmp_path / "face.partial.npz").exists():  # a face was seen before it was stopped
            assert b"stays" in told
            assert (tmp_path / "t.partial.blend").stat().st_size > 1000
