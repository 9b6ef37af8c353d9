"""What all names of a rig's controls have before or behind what they say: a studio's prefix, the
character's name, a suffix of the department ("c_jawOpen", "hero_jawOpen_drv").

Nobody can list them, but a rig tells its own: many of its names begin or end with it, and without
it they are known. A word that says something itself is no affix, whatever follows: "lash_blink" is
no blink, "inv_jawOpen" shuts the mouth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import product

from .control_names import is_meaningful, word_spans

LEAST = 6
"""Names that must share an affix, and different channels that must be known without it,"""
MANY = 12
"""unless so many are known a share of ALIKE of the names that have it."""
ALIKE = 0.5
MOST_WORDS = 3
"""Of an affix."""
_TRIED = 4
"""Prefixes, and suffixes, that are tried: those that most names share."""

Known = Callable[[list[str]], dict[str, Collection[str]]]
"""Names -> those that are known, each with the channels that it makes."""


@dataclass(frozen=True)
class Affix:
    """What stands before and behind."""

    prefix: str = ""
    suffix: str = ""

    def without(self, name: str) -> str:
        """The name without both, or "" where it has not both, or nothing else."""
        whole = len(name) > len(self.prefix) + len(self.suffix)
        if not (whole and name.startswith(self.prefix) and name.endswith(self.suffix)):
            return ""
        return name[len(self.prefix) : len(name) - len(self.suffix)]


def common_affix(names: Iterable[str], known: Known) -> Affix | None:
    """The affix without which most of some names are known; None where there is none to be sure of.

    Args:
        names: of controls, of which nothing is known as they are.
    """
    names = list(dict.fromkeys(names))
    prefixes, suffixes = _shared(names, _prefixes), _shared(names, _suffixes)
    best, most = None, LEAST - 1
    for prefix, suffix in product(prefixes, suffixes):
        affix = Affix(prefix, suffix)
        bare = [b for n in names if (b := affix.without(n))]
        if not (prefix or suffix) or len(bare) < LEAST:
            continue
        found = known(bare)
        made = {channel for channels in found.values() for channel in channels}
        enough = len(found) >= ALIKE * len(bare) or len(made) >= MANY
        if len(made) > most and enough:
            best, most = affix, len(made)
    return best


def _shared(names: list[str], parts: Callable[[str], list[str]]) -> list[str]:
    """What enough names share, that which most do first; "" is among them."""
    count = Counter(part for name in names for part in parts(name))
    several = [p for p, n in count.most_common() if n >= LEAST and not is_meaningful(p)]
    return ["", *several[:_TRIED]]


def _prefixes(name: str) -> list[str]:
    """What stands before its second word, its third, ..."""
    starts = [start for start, _ in word_spans(name)]
    return [name[:start] for start in starts[1 : MOST_WORDS + 1]]


def _suffixes(name: str) -> list[str]:
    ends = [end for _, end in word_spans(name)]
    return [name[end:] for end in ends[-MOST_WORDS - 1 : -1]]
