"""Batch: shot lists and their mistakes; runs that fail, are stopped, killed, and go on."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exprgen.exprgen_addon.command_line import batch, main, parser
from exprgen.exprgen_addon.command_line.shot_list import ShotListError, load_shots
from exprgen.networks.cores import CORES_VARIABLE, cores
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_USAGE,
    ExprGenError,
    InputError,
    UsageError,
)
from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE
from exprgen.tests.support import synthetic

FAKE = Path(__file__).parents[2] / "support" / "fake_retarget.py"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Shots run `fake_retarget.py`; nothing is remembered of files of other tests."""
    monkeypatch.setattr(batch, "shot_command", lambda: [sys.executable, str(FAKE)])
    batch._content.cache_clear()


@pytest.fixture
def weights(tmp_path_factory, monkeypatch) -> Path:
    """The folder of the networks, with those that the two characters need; not looked at."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("rig_regressor_ann", "rig_regressor_bob", "character_mlp_ann_bob"):
        (folder / f"{name}.safetensors").write_bytes(b"old")
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(folder))
    return folder


@pytest.fixture
def house(tmp_path, weights) -> Path:
    """A folder with two characters whose .blend is not looked at, and footage of each kind."""
    for name in ("ann", "bob"):
        synthetic.profile(name, primary=name == "ann").save(tmp_path / f"{name}.json")
        (tmp_path / f"{name}.blend").write_bytes(b"not looked at")
    for kind in ("ok", "partial", "fail", "crash", "slow"):
        (tmp_path / f"{kind}.mp4").write_text(kind)
    return tmp_path


def write(folder: Path, *rows: dict, name: str = "shots.csv", delimiter: str = ",") -> Path:
    """A list of these rows; what they don't say is filled in."""
    full = [
        {
            "shot": f"s{i}",
            "reference": "ok.mp4",
            "primary": "ann.json",
            "out": f"out/s{i}.blend",
            **row,
        }
        for i, row in enumerate(rows, start=1)
    ]
    path = folder / name
    if path.suffix == ".json":
        path.write_text(json.dumps(full))
        return path
    columns = list(dict.fromkeys(c for row in full for c in row))
    with open(path, "w", newline="") as stream:
        table = csv.DictWriter(stream, columns, delimiter=delimiter)
        table.writeheader()
        table.writerows(full)
    return path


def run(path: Path, *options) -> int:
    return main.main(["batch", str(path), *map(str, options)])


@pytest.fixture
def result(capfd):
    """Run with --json -> (exit code, result)."""

    def run_json(path: Path, *options) -> tuple[int, dict]:
        code = run(path, *options, "--json")
        return code, json.loads(capfd.readouterr().out)

    return run_json


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


class TestLists:
    """What may stand in a list, and what is said of what may not."""

    def errors(self, path: Path) -> list[ExprGenError]:
        with pytest.raises(ShotListError) as told:
            load_shots(path)
        return told.value.errors

    def test_csv_and_json_say_the_same(self, house):
        row = {"secondaries": "bob.json", "gain": "mouth=1.2; brow=0.8", "No head": "yes"}
        from_csv = load_shots(write(house, row))
        row = {"secondaries": ["bob.json"], "gain": {"mouth": 1.2, "brow": 0.8}, "no_head": True}
        from_json = load_shots(write(house, row, name="shots.json"))
        assert from_csv[0].cells == from_json[0].cells
        assert from_csv[0].words({}) == from_json[0].words({})
        assert from_csv[0].words({})[:2] == ["retarget", str(house / "ok.mp4")]
        args = parser.build_parser().parse_args(from_csv[0].words({}))
        assert (args.gain, args.no_head) == ([("mouth", 1.2), ("brow", 0.8)], True)
        assert args.secondary == [str(house / "bob.json")]

    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_tables_of_other_spreadsheets(self, house, delimiter):
        path = write(house, {"range": "0:1.5"}, delimiter=delimiter)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert load_shots(path)[0].cells["range"] == ("0:1.5",)

    def test_paths_are_relative_to_the_list(self, house, monkeypatch):
        path = write(house, {"render": "pictures"})
        monkeypatch.chdir("/")
        shot = load_shots(path)[0]
        assert shot.outputs == {"out": house / "out/s1.blend", "render": house / "pictures"}
        assert not (house / "out").exists(), "looking makes nothing"

    def test_empty_rows_and_rows_out_of_use_keep_their_count(self, house):
        path = write(house, {}, {"shot": "# later"}, {"shot": "", "reference": "", "out": ""}, {})
        text = path.read_text().replace(",ann.json,\n", ",,\n")
        path.write_text(text)
        assert [(s.name, s.number, s.row) for s in load_shots(path)] == [("s1", 1, 2), ("s4", 2, 5)]

    def test_defaults_of_a_json_list(self, house):
        path = house / "shots.json"
        shots = [{"shot": n, "out": f"{n}.blend"} for n in ("a", "b")]
        shots[1]["emphasis"] = 0
        defaults = {"reference": "ok.mp4", "primary": "ann.json", "emphasis": 1}
        path.write_text(json.dumps({"defaults": defaults, "shots": shots}))
        assert [s.cells["emphasis"] for s in load_shots(path)] == [("1",), ("0",)]

    @pytest.mark.parametrize(
        ("row", "column", "told", "kind"),
        [
            ({"reference": "no.mp4"}, "reference", "there is no", InputError),
            ({"primary": "nobody"}, "primary", "no character 'nobody'", UsageError),
            ({"primary": ""}, "primary", "is empty", UsageError),
            ({"secondaries": "bob.json;ann.json"}, "secondary", "named twice", UsageError),
            ({"out": "a.fbx"}, "out", "wrong ending", ExprGenError),
            ({"out": "ok.mp4/a.blend"}, "out", "not a folder", ExprGenError),
            ({"gain": "elbow=2"}, "gain", "elbow", UsageError),
            ({"gain": "mouth"}, "gain", "REGION=NUMBER", UsageError),
            ({"fps": "fast"}, "fps", "'fast'", UsageError),
            ({"fps": "0"}, "fps", "frames per second", UsageError),
            ({"size": "3"}, "size", "pixels", UsageError),
            ({"range": "3:1"}, "range", "empty", UsageError),
            ({"interpolation": "wavy"}, "interpolation", "unknown", UsageError),
            ({"no_head": "perhaps"}, "no_head", "neither yes nor no", UsageError),
            ({"shot": "../up"}, "shot", "can't name a file", UsageError),
        ],
        ids=lambda v: "-".join(v.values()) if isinstance(v, dict) else "",
    )
    def test_a_bad_cell_is_named(self, house, row, column, told, kind):
        path = write(house, {}, row)
        (error,) = self.errors(path)
        assert isinstance(error, kind)
        assert error.file == str(path)
        assert f"row 3, shot {row.get('shot', 's2')}, column {column}: " in error.problem
        assert told in error.problem
        assert error.fix

    def test_all_mistakes_are_told_at_once(self, house):
        path = write(house, {"fps": "x"}, {}, {"primary": "nobody"}, {"out": "out/s2.blend"})
        problems = [e.problem for e in self.errors(path)]
        assert [p.split(":")[0] for p in problems] == [
            "row 2, shot s1, column fps",
            "row 4, shot s3, column primary",
            "row 5, shot s4, column out",
        ]
        assert "as row 3" in problems[2]

    @pytest.mark.parametrize(
        ("text", "told", "fix"),
        [
            ("", "holds no shots", "row"),
            ("shot,reference,primary,out\n", "holds no shots", "row"),
            ("shot,reference,primary,out,gian\na,b,c,d,e\n", "'gian'", "'gain'"),
            ("shot,reference,primary\na,b,c\n", "no column 'out'", "every shot"),
            ("shot,shot,reference,primary,out\n", "twice", "keep one"),
            ("shot,reference,primary,out\na,b,c,d,e\n", "row 2 has 5 cells", "quotes"),
        ],
    )
    def test_a_bad_table(self, house, text, told, fix):
        path = house / "shots.csv"
        path.write_text(text)
        with pytest.raises(ExprGenError, match=told) as error:
            load_shots(path)
        assert fix in error.value.fix

    @pytest.mark.parametrize("text", ["{", "3", '{"shot": "a"}', "[3]", '[{"shot": "a"}]'])
    def test_a_bad_json(self, house, text):
        path = house / "shots.json"
        path.write_text(text)
        with pytest.raises(ExprGenError, match=r"shots\.json"):
            load_shots(path)

    def test_characters_without_a_network(self, house, weights):
        """Told before anything runs, with the row, and who could lead instead."""
        (weights / "rig_regressor_bob.safetensors").unlink()
        lost = {"primary": "bob.json", "secondary": "ann.json"}
        path = write(house, lost, {"secondary": "bob.json"})
        with pytest.raises(ShotListError) as caught:
            load_shots(path)
        (error,) = caught.value.errors
        assert "row 2, shot s1, column primary: bob has no network" in error.problem
        assert "make ann the primary and bob a secondary" in error.fix
        (weights / "character_mlp_ann_bob.safetensors").unlink()
        with pytest.raises(ShotListError, match="column secondary: no network leads from ann to"):
            load_shots(write(house, {"secondary": "bob.json"}))

    def test_nothing_runs_while_a_row_is_bad(self, house, capfd):
        path = write(house, {}, {"fps": "x"}, {"reference": "no.mp4"})
        before = files(house)
        assert run(path) == EXIT_USAGE
        told = capfd.readouterr().err
        assert "row 3" in told
        assert "row 4" in told
        assert told.count("fix:") == 2
        assert files(house) == before

    def test_mistakes_as_json(self, house, result):
        code, said = result(write(house, {"fps": "x"}, {"reference": "no.mp4"}))
        assert code == said["error"]["exit_code"] == EXIT_USAGE
        assert [e["kind"] for e in said["errors"]] == ["UsageError", "InputError"]


class TestRuns:
    def test_every_shot_is_made_and_logged(self, house, result):
        path = write(house, {"render": "pictures"}, {"reference": "ok.mp4"})
        code, said = result(path, "--processes", 2)
        assert code == EXIT_OK
        assert (said["done"], said["failed"], said["not_begun"]) == (2, 0, 0)
        made = files(house)
        assert made["out/s1.blend"].startswith("whole")
        assert made["pictures/ann/000002.png"] == "picture 2"
        assert "exprgen retarget" in made["shots.exprgen/s2.log"]
        assert "a line of the log" in made["shots.exprgen/s2.log"]
        state = json.loads(made["shots.exprgen/s1.json"])
        assert state["state"] == "done"
        assert state["exit_code"] == 0
        assert state["result"] == {"frames": 3}
        assert sorted(state["outputs"]) == [
            "out/s1.blend", *(f"pictures/ann/00000{i}.png" for i in range(3))
        ]  # fmt: skip
        assert not list(house.rglob(".*")), "nothing hidden is left"

    def test_failures_stop_no_other(self, house, result):
        kinds = ("ok", "fail", "crash", "partial", "ok")
        path = write(house, *({"reference": f"{k}.mp4"} for k in kinds))
        code, said = result(path)
        assert code == EXIT_PARTIAL
        rows = said["shots"]
        assert [r["state"] for r in rows] == ["done", "failed", "failed", "partial", "done"]
        assert rows[1]["error"]["problem"] == "shows no face"
        assert "signal 9" in rows[2]["error"]["problem"]
        made = files(house / "out")
        assert sorted(made) == ["s1.blend", "s4.blend", "s5.blend"], "no half of one"
        code, said = result(path)
        assert (code, said["skipped"]) == (EXIT_PARTIAL, 3), "the failed ones are tried again"

    def test_one_failed_shot_gives_its_own_code(self, house, capfd):
        path = write(house, {}, {"reference": "fail.mp4"}, {"reference": "crash.mp4"})
        assert run(path, "--shot", "s2") == EXIT_INPUT
        told = capfd.readouterr().err
        assert "shows no face" in told
        assert "fix: look at it" in told
        assert str(house / "shots.exprgen/s2.log") in told
        assert run(path, "--numbers", "3") == 128 + 9

    def test_what_is_done_is_left_alone(self, house, result):
        path = write(house, {"render": "p1"}, {"primary": "bob.json"})
        result(path)
        stamps = {p: p.stat().st_mtime_ns for p in house.rglob("*.blend")}
        code, said = result(path)
        assert (code, said["skipped"]) == (EXIT_OK, 2)
        assert {p: p.stat().st_mtime_ns for p in house.rglob("*.blend")} == stamps
        assert result(path, "--again")[1]["skipped"] == 0

    def test_only_networks_of_its_own_count(self, house, result, weights):
        path = write(house, {}, {"primary": "bob.json"})
        result(path)
        for name in ("judge_0", "character_mlp_bob_carla", "rig_regressor_ann"):
            (weights / f"{name}.safetensors").write_bytes(b"new")
        batch._content.cache_clear()  # as a later run would
        assert [r["state"] for r in result(path, "--check")[1]["shots"]] == ["changed", "done"]
        # One that lies beside a character of one's own counts as well.
        (house / "rig_regressor_bob.safetensors").write_bytes(b"own")
        assert {r["state"] for r in result(path, "--check")[1]["shots"]} == {"changed"}

    @pytest.mark.parametrize("change", ["footage", "option", "character", "gone", "cut"])
    def test_what_changed_is_done_again(self, house, result, change):
        path = write(house, {"emphasis": "0.5"}, {"primary": "bob.json", "emphasis": ""})
        result(path)
        (house / "other.mp4").write_text("ok other")
        if change == "footage":
            path = write(house, {"emphasis": "0.5", "reference": "other.mp4"}, {"primary": "bob.json", "emphasis": ""})  # fmt: skip  # noqa: E501
        elif change == "option":
            path = write(house, {"emphasis": "0.6"}, {"primary": "bob.json", "emphasis": ""})
        elif change == "character":
            (house / "ann.blend").write_bytes(b"corrected")
        elif change == "gone":
            (house / "out/s1.blend").unlink()
        else:
            (house / "out/s1.blend").write_text("who")
        batch._content.cache_clear()
        _, said = result(path, "--check")
        assert [r["state"] for r in said["shots"]] == ["changed", "done"]
        code, said = result(path)
        assert code == EXIT_OK
        assert [r["skipped"] for r in said["shots"]] == [False, True]

    def test_a_list_can_move_with_its_files(self, house, result, tmp_path_factory):
        path = write(house, {"render": "p1"})
        result(path)
        new = tmp_path_factory.mktemp("moved") / "house"
        house.rename(new)
        assert result(new / "shots.csv")[1]["skipped"] == 1

    def test_pictures_of_a_longer_run_go(self, house, result):
        result(write(house, {"render": "p", "start_frame": "5"}))
        (house / "p/mine.txt").write_text("kept")
        result(write(house, {"render": "p", "start_frame": "2"}))
        made = sorted(files(house / "p"))
        assert made == ["ann/000000.png", "ann/000001.png", "mine.txt"]

    def test_check_runs_nothing(self, house, result):
        path = write(house, {}, {})
        before = files(house)
        code, said = result(path, "--check")
        assert (code, [r["state"] for r in said["shots"]]) == (EXIT_OK, ["to do", "to do"])
        assert files(house) == before

    @pytest.mark.parametrize(
        "options", [("--shot", "s9"), ("--numbers", "7"), ("--numbers", "a"), ("--processes", "0")]
    )
    def test_shots_that_are_not_there(self, house, options):
        assert run(write(house, {}, {}), *options) == EXIT_USAGE

    def test_a_range_of_numbers(self, house, result):
        _, said = result(write(house, {}, {}, {}, {}), "--numbers", "2-3")
        assert [r["shot"] for r in said["shots"]] == ["s2", "s3"]

    def test_shots_share_the_cores(self, monkeypatch):
        monkeypatch.setenv(CORES_VARIABLE, "8")
        assert [batch._environment(n)[CORES_VARIABLE] for n in (1, 3, 20)] == ["8", "2", "1"]
        monkeypatch.setenv(CORES_VARIABLE, "3")
        assert cores() == 3
        monkeypatch.setenv(CORES_VARIABLE, "all")
        assert cores() == os.cpu_count()

    def test_verbose_shows_the_log(self, house, capfd):
        run(write(house, {}), "--verbose")
        assert "s1: warning: a line of the log" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
class TestStops:
    """A batch in a process of its own, ended in the middle of its second shot."""

    CODE = (
        "import sys; from exprgen.exprgen_addon.command_line import batch, main; "
        "fake = sys.argv.pop(1); "
        "batch.shot_command = lambda: [sys.executable, fake]; main.main()"
    )

    def begin(self, path: Path) -> subprocess.Popen:
        words = ["batch", str(path), "--processes", "1"]
        process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(FAKE), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        half = path.parent / "out/.s2.blend.part/s2.blend"
        for _ in range(300):
            with contextlib.suppress(OSError):
                if half.read_text() == "half":
                    return process
            time.sleep(0.05)
        process.kill()
        raise AssertionError(process.communicate())

    def shots(self, house: Path, second: str) -> Path:
        return write(house, {"emphasis": "0"}, {"reference": f"{second}.mp4"}, {"emphasis": "1"})

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_asked_to_stop(self, house, number):
        process = self.begin(self.shots(house, "slow"))
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
        assert process.returncode == EXIT_INTERRUPTED, told
        assert list(files(house / "out")) == ["s1.blend"]
        states = [json.loads((house / f"shots.exprgen/s{i}.json").read_text()) for i in (1, 2)]
        assert [s["state"] for s in states] == ["done", "stopped"]
        assert not (house / "shots.exprgen/s3.json").exists()

    def test_killed_and_gone_on_with(self, house, result):
        path = self.shots(house, "slow")
        process = self.begin(path)
        process.kill()
        process.communicate(timeout=20)
        whole = [p.name for p in (house / "out").glob("*.blend") if p.is_file()]
        assert whole == ["s1.blend"], "nothing half-written has its name"
        code, said = result(path, "--check")
        assert [r["state"] for r in said["shots"]] == ["done", "unfinished", "to do"]
        (house / "slow.mp4").write_text("ok now")
        batch._content.cache_clear()
        code, said = result(path)
        assert code == EXIT_OK
        assert [r["skipped"] for r in said["shots"]] == [True, False, False]
        killed = files(house / "out")
        for p in (house / "out").iterdir():
            p.unlink()
        result(path)
        assert files(house / "out") == killed, "as if it had never been killed"
        assert not list(house.rglob(".*"))


class TestFarm:
    """docs/exprgen.openjd.yaml, run by Open Job Description's own command."""

    TEMPLATE = Path(__file__).parents[3] / "docs" / "exprgen.openjd.yaml"

    def openjd(self, *words) -> subprocess.CompletedProcess:
        pytest.importorskip("openjd.cli")
        return subprocess.run(
            [sys.executable, "-m", "openjd", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @pytest.fixture
    def command(self, house) -> str:
        """`exprgen` with shots that run `fake_retarget.py`."""
        script = house / "run.py"
        script.write_text(
            "import sys; from exprgen.exprgen_addon.command_line import batch, main\n"
            f"batch.shot_command = lambda: [sys.executable, {str(FAKE)!r}]\nmain.main()\n"
        )
        return f"{sys.executable} {script}"

    def test_it_is_valid(self):
        done = self.openjd("check", self.TEMPLATE)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_it_asks_for_what_it_needs(self):
        done = self.openjd("run", self.TEMPLATE, "-p", "ShotList=shots.csv", "--step", "Shot")
        assert done.returncode != 0
        assert "Shots" in done.stdout + done.stderr

    @pytest.mark.skipif(os.name == "nt", reason="the template's scripts are for bash")
    def test_a_task_a_shot_and_a_report(self, house, command):
        path = write(house, {}, {"reference": "partial.mp4"})
        words = ["run", self.TEMPLATE, "-p", f"ShotList={path}", "-p", "Shots=2"]
        words += ["-p", f"Command={command}", "--run-dependencies", "--step", "Report"]
        done = self.openjd(*words)
        assert done.returncode == 0, done.stdout
        assert sorted(files(house / "out")) == ["s1.blend", "s2.blend"]
        assert "done in part, see the log" in done.stdout
        assert "s2                       partial" in done.stdout

    @pytest.mark.skipif(os.name == "nt", reason="the template's scripts are for bash")
    def test_a_failed_shot_fails_its_task(self, house, command):
        path = write(house, {}, {"reference": "fail.mp4"})
        words = ["run", self.TEMPLATE, "-p", f"ShotList={path}", "-p", "Shots=2"]
        words += ["-p", f"Command={command}", "--step", "Shot", "--task-param", "Number=2"]
        done = self.openjd(*words)
        assert done.returncode != 0
        assert "shows no face" in done.stdout
        assert "exit code 3" in done.stdout
