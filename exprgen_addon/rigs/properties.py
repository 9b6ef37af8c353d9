"""Anything else that can be animated: custom properties, object transforms, node values."""

from __future__ import annotations

from ...networks.profile import Target
from .base import RigFamily


class Family(RigFamily):
    """Takes every target that no other family wants."""

    name = "properties"
    priority = -10

    def handles(self, target: Target) -> bool:
        return True
