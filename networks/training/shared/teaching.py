"""A larger network's answers as targets (distillation): what it sees beyond the label.

Ten people's votes are a coarse distribution, and those on rare expressions are few; the teacher's
answers tell of every face how near it is to each expression.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...arrays import ROWS, Column, check_columns, read_array
from ...errors import UsageError
from ...files import write_array
from ...models.perceptual import standardise
from ...models.teacher import TeacherNetwork, teacher_opinion
from ...models.weights_io import file_digest, load_network
from ...vocabulary import EXPRESSIONS
from .augment import plain
from .features import faces_digest
from .loop import say
from .mixing import CARRIED, PEOPLE, Pool
from .performers import holds_performances

BATCH = 32


def taught(
    parts: tuple[Pool, ...], file: str, share: float, folder: str | Path
) -> list[np.ndarray]:
    """For each part the targets (len(rows), 7): what people said, and a share of what the teacher
    answers. The answers are kept in `folder`, where a resumed training finds them. Of performances
    and of carried photographs the truth is told alone: what is held back, or spoken over, the
    teacher misses as well.

    Raises:
        ModelError: the file is missing, damaged or holds another network. UsageError: the share is
            none.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"{share:g} is no share of the targets", fix="give one from 0 to 1")
    targets = []
    for part in parts:
        if part.of == CARRIED or (part.of == PEOPLE and holds_performances(part.data.name)):
            targets.append(part.data.targets[part.rows])
            continue
        answers = kept_opinions(part.data.faces, part.rows, file, folder, part.of)
        targets.append((1 - share) * part.data.targets[part.rows] + share * answers)
    return targets


def kept_opinions(
    faces: np.ndarray, rows: np.ndarray, file: str, folder: str | Path, name: str
) -> np.ndarray:
    """What the teacher perceives in some faces of a set, (len(rows), 7), kept in `folder`.

    Raises:
        ModelError: the file is missing, damaged or holds another network.
    """
    which = faces_digest(faces, rows)[:16]
    kept = Path(folder) / f"teacher_{name}_{file_digest(file)}_{which}.npy"
    if kept.is_file():
        answers = read_array(kept, fix="delete it")
        wanted = Column((ROWS, len(EXPRESSIONS)), np.floating, 0.0, 1.0 + 1e-5)
        check_columns(kept, {"answers": answers}, {"answers": wanted}, "delete it", len(rows))
        return np.array(answers)
    network, info = load_network(file, "teacher")
    say(f"the teacher looks at {len(rows)} faces")
    answers = opinions(network, faces, rows, info.input_size)
    write_array(kept, answers)
    return answers


def opinions(network: TeacherNetwork, faces: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """What the teacher perceives in some faces of a set: float32 (len(rows), 7)."""
    parts = [
        teacher_opinion(network, standardise(plain(np.stack(faces[part]), size)))
        for part in np.array_split(rows, max(1, len(rows) // BATCH))
        if len(part)
    ]
    return np.concatenate(parts)
