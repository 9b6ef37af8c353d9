"""Anselm: a face of custom properties with FACS names, carried to its shape keys by drivers."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import keyframes, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.exprgen_addon.studio.face_studio import full_values
from exprgen.networks.characters.profile import SAMPLE_RIGS, arkit_to_unit, load_profile
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, EXPRESSIONS, ROLES
from exprgen.sample_rigs.build import controls_properties, pose_assets
from exprgen.tests.support import synthetic

MOVES = 5e-4
"""Metres that some point of the face moves when a control goes to its limit."""


@lru_cache(maxsize=1)
def profile():
    return load_profile(SAMPLE_RIGS / "anselm.json")


@pytest.fixture(scope="module")
def opened():
    """The profile's bindings in Anselm's own open file, without the last subdivision."""
    bpy.ops.wm.open_mainfile(filepath=str(profile().blend))
    bpy.data.objects["anselm_head"].modifiers["Subdivision"].show_viewport = False
    return in_scene.bind(profile(), bpy.data.collections[profile().collection])


@pytest.fixture
def rig(opened):
    pose(opened, {})
    yield opened
    pose(opened, {})


def pose(bindings, values):
    for control in profile().controls:
        for place in bindings[control.name]:
            place.write(values.get(control.name, control.rest))
            place.owner.update_tag()
    bpy.context.view_layer.update()


def face():
    """(V, 3) points of head and eyes after their modifiers, in the world."""
    graph, out = bpy.context.evaluated_depsgraph_get(), []
    for name in ("anselm_head", "anselm_eye_L", "anselm_eye_R"):
        evaluated = bpy.data.objects[name].evaluated_get(graph)
        mesh = evaluated.to_mesh()
        flat = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", flat)
        matrix = np.array(evaluated.matrix_world)
        evaluated.to_mesh_clear()
        out.append(flat.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(out)


def moved(points, start):
    return np.linalg.norm(points - start, axis=1).max()


def key_values():
    keys = bpy.data.objects["anselm_head"].data.shape_keys
    keys = keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {block.name: block.value for block in keys.key_blocks}


def test_scheme():
    anselm = profile()
    assert anselm.family == "properties"
    assert anselm.license == "CC0-1.0"
    assert not anselm.primary
    assert 30 <= len(anselm.expression_controls) <= 50
    assert {c.role for c in anselm.controls if c.role} == set(ROLES)
    for control in anselm.expression_controls:
        (target,) = control.targets
        assert target.data_path == controls_properties.property_path(control.name)
        assert control.minimum <= control.rest == 0.0 < control.maximum == 1.0
    for expression in EXPRESSIONS:
        assert sum(p.expression == expression for p in anselm.key_poses) >= 10


def test_mirror_partners():
    by_name = {c.name: c for c in profile().controls}
    for control in profile().expression_controls:
        if control.name.endswith(("_l", "_r")):
            partner = by_name[control.mirror]
            assert partner.name == control.name[:-1] + ("r" if control.name[-1] == "l" else "l")
            assert partner.mirror == control.name
        else:
            assert control.mirror == ""


def test_every_arkit_channel_reaches_a_property():
    units = arkit_to_unit(profile().expression_controls, np.eye(len(ARKIT_CHANNELS)))
    for row, channel in zip(units, ARKIT_CHANNELS, strict=True):
        assert np.abs(row).max() > 0.5 or channel.startswith("eyeLook"), channel


def test_file(rig):
    assert profile().blend.stat().st_size < 3_000_000
    assert not bpy.data.libraries
    assert not bpy.data.texts
    assert not [i for i in bpy.data.images if i.filepath and not i.packed_file]


def test_drivers_need_no_permission(rig):
    driven = set()
    for block in (*bpy.data.shape_keys, *bpy.data.objects):
        for curve in getattr(block.animation_data, "drivers", ()):
            assert curve.is_valid, curve.data_path
            assert curve.driver.is_simple_expression, curve.driver.expression
            for variable in curve.driver.variables:
                driven.add(variable.targets[0].data_path)
    for control in profile().expression_controls:
        assert control.targets[0].data_path in driven, control.name


def test_properties_tell_their_limits(rig):
    bone = bpy.data.objects["anselm_rig"].pose.bones[controls_properties.FACE]
    assert set(bone.keys()) == {c.name for c in profile().expression_controls}
    for control in profile().expression_controls:
        told = bone.id_properties_ui(control.name).as_dict()
        assert (told["min"], told["max"]) == (control.minimum, control.maximum)
        assert told["default"] == control.rest
        assert told["description"]
        assert bone.is_property_overridable_library(f'["{control.name}"]')


def test_each_property_moves_the_face_and_stops_at_its_limits(rig):
    rest = face()
    for control in profile().expression_controls:
        # Lips can only be sealed, and a tongue only be shown, while the jaw is open.
        base = {"au26": 1.0} if control.name in ("au8", "au19") else {}
        pose(rig, base)
        start = face() if base else rest
        for limit in {control.minimum, control.maximum} - {control.rest}:
            pose(rig, {**base, control.name: limit})
            full = face()
            assert np.isfinite(full).all()
            assert moved(full, start) > MOVES, control.name
        pose(rig, {**base, control.name: 3.0 * control.maximum})
        again = face()
        pose(rig, {**base, control.name: control.maximum})
        assert moved(again, face()) < 1e-6, control.name


def test_sides_move_mirror_images(rig):
    rest = face()
    for control in profile().expression_controls:
        if not control.name.endswith("_l"):
            continue
        centres, sizes = [], []
        for name in (control.name, control.mirror):
            pose(rig, {name: 1.0})
            size = np.linalg.norm(face() - rest, axis=1)
            sizes.append(size.max())
            centres.append((rest[:, 0] * size**2).sum() / (size**2).sum())
        assert sizes[0] == pytest.approx(sizes[1], rel=0.06, abs=2e-4), control.name
        assert centres[0] > 0.0, f"{control.name} is the subject's left"
        assert centres[0] == pytest.approx(-centres[1], abs=1.5e-3), control.name


def test_lips_seal_only_what_the_jaw_parts(rig):
    rest = face()
    pose(rig, {"au8": 1.0})
    assert moved(face(), rest) < 1e-6
    for jaw in (0.3, 0.6):
        pose(rig, {"au26": jaw, "au8": 1.0})
        values = key_values()
        assert values["mouthClose"] == pytest.approx(jaw, abs=1e-4)
        assert values["jawOpen"] == pytest.approx(jaw, abs=1e-4)


def test_a_closed_eye_is_neither_wide_nor_crossed(rig):
    pose(rig, {"au43_l": 1.0, "au5_l": 1.0, "au7_l": 1.0})
    values = key_values()
    assert values["eyeBlinkLeft"] == pytest.approx(1.0)
    assert values["eyeWideLeft"] == pytest.approx(0.0, abs=1e-6)
    assert values["eyeSquintLeft"] == pytest.approx(0.4, abs=1e-4)


def test_the_tongue_waits_for_the_jaw(rig):
    for jaw, out in ((0.0, 0.0), (0.1, 0.5), (0.4, 1.0)):
        pose(rig, {"au19": 1.0, "au26": jaw})
        assert key_values()["tongueOut"] == pytest.approx(out, abs=1e-4)


def test_correctives_need_both_of_their_causes(rig):
    pose(rig, {"au12_l": 1.0})
    assert key_values()["fixSmileJawLeft"] == pytest.approx(0.0, abs=1e-6)
    pose(rig, {"au12_l": 1.0, "au26": 0.5})
    values = key_values()
    assert values["fixSmileJawLeft"] == pytest.approx(0.5, abs=1e-3)
    assert values["fixSmileJawRight"] == pytest.approx(0.0, abs=1e-6)


def test_key_poses_are_set_and_stored_exactly(rig):
    collection = bpy.data.collections[profile().collection]
    seen = []
    for key_pose in profile().key_poses:
        for name, value in key_pose.values.items():
            control = profile().control(name)
            assert control.minimum <= value <= control.maximum
            (place,) = rig[name]
            place.write(value)
            assert place.read() == pytest.approx(value, abs=1e-6)
            place.write(control.rest)
        stored = pose_assets.stored_values(profile(), key_pose, collection)
        for name, value in stored.items():
            assert value == pytest.approx(key_pose.values.get(name, 0.0), abs=1e-6)
        seen.append(tuple(stored.values()))
    assert len(set(seen)) == len(seen)


def test_keys_evaluate_to_the_poses():
    names = ("joy_teeth", "anger_shout", "fear_one_sided")
    scene = takes.new_file()
    keyframes.set_scene_fps(scene, 30.0)
    (character,) = in_scene.append_characters([profile()], scene)
    poses = {p.name: p for p in profile().key_poses}
    values = np.stack(
        [
            full_values(profile(), list(poses[n].values), np.array(list(poses[n].values.values())))
            for n in names
        ]
    )
    track = _track(values)
    keyframes.apply_tracks([track], [character], scene, options=KeyOptions())
    for row, name in enumerate(names):
        scene.frame_set(row + 1)
        for control in profile().expression_controls:
            (place,) = character.bindings[control.name]
            wanted = poses[name].values.get(control.name, 0.0)
            assert place.read() == pytest.approx(wanted, abs=1e-5), (name, control.name)


def _track(values) -> RigTrack:
    """A track of all controls, a frame at a time, like the made-up ones."""
    like = synthetic.rig_track(profile(), frames=len(values))
    columns = [profile().names.index(name) for name in like.controls]
    return like.__class__(**{**vars(like), "values": values[:, columns].astype(like.values.dtype)})


def test_opens_without_the_extension_and_without_scripts(tmp_path):
    """A bare Blender process that may not run scripts still moves the mouth."""
    code = f"""
import bpy, sys
bpy.context.preferences.filepaths.use_scripts_auto_execute = False
bpy.ops.wm.open_mainfile(filepath={str(profile().blend)!r}, use_scripts=False)
rig, head = bpy.data.objects["anselm_rig"], bpy.data.objects["anselm_head"]
rig.pose.bones["face"]["au12_l"] = 0.75
rig.update_tag()
bpy.context.view_layer.update()
keys = head.data.shape_keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
print("smile", round(keys.key_blocks["mouthSmileLeft"].value, 4))
assert not [m for m in sys.modules if m.startswith("exprgen")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert "smile 0.75" in done.stdout, done.stdout + done.stderr
