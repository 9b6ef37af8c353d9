"""Two rows of teeth, each a curtain along the arch of the lips with a notch between every two.

The base mesh's teeth are plain bands that fill the mouth. The upper row of these ends a little
below the line where the lips meet, as it does behind relaxed lips, and the lower stands off it. In
the smile of a drawn mouth it reaches down to the lower lip, behind which the lower one sinks.
"""

from __future__ import annotations

import numpy as np

from . import config, source
from .lips import CONTACT, INNER, PLAIN, Mouth
from .parts import TEETH, Part
from .stylise import StyledHead, smooth

WIDTHS = {
    "upper": (7.6, 6.0, 6.8, 6.2, 6.4, 8.0),
    "lower": (5.0, 5.4, 6.2, 6.2, 6.4, 8.0),
}
"""From the midline outwards, millimetres, of a mouth whose lips meet 23.3 mm to either side."""
MOUTH = 0.0233
ACROSS = (0.0, 0.14, 0.5, 0.86)
"""Columns of one tooth; the first is the notch before it."""
ROWS = ((11.5, 1.2), (9.0, 0.0), (7.8, 0.5), (4.2, -0.2), (1.0, 0.1), (0.0, 0.9), (0.6, 2.6),
        (6.0, 4.0))  # fmt: skip
"""Height over the biting edge and depth behind the tooth's face, millimetres, gum to back."""
GUM_ROWS = 2
NOTCH, ROUNDING, PAPILLA = 1.5, 1.0, 1.6
"""Millimetres: how deep a notch is, how much shorter the edge beside it, how far gum fills it."""
DARK = (0.7, 0.3, 0.42)
"""How dark teeth are between two of them, at the gum and at the ends of a row: white ones are one
block to who sees them from afar."""
CORRIDOR = (0.62, 1.0)
"""From where on, across from the midline, the rows darken towards the corners of the mouth and
where they are as dark as they get, shares of the way to the corner of a mouth at rest: a smile
draws it further out."""
SHORTER = 0.25
"""How much shorter the last tooth is than the first."""
BEHIND = {"upper": 0.0068, "lower": 0.0108}
"""How far the rows stand behind the lips' inner side, metres."""
PARTED = {"mouthFunnel": 1.0, "mouthPucker": 0.6}
PART = {"upper": (0.0, 0.009, 0.004), "lower": (0.0, 0.009, -0.006)}
"""Round lips are spoken with teeth apart: how far the rows draw back and part, metres."""
BARED = {f"mouthLowerDown{side}": 0.5 for side in ("Left", "Right")}
BARE = (0.0, -0.003, 0.0068)
"""Teeth that lips bare are together where the jaw is up: how far the lower row comes forward and up
to the upper one, metres. It is more than people's, whose jaws hang less in a grin. In an open mouth
(`fixBare`) it stays down, or it would hang in the middle."""
HIDDEN = (0.0, 0.0013, -0.0026)
"""How far back and down a smile that brings the upper row down moves the lower one, metres: a smile
shows the upper row alone, down to the lower lip, unless that is drawn down as well."""
ENDS = (0.005, 0.008)
"""How far in and back an open jaw draws the ends of the upper row, metres: it draws in the corners
of a wide laugh, over which they would stand."""
OWN = (*PARTED, *BARED, *(f"mouthSmile{side}" for side in ("Left", "Right")))
"""The actions in which rows move by themselves, beside what the jaw does to them."""
MEET = -0.0014
"""Where the rows meet, over the line where the lips meet, metres: of a mouth that is a little open
some millimetres of the upper teeth are seen."""
ARC = 0.0026
"""How much higher the rows' ends are than their middles, metres: teeth follow a smile's curve."""
SHARE = {"upper": 0.0003, "lower": 0.0022}
"""How far a row's edge stands off the line where they meet, metres: teeth of a face that rests
don't touch, and lips that part a little would bare a clenched jaw."""


def teeth_rows(head: StyledHead, mouth: Mouth, style: config.Mouth = PLAIN) -> list[Part]:
    """The upper and the lower row, with the jaw's actions."""
    upper, lower = (_row(head, mouth, row, style) for row in WIDTHS)
    if style.teeth_smile:
        _move_sides(upper, "mouthSmile", (0.0, 0.0, -style.teeth_smile))
        _move_sides(lower, "mouthSmile", HIDDEN)
        upper.shapes["jawOpen"] = _ends(upper)
    if style.teeth_bared:
        _move_sides(upper, "mouthLowerDown", (0.0, 0.0, -style.teeth_bared))
        upper.shapes["fixBare"] = np.tile((0.0, 0.0, -style.teeth_open), (len(upper.vertices), 1))
        lower.shapes["fixBare"] = np.tile((0.0, 0.0, -BARE[2]), (len(lower.vertices), 1))
    return [upper, lower]


def lips_before(row: Part, skin: Part, head: StyledHead, mouth: Mouth) -> np.ndarray:
    """(2, N) the skin's points, on the upper and the lower lip, between which light comes to each
    point of a row of teeth."""
    corner = mouth.corner(head.rest)
    across = head.rest[mouth.left[CONTACT], 0]
    out = np.zeros((2, len(row.vertices)), int)
    for ring, sign in ((mouth.left[CONTACT], 1.0), (mouth.right[CONTACT], -1.0)):
        own = np.flatnonzero(sign * row.vertices[:, 0] >= 0)
        for lip, part in enumerate((slice(None, corner + 1), slice(corner, None))):
            far = np.abs(sign * row.vertices[own, 0][:, None] - across[part])
            out[lip, own] = _on_skin(head, skin, ring[part])[far.argmin(1)]
    return out


def _on_skin(head: StyledHead, skin: Part, points: np.ndarray) -> np.ndarray:
    """The skin's points nearest to some of the base mesh. Lips touch at rest: an open jaw tells
    the upper from the lower."""
    jaw = skin.shapes["jawOpen"], head.actions["jawOpen"][points]
    here, there = np.c_[skin.vertices, jaw[0]], np.c_[head.rest[points], jaw[1]]
    return np.linalg.norm(here[None] - there[:, None], axis=2).argmin(1)


def _move_sides(row: Part, name: str, move: tuple[float, float, float]) -> None:
    """Half the move, metres, of a whole row in either side of an action."""
    for side in ("Left", "Right"):
        row.shapes[name + side] = np.tile(0.5 * np.array(move), (len(row.vertices), 1))


def _ends(row: Part) -> np.ndarray:
    """(N, 3) the way of a row's ends inwards and back."""
    across = np.sign(row.vertices[:, 0])
    way = np.stack([-ENDS[0] * across, np.full(len(across), ENDS[1]), 0.0 * across], axis=1)
    return row.extra["back"][:, None] * way


def _row(head: StyledHead, mouth: Mouth, row: str, style: config.Mouth) -> Part:
    rest = head.rest
    size = rest[mouth.left[CONTACT], 0].max() / MOUTH
    inner = rest[mouth.left[INNER]]
    bend = _bend(inner[: mouth.corner(rest)])
    edge = 0.5 * (rest[mouth.left[CONTACT]][(0, -1), 2].sum()) + MEET + style.teeth_up
    up = 1.0 if row == "upper" else -1.0
    whole = style.teeth_tall[0 if row == "upper" else 1]
    columns, notch, outer = _columns(np.array(WIDTHS[row]) * 1e-3 * size)
    x, slope = _along(columns, bend)
    front = inner[0, 1] + BEHIND[row]
    corner = style.teeth_corners * smooth(*CORRIDOR, np.abs(x) / (size * MOUTH))
    vertices, gum, dark = [], [], []
    for number, (height, depth) in enumerate(ROWS):
        tall = height * whole * (1.0 - SHORTER * outer * (number >= GUM_ROWS))
        if number >= GUM_ROWS:
            tall = tall - (PAPILLA * notch if number == GUM_ROWS else 0.0)
            tall = np.maximum(tall, 0.0) + (ROUNDING * notch if number > 3 else 0.0)
        deep = (depth + (NOTCH * notch if number >= GUM_ROWS else 0.0)) * 1e-3 * size
        place = np.stack([x, front + bend * x**2, np.full(len(x), edge)], axis=1)
        place[:, 0] -= deep * slope / np.hypot(1.0, slope)
        place[:, 1] += deep / np.hypot(1.0, slope)
        place[:, 2] += up * (tall * 1e-3 * size + SHARE[row]) + ARC * outer * size
        vertices.append(place)
        gum.append(np.full(len(x), float(number < GUM_ROWS)))
        shade = _shade(height, notch * (number >= GUM_ROWS), outer)
        dark.append(1.0 - (1.0 - shade) * (1.0 - corner))
    wide, rows = len(x), len(ROWS)
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(wide - 1), indexing="ij")
    a = (i * wide + j).ravel()
    faces = np.stack([a, a + 1, a + wide + 1, a + wide], axis=1)
    vertices = np.concatenate(vertices)
    back = np.tile(outer, rows)
    extra = {"gum": np.concatenate(gum), "dark": np.concatenate(dark), "back": back}
    return Part(vertices, faces, _carried(head, row, vertices), extra, TEETH)


def _shade(height: float, notch: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """(N,) how dark a row's points are at a height over the edge, millimetres."""
    gap, gum, back = DARK
    return np.clip(gap * notch + gum * smooth(2.0, 9.0, height) + back * outer, 0.0, 1.0)


def _bend(points: np.ndarray) -> float:
    """Curvature k (1/m) of the arch y = k x**2 along these points of the lips, middle first."""
    x = points[:, 0]
    return float((x**2 @ (points[:, 1] - points[0, 1])) / (x**4).sum())


def _columns(widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed lengths along the arch of all columns, 1 where a notch is, and how far back (0..1)."""
    starts = np.r_[0.0, np.cumsum(widths)]
    half = np.concatenate([s + w * np.array(ACROSS) for s, w in zip(starts, widths, strict=False)])
    notch = np.tile(np.array(ACROSS) == 0.0, len(widths)).astype(float)
    half, notch = np.r_[half, starts[-1]], np.r_[notch, 1.0]
    back = np.clip((half / starts[-1] - 0.4) / 0.5, 0.0, 1.0)
    both = lambda v, sign: np.r_[sign * v[:0:-1], v]  # noqa: E731
    return both(half, -1.0), both(notch, 1.0), both(back, 1.0)


def _along(lengths: np.ndarray, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """x and slope of the arch y = bend x**2 at signed lengths along it."""
    x = np.linspace(0.0, 0.05, 2001)
    table = np.r_[0.0, np.cumsum(np.hypot(np.diff(x), bend * np.diff(x**2)))]
    out = np.sign(lengths) * np.interp(np.abs(lengths), table, x)
    return out, 2.0 * bend * out


def _carried(head: StyledHead, row: str, vertices: np.ndarray) -> dict[str, np.ndarray]:
    """The actions that move the base mesh's row of teeth, as affine maps, on these points."""
    own = np.unique(source.load_source().parts[f"helper-{row}-teeth"])
    middle = head.rest[own].mean(0)
    system = np.c_[head.rest[own] - middle, np.ones(len(own))]
    solve = np.linalg.pinv(system)
    here = np.c_[vertices - middle, np.ones(len(vertices))]
    moved = {k: d[own] for k, d in head.actions.items() if np.abs(d[own]).max() > 1e-4}
    carried = {k: here @ (solve @ d) for k, d in moved.items()}
    for side in ("jawLeft", "jawRight"):  # the base mesh's teeth come forward through the lip
        if side in carried:
            carried[side] *= (0.75, 0.0, 1.0)
    moves = {name: amount * np.array(PART[row]) for name, amount in PARTED.items()}
    if row == "lower":
        moves |= {name: amount * np.array(BARE) for name, amount in BARED.items()}
    return carried | {n: np.tile(move, (len(vertices), 1)) for n, move in moves.items()}
