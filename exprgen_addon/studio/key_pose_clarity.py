"""Clarity check: how surely a character's key poses read, and what the unclear ones are taken for.

Each key pose is rendered as the training pictures are, in a plain light, and the perceptual network
of characters (SCNN) reads it in the worker. A pose is clear when its own expression is the
likeliest by `SURE` and by a `MARGIN`; ambiguous when it leads by less; mistaken when another
expression leads. What a network reads is a hint, not a viewer's word: it has learned from pictures
labelled by their poses, and of a character that it has never seen it says little.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError, UsageError
from ...networks.files import write_text
from ...networks.records import json_text
from ...networks.vocabulary import EXPRESSIONS
from .look import Look

SURE = 0.6
"""Probability below which a pose is ambiguous though its own expression leads."""
MARGIN = 0.25
"""Lead over the second expression below which it is ambiguous."""
CLEAR, AMBIGUOUS, MISTAKEN = "clear", "ambiguous", "mistaken"
FRAMES = {CLEAR: (70, 180, 110), AMBIGUOUS: (240, 180, 50), MISTAKEN: (225, 70, 60)}
"""Colours of the frames on a sheet, RGB."""
LOOK = Look(ambient=1.1)
"""In which all poses are read."""

Run = Callable[[str, dict], dict]
"""(worker command, arguments) -> the job's result."""


@dataclass(frozen=True)
class Reading:
    """How one key pose reads: probabilities (7,) in the order of EXPRESSIONS, sum 1."""

    pose: str
    expression: str
    probabilities: np.ndarray

    @property
    def own(self) -> float:
        """Probability of the pose's own expression."""
        return float(self.probabilities[EXPRESSIONS.index(self.expression)])

    @property
    def margin(self) -> float:
        """Lead of the own expression over the best other one; negative when that leads."""
        others = np.delete(self.probabilities, EXPRESSIONS.index(self.expression))
        return self.own - float(others.max())

    @property
    def taken_for(self) -> str:
        """The likeliest expression; of an ambiguous pose, the rival of its own."""
        chances = self.probabilities.copy()
        if self.verdict == AMBIGUOUS:
            chances[EXPRESSIONS.index(self.expression)] = -1.0
        return EXPRESSIONS[int(chances.argmax())]

    @property
    def verdict(self) -> str:
        """CLEAR, AMBIGUOUS or MISTAKEN."""
        if self.margin <= 0.0:
            return MISTAKEN
        return CLEAR if self.own >= SURE and self.margin >= MARGIN else AMBIGUOUS

    def to_json(self) -> dict:
        pairs = zip(EXPRESSIONS, self.probabilities, strict=True)
        return {
            "pose": self.pose,
            "expression": self.expression,
            "verdict": self.verdict,
            "own": round(self.own, 4),
            "margin": round(self.margin, 4),
            "taken_for": self.taken_for,
            "probabilities": {e: round(float(p), 4) for e, p in pairs},
        }


@dataclass(frozen=True)
class ClarityReport:
    """All readings of a character; known: SCNN was trained on it. Files as written."""

    character: str
    readings: tuple[Reading, ...]
    known: bool
    trained_on: tuple[str, ...]
    weights: str
    files: dict[str, str]

    def means(self) -> dict[str, np.ndarray]:
        """Expression -> mean probabilities (7,) of its poses, sum 1."""
        return {
            e: np.mean([r.probabilities for r in self.readings if r.expression == e], axis=0)
            for e in EXPRESSIONS
            if any(r.expression == e for r in self.readings)
        }

    def count(self, verdict: str, expression: str = "") -> int:
        """Poses with this verdict, of one expression or of all."""
        return sum(r.verdict == verdict and expression in ("", r.expression) for r in self.readings)

    @property
    def warnings(self) -> list[str]:
        """What a person should know or look at."""
        out = []
        if not self.known:
            out.append(
                f"SCNN has not seen {self.character!r} (it knows {', '.join(self.trained_on)}): "
                "what it reads is a guess; capture the character and train SCNN with it"
            )
        for r in self.readings:
            if r.verdict == MISTAKEN:
                out.append(f"{r.pose} reads as {r.taken_for} ({r.own:.0%} {r.expression})")
            elif r.verdict == AMBIGUOUS:
                out.append(f"{r.pose} is near {r.taken_for} ({r.own:.0%} {r.expression})")
        return out

    def to_json(self) -> dict:
        return {
            "character": self.character,
            "known": self.known,
            "trained_on": list(self.trained_on),
            "weights": self.weights,
            **{v: self.count(v) for v in (CLEAR, AMBIGUOUS, MISTAKEN)},
            "warnings": len(self.warnings),
            "means": {
                e: {n: round(float(p), 4) for n, p in zip(EXPRESSIONS, row, strict=True)}
                for e, row in self.means().items()
            },
            "poses": [r.to_json() for r in self.readings],
            **self.files,
        }

    def to_text(self) -> str:
        """The table for a terminal."""
        lines = [f"{'pose':<26}{'reads':<11}" + "".join(f"{e[:8]:>9}" for e in EXPRESSIONS)]
        for r in self.readings:
            numbers = "".join(f"{p:>9.2f}" for p in r.probabilities)
            note = "" if r.verdict == CLEAR else f"  {r.taken_for}"
            lines.append(f"{r.pose[:25]:<26}{r.verdict:<11}{numbers}{note}")
        lines.append("")
        for e, row in self.means().items():
            clear = self.count(CLEAR, e)
            total = sum(r.expression == e for r in self.readings)
            lines.append(
                f"{'mean ' + e:<26}{f'{clear}/{total}':<11}" + "".join(f"{p:>9.2f}" for p in row)
            )
        lines.append(
            f"{self.count(CLEAR)} clear, {self.count(AMBIGUOUS)} ambiguous, "
            f"{self.count(MISTAKEN)} mistaken of {len(self.readings)}; "
            f"{len(self.warnings)} warnings"
        )
        return "\n".join([*lines, *self.files.values()])

    def to_csv(self) -> str:
        """One row a pose."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["pose", "expression", "verdict", "own", "margin", "taken_for", *EXPRESSIONS]
        )
        for r in self.readings:
            numbers = [f"{p:.4f}" for p in r.probabilities]
            own, margin = f"{r.own:.4f}", f"{r.margin:.4f}"
            writer.writerow([r.pose, r.expression, r.verdict, own, margin, r.taken_for, *numbers])
        return text.getvalue()


def check_clarity(
    profile: RigProfile,
    folder: Path,
    run: Run,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> ClarityReport | None:
    """Render, read and write down a character's key poses; None if stopped.

    Writes <folder>/<character>_clarity.png, .csv and .json, and the pictures into
    <folder>/<character>/.

    Args:
        run: asks the worker.

    Raises:
        InputError: the character has no key poses or is damaged.
        ModelError: SCNN is missing. OutputError: the folder can't be written.
    """
    from .face_studio import CED, full_values
    from .render_processes import Shots, make_folder, render_shots

    if not profile.key_poses:
        raise InputError(
            f"character {profile.name!r} has no key poses",
            file=profile.path,
            fix="label some poses first",
        )
    poses = profile.key_poses
    make_folder(Path(folder) / profile.name)
    paths = _pictures(profile, folder)
    for path in paths:
        path.unlink(missing_ok=True)
    values = np.array([full_values(profile, [*p.values], [*p.values.values()]) for p in poses])
    looks = np.tile(LOOK.to_row(), (len(poses), 1))
    seen: list[list | None] = [None] * len(poses)

    def keep(shot: int, shown) -> None:
        seen[shot] = shown.landmarks.tolist()

    shots = Shots(values, looks, paths)
    render_shots(profile, shots, CED, processes=processes, progress=progress, stop=stop)
    if not all(p.exists() for p in paths):
        return None
    if profile.landmarks:
        measured = Shots(values, looks, paths, measure=True)
        render_shots(profile, measured, CED, processes=0, keep=keep)
    result = run(
        "read_character",
        {
            "pictures": [
                {"file": str(p), "landmarks": points} for p, points in zip(paths, seen, strict=True)
            ]
        },
    )
    if len(result["probabilities"]) < len(poses):
        return None
    report = make_report(profile, result, Path(folder))
    _write(report, paths, run)
    return report


def write_blind_sheets(profile: RigProfile, folder: Path, run: Run) -> list[str]:
    """Numbered sheets of the key poses, shuffled, for viewers to name; their paths.

    The pictures are those of `check_clarity`. Writes <folder>/<character>_blind_1.png, ... and, not
    for the viewers, <character>_blind_key.csv and <character>_blind_truth.csv.
    """
    request = {
        "pictures": [str(p.resolve()) for p in _pictures(profile, folder)],
        "expressions": [p.expression for p in profile.key_poses],
        "prefix": str(_blind(profile, folder)),
    }
    return run("evaluation", {"step": "pose_sheets", **request})["sheets"]


def keep_ratings(profile: RigProfile, folder: Path, files: list[Path], run: Run) -> RigProfile:
    """Keep in the profile's file what viewers named on the blind sheets; returns the new profile.

    Raises:
        InputError: the sheets' key is missing, or a rating has a line that makes no sense.
        UsageError: the profile has no file.
    """
    request = {"prefix": str(_blind(profile, folder)), "files": [str(f) for f in files]}
    named = run("evaluation", {"step": "pose_ratings", **request})["named"]
    stems = [p.stem for p in _pictures(profile, folder)]
    poses = [
        replace(pose, clarity=round(named[stem], 3)) if stem in named else pose
        for pose, stem in zip(profile.key_poses, stems, strict=True)
    ]
    made = replace(profile, key_poses=tuple(poses))
    if profile.path is None:
        raise UsageError("the profile has no file", fix="save it first")
    made.save(profile.path)
    return made


def _blind(profile: RigProfile, folder: Path) -> Path:
    return Path(folder).resolve() / f"{profile.name}_blind"


def _pictures(profile: RigProfile, folder: Path) -> list[Path]:
    """Where the picture of each key pose lies."""
    return [Path(folder) / profile.name / f"{i:03d}.png" for i in range(len(profile.key_poses))]


def make_report(profile: RigProfile, result: dict, folder: Path) -> ClarityReport:
    """What the worker read, as a report whose files lie in `folder`; nothing is written."""
    rows = np.asarray(result["probabilities"], float)
    rows = rows / rows.sum(1, keepdims=True)
    readings = tuple(
        Reading(pose.name, pose.expression, row)
        for pose, row in zip(profile.key_poses, rows, strict=True)
    )
    stem = Path(folder) / f"{profile.name}_clarity"
    return ClarityReport(
        character=profile.name,
        readings=readings,
        known=profile.name in result["characters"],
        trained_on=tuple(result["characters"]),
        weights=result.get("weights", ""),
        files={kind: f"{stem}.{end}" for kind, end in
               (("sheet", "png"), ("csv", "csv"), ("json", "json"))},
    )  # fmt: skip


def _write(report: ClarityReport, paths: list[Path], run: Run) -> None:
    cells = [
        {
            "file": str(path),
            "frame": FRAMES[r.verdict],
            "lines": [r.pose, _line(r)],
        }
        for path, r in zip(paths, report.readings, strict=True)
    ]
    title = (
        f"{report.character}: green clear, yellow ambiguous, red mistaken"
        f"{'' if report.known else '  (SCNN has not seen this character)'}"
    )
    request = {"cells": cells, "out": str(Path(report.files["sheet"]).resolve())}
    run("sheet", {**request, "columns": 10, "side": 150, "title": title})
    texts = {"csv": report.to_csv(), "json": json_text(report.to_json(), indent=1) + "\n"}
    for kind, text in texts.items():
        write_text(Path(report.files[kind]), text)


def _line(r: Reading) -> str:
    best = EXPRESSIONS[int(r.probabilities.argmax())]
    if r.verdict == CLEAR:
        return f"{best} {r.own:.0%}"
    return f"{r.own:.0%}, {r.taken_for} {r.probabilities[EXPRESSIONS.index(r.taken_for)]:.0%}"
