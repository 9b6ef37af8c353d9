"""Training of the teacher on human faces, from a public-domain recogniser of faces.

The targets are people's votes, as HCNN's; what differs is where it starts from, see `pretrained`.
Once it has learned, a stretch under weak changes, with its own earlier answers as part of the
targets, betters it as it bettered HCNN.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, dataclass
from pathlib import Path

import numpy as np
import torch

from ..errors import UsageError
from ..models.layouts import TEACHER_SIZE
from ..models.perceptual import standardise
from ..models.teacher import teacher
from .hcnn import Card, ExpressionTask, finish, starting_network
from .shared.augment import AugmentSettings, plain
from .shared.datasets import open_faces
from .shared.distributed import start
from .shared.keeping import check_kept, kept_in
from .shared.loop import LoopSettings, Outcome, Stage, run, say
from .shared.mixing import pools
from .shared.options import changed_options, fixed, option, run_command
from .shared.prepared import checkpoint_folder, place_to_prepare
from .shared.pretrained import start_from
from .shared.teaching import taught

CALIBRATION_FACES = 400
_PURPOSE = (
    "Tells the seven expressions from a registered human face: a larger network, which has a say "
    "in what is perceived and from which HCNN can learn."
)
_LICENCE = (
    "It started from dlib_face_recognition_resnet_model_v1 of Davis King (CC0), which learned to "
    "tell faces of celebrities apart; of those pictures nothing is part of this file either."
)


@dataclass(frozen=True)
class TeacherSettings:
    """What one training of the teacher needs; each option's help says what it is."""

    data: str = option(MISSING, "folder of the prepared faces, or drawn:N for N drawn ones")
    out: str = option(MISSING)
    trunk: str = option("", "file of the face recogniser to start from; without it from nothing")
    init: str = option("", "teacher's weights to go on from, or a mean: FILE:SHARE,FILE:SHARE")
    checkpoints: str = option("")
    resume: bool = option(False)
    images: int = option(200000, "faces to learn from, counted each time they are seen; 0: none")
    rate: float = option(5e-4)
    batch: int = option(50)
    balance: float = option(0.6)
    changes: float = option(1.0)
    teacher: str = option("")
    teacher_share: float = option(0.5)
    keep: float = option(0.0, "share that the teacher which is gone on from has in the weights")
    people: str = option("")
    people_share: float = option(0.12)
    carried: str = option("")
    carried_share: float = option(0.2)
    minutes: float | None = option(None)
    seed: int = option(0)
    threads: int = option(0)


def train(s: TeacherSettings) -> Outcome:
    """Train, write weights, model card and report; returns the outcome.

    Raises:
        ModelError: the recogniser's file is missing or another one. InputError: no prepared faces.
        UsageError: nothing that could be kept.
    """
    check_kept(s.keep, bool(s.init), "nothing", "a teacher")
    if s.images < 1 - bool(s.init):
        raise UsageError(f"of {s.images} faces nothing is learned", fix="give more, or --init")
    here = start()
    if s.threads:
        torch.set_num_threads(s.threads)
    torch.manual_seed(s.seed)
    data = open_faces(s)
    parts = pools(data, s.balance, s.people, s.people_share, s.carried, s.carried_share)
    network = starting_network(s.init, "teacher") if s.init else teacher()
    if s.trunk and not s.init:
        rows = parts[0].rows
        some = np.sort(rows[:: max(1, len(rows) // CALIBRATION_FACES)][:CALIBRATION_FACES])
        start_from(network, s.trunk, standardise(plain(np.stack(data.faces[some]), TEACHER_SIZE)))
    folder = checkpoint_folder(s)
    task = ExpressionTask(
        network.to(memory_format=torch.channels_last),
        parts,
        AugmentSettings().scaled(s.changes),
        taught(parts, s.teacher, s.teacher_share, place_to_prepare(s)) if s.teacher else None,
    )
    say(f"teacher: {len(parts[0].rows)} faces to learn from, {len(task.check_rows)} to check on")
    outcome = _learned(s, task, folder) if s.images else Outcome(task.model, {}, [], 0)
    if here.main:
        if s.keep:
            kept_in(outcome.model, starting_network(s.init, "teacher"), s.keep)
        name = Path(s.out).name
        command = f"exprgen train teacher --data HED --out {name}{changed_options(s)}"
        card = Card("teacher", "Teacher", _PURPOSE, command, _LICENCE)
        finish(s, card, task, outcome, TEACHER_SIZE)
    return outcome


def _learned(s: TeacherSettings, task: ExpressionTask, folder: Path) -> Outcome:
    stages = (Stage(TEACHER_SIZE, s.images, s.batch, s.rate),)
    loop = LoopSettings(minutes=s.minutes, seed=s.seed)
    return run(task, stages, folder, loop, fixed(s, "keep"), s.resume)


def main(args: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    name = "teacher"
    return run_command(name, __doc__.partition("\n")[0], TeacherSettings, train, args)


if __name__ == "__main__":
    sys.exit(main())
