"""What an evaluation measures, and what its sections share: to analyse, solve, render, remember."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import RigProfile
from ...networks.errors import UsageError
from ...networks.evaluation.motion import unmoving
from ...networks.files import write_text
from ...networks.footage.live_link import is_live_link
from ...networks.reading import read_object
from ...networks.records import json_text, number_of
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack, RigTrack
from ...networks.vocabulary import LARGEST
from .look import Look

Run = Callable[[str, dict], dict]
"""(worker command, arguments) -> the job's result."""
SECTIONS = ("recognition", "feelings", "clarity", "transfer", "motion", "clip", "performance")
PARTS = ("ferplus/val",)
EXPRGEN, PLAIN, BLENDSHAPES = METHODS = ("exprgen", "emphasis-0", "blendshapes")
"""How a performance is solved: as shipped, without emphasis, by the tracker's coefficients."""
PLAIN_LIGHT = Look(ambient=1.1)
"""As the clarity check: plain light, so that the face is what is judged."""

NEEDS = {
    "recognition": "--hed DIR, --posed DIR or --ced DIR",
    "feelings": "--talkers DIR or --clip FILE",
    "transfer": "--hed DIR and --source DIR",
    "clip": "--clip FILE",
    "performance": "--clip FILE",
}
"""Sections that measure nothing without data of the user's, and by which options that is given."""
MOST_WINDOWS = 100
"""Of a clip."""


@dataclass(frozen=True)
class Plan:
    """What is measured.

    out: folder. profiles: the characters, the primary first. hed, ced: prepared data; source: what
    the human faces were prepared from; posed: prepared faces of people who posed. talkers: folder
    of clips with their truth. parts: of the human data. each: pictures an expression.
    agreement: least share of people's votes. clips: footage of performances, in which what is felt
    is told; over the time of the first what actor and primary express is compared too. face: whom
    of several people in them is followed, as of `analyse`. windows: of
    each clip on strips for blind rating, 0 for none; window_starts: clip's file name -> seconds at
    which its windows begin instead. methods: of METHODS, by which they are solved. sheet_each:
    pictures an expression and group on the blind sheets, 0 for no sheets. only: of SECTIONS. folds:
    results of trainings with --folds. ratings: people's answers to the blind sheets and strips.
    processes: see `render_processes.render_shots`.
    """

    out: Path
    profiles: tuple[RigProfile, ...]
    hed: str | None = None
    posed: str | None = None
    talkers: str | None = None
    source: str | None = None
    ced: str | None = None
    clips: tuple[str, ...] = ()
    face: str = LARGEST
    windows: int = 3
    window_starts: dict[str, tuple[float, ...]] = field(default_factory=dict)
    methods: tuple[str, ...] = METHODS
    parts: tuple[str, ...] = PARTS
    each: int = 20
    agreement: float = 0.6
    seed: int = 0
    sheet_each: int = 5
    only: tuple[str, ...] = SECTIONS
    folds: tuple[str, ...] = ()
    ratings: tuple[str, ...] = ()
    processes: int | None = None

    def __post_init__(self) -> None:
        if self.each < 1 or self.sheet_each < 0 or not 0.0 <= self.agreement <= 1.0:
            raise UsageError(
                "the choice of pictures makes no sense",
                fix="give --each above 0, --sheet-each from 0, --agreement from 0 to 1",
            )
        if len({p.name for p in self.profiles}) < len(self.profiles):
            raise UsageError("a character is named twice", fix="name each character once")
        for section in self.only if self.only != SECTIONS else ():
            if not self.wants(section):
                raise UsageError(f"{section} has nothing to measure", fix=f"give {NEEDS[section]}")
        self._check_clips()

    def _check_clips(self) -> None:
        names = [Path(c).name for c in self.clips]
        if len({Path(n).stem for n in names}) < len(names):
            raise UsageError("two clips have one name", fix="give them different file names")
        unknown = set(self.window_starts) - set(names)
        if not 0 <= self.windows <= MOST_WINDOWS or unknown:
            raise UsageError(
                f"windows of {', '.join(sorted(unknown)) or 'a clip'} can't be shown",
                fix=f"give --windows COUNT from 0 to {MOST_WINDOWS}, "
                "or FILE NAME OF A CLIP:SECONDS,SECONDS",
            )

    def wants(self, section: str) -> bool:
        """This section is asked for and the plan has what it needs."""
        has = {
            "recognition": bool(self.hed or self.ced or self.posed),
            "feelings": bool(self.talkers or self.clips),
            "transfer": bool(self.hed and self.source),
            "clip": bool(self.clips),
            "performance": bool(self.clips),
        }
        return section in self.only and has.get(section, True)

    def to_json(self) -> dict:
        return {
            "characters": [p.name for p in self.profiles],
            "parts": list(self.parts),
            "each": self.each,
            "agreement": self.agreement,
            "seed": self.seed,
        }


def chosen_windows(words: list[str]) -> dict:
    """What `--windows` says, as fields of a Plan; each word is COUNT or CLIP:SECONDS,SECONDS,...

    Raises:
        UsageError: a word is neither.
    """
    out: dict = {"window_starts": {}}
    for word in words:
        clip, colon, starts = word.rpartition(":")
        try:
            if colon:
                out["window_starts"][Path(clip).name] = tuple(map(number_of, starts.split(",")))
            else:
                out["windows"] = int(word)
        except ValueError as error:
            raise UsageError(
                f"--windows {word} can't be understood", fix="give COUNT or CLIP:SECONDS,SECONDS"
            ) from error
    return out


def check_clips(plan: Plan, run: Run) -> None:
    """Refuse, before the work, what is given as a clip and is none. Of a take of coefficients what
    is felt can be told, and nothing else.

    Raises:
        InputError: it can't be read, is pictures, or a single frame.
    """
    seen = any(map(plan.wants, ("clip", "performance")))
    if not (seen or plan.wants("feelings")):
        return
    clips = [str(Path(c).resolve()) for c in plan.clips if seen or not is_live_link([c])]
    run("evaluation", {"step": "check_clips", "clips": clips})


def analyse(plan: Plan, run: Run, reference: list[str], out: Path, face: str = LARGEST) -> None:
    """A FaceTrack with the primary's units; always anew, since weights may have changed."""
    request = {"reference": [str(Path(p).resolve()) for p in reference], "out": str(out)}
    run("analyse", {**request, "face": face, "profiles": [str(plan.profiles[0].path)]})


def clip_track(path: Path, clip: str) -> FaceTrack:
    """The track of what was given as a clip.

    Raises:
        InputError: it is pictures, or a single frame.
    """
    track = FaceTrack.load(path)
    if track.meta.get("stills") or len(track.times) < 2:
        raise unmoving(clip)
    return track


def solve(plan: Plan, run: Run, track: Path, out: Path, settings: RetargetSettings) -> dict:
    """Character -> RigTrack."""
    folder_at(out)
    request = {
        "track": str(track),
        "primary": str(plan.profiles[0].path),
        "secondary": [str(p.path) for p in plan.profiles[1:]],
        "settings": settings.to_json(),
        "out": str(out),
    }
    solved = run("solve", request)["tracks"]
    return {t["character"]: RigTrack.load(t["path"]) for t in solved}


def render(
    plan: Plan, profile: RigProfile, track: RigTrack, out: Path, names: list[str], counter, stop
) -> dict | None:
    """One still a row and the landmarks on it: {"files", "landmarks"}; None if stopped.

    A picture is made again only where its pose has changed.
    """
    from .face_studio import CED, full_values
    from .render_processes import Shots, render_shots

    folder = folder_at(out / profile.name)
    paths = [folder / f"{name}.png" for name in names]
    values = full_values(profile, track.controls, track.values)
    marks = [digest([np.round(row, 4).tolist()]) for row in values]
    book = folder / "poses.json"
    known = read_object(book, "remove it") if book.is_file() else {}
    todo = [i for i, p in enumerate(paths) if known.get(p.stem) != marks[i] or not p.is_file()]
    for i in todo:
        paths[i].unlink(missing_ok=True)
    # Before the work: a picture that is there, after a kill too, is whole and of its mark.
    write_text(book, json_text({p.stem: m for p, m in zip(paths, marks, strict=True)}))
    looks = np.tile(PLAIN_LIGHT.to_row(), (len(paths), 1))
    shots = Shots(values[todo], looks[todo], [paths[i] for i in todo])
    progress = counter(f"{out.name} {profile.name}")
    render_shots(profile, shots, CED, processes=plan.processes, progress=progress, stop=stop)
    if not all(p.is_file() for p in paths):
        return None
    landmarks: list = [None] * len(paths)
    if profile.landmarks:

        def keep(shot: int, shown) -> None:
            landmarks[shot] = shown.landmarks.round(3).tolist()

        measured = Shots(values, looks, paths, measure=True)
        render_shots(profile, measured, CED, processes=0, stop=stop, keep=keep)
        if None in landmarks:
            return None
    return {
        "files": [str(p) for p in paths],
        "landmarks": landmarks if profile.landmarks else None,
    }


def rows_of(track: RigTrack, rows: np.ndarray) -> RigTrack:
    """The track's frames `rows`."""
    return replace(
        track,
        times=track.times[rows],
        values=track.values[rows],
        state=track.state[rows],
        expression=track.expression[rows],
        affect=None if track.affect is None else track.affect[rows],
    )


def digest(values) -> str:
    return hashlib.sha256(json_text(values).encode()).hexdigest()[:16]


def folder_at(path: Path) -> Path:
    from .render_processes import make_folder

    return make_folder(path)
