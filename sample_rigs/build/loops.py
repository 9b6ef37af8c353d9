"""Edge loops of a quad mesh: rings around mouth and eyes, by which lips and lids are modelled."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


class Loops:
    """Walks along edges of a quad mesh, straight on at every point with four edges."""

    def __init__(self, faces: np.ndarray):
        """faces: (F, 4) corner indices; a triangle repeats its last corner."""
        self.neighbours: dict[int, set[int]] = defaultdict(set)
        self._sides: dict[frozenset[int], set[int]] = defaultdict(set)
        for number, face in enumerate(faces.tolist()):
            corners = list(dict.fromkeys(face))
            for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
                self._sides[frozenset((a, b))].add(number)
                self.neighbours[a].add(b)
                self.neighbours[b].add(a)

    def walk(self, start: int, second: int, stops: set[int] = frozenset(), limit: int = 200):
        """Vertices of the loop from `start` over `second`, to the first of `stops` or back to the
        start (which is not repeated); it ends early where the mesh has a pole."""
        loop = [start, second]
        while loop[-1] not in stops and len(loop) < limit:
            onward = self._onward(loop[-2], loop[-1])
            if onward is None or onward == start:
                break
            loop.append(onward)
        return loop

    def _onward(self, before: int, here: int) -> int | None:
        """The vertex straight on: the only one that shares no face with the edge come by."""
        if len(self.neighbours[here]) != 4:
            return None
        come = self._sides[frozenset((before, here))]
        out = [v for v in self.neighbours[here] if not self._sides[frozenset((here, v))] & come]
        return out[0] if len(out) == 1 else None

    def beyond(self, seeds: set[int], border: set[int]) -> set[int]:
        """All vertices that can be reached from `seeds` without crossing `border`."""
        found, edge = set(), set(seeds) - border
        while edge:
            found |= edge
            edge = set().union(*(self.neighbours[v] for v in edge)) - found - border
        return found
