"""Training of the photograph reader on what other networks' convolutions give of photographs.

Each photograph is looked at as it is, mirrored, and in a few slightly changed forms, once: those
networks stay as they are, and what they give is kept in a folder, where the next training finds it.

People's votes are sharpened before they are learned, since the answer that counts is what most said
and not how many: of an angry face to whom one voter in ten says disgust hardly any is disgusted.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import MISSING, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import ROWS, Column, check_columns, read_array
from ..errors import UsageError
from ..files import write_array
from ..models.layouts import LOOKED, TEACHER_SIZE
from ..models.perceptual import pool, standardise
from ..models.photograph_reader import PhotographReader, photograph_opinion, photograph_reader
from ..models.weights_io import ModelCard, WeightsInfo, load_network, save_network, write_card
from ..perception.pooled import looked_by, looking
from ..perception.prior import EVEN_PHOTOGRAPHS, leaning_to, mixed
from ..vocabulary import EXPRESSIONS
from .hcnn import SYNTHETIC_DATA, named
from .looks_drawn import learn_drawn
from .shared.augment import AugmentSettings, augment, plain
from .shared.classifying import HUMAN_LICENCE, measures, shrink
from .shared.datasets import load_faces
from .shared.folding import FoldedNetwork, native_bfloat16
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import CARRIED, HUMANS, PEOPLE, Pool, draw, load_people, pools
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare
from .shared.sets import TRAIN, TREMBLING, VALIDATION, FaceSet

CHANGED_AT = 160
"""Side in pixels of the faces that are changed; they are made smaller as those in use are, which
are larger still."""
BATCH = 64
"""Faces that are looked at together."""
AS_THEY_ARE = 2
"""Looks without a change: at the face and its mirror image."""
SHARPENED = 2.0
"""Power of the votes' shares that is learned: on training photographs in folds accuracy and mean
over classes together gain .4 of a point over the shares themselves, by the label alone nothing."""
TOLD_DRAWN = f" What looks drawn is told by {SYNTHETIC_DATA} as well."
CHECKED = {HUMANS: "", PEOPLE: "posed ", CARRIED: "carried "}
"""What is put before the measures of faces of each kind."""
MIXED = 0.2
"""Of the beta distribution by which two faces' numbers and votes are mixed."""


@dataclass(frozen=True)
class PhotographSettings:
    """What one training of the photograph reader needs; each option's help says what it is."""

    data: str = option(MISSING)
    out: str = option(MISSING)
    checkpoints: str = option("")
    resume: bool = option(False)
    kept: str = option(
        "",
        "folder to keep what those networks give in, for other trainings too; without it that "
        "goes when the training has ended",
    )
    looks: int = option(3, "changed forms of each photograph; 0: none")
    changes: float = option(0.45)
    heads: int = option(4, "small networks whose opinions are averaged")
    hidden: int = option(40, "width of the first hidden layer of each")
    epochs: float = option(36.0, "times each face is seen, in the mean")
    batch: int = option(512)
    rate: float = option(1e-3)
    balance: float = option(0.6)
    people: str = option("")
    people_share: float = option(0.1)
    carried: str = option("")
    carried_share: float = option(0.03)
    drawn: str = option("", "prepared set of synthetic people, whom other networks shall read")
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(1)


class PhotographTask:
    """The seven expressions from what convolutions give and what is measured; votes as targets.

    Args:
        looks: of each part float16 (L, N, LOOKED) of its set's N faces, as they are, mirrored, and
            changed.
    """

    def __init__(self, model: PhotographReader, parts: tuple[Pool, ...], looks: list[np.ndarray]):
        self.model, self.parts, self.looks = model, parts, looks
        self.targets = [sharpened(part.data.targets) for part in parts]
        data, rows = parts[0].data, parts[0].rows
        shown = (looks[0][0][rows], data.geometry[rows], data.arkit[rows])
        model.standardise_by(*_tensors(*shown))

    @property
    def prior(self) -> np.ndarray:
        """(7,) share of each class in what is learned, sums to 1."""
        drawn = zip(self.parts, self.targets, strict=True)
        return sum(part.share * (part.chances @ targets[part.rows]) for part, targets in drawn)

    def train_mode(self) -> None:
        self.model.train()

    def loss(self, stage: Stage, rng: np.random.Generator) -> Tensor:
        given, targets = [], []
        drawn = draw(self.parts, stage.batch, rng)
        for part, looks, said, places in zip(
            self.parts, self.looks, self.targets, drawn, strict=True
        ):
            rows = part.rows[places]
            shown = looks[rng.integers(len(looks), size=len(rows)), rows]
            given.append((shown, part.data.geometry[rows], part.data.arkit[rows]))
            targets.append(said[rows])
        shown, geometry, arkit = (np.concatenate(x) for x in zip(*given, strict=True))
        arkit = (arkit + rng.normal(0, TREMBLING, arkit.shape)).clip(0, 1)
        x = self.model.standardised(*_tensors(shown, geometry, arkit))
        (said,) = _tensors(np.concatenate(targets))
        (share,) = _tensors(rng.beta(MIXED, MIXED, (len(x), 1)))
        other = torch.from_numpy(rng.permutation(len(x)))
        x, said = (share * v + (1.0 - share) * v[other] for v in (x, said))
        return -(said * self.model.said(x)).sum(2).mean()

    def evaluate(self, model: PhotographReader, stage: Stage) -> dict[str, float]:
        """Measures on validation faces, weighed as in use, and on synthetic people of whom nothing
        was learned."""
        to, found = mixed(usual_frequencies(self.parts[0].data), EVEN_PHOTOGRAPHS), {}
        for part, looks in zip(self.parts, self.looks, strict=True):
            of = CHECKED[part.of]
            data, rows = part.data, part.data.rows(VALIDATION)
            if not len(rows):
                continue
            seen = looks[:AS_THEY_ARE, rows]
            said = photograph_opinion(model, seen, data.geometry[rows], data.arkit[rows])
            measured = measures(leaning_to(said, self.prior, to), data.targets[rows])
            found |= {f"{of}{name}": value for name, value in measured.items()}
        return found


def _tensors(*arrays: np.ndarray) -> list[Tensor]:
    return [torch.from_numpy(np.array(x, np.float32)) for x in arrays]


def sharpened(targets: np.ndarray) -> np.ndarray:
    """Votes (N, 7) nearer to what most said, float32; rows sum to 1."""
    powers = np.asarray(targets, np.float32) ** SHARPENED
    return powers / powers.sum(1, keepdims=True)


def usual_frequencies(data: FaceSet) -> list[float]:
    """(7,) how frequent each label is among the faces to learn from, sums to 1."""
    labels = data.labels[data.rows(TRAIN)]
    counts = np.bincount(labels, minlength=len(EXPRESSIONS))
    return [round(float(share), 4) for share in counts / counts.sum()]


def train(s: PhotographSettings) -> Outcome:
    """Train, write weights and model card; returns the outcome.

    Nothing is chosen by the validation faces: they are read when all is learned.

    Raises:
        UsageError: no heads. InputError: no prepared faces. ModelError: a network to look through
            is missing or damaged.
    """
    if s.heads < 1 or s.hidden < 2:
        raise UsageError("nothing is left of the network", fix="give --heads 4 --hidden 40")
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    parts = pools(
        load_faces(s.data), s.balance, s.people, s.people_share, s.carried, s.carried_share
    )
    config = {"heads": s.heads, "hidden": s.hidden, "under": looked_by()}
    looks = [looks_at(part.data, s) for part in parts]
    task = PhotographTask(photograph_reader(**config), parts, looks)
    count = sum(len(part.rows) for part in parts)
    say(f"photograph reader: {count} faces, {len(parts[0].data.rows(VALIDATION))} to check on")
    stages = (Stage(0, max(1, int(s.epochs * count)), s.batch, s.rate),)
    once = stages[0].steps
    loop = LoopSettings(minutes=s.minutes, seed=s.seed, evaluate_every=once)
    folder = checkpoint_folder(s)
    outcome = run(task, stages, folder, loop, fixed(s, "kept"), s.resume)
    outcome = _with_drawn(s, task, outcome)
    _finish(s, task, outcome, config)
    return outcome


def _with_drawn(s: PhotographSettings, task: PhotographTask, outcome: Outcome) -> Outcome:
    """What was learned, with what tells drawn faces, where drawn ones are given."""
    if not s.drawn:
        return outcome
    people = load_people(s.drawn)
    photographs = (task.parts[0].data, task.looks[0])
    told = learn_drawn(outcome.model, photographs, (people, looks_at(people, s)))
    return replace(outcome, metrics=outcome.metrics | told)


def _finish(s: PhotographSettings, task: PhotographTask, outcome: Outcome, config: dict) -> None:
    metrics = outcome.metrics
    training = {"settings": fixed(s, "kept"), "metrics": metrics, "steps": outcome.steps}
    training["prior"] = [round(float(p), 4) for p in task.prior]
    training["usual"] = usual_frequencies(task.parts[0].data)
    info = WeightsInfo("photograph_reader", config, labels=EXPRESSIONS, training=training)
    save_network(s.out, outcome.model, info)
    card = ModelCard(
        title="Photograph reader",
        purpose="Tells the seven expressions in single pictures from what the teacher's and both "
        "HCNNs' convolutions give of them and of their mirror images, and from what the tracker "
        "measures.",
        data=named(task.parts) + (TOLD_DRAWN if s.drawn else ""),
        licence_of_data=HUMAN_LICENCE,
        split="as the set's own table says (train / val; no person of mux in both)",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train photographs --data HED --out {Path(s.out).name}"
        + changed_options(s, "kept"),
        limits="Faces that look drawn the other readers read. As good as the networks under it; "
        "after a change of one of those it is not used until it is trained anew. Photographs of "
        "the web: held-in anger it takes for calm.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))


def looks_at(data: FaceSet, s: PhotographSettings) -> np.ndarray:
    """float16 (2 + looks, N, LOOKED) what convolutions give of a set's faces as they are, mirrored,
    and changed (of those to learn from alone); zeros of those nobody looks at.

    Raises:
        ModelError: a network to look through is missing or damaged.
    """
    through = None
    out = np.zeros((AS_THEY_ARE + s.looks, len(data), LOOKED), np.float16)
    for k, look in enumerate(out):
        rows = rows_of(data, k)
        kept = kept_look(s, data, k)
        if not kept.is_file():
            say(f"photograph reader: look {k + 1} of {len(out)} at {len(rows)} faces")
            through = through or Convolutions()
            write_array(kept, _look(through, data, rows, k, s.changes))
        seen, wanted = read_array(kept, fix="delete it"), Column((ROWS, LOOKED), np.floating)
        check_columns(kept, {"looked": seen}, {"looked": wanted}, "delete it", len(rows))
        look[rows] = seen
    return out


def rows_of(data: FaceSet, k: int) -> np.ndarray:
    """The faces at which the kth look is: all, and changed those to learn from."""
    parts = (TRAIN, VALIDATION) if k < AS_THEY_ARE else (TRAIN,)
    return np.concatenate([data.rows(part) for part in parts])


def kept_look(s: PhotographSettings, data: FaceSet, k: int) -> Path:
    """Where the kth look is kept."""
    folder = place_to_prepare(s)
    of = hashlib.sha256(np.ascontiguousarray(rows_of(data, k), np.int64).tobytes())
    of.update(np.ascontiguousarray(data.geometry).tobytes())
    of.update(f"{looked_by()} {k} {s.changes if k >= AS_THEY_ARE else 0}".encode())
    return folder / f"look_{of.hexdigest()[:12]}.npy"


class Convolutions:
    """The networks through which the photograph reader looks.

    Raises:
        ModelError: a file is missing or damaged.
    """

    def __init__(self):
        teacher, *small = looking()
        self._teacher, _ = load_network(teacher, "teacher")
        loaded = [load_network(path, "hcnn") for path in small]
        self._small = [(FoldedNetwork(network), info.input_size) for network, info in loaded]

    @torch.inference_mode()
    def __call__(self, faces: Tensor) -> np.ndarray:
        """Grey values (B, 1, H, W) -> (B, LOOKED), the teacher's, HCNN's, the second HCNN's."""
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
            parts = [self._teacher.pooled(_sized(faces, TEACHER_SIZE)).float()]
            parts += [pool(maps.maps(_sized(faces, size)).float()) for maps, size in self._small]
        return torch.cat(parts, 1).numpy()


def _sized(faces: Tensor, size: int) -> Tensor:
    """Grey values as a network of this input size takes them."""
    smaller = F.interpolate(faces, (size, size), mode="bilinear", antialias=True)
    return standardise(smaller)


def _look(
    through: Convolutions, data: FaceSet, rows: np.ndarray, k: int, strength: float
) -> np.ndarray:
    """float16 (len(rows), LOOKED): the kth look at some faces of a set."""
    changes = AugmentSettings().scaled(strength)
    out = np.zeros((len(rows), LOOKED), np.float16)
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        if k < AS_THEY_ARE:
            faces = np.stack([data.faces[row] for row in part])
            shown = plain(faces, faces.shape[1], np.full(len(part), bool(k)))
        else:
            rng = np.random.default_rng((k - AS_THEY_ARE, start))
            shown = augment(shrink(data.faces, part, CHANGED_AT), CHANGED_AT, changes, rng)[0]
        out[start : start + len(part)] = through(shown)
        if start % (BATCH * 50) == 0:
            say(f"{start + len(part)}/{len(rows)} faces")
    return out


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    description = __doc__.partition("\n")[0]
    return run_command("photographs", description, PhotographSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
