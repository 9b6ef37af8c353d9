"""Corrective shapes: what a plain sum of two shapes gets wrong, driven by both, without a control.

smile + jaw: the corners of an open, smiling mouth are pinched; they open round.
lids: a straight path between open and closed cuts through the eyeball and flattens the lid; it
    follows the ball, lashes too.
stretch + lower lip: together they bare a broad row of lower teeth; the lip keeps it covered.
lower lip + jaw: the rows of teeth that meet in a clenched grin part, and both are seen.
squint + blink: a lid that comes down meets the lower one where it rests, not where it squints.
pucker + funnel: both narrow the mouth; together they would close it from the sides.
lip seal: `mouthClose` undoes an open jaw; where the jaw is less open than that, the lips would pass
    through each other, so the excess is taken back.
"""

from __future__ import annotations

import numpy as np

from . import board
from .parts import LASH, SKIN, Part, relax, without_tails
from .stylise import StyledHead, smooth

SIDES = ("Left", "Right")
_SIDED = ("fixSmileJaw", "fixLid", "fixStretch", "fixSquint")
NAMES = (
    *(f"{fix}{side}" for fix in _SIDED for side in SIDES),
    "fixSeal", "fixRound", "fixBare",
)  # fmt: skip
"""The shape keys, which no control drives directly."""

COVER = 0.35
"""Share of mouthLowerDown that a full mouthStretch takes back."""
WIDEN = 0.75
"""Share of the pucker's narrowing that a full funnel takes back."""
ROUND = 8
"""Smoothing steps of the smile's corner."""


def add_correctives(parts: list[Part], head: StyledHead) -> None:
    """Give skin and lashes their corrective shapes; the skin's other shapes must be final."""
    for part in parts:
        if part.kind in (SKIN, LASH):
            for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
                centre = head.after.eye * (sign, 1.0, 1.0)
                part.shapes[f"fixLid{side}"] = arc(part, f"eyeBlink{side}", centre)
    skin = parts[0]
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        skin.shapes[f"fixSmileJaw{side}"] = _round_corner(skin, head, side, sign)
        skin.shapes[f"fixSquint{side}"] = -without_tails(skin.shapes[f"eyeSquint{side}"], 1e-3)
        skin.shapes[f"fixStretch{side}"] = -COVER * skin.shapes[f"mouthLowerDown{side}"]
    narrow = without_tails(skin.shapes["mouthPucker"] * (1.0, 0.0, 0.0), 2e-3)
    skin.shapes["fixRound"] = -WIDEN * narrow
    for part in parts:
        if "mouthClose" in part.shapes:
            part.shapes["fixSeal"] = -part.shapes["mouthClose"]


def arc(part: Part, name: str, centre: np.ndarray) -> np.ndarray:
    """(N, 3) what half way through the shape `name` lacks to lie on an arc around `centre`."""
    start, move = part.vertices - centre, part.shapes[name]
    middle = start + 0.5 * move
    radius = 0.5 * (np.linalg.norm(start, axis=1) + np.linalg.norm(start + move, axis=1))
    length = np.maximum(np.linalg.norm(middle, axis=1), 1e-6)
    grow = np.clip(radius / length - 1.0, 0.0, 0.35)
    return middle * (grow * smooth(3e-4, 2e-3, np.linalg.norm(move, axis=1)))[:, None]


def _round_corner(skin: Part, head: StyledHead, side: str, sign: float) -> np.ndarray:
    """(N, 3) evens out the summed motion of smile and jaw around one corner of the mouth."""
    total = skin.shapes[f"mouthSmile{side}"] + skin.shapes["jawOpen"]
    away = np.linalg.norm(skin.vertices - head.after.corner * (sign, 1.0, 1.0), axis=1)
    near = smooth(0.017, 0.005, away)
    return relax(skin.faces, total, near, ROUND) - total


def _products() -> dict[str, tuple[str, ...]]:
    """Corrective key -> (expression of a, b and c, the keys that are these)."""
    products = {}
    for side in SIDES:
        products[f"fixSmileJaw{side}"] = ("max(0,a)*max(0,b)", f"mouthSmile{side}", "jawOpen")
        products[f"fixSquint{side}"] = (
            "max(0,a)*max(0,b)", f"eyeSquint{side}", f"eyeBlink{side}",
        )  # fmt: skip
        products[f"fixLid{side}"] = ("4*max(0,a)*max(0,1-a)", f"eyeBlink{side}")
        products[f"fixStretch{side}"] = (
            "max(0,a)*max(0,b)", f"mouthStretch{side}", f"mouthLowerDown{side}",
        )  # fmt: skip
    products["fixRound"] = ("max(0,a)*max(0,b)", "mouthPucker", "mouthFunnel")
    products["fixBare"] = (
        "0.5*(max(0,a)+max(0,b))*min(1,max(0,4*c-1))",
        "mouthLowerDownLeft", "mouthLowerDownRight", "jawOpen",
    )  # fmt: skip
    products["fixSeal"] = ("max(0,a-b)", "mouthClose", "jawOpen")
    return products


def corrective_values(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the drivers make of the other keys' values (N,): corrective key -> (N,)."""
    out = {}
    for name, (expression, *sources) in _products().items():
        words = dict(zip("abc", (values[s] for s in sources), strict=False))
        words |= {"max": np.maximum, "min": np.minimum}
        out[name] = eval(expression, {"__builtins__": {}}, words)  # a driver's: plain arithmetic
    return out


def drive_correctives(head) -> None:
    """Drivers of the corrective keys that the head object has."""
    keys = head.data.shape_keys
    for name, (expression, *sources) in _products().items():
        if name in keys.key_blocks and all(s in keys.key_blocks for s in sources):
            variables = {
                letter: ("KEY", keys, f'key_blocks["{source}"].value')
                for letter, source in zip("abc", sources, strict=False)
            }
            board.drive(keys, f'key_blocks["{name}"].value', variables, expression)


def drive_iris(head, balls) -> None:
    """Irises that shrink in fright, for a character without a control for them.

    Fear shows wide eyes and raised inner brows; surprise has far less of their product.
    """
    keys = head.data.shape_keys
    for ball, side in zip(balls, SIDES, strict=True):
        variables = {
            "a": ("KEY", keys, f'key_blocks["eyeWide{side}"].value'),
            "b": ("KEY", keys, 'key_blocks["browInnerUp"].value'),
        }
        path = 'key_blocks["irisSmall"].value'
        board.drive(ball.data.shape_keys, path, variables, "max(0,a)*max(0,b)")
