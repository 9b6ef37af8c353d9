"""Reference -> FaceTrack -> RigTracks with small random networks, and what bad input leads to."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.command_line.verb_steps import shots_lines
from exprgen.networks import pipeline
from exprgen.networks.characters.coverage import missing_parts
from exprgen.networks.characters.profile import (
    Anchor,
    RigProfile,
    from_unit,
    load_profile,
    to_unit,
)
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_MODEL,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_USAGE,
    ExprGenError,
    InputError,
    ModelError,
)
from exprgen.networks.footage.live_link import CoefficientTake, write_live_link
from exprgen.networks.models import playable, weights_places
from exprgen.networks.perception import clips, needed_weights, pictures
from exprgen.networks.perception.weights_check import examine_weights
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import solve
from exprgen.networks.track import HELD, TRACKED, FaceTrack
from exprgen.networks.tracking import landmark_model
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, LANDMARK_NAMES
from exprgen.tests.support import synthetic, tiny_weights
from exprgen.tests.support.drawn_face import draw, scene
from exprgen.tests.support.drawn_face import write_clip as write_pictures

av = pytest.importorskip("av")


def _landmark_model_is_there() -> bool:
    try:
        landmark_model.landmark_model()
    except ExprGenError:
        return False
    return True


needs_landmarks = pytest.mark.skipif(
    not _landmark_model_is_there(), reason="the face landmark model is not here"
)


@pytest.fixture(scope="module")
def profiles(tmp_path_factory) -> list[RigProfile]:
    folder = tmp_path_factory.mktemp("profiles")
    paths = []
    for name in ("ann", "bob"):
        paths.append(folder / f"{name}.json")
        synthetic.profile(name, primary=name == "ann").save(paths[-1])
    return [load_profile(p) for p in paths]


@pytest.fixture(scope="module")
def weights(tmp_path_factory, profiles) -> Path:
    return tiny_weights.write(tmp_path_factory.mktemp("weights"), profiles)


@pytest.fixture(autouse=True)
def use_weights(weights, monkeypatch):
    monkeypatch.setenv(weights_places.WEIGHTS_VARIABLE, str(weights))


def write_clip(path: Path, frames: int = 12, size: tuple[int, int] = (160, 120)) -> Path:
    """A clip of coloured noise: no face in it."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height = size
        for _ in range(frames):
            picture = rng.integers(0, 255, (size[1] // 8, size[0] // 8, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture.repeat(8, 0).repeat(8, 1), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def analyse(reference, out: Path, profiles=(), stop=None, emit=lambda m: None, **options):
    request = pipeline.AnalyseRequest(
        reference=(str(reference),),
        out=str(out),
        profiles=tuple(str(p.path) for p in profiles),
        **options,
    )
    return pipeline.analyse(request, emit, stop or threading.Event())


# --- analysis ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two seconds of a drawn face that speaks and blinks."""
    return synthetic.speaking_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=50)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory, profiles, weights, clip):
    """One second of the clip -> (Analysis, FaceTrack, messages)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(weights_places.WEIGHTS_VARIABLE, str(weights))
        out = tmp_path_factory.mktemp("track") / "face.npz"
        messages: list[dict] = []
        done = analyse(clip, out, profiles, emit=messages.append, start=0.5, end=1.5)
    return done, FaceTrack.load(out), messages


@needs_landmarks
class TestAnalysis:
    def test_every_frame_is_there_once_and_in_order(self, analysed):
        done, track, _ = analysed
        assert len(track) == done.frames >= 20
        assert done.found == track.found.sum() > 0.9 * len(track)
        assert track.times[0] == pytest.approx(0.5, abs=0.05)
        assert np.all(np.diff(track.times) > 0)
        assert not done.partial

    def test_networks_are_run_on_every_face(self, analysed, profiles):
        _, track, _ = analysed
        np.testing.assert_allclose(track.expression.sum(1), 1, atol=1e-5)
        (key,) = track.rig_units
        assert key.startswith("ann:")
        assert track.rig_units[key].shape == (len(track), len(profiles[0].expression_controls))
        assert np.abs(track.rig_units[key]).max() > 0

    def test_it_says_which_teacher_saw_the_faces(self, analysed):
        _, track, _ = analysed
        assert bool(track.meta.get("pooled_by")) == (track.pooled is not None)

    def test_progress_ends_at_the_number_of_frames(self, analysed):
        done, _, messages = analysed
        shown = [m for m in messages if m["type"] == "progress"]
        assert shown[-1]["done"] == shown[-1]["total"] == done.frames
        assert set(shown[-1]) == {"type", "stage", "done", "total", "rate", "eta"}
        assert {"decoding", "tracking", "networks"} <= set(done.stages)

    def test_a_face_is_read_alike_whoever_passes_with_it(
        self, analysed, tmp_path, profiles, clip, monkeypatch
    ):
        _, track, _ = analysed
        monkeypatch.setattr(pipeline, "FRAMES_A_BATCH", 1)
        monkeypatch.setattr(pipeline, "FACES_A_PASS", 1)
        analyse(clip, tmp_path / "t.npz", profiles, start=0.5, end=1.5)
        alone = FaceTrack.load(tmp_path / "t.npz")
        for name in ("landmarks", "arkit", "head_pose", "gaze", "blink", "geometry", "times"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(track, name), name)
        np.testing.assert_array_equal(alone.face_bytes, track.face_bytes)
        np.testing.assert_allclose(alone.expression, track.expression, atol=2e-6)
        for key, units in track.rig_units.items():
            np.testing.assert_allclose(alone.rig_units[key], units, atol=2e-6)

    def test_an_error_amid_a_clip_leaves_nothing_behind(
        self, tmp_path, profiles, clip, monkeypatch
    ):
        from exprgen.networks.tracking.face_tracker import FaceTracker

        follow = FaceTracker.follow

        def fails(self, frame):
            if frame.index == 20:
                raise InputError("is damaged there", file=clip)
            return follow(self, frame)

        monkeypatch.setattr(FaceTracker, "follow", fails)
        with pytest.raises(InputError, match="damaged there"):
            analyse(clip, tmp_path / "t.npz", profiles)
        assert list(tmp_path.iterdir()) == []

    def test_kept_units_equal_those_computed_again(self, analysed, profiles):
        _, track, _ = analysed
        kept = solve.primary_units(track, profiles[0])
        again = solve.primary_units(dataclasses.replace(track, rig_units={}), profiles[0])
        assert np.abs(kept - again).max() < 0.1, "but for the JPEG"

    def test_a_stop_keeps_what_is_done(self, tmp_path, profiles, clip):
        stop = threading.Event()

        def emit(message):
            if message["type"] == "progress" and message["done"] > 3:
                stop.set()

        done = analyse(clip, tmp_path / "t.npz", profiles, stop, emit)
        assert done.stopped
        assert done.partial
        track = FaceTrack.load(tmp_path / "t.npz")
        assert 0 < len(track) == done.frames < 50
        assert track.meta["partial"] is True

    def test_truncated_clip(self, tmp_path, clip):
        cut = tmp_path / "cut.mp4"
        data = clip.read_bytes()
        cut.write_bytes(data[: len(data) * 2 // 3])
        done = analyse(cut, tmp_path / "t.npz")
        assert done.partial
        assert done.reason
        assert done.found > 3


@needs_landmarks
def test_stills_are_frames_of_their_own(tmp_path, profiles, clip):
    from exprgen.networks.footage.media import open_reference

    folder = tmp_path / "pictures"
    folder.mkdir()
    with open_reference(clip, start=0.0, end=0.3) as reader:
        for frame in list(reader)[:3]:
            path = folder / f"face_{frame.index}.png"
            cv2.imwrite(str(path), cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    done = analyse(folder, tmp_path / "t.npz", profiles)
    track = FaceTrack.load(tmp_path / "t.npz")
    assert done.stills
    assert track.meta["names"] == ["face_0", "face_1", "face_2", "wall"]
    assert done.without_face == ["wall"]
    assert done.partial
    assert "wall" in done.reason
    lead, follower = solve.solve(track, profiles[0], profiles[1:], RetargetSettings())
    for solved in (lead, follower):
        assert solved.meta["stills"] is True
        assert solved.meta["names"] == track.meta["names"]
        assert len(solved) == 4


# --- solving -------------------------------------------------------------------------------------


def test_solving_needs_no_footage(profiles):
    track = synthetic.face_track(frames=90)
    lead, follower = solve.solve(track, profiles[0], profiles[1:], RetargetSettings())
    assert (lead.character, follower.character) == ("ann", "bob")
    for solved, profile in ((lead, profiles[0]), (follower, profiles[1])):
        assert solved.controls == profile.names
        assert solved.values.shape == (90, len(profile.names))
        low = [c.minimum for c in profile.controls]
        high = [c.maximum for c in profile.controls]
        assert np.all(solved.values >= np.float32(low) - 1e-6)
        assert np.all(solved.values <= np.float32(high) + 1e-6)


def test_a_secondary_plays_what_the_primary_plays(profiles):
    """Its expression is the C-MLP's answer to the primary's final one; the head is the actor's."""
    track = synthetic.face_track(frames=90)
    settings = RetargetSettings(gain={"mouth": 1.5}, smoothing_head=0.0, emphasis=0.0)
    lead, follower = solve.solve(track, profiles[0], profiles[1:], settings)
    mapping = needed_weights.load_mapping(*profiles)
    controls = profiles[1].expression_controls
    answer = mapping(solve.expression_units(lead, profiles[0]))
    wanted = to_unit(controls, from_unit(controls, answer))  # inside the limits
    got = solve.expression_units(follower, profiles[1])
    plain = [i for i, c in enumerate(controls) if not c.role]
    np.testing.assert_allclose(got[:, plain], wanted[:, plain], atol=1e-4)
    yaw = follower.controls.index("head_yaw")
    np.testing.assert_allclose(follower.values[:, yaw], lead.values[:, yaw], atol=1e-5)
    blink = follower.controls.index("blink_l")
    assert follower.values[:, blink].max() > 0.9
    assert follower.values[45:, blink].max() < 0.2


def placed(profile: RigProfile, name: str) -> RigProfile:
    """The same character under a name that no network knows, with landmarks somewhere."""
    anchor = Anchor(f"{profile.name} face", (0, 1, 2), (1.0, 0.0, 0.0))
    return dataclasses.replace(profile, name=name, landmarks=dict.fromkeys(LANDMARK_NAMES, anchor))


def test_characters_of_one_title_are_told_apart_in_what_is_said(profiles):
    """Two files whose meshes are called the same: what is said of each tells which."""
    said = []
    cast = [dataclasses.replace(placed(profiles[1], n), title="Head") for n in ("kim", "lee")]
    solve.solve(
        synthetic.face_track(frames=30), profiles[0], cast, RetargetSettings(), emit=said.append
    )
    texts = [m["text"] for m in said if m["type"] == "log" and "by its channels" in m["text"]]
    assert [t.split(" is solved")[0] for t in texts] == ["Head (kim)", "Head (lee)"]


def test_channels_do_where_there_is_no_network(profiles):
    """Secondary or primary: the tracker's coefficients through the channels, and it is said."""
    track, said = synthetic.face_track(frames=90), []
    kim, lee = (placed(p, n) for p, n in zip(profiles, ("kim", "lee"), strict=True))
    settings = RetargetSettings(emphasis=0.0)
    lead, follower = solve.solve(track, profiles[0], [kim], settings, emit=said.append)
    assert [lead.meta["solved_by"], follower.meta["solved_by"]] == ["network", "channels"]
    texts = [m["text"] for m in said if m["type"] == "log"]
    assert any("Ann (kim) is solved by its channels; a trained C-MLP" in text for text in texts)
    smile = follower.values[:, follower.controls.index("smile")]
    assert np.corrcoef(smile, track.arkit[:, ARKIT_INDEX["mouthSmileLeft"]])[0, 1] > 0.95
    alone, other = solve.solve(track, kim, [lee], settings)
    np.testing.assert_allclose(alone.values, follower.values, atol=1e-6)
    assert other.meta["solved_by"] == "channels"


def test_channels_do_only_for_a_face_they_cover(profiles):
    kim = placed(profiles[0], "kim")
    mute = dataclasses.replace(kim, controls=tuple(c for c in kim.controls if c.name != "jaw"))
    assert playable.can_lead(kim)
    assert playable.lead_rank(profiles[0]) > playable.lead_rank(kim) > playable.lead_rank(mute)
    assert missing_parts(mute) == ("opens the mouth",)
    assert not playable.can_follow(mute, profiles[0])
    bare = dataclasses.replace(kim, landmarks={})
    assert not playable.can_lead(bare)
    # What it lacks are landmarks: no weights of it were ever there to be restored.
    for refuse in (lambda: playable.check_lead(bare), lambda: playable.check_follow(bare, kim)):
        with pytest.raises(ModelError, match="no landmarks") as told:
            refuse()
        assert f"exprgen landmarks {bare.path}" in told.value.fix
        assert "restore" not in told.value.fix
        assert "train" not in told.value.fix
    (said,) = [w for w in examine_weights([bare]) if w["what"] == f"weights 3D-CNN {bare.name}"]
    assert "exprgen landmarks" in said["fix"]
    with pytest.raises(ModelError, match="opens the mouth") as told:
        playable.check_follow(mute, kim)
    assert "train cmlp" in told.value.fix


def test_outputs_can_be_switched_off(profiles):
    track = synthetic.face_track(frames=30)
    settings = RetargetSettings(outputs=("head",))
    for solved in solve.solve(track, profiles[0], profiles[1:], settings):
        assert solved.controls == ("head_pitch", "head_yaw", "head_roll")


def test_other_weights_are_not_confused_with_kept_units(profiles):
    track = synthetic.face_track(frames=10)
    wrong = np.full((10, len(profiles[0].expression_controls)), 0.5, np.float32)
    track = dataclasses.replace(track, rig_units={"ann:000000000000": wrong})
    assert np.abs(solve.primary_units(track, profiles[0]) - 0.5).max() > 0.01


def test_weights_of_another_set_of_controls_are_refused(profiles, tmp_path):
    data = json.loads(profiles[0].path.read_text())
    data["controls"][0]["name"] = "grin"
    data["key_poses"] = []
    (tmp_path / "ann.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"grin|smile"):
        needed_weights.load_runner([load_profile(tmp_path / "ann.json")])


# --- bad input, through the command line ---------------------------------------------------------


@pytest.fixture
def retarget(tmp_path, profiles, capfd):
    def retarget(reference, *options):
        out = tmp_path / "take.blend"
        words = ["retarget", reference, "--primary", profiles[0].path, "--out", out, *options]
        code = main.main([str(w) for w in words])
        assert not out.exists()
        return code, capfd.readouterr().err

    return retarget


@needs_landmarks
def test_no_face(retarget, tmp_path):
    code, err = retarget(write_clip(tmp_path / "noise.mp4"))
    assert code == EXIT_INPUT
    assert "no face" in err
    assert "noise.mp4" in err


def test_empty_file(retarget, tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    code, err = retarget(tmp_path / "empty.mp4")
    assert code == EXIT_INPUT
    assert "empty.mp4: is empty" in err


def test_text_renamed(retarget, tmp_path):
    (tmp_path / "text.mp4").write_text("This is no film.\n" * 100)
    code, err = retarget(tmp_path / "text.mp4")
    assert code == EXIT_INPUT
    assert "text.mp4" in err


def test_folder_without_pictures(retarget, tmp_path):
    (tmp_path / "empty").mkdir()
    code, err = retarget(tmp_path / "empty")
    assert code == EXIT_INPUT
    assert "no images" in err


@needs_landmarks
def test_range_behind_the_end(retarget, tmp_path):
    code, err = retarget(write_clip(tmp_path / "noise.mp4"), "--range", "50:60")
    assert code == EXIT_USAGE
    assert "range" in err


@pytest.mark.parametrize("damage", ["cut", "missing", "nonsense"])
@pytest.mark.parametrize(
    "name", ["hcnn", "rig_regressor_ann", "character_mlp_ann_bob"], ids=lambda n: n[:4]
)
def test_damaged_weights(tmp_path, profiles, weights, monkeypatch, damage, name):
    path = damaged(tmp_path, weights, monkeypatch, damage, name)
    with pytest.raises(ModelError) as raised:
        analyse(write_clip(tmp_path / "noise.mp4"), tmp_path / "t.npz", profiles)
    assert raised.value.file == str(path)
    assert raised.value.fix


def test_damaged_weights_on_the_command_line(retarget, tmp_path, weights, monkeypatch):
    path = damaged(tmp_path, weights, monkeypatch, "cut", "hcnn")
    code, err = retarget(write_clip(tmp_path / "noise.mp4"))
    assert code == EXIT_MODEL
    assert str(path) in err
    assert "fix:" in err


def damaged(tmp_path, weights, monkeypatch, damage: str, name: str) -> Path:
    copy = tmp_path / "weights"
    shutil.copytree(weights, copy)
    path = copy / f"{name}.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "nonsense":
        path.write_text("weights")
    else:
        path.unlink()
    monkeypatch.setenv(weights_places.WEIGHTS_VARIABLE, str(copy))
    return path


def test_no_landmark_model(retarget, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path / "cache"))
    code, err = retarget(write_clip(tmp_path / "noise.mp4"))
    assert code == EXIT_MODEL
    assert "face_landmarker.task" in err
    assert "doctor --fetch" in err


def test_damaged_track(tmp_path, profiles, capfd):
    track = tmp_path / "track.npz"
    track.write_bytes(b"PK\x03\x04 nothing")
    words = ["apply", track, "--primary", profiles[0].path, "--out", tmp_path / "a.blend"]
    assert main.main([str(w) for w in words]) == EXIT_INPUT
    assert "track.npz" in capfd.readouterr().err


# --- perceiving ----------------------------------------------------------------------------------


@needs_landmarks
def test_perceive_gives_seven_probabilities(tmp_path, capfd):
    path = tmp_path / "drawing.png"
    rng = np.random.default_rng(0)
    cv2.imwrite(str(path), rng.integers(0, 255, (64, 64, 3), np.uint8))
    assert main.main(["perceive", str(path), "--as", "character", "--json"]) == EXIT_OK
    (picture,) = json.loads(capfd.readouterr().out)["pictures"]
    assert tuple(picture["probabilities"]) == EXPRESSIONS
    assert sum(picture["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert picture["as"] == "character"
    assert main.main(["perceive", str(path), "--as", "character"]) == EXIT_OK
    assert f"{picture['expression']} (character)" in capfd.readouterr().out
    assert main.main(["perceive", str(path), "--as", "human"]) == EXIT_PARTIAL
    assert "no face found" in capfd.readouterr().out


@pytest.mark.parametrize(("sure", "told"), [(0.9, True), (0.99, False), (None, False)])
def test_a_guess_of_person_or_character_is_told(sure, told):
    from exprgen.exprgen_addon.command_line.verbs.perceive import _picture_lines

    picture = {
        "file": "a.png",
        "as": "character",
        "expression": "joy",
        "probabilities": dict.fromkeys(EXPRESSIONS, 1 / 7),
        **({} if sure is None else {"sure": sure}),
    }
    _, line = _picture_lines([picture])
    assert line.endswith("joy (taken for a character, 90% sure: else give --as human)") == told
    assert line.endswith("joy (character)") != told


def test_perceive_tells_each_picture_of_a_track_of_pictures(tmp_path, capfd, monkeypatch):
    made = synthetic.face_track(frames=3, stills=True)
    said = np.tile(np.full(len(EXPRESSIONS), 0.05, np.float32), (3, 1))
    said[[0, 1], [0, 3]] = 0.7
    affect = np.array([[-0.5, 0.6], [0.8, 0.5], [0, 0]], np.float32)
    state = np.array([TRACKED, TRACKED, HELD], np.uint8)
    meta = made.meta | {"names": ["cross", "glad", "wall"]}
    path = tmp_path / "pictures.npz"
    dataclasses.replace(made, expression=said, affect=affect, state=state, meta=meta).save(path)
    assert main.main(["perceive", str(path), "--json"]) == EXIT_PARTIAL, "one shows no face"
    told = json.loads(capfd.readouterr().out)
    assert "clips" not in told
    cross, glad, wall = told["pictures"]
    assert [p["name"] for p in told["pictures"]] == ["cross", "glad", "wall"]
    assert (cross["expression"], glad["expression"]) == (EXPRESSIONS[0], EXPRESSIONS[3])
    assert (glad["valence"], glad["arousal"]) == (0.8, 0.5)
    assert glad["probabilities"] == pytest.approx(
        dict(zip(EXPRESSIONS, said[1].tolist(), strict=True))
    )
    assert (wall["face"], wall["expression"], wall["probabilities"]) == (False, None, None)
    assert main.main(["perceive", str(path)]) == EXIT_PARTIAL
    lines = capfd.readouterr().out.splitlines()
    assert f"{EXPRESSIONS[3]} (person)  valence +0.80, arousal +0.50" in lines[2]
    assert "pictures.npz glad" in lines[2]
    assert "no face found" in lines[3]
    monkeypatch.setattr(clips, "MOST_FRAMES", 2)
    (refused,) = pipeline.perceive_clips([str(path)], print, threading.Event(), [])["clips"]
    assert "more frames than the 2" in refused["problem"]


@needs_landmarks
def test_perceive_of_a_clip_asks_whom_to_follow(tmp_path, capfd):
    path = write_clip(tmp_path / "noise.mp4", frames=4)
    assert main.main(["perceive", str(path), "--face", "left"]) == EXIT_INPUT
    assert "no face was found" in capfd.readouterr().err
    assert main.main(["perceive", str(path), "--face", "elbow"]) != EXIT_OK
    assert "unknown choice of face 'elbow'" in capfd.readouterr().err


def test_perceive_tells_phrases_of_a_live_link_take_as_of_footage(tmp_path, capfd, monkeypatch):
    coefficients = np.zeros((60, len(ARKIT_CHANNELS)), np.float32)
    for side in ("Left", "Right"):
        coefficients[:, ARKIT_INDEX[f"mouthSmile{side}"]] = 0.9
        coefficients[:, ARKIT_INDEX[f"cheekSquint{side}"]] = 0.6
    take = CoefficientTake(np.arange(60) / 30, coefficients, np.zeros((60, 9)), rate=30.0)
    write_live_link(tmp_path / "take.csv", take)
    assert main.main(["perceive", str(tmp_path / "take.csv"), "--json"]) == EXIT_OK
    (clip,) = json.loads(capfd.readouterr().out)["clips"]
    assert [p["expression"] for p in clip["phrases"]] == ["joy"]
    assert "curves" not in clip
    assert main.main(["perceive", str(tmp_path / "take.csv"), "--json", "--frames"]) == EXIT_OK
    curves = json.loads(capfd.readouterr().out)["clips"][0]["curves"]
    assert {"times", "found", *EXPRESSIONS} <= set(curves)
    assert {len(column) for column in curves.values()} == {60}
    assert sum(curves[e][30] for e in EXPRESSIONS) == pytest.approx(1.0, abs=1e-3)
    assert main.main(["perceive", str(tmp_path / "take.csv"), "--frames"]) == EXIT_OK
    lines = capfd.readouterr().out.splitlines()
    assert lines[2].split()[:2] == ["seconds", "anger"]
    assert len(lines) == 2 + 1 + 60
    monkeypatch.setattr(clips, "MOST_FRAMES", 59)
    lost = []
    asked = [str(tmp_path / "take.csv")], lambda _: None, threading.Event(), lost
    (made,) = pipeline.perceive_clips(*asked, each_frame=True)["clips"]
    assert "more frames than the 59" in made["problem"]
    assert not pipeline.perceive_clips(*asked)["clips"][0].get("problem")
    (tmp_path / "none.csv").write_text("shot,reference\n")
    assert main.main(["perceive", str(tmp_path / "none.csv")]) == EXIT_INPUT
    assert "none.csv" in capfd.readouterr().err


@needs_landmarks
@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.mxf", "moving"])
def test_whatever_is_analysed_as_a_clip_is_perceived_as_one(tmp_path, capfd, name):
    """Whether something moves is told in one way: by what is in it, not by a list of endings."""
    path = tmp_path / name
    shown = [draw(scene(), 130 + i, 105, 1.0) for i in range(4)]
    if path.suffix in (".gif", ".png"):
        codec, pixels = {".gif": ("gif", "rgb8"), ".png": ("apng", "rgb24")}[path.suffix]
        write_pictures(path, shown, codec=codec, pixels=pixels, form=codec)
    else:
        write_pictures(tmp_path / "moving.mp4", shown).rename(path)
    assert main.main(["analyse", str(path), "--out", str(tmp_path / "t.npz")]) == EXIT_OK
    assert len(FaceTrack.load(tmp_path / "t.npz")) == 4
    capfd.readouterr()
    assert main.main(["perceive", str(path), "--json"]) == EXIT_OK
    told = json.loads(capfd.readouterr().out)
    assert "pictures" not in told
    assert told["clips"][0]["frames"] == 4


@pytest.fixture
def part_of_a_clip(tmp_path) -> Path:
    """The track of an analysis that was stopped."""
    track = synthetic.face_track(frames=30)
    whole = dataclasses.replace(track, meta={**track.meta, "partial": True})
    return whole.save(tmp_path / "part.npz")


@pytest.mark.parametrize("verb", ["perceive", "livelink", "mimic"])
def test_that_a_track_holds_less_than_its_footage_is_told(part_of_a_clip, tmp_path, capfd, verb):
    more = {"livelink": ["--out", str(tmp_path / "out.csv")], "mimic": [str(part_of_a_clip)]}
    words = [verb, str(part_of_a_clip), *more.get(verb, [])]
    assert main.main(words) == EXIT_PARTIAL
    assert "part.npz: holds less than its footage" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["perceive", "t.npz"], ["mimic", "t.npz", "t.npz"]])
def test_a_choice_of_face_that_no_track_heeds_is_refused(tmp_path, capfd, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    synthetic.face_track(frames=10).save("t.npz")
    assert main.main([*words, "--face", "right"]) == EXIT_USAGE
    assert "--face is of an analysis" in capfd.readouterr().err


def bad_files(folder: Path) -> list[str]:
    """A picture that is none, an empty one, and a clip that is none."""
    (folder / "bad.png").write_bytes(b"no picture")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "bad.mp4").write_bytes(b"no clip")
    return [f"{folder.name}/{name}" for name in ("bad.png", "empty.jpg", "bad.mp4")]


@needs_landmarks
def two_people(path: Path, cut: bool) -> Path:
    """Someone drawn who talks and sways, and after 28 frames someone else, or nobody else."""
    pictures = []
    for i in range(56):
        other = i >= 28 and cut
        where = (200 - i % 5, 140, 0.7) if other else (130 + i % 7, 105, 1.0)
        skin = (96, 66, 50) if other else (224, 180, 152)
        blinks = 0.0 if i in (10, 11, 12, 40, 41) else 1.0
        talks = 0.1 * (i % 4)
        pictures.append(draw(scene(), *where, mouth=talks, lids=blinks, skin=skin))
    return write_pictures(path, pictures)


@needs_landmarks
@pytest.mark.parametrize("cut", [True, False])
def test_a_cut_between_two_drawn_people_is_found_and_told(tmp_path, capfd, cut):
    path, track = two_people(tmp_path / "clip.mp4", cut), tmp_path / "face.npz"
    found = [pytest.approx(1.12, abs=1e-3)] if cut else []
    assert main.main(["analyse", str(path), "--out", str(track), "--json"]) == EXIT_OK
    result = json.loads(capfd.readouterr().out)
    assert result["cuts"] == found
    assert list(FaceTrack.load(track).cuts) == found
    assert [p["start"] for p in result["phrases"]][:: max(len(result["phrases"]) - 1, 1)] == (
        [0.0, *found] if cut else [0.0]
    )
    assert main.main(["perceive", str(track), "--json"]) == EXIT_OK
    assert json.loads(capfd.readouterr().out)["clips"][0]["cuts"] == found
    for words in (["perceive", str(track)], ["analyse", str(path), "--out", str(track)]):
        assert main.main(words) == EXIT_OK
        assert ("2 shots" in capfd.readouterr().out) is cut


def test_a_line_names_a_few_of_many_cuts():
    assert shots_lines(()) == []
    (line,) = shots_lines([1.0, 2.5])
    assert line == "3 shots, each taken by itself: cut at 1.00, 2.50 s"
    (line,) = shots_lines([float(i) for i in range(40)])
    assert line.startswith("41 shots")
    assert line.endswith("6.00, 7.00, ... s")


def test_perceive_leaves_out_what_cant_be_read_and_goes_on(tmp_path, capfd, monkeypatch):
    """Each is named by the path that was given: two folders may hold files of one name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    good = tmp_path / "z.png"
    cv2.imwrite(str(good), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    words = ["perceive", *bad_files(tmp_path / "p"), str(good), "--as", "character"]
    assert main.main(words) == EXIT_PARTIAL
    out, err = capfd.readouterr()
    assert "warning: p/bad.png: skipped, is not an image that can be read. Fix: export it" in err
    assert "warning: p/empty.jpg: skipped, is empty. Fix: copy or export it again" in err
    assert "warning: p/bad.mp4: skipped, " in err
    assert "(character)" in out, "what can be read is read"
    assert "p/bad.png                     is not an image that can be read" in out
    assert "p/bad.mp4: " in out
    assert main.main([*words, "--json"]) == EXIT_PARTIAL
    told = json.loads(capfd.readouterr().out)
    assert [p.get("problem") for p in told["pictures"]][1:] == ["is empty", None]
    assert told["clips"][0]["phrases"] == []


@needs_landmarks
@pytest.mark.parametrize("rows", [[0], [2], [1, 0], [0, 2]])
def test_perceive_tells_when_nothing_can_be_read(tmp_path, rows, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    files = [bad_files(tmp_path)[i] for i in rows]
    assert main.main(["perceive", *files, "--as", "human"]) == EXIT_INPUT
    err = capfd.readouterr().err
    assert f"error: {files[0]}: " in err
    assert "fix: " in err
    assert "skipped" not in err


@needs_landmarks
def test_a_folder_is_perceived_as_it_is_analysed(tmp_path):
    for name in ("10.png", "9.png", ".hidden.png"):
        cv2.imwrite(str(tmp_path / name), np.full((64, 64, 3), 90, np.uint8))
    (tmp_path / "notes.txt").write_text("none")
    lost = []
    told = pictures.perceive([str(tmp_path)], "human", lambda _: None, threading.Event(), lost)
    assert [Path(p["file"]).name for p in told["pictures"]] == ["9.png", "10.png"]
    assert not lost
