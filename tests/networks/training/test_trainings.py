"""Each training runs end to end on drawn data, resumes exactly, and fails clearly."""

import json
import re
import signal
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import (
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_USAGE,
    InputError,
    UsageError,
)
from exprgen.networks.inference.character_mlp import CharacterMlp
from exprgen.networks.models import weights_places
from exprgen.networks.models.cmlp import character_mlp
from exprgen.networks.models.perceptual import hcnn
from exprgen.networks.models.perceptual import scnn as scnn_network
from exprgen.networks.models.weights_file import read_info
from exprgen.networks.models.weights_io import WeightsInfo, load_network, save_network
from exprgen.networks.perception import pictures
from exprgen.networks.tracking.face_detector import FaceObservation
from exprgen.networks.tracking.registration import average_face
from exprgen.networks.training import ced, cmlp, cnn_3d, fcnn, kind, scnn
from exprgen.networks.training import hcnn as hcnn_training
from exprgen.networks.training.shared import classifying
from exprgen.networks.training.shared.augment import AugmentSettings, augment
from exprgen.networks.training.shared.checkpoints import load_checkpoint, save_checkpoint
from exprgen.networks.training.shared.datasets import load_ced, synthetic_faces
from exprgen.networks.training.shared.features import compute_features
from exprgen.networks.training.shared.keeping import kept_in
from exprgen.networks.training.shared.loop import LoopSettings, Stage, _Training, fit_to_time, run
from exprgen.networks.training.shared.mixing import _pool, pools
from exprgen.networks.training.shared.report import confusion_matrix, write_report
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.networks.worker import training
from exprgen.networks.worker import trainings as trainings_by_name
from exprgen.tests.support import synthetic, trainings

torch.set_num_threads(1)  # small networks: threads would only wait for each other


class Line:
    """A task small enough to watch: two weights learn a line; dropout makes steps random."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.3),
            torch.nn.Linear(8, 1),
        )  # fmt: skip
        self.asked = self.measured = 0
        self.stop_at = self.stop_measuring_at = -1

    def train_mode(self):
        self.model.train()

    def loss(self, stage, rng):
        self.asked += 1
        x = torch.from_numpy(rng.normal(size=(stage.batch, 3)).astype(np.float32))
        loss = ((self.model(x) - x.sum(1, keepdim=True)) ** 2).mean()
        if self.asked == self.stop_at:  # the statistics have seen the batch
            signal.raise_signal(signal.SIGINT)
        return loss

    def evaluate(self, model, stage):
        self.measured += 1
        if self.measured == self.stop_measuring_at:
            signal.raise_signal(signal.SIGINT)
        return {"score": -float(model.eval()(torch.ones(1, 3)).detach().abs().sum())}


STAGES = (Stage(8, 200, 10, 1e-2), Stage(0, 150, 10, 1e-2))  # some look at no pictures


@pytest.mark.parametrize(
    ("optimiser", "stop"),
    [
        ("adamw", {"stop_at": 18}),  # Ctrl-C in the middle of a step
        ("sgd", {"stop_at": 1}),
        ("plain", {"stop_at": 35}),
        ("adamw", {"stop_measuring_at": 3}),  # and while it is measured
        ("adamw", {"stop_measuring_at": 6}),  # for the last time
    ],
)
def test_resumed_equals_uninterrupted(tmp_path, optimiser, stop):
    s = LoopSettings(optimiser=optimiser, evaluate_every=7, patience=99)
    whole = run(Line(), STAGES, tmp_path / "a", s, {}, resume=False)
    after = torch.rand(3)
    broken = Line()
    vars(broken).update(stop)
    with pytest.raises(KeyboardInterrupt):
        run(broken, STAGES, tmp_path / "b", s, {}, resume=True)
    resumed = run(Line(), STAGES, tmp_path / "b", s, {}, resume=True)
    assert (whole.steps, resumed.steps) == (35, 35)
    assert resumed.history == whole.history
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    run(Line(), STAGES, tmp_path / "b", s, {}, resume=True)  # nothing is left of it
    assert torch.equal(torch.rand(3), after)


def test_what_a_second_stop_breaks_off_is_not_kept(tmp_path):
    class Stubborn(Line):
        def loss(self, stage, rng):
            loss = super().loss(stage, rng)
            if self.asked == 5:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return loss

    s = LoopSettings(checkpoint_seconds=0)  # after each step
    with pytest.raises(KeyboardInterrupt):
        run(Stubborn(), STAGES, tmp_path, s, {}, resume=False)
    resumed = _Training(Line(), STAGES, tmp_path, s, {})
    found = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed.restore(found)
    assert resumed.step == 4


def test_checkpoint_of_another_training_is_refused(tmp_path):
    save_checkpoint(tmp_path, {"seed": 1}, {"step": 3})
    assert load_checkpoint(tmp_path, {"seed": 1})["step"] == 3
    assert load_checkpoint(tmp_path / "none", {}) is None
    with pytest.raises(UsageError, match="seed = 1, not 2"):
        load_checkpoint(tmp_path, {"seed": 2})
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(tmp_path, {"seed": 1})


def test_early_stop_and_time_budget():
    task = Line()
    task.evaluate = lambda model, stage: {"score": 0.0}
    s = LoopSettings(evaluate_every=2, patience=3, minutes=1e-6)
    training = _Training(task, (Stage(8, 10_000, 10, 1e-2),), "unused", s, {})
    training.save = lambda: None
    assert training.run().steps == 8
    before = {k: v.clone() for k, v in task.model.state_dict().items()}
    shorter = fit_to_time(task, STAGES, s)
    assert [stage.images for stage in shorter] == [10, 10]
    assert all(torch.equal(v, before[k]) for k, v in task.model.state_dict().items())


def test_diverging_training_says_so():
    task = Line()
    task.loss = lambda stage, rng: task.model[0].weight.sum() * float("nan")
    with pytest.raises(UsageError, match="loss is nan"):
        _Training(task, STAGES, "unused", LoopSettings(), {}).run()


def test_augmentation_keeps_range_and_says_what_it_mirrored():
    faces = synthetic_faces(8, size=64).faces
    rng = np.random.default_rng(0)
    x, _ = augment(faces, 48, AugmentSettings(), rng)
    assert x.shape == (8, 1, 48, 48)
    assert 0 <= float(x.min()) <= float(x.max()) <= 255
    with pytest.raises(UsageError, match="50 times as strong"):
        AugmentSettings().scaled(50)
    none = AugmentSettings().scaled(0)
    x, flipped = augment(faces, 64, none, rng)
    assert 0 < flipped.sum() < 8
    for face, given, mirrored in zip(faces, x[:, 0].numpy(), flipped, strict=True):
        assert np.allclose(given, face[:, ::-1] if mirrored else face, atol=0.01)


def test_report_needs_nothing_else(tmp_path):
    matrix = confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]), 7)
    assert matrix[1].tolist() == [1, 1, 0, 0, 0, 0, 0]
    history = [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 0.5, "score": 0.3}]
    path = tmp_path / "r.html"
    write_report(path, "T<", {"seed": 1}, history, {"score": 0.3}, matrix, EXPRESSIONS)
    text = path.read_text()
    assert "T&lt;" in text
    assert text.count("<polyline") == 2
    assert "http" not in text


def test_features_are_kept_and_recomputed_when_stale(tmp_path):
    network = hcnn().eval()
    faces = synthetic_faces(4).faces
    rows = np.array([0, 2])
    path = tmp_path / "f.npy"
    kept = compute_features(path, network, faces, rows, 4, variants=3, size=64)
    assert kept.maps.shape == (3, 2, 64, 16, 16)
    assert kept.flipped[:2].tolist() == [[False, False], [True, True]]
    written = path.stat().st_mtime_ns
    compute_features(path, network, faces, rows, 4, variants=3, size=64)
    assert path.stat().st_mtime_ns == written
    torch.nn.init.zeros_(network.layers[0].conv.weight)
    compute_features(path, network, faces, rows, 4, variants=3, size=64)
    assert path.stat().st_mtime_ns != written
    with pytest.raises(UsageError, match="5 frozen layers"):
        compute_features(path, network, faces, rows, 5)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Two characters, their pictures, human faces and an HCNN for 64-pixel faces."""
    folder = tmp_path_factory.mktemp("trainings")
    doll = trainings.write_profile(folder)
    channels = {"open": "jawOpen", "happy": "mouthSmileLeft", "sad": "mouthFrownLeft"}
    scheme = {name: ("", {channel: 1.0}) for name, channel in channels.items()}
    puppet = trainings.write_profile(folder, "puppet", scheme)
    trainings.write_ced(folder / "ced", doll)
    trainings.write_ced(folder / "ced", puppet, seed=3)
    torch.manual_seed(0)
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, input_size=64)
    save_network(folder / "hcnn.safetensors", hcnn(), info)
    return folder


def test_poses_without_pictures_are_said_to_need_no_registering(tmp_path):
    measured = {"label": np.zeros(3), "landmarks": np.zeros((3, 49, 2))}
    with pytest.raises(InputError, match="train cmlp"):
        ced._complete_images(tmp_path, measured)
    with pytest.raises(InputError, match="run the capture first"):
        ced._complete_images(tmp_path, {"label": np.zeros(3)})


def test_hcnn_learns_resumes_and_reports(tmp_path):
    out = tmp_path / "hcnn.safetensors"
    arguments = ["--data", "drawn:140", "--out", str(out), "--sizes", "32:2400:0.003"]
    assert hcnn_training.main(arguments) == 0
    network, info = load_network(out, "hcnn")
    assert info.labels == EXPRESSIONS
    drawn = synthetic_faces(140)
    answers = classifying.classify(network, drawn.faces, drawn.rows("val"), 32)
    assert (answers.argmax(1) == drawn.labels[drawn.rows("val")]).mean() > 0.4
    assert out.with_suffix(".md").exists()
    assert "<svg" in out.with_suffix(".report.html").read_text()
    assert hcnn_training.main([*arguments, "--resume"]) == 0, "nothing left to do"
    assert hcnn_training.main([*arguments, "--resume", "--seed", "1"]) == EXIT_USAGE


def test_a_training_may_start_from_the_mean_of_two(tmp_path):
    files = [str(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        save_network(file, hcnn(), WeightsInfo("hcnn", labels=EXPRESSIONS))
    a, b = (load_network(file)[0].state_dict() for file in files)
    mean = hcnn_training.starting_network(f"{files[0]}:0.25,{files[1]}:0.75").state_dict()
    for name, value in mean.items():
        torch.testing.assert_close(value, (0.25 * a[name] + 0.75 * b[name]).to(value.dtype))
    for wrong, problem in (
        (f"{files[0]},{files[1]}", "no mean"),
        (f"{files[0]}:1,{files[1]}:1", "sum to 2"),
    ):
        with pytest.raises(UsageError, match=problem):
            hcnn_training.starting_network(wrong)


@pytest.mark.parametrize("name", sorted(trainings_by_name()))
def test_every_option_says_what_it_is(name, capsys):
    with pytest.raises(SystemExit) as ended:
        training(name)(["--help"])
    assert not ended.value.code
    told = capsys.readouterr().out.partition("options:")[2]
    assert told
    bare = re.search(r"^  --[a-z-]+( [A-Z_]+)?(\n  -|\n*\Z)", told, re.MULTILINE)
    assert bare is None, "an option without words"


def test_interrupted_command_says_130(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hcnn_training, "hcnn", lambda: signal.raise_signal(signal.SIGINT))
    arguments = ["--data", "drawn:14", "--out", str(tmp_path / "x.safetensors")]
    assert hcnn_training.main(arguments) == EXIT_INTERRUPTED
    assert "stopped; nothing was learned yet\n" in capsys.readouterr().err


def test_scnn_and_fcnn(room, monkeypatch):
    s = scnn.ScnnSettings(
        ced=str(room / "ced"),
        init=str(room / "hcnn.safetensors"),
        out=str(room / "scnn.safetensors"),
        variants=2,
        epochs=2,
    )
    outcome = scnn.train(s)
    assert {"accuracy doll", "accuracy puppet"} <= set(outcome.metrics)
    parent, child = load_network(s.init)[0], load_network(s.out, "scnn")[0]
    for i, (a, b) in enumerate(zip(parent.layers, child.layers, strict=True)):
        assert torch.equal(a.conv.weight, b.conv.weight) == (i < s.frozen_layers)
        assert torch.equal(a.norm.running_mean, b.norm.running_mean) == (i < s.frozen_layers)
    monkeypatch.setattr(fcnn, "load_faces", lambda _: synthetic_faces(70, 7))
    f = fcnn.FcnnSettings(
        data="drawn",
        ced=s.ced,
        primary=str(room / "doll.json"),
        hcnn=s.init,
        scnn=s.out,
        out=str(room / "fcnn.safetensors"),
        epochs=2,
    )
    assert 0 <= fcnn.train(f).metrics["triplets in order"] <= 1
    assert read_info(f.out).character == "doll"


def test_scnn_goes_on_from_an_scnn(room, tmp_path):
    torch.manual_seed(1)
    parent, path = scnn_network(), tmp_path / "before.safetensors"
    save_network(path, parent, WeightsInfo("scnn", labels=EXPRESSIONS, input_size=64))
    s = scnn.ScnnSettings(
        ced=str(room / "ced"),
        init=str(path),
        out=str(tmp_path / "after.safetensors"),
        variants=2,
        epochs=1,
        rate=1e-8,
    )
    scnn.train(s)
    child = load_network(s.out, "scnn")[0]
    for name, value in parent.named_parameters():
        assert torch.allclose(value, child.get_parameter(name), atol=1e-3), name
    learned = scnn_network()
    for share, nearer in ((0.25, learned), (0.75, parent)):
        mixed = kept_in(deepcopy(learned), parent, share)
        far = (mixed.fc14.weight - nearer.fc14.weight).abs().mean()
        assert torch.isclose(far, 0.25 * (learned.fc14.weight - parent.fc14.weight).abs().mean())
    with pytest.raises(UsageError, match="of an hcnn can't be kept"):
        scnn.train(replace(s, init=str(room / "hcnn.safetensors"), keep=0.5))
    scnn.train(replace(s, keep=0.5, resume=True))  # what is kept is chosen at the end
    sizes = {"inputs": 3, "outputs": 2}
    save_network(path, character_mlp(**sizes), WeightsInfo("character_mlp", sizes))
    with pytest.raises(UsageError, match="holds a character_mlp"):
        scnn.train(s)


def test_kind_network_tells_people_from_characters(room, monkeypatch):
    people = synthetic_faces(140, 7)
    people = replace(people, faces=255 - np.asarray(people.faces))  # as unlike as can be
    monkeypatch.setattr(kind, "load_faces", lambda _: people)
    s = kind.KindSettings(
        data="drawn",
        ced=str(room / "ced"),
        out=str(room / "kind.safetensors"),
        without="puppet",
        images=3000,
    )
    metrics = kind.train(s).metrics
    assert metrics["score"] > 0.8
    assert "right puppet (unseen)" in metrics
    assert "right puppet" not in metrics
    monkeypatch.setenv(weights_places.WEIGHTS_VARIABLE, str(room))
    doll = np.load(room / "ced" / "doll" / "faces.npy")
    found = [pictures.kind_of(face) for face in doll[:10]]
    assert [which for which, _ in found].count("character") >= 8
    assert all(0.5 <= sure <= 1.0 for _, sure in found)
    assert pictures.kind_of(people.faces[0])[0] == "human"


def rig_settings(room, **changes):
    values = {
        "data": "drawn",
        "ced": str(room / "ced"),
        "primary": str(room / "doll.json"),
        "init": str(room / "hcnn.safetensors"),
        "out": str(room / "rig.safetensors"),
        "variants": 2,
        "epochs": 40,
        "humans": 70,
    }
    return cnn_3d.RigSettings(**values | changes)


def test_rig_regressor_follows_the_face(room, monkeypatch):
    humans = synthetic_faces(140, 7)
    monkeypatch.setattr(cnn_3d, "load_faces", lambda _: humans)
    s = rig_settings(room, humans=140)
    outcome = cnn_3d.train(s)
    assert outcome.metrics["own"] > 0.5
    assert outcome.metrics["human"] > 0.5
    network, info = load_network(s.out, "rig_regressor", character="doll")
    assert info.input_size == 64
    assert len(info.extra) == 61
    parent = load_network(s.init)[0]
    assert torch.equal(network.layers[5].conv.weight, parent.layers[5].conv.weight)


def test_paper_form_of_the_rig_regressor(room, monkeypatch):
    monkeypatch.setattr(cnn_3d, "load_faces", lambda _: synthetic_faces(70, 7))
    out = str(room / "paper.safetensors")
    cnn_3d.train(rig_settings(room, match="paper", geometry=0, own=0.0, epochs=2, out=out))
    assert read_info(out).config == {"controls": 5, "geometry": 0}


def test_two_looks_agree_and_strength_is_kept(room, monkeypatch):
    monkeypatch.setattr(cnn_3d, "load_faces", lambda _: synthetic_faces(70, 7))
    s = rig_settings(room, epochs=2, sides=1.0, intensity=0.5, out=str(room / "sides.safetensors"))
    assert np.isfinite(cnn_3d.train(s).metrics["human"])

    shop = cnn_3d.Workshop(s)
    model = load_network(s.out, "rig_regressor")[0]
    task = cnn_3d.RigTask(model, shop.human_pairs(), shop.own_pairs(), None, shop.profile, s)
    units = torch.rand(6, 5) * 2 - 1
    mirrored = torch.from_numpy(task.mirror.units(units.numpy()))
    flipped = torch.tensor([True, False] * 3)[:, None]
    shown = torch.where(flipped, mirrored, units)
    torch.testing.assert_close(task._unmirrored(shown, flipped), units)

    assert float(task._intensity_loss(units, units)) == 0
    same = task._intensity_loss(mirrored, units)
    assert float(same) < 0.02  # a mirror image is as strong
    weak = (0.4 * units).requires_grad_()
    task._intensity_loss(weak, units).backward()
    assert float((weak.grad * units).sum()) < 0  # a step against the gradient strengthens it


def test_mlp_carries_expressions_over(room):
    s = cmlp.CmlpSettings(
        ced=str(room / "ced"),
        primary=str(room / "doll.json"),
        secondary=str(room / "puppet.json"),
        out=str(room / "cmlp.safetensors"),
        epochs=400,
    )
    cmlp.train(s)
    info = read_info(s.out)
    assert info.source_controls == ("smile_L", "smile_R", "jaw", "jaw_side", "brow")
    mlp = CharacterMlp.load(s.out, info.source_controls, ("open", "happy", "sad"))
    rest, smile, jaw = mlp(np.array([[0, 0, 0, 0, 0], [1, 1, 0.3, 0, 0], [0.1, 0.1, 1, 0, 0]]))
    assert np.abs(rest).max() < 0.3
    assert smile[1] > 0.5 > abs(smile[2])
    assert jaw[0] > 0.5


def test_mlp_for_a_character_that_scnn_has_not_seen(room):
    """Pictures are compared at the size that SCNN looks at; expressions still carry over."""
    reader = room / "reader.safetensors"
    parent = load_network(room / "hcnn.safetensors")[0]
    save_network(reader, parent, WeightsInfo("scnn", labels=EXPRESSIONS, input_size=64))
    s = cmlp.CmlpSettings(
        ced=str(room / "ced"),
        primary=str(room / "doll.json"),
        secondary=str(room / "puppet.json"),
        out=str(room / "unseen.safetensors"),
        scnn=str(reader),
        epochs=200,
    )
    assert cmlp.train(s).metrics["explained"] > 0.3
    card = (room / "unseen.md").read_text()
    assert "puppet" in card


def test_an_mlp_is_measured_beside_the_mean_pose(room, tmp_path, capsys):
    """What is no better is refused and not written, what is little better is warned of."""
    out = tmp_path / "w.safetensors"
    words = ["--ced", str(room / "ced"), "--out", str(out)]
    words += ["--primary", str(room / "doll.json"), "--secondary", str(room / "puppet.json")]
    assert cmlp.main([*words, "--epochs", "200"]) == 0
    assert "warning" not in capsys.readouterr().out
    told = read_info(out).training["metrics"]
    assert told["held-out error"] < cmlp.WORTH * told["error of the mean pose"]
    out.unlink()
    task = SimpleNamespace(
        targets=torch.tensor([[0.0], [1.0], [0.0], [1.0]]),
        train_rows=np.array([0, 1]),
        check=np.array([2, 3]),
    )
    figures = cmlp.check_use(task, np.array([[0.4], [0.6]], np.float32), tmp_path)
    said = "of little use: on 2 held-out poses its error is 0.400, that of the mean pose 0.500"
    assert said in capsys.readouterr().out
    assert figures == pytest.approx({"held-out error": 0.4, "error of the mean pose": 0.5})
    for useless in ([[0.5], [0.5]], [[1.0], [0.0]], [[np.nan], [0.0]]):
        with pytest.raises(InputError, match="no useful C-MLP comes of it: on 2 held-out poses"):
            cmlp.check_use(task, np.array(useless, np.float32), tmp_path)
    few = tmp_path / "few"
    for name, seed in (("doll", 0), ("puppet", 3)):
        trainings.write_ced(few, load_profile(room / f"{name}.json"), count=18, seed=seed)
    words[1] = str(few)
    assert cmlp.main([*words, "--epochs", "1"]) == EXIT_INPUT
    assert "no useful C-MLP" in capsys.readouterr().err
    assert not out.exists()


def test_too_few_pictures_to_train_with(room, tmp_path, capsys):
    """A capture of ten or fewer pictures would all be validated with, and nothing learned from."""
    for name in ("doll", "puppet"):
        trainings.write_ced(tmp_path, load_profile(room / f"{name}.json"), count=8)
    assert len(load_ced(tmp_path, "doll")) == 8
    words = ["--ced", str(tmp_path), "--out", str(tmp_path / "out.safetensors")]
    names = ["--primary", str(room / "doll.json"), "--secondary", str(room / "puppet.json")]
    for main, more in ((cmlp.main, names), (scnn.main, ["--init", str(room / "hcnn.safetensors")])):
        assert main([*words, *more]) == EXIT_INPUT
        told = capsys.readouterr().err
        assert f"{tmp_path / 'doll'}: holds too few pictures (8)" in told
        assert "Fix: capture at least 20" in told


@pytest.mark.parametrize("name", ["out.npz", "out", "out.safetensors.bak"])
def test_weights_under_a_name_that_nothing_finds_are_refused(tmp_path, capsys, name):
    words = ["--ced", str(tmp_path), "--primary", "mira", "--secondary", "tobi"]
    assert cmlp.main([*words, "--out", str(tmp_path / name)]) == EXIT_USAGE
    assert "let it end in .safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "{}/x.safetensors"], "--out would write over what --data reads"),
        (["--data", "{}/x"], "--checkpoints would write over what --data reads"),
        (["--data", "{}/y", "--checkpoints", "{}/link"], "--checkpoints would write over"),
    ],
)
def test_a_training_never_writes_over_what_it_reads(tmp_path, capsys, words, told):
    (tmp_path / "x.safetensors").write_bytes(b"mine")
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "y", target_is_directory=True)
    words = [w.format(tmp_path) for w in words]
    assert hcnn_training.main([*words, "--out", str(tmp_path / "x.safetensors")]) == EXIT_USAGE
    assert told in capsys.readouterr().err
    assert (tmp_path / "x.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize("count", ["-5", "0", "", "x", "999999999999", "\u00b2"])
def test_faces_that_can_not_be_drawn(tmp_path, capsys, count):
    words = ["--data", f"drawn:{count}", "--out", str(tmp_path / "w.safetensors")]
    assert hcnn_training.main(words) == EXIT_USAGE
    assert "can't be drawn" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    ["--sizes 0:0:0", "--sizes 32:-1:0.1", "--sizes x", "--sizes 32:1:nan", "--threads -3",
     "--seed -1", "--sizes 100000000:1:0.1", "--batch -2"],
)  # fmt: skip
def test_what_counts_nothing_trains_nothing(tmp_path, capsys, words):
    out = tmp_path / "w.safetensors"
    given = ["--data", "drawn:70", "--sizes", "32:70:0.01", "--out", str(out), *words.split()]
    assert hcnn_training.main(given) == EXIT_USAGE
    assert words.split()[0] in capsys.readouterr().err
    assert not out.exists()


def test_a_training_tells_its_result_as_json(room, tmp_path, capsys):
    out = str(tmp_path / "cmlp.safetensors")
    words = ["--ced", str(room / "ced"), "--out", out, "--epochs", "100", "--json"]
    names = ["--primary", str(room / "doll.json"), "--secondary", str(room / "puppet.json")]
    assert cmlp.main([*words, *names]) == 0
    told, progress = capsys.readouterr()
    result = json.loads(told)
    assert (result["training"], result["out"]) == ("cmlp", out)
    assert result["metrics"] == read_info(out).training["metrics"]
    assert "wrote" in progress


def test_other_controls_are_refused(room):
    with pytest.raises(UsageError, match="other controls"):
        cmlp.train(
            cmlp.CmlpSettings(
                ced=str(room / "ced"),
                primary=str(room / "puppet.json"),
                secondary=str(trainings.write_profile(room / "ced", "doll", {"x": ("", {})}).path),
                out=str(room / "bad.safetensors"),
            )
        )


class Sees:
    """Stands in for the tracker: sees a face in every second picture."""

    def __init__(self):
        self.count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def search(self, rgb):
        self.count += 1
        if self.count % 2 == 0:
            return []
        points = np.zeros((478, 3), np.float32)
        return [FaceObservation(points, np.full(52, 0.25, np.float32), np.eye(4), (256, 256))]


def test_ced_is_prepared_and_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(FaceObservation, "landmarks49", property(lambda self: average_face()))
    monkeypatch.setattr(ced, "FaceDetector", Sees)
    doll = trainings.write_profile(tmp_path)
    trainings.write_ced(tmp_path / "ced", doll, count=12, pictures=True)
    place = tmp_path / "ced" / "doll"
    (place / "seen.npz").unlink()
    with pytest.raises(InputError, match="captured but never prepared") as error:
        load_ced(tmp_path / "ced", "doll")
    assert f"exprgen train ced --data {tmp_path / 'ced'}" in error.value.fix
    last = place / "images" / "000011.png"
    kept = cv2.imread(str(last))
    last.unlink()
    assert ced.prepare(ced.CedSettings(str(tmp_path / "ced")))["doll"] == pytest.approx(6 / 11)
    posed = load_ced(tmp_path / "ced", "doll")
    assert len(posed) == 11
    assert posed.faces.shape == (11, 256, 256)
    assert np.isfinite(posed.geometry).all()
    assert posed.arkit[0, 0] == 0.25
    cv2.imwrite(str(last), kept)
    ced.prepare(ced.CedSettings(str(tmp_path / "ced")))
    assert len(load_ced(tmp_path / "ced", "doll")) == 12
    with pytest.raises(InputError, match="no captured character"):
        ced.prepare(ced.CedSettings(str(tmp_path)))
    with pytest.raises(InputError, match="does not exist"):
        load_ced(tmp_path, "nobody")


def test_faces_that_leave_nothing_to_learn_from_or_to_check_on_are_refused():
    data = synthetic_faces(14)
    alone = replace(data, name="my_faces", split=np.full(14, "train"))
    assert len(alone.having("train")) == 14
    for of in ("train", "val"):
        only = replace(data, name="my_faces", split=np.full(14, of))
        for use in (lambda s: pools(s, 0.5), lambda s: cnn_3d.choose_humans(s, 7, 0)):
            with pytest.raises(InputError, match=r"my_faces: holds no faces of the split '[tv]"):
                use(only)
    with pytest.raises(InputError, match="holds no faces of the split 'train'"):
        _pool(replace(data, split=np.full(14, "val")), 0.5, 0.5, "people")


@pytest.mark.parametrize("words", ["--batch 0", "--epochs 0", "--epochs -1", "--epochs nan"])
def test_numbers_with_which_nothing_is_learned_are_refused(tmp_path, capsys, words):
    out = tmp_path / "a" / "c.safetensors"
    given = ["--data", str(tmp_path), "--out", str(out), *words.split()]
    try:
        code = training("coefficients")(given)
    except SystemExit as ended:  # by the parser
        code = ended.code
    assert code == EXIT_USAGE
    assert words.partition(" ")[0] in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_an_option_is_told_before_what_follows_from_it(tmp_path):
    save_checkpoint(tmp_path, {"loop": {"every": 3}, "windows": 3}, {})
    with pytest.raises(UsageError, match="windows = 3, not 4"):
        load_checkpoint(tmp_path, {"loop": {"every": 4}, "windows": 4})


def test_a_folder_is_made_for_what_is_written_and_goes_where_nothing_is(tmp_path, capsys):
    out = tmp_path / "a" / "b" / "people.npz"
    words = ["--tracks", str(tmp_path / "tracks"), "--out", str(out)]
    assert training("neutral")(words) == EXIT_INPUT
    assert not [*tmp_path.iterdir()]
    (tmp_path / "tracks").mkdir()
    for number in range(3):
        synthetic.face_track(frames=20 + number).save(tmp_path / "tracks" / f"{number}.npz")
    assert training("neutral")(words) == EXIT_OK
    assert out.is_file()
    assert f"wrote {out}: actors 3" in capsys.readouterr().out
