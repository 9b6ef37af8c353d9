"""Performances for readers of feelings: every frame through the tracker, with what is true of it.

The source is a folder in which clips (`.mp4`) and folders of pictures lie, each with its
`.acted.npz` (`footage.acted`); `python -m exprgen.sample_rigs.build performances` makes one. They
are looked at exactly as analysis does. `exprgen train performances --source DIR --out DIR` writes
a part each (`shared.performance_set`); what is there is left, so that it can be run again while the
source grows, or after it was stopped. Sources of several seeds, whose people bear the same numbers,
lie in one folder where each has a label.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError, UsageError
from ..files import output_folder, sweep
from ..footage.acted import FIX, SUFFIX, ActedTruth
from ..footage.media import open_reference
from ..solving.head_and_gaze import head_angles
from ..solving.relations import NAMES, actor_points, measure
from ..track import FaceTrack
from ..tracking.face_tracker import FaceTracker
from ..tracking.track_recorder import TrackRecorder, decode_face
from ..vocabulary import ARKIT_CHANNELS
from .shared.options import command_parser, conclude
from .shared.performance_set import (
    FACE_SIZE,
    NOTHING,
    PerformancePart,
    affect_of,
    said_of,
)
from .shared.performance_set import SUFFIX as PART

OPEN = 0.3
"""Share of a blink from which eyes no longer count as open."""
MOVED = 0.12
"""How far any weight of a pose may be from the person's rest in a face at rest; eyes may look
about and blink."""
_UNLIKE_EYES = [not c.startswith(("eyeLook", "eyeBlink")) for c in ARKIT_CHANNELS]
_LABEL = re.compile(r"[A-Za-z_-]{0,40}")


def find_performances(source: str | Path) -> list[Path]:
    """The clips and folders of pictures that have their truth beside them, in a fixed order.

    Raises:
        InputError: there is none.
    """
    truths = sorted(Path(source).rglob(f"*{SUFFIX}"))
    if not truths:
        raise InputError(
            "holds no performances",
            file=source,
            fix="make them with `python -m exprgen.sample_rigs.build performances`",
        )
    return [_shown_by(truth) for truth in truths]


def _shown_by(truth: Path) -> Path:
    """The clip or the folder that a truth lies beside."""
    plain = truth.with_name(truth.name.removesuffix(SUFFIX))
    return plain if plain.is_dir() else plain.with_name(plain.name + ".mp4")


def prepare(source: str | Path, out: str | Path, label: str = "") -> dict[str, int]:
    """Bring every performance of `source` into `out` that is not there yet.

    Args:
        label: put before the names of parts and people: letters, "_" and "-" alone; digits tell who
            a person is (`performers.fold_of`), and anything else may be no name of a file.

    Returns:
        how many were prepared, and how many refused.

    Raises:
        InputError: there is none, or all that is new is damaged. OutputError: the folder can't be
        written. UsageError: the label can be no part of a name.
    """
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"a label holds letters, _ and - alone: {label[:60]!r}", fix="such as --label low_"
        )
    out = Path(out)
    refused: list[InputError] = []
    found = find_performances(source)
    sweep(output_folder(out))
    todo = [p for p in found if not _part(out, p, label).exists()]
    if len(todo) < len(found):
        print(f"{len(found) - len(todo)} of {len(found)} are there already", flush=True)
    for number, performance in enumerate(todo, start=1):
        try:
            part = _labelled(prepare_one(performance), label)
        except InputError as error:
            refused.append(error)
            print(f"refused: {error}", file=sys.stderr, flush=True)
            continue
        part.save(_part(out, performance, label))
        print(
            f"{number}/{len(todo)} {performance.name}: {len(part)} frames, "
            f"a face in {part.found.mean():.0%}",
            file=sys.stderr,
            flush=True,
        )
    if refused and len(refused) == len(todo):
        raise refused[0]
    return {"prepared": len(todo) - len(refused), "refused": len(refused)}


def _part(out: Path, performance: Path, label: str) -> Path:
    return out / f"{label}{performance.parent.name}_{performance.stem}{PART}"


def _labelled(part: PerformancePart, label: str) -> PerformancePart:
    """A part whose own name, person and mesh begin with a label."""
    named = {name: label + part.meta[name] for name in ("name", "person", "mesh")}
    return replace(part, meta=part.meta | named)


def prepare_one(performance: Path) -> PerformancePart:
    """One clip, or one folder of pictures, as the tracker sees it and as it is.

    Raises:
        InputError: it or its truth is damaged, they are not of one length, or no face is seen.
    """
    truth = ActedTruth.load(_truth_of(performance))
    track = _tracked(performance)
    if len(track) != len(truth):
        raise InputError(
            f"has {len(track)} frames, its truth {len(truth)}", file=performance, fix=FIX
        )
    neutral = _is_neutral(truth)
    meta = {**truth.meta, "name": f"{performance.parent.name}_{performance.stem}"}
    return PerformancePart(
        faces=_faces(track),
        found=track.found,
        times=truth.times,
        arkit=track.arkit,
        geometry=track.geometry,
        relations=measure(actor_points(track)),
        eyes_shut=track.blink,
        head=head_angles(track.head_pose),
        posed=truth.arkit,
        felt=truth.felt,
        target=said_of(truth.felt.astype(float)),
        intensity=truth.felt.max(1),
        affect=affect_of(truth.felt),
        speaking=truth.speaking,
        phoneme=truth.phoneme,
        neutral=neutral & track.found,
        meta=meta | {"neutral_seen": bool((neutral & track.found).any()), "relations": NAMES},
    )


def _truth_of(performance: Path) -> Path:
    return performance.with_name(performance.name.removesuffix(".mp4") + SUFFIX)


def _is_neutral(truth: ActedTruth) -> np.ndarray:
    """(N,) rows in which the person's face is at rest: silent, unmoved, with open eyes."""
    still = (truth.felt.max(1) <= NOTHING) & (truth.speaking <= NOTHING)
    moved = np.abs(truth.arkit - np.asarray(truth.meta.get("rest", 0.0)))[:, _UNLIKE_EYES].max(1)
    return still & (truth.blink < OPEN) & (moved <= MOVED)


def _tracked(performance: Path) -> FaceTrack:
    """The FaceTrack that analysis would make, without the networks' opinions.

    Raises:
        InputError: it can't be read to its end, or shows no face.
    """
    with tempfile.TemporaryDirectory(prefix="exprgen_") as folder:
        file = Path(folder) / "track.npz"
        with open_reference(str(performance)) as reader:
            with (
                FaceTracker(stills=reader.stills) as tracker,
                TrackRecorder(
                    file, source=str(performance), fps=reader.fps, stills=reader.stills
                ) as recorder,
            ):
                for frame in reader:
                    recorder.add(tracker.track(frame))
                recorder.finish()
            if reader.partial:
                raise InputError("; ".join(reader.notes), file=performance, fix=FIX)
        return FaceTrack.load(file)


def _faces(track: FaceTrack) -> np.ndarray:
    """(N, 128, 128) uint8; grey where no face was found."""
    faces = np.full((len(track), FACE_SIZE, FACE_SIZE), 127, np.uint8)
    for i in np.flatnonzero(track.found):
        whole = decode_face(track.face_jpeg(i))
        faces[i] = cv2.resize(whole, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA)
    return faces


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = command_parser("performances", __doc__.partition("\n")[0])
    parser.add_argument("--source", required=True, help="folder of performances with their truth")
    parser.add_argument("--out", required=True, help="folder of the parts")
    parser.add_argument("--label", default="", help="put before names, where sources are joined")
    given = parser.parse_args(arguments)

    def work() -> dict:
        return {"out": given.out, "metrics": prepare(given.source, given.out, given.label)}

    return conclude("performances", work, given.json, lambda: "run it again to go on")


if __name__ == "__main__":
    raise SystemExit(main())
