"""`exprgen evaluate` from chosen pictures to the report, with a made-up character and random
weights; only the tracker is replaced."""

import json
import os
import shutil
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio import evaluation as evaluating
from exprgen.exprgen_addon.studio import evaluation_plan as planning
from exprgen.networks.characters.profile import arkit_to_unit, load_profile
from exprgen.networks.errors import UsageError
from exprgen.networks.evaluation.steps import run_step
from exprgen.networks.models.weights_io import file_digest
from exprgen.networks.perception.needed_weights import needed_weights
from exprgen.networks.pipeline import SolveRequest, solve_file
from exprgen.networks.settings import RetargetSettings
from exprgen.tests.networks.evaluation.test_evaluation import hed  # noqa: F401
from exprgen.tests.support import synthetic, tiny_weights


def silent(message):
    pass


def track_of(reference: list[str], out: str, primary: str) -> None:
    """What analysis would write: pictures in the order of their names, or 192 frames; the primary's
    units are the tracker's coefficients."""
    if reference[0].endswith(".mp4"):
        track = synthetic.face_track(frames=192, fps=24.0)
    else:
        track = synthetic.face_track(frames=len(reference), stills=True)
        names = [Path(p).stem for p in reference]
        state = np.array(track.state)
        state[0] = 3  # one picture without a face
        track = replace(track, meta={**track.meta, "names": names}, state=state)
    profile = load_profile(primary)
    weights = needed_weights([profile])[f"3D-CNN {profile.name}"]
    units = arkit_to_unit(profile.expression_controls, track.arkit).astype(np.float32)
    replace(track, rig_units={f"{profile.name}:{file_digest(weights)}": units}).save(out)


def answer(command: str, arguments: dict) -> dict:
    """The worker's answers, here and now."""
    if command == "analyse":
        if profiles := arguments.get("profiles"):
            track_of(arguments["reference"], arguments["out"], profiles[0])
        else:
            synthetic.face_track(frames=40).save(arguments["out"])
        return {"track": arguments["out"]}
    if command == "solve":
        request = SolveRequest.from_json(arguments)
        return {"tracks": solve_file(request, silent, threading.Event())}
    options = {k: v for k, v in arguments.items() if k != "step"}
    return run_step(arguments["step"], options, silent)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    profiles = (synthetic.build(folder, "ann", primary=True),)
    return profiles, tiny_weights.write(folder / "weights", [*profiles])


@pytest.fixture
def plan(stage, hed, tmp_path, monkeypatch):  # noqa: F811
    profiles, weights = stage
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(weights))
    return planning.Plan(
        out=tmp_path / "out",
        profiles=profiles,
        hed=str(hed),
        source=str(hed),
        each=1,
        sheet_each=1,
        only=("transfer",),
        processes=0,
    )


def measure(plan, run=answer, stop=lambda: False, say=lambda line: None):
    plan.out.mkdir(exist_ok=True)
    return evaluating.evaluate(
        plan, run, counter=lambda stage: lambda done, all: None, stop=stop, say=say
    )


def test_what_is_felt_in_clips_without_truth_is_told(plan, tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"a clip")
    clips = tuple(str(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    figures = measure(replace(plan, clips=clips, only=("feelings",)))
    assert "feelings" not in figures, "no truth is there"
    assert list(figures["felt"]) == ["a.mp4", "b.mp4"]
    assert figures["felt"]["a.mp4"]["shares"] == {"neutral": 1.0}
    assert "neutral 100%; 0.00 changes a second" in evaluating.summary(figures)


def test_one_of_several_people_in_clips_is_measured(plan, tmp_path):
    """Not of pictures that have been prepared, nor of talkers, who are alone."""
    (tmp_path / "a.mp4").write_bytes(b"a clip")
    asked = []

    def noting(command, arguments):
        if command == "analyse":
            asked.append((Path(arguments["reference"][0]).suffix, arguments["face"]))
        return answer(command, arguments)

    sections = ("feelings", "clip", "transfer")
    plan = replace(plan, clips=(str(tmp_path / "a.mp4"),), face="left", only=sections)
    measure(plan, run=noting)
    assert asked.count((".mp4", "left")) == 2
    assert {face for suffix, face in asked if suffix != ".mp4"} == {"largest"}


def test_transfer_is_rendered_read_and_reported(plan):
    figures = measure(plan)
    groups = figures["transfer"]["groups"]
    assert set(groups) == {"exprgen/ann", "blendshapes/ann"}
    assert len(figures["transfer"]["without_face"]) == 1
    for group in groups.values():
        assert group["own"]["named"]["count"] == 6
        assert group["consistency"]["ratio"] is None  # one picture each
    assert json.loads((plan.out / "evaluation.json").read_text())["transfer"]["groups"] == groups
    for file in ("evaluation.html", "worst.png", "sheets/blind_1.png", "sheets/blind_key.csv"):
        assert (plan.out / file).is_file()
    key = (plan.out / "sheets" / "blind_key.csv").read_text().splitlines()
    assert len(key) == 6 * 3  # people and two groups
    assert "exprgen/ann" in evaluating.summary(figures)
    read = {"network": "X as in use", "part": "a/val", "accuracy": 0.5, "mean_recall": 0.5}
    read |= {"count": 2, "ece": 0.081, "affect": {"valence pcc": 0.9, "valence ccc": 0.87}}
    assert "(n=2), ece 0.08, valence ccc 0.87" in evaluating.summary({"recognition": [read]})
    # A second run renders nothing anew, and a choice of other pictures is refused.
    still = next((plan.out / "stills" / "exprgen" / "ann").glob("*.png"))
    before = still.stat().st_mtime_ns
    assert measure(plan)["transfer"]["groups"] == groups
    assert still.stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="other pictures"):
        measure(replace(plan, seed=5))


def test_ratings_come_back_into_the_report(plan, tmp_path):
    measure(plan)
    answers = tmp_path / "anna.csv"
    answers.write_text("".join(f"{n},joy\n" for n in range(1, 19)))
    figures = measure(replace(plan, only=(), ratings=(str(answers),)))
    assert figures["ratings"]["human/people"]["count"] == 6
    assert figures["transfer"]["groups"]  # kept from before


def test_motion_is_measured_against_the_true_curves(plan, monkeypatch):
    monkeypatch.setattr(evaluating, "SEQUENCES", ("surprise",))
    figures = measure(replace(plan, only=("motion",), hed=None, source=None))
    assert set(figures["intensity"]) == {"surprise"}
    for way in figures["intensity"].values():
        assert len(way["actor"]) == len(way["character"]) == len(way["frames"])
    stability = figures["stability"]
    assert stability["jitter"] <= stability["jitter without smoothing"]
    assert len(stability["blinks"]) > 3


def test_a_stop_ends_it_without_a_report(plan):
    assert measure(plan, stop=lambda: True) is None
    assert not (plan.out / "evaluation.html").exists()


@pytest.mark.parametrize("section", planning.NEEDS)
def test_a_section_that_has_nothing_to_measure_is_refused_where_it_is_asked_for(plan, section):
    with pytest.raises(UsageError, match=f"{section} has nothing to measure"):
        replace(plan, only=(section,), hed=None, source=None)
    assert not replace(plan, only=planning.SECTIONS, hed=None, source=None).wants(section)


class Killed(BaseException):
    """What a SIGKILL is to a test."""


def killed_while_reading(command, arguments):
    if arguments.get("step") == "transfer":
        raise Killed
    return answer(command, arguments)


def test_a_killed_run_is_taken_up_with_the_same_figures(plan):
    """The worker is asked only for what it has not answered, if nothing differs."""
    asked, told = [], []

    def counted(command, arguments):
        asked.append(arguments.get("step", command))
        return answer(command, arguments)

    with pytest.raises(Killed):
        measure(plan, killed_while_reading)
    assert not (plan.out / "evaluation.json").exists()
    figures = measure(plan, counted, say=told.append)
    assert asked == ["transfer", "report"]
    assert sum("taken up from a run that did not end" in line for line in told) == 3
    assert not list(plan.out.rglob(".*"))
    assert not (plan.out / "unfinished").exists()
    # One that has come to its end is measured anew, with the same figures.
    asked.clear()
    assert measure(plan, counted)["transfer"] == figures["transfer"]
    assert asked.count("analyse") == 1


@pytest.mark.parametrize("changed", ["weights", "pictures", "tracks", "settings"])
def test_what_was_made_of_something_else_is_not_taken_up(plan, changed, monkeypatch):
    asked = []

    def counted(command, arguments):
        asked.append(arguments.get("step", command))
        return answer(command, arguments)

    with pytest.raises(Killed):
        measure(plan, killed_while_reading)
    if changed == "weights":
        weights = Path(os.environ["EXPRGEN_WEIGHTS_DIR"])
        other = shutil.copytree(weights, plan.out.parent / "other")
        monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(other))
    elif changed == "pictures":
        picture = next((plan.out / "pictures").iterdir())
        picture.write_bytes(picture.read_bytes() + b"\0")
    elif changed == "tracks":
        (plan.out / "face.npz").unlink()
    else:
        monkeypatch.setattr(
            evaluating, "RetargetSettings", partial(RetargetSettings, smoothing_eyes=0.1)
        )
    measure(plan, counted)
    assert asked.count("analyse") == (changed != "settings")
    # Solutions of the same track by the same settings are the same.
    assert asked.count("solve") == (2 if changed in ("weights", "settings") else 0)
