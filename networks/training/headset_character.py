"""Training of a character's own F on a headset network's backbone: views to the rig's controls.

The texture branch of MIA (Jourabloo et al. 2022, section 3.1, equations 4 and 5): the backbone is
kept as it is, and a small F makes of its code what a known character needs, here the unit values of
its controls. In the place of the texture stand the character's landmarks, which its response
predicts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..characters.profile import RigProfile, arkit_to_unit, channel_matrix, find_character
from ..characters.response import ResponseModel, load_response
from ..errors import ModelError
from ..models.headset import HeadsetAdaptation, HeadsetNetwork, headset_codes
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..vocabulary import ARKIT_CHANNELS, HEADSET_SIZE
from .headset import UNKNOWN, Groups, answered, changed, first_captures, parted
from .shared.headset_set import HeadsetPerson, load_people
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder
from .shared.sets import TRAIN, VALIDATION

EYE_DISTANCE = 62.0
"""Millimetres between a person's eyes: in them a character's landmarks count as a person's do."""
LANDMARKS = 0.3
"""What a square millimetre counts beside a squared control (the paper's lambda_T)."""
LOOKS = 10
"""Measurements within a training."""

Way = Callable[[HeadsetPerson, np.ndarray], np.ndarray]
"""Some rows of a person's capture -> (R, M) unit values of a character's controls."""


@dataclass(frozen=True)
class HeadsetCharacterSettings:
    """What one training of a character's F needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of simulated captures")
    backbone: str = option(MISSING, "weight file of the headset network")
    character: str = option(MISSING, "character whose controls go out")
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    anew: int = option(1, "times each frame is seen anew by the 3D augmentation layer; 0: none")
    images: int = option(400_000, "frames to learn from, counted each time they are seen")
    batch: int = option(256, "frames a step")
    rate: float = option(1e-3)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class CharacterTask:
    """Equation 5 of MIA. Codes are computed once: the backbone does not learn."""

    def __init__(self, network: HeadsetNetwork, people: list[HeadsetPerson], profile: RigProfile,
                 s: HeadsetCharacterSettings):  # fmt: skip
        self.network, self.profile, self.response = network, profile, load_response(profile)
        rng = np.random.default_rng(s.seed)
        learned = first_captures([p for p in people if p.split == TRAIN])
        parts = [coded(network, p, rows, s.anew, rng) for p, rows in learned]
        self.codes, self.neutral = (torch.cat(column) for column in zip(*parts, strict=True))
        truth = np.concatenate([np.tile(p.truth[r], (1 + s.anew, 1)) for p, r in learned])
        controls = profile.expression_controls
        self.truth = torch.from_numpy(arkit_to_unit(controls, truth).astype(np.float32))
        self.gram = torch.from_numpy(landmark_gram(self.response, profile))
        self.others = parted([p for p in people if p.split == VALIDATION])
        self.model = begun(network.adaptation, profile)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        rows = torch.from_numpy(rng.integers(len(self.codes), size=stage.batch))
        told = torch.from_numpy(rng.random((stage.batch, 1)) >= UNKNOWN)
        neutral = torch.where(told, self.neutral[rows], self.model.nobody)
        off = self.model(self.codes[rows], neutral).float() - self.truth[rows]
        return (off.square().sum(1) + LANDMARKS * ((off @ self.gram) * off).sum(1)).mean()

    def evaluate(self, model: HeadsetAdaptation, stage: Stage) -> dict[str, float]:
        checked, tested = (first_captures(people) for people in self.others)
        own = by_own(with_adaptation(self.network, model))
        everybodys = through_channels(self.profile, self.network)
        out = {"score": -self.error(own, checked)}
        for name, way in (("own F", own), ("everybody's F", everybodys)):
            out[name] = self.error(way, tested)
            out[f"r {name}"] = control_correlation(self.profile, way, tested)
        return out | {"at rest": self.error(at_rest(self.profile), tested)}

    def error(self, way: Way, groups: Groups) -> float:
        """`landmark_error` on this character."""
        return landmark_error(self.response, self.profile, way, groups)


def begun(everybodys: HeadsetAdaptation, profile: RigProfile) -> HeadsetAdaptation:
    """Everybody's F behind which the channels that controls stand for are told: where learning
    begins."""
    controls = profile.expression_controls
    matrix = torch.from_numpy(channel_matrix(controls).astype(np.float32))
    own = HeadsetAdaptation(len(controls), 0.0)
    state = {name: value.clone() for name, value in everybodys.state_dict().items()}
    for name in ("out.weight", "out.bias", "straight.weight"):
        state[name] = matrix.T @ state[name]
    own.load_state_dict(state)
    return own


def with_adaptation(network: HeadsetNetwork, adaptation: HeadsetAdaptation) -> HeadsetNetwork:
    """The network's backbone with another F, in evaluation mode."""
    own = HeadsetNetwork(adaptation.out.out_features)
    own.eye, own.mouth, own.adaptation = network.eye, network.mouth, adaptation
    return own.eval()


def coded(
    network: HeadsetNetwork,
    person: HeadsetPerson,
    rows: np.ndarray,
    anew: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """Codes of a capture's rows as they are and `anew` times augmented, and of their neutral, both
    (R * (1 + anew), HEADSET_CODE)."""
    still = np.flatnonzero((person.change == person.change[rows[0]]) & (person.neutral == 1))
    both, found = np.concatenate([still, rows]), []
    for time in range(1 + anew):
        views = changed(person, both, rng) if time else person.pictures[both]
        codes = headset_codes(network, views)
        found.append((codes[len(still) :], codes[: len(still)].mean(0).expand(len(rows), -1)))
    codes, neutral = zip(*found, strict=True)
    return torch.cat(codes), torch.cat(neutral)


# --- measures ------------------------------------------------------------------------------------


def landmarks(response: ResponseModel, profile: RigProfile, units: np.ndarray) -> np.ndarray:
    """(N, 49, 3) where a character's landmarks are at unit values (N, M) of its expression
    controls, eye distances."""
    names = {c.name: i for i, c in enumerate(profile.expression_controls)}
    whole = np.zeros((len(units), len(response.controls)))
    for column, name in enumerate(response.controls):
        if name in names:
            whole[:, column] = units[:, names[name]]
    return response.predict(whole)


def landmark_gram(response: ResponseModel, profile: RigProfile) -> np.ndarray:
    """(M, M): the mean square of how far controls that are off by d move landmarks is about
    d gram d, square millimetres."""
    count = len(profile.expression_controls)
    rest = landmarks(response, profile, np.zeros((1, count)))
    moves = [landmarks(response, profile, sign * np.eye(count)) - rest for sign in (1.0, -1.0)]
    # A control that goes one way only doesn't move on the other.
    most = np.where(_far(moves[0]) >= _far(moves[1]), moves[0].T, -moves[1].T).T
    flat = EYE_DISTANCE * most.reshape(count, -1)
    return (flat @ flat.T / most.shape[1]).astype(np.float32)


def _far(moves: np.ndarray) -> np.ndarray:
    return np.linalg.norm(moves, axis=-1).sum(1)


def by_own(network: HeadsetNetwork) -> Way:
    """A network whose F gives the character's controls."""
    return lambda person, rows: answered(network, person, rows, low=-1.0)


def through_channels(profile: RigProfile, network: HeadsetNetwork) -> Way:
    """A network's coefficients through the channels that the controls stand for."""
    controls = profile.expression_controls
    return lambda person, rows: arkit_to_unit(controls, answered(network, person, rows))


def at_rest(profile: RigProfile) -> Way:
    """A face that does not move."""
    return lambda person, rows: np.zeros((len(rows), len(profile.expression_controls)))


def landmark_error(response: ResponseModel, profile: RigProfile, way: Way, groups: Groups) -> float:
    """Mean distance of a character's landmarks from where the truth puts them, in hundredths of
    its eye distance."""
    found = []
    for person, rows in groups:
        true = arkit_to_unit(profile.expression_controls, person.truth[rows])
        off = landmarks(response, profile, way(person, rows)) - landmarks(response, profile, true)
        found.append(np.linalg.norm(off, axis=-1).mean())
    return 100.0 * float(np.mean(found))


def control_correlation(profile: RigProfile, way: Way, groups: Groups) -> float:
    """Mean over the controls that move of the correlation of answer and truth."""
    own = np.concatenate([way(p, rows) for p, rows in groups]).T
    controls = profile.expression_controls
    true = np.concatenate([arkit_to_unit(controls, p.truth[rows]) for p, rows in groups]).T
    pairs = [(a, b) for a, b in zip(own, true, strict=True) if b.std() > 1e-3]
    return float(np.mean([np.corrcoef(a, b)[0, 1] if a.std() > 1e-4 else 0.0 for a, b in pairs]))


def train(s: HeadsetCharacterSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome."""
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    profile = find_character(s.character)
    network, _ = load_network(s.backbone, "headset")
    if network.adaptation.out.out_features != len(ARKIT_CHANNELS):
        fix = "give the network that `exprgen train headset` made"
        raise ModelError("gives a character's controls", file=s.backbone, fix=fix)
    task = CharacterTask(network, load_people(s.data), profile, s)
    say(f"F of {profile.name}: {len(profile.expression_controls)} controls")
    stages = (Stage(HEADSET_SIZE, s.images, s.batch, s.rate),)
    every = max(50, stages[0].steps // LOOKS)
    loop = LoopSettings(
        minutes=s.minutes, seed=s.seed, average=0.99, evaluate_every=every, patience=10 * LOOKS
    )
    settings = fixed(s)
    folder = checkpoint_folder(s)
    outcome = run(task, stages, folder, loop, settings, s.resume)
    _finish(s, task, outcome, settings)
    return outcome


def _finish(
    s: HeadsetCharacterSettings, task: CharacterTask, outcome: Outcome, settings: dict
) -> None:
    training = {"settings": settings, "metrics": outcome.metrics, "steps": outcome.steps}
    names = tuple(c.name for c in task.profile.expression_controls)
    info = WeightsInfo(
        "headset",
        {"controls": len(names)},
        character=task.profile.name,
        controls=names,
        input_size=HEADSET_SIZE,
        training=training,
    )
    save_network(s.out, with_adaptation(task.network, outcome.model), info)
    card = ModelCard(
        title=f"Headset network with the controls of {task.profile.name}",
        purpose="Three near cameras in a headset (two eyes, the mouth) to a character's controls.",
        data="As of the network whose backbone it has.",
        licence_of_data="Made by ExprGen from its bilinear face (a CC0 base mesh).",
        split="by person; measured on people of whom nothing was learned, and by whom no "
        "checkpoint was chosen; landmarks in hundredths of the eye distance",
        metrics=outcome.metrics,
        seed=s.seed,
        command=f"exprgen train headset_character --data HEADSET --backbone "
        f"{Path(s.backbone).name} --character {s.character} --out {Path(s.out).name}"
        + changed_options(s),
        limits="Truth is what the channels say that controls stand for, not an animator's keys.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in outcome.metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    text = __doc__.partition("\n")[0]
    return run_command("headset_character", text, HeadsetCharacterSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
