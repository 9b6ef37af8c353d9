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

from exprgen.exprgen_addon.command_line import batch, main, parser, places, shot_outputs
from exprgen.exprgen_addon.command_line.shot_list import ShotListError, load_shots
from exprgen.networks import locks
from exprgen.networks.characters.profile import find_character
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
        return code, json.loads(capfd.readouterr().out.splitlines()[-1])

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

    @pytest.mark.parametrize("column", ["out", "preview", "render", "tracks", "face", "actor"])
    @pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"])
    def test_what_is_no_text_is_named(self, house, column, bad):
        (error,) = self.errors(write(house, {column: bad}, name="shots.json"))
        assert f"column {column}" in error.problem

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

    def test_pictures_of_a_longer_run_are_set_aside(self, house, result):
        result(write(house, {"render": "p", "start_frame": "5"}))
        (house / "p/mine.txt").write_text("kept")
        (row,) = result(write(house, {"render": "p", "start_frame": "2"}))[1]["shots"]
        made = sorted(files(house / "p"))
        assert made == ["ann/000000.png", "ann/000001.png", "mine.txt"]
        aside = [f"ann/00000{i}.png" for i in (2, 3, 4)]
        assert sorted(files(house / "p.kept1")) == aside
        assert sorted(row["kept"]) == [str(house / "p.kept1" / name) for name in aside]

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


class TestKeeps:
    """Nothing that a person made, or that this batch did not, is ever lost."""

    def again(self, *_) -> None:
        batch._content.cache_clear()  # as a later run would

    def test_an_edited_take_is_set_aside_and_told(self, house, capfd):
        path = write(house, {"emphasis": "0.5"})
        run(path)
        made = (house / "out/s1.blend").read_text()
        (house / "out/s1.blend").write_text("edited by hand")
        (house / "ann.blend").write_bytes(b"corrected")
        self.again()
        assert run(path) == EXIT_OK
        assert (house / "out/s1.kept1.blend").read_text() == "edited by hand"
        assert (house / "out/s1.blend").read_text() == made
        told = capfd.readouterr().err
        assert f"s1: {house / 'out/s1.blend'} is not as this batch made it: kept as" in told
        assert sorted(files(house / "out")) == ["s1.blend", "s1.kept1.blend"]

    def test_of_the_same_size_too(self, house):
        path = write(house, {})
        run(path)
        take = house / "out/s1.blend"
        edited = take.read_text().replace("whole", "mines")
        take.write_text(edited)
        self.again()
        run(path)
        assert (house / "out/s1.kept1.blend").read_text() == edited

    def test_what_was_only_copied_or_touched_is_as_it_was_made(self, house, result):
        path = write(house, {})
        run(path)
        os.utime(house / "out/s1.blend", (1, 1))
        assert result(path)[1]["skipped"] == 1

    def test_again_overwrites(self, house):
        path = write(house, {})
        run(path)
        (house / "out/s1.blend").write_text("edited by hand")
        assert run(path, "--again") == EXIT_OK
        assert list(files(house / "out")) == ["s1.blend"]

    def test_what_no_run_made_is_set_aside(self, house):
        (house / "out").mkdir()
        (house / "out/s1.blend").write_text("mine")
        assert run(write(house, {})) == EXIT_OK
        assert (house / "out/s1.kept1.blend").read_text() == "mine"

    def test_a_take_that_moved_to_another_name_stays(self, house):
        run(write(house, {"out": "out/a_v1.blend"}))
        (house / "out/a_v1.blend").write_text("edited by hand")
        run(write(house, {"out": "out/a_v2.blend"}))
        assert (house / "out/a_v1.blend").read_text() == "edited by hand"
        assert (house / "out/a_v2.blend").exists()

    @pytest.mark.parametrize(
        "name", ["{abs}", "../mine.txt", "out/../../mine.txt", "p/../mine.txt"]
    )
    def test_a_states_file_removes_nothing(self, house, name, tmp_path_factory):
        other = tmp_path_factory.mktemp("other") / "mine.txt"
        others = [other, house.parent / "mine.txt", house / "mine.txt"]
        for file in others:
            file.write_text("mine")
        path = write(house, {"render": "p"})
        run(path)
        state = house / "shots.exprgen/s1.json"
        data = json.loads(state.read_text())
        name = name.replace("{abs}", str(other))
        for outputs in ({name: 4}, {**data["outputs"], name: 4}):
            state.write_text(json.dumps({**data, "outputs": outputs, "coming": {name: 4}}))
            self.again()
            assert run(path) == EXIT_OK
            assert [f.read_text() for f in others] == ["mine"] * 3

    @pytest.mark.parametrize(
        "damaged",
        ["", "[]", "42", "{", '{"shot": 3}', '{"shot": "s1", "state": "done", "outputs": [1]}',
         '{"shot": "s1", "state": "done", "outputs": {"out/s1.blend": {}}}', "[" * 100000],
    )  # fmt: skip
    def test_a_damaged_state_is_none(self, house, result, damaged):
        path = write(house, {})
        run(path)
        (house / "shots.exprgen/s1.json").write_text(damaged)
        assert [r["state"] for r in result(path, "--check")[1]["shots"]] == ["to do"]
        assert run(path) == EXIT_OK

    @pytest.mark.parametrize(
        "outputs", ['{"out/s1.blend": Infinity}', '{"p/\\u0000": 4}', '{"p/\\ud800": 4}', "[]"]
    )
    def test_so_is_one_with_what_is_no_size_or_no_name(self, house, outputs):
        path = write(house, {"render": "p"})
        (house / "shots.exprgen").mkdir()
        text = f'{{"shot": "s1", "state": "done", "outputs": {outputs}}}'
        (house / "shots.exprgen/s1.json").write_text(text)
        assert run(path) == EXIT_OK
        assert (house / "shots.exprgen/s1.kept1.json").read_text() == text

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
    def test_pipes_are_read_by_nobody(self, house, capfd):
        path = write(house, {})
        (house / "shots.exprgen").mkdir()
        os.mkfifo(house / "shots.exprgen/s1.json")
        assert run(path) == EXIT_OK
        os.mkfifo(house / "pipe.mp4")
        assert run(write(house, {"reference": "pipe.mp4"})) == EXIT_INPUT
        assert "column reference" in capfd.readouterr().err

    def test_what_is_no_log_is_set_aside(self, house):
        logs = house / "shots.exprgen"
        logs.mkdir()
        (house / "mine").write_text("mine")
        (logs / "s1.log").symlink_to(house / "mine")
        (logs / "s2.log").write_text("mine too")
        path = write(house, {}, {})
        for _ in range(2):
            assert run(path, "--again") == EXIT_OK
        assert (house / "mine").read_text() == "mine"
        assert (logs / "s2.kept1.log").read_text() == "mine too"
        assert len(list(logs.glob("*kept*"))) == 2, "logs of ours are written anew"

    def test_swapped_outputs_are_not_done(self, house, result):
        rows = [
            {"emphasis": "0.1", "out": "out/a.blend"},
            {"emphasis": "0.2", "out": "out/b.blend"},
        ]
        run(write(house, *rows))
        for row, out in zip(rows, ("out/b.blend", "out/a.blend"), strict=True):
            row["out"] = out
        path = write(house, *rows)
        said = result(path, "--check")[1]
        assert [r["state"] for r in said["shots"]] == ["changed", "changed"]
        assert run(path) == EXIT_OK
        assert "--emphasis=0.2" in (house / "out/a.blend").read_text()
        assert "--emphasis=0.1" in (house / "out/b.blend").read_text()

    def test_a_partial_take_goes_beside_a_whole_one(self, house, result):
        path = write(house, {"render": "p"})
        run(path)
        whole = files(house / "out") | files(house / "p")
        (house / "ok.mp4").write_text("partial now")
        self.again()
        code, said = result(path)
        assert code == EXIT_PARTIAL
        assert {n: files(house / "out").get(n) or files(house / "p")[n] for n in whole} == whole
        assert sorted(files(house / "p.partial")) == [f"ann/00000{i}.png" for i in range(3)]
        assert (house / "out/s1.partial.blend").exists()
        assert len(said["shots"][0]["kept"]) == 2
        assert result(path)[1]["skipped"] == 1, "it is all that can be made"
        (house / "ok.mp4").write_text("ok again")
        self.again()
        assert run(path) == EXIT_OK
        assert not list(house.glob("out/*kept*"))

    def test_a_first_partial_take_has_the_name_until_a_whole_one_comes(self, house):
        path = write(house, {"reference": "partial.mp4"})
        for _ in range(2):
            assert run(path, "--again") == EXIT_PARTIAL
            assert list(files(house / "out")) == ["s1.blend"]
        (house / "partial.mp4").write_text("ok now")
        self.again()
        assert run(path) == EXIT_OK
        assert list(files(house / "out")) == ["s1.blend"]

    def test_states_of_the_version_before_count(self, house, result):
        path = write(house, {"render": "p"})
        run(path)
        state = house / "shots.exprgen/s1.json"
        data = json.loads(state.read_text())
        data["outputs"] = {name: made["size"] for name, made in data["outputs"].items()}
        del data["coming"]
        state.write_text(json.dumps(data))
        assert result(path)[1]["skipped"] == 1

    def test_killed_while_files_get_their_names(self, house, monkeypatch):
        """What one run had begun to put there is known to be ExprGen's: nothing is set aside."""
        path = write(house, {"render": "p"})
        put, left = shot_outputs.rename_to_new, [2]

        def until_killed(old, new):
            if Path(new).suffix == ".png":
                left[0] -= 1
                if not left[0]:
                    raise KeyboardInterrupt
            put(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(shot_outputs, "rename_to_new", until_killed)
            run(path)
        assert (house / "out/s1.blend").exists()
        assert run(path) == EXIT_OK
        assert not list(house.rglob("*kept*"))
        assert not list(house.rglob(".*"))


class TestInputs:
    """No output takes the place of what is read."""

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            ({"preview": "ok.mp4"}, "column preview: would replace the reference of row 2"),
            ({"preview": "slow.mp4"}, "column preview: would replace the reference of row 3"),
            ({"out": "ann.blend"}, "column out: would replace the character ann"),
            ({"out": "bob.blend", "secondary": "bob.json"}, "would replace the character bob"),
            ({"preview": "link/ok.mp4"}, "would replace the reference"),
            ({"preview": "sub/../ok.mp4"}, "would replace the reference"),
            ({"preview": "hard.mp4"}, "would replace the reference"),
            ({"preview": "soft.mp4"}, "would replace the reference"),
        ],
    )
    def test_in_a_list(self, house, capfd, row, told):
        (house / "link").symlink_to(house, target_is_directory=True)
        (house / "sub").mkdir()
        (house / "hard.mp4").hardlink_to(house / "ok.mp4")
        (house / "soft.mp4").symlink_to(house / "ok.mp4")
        path = write(house, row, {"reference": "slow.mp4"})
        assert run(path, "--check") == EXIT_USAGE
        assert told in capfd.readouterr().err

    @pytest.mark.parametrize(
        ("reference", "render", "told"),
        [
            ("p/ann", "p", "would replace the reference"),
            ("p/ann/000000.png", "p", "would replace the reference"),
            ("p/ann/deep/000000.png", "p", "would replace the reference"),
            ("p/soft/000000.png", "p", "would replace the reference"),
            ("p/ann/deep/link.png", "link", "would replace the reference"),
        ],
    )
    def test_nor_is_a_picture_of_it_rendered_over(self, house, capfd, reference, render, told):
        deep = house / "p/ann/deep"
        deep.mkdir(parents=True)
        for folder in (deep, deep.parent):
            (folder / "000000.png").write_text("ok")
        (house / "p/soft").symlink_to(deep, target_is_directory=True)
        (house / "link").symlink_to(house / "p", target_is_directory=True)
        (deep / "link.png").symlink_to(house / "ok.mp4")
        path = write(house, {"reference": reference, "render": render})
        assert run(path, "--again") == EXIT_USAGE
        assert told in capfd.readouterr().err
        filled = places.picture_folders(house / render, [find_character(str(house / "ann.json"))])
        with pytest.raises(UsageError, match="--render would write among what is read"):
            places.check_outputs({}, [house / reference], (), {"render": filled})

    def test_beside_footage_is_fine(self, house):
        assert run(write(house, {"render": ".", "tracks": "."}), "--check") == EXIT_OK

    @pytest.mark.parametrize(
        ("shot", "list_name", "told"),
        [("ann", "shots.csv", "the profile of ann"), ("shots", "shots.json", "the list itself")],
    )
    def test_by_its_logs(self, house, capfd, shot, list_name, told):
        path = write(house, {"shot": shot}, name=list_name)
        before = files(house)
        assert run(path, "--logs", house) == EXIT_USAGE
        assert f"--logs would replace {told}" in capfd.readouterr().err
        assert files(house) == before

    def test_what_ships_with_exprgen(self, house, capfd):
        sample = places.SAMPLE_RIGS / "reference" / "reference.mp4"
        assert run(write(house, {"preview": str(sample)}), "--check") == EXIT_USAGE
        assert "ships with ExprGen" in capfd.readouterr().err

    def test_one_place_by_two_ways(self, house, capfd):
        (house / "out").mkdir()
        (house / "link").symlink_to(house / "out", target_is_directory=True)
        assert run(write(house, {"out": "out/a.blend"}, {"out": "link/a.blend"})) == EXIT_USAGE
        assert "the same place as row 2" in capfd.readouterr().err

    def test_of_a_single_command(self, house):
        for output, told in (("ok.mp4", "what is read"), ("ann.blend", "the character ann")):
            with pytest.raises(UsageError, match=f"--preview would replace {told}"):
                places.check_outputs(
                    {"out": None, "preview": house / output},
                    [house / "ok.mp4"],
                    [find_character(str(house / "ann.json"))],
                )
        pictures = house / "pictures"
        pictures.mkdir()
        (pictures / "1.png").write_text("x")
        places.check_outputs({"sheet": pictures / "2.png"}, [pictures])
        with pytest.raises(UsageError, match="a file of what is read"):
            places.check_outputs({"sheet": pictures / "1.png"}, [pictures])


class TestLongLists:
    def test_ten_thousand_rows_are_checked_in_seconds(self, house, capfd):
        rows = [{"gain": f"mouth={1 + i % 7 / 10}", "preview": f"f/s{i}.mp4"} for i in range(10000)]
        path = write(house, *rows)
        began = time.process_time()  # others may be at work on this machine
        assert run(path, "--check") == EXIT_OK
        assert time.process_time() - began < 8
        assert capfd.readouterr().out.count("to do") == 10000

    def test_one_shot_is_checked_alone(self, house, capfd):
        path = write(house, {"fps": "x"}, {}, {"reference": "no.mp4"}, {})
        assert run(path, "--shot", "s2") == EXIT_OK
        assert run(path, "--numbers", "4") == EXIT_OK
        assert run(path, "--shot", "s1") == EXIT_USAGE
        assert "row 2" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
class TestTwoAtOnce:
    """Two batches on one list, as a farm that tries again makes them."""

    def test_each_shot_is_done_once(self, house, result):
        path = write(house, *({"reference": "wait.mp4", "emphasis": f"0.{i}"} for i in range(3)))
        (house / "wait.mp4").write_text("wait")
        words = [sys.executable, "-c", TestStops.CODE, str(FAKE), "batch", str(path), "--json"]
        both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for _ in range(200):
            if len(list((house / "shots.exprgen").glob("*.lock"))) == 2:
                break
            time.sleep(0.05)
        assert [r["state"] for r in result(path, "--check")[1]["shots"]].count("running") == 2
        (house / "go").touch()
        said = [json.loads(p.communicate(timeout=60)[0]) for p in both]
        assert [p.returncode for p in both] == [0, 0]
        assert [s["done"] for s in said] == [3, 3]
        assert sum(s["skipped"] for s in said) == 3, "what one made the other took as done"
        assert sorted(files(house / "out")) == ["s1.blend", "s2.blend", "s3.blend"]
        assert not list(house.rglob(".*"))

    def test_two_lists_with_one_output_lose_nothing(self, house):
        """What somebody made stays, and so does what the other list made."""
        (house / "out").mkdir()
        (house / "out/s1.blend").write_text("mine")
        lists = [write(house, {"emphasis": f"0.{i}"}, name=f"l{i}.csv") for i in range(4)]
        words = [sys.executable, "-c", TestStops.CODE, str(FAKE), "batch"]
        running = [subprocess.Popen([*words, str(p)]) for p in lists]
        assert [p.wait(60) for p in running] == [0] * 4
        found = list(files(house / "out").values())
        assert len(found) == 5
        assert "mine" in found
        assert {f"0.{i}" for i in range(4)} == {
            n for n in ("0.0", "0.1", "0.2", "0.3") if any(f"={n}" in text for text in found)
        }

    def test_what_is_set_aside_at_once_takes_no_others_place(self, tmp_path):
        code = (
            "import os, sys; from pathlib import Path; from exprgen.networks import files\n"
            "for i in range(40):\n"
            "    part = Path(sys.argv[1], f'{sys.argv[2]}{i}.part'); part.write_text(part.name)\n"
            "    path = Path(sys.argv[1], 'x.txt')\n"
            "    try: files.set_aside(path)\n"
            "    except FileNotFoundError: pass\n"
            "    try: os.link(part, path)\n"
            "    except FileExistsError: pass\n"
            "    else: os.unlink(part)\n"
        )
        both = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path), c]) for c in ("a", "b")
        ]
        assert [p.wait(60) for p in both] == [0, 0]
        told = sorted(p.read_text() for p in tmp_path.iterdir())
        assert told == sorted(f"{c}{i}.part" for c in "ab" for i in range(40))

    def test_a_lock_ends_with_its_process(self, tmp_path):
        code = "import sys, time; from exprgen.networks.locks import Lock; "
        code += f"lock = Lock({str(tmp_path / 'x.lock')!r}); print(lock.take(), flush=True); "
        process = subprocess.Popen(
            [sys.executable, "-c", code + "time.sleep(60)"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "True\n"
        lock = locks.Lock(tmp_path / "x.lock")
        assert (lock.is_held(), lock.take()) == (True, False)
        process.kill()
        process.communicate()
        assert not lock.is_held()
        assert lock.take()
        assert lock.is_held()
        lock.release()
        assert not list(tmp_path.iterdir())


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

        def half() -> str:
            return next((path.parent / "out").glob(".exprgen-*/s2.blend")).read_text()

        for _ in range(300):
            with contextlib.suppress(OSError, StopIteration):
                if half() == "half":
                    return process
            time.sleep(0.05)
        process.kill()
        raise AssertionError(process.communicate())

    def shots(self, house: Path, second: str) -> Path:
        return write(house, {"emphasis": "0"}, {"reference": f"{second}.mp4"}, {"emphasis": "1"})

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
    def test_a_list_whose_path_has_apostrophes(self, house, command):
        folder = house / "it's Ann's"
        folder.mkdir()
        for name in ("ok.mp4", "ann.json", "ann.blend"):
            (folder / name).write_bytes((house / name).read_bytes())
        done = self.script("Shot", command, write(folder, {}))
        assert done.wait() == 0
        assert sorted(files(folder / "out")) == ["s1.blend"]
        assert self.script("Report", command, folder / "shots.csv").wait() == 0

    def script(self, step: str, command: str, shots: Path) -> subprocess.Popen:
        """A step's script as a farm starts it, without the farm."""
        yaml = pytest.importorskip("yaml")
        steps = {s["name"]: s["script"] for s in yaml.safe_load(self.TEMPLATE.read_text())["steps"]}
        (file,) = steps[step]["embeddedFiles"]
        run = shots.with_name(f"{step}.sh")
        values = {
            "{{Param.Command}}": command,
            "{{Param.ShotList}}": str(shots),
            "{{Param.Cores}}": "0",
            "{{Task.Param.Number}}": "1",
            "{{Task.File.Run}}": str(run),
        }

        def filled(text: str) -> str:
            for name, value in values.items():
                text = text.replace(name, value)
            assert "{{" not in text
            return text

        run.write_text(filled(file["data"]))
        words = [filled(a) for a in steps[step]["actions"]["onRun"]["args"]]
        return subprocess.Popen(["bash", *words], stdout=subprocess.PIPE, text=True)

    @pytest.mark.skipif(os.name == "nt", reason="the template's scripts are for bash")
    def test_a_cancelled_shot_ends_its_task_with_its_own_code(self, tmp_path):
        """Whenever the signal comes: the shot is stopped too, and waited for."""
        shot = tmp_path / "shot.sh"
        shot.write_text(
            f"trap 'exit 5' TERM; echo $$ > {tmp_path}/pid; "
            f"touch {tmp_path}/ready; for i in $(seq 3000); do sleep 0.01; done\n"
        )
        for delay in (0.0, 0.002, 0.004, 0.006, 0.01, 0.02, None, None):
            for name in ("ready", "pid"):
                (tmp_path / name).unlink(missing_ok=True)
            task = self.script("Shot", f"bash {shot}", tmp_path / "shots.csv")
            if delay is None:
                while not (tmp_path / "ready").exists():
                    time.sleep(0.01)
            else:
                time.sleep(delay)
            task.terminate()
            code = task.wait(timeout=10)
            assert code in ((5,) if delay is None else (5, 143, -15)), delay
            if (tmp_path / "pid").exists():
                number = (tmp_path / "pid").read_text().strip()
                assert not number or not Path(f"/proc/{number}").exists()

    @pytest.mark.skipif(os.name == "nt", reason="the template's scripts are for bash")
    def test_a_failed_shot_fails_its_task(self, house, command):
        path = write(house, {}, {"reference": "fail.mp4"})
        words = ["run", self.TEMPLATE, "-p", f"ShotList={path}", "-p", "Shots=2"]
        words += ["-p", f"Command={command}", "--step", "Shot", "--task-param", "Number=2"]
        done = self.openjd(*words)
        assert done.returncode != 0
        assert "shows no face" in done.stdout
        assert "exit code 3" in done.stdout
