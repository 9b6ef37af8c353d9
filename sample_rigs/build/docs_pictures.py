"""The pictures of faces on the pages of docs/, as today's characters show them.

`python -m exprgen.sample_rigs.build.docs_pictures [NAME ...]` writes docs/NAME.jpg, all of them
without a name, in minutes. Nobody was filmed for any: the actor is the embedded reference.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.face_studio import CED, full_values
from ...exprgen_addon.studio.look import Look
from ...exprgen_addon.studio.preview_film import at_times, make_preview
from ...exprgen_addon.studio.render_processes import Shots, render_cast, render_stills
from ...networks.characters.profile import (
    SAMPLE_RIGS,
    KeyPose,
    RigProfile,
    find_character,
)
from ...networks.errors import InputError, exit_code_of
from ...networks.files import scratch_folder, write_bytes
from ...networks.footage.acted import NO_PHONEME, ActedTruth, acted_path
from ...networks.settings import RetargetSettings
from ...networks.track import FaceTrack, RigTrack
from ...networks.vocabulary import EXPRESSION_COLOURS, EXPRESSIONS
from .performances import NEUTRALS, Job, PerformanceSettings, build_performances

DOCS = SAMPLE_RIGS.parent / "docs"
REFERENCE = SAMPLE_RIGS / "reference" / "reference.mp4"
CAST = ("mira", "tobi", "anselm", "rosa", "blip")
"""Rows of the gallery, as README tells of them, the primary first."""
PRIMARY, FILMED, DRAWN = CAST[0], ("mira", "anselm", "blip"), ("mira", "tobi", "blip")
"""Who leads, who is in the demo's film, and who is drawn both ways."""
MOST_BYTES = 200 * 1024
"""Of a picture: pages stay light."""
BEST_QUALITY = 92

PAPER, INK, DARK = (255, 255, 255), (20, 20, 20), (24, 26, 31)
SIDE, POSE_SIDE = 150, 116
"""Pixels of a rendered face, and of one among many key poses."""
NEAR = 12
"""Pixels that are cut off a key pose's edges, so that the face is large; Blip is face all over."""
LINE, TITLE = 15, 22
"""Pixels of a line below a face, and of one above a row."""

SHOWN = {
    "joy": {"tobi": "laugh", "anselm": "open_strong", "blip": "chuckle", "": "teeth"},
    "sadness": {"blip": "wail", "": "frown"},
    "anger": {"blip": "pressed", "": "teeth"},
    "fear": {"": "open"},
    "disgust": {"blip": "shut", "": "open"},
    "surprise": {"blip": "round", "": "open"},
    "neutral": {"": "rest"},
}
"""Columns of the gallery -> whose key pose is which; "": everybody else's."""
MOMENTS, BLINK = 9, 0.5
"""Moments of the clip, evenly spread, that the strip of emphasis shows, and the tracker's blink
from which on lids hide what is felt."""
SETTINGS = {
    "emphasis 0, articulation 1": RetargetSettings(emphasis=0.0, articulation=1.0),
    "emphasis 0.9, articulation 1": RetargetSettings(articulation=1.0),
    "as it is set: 0.9 and 1.3": RetargetSettings(),
    "emphasis 1, articulation 1.5": RetargetSettings(emphasis=1.0, articulation=1.5),
}
"""Rows of that strip below the actor's."""
DEMO_SECONDS, DRAWN_SECONDS = (2.05, 6.9), (2.2, 4.65)
"""An open laugh and disgust; the laugh and sadness."""
PERFORMERS = PerformanceSettings(
    people=8, clips=4, val_clips=0, each=NEUTRALS + 7, stills=8 * (NEUTRALS + 7), val_stills=0
)
"""Four who talk, and as many stills of eight people as the other four rows take."""


@dataclass(frozen=True)
class Desk:
    """What pictures are made from, once for all of them. folder: for what is rendered."""

    folder: Path

    @cached_property
    def track(self) -> FaceTrack:
        """The embedded clip, analysed."""
        from ...networks.pipeline import AnalyseRequest, analyse

        if not REFERENCE.is_file():
            raise InputError("the embedded reference is missing", file=REFERENCE, fix="build it")
        profiles, out = (str(find_character(PRIMARY).path),), self.folder / "face.npz"
        request = AnalyseRequest((str(REFERENCE),), str(out), profiles=profiles)
        return FaceTrack.load(analyse(request, lambda message: None, threading.Event()).track)

    def solved(self, names: Sequence[str], settings: RetargetSettings) -> list[RigTrack]:
        """The clip on these characters, the primary first."""
        from ...networks.solving.solve import solve

        primary, *others = map(find_character, names)
        return solve(self.track, primary, others, settings)

    def stills(self, profile: RigProfile, values: np.ndarray, into: str, names=None) -> list:
        """A picture of each row of native values (N, C)."""
        from ...networks.footage.pictures import read_image

        files = render_stills(profile, values, self.folder / into, names, SIDE)
        return [read_image(file) for file in files]


@cache
def key_poses(desk: Desk, name: str) -> dict[str, np.ndarray]:
    """Key pose of a character -> its picture (SIDE, SIDE, 3)."""
    profile = find_character(name)
    names = [pose.name for pose in profile.key_poses]
    values = np.stack([pose_values(profile, pose) for pose in profile.key_poses])
    return dict(zip(names, desk.stills(profile, values, "poses", names), strict=True))


def pose_values(profile: RigProfile, pose: KeyPose) -> np.ndarray:
    """Native values (C,) of all controls in a key pose."""
    return full_values(profile, [*pose.values], np.array([*pose.values.values()]))


# --- what is on the pages ------------------------------------------------------------------------


def gallery(desk: Desk) -> np.ndarray:
    """Every character in one key pose of each expression."""
    head = np.hstack([written(SIDE, LINE + 9, e, (SIDE - 11 * len(e)) // 2, 0.5) for e in SHOWN])
    rows = [[key_poses(desk, name)[shown_pose(e, name)] for e in SHOWN] for name in CAST]
    return np.vstack([head, *map(np.hstack, rows)])


def shown_pose(expression: str, character: str) -> str:
    """The key pose by which the gallery shows an expression."""
    by = SHOWN[expression]
    return f"{expression}_{by.get(character, by[''])}"


def all_poses(desk: Desk, name: str) -> np.ndarray:
    """All key poses of one character, a row an expression."""
    cut = slice(None) if name == "blip" else slice(NEAR, -NEAR)
    poses = {key: picture[cut, cut] for key, picture in key_poses(desk, name).items()}
    rows = [pose_row(e, poses) for e in EXPRESSIONS]
    widest = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(r, _right(widest - r.shape[1]), constant_values=255) for r in rows])


def _right(pixels: int) -> tuple:
    return (0, 0), (0, pixels), (0, 0)


def pose_row(expression: str, poses: dict[str, np.ndarray]) -> np.ndarray:
    """The expression's name in its colour, then its poses with theirs below."""
    colour = tuple(round(0.75 * c) for c in EXPRESSION_COLOURS[expression])  # on white, not dark
    cells = [written(74, POSE_SIDE + LINE, expression, 5, 0.42, colour)]
    for name, picture in poses.items():
        if name.startswith(f"{expression}_"):
            words = name.removeprefix(f"{expression}_").replace("_", " ")
            cells.append(captioned(resized(picture, POSE_SIDE), words))
    return np.hstack(cells)


def emphasis_strip(desk: Desk) -> np.ndarray:
    """The actor's moments, and the primary's under them by several settings."""
    times = open_eyed(desk.track)
    rows = {"the actor": [actor_at(desk.track, t) for t in times]}
    profile = find_character(PRIMARY)
    for i, (words, settings) in enumerate(SETTINGS.items()):
        values = at_times(profile, desk.solved([PRIMARY], settings)[0], times)
        rows[words] = desk.stills(profile, values, f"emphasis_{i}")
    titled = [[written(MOMENTS * SIDE, TITLE, w, 8, 0.5), np.hstack(r)] for w, r in rows.items()]
    return np.vstack([part for row in titled for part in row])


def open_eyed(track: FaceTrack) -> np.ndarray:
    """MOMENTS times: of each part of the clip the middle, or what comes next without a blink."""
    shut = track.blink.max(1) > BLINK
    parts = np.array_split(np.arange(len(track)), MOMENTS)
    orders = [[*p[len(p) // 2 :], *p[: len(p) // 2][::-1]] for p in parts]
    return track.times[[next((r for r in rows if not shut[r]), rows[0]) for rows in orders]]


def actor_at(track: FaceTrack, seconds: float) -> np.ndarray:
    """The actor's face (SIDE, SIDE, 3) in the frame of a moment."""
    from ...networks.evaluation.strips import actor_crop

    frame = frame_at(REFERENCE, seconds)
    row = int(np.abs(track.times - frame.time).argmin())
    return resized(actor_crop(frame.rgb, track.landmarks[row][:, :2] / frame.scale), SIDE)


def demo(desk: Desk) -> np.ndarray:
    """Two moments of the film that `exprgen demo` makes."""
    cast, film = [find_character(name) for name in FILMED], desk.folder / "demo.mp4"
    tracks = desk.solved(FILMED, RetargetSettings())
    make_preview(REFERENCE, desk.track, tracks, film, profiles=cast)
    return np.vstack([frame_at(film, seconds).rgb for seconds in DEMO_SECONDS])


def film_drawn(desk: Desk) -> np.ndarray:
    """Two moments of a film, each rendered with rays above and drawn from triangles below."""
    times = np.array(DRAWN_SECONDS)
    cast = [find_character(name) for name in DRAWN]
    tracks = desk.solved(DRAWN, RetargetSettings())
    values = [at_times(p, t, times) for p, t in zip(cast, tracks, strict=True)]
    by = [_film_pictures(desk, cast, values, drawn) for drawn in (False, True)]
    actor = [resized(frame_at(REFERENCE, t).rgb, CED.size) for t in times]
    return framed([[actor[k], *by[way][k]] for k in range(len(times)) for way in (0, 1)])


def _film_pictures(desk: Desk, cast, values, drawn: bool) -> list[list[np.ndarray]]:
    """For each moment everybody's picture."""
    from ...networks.footage.pictures import read_image

    folder = desk.folder / f"film_{drawn}"
    folder.mkdir()
    paths = [[folder / f"{p.name}_{k}.png" for k in range(len(values[0]))] for p in cast]
    looks = np.tile(Look().to_row(), (len(values[0]), 1))
    shots = [(p, Shots(v, looks, own)) for p, v, own in zip(cast, values, paths, strict=True)]
    render_cast(shots, replace(CED, drawn=drawn))
    return [list(map(read_image, moment)) for moment in zip(*paths, strict=True)]


def performances(desk: Desk) -> np.ndarray:
    """Four who talk and four sheets of stills to learn from, with what is true of each picture."""
    out = desk.folder / "performances"
    build_performances(out, PERFORMERS, say=lambda line: None)
    talkers = [_moments_of(Job("clip", "train", n).path(out)) for n in range(4)]
    stills = [_stills_of(Job("stills", "train", n).path(out)) for n in range(4, 8)]
    return np.vstack([*talkers, *stills])


def _moments_of(clip: Path) -> np.ndarray:
    """Eight moments of a clip, evenly spread."""
    truth = ActedTruth.load(acted_path(clip))
    rows = np.linspace(0, len(truth) - 1, 8).astype(int)
    return np.hstack([_told(frame_at(clip, truth.times[r]).rgb, truth, r) for r in rows])


def _stills_of(folder: Path) -> np.ndarray:
    """A neutral and the seven stills that show something."""
    from ...networks.footage.pictures import read_image

    truth = ActedTruth.load(acted_path(folder))
    rows = [0, *range(NEUTRALS, len(truth))]
    return np.hstack([_told(read_image(folder / f"{r:03d}.jpg"), truth, r) for r in rows])


def _told(picture: np.ndarray, truth: ActedTruth, row: int) -> np.ndarray:
    """The picture above what is felt, and which sound is spoken."""
    felt, sound = truth.felt[row], truth.meta["phonemes"][truth.phoneme[row]]
    words = f"{EXPRESSIONS[felt.argmax()]} {felt.max():.2f}" if felt.any() else "neutral"
    spoken = "" if sound == NO_PHONEME else f", {sound.replace('_', ' ')}"
    return captioned(resized(picture, 142), words + spoken, 0.32)


PICTURES: dict[str, Callable[[Desk], np.ndarray]] = {
    "gallery": gallery,
    **{f"poses_{name}": lambda desk, n=name: all_poses(desk, n) for name in CAST},
    "emphasis_strip": emphasis_strip,
    "film_drawn": film_drawn,
    "demo": demo,
    "performances": performances,
}
"""Name of the file in docs/ -> what draws it, (H, W, 3) uint8 RGB."""


# --- paper ---------------------------------------------------------------------------------------


def frame_at(clip: Path, seconds: float):
    """The first frame of a clip from a moment on."""
    from ...networks.footage.media import open_reference

    with open_reference(clip, start=float(seconds) - 1e-3) as reader:
        return next(iter(reader))


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """A square picture with another side."""
    import cv2

    way = cv2.INTER_AREA if len(picture) > side else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=way)


def written(width: int, height: int, words: str, x: int, scale: float, colour=INK) -> np.ndarray:
    """A piece of paper (height, width, 3) with a line of words in the middle of its height."""
    import cv2

    paper = np.full((height, width, 3), PAPER, np.uint8)
    place = (x, height // 2 + 4)
    cv2.putText(paper, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
    return paper


def captioned(picture: np.ndarray, words: str, scale: float = 0.42) -> np.ndarray:
    """A picture with a line below it and a little room on its right."""
    below = written(picture.shape[1], LINE, words, 3, scale)
    return np.pad(np.vstack([picture, below]), _right(2), constant_values=255)


def framed(rows: list[list[np.ndarray]], gap: int = 10) -> np.ndarray:
    """Squares of one size on the film's dark ground."""
    side = len(rows[0][0])
    size = [gap + n * (side + gap) for n in (len(rows), len(rows[0]))]
    ground = np.full((*size, 3), DARK, np.uint8)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            y, x = (gap + n * (side + gap) for n in (i, k))
            ground[y : y + side, x : x + side] = picture
    return ground


def jpeg(picture: np.ndarray) -> bytes:
    """As a JPEG of at most MOST_BYTES, as well as that can be."""
    import cv2

    for quality in range(BEST_QUALITY, 0, -1):
        data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(data) <= MOST_BYTES:
            break
    return data.tobytes()


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder; default: docs")
    given = parser.parse_args(args)
    if unknown := set(given.names) - set(PICTURES):
        parser.error(f"no picture is called {min(unknown)}: name some of {', '.join(PICTURES)}")
    return exit_code_of(lambda: _write(given.names or PICTURES, given.out))


def _write(names: Iterable[str], out: Path) -> None:
    with scratch_folder() as folder:
        desk = Desk(folder)
        for name in names:
            path = out / f"{name}.jpg"
            write_bytes(path, jpeg(PICTURES[name](desk)))
            print(path, flush=True)


if __name__ == "__main__":
    sys.exit(main())
