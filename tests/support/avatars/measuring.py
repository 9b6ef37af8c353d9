"""How far an avatar comes along docs/tds.md: profile, landmarks, key poses, a performance."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from exprgen.exprgen_addon.characters.landmark_anchors import own_name, world_vertices
from exprgen.exprgen_addon.studio.face_studio import FaceStudio, full_values
from exprgen.networks.characters.coverage import missing_parts
from exprgen.networks.characters.profile import Control, RigProfile, load_profile
from exprgen.networks.reading import read_object
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES

from .building import GROUND, Avatar, sample_of
from .donor import donor, meanings_of

ROLES = (
    "blink_left", "blink_right", "gaze_left_yaw", "gaze_left_pitch", "gaze_right_yaw",
    "gaze_right_pitch", "head_yaw", "head_pitch", "head_roll",
)  # fmt: skip
STEP = 6
"""Every so many frames of a track are posed and looked at."""
OUT_OF_PLACE = 0.2
"""An eyeball may move this far, in its own radii."""
ADRIFT = 0.004
"""Hair may move so far against the head, in heights of the head's mesh."""
CROSSED = -0.35
"""Lids may cross this far, in heights of the open eye."""


def command(*words: str | Path) -> dict:
    """A command of ExprGen in a process of its own; what it says as JSON, or {"error": ...}."""
    line = [sys.executable, "-m", "exprgen.exprgen_addon.command_line.main", *map(str, words)]
    began = time.monotonic()
    done = subprocess.run([*line, "--json"], capture_output=True, text=True, check=False)
    said = [text for text in done.stdout.splitlines() if text.startswith("{")]
    result = json.loads(said[-1]) if said else {"error": {"problem": done.stderr[-300:]}}
    return {**result, "took": round(time.monotonic() - began, 1)}


def profiled(avatar: Avatar, path: Path, folder: Path) -> dict:
    """Profile and landmarks of an avatar's file; the figures of both."""
    out = folder / f"{avatar.name}.json"
    made = command("profile", path, "--out", out)
    figures = {"names": names_known(avatar), "profile": made}
    if "error" in made:
        return figures
    placed = command("landmarks", out, "--sheet", folder / f"{avatar.name}.marks.png")
    profile = load_profile(out)
    figures |= {"landmarks": placed, "controls": len(profile.controls)}
    figures |= {"wrong": wrongly_taken(avatar, profile), "roles": roles(profile)}
    figures["lacks"] = list(missing_parts(profile))
    if "error" not in placed:
        figures["landmark_error"] = landmark_error(avatar, load_profile(out))
    return figures


def names_known(avatar: Avatar) -> float:
    """Share of the names that mean something."""
    known = meanings_of(avatar.names).keys() & set(avatar.names)
    return len(known) / max(len(avatar.names), 1)


def wrongly_taken(avatar: Avatar, profile: RigProfile) -> list[str]:
    """Controls that no face has: hair, shoulders, ears, eyes that leave their place."""
    known = {n.rsplit(".t", 1)[0] for n in avatar.names}
    known |= {avatar.renamed.get(n, n) for n in avatar.names}
    if avatar.sample:
        known |= {_bone_of(c) for c in sample_of(avatar).controls}
    known = {n.casefold() for n in known}
    labels = {c.name: set(c.name.split("/")) | {c.name} for c in profile.expression_controls}
    return [
        name
        for name, own in labels.items()
        if own & set(avatar.wrong) or not {n.casefold() for n in own} & known
    ]


def _bone_of(control: Control) -> str:
    """The bone that a control moves; "" for none."""
    parts = control.targets[0].data_path.split('"')
    return parts[1] if len(parts) > 1 else ""


def roles(profile: RigProfile) -> list[str]:
    """Of ROLES those that some control has; one key for both lids is the left's and the right's."""
    found = {c.role for c in profile.controls}
    if any(c.role == "blink_left" and "eyeBlinkRight" in c.channels for c in profile.controls):
        found.add("blink_right")
    return [r for r in ROLES if r in found]


def possible_roles(avatar: Avatar) -> list[str]:
    """Of ROLES those that the avatar's bones and keys can have."""
    channels = {c for m in meanings_of(avatar.names).values() for c in m.channels}
    turns = {
        "blink": "eyeBlinkLeft" in channels,
        "gaze": bool(avatar.bones and avatar.bones.eyes)
        or {"eyeLookInLeft", "eyeLookUpLeft"} <= channels,
        "head": avatar.bones is not None,
    }
    return [r for r in ROLES if turns[r.split("_")[0]]]


def landmark_error(avatar: Avatar, profile: RigProfile) -> float:
    """Mean distance to where the landmarks truly are, in distances of the outer eye corners."""
    truth = _true_landmarks(avatar)
    with FaceStudio(profile) as studio:
        found = studio.world_landmarks()
    eyes = [LANDMARK_INDEX[n] for n in ("eye_left_outer", "eye_right_outer")]
    unit = np.linalg.norm(truth[eyes[0]] - truth[eyes[1]])
    return float(np.linalg.norm(found - truth, axis=1).mean() / unit)


def _true_landmarks(avatar: Avatar) -> np.ndarray:
    """(49, 3) in the world at rest."""
    if avatar.sample:
        with FaceStudio(sample_of(avatar)) as studio:
            return studio.world_landmarks()
    lift = np.array([0.0, 0.0, GROUND if avatar.bones and avatar.bones.others else 0.0])
    turned = (-1.0, -1.0, 1.0) if avatar.kind == "vrm0" else (1.0, 1.0, 1.0)  # looks the other way
    return (donor().landmarks + lift) * avatar.scale * turned


def posed(avatar: Avatar, folder: Path) -> dict:
    """Key poses proposed by names, and how many of them read."""
    made = command("propose", folder / f"{avatar.name}.json", "--method", "names")
    if "error" in made:
        return {"proposed": 0, "clear": 0, "error": made["error"]}
    return {"proposed": len(made["proposals"]), "clear": made["clear"], "took": made["took"]}


def performed(avatars: list[Avatar], folder: Path, clips: list[Path], lead: str) -> dict:
    """Character -> its mean figures on all clips, played without training; needs profiles."""
    words: list = ["evaluate", "--only", "performance", "--out", _evaluation(folder, avatars)]
    words += [word for clip in clips for word in ("--clip", clip)]
    words += ["--windows", "0", "--method", "exprgen", "--primary", lead]
    words += [w for a in avatars for w in ("--secondary", folder / f"{a.name}.json")]
    said = command(*words)
    if "error" in said:
        raise SystemExit(str(said["error"]))
    measured = read_object(_evaluation(folder, avatars) / "evaluation.json", "evaluate again")
    means = measured["performance"]["means"]
    return {character: methods["exprgen"] for character, methods in means.items()}


def _evaluation(folder: Path, together: list[Avatar]) -> Path:
    return folder / "evaluation" / together[0].name


def faults(avatar: Avatar, together: list[Avatar], folder: Path, clips: list[Path]) -> list[str]:
    """What looks wrong in the tracks of `performed` of avatars that played together: an eye outside
    its socket, a lid shut twice, hair that moves."""
    profile = load_profile(folder / f"{avatar.name}.json")
    found: set[str] = set()
    with FaceStudio(profile) as studio:
        rest = _seen(studio)
        for clip in clips:
            place = _evaluation(folder, together) / "performance" / clip.stem / "exprgen"
            track = RigTrack.load(place / f"{profile.name}.npz")
            values = full_values(profile, track.controls, track.values)
            for i, control in enumerate(profile.controls):
                if control.output == "head":
                    values[:, i] = control.rest
            for row in values[::STEP]:
                studio.pose(row)
                found |= set(_wrong_in(_seen(studio), rest, avatar))
    return sorted(found)


def _seen(studio: FaceStudio) -> dict:
    """Vertices by mesh, and the landmarks, at the present pose."""
    graph = studio.depsgraph
    meshes = {
        own_name(o): world_vertices(o.evaluated_get(graph))
        for o in studio.character.collection.all_objects
        if o.type == "MESH"
    }
    return {"meshes": meshes, "landmarks": studio.world_landmarks()}


def _wrong_in(now: dict, rest: dict, avatar: Avatar):
    head, *eyes, hair = avatar.meshes
    for name in eyes:
        before, after = rest["meshes"][name], now["meshes"][name]
        radius = 0.5 * np.ptp(before, axis=0).max()
        if np.linalg.norm(after.mean(0) - before.mean(0)) > OUT_OF_PLACE * radius:
            yield "an eye outside its socket"
    for name in (hair, "TopHat") if avatar.hat else (hair,):
        before, after = rest["meshes"][name], now["meshes"][name]
        height = np.ptp(rest["meshes"][head][:, 2])
        if np.linalg.norm(after - before, axis=1).max() > ADRIFT * height:
            yield "hair that moves"
    for side in ("left", "right"):
        if _gap(now["landmarks"], side) < CROSSED * _gap(rest["landmarks"], side):
            yield "a lid shut twice"


def _gap(landmarks: np.ndarray, side: str) -> float:
    top, bottom = (
        landmarks[[i for i, n in enumerate(LANDMARK_NAMES) if n.startswith(f"eye_{side}_{end}")]]
        for end in ("top", "bottom")
    )
    return float((top - bottom).mean(0)[2])
