"""The reader over time and the affect reader: what they learn of made-up people who talk."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exprgen.networks.errors import InputError
from exprgen.networks.inference.opening import opened
from exprgen.networks.inference.time_reader import TimeReader, moments, time_inputs
from exprgen.networks.models.layouts import TIME_INPUTS, TIME_OPINIONS, TIME_REACH
from exprgen.networks.models.time_reader import time_reader
from exprgen.networks.models.weights_file import WeightsInfo
from exprgen.networks.models.weights_io import weights_of
from exprgen.networks.perception.over_time import Now, OverTime, phrased
from exprgen.networks.solving.feeling import FeltOverTime
from exprgen.networks.training import affect, feeling
from exprgen.networks.training.shared.feeling_measures import (
    FeltClip,
    affect_measures,
    calibration_error,
    concordance,
    false_changes,
    measures,
    onsets,
)
from exprgen.networks.training.shared.performance_set import (
    PerformancePart,
    affect_of,
    said_of,
)
from exprgen.networks.vocabulary import (
    ARKIT_CHANNELS,
    ARKIT_INDEX,
    CIRCUMPLEX,
    EXPRESSIONS,
    NEUTRAL,
)
from exprgen.tests.support import synthetic, trainings

torch.set_num_threads(1)

JOY, SURPRISE, ANGER = (EXPRESSIONS.index(e) for e in ("joy", "surprise", "anger"))
FPS, COUNT = 15, 90
READERS = feeling.Readers


def talker(number: int, split: str) -> tuple[PerformancePart, dict[str, np.ndarray]]:
    """Somebody who speaks in the middle third, plainly or angrily: while the mouth moves, the face
    as a whole looks surprised, and the readers that see no mouth are right."""
    rng = np.random.default_rng([number, split == "val"])
    speaking = ((np.arange(COUNT) >= 30) & (np.arange(COUNT) < 60)).astype(np.float32)
    label = np.full(COUNT, NEUTRAL)
    if number % 2:
        label[20:] = ANGER
    felt = np.zeros((COUNT, len(EXPRESSIONS)), np.float32)
    felt[label == ANGER, ANGER] = 0.8
    arkit = np.zeros((COUNT, len(ARKIT_CHANNELS)), np.float32)
    wave = 0.3 + 0.3 * np.sin(np.arange(COUNT) * 1.9 + rng.uniform(0, 6))
    arkit[:, ARKIT_INDEX["jawOpen"]] = speaking * wave
    seen = np.where(speaking > 0, SURPRISE, label)
    part = _part(number, split, felt, arkit, speaking)
    return part, {"whole": _said(seen, rng), "no_mouth": _said(label, rng, 0.45),
                  "against_neutral": _said(label, rng, 0.45)}  # fmt: skip


def _said(labels, rng, sure=0.6):
    said = rng.uniform(0.02, 0.08, (len(labels), len(EXPRESSIONS)))
    said[np.arange(len(labels)), labels] = sure
    return (said / said.sum(1, keepdims=True)).astype(np.float32)


def _part(number, split, felt, arkit, speaking) -> PerformancePart:
    nothing = np.zeros(COUNT, np.float32)
    return PerformancePart(
        faces=np.full((COUNT, 128, 128), 100, np.uint8), found=np.ones(COUNT, bool),
        times=np.arange(COUNT) / FPS, arkit=arkit,
        geometry=np.full((COUNT, 9), 0.3, np.float32),
        relations=np.zeros((COUNT, 45), np.float32), eyes_shut=np.zeros((COUNT, 2), np.float32),
        head=np.zeros((COUNT, 3), np.float32), posed=arkit, felt=felt,
        target=said_of(felt.astype(float)).astype(np.float32), intensity=felt.max(1),
        affect=affect_of(felt).astype(np.float32), speaking=speaking,
        phoneme=nothing.astype(np.int16), neutral=felt.max(1) == 0,
        meta={"name": f"{split}_clip_{number:03d}", "kind": "clip", "split": split,
              "person": f"p{number}", "mesh": f"{split}{number}"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A folder of performances; what the readers say of them is known beforehand."""
    folder = tmp_path_factory.mktemp("performances")
    known = {}
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            part, said = talker(number, split)
            part.save(folder / f"{part.meta['name']}.performance.npz")
            known[part.meta["name"]] = said

    class Told(feeling.Readers):
        def __call__(self, part):
            return known[part.meta["name"]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeling, "Readers", Told)
        patch.setattr(affect, "Readers", Told)
        yield folder


@pytest.fixture(scope="module")
def trained(house):
    out = house / "out" / "time_reader.safetensors"
    words = ["--windows", "8000", "--batch", "32", "--rate", "8e-3"]
    assert feeling.main(["--data", str(house), "--out", str(out), *words]) == 0
    return out


def test_it_learns_whom_to_believe_while_a_mouth_speaks(trained):
    reader = OverTime(opened(TimeReader, trained, "time_reader"))
    part, said = talker(11, "val")
    chances, speaking = reader(part.times, said, part.arkit, part.found)
    assert (chances.argmax(1) == part.target.argmax(1)).mean() > 0.9
    assert (said["whole"].argmax(1) == part.target.argmax(1)).mean() < 0.7
    assert speaking[35:55].mean() > 0.8
    assert speaking[:20].mean() < 0.2
    assert np.allclose(chances.sum(1), 1.0, atol=1e-5)
    assert trained.stat().st_size < 100_000
    assert trained.with_suffix(".md").is_file()


def test_live_it_knows_the_past_alone(trained):
    reader = OverTime(opened(TimeReader, trained, "time_reader"))
    part, said = talker(13, "val")
    now = Now(reader)
    rows = [
        now(t, {n: o[i] for n, o in said.items()}, part.arkit[i]) for i, t in enumerate(part.times)
    ]
    right = np.array(rows).argmax(1) == part.target.argmax(1)
    assert right[5:].mean() > 0.85
    until = [
        now(t, {n: o[i] for n, o in said.items()}, part.arkit[i])
        for i, t in enumerate(part.times[:50])
    ]
    assert np.allclose(until[-1], rows[49], atol=1e-6)


def test_without_torch_it_says_the_same():
    torch.manual_seed(1)
    network = time_reader().eval()
    inputs = np.random.default_rng(0).normal(0, 1, (70, TIME_INPUTS)).astype(np.float32)
    network.standardise_by(torch.from_numpy(inputs))
    places = np.arange(70)[:, None] + np.arange(-TIME_REACH, TIME_REACH + 1)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(inputs[np.clip(places, 0, 69)]))
    said, speaking = TimeReader(weights_of(network, WeightsInfo("time_reader")))(inputs)
    assert np.allclose(said, wanted[:, :-1].softmax(1), atol=1e-5)
    assert np.allclose(speaking, wanted[:, -1].sigmoid(), atol=1e-5)


@pytest.mark.parametrize("fps", [12, 25, 60])
def test_frames_of_any_rate_become_the_same_moments(fps):
    times = np.arange(0, 3, 1 / fps)
    arkit = np.zeros((len(times), 52))
    arkit[:, ARKIT_INDEX["jawOpen"]] = times / 3
    said = np.full((len(times), 7), 1 / 7)
    inputs = time_inputs(times, {"whole": said}, arkit, np.ones(len(times), bool))
    assert len(inputs) == len(moments(times)) == pytest.approx(3 / 0.05, abs=2)
    speed = inputs[5:-5, -1 - 10]
    assert np.allclose(speed, 1 / 3, atol=1e-3)
    assert np.allclose(inputs[:, :TIME_OPINIONS], 0.0)


def test_a_track_is_felt_with_and_without_the_reader(trained):
    track = synthetic.face_track(frames=100)
    plain = phrased(track, track.expression)
    assert plain.phrases
    assert plain.speaking is None
    felt = FeltOverTime(OverTime(opened(TimeReader, trained, "time_reader")))(track)
    assert felt.speaking.shape == (100,)
    assert felt.affect is None
    assert np.array_equal(felt.readings, track.expression)
    assert np.allclose(felt.expression.sum(1), 1.0, atol=1e-5)


def test_a_folder_of_one_split_is_refused(house, tmp_path):
    part, _ = talker(0, "train")
    part.save(tmp_path / "train_clip_000.performance.npz")
    with pytest.raises(InputError, match="holds no performances"):
        feeling.train(feeling.FeelingSettings(str(tmp_path), str(tmp_path / "x.safetensors")))


class TestMeasures:
    def clip(self, truth, said, sure=0.9):
        eye = np.eye(len(EXPRESSIONS))
        chances = eye[said] * sure + (1 - sure) / len(EXPRESSIONS)
        return FeltClip(np.arange(len(truth)) / 10, chances, eye[truth])

    def test_a_clip_that_is_read_right(self):
        truth = np.array([NEUTRAL] * 20 + [JOY] * 30 + [NEUTRAL] * 10)
        made = measures([self.clip(truth, truth)])
        assert made["frames"] == made["onset_found"] == 1.0
        assert made["false_changes"] == made["onset"] == 0.0
        assert made["ece"] == pytest.approx(0.1 * 6 / 7, abs=0.01)
        assert np.isnan(made["plain"])

    def test_flicker_late_onsets_and_plain_speech(self):
        truth = np.array([NEUTRAL] * 20 + [JOY] * 30)
        said = truth.copy()
        said[20:25] = NEUTRAL
        late = self.clip(truth, said)
        assert onsets(late) == pytest.approx([0.5])
        assert false_changes(late) == 0
        plain = np.full(50, NEUTRAL)
        flicker = plain.copy()
        flicker[10:12] = flicker[30:32] = SURPRISE
        clip = self.clip(plain, flicker)
        assert false_changes(clip) == 4
        assert measures([clip])["plain"] == pytest.approx(0.92)
        missed = self.clip(truth, plain)
        assert not np.isfinite(onsets(missed)).any()

    def test_affect(self):
        true = np.array([[0.5, 0.2], [-0.5, 0.6], [0.1, -0.2], [0.8, 0.4]])
        made = affect_measures(true, true)
        assert made["valence ccc"] == pytest.approx(1.0)
        assert made["arousal pcc"] == pytest.approx(1.0)
        assert made["valence rmse"] == 0.0
        assert made["arousal sign"] == 1.0
        half = affect_measures(0.5 * true, true)
        assert half["valence pcc"] == pytest.approx(1.0)
        assert half["valence ccc"] < 0.85
        assert concordance(true[:, 0] + 1.0, true[:, 0]) < 0.4
        assert calibration_error(np.full(10, 0.8), np.arange(10) < 8) == pytest.approx(0.0)


def test_affect_is_learned_from_votes_and_acted_feelings(house, monkeypatch):
    rng = np.random.default_rng(0)
    votes = rng.dirichlet(np.full(7, 0.3), 200)
    rows = affect.Rows(
        affect.affect_inputs(0.8 * votes + 0.2 / 7, rng.uniform(0, 0.3, (200, 52))),
        votes @ np.array(CIRCUMPLEX),
    )
    monkeypatch.setattr(affect, "_photographs", lambda s, kept: (rows, rows))
    out = house / "out" / "affect_reader.safetensors"
    words = ["--hed", "none", "--data", str(house), "--out", str(out)]
    assert affect.main(words) == 0
    reader = opened(affect.Read, out, "affect_reader")
    eye = np.eye(7)[[JOY, ANGER, NEUTRAL]]
    valence, arousal = reader(eye, np.full((3, 52), 0.15)).T
    assert valence[0] > 0.4 > 0.0 > valence[1]
    assert arousal[1] > arousal[2]


def test_performances_without_clips_are_refused_before_photographs_are_looked_at(
    house, tmp_path, monkeypatch
):
    looked = []
    monkeypatch.setattr(affect, "_photographs", lambda s, kept: looked.append(s) or (None, None))
    s = affect.AffectSettings("any", str(tmp_path), str(tmp_path / "a.safetensors"))
    with pytest.raises(InputError, match="holds no performances"):
        affect.train(s)
    assert not looked
    for split in ("train", "val"):
        part, _ = talker(0, split)
        still = replace(part, meta=part.meta | {"kind": "stills"})
        still.save(tmp_path / f"{split}.performance.npz")
    with pytest.raises(InputError, match="no clips of one of the splits"):
        affect.train(s)


def test_stopped_between_its_folds_it_goes_on_to_the_same(house, tmp_path, monkeypatch):
    words = ["--data", str(house), "--windows", "200", "--batch", "50"]
    trainings.check_resumed(feeling.main, words, tmp_path, monkeypatch, which=3)


def test_strangers_who_are_not_there_are_missed(tmp_path):
    with pytest.raises(InputError, match="holds no readers against neutral"):
        READERS(tmp_path, str(tmp_path))
