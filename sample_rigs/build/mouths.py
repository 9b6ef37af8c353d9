"""Pictures of mouths with what fills them: teeth, tongue or dark, counted and not guessed.

`python -m exprgen.sample_rigs.build mouths --out DIR` poses synthetic people with mouths of every
kind, renders each pose as it is and once more in flat colours by part, registers both with
the tracker as footage is, and writes `DIR/mouths.npz` (a `MouthSet`), which `exprgen train mouth`
reads. Every picture depends on the seed, its person and its number alone; one that is there is not
made again, so an interrupted run goes on. Every `HELD_OUT`th person is for validation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...exprgen_addon.studio.ced_poses import random_look
from ...exprgen_addon.studio.look import Look
from ...networks.characters.profile import RigProfile
from ...networks.errors import InputError, UsageError
from ...networks.training.shared.mouth_set import MouthSet, shares_of
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, NEUTRAL
from .begun import begin
from .config import CharacterConfig
from .people import person
from .reference import Performance, control_values
from .talkers.clips import head_of
from .talkers.coarticulation import sides

HELD_OUT = 4
"""One person in so many is for validation, with all pictures."""
PARTS = "Parts"
"""Name of the colour attribute that tells the parts apart: red teeth, green tongue, blue cavity."""
SAME = 0.015
"""Painted points within this of the cavity's colour, linear, are in it."""
SPREAD = (0.10, 0.16, 0.06)
"""Deviation of the head's pitch, yaw and roll, radians."""
AT_LIPS, OUT = 0.008, 0.024
"""Metres of the tongue's tip before the lower teeth at which it passes the lips, and is out."""
TONGUE_KEY = "tongueOut"

_TONGUES = ("#c9625f", "#b8585c", "#d98a86", "#a34a4e", "#e09c94")
_CAVITIES = ("#5a1f1e", "#2c0f10", "#140808", "#7a3230")
_TEETH = ("#ece4d6", "#f6f2ea", "#d8ccb2", "#c2b08e")

# Kinds of mouths: chance, the jaw's and the tongue's range, and what goes with them (one choice, at
# a strength from the range).
_OPEN = ({}, {"mouthSmile": 0.7}, {"mouthUpperUp": 0.6}, {"mouthLowerDown": 0.6},
         {"mouthUpperUp": 0.6, "mouthLowerDown": 0.6}, {"mouthStretch": 0.7},
         {"mouthFunnel": 0.8}, {"mouthPucker": 0.6}, {"mouthFrown": 0.7}, {"mouthLeft": 0.6},
         {"mouthRight": 0.6})  # fmt: skip
_BARED = ({"mouthUpperUp": 0.9}, {"mouthSmile": 1.0, "mouthUpperUp": 0.5},
          {"mouthUpperUp": 0.8, "mouthLowerDown": 0.9},
          {"mouthStretch": 0.9, "mouthLowerDown": 0.8},
          {"mouthSmile": 0.9, "mouthUpperUp": 0.6, "mouthLowerDown": 0.6}, {"mouthFunnel": 0.9},
          {"noseSneer": 1.0, "mouthUpperUp": 0.8})  # fmt: skip
_CLOSED = ({}, {"mouthPress": 0.9}, {"mouthRollUpper": 0.7, "mouthRollLower": 0.7},
           {"mouthPucker": 1.0}, {"mouthSmile": 0.8}, {"mouthFrown": 0.9}, {"mouthShrugLower": 0.8},
           {"mouthDimple": 0.8}, {"cheekPuff": 0.8}, {"mouthLeft": 0.8},
           {"mouthRight": 0.8})  # fmt: skip
_SPOKEN = ({"mouthLowerDown": 0.3}, {"mouthFunnel": 0.9}, {"mouthPucker": 1.0},
           {"mouthStretch": 0.5}, {"mouthRollLower": 0.8, "mouthUpperUp": 0.3},
           {"mouthUpperUp": 0.3}, {"mouthSmile": 0.4, "mouthLowerDown": 0.3})  # fmt: skip
_KINDS = (
    (0.24, (0.10, 0.80), (0.35, 1.00), _OPEN),
    (0.08, (0.20, 0.90), (0.00, 0.35), _OPEN),
    (0.18, (0.05, 0.50), (0.00, 0.00), _SPOKEN),
    (0.16, (0.00, 0.08), (0.00, 0.00), _BARED),
    (0.20, (0.15, 1.00), (0.00, 0.00), _OPEN),
    (0.14, (0.00, 0.03), (0.00, 0.00), _CLOSED),
)  # fmt: skip
_REST = ({}, {}, {"browDown": 0.8}, {"browInnerUp": 0.8}, {"eyeSquint": 0.8, "cheekSquint": 0.8},
         {"eyeBlink": 0.9}, {"eyeWide": 0.8}, {"noseSneer": 0.5})  # fmt: skip


@dataclass(frozen=True)
class MouthSettings:
    """count: pictures of all people. people: how many. size: pixels of a side. samples: of the
    renderer. seed: of everything."""

    count: int = 540
    people: int = 18
    size: int = 208
    samples: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.people < 1 or self.count < self.people:
            raise UsageError("nothing to make", fix="give at least a picture for each person")


@dataclass(frozen=True)
class Drawn:
    """K drawn pictures of one person: arkit (K, 52), head (K, 3) radians, looks."""

    arkit: np.ndarray
    head: np.ndarray
    looks: list[Look]


def owner(seed: int, number: int) -> CharacterConfig:
    """One of `people`, whose mouth has colours of its own."""
    config = person(seed, number)
    rng = np.random.default_rng([seed, number, 12])
    tongue, cavity, teeth = (str(rng.choice(c)) for c in (_TONGUES, _CAVITIES, _TEETH))
    return replace(
        config, palette=replace(config.palette, tongue=tongue, cavity=cavity, teeth=teeth)
    )


def draw(s: MouthSettings, number: int) -> Drawn:
    """The pictures of one person."""
    count = len(range(number, s.count, s.people))
    rngs = [np.random.default_rng([s.seed, number, i, 13]) for i in range(count)]
    arkit = np.array([mouth_pose(rng) for rng in rngs])
    head = np.array([rng.normal(0, SPREAD) for rng in rngs])
    zooms = [float(rng.uniform(1.1, 1.4)) for rng in rngs]
    looks = [
        replace(random_look(r), zoom=z, shift=(0.0, -0.09))
        for r, z in zip(rngs, zooms, strict=True)
    ]
    return Drawn(arkit, head, looks)


def mouth_pose(rng: np.random.Generator) -> np.ndarray:
    """(52,) ARKit weights of a mouth of some kind, in a face of some kind."""
    chances = np.array([kind[0] for kind in _KINDS])
    _, jaw, tongue, companions = _KINDS[rng.choice(len(_KINDS), p=chances / chances.sum())]
    pose = np.zeros(len(ARKIT_CHANNELS))
    for choices in (companions, _REST):
        strength, lean = rng.uniform(0.2, 1.1), rng.uniform(0.5, 1.0, 2) ** (rng.random() < 0.3)
        for name, weight in choices[rng.integers(len(choices))].items():
            for channel, share in zip(sides(name), lean, strict=False):
                pose[ARKIT_INDEX[channel]] = min(1.0, weight * strength * share)
    pose[ARKIT_INDEX["jawOpen"]] = rng.uniform(*jaw)
    pose[ARKIT_INDEX["tongueOut"]] = rng.uniform(*tongue)
    return pose


def build_mouths(out: Path, s: MouthSettings, say=print) -> Path:
    """Render all mouths into `out`, register them and write the set; returns its file.

    Raises:
        UsageError: as `begin`. InputError: likewise, or no face is found in any picture.
    """
    from ...networks.tracking.face_detector import FaceDetector
    from .assemble import build_once

    begin(out, s, "person_*")
    rows = []
    with FaceDetector() as detector:
        for number in range(s.people):
            config = owner(s.seed, number)
            folder = out / config.name
            profile, drawn = build_once(config, folder), draw(s, number)
            tongue = _render(profile, drawn, number, s, folder)
            split = "val" if number % HELD_OUT == HELD_OUT - 1 else "train"
            for i, out_there in enumerate(tongue):
                if seen := _registered(detector, folder, i):
                    rows.append((*seen[:3], [out_there, *seen[3]], split, number))
            say(f"{number + 1} of {s.people} people, {len(rows)} mouths")
    return _as_set(rows, out)


def _as_set(rows: list[tuple], out: Path) -> Path:
    """The rows of all mouths as the set's file."""
    if not rows:
        fix = f"give another --out, and pictures of {MouthSettings.size} pixels or more (--size)"
        raise InputError("no face was found in its pictures", file=out, fix=fix)
    faces, parts, landmarks, truth, splits, people = zip(*rows, strict=True)
    return MouthSet(
        faces=np.stack(faces),
        parts=np.stack(parts),
        landmarks=np.stack(landmarks).astype(np.float32),
        truth=np.array(truth, np.float32),
        split=np.array(splits),
        person=np.array(people, np.int64),
    ).save(out / "mouths.npz")


def _paths(folder: Path, index: int) -> tuple[Path, Path]:
    return folder / f"{index:03d}.png", folder / f"{index:03d}.parts.png"


def _render(
    profile: RigProfile, drawn: Drawn, number: int, s: MouthSettings, folder: Path
) -> np.ndarray:
    """Each picture as it is, then each in flat colours; those that are there are left.

    Returns:
        (K,) how far the tongue is out in each, 0..1.
    """
    from ...exprgen_addon.studio.face_studio import FaceStudio, StudioSettings

    count = len(drawn.looks)
    paths = [_paths(folder, i) for i in range(count)]
    with FaceStudio(profile, StudioSettings(size=s.size, samples=s.samples)) as studio:
        # A third of the time of a denoised picture, in which teeth and lips run together; at the
        # size that the reader sees, the grain is gone.
        studio.scene.cycles.use_denoising = False
        tongue = Tongue(studio)
        seeds = [[s.seed, number, i, 14] for i in range(count)]
        out = np.zeros(count)
        for i, values in enumerate(_values(profile, drawn, still=True)):
            tongue.form(np.random.default_rng(seeds[i]))
            studio.pose(values)
            out[i] = tongue.out()
        poses = _values(profile, drawn)
        for kind in range(2):
            if kind:
                _flatten(studio, owner(s.seed, number))
            for i in (i for i in range(count) if not paths[i][kind].exists()):
                tongue.form(np.random.default_rng(seeds[i]))
                studio.pose(poses[i])
                look = drawn.looks[i]
                studio.look(replace(look, background=(0.0, 0.0, 0.0)) if kind else look)
                studio.render_to(paths[i][kind])
    return out


def _values(profile: RigProfile, drawn: Drawn, still: bool = False) -> np.ndarray:
    """(K, C) control values of the drawn pictures; still: with the head at rest."""
    count = len(drawn.looks)
    head = np.zeros_like(drawn.head) if still else drawn.head
    neutral = np.full(count, NEUTRAL)
    played = Performance(np.arange(count), drawn.arkit, head, np.zeros((count, 2)), neutral)
    return control_values(profile, played)


class Tongue:
    """The tongue of the head in a studio, which can be longer, broader, hang down or curl up."""

    def __init__(self, studio):
        from .landmark_error import material_vertices
        from .talkers.mouth import coordinates

        self.studio, self.head = studio, head_of(studio)
        self.rows = material_vertices(self.head, "_tongue")
        blocks = self.head.data.shape_keys.key_blocks
        self.block = blocks[TONGUE_KEY]
        self.base, self.plain = (coordinates(b) for b in (blocks["Basis"], self.block))
        teeth = material_vertices(self.head, "_teeth")
        falls = (coordinates(blocks["jawOpen"]) - self.base)[teeth, 2]
        front = teeth[(falls < 0.7 * falls.min()) & (np.abs(self.base[teeth, 0]) < 0.004)]
        self.tooth = front[self.base[front, 1].argmin()]

    def form(self, rng: np.random.Generator) -> None:
        """Give the shape of the tongue that is put out a length, a breadth and a bend."""
        moved = self.plain.copy()
        delta = (self.plain - self.base)[self.rows] * rng.uniform(0.9, 1.6)
        delta[:, 2] += rng.uniform(-0.3, 0.3) * delta[:, 1]
        delta[:, 0] += rng.uniform(-0.2, 0.25) * self.base[self.rows, 0]
        moved[self.rows] = self.base[self.rows] + delta
        self.block.data.foreach_set("co", moved.astype(np.float32).ravel())
        self.head.data.update()
        self.head.update_tag(refresh={"DATA"})

    def out(self) -> float:
        """How far it is out at the present pose, 0..1: by its tip before the lower teeth."""
        from ...exprgen_addon.characters.landmark_anchors import world_vertices

        places = world_vertices(self.head.evaluated_get(self.studio.depsgraph))
        before = places[self.tooth, 1] - places[self.rows, 1].min()
        return float(np.clip((before - AT_LIPS) / (OUT - AT_LIPS), 0.0, 1.0))


def _flatten(studio, config: CharacterConfig) -> None:
    """From now on the studio's pictures show the parts of the mouth, without light or shade."""
    import bpy

    head = head_of(studio)
    layer = head.data.color_attributes.new(PARTS, "FLOAT_COLOR", "POINT")
    layer.data.foreach_set("color", _part_colours(head, config).ravel())
    mat = bpy.data.materials.new(PARTS)
    mat.use_nodes = True
    nodes, links = mat.node_tree.nodes, mat.node_tree.links
    nodes.clear()
    colour, glow, end = (
        nodes.new(f"ShaderNode{kind}") for kind in ("VertexColor", "Emission", "OutputMaterial")
    )
    colour.layer_name = PARTS
    links.new(colour.outputs["Color"], glow.inputs["Color"])
    links.new(glow.outputs["Emission"], end.inputs["Surface"])
    studio.scene.view_layers[0].material_override = mat
    studio.scene.cycles.samples = 1


def _part_colours(head, config: CharacterConfig) -> np.ndarray:
    """(V, 4) what each point of a head belongs to."""
    from . import shading
    from .landmark_error import material_vertices

    painted = np.empty(len(head.data.vertices) * 4, np.float32)
    head.data.color_attributes[shading.COLOR].data.foreach_get("color", painted)
    out = np.zeros((len(head.data.vertices), 4), np.float32)
    inside = np.abs(painted.reshape(-1, 4)[:, :3] - shading.linear(config.palette.cavity))
    out[inside.max(1) < SAME, 2] = 1.0
    for channel, part in enumerate(("_teeth", "_tongue")):
        out[material_vertices(head, part)] = np.eye(4)[channel]
    return out


def _registered(detector, folder: Path, index: int) -> tuple | None:
    """(face, its parts, landmarks (49, 2), shares (3,)) of one picture, if a face is found."""
    from ...networks.footage.pictures import read_image
    from ...networks.tracking.registration import apply_affine, registering_affine, warp_face

    plain, flat = (read_image(path) for path in _paths(folder, index))
    faces = detector.search(plain)
    if not faces:
        return None
    seen = max(faces, key=lambda f: f.area).landmarks49
    affine = registering_affine(seen)
    points = apply_affine(affine, seen)
    face = warp_face(plain, affine)
    shown = [warp_face(np.ascontiguousarray(flat[..., c]), affine) for c in range(3)]
    parts = np.where(np.max(shown, 0) > 127, 1 + np.argmax(shown, 0), 0).astype(np.uint8)
    return face, parts, points, shares_of(face, parts, points)
