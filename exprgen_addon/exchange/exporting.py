"""A take out of the open file: one way, by the ending of what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy

from ...networks.footage.live_link import write_live_link
from ..characters.in_scene import Character
from .formats import LAST
from .keyed_take import Progress, coefficients_of, read_take
from .vrm_animation import write_vrma
from .whole import export_whole


def export_take(
    character: Character,
    scene: bpy.types.Scene,
    paths: list[Path],
    *,
    custom: bool = False,
    counter: Callable[[str], Progress] = lambda stage: lambda done, total: None,
) -> list[dict]:
    """Write a character's take to each path; what each holds.

    The open file is changed where meshes are exported: don't save it.

    Args:
        custom: see `write_vrma`. counter: a stage's name -> who is told of its progress.

    Raises:
        UsageError: its controls stand for no coefficients, which .csv and .vrma need, or the scene
            has one frame. OutputError: a file can't be written.
    """
    made: dict[Path, dict] = {}
    take = None
    for path in sorted(paths, key=lambda p: p.suffix.lower() in LAST):
        ending = path.suffix.lower()
        if ending in LAST:
            held = export_whole(character, scene, path, counter("shape keys"))
        else:
            if take is None:
                track = read_take(character, scene, counter("frames"))
                take = coefficients_of(track, character.profile)
            write_live_link(path, take) if ending == ".csv" else write_vrma(path, take, custom)
            held = {"frames": len(take.times)}
        made[path] = {"out": str(path), **held}
    return [made[p] for p in paths]
