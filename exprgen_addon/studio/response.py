"""A character's response, measured by posing it without rendering; needs bpy.

See `networks.characters.response` for what a response is. A pose costs 7 to 30 ms, so the halves
of all controls take seconds; pairs are many, and only those that move a common point are tried,
and those of which one moves next to nothing alone but something beside the other: a mouth that
closes over an open jaw. Those are looked for in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from ...networks.characters.profile import Anchor, Control, RigProfile, from_unit, to_unit
from ...networks.characters.response import (
    AMOUNTS,
    POINTS,
    PROBES,
    WAY,
    ResponseModel,
    accuracy,
    is_measured,
    moving_controls,
    profile_digest,
    response_path,
    rig_digest,
)
from ...networks.errors import InputError, OutputError
from ...networks.tracking.registration import FRONTAL_FACE
from ...networks.vocabulary import LANDMARK_INDEX, LANDMARK_NAMES
from ..characters.landmark_anchors import FaceAnchors
from .ced_poses import draw_samples
from .face_studio import FaceStudio, full_values
from .lip_rays import lip_opening
from .skin_rays import Surface, chin_anchor

TOGETHER = 0.02
"""Eye distances that both halves of a pair must move a common point to be tried together."""
BEND = 0.004
"""Least bend of a pair that is kept, eye distances; smaller ones are not seen."""
GROUP = 8
"""Halves that are set at once to see whether one that moves nothing alone moves something then;
only where it does they are parted, down to the single one."""
STRONG = 0.03
"""Bend of a pair, eye distances, from which on it is seen how it grows: with the product of both
amounts, or with the lesser one."""
MOST_PAIRS = 600
TRIED, DENSE = 60, 40
"""Poses on which the model is tried: drawn as for a capture, and with all controls at random at
once, which no face does and where more than two meet."""

SEEN_APART = 0.03
"""Eye distances from which on lips that one can look between are parted at rest."""

Progress = Callable[[int, int], None]
Stop = Callable[[], bool]


def ensure_response(
    profile: RigProfile, progress: Progress | None = None, stop: Stop = lambda: False
) -> str:
    """Measure a character's response where there is none or rig, landmarks or controls changed.

    Args:
        stop: True ends the measuring; nothing of it is kept.

    Returns:
        a note for the user where there can be none (no landmarks, a folder that can't be written),
        else "".
    """
    if not profile.landmarks:
        return f"{profile.name} has no landmarks: its relations are not solved"
    if is_measured(profile):
        return ""
    try:
        model = measure_response(profile, progress, stop)
        if not stop():
            model.save(response_path(profile))
    except (InputError, OutputError) as error:
        return f"no response of {profile.name}: {error}"
    return ""


def measure_response(
    profile: RigProfile, progress: Progress | None = None, stop: Stop | None = None
) -> ResponseModel:
    """Pose a character and see how each control, and pairs of them, move its points.

    Args:
        progress: called with (poses taken, poses in all). stop: True ends the measuring of pairs;
            what is measured so far is kept.

    Raises:
        InputError: no landmarks, or the character's .blend is missing or has changed.
    """
    with FaceStudio(profile) as studio:
        bench = _Bench(studio, progress or (lambda done, total: None))
        return _measure(bench, stop or (lambda: False))


def _measure(bench: _Bench, stop: Stop) -> ResponseModel:
    halves = halves_of(bench.controls)
    bench.expect(len(halves) * len(AMOUNTS) + TRIED + DENSE)
    curves = np.array([[bench.moved({h: a}) for a in AMOUNTS] for h in map(tuple, halves)])
    pairs = _pairs(bench.controls, halves, np.abs(curves[:, -1]).max(-1))
    pairs += _woken_pairs(bench, halves, curves[:, -1], stop)
    bench.expect(len(pairs))
    kept, bends = [], []
    for a, b in pairs:
        if stop():
            break
        bend = bench.moved({tuple(halves[a]): 1.0, tuple(halves[b]): 1.0})
        bend = bend - curves[a, -1] - curves[b, -1]
        if np.abs(bend).max() > BEND:
            kept.append((a, b))
            bends.append(bend)
    strongest = np.argsort([-np.abs(b).max() for b in bends])[:MOST_PAIRS]
    kept = np.array(kept, int).reshape(-1, 2)[strongest]
    bends = np.array(bends).reshape(-1, *bench.rest.shape)[strongest]
    lesser = _lesser_parts(bench, halves, curves, kept, bends, stop)
    grows = np.abs(lesser).max((1, 2)) > 0.0
    model = ResponseModel(
        character=bench.profile.name,
        controls=tuple(c.name for c in bench.controls),
        points=POINTS,
        digest=profile_digest(bench.profile),
        rig=rig_digest(bench.profile),
        rest=bench.rest,
        halves=halves,
        amounts=np.array(AMOUNTS),
        curves=curves,
        pairs=kept,
        bends=bends - lesser,
        lesser=kept[grows],
        lesser_bends=lesser[grows],
        parted=round(bench.parted, 4) if bench.parted > SEEN_APART else 0.0,
    )
    return replace(model, meta=_tried(bench, model))


def _lesser_parts(bench: _Bench, halves, curves, pairs, bends, stop: Stop) -> np.ndarray:
    """(Q, P, 3) the parts of bends (Q, P, 3) that grow with the lesser amount of both halves.

    With both half-way a bend that grows with the product is a quarter, such a part a half.
    """
    middle = AMOUNTS.index(0.5)
    strong = np.flatnonzero(np.abs(bends).max((1, 2)) > STRONG)
    bench.expect(len(strong))
    out = np.zeros_like(bends)
    for q in strong:
        if stop():
            break
        a, b = pairs[q]
        bend = bench.moved({tuple(halves[a]): 0.5, tuple(halves[b]): 0.5})
        part = 4.0 * (bend - curves[a, middle] - curves[b, middle]) - bends[q]
        if np.abs(part).max() > STRONG:
            out[q] = part
    return out


def _tried(bench: _Bench, model: ResponseModel) -> dict:
    """How well the model predicts poses that it was not measured at, and the scale."""
    samples = draw_samples(bench.profile, 7, range(TRIED))
    columns = [bench.profile.names.index(n) for n in model.controls]
    units = to_unit(bench.controls, samples.values[:, columns])
    low, high = (np.zeros(len(model.controls)) for _ in range(2))
    for control, sign in model.halves:
        (high if sign > 0 else low)[control] = sign
    dense = np.random.default_rng(7).uniform(low, high, (DENSE, len(low)))
    return {
        "accuracy": _met(bench, model, units),
        "dense": _met(bench, model, dense),
        "scale": round(bench.scale, 6),
        "way": WAY,
    }


def _met(bench: _Bench, model: ResponseModel, units: np.ndarray) -> dict:
    """The `accuracy` at unit values (N, C), posed."""
    return accuracy(model, units, np.array([bench.rest + bench.moved_by(u) for u in units]))


def halves_of(controls: Sequence[Control]) -> np.ndarray:
    """(H, 2) int: control and sign of each half that has a reach."""
    out = []
    for i, control in enumerate(controls):
        out += [(i, 1)] if control.maximum > control.rest else []
        out += [(i, -1)] if control.minimum < control.rest else []
    return np.array(out, int).reshape(-1, 2)


def _pairs(controls, halves: np.ndarray, full: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of halves that move a common point, of different controls; eyes only with lids.

    Args:
        full: (H, P) how far each half moves each point.
    """
    moves = full > TOGETHER
    eyes = [controls[c].output == "eyes" for c, _ in halves]
    return [
        (a, b)
        for a in range(len(halves))
        for b in range(a + 1, len(halves))
        if halves[a, 0] != halves[b, 0]
        and not (eyes[a] and eyes[b])
        and (moves[a] & moves[b]).any()
    ]


def _woken_pairs(bench: _Bench, halves: np.ndarray, alone: np.ndarray, stop: Stop) -> list:
    """Pairs of halves of which one moves less than TOGETHER alone, and by BEND more or less beside
    the other.

    Args:
        alone: (H, P, 3) what each half does at full.
    """
    quiet = np.flatnonzero((np.abs(alone) <= TOGETHER).all((1, 2)))
    count = -(-len(halves) // GROUP)
    groups = [tuple(range(k, len(halves), count)) for k in range(count)]
    planned, before = len(groups) * len(quiet), bench.done
    bench.expect(planned)
    waking = _Waking(bench, halves, alone)
    found = set()
    for one, group in product(map(int, quiet), groups):
        if stop():
            break
        found |= {(min(one, h), max(one, h)) for h in waking.partners(one, group)}
    bench.expect(bench.done - before - planned)  # how many are parted nobody knew
    return sorted(found)


class _Waking:
    """Which halves of a group change what one half does."""

    def __init__(self, bench: _Bench, halves: np.ndarray, alone: np.ndarray):
        self._bench, self._halves = bench, [tuple(h) for h in halves]
        self._known: dict[tuple[int, ...], np.ndarray] = {(h,): m for h, m in enumerate(alone)}

    def partners(self, one: int, group: tuple[int, ...]) -> list[int]:
        """The group is halved as long as `one` does another thing beside it than alone."""
        control = self._halves[one][0]
        group = tuple(h for h in group if self._halves[h][0] != control)
        if not group or not self._is_woken(one, group):
            return []
        if len(group) == 1:
            return list(group)
        middle = len(group) // 2
        return self.partners(one, group[:middle]) + self.partners(one, group[middle:])

    def _is_woken(self, one: int, group: tuple[int, ...]) -> bool:
        beside = self._moved((one, *group)) - self._moved(group)
        return bool(np.abs(beside - self._moved((one,))).max() > BEND)

    def _moved(self, group: tuple[int, ...]) -> np.ndarray:
        """With all of a group at full; of two halves of one control the first."""
        if group not in self._known:
            amounts: dict[tuple[int, int], float] = {}
            for half in map(self._halves.__getitem__, group):
                if all(control != half[0] for control, _ in amounts):
                    amounts[half] = 1.0
            self._known[group] = self._bench.moved(amounts)
        return self._known[group]


class _Bench:
    """A character on which halves are tried: poses in, displacements in the face's frame out.

    rest: (P, 3) its points. parted: how far one can look between its lips at rest, eye distances.
    """

    def __init__(self, studio: FaceStudio, progress: Progress):
        self._studio, self._progress = studio, progress
        self.done = self._total = 0
        self.profile = studio.profile
        self.controls = moving_controls(self.profile)
        self._axes = studio.axes()
        resting = studio.world_landmarks()
        centres = [_eye_centre(resting, side) for side in ("left", "right")]
        self._origin = 0.5 * (centres[0] + centres[1])
        self.scale = float(np.linalg.norm(centres[0] - centres[1]))
        landmarks = [self.profile.landmarks[n] for n in LANDMARK_NAMES]
        anchors = [*landmarks, *_place_probes(studio, resting)]
        self._anchors = FaceAnchors(self.profile, studio.character.collection, anchors)
        self.rest = self._points()
        self.parted = lip_opening(studio, resting) / self.scale

    def expect(self, poses: int) -> None:
        self._total += poses

    def moved(self, amounts: dict[tuple[int, int], float]) -> np.ndarray:
        """(P, 3) displacement with some halves (control, sign) at some amounts."""
        units = np.zeros(len(self.controls))
        for (control, sign), amount in amounts.items():
            units[control] = sign * amount
        return self.moved_by(units)

    def moved_by(self, units: np.ndarray) -> np.ndarray:
        """(P, 3) displacement at unit values (C,)."""
        names = [c.name for c in self.controls]
        self._studio.pose(full_values(self.profile, names, from_unit(self.controls, units)))
        self.done += 1
        self._progress(self.done, max(self._total, self.done))
        return self._points() - self.rest

    def _points(self) -> np.ndarray:
        places = self._anchors.world(self._studio.depsgraph)
        return (places - self._origin) @ self._axes.T / self.scale


def _eye_centre(landmarks: np.ndarray, side: str) -> np.ndarray:
    ends = [landmarks[LANDMARK_INDEX[f"eye_{side}_{e}"]] for e in ("inner", "outer")]
    return 0.5 * (ends[0] + ends[1])


def _place_probes(studio: FaceStudio, landmarks: np.ndarray) -> list[Anchor]:
    """Anchors of PROBES at rest: where the average face, laid over the landmarks, has them, on the
    nearest skin (the connected piece of mesh that the nose is on); the chin is where it is
    measured, as long as something is seen there: short chins would have it where lips pull."""
    flat = np.array([[*FRONTAL_FACE[n], 1.0] for n in LANDMARK_NAMES])
    laid = np.linalg.lstsq(flat, landmarks, rcond=None)[0]
    surface = Surface(studio.profile, studio.character.collection, studio.depsgraph)
    nose = studio.profile.landmarks["nose_tip"]
    start = dict(surface.objects)[nose.object]
    touching = (surface.triangles == nose.vertices[0] + start).any(1)
    skin = int(surface.piece[np.flatnonzero(touching)[0]])
    places = {name: np.array([*place, 1.0]) @ laid for name, (place, _) in PROBES.items()}
    anchors = {name: surface.anchor(skin, place) for name, place in places.items()}
    anchors["chin"] = chin_anchor(studio) or anchors["chin"]
    return list(anchors.values())
