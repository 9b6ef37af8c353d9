"""Build the extension's zip: `python -m exprgen.exprgen_addon.packaging.extension_build [--full]`.

Lite: code, networks' weights, the face landmark model and the sample characters, and no package. It
fits every Blender from 4.5, and runs the networks in a Python that has ExprGen's packages already.

Full: the same with the wheels of those packages, which Blender unpacks, a zip a platform. numpy is
never among them: Blender has its own, and a second one would break other add-ons.

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
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ...networks.errors import ExprGenError, InputError, OutputError, UsageError
from ...networks.tracking import landmark_model
from ..command_line.console import check_folder

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
    landmark_model.BUNDLED.name,
)
"""What only developers need; the landmark model is put in after its check."""

NOT_BUNDLED = ("bpy", "numpy", "setuptools")
"""Blender brings the first two; torch wants the third only to compile."""

BLENDERS = {"3.11": ("4.5.0", "5.1.0"), "3.13": ("5.1.0", None)}
"""Python -> the first Blender whose official build has it, and the first that has it no more."""


@dataclass(frozen=True)
class Platform:
    """A platform as Blender, pip and package metadata call it."""

    name: str
    tags: tuple[str, ...]
    system: str
    sys_platform: str
    machine: str

    def marker(self, python: str) -> dict[str, str]:
        """Values that a requirement's conditions are judged by."""
        return {
            "implementation_name": "cpython",
            "os_name": "nt" if self.system == "Windows" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": self.system,
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": self.sys_platform,
            "extra": "",
        }


PLATFORMS = {
    p.name: p
    for p in (
        Platform(
            "linux-x64",
            ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64",
             "manylinux2014_x86_64"),
            "Linux", "linux", "x86_64",
        ),
        Platform("windows-x64", ("win_amd64",), "Windows", "win32", "AMD64"),
        Platform("macos-arm64", ("macosx_14_0_arm64",), "Darwin", "darwin", "arm64"),
    )
}  # fmt: skip


def build(
    out: Path,
    *,
    platform: Platform | None = None,
    pythons: Sequence[str] = tuple(BLENDERS),
    wheels: Path | None = None,
    say=lambda line: None,
) -> dict:
    """Build and validate one zip.

    Args:
        out: folder for it, made if need be.
        platform: of the full form; None is the lite one. pythons: versions to serve by wheels.
        wheels: folder in which downloaded wheels are kept for the next time.

    Returns:
        {"zip", "bytes", "platform", "pythons", "left_out": {python: why}, "wheels": [names]}.

    Raises:
        ModelError: the face landmark model can't be had. UsageError: no Python can be served.
        OutputError: the place can't be written. ExprGenError: Blender finds the zip faulty.
    """
    out = check_folder(out)
    form = f"full-{platform.name}" if platform else "lite"
    with tempfile.TemporaryDirectory(prefix=".exprgen-", dir=out) as name:
        stage = Path(name) / "exprgen"
        copy_package(stage)
        shutil.copy(
            landmark_model.fetch_landmark_model(say),
            stage / landmark_model.BUNDLED.relative_to(ROOT),
        )
        chosen, left_out = [], {}
        if platform:
            folder = check_folder(wheels or out / "wheels")
            chosen, left_out = collect_wheels(platform, pythons, folder, say)
            served = [p for p in pythons if p not in left_out]
            if not served:
                reasons = "; ".join(f"{p}: {why}" for p, why in left_out.items())
                fix = "build the lite form, or give wheels by pip's PIP_FIND_LINKS"
                raise UsageError(f"no wheels for {platform.name} ({reasons})", fix=fix)
            (stage / "wheels").mkdir()
            for wheel in chosen:
                place_file(wheel, stage / "wheels" / wheel.name)
            extend_manifest(stage / "blender_manifest.toml", platform, served, chosen)
        version = tomllib.loads((stage / "blender_manifest.toml").read_text("utf-8"))["version"]
        part = Path(name) / f"exprgen-{version}-{form}.zip"
        blender_extension("build", "--source-dir", stage, "--output-filepath", part)
        blender_extension("validate", part)
        target = out / part.name
        os.replace(part, target)
    return {
        "zip": str(target),
        "bytes": target.stat().st_size,
        "platform": platform.name if platform else "any",
        "pythons": [p for p in pythons if p not in left_out] if platform else [],
        "left_out": left_out,
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


def extend_manifest(path: Path, platform: Platform, pythons: list[str], wheels: list[Path]) -> None:
    """Write the full form's platform, wheels and Blender versions into a manifest."""
    lines = path.read_text(encoding="utf-8").splitlines()
    first = min(BLENDERS[p][0] for p in pythons if p in BLENDERS) if _known(pythons) else None
    ends = [BLENDERS[p][1] for p in pythons] if _known(pythons) else [None]
    added = [f'platforms = ["{platform.name}"]', "wheels = ["]
    added += [f'  "./wheels/{w.name}",' for w in sorted(wheels)] + ["]"]
    if None not in ends:
        added.append(f'blender_version_max = "{max(ends)}"')
    if first:
        lines = [
            f'blender_version_min = "{first}"' if x.startswith("blender_version_min") else x
            for x in lines
        ]
    table = next(i for i, x in enumerate(lines) if x.startswith("["))
    path.write_text("\n".join([*lines[:table], *added, "", *lines[table:], ""]), encoding="utf-8")


def _known(pythons: Sequence[str]) -> bool:
    return all(p in BLENDERS for p in pythons)


# --- wheels --------------------------------------------------------------------------------------


def collect_wheels(
    platform: Platform, pythons: Sequence[str], folder: Path, say=lambda line: None
) -> tuple[list[Path], dict[str, str]]:
    """The wheels for a platform and some Pythons, downloaded where `folder` lacks them.

    A Python that the index can't serve as a whole is left out, with the reason.
    """
    found: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for python in pythons:
        wanted = requirements(platform, python)
        say(f"{platform.name}, Python {python}: {len(wanted)} packages")
        try:
            names = download(wanted, platform, python, folder)
        except ExprGenError as error:
            left_out[python] = error.problem
            continue
        found |= {name: folder / name for name in names}
    return sorted(found.values()), left_out


def requirements(platform: Platform, python: str) -> list[str]:
    """The packages that the engine needs there, `name==version`, with all that they need in turn.

    Versions are those installed here, with which the tests ran; Linux's torch is the build for
    processors: the other one needs gigabytes of libraries of one maker's graphics cards.
    """
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(r) for r in project["dependencies"]]
    pins: dict[str, str] = {}
    marker = platform.marker(python)
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in NOT_BUNDLED or name in pins:
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
    if "torch" in pins and platform.system == "Linux":
        pins["torch"] += "+cpu"
    # The one that is lacking, if one is, first: nothing is fetched in vain.
    ordered = sorted(pins.items(), key=lambda p: (p[0] != "torch", p[0]))
    return [f"{name}{pin}" for name, pin in ordered]


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
    parser.add_argument("--full", action="store_true", help="with the engine's wheels")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="default: %(default)s")
    parser.add_argument(
        "--platform", action="append", choices=[*PLATFORMS], help="of --full (default: all)"
    )
    parser.add_argument("--python", action="append", help="of --full (default: all Blenders')")
    parser.add_argument("--wheels", type=Path, help="where downloads are kept (OUT/wheels)")
    args = parser.parse_args(words)
    failed = 0
    for name in (args.platform or [*PLATFORMS]) if args.full else [None]:
        try:
            made = build(
                args.out,
                platform=PLATFORMS.get(name),
                pythons=args.python or tuple(BLENDERS),
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
        pythons = f", Python {' and '.join(made['pythons'])}" if made["pythons"] else ""
        print(f"{made['zip']}  {made['bytes'] / 1e6:.1f} MB, {made['platform']}{pythons}")
        for python, why in made["left_out"].items():
            print(f"  without Python {python}: {why}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
