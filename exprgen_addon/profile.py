"""A RigProfile proposed for a rig that nobody described: what moves the face, how far, and where.

Names are only hints. Whether something is a control of the face is found by moving it: every
candidate of every rig family (`rigs.find_controls`) is set to its limits, the scene is evaluated,
and the vertices of the face that move are measured (`probe.Probe`). What stays open is said in
words, for a person to decide.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ..networks.errors import InputError, UsageError
from ..networks.profile import Control, Framing, RigProfile
from ..networks.spelling import channels_of, partner_of, region_of, side_of, words_of
from . import rigs
from .poses import GAZE_FULL
from .probe import Probe, driver_targets, follows, rigid_motion
from .rigs import Found

Progress = Callable[[int, int], None]

IMPORTERS = {".glb": "gltf", ".gltf": "gltf", ".fbx": "fbx"}
STILL = 0.002
"""Motion of a vertex, in face heights, from which it counts."""
STEP = 0.03
"""How far what has no limits is tried: locations, in face heights."""
TURN = 0.25
"""And rotations, radians."""
REACH = 0.06
"""Guessed limits of a location: the skin moves this far, in face heights."""
SWING = 0.16
"""Guessed limits of a rotation: the skin moves this far, in face heights, at most 0.5 rad."""
ARM = 0.25
"""From this lever, in face heights, an unlimited bone is taken for one that turns (a jaw)."""
RIGID = 0.04
"""Share of a motion that a rigid fit may leave over."""
FAR = 1.5
"""A head turns about a point no farther from its middle than this, in face heights."""
SKULL = 0.6
"""Share of the face's points that must move as one for a motion of the head."""
_GROUP = 8
_HEAD_UNITS = 7.5
"""Heights of the head in a grown body's height."""


@dataclass(frozen=True)
class Face:
    """The face as measured at rest, world space.

    mask (V,) marks the probe's points that belong to it; points (F, 3) are those; height in metres;
    forward, up, left: unit axes, left is the subject's own; middle (3,): of its bounding box;
    found_by: how it was told from the rest of the body, in words.
    """

    mask: np.ndarray
    points: np.ndarray
    height: float
    found_by: str
    forward: np.ndarray | None = None
    middle: np.ndarray | None = None
    chin: float = 0.0
    top: float = 0.0
    eye_line: float | None = None

    @property
    def up(self) -> np.ndarray:
        return np.array([0.0, 0.0, 1.0])

    @property
    def left(self) -> np.ndarray:
        return np.cross(self.up, self.forward)


@dataclass(frozen=True)
class Mover:
    """A candidate that moves the face: displacements (F, 3) of the face at its highest and lowest
    value, those values, and the share of all other vertices that it moves too."""

    found: Found
    high: np.ndarray
    low: np.ndarray
    at_high: float
    at_low: float
    elsewhere: float

    @property
    def shown(self) -> tuple[np.ndarray, float]:
        """The larger of both displacements and the change of the value that made it."""
        if np.abs(self.high).max() >= np.abs(self.low).max():
            return self.high, self.at_high - self.found.rest
        return self.low, self.at_low - self.found.rest

    @property
    def field(self) -> np.ndarray:
        """That displacement, signed as if for a rise of the value."""
        displacement, value = self.shown
        return displacement if value > 0 else -displacement

    @property
    def size(self) -> np.ndarray:
        return np.linalg.norm(self.field, axis=1)


@dataclass(frozen=True)
class ProfileProposal:
    """A proposed profile, what was left out and why, and what a person has to decide."""

    profile: RigProfile
    left_out: tuple[str, ...]
    undecided: tuple[str, ...]
    families: dict[str, int]
    tried: int


# --- files and objects ---------------------------------------------------------------------------


def open_scene(path: str | Path) -> None:
    """Open a .blend, or import a .glb, .gltf or .fbx into an empty file. Saves nothing.

    Raises:
        InputError: it does not exist or can't be read. UsageError: another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("does not exist", file=path, fix="check the path")
    kind = path.suffix.lower()
    if kind == ".blend":
        try:
            bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=False)
        except RuntimeError as error:
            raise InputError(
                f"can't be read as a .blend ({_last_line(error)})", file=path, fix="save it again"
            ) from error
        return
    if kind not in IMPORTERS:
        raise UsageError(
            f"{path.name!r} is no scene that ExprGen can open",
            fix=f"give a .blend, {', '.join(IMPORTERS)}",
        )
    close_scene()
    try:
        getattr(bpy.ops.import_scene, IMPORTERS[kind])(filepath=str(path.resolve()))
    except (RuntimeError, AttributeError) as error:
        raise InputError(
            f"can't be imported ({_last_line(error)})",
            file=path,
            fix="open it in Blender and save it as a .blend",
        ) from error


def close_scene() -> None:
    """Leave the open file unsaved: Blender appends nothing from the file that is open."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


def find_mesh(name: str | None, *, library: str | None = None, file=None) -> bpy.types.Object:
    """The mesh object of a name; without a name the only mesh that could be a face.

    A library override wins over the linked object that it overrides.

    Args:
        library: of two objects of one name, "local" or the end of the library's path.

    Raises:
        UsageError: no such object, several of the name, or no name where there are several meshes.
        InputError: it is no mesh, or has no faces.
    """
    if name is None:
        name = _only_mesh(file)
    same = [o for o in bpy.data.objects if o.name == name]
    if not same:
        near = difflib.get_close_matches(name, [o.name for o in bpy.data.objects], 3, 0.4)
        known = near or [o.name for o in bpy.data.objects if o.type == "MESH"][:6]
        raise UsageError(
            f"there is no object {name!r}",
            file=file,
            fix=f"did you mean {' or '.join(map(repr, near))}?" if near else f"use one of {known}",
        )
    found = _one_of(same, library, file)
    if found.type != "MESH":
        raise InputError(
            f"object {name!r} is no mesh but {found.type.lower()}",
            file=file,
            fix="name the mesh of the face",
        )
    if not found.data.polygons:
        raise InputError(
            f"mesh {name!r} has no faces", file=file, fix="name the mesh of the character's face"
        )
    return found


def _one_of(same: list, library: str | None, file) -> bpy.types.Object:
    if library is not None:
        chosen = [o for o in same if _whose(o) == library or _whose(o).endswith(library)]
        if not chosen:
            raise UsageError(
                f"no object {same[0].name!r} comes from {library!r}",
                file=file,
                fix=f"use one of {', '.join(_whose(o) for o in same)}",
            )
        return chosen[0]
    overridden = {o.override_library.reference for o in same if o.override_library}
    left = [o for o in same if o not in overridden]
    if len(left) > 1:
        raise UsageError(
            f"there are {len(left)} objects {same[0].name!r}: "
            + ", ".join(_whose(o) for o in left),
            file=file,
            fix="say which with --library local or --library and the library's file name",
        )
    return left[0]


def _whose(found: bpy.types.Object) -> str:
    return "local" if found.library is None else Path(found.library.filepath).name


def _only_mesh(file) -> str:
    meshes = [o for o in bpy.data.objects if o.type == "MESH" and o.data.polygons]
    keyed = [o for o in meshes if o.data.shape_keys]
    pool = keyed if len(keyed) == 1 else meshes
    if len(pool) != 1:
        names = ", ".join(o.name for o in meshes[:8]) or "none"
        raise UsageError(
            f"the file has {len(meshes)} meshes: {names}",
            file=file,
            fix="name the mesh of the face with --object NAME",
        )
    return pool[0].name


def character_objects(mesh: bpy.types.Object) -> list[bpy.types.Object]:
    """Everything that may take part in a face's motion, the mesh first.

    What it hangs on, hangs on it, deforms it, constrains it or drives it, and so on from there;
    and meshes that repeat its shape keys.
    """
    everyone = [o for o in bpy.data.objects if o.library is None or o.library == mesh.library]
    taken: dict[bpy.types.Object, None] = {mesh: None}
    queue = [mesh]
    while queue:
        part = queue.pop()
        for other in _related(part, everyone):
            if other not in taken and other in everyone:
                taken[other] = None
                queue.append(other)
    return list(taken)


def _related(part, everyone) -> Iterator:
    if part.parent is not None:
        yield part.parent
    yield from part.children
    for modifier in part.modifiers:
        yield from _objects_of(modifier)
    bones = part.pose.bones if part.pose else ()
    for holder in (part, *bones):
        for constraint in holder.constraints:
            yield from _objects_of(constraint)
    keys = getattr(part.data, "shape_keys", None) if part.data else None
    for target in driver_targets(part):
        if isinstance(target.id, bpy.types.Object):
            yield target.id
        elif isinstance(target.id, bpy.types.Key):
            yield from (o for o in everyone if o.data == target.id.user)
        elif isinstance(target.id, bpy.types.Armature | bpy.types.Mesh):
            yield from (o for o in everyone if o.data == target.id)
    if part.type == "ARMATURE":
        for other in everyone:
            if any(getattr(m, "object", None) == part for m in other.modifiers):
                yield other
    if keys is not None:
        names = {k.name for k in keys.key_blocks[1:]}
        for other in everyone:
            theirs = getattr(other.data, "shape_keys", None) if other.data else None
            if theirs is not None and theirs != keys:
                shared = names & {k.name for k in theirs.key_blocks[1:]}
                if shared and other.users_collection and _near(part, other):
                    yield other


def _objects_of(holder) -> Iterator:
    for name in ("object", "target", "mirror_object"):
        other = getattr(holder, name, None)
        if isinstance(other, bpy.types.Object):
            yield other
    for target in getattr(holder, "targets", ()):
        if isinstance(getattr(target, "target", None), bpy.types.Object):
            yield target.target


def _near(a, b) -> bool:
    """Whether two meshes' bounding boxes touch: another character's stand apart."""
    boxes = [np.array([o.matrix_world @ _vector(c) for c in o.bound_box]) for o in (a, b)]
    low, high = (np.stack([f(box, 0) for box in boxes]) for f in (np.min, np.max))
    gap = 0.05 * (high[0] - low[0]).max()
    return bool((low.max(0) <= high.min(0) + gap).all())


def _vector(corner):
    from mathutils import Vector

    return Vector(corner)


# --- the proposal --------------------------------------------------------------------------------


def propose_profile(
    mesh: bpy.types.Object,
    name: str,
    *,
    file: str | Path | None = None,
    progress: Progress | None = None,
) -> ProfileProposal:
    """Find the controls of a face in the open file and describe them as a profile.

    Nothing in the file is changed at the end: every value is what it was, to the last bit.

    Args:
        mesh: the face's mesh, or the body's that it is part of.
        name: of the character. file: for messages; where the file came from.
        progress: called with (candidates tried, all).

    Raises:
        InputError: nothing moves the face (it names what is locked or driven), a limit is not a
            number, or the mesh can't be evaluated.
    """
    objects = character_objects(mesh)
    found = rigs.find_controls(objects)
    _refuse_nan(found, file)
    free = [f for f in found if not f.blocked]
    notes = _Notes()
    with Probe(objects) as probe:
        rest = probe.points()
        if not np.isfinite(rest).all() or not any(p.name == mesh.name for p in probe.parts):
            raise InputError(
                f"mesh {mesh.name!r} can't be evaluated",
                file=file,
                fix="mend its modifiers and constraints; look for scales of zero",
            )
        face = _face_of(probe, mesh, rest, free)
        movers = _movers(probe, free, face, rest, progress or (lambda done, total: None))
        if not movers:
            raise _nothing_moves(found, mesh, file)
        movers += _behind_the_lips(probe, free, face, movers)
        face = _orient(probe, face, movers, notes)
        controls = _Controls(probe, face, notes).make(movers)
    if not controls:
        raise _nothing_moves(found, mesh, file)
    notes.about_controls(controls, face)
    collection, parts = _home(objects)
    family = Counter(f.family for f in found if any(c.name == f.name for c in controls))
    profile = RigProfile(
        name=name,
        title=mesh.name.replace("_", " ").title(),
        family=family.most_common(1)[0][0] if family else "properties",
        collection=collection,
        controls=tuple(controls),
        framing=_framing(face),
        parts=parts,
    )
    return ProfileProposal(
        profile=profile,
        left_out=tuple(_blocked_lines(found)),
        undecided=tuple(notes.lines),
        families=dict(family),
        tried=len(free),
    )


def _refuse_nan(found: list[Found], file) -> None:
    broken = [f for f in found if any(map(math.isnan, (f.rest, f.minimum, f.maximum)))]
    if broken:
        raise InputError(
            f"{len(broken)} limits or values are not numbers: " + _list(f.name for f in broken),
            file=file,
            fix="mend these limits in Blender (constraints, property settings, slider ranges)",
        )


def _nothing_moves(found: list[Found], mesh, file) -> InputError:
    blocked = [f for f in found if f.blocked]
    if not found:
        return InputError(
            f"nothing that can be keyed belongs to {mesh.name!r}: no bones, shape keys or "
            "custom properties",
            file=file,
            fix="name the mesh that the face rig deforms",
        )
    what = f"none of {len(found) - len(blocked)} free controls moves the face of {mesh.name!r}"
    if blocked:
        what += "; can't be keyed: " + "; ".join(_blocked_lines(found)[:8])
    return InputError(
        what,
        file=file,
        fix="unlock channels, show hidden bone collections, or key what drives the driven ones",
    )


def _blocked_lines(found: list[Found]) -> list[str]:
    """ "x is driven by y", one line a reason; locked scales and the like in one line."""
    by_reason: dict[str, list[str]] = {}
    for f in found:
        if f.blocked:
            by_reason.setdefault(f.blocked, []).append(f.name)
    return [f"{_list(names)} {reason}" for reason, names in by_reason.items()]


def _list(names, most: int = 6) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


class _Notes:
    """What could not be decided, in words."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def named(self, what: str, names) -> None:
        """A line about controls, if there are any."""
        names = list(names)
        if names:
            self.say(f"{what} ({len(names)}): {_list(names)}")

    def about_controls(self, controls: list[Control], face: Face) -> None:
        """What a look at the finished list tells."""
        self.lines.insert(0, f"the face was found by {face.found_by}")
        plain = [c for c in controls if c.output == "expression"]
        self.named("names tell no ARKit channel", [c.name for c in plain if not c.channels])
        self.named(
            "names tell a side but there is no mirror partner",
            [c.name for c in plain if side_of(c.name) and not c.mirror],
        )
        roles = {c.role for c in controls}
        for role, what in (
            ("head_yaw", "no control turns the head"),
            ("gaze_left_yaw", "no control turns the eyes"),
            ("blink_left", "no control is known to close the lids"),
        ):
            if role not in roles:
                self.say(f"{what}: give one the role {role!r} and its sisters")


# --- the face ------------------------------------------------------------------------------------


def _face_of(probe: Probe, mesh, rest: np.ndarray, free: list[Found]) -> Face:
    """Tell the face from the rest of a body."""
    part = next(p for p in probe.parts if p.name == mesh.name)
    own = np.zeros(len(rest), bool)
    own[part.start : part.end] = True
    height = float(np.ptp(rest[own][:, 2]))
    size = np.ptp(rest[own], axis=0)
    mask, found_by = _by_head_bone(probe, rest, own, free, height), "what the head's bone moves"
    if mask is None:
        mask = _by_named_keys(probe, rest, own, free, height)
        found_by = "what shape keys with known names move"
    if mask is None and (height > 2.5 * size[:2].max() or height > 1.2):
        mask = rest[:, 2] > rest[own][:, 2].max() - height / _HEAD_UNITS
        found_by = "being the top of a body: check the framing"
    if mask is None:
        mask, found_by = own.copy(), "taking the whole mesh"
    mask |= _companions(probe, rest, mask)
    points = rest[mask]
    return Face(mask, points, float(np.ptp(rest[mask & own][:, 2])), found_by)


def _by_head_bone(probe: Probe, rest, own, free: list[Found], height: float) -> np.ndarray | None:
    """What follows the head when it turns; None where that is nothing."""
    heads = [
        f for f in free if f.kind == "rotation" and "head" in words_of(f.label) and "/" in f.name
    ]
    heads = sorted(heads, key=lambda f: len(words_of(f.label)))[:9]
    for f in heads:
        probe.set(f, f.rest + TURN if f.maximum > f.rest + TURN else f.maximum)
        turned = probe.points()
        probe.rest(f)
        moved = np.linalg.norm(turned - rest, axis=1) > STILL * height
        if moved[own].mean() > 0.03:
            # The neck bends along; what is stiff is the head.
            mask = moved.copy()
            mask[moved] = follows(rest[moved], turned[moved], 0.5, 0.15)
            return mask
    return None


def _by_named_keys(probe: Probe, rest, own, free, height: float) -> np.ndarray | None:
    mask, known = np.zeros(len(rest), bool), 0
    for f in free:
        if f.kind == "value" and channels_of(f.label):
            probe.set(f, f.maximum if math.isfinite(f.maximum) else 1.0)
            mask |= np.linalg.norm(probe.points() - rest, axis=1) > 0.0002 * height
            probe.rest(f)
            known += 1
    return mask if known >= 3 and mask[own].any() else None


def _companions(probe: Probe, rest, mask) -> np.ndarray:
    """Eyes, teeth, tongue: small meshes inside the face's box."""
    extra = np.zeros(len(rest), bool)
    low, high = rest[mask].min(0), rest[mask].max(0)
    margin = 0.03 * (high - low).max()
    for part in probe.parts:
        block = rest[part.start : part.end]
        if (block > low - margin).all() and (block < high + margin).all():
            extra[part.start : part.end] = True
    return extra


def _orient(probe: Probe, face: Face, movers: list[Mover], notes: _Notes) -> Face:
    """Which way it looks, where chin, top and eyes are."""
    local = [m for m in movers if not _is_rigid(m, face)] or movers
    amount = np.max([m.size / max(m.size.max(), 1e-12) for m in local], axis=0)
    normals = probe.normals()[face.mask]
    look = (normals * (amount[:, None] > 0.3)).sum(0) * (1.0, 1.0, 0.0)
    if np.linalg.norm(look) < 0.05 * (amount > 0.3).sum():
        notes.say("which way the face looks is not clear: taken for -Y")
        look = np.array([0.0, -1.0, 0.0])
    look = look / np.linalg.norm(look)
    axis = np.zeros(3)
    axis[np.abs(look).argmax()] = np.sign(look[np.abs(look).argmax()])
    # Characters stand along an axis; a few degrees off is how the skin is formed.
    forward = axis if look @ axis > math.cos(math.radians(30)) else look
    moved = face.points[amount > 0.15]
    chin, high = np.percentile(moved[:, 2], (2, 98))
    # The crown belongs to the picture where the mesh has one, a hat or a body's top does not.
    reach = face.points[face.points[:, 2] > chin][:, 2].max()
    top = float(min(reach, chin + 2.0 * (high - chin)))
    face = replace(face, forward=forward, chin=float(chin), top=top)
    eyes = _eye_centres(probe, face, local)
    middle = 0.5 * (moved.min(0) + moved.max(0))
    if eyes is not None:
        middle = eyes.mean(0)
        face = replace(face, eye_line=float(middle[2]))
    else:
        notes.say("the eyes were not found: heights of brow, eye and mouth are taken from the box")
    middle[2] = 0.5 * (face.chin + face.top)
    return replace(face, middle=middle, height=max(face.top - face.chin, 1e-6))


def _eye_centres(probe: Probe, face: Face, movers: list[Mover]) -> np.ndarray | None:
    """(2, 3) centres of the eyes, in any order: from blinks, eyeball meshes or eye bones."""
    for channels in (("eyeBlinkLeft", "eyeBlinkRight"), ("eyeWideLeft", "eyeWideRight")):
        centres = []
        for channel in channels:
            for m in movers:
                if channels_of(m.found.label).get(channel) == 1.0:
                    centres.append((face.points * m.size[:, None]).sum(0) / m.size.sum())
                    break
        if len(centres) == 2:
            return np.array(centres)
    rest = probe.rest_points
    centres = [rest[p.start : p.end].mean(0) for p in probe.parts if _is_eye(p.name)]
    if len(centres) < 2:
        centres = [
            probe.bone_head(o, b.name)
            for o in probe.objects
            if o.pose
            for b in o.pose.bones
            if _is_eye(b.name)
        ]
    if len(centres) < 2:
        return None
    pairs = np.array(centres)
    across = pairs @ face.left
    return pairs[[across.argmin(), across.argmax()]] if np.ptp(across) > 0 else None


def _is_eye(name: str) -> bool:
    """eye_L, LeftEye, Eyeball.R; not eyebrows, lids or lashes."""
    words = set(words_of(name))
    return bool(words & {"eye", "eyeball"}) and not words & {
        "brow", "lid", "lash", "lashes", "lids", "blink", "target", "mch", "org", "master", "wide",
        "squint", "look",
    }  # fmt: skip


def _framing(face: Face) -> Framing:
    """The square that shows chin, brows and most of the hair with a margin."""
    front = float((face.points @ face.forward).max())
    centre = face.middle + face.forward * (0.6 * (front - face.middle @ face.forward))
    return Framing(
        tuple(round(float(x), 5) for x in centre),
        tuple(round(float(x), 5) for x in face.forward),
        round(1.26 * face.height, 5),
    )


# --- measuring -----------------------------------------------------------------------------------


def _movers(probe: Probe, free: list[Found], face: Face, rest, progress: Progress) -> list[Mover]:
    """Those of `free` that move the face, measured one by one.

    Groups of bones first: where none of a group moves the face, none is tried alone. That leaves
    out arms and legs quickly.
    """
    still = STILL * face.height
    free = [f for f in free if f.kind != "scale" or _half_limited(f)]
    holders: dict[str, list[Found]] = {}
    for f in free:
        holders.setdefault(f.holder or f.name, []).append(f)
    units = list(holders.values())
    queue = [units[i : i + _GROUP] for i in range(0, len(units), _GROUP)][::-1]
    out: list[Mover] = []
    done = 0
    while queue:
        group = queue.pop()
        together = [f for unit in group for f in unit]
        if len(together) > 1 and not _any_moves(probe, together, face, rest, still):
            done += len(together)
            progress(done, len(free))
        elif len(group) > 1:
            half = len(group) // 2
            queue += [group[half:], group[:half]]
        else:
            for f in together:
                mover = _measure(probe, f, face, rest, still)
                out += [mover] if mover else []
                done += 1
                progress(done, len(free))
    return out


def _behind_the_lips(probe: Probe, free: list[Found], face: Face, movers) -> list[Mover]:
    """What moves the face only while the jaw is open: a tongue, lips that close over it."""
    jaws = [m for m in movers if channels_of(m.found.label) == {"jawOpen": 1.0}]
    moving = {m.found.name for m in movers}
    left = [f for f in free if f.name not in moving and f.limited and f.kind != "scale"]
    if not jaws or not left:
        return []
    jaw = jaws[0]
    probe.set(jaw.found, jaw.at_high)
    open_face = probe.points()
    out = [_measure(probe, f, face, open_face, STILL * face.height) for f in left]
    probe.rest(jaw.found)
    return [m for m in out if m]


def _half_limited(f: Found) -> bool:
    """Whether the rig limits it on some side; who sets limits means it to be moved."""
    return math.isfinite(f.minimum) or math.isfinite(f.maximum)


def _any_moves(probe: Probe, group: list[Found], face: Face, rest, still: float) -> bool:
    """Whether the face moves when all of a group are set at once."""
    ranges = [_tried_range(probe, f, face.height) for f in group]
    moving = False
    # What has no limits is tried one way: the other would show the same.
    sides = (1, 0) if any(_half_limited(f) for f in group) else (1,)
    for side in sides:
        for f, r in zip(group, ranges, strict=True):
            probe.set(f, r[side])
        moved = np.linalg.norm(probe.points()[face.mask] - rest[face.mask], axis=1)
        if moved.max() > still:
            moving = True
            break
    for f in group:
        probe.rest(f)
    return moving


def _measure(probe: Probe, f: Found, face: Face, rest, still: float) -> Mover | None:
    """One candidate at both its limits; None if the face keeps still."""
    low, high = _tried_range(probe, f, face.height)
    probe.set(f, high)
    up = probe.points() - rest
    if _half_limited(f):
        probe.set(f, low)
        down = probe.points() - rest
    else:
        down, low = np.zeros_like(up), f.rest
    probe.rest(f)
    size = np.maximum(np.linalg.norm(up, axis=1), np.linalg.norm(down, axis=1))
    if size[face.mask].max() <= still:
        return None
    apart = size[~face.mask]
    elsewhere = float((apart > still).mean()) if len(apart) else 0.0
    return Mover(f, up[face.mask], down[face.mask], high, low, elsewhere)


def _tried_range(probe: Probe, f: Found, height: float) -> tuple[float, float]:
    """The values at which a candidate is tried: its limits, or a step where it has none."""
    step = TURN
    if f.kind == "location" and f.holder in probe.read_by_drivers:
        step = 1.0  # a slider without limits: its unit is the driver's affair
    elif f.kind == "location":
        step = STEP * height / _scale_of(probe, f)
    elif f.kind == "rotation" and "quaternion" in f.targets[0].data_path:
        step = math.tan(TURN / 2.0)
    elif f.kind == "value":
        step = 1.0
    low = f.minimum if math.isfinite(f.minimum) else f.rest - step
    high = f.maximum if math.isfinite(f.maximum) else f.rest + step
    return low, high


def _scale_of(probe: Probe, f: Found) -> float:
    """Metres in the world for one unit of a location channel."""
    part = next(o for o in probe.objects if o.name == f.targets[0].id_name)
    holder = part if part.pose else part.parent
    if holder is None:
        return 1.0
    scale = float(np.linalg.norm(np.array(holder.matrix_world)[:3, 0]))
    return scale if scale > 1e-9 else 1.0


def _is_rigid(m: Mover, face: Face) -> bool:
    """Whether a candidate moves the face as a whole."""
    size = m.size
    if (size > STILL * face.height * 0.5).mean() < 0.8:
        return False
    return rigid_motion(face.points, face.points + m.shown[0], SKULL)[1] < RIGID


# --- controls ------------------------------------------------------------------------------------


class _Controls:
    """Movers -> controls of a profile: limits, regions, roles, mirror partners, channels."""

    def __init__(self, probe: Probe, face: Face, notes: _Notes):
        self.probe, self.face, self.notes = probe, face, notes

    def make(self, movers: list[Mover]) -> list[Control]:
        """The controls in the order in which they were found, head and eyes last."""
        rigid = [m for m in movers if _is_rigid(m, self.face)]
        head = self._head(rigid)
        rest = [m for m in movers if m not in rigid]
        eyes, rest = self._eyes(rest)
        rest = self._selected(rest)
        face_controls = [(m, self._expression(m)) for m in rest]
        face_controls, gaze = self._gaze_keys(face_controls, eyes)
        self._notes_on(rest)
        return [*self._paired(face_controls), *head, *eyes, *gaze]

    def _head(self, rigid: list[Mover]) -> list[Control]:
        """The bone nearest to the face that turns all of it; the rest of the spine is left out."""
        turning = [m for m in rigid if m.found.kind == "rotation"]
        far = {m.found.holder for m in turning if self._lever(m) > FAR}
        turning = [m for m in turning if m.found.holder not in far]
        out: list[Control] = []
        if turning:
            holder = min(
                turning, key=lambda m: ("head" not in words_of(m.found.label), m.elsewhere)
            ).found.holder
            out = self._roles([m for m in turning if m.found.holder == holder], "head", "head")
        used = {c.name for c in out}
        self.notes.named(
            "moves the head as a whole, left out",
            dict.fromkeys(m.found.label for m in rigid if m.found.name not in used),
        )
        return out

    def _lever(self, m: Mover) -> float:
        """Distance from the face's middle to what it turns about, in face heights."""
        field = m.shown[0]
        vector, _ = rigid_motion(self.face.points, self.face.points + field, SKULL)
        angle = max(float(np.linalg.norm(vector)), 1e-6)
        return float(np.linalg.norm(field.mean(0))) / angle / self.face.height

    def _roles(self, movers: list[Mover], output: str, prefix: str, at=None) -> list[Control]:
        """Controls in radians for what turns things: one for each axis, the most direct."""
        best: dict[str, tuple[float, Control]] = {}
        for m in movers:
            chosen = slice(None) if at is None else at(m)
            points = self.face.points[chosen]
            vector, _ = rigid_motion(points, points + m.shown[0][chosen], SKULL)
            angle, axis = self._about(vector)
            if abs(angle) < 0.02:
                continue
            role = f"{prefix}_{axis}"
            # What the rig limits is meant to be used; then the axis that turns least aslant.
            purity = m.found.limited + abs(angle) / float(np.linalg.norm(vector))
            if role in best and best[role][0] >= purity:
                continue
            per_radian = m.shown[1] / angle
            reach = sorted(
                (limit - m.found.rest) / per_radian if math.isfinite(limit) else sign * 0.6
                for limit, sign in (
                    (m.found.minimum, -math.copysign(1.0, per_radian)),
                    (m.found.maximum, math.copysign(1.0, per_radian)),
                )
            )
            low, high = max(reach[0], -1.0), min(reach[1], 1.0)
            # A role's zero is where the rig rests; a rest away from zero can't be expressed.
            if abs(m.found.rest) > 1e-6 or not low < 0.0 < high:
                continue
            control = Control(
                name=m.found.name,
                targets=tuple(replace(t, scale=t.scale * per_radian) for t in m.found.targets),
                rest=0.0,
                minimum=round(low, 6),
                maximum=round(high, 6),
                region="head" if output == "head" else "gaze",
                output=output,
                role=role,
            )
            best[role] = (purity, control)
        return [c for _, c in sorted(best.values(), key=lambda b: b[1].role)]

    def _about(self, vector: np.ndarray) -> tuple[float, str]:
        """Signed angle and name of the main axis of a rotation vector, after vocabulary.ROLES."""
        face = self.face
        angles = {
            "pitch": float(vector @ face.left),
            "yaw": float(vector @ face.up),
            "roll": float(-vector @ face.forward),
        }
        name = max(angles, key=lambda a: abs(angles[a]))
        return angles[name], name

    def _eyes(self, movers: list[Mover]) -> tuple[list[Control], list[Mover]]:
        """What turns one eyeball gets a gaze role; what turns both is left out."""
        balls = {side: mask for side, mask in self._eyeballs().items() if mask.any()}
        chosen: dict[str, list[Mover]] = {"left": [], "right": []}
        both, rest = [], []
        for m in movers:
            words = set(words_of(m.found.label))
            known = words & {"eye", "eyes", "eyeball", "gaze", "look", "pupil"}
            turned = [s for s, mask in balls.items() if known and self._turns(m, mask)]
            if m.found.kind == "value" or not turned:
                rest.append(m)
            elif len(turned) == 1:
                chosen[turned[0]].append(m)
            else:
                both.append(m)
        controls = []
        for side, group in chosen.items():
            best = [m for m in group if m.found.kind == "rotation"] or group
            made = self._roles(best, "eyes", f"gaze_{side}", lambda m, side=side: balls[side])
            controls += [c for c in made if not c.role.endswith("roll")]
        used = {c.name for c in controls}
        spare = [m for group in chosen.values() for m in group if m.found.name not in used]
        self.notes.named(
            "turns an eye that another control turns already, left out",
            dict.fromkeys(m.found.name for m in spare),
        )
        self.notes.named("turns both eyes at once, left out", [m.found.name for m in both])
        return controls, rest

    def _eyeballs(self) -> dict[str, np.ndarray]:
        """Masks over the face's points of the eyeballs that are meshes, or parts, of their own."""
        index = np.cumsum(self.face.mask) - 1
        masks = {s: np.zeros(len(self.face.points), bool) for s in ("left", "right")}
        for part in self.probe.parts:
            if not _is_eye(part.name) and "eyes" not in words_of(part.name):
                continue
            inside = np.flatnonzero(self.face.mask[part.start : part.end]) + part.start
            rows = index[inside]
            across = (self.face.points[rows] - self.face.middle) @ self.face.left
            masks["left"][rows[across > 0]] = True
            masks["right"][rows[across <= 0]] = True
        for mesh in self.probe.meshes:
            self._add_groups(mesh, masks, index)
        return masks

    def _add_groups(self, mesh, masks, index) -> None:
        """Eyeballs that belong to the face's mesh are told by their vertex groups."""
        part = next(p for p in self.probe.parts if p.name == mesh.name)
        if part.end - part.start != len(mesh.data.vertices):
            return
        groups = {g.index for g in mesh.vertex_groups if _is_eye(g.name)}
        if not groups:
            return
        for i, vertex in enumerate(mesh.data.vertices):
            row = part.start + i
            if self.face.mask[row] and any(
                g.group in groups and g.weight > 0.5 for g in vertex.groups
            ):
                across = (self.face.points[index[row]] - self.face.middle) @ self.face.left
                masks["left" if across > 0 else "right"][index[row]] = True

    def _turns(self, m: Mover, mask: np.ndarray) -> bool:
        points = self.face.points[mask]
        size = m.size[mask]
        if size.max() < STILL * self.face.height:
            return False
        field = m.shown[0][mask]
        vector, left = rigid_motion(points, points + field)
        # An eye turns about its own middle: what swings it about a far point is no gaze.
        middle = 0.5 * (points.min(0) + points.max(0))
        carried = field.mean(0) + np.cross(vector, middle - points.mean(0))
        stays = np.linalg.norm(carried) < 0.5 * np.linalg.norm(field, axis=1).mean()
        return bool(np.linalg.norm(vector) > 0.03 and left < 3 * RIGID and stays)

    def _selected(self, movers: list[Mover]) -> list[Mover]:
        """Of bones and objects without limits, the channels that make sense."""
        by_holder: dict[str, list[Mover]] = {}
        for m in movers:
            by_holder.setdefault(m.found.holder or m.found.name, []).append(m)
        kept, plain = [], 0
        for group in by_holder.values():
            values = [m for m in group if m.found.kind == "value"]
            moves = [m for m in group if m.found.kind != "value"]
            limited = [m for m in moves if _half_limited(m.found)]
            chosen = limited or self._of_free(moves)
            plain += len(moves) - len(chosen)
            kept += [m for m in group if m in values or m in chosen]
        if plain:
            self.notes.say(
                f"{plain} channels of bones and objects were left out: they have no limits beside "
                "others that do, scale, push the skin in depth, or hardly turn it"
            )
        return kept

    def _of_free(self, moves: list[Mover]) -> list[Mover]:
        """Rotations of what swings on a lever, else locations along the skin."""
        if not moves:
            return []
        part = next(o for o in self.probe.objects if o.name == moves[0].found.targets[0].id_name)
        if part.type == "MESH":
            return []  # a tooth or a hair mesh that was shifted by hand is no control
        turns = [m for m in moves if m.found.kind == "rotation"]
        slides = [m for m in moves if m.found.kind == "location"]
        levers = [m.size.max() / _radians(m) / self.face.height for m in turns]
        if turns and (max(levers) > ARM or not slides):
            return [m for m, lever in zip(turns, levers, strict=True) if lever > 0.15 * max(levers)]
        return [m for m in slides if not self._in_depth(m)]

    def _in_depth(self, m: Mover) -> bool:
        field = m.field[m.size > 0.3 * m.size.max()]
        return bool(
            np.abs(field @ self.face.forward).sum() > 0.85 * np.linalg.norm(field, axis=1).sum()
        )

    def _expression(self, m: Mover) -> Control:
        low, high = self._limits(m)
        hints = channels_of(m.found.label)
        if m.found.kind != "value" and len(hints) > 1:
            hints = {}
        return Control(
            name=m.found.name,
            targets=m.found.targets,
            rest=m.found.rest,
            minimum=low,
            maximum=high,
            region=self._region(m),
            channels=hints,
        )

    def _limits(self, m: Mover) -> tuple[float, float]:
        """Its own limits; where there are none, as far as skin may go."""
        f = m.found
        reach = m.shown[1] * REACH * self.face.height / m.size.max()
        if f.kind == "rotation":
            most = math.tan(0.25) if "quaternion" in f.targets[0].data_path else 0.5
            reach = min(most, abs(m.shown[1]) * SWING * self.face.height / m.size.max())
        elif f.kind == "value":
            reach = 1.0
        elif f.kind == "scale":
            reach = 0.3
        reach = round(abs(reach), 6)
        low = f.minimum if math.isfinite(f.minimum) else f.rest - reach
        high = f.maximum if math.isfinite(f.maximum) else f.rest + reach
        return low, high

    def _region(self, m: Mover) -> str:
        """By its name, else by where it moves."""
        named = region_of(m.found.label)
        if named and named != "head":
            return named
        weight = m.size**2
        centre = (self.face.points * weight[:, None]).sum(0) / weight.sum()
        face = self.face
        eyes = face.eye_line if face.eye_line is not None else face.chin + 0.5 * face.height
        level = (centre[2] - face.chin) / max(eyes - face.chin, 1e-9)
        aside = abs((centre - face.middle) @ face.left) / face.height
        for limit, region in ((1.12, "brow"), (0.85, "eye"), (0.5, "cheek"), (0.15, "mouth")):
            if level > limit:
                return "nose" if region == "cheek" and aside < 0.1 else region
        return "jaw"

    def _gaze_keys(self, pairs, eyes: list[Control]):
        """The eyeLook keys become gaze controls in radians where no bone turns the eyes."""
        if any(c.role.startswith("gaze") for c in eyes):
            return pairs, []
        by_channel = {}
        for m, c in pairs:
            if (
                len(c.channels) == 1
                and c.minimum == 0.0
                and c.rest == 0.0
                and m.found.kind == "value"
            ):
                by_channel[next(iter(c.channels))] = c
        made, used = [], set()
        for role, plus, minus in (
            ("gaze_left_yaw", "eyeLookOutLeft", "eyeLookInLeft"),
            ("gaze_left_pitch", "eyeLookDownLeft", "eyeLookUpLeft"),
            ("gaze_right_yaw", "eyeLookInRight", "eyeLookOutRight"),
            ("gaze_right_pitch", "eyeLookDownRight", "eyeLookUpRight"),
        ):
            a, b = by_channel.get(plus), by_channel.get(minus)
            if a is None or b is None or any(t.id_type != "KEY" for t in a.targets + b.targets):
                continue
            # Blender holds a shape key within its slider, so of both keys only one acts.
            targets = [
                replace(t, scale=sign * c.maximum / GAZE_FULL)
                for sign, c in ((1.0, a), (-1.0, b))
                for t in c.targets
            ]
            made.append(
                Control(role, tuple(targets), 0.0, -GAZE_FULL, GAZE_FULL, "gaze", "eyes", role)
            )
            used |= {a.name, b.name}
        return [(m, c) for m, c in pairs if c.name not in used], made

    def _paired(self, pairs: list[tuple[Mover, Control]]) -> list[Control]:
        """Mirror partners and blink roles; a right side that runs the other way is turned round."""
        names = [c.name for _, c in pairs]
        by_name = {c.name: (m, c) for m, c in pairs}
        out = []
        for m, control in pairs:
            mirror = partner_of(control.name, names)
            if mirror and side_of(control.name) == "Right":
                other = by_name[mirror][0]
                if m.found.kind != "value" and self._opposed(m, other):
                    control = _turned(control)
            role = ""
            for side in ("Left", "Right"):
                if control.channels == {f"eyeBlink{side}": 1.0} and control.maximum > control.rest:
                    role = f"blink_{side.lower()}"
            if role and any(c.role == role for c in out):
                role = ""
            out.append(replace(control, mirror=mirror, role=role))
        self.notes.named("names say one side, the motion is on the other", self._wrong_sides(pairs))
        return out

    def _opposed(self, m: Mover, other: Mover) -> bool:
        """Whether a rise moves the two sides in opposite, not mirrored, directions."""
        mean = [(x.field * x.size[:, None]).sum(0) / x.size.sum() for x in (m, other)]
        left = self.face.left
        mirrored = mean[0] - 2.0 * (mean[0] @ left) * left
        return bool(mirrored @ mean[1] < 0.0)

    def _wrong_sides(self, pairs) -> list[str]:
        wrong = []
        for m, control in pairs:
            side = side_of(control.name)
            if side and m.found.kind == "value" and channels_of(m.found.label) in (
                {"mouthLeft": 1.0}, {"mouthRight": 1.0}, {"jawLeft": 1.0}, {"jawRight": 1.0}
            ):  # fmt: skip
                continue
            centre = (self.face.points * m.size[:, None]).sum(0) / m.size.sum()
            across = (centre - self.face.middle) @ self.face.left / self.face.height
            if side and abs(across) > 0.05 and (across > 0) != (side == "Left"):
                wrong.append(control.name)
        return wrong

    def _notes_on(self, movers: list[Mover]) -> None:
        """What was guessed about the movers that became controls."""
        self.notes.named(
            "no limits in the rig, guessed from how far the skin moves",
            [m.found.name for m in movers if not m.found.limited],
        )
        self.notes.named(
            "not at zero in the file; what it shows is taken for rest",
            [m.found.name for m in movers if abs(m.found.rest - (m.found.kind == "scale")) > 1e-4],
        )


def _radians(m: Mover) -> float:
    """The angle of a rotation mover's value."""
    value = abs(m.shown[1])
    return 2.0 * math.atan(value) if "quaternion" in m.found.targets[0].data_path else value


def _turned(control: Control) -> Control:
    """The same control with its sign turned round."""
    return replace(
        control,
        targets=tuple(replace(t, scale=-t.scale) for t in control.targets),
        rest=-control.rest,
        minimum=-control.maximum,
        maximum=-control.minimum,
        channels={k: -v for k, v in control.channels.items()},
    )


# --- where the character lives -------------------------------------------------------------------


def _home(objects: list) -> tuple[str, tuple[str, ...]]:
    """The collection that holds the character and little else, or the names of its objects."""
    wanted = set(objects)
    shapes = {b.custom_shape for o in objects if o.pose for b in o.pose.bones}
    homes = []
    for collection in bpy.data.collections:
        inside = set(collection.all_objects)
        strangers = [o for o in inside - wanted - shapes if o.type in ("MESH", "ARMATURE")]
        if collection.library is None and wanted <= inside and not strangers:
            homes.append((len(inside), collection.name))
    if homes:
        return min(homes)[1], ()
    return "", tuple(sorted(o.name for o in objects))


def slug(name: str) -> str:
    """A character's name from a file's or an object's: lower case, letters, digits, underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "character"


def profile_file(
    path: str | Path,
    out: str | Path,
    *,
    mesh_name: str | None = None,
    library: str | None = None,
    progress: Progress | None = None,
) -> ProfileProposal:
    """Open a scene file, propose a profile and write it to `out`; the file itself stays as it is.

    A scene that is no .blend is saved as one beside the profile, with the profile's name.

    Raises:
        InputError, UsageError: see `open_scene`, `find_mesh`, `propose_profile`.
        OutputError: the profile can't be written.
    """
    path, out = Path(path), Path(out)
    open_scene(path)
    mesh = find_mesh(mesh_name, library=library, file=path)
    proposal = propose_profile(mesh, slug(out.stem), file=path, progress=progress)
    blend = path.resolve()
    if path.suffix.lower() != ".blend":
        from .takes import save_file

        blend = Path(save_file(out.with_suffix(".blend"))).resolve()
    beside = blend == out.with_suffix(".blend").resolve()
    made = replace(
        proposal.profile,
        file="" if beside else os.path.relpath(blend, out.resolve().parent),
        path=out,
    )
    made.save(out)
    return replace(proposal, profile=made)
