"""Build the extension's zips: `python -m exprgen.exprgen_addon.packaging.extension_build`.

A zip a platform, each with everything: code, networks' weights, the face landmark model, the sample
characters, and the wheels of the packages that the engine needs, which Blender unpacks. They serve
every Python from 3.11 on. numpy is never among them: Blender has its own, and a second one would
break other add-ons. Nor is torch: OpenCV runs the networks, and only trainings want it.

`--lite` is the same without wheels, for every platform: the networks then run in a Python that has
ExprGen's packages already.

What goes in is staged in a folder; Blender's own `extension build` makes the zip of it and its
`extension validate` looks at the zip. A finished zip gets its name last.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ...networks.errors import ExprGenError, InputError, OutputError
from ...networks.files import spool_folder
from ...networks.packages import PACKAGES
from ...networks.tracking import landmark_model
from ..command_line.console import check_folder
from .platforms import PLATFORMS, Platform
from .wheel_check import check_wheels, plain_name

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "__init__.py",
    "blender_manifest.toml",
    "LICENSE",
    "README.md",
    "exprgen_addon",
    "networks",
    "sample_rigs",
)
LEFT_OUT = (
    "sample_rigs/build",
    "exprgen_addon/packaging",
    "networks/weights/judge_*",
    "networks/weights/fcnn_*",
    landmark_model.BUNDLED.name,
)
"""What only developers need; the landmark model is put in after its check."""

ABSENT = ("bpy", "numpy", "torch", "matplotlib", "sounddevice")
"""What is in no zip: Blender brings the first two, only trainings need the third; MediaPipe would
draw and record with the last two (see networks/tracking/mediapipe_tasks.py)."""

INSTEAD = {"opencv-contrib-python": "opencv-python-headless"}
"""The same OpenCV without windows and without what others contributed to it: 19 MB less, and it
needs no OpenGL on the machine."""

LARGEST_ZIP = 200_000_000
"""Bytes that a zip may have: it is dropped on a window, not installed over night."""

PYTHONS = ("3.11", "3.13", "3.14")
"""Of Blender's official builds, 3.11 (4.5, 5.0) and 3.13 (from 5.1 on), and of distributions' own
ones."""


def build(
    out: Path,
    *,
    platform: Platform | None = None,
    pythons: Sequence[str] = PYTHONS,
    wheels: Path | None = None,
    say=lambda line: None,
) -> dict:
    """Build and validate one zip.

    Args:
        out: folder for it, made if need be.
        platform: whose wheels go in; None is the lite form. pythons: versions to serve by wheels.
        wheels: folder in which downloaded wheels are kept for the next time.

    Returns:
        {"zip", "bytes", "platform", "pythons", "wheels": [names]}.

    Raises:
        ModelError: the face landmark model can't be had. InputError: a wheel is missing or damaged.
        OutputError: the place can't be written. ExprGenError: Blender finds the zip faulty, or it
        is too large.
    """
    out = check_folder(out)
    form = platform.name if platform else "lite"
    with spool_folder(out / f"{form}.zip") as folder:
        stage = folder / "exprgen"
        copy_package(stage)
        shutil.copy(
            landmark_model.fetch_landmark_model(say),
            stage / landmark_model.BUNDLED.relative_to(ROOT),
        )
        chosen: list[Path] = []
        if platform:
            chosen = collect_wheels(platform, pythons, check_folder(wheels or out / "wheels"), say)
            (stage / "wheels").mkdir()
            for wheel in chosen:
                place_file(wheel, stage / "wheels" / wheel.name)
            extend_manifest(stage / "blender_manifest.toml", platform, chosen)
        version = tomllib.loads((stage / "blender_manifest.toml").read_text("utf-8"))["version"]
        part = folder / f"exprgen-{version}-{form}.zip"
        blender_extension("build", "--source-dir", stage, "--output-filepath", part)
        blender_extension("validate", part)
        size = part.stat().st_size
        if size > LARGEST_ZIP:
            raise ExprGenError(f"{part.name} has {size / 1e6:.0f} MB, not {LARGEST_ZIP / 1e6:.0f}")
        target = out / part.name
        os.replace(part, target)
    return {
        "zip": str(target),
        "bytes": size,
        "platform": platform.name if platform else "any",
        "pythons": list(pythons) if platform else [],
        "wheels": [w.name for w in chosen],
    }


def copy_package(stage: Path) -> None:
    """Copy what the extension consists of into a new folder."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        inside = Path(folder).resolve().relative_to(ROOT)
        return [
            n
            for n in names
            if n.startswith(".")
            or n == "__pycache__"
            or Path(n).suffix in (".pyc", ".part", ".blend1")
            or any((inside / n).match(pattern) for pattern in LEFT_OUT)
        ]

    stage.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, stage / part, ignore=ignored)
        elif source.is_file():
            shutil.copy(source, stage / part)
        else:
            raise InputError("is missing", file=source, fix="get the whole repository")


def place_file(source: Path, target: Path) -> None:
    """A second name for a large file; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def extend_manifest(path: Path, platform: Platform, wheels: Sequence[Path]) -> None:
    """Write a platform and its wheels into a manifest."""
    lines = path.read_text(encoding="utf-8").splitlines()
    added = [f'platforms = ["{platform.name}"]', "wheels = ["]
    added += [f'  "./wheels/{w.name}",' for w in sorted(wheels)] + ["]"]
    table = next(i for i, x in enumerate(lines) if x.startswith("["))
    path.write_text("\n".join([*lines[:table], *added, "", *lines[table:], ""]), encoding="utf-8")


# --- wheels --------------------------------------------------------------------------------------


def collect_wheels(
    platform: Platform, pythons: Sequence[str], folder: Path, say=lambda line: None
) -> list[Path]:
    """The wheels for a platform and some Pythons, downloaded where `folder` lacks them, looked at.

    Raises:
        InputError: the index lacks one, or one is damaged or for another machine.
    """
    found: dict[str, Path] = {}
    needed: set[str] = set()
    _drop_cut_short(folder)
    for python in pythons:
        wanted = requirements(platform, python)
        say(f"{platform.name}, Python {python}: {len(wanted)} packages")
        found |= {name: folder / name for name in download(wanted, platform, python, folder)}
        needed |= {plain_name(w.partition("==")[0]) for w in wanted}
    chosen = sorted(found.values())
    modules = [m for m, package in PACKAGES.items() if package not in ABSENT]
    check_wheels(chosen, platform.name, modules, needed, {*ABSENT, *INSTEAD})
    return chosen


def _drop_cut_short(folder: Path) -> None:
    """Remove wheels whose download was killed: pip takes whatever bears the name as there."""
    for wheel in folder.glob("*.whl"):
        if not zipfile.is_zipfile(wheel):  # what a zip holds is told at its end
            wheel.unlink()


def requirements(platform: Platform, python: str) -> list[str]:
    """The packages that the engine needs there, `name==version`, with all that they need in turn.

    Versions are those installed here, with which the tests ran.
    """
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(r) for r in project["dependencies"]]
    pins: dict[str, str] = {}
    marker = platform.marker(python)
    while waiting:
        requirement = waiting.pop()
        name = plain_name(requirement.name)
        if name in ABSENT or name in pins:
            continue
        if requirement.marker and not requirement.marker.evaluate(marker):
            continue
        try:
            there = distribution(name)
        except PackageNotFoundError:  # only other platforms need it
            pins[name] = str(requirement.specifier)
            continue
        pins[name] = f"=={there.version.partition('+')[0]}"
        waiting += [Requirement(r) for r in there.requires or []]
    return sorted(f"{INSTEAD.get(name, name)}{pin}" for name, pin in pins.items())


def download(wanted: list[str], platform: Platform, python: str, folder: Path) -> list[str]:
    """Have pip fetch wheels into a folder, which may hold some already; their names.

    Raises:
        InputError: names the package that there is no wheel of.
    """
    options = [o for tag in platform.tags for o in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(folder)]
    done = _run([*command, *options, "--python-version", python, *wanted])
    if done.returncode:
        lacking = re.search(r"No matching distribution found for (\S+)", done.stderr)
        if lacking:
            raise InputError(f"the package index has no {lacking[1]}")
        raise InputError(f"pip download failed ({_last_line(done.stderr)})")
    return [
        Path(said[1]).name
        for said in re.finditer(r"(?:Saved|already downloaded) (.+?\.whl)", done.stdout)
    ]


# --- Blender's own command -----------------------------------------------------------------------


def blender_extension(*words: str | Path) -> str:
    """Run Blender's `extension` command; what it said.

    Raises:
        ExprGenError: it refused, with its last line.
    """
    done = _run([sys.executable, str(extension_script()), *map(str, words)])
    if done.returncode:
        raise ExprGenError(f"Blender's extension command: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


def extension_script() -> Path:
    """The program behind `blender --command extension`, in the bpy module: it needs no Blender.

    Raises:
        InputError: no bpy module.
    """
    spec = importlib.util.find_spec("bpy")
    places: Iterator[Path] = iter(())
    if spec is not None and spec.origin:
        places = Path(spec.origin).parent.glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    script = next(places, None)
    if script is None:
        raise InputError("the bpy module is not installed", fix="make setup")
    return script


def _run(command: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    lines = [x for x in text.strip().splitlines() if x.strip()]
    return lines[-1] if lines else "it said nothing"


# --- the command ---------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> int:
    """Build what the words ask for; prints each zip with its size."""
    parser = argparse.ArgumentParser(prog="extension_build", description="Build ExprGen's zip.")
    parser.add_argument("--lite", action="store_true", help="one without wheels instead")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: %(default)s")
    parser.add_argument(
        "--platform", action="append", choices=[*PLATFORMS], help="default: every one"
    )
    parser.add_argument("--wheels", type=Path, help="where downloads are kept (OUT/wheels)")
    args = parser.parse_args(words)
    failed = 0
    for name in [None] if args.lite else (args.platform or [*PLATFORMS]):
        try:
            made = build(
                args.out,
                platform=PLATFORMS.get(name),
                wheels=args.wheels,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            )
        except ExprGenError as error:
            failed = failed or error.exit_code
            print(f"error: {error}", file=sys.stderr)
            continue
        except OSError as error:
            problem = OutputError(str(error), fix="choose a writable place with room")
            failed = failed or problem.exit_code
            print(f"error: {problem}", file=sys.stderr)
            continue
        pythons = f", Python {', '.join(made['pythons'])}" if made["pythons"] else ""
        print(f"{made['zip']}  {made['bytes'] / 1e6:.1f} MB, {made['platform']}{pythons}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
