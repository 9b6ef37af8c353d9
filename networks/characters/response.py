"""How a character's controls move its landmarks: measured once by posing, predicted in a moment.

A response is kept beside the profile as `<profile>.response.npz`, so that whoever solves (the
worker, a farm machine) knows the character's geometry without Blender. It must not know footage or
actors.

The model: every control has up to two *halves*, from rest to its maximum and from rest to its
minimum. A half's displacement is a curve through samples at several amounts, so a lid that turns
over an eyeball is no straight line. Two halves at once move the points by the sum of both, and by a
*bend* that grows with the product of their amounts: an open jaw takes the lower lip along, and what
the lip does is turned with it. Some bends grow with the lesser of both amounts instead: what
closes a mouth does so as far as the jaw is open.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from ..arrays import ROWS, Column, check_columns
from ..errors import InputError
from ..records import FieldError, as_record, json_text
from ..track import load_arrays, save_arrays
from ..vocabulary import LANDMARK_NAMES, OUTPUTS
from .profile import Control, RigProfile

KIND = "exprgen.response"
SUFFIX = ".response.npz"
FAR = 1e3
"""Eye distances from between the eyes at which a point may lie."""
AMOUNTS = (0.25, 0.5, 0.75, 1.0)
"""Shares of a half's reach at which it is measured."""
WAY = 2
"""How responses are measured now; one that was measured another way serves until it is measured
anew. 2: pairs of which one moves nothing alone too."""
EVEN = 0.1
"""Difference of two amounts within which it is both of them that hold the lesser one back."""
QUIET, WAKES = 0.004, 0.03
"""Eye distances up to which a half moves nothing alone, and by which it does beside one that wakes
it."""
AWAKE = 0.03
"""Amount of the one that wakes it from which on such a half may go all the way, where what both do
grows with the product of their amounts; next to nothing is lost below. Where it grows with the
lesser one it goes as far as the other does, since more changes nothing."""
GRAIN = 1e-4
"""Eye distances between two numbers that the file can tell apart."""

PROBES = {
    "chin": ((0.0, 1.66), 199),
    "cheek_right": ((-0.62, 0.62), 205),
    "cheek_left": ((0.62, 0.62), 425),
    "cheekbone_right": ((-0.66, 0.30), 101),
    "cheekbone_left": ((0.66, 0.30), 330),
}
"""Points beside the 49 landmarks, which every face has and nobody need place: name -> (x, y) on the
average frontal face (see `registration.FRONTAL_FACE`), and the MediaPipe mesh point of an actor."""

POINTS = (*LANDMARK_NAMES, *PROBES)
"""The points of every response, in order: the landmarks, then the probes."""


def response_path(profile: RigProfile) -> Path:
    """Where a profile's response is kept.

    Raises:
        InputError: the profile was never saved.
    """
    if profile.path is None:
        raise InputError(f"profile {profile.name!r} was never saved", fix="save it first")
    return profile.path.with_suffix(SUFFIX)


def moving_controls(profile: RigProfile) -> tuple[Control, ...]:
    """The controls of a response, in profile order: all but the head's, which moves everything."""
    return tuple(c for c in profile.controls if c.output != "head")


def profile_digest(profile: RigProfile) -> str:
    """Tells one state of a profile's landmarks and controls from another."""
    controls = [
        (c.name, [asdict(t) for t in c.targets], float(c.rest), float(c.minimum), float(c.maximum))
        for c in moving_controls(profile)
    ]
    landmarks = [asdict(profile.landmarks[n]) for n in LANDMARK_NAMES if n in profile.landmarks]
    text = json_text([POINTS, AMOUNTS, OUTPUTS, controls, landmarks])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rig_digest(profile: RigProfile) -> str:
    """Tells one state of a character's .blend from another; "" where it can't be read."""
    try:
        state = os.stat(profile.blend)
        return _digest_of(profile.blend, state.st_mtime_ns, state.st_size)
    except (OSError, InputError):
        return ""


@lru_cache(maxsize=64)
def _digest_of(path: Path, written: int, size: int) -> str:
    """Of a file as it was `written`: a panel asks at every redraw."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class LinearResponse:
    """A response seen through K linear measures of the points (see `ResponseModel.through`).

    rest (K,); halves (H, 2): control, sign; amounts (A,); curves (H, A, K) displacement of each
    half at each amount; pairs (Q, 2) of halves; bends (Q, K) beyond the sum, with both at full;
    count: C, the number of controls; lesser (R, 2) of halves, lesser_bends (R, K): what grows with
    the lesser amount of both. woken (W, 2) of halves: one that moves nothing alone, and one beside
    which it does; awake (W,): the amount of the second from which on the first may go all the way.
    """

    rest: np.ndarray
    halves: np.ndarray
    amounts: np.ndarray
    curves: np.ndarray
    pairs: np.ndarray
    bends: np.ndarray
    count: int
    lesser: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    lesser_bends: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    woken: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    awake: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def predict(self, units: np.ndarray) -> np.ndarray:
        """(N, K) measures at unit values (N, C)."""
        amount = self._amounts(units)
        out = np.tile(self.rest, (len(amount), 1))
        for knot, share in enumerate(self._shares(amount)):
            out += share @ self.curves[:, knot]
        product = amount[:, self.pairs[:, 0]] * amount[:, self.pairs[:, 1]]
        out += product @ self.bends
        if len(self.lesser):
            out += amount[:, self.lesser].min(-1) @ self.lesser_bends
        return out

    def slopes(
        self, units: np.ndarray, controls: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """((N, K, C), (N, K, C)) how the measures change with each unit value, upwards on the
        positive half and on the negative half; zero where a control has no such half. controls:
        indices of the C that are asked for, in order; all by default."""
        units = np.asarray(units, float)
        amount = self._amounts(units)
        slopes = np.einsum("nha,hak->nhk", self._pieces(amount), self._steps, optimize=True)
        slopes += np.tensordot(amount, self._bends_by_half, axes=1)
        for (a, b), bend in zip(self.lesser, self.lesser_bends, strict=True):
            # Softened where both are even, so that a step doesn't swing to and fro.
            share = np.clip(0.5 + (amount[:, b] - amount[:, a]) / (2 * EVEN), 0.0, 1.0)[:, None]
            slopes[:, a] += share * bend
            slopes[:, b] += (1.0 - share) * bend
        up, down = (self._by_control(slopes, sign, controls) for sign in (1, -1))
        return up, down

    def _by_control(self, slopes: np.ndarray, sign: int, controls: np.ndarray | None) -> np.ndarray:
        """(N, K, C) of slopes (N, H, K) those of one side's halves, by control."""
        half = {int(c): h for h, (c, side) in enumerate(self.halves) if side == sign}
        asked = range(self.count) if controls is None else [int(c) for c in controls]
        out = np.zeros((len(asked), len(slopes), slopes.shape[2]))
        for place, control in enumerate(asked):
            if control in half:
                np.multiply(sign, slopes[:, half[control]], out=out[place])
        return np.moveaxis(out, 0, 2)

    def jacobian(self, units: np.ndarray) -> np.ndarray:
        """(N, K, C) how the measures change with each unit value, on the half that it is on."""
        up, down = self.slopes(units)
        return np.where((np.asarray(units) < 0)[:, None], down, up)

    def with_sums(self, sums: np.ndarray) -> LinearResponse:
        """The same with E more measures, each a sum of the K by its weights: sums (E, K)."""

        def longer(values: np.ndarray) -> np.ndarray:
            return np.concatenate([values, values @ sums.T], axis=-1)

        names = ("rest", "curves", "bends", *(("lesser_bends",) if len(self.lesser) else ()))
        seen = {name: longer(getattr(self, name)) for name in names}
        return replace(self, **seen)

    def beside(self, other: LinearResponse) -> LinearResponse:
        """The same with the measures of `other`, the same character's, after its own."""
        names = ("rest", "curves", "bends", "lesser_bends")
        both = {n: (getattr(self, n), getattr(other, n)) for n in names}
        return replace(self, **{n: np.concatenate(v, axis=-1) for n, v in both.items()})

    def useful(self, units: np.ndarray) -> np.ndarray:
        """Unit values (N, C) in which what moves nothing alone goes only as far as what wakes it
        lets it: what closes lips over an open jaw is at rest with the jaw."""
        amount, out = self._amounts(units), np.array(units, float)
        for half in np.unique(self.woken[:, 0]):
            own = self.woken[:, 0] == half
            room = (amount[:, self.woken[own, 1]] / self.awake[own]).max(1).clip(max=1.0)
            control, sign = self.halves[half]
            out[:, control] = np.where(amount[:, half] > room, sign * room, out[:, control])
        return out

    def reach(self) -> np.ndarray:
        """(C, 2, K) displacement of each control alone, at its minimum and at its maximum."""
        out = np.zeros((self.count, 2, self.curves.shape[2]))
        for (control, sign), curve in zip(self.halves, self.curves, strict=True):
            out[control, int(sign > 0)] = curve[-1]
        return out

    def _amounts(self, units: np.ndarray) -> np.ndarray:
        control, sign = self.halves.T
        return np.clip(np.asarray(units, float)[:, control] * sign, 0.0, 1.0)

    def _shares(self, amount: np.ndarray) -> list[np.ndarray]:
        """For each knot (N, H) its share in the curve's value."""
        knots = np.concatenate([[0.0], self.amounts])
        shares = []
        for k in range(1, len(knots)):
            share = np.clip((amount - knots[k - 1]) / (knots[k] - knots[k - 1]), 0.0, 1.0)
            if k + 1 < len(knots):
                share = share - np.clip((amount - knots[k]) / (knots[k + 1] - knots[k]), 0.0, 1.0)
            shares.append(share)
        return shares

    @cached_property
    def _bends_by_half(self) -> np.ndarray:
        """(H, H, K) what each pair of halves adds."""
        first, second = self.pairs.T if len(self.pairs) else (np.zeros(0, int),) * 2
        by_half = np.zeros((len(self.halves), len(self.halves), self.bends.shape[1]))
        by_half[first, second] = self.bends
        by_half[second, first] = self.bends
        return by_half

    @cached_property
    def _steps(self) -> np.ndarray:
        """(H, A, K) slope of each piece of the curves."""
        knots = np.concatenate([[0.0], self.amounts])
        first = np.concatenate([np.zeros_like(self.curves[:, :1]), self.curves], axis=1)
        return np.diff(first, axis=1) / np.diff(knots)[None, :, None]

    def _pieces(self, amount: np.ndarray) -> np.ndarray:
        """(N, H, A) which piece of its curve each half is on, softened where two meet, so that a
        step across a knot doesn't swing to and fro."""
        knots = np.concatenate([[0.0], self.amounts])
        middle = 0.5 * (knots[:-1] + knots[1:])
        width = np.diff(knots).min()
        near = np.clip(1.0 - np.abs(amount[..., None] - middle) / width, 0.0, None)
        near[..., 0] = np.where(amount < middle[0], 1.0, near[..., 0])
        near[..., -1] = np.where(amount > middle[-1], 1.0, near[..., -1])
        return near / np.maximum(near.sum(-1, keepdims=True), 1e-9)


@dataclass(frozen=True)
class ResponseModel:
    """What a character's controls do to its points, in the face's own frame.

    The frame: x to the subject's left, y up, z out of the face; zero between the eyes' centres at
    rest; in eye distances (between the eyes' centres at rest).

    character: the profile's name. controls: names, see `moving_controls`. points: names, see
    POINTS. digest, rig: see `profile_digest`, `rig_digest`. rest (P, 3); halves, amounts, pairs,
    lesser as in LinearResponse; curves (H, A, P, 3), bends (Q, P, 3), lesser_bends (R, P, 3).
    meta: how well it predicts poses as drawn for a capture (`accuracy`: see `accuracy`) and with
    all controls at random at once (`dense`), scale (metres an eye distance), way (see WAY).
    parted: how far one looks between lips that are open at rest, eye distances; 0 where they meet.
    """

    character: str
    controls: tuple[str, ...]
    points: tuple[str, ...]
    digest: str
    rig: str
    rest: np.ndarray
    halves: np.ndarray
    amounts: np.ndarray
    curves: np.ndarray
    pairs: np.ndarray
    bends: np.ndarray
    meta: dict = field(default_factory=dict)
    lesser: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), int))
    lesser_bends: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3)))
    parted: float = 0.0

    def predict(self, units: np.ndarray) -> np.ndarray:
        """(N, 49, 3) the landmarks at unit values (N, C) of `controls`."""
        points = self.through(np.eye(3 * len(self.points))).predict(units)
        return points.reshape(len(points), -1, 3)[:, : len(LANDMARK_NAMES)]

    def through(self, weights: np.ndarray) -> LinearResponse:
        """The same, seen through linear measures (K, P * 3) of the points."""
        weights = np.asarray(weights, float)
        return LinearResponse(
            rest=weights @ self.rest.reshape(-1),
            halves=self.halves,
            amounts=self.amounts,
            curves=self.curves.reshape(*self.curves.shape[:2], -1) @ weights.T,
            pairs=self.pairs,
            bends=self.bends.reshape(len(self.bends), self.rest.size) @ weights.T,
            lesser=self.lesser,
            lesser_bends=self.lesser_bends.reshape(len(self.lesser), self.rest.size) @ weights.T,
            count=len(self.controls),
            **self._wakings(),
        )

    def _wakings(self) -> dict[str, np.ndarray]:
        """`woken` and `awake` of a LinearResponse: told by all points, for what one measure doesn't
        see may be seen all the same."""
        quiet = np.abs(self.curves).max((1, 2, 3), initial=0.0) <= QUIET
        woken, awake = [], []
        kinds = (self.lesser, self.lesser_bends, 1.0), (self.pairs, self.bends, AWAKE)
        for pairs, bends, enough in kinds:
            strong = np.abs(bends).max((1, 2), initial=0.0) >= WAKES
            both = [*pairs[strong], *pairs[strong, ::-1]]
            one_sided = [p for p in both if quiet[p[0]] and not quiet[p[1]]]
            woken += one_sided
            awake += [enough] * len(one_sided)
        return {"woken": np.array(woken, int).reshape(-1, 2), "awake": np.array(awake)}

    def fits(self, profile: RigProfile) -> bool:
        """It was measured on this profile's landmarks and controls."""
        return self.digest == profile_digest(profile)

    def save(self, path: str | Path) -> None:
        """Write as .npz (temporary name first, then renamed); raises OutputError."""
        meta = {
            **self.meta,
            "character": self.character,
            "controls": list(self.controls),
            "points": list(self.points),
            "digest": self.digest,
            "rig": self.rig,
            **({"parted": self.parted} if self.parted else {}),
        }
        arrays = {
            "rest": self.rest,
            "halves": self.halves.astype(np.int16),
            "amounts": self.amounts,
            "pairs": self.pairs.astype(np.int16),
            "lesser": self.lesser.astype(np.int16),
            "lesser_bends": _grains(self.lesser_bends.reshape(-1, *self.rest.shape)),
            **{name: _grains(getattr(self, name)) for name in ("curves", "bends")},
        }
        save_arrays(path, KIND, meta, arrays)


def load_response(profile: RigProfile) -> ResponseModel:
    """The response kept beside a profile.

    Raises:
        InputError: there is none, it can't be read, or it is of other landmarks or controls.
    """
    path, fix = response_path(profile), f"measure it: exprgen response {_word(profile)}"
    try:
        model = _read(path, *load_arrays(path, KIND))
    except InputError as error:
        raise InputError(f"no usable response ({error.problem})", file=path, fix=fix) from error
    except FieldError as error:
        raise InputError(f"has a wrong field: {error}", file=path, fix=fix) from error
    if not model.fits(profile):
        raise InputError(
            f"was measured on other landmarks or controls of {profile.name!r}", file=path, fix=fix
        )
    return model


def is_measured(profile: RigProfile) -> bool:
    """Its response is there, of its landmarks and controls and of its rig as it is now, measured
    as one is now."""
    try:
        model = load_response(profile)
    except InputError:
        return False
    return model.rig == rig_digest(profile) and model.meta.get("way") == WAY


@dataclass(frozen=True)
class _Names:
    """What the header of a response must say."""

    character: str
    controls: tuple[str, ...]
    points: tuple[str, ...]
    digest: str
    rig: str
    parted: float = 0.0


def _check_arrays(path: Path, names: _Names, arrays: dict) -> None:
    points, controls, fix = len(names.points), len(names.controls), "measure it again"
    arrays.setdefault("lesser", np.zeros((0, 2), np.int16))  # not in files of before
    arrays.setdefault("lesser_bends", np.zeros((0, points, 3), np.int16))
    for field_names, columns in (
        (("rest",), {"rest": Column((points, 3), np.floating, -FAR, FAR)}),
        (("amounts",), {"amounts": Column((ROWS,), np.floating, 0.0, 1.0)}),
        (("halves", "curves"), {
            "halves": Column((ROWS, 2), np.integer, -1, controls - 1),
            "curves": Column((ROWS, len(arrays.get("amounts", ())), points, 3), np.int16),
        }),
        (("pairs", "bends"), {
            "pairs": Column((ROWS, 2), np.integer, 0, len(arrays.get("halves", ())) - 1),
            "bends": Column((ROWS, points, 3), np.int16),
        }),
        (("lesser", "lesser_bends"), {
            "lesser": Column((ROWS, 2), np.integer, 0, len(arrays.get("halves", ())) - 1),
            "lesser_bends": Column((ROWS, points, 3), np.int16),
        }),
    ):  # fmt: skip
        check_columns(path, {n: arrays[n] for n in field_names if n in arrays}, columns, fix)
    halves, amounts = arrays["halves"], arrays["amounts"]
    if np.any(np.diff(amounts) <= 0) or not np.all(np.isin(halves[:, 1], (-1, 1))):
        raise FieldError("amounts or halves are out of order")
    if len(halves) and halves[:, 0].min() < 0:
        raise FieldError("halves name no control")


def _read(path: Path, meta: dict, arrays: dict) -> ResponseModel:
    """The model of a file, checked: every index points inside.

    Raises:
        InputError, FieldError: a field is of another kind or shape, or out of its range.
    """
    known = {f.name for f in fields(_Names)}
    names = as_record(_Names, {k: v for k, v in meta.items() if k in known})
    meta = {k: v for k, v in meta.items() if k not in known}
    _check_arrays(path, names, arrays)
    return ResponseModel(
        **vars(names),
        rest=np.asarray(arrays["rest"], float),
        halves=arrays["halves"].astype(int),
        amounts=np.asarray(arrays["amounts"], float),
        curves=arrays["curves"] * GRAIN,
        pairs=arrays["pairs"].astype(int).reshape(-1, 2),
        bends=arrays["bends"] * GRAIN,
        meta=meta,
        lesser=arrays["lesser"].astype(int).reshape(-1, 2),
        lesser_bends=arrays["lesser_bends"] * GRAIN,
    )


def _grains(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values / GRAIN), -32767, 32767).astype(np.int16)


def _word(profile: RigProfile) -> str:
    return str(profile.path or profile.name)


def accuracy(model: ResponseModel, units: np.ndarray, points: np.ndarray) -> dict:
    """How well it predicts poses that it was not measured at.

    Args:
        units: (N, C). points: (N, P, 3) as measured, in the face's frame.

    Returns:
        poses (N), r2 (share of the points' variance that is explained), error (mean distance in
        eye distances), worst (95th percentile of it).
    """
    predicted = model.through(np.eye(3 * len(model.points))).predict(units)
    flat = np.asarray(points, float).reshape(len(units), -1)
    left, whole = ((flat - predicted) ** 2).sum(), ((flat - flat.mean(0)) ** 2).sum()
    apart = np.linalg.norm((flat - predicted).reshape(len(units), -1, 3), axis=-1)
    return {
        "poses": len(units),
        "r2": round(float(1.0 - left / max(whole, 1e-12)), 4),
        "error": round(float(apart.mean()), 4),
        "worst": round(float(np.percentile(apart, 95)), 4),
    }
