"""Heads of many people in one topology, at rest and in every ARKit action: what the model learns.

Points are those of the base mesh, not subdivided, in the model's frame: millimetres from the middle
between the eyes, x to the subject's own left, y up, z out of the face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ....networks.vocabulary import ARKIT_CHANNELS
from .. import lids, lips, shapes, source
from ..config import CharacterConfig, Style
from ..parts import SKIN, Part, cut_faces
from ..people import person
from ..stylise import StyledHead, fit_sphere, style_head

EXPRESSIONS = tuple(name for name in ARKIT_CHANNELS if name != "tongueOut")
"""The actions of the model, 51 of ARKit's 52: it has no tongue."""
STYLE = Style(eye_open=0.3, smile=0.1, strength=0.5, brow_scale=0.85)
"""The middle of what `people.person` draws, the same for everybody: no warp, awake eyes, a mild
mouth, actions somewhat larger than the base mesh has them."""
NECK = -0.030
"""Metres under the chin, along the neck's slant, at which the head ends."""
EYES = ("helper-l-eye", "helper-r-eye")
TEETH = ("helper-upper-teeth", "helper-lower-teeth")
_WIDER = (
    "head-fat-incr", "head-age-incr", "head-scale-vert-incr", "head-scale-horiz-incr",
    "head-scale-depth-incr", "forehead-temple-incr", "forehead-trans-forward",
    "forehead-scale-vert-incr", "forehead-nubian-incr", "eyebrows-angle-up",
    "eyebrows-trans-up", "eyebrows-trans-forward", "nose-width1-incr", "nose-width2-incr",
    "nose-width3-incr", "nose-point-up", "nose-point-width-incr", "nose-curve-convex",
    "nose-greek-incr", "nose-base-up", "nose-trans-up", "nose-scale-depth-incr",
    "nose-nostrils-angle-up", "nose-compression-uncompress", "mouth-trans-up",
    "mouth-trans-forward", "mouth-scale-depth-incr", "mouth-cupidsbow-incr",
    "mouth-upperlip-width-incr", "mouth-lowerlip-width-incr", "mouth-philtrum-volume-incr",
    "chin-width-incr", "chin-bones-incr", "chin-prognathism-incr", "chin-jaw-drop-incr",
    "chin-cleft-incr", "neck-double-incr",
)  # fmt: skip
_WIDER_SIDED = (
    "eye-scale-incr", "eye-trans-out", "eye-trans-up", "eye-height1-incr", "eye-height2-incr",
    "eye-height3-incr", "eye-corner1-up", "eye-corner2-up", "eye-push1-out", "eye-push2-out",
    "eye-eyefold-up", "eye-eyefold-angle-up", "eye-epicanthus-out", "eye-bag-out",
    "cheek-trans-up", "cheek-inner-incr", "ear-scale-incr", "ear-wing-incr",
)  # fmt: skip
REACH = 0.45
"""Largest amount of a local change."""


@dataclass(frozen=True)
class Topology:
    """What all heads share.

    used: (V,) vertices of the base mesh. faces: (F, 4) quads of them (a triangle repeats its last
    corner), skin first, then eyes, then teeth. skin, eyes: how many faces of each come first.
    groups: name -> indices among `used`: eye_left, eye_right, teeth_upper, teeth_lower, rings of
    the lips, edges of the lids.
    """

    used: np.ndarray
    faces: np.ndarray
    skin: int
    eyes: int
    groups: dict[str, np.ndarray]


def identity(seed: int, number: int) -> CharacterConfig:
    """A person for the model: as `people.person`, but from children to the very old and with more
    of the changes that the base mesh has."""
    rng = np.random.default_rng([seed, number, 21])
    config = person(seed, number)
    phenotypes = {
        **config.phenotypes,
        "gender": float(rng.uniform(0.0, 1.0)),
        "age": float(rng.uniform(0.25, 1.0)),
        "weight": float(rng.uniform(0.15, 0.95)),
        "muscle": float(rng.uniform(0.15, 0.85)),
    }
    local = {name: float(rng.uniform(-REACH, REACH)) for name in _WIDER}
    for name in _WIDER_SIDED:
        local[f"l-{name}"] = local[f"r-{name}"] = float(rng.uniform(-REACH, REACH))
    plain = {"creases": 0.0, "lines": {}, "style": STYLE}
    return replace(config, phenotypes=phenotypes, local={**config.local, **local}, **plain)


def average() -> CharacterConfig:
    """The person in the middle of all."""
    third = 1.0 / 3.0
    phenotypes = {
        "gender": 0.5, "age": 0.6, "muscle": 0.5, "weight": 0.5, "height": 0.5,
        "proportions": 0.6, "african": third, "asian": third, "caucasian": third,
    }  # fmt: skip
    return replace(
        person(0, 0), phenotypes=phenotypes, local={}, style=STYLE, creases=0.0, lines={}
    )


def styled(config: CharacterConfig) -> StyledHead:
    """The head of a person with lips and lids as the characters have them; nothing is kept."""
    return lids.shape_lids(lips.shape_lips(style_head(config, source.fresh_vertices)))


@lru_cache(maxsize=1)
def topology() -> Topology:
    """What of the base mesh is in the model, decided once on the average person."""
    head, data = styled(average()), source.load_source()
    flat = head.anatomy
    height = flat[:, 2] - 0.30 * (flat[:, 1] + 0.065) - head.before.chin[2]
    skin, kept = cut_faces(data.parts["body"], height > NECK)
    skin = kept[skin]
    eyes = np.concatenate([data.parts[name] for name in EYES])
    teeth = np.concatenate([data.parts[name] for name in TEETH])
    faces = np.concatenate([skin, eyes, teeth])
    used = np.unique(faces)
    place = np.full(len(flat), -1)
    place[used] = np.arange(len(used))
    groups = {
        "eye_left": np.unique(data.parts["helper-l-eye"]),
        "eye_right": np.unique(data.parts["helper-r-eye"]),
        "teeth_upper": np.unique(data.parts["helper-upper-teeth"]),
        "teeth_lower": np.unique(data.parts["helper-lower-teeth"]),
        **_edges(head, data),
    }
    named = {name: place[points] for name, points in groups.items()}
    named = {name: points[points >= 0].astype(np.int32) for name, points in named.items()}
    return Topology(used, place[faces].astype(np.int32), len(skin), len(eyes), named)


def _edges(head: StyledHead, data) -> dict[str, np.ndarray]:
    """Base vertices of the lips' rings and the lids' edges, both sides."""
    mouth = lips.find_mouth(head)
    corner = mouth.corner(head.rest)
    out = {}
    for name, ring in (("lip_border", lips.BORDER), ("lip_contact", lips.CONTACT)):
        halves = mouth.left[ring], mouth.right[ring]
        out[f"{name}_upper"] = np.concatenate([h[: corner + 1] for h in halves])
        out[f"{name}_lower"] = np.concatenate([h[corner:] for h in halves])
    for name, left in zip(("upper", "lower"), lids.lid_edges(head, data), strict=True):
        out[f"lid_{name}_left"] = np.asarray(left)
        out[f"lid_{name}_right"] = data.mirror[np.asarray(left)]
    return out


def skin_part(head: StyledHead) -> tuple[Part, np.ndarray]:
    """The skin of the model with its shapes, and which base vertices it has (ascending)."""
    shared = topology()
    faces, used = cut_faces(shared.used[shared.faces[: shared.skin]], np.ones(len(head.rest), bool))
    columns = {"lips": head.lips, "hollow": head.cavity}
    extra = {k: np.repeat(v[used][:, None], 3, axis=1) for k, v in columns.items()}
    extra["anatomy"] = head.anatomy[used]
    actions = {name: move[used] for name, move in head.actions.items()}
    return Part(head.rest[used], faces, actions, extra, SKIN), used


def shaped(config: CharacterConfig) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) points at rest and (E, V, 3) displacements of EXPRESSIONS, in the base mesh's frame
    (metres, see `source`)."""
    head, shared = styled(config), topology()
    part, used = skin_part(head)
    shapes.shape_skin(part, head, config)
    rest = head.rest.copy()
    rest[used] = part.vertices
    moves = np.zeros((len(EXPRESSIONS), len(shared.used), 3))
    for row, name in enumerate(EXPRESSIONS):
        whole = head.actions[name].copy()
        whole[used] = part.shapes[name]
        moves[row] = whole[shared.used]
    still = np.isin(shared.used, np.unique(source.load_source().parts["helper-l-eye"]))
    still |= np.isin(shared.used, np.unique(source.load_source().parts["helper-r-eye"]))
    moves[:, still] = 0.0  # eyes turn about their centres instead
    return rest[shared.used], moves


def in_frame(points: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Points (..., 3) of the base mesh in the model's frame; origin (3,): between the eyes."""
    return 1000.0 * turned(points - origin)


def turned(moves: np.ndarray) -> np.ndarray:
    """Directions (..., 3) of the base mesh along the model's axes."""
    return moves[..., (0, 2, 1)] * (1.0, 1.0, -1.0)


def origin_of(rest: np.ndarray) -> np.ndarray:
    """(3,) the middle between the eyeballs' centres of points (V, 3)."""
    groups = topology().groups
    return 0.5 * sum(fit_sphere(rest[groups[f"eye_{side}"]])[0] for side in ("left", "right"))


def at_rest(configs: list[CharacterConfig]) -> np.ndarray:
    """(P, V, 3) float32 the points of people at rest in the model's frame: those of `shaped`, in a
    hundredth of the time."""
    data, used = source.load_source(), topology().used
    who = [(config.phenotypes, config.local) for config in configs]
    raw = source.fresh_people(who, np.concatenate([used, data.mirror[used]]))
    raw, other = raw[:, : len(used)], raw[:, len(used) :]
    baked = STYLE.eye_open * (data.actions["eyeWideLeft"] + data.actions["eyeWideRight"])
    smile = data.actions["mouthSmileLeft"]
    baked = baked + STYLE.smile * (smile + smile[data.mirror] * (-1.0, 1.0, 1.0))
    rests = 0.5 * (raw + other * (-1.0, 1.0, 1.0)) + baked[used]
    return np.stack([in_frame(rest, origin_of(rest)) for rest in rests]).astype(np.float32)


def acting(config: CharacterConfig) -> np.ndarray:
    """(E, V, 3) float32 displacements of EXPRESSIONS of a person along the model's axes."""
    return (1000.0 * turned(shaped(config)[1])).astype(np.float32)
