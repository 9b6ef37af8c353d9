"""What the names of one rig's controls mean together, and who makes a channel where several could.

Of a rig's names the scheme that knows most of them is asked first, then the next: "Smile" is an eye
among the names of one tool and a mouth among those of another. What nobody knows is asked again
without what many have before or behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from .control_names import side_of, spelt_channels
from .name_affixes import common_affix
from .naming_schemes import COMPOSED, EXACT, NEAR, Meaning, schemes

WORDS = "words"
"""Names that are told by their words alone, whatever tool they are of."""
SURE = 6
"""Names that a scheme must know of a rig to be asked before the words."""

Reader = Callable[[str], Meaning | None]


def read_names(names: Iterable[str]) -> dict[str, Meaning]:
    """Each name that is known -> what it means among these names."""
    names = list(dict.fromkeys(names))
    found = _as_they_are(names)
    through = _through_affix([n for n in names if n not in found], _made(found))
    return {n: m for n in names if (m := found.get(n) or through.get(n))}


def _as_they_are(names: list[str], bare: bool = True) -> dict[str, Meaning]:
    """bare: also without what exporters add."""
    tables = sorted((_read(names, ask) for ask in _whole()), key=len, reverse=True)
    sure = sum(len(read) >= SURE for read in tables)
    more = _bare() if bare else []
    more = sorted((_read(names, ask) for ask in more), key=len, reverse=True)
    found: dict[str, Meaning] = {}
    for read in (*tables[:sure], _read(names, _by_words), *tables[sure:], *more):
        found = read | found
    return found


def _through_affix(names: list[str], made: set[str]) -> dict[str, Meaning]:
    """Names that are known without what all have before or behind; made: channels that others make
    as their names are, of which these may be copies on hair or lashes."""

    def known(bare: list[str]) -> dict[str, set[str]]:
        exact = {n: m for n, m in _as_they_are(bare, False).items() if m.channels and m.rank < NEAR}
        return {n: of for n, m in exact.items() if not (of := set(m.channels)) & made}

    affix = common_affix(names, known)
    if affix is None:
        return {}
    own = {b: n for n in reversed(names) if (b := affix.without(n))}
    read = _as_they_are(list(own), False)
    return {own[b]: m for b, m in read.items() if not set(m.channels) & made}


def _made(meanings: dict[str, Meaning]) -> set[str]:
    return {channel for m in meanings.values() if m.rank < NEAR for channel in m.channels}


def _read(names: list[str], ask: Reader) -> dict[str, Meaning]:
    return {n: m for n in names if (m := ask(n)) is not None}


def _whole() -> list[Reader]:
    return [s.meaning for s in schemes()]


def _bare() -> list[Reader]:
    return [partial(s.meaning, bare=True) for s in schemes()]


def _by_words(name: str) -> Meaning | None:
    channels = spelt_channels(name)
    stems = {c.removesuffix("Left").removesuffix("Right") for c in channels}
    rank = EXACT if len(stems) == 1 else COMPOSED
    return Meaning(WORDS, channels, rank, side_of(name)) if channels else None


def shared(meanings: dict[str, Meaning]) -> dict[str, dict[str, float]]:
    """Name -> its channels, so that no channel is made twice.

    What makes it exactly goes before what makes it nearly; of exact ones those of the scheme that
    reaches most channels; of these a pair of sides before a key for both; what is left shares.
    """
    exact = {(m.scheme, c) for m in meanings.values() if m.rank == EXACT for c in m.channels}
    reach = Counter(scheme for scheme, _ in exact)
    out: dict[str, dict[str, float]] = {name: {} for name in meanings}
    for channel in {c: None for m in meanings.values() for c in m.channels}:
        chosen = _preferred(channel, meanings, reach)
        patches = Counter((m.side, m.half) for m in chosen.values())
        for name, m in chosen.items():
            out[name][channel] = m.channels[channel] / patches[m.side, m.half]
    return out


def _preferred(channel: str, meanings: dict[str, Meaning], reach: Counter) -> dict[str, Meaning]:
    """Those who make a channel, with what they mean."""
    claims = {n: m for n, m in meanings.items() if channel in m.channels}
    best = min(m.rank for m in claims.values())
    claims = {n: m for n, m in claims.items() if m.rank == best}
    scheme = max((m.scheme for m in claims.values()), key=lambda s: reach[s])
    claims = {n: m for n, m in claims.items() if m.scheme == scheme}
    sides = {m.side for m in claims.values()}
    own = next((s for s in ("Left", "Right") if channel.endswith(s)), "")
    if own in sides - {""} or {"Left", "Right"} <= sides:
        claims = {n: m for n, m in claims.items() if m.side}
    return _strongest(channel, claims) if best == NEAR else claims


def _strongest(channel: str, claims: dict[str, Meaning]) -> dict[str, Meaning]:
    """Of each patch of skin the one that makes the channel most; near ones don't add up."""
    first: dict[tuple[str, str], str] = {}
    for name in sorted(claims, key=lambda n: -abs(claims[n].channels[channel])):
        first.setdefault((claims[name].side, claims[name].half), name)
    return {n: claims[n] for n in claims if n in first.values()}
