"""The 49 landmarks on a character: found on renders of its neutral face, kept as mesh anchors.

The neutral face is rendered in several lights and sizes, and once more with the jaw open, since the
lips of a closed mouth can't be told apart. The worker's landmarker finds 49 points in each; they
are cast through the camera onto the skin (skin_rays.py). The median over the pictures is kept.
Where the framing misses the face it is looked for wider, closer and turned (face_search.py).

A face that the landmarker can't find (one eye, a beak) gets the average face's landmarks, warped by
points that a person places (`warp_template`). One eye is taken for two halves: its outer ends are
the outer corners of both, its middle their inner corners. What then lies on no skin, such as these,
is carried by the three `CARRIERS` instead of a triangle of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...networks.characters.profile import Anchor, RigProfile, arkit_to_unit, from_unit
from ...networks.errors import InputError
from ...networks.files import scratch_folder
from ...networks.names import shortened
from ...networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, LANDMARK_NAMES
from ..characters.landmark_points import warp_template
from .face_search import asked_framing, find_elsewhere, follows_jaw, note
from .look import Look
from .skin_rays import CARRIERS, PLACE_BY_HAND, Surface, cast

Locate = Callable[[list[Path]], list[np.ndarray | None]]
"""Pictures -> their landmarks (49, 2) in pixels, or None where no face was found."""
VIEW_SIZE = 320
ALONE, BESIDE = 640, 400
"""Side of a picture on the sheet, pixels: of the neutral face alone, and beside key poses."""
JAW_OPEN = 0.55
"""jawOpen of the pose in which lower and inner lips are found."""
_FROM_OPEN = [
    i for i, n in enumerate(LANDMARK_NAMES) if "inner" in n and n.startswith("lip")
] + [i for i, n in enumerate(LANDMARK_NAMES) if n.startswith("lip_bottom_outer")]  # fmt: skip
_VIEWS = (
    Look(key_azimuth=-0.35, key_elevation=0.5, ambient=1.3),
    Look(key_azimuth=0.35, key_elevation=0.5, ambient=1.3, zoom=0.8),
    Look(key_azimuth=0.0, key_elevation=0.35, ambient=1.5, zoom=0.92, shift=(0.03, 0.02)),
    Look(key_azimuth=-0.8, key_elevation=0.7, ambient=1.2, zoom=0.7, shift=(-0.04, -0.03)),
)


@dataclass(frozen=True)
class Placement:
    """How landmarks were placed.

    profile: with its landmarks. found: pictures in which the landmarker saw the face, of `looked`.
    template: warped from points that a person placed. open_mouth: the lips were found with the jaw
    open. moved: names whose ray met no skin, so that they went to skin near by. spread: (49,)
    deviation over the pictures, in shares of the face's width. framed: how the profile's framing
    was changed, in words, or "".
    """

    profile: RigProfile
    found: int
    looked: int
    template: bool
    open_mouth: bool
    moved: tuple[str, ...]
    spread: np.ndarray = field(repr=False)
    framed: str = ""

    @property
    def warnings(self) -> list[str]:
        """What a person should look at."""
        out = [self.framed] if self.framed else []
        if self.template:
            out.append("placed on a closed mouth: look whether the lower lip's points follow it")
        elif not self.open_mouth:
            out.append("no jaw control was found: look whether the lower lip's points follow it")
        if self.moved:
            out.append(f"not on the skin, moved to it: {shortened(self.moved, 3)}")
        loose = [LANDMARK_NAMES[i] for i in np.flatnonzero(self.spread > 0.03)]
        if loose:
            out.append(f"found in different places in different light: {', '.join(loose)}")
        return out


def place_landmarks(profile: RigProfile, locate: Locate, points: dict | None = None) -> Placement:
    """Find a character's landmarks and anchor them; nothing is saved. Needs bpy.

    Args:
        locate: finds landmarks in pictures, `locate_with(worker)` for instance.
        points: landmark name -> (x, y) in shares of the neutral view's side (see `neutral_view`):
            placed by a person, and used instead of looking for the face.

    Raises:
        InputError: the landmarker finds no face, or what it finds is not on the character.
        UsageError: too few points, or unknown names.
    """
    from .face_studio import CED, FaceStudio

    if points is not None:
        return _by_points(profile, warp_template(points))
    framed, said = _framed(profile, locate)
    with FaceStudio(framed, replace(CED, size=VIEW_SIZE)) as studio:
        shots = _look_for(studio, locate, _VIEWS)
        looked = len(_VIEWS)
        if not shots:
            raise _no_face(profile)
        anchors, moved, spread = _anchor_all(studio, shots)
        open_mouth = False
        jaw = open_jaw(profile)
        if jaw is not None:
            studio.pose(jaw)
            shots_open = _look_for(studio, locate, _VIEWS[:3])
            looked += 3
            if shots_open:
                opened, moved_open, spread_open = _anchor_all(studio, shots_open)
                for i in _FROM_OPEN:
                    anchors[LANDMARK_NAMES[i]] = opened[LANDMARK_NAMES[i]]
                    moved[i], spread[i] = moved_open[i], spread_open[i]
                open_mouth = True
            shots = [*shots, *shots_open]
    return Placement(
        profile=replace(framed, landmarks=anchors),
        found=len(shots),
        looked=looked,
        template=False,
        open_mouth=open_mouth,
        moved=tuple(LANDMARK_NAMES[i] for i in np.flatnonzero(moved)),
        spread=spread,
        framed=said,
    )


def _by_points(profile: RigProfile, template: np.ndarray) -> Placement:
    """Landmarks (49, 2) in shares of the neutral view, anchored."""
    from .face_studio import CED, FaceStudio

    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        anchors, moved, spread = _anchor_all(studio, [(Look(), template * VIEW_SIZE)], strict=False)
    return Placement(
        profile=replace(profile, landmarks=anchors),
        found=1,
        looked=1,
        template=True,
        open_mouth=False,
        moved=tuple(LANDMARK_NAMES[i] for i in np.flatnonzero(moved)),
        spread=spread,
    )


def _no_face(profile: RigProfile) -> InputError:
    return InputError(
        f"the landmarker finds no face on the neutral face of {profile.name!r}",
        file=profile.path,
        fix=PLACE_BY_HAND,
    )


def _framed(profile: RigProfile, locate: Locate) -> tuple[RigProfile, str]:
    """The profile with a framing in which its face is seen as those of others are, and how that
    was changed, in words.

    Raises:
        InputError: the landmarker finds no face, wherever it looks.
    """
    from .face_studio import CED, FaceStudio

    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        shots, how = _look_for(studio, locate, _VIEWS[:2]), ""
        if not shots:
            found = find_elsewhere(
                lambda looks: _look_for(studio, locate, looks), _jaw_check(studio)
            )
            if found is None:
                raise _no_face(profile)
            shots, how = [(found[0].look, found[1])], found[0].how
        places = _cast(studio, *shots[0])[1]
        framing = asked_framing(profile.framing, places, studio.backward())
    if framing == profile.framing:
        return profile, ""
    return replace(profile, framing=framing), note(profile.framing, framing, how)


def _cast(studio, look: Look, pixels: np.ndarray) -> tuple[Surface, np.ndarray]:
    """The character's surface, and where landmarks that were seen in a look lie on it (49, 3)."""
    studio.look(look)
    surface = Surface(studio.profile, studio.character.collection, studio.depsgraph)
    return surface, cast(surface, studio, np.asarray(pixels, float))[0]


def _jaw_check(studio) -> Callable[[Look, np.ndarray], bool]:
    """Whether what was taken for a face has a lower lip that follows the jaw."""
    jaw = open_jaw(studio.profile)

    def holds(look: Look, pixels: np.ndarray) -> bool:
        try:
            surface, places = _cast(studio, look, pixels)
        except InputError:  # it lies on nothing
            return False
        if jaw is None:
            return True
        studio.pose(jaw)
        opened = Surface(studio.profile, studio.character.collection, studio.depsgraph)
        studio.pose(np.array([c.rest for c in studio.profile.controls]))
        return follows_jaw(surface.vertices, opened.vertices, places)

    return holds


def _look_for(studio, locate: Locate, looks: Sequence[Look]) -> list[tuple[Look, np.ndarray]]:
    """(look, landmarks (49, 2)) of the looks in which the face is found at the present pose."""
    with scratch_folder() as folder:
        paths = [folder / f"{i}.png" for i in range(len(looks))]
        for look, path in zip(looks, paths, strict=True):
            studio.look(look)
            studio.render_to(path)
        found = locate(paths)
    return [(k, p) for k, p in zip(looks, found, strict=True) if p is not None]


def _anchor_all(
    studio, shots, strict: bool = True
) -> tuple[dict[str, Anchor], np.ndarray, np.ndarray]:
    """Anchors by name, moved (49,), spread (49,) of landmarks found at the present pose."""
    surface = Surface(studio.profile, studio.character.collection, studio.depsgraph)
    places, pieces, moved = [], [], []
    for look, pixels in shots:
        studio.look(look)
        place, piece, far = cast(surface, studio, np.asarray(pixels, float), strict)
        places.append(place)
        pieces.append(piece)
        moved.append(far)
    places, pieces = np.array(places), np.array(pieces)
    middle = np.median(places, axis=0)
    across = middle @ studio.axes()[0]
    width = max(float(np.nanmax(across) - np.nanmin(across)), 1e-9)
    spread = np.linalg.norm(places - middle, axis=-1).mean(0) / width
    anchors = {}
    for i, name in enumerate(LANDMARK_NAMES):
        if np.isnan(middle[i]).any():
            continue
        own, count = np.unique(pieces[:, i], return_counts=True)
        anchors[name] = surface.anchor(int(own[count.argmax()]), middle[i])
    flat = dict(zip(LANDMARK_NAMES, np.asarray(shots[0][1], float), strict=True))
    anchors = {n: anchors.get(n) or carried(flat, anchors, n) for n in LANDMARK_NAMES}
    spread = np.nan_to_num(spread)
    return anchors, np.mean(moved, axis=0) > 0.5, spread


def carried(pixels: dict[str, np.ndarray], anchors: dict[str, Anchor], name: str) -> Anchor:
    """An anchor for a landmark on no skin: `CARRIERS` hold it where it is in the picture.

    Raises:
        InputError: the carriers are on several meshes.
    """
    holders = [anchors[n] for n in CARRIERS]
    if len({a.object for a in holders}) > 1:
        raise InputError(
            f"landmark {name!r} is on no skin", fix=f"put a point for it on {holders[0].object!r}"
        )
    heaviest = [int(np.argmax(a.weights)) for a in holders]
    system = np.vstack([np.array([pixels[n] for n in CARRIERS]).T, np.ones(3)])
    weights = np.linalg.solve(system, [*pixels[name], 1.0])
    return Anchor(
        holders[0].object,
        tuple(a.vertices[k] for a, k in zip(holders, heaviest, strict=True)),
        tuple(round(float(w), 6) for w in weights),
    )


def open_jaw(profile: RigProfile) -> np.ndarray | None:
    """Native values (C,) of all controls with the jaw open, or None without such a control."""
    controls = profile.controls
    if not controls:
        return None
    arkit = np.zeros(len(ARKIT_CHANNELS))
    arkit[ARKIT_INDEX["jawOpen"]] = JAW_OPEN
    units = arkit_to_unit(controls, arkit)
    return from_unit(controls, units) if np.abs(units).max() > 0.05 else None


def locate_with(run: Callable[[str, dict], dict]) -> Locate:
    """A `Locate` that asks the worker; `run(command, arguments)` gives a job's result."""

    def locate(paths: list[Path]) -> list[np.ndarray | None]:
        result = run("locate", {"images": [str(p) for p in paths]})
        found = [p["landmarks"] for p in result["pictures"]]
        return [None if p is None else np.asarray(p, float) for p in found]

    return locate


def neutral_view(profile: RigProfile, out: Path) -> None:
    """Write the neutral view, in whose shares points are placed."""
    from .face_studio import CED, FaceStudio

    with FaceStudio(profile, replace(CED, size=VIEW_SIZE)) as studio:
        studio.render_to(out)


def sheet_side(count: int) -> int:
    """Side of a picture on a sheet of so many, pixels."""
    return ALONE if count == 1 else BESIDE


def sheet_cells(profile: RigProfile, folder: Path, count: int = 12) -> list[dict]:
    """Pictures of the neutral face and of key poses with their landmarks, for the worker's `sheet`
    command; the pictures are written into `folder`."""
    from .face_studio import CED, FaceStudio, full_values

    step = max(1, len(profile.key_poses) // max(1, count - 1))
    chosen = [("neutral", {})] + [(p.name, p.values) for p in profile.key_poses[::step]]
    chosen, cells = chosen[:count], []
    with FaceStudio(profile, replace(CED, size=sheet_side(len(chosen)))) as studio:
        for i, (name, values) in enumerate(chosen):
            path = folder / f"{i:02d}.png"
            studio.pose(full_values(profile, list(values), list(values.values())))
            studio.render_to(path)
            cells.append(
                {"file": str(path), "lines": [name], "landmarks": studio.landmarks().tolist()}
            )
    return cells
