"""Options: what is no number, counts nothing or is no file is refused before any work."""

import argparse
import os

import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.command_line import main, options, parser
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.networks.errors import EXIT_INPUT, EXIT_USAGE, UsageError

RETARGET = ["retarget", "clip.mp4", "--primary", "mira", "--out", "x.blend"]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "1e300", "x"])
@pytest.mark.parametrize(
    "option",
    ["--range={}:2", "--range=1:{}", "--calibrate={}", "--emphasis={}", "--gain=mouth={}",
     "--smoothing-eyes={}", "--fps={}", "--start-frame={}", "--reduce={}"],
)  # fmt: skip
def test_what_is_no_number_is_refused(option, number, capfd):
    assert main.main([*RETARGET, option.format(number)]) == EXIT_USAGE
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert number in said


@pytest.mark.parametrize(
    "words",
    ["brows@4:6", "@4:6=0.3", "brows@=0.3", "brows@4=0.3", "ears@4:6=0.3", "ears=0.3",
     "brows@6:4=0.3", "brows@4:6=1.3", "brows:4:6=0.3", "4:6@brows=0.3"],
)  # fmt: skip
def test_what_is_no_emphasis_is_refused(words, capfd):
    assert main.main([*RETARGET, f"--emphasis={words}"]) == EXIT_USAGE
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "emphasis" in said


def test_emphasis_of_all_of_parts_of_seconds_and_of_parts_in_seconds():
    own = argparse.ArgumentParser()
    options.retarget_options(own)
    given = ["0.8", "eyes=0.5", "10:12=0.6", ":2=0", "brows@4:6=0.3", "mouth@8:=1"]
    words = [f"--emphasis={word}" for word in given]
    settings = options.settings_of(own.parse_args([*RETARGET[1:], *words]))
    assert settings.emphasis == 0.8
    assert settings.emphasis_parts == {"eyes": 0.5}
    assert settings.emphasis_spans == ((10.0, 12.0, 0.6), (0.0, 2.0, 0.0))
    assert settings.emphasis_part_spans == (
        ("brows", 4.0, 6.0, 0.3), ("mouth", 8.0, options.LONGEST, 1.0),
    )  # fmt: skip


def test_spans_that_begin_below_zero_are_values():
    given = ["--range", "-1:2", "--phrase", "-1:1=joy", "--emphasis", "-.5:1=0.3"]
    more = ["--calibrate", "-0.5", "--start-frame", "-1e2", "--json", "--tracks", "here"]
    args = parser.build_parser().parse_args([*RETARGET, *given, *more])
    settings = options.settings_of(args)
    assert (settings.start, settings.end, settings.calibration) == (-1.0, 2.0, -0.5)
    assert [(start, end) for start, end, _ in settings.phrases] == [(-1.0, 1.0)]
    assert settings.emphasis_spans == ((-0.5, 1.0, 0.3),)
    assert (args.start_frame, args.json, args.tracks) == (-100.0, True, "here")


@pytest.mark.parametrize("words", ["--phrase -1:1=glee", "--phrase -3:-4=joy", "--range -1:-2"])
def test_spans_below_zero_that_make_no_sense_are_refused_in_words(words, capfd):
    assert main.main([*RETARGET, *words.split()]) == EXIT_USAGE
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "expected one argument" not in said
    assert "glee" in said or "is empty" in said


def test_a_frame_that_blender_has_not_is_refused():
    with pytest.raises(UsageError, match="no frame"):
        KeyOptions(start_frame=1e9)
    with pytest.raises(UsageError, match="no frame"):
        KeyOptions(start_frame=float("nan"))


@pytest.mark.parametrize(
    "words",
    ["capture mira --out x --count 100000000000", "capture mira --out x --samples 0",
     "capture mira --out x --processes 0", "capture mira --out x --seed -1",
     "capture mira --out x --seed 99999999999999999999", "clarity mira --out x --processes -1",
     "propose mira --seed -1", "propose mira --budget 10000000000",
     "evaluate --out x --windows 100000000", "evaluate --out x --windows a.mp4:nan",
     "evaluate --out x --processes 0", "evaluate --out x --seed -1"],
)  # fmt: skip
def test_what_counts_nothing_is_refused(words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.main(words.split()) == EXIT_USAGE
    assert "Traceback" not in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
@pytest.mark.parametrize(
    "words",
    ["evaluate --out x --clip pipe", "evaluate --out x --hed none", "evaluate --out x --folds loop",
     "clarity mira --out x --ratings pipe", "apply pipe --primary mira --out x.blend",
     "retarget pipe --primary mira --out x.blend", "analyse loop --out x.npz",
     "perceive pipe", "batch pipe", "landmarks mira --points pipe"],
)  # fmt: skip
def test_what_is_no_file_is_refused_before_the_work(words, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    assert main.main(words.split()) == EXIT_INPUT
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert "fix:" in said
