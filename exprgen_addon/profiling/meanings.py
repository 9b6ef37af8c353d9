"""What a rig's found controls mean by their names, read together; it moves nothing."""

from __future__ import annotations

from collections.abc import Iterable

from ...networks.characters.control_meanings import read_names, shared
from ...networks.characters.control_names import region_of, spelt_channels, words_of
from ...networks.characters.name_affixes import Affix, common_affix
from ..rigs import Found

AXES = "xyz"
WORN = {
    "hair", "bang", "bangs", "fringe", "ponytail", "pigtail", "braid", "ahoge", "hat", "cap",
    "hood",
    "horn", "horns", "helmet", "ribbon", "earring", "earrings", "glasses", "skirt", "clothes",
    "necktie", "scarf", "spring", "cape", "sleeve", "breast", "breasts", "bust",
}  # fmt: skip
"""Words of names of what is on a head or a body: neither bones nor keys of these are the face's."""
BODY = {
    "ear", "ears", "shoulder", "shoulders", "clavicle", "collar", "arm", "arms", "upperarm",
    "forearm", "lowerarm", "elbow", "hand", "hands", "wrist", "finger", "fingers", "thumb", "index",
    "pinky", "chest", "spine", "pelvis", "hip", "hips", "waist", "leg", "legs", "upleg", "thigh",
    "knee", "shin", "calf", "foot", "feet", "toe", "toes", "tail", "wing", "wings",
}  # fmt: skip
"""Words of bones that speak of no face; a key that moves ears may be meant."""
BODY_SIGNS = ("髪", "耳", "肩", "腕", "帽", "胸", "手", "足", "指", "尻尾", "リボン", "スカート")
"""The same in Japanese rigs, as parts of a bone's name."""


def _spelt(names: list[str]) -> dict[str, dict[str, float]]:
    return {n: channels for n in names if (channels := spelt_channels(n))}


class Meanings:
    """The names of everything that may be a control of one rig."""

    def __init__(self, free: Iterable[Found]):
        free = list(free)
        names = {f.name: name_of(f) for f in free}
        read = read_names(n for n in names.values() if n)
        self._read = {f: read[n] for f, n in names.items() if n in read}
        self._shared: dict[str, dict[str, float]] = {}
        labels = [f.label for f in free if f.kind != "value"]
        unread = [label for label in labels if not spelt_channels(label)]
        self._affix = common_affix(unread, _spelt) or Affix()

    def share(self, kept: Iterable[Found]) -> None:
        """Decide among those that move the face who makes which channel."""
        names = [f.name for f in kept if f.name in self._read]
        self._shared = shared({n: self._read[n] for n in names})

    def channels(self, found: Found) -> dict[str, float]:
        """What a control makes: its share, once `share` was called, else all that its name says.

        What turns or slides freely is believed only where its name says one thing.
        """
        if found.name in self._read:
            meant = self._read[found.name].channels
            return self._shared.get(found.name, meant)
        if found.kind == "value":
            return {}
        hints = spelt_channels(found.label) or spelt_channels(self._affix.without(found.label))
        return hints if len(hints) == 1 else {}

    def pose(self, found: Found) -> str:
        """The expression that a control shows by itself, or ""."""
        meaning = self._read.get(found.name)
        return meaning.pose if meaning else ""

    def is_apart(self, found: Found) -> bool:
        """Its name says that it is not of the face."""
        meaning = self._read.get(found.name)
        return meaning is not None and meaning.apart

    def is_spare(self, found: Found) -> bool:
        """All that it makes is made by others already."""
        meaning = self._read.get(found.name)
        return bool(meaning and meaning.channels and not self.channels(found))


def of_the_face(free: list[Found], meanings: Meanings) -> tuple[list[Found], list[str]]:
    """What may be a control of the face, and the labels of what by its name can't be: bones of hair
    and body, keys that hide hair."""
    apart = [f for f in free if meanings.is_apart(f) or _names_another_part(f)]
    gone = {f.name for f in apart}
    return [f for f in free if f.name not in gone], list(dict.fromkeys(f.label for f in apart))


def _names_another_part(found: Found) -> bool:
    words = set(words_of(found.label))
    if found.kind == "value":
        return bool(words & WORN)
    if any(sign in found.label for sign in BODY_SIGNS):
        return True
    return bool(words & (WORN | BODY)) and region_of(found.label) in ("", "head")


def name_of(found: Found) -> str:
    """What a scheme would call a control: a key or property by its label, a slider with its axis as
    on a face board; "" for what turns or scales."""
    if found.kind == "value":
        return found.label
    if found.kind == "location":
        return f"{found.label}.t{AXES[found.targets[0].index]}"
    return ""
