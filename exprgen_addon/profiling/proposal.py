"""A profile proposed for the face in the open file, or for a scene file."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ...networks.characters.profile import Control, KeyPose, RigProfile, clamp, load_profile
from ...networks.errors import InputError, OutputError
from ...networks.files import kept_name, write_bytes
from ...networks.names import as_name, shortened
from .. import rigs
from ..rigs import Found
from ..rigs.base import CLOSED, LINKED
from . import own_copy
from .broken_points import check_rest, mend_keys
from .expressions import Expressions
from .face import Face, find_face
from .face_mesh import said
from .machinery import without_machinery
from .materials import look_over
from .meanings import Meanings, of_the_face
from .movers import Mover, Progress, behind_the_lips, find_movers, is_rigid
from .notes import Notes
from .orientation import framing, orient
from .probe import Probe
from .reach import Reach, face_rows
from .scenes import character_objects, check_scene, find_mesh, home, open_scene, possible_faces
from .turning import Turning

LONGEST = 60
"""Letters of a character's name that is made of a file's: Blender's own names take 63."""


@dataclass(frozen=True)
class ProfileProposal:
    """A proposed profile, what was left out and why, and what a person has to decide.

    told: what was read of the file and mended in the copy, in words.
    """

    profile: RigProfile
    left_out: tuple[str, ...]
    undecided: tuple[str, ...]
    families: dict[str, int]
    tried: int
    told: tuple[str, ...] = ()


def propose_profile(
    mesh: bpy.types.Object,
    name: str,
    *,
    file: str | Path | None = None,
    everything: bool = False,
    progress: Progress | None = None,
) -> ProfileProposal:
    """Find the controls of a face in the open file and describe them as a profile.

    Nothing in the file is changed at the end: every value is what it was, to the last bit.

    Args:
        mesh: the face's mesh, or the body's that it is part of.
        name: of the character. file: for messages; where the file came from.
        everything: of a rig of very many bones its machinery is tried too, see machinery.py.
        progress: called with (evaluations of the rig, all), see `movers.Tally`.

    Raises:
        InputError: nothing moves the face (it names what is locked or driven), a limit is not a
            number, or a mesh can't be measured.
    """
    objects = character_objects(mesh)
    found = rigs.find_controls(objects)
    _refuse_nan(found, file)
    free = [f for f in found if not f.blocked]
    meanings = Meanings(free)
    free, apart = of_the_face(free, meanings)
    notes = Notes()
    notes.named("not of the face by its name, left out", apart)
    with Probe(objects) as probe:
        rest = probe.points()
        check_rest(probe.parts, rest, mesh, file)
        face = find_face(probe, mesh, rest, free, meanings)
        notes.about_place(rest, face)
        reach = Reach(objects, face_rows(probe, face))
        free = [f for f in free if f in reach]
        if not everything:
            free, machinery = without_machinery(free, objects)
            notes.named(
                "looks like the rig's machinery, not tried (--all tries it)",
                dict.fromkeys(f.label for f in machinery),
            )
        movers = find_movers(probe, free, face, rest, progress or (lambda done, total: None))
        if not movers:
            raise _nothing_moves(found, mesh, file)
        movers += behind_the_lips(probe, free, face, movers, meanings)
        face = orient(probe, face, movers, notes, meanings)
        controls = _controls(probe, face, movers, notes, meanings)
    if not controls:
        raise _nothing_moves(found, mesh, file)
    notes.about_controls(controls, face)
    collection, parts = home(objects)
    family = Counter(f.family for f in found if any(c.name == f.name for c in controls))
    profile = RigProfile(
        name=name,
        title=mesh.name.replace("_", " ").title(),
        family=family.most_common(1)[0][0] if family else "properties",
        collection=collection,
        controls=tuple(controls),
        framing=framing(face),
        parts=parts,
    )
    return ProfileProposal(
        profile=profile,
        left_out=tuple(_blocked_lines(found)),
        undecided=tuple(notes.lines),
        families=dict(family),
        tried=len(free),
    )


def _controls(
    probe: Probe, face: Face, movers: list[Mover], notes: Notes, meanings: Meanings
) -> list[Control]:
    """The controls in the order in which they were found, head and eyes last."""
    rigid = [m for m in movers if is_rigid(m, face)]
    turning = Turning(probe, face, notes)
    head = turning.head(rigid)
    eyes, rest = turning.eyes([m for m in movers if m not in rigid])
    made, gaze = Expressions(probe, face, notes, meanings).make(rest, eyes)
    return [*made, *head, *eyes, *gaze]


def _refuse_nan(found: list[Found], file) -> None:
    broken = [f for f in found if any(map(math.isnan, (f.rest, f.minimum, f.maximum)))]
    if broken:
        raise InputError(
            f"{len(broken)} limits or values are not numbers: " + shortened(f.name for f in broken),
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
    free = len(found) - len(blocked)
    what = f"none of {free} free controls" if free else "nothing that can be keyed"
    what += f" moves the face of {mesh.name!r}"
    if blocked:
        what += "; can't be keyed: " + "; ".join(_blocked_lines(found)[:8])
    fix = "unlock channels, show hidden bone collections, or key what drives the driven ones"
    if all(f.blocked in (LINKED, CLOSED) for f in found):
        fix = "profile the character's own file, or make a library override of it that is editable"
    return InputError(what, file=file, fix=fix)


def _blocked_lines(found: list[Found]) -> list[str]:
    """ "x is driven by y", one line a reason; locked scales and the like in one line."""
    by_reason: dict[str, list[str]] = {}
    for f in found:
        if f.blocked:
            by_reason.setdefault(f.blocked, []).append(f.name)
    return [f"{shortened(names)} {reason}" for reason, names in by_reason.items()]


def slug(name: str) -> str:
    """A character's name from a file's or an object's: lower case, letters, digits, underscores,
    at most `LONGEST` of them."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:LONGEST].strip("_")
    return as_name(plain or "character")


def profile_file(
    path: str | Path,
    out: str | Path,
    *,
    mesh_name: str | None = None,
    library: str | None = None,
    everything: bool = False,
    progress: Progress | None = None,
) -> ProfileProposal:
    """Open a scene file, propose a profile and write it to `out`; the file itself stays as it is.

    A scene that is no .blend is saved as one beside the profile, with the profile's name; one that
    was saved so before, of the same file, is taken as it is now. Of a profile that is there, what
    a person has decided is kept, see `keep_decisions`; where something of it is lost, so is a copy
    of it.

    Raises:
        InputError, UsageError: see `open_scene`, `find_mesh`, `propose_profile`.
        OutputError: the profile can't be written, or another .blend is where the scene's would be.
    """
    path, out = Path(path), Path(out)
    check_scene(path)
    imported = path.suffix.lower() != ".blend"
    blend = out.with_suffix(".blend").resolve() if imported else path.resolve()
    before = profile_before(out, blend)
    told = own_copy.opened(path, blend) if imported else open_scene(path)
    mesh = find_mesh(mesh_name, library=library, file=path)
    if mesh_name is None and len(possible_faces()) > 1:
        told = (*told, said(mesh, possible_faces()))
    if mesh.hide_render:
        told = (*told, _hidden(mesh))
    parts = character_objects(mesh)
    told = (*told, *look_over(parts, mesh, mend=imported))
    told = (*told, *(mend_keys(parts) if imported else ()))
    name = slug(out.stem)
    proposal = propose_profile(mesh, name, file=path, everything=everything, progress=progress)
    if imported:
        own_copy.save(path, blend)
    beside = blend == out.with_suffix(".blend").resolve()
    made = replace(
        proposal.profile,
        file="" if beside else os.path.relpath(blend, out.resolve().parent),
        path=out,
    )
    notes = ()
    if before is not None:
        meshes = {o.name for o in bpy.data.objects if o.type == "MESH"}
        made, notes = keep_decisions(before, made, meshes)
        if notes:  # what is lost stays in a copy
            kept = kept_name(out)
            write_bytes(kept, out.read_bytes())
            notes += (f"the profile as it was is {kept}",)
    made.save(out)
    undecided = (*proposal.undecided, *notes)
    return replace(proposal, profile=made, undecided=undecided, told=told)


def _hidden(mesh) -> str:
    """That no picture shows the face, in words."""
    return f"{mesh.name!r} is hidden in renders, and so are its landmarks: show it, save, go on"


def keep_decisions(
    before: RigProfile, made: RigProfile, meshes: set[str]
) -> tuple[RigProfile, tuple[str, ...]]:
    """A new profile with what a person had decided in the one before, and lines on what is lost.

    Key poses stay whose controls are still there, landmarks whose meshes are, channels of controls
    whose names tell none, and who made the character what it is: name, title, role, licence.

    Args:
        meshes: names of the scene's mesh objects.
    """
    known = {c.name: c for c in made.controls}
    stays = [p for p in before.key_poses if known.keys() >= p.values.keys()]
    lost = [p.name for p in before.key_poses if p not in stays]
    fits = {a.object for a in before.landmarks.values()} <= meshes
    notes = []
    if lost:
        notes.append(f"key poses of controls that are gone: {shortened(lost)}")
    if before.landmarks and not fits:
        notes.append("the landmarks' mesh is gone: place them again")
    kept = replace(
        made,
        name=before.name,
        title=before.title,
        primary=before.primary,
        license=before.license,
        controls=_with_channels(made.controls, before.controls),
        key_poses=tuple(_within(p, known) for p in stays),
        landmarks=dict(before.landmarks) if fits else {},
    )
    return kept, tuple(notes)


def _with_channels(made: tuple[Control, ...], before: tuple[Control, ...]) -> tuple[Control, ...]:
    """The controls, those without channels with the ones that they had."""
    had = {c.name: c.channels for c in before}
    return tuple(c if c.channels else replace(c, channels=had.get(c.name, {})) for c in made)


def _within(pose: KeyPose, known: dict[str, Control]) -> KeyPose:
    """The pose within the limits that the controls have now."""
    values = clamp(tuple(known[n] for n in pose.values), np.array([*pose.values.values()], float))
    return replace(pose, values=dict(zip(pose.values, values.tolist(), strict=True)))


def profile_before(path: Path, scene: Path) -> RigProfile | None:
    """The profile of this scene that is there already.

    Raises:
        OutputError: what is there is none, or another character's; nobody's file is written over.
    """
    if not path.exists():
        return None
    try:
        before = load_profile(path)
        if before.blend.exists() and not (scene.exists() and before.blend.samefile(scene)):
            raise OutputError(
                f"is the profile of another character ({before.blend.name})",
                file=path,
                fix="give --out ANOTHER.json",
            )
        return before
    except InputError as error:
        raise OutputError(
            "is there already and is no profile that can be read",
            file=path,
            fix="move it away, or give --out ANOTHER.json",
        ) from error
