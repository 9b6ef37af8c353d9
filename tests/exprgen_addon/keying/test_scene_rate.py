"""The rate that a clip proposes for the scene, and where separate pictures land in it."""

import dataclasses

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.keying import keyframes, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.networks.track import RigTrack


def track(times, **meta):
    values = np.zeros((len(times), 1), np.float32)
    nothing = np.zeros((len(times), 7))
    state = np.zeros(len(times), np.uint8)
    return RigTrack("ann", np.asarray(times, float), ("smile",), values, state, nothing, meta)


@pytest.mark.parametrize(
    ("rate", "offered"),
    [
        (23.98, 24 / 1.001), (24, 24), (25.0, 25), (29.4, 30 / 1.001), (59.94, 60 / 1.001),
        (120, 60), (119.88, 60 / 1.001), (240, 60), (239.76, 60 / 1.001), (100, 50), (144, 48),
        (90, 30), (1000, 50), (12.2, 12), (0.2, 1), (65.2, 60),
    ],
)  # fmt: skip
def test_a_rate_that_people_use(rate, offered):
    assert keyframes.nearest_common_fps(rate) == pytest.approx(offered, rel=1e-4)


def test_pauses_and_dropped_frames_do_not_count():
    steady = np.arange(200) / 24
    paused = np.concatenate([steady, 20 + steady])
    dropped = np.delete(np.arange(400) / 25, np.arange(4, 400, 5))
    assert takes.reference_fps(track(paused)) == 24
    assert takes.reference_fps(track(dropped)) == 25
    assert takes.reference_fps(track(np.round(steady, 3))) == 24
    assert takes.reference_fps(track(np.arange(500) / 240)) == 60


def test_pictures_with_a_gap_in_their_numbers_keep_it(tmp_path):
    from exprgen.exprgen_addon.characters.in_scene import append_characters, characters_in
    from exprgen.tests.support import synthetic

    profile = synthetic.build(tmp_path, "ann", primary=True)
    scene = takes.new_file()
    append_characters([profile], scene)
    shown = synthetic.rig_track(profile, frames=4)
    shown = dataclasses.replace(shown, times=np.array([0.0, 1, 4, 5]), meta={"stills": True})
    keyframes.apply_tracks([shown], characters_in(scene), scene, options=KeyOptions(start_frame=11))
    from exprgen.exprgen_addon.keying import fcurves

    curve = fcurves.curve_of(characters_in(scene)[0].bindings["smile"][0])
    assert [point.co[0] for point in curve.keyframe_points] == [11, 12, 15, 16]
