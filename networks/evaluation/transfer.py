"""What became of the chosen pictures on each character, by each method: read, compared, shown.

The worker's half of the transfer's evaluation; `exprgen_addon/studio/evaluation.py` renders the
pictures and writes down, in groups.json, where they and their landmarks are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..characters.profile import load_profile
from ..errors import InputError
from ..models.weights_places import weights_folder
from ..names import is_name
from ..reading import read_object
from ..records import FieldError, as_type
from ..solving.solve import expression_units
from ..track import FaceTrack, RigTrack
from ..tracking.registration import geometric_features
from ..training.shared.datasets import load_ced
from ..vocabulary import EXPRESSIONS
from .agreement import Agreement, consistency, correlations, spread, worst
from .choice import Chosen, describe, load_choice
from .correlation import told
from .judging import Judge, actor_faces, character_faces, judge_paths, judged, own_reading
from .recognition import Recognition
from .sheets import square, write_picture, write_sheets

HUMAN = "human"
"""The method of the human pictures themselves, in sheets and groups."""
WORST = 10


@dataclass(frozen=True)
class Group:
    """Transfers of one method to one character: picture files and landmarks (49, 2) or None, both
    in the order of the pictures in which a face was found; file of the RigTrack; its profile's."""

    method: str
    character: str
    files: list[str]
    landmarks: list | None
    track: str
    profile: str

    @property
    def name(self) -> str:
        return f"{self.method}/{self.character}"


def load_groups(path: str | Path) -> list[Group]:
    """Read groups.json.

    Raises:
        InputError: it is none.
    """
    fix = "evaluate into an empty folder"
    try:
        groups = as_type(list[Group], read_object(path, fix).get("groups"), "groups")
        if not all(is_name(g.method) and is_name(g.character) for g in groups):
            raise FieldError("a method's or character's name can't name a file")
    except FieldError as error:
        raise InputError(f"is no table of transfers ({error})", file=path, fix=fix) from error
    return groups


def found_pictures(choice: list[Chosen], track: FaceTrack) -> tuple[list[Chosen], np.ndarray]:
    """The chosen pictures in which a face was seen, in the track's order, and their frames.

    Raises:
        InputError: the track is of other pictures.
    """
    by_stem = {c.stem: c for c in choice}
    names = track.meta.get("names") or []
    if not names or set(names) - set(by_stem):
        raise InputError("the face track is of other pictures", fix="evaluate into an empty folder")
    frames = np.flatnonzero(track.found)
    return [by_stem[names[i]] for i in frames], frames


def measure(
    folder: Path, judges: list[Path] | None, ced: str, agreement: float, seed: int, each: int
) -> dict:
    """Every figure of the transfer, from the files in `folder`; writes worst.png and the sheets.

    Args:
        judges: weight files; None takes those beside the other weights. ced: folder of the
            captures, for the spread of the controls; may be empty. each: pictures of each
            expression and group that go on the blind sheets.
    """
    track = FaceTrack.load(folder / "face.npz")
    choice = load_choice(folder / "chosen.json")
    pictures, frames = found_pictures(choice, track)
    groups = load_groups(folder / "groups.json")
    labels = np.array([EXPRESSIONS.index(p.label) for p in pictures])
    halves = np.array([p.half for p in pictures])
    paths = judge_paths(weights_folder()) if judges is None else judges
    loaded = [Judge.load(p) for p in paths]
    people = actor_faces(track, frames)
    actors = judged(loaded, people, halves) if loaded else None
    own_actors = np.asarray(track.expression)[frames]  # what the transfer itself went by
    measured, shown = {}, {}
    for group in groups:
        faces = character_faces(group.files, group.landmarks)
        own = own_reading("scnn", faces, weights_folder())
        entry = {"own": Agreement.of(group.name, labels, own_actors, own, "own").to_json()}
        shown[group.name] = own
        if actors is not None:
            shown[group.name] = judged(loaded, faces, halves)
            entry["judge"] = Agreement.of(group.name, labels, actors, shown[group.name]).to_json()
        if group.landmarks is not None:
            seen = geometric_features(np.asarray(group.landmarks, float))
            entry["geometry"] = _rounded(correlations(track.geometry[frames], seen))
        entry |= _poses(group, labels, frames, ced)
        measured[group.name] = entry
    files = {"worst": show_worst(folder, pictures, groups, labels, shown)}
    files |= _sheets(folder, pictures, groups, labels, each, seed)
    return {
        "pictures": describe(choice, agreement),
        "without_face": sorted({c.stem for c in choice} - {p.stem for p in pictures}),
        "agreement_at_least": agreement,
        "judges": [{"file": p.name, "sha256": j.digest, "half": j.half}
                   for p, j in zip(paths, loaded, strict=True)],
        "humans_as_perceived": Recognition.of(
            "HCNN as in use", "human pictures", labels, own_actors.argmax(1)
        ).to_json(),
        "groups": measured,
        "files": files,
    }  # fmt: skip


def _poses(group: Group, labels: np.ndarray, frames: np.ndarray, ced: str) -> dict:
    """Consistency and spread of a group's control vectors."""
    profile = load_profile(group.profile)
    units = expression_units(RigTrack.load(group.track), profile)[frames]
    out: dict = {"consistency": consistency(units, labels).to_json()}
    if ced and (Path(ced) / group.character).is_dir():
        posed = load_ced(ced, group.character)
        if posed.controls == tuple(c.name for c in profile.expression_controls):
            out["spread"] = round(spread(units, posed.units[posed.labels >= 0]), 4)
    return out


def _rounded(values: dict[str, float]) -> dict:
    """For JSON; the mean is of what can be told."""
    known = [v for v in values.values() if np.isfinite(v)]
    mean = np.mean(known) if known else np.nan
    return {k: told(v) for k, v in values.items()} | {"mean": told(mean)}


# --- pictures ------------------------------------------------------------------------------------

_CELL, _BAND = 180, 34


def show_worst(
    folder: Path,
    pictures: list[Chosen],
    groups: list[Group],
    labels: np.ndarray,
    shown: dict[str, np.ndarray],
    method: str = "exprgen",
) -> str:
    """A picture of the worst transfers of a method, over all its characters: the actor, then the
    character, and what was read; returns its path."""
    rows = []
    for group in (g for g in groups if g.method == method):
        probabilities = shown[group.name]
        rows += [(group, i, probabilities[i]) for i in worst(labels, probabilities, WORST)]
    rows.sort(key=lambda row: row[2][labels[row[1]]])
    originals = {p.stem: p for p in (folder / "pictures").iterdir()}
    cells = []
    for group, i, chances in rows[:WORST]:
        own, best = float(chances[labels[i]]), int(chances.argmax())
        label = pictures[i].label
        said = f"people: {label} {pictures[i].agreement:.0%}"
        read = f"{group.character}: {EXPRESSIONS[best]} {chances[best]:.0%}, {label} {own:.0%}"
        pair = np.hstack(
            [square(originals[pictures[i].stem], _CELL), square(Path(group.files[i]), _CELL)]
        )
        cells.append(_captioned(pair, (said, read)))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 2)
    sheet = np.vstack([np.hstack(cells[k : k + 2]) for k in range(0, len(cells), 2)])
    path = folder / "worst.png"
    write_picture(path, sheet)
    return str(path)


def _captioned(picture: np.ndarray, lines: tuple[str, ...]) -> np.ndarray:
    tile = np.full((picture.shape[0] + _BAND, picture.shape[1] + 8, 3), 255, np.uint8)
    tile[: picture.shape[0], 4:-4] = picture
    for n, line in enumerate(lines):
        place = (6, picture.shape[0] + 13 + 15 * n)
        cv2.putText(tile, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def _sheets(folder: Path, pictures, groups, labels, each: int, seed: int) -> dict:
    """Blind sheets of the first `each` pictures of each expression, of people and every group."""
    if not each:
        return {}
    taken = [i for k in range(len(EXPRESSIONS)) for i in np.flatnonzero(labels == k)[:each]]
    people = _human_copies(folder, [pictures[i] for i in taken])
    files = people + [Path(g.files[i]) for g in groups for i in taken]
    truth = {pictures[i].stem: pictures[i].label for i in taken}
    sheets = write_sheets(files, truth, folder / "sheets" / "blind", seed)
    return {
        "sheets": [str(p) for p in sheets.pictures],
        "key": str(sheets.key),
        "truth": str(sheets.truth),
    }


def _human_copies(folder: Path, pictures: list[Chosen]) -> list[Path]:
    """The human pictures as files <folder>/stills/human/people/<stem>.png, like the others'."""
    originals = {p.stem: p for p in (folder / "pictures").iterdir()}
    out = []
    for picture in pictures:
        path = folder / "stills" / HUMAN / "people" / f"{picture.stem}.png"
        write_picture(path, square(originals[picture.stem], 256))
        out.append(path)
    return out
