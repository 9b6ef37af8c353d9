"""Characters in the scene: appended from their .blend, placed side by side, found again.

A copy of a character is a collection that says whose it is. Blender renames what is appended twice
("Mira.001"), so every datablock that a profile names is tagged with the name the profile uses. A
part that a person duplicates or separates takes the tag along: the original is the one that is
driven (`_rank`).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Vector

from ...networks.characters.profile import (
    SAMPLE_RIGS,
    Control,
    RigProfile,
    find_character,
    load_profile,
)
from ...networks.errors import ExprGenError, InputError
from .. import rigs

CHARACTER_TAG = "exprgen_character"
PROFILE_TAG = "exprgen_profile"
NAME_TAG = "exprgen_name"
OWN_TAG = "exprgen_own_name"
"""What a tagged datablock was called when it was appended: a copy of it has another name."""
_BONE = re.compile(r'^pose\.bones\["((?:[^"\\]|\\.)*)"\]')
_NUMBER = re.compile(r"\.(\d+)$")
NEAR = 3.0
"""How far from a face its handles are looked for, in sides of its picture (Framing.size)."""
SPACING = 1.3
"""Distance of neighbours, in sides of the larger one's face picture (Framing.size)."""

# Where a library keeps each kind of datablock that a target may name; "KEY" names objects.
_LISTS = {
    "OBJECT": "objects",
    "KEY": "objects",
    "ARMATURE": "armatures",
    "MESH": "meshes",
    "MATERIAL": "materials",
    "LIGHT": "lights",
    "CAMERA": "cameras",
    "NODETREE": "node_groups",
    "LATTICE": "lattices",
    "CURVE": "curves",
}


@dataclass(frozen=True)
class Character:
    """One copy of a character in the open file. Made anew after undo or a file load.

    root: the empty that all its parts hang on, or None for a collection made by hand;
    bindings: control name -> the properties it moves;
    notes: what a person should know of it, such as a copy of a part that is not driven.
    """

    profile: RigProfile
    collection: bpy.types.Collection
    root: bpy.types.Object | None
    bindings: dict[str, tuple[rigs.Property, ...]]
    notes: tuple[str, ...] = ()

    @property
    def face_center(self) -> Vector:
        """The face's centre at rest in world space, metres: the framing's, moved with the root."""
        center = Vector(self.profile.framing.center)
        return self.root.matrix_world @ center if self.root else center

    @property
    def forward(self) -> Vector:
        """Where the face looks at rest in world space, a unit vector."""
        return forward_of(self.profile, self.root)


def forward_of(profile: RigProfile, root: bpy.types.Object | None) -> Vector:
    """Where a character's face looks at rest in world space: as in its file, turned with the root
    that it hangs on."""
    forward = Vector(profile.framing.forward)
    return (root.matrix_world.to_3x3() @ forward if root else forward).normalized()


def root_of(collection: bpy.types.Collection) -> bpy.types.Object | None:
    """The empty that all parts of a character hang on; None for a collection made by hand."""
    return next((o for o in collection.objects if o.type == "EMPTY" and o.parent is None), None)


def append_characters(
    profiles: list[RigProfile], scene: bpy.types.Scene, *, side_by_side: bool = True
) -> list[Character]:
    """Append each profile's collection into `scene`, in order from the viewer's left to right, all
    looking the first one's way.

    Every copy hangs on an empty of its own that carries the offset. Parts without a parent become
    its children with an identity inverse, so what their controls are keyed to keeps its meaning.

    Raises:
        InputError: a .blend is missing, damaged or lacks what the profile names. Nothing of any of
            the characters is left in the file then.
    """
    offsets = _offsets(profiles) if side_by_side else [Vector()] * len(profiles)
    characters: list[Character] = []
    try:
        for profile, offset in zip(profiles, offsets, strict=True):
            characters.append(_append(profile, scene, offset))
    except InputError:
        for character in characters:
            _remove(character.collection)
        raise
    bpy.context.view_layer.update()
    for character in characters[1:]:
        _turn_like(character, characters[0].forward)
    for character in characters:
        _deselect(character.collection)
    return characters


def _deselect(collection: bpy.types.Collection) -> None:
    """Who was saved selected did not come to be chosen by that."""
    layer = bpy.context.view_layer
    for found in collection.all_objects:
        if found.name in layer.objects:
            found.select_set(False, view_layer=layer)


def characters_in(scene: bpy.types.Scene) -> list[Character]:
    """The characters of a scene that can be driven, in the order of its collections; one whose
    profile is gone, or no longer fits its rig, stands in the way of no other (`broken_in`)."""
    return [c for c in map(_tried, collections_in(scene)) if isinstance(c, Character)]


def broken_in(scene: bpy.types.Scene) -> dict[bpy.types.Collection, ExprGenError]:
    """The characters of a scene that can't be driven, and why."""
    tried = {c: _tried(c) for c in collections_in(scene)}
    return {c: found for c, found in tried.items() if isinstance(found, ExprGenError)}


def _tried(collection: bpy.types.Collection) -> Character | ExprGenError:
    try:
        return character_of(collection)
    except ExprGenError as error:
        return error


def place_beside(character: Character) -> None:
    """Put a character that was added later to the viewer's right of those that are there, looking
    the first one's way."""
    scene = bpy.context.scene
    others = [
        c
        for c in characters_in(scene)
        if c.collection != character.collection and c.root is not None
    ]
    if not others or character.root is None:
        return
    bpy.context.view_layer.update()
    _turn_like(character, others[0].forward)
    right = right_of(others[0].forward)
    last = max(others, key=lambda c: right.dot(c.face_center))
    size = max(last.profile.framing.size, character.profile.framing.size)
    goal = last.face_center + right * max(SPACING * size, _reach(last, right) + 0.6 * size)
    character.root.location += goal - character.face_center
    bpy.context.view_layer.update()


def _turn_like(character: Character, forward: Vector) -> None:
    """Turn a character by its root, in quarters, to look as nearly `forward` as they let it: in
    some files heads look along +Y, such as those of VRM 0."""
    if character.root is None:
        return
    own = character.forward
    angle = math.atan2(own.x * forward.y - own.y * forward.x, own.x * forward.x + own.y * forward.y)
    if quarters := round(angle / (math.pi / 2)):
        character.root.rotation_euler.z += quarters * math.pi / 2
        bpy.context.view_layer.update()


def right_of(forward: Vector) -> Vector:
    """The viewer's right of somebody who looks `forward`."""
    right = Vector((0.0, 0.0, 1.0)).cross(forward)
    return right.normalized() if right.length > math.sin(math.radians(5)) else Vector((1, 0, 0))


def _reach(character: Character, right: Vector) -> float:
    """How far a character's handles stand to the viewer's right of its face: a board beside it."""
    heads = [
        o.matrix_world @ bone.bone.head_local
        for o in character.collection.all_objects
        if o.type == "ARMATURE"
        for bone in o.pose.bones
        if bone.custom_shape is not None and not bone.bone.hide
    ]
    return max((right.dot(h - character.face_center) for h in heads), default=0.0)


def collections_in(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    """The characters' collections of a scene; looks at no file, so every redraw may ask."""
    return [c for c in scene.collection.children_recursive if CHARACTER_TAG in c]


def active_collection(scene: bpy.types.Scene) -> bpy.types.Collection | None:
    """The character that is chosen in the panel's list, else the first of the scene."""
    chosen, present = scene.exprgen.chosen, collections_in(scene)
    return chosen if chosen in present else next(iter(present), None)


def character_of(collection: bpy.types.Collection) -> Character:
    """One character by its collection.

    Raises:
        ExprGenError: its profile is gone or no longer fits its rig.
    """
    return _character(profile_in(collection), collection)


def handles_of(character: Character) -> list[Vector]:
    """Where the bones rest, in world space, that are moved for the face and lie near it: a board
    beside it too."""
    face, near = character.face_center, NEAR * character.profile.framing.size
    moved = _moved_bones(character, [c for c in character.profile.controls if c.output != "head"])
    places = [rig.matrix_world @ rig.data.bones[name].head_local for rig, name in moved]
    return [p for p in places if (p - face).length < near]


def _moved_bones(
    character: Character, controls: Iterable[Control]
) -> list[tuple[bpy.types.Object, str]]:
    """(rig, name) of the bones that these controls move, each once."""
    found = {}
    for prop in (p for c in controls for p in character.bindings[c.name]):
        bone = _BONE.search(prop.data_path)
        if bone is None or getattr(prop.owner, "type", "") != "ARMATURE":
            continue
        name = bpy.utils.unescape_identifier(bone[1])
        if name in prop.owner.data.bones:
            found[prop.owner, name] = None
    return [*found]


def rig_of(character: Character) -> bpy.types.Object | None:
    """The object whose properties the most of its controls move: where its keys are seen."""
    counts: dict[bpy.types.Object, int] = {}
    by_data = {o.data: o for o in character.collection.all_objects if o.data is not None}
    keys = {d.shape_keys: o for d, o in by_data.items() if getattr(d, "shape_keys", None)}
    for prop in (p for found in character.bindings.values() for p in found[:1]):
        owner = prop.owner
        part = owner if owner.id_type == "OBJECT" else by_data.get(owner) or keys.get(owner)
        if part is not None:
            counts[part] = counts.get(part, 0) + 1
    return max(counts, key=counts.get, default=None)


def select_rig(character: Character) -> bool:
    """Select a character's rig alone and make it active, where a person can; whether it was."""
    layer, rig = bpy.context.view_layer, rig_of(character)
    if bpy.context.mode != "OBJECT" or rig is None or rig.name not in layer.objects:
        return False
    if not rig.visible_get(view_layer=layer) or rig.hide_select:
        return False
    for other in layer.objects:
        if other.select_get(view_layer=layer):
            other.select_set(False, view_layer=layer)
    rig.select_set(True, view_layer=layer)
    layer.objects.active = rig
    if rig.pose is not None:
        _select_bones(rig, character)
    return True


def select_bones_where_none(character: Character) -> bool:
    """Select the bones that a character's controls move where its rig is selected and no bone of it
    is: nobody loses a selection, and keys that nobody can see look like none; whether it did."""
    rig, layer = rig_of(character), bpy.context.view_layer
    if rig is None or rig.pose is None or rig.name not in layer.objects:
        return False
    if not rig.select_get(view_layer=layer) or any(_holder(b).select for b in rig.pose.bones):
        return False
    _select_bones(rig, character)
    return True


def _select_bones(rig: bpy.types.Object, character: Character) -> None:
    """Select the bones that its controls move, and no other: the timeline shows the keys of
    selected bones only."""
    moved = {
        name for owner, name in _moved_bones(character, character.profile.controls) if owner == rig
    }
    for bone in rig.pose.bones:
        _holder(bone).select = bone.name in moved


def _holder(bone: bpy.types.PoseBone) -> bpy.types.PoseBone | bpy.types.Bone:
    """Whose `select` tells whether it is selected: the bone's before 5.0, its pose's since."""
    return bone if "select" in bone.bl_rna.properties else bone.bone


def bind(profile: RigProfile, collection: bpy.types.Collection) -> dict[str, tuple]:
    """Control name -> the properties it moves, in profile order.

    Raises:
        InputError: something a control moves is missing; names the control and the file.
    """
    table = _names(collection)

    def find(id_type: str, id_name: str):
        return table.get((id_type, id_name))

    bindings: dict[str, tuple] = {}
    taken: dict[tuple, str] = {}
    for control in profile.controls:
        bindings[control.name] = tuple(_bind(profile, control, find))
        for p in bindings[control.name]:
            key = (p.owner.as_pointer(), p.data_path, p.index)
            if key in taken:
                raise InputError(
                    f"controls {taken[key]!r} and {control.name!r} both move {p.data_path}",
                    file=profile.path,
                    fix="give every property to one control",
                )
            taken[key] = control.name
    return bindings


def frame_camera(scene: bpy.types.Scene, characters: list[Character]) -> bpy.types.Object:
    """A camera that shows the faces of all characters, made the scene's own; returned."""
    data = bpy.data.cameras.new("ExprGen camera")
    data.lens = 85.0  # a portrait lens: near enough to flat that side faces are not seen askew
    camera = bpy.data.objects.new(data.name, data)
    scene.collection.objects.link(camera)
    centers = [c.face_center for c in characters]
    middle = sum(centers, Vector()) / len(centers)
    size = max(c.profile.framing.size for c in characters)
    width = max((a - middle).length for a in centers) * 2 + size
    aspect = scene.render.resolution_x / scene.render.resolution_y
    distance = max(width, size * 1.1 * aspect) * data.lens / data.sensor_width
    forward = characters[0].forward
    camera.location = middle + forward * distance
    camera.rotation_euler = (-forward).to_track_quat("-Z", "Y").to_euler()
    scene.camera = camera
    return camera


def _bind(profile: RigProfile, control: Control, find):
    for target in control.targets:
        try:
            yield rigs.resolve(target, find)
        except rigs.MissingProperty as error:
            raise InputError(
                f"control {control.name!r}: {error}",
                file=profile.blend if profile.path else None,
                fix="build the character again or mend the control in its profile",
            ) from error


def _append(profile: RigProfile, scene: bpy.types.Scene, offset: Vector) -> Character:
    collection = _load(profile)
    scene.collection.children.link(collection)
    try:
        collection[CHARACTER_TAG] = profile.name
        # A sample character is found by its name wherever ExprGen lies; others only by their path.
        sample = profile.path is None or profile.path.parent == SAMPLE_RIGS
        collection[PROFILE_TAG] = "" if sample else str(profile.path.resolve())
        root = _hang(collection, profile, offset)
        return Character(profile, collection, root, bind(profile, collection))
    except InputError:
        _remove(collection)
        raise


def _load(profile: RigProfile) -> bpy.types.Collection:
    """Append the collection and tag what the profile names; the caller links it."""
    blend = profile.blend
    if not blend.is_file():
        raise InputError("the character's .blend is missing", file=blend, fix="build it again")
    if bpy.data.filepath and Path(bpy.data.filepath).resolve() == blend.resolve():
        raise InputError(
            "is the file that is open: a character can't be appended to itself",
            file=blend,
            fix="work in another file",
        )
    named = {(_LISTS[t.id_type], t.id_name) for t in _targets(profile) if t.id_type in _LISTS}
    asked: dict[str, list[str]] = {}
    try:
        with bpy.data.libraries.load(str(blend), link=False) as (there, here):
            if profile.parts:
                named |= {("objects", name) for name in profile.parts}
            elif profile.collection not in there.collections:
                raise InputError(
                    f"has no collection {profile.collection!r}", file=blend, fix="build it again"
                )
            else:
                here.collections = [profile.collection]
            for kind, name in sorted(named):
                if name in getattr(there, kind):
                    asked.setdefault(kind, []).append(name)
            for kind, names in asked.items():
                setattr(here, kind, list(names))
    except OSError as error:
        raise InputError(
            f"can't be read as a .blend ({error})", file=blend, fix="build the character again"
        ) from error
    for kind, names in asked.items():
        # Blender gives the datablocks back in the order in which their names were asked for.
        for name, datablock in zip(names, getattr(here, kind), strict=True):
            datablock[NAME_TAG], datablock[OWN_TAG] = name, datablock.name
    if profile.parts:
        return _gathered(profile, blend, here.objects)
    return here.collections[0]


def _gathered(profile: RigProfile, blend, objects: list) -> bpy.types.Collection:
    """A collection of its own for a character whose file has none."""
    missing = sorted(set(profile.parts) - {o[NAME_TAG] for o in objects})
    if missing:
        raise InputError(
            f"has no object {missing[0]!r}", file=blend, fix="profile the character again"
        )
    collection = bpy.data.collections.new(profile.name)
    for part in objects:
        collection.objects.link(part)
    return collection


def _targets(profile: RigProfile):
    return (target for control in profile.controls for target in control.targets)


def _hang(collection, profile: RigProfile, offset: Vector) -> bpy.types.Object:
    root = bpy.data.objects.new(f"{profile.title} place", None)
    root.empty_display_size = 0.05
    root.location = offset
    parts = list(collection.all_objects)
    collection.objects.link(root)
    for part in parts:
        if part.parent is None:
            part.parent = root
    return root


def _offsets(profiles: list[RigProfile]) -> list[Vector]:
    """Where each character stands: a row across the first one's line of sight, centred on it."""
    if not profiles:
        return []
    right = right_of(Vector(profiles[0].framing.forward))
    sizes = [p.framing.size for p in profiles]
    places = [0.0]
    for a, b in itertools.pairwise(sizes):
        places.append(places[-1] + SPACING * max(a, b))
    # The first stays where it is built; the rest are levelled to it so that the eyes line up.
    height = profiles[0].framing.center[2]
    return [
        right * x + Vector((0, 0, height - p.framing.center[2]))
        for x, p in zip(places, profiles, strict=True)
    ]


def _names(collection: bpy.types.Collection) -> dict[tuple[str, str], bpy.types.ID]:
    """(id_type, name the profile uses) -> datablock, over all that the collection holds."""
    table: dict[tuple[str, str], bpy.types.ID] = {}
    for datablock in _datablocks(collection):
        table.setdefault((datablock.id_type, datablock.name), datablock)
    # Tags win over names, and of those that bear one the original.
    table |= {key: min(found, key=_rank) for key, found in _tagged(collection).items()}
    return table


def _tagged(collection: bpy.types.Collection) -> dict[tuple[str, str], list[bpy.types.ID]]:
    """(id_type, tag) -> the datablocks that bear it: the original and copies of it."""
    found: dict[tuple[str, str], list[bpy.types.ID]] = {}
    for datablock in dict.fromkeys(_datablocks(collection)):
        if name := tag_of(datablock, NAME_TAG):
            found.setdefault((datablock.id_type, name), []).append(datablock)
    return found


def _rank(datablock: bpy.types.ID) -> tuple:
    """Smallest for the original: it is called as it was when it was appended; in files of before
    that was kept, as the profile says; else the first that Blender numbered."""
    number = _NUMBER.search(datablock.name)
    return (
        datablock.name != (tag_of(datablock, OWN_TAG) or datablock[NAME_TAG]),
        datablock.name != datablock[NAME_TAG],
        int(number[1]) if number else 0,
        datablock.name,
    )


def _copies(collection: bpy.types.Collection) -> Iterator[str]:
    """Of each part that is there more than once, which one is driven."""
    for found in _tagged(collection).values():
        first, *others = sorted(found, key=_rank)
        if others:
            names = ", ".join(repr(o.name) for o in others)
            yield f"{first.name!r} is driven, its copy {names} is not"


def _datablocks(collection: bpy.types.Collection):
    for part in collection.all_objects:
        yield part
        if part.data is not None:
            yield part.data
        for slot in part.material_slots:
            if slot.material is not None:
                yield slot.material
                if slot.material.node_tree is not None:
                    yield slot.material.node_tree


def profile_in(collection: bpy.types.Collection) -> RigProfile:
    """The profile of a character of the scene.

    Raises:
        ExprGenError: it is gone or damaged.
    """
    path, name = (tag_of(collection, tag) for tag in (PROFILE_TAG, CHARACTER_TAG))
    return load_profile(path) if path else find_character(name)


def tag_of(datablock: bpy.types.ID, tag: str) -> str:
    """What a tag says; "" where there is none, or somebody's own of another kind."""
    said = datablock.get(tag, "")
    return said if isinstance(said, str) else ""


def _character(profile: RigProfile, collection: bpy.types.Collection) -> Character:
    bindings = bind(profile, collection)
    return Character(profile, collection, root_of(collection), bindings, tuple(_copies(collection)))


def _remove(collection: bpy.types.Collection) -> None:
    bpy.data.batch_remove([*collection.all_objects, *collection.children_recursive, collection])
