"""Performances and stills to learn feelings from, of people of many builds, with their truth.

`python -m exprgen.sample_rigs.build performances --out DIR` makes, in `DIR/train` and `DIR/val`,
clips of people who talk (`clip_000.mp4`: plainly for the most part, or with one feeling or two) and
folders of stills of people who show or hold back something by FACS (`stills_000/`), each with its
`.acted.npz` (`footage.acted`). No person and no sentence is in both. Everything depends on the seed
and its number alone; what is there is not made again, so an interrupted run goes on, with the same
settings. All four kinds grow alike, so that an unfinished set can be used. `exprgen train
performances` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.ced_poses import gaze_channels, random_look
from ...exprgen_addon.studio.face_studio import StudioSettings
from ...exprgen_addon.studio.look import Look
from ...networks.characters.profile import RigProfile
from ...networks.errors import UsageError
from ...networks.files import sweep, written_whole
from ...networks.footage.acted import NO_PHONEME, ActedTruth, acted_path
from ...networks.vocabulary import ARKIT_INDEX, EXPRESSIONS, NEUTRAL
from .begun import begin
from .facs import BLENDS, COMBINATIONS, LEVELS, draw_expression, draw_mouth, draw_rest
from .performers import performer_profile
from .reference import Performance, control_values, write_clip
from .talkers.acting import Feeling, blend, envelope, kept_beside_speech
from .talkers.clips import (
    SKY_EVERY,
    SPLITS,
    Line,
    Played,
    TalkerSettings,
    cast,
    head_of,
    perform,
    script,
)
from .talkers.mouth import Mouth
from .talkers.phonetics import SOUND, VISEMES
from .talkers.speech import RATE

PHONEMES = tuple(VISEMES)
"""Classes of sounds: the visemes."""
VARIANTS = 3
"""Faces at rest that each mesh has: as it was built, and with lower brows, thinner lips ..."""
NEUTRALS = 5
"""The first stills of a person show the neutral, from the front and lit differently."""
HELD = (0.6, 1.0)
"""Share of a talker's strength that is shown: between the three strengths there are others."""

COUNTS = ("clips", "val_clips", "stills", "val_stills")
"""The settings that say how many there are: a set may grow."""
LATER = {"lasting": 0.4}
"""Settings that older sets don't tell, and what they were made with."""
LEAST_SIZE = 16
"""Pixels of a side of a picture."""
MOST_LOWERED = 0.02
"""Metres by which brows may lie lower, or higher: beyond it they lie on the lids."""


@dataclass(frozen=True)
class PerformanceSettings:
    """people, val_people: meshes of each split. clips, val_clips: how many. stills, val_stills: how
    many pictures; each person has `each`. size: pixels of a side. fps: frames a second. seed: of
    everything. lower_brows: metres by which brows lie lower than the base mesh has them, on the
    mean; as it is the tracker reads them at rest as it reads people's on the mean, with 0 as
    raised. brows_apart: metres by which a person's brows lie higher or lower than that at most.
    lasting: share of the clips with a feeling in which it lasts from before the clip until after
    it."""

    people: int = 20
    val_people: int = 8
    clips: int = 64
    val_clips: int = 20
    stills: int = 2520
    val_stills: int = 504
    each: int = 42
    size: int = 176
    fps: int = 15
    seed: int = 0
    lower_brows: float = 0.004
    brows_apart: float = 0.006
    lasting: float = 0.4

    def __post_init__(self) -> None:
        if min(self.people, self.val_people, self.each - NEUTRALS, self.fps) < 1:
            raise UsageError("nothing to make", fix="give numbers from 1 up")
        if min(self.clips, self.val_clips, self.stills, self.val_stills, self.seed) < 0:
            raise UsageError("less than nothing to make", fix="give numbers from 0 up")
        if self.size % 2 or self.size < LEAST_SIZE:
            raise UsageError(
                f"a clip of {self.size} pixels can't be made",
                fix=f"give an even number from {LEAST_SIZE} up",
            )
        if not abs(self.lower_brows) + abs(self.brows_apart) <= MOST_LOWERED:
            raise UsageError(
                f"brows can't lie {self.lower_brows:g} m lower, {self.brows_apart:g} m apart",
                fix=f"give {-MOST_LOWERED:g} to {MOST_LOWERED:g} together",
            )

    def lowered(self, mesh: int) -> float:
        """Metres by which the brows of a mesh lie lower."""
        apart = np.random.default_rng([self.seed, mesh, 25]).uniform(-1.0, 1.0)
        return self.lower_brows + self.brows_apart * float(apart)


@dataclass(frozen=True)
class Job:
    """One thing to be made: `number` of its kind ("clip" or "stills") in its split."""

    kind: str
    split: str
    number: int

    def path(self, out: Path) -> Path:
        """The clip, or the folder of stills."""
        suffix = ".mp4" if self.kind == "clip" else ""
        return out / self.split / f"{self.kind}_{self.number:03d}{suffix}"


@dataclass(frozen=True)
class Actor:
    """Who performs: number of the mesh, which face at rest it has, and that rest (52,)."""

    number: int
    variant: int
    rest: np.ndarray

    @property
    def name(self) -> str:
        return f"performer_{self.number:03d}{'abc'[self.variant]}"


def jobs(s: PerformanceSettings) -> list[Job]:
    """All that is to be made, so ordered that every kind and split grows alike."""
    counts = {
        ("clip", "train"): s.clips,
        ("clip", "val"): s.val_clips,
        ("stills", "train"): -(-s.stills // s.each),
        ("stills", "val"): -(-s.val_stills // s.each),
    }
    due = [((i + 0.5) / n, Job(*which, i)) for which, n in counts.items() for i in range(n)]
    return [job for _, job in sorted(due, key=lambda pair: pair[0])]


def actor(s: PerformanceSettings, split: str, number: int) -> Actor:
    """The person of a clip or a sheet: all meshes in turn, then all with another rest."""
    meshes = cast(split, s.people if split == "train" else s.val_people)
    mesh, variant = meshes[number % len(meshes)], number // len(meshes) % VARIANTS
    rng = np.random.default_rng([s.seed, mesh, variant, 22])
    return Actor(mesh, variant, draw_rest(rng, variant))


def build_performances(out: Path, s: PerformanceSettings, say=print) -> list[Path]:
    """Make everything in `out`; returns the paths of clips and folders of stills.

    Raises:
        UsageError, InputError: as `begin`.
    """
    begin(out, s, f"*/{acted_path(Path('*'))}", growing=COUNTS, later=LATER)
    made = []
    todo = jobs(s)
    for i, job in enumerate(todo):
        path = job.path(out)
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)  # what an interrupted run left
        if not acted_path(path).exists():
            (_build_clip if job.kind == "clip" else _build_stills)(out, s, job)
        made.append(path)
        say(f"{i + 1} of {len(todo)}: {path.relative_to(out)}")
    return made


def _profile(out: Path, s: PerformanceSettings, who: Actor) -> RigProfile:
    """The mesh of an actor, with brows of its own height; built once in the set's folder."""
    return performer_profile(s.seed, who.number, out / "people", s.lowered(who.number))


# --- clips ---------------------------------------------------------------------------------------


def _build_clip(out: Path, s: PerformanceSettings, job: Job) -> None:
    from .quick_studio import QuickStudio

    played_by = actor(s, job.split, job.number)
    profile = _profile(out, s, played_by)
    with QuickStudio(profile, StudioSettings(size=s.size), sky_every=SKY_EVERY) as studio:
        settings = _talker(s, job.split)
        line = _held(settings, job.number, s.lasting)
        mouth = Mouth.read(head_of(studio))
        played = perform(settings, job.number, line, mouth, played_by.rest)
        values = control_values(profile, played.performance)
        studio.look(line.look)
        pictures = map(studio.picture, values)
        sound = played.utterance.samples
        write_clip(pictures, job.path(out), s.fps, sound, RATE, preset="veryfast")
    _clip_truth(played, line, played_by, job).save(acted_path(job.path(out)))


def _talker(s: PerformanceSettings, split: str) -> TalkerSettings:
    people = s.people if split == "train" else s.val_people
    return TalkerSettings(split, people, size=s.size, fps=s.fps, seed=s.seed)


def _held(settings: TalkerSettings, number: int, lasting: float) -> Line:
    """A talker's script, with feelings that are shown more or less, in a share of clips throughout,
    and a face that goes with what is said."""
    line = script(settings, number)
    rng = np.random.default_rng([settings.seed, SPLITS.index(settings.split), number, 23])
    feelings = tuple((pose, amount * float(rng.uniform(*HELD))) for pose, amount in line.feelings)
    # Nearer than for lips alone, a face that nods would leave the picture.
    look = replace(line.look, zoom=float(rng.uniform(1.12, 1.3)), shift=(0.0, 0.0))
    lasts = bool(rng.random() < lasting)
    return replace(line, feelings=feelings, look=look, lasting=lasts, signals=True)


def _clip_truth(played: Played, line: Line, played_by: Actor, job: Job) -> ActedTruth:
    performance, utterance = played.performance, played.utterance
    meta = {"sentence": line.sentence, "feelings": [list(f) for f in line.feelings]}
    return ActedTruth(
        times=performance.times,
        arkit=performance.arkit,
        felt=felt_over_time(played.feelings, performance.times),
        speaking=played.spoken.active,
        phoneme=phonemes_over_time(utterance.phonemes, utterance.ends, performance.times),
        blink=played.blink,
        head=performance.head,
        gaze=performance.gaze,
        meta=_meta(played_by, job) | meta,
    )


def felt_over_time(feelings: tuple[Feeling, ...], times: np.ndarray) -> np.ndarray:
    """(N, 7) how strongly each expression is shown, 0..1."""
    felt = np.zeros((len(times), len(EXPRESSIONS)))
    for feeling in feelings:
        amount = feeling.strength * envelope(feeling, times)
        felt[:, feeling.expression] = np.maximum(felt[:, feeling.expression], amount)
    return felt


def phonemes_over_time(phonemes, ends: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(N,) index in PHONEMES of the sound that is spoken; silence is "rest"."""
    spoken = np.minimum(np.searchsorted(ends, times, side="right"), len(ends) - 1)
    classes = [PHONEMES.index(SOUND.get(p[:1], "schwa")) for p in phonemes]
    return np.array(classes)[spoken]


def _meta(played_by: Actor, job: Job) -> dict:
    return {
        "person": played_by.name,
        "mesh": f"performer_{played_by.number:03d}",
        "split": job.split,
        "rest": played_by.rest.round(4).tolist(),
        "phonemes": list(PHONEMES),
        "kind": job.kind,
    }


# --- stills --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Still:
    """One picture: weights (52,) with the rest, felt (7,), the mouth's sound and how far it goes,
    blink 0..1, head (3,) and gaze (2,) in radians, and how it is lit and seen."""

    arkit: np.ndarray
    felt: np.ndarray
    phoneme: int
    speaking: float
    blink: float
    head: np.ndarray
    gaze: np.ndarray
    look: Look


def draw_stills(s: PerformanceSettings, job: Job) -> Iterator[Still]:
    """The pictures of one sheet; the first NEUTRALS show the person's neutral."""
    rest = actor(s, job.split, job.number).rest
    for i in range(s.each):
        rng = np.random.default_rng([s.seed, SPLITS.index(job.split), job.number, i, 24])
        yield _neutral(rng, rest) if i < NEUTRALS else _still(rng, rest)


def _neutral(rng: np.random.Generator, rest: np.ndarray) -> Still:
    """The face at rest, from the front, with eyes open."""
    head, gaze = rng.normal(0, 0.03, 3), rng.normal(0, 0.03, 2)
    felt = np.zeros(len(EXPRESSIONS))
    sound = PHONEMES.index(NO_PHONEME)
    arkit = np.clip(rest + gaze_channels(gaze[None])[0], 0, 1)
    return Still(arkit, felt, sound, 0.0, 0.0, head, gaze, _look(rng))


def _still(rng: np.random.Generator, rest: np.ndarray) -> Still:
    felt, pose = _feeling(rng)
    sound, mouth, speaking = NO_PHONEME, 0.0 * rest, 0.0
    if rng.random() < (0.6 if not felt.any() else 0.4):
        sound, mouth, speaking = draw_mouth(rng)
        whole, pose = pose.sum(), _beside_speech(pose, speaking)
        # A single picture has nothing around it: what a sound hides of a smile nobody sees.
        kept = np.clip(blend(mouth[None], pose[None])[0] - mouth, 0.0, None).sum()
        felt = felt * min(1.0, kept / max(whole, 1e-9))
    arkit = blend(mouth[None], pose[None])[0] + rest
    blink = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.07 else 0.0
    for side in ("Left", "Right"):
        column = ARKIT_INDEX[f"eyeBlink{side}"]
        arkit[column] = max(arkit[column], blink)
    head = rng.normal(0, (0.07, 0.15, 0.06))
    gaze = rng.normal(0, (0.16, 0.09)) if rng.random() < 0.5 else rng.normal(0, 0.02, 2)
    arkit = np.clip(arkit + gaze_channels(gaze[None])[0], 0, 1)
    return Still(arkit, felt, PHONEMES.index(sound), speaking, blink, head, gaze, _look(rng))


def _feeling(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What is felt (7,), and the weights (52,) that show it; nothing in three of ten."""
    felt, pose = np.zeros(len(EXPRESSIONS)), np.zeros(len(ARKIT_INDEX))
    kind = rng.random()
    if kind < 0.3:
        return felt, pose
    names = BLENDS[rng.integers(len(BLENDS))]
    if kind < 0.9:
        names = (list(COMBINATIONS)[rng.integers(len(COMBINATIONS))],)
    # Small ones are what is to be learned: A and B together as often as C, or D and E.
    levels = rng.choice(list(LEVELS), len(names), p=(0.14, 0.22, 0.28, 0.2, 0.16))
    for name, level in zip(names, levels, strict=True):
        shown, strength = draw_expression(rng, name, str(level))
        pose = np.maximum(pose, shown)
        felt[EXPRESSIONS.index(name)] = strength
    return felt, pose


def _beside_speech(pose: np.ndarray, speaking: float) -> np.ndarray:
    """What a feeling keeps of its pose where the mouth is needed for a sound."""
    return pose * kept_beside_speech(np.array([speaking]))[0]


def _look(rng: np.random.Generator) -> Look:
    zoom = float(rng.uniform(1.1, 1.32))
    return replace(random_look(rng), zoom=zoom, shift=tuple(map(float, rng.normal(0, 0.015, 2))))


def _build_stills(out: Path, s: PerformanceSettings, job: Job) -> None:
    from .quick_studio import QuickStudio

    shown_by, drawn = actor(s, job.split, job.number), list(draw_stills(s, job))
    profile = _profile(out, s, shown_by)
    folder = job.path(out)
    folder.mkdir(exist_ok=True)
    columns = {n: np.array([getattr(d, n) for d in drawn]) for n in _COLUMNS}
    columns["times"] = np.arange(len(drawn), dtype=float)
    neutral = np.full(len(drawn), NEUTRAL)
    places = (columns[n] for n in ("times", "arkit", "head", "gaze"))
    values = control_values(profile, Performance(*places, neutral))
    with QuickStudio(profile, StudioSettings(size=s.size)) as studio:
        for i, still in enumerate(drawn):
            studio.look(still.look)
            _write(studio.picture(values[i]), folder / f"{i:03d}.jpg")
    meta = _meta(shown_by, job) | {"neutrals": NEUTRALS}
    ActedTruth(**columns, meta=meta).save(acted_path(folder))


_COLUMNS = ("arkit", "felt", "speaking", "phoneme", "blink", "head", "gaze")


def _write(picture: np.ndarray, path: Path) -> None:
    import cv2

    data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
    with written_whole(path) as part:
        Path(part).write_bytes(data.tobytes())
