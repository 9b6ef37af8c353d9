"""Control scheme "properties": a face of action units, each a custom property of the face bone.

Names are FACS numbers with a side (`au12_l`: the subject's left lip corner puller), so that an
animator who knows FACS needs no list. Every property is 0..1, or -1..1 where the movement has two
ways. `DRIVES` says in plain arithmetic what moves each shape key; correctives are products.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...networks.characters.profile import Control, Target

FACE = "face"
"""The pose bone that holds the properties: they show in the sidebar when it is selected, and
Blender's pose library, which looks at bones only, can apply and blend poses."""

_SIDES = {"l": "Left", "r": "Right"}


@dataclass(frozen=True)
class Unit:
    """One action unit. A sided one makes two properties, `<name>_l` and `<name>_r`.

    channels: ARKit channel (without side where sided) -> value of this unit when it is 1.
    """

    name: str
    label: str
    region: str
    channels: dict[str, float]
    sided: bool = True
    low: float = 0.0
    role: str = ""


UNITS = (
    Unit("au1", "Inner brow raiser", "brow", {"browInnerUp": 1.0}),
    Unit("au2", "Outer brow raiser", "brow", {"browOuterUp": 1.0}),
    Unit("au4", "Brow lowerer", "brow", {"browDown": 1.0}),
    Unit("au5", "Upper lid raiser", "eye", {"eyeWide": 1.0}),
    Unit("au6", "Cheek raiser", "cheek", {"cheekSquint": 1.0}),
    Unit("au7", "Lid tightener", "eye", {"eyeSquint": 1.0}),
    Unit("au43", "Eye closure", "eye", {"eyeBlink": 1.0}, role="blink"),
    Unit("au9", "Nose wrinkler", "nose", {"noseSneer": 1.0}),
    Unit("au10", "Upper lip raiser", "mouth", {"mouthUpperUp": 1.0}),
    Unit("au11", "Nasolabial deepener", "cheek", {"noseSneer": 0.3, "mouthUpperUp": 0.25}),
    Unit("au12", "Lip corner puller", "mouth", {"mouthSmile": 1.0}),
    Unit("au14", "Dimpler", "mouth", {"mouthDimple": 1.0}),
    Unit("au15", "Lip corner depressor", "mouth", {"mouthFrown": 1.0}),
    Unit("au16", "Lower lip depressor", "mouth", {"mouthLowerDown": 1.0}),
    Unit("au20", "Lip stretcher", "mouth", {"mouthStretch": 1.0}),
    Unit("au24", "Lip pressor", "mouth", {"mouthPress": 1.0}),
    Unit("au34", "Cheek puff", "cheek", {"cheekPuff": 1.0}),
    Unit("au8", "Lips toward each other", "mouth", {"mouthClose": 1.0}, False),
    Unit("au17", "Chin raiser", "mouth", {"mouthShrugLower": 1.0}, False),
    Unit("au17_upper", "Upper lip pushed up", "mouth", {"mouthShrugUpper": 1.0}, False),
    Unit("au18", "Lip pucker", "mouth", {"mouthPucker": 1.0}, False),
    Unit("au19", "Tongue show", "mouth", {"tongueOut": 1.0}, False),
    Unit("au22", "Lip funneler", "mouth", {"mouthFunnel": 1.0}, False),
    Unit("au26", "Jaw drop", "jaw", {"jawOpen": 1.0}, False),
    Unit("au28_upper", "Upper lip suck", "mouth", {"mouthRollUpper": 1.0}, False),
    Unit("au28_lower", "Lower lip suck", "mouth", {"mouthRollLower": 1.0}, False),
    Unit("au29", "Jaw thrust", "jaw", {"jawForward": 1.0}, False),
    Unit("au30", "Jaw sideways, subject's left", "jaw", {"jawLeft": 1.0, "jawRight": -1.0}, False,
         -1.0),
    Unit("au38", "Nostril dilator", "nose", {"noseSneerLeft": 0.15, "noseSneerRight": 0.15}, False),
    Unit("mouth_side", "Mouth sideways, subject's left", "mouth",
         {"mouthLeft": 1.0, "mouthRight": -1.0}, False, -1.0),
    Unit("iris_small", "Iris and pupil smaller", "eye", {}, False, -0.6),
)  # fmt: skip

_BOTH = ("browInnerUp", "cheekPuff")
"""Channels without a side that sided units follow."""

DRIVES = {
    "browInnerUp": "au1",
    "browOuterUp": "au2",
    "browDown": "au4",
    "eyeWide": "au5*(1-au43)",
    "cheekSquint": "au6",
    # A closed eye has no slit to tighten: the lids would cross.
    "eyeSquint": "au7*(1-0.6*au43)",
    "eyeBlink": "au43",
    "noseSneer": "au9",
    "mouthUpperUp": "au10",
    "nasolabial": "au11",
    "mouthSmile": "au12",
    "mouthDimple": "au14",
    "mouthFrown": "au15",
    "mouthLowerDown": "au16",
    "mouthStretch": "au20",
    "mouthPress": "au24",
    "cheekPuff": "au34",
    # Lips meet by as much as the jaw has parted them.
    "mouthClose": "min(au8,au26)",
    "mouthShrugLower": "au17",
    "mouthShrugUpper": "au17_upper",
    "mouthPucker": "au18",
    # Behind closed teeth the tongue stays in.
    "tongueOut": "au19*min(1,5*au26)",
    "mouthFunnel": "au22",
    "jawOpen": "au26",
    "mouthRollUpper": "au28_upper",
    "mouthRollLower": "au28_lower",
    "jawForward": "au29",
    "jawLeft": "max(0,au30)",
    "jawRight": "max(0,-au30)",
    "flare": "au38",
    "mouthLeft": "max(0,mouth_side)",
    "mouthRight": "max(0,-mouth_side)",
    "irisSmall": "iris_small",
}
"""Shape key (stem of both sides where any unit in it is sided) -> expression of unit names."""

ON_EYES = ("irisSmall",)

_BY_NAME = {u.name: u for u in UNITS}
_WORD = re.compile(r"\b(?:au\d+(?:_upper|_lower)?|mouth_side|iris_small)\b")


@dataclass(frozen=True)
class Drive:
    """What moves one shape key: an expression of property names, which are its variables."""

    key: str
    expression: str
    names: tuple[str, ...]


def drives() -> tuple[Drive, ...]:
    """One drive a shape key, both sides written out."""
    out = []
    for stem, text in DRIVES.items():
        words = set(_WORD.findall(text))
        sided = any(_BY_NAME[w].sided for w in words)
        for side in _SIDES if sided else ("",):

            def name(match, side=side):
                word = match[0]
                return f"{word}_{side}" if _BY_NAME[word].sided else word

            expression = _WORD.sub(name, text)
            names = sorted({name(match) for match in _WORD.finditer(text)})
            out.append(Drive(stem + _SIDES.get(side, ""), expression, tuple(names)))
    return tuple(out)


def property_path(name: str) -> str:
    """Where a property lies on the armature object."""
    return f'pose.bones["{FACE}"]["{name}"]'


def property_keys() -> tuple[str, ...]:
    """Shape keys of the head that properties drive."""
    return tuple(d.key for d in drives() if d.key not in ON_EYES)


def property_controls(rig: str) -> list[Control]:
    """The face's controls: custom properties on armature object `rig`."""
    out = []
    for unit in UNITS:
        for side in _SIDES if unit.sided else ("",):
            name = f"{unit.name}_{side}" if side else unit.name
            word = _SIDES.get(side, "")
            channels = {c if c in _BOTH else c + word: v for c, v in unit.channels.items()}
            out.append(
                Control(
                    name=name, targets=(Target("OBJECT", rig, property_path(name)),), rest=0.0,
                    minimum=unit.low, maximum=1.0, region=unit.region,
                    role=f"{unit.role}_{word.lower()}" if unit.role else "",
                    mirror=f"{unit.name}_{'r' if side == 'l' else 'l'}" if side else "",
                    channels=channels,
                )
            )  # fmt: skip
    return out


def property_labels() -> dict[str, str]:
    """Property name -> what it does, for tooltips."""
    words = {"l": ", subject's left", "r": ", subject's right"}
    return {
        f"{u.name}_{side}" if side else u.name: u.label + words.get(side, "")
        for u in UNITS
        for side in (_SIDES if u.sided else ("",))
    }
