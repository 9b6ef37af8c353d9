"""What of a proposal could not be decided, in words."""

from __future__ import annotations

import numpy as np

from ...networks.characters.control_names import side_of
from ...networks.characters.profile import Control
from ...networks.names import shortened
from .face import STILL, Face

COARSE = 0.2
"""Share of STILL, what counts as motion, from which the steps between two places hide motions."""


class Notes:
    """What could not be decided, in words."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """A line as it is."""
        self.lines.append(line)

    def named(self, what: str, names) -> None:
        """A line about controls, if there are any."""
        names = list(names)
        if names:
            self.say(f"{what} ({len(names)}): {shortened(names)}")

    def about_place(self, rest: np.ndarray, face: Face) -> None:
        """Whether the points at rest (V, 3), float32, lie where such numbers are fine enough."""
        farthest = np.abs(rest).max()
        step = float(np.spacing(farthest))
        if step > COARSE * STILL * face.height:
            self.say(
                f"stands {farthest:.0f} m from the world's origin, where places are told to "
                f"{1000 * step:.2g} mm only and controls are missed: move it nearer, then again"
            )

    def about_controls(self, controls: list[Control], face: Face) -> None:
        """What a look at the finished list tells."""
        self.lines.insert(0, f"the face was found by {face.found_by}")
        plain = [c for c in controls if c.output == "expression"]
        if not plain:
            self.say("no control moves anything but head and eyes: see what was left out, and why")
        self.named("names tell no ARKit channel", [c.name for c in plain if not c.channels])
        self.named(
            "names tell a side but there is no mirror partner",
            [c.name for c in plain if side_of(c.name) and not c.mirror],
        )
        roles = {c.role for c in controls}
        for role, what in (
            ("head_yaw", "no control turns the head"),
            ("gaze_left_yaw", "no control turns the eyes"),
            ("blink_left", "no control is known to close the lids"),
        ):
            if role not in roles:
                self.say(f"{what}: give one the role {role!r} and its sisters")
