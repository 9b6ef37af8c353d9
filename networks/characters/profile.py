"""RigProfile: what ExprGen knows of a character, free of Blender so that the worker can read it.

`exprgen_addon/profiling` makes one from a scene; this file only holds, checks, reads and writes
it. Nothing outside `exprgen_addon/rigs/` knows what kind of thing a control is: to everyone else it
is a named number with a rest value and limits.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import InputError, UsageError
from ..files import write_text
from ..names import NAME_FIX, is_name
from ..reading import read_object
from ..records import FieldError, as_record, json_text
from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, LANDMARK_NAMES, OUTPUTS, REGIONS, ROLES

FORMAT = "exprgen.rig_profile"
VERSION = 1
SAMPLE_RIGS = Path(__file__).resolve().parents[2] / "sample_rigs"
FARTHEST = 1e6
"""Limit of a control's values and of lengths in metres: single precision ends not far above."""
MOST_VERTICES = 2**31 - 1
PLACE_FIX = "place them again: exprgen landmarks CHARACTER"


@dataclass(frozen=True)
class Target:
    """One animatable property: the datablock, its RNA path and array index (-1: not an array).

    `id_type` is a Blender ID type ("OBJECT", "KEY", "ARMATURE", ...), `id_name` the datablock's
    name; for "KEY" it is the name of the *object* whose shape keys are meant (key names are not
    stable).
    The property is set to `scale` times the control's value.
    """

    id_type: str
    id_name: str
    data_path: str
    index: int = -1
    scale: float = 1.0


@dataclass(frozen=True)
class Control:
    """An animatable control of a rig (house rule 3). Values are in the property's own unit."""

    name: str
    targets: tuple[Target, ...]
    rest: float
    minimum: float
    maximum: float
    region: str
    output: str = "expression"
    role: str = ""
    mirror: str = ""
    channels: dict[str, float] = field(default_factory=dict)
    """ARKit channel -> unit value of this control when that channel is 1 (may be negative)."""


@dataclass(frozen=True)
class KeyPose:
    """A labelled pose; controls that are not named stay at rest. Values in the controls' units.

    clarity: share of viewers who name the expression, 0..1; 1 where nobody was asked.
    """

    name: str
    expression: str
    values: dict[str, float]
    clarity: float = 1.0


@dataclass(frozen=True)
class Framing:
    """How the face is framed: the face's centre in world space (metres) at rest, the direction it
    looks at, and the side of the square that a 256x256 picture shows (metres)."""

    center: tuple[float, float, float]
    forward: tuple[float, float, float] = (0.0, -1.0, 0.0)
    size: float = 0.3

    @staticmethod
    def rounded(center: np.ndarray, forward: np.ndarray, size: float) -> Framing:
        """As many decimals as a file needs, which are more where a head is tiny."""
        decimals = max(5, 4 - math.floor(math.log10(max(size, 1e-30))))
        return Framing(
            tuple(round(float(x), decimals) for x in center),
            tuple(round(float(x), 5) for x in forward),
            round(float(size), decimals),
        )


@dataclass(frozen=True)
class Anchor:
    """Where a landmark sits on a mesh: a triangle of three vertices, and the share of each.

    The vertices are counted after every modifier but those that refine or rebuild the mesh (see
    `exprgen_addon.landmarks.REBUILDING`); `weights` are barycentric and sum to 1, so the point
    follows whatever deforms the mesh.
    """

    object: str
    vertices: tuple[int, int, int]
    weights: tuple[float, float, float]


@dataclass(frozen=True)
class RigProfile:
    """A character: its controls, framing, labelled key poses and landmarks (LANDMARK_NAMES ->
    anchor: all 49 or none). See module docstring."""

    name: str
    title: str
    family: str
    collection: str
    controls: tuple[Control, ...]
    framing: Framing
    key_poses: tuple[KeyPose, ...] = ()
    primary: bool = False
    license: str = ""
    file: str = ""
    """The .blend that holds the character, relative to the profile; empty: see `blend`. It may lie
    anywhere, and is only ever read: see `_file_problem`."""
    parts: tuple[str, ...] = ()
    """Names of the character's objects where no `collection` holds them (it is "" then)."""
    path: Path | None = None
    landmarks: dict[str, Anchor] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.controls)

    @property
    def blend(self) -> Path:
        """The .blend that holds the character: `file`, or beside the profile, with its name."""
        if self.path is None:
            raise InputError(f"profile {self.name!r} was never saved", fix="save it first")
        if self.file:
            return self.path.parent / self.file
        return self.path.with_suffix(".blend")

    def with_output(self, output: str) -> tuple[Control, ...]:
        """The controls of one output ("expression", "head", "eyes"), in profile order."""
        return tuple(c for c in self.controls if c.output == output)

    @property
    def expression_controls(self) -> tuple[Control, ...]:
        """What the 3D-CNN and the C-MLP predict, in profile order."""
        return self.with_output("expression")

    def control(self, name: str) -> Control:
        for c in self.controls:
            if c.name == name:
                return c
        raise UsageError(
            f"character {self.name!r} has no control {name!r}",
            file=self.path,
            fix=f"use one of: {', '.join(self.names[:8])}, ...",
        )

    def save(self, path: str | Path) -> None:
        """Write as JSON to `path`, whole or not at all."""
        data = {"format": FORMAT, "version": VERSION, **asdict(self)}
        del data["path"]
        if not self.landmarks:  # as profiles were before there were landmarks
            del data["landmarks"]
        for pose in data["key_poses"]:
            if pose["clarity"] == 1.0:  # likewise
                del pose["clarity"]
        write_text(path, json_text(data, indent=1) + "\n")


def titles_of(profiles: Sequence[RigProfile]) -> list[str]:
    """What each character is called beside the others: its title, with its name or number
    where several share it, as two files do whose meshes are called the same."""
    titles = [p.title for p in profiles]
    named = [f"{p.title} ({p.name})" for p in profiles]
    numbered = [f"{p.title} {n}" for n, p in enumerate(profiles, start=1)]
    for told in (named, numbered):
        count = Counter(titles)
        titles = [t if count[t] == 1 else more for t, more in zip(titles, told, strict=True)]
    return titles


def to_unit(controls: tuple[Control, ...], values: np.ndarray) -> np.ndarray:
    """Native values (..., M) -> unit values in [-1, 1]: 0 at rest, 1 at maximum, -1 at minimum."""
    rest, low, high = _limits(controls)
    values = np.asarray(values, float)
    up = np.where(high > rest, high - rest, 1.0)
    down = np.where(rest > low, rest - low, 1.0)
    return np.where(values >= rest, (values - rest) / up, (values - rest) / down)


def from_unit(controls: tuple[Control, ...], units: np.ndarray) -> np.ndarray:
    """Unit values (..., M) -> native values, clamped to the controls' limits."""
    rest, low, high = _limits(controls)
    units = np.asarray(units, float)
    values = np.where(units >= 0, rest + units * (high - rest), rest + units * (rest - low))
    return np.clip(values, low, high)


def clamp(controls: tuple[Control, ...], values: np.ndarray) -> np.ndarray:
    """Native values (..., M) clamped to the controls' limits."""
    _, low, high = _limits(controls)
    return np.clip(values, low, high)


def _limits(controls: tuple[Control, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array([(c.rest, c.minimum, c.maximum) for c in controls], float).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def arkit_to_unit(controls: tuple[Control, ...], arkit: np.ndarray) -> np.ndarray:
    """ARKit weights (..., 52) in [0, 1] -> unit values (..., M) by each control's `channels`."""
    return np.clip(np.asarray(arkit, float) @ channel_matrix(controls), -1.0, 1.0)


def channel_matrix(controls: tuple[Control, ...]) -> np.ndarray:
    """(52, M) unit value of each control when each channel is 1."""
    matrix = np.zeros((len(ARKIT_CHANNELS), len(controls)))
    for column, control in enumerate(controls):
        for channel, unit in control.channels.items():
            matrix[ARKIT_CHANNELS.index(channel), column] = unit
    return matrix


def load_profile(path: str | Path) -> RigProfile:
    """Read and check a profile; one that was read before and is the same file still is not read
    again, since a window asks at every step.

    Raises:
        InputError: the file is missing, is no profile, or a field is wrong; it names the field.
    """
    path = Path(path)
    now = _state_of(path)
    if now is None or _read_before.get(path, (None,))[0] != now:
        _read_before.pop(path, None)
        found = _read_profile(path)
        if now is None:
            return found
        _read_before[path] = (now, found)
    return _read_before[path][1]


_read_before: dict[Path, tuple[tuple, RigProfile]] = {}


def _state_of(path: Path) -> tuple | None:
    """Tells one state of a file from another; None where it can't be told."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read_profile(path: Path) -> RigProfile:
    data = read_object(path, "restore it or build it again")
    if data.pop("format", None) != FORMAT:
        raise InputError("is not an ExprGen rig profile", file=path, fix="give a profile .json")
    version = data.pop("version", None)
    if version != VERSION:
        raise InputError(
            f"has profile version {str(version)[:20]}, this ExprGen reads {VERSION}",
            file=path,
            fix="build the profile again with this version",
        )
    data.pop("path", None)  # where it lies is not the file's to say
    try:
        profile = replace(as_record(RigProfile, data), path=path)
    except FieldError as error:
        placed = str(error).startswith("landmarks")
        fix = PLACE_FIX if placed else "mend it there or build the profile again"
        raise InputError(f"has a wrong field: {error}", file=path, fix=fix) from error
    _check(profile)
    return profile


Fail = Callable[[str, str], None]
"""Raises InputError of a profile: (problem, fix)."""


def _check(profile: RigProfile) -> None:
    """Refuse a profile whose fields are of the right kind and make no sense."""

    def fail(problem: str, fix: str) -> None:
        raise InputError(problem, file=profile.path, fix=fix)

    if not is_name(profile.name):
        fail(f"its name {profile.name[:60]!r} can't name a file", NAME_FIX)
    if problem := _file_problem(profile.file):
        fail(f"its file {profile.file[:60]!r} {problem}", "name the character's .blend")
    framing = profile.framing
    if not 0.0 < framing.size < FARTHEST or not any(framing.forward):
        fail("its framing shows nothing", "give a size above 0 and a direction")
    names = profile.names
    if not names:
        fail("has no controls", "add at least one control")
    if len(set(names)) != len(names):
        twice = sorted(n for n, count in Counter(names).items() if count > 1)
        fail(f"names control {twice[0]!r} twice", "give every control its own name")
    for control in profile.controls:
        _check_control(control, set(names), fail)
    for pose in profile.key_poses:
        _check_key_pose(pose, set(names), fail)
    _check_landmarks(profile.landmarks, fail)


def _check_control(c: Control, names: set[str], fail: Fail) -> None:
    where = f"control {c.name!r}"
    if max(abs(x) for x in (c.rest, c.minimum, c.maximum)) > FARTHEST:
        fail(f"{where} has a limit beyond {FARTHEST:g}", "give rest and limits in its own unit")
    if not c.minimum <= c.rest <= c.maximum or c.minimum == c.maximum:
        fail(f"{where}: rest {c.rest} is not inside its limits", "mend rest or limits")
    if not c.targets:
        fail(f"{where} moves nothing", "give it at least one target")
    for value, known, what in (
        (c.region, REGIONS, "region"),
        (c.output, OUTPUTS, "output"),
        (c.role, (*ROLES, ""), "role"),
    ):
        if value not in known:
            fail(f"{where} has unknown {what} {value!r}", f"use one of: {', '.join(known)}")
    if c.mirror and c.mirror not in names:
        fail(f"{where} has unknown mirror partner {c.mirror!r}", "name a control of the profile")
    unknown = set(c.channels) - set(ARKIT_CHANNELS)
    if unknown:
        fail(f"{where} names unknown ARKit channel {min(unknown)!r}", "use the 52 ARKit names")


def _check_key_pose(pose: KeyPose, names: set[str], fail: Fail) -> None:
    if pose.expression not in EXPRESSIONS:
        fail(f"key pose {pose.name!r} has unknown expression {pose.expression!r}", "relabel it")
    unknown = set(pose.values) - names
    if unknown:
        fail(f"key pose {pose.name!r} uses unknown control {min(unknown)!r}", "rename it")
    if not 0 <= pose.clarity <= 1:
        fail(f"key pose {pose.name!r} has clarity {pose.clarity}", "give 0 to 1")


def _check_landmarks(landmarks: dict[str, Anchor], fail: Fail) -> None:
    if landmarks and set(landmarks) != set(LANDMARK_NAMES):
        odd = min(set(landmarks) ^ set(LANDMARK_NAMES))
        word = "unknown" if odd in landmarks else "no"
        fail(f"has {word} landmark {odd!r}", PLACE_FIX)
    for name, anchor in landmarks.items():
        whole = all(0 <= v <= MOST_VERTICES for v in anchor.vertices)
        if not whole or abs(sum(anchor.weights) - 1.0) > 1e-3:
            fail(f"landmark {name!r} is on no triangle", PLACE_FIX)


def _file_problem(file: str) -> str:
    """Why a profile's `file` is refused, or "". It may lie anywhere, as the profile of a rig in a
    shared library does; it is only ever read, and never runs a script. On Windows, asking for a
    file of another host tells that host who asks."""
    if not file:
        return ""
    if file.startswith(("//", "\\\\")):
        return "lies on another host"
    if not file.lower().endswith(".blend") or not file.isprintable():
        return "is no .blend"
    return ""


def sample_characters() -> list[RigProfile]:
    """The sample characters that ship with ExprGen, the primary first, then by name."""
    profiles = [load_profile(p) for p in sorted(SAMPLE_RIGS.glob("*.json"))]
    return sorted(profiles, key=lambda p: (not p.primary, p.name))


SCENES = (".blend", ".glb", ".gltf", ".vrm", ".fbx")
"""What a character's file ends with, which somebody may give for its profile."""


def find_character(name_or_path: str) -> RigProfile:
    """A sample character by name, in any case, or any profile by the path of its .json.

    Raises:
        UsageError: no character of this name.
        InputError: the path is no valid profile.
    """
    if name_or_path.endswith(".json"):
        return load_profile(name_or_path)
    if name_or_path.lower().endswith(SCENES):
        own = Path(name_or_path).with_suffix(".json")
        make = f"make it: exprgen profile {name_or_path}, then exprgen landmarks {own}"
        raise UsageError(
            f"{name_or_path} is a character's file, not its profile",
            fix=f"give {own}" if own.is_file() else make,
        )
    characters = sample_characters()
    for profile in characters:
        if profile.name.casefold() == name_or_path.casefold():
            return profile
    raise UsageError(
        f"there is no character {name_or_path!r}",
        fix=f"use one of {', '.join(p.name for p in characters) or '(none built)'} "
        "or the path of a profile .json",
    )
