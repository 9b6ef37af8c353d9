"""Controls that turn the head and the eyes: in radians, about the axes of vocabulary.ROLES."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...networks.characters.control_names import words_of
from ...networks.characters.profile import Control
from .face import STILL, Face
from .movers import RIGID, SKULL, Mover
from .notes import Notes
from .orientation import is_eye
from .probe import Probe
from .rigid import rigid_motion

EYE_LEVER = 2.0
"""What is named as an eye turns about a point no farther from its middle, in its own sizes."""
FAR = 1.5
"""A head turns about a point no farther from its middle than this, in face heights."""


class Turning:
    """Movers -> controls with a role of the head or an eye."""

    def __init__(self, probe: Probe, face: Face, notes: Notes):
        self.probe, self.face, self.notes = probe, face, notes
        self.balls = self._eyeballs()

    def head(self, rigid: list[Mover]) -> list[Control]:
        """The bone nearest to the face that turns all of it; the rest of the spine is left out."""
        turning = [m for m in rigid if m.found.kind == "rotation"]
        far = {m.found.holder for m in turning if self._lever(m) > FAR}
        turning = [m for m in turning if m.found.holder not in far]
        alone = {m.found.holder for m in turning if self._leaves_eyes(m)}
        self.notes.named(
            "turns the head but not the eyes in it, left out",
            dict.fromkeys(m.found.label for m in turning if m.found.holder in alone),
        )
        turning = [m for m in turning if m.found.holder not in alone]
        out: list[Control] = []
        if turning:
            holder = min(
                turning, key=lambda m: ("head" not in words_of(m.found.label), m.elsewhere)
            ).found.holder
            out = self._roles([m for m in turning if m.found.holder == holder], "head", "head")
        used = {c.name for c in out}
        self.notes.named(
            "moves the head as a whole, left out",
            dict.fromkeys(m.found.label for m in rigid if m.found.name not in used),
        )
        return out

    def _leaves_eyes(self, m: Mover) -> bool:
        """An eyeball stays where it is, as where head and eyes are meshes on their own."""
        still = 0.3 * m.size.mean()
        return any(m.size[b].mean() < still for b in self.balls.values() if b.any())

    def _lever(self, m: Mover) -> float:
        """Distance from the face's middle to what it turns about, in face heights."""
        field = m.shown[0]
        vector, _ = rigid_motion(self.face.points, self.face.points + field, SKULL)
        angle = max(float(np.linalg.norm(vector)), 1e-6)
        return float(np.linalg.norm(field.mean(0))) / angle / self.face.height

    def _roles(
        self, movers: list[Mover], output: str, prefix: str, mask: np.ndarray | None = None
    ) -> list[Control]:
        """Controls in radians for what turns the face, or the part of it in `mask` (F,): one for
        each axis, the most direct."""
        chosen = slice(None) if mask is None else mask
        points = self.face.points[chosen]
        best: dict[str, tuple[float, Control]] = {}
        for m in movers:
            vector, _ = rigid_motion(points, points + m.shown[0][chosen], SKULL)
            angle, axis = self._about(vector)
            if abs(angle) < 0.02:
                continue
            role = f"{prefix}_{axis}"
            # What the rig limits is meant to be used; then the axis that turns least aslant.
            purity = m.found.limited + abs(angle) / float(np.linalg.norm(vector))
            if role in best and best[role][0] >= purity:
                continue
            per_radian = m.shown[1] / angle
            reach = sorted(
                (limit - m.found.rest) / per_radian if math.isfinite(limit) else sign * 0.6
                for limit, sign in (
                    (m.found.minimum, -math.copysign(1.0, per_radian)),
                    (m.found.maximum, math.copysign(1.0, per_radian)),
                )
            )
            low, high = max(reach[0], -1.0), min(reach[1], 1.0)
            # A role's zero is where the rig rests; a rest away from zero can't be expressed.
            if abs(m.found.rest) > 1e-6 or not low < 0.0 < high:
                continue
            control = Control(
                name=m.found.name,
                targets=tuple(replace(t, scale=t.scale * per_radian) for t in m.found.targets),
                rest=0.0,
                minimum=round(low, 6),
                maximum=round(high, 6),
                region="head" if output == "head" else "gaze",
                output=output,
                role=role,
            )
            best[role] = (purity, control)
        return [c for _, c in sorted(best.values(), key=lambda b: b[1].role)]

    def _about(self, vector: np.ndarray) -> tuple[float, str]:
        """Signed angle and name of the main axis of a rotation vector, after vocabulary.ROLES."""
        face = self.face
        angles = {
            "pitch": float(vector @ face.left),
            "yaw": float(vector @ face.up),
            "roll": float(-vector @ face.forward),
        }
        name = max(angles, key=lambda a: abs(angles[a]))
        return angles[name], name

    def eyes(self, movers: list[Mover]) -> tuple[list[Control], list[Mover]]:
        """What turns one eyeball gets a gaze role; what turns both is left out."""
        balls = {side: mask for side, mask in self.balls.items() if mask.any()}
        chosen: dict[str, list[Mover]] = {"left": [], "right": []}
        both, rest, shifted = [], [], []
        for m in movers:
            words = set(words_of(m.found.label))
            known = words & {"eye", "eyes", "eyeball", "gaze", "look", "pupil"}
            turned = [s for s, mask in balls.items() if known and self._turns(m, mask)]
            moves = m.found.kind in ("location", "scale") and not self._is_slider(m)
            if moves and not turned and is_eye(m.found.label):
                shifted.append(m)
            elif m.found.kind == "value" or not turned:
                rest.append(m)
            elif len(turned) == 1:
                chosen[turned[0]].append(m)
            else:
                both.append(m)
        controls = []
        for side, group in chosen.items():
            best = [m for m in group if m.found.kind == "rotation"] or group
            made = self._roles(best, "eyes", f"gaze_{side}", balls.get(side))
            controls += [c for c in made if not c.role.endswith("roll")]
        used = {c.name for c in controls}
        spare = [m for group in chosen.values() for m in group if m.found.name not in used]
        self.notes.named(
            "turns an eye that another control turns already, left out",
            dict.fromkeys(m.found.name for m in spare),
        )
        self.notes.named("turns both eyes at once, left out", [m.found.name for m in both])
        self.notes.named("takes an eye out of its place, left out", [m.found.name for m in shifted])
        return controls, rest

    def _is_slider(self, m: Mover) -> bool:
        """Its place drives something: it is no part of the face, whatever its name speaks of."""
        return m.found.holder in self.probe.read_by_drivers

    def _eyeballs(self) -> dict[str, np.ndarray]:
        """Masks over the face's points of the eyeballs that are meshes, or parts, of their own."""
        index = np.cumsum(self.face.mask) - 1
        masks = {s: np.zeros(len(self.face.points), bool) for s in ("left", "right")}
        for part in self.probe.parts:
            if not is_eye(part.name) and "eyes" not in words_of(part.name):
                continue
            inside = np.flatnonzero(self.face.mask[part.start : part.end]) + part.start
            rows = index[inside]
            across = (self.face.points[rows] - self.face.middle) @ self.face.left
            masks["left"][rows[across > 0]] = True
            masks["right"][rows[across <= 0]] = True
        for mesh in self.probe.meshes:
            self._add_groups(mesh, masks, index)
        return masks

    def _add_groups(self, mesh, masks, index) -> None:
        """Eyeballs that belong to the face's mesh are told by their vertex groups."""
        part = next(p for p in self.probe.parts if p.name == mesh.name)
        if part.end - part.start != len(mesh.data.vertices):
            return
        groups = {g.index for g in mesh.vertex_groups if is_eye(g.name)}
        if not groups:
            return
        for i, vertex in enumerate(mesh.data.vertices):
            row = part.start + i
            if self.face.mask[row] and any(
                g.group in groups and g.weight > 0.5 for g in vertex.groups
            ):
                across = (self.face.points[index[row]] - self.face.middle) @ self.face.left
                masks["left" if across > 0 else "right"][index[row]] = True

    def _turns(self, m: Mover, mask: np.ndarray) -> bool:
        points = self.face.points[mask]
        size = m.size[mask]
        if size.max() < STILL * self.face.height:
            return False
        field = m.shown[0][mask]
        vector, left = rigid_motion(points, points + field)
        # An eye turns about its own middle: what swings it about a far point is no gaze.
        middle = 0.5 * (points.min(0) + points.max(0))
        carried = field.mean(0) + np.cross(vector, middle - points.mean(0))
        stays = np.linalg.norm(carried) < 0.5 * np.linalg.norm(field, axis=1).mean()
        if is_eye(m.found.label) and m.found.kind == "rotation":
            # An eye that is a dome, or a disk, has its middle before the one that it turns about.
            lever = np.linalg.norm(carried) / max(float(np.linalg.norm(vector)), 1e-9)
            stays = lever < EYE_LEVER * np.ptp(points, axis=0).max()
        return bool(np.linalg.norm(vector) > 0.03 and left < 3 * RIGID and stays)
