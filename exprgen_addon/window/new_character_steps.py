"""A new character's steps, what is done of them and what is next; told from the files alone.

Everything of a character lies beside its profile: `hero.json`, `hero.blend`, sheets, the networks
that drive it, and the poses it is trained on in `exprgen_training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...networks.characters.profile import RigProfile, load_profile
from ...networks.characters.response import is_measured, load_response
from ...networks.errors import ExprGenError, InputError
from ...networks.models.playable import network_of, refinement
from ...networks.models.weights_places import file_name
from ...networks.reading import read_object
from ...networks.records import FieldError, as_type
from ...networks.vocabulary import EXPRESSIONS

CONTROLS, LANDMARKS, POSES = "controls", "landmarks", "poses"
CAPTURE, TRAIN, TEST = "capture", "train", "test"
TRAINING = "exprgen_training"


@dataclass(frozen=True)
class Step:
    """One step. done: nothing more is needed; ready: what it needs is there; detail: what there is,
    or what to do; picture: a sheet to look at, or None."""

    name: str
    title: str
    done: bool
    ready: bool
    detail: str
    picture: Path | None = None


def steps_of(profile_path: str | Path | None, primary: RigProfile | None) -> list[Step]:
    """The six steps of a character, in order.

    Args:
        profile_path: where its profile is or will be. primary: whom it follows; None if it is to be
            a primary itself, or there is none yet.
    """
    profile, problem = _profile(profile_path)
    controls = Step(
        CONTROLS,
        "Controls",
        profile is not None,
        True,
        f"{len(profile.controls)} controls" if profile else problem,
    )
    if profile is None:
        rest = (
            (LANDMARKS, "Landmarks"), (POSES, "Key poses"), (CAPTURE, "Capture"),
            (TRAIN, "Train"), (TEST, "Test"),
        )  # fmt: skip
        return [controls, *(Step(n, t, False, False, "") for n, t in rest)]
    steps = [controls, _landmarks(profile), _poses(profile), _capture(profile, primary)]
    steps.append(_train(profile, primary, ready=all(s.done for s in steps)))
    return [*steps, _test(profile)]


def next_step(steps: list[Step]) -> Step | None:
    """The first that is to be done and can be."""
    return next((s for s in steps if not s.done and s.ready), None)


def captures(profile: RigProfile) -> Path:
    """Where a character's training pictures are: `<folder>/<character>/`."""
    return profile.path.parent / TRAINING / "ced"


def network_path(profile: RigProfile, primary: RigProfile) -> Path:
    """Where the network that drives a character is written: beside its profile."""
    return profile.path.with_name(file_name("character_mlp", primary.name, profile.name))


def captured(folder: Path, name: str) -> tuple[int, int]:
    """(poses taken or rejected, poses planned) of a character's capture; (0, 0) where there is
    none."""
    try:
        manifest = read_object(folder / name / "manifest.json")
        rejected = as_type(dict[str, int], manifest.get("rejected"), "rejected")
        done, count = (as_type(int, manifest.get(n), n) for n in ("done", "count"))
        return done + sum(rejected.values()), count
    except (ExprGenError, FieldError):
        return 0, 0


def sheet(profile: RigProfile, what: str) -> Path:
    """Where the picture of a step lies."""
    return sheet_at(profile.path, what)


def sheet_at(profile_path: Path, what: str) -> Path:
    """The same of a profile that is still to be made."""
    return profile_path.with_suffix(f".{what}.png")


def clarity_folder(profile: RigProfile) -> Path:
    """Where the clarity check writes."""
    return profile.path.parent / TRAINING


def _profile(path) -> tuple[RigProfile | None, str]:
    if not path:
        return None, "Select the face's mesh and find its controls"
    if not Path(path).is_file():
        return None, "Select the face's mesh and find its controls"
    try:
        return _loaded(Path(path), Path(path).stat().st_mtime_ns), ""
    except ExprGenError as error:
        return None, error.problem


@lru_cache(maxsize=2)
def _loaded(path: Path, written: int) -> RigProfile:
    """A profile, read again only when it was `written` anew: a panel asks at every redraw."""
    return load_profile(path)


def _landmarks(profile: RigProfile) -> Step:
    there = bool(profile.landmarks)
    detail = _landmark_detail(profile) if there else "Found on a picture of the face"
    return Step(LANDMARKS, "Landmarks", there, True, detail, _there(sheet(profile, "landmarks")))


def _landmark_detail(profile: RigProfile) -> str:
    try:
        meta = load_response(profile).meta
    except InputError:
        return "49 landmarks; how controls move them is not measured yet: Apply does so"
    if not is_measured(profile):
        return "49 landmarks; how controls move them is of an earlier state: Apply measures it anew"
    known, dense = meta["accuracy"]["r2"], meta["dense"]["r2"]
    return f"49 landmarks; how controls move them is known to {known:.1%}, all at once {dense:.0%}"


def _poses(profile: RigProfile) -> Step:
    shown = {p.expression for p in profile.key_poses}
    missing = [e for e in EXPRESSIONS if e not in shown]
    detail = f"{len(profile.key_poses)} poses"
    if missing:
        detail = f"{detail}, none of {', '.join(missing)}"
    if not profile.key_poses:
        proposed = profile.path.with_suffix(".proposals.json").is_file()
        detail = "Look at the proposals, then accept them" if proposed else "Propose some"
    picture = _there(sheet(profile, "proposals"))
    return Step(POSES, "Key poses", not missing, True, detail, picture)


def _capture(profile: RigProfile, primary: RigProfile | None) -> Step:
    folder = captures(profile)
    names = [profile.name, *([primary.name] if primary and primary.name != profile.name else [])]
    counts = {n: captured(folder, n) for n in names}
    done = all(made and made >= planned for made, planned in counts.values())
    detail = ", ".join(f"{n} {made} of {p}" for n, (made, p) in counts.items() if p)
    ready = bool(profile.landmarks) and bool(profile.key_poses)
    return Step(
        CAPTURE, "Capture", done, ready, detail or f"Poses of {' and '.join(names)}",
    )  # fmt: skip


def _train(profile: RigProfile, primary: RigProfile | None, ready: bool) -> Step:
    lead = primary or profile
    there = network_of(profile, lead).is_file()
    if gain := refinement(profile, lead):
        detail = f"Solved by its channels; {gain}"
    elif primary is None:
        detail = "Can be solved from a face" if there else "Train on the command line (docs)"
    else:
        detail = f"Follows {primary.title}" if there else f"So that it follows {primary.title}"
    return Step(TRAIN, "Train", there, ready and primary is not None, detail)


def _test(profile: RigProfile) -> Step:
    path = clarity_folder(profile) / f"{profile.name}_clarity.json"
    picture = _there(path.with_suffix(".png"))
    try:
        poses = as_type(tuple[dict[str, object], ...], read_object(path).get("poses"), "poses")
        verdicts = [p["verdict"] for p in poses]
        clear = sum(v == "clear" for v in verdicts)
        return Step(
            TEST, "Test", True, True, f"{clear} of {len(verdicts)} poses read clearly", picture
        )
    except (ExprGenError, FieldError, KeyError):
        ready = bool(profile.key_poses)
        return Step(TEST, "Test", False, ready, "How do its key poses read?", picture)


def _there(path: Path) -> Path | None:
    return path if path.is_file() else None
