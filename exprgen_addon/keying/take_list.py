"""The takes of a file: what each is of, shown, renamed, deleted, combined. Needs bpy.

A take is an action that bears its tag. What it is of (clip, analysis, date) is written on the
action, so that it goes with it, is undone with it and comes along into other files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import product

import bpy

from ...networks.errors import UsageError
from ...networks.reading import parse_json
from ...networks.records import FieldError, as_record, json_text
from ..characters.in_scene import Character, characters_in, collections_in
from ..engine.live import LIVE
from .generated import RANGES_TAG, generated_in, remember, same_reference
from .nla_layers import join, layered
from .parts import PARTS, copy_part, put_to_rest, slot_in_use
from .sound import hear, remove_sound, rename_sound
from .take_actions import TAKE_TAG, actions_of, check_owners, leave_tweak_mode, own_action

ABOUT_TAG = "exprgen_about"
LONGEST_NAME = 56
"""Letters of a take's name, so that an action's has room for it."""


@dataclass(frozen=True)
class About:
    """What a take is of.

    source: the reference's identity (see `generated.same_reference`); reference, track: paths of
    clip and analysis as the scene kept them; start_frame: scene frame of the clip's time zero;
    made: local date and time of the last apply; parts: of a combined take, part -> the take that it
    has it from; muted: parts that are switched off; number: of its making, from 1; 0 in an older
    file.
    """

    source: str = ""
    reference: str = ""
    track: str = ""
    start_frame: float = 1.0
    made: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    muted: tuple[str, ...] = ()
    number: int = 0


@dataclass(frozen=True)
class TakeInfo:
    """A take as it is listed. first, last: scene frames of its generated keys, None where it is not
    known."""

    name: str
    action: bpy.types.Action
    about: About
    first: float | None
    last: float | None

    @property
    def is_live(self) -> bool:
        """It was recorded live: there is no clip that could be applied to it."""
        return self.about.source.startswith(LIVE)

    @property
    def clip(self) -> str:
        """The name of the clip that it is of; "live" of one that was recorded live."""
        if self.is_live:
            return "live"
        name, _, size = self.about.source.rpartition(":")
        return name if size.isdecimal() and name else self.about.source


def takes_in_file() -> list[TakeInfo]:
    """All takes, each once, in the order of their making, which no later apply changes; combined
    ones last."""
    found: dict[str, TakeInfo] = {}
    for action in bpy.data.actions:
        name = action.get(TAKE_TAG)
        if isinstance(name, str) and name not in found and action.is_editable:
            found[name] = _info(name, action)
    return sorted(found.values(), key=_order)


def _order(take: TakeInfo) -> tuple:
    about = take.about
    return bool(about.parts), about.number, about.made, take.name


def find_take(name: str) -> TakeInfo | None:
    """A take by its name."""
    return next((t for t in takes_in_file() if t.name == name), None)


def need_take(name: str) -> TakeInfo:
    """The same.

    Raises:
        UsageError: there is none.
    """
    found = find_take(name)
    if found is None:
        names = ", ".join(t.name for t in takes_in_file()) or "none"
        raise UsageError(f"there is no take {name!r}", fix=f"takes: {names}")
    return found


def about_of(action: bpy.types.Action) -> About:
    """What is written on an action; where nothing that can be read, what its keys tell."""
    try:
        about = as_record(About, parse_json(action.get(ABOUT_TAG, "")))
    except (ValueError, FieldError, TypeError):
        about = About()
    about = replace(about, parts={p: t for p, t in about.parts.items() if p in PARTS})
    sources = [g.source for slot in action.slots for g in generated_in(action, slot)]
    about = about if about.source or not sources else replace(about, source=sources[-1])
    if about.source.startswith(LIVE) and not about.made:  # of before its date was noted
        about = replace(about, made=about.source.removeprefix(LIVE)[: len("2026-01-31 12:00")])
    return about


def note_about(action: bpy.types.Action, about: About) -> None:
    """Write on an action what it is of; without a date, now. Its number stays."""
    made = about.made or datetime.now().strftime("%Y-%m-%d %H:%M")
    last = max((t.about.number for t in takes_in_file()), default=0)
    number = about_of(action).number or last + 1
    action[ABOUT_TAG] = json_text(asdict(replace(about, made=made, number=number)))


def free_take(take: str) -> str:
    """A take's name that no action has yet: this one, or with another number."""
    number, name = 2, take
    take = re.sub(r" \d+$", "", take)
    while bpy.data.actions.get(f"ExprGen {name}") is not None or actions_of(name):
        name, number = f"{take} {number}", number + 1
    return name


def take_for(reference: str, current: str) -> str:
    """The take that keys of a reference go to: the current one if it is the reference's, in part,
    or made by hand; else the newest that is; else a new one, the current one if it is new."""
    here = find_take(current)
    if here is not None and not here.about.source:
        return current
    single = [t for t in takes_in_file() if t.about.source and not t.about.parts]
    own = [t.name for t in single if same_reference(t.about.source, reference)]
    if here is not None and set(own) & {current, *here.about.parts.values()}:
        return current
    if own:
        return own[-1]
    return current if here is None else free_take("Take")


def other_clip(take: str, source: str) -> tuple[str, ...]:
    """What a person should know where a take is of another clip."""
    found = find_take(take)
    if found is None or not found.about.source or same_reference(found.about.source, source):
        return ()
    return (f"{take} was of {found.clip}, whose keys in this range were replaced",)


def show_take(scene: bpy.types.Scene, characters: Sequence[Character], name: str) -> TakeInfo:
    """Let the characters play a take, and its sound be heard. Who has an action made by hand keeps
    it; who is not in the take stands still.

    Raises:
        UsageError: there is no such take. InputError: a datablock can't be changed.
    """
    take = need_take(name)
    owners = owners_of(characters)
    check_owners(owners)
    join(characters)
    for owner, character in owners.items():
        current = own_action(owner)
        if current is not None and current.get(TAKE_TAG) in (None, name):
            continue
        slot = slot_in_use(take.action, owner, character)
        if slot is None and current is None:
            continue
        leave_tweak_mode(owner)
        animation = owner.animation_data_create()
        animation.action = take.action if slot is not None else None
        if slot is not None:
            animation.action_slot = slot
    hear(scene, heard_of(take))
    return take


def heard_of(take: TakeInfo) -> str:
    """The take whose sound goes with one: of a combined one, its mouth's."""
    return take.about.parts.get("mouth", take.name)


def played_take(scene: bpy.types.Scene) -> str:
    """The take that the scene's characters play, of several that of most datablocks; "" where they
    play none, or one whose parts lie in NLA tracks. Quick: for a panel."""
    objects = (o for c in collections_in(scene) for o in c.all_objects)
    owners = (b for o in objects for b in (o, getattr(o.data, "shape_keys", None)) if b is not None)
    actions = (a for b in owners if (a := own_action(b)) is not None and TAKE_TAG in a)
    tags = Counter(str(a[TAKE_TAG]) for a in actions)
    return tags.most_common(1)[0][0] if tags else ""


def owners_of(characters: Iterable[Character]) -> dict[bpy.types.ID, Character]:
    """The datablocks that characters' controls lie on."""
    return {
        p.owner: c for c in characters for props in c.bindings.values() for p in props if p.owner
    }


def rename_take(take: str, name: str) -> None:
    """Call a take otherwise; combined ones go on with it.

    Raises:
        UsageError: the name is empty, too long, or another take's.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise UsageError("a take needs a name", fix=f"of at most {LONGEST_NAME} letters")
    need_take(take)
    if name == take:
        return
    if find_take(name) is not None:
        raise UsageError(f"there is a take {name!r} already", fix="choose another name")
    for action in actions_of(take):
        if action.name.startswith(f"ExprGen {take}"[:LONGEST_NAME]):
            action.name = f"ExprGen {name}"
        action[TAKE_TAG] = name
    for other in takes_in_file():
        if take in other.about.parts.values():
            parts = {p: name if t == take else t for p, t in other.about.parts.items()}
            note_about(other.action, replace(other.about, parts=parts))
    for scene in bpy.data.scenes:
        rename_sound(scene, take, name)


def delete_take(take: str) -> None:
    """Remove a take, its keys and its sound; takes that were combined of it keep what they have.
    Who played it is at rest then.

    Raises:
        UsageError: there is no such take. InputError: a datablock can't be changed.
    """
    need_take(take)
    for scene in bpy.data.scenes:
        everyone = characters_in(scene)
        if layered(take):  # in NLA tracks, which would go on without it
            show_take(scene, everyone, take)
        for action in actions_of(take):
            for character, part in product(everyone, PARTS):
                put_to_rest(character, action, part)
        remove_sound(scene, take)
    for action in actions_of(take):
        bpy.data.actions.remove(action)


def combine_takes(
    characters: Sequence[Character], name: str, parts: dict[str, str], again: str | None = None
) -> TakeInfo:
    """Make a take, or make it anew, whose parts are those of other takes.

    Keys that a person set in it stay. A part whose take is gone stays as it is.

    Args:
        parts: part (see `parts.PARTS`) -> take; parts that are not named are the mouth's take's.
        again: of a combined take that is there only the parts that come from another take now, and
            those that come from this one, are made anew; None: all.

    Raises:
        UsageError: a take or a part is not there, or `name` is a take that is no combined one.
    """
    if unknown := set(parts) - set(PARTS):
        raise UsageError(f"there is no part {unknown.pop()!r}", fix=f"parts: {', '.join(PARTS)}")
    known = find_take(name)
    if known is not None and not known.about.parts:
        raise UsageError(f"{name!r} is a take of its own", fix="give the combined one a new name")
    first = parts.get("mouth") or next(iter(parts.values()), "")
    chosen = {part: parts.get(part, first) for part in PARTS}
    there = {t for t in chosen.values() if find_take(t) is not None}
    if known is None or not there:
        for take in chosen.values():
            need_take(take)
    action = known.action if known else _new_action(name)
    before = known.about.parts if known and again is not None else {}
    for part, take in chosen.items():
        if take in there and (before.get(part) != take or take == again):
            copy_part(characters, part, need_take(take).action, action)
    _carry_ranges(characters, chosen, action)
    lead = find_take(chosen["mouth"])
    about = lead.about if lead is not None else known.about
    muted = known.about.muted if known else ()
    note_about(action, replace(about, parts=chosen, made="", muted=muted))
    return _info(name, action)


def follow_up(characters: Sequence[Character], take: str) -> list[str]:
    """Make the takes anew that were combined of one that has changed; their names."""
    made = [t for t in takes_in_file() if take in t.about.parts.values()]
    for other in made:
        combine_takes(characters, other.name, other.about.parts, again=take)
    return [t.name for t in made]


def _new_action(name: str) -> bpy.types.Action:
    action = bpy.data.actions.new(f"ExprGen {name}")
    action[TAKE_TAG] = name
    action.use_fake_user = True
    return action


def _carry_ranges(characters, parts: dict[str, str], action: bpy.types.Action) -> None:
    """Note which frames of a combined take are generated, as its parts' takes have it."""
    if RANGES_TAG in action:
        del action[RANGES_TAG]
    for take in dict.fromkeys(parts.values()):
        source = find_take(take)
        if source is None:
            continue
        for owner, character in owners_of(characters).items():
            old = slot_in_use(source.action, owner, character)
            new = slot_in_use(action, owner, character)
            if old is not None and new is not None:
                for made in generated_in(source.action, old):
                    remember(action, new, made, whole=False)


def _info(name: str, action: bpy.types.Action) -> TakeInfo:
    ranges = [g for slot in action.slots for g in generated_in(action, slot)]
    first = min((g.first for g in ranges), default=None)
    last = max((g.last for g in ranges), default=None)
    return TakeInfo(name, action, about_of(action), first, last)
