"""The sample characters: profiles that hold, targets that exist, controls that move the face."""

import json
from functools import lru_cache

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.characters.profile import (
    SAMPLE_RIGS,
    arkit_to_unit,
    load_profile,
    sample_characters,
    to_unit,
)
from exprgen.networks.errors import UsageError
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, ROLES
from exprgen.sample_rigs.build import correctives, pose_assets
from exprgen.sample_rigs.build.assemble import key_poses
from exprgen.sample_rigs.build.config import CHARACTERS
from exprgen.sample_rigs.build.poses import POSES, edited_poses
from exprgen.sample_rigs.build.viewers import FILE, rated

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
        assert count >= 10, expression
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


@pytest.mark.parametrize("name", NAMES)
def test_key_poses_are_the_shared_ones_corrected(name):
    """What is stored is what the build makes of POSES and of this character's edits."""
    profile = profile_of(name)
    assert {p.name for p in profile.key_poses} == set(POSES)
    made = key_poses(profile.controls, CHARACTERS[name].pose_edits)
    for stored, fresh in zip(profile.key_poses, made, strict=True):
        assert (stored.name, stored.expression) == (fresh.name, fresh.expression)
        assert stored.values == pytest.approx(fresh.values, abs=1e-6)


def test_what_viewers_named_is_stored():
    known = {p.name: p for p in sample_characters()}
    for profile in known.values():
        assert rated(profile) == profile
    for name, shares in json.loads(FILE.read_text()).items():
        assert set(shares) <= {p.name for p in known[name].key_poses}


def selected_bones(rig):
    holders = {b.name: b if "select" in b.bl_rna.properties else b.bone for b in rig.pose.bones}
    return {name for name, holder in holders.items() if holder.select}


def test_selecting_a_rig_selects_the_bones_that_are_keyed():
    from exprgen.exprgen_addon.characters import in_scene

    bpy.ops.wm.read_factory_settings(use_empty=True)
    (mira,) = in_scene.append_characters([profile_of("mira")], bpy.context.scene)
    rig = in_scene.rig_of(mira)
    assert in_scene.select_rig(mira)
    chosen = selected_bones(rig)
    targets = [t for c in mira.profile.controls for t in c.targets if t.id_name == rig.name]
    assert chosen == {t.data_path.split('"')[1] for t in targets}
    assert 0 < len(chosen) < len(rig.pose.bones)


def test_who_deselected_every_bone_gets_those_that_are_keyed_and_nobody_else():
    from exprgen.exprgen_addon.characters import in_scene

    bpy.ops.wm.read_factory_settings(use_empty=True)
    (mira,) = in_scene.append_characters([profile_of("mira")], bpy.context.scene)
    rig = in_scene.rig_of(mira)
    in_scene.select_rig(mira)
    keyed = selected_bones(rig)
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.select_all(action="DESELECT")
    assert not selected_bones(rig)
    assert in_scene.select_bones_where_none(mira)
    assert selected_bones(rig) == keyed
    bpy.ops.pose.select_all(action="DESELECT")
    one = rig.pose.bones[min(keyed)]
    (one if "select" in one.bl_rna.properties else one.bone).select = True
    assert not in_scene.select_bones_where_none(mira)
    assert selected_bones(rig) == {one.name}, "a selection stays"
    bpy.ops.pose.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.select_set(False)
    assert not in_scene.select_bones_where_none(mira), "its keys are not shown anyway"


def test_the_board_names_its_handles_and_they_can_be_grabbed():
    """Each handle has its name over it and is a filled disc that covers no other; labelling again
    changes nothing."""
    from exprgen.sample_rigs.build import board_labels

    bpy.ops.wm.open_mainfile(filepath=str(profile_of("mira").blend))
    rig = bpy.data.objects["mira_rig"]
    bones = [b.name.removeprefix("slot_") for b in rig.pose.bones if b.name.startswith("slot_")]
    board = rig.pose.bones["board"]
    names = np.array([v.co[:2] for v in board.custom_shape.data.vertices]) * board.bone.length
    names += np.array(board.bone.head_local)[[0, 2]]
    places = []
    for bone in bones:
        handle = rig.pose.bones[bone]
        radius = handle.custom_shape_scale_xyz[0] * handle.bone.length
        assert radius >= 0.006
        assert len(handle.custom_shape.data.polygons[0].vertices) > 8
        places.append(np.array(handle.bone.head_local)[[0, 2]])
        across, over = (names - places[-1]).T
        assert ((np.abs(across) < 0.03) & (np.abs(over) < 0.04)).sum() > 10, bone
        assert (np.hypot(across, over) > radius).all(), f"a name lies under {bone}"
    apart = [np.linalg.norm(a - b) for i, a in enumerate(places) for b in places[:i]]
    assert min(apart) > 2 * radius
    assert board_labels.label_board(rig, rig.users_collection[0]) == len(bones) == 33
    assert len(board.custom_shape.data.vertices) == len(names)


@pytest.mark.parametrize("name", NAMES)
def test_key_poses_vary(name):
    """Each emotion has poses with an open and a closed mouth, one-sided ones, weak and strong."""
    profile = profile_of(name)
    controls = profile.expression_controls
    names = [c.name for c in controls]
    jaw = next(i for i, c in enumerate(controls) if "jawOpen" in c.channels)
    pairs = [(i, names.index(c.mirror)) for i, c in enumerate(controls) if c.mirror]
    for expression in set(EXPRESSIONS) - {"neutral"}:
        table = [
            [p.values.get(c.name, c.rest) for c in controls]
            for p in profile.key_poses
            if p.expression == expression
        ]
        units = to_unit(controls, np.array(table))
        assert units[:, jaw].min() < 0.05
        assert units[:, jaw].max() > 0.3
        lean = np.array([np.abs(units[:, i] - units[:, j]) for i, j in pairs]).max(axis=0)
        assert (lean > 0.3).sum() >= 2
        size = np.linalg.norm(units, axis=1)
        assert size.min() < 0.75 * size.max()


def test_edits_replace_channels_and_set_controls():
    plain, direct = edited_poses({"joy_wink": {"mouthSmile": 0.5, "tail_wag": 1.0}})["joy_wink"]
    assert "mouthSmileLeft" in POSES["joy_wink"]
    assert not {"mouthSmileLeft", "mouthSmileRight"} & set(plain)
    assert plain["mouthSmile"] == 0.5
    assert direct == {"tail_wag": 1.0}
    assert edited_poses({})["joy_wink"] == (POSES["joy_wink"], {})
    with pytest.raises(UsageError, match="joy_snore"):
        edited_poses({"joy_snore": {}})
    with pytest.raises(UsageError, match="tail_wag"):
        key_poses(profile_of("mira").controls, {"joy_wink": {"tail_wag": 1.0}})


def test_pose_assets_are_the_key_poses(character):
    collection = bpy.data.collections[character.collection]
    for key_pose in character.key_poses:
        data = bpy.data.actions[pose_assets.asset_name(character, key_pose)].asset_data
        assert key_pose.expression in {tag.name for tag in data.tags}
        assert data.catalog_id == pose_assets.catalog_id(key_pose.expression)
        stored = pose_assets.stored_values(character, key_pose, collection)
        for control in character.expression_controls:
            value = key_pose.values.get(control.name, control.rest)
            assert stored[control.name] == pytest.approx(value, abs=2e-7), key_pose.name
    assert len(bpy.data.actions) == len(character.key_poses)


def test_an_asset_sets_the_whole_face(character):
    """Played on the rig, an asset overrides every expression control that was moved before."""
    by_name = {p.name: p for p in character.key_poses}
    pose(character, by_name["surprise_gasp"].values)
    owners = {}
    for control in character.expression_controls:
        for target in control.targets:
            owners[owner(target).name] = owner(target)
    for block in owners.values():
        block.animation_data_create().action = bpy.data.actions[f"{character.name}_joy_grin"]
        assert block.animation_data.action_slot is not None
    bpy.context.scene.frame_set(1)
    shown = moving(character)
    for block in owners.values():
        block.animation_data.action = None
    pose(character, by_name["joy_grin"].values)
    again = moving(character)
    pose(character, {})
    assert shown == pytest.approx(again, abs=1e-6)


def test_catalogs_name_every_expression_and_all_that_they_lie_in(tmp_path):
    text = (SAMPLE_RIGS / pose_assets.CATALOGS).read_text(encoding="utf-8")
    for expression in EXPRESSIONS:
        assert f"{pose_assets.catalog_id(expression)}:Expressions/{expression}:" in text
    rows = [line.split(":") for line in text.splitlines() if ":" in line]
    paths = {path for _, path, _ in rows}
    parents = {path.rpartition("/")[0] for path in paths} - {""}
    assert parents <= paths, "Blender would add them, and show the file as unsaved"
    assert len({identifier for identifier, _, _ in rows}) == len(rows)
    assert pose_assets.write_catalogs(tmp_path).read_text(encoding="utf-8") == text


def fix_values(profile):
    keys = bpy.data.objects[f"{profile.name}_head"].data.shape_keys
    keys = keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {name: keys.key_blocks[name].value for name in correctives.NAMES}


def by_channel(profile, channel):
    """The control that means this channel most, and where it stands at full strength."""
    control = max(profile.expression_controls, key=lambda c: abs(c.channels.get(channel, 0.0)))
    up = control.channels[channel] > 0
    return control.name, control.maximum if up else control.minimum


def test_correctives_are_driven_and_no_controls(coarse):
    assert not any(
        fix in target.data_path
        for control in coarse.controls
        for target in control.targets
        for fix in correctives.NAMES
    )
    assert max(map(abs, fix_values(coarse).values())) < 1e-6
    for channels, fix in (
        (("mouthSmileLeft", "jawOpen"), "fixSmileJawLeft"),
        (("mouthStretchRight", "mouthLowerDownRight"), "fixStretchRight"),
        (("eyeSquintLeft", "eyeBlinkLeft"), "fixSquintLeft"),
        (("mouthLowerDownLeft", "mouthLowerDownRight", "jawOpen"), "fixBare"),
        (("mouthPucker", "mouthFunnel"), "fixRound"),
        (("mouthClose",), "fixSeal"),
    ):
        full = dict(by_channel(coarse, channel) for channel in channels)
        pose(coarse, full)
        assert fix_values(coarse)[fix] == pytest.approx(1.0, abs=1e-4)
        if len(channels) == 2:  # neither alone
            for name, value in full.items():
                pose(coarse, {name: value})
                assert abs(fix_values(coarse)[fix]) < 1e-6
    pose(coarse, dict(by_channel(coarse, c) for c in ("mouthClose", "jawOpen")))
    assert fix_values(coarse)["fixSeal"] < 1e-6


def test_lips_never_pass_each_other(coarse):
    """Sealing a mouth that is shut already changes nothing that could be seen."""
    rest = points(f"{coarse.name}_head")
    pose(coarse, dict([by_channel(coarse, "mouthClose")]))
    assert np.linalg.norm(points(f"{coarse.name}_head") - rest, axis=1).max() < 1.5e-3


def test_lids_follow_the_ball(coarse):
    """Half way down, the upper lid is as far from the eyeball's centre as its path's ends."""
    name, value = by_channel(coarse, "eyeBlinkLeft")
    ball = points(f"{coarse.name}_eye_L")
    centre = 0.5 * (ball.min(axis=0) + ball.max(axis=0))
    reach = []
    for share in (0.0, 0.5, 1.0):
        pose(coarse, {name: share * value})
        reach.append(points(f"{coarse.name}_head"))
    lid = np.linalg.norm(reach[2] - reach[0], axis=1) > 0.006
    start, half, end = (np.linalg.norm(p[lid] - centre, axis=1) for p in reach)
    assert lid.sum() > 50
    assert (half - np.minimum(start, end)).min() > -1e-3


def test_file(character):
    assert character.blend.stat().st_size < MAX_BYTES
    assert not bpy.data.libraries
    assert not bpy.data.texts  # no scripts: it must work without the extension
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
