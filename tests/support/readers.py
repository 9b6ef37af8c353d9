"""Every reader of files and messages, with a good input each and the ways in which it goes bad."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exprgen.tests.support import damage, synthetic

Make = Callable[[Path], Path]
Read = Callable[[Path], object]
Damage = Callable[[Path, np.random.Generator], bytes]


@dataclass(frozen=True)
class Reader:
    """How one kind of input is made, damaged and read.

    make: writes a good one into a folder. spoil: its bytes gone bad. read: the reader; it may raise
    ExprGenError and nothing else.
    """

    name: str
    make: Make
    spoil: Damage
    read: Read

    def damage(self, base: Path, folder: Path, rng: np.random.Generator) -> Path:
        """A bad one, beside the good one and with its name."""
        place = folder / "bad"
        place.mkdir(exist_ok=True)
        path = place / base.name
        path.write_bytes(self.spoil(base, rng))
        return path


READERS: dict[str, Reader] = {}


def reader(name: str, make: Make, spoil: Damage) -> Callable[[Read], Read]:
    """Make a function the reader of an input of this name."""

    def keep(read: Read) -> Read:
        READERS[name] = Reader(name, make, spoil, read)
        return read

    return keep


def _json(path: Path, rng: np.random.Generator) -> bytes:
    return damage.damage_json(path.read_text(), rng)


def _npz(path: Path, rng: np.random.Generator) -> bytes:
    return damage.bomb(rng) if rng.random() < 0.002 else damage.damage_npz(path, rng)


def _mapped(read: Read) -> Read:
    """Every second input as if its arrays were large, and lay mapped in the file."""
    from exprgen.networks import arrays

    def both(path: Path) -> object:
        whole = arrays.LARGE
        arrays.LARGE = 64 if path.stat().st_size % 2 else whole
        try:
            return read(path)
        finally:
            arrays.LARGE = whole

    return both


# --- tracks --------------------------------------------------------------------------------------


def make_face_track(folder: Path) -> Path:
    """A FaceTrack of four pictures, three with a face."""
    from exprgen.networks.track import RESTING, TRACKED, FaceTrack
    from exprgen.networks.tracking.track_recorder import encode_face
    from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, MOUTH

    n = 4
    jpeg = encode_face(np.full((256, 256), 90, np.uint8))
    lengths = np.array([len(jpeg), len(jpeg), 0, len(jpeg)])
    path = folder / "face.npz"
    FaceTrack(
        times=np.arange(n) / 25.0,
        state=np.array([TRACKED, TRACKED, RESTING, TRACKED], np.uint8),
        landmarks=synthetic.resting_landmarks(n),
        head_pose=np.tile(np.eye(4, dtype=np.float32), (n, 1, 1)),
        gaze=np.zeros((n, 2, 2), np.float32),
        blink=np.zeros((n, 2), np.float32),
        confidence=np.ones(n, np.float32),
        arkit=np.full((n, len(ARKIT_CHANNELS)), 0.2, np.float32),
        geometry=np.full((n, len(GEOMETRIC_FEATURES)), 0.2, np.float32),
        expression=np.full((n, len(EXPRESSIONS)), 1 / 7, np.float32),
        face_offsets=np.cumsum(lengths),
        face_bytes=np.frombuffer(jpeg * 3, np.uint8),
        meta={
            "source": "x.mp4", "size": [640, 360], "fps": 25.0, "partial": False,
            "face": "largest", "stills": True, "names": ["a", "b", "c", "d"], "prior": [1 / 7] * 7,
        },
        rig_units={"mira:0123456789ab": np.zeros((n, 5), np.float32)},
        mouth=np.full((n, len(MOUTH)), 0.2, np.float32),
    ).save(path)  # fmt: skip
    return path


@reader("face track", make_face_track, _npz)
@_mapped
def read_face_track(path: Path) -> object:
    from exprgen.networks.footage.reference_pictures import rows_on_screen
    from exprgen.networks.names import is_name
    from exprgen.networks.track import FaceTrack
    from exprgen.networks.tracking.track_recorder import decode_face

    track = FaceTrack.load(path)
    rows_on_screen(track, 24.0, 1.0)
    assert all(is_name(n) for n in track.meta.get("names") or ())
    for units in track.rig_units.values():
        assert np.isfinite(units).all()
    for frame in np.flatnonzero(track.found):
        decode_face(track.face_jpeg(int(frame)))
    return track


def make_face_fit(folder: Path) -> Path:
    """A FaceFit of four frames."""
    from exprgen.networks.face_model.model import face_model
    from exprgen.tests.support.filmed_face import as_fit

    model = face_model()
    fit = as_fit(model, np.full((4, len(model.expressions)), 0.2))
    return fit.save(folder / "fit.npz")


@reader("face fit", make_face_fit, _npz)
@_mapped
def read_face_fit(path: Path) -> object:
    from exprgen.networks.face_model.face_fit import FaceFit

    fit = FaceFit.load(path)
    assert np.isfinite(fit.heads.scale(fit.camera)).all()
    return fit


def make_face_model(folder: Path) -> Path:
    """The face model that ships."""
    from exprgen.networks.face_model.model import FACE_MODEL

    path = folder / FACE_MODEL.name
    path.write_bytes(FACE_MODEL.read_bytes())
    return path


@reader("face model", make_face_model, _npz)
def read_face_model(path: Path) -> object:
    from exprgen.networks.face_model.model import FaceModel

    model = FaceModel.load(path)
    model.points(np.zeros(model.identities), np.zeros(len(model.expressions)))
    return model


def make_rig_track(folder: Path) -> Path:
    """A RigTrack of five frames and three controls."""
    from exprgen.networks.track import RigTrack

    path = folder / "rig.npz"
    RigTrack(
        character="mira",
        times=np.arange(5) / 25.0,
        controls=("a", "b", "c"),
        values=np.zeros((5, 3), np.float32),
        state=np.zeros(5, np.uint8),
        expression=np.full((5, 7), 1 / 7, np.float32),
        meta={"stills": False, "names": [], "partial": False, "source": "x", "fps": 25.0},
    ).save(path)
    return path


@reader("rig track", make_rig_track, _npz)
@_mapped
def read_rig_track(path: Path) -> object:
    from exprgen.networks.names import is_name
    from exprgen.networks.track import RigTrack

    track = RigTrack.load(path)
    assert is_name(track.character)
    assert np.isfinite(track.values).all()
    return track


# --- characters ----------------------------------------------------------------------------------


def make_profile(folder: Path) -> Path:
    """A profile of two controls with a key pose and landmarks."""
    from exprgen.networks.characters import profile
    from exprgen.networks.vocabulary import LANDMARK_NAMES

    target = (profile.Target("OBJECT", "rig", '["x"]'),)
    controls = (
        profile.Control("left", target, 0.0, -1.0, 1.0, "mouth", mirror="right"),
        profile.Control(
            "right", target, 0.0, -1.0, 1.0, "mouth", mirror="left", channels={"jawOpen": 1.0}
        ),
    )
    anchor = profile.Anchor("face", (0, 1, 2), (0.2, 0.3, 0.5))
    path = folder / "toy.json"
    profile.RigProfile(
        name="toy",
        title="Toy",
        family="bones",
        collection="toy",
        controls=controls,
        framing=profile.Framing((0.0, 0.0, 1.0)),
        key_poses=(profile.KeyPose("joy_1", "joy", {"left": 0.5}, 0.8),),
        file="../toy.blend",
        landmarks=dict.fromkeys(LANDMARK_NAMES, anchor),
    ).save(path)
    return path


@reader("profile", make_profile, _json)
def read_profile(path: Path) -> object:
    from exprgen.networks.characters.profile import from_unit, load_profile
    from exprgen.networks.names import is_name

    profile = load_profile(path)
    assert is_name(profile.name)
    assert np.isfinite(from_unit(profile.controls, np.full(len(profile.controls), 0.7))).all()
    assert profile.blend
    return profile


def make_proposals(folder: Path) -> Path:
    """A file of two proposed poses."""
    path = folder / "toy.proposals.json"
    pose = {
        "name": "joy_1", "expression": "joy", "values": {"left": 0.4}, "origin": "names",
        "probabilities": {"joy": 0.9, "neutral": 0.1}, "folded": 0.1,
    }  # fmt: skip
    poses = [pose, {**pose, "name": "joy_2"}]
    path.write_text(
        json.dumps({"format": "exprgen.pose_proposals", "character": "toy", "poses": poses})
    )
    return path


@reader("proposals", make_proposals, _json)
def read_proposals(path: Path) -> object:
    from exprgen.exprgen_addon.profiling import pose_proposals
    from exprgen.networks.characters.profile import load_profile

    profile = load_profile(make_profile(path.parent))
    assert pose_proposals.proposals_path(profile) == path
    return pose_proposals.load_proposals(profile)


def make_response(folder: Path) -> Path:
    """The response of the toy character, of two points."""
    from exprgen.networks.characters.profile import load_profile
    from exprgen.networks.characters.response import ResponseModel, profile_digest, response_path

    profile = load_profile(make_profile(folder))
    path = response_path(profile)
    ResponseModel(
        "toy", ("left", "right"), ("a", "b"), profile_digest(profile), "",
        rest=np.zeros((2, 3)), halves=np.array([[0, 1], [0, -1], [1, 1]]),
        amounts=np.array([0.5, 1.0]), curves=np.zeros((3, 2, 2, 3)),
        pairs=np.array([[0, 2]]), bends=np.zeros((1, 2, 3)),
    ).save(path)  # fmt: skip
    return path


@reader("response", make_response, _npz)
@_mapped
def read_response(path: Path) -> object:
    from exprgen.networks.characters.profile import load_profile
    from exprgen.networks.characters.response import load_response

    model = load_response(load_profile(make_profile(path.parent)))
    assert np.isfinite(model.through(np.eye(3 * len(model.points))).predict(np.ones((2, 2)))).all()
    return model


def make_actor(folder: Path) -> Path:
    """What is kept of an actor after two clips."""
    from exprgen.networks.solving.actor_file import KIND
    from exprgen.networks.solving.relations import NAMES
    from exprgen.networks.track import save_arrays

    k = len(NAMES)
    arrays = {"neutral": np.zeros((2, k)), "seconds": np.ones(2), "reach": np.zeros((2, 2, k))}
    meta = {"name": "ann", "sources": ["a", "b"], "relations": list(NAMES)}
    save_arrays(folder / "ann.npz", KIND, meta, arrays)
    return folder / "ann.npz"


@reader("actor", make_actor, _npz)
@_mapped
def read_actor(path: Path) -> object:
    import os

    from exprgen.networks.solving.actor_file import ACTORS_VARIABLE, load_actor

    os.environ[ACTORS_VARIABLE] = str(path.parent)
    return load_actor("ann")


def make_points(folder: Path) -> Path:
    """Landmarks that a person placed."""
    path = folder / "points.json"
    points = {"left_eye_outer": [0.3, 0.4], "chin": [0.5, 0.9], "nose_tip": [0.5, 0.6]}
    path.write_text(json.dumps({"format": "exprgen.landmark_points", "points": points}))
    return path


@reader("points", make_points, _json)
def read_points(path: Path) -> object:
    from exprgen.exprgen_addon.characters.landmark_points import load_points

    return load_points(path)


# --- weights, checkpoints ------------------------------------------------------------------------


def make_weights(folder: Path) -> Path:
    """A small C-MLP with random weights."""
    import torch

    from exprgen.networks.models.registry import build_network
    from exprgen.networks.models.weights_io import WeightsInfo, save_network

    torch.manual_seed(0)
    config = {"inputs": 3, "outputs": 2}
    info = WeightsInfo(
        "character_mlp", config, character="toy", controls=("left", "right"),
        source_character="mira", source_controls=("a", "b", "c"), training={"seed": 1},
    )  # fmt: skip
    path = folder / "w.safetensors"
    save_network(path, build_network("character_mlp", **config), info)
    return path


@reader("weights", make_weights, lambda p, rng: damage.damage_safetensors(p.read_bytes(), rng))
def read_weights(path: Path) -> object:
    import torch

    from exprgen.networks.models.weights_io import load_network

    network, info = load_network(path, "character_mlp")
    assert all(torch.isfinite(p).all() for p in network.parameters())
    return info.digest


def make_checkpoint(folder: Path) -> Path:
    """The checkpoint of a training's first steps."""
    from exprgen.networks.training.shared.checkpoints import FILE

    _train(folder, resume=False)
    return folder / FILE


def _train(folder: Path, resume: bool) -> object:
    import contextlib

    import torch

    from exprgen.networks.training.shared.loop import LoopSettings, Stage, run

    class Task:
        def __init__(self):
            torch.manual_seed(0)
            self.model = torch.nn.Linear(2, 1)

        def loss(self, stage, rng):
            return self.model(torch.ones(stage.batch, 2)).square().mean()

        def evaluate(self, model, stage):
            return {"score": 1.0}

        def train_mode(self):
            self.model.train()

    with contextlib.redirect_stdout(io.StringIO()):
        return run(Task(), (Stage(1, 2, 1, 0.1),), folder, LoopSettings(), {"a": 1}, resume)


@reader("checkpoint", make_checkpoint, damage.damage_zip)
def read_checkpoint(path: Path) -> object:
    from exprgen.networks.training.shared.checkpoints import load_checkpoint
    from exprgen.networks.training.shared.loop import LoopSettings, Stage, _plan, _Training

    state = load_checkpoint(path.parent, _settings_of_checkpoint())
    assert state is not None
    import torch

    class Task:
        model = torch.nn.Linear(2, 1)

    stages = _plan(state, path.parent)
    training = _Training(Task(), stages or (Stage(1, 2, 1, 0.1),), path.parent, LoopSettings(), {})
    import contextlib

    with contextlib.redirect_stdout(io.StringIO()):
        training.restore(state)
    return state


def _settings_of_checkpoint() -> dict:
    from dataclasses import asdict

    from exprgen.networks.training.shared.loop import LoopSettings, Stage

    loop = asdict(LoopSettings())
    del loop["minutes"], loop["checkpoint_seconds"]
    return {"a": 1, "loop": loop, "stages": [asdict(Stage(1, 2, 1, 0.1))]}


# --- training data -------------------------------------------------------------------------------


def make_samples(folder: Path) -> Path:
    """A capture of ten pictures, prepared."""
    from exprgen.networks.track import save_arrays
    from exprgen.networks.training.shared.sets import CED_KIND, SEEN_KIND

    place = folder / "toy"
    place.mkdir(exist_ok=True)
    n = 10
    save_arrays(
        place / "samples.npz",
        CED_KIND,
        {"character": "toy", "controls": ["left", "right"], "anchors": "0123"},
        {
            "label": np.arange(n) % 7, "units": np.zeros((n, 2)), "arkit": np.zeros((n, 52)),
            "intensity": np.ones(n), "values": np.zeros((n, 2)), "looks": np.zeros((n, 3)),
            "landmarks": np.full((n, 49, 2), np.nan, np.float32),
            "rejected": np.zeros(n, np.uint8),
        },
    )  # fmt: skip
    seen = {
        "geometry": np.zeros((n, 9), np.float32), "arkit": np.zeros((n, 52), np.float32),
        "found": np.ones(n, bool),
    }  # fmt: skip
    save_arrays(place / "seen.npz", SEEN_KIND, {"source": "detected"}, seen)
    np.save(place / "faces.npy", np.zeros((n, 256, 256), np.uint8))
    return place / "samples.npz"


@reader("samples", make_samples, _npz)
@_mapped
def read_samples(path: Path) -> object:
    from exprgen.networks.training.shared.datasets import load_samples

    return load_samples(path)


def make_mouths(folder: Path) -> Path:
    from exprgen.tests.support.drawn_mouth import mouth_set

    return mouth_set(count=4, people=2).save(folder / "mouths.npz")


@reader("mouths", make_mouths, _npz)
@_mapped
def read_mouths(path: Path) -> object:
    from exprgen.networks.training.mouth import MouthTask, mouth_reader
    from exprgen.networks.training.shared.mouth_set import MouthSet

    return MouthTask(mouth_reader(), MouthSet.load(path)).crops.sum()


@reader("seen", lambda folder: make_samples(folder).with_name("seen.npz"), _npz)
@_mapped
def read_seen(path: Path) -> object:
    from exprgen.networks.training.shared.datasets import load_seen

    return load_seen(path)


def _npy(path: Path, rng: np.random.Generator) -> bytes:
    array = np.load(path)
    if rng.random() < 0.4:
        return damage.damage_bytes(path.read_bytes(), rng)
    return damage.npy(damage.damage_array(array, rng), rng, bool(rng.random() < 0.5))


def make_array(folder: Path) -> Path:
    """An array as the trainings keep them."""
    np.save(folder / "kept.npy", np.arange(24, dtype=np.float32).reshape(4, 6))
    return folder / "kept.npy"


@reader("array", make_array, _npy)
def read_kept(path: Path) -> object:
    from exprgen.networks.arrays import read_array

    return np.array(read_array(path))


def make_truth(folder: Path) -> Path:
    """The curves beside the reference clip."""
    from exprgen.networks.evaluation.motion import CURVES

    path = folder / "reference.npz"
    path.write_bytes(CURVES.read_bytes())
    return path


@reader("curves", make_truth, _npz)
@_mapped
def read_truth(path: Path) -> object:
    from exprgen.networks.evaluation.motion import Truth

    return Truth.load(path)


def make_clip_truth(folder: Path) -> Path:
    """What is true in a made clip of four frames and two sounds."""
    from exprgen.networks.footage.truth import ClipTruth

    path = folder / "clip.truth.npz"
    ClipTruth(
        times=np.arange(4) / 25.0, arkit=np.zeros((4, 52)), landmarks=np.zeros((4, 49, 3)),
        chin=np.zeros((4, 3)), head=np.zeros((4, 3)), phonemes=("m", "a"),
        starts=np.array([0.0, 0.1]), ends=np.array([0.1, 0.15]),
        extra={"lip_gap": np.zeros((4, 3))}, meta={"person": "a", "expression": "joy"},
    ).save(path)  # fmt: skip
    return path


@reader("clip truth", make_clip_truth, _npz)
@_mapped
def read_clip_truth(path: Path) -> object:
    from exprgen.networks.footage.truth import ClipTruth

    return ClipTruth.load(path)


def make_choice(folder: Path) -> Path:
    """A choice of two pictures."""
    from exprgen.networks.evaluation.choice import Chosen, save_choice

    path = folder / "chosen.json"
    save_choice([Chosen(f"joy_0{i}", "joy", 0.9, f"mux/{i}.png", i % 2) for i in (1, 2)], path)
    return path


@reader("choice", make_choice, _json)
def read_choice(path: Path) -> object:
    from exprgen.networks.evaluation.choice import load_choice

    return load_choice(path)


def make_groups(folder: Path) -> Path:
    """A table of one transfer."""
    group = {
        "method": "exprgen", "character": "mira", "files": ["a.png"], "track": "t.npz",
        "landmarks": None, "profile": "mira.json",
    }  # fmt: skip
    path = folder / "groups.json"
    path.write_text(json.dumps({"groups": [group]}))
    return path


@reader("groups", make_groups, _json)
def read_groups(path: Path) -> object:
    from exprgen.networks.evaluation.transfer import load_groups

    return load_groups(path)


def make_labels(folder: Path) -> Path:
    """A table of labelled faces."""
    path = folder / "faces.csv"
    path.write_text("file,label,subject,split,joy\na.png,joy,ann,train,7\nb.png,anger,bob,val,0\n")
    return path


@reader("labels", make_labels, lambda p, rng: damage.damage_table(p.read_text(), rng))
def read_labels(path: Path) -> object:
    from exprgen.networks.training.hed import list_items

    return list_items(path)


def make_plan(folder: Path) -> Path:
    """What a preview's film shows."""
    path = folder / "plan.json"
    plan = {
        "reference": "x.mp4", "titles": ["Mira"], "pictures": [["a.png", "b.png"]],
        "times": [0.0, 0.04], "expression": [[0.1] * 7] * 2, "seen": [True, False], "fps": 24.0,
        "size": 256, "out": "film.mp4",
    }  # fmt: skip
    path.write_text(json.dumps(plan))
    return path


@reader("film plan", make_plan, _json)
def read_plan(path: Path) -> object:
    from exprgen.networks.footage.film_composer import Plan

    return Plan.load(path)


def make_folds(folder: Path) -> Path:
    """The table of a cross-validation's finished folds."""
    fold = {"fold": 0, "count": 2, "accuracy": 0.5, "mean_recall": 0.5, "confusion": [[1, 1]] * 2}
    path = folder / "hcnn.folds.json"
    path.write_text(json.dumps({"settings": {"seed": 1}, "folds": [fold], "accuracy": 0.5}))
    return path


@reader("folds", make_folds, _json)
def read_folds(path: Path) -> object:
    from exprgen.networks.training.shared.folds import _finished

    return _finished(path, {"seed": 1})


# --- requests, settings, messages ----------------------------------------------------------------


def make_settings(folder: Path) -> Path:
    """The settings of a retarget."""
    from exprgen.networks.settings import RetargetSettings

    path = folder / "settings.json"
    made = RetargetSettings(gain={"mouth": 1.2}, start=1.0, end=2.0, calibration=1.5)
    path.write_text(json.dumps(made.to_json()))
    return path


@reader("settings", make_settings, _json)
def read_settings(path: Path) -> object:
    from exprgen.networks.reading import read_json
    from exprgen.networks.settings import RetargetSettings

    return RetargetSettings.from_json(read_json(path))


def make_requests(folder: Path) -> Path:
    """What a worker is asked."""
    path = folder / "requests.jsonl"
    lines = [
        {"id": 1, "command": "ping", "arguments": {"echo": "a"}},
        {"id": 2, "command": "ping"},
        {"command": "stop", "id": 2},
        {"id": 9, "command": "ping", "arguments": {"echo": "last"}},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


def _lines(path: Path, rng: np.random.Generator) -> bytes:
    return damage.damage_lines(path.read_text().splitlines(), rng)


@reader("requests", make_requests, _lines)
def read_requests(path: Path) -> object:
    """A worker answers every good request that comes among bad ones, and ends."""
    import contextlib

    from exprgen.networks.worker import Worker

    said = io.StringIO()
    with open(path, encoding="utf-8", errors="replace") as lines:
        worker = Worker(lines, said)
        with contextlib.redirect_stderr(io.StringIO()):
            worker.run()
    answers = [json.loads(line) for line in said.getvalue().splitlines()]
    last = [m for m in answers if m.get("id") == 9 and m["type"] in ("result", "error")]
    assert last, "the last request got no answer"
    return answers


def make_answers(folder: Path) -> Path:
    """What a worker says."""
    path = folder / "answers.jsonl"
    lines = [
        {"type": "ready", "pid": 1},
        {"id": 1, "type": "stage", "stage": "x"},
        {"id": 1, "type": "progress", "stage": "x", "done": 1, "total": 2, "rate": 0.5, "eta": 3},
        {"id": 1, "type": "log", "level": "info", "text": "hello"},
        {"id": 1, "type": "error", "kind": "InputError", "problem": "p", "file": None, "fix": "f"},
        {"id": 1, "type": "result", "partial": False},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return path


@reader("answers", make_answers, _lines)
def read_answers(path: Path) -> object:
    from exprgen.networks.errors import ExprGenError
    from exprgen.networks.messages import is_answer, read_messages

    taken = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for message in read_messages(lines):
            if isinstance(message, dict) and is_answer(message):
                taken.append(message)
                if message["type"] == "error":
                    ExprGenError.from_message(message)
    assert any(m["type"] == "result" for m in taken), "the result was lost"
    return taken


def make_live_tape(folder: Path) -> Path:
    """A tape of three frames, of two characters."""
    from exprgen.exprgen_addon.engine.live_tape import LiveTape

    tape = LiveTape(folder / "take.blend", "live, now")
    frames = [
        {"time": i / 30, "state": "live", "values": [[0.1, i], [0.5]], "expression": [1 / 7] * 7}
        for i in range(3)
    ]
    tape.add([("mira", ("a", "b")), ("tobi", ("c",))], frames)
    tape.close()
    return tape.path


@reader("live tape", make_live_tape, _lines)
def read_live_tape(path: Path) -> object:
    from exprgen.exprgen_addon.engine.live_tape import read_tape
    from exprgen.networks.names import is_name

    tracks = read_tape(path)
    assert all(is_name(t.character) and np.isfinite(t.values).all() for t in tracks)
    return tracks


# --- shot lists, states --------------------------------------------------------------------------


def _house(folder: Path) -> list[dict]:
    (folder / "ok.mp4").touch()
    row = {"shot": "s1", "reference": "ok.mp4", "primary": "mira", "out": "out/s1.blend"}
    more = {"gain": "mouth=1.2", "range": "1:2", "fps": "24", "emphasis": "0.5"}
    return [{**row, **more}, {**row, **more, "shot": "s2", "out": "out/s2.blend"}]


def make_shots_json(folder: Path) -> Path:
    """A shot list in JSON."""
    path = folder / "shots.json"
    path.write_text(json.dumps(_house(folder)))
    return path


def make_shots_csv(folder: Path) -> Path:
    """A shot list as a table."""
    rows = _house(folder)
    path = folder / "shots.csv"
    with open(path, "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def _read_shots(path: Path) -> object:
    from exprgen.exprgen_addon.command_line.shot_list import ShotListError, load_shots

    _house(path.parent)
    try:
        return load_shots(path)
    except ShotListError as problem:
        raise problem.errors[0] from None


reader("shots json", make_shots_json, _json)(_read_shots)
reader("shots csv", make_shots_csv, lambda p, rng: damage.damage_table(p.read_text(), rng))(
    _read_shots
)


def make_state(folder: Path) -> Path:
    """The state of a shot that was done."""
    from exprgen.exprgen_addon.command_line.batch import State

    path = folder / "s1.json"
    State("s1", "done", 0, "abc", {"out/s1.blend": 12}, 3.0, "host", None, {"a": 1}).save(path)
    return path


@reader("state", make_state, _json)
def read_state(path: Path) -> object:
    from exprgen.exprgen_addon.command_line.batch import State

    return State.load(path)
