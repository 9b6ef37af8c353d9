"""Examine an installation: what there is, what is missing, and how to mend it."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from ...networks.characters.profile import SAMPLE_RIGS, RigProfile, sample_characters
from ...networks.errors import ExprGenError
from ...networks.packages import lacking
from ...networks.tracking import landmark_model
from ..engine.jobs import Job
from ..engine.worker_process import WorkerProcess
from .console import Console


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str
    fix: str = ""

    def to_json(self) -> dict:
        """Its fields, for `--json` and for the preferences."""
        return asdict(self)


def examine(console: Console, *, fetch: bool = False) -> list[Finding]:
    """Everything the main job needs, in the order in which it needs it; never raises."""
    findings = [_blender()]
    worker = None
    try:
        worker = WorkerProcess(nice=0)  # somebody waits for it, and it is short
        findings += _packages(worker, console)
        if fetch:
            Job("fetch", {}, worker).run_blocking(console.message)
    except ExprGenError as error:
        findings.append(_of("fetching" if fetch else "engine", error))
    whole = all(f.ok for f in findings)
    findings.append(_landmark_model())
    profiles = _characters(findings)
    if worker is not None and worker.alive:
        if whole:  # else nothing can read them, which is told already
            findings += _weights(worker, profiles, console)
        worker.close()
    return findings


def _blender() -> Finding:
    if "bpy" in sys.modules:
        found = sys.modules["bpy"].app.version_string
        return Finding("Blender", True, f"{found}, Python {sys.version.split()[0]}")
    if find_spec("bpy") is None:
        fix = "pip install bpy==4.5.15, or use `blender --command exprgen`"
        return Finding("Blender (bpy)", False, "not installed", fix)
    try:
        found = version("bpy")
    except PackageNotFoundError:
        found = "unknown version"
    return Finding("Blender (bpy)", True, f"{found}, Python {sys.version.split()[0]}")


def _packages(worker: WorkerProcess, console: Console) -> list[Finding]:
    found = Job("versions", {}, worker).run_blocking(console.message)
    missing = [name for name, number in found["packages"].items() if number is None]
    fix = lacking(missing, worker.python).fix
    findings = [Finding("engine's Python", True, f"{found['python']}, {worker.python}")]
    for name, number in found["packages"].items():
        told = (False, "not installed", fix) if name in missing else (True, number)
        findings.append(Finding(name, *told))
    for name, number in found["training"].items():
        findings.append(Finding(name, True, number or "not there: only trainings need it"))
    return findings


def _landmark_model() -> Finding:
    try:
        path = landmark_model.landmark_model()
    except ExprGenError as error:
        return _of("face landmark model", error)
    return Finding(
        "face landmark model",
        True,
        f"{path}, SHA-256 {landmark_model.LANDMARK_SHA256[:12]}... as pinned",
    )


def _characters(findings: list[Finding]) -> list[RigProfile]:
    try:
        profiles = sample_characters()
    except ExprGenError as error:
        findings.append(_of("characters", error))
        return []
    if not profiles:
        findings.append(
            Finding("characters", False, f"none in {SAMPLE_RIGS}", "build them: make characters")
        )
    for p in profiles:
        there = p.blend.is_file()
        detail = f"{len(p.controls)} controls, {p.family}" if there else f"{p.blend} is missing"
        findings.append(Finding(f"character {p.name}", there, detail, "build it: make characters"))
    return profiles


def _weights(worker, profiles: list[RigProfile], console: Console) -> list[Finding]:
    arguments = {"profiles": [str(p.path) for p in profiles]}
    try:
        found = Job("weights", arguments, worker).run_blocking(console.message)
    except ExprGenError as error:
        return [_of("weights", error)]
    return [Finding(**f) for f in found["weights"]]


def _of(what: str, error: ExprGenError) -> Finding:
    detail = f"{error.file}: {error.problem}" if error.file else error.problem
    return Finding(what, False, detail, error.fix)
