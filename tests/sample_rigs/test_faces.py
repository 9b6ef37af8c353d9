"""What speech needs of the sample faces: round lips, rows of teeth, lids that meet, a free brow."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.studio.face_studio import FaceStudio
from exprgen.networks.characters.profile import SAMPLE_RIGS, arkit_to_unit, from_unit, load_profile
from exprgen.networks.vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES
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


def red_at(studio, **channels):
    """Millimetres of red seen on the upper and on the lower lip, in the middle."""
    lips = lips_at(studio, **channels)[:, 2]
    upper, lower = LANDMARK_NAMES.index("lip_top_outer_3"), LANDMARK_NAMES.index("lip_top_inner_2")
    below = LANDMARK_NAMES.index("lip_bottom_inner_2"), LANDMARK_NAMES.index("lip_bottom_outer_3")
    first = LIPS.start
    return lips[upper - first] - lips[lower - first], lips[below[0] - first] - lips[
        below[1] - first
    ]


def test_lips_are_full_press_thin_and_pout(studio):
    rest, pressed = red_at(studio), red_at(studio, mouthPressLeft=1.0, mouthPressRight=1.0)
    pout = red_at(studio, mouthShrugLower=1.0)
    assert min(rest) > 4.0
    assert sum(pressed) < 0.6 * sum(rest)
    assert pout[1] > 1.2 * rest[1], "the lower lip swells"
    assert pout[1] / pout[0] > 1.2 * rest[1] / rest[0]


def test_a_smile_brings_the_upper_teeth_down(studio):
    name = studio.profile.name
    parts = studio.character.collection.all_objects
    head = next(o for o in parts if o.name.startswith(f"{name}_h"))
    teeth = head.data.materials.find(f"{name}_teeth")
    points = np.unique(
        [v for p in head.data.polygons if p.material_index == teeth for v in p.vertices]
    )

    def heights(key):
        block = head.data.shape_keys.key_blocks[key]
        return np.array([block.data[i].co.z for i in points])

    fallen = heights("Basis") - heights("mouthSmileLeft")
    assert 0.001 < fallen.max() < 0.003
    assert (fallen < 1e-4).mean() > 0.4, "the lower row stays"


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
