"""Talkers who turn are seen from the front first, and the truth knows no camera."""

import numpy as np
import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio.look import Look
from exprgen.sample_rigs.build.talkers.turned import FRONT, TURN, VIEWS, _looks, _pictures

TIMES = np.arange(60) / 25.0


def test_the_camera_waits_goes_round_and_stands():
    pitch, yaw = np.radians(VIEWS["yaw60"])
    looks = _looks(Look(), TIMES, pitch, yaw)
    angles = np.degrees([look.orbit[1] for look in looks])
    assert (angles[TIMES <= FRONT] == 0).all()
    assert np.allclose(angles[TIMES >= FRONT + TURN], 60.0)
    assert (np.diff(angles) >= 0).all()
    assert len({look.zoom for look in looks}) == 1


def test_frames_from_the_front_are_drawn_once_for_all_views():
    class Studio:
        drawn = 0

        def look(self, look):
            pass

        pose = look

        def render(self):
            self.drawn += 1
            return np.full((2, 2, 3), self.drawn, np.uint8)

    studio, known, values = Studio(), {}, np.zeros((len(TIMES), 1))
    front = int((TIMES <= FRONT).sum())
    first = [*_pictures(studio, values, _looks(Look(), TIMES, 0.0, 1.0), known)]
    assert studio.drawn == len(TIMES)
    second = [*_pictures(studio, values, _looks(Look(), TIMES, 0.0, -1.0), known)]
    assert studio.drawn == 2 * len(TIMES) - front
    assert all((a == b).all() for a, b in zip(first[:front], second[:front], strict=True))
