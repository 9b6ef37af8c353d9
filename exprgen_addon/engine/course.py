"""How far a task of several stages is as a whole. No Blender."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Course:
    """How far a task of several stages is as a whole, so that its bar never starts again.

    stages: (name, share of the whole work) in order; the shares are what was measured, and need not
    be exact. A stage that is not named, such as one that begins the next one, moves nothing.
    """

    stages: tuple[tuple[str, float], ...] = ()
    reached: float = 0.0

    def at(self, stage: str, share: float) -> Course:
        """After a message of `stage`, of which `share` (0..1) is done."""
        before, total = 0.0, sum(weight for _, weight in self.stages) or 1.0
        for name, weight in self.stages:
            if stage.startswith(name):
                return replace(self, reached=max(self.reached, (before + weight * share) / total))
            before += weight
        return self
