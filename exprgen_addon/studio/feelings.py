"""What is felt over time, measured: clips with their truth through the analysis, by the worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...networks.errors import InputError
from ...networks.footage.acted import SUFFIX
from ...networks.vocabulary import LARGEST
from .evaluation_plan import Plan, Run, folder_at


def measure_feelings(plan: Plan, run: Run, counter, stop: Callable[[], bool]) -> dict:
    """{"feelings": of the clips in plan.talkers together, "felt": file name -> what is felt in each
    of plan.clips}; {} if stopped.

    Raises:
        InputError: there is no clip with its truth beside it.
    """
    acted = talkers(plan.talkers) if plan.talkers else []
    others = [Path(clip).resolve() for clip in plan.clips]
    folder, progress = folder_at(plan.out / "feelings"), counter("feelings")
    names = [f"{clip.parent.name}_{clip.stem}" for clip in acted]
    tracks = [str(folder / f"{n}.npz") for n in (*names, *(f"clip {c.stem}" for c in others))]
    faces = [LARGEST] * len(acted) + [plan.face] * len(others)
    todo = zip([*acted, *others], tracks, faces, strict=True)
    for number, (clip, track, face) in enumerate(todo, start=1):
        if stop():
            return {}
        run("analyse", {"reference": [str(clip)], "out": track, "face": face})
        progress(number, len(tracks))
    of_acted, of_others = tracks[: len(acted)], tracks[len(acted) :]
    figures = {}
    if acted:
        truths = [str(_truth(clip)) for clip in acted]
        figures |= run("evaluation", {"step": "feelings", "tracks": of_acted, "truths": truths})
    if others:
        told = run("evaluation", {"step": "felt", "tracks": of_others})["felt"]
        figures["felt"] = {c.name: t for c, t in zip(others, told, strict=True)}
    return figures


def talkers(folder: str | Path) -> list[Path]:
    """The clips of a folder that have their truth beside them.

    Raises:
        InputError: there is none.
    """
    truths = sorted(Path(folder).resolve().rglob(f"*{SUFFIX}"))
    clips = [t.with_name(t.name.removesuffix(SUFFIX) + ".mp4") for t in truths]
    found = [c for c in clips if c.is_file()]
    if not found:
        raise InputError(
            f"holds no clips with their truth ({SUFFIX})",
            file=folder,
            fix="make them with `python -m exprgen.sample_rigs.build performances`",
        )
    return found


def _truth(clip: Path) -> Path:
    return clip.with_name(clip.stem + SUFFIX)
