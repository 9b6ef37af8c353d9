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


def head_and_teeth(studio):
    """The head object and the numbers of the teeth's points, the upper row first."""
    name = studio.profile.name
    parts = studio.character.collection.all_objects
    head = next(o for o in parts if o.name.startswith(f"{name}_h"))
    number = head.data.materials.find(f"{name}_teeth")
    teeth = [p.vertices for p in head.data.polygons if p.material_index == number]
    return head, np.unique(np.concatenate([list(corners) for corners in teeth]))


def teeth_at(studio, **channels):
    """(upper, lower), each (N, 3) points of a row of teeth in millimetres, with some ARKit channels
    at these weights."""
    lips_at(studio, **channels)
    head, points = head_and_teeth(studio)
    evaluated = head.evaluated_get(studio.depsgraph)
    flat = np.empty(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", flat)
    turn = np.array(evaluated.matrix_world)
    posed = 1e3 * (flat.reshape(-1, 3)[points] @ turn[:3, :3].T + turn[:3, 3])
    return posed[: len(posed) // 2], posed[len(posed) // 2 :]


def both_sides(**weights):
    """ARKit channels of either side at these weights."""
    return {f"{n}{side}": v for n, v in weights.items() for side in ("Left", "Right")}


def seen_rows(studio, **channels):
    """Millimetres of the upper row, of the dark below it and of the lower row that are seen between
    the lips in the middle of the mouth."""
    lips = dict(zip(LANDMARK_NAMES[LIPS], lips_at(studio, **channels), strict=True))
    top, low = lips["lip_top_inner_2"][2], lips["lip_bottom_inner_2"][2]
    upper, lower = (row[np.abs(row[:, 0]) < 6.0, 2] for row in teeth_at(studio, **channels))
    edge = np.clip(upper.min(), low, top)
    return top - edge, edge - np.clip(lower.max(), low, edge), np.clip(lower.max(), low, edge) - low


def shown_of_teeth(studio, across=(0.0, 6.0), **channels):
    """Red, linear, of the front of the upper row with some ARKit channels at these weights, between
    two distances from the midline, millimetres."""
    upper, _ = teeth_at(studio, **channels)
    head, points = head_and_teeth(studio)
    colours = head.evaluated_get(studio.depsgraph).data.color_attributes["Color"].data
    flat = np.empty(4 * len(colours), np.float32)
    colours.foreach_get("color", flat)
    red = flat.reshape(-1, 4)[points[: len(upper)], 0]
    # The lower third of the row, without what is behind its faces.
    aside = np.abs(upper[:, 0])
    front = (across[0] <= aside) & (aside < across[1]) & (upper[:, 2] < upper[:, 2].min() + 4.0)
    return float(np.median(red[front]))


def test_teeth_lie_in_the_lips_shadow(studio):
    parted = both_sides(mouthLowerDown=0.15, mouthUpperUp=0.08)
    grin = both_sides(mouthSmile=1.0, mouthUpperUp=0.5, mouthLowerDown=0.3)
    wide = both_sides(mouthUpperUp=0.7, mouthLowerDown=0.85)
    assert shown_of_teeth(studio, **parted, jawOpen=0.05) < 0.3
    assert shown_of_teeth(studio, **grin) > 0.6
    assert shown_of_teeth(studio, **wide) > 0.6


def test_the_corners_of_a_laugh_are_dark(studio):
    laugh = both_sides(mouthSmile=1.0, mouthUpperUp=0.3, mouthLowerDown=0.2) | {"jawOpen": 0.5}
    places = dict(zip(LANDMARK_NAMES[LIPS], lips_at(studio, **laugh), strict=True))
    corner = np.abs([place[0] for place in places.values()]).max()
    middle = shown_of_teeth(studio, (0.0, 0.4 * corner), **laugh)
    aside = shown_of_teeth(studio, (0.75 * corner, corner), **laugh)
    assert middle > 0.6
    assert aside < 0.35 * middle


def test_a_smile_shows_the_upper_teeth_down_to_the_lower_lip(studio):
    smile = both_sides(mouthSmile=0.4, mouthUpperUp=0.45, mouthLowerDown=0.6)
    upper, dark, lower = seen_rows(studio, **smile)
    assert upper > 5.0
    assert lower < 0.15 * (upper + dark + lower)
    assert dark < 0.5


def test_a_grin_whose_lower_lip_is_drawn_right_down_shows_both_rows(studio):
    grin = both_sides(mouthSmile=0.5, mouthUpperUp=0.8, mouthLowerDown=0.9)
    upper, dark, lower = seen_rows(studio, **grin, jawOpen=0.1)
    whole = upper + dark + lower
    assert upper > 0.5 * whole
    assert lower > 0.08 * whole
    assert dark < 0.15 * whole


def test_bared_teeth_are_two_rows(studio):
    snarl = both_sides(mouthUpperUp=0.7, mouthLowerDown=0.85, mouthFrown=0.5)
    upper, dark, lower = seen_rows(studio, **snarl, jawOpen=0.06)
    whole = upper + dark + lower
    assert 0.4 < upper / whole < 0.75
    assert lower > 0.2 * whole
    assert dark < 0.15 * whole


def test_a_laugh_is_dark_below_the_upper_teeth(studio):
    laugh = both_sides(mouthSmile=1.0, mouthUpperUp=0.3, mouthLowerDown=0.2)
    upper, dark, lower = seen_rows(studio, **laugh, jawOpen=0.5)
    assert upper > 5.0
    assert dark > 0.2 * (upper + dark + lower)
    assert lower < 1.0


def test_the_lower_row_stays_down_in_an_open_mouth(studio):
    """It comes up to the upper one in grins alone, and would hang in the middle of a shout."""
    for shout in ({"mouthFunnel": 0.4}, both_sides(mouthSmile=0.4, mouthUpperUp=0.3)):
        tops = [
            teeth_at(studio, **shout, **both_sides(mouthLowerDown=down), jawOpen=1.0)[1][:, 2].max()
            for down in (0.0, 0.9)
        ]
        assert abs(tops[1] - tops[0]) < 1.5


def test_the_first_opening_is_dark(studio):
    upper, dark, lower = seen_rows(studio, jawOpen=0.15)
    assert dark > 0.7 * (upper + dark + lower)


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
