"""What speech needs of the sample faces: round lips, rows of teeth, lids that meet, a free brow."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio.face_studio import FaceStudio
from exprgen.networks.characters.profile import SAMPLE_RIGS, arkit_to_unit, from_unit, load_profile
from exprgen.networks.vocabulary import ARKIT_CHANNELS
from exprgen.sample_rigs.build.loops import Loops

LIPS = slice(31, 49)


@pytest.fixture(scope="module", params=("mira", "tobi", "anselm", "rosa"))
def studio(request):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)  # others leave theirs open
    with FaceStudio(load_profile(SAMPLE_RIGS / f"{request.param}.json")) as made:
        yield made


def lips_at(studio, **channels):
    """(18, 3) lip landmarks in millimetres with some ARKit channels at these weights."""
    controls = studio.profile.controls
    weights = [channels.get(c, 0.0) for c in ARKIT_CHANNELS]
    studio.pose(np.asarray(from_unit(controls, arkit_to_unit(controls, np.array(weights)))))
    return 1e3 * studio.world_landmarks()[LIPS]


def test_round_lips_are_narrow_and_stand_out(studio):
    rest = lips_at(studio)
    for channel in ("mouthPucker", "mouthFunnel"):
        lips = lips_at(studio, **{channel: 1.0})
        assert np.ptp(lips[:, 0]) < 0.75 * np.ptp(rest[:, 0]), channel
        assert lips[:, 1].mean() < rest[:, 1].mean() - 4.0, channel  # the face looks at -Y


def test_an_o_is_round(studio):
    lips = lips_at(studio, mouthFunnel=0.7, mouthPucker=0.3, jawOpen=0.6)
    assert 0.6 < np.ptp(lips[:, 2]) / np.ptp(lips[:, 0]) < 1.6


def test_pucker_and_funnel_together_leave_a_mouth(studio):
    rest = np.ptp(lips_at(studio)[:, 0])
    both = np.ptp(lips_at(studio, mouthFunnel=1.0, mouthPucker=1.0)[:, 0])
    assert both > 0.25 * rest


def test_jaw_and_mouth_go_sideways(studio):
    rest = lips_at(studio)
    left = lips_at(studio, jawLeft=1.0)
    assert left[:, 0].mean() > rest[:, 0].mean() + 3.0
    assert lips_at(studio, mouthRight=1.0)[:, 0].mean() < rest[:, 0].mean() - 4.0


def test_loops_go_round_and_stop_at_poles():
    wide = 5
    a = np.array([[r * wide + c for c in range(wide - 1)] for r in range(wide - 1)]).ravel()
    loops = Loops(np.stack([a, a + 1, a + wide + 1, a + wide], axis=1))
    assert loops.walk(6, 7) == [6, 7, 8, 9]  # ends at the border, where three edges meet
    assert loops.walk(6, 7, stops={8}) == [6, 7, 8]
    assert loops.beyond({0}, {2, 7, 12, 17, 22}) == {r * wide + c for r in range(5) for c in (0, 1)}
