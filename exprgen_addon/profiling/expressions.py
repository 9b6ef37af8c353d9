"""Controls of the expression: limits, regions, ARKit channels, mirror partners, blink roles."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...networks.characters.control_names import partner_of, region_of, side_of
from ...networks.characters.profile import Control
from ..rigs import Found
from ..studio.ced_poses import GAZE_FULL
from .face import Face
from .meanings import Meanings
from .movers import Mover, half_limited
from .notes import Notes
from .probe import Probe

REACH = 0.06
"""Guessed limits of a location: the skin moves this far, in face heights."""
SWING = 0.16
"""Guessed limits of a rotation: the skin moves this far, in face heights, at most 0.5 rad."""
ARM = 0.25
"""From this lever, in face heights, an unlimited bone is taken for one that turns (a jaw)."""


class Expressions:
    """Movers that neither move the head nor turn an eye -> controls."""

    def __init__(self, probe: Probe, face: Face, notes: Notes, meanings: Meanings):
        self.probe, self.face, self.notes = probe, face, notes
        self.meanings = meanings

    def make(self, movers: list[Mover], eyes: list[Control]) -> tuple[list[Control], list[Control]]:
        """The controls in the order in which they were found, and gaze controls made of shape keys
        where none of `eyes` is one."""
        kept = self._not_spare(self._selected(movers))
        pairs = [(m, self._expression(m)) for m in kept]
        pairs, gaze = self._gaze_keys(pairs, eyes)
        self._notes_on(kept)
        return self._paired(pairs), gaze

    def _not_spare(self, movers: list[Mover]) -> list[Mover]:
        """Without what only repeats others; what is left shares the channels."""
        self.meanings.share([m.found for m in movers])
        spare = [m for m in movers if self.meanings.is_spare(m.found)]
        self.notes.named(
            "makes what others make more exactly, left out", [m.found.name for m in spare]
        )
        return [m for m in movers if m not in spare]

    def _selected(self, movers: list[Mover]) -> list[Mover]:
        """Of bones and objects without limits, the channels that make sense."""
        by_holder: dict[str, list[Mover]] = {}
        for m in movers:
            by_holder.setdefault(m.found.holder or m.found.name, []).append(m)
        kept, plain = [], 0
        for group in by_holder.values():
            values = [m for m in group if m.found.kind == "value"]
            moves = [m for m in group if m.found.kind != "value"]
            limited = [m for m in moves if half_limited(m.found)]
            chosen = limited or self._of_free(moves)
            plain += len(moves) - len(chosen)
            kept += [m for m in group if m in values or m in chosen]
        if plain:
            self.notes.say(
                f"{plain} channels of bones and objects were left out: they have no limits beside "
                "others that do, scale, push the skin in depth, or hardly turn it"
            )
        return kept

    def _of_free(self, moves: list[Mover]) -> list[Mover]:
        """Rotations of what swings on a lever, else locations along the skin."""
        if not moves:
            return []
        part = next(o for o in self.probe.objects if o.name == moves[0].found.targets[0].id_name)
        if part.type == "MESH":
            return []  # a tooth or a hair mesh that was shifted by hand is no control
        turns = [m for m in moves if m.found.kind == "rotation"]
        slides = [m for m in moves if m.found.kind == "location"]
        levers = [m.size.max() / _radians(m) / self.face.height for m in turns]
        if turns and (max(levers) > ARM or not slides):
            return [m for m, lever in zip(turns, levers, strict=True) if lever > 0.15 * max(levers)]
        return [m for m in slides if not self._in_depth(m)]

    def _in_depth(self, m: Mover) -> bool:
        field = m.field[m.size > 0.3 * m.size.max()]
        return bool(
            np.abs(field @ self.face.forward).sum() > 0.85 * np.linalg.norm(field, axis=1).sum()
        )

    def _expression(self, m: Mover) -> Control:
        low, high = self._limits(m)
        control = Control(
            name=m.found.name,
            targets=m.found.targets,
            rest=m.found.rest,
            minimum=low,
            maximum=high,
            region=self._region(m),
            channels=self.meanings.channels(m.found),
        )
        return _as_named(control, m.found)

    def _limits(self, m: Mover) -> tuple[float, float]:
        """Its own limits; where there are none, as far as skin may go."""
        f = m.found
        reach = m.shown[1] * REACH * self.face.height / m.size.max()
        if f.kind == "rotation":
            most = math.tan(0.25) if "quaternion" in f.targets[0].data_path else 0.5
            reach = min(most, abs(m.shown[1]) * SWING * self.face.height / m.size.max())
        elif f.kind == "value":
            reach = 1.0
        elif f.kind == "scale":
            reach = 0.3
        reach = round(abs(reach), 6)
        low = f.minimum if math.isfinite(f.minimum) else f.rest - reach
        high = f.maximum if math.isfinite(f.maximum) else f.rest + reach
        return low, high

    def _region(self, m: Mover) -> str:
        """By its name, else by where it moves."""
        named = region_of(m.found.label)
        if named and named != "head":
            return named
        weight = m.size**2
        centre = (self.face.points * weight[:, None]).sum(0) / weight.sum()
        face = self.face
        eyes = face.eye_line if face.eye_line is not None else face.chin + 0.5 * face.height
        level = (centre[2] - face.chin) / max(eyes - face.chin, 1e-9)
        aside = abs((centre - face.middle) @ face.left) / face.height
        for limit, region in ((1.12, "brow"), (0.85, "eye"), (0.5, "cheek"), (0.15, "mouth")):
            if level > limit:
                return "nose" if region == "cheek" and aside < 0.1 else region
        return "jaw"

    def _gaze_keys(self, pairs, eyes: list[Control]):
        """The eyeLook keys become gaze controls in radians where no bone turns the eyes."""
        if any(c.role.startswith("gaze") for c in eyes):
            return pairs, []
        by_channel = {}
        for m, c in pairs:
            if (
                len(c.channels) == 1
                and m.found.minimum == 0.0
                and c.rest == 0.0
                and m.found.kind == "value"
            ):
                by_channel[next(iter(c.channels))] = c
        made, used = [], set()
        for role, plus, minus in (
            ("gaze_left_yaw", "eyeLookOutLeft", "eyeLookInLeft"),
            ("gaze_left_pitch", "eyeLookDownLeft", "eyeLookUpLeft"),
            ("gaze_right_yaw", "eyeLookInRight", "eyeLookOutRight"),
            ("gaze_right_pitch", "eyeLookDownRight", "eyeLookUpRight"),
        ):
            a, b = by_channel.get(plus), by_channel.get(minus)
            if a is None or b is None or any(t.id_type != "KEY" for t in a.targets + b.targets):
                continue
            # Blender holds a shape key within its slider, so of both keys only one acts.
            targets = [
                replace(t, scale=sign * c.maximum / GAZE_FULL)
                for sign, c in ((1.0, a), (-1.0, b))
                for t in c.targets
            ]
            made.append(
                Control(role, tuple(targets), 0.0, -GAZE_FULL, GAZE_FULL, "gaze", "eyes", role)
            )
            used |= {a.name, b.name}
        return [(m, c) for m, c in pairs if c.name not in used], made

    def _paired(self, pairs: list[tuple[Mover, Control]]) -> list[Control]:
        """Mirror partners and blink roles; a right side that runs the other way is turned round."""
        names = [c.name for _, c in pairs]
        by_name = {c.name: (m, c) for m, c in pairs}
        out = []
        for m, control in pairs:
            mirror = partner_of(control.name, names)
            if mirror and side_of(control.name) == "Right":
                other = by_name[mirror][0]
                if m.found.kind != "value" and self._opposed(m, other):
                    control = _turned(control)
            role = ""
            for side in ("Right", "Left"):  # one key for both lids has the left's role alone
                blinks = control.channels.get(f"eyeBlink{side}", 0.0) > 0.4
                if blinks and _only_blinks(control):
                    role = f"blink_{side.lower()}"
            if role and any(c.role == role for c in out):
                role = ""
            out.append(replace(control, mirror=mirror, role=role))
        self.notes.named("names say one side, the motion is on the other", self._wrong_sides(pairs))
        return out

    def _opposed(self, m: Mover, other: Mover) -> bool:
        """Whether a rise moves the two sides in opposite, not mirrored, directions."""
        mean = [(x.field * x.size[:, None]).sum(0) / x.size.sum() for x in (m, other)]
        left = self.face.left
        mirrored = mean[0] - 2.0 * (mean[0] @ left) * left
        return bool(mirrored @ mean[1] < 0.0)

    def _wrong_sides(self, pairs) -> list[str]:
        wrong = []
        for m, control in pairs:
            side = side_of(control.name)
            if side and m.found.kind == "value" and control.channels in (
                {"mouthLeft": 1.0}, {"mouthRight": 1.0}, {"jawLeft": 1.0}, {"jawRight": 1.0}
            ):  # fmt: skip
                continue
            centre = (self.face.points * m.size[:, None]).sum(0) / m.size.sum()
            across = (centre - self.face.middle) @ self.face.left / self.face.height
            if side and abs(across) > 0.05 and (across > 0) != (side == "Left"):
                wrong.append(control.name)
        return wrong

    def _notes_on(self, movers: list[Mover]) -> None:
        """What was guessed about the movers that became controls."""
        self.notes.named(
            "no limits in the rig, guessed from how far the skin moves",
            [m.found.name for m in movers if not m.found.limited],
        )
        self.notes.named(
            "not at zero in the file; what it shows is taken for rest",
            [m.found.name for m in movers if abs(m.found.rest - (m.found.kind == "scale")) > 1e-4],
        )


def _as_named(control: Control, found: Found) -> Control:
    """A control whose name says only what it makes, held to the way in which it makes that: up to
    where it shows all of it, and down where it can only go down from rest."""
    if not control.channels or min(control.channels.values()) <= 0.0:
        return control
    if control.maximum > control.rest:
        return control if found.full is None else _within(control, found.full)
    if control.minimum == control.rest:
        return control
    if found.kind == "value":
        return replace(_turned(control), channels=control.channels)
    return replace(control, channels={k: -v for k, v in control.channels.items()})


def _within(control: Control, full: float) -> Control:
    """The same between nothing and all of what it makes, and where it rests."""
    low, high = min(control.rest, 0.0), max(control.rest, full)
    return replace(control, minimum=max(control.minimum, low), maximum=min(control.maximum, high))


def _only_blinks(control: Control) -> bool:
    """It shuts lids, and opens them at most the other way."""
    shuts = all(n.startswith("eyeBlink") or v < 0 for n, v in control.channels.items())
    return shuts and control.maximum > control.rest


def _radians(m: Mover) -> float:
    """The angle of a rotation mover's value."""
    value = abs(m.shown[1])
    return 2.0 * math.atan(value) if "quaternion" in m.found.targets[0].data_path else value


def _turned(control: Control) -> Control:
    """The same control with its sign turned round."""
    return replace(
        control,
        targets=tuple(replace(t, scale=-t.scale) for t in control.targets),
        rest=-control.rest,
        minimum=-control.maximum,
        maximum=-control.minimum,
        channels={k: -v for k, v in control.channels.items()},
    )
