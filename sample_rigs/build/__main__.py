"""`python -m exprgen.sample_rigs.build [NAME|all]`: build characters into `sample_rigs/`.

`... build NAME --check` builds a character, or all of them, aside and says what differs from what
ships, in half a minute each. `... build reference` makes the embedded reference clip instead (see
reference.py), in minutes; `... build people --out DIR` renders synthetic people to learn from (see
people.py), in half an hour; `... build talkers --out DIR` films such people talking (see
talkers/clips.py), about a minute a clip; `... build performances --out DIR` clips and stills of
people who feel something, drawn quickly (see performances.py), in an hour; `... build mouths --out
DIR` their mouths with what fills them (see mouths.py), in half an hour; `... build face --out DIR`
makes the bilinear face (see face_model/make.py), in an hour; `... build headset --out DIR` what
cameras in a headset see of such people (see headset.py), in minutes. `... build labels` labels the
boards of the characters that are there, in seconds (see board_labels.py); `... build thumbnails`
renders the pictures of their pose assets, in minutes (see thumbnails.py); measure their response
anew then: `exprgen response mira`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import traceback
from dataclasses import fields
from pathlib import Path

import bpy

from ...networks.errors import ExprGenError, exit_code_of
from ...networks.files import all_or_none, made_folders, scratch_folder, spool_folder
from .assemble import build_character, make_profile
from .blip import NAME as BLIP
from .blip import build_blip
from .board_labels import label_file
from .checking import differences
from .config import CHARACTERS
from .face_model.make import FaceSettings, build_face
from .headset import HeadsetSettings, build_headset
from .mouths import MouthSettings, build_mouths
from .people import PeopleSettings, build_people
from .performances import PerformanceSettings, build_performances
from .pose_assets import store_poses, write_catalogs
from .reference import build_reference
from .rigify_character import NAME as ROSA
from .rigify_character import build_rosa
from .talkers.clips import TalkerSettings, build_talkers
from .talkers.sheet import draw_talkers
from .thumbnails import add_thumbnails
from .viewers import rated

FOLDER = Path(__file__).resolve().parent.parent
FILMED = {
    "people": PeopleSettings,
    "talkers": TalkerSettings,
    "mouths": MouthSettings,
    "performances": PerformanceSettings,
    "face": FaceSettings,
    "headset": HeadsetSettings,
}
"""What is made into a folder of its own, with its settings, each an option."""
MOST_TOLD = 20
"""Differences that are listed."""


def build(name: str, folder: Path = FOLDER, pictured: bool = True) -> Path:
    """Build one character aside; `<name>.blend` and `<name>.json`, whole and with their pictures,
    replace the old ones at the end. One that is killed leaves those, and what the next sweeps.

    Args:
        pictured: its key poses get their pictures, which takes a minute.

    Raises:
        OutputError: the folder can't be written.
    """
    path = folder / f"{name}.blend"
    with spool_folder(path) as aside:
        built = _build_aside(name, aside)
        if pictured:
            add_thumbnails(built)
        with all_or_none(path, path.with_suffix(".json")):
            os.replace(built, path)
            os.replace(built.with_suffix(".json"), path.with_suffix(".json"))
    write_catalogs(folder)
    return path


def _build_aside(name: str, folder: Path) -> Path:
    """A character's .blend in a folder, without pictures, and its profile beside it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if name == BLIP:  # modelled from scratch
        profile = build_blip()
    elif name == ROSA:  # on a face that Rigify generates
        profile = build_rosa()
    else:
        profile = make_profile(build_character(CHARACTERS[name]))
    store_poses(profile, bpy.data.collections[profile.collection])
    bpy.data.orphans_purge(do_recursive=True)
    path = folder / f"{name}.blend"
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(  # the open file stays nameless: none is appended to itself
        filepath=str(path), compress=True, relative_remap=False, copy=True
    )
    rated(profile).save(path.with_suffix(".json"))
    return path


def check(name: str) -> list[str]:
    """What differs between a character that is built now and the one that ships, in words."""
    with scratch_folder() as folder:
        built = build(name, folder, pictured=False)
        return differences(FOLDER / f"{name}.blend", built)


def main() -> None:
    parser = argparse.ArgumentParser(prog="exprgen.sample_rigs.build", description=__doc__)
    names = [*CHARACTERS, BLIP, ROSA]
    choices = [*names, "all", "reference", "labels", "thumbnails", *FILMED]
    parser.add_argument("name", nargs="?", default="all", choices=choices)
    parser.add_argument("--out", type=Path, help="people, talkers, mouths: folder for the pictures")
    parser.add_argument(
        "--check",
        action="store_true",
        help="characters: change nothing, say what those that ship lack of what is built",
    )
    parser.add_argument("--sheet", type=Path, help="talkers: a PNG that shows what was made")
    for name, options in _options().items():
        text = "; ".join(f"{who}: default {f.default!r}" for who, f in options.items())
        kind = type(next(iter(options.values())).default)
        how = {"action": "store_true"} if kind is bool else {"type": kind}
        parser.add_argument(f"--{name}", default=None, help=text, **how)
    given = parser.parse_args()
    if given.name in FILMED and not given.out:
        parser.error(f"{given.name} needs --out, a folder for the pictures")
    if failed := exit_code_of(lambda: _make_or_nothing(given, names)):
        _leave(failed)


def _options() -> dict[str, dict]:
    """Option -> who has it -> its field in the settings."""
    out: dict[str, dict] = {}
    for who, settings in FILMED.items():
        for f in fields(settings):
            out.setdefault(f.name, {})[who] = f
    return out


def _settings(given: argparse.Namespace):
    """The settings of what is filmed: what was given, the rest by default."""
    settings = FILMED[given.name]
    named = {f.name: getattr(given, f.name) for f in fields(settings)}
    return settings(**{name: value for name, value in named.items() if value is not None})


def _make_or_nothing(given: argparse.Namespace, names: list[str]) -> None:
    """What is asked for; folders that a failure leaves empty go again."""
    with made_folders():
        _make(given, names)


def _make(given: argparse.Namespace, names: list[str]) -> None:
    choice = given.name
    if choice == "reference":
        print(build_reference())
        return
    if choice == "labels":
        for name in (c.name for c in CHARACTERS.values() if c.controls == "board"):
            path = FOLDER / f"{name.lower()}.blend"
            print(f"{path}: {label_file(path)} handles named")
        return
    if choice == "thumbnails":
        for name in names:
            path = FOLDER / f"{name.lower()}.blend"
            print(f"{path}: {add_thumbnails(path)} key poses pictured")
        return
    if choice == "people":
        print(build_people(given.out, _settings(given)))
        return
    if choice == "face":
        build_face(given.out, _settings(given))
        return
    if choice == "headset":
        print(build_headset(given.out, _settings(given)))
        return
    if choice == "mouths":
        print(build_mouths(given.out, _settings(given)))
        return
    if choice == "performances":
        print(f"{len(build_performances(given.out, _settings(given)))} clips and sheets of stills")
        return
    if choice == "talkers":
        clips = build_talkers(given.out, _settings(given))
        if given.sheet:
            print(draw_talkers(clips, given.sheet))
        return
    if choice == "all":
        _each_alone(names, given.check)
    else:
        _make_character(choice, given.check)


def _each_alone(names: list[str], check: bool) -> None:
    """Each character in a process of its own: the bpy module hangs at its end after Rigify."""
    words = ["--check"] if check else []
    module = __spec__.parent
    codes = [subprocess.call([sys.executable, "-m", module, name, *words]) for name in names]
    if failed := next(filter(None, codes), 0):
        _leave(failed)


def _make_character(name: str, only_check: bool) -> None:
    try:
        if only_check:
            told = check(name)
            print("\n".join([f"{name}: {len(told)} things differ", *told[:MOST_TOLD]]))
        else:
            told, path = [], build(name)
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    except ExprGenError:
        raise
    except Exception:
        if name != ROSA:
            raise
        traceback.print_exc()
        _leave(1)
    if name == ROSA or told:
        _leave(1 if told else 0)


def _leave(code: int) -> None:
    """Exit at once: the bpy module of 4.5 hangs at a plain exit after Rigify."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
