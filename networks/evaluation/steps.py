"""The steps of an evaluation that need torch or OpenCV; the worker runs them one by one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from zlib import crc32

import numpy as np

from ..errors import InputError, UsageError
from ..files import write_text
from ..models.weights_file import weights_path
from ..models.weights_io import load_network
from ..models.weights_places import weights_folder
from ..records import json_text
from ..track import FaceTrack
from ..training.shared.datasets import characters
from ..vocabulary import EXPRESSIONS, NEUTRAL
from .choice import choose, save_choice, write_originals
from .correlation import rank_correlation, told
from .judging import Judge, actor_faces, character_faces, judge_paths, judged, own_reading
from .parts import character_part, human_part, whole_part
from .recognition import probabilities_of, read_as_in_use, recognise
from .report import write_html
from .sheets import named_right, score_ratings, write_sheets

Emit = Callable[[dict], None]


def run_step(name: str, arguments: dict, emit: Emit) -> dict:
    """One step by the name of its function in this file.

    Raises:
        UsageError: there is no such step.
    """
    steps = {f.__name__: f for f in _STEPS}
    if name not in steps:
        raise UsageError(f"there is no step {name!r}", fix=f"use one of {', '.join(steps)}")
    emit({"type": "stage", "stage": name})
    return steps[name](emit, **arguments)


def pick(
    emit: Emit, hed: str, source: str, parts: list, each: int, seed: int, agreement: float, out: str
) -> dict:
    """Choose pictures and write the originals: {"pictures": paths}."""
    chosen = choose([human_part(hed, name) for name in parts], each, seed, agreement)
    folder = Path(out)
    written = write_originals(chosen, source, folder / "pictures")
    save_choice(chosen, folder / "chosen.json")
    return {"pictures": [str(p) for p in written]}


def recognition(emit: Emit, hed: str, ced: str, parts: list, posed: str = "") -> dict:
    """HCNN and the judges on human parts, SCNN and the judges on every character's validation part:
    {"recognition": [...], "pose_intensity": {...}}.

    Raises:
        InputError: a folder holds nothing that was prepared.
    """
    folder = weights_folder()
    measured = []
    people = {name: human_part(hed, name) for name in parts} if hed else {}
    drawn = {n: character_part(ced, f"{n}/val") for n in characters(Path(ced))} if ced else {}
    if ced and not drawn:
        fix = "make them with `exprgen capture` and `exprgen train ced`"
        raise InputError("holds no prepared character pictures", file=ced, fix=fix)
    work = [(weights_path("hcnn", folder=folder), p, "hcnn") for p in people.values()]
    work += [(weights_path("scnn", folder=folder), p, "scnn") for p in drawn.values()]
    for number, (path, part, network) in enumerate(work):
        measured += [made.to_json() for made in recognise(path, part, network)]
        emit(_progress("recognition", number + 1, len(work)))
    measured += [made.to_json() for p in people.values() for made in read_as_in_use(hed, p)]
    if posed:
        part = human_part(posed, whole_part(posed))
        measured += [made.to_json() for made in read_as_in_use(posed, part)]
    judges = [Judge.load(p) for p in judge_paths(folder)]
    if judges:
        measured += [_judged_part(judges, part, True) for part in people.values()]
        measured += [_judged_part(judges, part, False) for part in drawn.values()]
    return {"recognition": measured, "pose_intensity": _pose_intensity(ced, folder, drawn)}


def _judged_part(judges: list[Judge], part, human: bool) -> dict:
    from ..training.shared.sets import half_of
    from .recognition import Recognition

    halves = np.array([half_of(s) if human else -1 for s in part.sources])
    total = np.zeros((len(part), len(EXPRESSIONS)), np.float32)
    count = np.zeros(len(part))
    for judge in judges:
        rows = np.flatnonzero(halves != (-2 if judge.half is None else judge.half))
        if len(rows):
            total[rows] += probabilities_of(judge.network, judge.size, part.take(rows))
            count[rows] += 1
    seen = np.flatnonzero(count)
    answers = total[seen].argmax(1)
    name = "JUDGE" if len(judges) > 1 else "JUDGE (its unseen half)"
    return Recognition.of(name, part.name, part.labels[seen], answers, part.missing).to_json()


def _pose_intensity(ced: str, folder: Path, posed: dict) -> dict:
    """Character -> Spearman's correlation of a key pose's share with how surely it reads, over the
    labelled validation pictures that are not neutral."""
    from ..training.shared.datasets import load_ced

    if not posed:
        return {}
    network, info = load_network(weights_path("scnn", folder=folder), "scnn")
    out = {}
    for name, part in posed.items():
        kept = part.take(part.labels != NEUTRAL)
        share = load_ced(ced, name).intensity[kept.rows]
        own = probabilities_of(network, info.input_size, kept)[np.arange(len(kept)), kept.labels]
        out[name] = told(rank_correlation(share, own))
    return out


def transfer(
    emit: Emit, out: str, ced: str, agreement: float, seed: int, each: int, judges: list | None
) -> dict:
    """See `transfer.measure`."""
    from .transfer import measure

    paths = None if judges is None else [Path(p) for p in judges]
    return {"transfer": measure(Path(out), paths, ced, agreement, seed, each)}


def read_frames(emit: Emit, track: str, frames: list, files: list, landmarks: list | None) -> dict:
    """Probabilities of a clip's frames and of the character's pictures of the same frames:
    {"actor", "character"} by HCNN and SCNN, {"judge_actor", "judge_character"} where there are
    judges; lists of 7."""
    folder = weights_folder()
    face_track = FaceTrack.load(track)
    people = actor_faces(face_track, np.array(frames, int))
    posed = character_faces(files, landmarks)
    out = {
        "actor": own_reading("hcnn", people, folder),
        "character": own_reading("scnn", posed, folder),
    }
    judges = [Judge.load(p) for p in judge_paths(folder)]
    if judges:
        nobody = np.full(len(people), -1)
        out["judge_actor"] = judged(judges, people, nobody)
        out["judge_character"] = judged(judges, posed, nobody)
    return {name: np.round(rows, 5).tolist() for name, rows in out.items()}


def feelings(emit: Emit, tracks: list, truths: list) -> dict:
    """What is felt over time in analysed clips of which the truth is known: {"feelings": see
    `feelings.measure`}."""
    from .feelings import measure

    return {"feelings": measure(tracks, truths)}


def felt(emit: Emit, tracks: list) -> dict:
    """What is felt over time in analysed clips of which no truth is known, in their order: {"felt":
    see `feelings.describe`}."""
    from .feelings import describe

    return {"felt": [describe(path) for path in tracks]}


def shown(emit: Emit, tracks: list) -> dict:
    """What the pictures of analysed clips show beside what is tracked, a list a clip: {"slits": see
    `solving.lips_seen.slit_seen`, "brows": see `solving.actor.pictures_show`}."""
    from ..solving.actor import pictures_show

    told = [pictures_show(FaceTrack.load(path)) for path in tracks]
    return {"slits": [slit.tolist() for slit, _ in told], "brows": [b.tolist() for _, b in told]}


def check_clips(emit: Emit, clips: list) -> dict:
    """Whether all that was given as clips of performances are clips; {}.

    Raises:
        InputError: it can't be read, is pictures, or a single frame.
    """
    from ..footage.live_link import is_live_link
    from ..footage.media import open_reference
    from .motion import unmoving

    for clip in clips:
        if is_live_link([clip]):
            raise InputError("holds no pictures", file=clip, fix="give --clip a video")
        with open_reference([clip]) as reader:
            if reader.stills or len(list(islice(reader, 2))) < 2:
                raise unmoving(clip)
    return {}


def hold(emit: Emit, clip: str, frame: int, out: str) -> dict:
    """A clip of one frame of another, repeated with noise: {"clip": path}."""
    from ..footage.media import open_reference
    from .motion import write_held_clip

    with open_reference([clip]) as reader:
        still = next((f.rgb for f in reader if f.index == frame), None)
    if still is None:
        raise UsageError(f"the clip has no frame {frame}", file=clip, fix="count from 0")
    return {"clip": str(write_held_clip(out, still))}


def strips(emit: Emit, strips: list, out: str, seed: int) -> dict:
    """Blind strips of performances (see `strips.Strip`): {"strips": {"sheets", "key"}}."""
    from .strips import Strip, write_strips

    prefix = Path(out) / "sheets" / "strips"
    sheets, key = write_strips([Strip(**s) for s in strips], prefix, seed)
    return {"strips": {"sheets": [str(p) for p in sheets], "key": str(key)}}


def ratings(emit: Emit, key: str, truth: str, files: list) -> dict:
    """People's ratings of the blind sheets, by group: {"ratings": {group: recognition}}."""
    scored = score_ratings(Path(key), Path(truth), [Path(f) for f in files])
    return {"ratings": {group: r.to_json() for group, r in scored.items()}}


def pose_sheets(emit: Emit, pictures: list, expressions: list, prefix: str) -> dict:
    """Blind sheets of key poses that show these expressions: {"sheets": paths}.

    Each prefix has an order of its own: one character's sheets tell nothing of the next's.
    """
    files = [Path(p) for p in pictures]
    truth = {f.stem: e for f, e in zip(files, expressions, strict=True)}
    order = crc32(Path(prefix).name.encode())
    return {"sheets": [str(p) for p in write_sheets(files, truth, Path(prefix), order).pictures]}


def pose_ratings(emit: Emit, prefix: str, files: list) -> dict:
    """What viewers named on those sheets: {"named": {stem of the picture: share that is right}}."""
    key, truth = (Path(f"{prefix}_{name}.csv") for name in ("key", "truth"))
    return {"named": named_right(key, truth, [Path(f) for f in files])}


def report(emit: Emit, figures: dict, out: str) -> dict:
    """Write <out>/evaluation.json and .html: {"json", "html"}."""
    folder = Path(out)
    target = folder / "evaluation.json"
    write_text(target, json_text(figures, indent=1) + "\n")
    return {"json": str(target), "html": str(write_html(figures, folder / "evaluation.html"))}


def _progress(stage: str, done: int, total: int) -> dict:
    return {"type": "progress", "stage": stage, "done": done, "total": total}


_STEPS = (
    pick,
    recognition,
    transfer,
    read_frames,
    feelings,
    felt,
    shown,
    check_clips,
    hold,
    strips,
    ratings,
    pose_sheets,
    pose_ratings,
    report,
)
