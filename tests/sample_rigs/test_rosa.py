"""Rosa: a face that Rigify generated, posed, keyed and read back without Rigify."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.networks.characters.profile import SAMPLE_RIGS, Target, arkit_to_unit, load_profile
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, ROLES
from exprgen.tests.support.synthetic import rig_track

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon import rigs
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import keyframes, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions

MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def profile():
    return load_profile(SAMPLE_RIGS / "rosa.json")


@pytest.fixture(scope="module")
def rosa(profile):
    """Her only copy in a new file, coarse, at rest; every test leaves her so."""
    scene = takes.new_file()
    keyframes.set_scene_fps(scene, 30.0)
    (character,) = in_scene.append_characters([profile], scene)
    part(character, "head").modifiers["Subdivision"].show_viewport = False
    return character


def part(character, name):
    return next(o for o in character.collection.all_objects if o.name.startswith(f"rosa_{name}"))


def pose(character, values):
    for control in character.profile.controls:
        for place in character.bindings[control.name]:
            place.write(values.get(control.name, control.rest))
            place.owner.update_tag()
    bpy.context.view_layer.update()


def points(character, name="head"):
    """(V, 3) evaluated vertices in world space."""
    graph = bpy.context.evaluated_depsgraph_get()
    evaluated = part(character, name).evaluated_get(graph)
    mesh = evaluated.to_mesh()
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    matrix = np.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def test_profile(profile):
    assert profile.family == "rigify_face"
    assert 50 <= len(profile.expression_controls) <= 100
    assert {c.role for c in profile.controls if c.role} == set(ROLES)
    by_name = {c.name: c for c in profile.controls}
    for control in profile.controls:
        if control.mirror:
            partner = by_name[control.mirror]
            assert partner.mirror == control.name
            assert (partner.minimum, partner.maximum) == (control.minimum, control.maximum)
    for expression in EXPRESSIONS:
        assert sum(p.expression == expression for p in profile.key_poses) >= 10, expression


def test_every_arkit_channel_means_something(profile):
    units = arkit_to_unit(profile.expression_controls, np.eye(len(ARKIT_CHANNELS)))
    for row, channel in zip(units, ARKIT_CHANNELS, strict=True):
        assert np.abs(row).max() > 0.5 or channel.startswith("eyeLook"), channel


def test_the_file_is_small_and_whole(profile, rosa):
    assert profile.blend.stat().st_size < MAX_BYTES
    assert "rigify" not in bpy.context.preferences.addons
    assert not bpy.data.texts  # no script that would ask for leave to run
    for block in (*bpy.data.shape_keys, *bpy.data.objects):
        for curve in getattr(block.animation_data, "drivers", ()):
            assert curve.is_valid, curve.data_path
            assert curve.driver.type != "SCRIPTED" or curve.driver.is_simple_expression


def test_a_real_rigify_rig(rosa):
    rig = part(rosa, "rig")
    assert "rig_id" in rig.data
    prefixes = [b.name.split("-")[0] for b in rig.data.bones if "-" in b.name]
    assert {"DEF", "MCH", "ORG"} <= set(prefixes)
    groups = {g.name for g in part(rosa, "head").vertex_groups}
    assert len(groups) > 60
    assert groups <= {b.name for b in rig.data.bones if b.use_deform}


def test_family(profile, rosa):
    family = next(f for f in rigs.families() if f.name == "rigify_face")
    face = [c for c in profile.controls if c.output != "head"]
    assert all(family.handles(t) for c in face for t in c.targets)
    rig = part(rosa, "rig")
    find = {("OBJECT", "rosa_rig"): rig}.get
    wrong = Target("OBJECT", "rosa_rig", 'pose.bones["DEF-lid.T.L.002"].location', 1)
    with pytest.raises(rigs.MissingProperty, match="Rigify"):
        rigs.resolve(wrong, lambda kind, name: find((kind, name)))
    own = Target("OBJECT", "x", 'pose.bones["smile_slider"].location', 1)
    assert not family.handles(own)


def test_limits_move_the_face(profile, rosa):
    pose(rosa, {})
    parts = ("head", "eye_L", "eye_R")
    rest = np.concatenate([points(rosa, p) for p in parts])
    for control in profile.controls:
        if control.mirror and control.name > control.mirror:
            continue  # the other side is its mirror image
        base = {}
        if {"mouthClose", "tongueOut"} & set(control.channels):
            base = {"jaw_open": next(c for c in profile.controls if c.name == "jaw_open").maximum}
        pose(rosa, base)
        start = np.concatenate([points(rosa, p) for p in parts]) if base else rest
        for value in {control.minimum, control.maximum} - {control.rest}:
            pose(rosa, {**base, control.name: value})
            moved = np.concatenate([points(rosa, p) for p in parts])
            assert np.isfinite(moved).all()
            assert np.linalg.norm(moved - start, axis=1).max() > 4e-4, (control.name, value)
    pose(rosa, {})


def test_values_read_back(profile, rosa):
    rng = np.random.default_rng(5)
    values = {c.name: float(rng.uniform(c.minimum, c.maximum)) for c in profile.controls}
    pose(rosa, values)
    for control in profile.controls:
        for place in rosa.bindings[control.name]:
            assert place.read() / place.scale == pytest.approx(values[control.name], abs=1e-6)
    pose(rosa, {})


def test_lids_close(profile, rosa):
    """At a full blink no ray from the front meets an eyeball before the lids."""
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    def seen(side):
        faces = {}
        for name in ("head", f"eye_{side}"):
            mesh = part(rosa, name).data
            quads = [tuple(p.vertices) for p in mesh.polygons]
            faces[name] = BVHTree.FromPolygons([Vector(p) for p in points(rosa, name)], quads)
        ball = points(rosa, f"eye_{side}")
        middle, radius = ball.mean(0), np.ptp(ball[:, 0]) / 2
        count = 0
        for x in np.linspace(-1.1, 1.1, 30):
            for z in np.linspace(-0.9, 0.9, 30):
                start = Vector(middle + radius * np.array([x, 0, z]) - (0, 0.5, 0))
                skin, eye = (tree.ray_cast(start, Vector((0, 1, 0)))[3] for tree in faces.values())
                count += eye is not None and (skin is None or eye < skin)
        return count

    roles = {c.role: c for c in profile.controls if c.role}
    for side, word in (("L", "left"), ("R", "right")):
        blink = roles[f"blink_{word}"]
        pose(rosa, {})
        assert seen(side) > 40
        pose(rosa, {blink.name: blink.maximum})
        assert seen(side) == 0
        pitch = roles[f"gaze_{word}_pitch"]
        pose(rosa, {blink.name: blink.maximum, pitch.name: pitch.maximum})
        assert seen(side) == 0
    pose(rosa, {})


def test_head_and_gaze_turn_as_the_roles_say(profile, rosa):
    roles = {c.role: c.name for c in profile.controls if c.role}
    pose(rosa, {})
    rest, ball = points(rosa), points(rosa, "eye_L")
    nose, top, front = rest[:, 1].argmin(), rest[:, 2].argmax(), ball[:, 1].argmin()
    radius = np.ptp(ball[:, 0]) / 2
    pose(rosa, {roles["gaze_left_yaw"]: 0.3})
    angle = np.arcsin((points(rosa, "eye_L")[front, 0] - ball[front, 0]) / radius)
    assert angle == pytest.approx(0.3, abs=0.02)
    pose(rosa, {roles["gaze_left_pitch"]: 0.3})
    assert points(rosa, "eye_L")[front, 2] < ball[front, 2] - 0.003
    pose(rosa, {roles["head_pitch"]: 0.3})
    assert points(rosa)[nose, 2] < rest[nose, 2] - 0.01
    pose(rosa, {roles["head_yaw"]: 0.3})
    assert points(rosa)[nose, 0] > rest[nose, 0] + 0.01
    # The eyes go along with the head.
    assert points(rosa, "eye_L")[front, 0] > ball[front, 0] + 0.01
    pose(rosa, {roles["head_roll"]: 0.3})
    assert points(rosa)[top, 0] > rest[top, 0] + 0.01
    pose(rosa, {})


def test_lips_seal_over_an_open_jaw(profile, rosa):
    """Rigify's mouth lock with its corrective brings the lips back together, in the middle fully
    over a half-open jaw (the base mesh leaves the corners ajar over a fully open one)."""
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    jaw = next(c for c in profile.controls if c.name == "jaw_open")
    bones = part(rosa, "rig").data.bones
    lips = np.array([bones[f"lip.{which}"].head_local for which in "TB"])
    quads = [tuple(p.vertices) for p in part(rosa, "head").data.polygons]

    def open_rays(reach=0.018):
        """Rays from the front, over the closed mouth and below it, that pass between the lips."""
        tree = BVHTree.FromPolygons([Vector(p) for p in points(rosa)], quads)
        count = 0
        for x in np.linspace(-reach, reach, 13):
            for z in np.linspace(lips[1, 2] - 0.03, lips[0, 2], 60):
                hit = tree.ray_cast(Vector((x, -1.0, z)), Vector((0, 1, 0)))[0]
                count += hit is None or hit.y > lips[:, 1].mean() + 0.016
        return count

    pose(rosa, {})
    assert open_rays() == 0
    pose(rosa, {"jaw_open": jaw.maximum})
    opened = open_rays()
    assert opened > 50
    pose(rosa, {"jaw_open": jaw.maximum, "mouth_lock": 1.0})
    assert open_rays() < 0.17 * opened
    pose(rosa, {"jaw_open": 0.5 * jaw.maximum, "mouth_lock": 1.0})
    assert open_rays(0.008) == 0
    pose(rosa, {})


def test_keys_evaluate_to_the_track(profile, rosa):
    track: RigTrack = rig_track(profile, frames=12, seed=3)
    scene = bpy.context.scene
    keyframes.apply_tracks([track], in_scene.characters_in(scene), scene, options=KeyOptions())
    character = in_scene.characters_in(scene)[0]
    for frame in (1, 6, 12):
        scene.frame_set(frame)
        for column, name in enumerate(track.controls):
            for place in character.bindings[name]:
                assert place.read() == pytest.approx(
                    track.values[frame - 1, column] * place.scale, abs=1e-5
                ), name
