"""Training of the reader over time on people who talk and feel, of whom the truth is known.

The readers look at every face first, which takes longest; what they say is kept until all is
learned. Then windows of two seconds are learned from. In some nothing follows the moment that is
asked for, so that the same network serves a camera.
"""

from __future__ import annotations

import copy
import hashlib
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..files import output_folder
from ..inference.time_reader import TimeReader as Read
from ..inference.time_reader import moments, time_inputs
from ..models.layouts import TIME_OPINIONS, TIME_REACH, TIME_READERS, TIME_STANDS_IN
from ..models.time_reader import TimeReader, time_reader
from ..models.weights_file import WeightsInfo, file_digest
from ..models.weights_io import ModelCard, save_network, weights_of, write_card
from ..perception.against_neutral import AgainstNeutral
from ..perception.needed_weights import adviser_weights, load_runner, needed_weights
from ..perception.opinions import opinions_of
from ..perception.over_time import OverTime
from ..perception.phrasing import find_phrases
from ..phrases import phrase_curve
from ..solving.neutral import find_neutral
from ..track import HELD, TRACKED, FaceTrack, load_arrays, save_arrays
from ..vocabulary import EXPRESSIONS, POOLED, REGISTERED_SIZE
from .shared.classifying import soft_cross_entropy
from .shared.feeling_measures import FeltClip, measures
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.options import changed_options, fixed, option, run_command
from .shared.performance_set import PerformancePart, load_performances
from .shared.performers import fold_of
from .shared.prepared import checkpoint_folder, fold_name, place_to_prepare
from .shared.sets import TRAIN, VALIDATION

EVERY = 2
"""Of a clip's frames the readers look at one: analysis looks ten times a second."""
KEPT_KIND = "exprgen.opinions"
SPEECH_SHARE = 0.5
"""Of telling speech in the loss."""
LIVE_SHARE = 0.3
"""Of the windows in which nothing follows."""
NO_OPINION = 0.25
"""Of the windows in which a later reader has nothing to say, as in older tracks."""
NOISE = 0.25
"""Deviation of the noise on the opinions of a window, in log odds: one reader's leaning."""
TEMPERATURES = np.geomspace(0.6, 3.0, 12)
"""That are tried on the phrases of people who are left out."""
FOLDS = 4
"""Parts of the people who are learned from, each left out once to learn the temperature."""

STRANGERS_HELP = (
    "folder of readers against neutral, 0.safetensors and so on, trained `--without` that part of "
    "the people, who are read by it: one who learned of them is too sure of them"
)

KEPT_HELP = (
    "folder to keep what the readers say in, for other trainings too; without it that goes when "
    "the training has ended"
)


@dataclass(frozen=True)
class FeelingSettings:
    """What one training of the reader over time needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of performances (exprgen train performances)")
    out: str = option(MISSING)
    strangers: str = option("", STRANGERS_HELP)
    kept: str = option("", KEPT_HELP)
    checkpoints: str = option("")
    resume: bool = option(False)
    windows: int = option(60_000, "windows to learn from, counted each time they are seen")
    batch: int = option(128, "windows a step")
    rate: float = option(4e-3)
    decay: float = option(0.3, "weight decay, towards the readers' plain opinion")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


@dataclass(frozen=True)
class Told:
    """One clip as it is learned from: inputs (T, TIME_INPUTS) and, of the same moments, target
    (T, 7) and speaking (T,); part and its opinions, to measure whole clips by."""

    inputs: np.ndarray
    target: np.ndarray
    speaking: np.ndarray
    part: PerformancePart
    opinions: dict[str, np.ndarray]

    @staticmethod
    def of(part: PerformancePart, opinions: dict[str, np.ndarray]) -> Told:
        inputs = time_inputs(part.times, opinions, part.arkit, part.found)
        at = moments(part.times)
        nearest = np.abs(part.times[None] - at[:, None]).argmin(1)
        return Told(inputs, part.target[nearest], part.speaking[nearest], part, opinions)


class Readers:
    """What the readers say of performances, kept in a folder as long as they are the same."""

    def __init__(self, folder: Path, strangers: str = ""):
        """strangers: see FeelingSettings; used for the people who are learned from.

        Raises:
            InputError: that folder holds none.
        """
        self._folder, self._runner = folder, None
        files = sorted(Path(strangers).glob("*.safetensors")) if strangers else []
        if strangers and not files:
            fix = "train them first: exprgen train against_neutral --without 0/2, 1/2"
            raise InputError("holds no readers against neutral", file=strangers, fix=fix)
        self._strangers = [AgainstNeutral.load(path) for path in files]
        looking = (*needed_weights([]).values(), *adviser_weights().values())
        digests = "".join(file_digest(path) for path in looking if path.is_file())
        # What was kept when the HCNNs' convolutions were looked at is another width.
        self._digest = hashlib.sha256(f"{digests}{POOLED}".encode()).hexdigest()[:12]

    def __call__(self, part: PerformancePart) -> dict[str, np.ndarray]:
        """(N, 7) each, by their names, as in use: the neutral is found and not told."""
        track = _track_of(part, self._pixels(part))
        found = find_neutral(track, "auto")
        reader = None
        if self._strangers and part.meta["split"] == TRAIN:
            reader = self._strangers[fold_of(part.meta["person"], len(self._strangers))]
        return opinions_of(track, found.weights, found.trust, part.speaking, reader)

    def _pixels(self, part: PerformancePart) -> dict[str, np.ndarray]:
        path = self._folder / f"{part.meta['name']}.{self._digest}.npz"
        if path.is_file():
            return load_arrays(path, KEPT_KIND)[1]
        said = self._read(part)
        output_folder(self._folder)
        save_arrays(path, KEPT_KIND, {}, said)
        return said

    def _read(self, part: PerformancePart) -> dict[str, np.ndarray]:
        self._runner = self._runner or load_runner([], pooled=True)[0]
        rows = np.flatnonzero(part.found)
        rows = rows[::EVERY] if part.meta["kind"] == "clip" else rows
        size = (REGISTERED_SIZE, REGISTERED_SIZE)
        faces = np.stack(
            [cv2.resize(part.faces[i], size, interpolation=cv2.INTER_CUBIC) for i in rows]
        )
        found = self._runner(faces, part.geometry[rows], part.arkit[rows], mirrored=False)
        names = {"expression": "whole", "no_mouth": "no_mouth", "pooled": "pooled"}
        return {name: _filled(len(part), rows, found[k]) for k, name in names.items() if k in found}


def _track_of(part: PerformancePart, said: dict[str, np.ndarray]) -> FaceTrack:
    """A performance as analysis would keep it, with what is said of its frames (N, 7): of its
    landmarks nothing, since nobody reads a feeling in those."""
    count, nothing = len(part), np.zeros(len(part), np.float32)
    return FaceTrack(
        times=part.times,
        state=np.where(part.found, TRACKED, HELD).astype(np.uint8),
        landmarks=np.zeros((count, 0, 3), np.float32),
        head_pose=np.tile(np.eye(4, dtype=np.float32), (count, 1, 1)),
        gaze=np.zeros((count, 2, 2), np.float32),
        blink=part.eyes_shut,
        confidence=part.found.astype(np.float32),
        arkit=part.arkit,
        geometry=part.geometry,
        expression=said["whole"],
        face_offsets=nothing.astype(np.int64),
        face_bytes=np.zeros(0, np.uint8),
        no_mouth=said.get("no_mouth"),
        pooled=said.get("pooled"),
    )


def _filled(count: int, rows: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(count, K) of what is said of some rows (R, K), in between too."""
    columns = [np.interp(np.arange(count), rows, column) for column in said.T]
    return np.stack(columns, axis=1).astype(np.float32)


class FeelingTask:
    """What is felt at the middle of windows, and whether it is spoken."""

    def __init__(self, model: TimeReader, train: list[Told], check: list[Told]):
        self.model, self.check = model, check
        self.inputs = np.concatenate([t.inputs for t in train]).astype(np.float32)
        self.target = np.concatenate([t.target for t in train]).astype(np.float32)
        self.speaking = np.concatenate([t.speaking for t in train]).astype(np.float32)
        lengths = np.array([len(t.inputs) for t in train])
        ends = np.cumsum(lengths)
        self.first = np.repeat(ends - lengths, lengths)
        self.last = np.repeat(ends - 1, lengths)
        label = self.target.argmax(1)
        share = np.bincount(label, minlength=len(EXPRESSIONS))[label] ** -0.5
        self.chance = share / share.sum()
        model.standardise_by(torch.from_numpy(self.inputs))

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(self.inputs), stage.batch, p=self.chance)
        windows = torch.from_numpy(self._windows(rows, rng))
        said = self.model(windows)
        felt = soft_cross_entropy(said[:, :-1], self.target[rows])
        spoken = torch.from_numpy(self.speaking[rows])
        return felt + SPEECH_SHARE * F.binary_cross_entropy_with_logits(said[:, -1], spoken)

    def _windows(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B, W, TIME_INPUTS) around these moments, as other readers and a camera would have it."""
        last = np.where(rng.random(len(rows)) < LIVE_SHARE, rows, self.last[rows])
        places = rows[:, None] + np.arange(-TIME_REACH, TIME_REACH + 1)
        places = np.clip(places, self.first[rows][:, None], last[:, None])
        windows = self.inputs[places]
        _silenced(windows, rng)
        lean = rng.normal(0, NOISE, (len(rows), 1, TIME_OPINIONS))
        windows[:, :, :TIME_OPINIONS] += lean.astype(np.float32)
        return windows

    def evaluate(self, model: TimeReader, stage: Stage) -> dict[str, float]:
        reader = OverTime(Read(weights_of(model, WeightsInfo("time_reader"))))
        made = measures([felt_clip(t, reader) for t in self.check])
        score = made["frames"] + made["balanced"] - 0.2 * made["false_changes"]
        return {**made, "score": score}


def _silenced(windows: np.ndarray, rng: np.random.Generator) -> None:
    """In some windows (B, W, TIME_INPUTS) a later reader says what another does."""
    said = windows[:, :, :TIME_OPINIONS].reshape(*windows.shape[:2], len(TIME_READERS), -1)
    for k, other in enumerate(TIME_STANDS_IN[1:], start=1):
        silent = rng.random(len(windows)) < NO_OPINION
        said[silent, :, k] = said[silent, :, other]
    windows[:, :, :TIME_OPINIONS] = said.reshape(*windows.shape[:2], -1)


def felt_clip(told: Told, reader: OverTime) -> FeltClip:
    """A performance as its phrases say, to be measured."""
    part = told.part
    said, _ = reader(part.times, told.opinions, part.arkit, part.found)
    phrases = find_phrases(part.times, said, part.found)
    return FeltClip(part.times, phrase_curve(part.times, phrases), part.target)


def train(s: FeelingSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    parts = [_clips(s.data, split) for split in (TRAIN, VALIDATION)]
    readers = Readers(place_to_prepare(s), s.strangers)
    train_told, check = (_told(clips, readers) for clips in parts)
    task = FeelingTask(time_reader(), train_told, check)
    say(f"reader over time: {len(train_told)} clips, {len(check)} to check on")
    settings = fixed(s, "kept")
    folder = checkpoint_folder(s)
    temperature = _temperature(s, train_told, folder, settings)
    outcome = _learned(s, task, folder, settings)
    outcome.model.temperature.fill_(temperature)
    metrics = task.evaluate(outcome.model, Stage(0, 0, 1, 0.0))
    outcome = Outcome(**{**vars(outcome), "metrics": metrics})
    _finish(s, outcome, task, settings, len(train_told))
    return outcome


def _learned(s: FeelingSettings, task: FeelingTask, folder: Path, settings: dict) -> Outcome:
    """The network at the end of its training: nothing is chosen by the clips to check on."""
    stage = Stage(0, s.windows, s.batch, s.rate)
    minutes = s.minutes / (FOLDS + 1) if s.minutes else None
    loop = LoopSettings(
        minutes=minutes, seed=s.seed, weight_decay=s.decay, evaluate_every=stage.steps
    )
    return run(task, (stage,), folder, loop, settings, s.resume)


def _clips(folder: str, split: str) -> list[PerformancePart]:
    """The clips of one split.

    Raises:
        InputError: there is none.
    """
    parts = [p for p in load_performances(folder, split) if p.meta["kind"] == "clip"]
    if not parts:
        raise InputError(f"holds no clips of the split {split!r}", file=folder)
    return parts


def _told(parts: list[PerformancePart], readers: Readers) -> list[Told]:
    """Clips with what the readers say of them."""
    out = []
    for number, part in enumerate(parts, start=1):
        out.append(Told.of(part, readers(part)))
        say(f"{number}/{len(parts)} {part.meta['name']}")
    return out


def _temperature(s: FeelingSettings, told: list[Told], folder: Path, settings: dict) -> float:
    """At which phrases of clips of people who were left out are as likely as can be; 1 where
    nobody can be left out."""
    meshes = sorted({t.part.meta["mesh"] for t in told})
    folds = min(FOLDS, len(meshes))
    if folds < 2:
        return 1.0
    fold = np.array([meshes.index(t.part.meta["mesh"]) % folds for t in told])
    losses = []
    for k in range(folds):
        kept, left_out = ([t for t, f in zip(told, fold, strict=True) if (f == k) == of]
                          for of in (False, True))  # fmt: skip
        task = FeelingTask(time_reader(), kept, left_out)
        network = _learned(s, task, folder / fold_name(k), {**settings, "fold": k}).model
        losses.append([_phrase_loss(network, float(t), left_out) for t in TEMPERATURES])
    return float(TEMPERATURES[int(np.sum(losses, axis=0).argmin())])


def _phrase_loss(network: TimeReader, temperature: float, clips: list[Told]) -> float:
    """Cross-entropy of phrases' curves with what is true, summed over clips, at a temperature."""
    network = copy.deepcopy(network)
    network.temperature.fill_(temperature)
    reader = OverTime(Read(weights_of(network, WeightsInfo("time_reader"))))
    felt = [felt_clip(t, reader) for t in clips]
    return float(np.sum([-(c.target * np.log(c.said + 1e-4)).sum(1).mean() for c in felt]))


def _finish(
    s: FeelingSettings, outcome: Outcome, task: FeelingTask, settings: dict, count: int
) -> None:
    metrics = outcome.metrics
    training = {"settings": settings, "metrics": metrics, "steps": outcome.steps}
    info = WeightsInfo("time_reader", labels=EXPRESSIONS, training=training)
    save_network(s.out, outcome.model, info)
    people = {t.part.meta["mesh"] for t in task.check}
    card = ModelCard(
        title="Reader over time",
        purpose="Joins the readers' opinions of a clip over a second before and after, and tells "
        "when the mouth speaks.",
        data=f"{count} rendered clips of people who talk, {len(task.check)} of {len(people)} other "
        "people with other sentences to check on. Readers that were there: "
        f"{', '.join(n for n in TIME_READERS if n in task.check[0].opinions)}.",
        licence_of_data="Made by ExprGen from a CC0 base mesh and a CC0 voice.",
        split="by person and by sentence; the measures are of phrases over whole clips. The "
        "temperature is learned from people left out of the training; nothing is chosen by the "
        "clips to check on.",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train feeling --data PERFORMANCES --out {Path(s.out).name}"
        + changed_options(s, "kept"),
        limits="The feelings of those clips are acted by rule (FACS key poses that leave the mouth "
        "to speech); how people who are filmed let them show is known from a few clips alone.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("feeling", __doc__.partition("\n")[0], FeelingSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
