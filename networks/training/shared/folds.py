"""k-fold cross-validation: every picture is tested once, by a network that never saw it.

A fold's test part serves for nothing but the test: the best checkpoint is chosen on a twentieth of
the rest. Pictures of one person stay together where the data say who it is; otherwise, and for
characters, every fold gets its share of each class. Finished folds are kept in
<out>.folds.json, and a fold that was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import InputError, UsageError
from ...files import write_text
from ...models.weights_io import load_network
from ...reading import read_object
from ...records import FieldError, as_type, json_text
from ...vocabulary import EXPRESSIONS, NEUTRAL
from .datasets import characters, load_ced
from .distributed import processes
from .loop import Outcome, say
from .options import fixed
from .prepared import checkpoint_folder, fold_name, folds_table
from .report import confusion_matrix
from .sets import AGREED, CLEAR, REJECTED, TRAIN, VALIDATION, FaceSet

TEST = "test"
"""Split of the pictures that a fold is tested on."""
CHECK_SHARE = 20
"""Of the rest, one in so many chooses the best checkpoint."""
BY_PICTURE, BY_CHARACTER = "picture", "character"

Settings = TypeVar("Settings")
Tester = Callable[[Settings, Path], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""(settings of a fold, its weights) -> labels (N,) and answers (N,) of its test part, and which
pictures (N,) are clear: people agree on them, or the pose is no weak one."""


def assign_folds(labels: np.ndarray, groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """(N,) the fold of each picture, 0 .. count - 1.

    Args:
        labels: (N,) class. groups: (N,) who is shown; "" where nobody knows. Pictures of a group
            share a fold.

    Raises:
        UsageError: fewer than two folds, or fewer pictures than folds.
    """
    if count < 2 or len(labels) < count:
        raise UsageError(f"{len(labels)} pictures can't be put in {count} folds", fix="give 2 to N")
    rng = np.random.default_rng((seed, 17))
    folds = np.full(len(labels), -1)
    filled = np.zeros((count, int(labels.max()) + 1))
    known = [np.flatnonzero(groups == g) for g in np.unique(groups[groups != ""])]
    order = rng.permutation(len(known))
    # The largest first: what comes later evens out what they left uneven.
    for rows in sorted((known[i] for i in order), key=len, reverse=True):
        classes = np.bincount(labels[rows], minlength=filled.shape[1])
        fold = int((filled @ classes).argmin())
        folds[rows] = fold
        filled[fold] += classes
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero((labels == label) & (groups == "")))
        for row in rows:
            # Where a class has its share everywhere, the emptiest fold takes the rest.
            fold = int((filled[:, label] + 1e-6 * filled.sum(1)).argmin())
            folds[row] = fold
            filled[fold, label] += 1
    return folds


def split_of(folds: np.ndarray, fold: int, seed: int = 0) -> np.ndarray:
    """(N,) "train", "val" or "test" of each picture when `fold` is tested."""
    split = np.full(len(folds), TRAIN, dtype="<U8")
    rest = np.random.default_rng((seed, 18)).permutation(np.flatnonzero(folds != fold))
    split[rest[: -(-len(rest) // CHECK_SHARE)]] = VALIDATION
    split[folds == fold] = TEST
    return split


def in_fold(data: FaceSet, s) -> FaceSet:
    """The human faces with the split of the settings' fold; as they are where there is none.

    All faces that were found take part, those of the set's own validation part as well.
    """
    if s.fold < 0:
        return data
    rows = np.flatnonzero(np.isin(data.split, (TRAIN, VALIDATION)))
    folds = assign_folds(data.labels[rows], _subjects(s.data, len(data))[rows], s.folds, s.seed)
    split = data.split.astype("<U8")
    split[rows] = split_of(folds, s.fold, s.seed)
    return replace(data, split=split)


def _subjects(folder: str, count: int) -> np.ndarray:
    """(N,) who is shown, by the prepared set's table; "" where it does not say."""
    if not (Path(folder) / "table.npz").is_file():
        return np.full(count, "")
    from .hed import load_table

    return load_table(folder)["subject"]


def sets_in_fold(sets: dict, s) -> dict:
    """SCNN's labelled features by character, with the split of the settings' fold; nothing of a
    character that is tested as a whole."""
    if s.fold < 0:
        return sets
    changed = {
        name: replace(data, split=_character_split(data.targets.argmax(1), data.split, number, s))
        for number, (name, data) in enumerate(sets.items())
    }
    kept = {n: d for n, d in changed.items() if not (d.split == TEST).all()}
    if not kept:
        raise UsageError("one character can't be left out of one", fix="use --fold-by picture")
    return kept


def _character_split(labels: np.ndarray, split: np.ndarray, number: int, s) -> np.ndarray:
    """(N,) the split of the labelled pictures of character `number` in the settings' fold; those
    that were rejected belong to no part."""
    used = np.isin(split, (TRAIN, VALIDATION))
    folds = np.full(len(labels), -1)
    if s.fold_by == BY_CHARACTER:
        folds[:] = number % s.folds
    else:
        nobody = np.full(used.sum(), "")
        folds[used] = assign_folds(labels[used], nobody, s.folds, s.seed + number)
    changed = split_of(folds, s.fold, s.seed)
    changed[~used] = REJECTED
    return changed


def test_faces(s, weights: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HCNN's test part, see Tester."""
    from .classifying import classify
    from .datasets import open_faces

    data = in_fold(open_faces(s), s)
    rows = data.rows(TEST)
    network, info = load_network(weights, "hcnn")
    answers = classify(network, data.faces, rows, info.input_size).argmax(1)
    return data.labels[rows], answers, data.targets[rows].max(1) >= AGREED


def test_characters(s, weights: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SCNN's test part, all characters together, see Tester."""
    from .classifying import classify

    network, info = load_network(weights, "scnn")
    labels, answers, clear = [], [], []
    for number, name in enumerate(characters(Path(s.ced))):
        posed = load_ced(s.ced, name)
        rows = np.flatnonzero(posed.labels >= 0)
        split = _character_split(posed.labels[rows], posed.split[rows], number, s)
        tested = rows[split == TEST]
        if len(tested):
            labels.append(posed.labels[tested])
            answers.append(classify(network, posed.faces, tested, info.input_size).argmax(1))
            weak = (posed.labels[tested] != NEUTRAL) & (posed.intensity[tested] < CLEAR)
            clear.append(~weak)
    return np.concatenate(labels), np.concatenate(answers), np.concatenate(clear)


def without_folds(settings: dict) -> dict:
    """Settings as they were before there were folds, where there are none: older checkpoints of a
    plain training stay good."""
    if settings.get("folds"):
        return settings
    return {k: v for k, v in settings.items() if k not in ("folds", "fold", "fold_by")}


def cross_validate(s: Settings, network: str, train: Callable, test: Tester) -> Outcome:
    """Train and test every fold; writes <out>.folds.json after each.

    Args:
        s: settings with `folds`, `fold`, `out`, `checkpoints`, `resume`.
        train: the training itself, for settings with one fold.

    Returns:
        the last fold's outcome, its metrics the means over all folds.

    Raises:
        UsageError: finished folds are of other settings. OutputError: can't be written.
    """
    if processes().size > 1:
        raise UsageError("folds are trained by one process", fix="run them without torchrun")
    base = checkpoint_folder(s)
    table = folds_table(s)
    settings = json.loads(json_text(fixed(s, "fold")))
    done = _finished(table, settings) if s.resume else []
    outcome = None
    for fold in range(len(done), s.folds):
        say(f"fold {fold + 1} of {s.folds}")
        one = replace(
            s,
            fold=fold,
            out=str(base / f"{fold_name(fold)}.safetensors"),
            checkpoints=str(base / fold_name(fold)),
        )
        outcome = train(one)
        labels, answers, clear = test(one, Path(one.out))
        figures = measured(labels, answers)
        right = float((labels == answers)[clear].mean()) if clear.any() else None
        done.append({"fold": fold, **figures, "clear": int(clear.sum()), "accuracy_clear": right})
        _write(table, summed_up(network, settings, done))
    result = summed_up(network, settings, done)
    say(
        f"wrote {table}: accuracy {result['accuracy']:.4f} (deviation of the folds "
        f"{result['deviation']:.4f}), mean recall {result['mean_recall']:.4f}; of clear pictures "
        f"{result['accuracy_clear'] or float('nan'):.4f}"
    )
    metrics = {k: result[k] for k in ("accuracy", "mean_recall", "deviation")}
    if outcome is None:  # all were finished earlier
        model = load_network(base / f"{fold_name(s.folds - 1)}.safetensors")[0]
        outcome = Outcome(model, metrics, [], 0)
    outcome.metrics = metrics
    return outcome


@dataclass(frozen=True)
class Fold:
    """A finished fold's figures, as its table keeps them."""

    fold: int
    count: int
    accuracy: float
    mean_recall: float
    confusion: list[list[int]]
    clear: int = 0
    accuracy_clear: float | None = None


def measured(labels: np.ndarray, answers: np.ndarray) -> dict:
    """A fold's figures; the confusion matrix holds them all."""
    matrix = confusion_matrix(labels, answers, len(EXPRESSIONS))
    present = matrix.sum(1) > 0
    recall = matrix.diagonal()[present] / matrix.sum(1)[present]
    return {
        "count": len(labels),
        "accuracy": float((labels == answers).mean()),
        "mean_recall": float(recall.mean()),
        "confusion": matrix.tolist(),
    }


def summed_up(network: str, settings: dict, folds: list[dict]) -> dict:
    """What <out>.folds.json holds: means over the folds and their deviation."""
    accuracies = [f["accuracy"] for f in folds]
    clear = [f["accuracy_clear"] for f in folds if f.get("accuracy_clear") is not None]
    return {
        "network": network,
        "settings": settings,
        "accuracy": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies)),
        "mean_recall": float(np.mean([f["mean_recall"] for f in folds])),
        "accuracy_clear": float(np.mean(clear)) if clear else None,
        "confusion": np.sum([f["confusion"] for f in folds], axis=0).tolist(),
        "folds": folds,
    }


def _finished(path: Path, settings: dict) -> list[dict]:
    if not path.is_file():
        return []
    table = read_object(path, "delete it")
    try:
        before = as_type(dict, table.get("settings"), "settings")
        folds = [vars(f) for f in as_type(tuple[Fold, ...], table.get("folds"), "folds")]
    except FieldError as error:
        raise InputError(f"holds no folds ({error})", file=path, fix="delete it") from error
    changed = [k for k in settings if before.get(k) != settings[k]]
    if changed:
        raise UsageError(
            f"the finished folds were made with another {changed[0]}",
            file=path,
            fix="give the same settings, or start anew without --resume",
        )
    return folds


def _write(path: Path, table: dict) -> None:
    write_text(path, json_text(table, indent=1) + "\n")
