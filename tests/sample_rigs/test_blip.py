"""Blip, the one-eyed creature: few controls that all count, lids that close, poses read back."""

from dataclasses import replace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import keyframes, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.networks.characters.profile import SAMPLE_RIGS, arkit_to_unit, load_profile, to_unit
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS
from exprgen.tests.support import synthetic

PROFILE = load_profile(SAMPLE_RIGS / "blip.json")
MAX_BYTES = 3_000_000
SCAN = 26
"""Rays a side that look for slivers of the eyeball."""


@pytest.fixture(scope="module")
def opened():
    """Blip's own .blend, opened as it is, with its last subdivision off: bindings by control."""
    bpy.ops.wm.open_mainfile(filepath=str(PROFILE.blend))
    bpy.data.objects["blip_head"].modifiers["Subdivision"].show_viewport = False
    return in_scene.bind(PROFILE, bpy.data.collections[PROFILE.collection])


def pose(bindings, values):
    for control in PROFILE.controls:
        for place in bindings[control.name]:
            place.write(values.get(control.name, control.rest))
            place.owner.update_tag()
    bpy.context.view_layer.update()


def points(name):
    """(V, 3) world-space vertices of an object after its modifiers."""
    graph = bpy.context.evaluated_depsgraph_get()
    evaluated = bpy.data.objects[name].evaluated_get(graph)
    mesh = evaluated.to_mesh()
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def everything():
    return np.concatenate([points("blip_head"), points("blip_eye")])


def seen_eyeball():
    """Share of rays from the front, over the eye, that meet the eyeball before the lids."""
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    trees = [
        BVHTree.FromPolygons(
            [Vector(p) for p in points(name)],
            [tuple(p.vertices) for p in bpy.data.objects[name].data.polygons],
        )
        for name in ("blip_head", "blip_eye")
    ]
    ball = points("blip_eye")
    middle, radius = 0.5 * (ball.min(0) + ball.max(0)), np.ptp(ball[:, 0]) / 2
    seen = 0
    for dx in np.linspace(-1.05, 1.05, SCAN):
        for dz in np.linspace(-1.05, 1.05, SCAN):
            start = Vector(middle + radius * np.array([dx, 0, dz]) - (0, 1, 0))
            lid, eye = (tree.ray_cast(start, Vector((0, 1, 0)))[3] for tree in trees)
            seen += eye is not None and (lid is None or eye < lid)
    return seen / SCAN**2


def test_few_controls_and_one_eye():
    assert 8 <= len(PROFILE.expression_controls) <= 16
    roles = {c.role for c in PROFILE.controls if c.role}
    assert "blink_left" in roles
    assert not {r for r in roles if "right" in r}
    kinds = {"pose.bones" in c.targets[0].data_path for c in PROFILE.expression_controls}
    assert kinds == {True, False}  # bones on the face, and custom properties


def test_every_arkit_channel_means_something():
    units = arkit_to_unit(PROFILE.expression_controls, np.eye(len(ARKIT_CHANNELS)))
    for row, channel in zip(units, ARKIT_CHANNELS, strict=True):
        assert np.abs(row).max() >= 0.2 or channel.startswith("eyeLook"), channel


def test_both_eyes_of_an_actor_close_the_one():
    lid = next(i for i, c in enumerate(PROFILE.expression_controls) if c.role == "blink_left")
    arkit = np.zeros(len(ARKIT_CHANNELS))
    for side in ("Left", "Right"):
        arkit[ARKIT_CHANNELS.index(f"eyeBlink{side}")] = 1.0
    assert arkit_to_unit(PROFILE.expression_controls, arkit)[lid] == 1.0


def test_one_eye_follows_the_mean_of_the_actors_two():
    from exprgen.networks.settings import RetargetSettings
    from exprgen.networks.solving.controls import follow_controls

    track = synthetic.face_track(frames=30)
    wink = np.clip(np.stack([np.linspace(0, 1, 30), np.zeros(30)], axis=1), 0, 1)
    units = np.zeros((30, len(PROFILE.expression_controls)))
    lids = []
    for blink in (wink, wink[:, ::-1]):
        settings = RetargetSettings(calibration="none", smoothing_eyes=0.0)
        winking = replace(track, blink=blink.astype(track.blink.dtype))
        made = follow_controls(winking, PROFILE, units, settings)
        lids.append(made.values[:, made.controls.index("lid_upper")])
    np.testing.assert_allclose(lids[0], lids[1], atol=1e-6)
    assert 0.3 < lids[0].max() / PROFILE.control("lid_upper").maximum < 0.6


def test_key_poses():
    for expression in EXPRESSIONS:
        assert sum(p.expression == expression for p in PROFILE.key_poses) >= 10
    limits = {c.name: (c.minimum, c.maximum) for c in PROFILE.controls}
    for key_pose in PROFILE.key_poses:
        assert key_pose.name.startswith(key_pose.expression)
        for control, value in key_pose.values.items():
            assert limits[control][0] <= value <= limits[control][1]
    controls = PROFILE.expression_controls
    table = np.array([[p.values.get(c.name, c.rest) for c in controls] for p in PROFILE.key_poses])
    units = to_unit(controls, table)
    gaps = np.linalg.norm(units[:, None] - units[None], axis=-1) + 9 * np.eye(len(units))
    assert gaps.min() > 0.05


def test_file(opened):
    assert PROFILE.blend.stat().st_size < MAX_BYTES
    assert not bpy.data.libraries
    assert not [i for i in bpy.data.images if i.filepath and not i.packed_file]
    collection = bpy.data.collections[PROFILE.collection]
    assert set(bpy.data.objects) == set(collection.all_objects)
    assert not bpy.data.texts  # nothing to run: works with scripts off and without the extension


def test_drivers_need_no_scripts(opened):
    count = 0
    for block in (*bpy.data.shape_keys, *bpy.data.objects):
        for curve in getattr(block.animation_data, "drivers", ()):
            count += 1
            assert curve.is_valid, curve.data_path
            assert curve.driver.is_simple_expression, curve.driver.expression
    assert count > 40


def test_every_control_moves_the_face(opened):
    pose(opened, {})
    rest = everything()
    for control in PROFILE.controls:
        for value in {control.minimum, control.maximum} - {control.rest}:
            pose(opened, {control.name: value})
            moved = everything()
            assert np.isfinite(moved).all()
            shift = np.linalg.norm(moved - rest, axis=1).max()
            assert 0.002 < shift < 0.35, (control.name, value)
    pose(opened, {})


def test_sides_are_mirror_images(opened):
    pose(opened, {})
    rest = points("blip_head")
    for control in PROFILE.expression_controls:
        if not control.name.endswith("left"):
            continue
        centre, size = [], []
        for name in (control.name, control.mirror):
            pose(opened, {name: control.maximum})
            move = np.linalg.norm(points("blip_head") - rest, axis=1)
            size.append(move.max())
            centre.append((rest[:, 0] * move**2).sum() / (move**2).sum())
        assert size[0] == pytest.approx(size[1], rel=0.05)
        assert centre[0] > 0.005  # the subject's left
        assert centre[0] == pytest.approx(-centre[1], abs=2e-3)
    pose(opened, {})


@pytest.mark.parametrize("gaze", [0.0, -0.3, 0.3])
@pytest.mark.parametrize("lower", [0.0, 0.5, 1.0])
def test_the_lid_closes_over_the_eyeball(opened, gaze, lower):
    lids = {c.name: c.maximum for c in PROFILE.controls if c.name.startswith("lid")}
    pose(opened, {"gaze_pitch": gaze})
    assert seen_eyeball() > 0.2
    closed = {"lid_upper": lids["lid_upper"], "lid_lower": lower * lids["lid_lower"]}
    pose(opened, {"gaze_pitch": gaze, **closed})
    assert seen_eyeball() == 0.0


def test_no_lid_enters_the_eyeball_on_its_way(opened):
    ball = points("blip_eye")
    middle, radius = 0.5 * (ball.min(0) + ball.max(0)), np.ptp(ball[:, 0]) / 2
    upper = PROFILE.control("lid_upper")
    for share in np.linspace(-1, 1, 9):
        for brow in (-1, 1):
            mid = PROFILE.control("brow_mid").maximum * brow
            pose(opened, {"lid_upper": share * upper.maximum, "brow_mid": mid})
            gap = np.linalg.norm(points("blip_head") - middle, axis=1) - radius
            assert gap.min() > 0.0005
    pose(opened, {})


def test_key_poses_are_read_back_exactly(opened):
    for key_pose in PROFILE.key_poses:
        pose(opened, key_pose.values)
        for control in PROFILE.controls:
            for place in opened[control.name]:
                wanted = key_pose.values.get(control.name, control.rest) * place.scale
                assert place.read() == pytest.approx(wanted, abs=1e-6)
    pose(opened, {})


def test_keys_evaluate_to_the_poses(opened):
    """Keyed as the add-on keys a take, every frame shows the pose that was set by hand."""
    chosen = PROFILE.key_poses[::9]
    names = PROFILE.names
    values = np.array(
        [[p.values.get(c.name, c.rest) for c in PROFILE.controls] for p in chosen], np.float32
    )
    by_hand = []
    for key_pose in chosen:
        pose(opened, key_pose.values)
        by_hand.append(points("blip_head"))
    scene = takes.new_file()
    keyframes.set_scene_fps(scene, 30.0)
    (blip,) = in_scene.append_characters([PROFILE], scene)
    track = RigTrack(
        character="blip", times=np.arange(len(chosen)) / 30.0, controls=names, values=values,
        state=np.zeros(len(chosen), np.uint8), expression=np.full((len(chosen), 7), 1 / 7), meta={},
    )  # fmt: skip
    keyframes.apply_tracks([track], [blip], scene, options=KeyOptions())
    bpy.data.objects["blip_head"].modifiers["Subdivision"].show_viewport = False
    for frame, wanted in enumerate(by_hand, start=1):
        scene.frame_set(frame)
        for column, name in enumerate(names):
            for place in blip.bindings[name]:
                value = values[frame - 1, column] * place.scale
                assert place.read() == pytest.approx(value, abs=1e-5)
        np.testing.assert_allclose(points("blip_head"), wanted, atol=1e-4)
