"""Which of a rig's controls a profile keeps: those that a person ticks. No Blender.

What was found lies beside the profile, so that it can be taken in again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ...networks.characters.profile import Control, RigProfile
from ...networks.errors import InputError, UsageError
from ...networks.files import write_text
from ...networks.reading import read_object
from ...networks.records import FieldError, as_record, json_text

FORMAT = "exprgen.found_controls"


@dataclass(frozen=True)
class _Found:
    """The file: all the controls that were found, as they were."""

    controls: tuple[Control, ...]


def all_controls(profile: RigProfile) -> tuple[Control, ...]:
    """The controls of a profile and those that were left out of it, in the order of the rig.

    Raises:
        InputError: the file of those is damaged.
    """
    there = {c.name: c for c in profile.controls}
    found = _found(profile)
    known = {c.name for c in found}
    return (*(_whole(there.get(c.name, c), c) for c in found),
            *(c for c in profile.controls if c.name not in known))  # fmt: skip


def keep_only(profile: RigProfile, names: Collection[str]) -> RigProfile:
    """Save the profile with these controls alone; key poses lose what they say of others.

    Raises:
        UsageError: none of the face would be left. InputError, OutputError: a file.
    """
    everything = all_controls(profile)
    kept = [c for c in everything if c.name in names]
    if not any(c.output == "expression" for c in kept):
        raise UsageError("no control of the face would be left", fix="leave some ticked")
    there = {c.name for c in kept}
    controls = tuple(c if c.mirror in there else replace(c, mirror="") for c in kept)
    poses = tuple(
        replace(p, values={n: v for n, v in p.values.items() if n in there})
        for p in profile.key_poses
    )
    data = {"format": FORMAT, "controls": [asdict(c) for c in everything]}
    write_text(found_path(profile), json_text(data, indent=1) + "\n")
    made = replace(profile, controls=controls, key_poses=poses)
    made.save(profile.path)
    return made


def found_path(profile: RigProfile) -> Path:
    """Where the controls lie as they were found, once some were left out: beside the profile."""
    return profile.path.with_suffix(".found.json")


def _whole(control: Control, found: Control) -> Control:
    """A control with the partner that it lost when that one was left out."""
    return control if control.mirror else replace(control, mirror=found.mirror)


def _found(profile: RigProfile) -> tuple[Control, ...]:
    path = found_path(profile)
    if not path.is_file():
        return profile.controls
    data = read_object(path, "remove it")
    try:
        if data.pop("format", None) != FORMAT:
            raise FieldError("another file's")
        return as_record(_Found, data).controls
    except FieldError as error:
        raise InputError(f"holds no controls ({error})", file=path, fix="remove it") from error
