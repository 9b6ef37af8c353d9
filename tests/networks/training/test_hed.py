"""Labelled pictures -> the cache that the trainings read."""

import csv
import os
import signal
import subprocess
import sys
import time
import zipfile

import cv2
import numpy as np
import pytest

from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    InputError,
    OutputError,
)
from exprgen.networks.training import hed
from exprgen.networks.training.shared import copies, hed_cache
from exprgen.networks.training.shared.datasets import load_faces
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support.drawn_face import draw, scene

COLUMNS = ("pack", "file", "label", "subject", "split", *EXPRESSIONS, "contempt", "unknown")


def encoded(picture, suffix=".png"):
    return cv2.imencode(suffix, picture[..., ::-1])[1].tobytes()


def write_table(path, rows):
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def packs(tmp_path):
    """Two packs in zips: one with votes, one with labels and subjects."""
    source = tmp_path / "source"
    source.mkdir()
    with zipfile.ZipFile(source / "small.zip", "w") as archive:
        for i in range(4):
            face = draw(scene(240, 240), 120, 105, 1.15, mouth=i / 4)
            archive.writestr(f"s{i}.png", encoded(cv2.resize(face, (48, 48))))
        archive.writestr("blank.png", encoded(np.full((48, 48, 3), 90, np.uint8)))
        archive.writestr("damaged.png", b"no picture")
    with zipfile.ZipFile(source / "mux.zip", "w") as archive:
        for name in ("a.jpg", "film.jpg"):
            archive.writestr(name, encoded(draw(scene(224, 224), 112, 100), ".jpg"))
    votes = {"joy": 6, "surprise": 2, "contempt": 1, "unknown": 1}
    rows = [{"pack": "small", "file": f"s{i}.png", "label": "joy", **votes} for i in range(4)]
    rows += [
        {"pack": "small", "file": f"{n}.png", "label": "fear", "split": "train", "fear": 10}
        for n in ("blank", "damaged")
    ]
    rows += [
        {"pack": "mux", "file": "a.jpg", "label": "neutral", "subject": "Ann", "split": "val"},
        {"pack": "mux", "file": "film.jpg", "label": "joy", "subject": "Avinash", "split": "val"},
    ]
    write_table(source / "labels.csv", rows)
    return source


def test_votes_become_targets_and_noisy_subjects_are_left_out(packs):
    items = hed.list_items(packs)
    assert [i.source for i in items][-1] == "mux/a.jpg"
    assert len(items) == 7
    target = dict(zip(EXPRESSIONS, items[0].target, strict=True))
    assert target["joy"] == pytest.approx(0.75)
    assert target["surprise"] == pytest.approx(0.25)
    assert sum(target.values()) == pytest.approx(1.0)
    assert items[-1].split == "val"
    assert items[-1].target == tuple(float(e == "neutral") for e in EXPRESSIONS)


def test_cache_from_packs(packs, tmp_path, landmarks_known, capsys):
    out = tmp_path / "cache"
    assert hed.main(["--source", str(packs), "--out", str(out), "--processes", "1"]) == EXIT_OK
    assert "7 pictures, 71.4% with a face" in capsys.readouterr().out
    faces = load_faces(out)
    assert faces.faces.shape == (7, 256, 256)
    assert faces.faces.dtype == np.uint8
    assert list(faces.split[4:6]) == [hed_cache.NO_FACE, hed_cache.NO_FACE]
    np.testing.assert_allclose(faces.targets.sum(1), 1.0)
    assert (faces.geometry[:4] > 0).all()
    assert (faces.geometry[4:6] == 0).all()
    assert np.isfinite(faces.arkit).all()
    assert faces.faces[0].std() > 10

    opened = np.load(out / "done.npy", mmap_mode="r+")
    before = faces.faces[0].copy()
    opened[0] = False
    opened.flush()
    np.load(out / "faces.npy", mmap_mode="r+")[0] = 0
    with pytest.raises(InputError, match="not finished"):
        hed_cache.load_hed(out)
    again = hed.build(packs, out, processes=1)
    np.testing.assert_array_equal(again.faces[0], before)

    copies.seen_in_training(out, again)
    hed.build(packs, out, processes=1)
    assert (out / copies.KEPT).is_file()
    with pytest.raises(OutputError, match="faces of other pictures"):
        hed.build(packs, out, processes=1, limit=3)
    assert len(load_faces(out)) == 7, "a trial never empties a cache"
    for name in ("table.npz", "geometry.npy", "faces.npy"):  # damaged ones are made anew
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="run `exprgen train hed` for it"):
            load_faces(out)
        assert hed.main(["--source", str(packs), "--out", str(out), "--processes", "1"]) == EXIT_OK
        np.testing.assert_array_equal(load_faces(out).faces[0], before)
    (out / "hed.json").unlink()
    hed.build(packs, out, processes=1, limit=3)
    assert not (out / copies.KEPT).exists(), "they were found among other pictures"


def test_folder_for_each_class(tmp_path):
    for label in ("joy", "anger"):
        (tmp_path / label).mkdir()
        for i in range(20):
            (tmp_path / label / f"{i}.png").write_bytes(b"x")
    (tmp_path / "joy" / "notes.txt").write_text("no picture")
    items = hed.list_items(tmp_path)
    assert len(items) == 40
    assert {EXPRESSIONS[i.label] for i in items} == {"joy", "anger"}
    assert {i.split for i in items} == {"train", "val"}
    assert items == hed.list_items(tmp_path)


def test_own_table_keeps_subjects_together(tmp_path):
    rows = [
        {"file": f"{i}.png", "label": "joy", "subject": f"subject {i % 30}"} for i in range(300)
    ]
    items = hed.list_items(write_table(tmp_path / "own.csv", rows))
    by_subject = {}
    for item in items:
        by_subject.setdefault(item.subject, set()).add(item.split)
    assert all(len(splits) == 1 for splits in by_subject.values())
    assert items[0].member == str(tmp_path / "0.png")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"file": "a.png", "label": "happy"}, "row 2 has unknown label 'happy'"),
        ({"file": "a.png", "label": "joy", "joy": "many"}, "row 2 has a vote"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, problem):
    with pytest.raises(InputError, match=problem):
        hed.list_items(write_table(tmp_path / "own.csv", [row]))


def test_bad_sources(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for source in ("missing", "empty"):
        code = hed.main(["--source", str(tmp_path / source), "--out", str(tmp_path / "out")])
        assert code == EXIT_INPUT
        assert source in capsys.readouterr().err
    with pytest.raises(InputError, match="no HED cache"):
        hed_cache.load_hed(tmp_path)


def test_a_source_of_which_nothing_can_be_read_is_refused(tmp_path, landmarks_known, capfd):
    (tmp_path / "source" / "joy").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (tmp_path / "source" / "joy" / name).write_bytes(b"no picture")
    words = ["--source", str(tmp_path / "source"), "--out", str(tmp_path / "cache")]
    assert hed.main([*words, "--processes", "1"]) == EXIT_INPUT
    err = capfd.readouterr().err
    assert "a.png: skipped, is not an image that can be read. Fix: export it" in err
    assert "2 of 2 pictures can't be read" in err
    assert "none of its 2 pictures can be read" in err


def test_a_picture_of_a_set_is_read_as_footage_is(tmp_path, capsys):
    """Transparent pixels lie over grey, and what is damaged is told by its name."""
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((8, 8, 4), np.uint8))[1].tobytes())
    (tmp_path / "b.png").write_bytes(path.read_bytes()[:40])
    rows = [{"file": f"{n}.png", "label": "joy"} for n in "abc"]
    seen = [hed.read_item(i) for i in hed.list_items(write_table(tmp_path / "own.csv", rows))]
    assert (seen[0] == 127).all()
    assert seen[1:] == [None, None]
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in said] == ["b.png", "c.png"]
    assert "does not exist" in said[1]


STOPPED = """
import os, signal, sys, time
from multiprocessing.process import BaseProcess
from exprgen.networks.training import hed

def stops(process, start=BaseProcess.start):
    start(process)
    time.sleep(1)  # until it hears
    os.killpg(0, signal.SIGINT)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    BaseProcess.start = stops
    sys.exit(hed.main(["--source", sys.argv[1], "--out", sys.argv[2], "--processes", "1"]))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C of a terminal is a group's")
def test_processes_beside_it_say_nothing_of_ctrl_c(packs, tmp_path):
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)
    words = [sys.executable, script, packs, tmp_path / "cache"]
    done = subprocess.run(
        words, capture_output=True, text=True, start_new_session=True, timeout=120
    )
    assert done.returncode == EXIT_INTERRUPTED
    assert done.stderr.endswith("stopped; run it again to go on\n")  # after the landmarker's own
    assert "Traceback" not in done.stderr
    assert "leaked" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C of a terminal is a group's")
def test_a_second_ctrl_c_while_it_ends_changes_nothing(packs, tmp_path):
    words = ["hed", "--source", packs, "--out", tmp_path / "cache", "--processes", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "exprgen.exprgen_addon.command_line.main", "train", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (tmp_path / "cache" / "hed.json").is_file() and time.monotonic() < until:
        time.sleep(0.02)
    for pause in (0.3, 0.05, 0.05):
        time.sleep(pause)
        os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_INTERRUPTED
    assert said.splitlines()[-1:] == ["stopped; run it again to go on"]
    assert "Traceback" not in said
    assert "leaked" not in said


KILLED = """
import multiprocessing, sys, time
from exprgen.networks.training.shared.interrupts import end_with_starter

def waits(queue):
    end_with_starter()
    queue.put("here")
    time.sleep(600)

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    context.Process(target=waits, args=(queue,)).start()
    print(queue.get(), flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing can be killed so")
def test_processes_end_with_one_that_is_killed(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.communicate(timeout=30)  # ends when nobody has its stdout any more
