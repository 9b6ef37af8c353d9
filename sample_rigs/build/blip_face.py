"""Blip's face as a function of its actions: where every point is when this and that is raised.

Shape keys are samples of this function, and so are their corrections: what the function says of two
actions together beyond the sum of both. Sides are the subject's own; +u is its left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from .blip_mesh import (
    EYE_DOWN,
    EYE_RADIUS,
    EYE_UP,
    EYE_V,
    EYE_W,
    LID,
    LID_STEPS,
    LIP_STEPS,
    MOUTH_V,
    MOUTH_W,
    harmonic,
    lay_out,
    ring_faces,
    wrap,
)
from .creases import _distance
from .stylise import smooth

ACTIONS = (
    "browMidUp", "browMidDown", "browLeftUp", "browLeftDown", "browRightUp", "browRightDown",
    "lidVee", "lidArch", "blink", "wide", "lowerUp", "lowerDown", "lookUp", "lookDown",
    "sneerLeft", "sneerRight", "jawOpen", "smileLeft", "smileRight", "frownLeft", "frownRight",
    "stretch", "narrow", "lipUp", "lipDown", "tongueOut", "tremble", "earsUp", "earsDown",
)  # fmt: skip
"""Shape keys of the head, each 0..1."""

SKIN, DARK, BROW, TEETH, TONGUE, TIP = range(6)
"""Kinds of surface, as material indices."""

LID_GAP = 0.0014
"""What lids keep clear of the eyeball, metres."""
LIP_HEIGHT = np.array([-0.0035, 0.0030, 0.0056, 0.0048, 0.0018, 0.0])
LID_HEIGHT = np.array([LID_GAP + 0.0004 - LID, -0.0004, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Offsets from the skin along its normal, a loop from the opening outwards, metres."""
CAVITY_DEPTH = np.array([0.008, 0.016, 0.026, 0.038, 0.050])
BROW_V, BROW_HALF, BROW_ARCH = 0.1160, 0.0620, 0.0055
"""The brow's middle on the plane, its half length, and how much lower its ends lie, metres."""


@dataclass(frozen=True)
class Crease:
    """Wrinkles: polylines (u, v) on the left half of the resting plane, metres.

    width, depth: metres. bulge: (du, dv) direction of the side that swells. actions: action without
    its side -> amount. dark: how much it darkens at full strength.
    """

    name: str
    lines: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    depth: float
    bulge: tuple[float, float]
    actions: dict[str, float]
    dark: float


MIDLINE = 1e-9
"""Metres from the midline within which a point is on it, whatever the last bits of sums are."""
MUZZLE = (-0.0182, 0.0)
"""Heights between which points on the midline wrinkle with the right side; others with the left."""
CREASES = (
    Crease("muzzle", tuple(((0.0, -0.008 - z), (0.014, -0.0060 - z), (0.033, -0.012 - z))
                           for z in (0.0, 0.0085, 0.0165)),
           0.0030, 0.0028, (0.0, 1.0), {"sneer": 1.0}, 0.75),
    Crease("fold", (((0.024, -0.020), (0.042, -0.026), (0.0570, -0.041), (0.063, -0.058)),),
           0.0036, 0.0024, (0.8, 0.5), {"sneer": 0.9, "smile": 0.25}, 0.55),
    Crease("furrow", (((0.0075, 0.106), (0.0085, 0.126), (0.011, 0.145)),
                      ((0.0215, 0.118), (0.0220, 0.131), (0.024, 0.141))),
           0.0030, 0.0022, (-0.7, 0.0), {"browMidDown": 1.0}, 0.7),
    Crease("forehead", (((0.0, 0.152), (0.022, 0.151), (0.040, 0.144)),
                        ((0.0, 0.164), (0.020, 0.163), (0.034, 0.158))),
           0.0036, 0.0024, (0.0, 1.0), {"browMidUp": 0.9}, 0.6),
    Crease("under_eye", (((0.014, -0.0080), (0.036, -0.0010), (0.058, 0.0180)),),
           0.0032, 0.0022, (0.2, -1.0), {"lowerUp": 0.8, "sneer": 0.4, "smile": 0.2}, 0.5),
    Crease("corner", (((0.059, -0.042), (0.0640, -0.054), (0.061, -0.068)),),
           0.0034, 0.0024, (0.9, 0.0), {"smile": 0.7, "frown": 0.55, "stretch": 0.5}, 0.5),
)  # fmt: skip


def _bump(x: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-(((x - centre) / width) ** 2))


class Mouth:
    """The mouth's line and opening under some actions; s in [-1, 1] runs from right to left."""

    def __init__(self, actions: dict[str, float]):
        self.a = lambda name: actions.get(name, 0.0)

    def across(self, s: np.ndarray) -> np.ndarray:
        """u of the mouth's edge."""
        a = self.a
        both = 0.0150 * a("stretch") - 0.0270 * a("narrow") - 0.003 * a("jawOpen")
        left = 0.0070 * a("smileLeft") + 0.002 * a("frownLeft")
        right = 0.0070 * a("smileRight") + 0.002 * a("frownRight")
        return s * (MOUTH_W + both + np.where(s > 0, left, right))

    def middle(self, s: np.ndarray) -> np.ndarray:
        """v of the line where closed lips meet."""
        a = self.a
        lift = 0.0
        calm = 1.0 - 0.55 * a("narrow")
        corners = {}
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            corner = 0.0300 * a(f"smile{side}") - 0.0270 * a(f"frown{side}")
            corner -= 0.004 * a("stretch") + 0.007 * a("jawOpen")
            corners[side] = corner * calm
            lift = lift + corner * calm * smooth(-0.25, 0.25, sign * s) * np.abs(s) ** 1.7
        mean = 0.5 * (corners["Left"] + corners["Right"])
        wave = 0.0062 * a("tremble") * np.sin(4.5 * np.pi * s) * (1.0 - np.abs(s) ** 5)
        push = 0.0050 * a("lipUp") * (1 - s**2)
        return MOUTH_V + lift - 0.38 * mean + wave + push

    def _round(self, s: np.ndarray) -> np.ndarray:
        """Shape of the open jaw: an ellipse, boxier in a stretched mouth."""
        power = 2.0 + 2.5 * self.a("stretch")
        return np.maximum(1.0 - np.abs(s) ** power, 0.0) ** 0.5

    def sneer(self, s: np.ndarray) -> np.ndarray:
        """How much the upper lip is pulled off the teeth, metres."""
        a = self.a
        rise = a("sneerLeft") * _bump(s, 0.50, 0.42) + a("sneerRight") * _bump(s, -0.50, 0.42)
        return 0.0165 * rise * (1.0 - s**6)

    def bare(self, s: np.ndarray) -> np.ndarray:
        """How much the lower lip is pulled off the teeth, metres."""
        return 0.0150 * self.a("lipDown") * np.maximum(1 - s**4, 0) ** 0.7

    def upper(self, s: np.ndarray, lips: bool = True) -> np.ndarray:
        """v of the upper lip's edge; without `lips`, of what the teeth hang from."""
        a = self.a
        rise = 0.012 * a("jawOpen") * self._round(s) + 0.0030 * a("narrow") * self._round(s)
        return self.middle(s) + rise + (self.sneer(s) if lips else 0.0)

    def lower(self, s: np.ndarray, lips: bool = True) -> np.ndarray:
        a = self.a
        drop = 0.056 * a("jawOpen") * (1 - 0.22 * a("narrow")) * self._round(s)
        drop = drop + 0.0030 * a("narrow") * self._round(s)
        peek = 0.010 * a("tongueOut") * (1 - 0.8 * a("jawOpen")) * _bump(s, 0.0, 0.55) * (1 - s**4)
        return self.middle(s) - drop - peek - (self.bare(s) if lips else 0.0)

    def loop(self, step: float, turns: np.ndarray) -> np.ndarray:
        """The loop `step` metres outside the lips' edge, (N, 2) on the plane."""
        s, side = np.cos(turns), np.sin(turns)
        edge = np.where(side >= 0, self.upper(s), self.lower(s))
        full = 1.0 + np.where(side < 0, 0.25 * self.a("lipUp"), 0.0) + 0.25 * self.a("narrow")
        return np.stack([self.across(s) + step * s, edge + step * full * side], axis=1)


class Lids:
    """The eye's opening under some actions, by s in [-1, 1]."""

    def __init__(self, actions: dict[str, float]):
        self.a = lambda name: actions.get(name, 0.0)

    def edges(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """v of upper and lower lid's edge."""
        a = self.a
        arc = np.sqrt(np.maximum(1.0 - s**2, 0.0))
        upper = EYE_V + EYE_UP * arc * (1.0 + 0.24 * a("wide")) + 0.005 * a("lookUp") * arc
        upper = upper - 0.011 * a("lookDown") * arc
        upper = upper - 0.0250 * a("lidVee") * np.maximum(1 - np.abs(s), 0) ** 0.9 * arc**0.3
        upper = upper - 0.0270 * a("lidArch") * np.abs(s) ** 1.3 * arc**0.8
        cheek = 0.5 * (a("smileLeft") + a("smileRight")) * 0.0070
        lower = EYE_V - EYE_DOWN * arc * (1.0 + 0.12 * a("lowerDown"))
        lower = lower + (0.0470 * a("lowerUp") + cheek) * arc
        lower = lower + (0.003 * a("lookUp") - 0.003 * a("lookDown")) * arc
        meet = np.maximum(EYE_V - 0.0190 * arc, lower)
        shut = a("blink")
        lower = lower + shut * (meet - lower)
        upper = np.maximum(upper, lower + 0.0002)
        return upper + shut * (meet - 0.0018 - upper), lower  # overlaps: no slit of light

    def loop(self, step: float, turns: np.ndarray) -> np.ndarray:
        """The loop `step` metres outside the opening at rest; lids stretch out to a still fold."""
        s, side = np.cos(turns), np.sin(turns)
        upper, lower = self.edges(s)
        edge = np.where(side >= 0, upper, lower)
        fold_step = LID_STEPS[-1]
        rest = np.where(side >= 0, EYE_UP, EYE_DOWN)
        fold = EYE_V + (rest + fold_step) * side
        share = step / fold_step
        u = (EYE_W + step) * s
        return np.stack([u, edge + share * (fold - edge)], axis=1)


def _brow_line(s: np.ndarray, a) -> np.ndarray:
    """v of the brow's middle."""
    peak = np.maximum(1.0 - np.abs(s), 0.0)
    line = BROW_V - BROW_ARCH * s**2
    line = line + 0.0270 * a("browMidUp") * peak**0.85 - 0.0360 * a("browMidDown") * peak**0.9
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        end = np.clip(sign * s, 0, 1) ** 1.2
        line = line + end * (0.0230 * a(f"brow{side}Up") - 0.0360 * a(f"brow{side}Down"))
    return line


def _tube_faces(rings: np.ndarray, start: int, end: int) -> list[tuple[int, ...]]:
    """Closed tube: quads along (R, N) loops and fans to the points `start` and `end`."""
    first, last = rings[0], rings[-1]
    caps = [(start, int(a), int(b)) for a, b in zip(first, np.roll(first, -1), strict=True)]
    caps += [(end, int(b), int(a)) for a, b in zip(last, np.roll(last, -1), strict=True)]
    return ring_faces(rings) + caps


def _tube(rows: int, around: int) -> list[tuple[int, ...]]:
    rings = np.arange(rows * around).reshape(rows, around)
    return _tube_faces(rings, rows * around, rows * around + 1)


class Face:
    """Blip's head: `positions(actions)` -> (V, 3); faces, their kinds, and slices of points."""

    def __init__(self):
        rest = {}
        self.layout = lay_out(Lids(rest).loop, Mouth(rest).loop)
        self._turns = tuple(
            np.linspace(0, 2 * np.pi, ring.shape[1], endpoint=False)
            for ring in (self.layout.eye, self.layout.mouth)
        )
        self._spread = self._make_spread()
        self._creases = [self._crease(c) for c in CREASES]
        feet = (0.044, 0.062, 0.024)
        builders = {
            "skin": (self._skin, self.layout.faces, SKIN),
            "cavity": (self._cavity, self._cavity_faces(), DARK),
            "brow": (self._brow, _tube(29, 10), BROW),
            "tongue": (self._tongue, _tube(14, 12), TONGUE),
        }
        for row in ("upper", "lower"):
            for i in range(6):
                tooth = partial(self._tooth, row=row, index=i, count=6)
                builders[f"tooth_{row}_{i}"] = (tooth, _tube(7, 8), TEETH)
        for side in (1.0, -1.0):
            foot = _ball(np.array([0.056 * side, -0.050, -0.004]), feet, 10, 16)
            builders |= {
                f"stalk_{side}": (partial(self._stalk, side=side), _tube(24, 16), TIP),
                f"nostril_{side}": (partial(self._nostril, side=side), _tube(4, 10), DARK),
                f"foot_{side}": (lambda _, foot=foot: foot, _tube(10, 16), SKIN),
            }
        self._builders = {name: b[0] for name, b in builders.items()}
        self.faces, self.kinds, self.slices = [], [], {}
        start = 0
        skin = None
        for name, (place, faces, kind) in builders.items():
            count = len(place({}))
            self.slices[name] = slice(start, start + count)
            shift = 0 if name == "cavity" else start
            if name == "cavity":  # its first loop is the skin's; later ones come after the skin
                faces = [tuple(i if i < skin else i - skin + start for i in f) for f in faces]
            self.faces += [tuple(i + shift for i in f) for f in faces]
            self.kinds += [kind] * len(faces)
            skin = count if skin is None else skin
            start += count
        self.count = start

    def positions(self, actions: dict[str, float]) -> np.ndarray:
        """All points (V, 3), metres; action names as in ACTIONS, missing ones are 0."""
        return np.concatenate([place(actions) for place in self._builders.values()])

    def crease_masks(self) -> dict[str, np.ndarray]:
        """Crease -> (V,) mask: positive on the left, negative on the right, 0 off the skin."""
        out, (u, v) = {}, self.layout.uv.T
        left = np.where(np.abs(u) < MIDLINE, (v < MUZZLE[0]) | (v > MUZZLE[1]), u > 0)
        for crease, (mask, _) in zip(CREASES, self._creases, strict=True):
            full = np.zeros(self.count)
            full[self.slices["skin"]] = mask * np.where(left, 1.0, -1.0)
            out[crease.name] = full
        return out

    # --- the skin ----------------------------------------------------------------------------

    def _make_spread(self):
        """How far the rest of the skin follows the lips: (V, lips) matrix, smooth everywhere."""
        layout = self.layout
        lips = layout.mouth[: len(LIP_STEPS)].ravel()
        still = np.concatenate([layout.eye[: len(LID_STEPS)].ravel(), layout.outer[12:].ravel()])
        count = len(layout.uv)
        given = np.union1d(np.union1d(lips, still), [count - 1])
        free = np.setdiff1d(np.arange(count), given)
        values = np.zeros((count, len(lips)))
        values[lips, np.arange(len(lips))] = 1.0
        values[free] = harmonic(count, layout.neighbours, free, values, power=2)
        return values

    def _crease(self, crease: Crease) -> tuple[np.ndarray, np.ndarray]:
        """Mask (V,) and height (V,) at full strength of both sides, on the skin."""
        points = np.abs(self.layout.uv * (1, 0)) + self.layout.uv * (0, 1)
        mask, height = np.zeros(len(points)), np.zeros(len(points))
        for line in crease.lines:
            line = np.array(line)
            d, along = _distance(points, line)
            begin = 1.0 if line[0, 0] == 0.0 else smooth(-0.02, 0.20, along)
            fade = begin * smooth(1.02, 0.75, along)
            cut = np.exp(-((d / crease.width) ** 2)) * fade
            swell, _ = _distance(points - 2.3 * crease.width * np.array(crease.bulge), line)
            bump = np.exp(-((swell / (1.7 * crease.width)) ** 2)) * fade
            mask = np.maximum(mask, cut)
            height += crease.depth * (0.75 * bump - cut)
        near = np.linalg.norm(points, axis=1) < 0.25
        return np.where(near & (mask > 0.02), mask, 0.0), height * near

    def _drift(self, uv: np.ndarray, actions) -> np.ndarray:
        """What sneer, smile and brow add to places (N, 2) of the skin, metres on the plane."""
        a = lambda name: actions.get(name, 0.0)  # noqa: E731
        u, v = uv.T
        move = np.zeros_like(uv)
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            muzzle = _bump(u, 0.018 * sign, 0.022) * _bump(v, -0.022, 0.017)
            move[:, 1] += 0.0085 * a(f"sneer{side}") * muzzle
            cheek = _bump(u, 0.066 * sign, 0.024) * _bump(v, -0.018, 0.026)
            move[:, 1] += 0.0075 * a(f"smile{side}") * cheek
        s = np.clip(u / BROW_HALF, -1.4, 1.4)
        lift = _brow_line(np.clip(s, -1, 1), a) - _brow_line(np.clip(s, -1, 1), lambda _: 0.0)
        reach = _bump(v, BROW_V - BROW_ARCH * np.clip(s, -1, 1) ** 2, 0.022) * smooth(
            1.4, 0.9, np.abs(s)
        )
        move[:, 1] += 0.55 * lift * reach
        return move

    def _swell(self, uv: np.ndarray, actions) -> np.ndarray:
        """Offset (N,) from the resting solid along its normal: cheeks and muzzle, metres."""
        a = lambda name: actions.get(name, 0.0)  # noqa: E731
        u, v = uv.T
        out = 0.0
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            out = out + 0.0105 * a(f"smile{side}") * _bump(u, 0.066 * sign, 0.022) * _bump(
                v, -0.014, 0.020
            )
            out = out + 0.0055 * a(f"sneer{side}") * _bump(u, 0.024 * sign, 0.016) * _bump(
                v, -0.021, 0.014
            )
            out = out - 0.0040 * a(f"frown{side}") * _bump(u, 0.062 * sign, 0.018) * _bump(
                v, -0.035, 0.020
            )
        return out + 0.0075 * a("narrow") * _bump(u, 0, 0.034) * _bump(v, MOUTH_V, 0.026)

    def _skin(self, actions) -> np.ndarray:
        layout = self.layout
        eye_turns, mouth_turns = self._turns
        lips, rest, mouth = [], Mouth({}), Mouth(actions)
        for step in LIP_STEPS:
            lips.append(mouth.loop(step, mouth_turns) - rest.loop(step, mouth_turns))
        drift = self._drift(layout.uv, actions)
        lid_rings, lip_rings = layout.eye[: len(LID_STEPS)], layout.mouth[: len(LIP_STEPS)]
        fade = np.ones(len(drift))
        fade[lid_rings.ravel()] = fade[lip_rings.ravel()] = 0.0
        fade[layout.mouth[len(LIP_STEPS)]] = 0.4
        fade[layout.eye[len(LID_STEPS)]] = 0.5
        uv = layout.uv + drift * fade[:, None] + self._spread @ np.concatenate(lips)
        lids = Lids(actions)
        for ring, step in zip(lid_rings, LID_STEPS, strict=True):
            uv[ring] = lids.loop(step, eye_turns)
        height = self._swell(layout.uv, actions) * np.ones(len(uv))
        for crease, (_, groove) in zip(CREASES, self._creases, strict=True):
            for side, sign in (("Left", 1.0), ("Right", -1.0)):
                amount = sum(w * actions.get(k, actions.get(k + side, 0.0))
                             for k, w in crease.actions.items())  # fmt: skip
                height += min(amount, 1.0) * groove * smooth(-0.004, 0.004, sign * layout.uv[:, 0])
        for ring, offset, step in zip(lid_rings, LID_HEIGHT, LID_STEPS, strict=True):
            height[ring] = offset + height[ring] * (step / LID_STEPS[-1]) ** 2
        pout = np.maximum(-np.sin(mouth_turns), 0) ** 0.6 * actions.get("lipUp", 0.0)
        for ring, offset in zip(lip_rings, LIP_HEIGHT, strict=True):
            height[ring] += offset * (1.0 + 0.35 * pout) + 0.0045 * pout * (offset > 0)
        points, normals = wrap(uv)
        return points + normals * height[:, None]

    # --- what is in the mouth ------------------------------------------------------------------

    def _cavity_faces(self):
        skin = len(self.layout.uv)
        edge = self.layout.mouth[0]
        rows = [edge, *(skin + np.arange(len(CAVITY_DEPTH) * len(edge)).reshape(-1, len(edge)))]
        rings = np.array(rows)[::-1]
        faces = ring_faces(rings)
        back = skin + len(CAVITY_DEPTH) * len(edge)
        inner = rings[0]
        return faces + [
            (back, int(a), int(b)) for a, b in zip(inner, np.roll(inner, -1), strict=True)
        ]

    def _cavity(self, actions) -> np.ndarray:
        mouth, turns = Mouth(actions), self._turns[1]
        edge = mouth.loop(0.0, turns)
        zero = np.zeros(1)
        top, low = mouth.upper(zero)[0], mouth.lower(zero)[0]
        centre, half = 0.5 * (top + low), 0.5 * (top - low) + 0.016
        wide = mouth.across(np.ones(1))[0]
        sack = np.stack([0.9 * wide * np.cos(turns), centre + half * np.sin(turns)], axis=1)
        rows = []
        for i, depth in enumerate(CAVITY_DEPTH):
            share = smooth(0.0, 3.0, float(i + 1))
            shrink = 1.0 - 0.35 * (i == len(CAVITY_DEPTH) - 1)
            uv = edge + share * (sack - edge)
            uv = (0.0, centre) + (uv - (0.0, centre)) * shrink
            points, normals = wrap(uv)
            rows.append(points - normals * depth)
        middle, normal = wrap(np.array([[0.0, centre]]))
        return np.concatenate([*rows, middle - normal * 0.054])

    def _tooth(self, actions, row: str, index: int, count: int) -> np.ndarray:
        """One rounded tooth; the rows hang from the jaws, not from the lips."""
        mouth = Mouth(actions)
        span = 0.86
        width = span / count
        s0 = -span + width * (2 * index + 1)
        turns = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        levels = np.linspace(-1, 1, 7) * 0.96
        hide = 1.0 - 0.8 * actions.get("narrow", 0.0)
        s = np.array([s0])
        size = 1.0 - 0.12 * abs(s0)
        if row == "upper":
            edge = mouth.upper(s, lips=False)[0]
            top, low, depth = edge + 0.016, edge - 0.0085 * hide * size, 0.0115
        else:
            edge = mouth.lower(s, lips=False)[0]
            top, low, depth = edge + 0.0070 * hide * size, edge - 0.016, 0.0150
        rows = []
        centre = mouth.across(s)[0]
        half = width * abs(mouth.across(np.ones(1))[0]) * 0.97
        for z in levels:
            r = (1.0 - abs(z) ** 5) ** 0.35
            x = np.sign(np.cos(turns)) * np.abs(np.cos(turns)) ** 0.6
            y = np.sign(np.sin(turns)) * np.abs(np.sin(turns)) ** 0.6
            uv = np.stack(
                [centre + half * r * x, np.full(8, 0.5 * (top + low) - z * 0.5 * (top - low))], 1
            )
            rows.append((uv, -depth - 0.0032 * r * y))
        uv = np.concatenate([r[0] for r in rows] + [[[centre, top]], [[centre, low]]])
        height = np.concatenate([*[r[1] for r in rows], [-depth, -depth]])
        points, normals = wrap(uv)
        return points + normals * height[:, None]

    def _tongue(self, actions) -> np.ndarray:
        mouth = Mouth(actions)
        zero = np.zeros(1)
        top, low = mouth.upper(zero)[0], mouth.lower(zero)[0]
        out = actions.get("tongueOut", 0.0)
        middle = 0.5 * (top + low)
        lie = low - 0.008 + 0.30 * (top - low)
        inside = np.array([[middle - 0.002, -0.052], [lie, -0.046], [lie + 0.003, -0.038],
                           [lie + 0.002, -0.030], [lie - 0.005, -0.024]])  # fmt: skip
        outside = np.array([[low + 0.004, -0.050], [low + 0.006, -0.020], [low + 0.0055, 0.004],
                            [low - 0.012, 0.0160], [low - 0.033, 0.0115]])  # fmt: skip
        knots = inside + out * (outside - inside)
        t = np.linspace(0, 1, 14)
        path = np.stack([_catmull(knots[:, k], t) for k in range(2)], axis=1)
        ahead = np.gradient(path, axis=0)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
        normal = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
        turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        wide = 0.0225 * np.sqrt(np.clip(1.0 - np.maximum((t - 0.62) / 0.385, 0) ** 2, 0.02, 1))
        wide = wide * (1.0 - 0.3 * actions.get("narrow", 0.0))
        thick = 0.0062 * np.sqrt(np.clip(1.0 - np.maximum((t - 0.75) / 0.255, 0) ** 2, 0.05, 1))
        uv, height = [], []
        for p, n, w, h in zip(path, normal, wide, thick, strict=True):
            groove = 0.25 * np.cos(turns) ** 2 - 0.18  # a shallow trough along the middle
            lift = h * (np.sin(turns) + groove * (np.sin(turns) > 0))
            uv.append(np.stack([w * np.cos(turns), p[0] + n[0] * lift], axis=1))
            height.append(p[1] + n[1] * lift)
        uv += [[[0.0, path[0, 0]]], [[0.0, path[-1, 0]]]]
        height += [[path[0, 1]], [path[-1, 1]]]
        points, normals = wrap(np.concatenate(uv))
        return points + normals * np.concatenate(height)[:, None]

    # --- on the skin ---------------------------------------------------------------------------

    def _brow(self, actions) -> np.ndarray:
        a = lambda name: actions.get(name, 0.0)  # noqa: E731
        s = np.linspace(-1, 1, 29)
        turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        line = _brow_line(s, a)
        squeeze = 1.0 - 0.10 * a("browMidDown")
        half = 0.0112 * np.sqrt(1.0 - (0.985 * np.abs(s)) ** 5) * (1.0 - 0.30 * s**2)
        half *= 1.0 + 0.12 * a("browMidDown")
        uv, height = [], []
        for x, v, h in zip(s, line, half, strict=True):
            uv.append(
                np.stack([np.full(10, squeeze * BROW_HALF * x), v + h * np.sin(turns)], axis=1)
            )
            height.append(0.0035 + 0.55 * h * np.cos(turns) + 0.2 * h)
        ends = squeeze * BROW_HALF * 1.015
        uv += [[[-ends, line[0]]], [[ends, line[-1]]]]
        height += [[0.003], [0.003]]
        points, normals = wrap(np.concatenate(uv))
        return points + normals * np.concatenate(height)[:, None]

    def _nostril(self, actions, side: float) -> np.ndarray:
        centre = np.array([[0.0110 * side, -0.0300]])
        centre = centre + self._drift(centre, actions)
        word = "Left" if side > 0 else "Right"
        flare = 1.0 + 0.35 * actions.get(f"sneer{word}", 0.0)
        lift = 0.25 * (Mouth(actions).middle(np.zeros(1))[0] - MOUTH_V)
        height = self._swell(centre, actions)
        turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        x, z = 0.0042 * flare * np.cos(turns), 0.0027 * flare * np.sin(turns)
        tilt = 0.5 * side
        flat = np.stack(
            [x * np.cos(tilt) + z * np.sin(tilt), z * np.cos(tilt) - x * np.sin(tilt)], 1
        )
        uv, offset = [], []
        for size, up in ((1.0, 0.0), (0.8, 0.0006), (0.5, 0.0010), (0.2, 0.0012)):
            uv.append(centre + (0, lift) + size * flat * (1, 1))
            offset += [up] * 10
        uv += [np.add(centre, (0, lift))] * 2
        offset += [-0.001, 0.0012]
        points, normals = wrap(np.concatenate(uv))
        return points + normals * (np.array(offset) + 0.0003 + height)[:, None]

    def _stalk(self, actions, side: float) -> np.ndarray:
        """A feeler: a tapered stalk with a ball, that bends."""
        a = lambda name: actions.get(name, 0.0)  # noqa: E731
        base, _ = wrap(np.array([[0.098 * side, 0.150]]))
        bend = 0.35 - 0.75 * a("earsUp") + 1.75 * a("earsDown")
        length = 0.044 * (1.0 + 0.15 * a("earsUp"))
        lean = 0.55 + 0.25 * a("earsDown") - 0.15 * a("earsUp")
        rows, count = [], 12
        point = base[0] + (0.0, 0.0, -0.004)
        t = np.linspace(0, 1, count)
        radius = 0.0092 - 0.0045 * t
        turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ahead = np.zeros(3)
        for i in range(count):
            angle = lean + bend * t[i]
            ahead = np.array([side * np.sin(angle), -0.10, np.cos(angle)])
            ahead /= np.linalg.norm(ahead)
            if i:
                point = point + ahead * length / (count - 1)
            rows.append(_circle(point, ahead, radius[i], turns))
        ball = 0.0150
        centre = point + ahead * ball * 0.85
        for polar in np.linspace(2.80, 0.22, 12):
            rows.append(
                _circle(centre + ahead * ball * np.cos(polar), ahead, ball * np.sin(polar), turns)
            )
        return np.concatenate([*rows, [base[0] - (0, 0, 0.01)], [centre + ahead * ball]])


def _circle(centre, axis, radius: float, turns: np.ndarray) -> np.ndarray:
    across = np.cross(axis, (0.0, -1.0, 0.0))
    across /= np.linalg.norm(across)
    other = np.cross(axis, across)
    return centre + radius * (np.cos(turns)[:, None] * across + np.sin(turns)[:, None] * other)


def _ball(centre, radii, rows: int, around: int) -> np.ndarray:
    polar = np.linspace(np.pi, 0, rows + 2)[1:-1]
    turns = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = [
        np.stack(
            [np.sin(p) * np.cos(turns), np.sin(p) * np.sin(turns), np.full(around, np.cos(p))], 1
        )
        for p in polar
    ]
    return centre + np.array(radii) * np.concatenate([*ring, [[0, 0, -1.0]], [[0, 0, 1.0]]])


def _catmull(knots: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Catmull-Rom curve through evenly spaced knots at t in [0, 1]."""
    padded = np.r_[2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]]
    place = np.clip(t, 0, 1) * (len(knots) - 1)
    i = np.minimum(place.astype(int), len(knots) - 2)
    x = place - i
    p0, p1, p2, p3 = (padded[i + k] for k in range(4))
    return 0.5 * (2 * p1 + (p2 - p0) * x + (2 * p0 - 5 * p1 + 4 * p2 - p3) * x**2
                  + (3 * p1 - p0 - 3 * p2 + p3) * x**3)  # fmt: skip


def eye_radius() -> float:
    """What lids keep clear of, metres."""
    return EYE_RADIUS + LID_GAP
