"""Training of the affect reader: where votes and acted feelings lie on the plane of affect.

Closed form (ridge regression): there are two dozen numbers to look at. Photographs are those that
the readers did not learn from, of which half is kept to measure; of performances people and
sentences to measure by are apart anyway. Both kinds have the same say.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError
from ..files import output_folder
from ..inference.affect_reader import AffectReader as Read
from ..inference.affect_reader import affect_inputs
from ..models.affect_reader import AffectReader, affect_reader
from ..models.weights_file import file_digest
from ..models.weights_io import ModelCard, WeightsInfo, save_network, weights_of, write_card
from ..perception.needed_weights import load_runner, solving_weights
from ..perception.over_time import OverTime
from ..track import load_arrays, save_arrays
from ..vocabulary import CIRCUMPLEX
from .feeling import KEPT_HELP, STRANGERS_HELP, Readers
from .shared.classifying import HUMAN_LICENCE
from .shared.feeling_measures import affect_measures
from .shared.hed_cache import load_hed, load_table
from .shared.loop import say
from .shared.options import changed_options, option, run_command
from .shared.performance_set import PerformancePart, load_performances
from .shared.prepared import prepared_folder
from .shared.sets import TRAIN, VALIDATION, FaceSet, half_of

KEPT_KIND = "exprgen.affect_faces"
AGAIN = "make more performances, and prepare them with `exprgen train performances`"
BATCH = 32


@dataclass(frozen=True)
class AffectSettings:
    """What one training of the affect reader needs; each option's help says what it is."""

    hed: str = option(MISSING, "folder of the prepared human faces")
    data: str = option(MISSING, "folder of performances (exprgen train performances)")
    out: str = option(MISSING)
    strangers: str = option("", STRANGERS_HELP)
    kept: str = option("", KEPT_HELP)
    faces: int = option(1200, "photographs that are looked at, 0: all of the part to check on")
    ridge: float = option(0.003, "strength of the regression's ridge, as a share of the variance")
    seed: int = option(0)


@dataclass(frozen=True)
class Rows:
    """Inputs (N, AFFECT_INPUTS) and true valence and arousal (N, 2)."""

    inputs: np.ndarray
    true: np.ndarray


def train(s: AffectSettings) -> dict[str, float]:
    """Fit, write weights and model card; returns the measures."""
    kept = prepared_folder(s)
    parts = [load_performances(s.data, split) for split in (TRAIN, VALIDATION)]
    learn, check = _photographs(s, kept)
    acted, acted_check = (_acted(s, some, kept) for some in parts)
    say(f"affect: {len(learn.true)} photographs and {len(acted.true)} acted frames")
    network = _fitted([learn, acted], s.ridge)
    metrics = {}
    for name, rows in (("photographs", check), ("acted", acted_check)):
        metrics |= {
            f"{name} {k}": v for k, v in affect_measures(_said(network, rows), rows.true).items()
        }
    _finish(s, network, metrics, (learn, check, acted, acted_check))
    return metrics


def _photographs(s: AffectSettings, kept: Path) -> tuple[Rows, Rows]:
    """The photographs that the readers did not learn from, in two halves.

    Raises:
        InputError: one of them would be empty.
    """
    data, table = load_hed(s.hed), load_table(s.hed)
    rows = data.rows(VALIDATION)
    if s.faces and s.faces < len(rows):
        rows = np.sort(np.random.default_rng(s.seed).choice(rows, s.faces, replace=False))
    half = np.array([half_of(str(name)) for name in table["source"][rows]])
    if len(np.unique(half)) < 2:
        what = f"{len(rows)} photographs of the split 'val' are too few to learn from and check on"
        raise InputError(what, file=s.hed, fix="give more, or a higher --faces")
    said = _looked_at(data, rows, kept)
    inputs, true = affect_inputs(said, data.arkit[rows]), data.targets[rows] @ np.array(CIRCUMPLEX)
    return tuple(Rows(inputs[half == k], true[half == k]) for k in (0, 1))


def _looked_at(data: FaceSet, rows: np.ndarray, kept: Path) -> np.ndarray:
    """(len(rows), 7) the readers' joint opinion on photographs, kept in a folder."""
    known = [file_digest(path) for path in solving_weights([])]
    digest = hashlib.sha256(repr((known, len(data), rows.tolist())).encode()).hexdigest()[:12]
    path = kept / f"photographs.{digest}.npz"
    if path.is_file():
        return load_arrays(path, KEPT_KIND)[1]["said"]
    runner, _ = load_runner([])
    parts = []
    for some in np.array_split(rows, -(-len(rows) // BATCH)):
        given = np.stack(data.faces[some]), data.geometry[some], data.arkit[some]
        parts.append(runner(*given)["expression"])
        say(f"{sum(map(len, parts))}/{len(rows)} photographs")
    output_folder(kept)
    save_arrays(path, KEPT_KIND, {}, {"said": np.concatenate(parts)})
    return np.concatenate(parts)


def _acted(s: AffectSettings, parts: list[PerformancePart], kept: Path) -> Rows:
    """The frames of clips in which a face is seen, as they are read over time."""
    readers, over_time, inputs, true = Readers(kept, s.strangers), OverTime.load(), [], []
    for part in parts:
        if part.meta["kind"] == "clip":
            opinions = readers(part)
            said = opinions["whole"]
            if over_time is not None:
                said, _ = over_time(part.times, opinions, part.arkit, part.found)
            inputs.append(affect_inputs(said[part.found], part.arkit[part.found]))
            true.append(part.affect[part.found])
    if not inputs:
        raise InputError("holds no clips of one of the splits", file=s.data, fix=AGAIN)
    return Rows(np.concatenate(inputs), np.concatenate(true))


def _fitted(kinds: list[Rows], ridge: float) -> AffectReader:
    """The layer that errs least (squares) on all kinds together, each with the same say."""
    weight = np.concatenate([np.full(len(k.true), 1.0 / len(k.true)) for k in kinds])
    x, y = (np.concatenate([getattr(k, n) for k in kinds]) for n in ("inputs", "true"))
    weight /= weight.sum()
    mean_x, mean_y = weight @ x, weight @ y
    x, y = x - mean_x, y - mean_y
    gram = (x * weight[:, None]).T @ x
    gram += ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    slopes = np.linalg.solve(gram, (x * weight[:, None]).T @ y).T
    network = affect_reader()
    with torch.no_grad():
        network.layer.weight.copy_(torch.from_numpy(slopes))
        network.layer.bias.copy_(torch.from_numpy(mean_y - slopes @ mean_x))
    return network


def _said(network: AffectReader, rows: Rows) -> np.ndarray:
    return Read(weights_of(network, WeightsInfo("affect_reader"))).of_inputs(rows.inputs)


def _finish(s: AffectSettings, network: AffectReader, metrics: dict, rows: tuple) -> None:
    counts = [len(part.true) for part in rows]
    settings = {"ridge": s.ridge, "faces": s.faces, "seed": s.seed}
    info = WeightsInfo("affect_reader", training={"settings": settings, "metrics": metrics})
    save_network(s.out, network, info, half=False)
    card = ModelCard(
        title="Affect reader",
        purpose="Tells valence and arousal beside the seven expressions.",
        data=f"{counts[0]} photographs with people's votes, {counts[1]} to check on, none of which "
        f"the readers learned from; {counts[2]} frames of rendered people who talk, {counts[3]} of "
        "others to check on. Votes and acted feelings are placed on the plane of affect by Russell "
        "and Mehrabian 1977.",
        licence_of_data=HUMAN_LICENCE + " Rendered people: made by ExprGen from a CC0 base mesh.",
        split="photographs by the hash of their names; rendered people by person and sentence",
        metrics=metrics,
        seed=s.seed,
        command=f"exprgen train affect --hed HED --data PERFORMANCES --out {Path(s.out).name}"
        + changed_options(s, "kept"),
        limits="Nobody rated valence and arousal of these faces: the truth is the mean place of "
        "the votes. What no class stands for (contentment, boredom, excitement without joy) can't "
        "be told, a photograph's arousal is hardly more than which class it is, and what a person "
        "feels without showing it is in no face.",
    )
    write_card(s.out, card, info)
    say(f"wrote {s.out}: " + ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    return run_command("affect", __doc__.partition("\n")[0], AffectSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
