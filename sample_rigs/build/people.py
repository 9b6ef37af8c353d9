"""Synthetic people: faces of nobody, posed by FACS and labelled by their poses.

`python -m exprgen.sample_rigs.build people --out DIR` builds one head after the other from the base
mesh of the characters (any age, build, colour, hair; hardly stylised), draws its poses as the
capture of a character does, renders them and writes `DIR/labels.csv`, which `exprgen train hed`
reads like any table of faces; it also holds the ARKit weights of each pose. Every picture depends
on the seed and its number alone, and one that is there is not made again: an interrupted run goes
on. Every `HELD_OUT`th person is for validation.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.ced_poses import Samples, draw_samples
from ...exprgen_addon.studio.look import Look
from ...networks.characters.profile import RigProfile
from ...networks.files import write_text
from ...networks.training.shared.sets import pose_targets
from ...networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS
from .begun import begin
from .config import Brow, CharacterConfig, Palette, Style

HELD_OUT = 6
"""One person in so many is for validation, with all pictures."""
VOTES = 10
"""Votes that a picture has, as those of FER+ have."""

_SKINS = ("#f3cdb6", "#e3b294", "#cf9878", "#b57c5a", "#8d5a3e", "#6b4029", "#4c2c1d")
_HAIRS = ("#17110d", "#2a1d15", "#4a3020", "#7a5433", "#b98a4e", "#9a9893", "#d9d7d2")
_EYES = ("#3d2817", "#6b4a2c", "#7a8a4a", "#4f7f9a", "#7d8a90")
_SHAPES = (
    "nose-scale-horiz", "nose-hump", "nose-volume", "nose-scale-vert", "chin-prominent",
    "chin-height", "mouth-scale-horiz", "mouth-upperlip-volume", "mouth-lowerlip-volume",
    "mouth-upperlip-height", "mouth-lowerlip-height",
)  # fmt: skip
_SIDED = ("cheek-bones", "cheek-volume", "eye-bag")


@dataclass(frozen=True)
class PeopleSettings:
    """count: people. pictures: of each. size: pixels. seed: of everything. processes: Blenders."""

    count: int = 48
    pictures: int = 60
    size: int = 192
    seed: int = 0
    processes: int = 1


def person(seed: int, number: int) -> CharacterConfig:
    """The configuration of one person; the same for the same seed and number."""
    rng = np.random.default_rng([seed, number, 5])
    age = float(rng.uniform(0.35, 0.98))
    origin = rng.dirichlet((0.6, 0.6, 0.6))
    skin = _mixed(_SKINS, len(_SKINS) * (0.15 + 0.55 * origin[0]) + rng.normal(0, 0.7))
    hair = _HAIRS[rng.integers(5) if age < 0.75 else rng.integers(3, 7)]
    male = bool(rng.random() < 0.5)
    return CharacterConfig(
        name=f"person_{number:03d}",
        title=f"Person {number}",
        phenotypes={
            "gender": float(rng.uniform(0.75, 1.0) if male else rng.uniform(0.0, 0.25)),
            "age": age,
            "muscle": float(rng.uniform(0.3, 0.7)),
            "weight": float(rng.uniform(0.3, 0.75)),
            "height": 0.5,
            "proportions": float(rng.uniform(0.4, 0.9)),
            **dict(zip(("african", "asian", "caucasian"), map(float, origin), strict=True)),
        },
        local=_shapes(rng),
        # anny's eyes are sleepy, its mouth is stern and its actions are small.
        style=Style(
            eye_open=float(rng.uniform(0.15, 0.45)),
            smile=float(rng.uniform(0.04, 0.2)),
            strength=float(rng.uniform(0.25, 0.7)),
            brow_scale=float(rng.uniform(0.6, 1.0)),
            eye_scale=float(rng.uniform(0.95, 1.1)),
        ),
        brow=Brow(
            lift=float(rng.uniform(-0.001, 0.002)),
            height=float(rng.uniform(0.004, 0.009)),
            depth=0.002,
            arch=float(rng.uniform(0.0005, 0.003)),
        ),
        palette=_palette(rng, skin, hair),
        hair=str(rng.choice(("short", "wreath", "tousled") if male else ("bob", "short"))),
        controls="arkit",
        iris_angle=28.0,
        pupil_angle=float(rng.uniform(8, 12)),
        creases=float(rng.uniform(0.4, 1.2)),
        lines={"nasolabial": 0.6 * age**2, "under_eye": 0.5 * age**2, "crow": 0.5 * age**3},
        bald=bool(male and age > 0.7 and rng.random() < 0.4),
        seed=int(rng.integers(1000)),
    )


def _shapes(rng) -> dict[str, float]:
    """Local changes of the face, both sides alike."""
    out = {f"{name}-incr": float(rng.uniform(-0.5, 0.5)) for name in _SHAPES}
    for name in out:
        if "lip" in name:  # the base mesh has full lips
            out[name] -= 0.35
    for name in _SIDED:
        out[f"l-{name}-incr"] = out[f"r-{name}-incr"] = float(rng.uniform(-0.6, 0.5))
    return out


def _palette(rng, skin: str, hair: str) -> Palette:
    dark = _scaled(skin, 0.82)
    return Palette(
        skin=skin, blush=_blended(skin, "#b0503f", 0.3), lips=_blended(skin, "#8f3f3c", 0.5),
        lid=dark, crease=_scaled(skin, 0.55), hair=hair, hair_light=_scaled(hair, 1.3),
        brow=_scaled(hair, 0.8), iris=str(rng.choice(_EYES)), iris_rim="#20160f",
        sclera="#e6e0da", teeth="#ece4d6", shirt=_HAIRS[rng.integers(len(_HAIRS))],
    )  # fmt: skip


def _channels(color: str) -> np.ndarray:
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], float)


def _hex(channels: np.ndarray) -> str:
    return "#" + "".join(f"{int(c):02x}" for c in np.clip(channels, 0, 255).round())


def _scaled(color: str, factor: float) -> str:
    return _hex(_channels(color) * factor)


def _blended(color: str, other: str, share: float) -> str:
    return _hex((1 - share) * _channels(color) + share * _channels(other))


def _mixed(scale: tuple[str, ...], place: float) -> str:
    """A colour on a scale, between two of its steps."""
    place = float(np.clip(place, 0, len(scale) - 1.001))
    return _blended(scale[int(place)], scale[int(place) + 1], place % 1)


def votes(label: int, intensity: float) -> list[int]:
    """What people would say of a pose, in the order of EXPRESSIONS: weak ones look neutral."""
    said = pose_targets(np.array([label]), np.array([intensity]))[0]
    out = [round(VOTES * float(share)) for share in said]
    out[label] += VOTES - sum(out)
    return out


def draw(profile: RigProfile, s: PeopleSettings, number: int) -> Samples:
    """The labelled pictures of one person: like a character's, seen from more sides."""
    drawn = draw_samples(profile, s.seed + 1000 * (number + 1), range(2 * s.pictures))
    chosen = np.flatnonzero(drawn.label >= 0)[: s.pictures]
    rng = np.random.default_rng([s.seed, number, 6])
    columns = {name: getattr(drawn, name)[chosen] for name in drawn.__dataclass_fields__}
    looks = [Look.from_row(row) for row in columns["looks"]]
    orbits = rng.normal(0, (0.08, 0.16, 0.05), (len(looks), 3))
    turned = [replace(look, orbit=tuple(o)) for look, o in zip(looks, orbits, strict=True)]
    return Samples(**columns | {"looks": np.array([look.to_row() for look in turned])})


def build_people(out: Path, s: PeopleSettings, say=print) -> Path:
    """Render all people into `out` and write its table of labels; returns the table.

    Raises:
        UsageError, InputError: as `begin`.
    """
    from ...exprgen_addon.studio.face_studio import StudioSettings
    from ...exprgen_addon.studio.render_processes import Shots, render_shots
    from .assemble import build_once

    begin(out, s, "person_*", growing=("count", "processes"))
    rows = []
    for number in range(s.count):
        folder = out / f"person_{number:03d}"
        profile = build_once(person(s.seed, number), folder)
        drawn = draw(profile, s, number)
        paths = [folder / f"{i:03d}.png" for i in range(len(drawn))]
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        shots = Shots(drawn.values[missing], drawn.looks[missing], [paths[i] for i in missing])
        render_shots(profile, shots, StudioSettings(size=s.size), processes=s.processes)
        split = "val" if number % HELD_OUT == HELD_OUT - 1 else "train"
        columns = (paths, drawn.label, drawn.intensity, drawn.arkit.clip(0, 1).round(4).tolist())
        for path, label, intensity, posed in zip(*columns, strict=True):
            said = votes(int(label), float(intensity))
            where = str(path.relative_to(out))
            rows.append([where, EXPRESSIONS[label], folder.name, split, *said, *posed])
        say(f"{number + 1} of {s.count} people, {len(rows)} pictures")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["file", "label", "subject", "split", *EXPRESSIONS, *ARKIT_CHANNELS]
    writer.writerows([header, *rows])
    table = out / "labels.csv"
    write_text(table, text.getvalue())
    return table
