"""What the names of controls tell: the side, the mirror partner, the ARKit channels, the region.

Rigs are spelt in many ways: ARKit ("browDownLeft", "brow_down_L"), FACS ("AU12_L") and words that
many rigs share ("Brow_Drop_L", "Smile_Left"). A name is split into lower-case words, words that say
nothing are dropped, and what is left is looked up; what words don't tell, the schemes of avatar
tools do (naming_schemes.py). Names that tell nothing give nothing: a wrong hint is worse than
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..vocabulary import ARKIT_CHANNELS
from .naming_schemes import schemes, sided

_SIDES = {
    "l": "Left", "left": "Left", "lf": "Left", "lft": "Left",
    "r": "Right", "right": "Right", "rt": "Right", "rgt": "Right",
    "ul": "Left", "dl": "Left", "ur": "Right", "dr": "Right",
}  # fmt: skip
_OTHER = {
    "l": "r", "left": "right", "lf": "rt", "lft": "rgt",
    "r": "l", "right": "left", "rt": "lf", "rgt": "lft",
    "ul": "ur", "dl": "dr", "ur": "ul", "dr": "dl",
}  # fmt: skip
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_ANY_PARTS = re.compile(rf"{_PARTS.pattern}|[^\W\d_A-Za-z]+")
_SAME = {
    "brows": "brow", "eyebrow": "brow", "eyebrows": "brow", "brw": "brow", "eyes": "eye",
    "lips": "lip", "lids": "lid", "eyelid": "lid", "eyelids": "lid", "mth": "mouth",
    "close": "closed", "shut": "closed", "cheeks": "cheek", "raiser": "raise", "raised": "raise",
    "lowerer": "lower", "nostril": "nose", "wrinkle": "sneer", "wrinkler": "sneer",
    "scrunch": "sneer", "sneers": "sneer", "upper": "up", "smiling": "smile", "widen": "wide",
    "wider": "wide", "opened": "open", "kiss": "pucker", "squeeze": "squint", "depress": "down",
    "depressor": "down", "drop": "down", "puffed": "puff", "inflate": "puff", "blow": "puff",
    "lowered": "lower", "tightener": "tighten", "stretcher": "stretch", "dimpler": "dimple",
    "puckerer": "pucker", "suck": "roll", "outter": "outer",
}  # fmt: skip
_EMPTY = {
    "fcl", "cc", "exp", "ctrl", "control", "ctl", "expression", "expressions", "mesh", "shape",
    "blendshape", "blendshapes", "key", "facial", "face", "morph", "target", "bs", "facs", "arkit",
    "slider", "the", "all", "def", "org", "h", "pm", "phm", "ectrl",
}  # fmt: skip

# Words (in any order, without side, after `_SAME`) -> channels without side and their share.
_SPELLINGS: dict[str, dict[str, float]] = {
    "brow down": {"browDown": 1.0},
    "brow lower": {"browDown": 1.0},
    "brow angry": {"browDown": 1.0},
    "brow inner up": {"browInnerUp": 1.0},
    "brow raise inner": {"browInnerUp": 1.0},
    "inner brow raise": {"browInnerUp": 1.0},
    "brow sorrow": {"browInnerUp": 1.0},
    "brow raise outer": {"browOuterUp": 1.0},
    "outer brow raise": {"browOuterUp": 1.0},
    "brow outer up": {"browOuterUp": 1.0},
    "brow raise": {"browInnerUp": 1.0, "browOuterUp": 1.0},
    "brow up": {"browInnerUp": 1.0, "browOuterUp": 1.0},
    "brow surprised": {"browInnerUp": 1.0, "browOuterUp": 1.0},
    "cheek puff": {"cheekPuff": 1.0},
    "cheek raise": {"cheekSquint": 1.0},
    "cheek up": {"cheekSquint": 1.0},
    "cheek squint": {"cheekSquint": 1.0},
    "eye blink": {"eyeBlink": 1.0},
    "blink": {"eyeBlink": 1.0},
    "eye closed": {"eyeBlink": 1.0},
    "lid closed": {"eyeBlink": 1.0},
    "eye wide": {"eyeWide": 1.0},
    "up lid raise": {"eyeWide": 1.0},
    "lid up raise": {"eyeWide": 1.0},
    "eye squint": {"eyeSquint": 1.0},
    "squint": {"eyeSquint": 1.0},
    "lid tighten": {"eyeSquint": 1.0},
    "eye look up": {"eyeLookUp": 1.0},
    "eye look down": {"eyeLookDown": 1.0},
    "eye look in": {"eyeLookIn": 1.0},
    "eye look out": {"eyeLookOut": 1.0},
    "jaw open": {"jawOpen": 1.0},
    "mouth open": {"jawOpen": 1.0},
    "jaw down": {"jawOpen": 1.0},
    "jaw forward": {"jawForward": 1.0},
    "jaw thrust": {"jawForward": 1.0},
    "mouth closed": {"mouthClose": 1.0},
    "smile": {"mouthSmile": 1.0},
    "mouth smile": {"mouthSmile": 1.0},
    "lip funneler": {"mouthFunnel": 1.0},
    "lip tighten": {"mouthPress": 0.7},
    "lip part": {"mouthUpperUp": 0.3, "mouthLowerDown": 0.4},
    "lip roll": {"mouthRollUpper": 1.0, "mouthRollLower": 1.0},
    "lip corner pull": {"mouthSmile": 1.0},
    "lip corner puller": {"mouthSmile": 1.0},
    "frown": {"mouthFrown": 1.0},
    "mouth frown": {"mouthFrown": 1.0},
    "lip corner down": {"mouthFrown": 1.0},
    "mouth dimple": {"mouthDimple": 1.0},
    "dimple": {"mouthDimple": 1.0},
    "mouth stretch": {"mouthStretch": 1.0},
    "lip stretch": {"mouthStretch": 1.0},
    "mouth press": {"mouthPress": 1.0},
    "lip press": {"mouthPress": 1.0},
    "lip pressor": {"mouthPress": 1.0},
    "mouth pucker": {"mouthPucker": 1.0},
    "lip pucker": {"mouthPucker": 1.0},
    "pucker": {"mouthPucker": 1.0},
    "mouth funnel": {"mouthFunnel": 1.0},
    "lip funnel": {"mouthFunnel": 1.0},
    "funnel": {"mouthFunnel": 1.0},
    "mouth roll lower": {"mouthRollLower": 1.0},
    "mouth roll in lower": {"mouthRollLower": 1.0},
    "lip lower in": {"mouthRollLower": 1.0},
    "mouth roll up": {"mouthRollUpper": 1.0},
    "mouth roll in up": {"mouthRollUpper": 1.0},
    "lip up in": {"mouthRollUpper": 1.0},
    "mouth shrug lower": {"mouthShrugLower": 1.0},
    "chin raise": {"mouthShrugLower": 1.0},
    "mouth shrug up": {"mouthShrugUpper": 1.0},
    "mouth up up": {"mouthUpperUp": 1.0},
    "lip up up": {"mouthUpperUp": 1.0},
    "lip up raise": {"mouthUpperUp": 1.0},
    "mouth down lower": {"mouthLowerDown": 1.0},
    "lip lower down": {"mouthLowerDown": 1.0},
    "nose sneer": {"noseSneer": 1.0},
    "sneer": {"noseSneer": 1.0},
    "tongue out": {"tongueOut": 1.0},
}
_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.0}, 2: {"browOuterUp": 1.0}, 4: {"browDown": 1.0}, 5: {"eyeWide": 1.0},
    6: {"cheekSquint": 1.0}, 7: {"eyeSquint": 1.0}, 9: {"noseSneer": 1.0},
    10: {"mouthUpperUp": 1.0}, 12: {"mouthSmile": 1.0}, 14: {"mouthDimple": 1.0},
    15: {"mouthFrown": 1.0}, 16: {"mouthLowerDown": 1.0}, 17: {"mouthShrugLower": 1.0},
    18: {"mouthPucker": 1.0}, 19: {"tongueOut": 1.0}, 20: {"mouthStretch": 1.0},
    22: {"mouthFunnel": 1.0}, 23: {"mouthPress": 0.7}, 24: {"mouthPress": 1.0},
    25: {"mouthUpperUp": 0.3, "mouthLowerDown": 0.4},
    26: {"jawOpen": 1.0}, 27: {"jawOpen": 1.0}, 28: {"mouthRollLower": 1.0, "mouthRollUpper": 1.0},
    29: {"jawForward": 1.0}, 34: {"cheekPuff": 1.0}, 43: {"eyeBlink": 1.0}, 45: {"eyeBlink": 1.0},
    63: {"eyeLookUp": 1.0}, 64: {"eyeLookDown": 1.0},
}  # fmt: skip
"""FACS action units with an ARKit channel of nearly the same motion."""

_REGION_WORDS = (
    ("gaze", {"gaze", "look", "eyeball", "pupil", "iris"}),
    ("brow", {"brow", "forehead", "glabella", "frontalis"}),
    ("cheek", {"cheek", "zygoma"}),
    ("eye", {"eye", "lid", "blink", "squint", "wink", "lash"}),
    ("nose", {"nose", "sneer", "nasal"}),
    ("jaw", {"jaw", "chin", "mandible"}),
    ("mouth", {"mouth", "lip", "smile", "frown", "tongue", "pucker", "funnel", "dimple",
               "viseme", "phoneme", "teeth", "corner"}),
    ("head", {"head", "neck"}),
)  # fmt: skip


_BONES = {"頭": "head", "左目": "left eye", "右目": "right eye", "両目": "eyes"}
"""Bones that Japanese rigs call by these names alone."""


def words_of(name: str) -> list[str]:
    """The words of a name, lower case: camelCase, separators and digits split them."""
    return [w.lower() for w in _PARTS.findall(_BONES.get(name, name))]


def word_spans(name: str) -> list[tuple[int, int]]:
    """Where its words begin and end; what is written in other letters is one."""
    return [m.span() for m in _ANY_PARTS.finditer(name)]


def is_meaningful(text: str) -> bool:
    """It holds a word that says something of a face, a side, a place or an amount, or numbers
    alone; so does what has no word at all."""
    words = words_of(text)
    return all(w.isdigit() for w in words) or bool(_MEANINGFUL & set(words))


def side_of(name: str) -> str:
    """ "Left", "Right", or "" where the name tells no side (or both)."""
    sides = {_SIDES[w] for w in words_of(name) if w in _SIDES}
    return sides.pop() if len(sides) == 1 else ""


def partner_of(name: str, names: Iterable[str]) -> str:
    """The name among `names` that differs from `name` by its side alone, or ""."""
    wanted = _flipped(words_of(name))
    if wanted == words_of(name):
        return ""
    key = _skeleton(name)
    matches = [n for n in names if words_of(n) == wanted and _skeleton(n) == key]
    return matches[0] if matches else ""


def _flipped(words: list[str]) -> list[str]:
    return [_OTHER.get(w, w) for w in words]


def _skeleton(name: str) -> str:
    """What stands between the words, so that "lip.L.001" and "lip_L_001" are no pair."""
    return _PARTS.sub("", name)


def channels_of(name: str) -> dict[str, float]:
    """ARKit channel -> unit value of a control of this name, or {} where the name tells nothing: by
    its words, else by the first scheme that knows it (see control_meanings.py for a whole rig).

    A control for both sides gets half of each side's channel, so that both at 1 make 1 together.
    """
    if spelt := spelt_channels(name):
        return spelt
    for bare in (False, True):
        known = [m for s in schemes() if (m := s.meaning(name, bare)) and m.channels]
        if known:
            return min(known, key=lambda m: m.rank).channels
    return {}


def spelt_channels(name: str) -> dict[str, float]:
    """The same by the name's words alone."""
    words = words_of(name)
    exact = _BY_LETTERS.get("".join(w for w in words if w not in _EMPTY))
    if exact:
        return {exact: 1.0}
    side = side_of(name)
    plain = [w for w in words if w not in _SIDES]
    unit = _action_unit(plain)
    if unit is not None:
        return sided(_of_lip(unit, plain), side)
    kept = [_SAME.get(w, w) for w in plain]
    kept = [w for w in kept if w not in _EMPTY and not w.isdigit()]
    if side and kept in (["mouth"], ["jaw"]):
        return {f"{kept[0]}{side}": 1.0}
    stem = _BY_STEM.get(" ".join(sorted(kept)))
    return sided(stem, side) if stem else {}


def _action_unit(words: list[str]) -> int | None:
    """12 of ["au", "12"]; None if the words name no action unit, or several (AU6+12)."""
    numbers = [w for w in words if w.isdigit()]
    if "au" not in words or len(numbers) != 1:
        return None
    return int(numbers[0])


def _of_lip(unit: int, words: list[str]) -> dict[str, float]:
    """The unit's channels; AU17 and AU28 are told apart by lip where the name does so."""
    for lip in ("upper", "lower"):
        if lip in words and unit in (17, 28):
            stem = "mouthShrug" if unit == 17 else "mouthRoll"
            return {f"{stem}{lip.capitalize()}": 1.0}
    return _UNITS.get(unit, {})


def region_of(name: str) -> str:
    """The region (vocabulary.REGIONS) that a name speaks of, or ""."""
    words = {_SAME.get(w, w) for w in words_of(name)}
    for region, known in _REGION_WORDS:
        if words & known:
            return region
    hints = channels_of(name)
    return region_of(min(hints)) if hints and not words & {"au"} else _unit_region(hints)


def _unit_region(hints: dict[str, float]) -> str:
    return region_of(min(hints)) if hints else ""


_BY_LETTERS = {c.lower(): c for c in ARKIT_CHANNELS}


def _stems() -> dict[str, dict[str, float]]:
    """Sorted words -> channels; ARKit's own names without their side come first."""
    table = {" ".join(sorted(k.split())): v for k, v in _SPELLINGS.items()}
    for channel in ARKIT_CHANNELS:
        words = [_SAME.get(w, w) for w in words_of(channel) if w not in _SIDES]
        stem = re.sub("(Left|Right)$", "", channel)
        if stem not in ("mouth", "jaw"):
            table[" ".join(sorted(words))] = {stem: 1.0}
    return table


_CHANGES = {
    "tx", "ty", "tz", "rx", "ry", "rz", "sx", "sy", "sz", "x", "y", "z", "inv", "inverse", "invert",
    "inverted", "neg", "negative", "minus", "pos", "positive", "plus", "not", "no", "anti", "off",
    "opposite", "cor", "corr", "corrective", "correctives", "corrected", "fix", "combo", "combi",
    "half", "inbetween", "between", "min", "max", "top", "bottom", "front", "back", "hair", "lash",
    "lashes", "eyelash", "eyelashes", "ear", "ears", "beard", "teeth", "gum", "gums", "tear",
    "tears", "old", "backup", "copy", "bak", "test", "au",
}  # fmt: skip
"""Words that turn what follows or precedes them into something else."""


def _meaningful() -> frozenset[str]:
    told = [w for spelt in _SPELLINGS for w in spelt.split()]
    told += [w for channel in ARKIT_CHANNELS for w in words_of(channel)]
    told += [w for _, words in _REGION_WORDS for w in words]
    return frozenset({*told, *_SAME, *_SAME.values(), *_SIDES, *_CHANGES} - _EMPTY - {"head"})


_MEANINGFUL = _meaningful()
_BY_STEM = _stems()
