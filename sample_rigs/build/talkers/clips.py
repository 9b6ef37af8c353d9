"""Clips of talkers with their truth: who says what with which feeling, rendered and measured.

`python -m exprgen.sample_rigs.build talkers --out DIR --split val` writes `DIR/<split>_000.mp4`
with the speech as sound and `DIR/<split>_000.truth.npz` beside it (`footage.truth.ClipTruth`).
Every clip depends on the seed, the split and its number alone. What is there is not made again, so
an interrupted run goes on, with the same settings. People are those of `people`; every `HELD_OUT`th
is for validation, and no sentence is in both splits.
"""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ....exprgen_addon.studio.ced_poses import random_look
from ....exprgen_addon.studio.look import Look
from ....networks.characters.key_poses import POSES, label
from ....networks.characters.profile import RigProfile
from ....networks.errors import UsageError
from ....networks.footage.truth import ClipTruth, truth_path
from ....networks.vocabulary import EXPRESSIONS, NEUTRAL
from ..begun import BEGUN, begin
from ..people import HELD_OUT, person
from ..reference import Performance, control_values, encode, write_clip
from . import sentences
from .acting import STRENGTHS, Feeling, act
from .coarticulation import Articulation, articulate
from .mouth import THIRDS, Mouth, bring_to_teeth, close_lips
from .recording import read_recording, seconds
from .signals import signals
from .speech import RATE, Utterance, say

SPLITS = ("train", "val")
SENTENCES = {"train": sentences.TRAIN, "val": sentences.VAL}

KINDS: tuple[tuple[str, ...], ...] = (
    (), ("joy",), ("anger",), ("sadness", "surprise"), ("fear", "disgust"), (), ("disgust",), (),
    ("fear",), ("joy", "anger"), (), ("surprise",), ("sadness",), (),
)  # fmt: skip
"""Feelings of one clip after the other, in turn: plain speech is the commonest."""

BEFORE, AFTER = 0.6, 1.0
"""Seconds of silence around a sentence, so that lips are seen at rest."""
FARTHER = 0.1
"""How much less a face that nods is magnified."""
ROM_SECONDS = 6.0
"""Length of one piece of a recording."""
SKY_EVERY = 5
"""Drawn frames that share what hollows see of the sky."""


@dataclass(frozen=True)
class TalkerSettings:
    """split: of SPLITS. people: how many. clips: of them all. size: pixels of a side. fps: frames a
    second. samples: of the renderer. seed: of everything. processes: Blenders, 0
    renders in this one. rom: a Live Link
    Face table to play instead of speech, or "". drawn: from triangles (quick_studio.py), in a tenth
    of the time that rays take, to learn from; what is measured is rendered. signals: brows, lids
    and the head go with what is said (`signals.py`).
    """

    split: str = "train"
    people: int = 8
    clips: int = 24
    size: int = 224
    fps: int = 25
    samples: int = 1
    seed: int = 0
    processes: int = 1
    rom: str = ""
    drawn: bool = False
    signals: bool = False

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UsageError(f"there is no split {self.split!r}", fix=f"use {' or '.join(SPLITS)}")
        if min(self.people, self.clips, self.fps) < 1 or self.processes < 0:
            raise UsageError("nothing to make", fix="give numbers from 1 up")
        if self.rom and self.signals:
            raise UsageError("a recording is played as it is", fix="leave --signals or --rom out")


@dataclass(frozen=True)
class Line:
    """One clip's script: person's number, sentence, the voice's pace and pitch, reach of the
    articulation, feelings as (pose, strength), and how it is lit. lasting: what is felt first is
    felt throughout, so that no rest is shown. signals: brows, lids and the head go with what is
    said (`signals.py`)."""

    number: int
    sentence: str
    pace: float
    pitch: float
    reach: float
    feelings: tuple[tuple[str, float], ...]
    look: Look
    lasting: bool = False
    signals: bool = False


@dataclass(frozen=True)
class Played:
    """What is done in a clip: performance, acting, articulation and feelings; a recording has no
    utterance."""

    performance: Performance
    expression: np.ndarray
    strength: np.ndarray
    blink: np.ndarray
    spoken: Articulation
    utterance: Utterance | None
    feelings: tuple[Feeling, ...] = ()


def cast(split: str, count: int) -> list[int]:
    """Numbers of the first `count` people of a split; no person is in two."""
    chosen, number = [], 0
    while len(chosen) < count:
        if (number % HELD_OUT == HELD_OUT - 1) == (split == "val"):
            chosen.append(number)
        number += 1
    return chosen


def script(s: TalkerSettings, clip: int) -> Line:
    """The script of one clip, the same for the same seed, split and number."""
    rng = np.random.default_rng([s.seed, SPLITS.index(s.split), clip, 9])
    own = np.random.default_rng([s.seed, SPLITS.index(s.split), 10])
    texts = SENTENCES[s.split]
    order = own.permutation(len(texts))
    people = cast(s.split, s.people)
    number = people[clip % len(people)]
    male = person(s.seed, number).phenotypes["gender"] > 0.5
    poses = [lasting_pose(rng, name) for name in _kind(clip, len(people))]
    strength = STRENGTHS[clip % len(STRENGTHS)]
    look = random_look(rng)
    return Line(
        number=number,
        sentence=texts[order[clip % len(texts)]],
        pace=round(float(rng.uniform(0.56, 0.76)), 2),
        pitch=round(float(rng.uniform(0.9, 1.02) if male else rng.uniform(1.1, 1.2)), 2),
        reach=float(rng.uniform(0.85, 1.2)),
        feelings=tuple((pose, strength) for pose in poses),
        look=_framed(rng, look, s.signals),
        signals=s.signals,
    )


def _framed(rng: np.random.Generator, look: Look, nods: bool) -> Look:
    """A look that shows lips from near; farther away where a face that nods would leave it."""
    nearer = float(rng.uniform(1.2, 1.4))
    if nods:
        return replace(look, zoom=nearer - FARTHER, shift=(0.0, 0.0))
    return replace(look, zoom=nearer, shift=(0.0, -0.04))


def _kind(clip: int, people: int) -> tuple[str, ...]:
    """Which of KINDS a clip is: one after the other, and one further each time that all kinds and
    all people are back where they began, so that in the end everybody plays every kind."""
    return KINDS[(clip + clip // math.lcm(people, len(KINDS))) % len(KINDS)]


def lasting_pose(rng, expression: str) -> str:
    """A key pose of a feeling that can be held for seconds, drawn from `rng`."""
    names = [n for n, pose in POSES.items() if label(n) == expression and _lasts(pose)]
    return names[rng.integers(len(names))]


def _lasts(pose: dict[str, float]) -> bool:
    """Whether a pose can be held for seconds: a wink can't."""
    return all(not name.startswith("eyeBlink") or w <= 0.35 for name, w in pose.items())


def perform(
    s: TalkerSettings, clip: int, line: Line, mouth: Mouth, rest: np.ndarray | float = 0.0
) -> Played:
    """What happens in a clip; lips meet on the geometry of `mouth`.

    Args:
        rest: (52,) weights at which this person's face is at rest; 0 is the mesh as it was built.
    """
    rng = np.random.default_rng([s.seed, SPLITS.index(s.split), clip, 11])
    utterance = _with_silence(say(line.sentence, line.pace, line.pitch))
    times = np.arange(int(utterance.seconds * s.fps)) / s.fps
    sounds = (utterance.phonemes, utterance.starts, utterance.ends)
    spoken = articulate(*sounds, times, line.reach)
    feelings = schedule(rng, line.feelings, times[-1])
    if line.lasting:
        feelings = throughout(feelings, times[-1])
    accents = utterance.starts[["ˈ" in p for p in utterance.phonemes]]
    acting = act(rng, spoken, feelings, times, accents, *_signals(s, clip, line, times, accents))
    open_mouth = bring_to_teeth(mouth, np.clip(acting.arkit + rest, 0, 1), spoken.teeth)
    arkit = close_lips(mouth, open_mouth, spoken.closure)
    performance = Performance(times, arkit, acting.head, acting.gaze, acting.expression)
    felt = (acting.expression, acting.strength)
    return Played(performance, *felt, acting.blink, spoken, utterance, tuple(feelings))


def schedule(rng, feelings: Sequence[tuple[str, float]], end: float) -> list[Feeling]:
    """When the feelings of a clip come and go; one after the other where there are two. Some last
    to the clip's end."""
    if not feelings:
        return []
    out, moment = [], rng.uniform(0.0, 0.15) * end
    for i, (pose, strength) in enumerate(feelings):
        last = i == len(feelings) - 1
        stop = end * (rng.uniform(0.8, 1.3) if last else rng.uniform(0.42, 0.55))
        onset, fade = rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.9)
        out.append(Feeling(pose, strength, moment, stop, onset, fade))
        moment = stop - rng.uniform(0.2, 0.5)
    return out


def throughout(feelings: Sequence[Feeling], end: float) -> list[Feeling]:
    """The first feeling alone, from before a clip begins until after it ends."""
    return [replace(f, start=-2.0 * f.onset, end=end + 2.0 * f.fade) for f in feelings[:1]]


def _signals(s: TalkerSettings, clip: int, line: Line, times: np.ndarray, accents: np.ndarray):
    """What face (N, 52) and head (N,) do with what is said; nothing where a script has none."""
    if not line.signals:
        return None, 0.0
    rng = np.random.default_rng([s.seed, SPLITS.index(s.split), clip, 12])
    spoken = (BEFORE, float(times[-1]) - AFTER)
    return signals(rng, times, accents, spoken, asks=line.sentence.endswith("?"))


def play_recording(s: TalkerSettings, clip: int) -> Played:
    """A piece of a recorded performance, as it is."""
    pieces = max(1, int(seconds(s.rom) / ROM_SECONDS))
    clock = np.arange(round(ROM_SECONDS * s.fps)) / s.fps
    recorded = read_recording(s.rom, clock + ROM_SECONDS * (clip % pieces))
    performance = replace(recorded, times=clock)
    none = np.zeros(len(clock))
    silent = Articulation(performance.arkit, none, none, none, none)
    neutral = np.full(len(clock), NEUTRAL)
    return Played(performance, neutral, none, none, silent, None)


def build_talkers(out: Path, s: TalkerSettings, say=print) -> list[Path]:
    """Make all clips in `out`; returns their paths.

    Raises:
        UsageError, OutputError: as `begin`. InputError: likewise, or the recording can't be read.
    """
    if s.rom:
        seconds(s.rom)  # one that can't be read is told before anything is begun
    kind = "rom" if s.rom else s.split
    begin(out, s, f"{kind}_*.mp4", growing=("clips", "processes"), note=f"{kind}.{BEGUN}")
    clips = []
    for number in range(s.clips):
        clip = out / f"{kind}_{number:03d}.mp4"
        if not (clip.exists() and truth_path(clip).exists()):
            _build_clip(out, s, number, clip)
        clips.append(clip)
        say(f"{number + 1} of {s.clips} clips: {clip.name}")
    return clips


def _build_clip(out: Path, s: TalkerSettings, number: int, clip: Path) -> None:
    from ....exprgen_addon.studio.face_studio import FaceStudio, StudioSettings

    line = script(s, number)
    profile = talker_profile(s.seed, line.number, out / "people")
    # One sample is enough where the denoiser also sees colours and normals; without them it wipes
    # the lips' edges away, and the tracker's lip gap follows the true one at .3 instead of .8.
    settings = StudioSettings(size=s.size, samples=s.samples, guided=True)
    with FaceStudio(profile, settings) as studio:
        head = head_of(studio)
        mouth = Mouth.read(head)
        played = play_recording(s, number) if s.rom else perform(s, number, line, mouth)
        measured = measured_faces(studio, head, mouth, played.performance)
    truth = truth_of_clip(s, line, played, measured)
    (_draw if s.drawn else _render)(profile, settings, s, line, played, clip)
    truth.save(truth_path(clip))


def _render(profile: RigProfile, settings, s: TalkerSettings, line: Line, played, clip) -> None:
    from ....exprgen_addon.studio.render_processes import Shots, render_shots

    values = control_values(profile, played.performance)
    frames = clip.with_name(f".{clip.stem}.frames")
    frames.mkdir(exist_ok=True)
    paths = [frames / f"{i:04d}.png" for i in range(len(values))]
    missing = [i for i, path in enumerate(paths) if not path.exists()]
    looks = np.tile(line.look.to_row(), (len(missing), 1))
    shots = Shots(values[missing], looks, [paths[i] for i in missing])
    render_shots(profile, shots, settings, processes=s.processes)
    sound = None if played.utterance is None else played.utterance.samples
    encode(paths, clip, s.fps, sound, RATE)
    shutil.rmtree(frames)


def _draw(profile: RigProfile, settings, s: TalkerSettings, line: Line, played, clip) -> None:
    from ..quick_studio import QuickStudio

    sound = None if played.utterance is None else played.utterance.samples
    with QuickStudio(profile, settings, sky_every=SKY_EVERY) as studio:
        studio.look(line.look)
        pictures = map(studio.picture, control_values(profile, played.performance))
        write_clip(pictures, clip, s.fps, sound, RATE)


def talker_profile(seed: int, number: int, folder: Path) -> RigProfile:
    """A talker's profile with its 49 landmarks, built and placed once in `folder`."""
    from ....exprgen_addon.studio.landmark_finding import place_landmarks
    from ..assemble import build_once

    config = person(seed, number)
    profile = build_once(config, folder / config.name)
    if not profile.landmarks:
        profile = _rims(place_landmarks(profile, _locate).profile)
        profile.save(profile.path)
    return profile


def _locate(paths: list[Path]) -> list[np.ndarray | None]:
    """Landmarks (49, 2) in pixels of each picture, or None."""
    from ....networks.perception.character_pictures import locate

    found = locate([str(p) for p in paths], lambda _: None, threading.Event())["pictures"]
    return [None if f["landmarks"] is None else np.asarray(f["landmarks"]) for f in found]


def _rims(profile: RigProfile) -> RigProfile:
    """The profile with the landmarks of the inner lips on the rims that meet when they close."""
    from ....exprgen_addon.characters.landmark_anchors import own_name, world_vertices
    from ....exprgen_addon.studio.face_studio import FaceStudio
    from ....networks.characters.profile import Anchor

    landmarks = dict(profile.landmarks)
    with FaceStudio(profile) as studio:
        head = head_of(studio)
        mouth = Mouth.read(head)
        places = dict(zip(landmarks, studio.world_landmarks(), strict=True))
        rest = world_vertices(head.evaluated_get(studio.depsgraph))
        name = own_name(head)
    for number, partner in ((1, 3), (2, 2), (3, 1)):  # lower ones count from the other side
        x = (places[f"lip_top_inner_{number}"] + places[f"lip_bottom_inner_{partner}"])[0] / 2
        rims = zip(("top", "bottom"), (number, partner), mouth.rim(rest, x), strict=True)
        for lip, row, vertex in rims:
            landmarks[f"lip_{lip}_inner_{row}"] = Anchor(name, (vertex,) * 3, (1.0, 0.0, 0.0))
    return replace(profile, landmarks=landmarks)


def head_of(studio):
    """The head object of a character of `assemble` in a studio."""
    from ....exprgen_addon.characters.landmark_anchors import find_object

    name = f"{studio.profile.name}_head"
    return find_object(studio.profile, studio.character.collection, name)


def measured_faces(studio, head, mouth: Mouth, performance: Performance) -> dict[str, np.ndarray]:
    """What the evaluated mesh shows in each frame, in the face's own frame: the head at rest."""
    from ....exprgen_addon.characters.landmark_anchors import world_vertices

    still = replace(performance, head=np.zeros_like(performance.head))
    rest = world_vertices(head.evaluated_get(studio.depsgraph))
    chin = mouth.chin(rest)
    rows = []
    for values in control_values(studio.profile, still):
        studio.pose(values)
        vertices = world_vertices(head.evaluated_get(studio.depsgraph))
        gaps = np.maximum(mouth.seen_gaps(vertices), 0.0)
        rows.append(
            {
                "landmarks": _own_frame(studio.world_landmarks()),
                "chin": _own_frame(vertices[chin]),
                "lip_gap": np.array([gaps[third].mean() for third in THIRDS]),
                "teeth": mouth.seen_bite(vertices),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _own_frame(points: np.ndarray) -> np.ndarray:
    """World space of the heads (..., 3) -> x to the own left, y up, z out of the face."""
    return points[..., (0, 2, 1)] * (1.0, 1.0, -1.0)


def truth_of_clip(s: TalkerSettings, line: Line, played: Played, measured: dict) -> ClipTruth:
    """What is true of a clip, by its script and what `measured_faces` saw."""
    performance, utterance = played.performance, played.utterance
    spoken = utterance or Utterance(np.zeros(0), (), np.zeros(0), np.zeros(0))
    main = int(np.argmax(played.strength))
    extra = {
        "gaze": performance.gaze,
        "blink": np.stack([played.blink] * 2, axis=1),
        "lip_gap": measured["lip_gap"],
        "teeth": measured["teeth"],
        "expression": played.expression,
        "strength": played.strength,
        "closure": played.spoken.closure,
        "labiodental": played.spoken.teeth,
        "tongue": played.spoken.tongue,
    }
    return ClipTruth(
        times=performance.times, arkit=performance.arkit, landmarks=measured["landmarks"],
        chin=measured["chin"], head=performance.head, phonemes=spoken.phonemes,
        starts=spoken.starts, ends=spoken.ends, extra=extra,
        meta={
            "person": f"person_{line.number:03d}", "sentence": "" if s.rom else line.sentence,
            "expression": EXPRESSIONS[played.expression[main]],
            "strength": float(played.strength[main]), "split": s.split, "seed": s.seed,
            "feelings": [] if s.rom else [list(f) for f in line.feelings],
            "pace": line.pace, "reach": line.reach, "recording": Path(s.rom).name,
        },
    )  # fmt: skip


def _with_silence(utterance: Utterance) -> Utterance:
    """The utterance with BEFORE and AFTER seconds of silence around it."""
    pad = [np.zeros(round(t * RATE), np.int16) for t in (BEFORE, AFTER)]
    samples = np.concatenate([pad[0], utterance.samples, pad[1]])
    starts, ends = utterance.starts + BEFORE, utterance.ends + BEFORE
    return Utterance(
        samples,
        ("", *utterance.phonemes, ""),
        np.concatenate([[0.0], starts, ends[-1:]]),
        np.concatenate([[BEFORE], ends, [len(samples) / RATE]]),
    )
