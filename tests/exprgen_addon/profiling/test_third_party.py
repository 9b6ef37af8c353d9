"""Rigs as people bring them: each is profiled, posed, keyed and read back exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon import profiling
from exprgen.exprgen_addon.characters.in_scene import append_characters, bind
from exprgen.exprgen_addon.keying.keyframes import apply_tracks, set_scene_fps
from exprgen.networks.characters.profile import from_unit, load_profile
from exprgen.networks.errors import OutputError
from exprgen.networks.track import TRACKED, RigTrack
from exprgen.tests.support import rig_scenes

FPS = 24.0


def make_track(profile, frames: int = 5) -> RigTrack:
    """Every control at values of its own, within its limits; what Blender stores: float32."""
    random = np.random.default_rng(3)
    units = random.uniform(-1.0, 1.0, (frames, len(profile.controls)))
    values = from_unit(profile.controls, units).astype(np.float32)
    return RigTrack(
        character=profile.name,
        controls=profile.names,
        times=np.arange(frames) / FPS,
        values=values,
        state=np.full(frames, TRACKED, np.uint8),
        expression=np.full((frames, 7), 1 / 7, np.float32),
        meta={},
    )


def moved_points(collection) -> np.ndarray:
    graph = bpy.context.evaluated_depsgraph_get()
    blocks = []
    for part in collection.all_objects:
        if part.type == "MESH":
            evaluated = part.evaluated_get(graph)
            matrix = np.array(evaluated.matrix_world)
            flat = np.array([v.co for v in evaluated.data.vertices])
            blocks.append(flat @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(blocks)


def key_and_read_back(path: Path) -> int:
    """Append, key a track, look at every frame; the number of properties that were compared."""
    profile = load_profile(path)
    rig_scenes.empty_file()
    scene = bpy.context.scene
    set_scene_fps(scene, FPS)
    (character,) = append_characters([profile], scene)
    before = moved_points(character.collection)
    track = make_track(profile)
    apply_tracks([track], [character], scene)
    compared = 0
    for row, values in enumerate(track.values):
        scene.frame_set(1 + row)
        for name, value in zip(track.controls, values, strict=True):
            for prop in character.bindings[name]:
                wanted = np.float32(float(value) * prop.scale)
                if prop.owner.id_type == "KEY":  # Blender holds keys within their sliders
                    block = prop.owner.path_resolve(prop.data_path.rpartition(".")[0])
                    wanted = np.clip(wanted, block.slider_min, block.slider_max)
                assert prop.read() == pytest.approx(wanted, abs=0), (name, row)
                compared += 1
        after = moved_points(character.collection)
        assert np.isfinite(after).all()
        assert np.linalg.norm(after - before, axis=1).max() > 0.002
    return compared


# --- web avatar ----------------------------------------------------------------------------------

REPEATED = 37


@pytest.fixture(scope="module")
def avatar(tmp_path_factory) -> Path:
    """A glTF avatar: ARKit keys on head, eyes and teeth, exported and nothing else kept."""
    rig_scenes.empty_file()
    root = bpy.data.objects.new("Avatar", None)
    bpy.context.scene.collection.objects.link(root)
    places = {
        "Wolf3D_Head": (rig_scenes.CENTRE, rig_scenes.RADIUS),
        "EyeLeft": (rig_scenes.at(0.035, -0.085, 0.02), 0.014),
        "EyeRight": (rig_scenes.at(-0.035, -0.085, 0.02), 0.014),
        "Wolf3D_Teeth": (rig_scenes.at(0.0, -0.06, -0.05), 0.02),
    }
    for name, (centre, radius) in places.items():
        part = rig_scenes.ball(name, centre, radius, 20 if radius > 0.05 else 8)
        part.parent = root
        rig_scenes.add_keys(part)
    path = tmp_path_factory.mktemp("avatar") / "avatar.glb"
    bpy.ops.export_scene.gltf(filepath=str(path), export_morph=True, export_yup=True)
    return path


def test_avatar_gets_one_control_for_each_key(avatar, tmp_path):
    digest = avatar.read_bytes()
    out = tmp_path / "avatar.json"
    made = profiling.profile_file(avatar, out, mesh_name="Wolf3D_Head")
    profile = load_profile(out)
    assert avatar.read_bytes() == digest
    assert profile.blend == tmp_path / "avatar.blend"
    by_name = {c.name: c for c in profile.controls}
    assert made.families == {"shape_keys": len(profile.controls) - 4}
    meshes = {t.id_name for t in by_name["jawOpen"].targets}
    assert meshes == {"Wolf3D_Head", "EyeLeft", "EyeRight", "Wolf3D_Teeth"}
    smile = by_name["mouthSmileLeft"]
    assert (smile.minimum, smile.maximum, smile.rest) == (0.0, 1.0, 0.0)
    assert smile.channels == {"mouthSmileLeft": 1.0}
    assert smile.mirror == "mouthSmileRight"
    assert by_name["eyeBlinkLeft"].role == "blink_left"
    assert {c.role for c in profile.with_output("eyes")} == {
        "gaze_left_yaw", "gaze_left_pitch", "gaze_right_yaw", "gaze_right_pitch",
    }  # fmt: skip
    assert {by_name[n].region for n in ("browInnerUp", "jawOpen", "noseSneerLeft")} == {
        "brow", "jaw", "nose",
    }  # fmt: skip
    np.testing.assert_allclose(profile.framing.forward, (0, -1, 0))
    assert abs(profile.framing.center[0]) < 0.005
    assert key_and_read_back(out) > REPEATED * 4 * 5 * 0.8


def test_a_scene_of_somebodys_own_is_not_saved_over(avatar, tmp_path):
    mine = tmp_path / "avatar.blend"
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match="there already") as error:
        profiling.profile_file(avatar, tmp_path / "avatar.json", mesh_name="Wolf3D_Head")
    assert error.value.file == str(mine)
    assert mine.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["avatar.blend"]


def test_gaze_over_two_keys_uses_one_at_a_time(avatar, tmp_path):
    out = tmp_path / "avatar.json"
    profiling.profile_file(avatar, out, mesh_name="Wolf3D_Head")
    profile = load_profile(out)
    rig_scenes.empty_file()
    (character,) = append_characters([profile], bpy.context.scene)
    for value, sees in ((0.6, ("eyeLookOutLeft", "eyeLookInLeft")), (-0.6, None)):
        for prop in character.bindings["gaze_left_yaw"]:
            prop.write(value)
        head = next(o for o in character.collection.all_objects if "Head" in o.name)
        keys = head.data.shape_keys.key_blocks
        out_in = keys["eyeLookOutLeft"].value, keys["eyeLookInLeft"].value
        assert out_in == pytest.approx((1.0, 0.0) if sees else (0.0, 1.0))


# --- bones only ----------------------------------------------------------------------------------


def bones_only() -> str:
    """A head that plain bones move: no limits, no shape keys, quaternions, some channels locked."""
    rig_scenes.empty_file()
    skin = rig_scenes.ball("skin")
    places = {
        "brow.L": rig_scenes.spots("browOuterUp")[0][1],
        "brow.R": rig_scenes.spots("browOuterUp")[1][1],
        "corner.L": rig_scenes.spots("mouthSmile")[0][1],
        "corner.R": rig_scenes.spots("mouthSmile")[1][1],
    }
    chin = rig_scenes.spots("jawOpen")[0][1]
    ear = rig_scenes.at(0.0, 0.03, -0.02)
    bones = {"head": (rig_scenes.CENTRE - (0, 0, 0.12), rig_scenes.CENTRE)}
    bones["jaw"] = (ear, chin)
    bones |= {name: (p, p - (0, 0.02, 0)) for name, p in places.items()}
    bones["hand.L"] = ((0.5, 0, 1.0), (0.6, 0, 1.0))
    rig = rig_scenes.armature("rig", bones, "head")
    rig_scenes.bind_by_distance(skin, rig, {**places, "jaw": chin}, 0.025, "head")
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
    rig.pose.bones["jaw"].rotation_mode = "XYZ"
    rig.pose.bones["corner.L"].lock_location = (False, True, False)
    rig.pose.bones["corner.R"].lock_location = (False, True, False)
    limit = rig.pose.bones["brow.L"].constraints.new("LIMIT_LOCATION")
    limit.owner_space = "LOCAL"
    limit.use_min_z = limit.use_max_z = True
    limit.min_z, limit.max_z = -0.01, 0.015
    return skin.name


def test_bones_only(tmp_path):
    name = bones_only()
    path = tmp_path / "plain.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    before = path.read_bytes()
    made = profiling.profile_file(path, tmp_path / "plain.json", mesh_name=name)
    assert path.read_bytes() == before
    profile = load_profile(tmp_path / "plain.json")
    by_name = {c.name: c for c in profile.controls}
    assert not any("hand" in n for n in by_name)
    assert {c.role for c in profile.with_output("head")} == {"head_pitch", "head_yaw", "head_roll"}
    # The bone's Z points up: it keeps its own limits, and they rule out its other channels.
    assert by_name["brow.L/z"].maximum == pytest.approx(0.015)
    assert "brow.L/x" not in by_name
    assert "corner.L/y" not in by_name
    assert any(n.startswith("jaw/r") for n in by_name)
    assert not any(n.startswith("jaw/") and "/r" not in n for n in by_name)
    assert by_name["corner.L/x"].mirror == "corner.R/x"
    signs = {n: by_name[n].targets[0].scale for n in ("corner.L/x", "corner.R/x")}
    assert signs["corner.L/x"] == -signs["corner.R/x"]  # both now pull the mouth wide
    assert by_name["corner.L/z"].targets[0].scale == by_name["corner.R/z"].targets[0].scale
    assert any("no limits in the rig" in line for line in made.undecided)
    assert any("is locked" in line for line in made.left_out)
    assert key_and_read_back(tmp_path / "plain.json") > 20


# --- library override ----------------------------------------------------------------------------


def test_library_override_takes_the_keys(avatar, tmp_path):
    """A character linked and overridden: found by its name, keyed where it is, on the override."""
    name = bones_only()
    collection = bpy.data.collections.new("Hero")
    bpy.context.scene.collection.children.link(collection)
    for part in list(bpy.context.scene.collection.objects):
        collection.objects.link(part)
        bpy.context.scene.collection.objects.unlink(part)
    rig_scenes.add_keys(bpy.data.objects[name])
    library = tmp_path / "hero.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    rig_scenes.empty_file()
    with bpy.data.libraries.load(str(library), link=True) as (_, here):
        here.collections = ["Hero"]
    linked = here.collections[0]
    scene = bpy.context.scene
    override = linked.override_hierarchy_create(
        scene, bpy.context.view_layer, do_fully_editable=True
    )
    assert override is not None
    mesh = profiling.find_mesh(name)
    assert mesh.override_library is not None
    made = profiling.propose_profile(mesh, "hero").profile
    home = next(c for c in bpy.data.collections if c.library is None and mesh.name in c.all_objects)
    bindings = bind(made, home)
    owners = {p.owner for props in bindings.values() for p in props}
    assert all(o.library is None and o.override_library for o in owners if o.id_type == "OBJECT")
    from exprgen.exprgen_addon.characters.in_scene import Character

    track = make_track(made)
    apply_tracks([track], [Character(made, home, None, bindings)], scene)
    scene.frame_set(3)
    for name, value in zip(track.controls, track.values[2], strict=True):
        assert bindings[name][0].read() == pytest.approx(value * bindings[name][0].scale, abs=1e-7)


# --- Rigify --------------------------------------------------------------------------------------

RIGIFY = """
import os, sys
import bpy, numpy as np
sys.path.insert(0, {root!r})
from exprgen.tests.support import rig_scenes
rig_scenes.empty_file()
bpy.ops.preferences.addon_enable(module="rigify")
bpy.ops.object.armature_human_metarig_add()
meta = bpy.context.object
import rigify.generate
rigify.generate.generate_rig(bpy.context, meta)
rig = next(o for o in bpy.data.objects if o.type == "ARMATURE" and o != meta)
face = [b for b in rig.data.bones if b.name.startswith("DEF-") and b.head_local.z > 1.55
        and b.head_local.y < 0.05]
places = {{b.name: np.array(b.head_local) for b in face if "spine" not in b.name}}
centre = np.mean(list(places.values()), axis=0) + (0, 0.03, 0)
skin = rig_scenes.ball("skin", centre, 0.11, 28)
rig_scenes.bind_by_distance(skin, rig, places, 0.02, "DEF-spine.006")
bpy.data.objects.remove(meta)
bpy.ops.wm.save_as_mainfile(filepath={path!r})
print("BONES", len(rig.data.bones), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def rigify_file(tmp_path_factory) -> Path:
    """A generated Rigify human with a skin; made apart, since its module hangs at exit."""
    path = tmp_path_factory.mktemp("rigify") / "human.blend"
    root = Path(__file__).resolve().parents[3]
    code = RIGIFY.format(root=str(root), path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=400, check=False
    )
    assert "BONES" in done.stdout, done.stderr[-2000:]
    return path


def test_rigify_human(rigify_file, tmp_path):
    out = tmp_path / "human.json"
    made = profiling.profile_file(rigify_file, out, mesh_name="skin")
    profile = load_profile(out)
    labels = {c.name.split("/")[0] for c in profile.controls}
    assert {"jaw_master", "lips.L", "lips.R"} <= labels
    assert not {n for n in labels if n.startswith(("DEF-", "MCH-", "ORG-"))}
    assert not labels & {"hand_ik.L", "torso", "foot_ik.R", "root", "chest"}
    assert {"head_pitch", "head_yaw", "head_roll"} == {c.role for c in profile.with_output("head")}
    paired = [c for c in profile.controls if c.mirror]
    assert len(paired) > 40
    assert json.loads(out.read_text())["parts"] or profile.collection
    assert made.tried > len(profile.controls)
    assert key_and_read_back(out) > 200
