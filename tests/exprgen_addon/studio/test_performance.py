"""`exprgen evaluate --only performance` from a clip to figures and strips, with a made-up character
and random weights; only the tracker is replaced."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio import evaluation as evaluating
from exprgen.exprgen_addon.studio import evaluation_plan as planning
from exprgen.exprgen_addon.studio.face_studio import FaceStudio
from exprgen.exprgen_addon.studio.lip_rays import lip_opening, open_share
from exprgen.exprgen_addon.studio.posed_face import Poser
from exprgen.networks.characters.profile import find_character, load_profile
from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.evaluation import windows
from exprgen.networks.evaluation.face_features import CHIN, POINTS, features
from exprgen.networks.footage.truth import truth_path
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import LANDMARK_NAMES, LANDMARKS
from exprgen.tests.exprgen_addon.studio import test_evaluation
from exprgen.tests.networks.evaluation.test_performance import face, truth_with, words
from exprgen.tests.support import synthetic, tiny_weights

FRAMES = 50


def silent(made, total):
    pass


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    ann = synthetic.with_landmarks(synthetic.build(folder, "ann", primary=True))
    ann.save(ann.path)
    ann = load_profile(ann.path)
    return ann, tiny_weights.write(folder / "weights", [ann])


@pytest.fixture
def plan(stage, tmp_path, monkeypatch):
    ann, weights = stage
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(weights))
    clip = synthetic.speaking_clip(tmp_path / "talk.mp4", frames=FRAMES)
    return planning.Plan(
        out=tmp_path / "out",
        profiles=(ann,),
        clips=(str(clip),),
        windows=1,
        only=("performance",),
        processes=0,
    )


def answer(command: str, arguments: dict) -> dict:
    """The worker's answers; the tracker sees a face that speaks."""
    if command == "weights":
        return {"weights": [{"detail": "tiny"}]}
    told = test_evaluation.answer(command, arguments)
    if command == "analyse":
        track = FaceTrack.load(arguments["out"])
        mesh = np.zeros((len(track), 478, 3), np.float32)
        points = face(jaw=np.resize(words(), len(track)))
        mesh[:, [*LANDMARKS.values(), CHIN]] = points * (1, -1, -1) + (100, 100, 0)
        straight = np.tile(np.eye(4, dtype=np.float32), (len(track), 1, 1))
        track = replace(track, landmarks=mesh, head_pose=straight)
        track = replace(track, times=np.arange(len(track)) / 25.0)
        track.save(arguments["out"])
    return told


def measure(plan, run=answer, stop=lambda: False):
    plan.out.mkdir(exist_ok=True)
    return evaluating.evaluate(plan, run, counter=lambda stage: silent, stop=stop)


def test_performances_are_measured_shown_and_rated(plan, monkeypatch, tmp_path):
    monkeypatch.setattr(synthetic, "face_track", _short(synthetic.face_track))
    monkeypatch.setattr(windows, "FRAMES", 2)
    truth_with(words()).save(truth_path(plan.clips[0]))
    measured = measure(plan)["performance"]
    methods = measured["means"]["ann"]
    assert set(methods) == {"exprgen", "emphasis-0", "blendshapes"}
    clip = measured["clips"]["talk.mp4"]
    assert clip["frames"] == FRAMES
    assert clip["tracker"]["features"]["gap"]["fast"] is not None
    assert clip["measured"]["ann"]["exprgen"]["truth"]["speech"]["contacts"] >= 0
    assert "mouth sideways" in measured["lacks"]["ann"]
    (sheet,), key = measured["strips"]["sheets"], measured["strips"]["key"]
    assert Path(sheet).is_file()
    (window,) = windows.load_key(Path(key)).values()
    assert (window.clip, window.character) == ("talk.mp4", "ann")
    assert sorted(m for shared in window.methods for m in shared) == sorted(methods)
    assert json.loads((plan.out / "evaluation.json").read_text())["performance"] == measured
    # What is there is neither analysed, posed nor rendered again.
    posed = next((plan.out / "performance").rglob("exprgen_ann.npz"))
    before = posed.stat().st_mtime_ns

    def run(command, arguments):
        assert command != "analyse"
        return answer(command, arguments)

    assert measure(plan, run)["performance"] == measured
    assert posed.stat().st_mtime_ns == before
    answers = tmp_path / "anna.csv"
    rows = windows.LETTERS[: len(window.methods)]
    answers.write_text("".join(f"1,{letter},3,2,{int(letter == 'A')}\n" for letter in rows))
    rated = measure(replace(plan, only=(), ratings=(str(answers),)))["strip_ratings"]
    assert rated[window.methods[0][0]] == {"closeness": 3, "feeling": 2, "kept": 1, "answers": 1}
    # They are of the sheets that were there, though this run shows less on its own.
    again = measure(replace(plan, methods=("exprgen",), ratings=(str(answers),)))
    assert again["strip_ratings"] == rated
    (alone,) = windows.load_key(Path(key)).values()
    assert alone.methods == (("exprgen",),)
    with pytest.raises(InputError, match="measured anew"):
        measure(replace(plan, only=(), ratings=(str(answers),)))


def test_a_truth_that_cannot_be_read_is_told_before_the_work(plan):
    truth_path(plan.clips[0]).write_bytes(b"PK")

    def run(command, arguments):
        assert arguments.get("step") is None, "no work"
        assert command not in ("analyse", "solve"), "no work"
        return answer(command, arguments)

    with pytest.raises(InputError) as told:
        measure(plan, run)
    assert Path(told.value.file).name == "talk.truth.npz"
    assert "measured without" in told.value.fix
    assert not (plan.out / "performance").exists()


def _short(made):
    return lambda **options: made(**{**options, "frames": FRAMES, "fps": 25.0})


def test_a_stop_leaves_no_figures(plan):
    assert measure(plan, stop=lambda: True) is None


def test_clips_that_make_no_sense_are_refused(plan):
    for changes in (
        {"clips": ()},
        {"clips": ("a/talk.mp4", "b/talk.mov")},
        {"windows": -1},
        {"window_starts": {"other.mp4": (1.0,)}},
    ):
        with pytest.raises(UsageError):
            replace(plan, **changes)


def test_windows_are_counted_or_named():
    assert planning.chosen_windows([]) == {"window_starts": {}}
    assert planning.chosen_windows(["5", "a/talk.mp4:2.5,4"]) == {
        "windows": 5,
        "window_starts": {"talk.mp4": (2.5, 4.0)},
    }
    for word in ("many", "talk.mp4:", "talk.mp4:2;3"):
        with pytest.raises(UsageError, match="understood"):
            planning.chosen_windows([word])


def test_an_opening_is_found_between_its_edges():
    for low, high in ((0.31, 0.64), (-0.1, 1.1), (0.44, 0.58)):
        found = open_share(lambda at, low=low, high=high: low < at < high, 13)
        assert found == pytest.approx(high - low, abs=0.01)
    assert open_share(lambda at: False, 13) == 0.0


def test_lips_are_seen_through_what_is_before_them():
    """A plane as a moustache or a microphone would be: closed lips stay closed behind it, and open
    ones as open as they are."""
    profile = find_character("tobi")
    poses = [np.array([c.rest for c in profile.controls], float) for _ in range(2)]
    poses[1][profile.names.index("jawOpen")] = 0.5
    with FaceStudio(profile) as studio:
        bare = [lips_of(studio, pose) for pose in poses]
        places = studio.world_landmarks()
        camera = np.array(studio.camera.matrix_basis)[:3, 3]
        lips = places[[i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("lip")]].mean(0)
        plane = plane_before(studio.scene, lips, camera, profile.framing.size)
        try:
            hidden = [lips_of(studio, pose) for pose in poses]
        finally:
            bpy.data.meshes.remove(plane)
    assert bare[0] < 0.005 * profile.framing.size < bare[1]
    assert hidden == pytest.approx(bare)


def lips_of(studio: FaceStudio, pose: np.ndarray) -> float:
    studio.pose(pose)
    return lip_opening(studio, studio.world_landmarks())


def plane_before(scene, place: np.ndarray, camera: np.ndarray, side: float):
    """The mesh of a square between a place and the camera, across the way."""
    towards = (camera - place) / np.linalg.norm(camera - place)
    across = np.cross(towards, (0.0, 0.0, 1.0))
    along = np.cross(towards, across)
    corners = [
        place + 0.3 * side * (2 * towards + i * across + j * along)
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    mesh = bpy.data.meshes.new("before")
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    scene.collection.objects.link(bpy.data.objects.new("before", mesh))
    scene.view_layers[0].update()
    return mesh


@pytest.mark.parametrize("name", ["mira", "anselm", "blip", "rosa", "tobi"])
def test_lips_of_a_sample_read_as_closed_at_rest(name):
    profile = find_character(name)
    with FaceStudio(profile) as studio:
        places = studio.world_landmarks()
        eyes = [LANDMARK_NAMES.index(f"eye_{side}_outer") for side in ("left", "right")]
        apart = np.linalg.norm(places[eyes[0]] - places[eyes[1]])
        assert lip_opening(studio, places) <= 0.005 * apart


@pytest.mark.parametrize(("name", "jaw"), [("tobi", "jawOpen"), ("blip", "jaw")])
def test_lips_of_a_sample_touch_at_rest_and_open_with_the_jaw(name, jaw, tmp_path):
    profile = find_character(name)
    rest = np.array([c.rest for c in profile.controls], float)
    poses = np.tile(rest, (3, 1))
    column = profile.names.index(profile.control(jaw).name)
    poses[1, column] += 0.15 * (profile.controls[column].maximum - rest[column])
    poses[2, column] = profile.controls[column].maximum
    with Poser(profile, tmp_path) as poser:
        read = poser.read(poses, "poses", silent)
        assert read["points"].shape == (3, len(POINTS), 3)
        opening = read["opening"] / poser.build.unit
        seen = features(read["points"], poser.build.unit)
        assert opening[0] < 0.01 < 0.05 < opening[1] < 0.2 < opening[2]
        assert np.diff(seen["jaw"]).min() > 0.02
        assert ("each lid" in poser.build.lacks) == (name == "blip")
        kept = poser.read(poses, "poses", silent, stop=lambda: True)  # read from the file
        assert np.array_equal(kept["points"], read["points"])
