"""What is felt over time, measured: clips with their truth through the analysis, by the worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...networks.errors import InputError
from ...networks.footage.acted import SUFFIX
from .evaluation_plan import Plan, Run, folder_at


def measure_feelings(plan: Plan, run: Run, counter, stop: Callable[[], bool]) -> dict:
    """{"feelings": of the clips in plan.talkers together}; {} if stopped.

    Raises:
        InputError: there is no clip with its truth beside it.
    """
    clips = talkers(plan.talkers)
    folder, progress = folder_at(plan.out / "feelings"), counter("feelings")
    tracks = []
    for number, clip in enumerate(clips, start=1):
        if stop():
            return {}
        tracks.append(str(folder / f"{clip.parent.name}_{clip.stem}.npz"))
        run("analyse", {"reference": [str(clip)], "out": tracks[-1]})
        progress(number, len(clips))
    truths = [str(_truth(clip)) for clip in clips]
    return run("evaluation", {"step": "feelings", "tracks": tracks, "truths": truths})


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
