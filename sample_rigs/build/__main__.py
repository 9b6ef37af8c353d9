"""`python -m exprgen.sample_rigs.build [mira|tobi|all]`: build characters into `sample_rigs/`.

`... build reference` makes the embedded reference clip instead (see reference.py), in minutes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import bpy

from .assemble import build_character, make_profile
from .config import CHARACTERS
from .pose_assets import store_poses, write_catalogs
from .reference import build_reference

FOLDER = Path(__file__).resolve().parent.parent


def build(name: str, folder: Path = FOLDER) -> Path:
    """Build one character; `<name>.blend` and `<name>.json` replace the old ones at the end."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    character = build_character(CHARACTERS[name])
    profile = make_profile(character)
    store_poses(profile, character.collection)
    bpy.data.orphans_purge(do_recursive=True)
    path = folder / f"{name}.blend"
    temporary = folder / f"{name}.new.blend"
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(temporary), compress=True, relative_remap=False)
    os.replace(temporary, path)
    profile.save(path.with_suffix(".json"))
    write_catalogs(folder)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="exprgen.sample_rigs.build", description=__doc__)
    parser.add_argument("name", nargs="?", default="all", choices=[*CHARACTERS, "all", "reference"])
    choice = parser.parse_args().name
    if choice == "reference":
        print(build_reference())
        return
    for name in CHARACTERS if choice == "all" else [choice]:
        path = build(name)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
