"""Talkers who turn away while they talk, with their truth: what becomes of a face seen from aside.

`python -m exprgen.sample_rigs.build.talkers.turned --out DIR` makes of each person one performance
that is seen from the front at first and then by a camera that goes round to different angles:
`p00_yaw60.npz` (a FaceTrack as the product's tracker makes it, its expressions those of the script)
and `p00_yaw60.truth.npz`, which is the same from every side. Pictures are drawn quickly
(`quick_studio.py`) and not kept. What is there is not made again.
`exprgen train turned_faces` learns from them, `networks/evaluation/turned_faces.py` measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....exprgen_addon.studio.look import Look
from ....networks.errors import exit_code_of
from ....networks.files import output_folder
from ....networks.footage.frames import Frame
from ....networks.footage.truth import SUFFIX
from ....networks.vocabulary import ARKIT_INDEX, EXPRESSIONS
from ..reference import control_values
from ..stylise import smooth
from .clips import (
    Played,
    TalkerSettings,
    head_of,
    lasting_pose,
    measured_faces,
    perform,
    script,
    talker_profile,
    truth_of_clip,
)
from .mouth import Mouth

VIEWS = {
    "yaw00": (0.0, 0.0), "yaw30": (0.0, 30.0), "yaw45": (0.0, 45.0), "yaw60": (0.0, 60.0),
    "yaw75": (0.0, 75.0), "below": (-35.0, 0.0), "above": (35.0, 0.0),
}  # fmt: skip
"""Name of a view -> pitch and yaw in degrees to which the camera goes round the face; every other
person is seen from the other side."""
FRONT, TURN = 1.0, 0.5
"""Seconds from the front, and until the camera stands."""
SIZE, ZOOM, SKY = 288, 0.95, 25
CAST = 16
"""People among whom the first are taken."""
FEELINGS = (("joy", "surprise"), ("anger", "joy"), ("sadness", "surprise"), ("fear", "disgust"))
"""What is felt, one after the other, by one person after the other."""
FLASH, FLASH_SECONDS = 0.6, 0.12
"""Weight and deviation of brows that go up with a stressed syllable, which talkers lack."""


@dataclass(frozen=True)
class TurnedSettings:
    """people: how many, from number `first` on; views: names of VIEWS; split: of SPLITS."""

    people: int = 6
    first: int = 0
    views: tuple[str, ...] = tuple(VIEWS)
    split: str = "val"


def build_turned(out: Path, s: TurnedSettings, say=print) -> None:
    """Make the tracks and truths that are missing in `out`."""
    output_folder(out)
    for n in range(s.first, s.first + s.people):
        missing = [v for v in s.views if not (out / f"p{n:02d}_{v}.npz").exists()]
        if missing:
            _of_person(out, s, n, missing, say)


def _of_person(out: Path, s: TurnedSettings, n: int, views: list[str], say) -> None:
    from ....exprgen_addon.studio.face_studio import StudioSettings
    from ..quick_studio import QuickStudio

    made = TalkerSettings(s.split, people=CAST, size=SIZE)
    rng = np.random.default_rng([made.seed, n, 31])
    line = script(made, n)
    line = replace(
        line, feelings=tuple((lasting_pose(rng, f), 0.9) for f in FEELINGS[n % len(FEELINGS)])
    )
    profile = talker_profile(made.seed, line.number, out / "people")
    with QuickStudio(profile, StudioSettings(size=SIZE), sky_every=SKY) as studio:
        head = head_of(studio)
        mouth = Mouth.read(head)
        played = _flashing(perform(made, n, line, mouth))
        truth = truth_of_clip(
            made, line, played, measured_faces(studio, head, mouth, played.performance)
        )
        values = control_values(profile, played.performance)
        look = replace(line.look, zoom=ZOOM, shift=(0.0, 0.0))
        known: dict[int, np.ndarray] = {}
        for view in views:
            pitch, yaw = np.radians(VIEWS[view]) * (1.0, 1.0 if n % 2 else -1.0)
            looks = _looks(look, played.performance.times, pitch, yaw)
            pictures = _pictures(studio, values, looks, known)
            path = out / f"p{n:02d}_{view}.npz"
            truth.save(path.with_suffix(SUFFIX))
            _track(path, pictures, played)
            say(f"p{n:02d}_{view}: {len(values)} frames")


def _flashing(played: Played) -> Played:
    """The performance with brows that go up on every other stressed syllable."""
    performance, utterance = played.performance, played.utterance
    arkit = performance.arkit.copy()
    accents = utterance.starts[["ˈ" in p for p in utterance.phonemes]][::2]
    for moment in accents:
        up = FLASH * np.exp(-0.5 * ((performance.times - moment) / FLASH_SECONDS) ** 2)
        for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight"):
            column = ARKIT_INDEX[name]
            arkit[:, column] = np.maximum(arkit[:, column], up)
    return replace(played, performance=replace(performance, arkit=arkit))


def _looks(look: Look, times: np.ndarray, pitch: float, yaw: float) -> list[Look]:
    """The camera of each frame."""
    gone = smooth(FRONT, FRONT + TURN, times)
    return [replace(look, orbit=(float(pitch * g), float(yaw * g), 0.0)) for g in gone]


def _pictures(studio, values, looks: list[Look], known: dict) -> Iterator[np.ndarray]:
    """The frames drawn; those from the front once for all views."""
    for i, (row, look) in enumerate(zip(values, looks, strict=True)):
        if any(look.orbit) or i not in known:
            studio.look(look)
            studio.pose(row)
            picture = studio.render()
            if not any(look.orbit):
                known[i] = picture
        else:
            picture = known[i]
        yield picture


def _track(path: Path, pictures: Iterator[np.ndarray], played: Played) -> None:
    """The FaceTrack of a clip; what is read in each frame is what the script says is felt."""
    from ....networks.tracking.face_tracker import FaceTracker
    from ....networks.tracking.track_recorder import TrackRecorder

    times, fps = played.performance.times, 1.0 / float(np.diff(played.performance.times).mean())
    with FaceTracker() as tracker, TrackRecorder(path, source=path.stem, fps=fps) as recorder:
        for i, rgb in enumerate(pictures):
            frame = Frame(i, float(times[i]), np.ascontiguousarray(rgb), rgb.shape[1::-1])
            felt = np.eye(len(EXPRESSIONS))[played.expression[i]]
            recorder.add(tracker.track(frame), expression=0.9 * felt + 0.1 / len(felt))
        recorder.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    for name in ("people", "first"):
        parser.add_argument(f"--{name}", type=int, default=getattr(TurnedSettings, name))
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=TurnedSettings.views)
    parser.add_argument("--split", default=TurnedSettings.split)
    given = vars(parser.parse_args())
    if failed := exit_code_of(lambda: build_turned(given.pop("out"), TurnedSettings(**given))):
        sys.exit(failed)


if __name__ == "__main__":
    main()
