"""The sample characters: profiles that hold, targets that exist, controls that move the face."""

from functools import lru_cache

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.profile import SAMPLE_RIGS, arkit_to_unit, load_profile, to_unit  # noqa: E402
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, ROLES  # noqa: E402

NAMES = ("mira", "tobi")
MAX_BYTES = 3_000_000
SCAN = 22
"""Rays a side that look for slivers of the eyeball."""


@lru_cache(maxsize=4)
def profile_of(name):
    return load_profile(SAMPLE_RIGS / f"{name}.json")


@pytest.fixture(scope="module", params=NAMES)
def character(request):
    """Profile of a character whose .blend is open; every test leaves it at rest."""
    profile = profile_of(request.param)
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend))
    pose(profile, {})
    return profile


def owner(target):
    block = bpy.data.objects[target.id_name]
    return block.data.shape_keys if target.id_type == "KEY" else block


def write(target, value):
    block = owner(target)
    if target.index >= 0:
        block.path_resolve(target.data_path)[target.index] = value * target.scale
    else:
        path, attribute = target.data_path.rsplit(".", 1)
        setattr(block.path_resolve(path), attribute, value * target.scale)
    block.update_tag()


def pose(profile, values):
    for control in profile.controls:
        for target in control.targets:
            write(target, values.get(control.name, control.rest))
    bpy.context.view_layer.update()


def points(name):
    """(V, 3) world-space vertices of an object after its modifiers, before the last subdivision."""
    obj = bpy.data.objects[name]
    evaluated = obj.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def moving(profile):
    """Vertices of everything a control may move."""
    return np.concatenate([points(f"{profile.name}_{part}") for part in ("head", "eye_L", "eye_R")])


@pytest.fixture
def coarse(character):
    """Switch the last subdivision off: the same motion, much faster."""
    head = bpy.data.objects[f"{character.name}_head"]
    head.modifiers["Subdivision"].show_viewport = False
    yield character
    pose(character, {})
    head.modifiers["Subdivision"].show_viewport = True


def test_scheme():
    mira, tobi = (profile_of(n) for n in NAMES)
    assert mira.primary
    assert not tobi.primary
    assert 40 <= len(mira.expression_controls) <= 60
    assert len(mira.expression_controls) != len(tobi.expression_controls)
    assert {c.targets[0].id_type for c in mira.expression_controls} == {"OBJECT"}
    assert {c.targets[0].id_type for c in tobi.expression_controls} == {"KEY"}


@pytest.mark.parametrize("name", NAMES)
def test_profile(name):
    profile = profile_of(name)
    assert {c.role for c in profile.controls if c.role} == set(ROLES)
    by_name = {c.name: c for c in profile.controls}
    for control in profile.controls:
        assert control.minimum <= control.rest <= control.maximum
        if control.mirror:
            partner = by_name[control.mirror]
            assert partner.mirror == control.name
            limits = (control.minimum, control.rest, control.maximum)
            assert limits == (partner.minimum, partner.rest, partner.maximum)
    for expression in EXPRESSIONS:
        count = sum(p.expression == expression for p in profile.key_poses)
        assert count >= (3 if expression == "neutral" else 6)
    for key_pose in profile.key_poses:
        for control, value in key_pose.values.items():
            assert by_name[control].minimum <= value <= by_name[control].maximum


@pytest.mark.parametrize("name", NAMES)
def test_every_arkit_channel_means_something(name):
    controls = profile_of(name).expression_controls
    units = arkit_to_unit(controls, np.eye(len(ARKIT_CHANNELS)))
    for row, channel in zip(units, ARKIT_CHANNELS, strict=True):
        assert np.abs(row).max() > 0.5 or channel.startswith("eyeLook"), channel


@pytest.mark.parametrize("name", NAMES)
def test_key_poses_differ(name):
    profile = profile_of(name)
    controls = profile.expression_controls
    table = np.array([[p.values.get(c.name, c.rest) for c in controls] for p in profile.key_poses])
    units = to_unit(controls, table)
    gaps = np.linalg.norm(units[:, None] - units[None], axis=-1) + 9 * np.eye(len(units))
    assert gaps.min() > 0.05


def test_file(character):
    assert character.blend.stat().st_size < MAX_BYTES
    assert not bpy.data.libraries
    assert not [i for i in bpy.data.images if i.filepath and not i.packed_file]
    assert not [f for f in bpy.data.fonts if f.filepath != "<builtin>"]
    collection = bpy.data.collections[character.collection]
    assert not [o for o in collection.all_objects if o.type in ("LIGHT", "CAMERA")]
    assert set(bpy.data.objects) == set(collection.all_objects)


def test_drivers_are_valid(character):
    for block in (*bpy.data.shape_keys, *bpy.data.objects):
        for curve in getattr(block.animation_data, "drivers", ()):
            assert curve.is_valid
            assert curve.driver.is_simple_expression, curve.driver.expression


def test_limits_move_the_face(coarse):
    rest = moving(coarse)
    jaw = next(c for c in coarse.controls if "jawOpen" in c.channels)
    for control in coarse.controls:
        limits = {control.minimum, control.maximum} - {control.rest}
        for value in limits:
            # anny's mouthClose only mends an open jaw, and the tongue needs room.
            helped = {"mouthClose", "tongueOut"} & set(control.channels)
            base = {jaw.name: jaw.maximum} if helped else {}
            start = rest
            if helped:
                pose(coarse, base)
                start = moving(coarse)
            pose(coarse, {**base, control.name: value})
            moved = moving(coarse)
            assert np.isfinite(moved).all(), control.name
            assert np.linalg.norm(moved - start, axis=1).max() > 5e-4, (control.name, value)
            assert np.abs(moved).max() < 1.0


def test_left_is_right_mirrored(coarse):
    """Each pair moves the face by mirror images (compared as widths of the moved region)."""
    rest = points(f"{coarse.name}_head")
    for control in coarse.expression_controls:
        if not control.mirror or control.name > control.mirror:
            continue
        moves = []
        for name in (control.name, control.mirror):
            pose(coarse, {name: control.maximum})
            moves.append(points(f"{coarse.name}_head") - rest)
        size = [np.linalg.norm(m, axis=1) for m in moves]
        assert size[0].max() == pytest.approx(size[1].max(), rel=0.06, abs=2e-4), control.name
        centre = [(rest[:, 0] * s**2).sum() / (s**2).sum() for s in size]
        assert centre[0] == pytest.approx(-centre[1], abs=1.5e-3), control.name
        lift = [(m[:, 2] * s).sum() / s.sum() for m, s in zip(moves, size, strict=True)]
        assert lift[0] == pytest.approx(lift[1], abs=4e-4), control.name


def seen_eyeball(profile, side):
    """Share of rays from the front, over the left or right eye, that meet the eyeball first."""
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    graph = bpy.context.evaluated_depsgraph_get()
    trees = {}
    for part in ("head", f"eye_{side}"):
        evaluated = bpy.data.objects[f"{profile.name}_{part}"].evaluated_get(graph)
        mesh = evaluated.to_mesh()
        world = evaluated.matrix_world
        trees[part] = BVHTree.FromPolygons(
            [world @ v.co for v in mesh.vertices], [tuple(p.vertices) for p in mesh.polygons]
        )
        evaluated.to_mesh_clear()
    ball = points(f"{profile.name}_eye_{side}")
    middle, radius = ball.mean(0), np.ptp(ball[:, 0]) / 2
    seen = 0
    for dx in np.linspace(-1.2, 1.2, SCAN):
        for dz in np.linspace(-0.9, 0.9, SCAN):
            start = Vector(middle + radius * np.array([dx, 0, dz]) - (0, 1, 0))
            hits = [trees[k].ray_cast(start, Vector((0, 1, 0)))[3] for k in trees]
            seen += hits[1] is not None and (hits[0] is None or hits[1] < hits[0])
    return seen / SCAN**2


@pytest.mark.parametrize("side", ["L", "R"])
def test_blink_closes(character, side):
    role = {"L": "blink_left", "R": "blink_right"}[side]
    blink = next(c for c in character.controls if c.role == role)
    pose(character, {})
    assert seen_eyeball(character, side) > 0.08
    pose(character, {blink.name: blink.maximum})
    assert seen_eyeball(character, side) == 0.0
    pose(character, {})


def test_gaze_turns_the_eye_and_its_lid(coarse):
    pitch = next(c for c in coarse.controls if c.role == "gaze_left_pitch")
    yaw = next(c for c in coarse.controls if c.role == "gaze_left_yaw")
    rest = points(f"{coarse.name}_eye_L")
    front = rest[:, 1].argmin()
    pose(coarse, {pitch.name: 0.3})
    assert points(f"{coarse.name}_eye_L")[front, 2] < rest[front, 2] - 0.003
    keys = bpy.data.objects[f"{coarse.name}_head"].data.shape_keys
    keys = keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
    assert keys.key_blocks["eyeLookDownLeft"].value > 0.5
    pose(coarse, {yaw.name: 0.3})
    assert points(f"{coarse.name}_eye_L")[front, 0] > rest[front, 0] + 0.003


def test_head_turns_as_the_roles_say(coarse):
    top = points(f"{coarse.name}_head")[:, 2].argmax()
    nose = points(f"{coarse.name}_head")[:, 1].argmin()
    rest = points(f"{coarse.name}_head")
    roles = {c.role: c.name for c in coarse.controls}
    pose(coarse, {roles["head_pitch"]: 0.3})
    assert points(f"{coarse.name}_head")[nose, 2] < rest[nose, 2] - 0.01
    pose(coarse, {roles["head_yaw"]: 0.3})
    assert points(f"{coarse.name}_head")[nose, 0] > rest[nose, 0] + 0.01
    pose(coarse, {roles["head_roll"]: 0.3})
    assert points(f"{coarse.name}_head")[top, 0] > rest[top, 0] + 0.01
