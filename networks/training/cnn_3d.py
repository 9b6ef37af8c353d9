"""Training of the 3D-CNN of a primary character (ExprGen, section 4.2.1).

Learns from pairs (human face, unit values) found by `matching`, and from the character's own
pictures, whose unit values are known. Starts from HCNN and keeps its first layers, so that both run
them once. With `--match paper --geometry 0 --own 0` it is the published form (but for the frozen
layers).
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..characters.profile import RigProfile, arkit_to_unit, find_character
from ..errors import InputError, UsageError
from ..models.cnn_3d import EXTRA_NAMES, GEOMETRY, GEOMETRY_AND_ARKIT, rig_regressor
from ..models.perceptual import PerceptualNetwork, pool, probabilities
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import EXPRESSIONS, NEUTRAL
from .shared.classifying import measures
from .shared.datasets import load_ced_to_train, load_faces
from .shared.features import (
    Features,
    check_frozen,
    compute_features,
    freeze,
    start_from,
    train_mode,
)
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.matching import (
    ArkitScale,
    Described,
    DomainScale,
    MatchSettings,
    Mirror,
    match_units,
    mirrored_columns,
    spread_report,
)
from .shared.mixing import balanced_chances
from .shared.options import changed_options, fixed, option, run_command
from .shared.pose_reader import PoseReader, learn_reader
from .shared.prepared import READER, checkpoint_folder, place_to_prepare
from .shared.report import write_report
from .shared.sets import TRAIN, VALIDATION, CharacterSet, FaceSet
from .shared.teaching import kept_opinions

COMMAND = "rig"
"""`exprgen train rig`."""


@dataclass(frozen=True)
class RigSettings:
    """What one training of the 3D-CNN needs; each option's help says what it is."""

    data: str = option(MISSING)
    ced: str = option(MISSING)
    primary: str = option(MISSING)
    init: str = option(MISSING, "HCNN's weights to start from")
    out: str = option(MISSING)
    checkpoints: str = option("", "folder of checkpoints and kept layers; by default beside it")
    resume: bool = option(False)
    frozen_layers: int = option(6)
    geometry: int = option(GEOMETRY_AND_ARKIT, "second input: 9 or 61 numbers; 0: none (the paper)")
    hidden: int = option(0, "width of FC-13; 0: as many as controls (the paper)")
    match: str = option("soft", "how pairs are found", ("soft", "paper"))
    refine: float = option(0.5, "share of the correction by ARKit (soft matching)")
    own: float = option(0.4, "share of the character's own pictures in a batch")
    people: str = option("")
    people_share: float = option(0.2)
    humans: int = option(8000)
    variants: int = option(3)
    epochs: float = option(30.0, "times each human face is seen")
    batch: int = option(50)
    rate: float = option(2e-3)
    second_noise: float = option(0.15, "noise on the second input, in its deviations")
    widen: float = option(1.7, "largest factor that undoes shrunken motion; 1: none (the paper)")
    consistency: float = option(0.0, "weight of the loss that the pose reads as people said")
    scnn: str = option("", "SCNN's weights, for the consistency loss")
    sides: float = option(0.0, "weight of the loss that two looks at a face, one mirrored, agree")
    intensity: float = option(0.0, "weight of the loss that a pose is as strong as its match")
    teacher: str = option("", "teacher's weights: it says beside people what a face shows")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(0)


@dataclass(frozen=True)
class Pairs:
    """Faces with unit values: what the 3D-CNN learns from.

    features: kept layers of the faces. units (N, M). seconds: one or more second inputs (N, E) of
    which one is drawn each time. chances (N,): of being drawn. train, check: rows. said (N, 7):
    what people said of the faces; None where nobody was asked.
    """

    features: Features
    units: np.ndarray
    seconds: tuple[np.ndarray, ...]
    chances: np.ndarray
    train: np.ndarray
    check: np.ndarray
    said: np.ndarray | None = None


class RigTask:
    """Unit values from faces; half mirrored, as everything a face does has a mirror image."""

    def __init__(
        self,
        model: PerceptualNetwork,
        humans: Pairs,
        own: Pairs,
        people: Pairs | None,
        profile: RigProfile,
        s: RigSettings,
        reader: PoseReader | None = None,
    ):
        self.model, self.humans, self.own, self.s = model, humans, own, s
        self.people, self.reader = people, reader
        # Name -> pairs and their share of a batch.
        self.parts = {"human": (humans, 1.0 - s.own), "own": (own, s.own)}
        if people:
            self.parts["human"] = (humans, 1.0 - s.own - s.people_share)
            self.parts["people"] = (people, s.people_share)
        controls = profile.expression_controls
        self.mirror = Mirror.of(controls)
        self.columns = mirrored_columns(EXTRA_NAMES[s.geometry])
        self.names = tuple(c.name for c in controls)
        posed = own.units.std(0)
        # Rarely moved controls must not be drowned by the lively ones, nor noise blown up.
        self.weights = torch.from_numpy((1.0 / (posed**2 + 0.02)).astype(np.float32))
        self.weights /= self.weights.mean()

    def train_mode(self) -> None:
        train_mode(self.model, self.s.frozen_layers)

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        counts = {name: round(stage.batch * share) for name, (_, share) in self.parts.items()}
        counts["human"] += stage.batch - sum(counts.values())
        drawn = {
            name: pairs.train[rng.choice(len(pairs.train), counts[name], p=pairs.chances)]
            for name, (pairs, _) in self.parts.items()
            if counts[name]
        }
        looks = [self._look(self.parts[name][0], rows, rng) for name, rows in drawn.items()]
        if self.s.sides:
            looks.append(self._look(self.humans, drawn["human"], rng))
        maps, second, units, flipped = (torch.cat(column) for column in zip(*looks, strict=True))
        predicted = self._predict(self.model, maps, second)
        people = counts["human"]  # they come first, and their second looks last
        loss = ((predicted - units) ** 2 * self.weights)[: stage.batch].mean()
        if self.s.intensity:
            loss = loss + self.s.intensity * self._intensity_loss(predicted, units)
        if self.s.sides:
            ways = [self._unmirrored(predicted[k], flipped[k]) for k in _ends(people)]
            loss = loss + self.s.sides * ((ways[0] - ways[1]) ** 2 * self.weights).mean()
        if self.reader:
            said = torch.from_numpy(self.humans.said[drawn["human"]].astype(np.float32))
            loss = loss + self.s.consistency * self.reader.loss(predicted[:people], said)
        return loss

    def _intensity_loss(self, predicted: Tensor, units: Tensor) -> Tensor:
        """Squared difference of how strong the poses are: squared error alone shrinks them."""
        small = 1e-4  # the root has no slope at 0
        strengths = [((u**2 * self.weights).mean(1) + small).sqrt() for u in (predicted, units)]
        return ((strengths[0] - strengths[1]) ** 2).mean()

    def _unmirrored(self, units: Tensor, flipped: Tensor) -> Tensor:
        """Unit values (B, M) of the faces as they were before some were mirrored, (B, 1)."""
        back = units[:, torch.from_numpy(self.mirror.controls)] * torch.from_numpy(
            self.mirror.signs
        )
        return torch.where(flipped, back, units)

    def _look(self, pairs: Pairs, rows: np.ndarray, rng) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """A variant of each face: kept layers, second input, units, whether it is mirrored."""
        count = len(rows)
        variants = rng.integers(len(pairs.features.flipped), size=count)
        flipped = pairs.features.flipped[variants, rows][:, None]
        which = rng.integers(len(pairs.seconds), size=count)
        second = np.stack([pairs.seconds[k][r] for k, r in zip(which, rows, strict=True)])
        units = pairs.units[rows]
        second = np.where(flipped, second[:, self.columns], second)
        units = np.where(flipped, self.mirror.units(units), units)
        second = torch.from_numpy(second.astype(np.float32))
        noise = torch.from_numpy(rng.standard_normal(second.shape, dtype=np.float32))
        second = second + self.s.second_noise * noise * self.model.extra_std
        maps = pairs.features.take(variants, rows)
        return maps, second, torch.from_numpy(units.astype(np.float32)), torch.from_numpy(flipped)

    def _predict(self, model: PerceptualNetwork, maps: Tensor, second: Tensor) -> Tensor:
        maps = maps.contiguous(memory_format=torch.channels_last)
        maps = model.maps(maps, self.s.frozen_layers, folded=True)
        return model.head(pool(maps), second)

    @torch.inference_mode()
    def predict(self, model: nn.Module, pairs: Pairs, rows: np.ndarray) -> np.ndarray:
        """Unit values (len(rows), M) of faces as they are."""
        model.eval()
        parts = []
        for part in np.array_split(rows, max(1, len(rows) // 64)):
            maps = pairs.features.take(np.zeros(len(part), int), part)
            second = torch.from_numpy(pairs.seconds[0][part].astype(np.float32))
            parts.append(self._predict(model, maps, second).numpy())
        return np.concatenate(parts)

    def evaluate(self, model: nn.Module, stage: Stage) -> dict[str, float]:
        found = {
            name: explained(self.predict(model, pairs, pairs.check), pairs.units[pairs.check])
            for name, (pairs, _) in self.parts.items()
        }
        score = sum(found[n] * share for n, (_, share) in self.parts.items())
        if self.reader:
            found["reads"] = self.reads(model)
            score += self.s.consistency * found["reads"]
        return found | {"score": score}

    def reads(self, model: nn.Module) -> float:
        """Share of the human faces, every class alike, whose pose reads as people said."""
        rows = self.humans.check
        read = self.reader.read(self.predict(model, self.humans, rows))
        return measures(read, self.humans.said[rows])["mean_recall"]


def _ends(count: int) -> tuple[slice, slice]:
    """The first and the last `count` of something."""
    return slice(count), slice(-count, None)


def explained(predicted: np.ndarray, units: np.ndarray) -> float:
    """Share of the variance of all controls that is explained; 1 is perfect, 0 the mean's."""
    rest = ((units - units.mean(0)) ** 2).sum()
    return float(1 - ((predicted - units) ** 2).sum() / max(rest, 1e-9))


@dataclass(frozen=True)
class Domains:
    """Scales of the human and the character's faces, and ways between them."""

    human: DomainScale
    human_arkit: ArkitScale
    character: DomainScale
    character_arkit: ArkitScale

    @staticmethod
    def of(humans: FaceSet, posed: CharacterSet) -> Domains:
        known = humans.rows(TRAIN)
        labels = humans.labels[known]
        seen = posed.found
        return Domains(
            DomainScale.of(humans.geometry[known], labels),
            ArkitScale.of(humans.arkit[known], labels),
            DomainScale.of(posed.geometry[seen], posed.labels[seen]),
            ArkitScale.of(posed.arkit[seen], posed.labels[seen]),
        )

    def humans(self, faces: FaceSet, rows: np.ndarray) -> Described:
        return Described(
            self.human.normalise(faces.geometry[rows]), self.human_arkit.weights(faces.arkit[rows])
        )

    def poses(self, posed: CharacterSet, rows: np.ndarray) -> Described:
        """Poses by their measured geometry and intended ARKit vector."""
        return Described(self.character.normalise(posed.geometry[rows]), posed.intended[rows])

    def as_human(self, posed: CharacterSet) -> tuple[np.ndarray, np.ndarray]:
        """Second inputs (N, 61) of a human making the character's faces: as the tracker saw the
        character, and as the pose was meant."""
        geometry = self.character.convert(posed.geometry, self.human)
        meant = self._to_human(posed.intended)
        seen = self._to_human(self.character_arkit.weights(posed.arkit))
        seen = np.where(posed.found[:, None], seen, meant)
        return np.concatenate([geometry, seen], 1), np.concatenate([geometry, meant], 1)

    def _to_human(self, weights: np.ndarray) -> np.ndarray:
        scale = self.human_arkit
        return scale.neutral + weights * (scale.full - scale.neutral)


def choose_humans(faces: FaceSet, limit: int, seed: int) -> np.ndarray:
    """At most `limit` rows, an eighth of them for validation, rare classes preferred.

    Raises:
        InputError: there are none to learn from, or to check on.
    """
    faces.having(TRAIN, VALIDATION)
    rng = np.random.default_rng((seed, 3))
    chosen = []
    for split, count in ((TRAIN, limit), (VALIDATION, limit // 8)):
        rows = faces.rows(split)
        chances = balanced_chances(faces.labels[rows], 0.7)
        count = min(max(count, 1), len(rows))
        chosen.append(rng.choice(rows, count, replace=False, p=chances))
    return np.sort(np.concatenate(chosen))


@torch.inference_mode()
def perceived(hcnn: PerceptualNetwork, features: Features, frozen: int) -> np.ndarray:
    """HCNN's probabilities (N, 7) of the faces whose first layers are kept."""
    hcnn.eval()
    parts = []
    rows = np.arange(features.maps.shape[1])
    for part in np.array_split(rows, max(1, len(rows) // 64)):
        maps = hcnn.maps(features.take(np.zeros(len(part), int), part), frozen, folded=True)
        parts.append(probabilities(hcnn.head(pool(maps))))
    return np.concatenate(parts)


@dataclass
class Workshop:
    """Everything a 3D-CNN training needs, made once: see the properties."""

    s: RigSettings

    @cached_property
    def profile(self) -> RigProfile:
        return find_character(self.s.primary)

    @cached_property
    def controls(self):
        return self.profile.expression_controls

    @cached_property
    def hcnn(self) -> PerceptualNetwork:
        return load_network(self.s.init, "hcnn")[0]

    @cached_property
    def size(self) -> int:
        return load_network(self.s.init, "hcnn")[1].input_size

    @cached_property
    def faces(self) -> FaceSet:
        return load_faces(self.s.data)

    @cached_property
    def posed(self) -> CharacterSet:
        posed = load_ced_to_train(self.s.ced, self.profile.name)
        names = tuple(c.name for c in self.controls)
        if posed.controls != names:
            raise UsageError(
                f"the pictures of {self.profile.name!r} were made with other controls",
                file=self.s.ced,
                fix="capture the character again",
            )
        return posed

    @cached_property
    def domains(self) -> Domains:
        return Domains.of(self.faces, self.posed)

    @property
    def folder(self) -> Path:
        return checkpoint_folder(self.s)

    def _features(self, name: str, faces: np.ndarray, rows: np.ndarray) -> Features:
        s = self.s
        path = place_to_prepare(s) / f"{name}.npy"
        return compute_features(
            path, self.hcnn, faces, rows, s.frozen_layers, s.variants, self.size, s.seed
        )

    def _second(self, faces: FaceSet, rows: np.ndarray) -> np.ndarray:
        """Second inputs (len(rows), E) as the tracker measured them."""
        both = np.concatenate([faces.geometry[rows], faces.arkit[rows]], 1)
        return both[:, : self.s.geometry]

    def human_pairs(self) -> Pairs:
        """Human faces with the poses that were found for them."""
        s, faces = self.s, self.faces
        rows = choose_humans(faces, s.humans, s.seed)
        features = self._features("humans", faces.faces, rows)
        votes = faces.targets[rows]
        chances = (votes + self._seen(faces, rows, features)) / 2
        labelled = np.flatnonzero((self.posed.labels >= 0) & (self.posed.split == TRAIN))
        match = MatchSettings.paper() if s.match == "paper" else MatchSettings(refine=s.refine)
        units = match_units(
            self.domains.humans(faces, rows),
            chances,
            self.domains.poses(self.posed, labelled),
            self.posed.labels[labelled],
            self.posed.units[labelled],
            self.controls,
            match,
        )
        split = faces.split[rows]
        train = np.flatnonzero(split == TRAIN)
        second = self._second(faces, rows)
        chances = balanced_chances(votes[train].argmax(1), 0.5)
        return Pairs(
            features, units, (second,), chances, train, np.flatnonzero(split == VALIDATION), votes
        )

    def _seen(self, faces: FaceSet, rows: np.ndarray, features: Features) -> np.ndarray:
        """What the teacher, or else HCNN, perceives in the human faces (len(rows), 7)."""
        if not self.s.teacher:
            return perceived(self.hcnn, features, self.s.frozen_layers)
        return kept_opinions(faces.faces, rows, self.s.teacher, place_to_prepare(self.s), "humans")

    def own_pairs(self) -> Pairs:
        """The character's own pictures with the units they were posed by."""
        posed = self.posed
        features = self._features(f"{self.profile.name}", posed.faces, np.arange(len(posed.labels)))
        seconds = tuple(second[:, : self.s.geometry] for second in self.domains.as_human(posed))
        train = posed.rows(TRAIN)
        even = np.full(len(train), 1 / len(train))
        return Pairs(features, posed.units, seconds, even, train, posed.rows(VALIDATION))

    def reader(self) -> PoseReader | None:
        """Reads the character's poses for the consistency loss; None without it."""
        s = self.s
        if not s.consistency:
            return None
        if not s.scnn:
            raise UsageError("the consistency loss needs a reader", fix="give --scnn FILE")
        return learn_reader(self.posed, s.scnn, self.folder / READER, s.seed, s.resume)

    def people_pairs(self) -> Pairs | None:
        """Synthetic people with the units of the very pose they were rendered in; None without.

        Raises:
            InputError: the set does not say how its faces were posed.
        """
        s = self.s
        if not s.people or not s.people_share:
            return None
        faces = load_faces(s.people)
        rows = np.flatnonzero(np.isin(faces.split, (TRAIN, VALIDATION)))
        known = len(faces.posed) == len(faces) and np.isfinite(faces.posed[rows]).all()
        if not known or not len(rows):
            raise InputError(
                "does not say how its faces were posed",
                file=s.people,
                fix="prepare a table with a column for each ARKit channel",
            )
        features = self._features("people", faces.faces, rows)
        units = arkit_to_unit(self.controls, faces.posed[rows]).astype(np.float32)
        split = faces.split[rows]
        train = np.flatnonzero(split == TRAIN)
        even = np.full(len(train), 1 / len(train))
        check = np.flatnonzero(split == VALIDATION)
        return Pairs(features, units, (self._second(faces, rows),), even, train, check)


def train(s: RigSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome."""
    if s.own + (s.people_share if s.people else 0.0) > 0.9:
        raise UsageError("little is left for human faces", fix="lower --own or --people-share")
    check_frozen(s.frozen_layers)
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    shop = Workshop(s)
    config = {"controls": len(shop.controls), "geometry": s.geometry}
    if s.hidden:
        config["hidden"] = s.hidden
    model = rig_regressor(**config)
    start_from(model, shop.hcnn)
    freeze(model, s.frozen_layers)
    humans, own, people = shop.human_pairs(), shop.own_pairs(), shop.people_pairs()
    _fit_second_input(model, humans)
    task = RigTask(model, humans, own, people, shop.profile, s, shop.reader())
    say(f"3D-CNN of {shop.profile.name}: {len(humans.train)} faces, {len(own.train)} own pictures")
    images = int(s.epochs * len(humans.train))
    stages = (Stage(shop.size, images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, average=0.995, patience=10)
    settings = fixed(s, "widen")
    outcome = run(task, stages, shop.folder, loop, settings, s.resume)
    widen(outcome.model, task, shop, s.widen)
    _finish(s, shop, task, outcome, config, settings)
    return outcome


@torch.no_grad()
def widen(model: PerceptualNetwork, task: RigTask, shop: Workshop, largest: float) -> None:
    """Undo the shrinking of squared-error regression: stretch each output about the neutral face.

    A least-squares fit to pairs that agree only roughly predicts means, so expressions come out
    weaker than any pose. Each control is stretched to the deviation it has in the character's
    labelled poses, by a factor of 1 to `largest`, the same on both sides of the face; what the
    network says of neutral faces stays.
    """
    rows = task.humans.train
    predicted = task.predict(model, task.humans, rows)
    faces = choose_humans(shop.faces, task.s.humans, task.s.seed)[rows]
    calm = predicted[shop.faces.labels[faces] == NEUTRAL]
    posed = shop.posed.units[shop.posed.labels >= 0].std(0)
    factor = np.clip(posed / np.maximum(predicted.std(0), 0.02), 1.0, max(1.0, largest))
    factor = (factor + np.abs(task.mirror.units(factor[None])[0])) / 2
    factor = torch.from_numpy(factor.astype(np.float32))
    centre = torch.from_numpy((calm if len(calm) else predicted).mean(0).astype(np.float32))
    model.fc14.weight.mul_(factor[:, None])
    model.fc14.bias.mul_(factor).add_((1 - factor) * centre)


def _fit_second_input(model: PerceptualNetwork, humans: Pairs) -> None:
    if model.extra:
        second = humans.seconds[0][humans.train]
        model.extra_mean.copy_(torch.from_numpy(second.mean(0)))
        # Channels that hardly ever move are not blown up into noise.
        floor = [0.005] * GEOMETRY + [0.05] * (model.extra - GEOMETRY)
        model.extra_std.copy_(torch.from_numpy(np.maximum(second.std(0), floor)))


def _finish(s, shop: Workshop, task: RigTask, outcome: Outcome, config, settings) -> None:
    check, people = task.humans.check, task.people
    predicted = task.predict(outcome.model, task.humans, check)
    labelled = shop.posed.labels >= 0
    spread = spread_report(predicted, shop.posed.units[labelled], task.names)
    matched = spread_report(task.humans.units[check], shop.posed.units[labelled], task.names)
    outcome.metrics |= {
        "spread of predictions / poses": spread["spread"],
        "spread of matched targets / poses": matched["spread"],
    }
    info = WeightsInfo(
        "rig_regressor",
        config,
        character=shop.profile.name,
        controls=task.names,
        input_size=shop.size,
        extra=EXTRA_NAMES[s.geometry],
        training={"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps},
    )
    save_network(s.out, outcome.model, info)
    by_class = _class_spread(predicted, shop.faces, check, task, shop)
    card = ModelCard(
        title=f"3D-CNN of {shop.profile.name}",
        purpose="From a registered human face (and its geometry) to unit values of the controls.",
        data=f"{len(task.humans.train)} human faces, each with a pose found by label and geometry; "
        f"{len(task.own.train)} pictures of the character"
        + (f"; {len(people.train)} of synthetic people in known poses." if people else "."),
        licence_of_data="Human faces: as HCNN's. Pictures of the character: "
        f"{shop.profile.license or 'as the character'}. No picture is part of this file.",
        split="human faces as their table says; of the character every tenth block of ten pictures",
        metrics=outcome.metrics | {"flattest control": spread["flattest"]} | by_class,
        seed=s.seed,
        command=f"exprgen train rig --data HED --ced CED --primary {shop.profile.name} "
        f"--init hcnn.safetensors --out {Path(s.out).name}" + changed_options(s),
        limits="'human' is measured against matched poses, which are no ground truth.",
    )
    write_card(s.out, card, info)
    write_report(
        Path(s.out).with_suffix(".report.html"),
        f"3D-CNN of {shop.profile.name}",
        asdict(s),
        outcome.history,
        outcome.metrics | by_class,
    )
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.3f}" for k, v in outcome.metrics.items()))
    say(f"flattest control: {spread['flattest']}")


def _class_spread(predicted, faces: FaceSet, check, task: RigTask, shop: Workshop) -> dict:
    """Correlation of the mean prediction with the mean pose, by class."""
    rows = choose_humans(faces, task.s.humans, task.s.seed)[check]
    labels = faces.labels[rows]
    values = {}
    for k, name in enumerate(EXPRESSIONS):
        mine, pose = predicted[labels == k], shop.posed.units[shop.posed.labels == k]
        if len(mine) and len(pose) and pose.mean(0).std() > 1e-6:
            values[f"pose correlation {name}"] = float(
                np.corrcoef(mine.mean(0), pose.mean(0))[0, 1]
            )
    return values


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("rig", __doc__.partition("\n")[0], RigSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
