"""What each point of a head and its parts does in every shape: carried, closed, mirrored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..vocabulary import ARKIT_CHANNELS
from . import lids, lips, mirror, muzzle, parted, rigid_parts
from .carrying import carried, places_on
from .lids import SIDES, Eye
from .nearest import nearest_places
from .parted import Meeting, at_rest
from .pieces import Welded
from .registration import Head, Laid, Similarity
from .rigid_parts import BOTH_JAWS, EYE, LOWER_TEETH, ON_SKIN, TONGUE, Piece
from .sides import named
from .template import template

FAINT = 0.01
"""Millimetres below which a displacement is none."""
JAW = 0.3
"""Millimetres that the lower teeth must go in an action to go along with it."""
GAINS = {
    "brow": 1.18, "noseSneer": 1.31, "mouthFrown": 1.35, "mouthStretch": 1.29,
    "mouthUpperUp": 1.26, "mouthLowerDown": 1.26, "eyeWide": 1.18, "eyeSquint": 1.31,
    "mouthPress": 1.17, "cheekSquint": 1.13, "mouthShrug": 1.13, "mouthSmile": 1.06,
    "eyeLookDown": 1.5, "eyeLookUp": 1.3,
}  # fmt: skip
"""How much larger actions are than the face model has them, by the start of their names: it has
people's, the key poses were made for characters', whose actions are those of `sample_rigs/build/
stylise.py` at full strength; and a lid follows the eye farther (seen on bare heads)."""
LIDS = ("LookDown", "LookUp", "Wide", "Squint")
"""What a lid that is shut takes back: it rests where it does whatever the eye did before."""


@dataclass(frozen=True)
class Corrective:
    """A shape that no control moves: it stands at `expression` of the values a, b and so on of the
    shapes `sources`, at most five."""

    name: str
    sources: tuple[str, ...]
    expression: str


_CORRECTIVES = (
    *(Corrective(f"fixLid{s}", (f"eyeBlink{s}",), "4*a*(1-a)") for s in ("Left", "Right")),
    *(
        Corrective(f"fix{what}{s}", (f"eyeBlink{s}", f"eye{what}{s}"), "max(0,a)*max(0,b)")
        for what in LIDS
        for s in ("Left", "Right")
    ),
    Corrective("fixSeal", ("mouthClose", "jawOpen"), "max(0,a-max(0,b))"),
    Corrective(
        "fixMeet",
        ("mouthClose", "mouthPressLeft", "mouthPressRight", "mouthRollUpper", "mouthRollLower"),
        "min(1,4*max(0,a)+(max(0,b)+max(0,c)+max(0,d)+max(0,e))/2)",
    ),
)
"""fixLid: half a blink would cut through the eyeball. fixSeal: lips that are closed without an open
jaw would pass through each other. fixMeet: lips with a slit between them meet in what closes lips,
soon, since a jaw that hardly opens asks for little of mouthClose."""

CORRECTIVE_NAMES = tuple(c.name for c in _CORRECTIVES)


class Acting:
    """A head with the template laid on it, and what its actions do. correctives: those that it
    needs, parted: how far its lips are apart at rest, millimetres or 0, and hollow: whether
    nothing lies behind them, once it was asked.

    Args:
        moves: action -> (V, 3) on the laid template. flip: the head's mirror partners (N,), or
            None. sealed: openings that the mesh lacks.
    """

    def __init__(self, head: Head, laid: Laid, moves: dict, flip, sealed: tuple[str, ...]):
        self.head, self.laid, self.flip, self.sealed = head, laid, flip, sealed
        self.on_template = moves
        self.muzzle = muzzle.is_long(head.landmarks) and "mouth" not in sealed
        self.correctives: tuple[Corrective, ...] = ()
        self.parted, self.hollow = 0.0, False

    def of_meshes(
        self, cut: list[Welded], skin: np.ndarray, placed: Similarity
    ) -> tuple[list[dict[str, np.ndarray]], tuple[tuple[str, ...], ...]]:
        """Of each mesh name -> displacements (N, 3) of its welded points, in the head's frame, and
        what its pieces were taken for."""
        pieces = [
            (number, rows, Piece(placed(part.points[rows]), part.words_of(rows)))
            for number, part in enumerate(cut)
            for rows in part.pieces()
            if number or rows[0] != skin[0]
        ]
        expected = rigid_parts.expected_balls(template(), self.laid)
        balls, of_eyes = rigid_parts.find_balls([p for _, _, p in pieces], expected)
        sorts = [
            rigid_parts.kind_of(piece, self.head, index in of_eyes)
            for index, (_, _, piece) in enumerate(pieces)
        ]
        teeth = [p.points for (_, _, p), k in zip(pieces, sorts, strict=True) if k == LOWER_TEETH]
        own = self._skin(self._evened(balls), np.concatenate([np.zeros((0, 3)), *teeth]))
        out = [{} for _ in cut]
        _add(out[0], own, skin, len(cut[0].points), every=True)
        kinds: list[list[str]] = [[] for _ in cut]
        jaw = self._jaw()
        lying = []
        for (number, rows, piece), kind in zip(pieces, sorts, strict=True):
            kinds[number].append(kind)
            if kind == ON_SKIN:
                lying.append((number, rows, piece))
                continue
            _add(out[number], self._piece(piece, kind, balls, jaw), rows, len(cut[number].points))
        self._add_lying(out, lying, [len(part.points) for part in cut], own)
        return out, tuple(tuple(dict.fromkeys(k)) for k in kinds)

    def _evened(self, balls: dict) -> dict:
        """The eyeballs of a symmetric head, made alike."""
        if self.flip is None:
            return balls
        image = np.array([-1.0, 1.0, 1.0])
        middle = 0.5 * (balls["left"].middle + balls["right"].middle * image)
        radius = 0.5 * (balls["left"].radius + balls["right"].radius)
        return {"left": lids.Ball(middle, radius), "right": lids.Ball(middle * image, radius)}

    # --- skin ---

    def _skin(self, balls: dict, teeth: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> (N, 3) of the skin, correctives included. teeth (T, 3): the lower ones."""
        names = list(self.on_template)
        found = places_on(self.laid.points, self.head)
        gained = np.array([gain_of(n) * self.on_template[n] for n in names])
        stack = carried(gained, found, self.head)
        moves = dict(zip(names, stack, strict=True))
        if self.muzzle:
            moves = muzzle.with_jaw(moves, self.head, found, self._jaw())
        else:
            ahead, before = rigid_parts.before_teeth(self.head, teeth)
            self._before_teeth(moves, ahead, before * parted.off_lips(at_rest(found)))
        flat, sealed = at_rest(found), "mouth" in self.sealed
        meeting = None if sealed or self.muzzle else parted.meeting(self.head, flat)
        self.hollow = not sealed and parted.ends_at_lips(self.head, flat)
        moves = self._lips(moves, meeting)
        halfway = {} if meeting is None else {"fixMeet": meeting.moves}
        self.parted = meeting.gap if meeting is not None and meeting.is_parted else 0.0
        for side in SIDES:
            self._eye(moves, halfway, side, balls[side])
        if self.flip is not None:
            moves = mirror.mirrored(moves, self.flip)
            halfway = mirror.mirrored(halfway, self.flip)
        still = np.zeros_like(self.head.points)
        moves = {name: moves.get(name, still) for name in ARKIT_CHANNELS}
        out = moves | self._corrections(moves) | halfway
        self.correctives = tuple(c for c in _CORRECTIVES if c.name in out)
        return out

    def _before_teeth(self, moves: dict, ahead: np.ndarray, before: np.ndarray) -> None:
        """A jaw takes its teeth no nearer to the skin before them than ROOM: other actions would
        draw it over them. ahead, before (N,): see `rigid_parts.before_teeth`."""
        for name, motion in self._jaw().items():
            nearer = motion.moves(self.head.points)[:, 2] - moves[name][:, 2]
            least = np.minimum(ahead, rigid_parts.ROOM)
            moves[name][:, 2] += before * np.clip(least - ahead + nearer, 0.0, None)

    def _lips(self, moves: dict, meeting: Meeting | None) -> dict[str, np.ndarray]:
        """Actions that keep the template's lips together keep the head's together, none lets them
        through each other, and mouthClose closes an open jaw."""
        if "mouth" in self.sealed:
            return moves
        met = self.head.points if meeting is None else self.head.points + meeting.moves
        touching = lips.lips_of(replace(self.head, points=met))
        out, shape = dict(moves), template()
        for name, field in self.on_template.items():
            if self.muzzle and name in muzzle.BONE_ALONE:
                continue
            out[name] = lips.kept_by(shape, self.laid.points, field)(moves[name], touching)
        if not self.muzzle:
            shut = lips.together(moves["jawOpen"] + moves["mouthClose"], touching)
            out["mouthClose"] = shut - moves["jawOpen"]
        return out

    def _eye(self, moves: dict, halfway: dict, side: str, ball: lids.Ball) -> None:
        """The blink of one side, its half way, and lids that stay off the ball."""
        suffix = side.capitalize()
        eye = Eye.of(self.head, side, ball)
        if f"{side} eye" not in self.sealed and (gap := lids.gap_of(self.head, eye)) is not None:
            brow = named(self.head.landmarks, tuple(f"brow_{side}_{i}" for i in range(1, 6)))
            made = lids.blink(self.head, eye, gap, brow)
            moves[f"eyeBlink{suffix}"] = made.closed
            halfway[f"fixLid{suffix}"] = made.halfway
        for name in set(moves) - {f"eyeBlink{suffix}"}:
            moves[name] = lids.off_the_ball(self.head, eye, moves[name])

    def _corrections(self, moves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = {"fixSeal": -moves["mouthClose"]}
        for suffix in ("Left", "Right"):
            shut = np.linalg.norm(moves[f"eyeBlink{suffix}"], axis=1, keepdims=True)
            lid = np.clip(shut / 1.0, 0.0, 1.0)
            for what in LIDS:
                out[f"fix{what}{suffix}"] = -lid * moves[f"eye{what}{suffix}"]
        return out

    # --- parts ---

    def _jaw(self) -> dict[str, rigid_parts.Motion | muzzle.Back]:
        """Action -> how the jaw's bone goes in it, where it does."""
        if self.muzzle:
            return muzzle.jaw_motions(self.head)
        model, shape = template().model, template()
        weight = rigid_parts.jaw_weights(shape)
        teeth = model.groups["teeth_lower"]
        moved = model.person(np.zeros(model.identities))[1][:, teeth]
        far = np.linalg.norm(moved, axis=2).mean(1)
        return {
            name: rigid_parts.rigid(
                self.laid.points, self.laid.points + self.on_template[name], weight
            )
            for name, length in zip(model.expressions, far, strict=True)
            if length > JAW and name.startswith("jaw")
        }

    def _piece(self, piece: Piece, kind: str, balls: dict, jaw: dict) -> dict:
        if kind == EYE:
            return self._eyeball(piece, balls)
        if kind in (LOWER_TEETH, TONGUE):
            fields = {name: motion.moves(piece.points) for name, motion in jaw.items()}
            if kind == TONGUE:
                lower = tuple(f"lip_bottom_inner_{i}" for i in (1, 2, 3))
                lip = named(self.head.landmarks, lower)
                fields["tongueOut"] = rigid_parts.tongue_out(piece.points, lip)
            return fields
        if kind == BOTH_JAWS:
            share = rigid_parts.jaw_share(piece.points, rigid_parts.lip_line(self.head))
            return {name: share * motion.moves(piece.points) for name, motion in jaw.items()}
        return {}

    def _eyeball(self, piece: Piece, balls: dict) -> dict[str, np.ndarray]:
        side = rigid_parts.side_of(piece, balls)
        return {
            f"eyeLook{way}{side.capitalize()}": rigid_parts.looking(
                piece.points, balls[side], side, way
            )
            for way in rigid_parts.LOOKS
        }

    def _add_lying(self, out: list[dict], lying: list, counts: list[int], own: dict) -> None:
        """Brows, lashes, a beard go with the skin that they lie on, looked up all at once; what
        stands off does less. lying: mesh's number, rows and piece of each."""
        if not lying:
            return
        points = np.concatenate([piece.points for _, _, piece in lying])
        fields = self._on_skin(points, own)
        ends = np.cumsum([len(rows) for _, rows, _ in lying])
        for (number, rows, _), end in zip(lying, ends, strict=True):
            part = {name: field[end - len(rows) : end] for name, field in fields.items()}
            _add(out[number], part, rows, counts[number])

    def _on_skin(self, points: np.ndarray, own: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        head, none = self.head, np.zeros(len(points), np.int8)
        found = nearest_places(
            points, np.zeros_like(points), none,
            head.points, head.triangles, np.zeros_like(head.normals), np.zeros_like(head.sides),
        )  # fmt: skip
        close = rigid_parts.CLOSE
        fade = np.clip((3.0 * close - found.away) / (2.0 * close), 0.0, 1.0)[:, None]
        return {name: found.of(field) * fade for name, field in own.items()}


def gain_of(action: str) -> float:
    """See GAINS."""
    return next((g for start, g in GAINS.items() if action.startswith(start)), 1.0)


def _add(
    fields: dict[str, np.ndarray], own: dict, rows: np.ndarray, count: int, every: bool = False
) -> None:
    """Write a piece's displacements into those of its mesh of so many welded points."""
    for name, field in own.items():
        if every or np.abs(field).max(initial=0.0) > FAINT:
            whole = fields.setdefault(name, np.zeros((count, 3)))
            whole[rows] = field
