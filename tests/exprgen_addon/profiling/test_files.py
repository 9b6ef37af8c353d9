"""Files that people bring: VRM of both versions, text FBX, files of several meshes, what is broken
in them, and the same command once more."""

from __future__ import annotations

import json

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon import profiling
from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.profiling.face_mesh import choose_face
from exprgen.exprgen_addon.profiling.gltf_copy import importable
from exprgen.networks.errors import EXIT_INPUT, EXIT_OK, InputError
from exprgen.tests.support import rig_scenes
from exprgen.tests.support.avatars.files import packed_glb, read_glb
from exprgen.tests.support.avatars.text_fbx import write_text_fbx

SPOTS = [name for channel in rig_scenes.FEATURES for name, _, _ in rig_scenes.spots(channel)]


def opaque(name: str) -> str:
    return f"morph_{SPOTS.index(name):02d}"


def scene_with_bones(spell=lambda name: name):
    """A keyed ball on bones that say nothing, with two eyes and hair."""
    rig_scenes.empty_file()
    head = rig_scenes.ball("Head")
    rig_scenes.add_keys(head, spell)
    at = rig_scenes.at
    places = {
        "bone_00": (at(0, 0, -0.15), at(0, 0, -0.1)),
        "bone_01": (at(0, 0, -0.1), at(0, 0, 0.1)),
    }
    places |= {
        f"bone_0{2 + k}": (at(x, -0.09, 0.02), at(x, -0.13, 0.02))
        for k, x in enumerate((0.035, -0.035))
    }
    places["bone_09"] = (at(0, 0.02, 0.1), at(0, 0.08, 0.12))
    rig = rig_scenes.armature("Rig", places)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in ("bone_02", "bone_03", "bone_09"):
        rig.data.edit_bones[bone].parent = rig.data.edit_bones["bone_01"]
    rig.data.edit_bones["bone_01"].parent = rig.data.edit_bones["bone_00"]
    bpy.ops.object.mode_set(mode="OBJECT")
    rig_scenes.bind_by_distance(head, rig, {"bone_09": at(0, 0, 0.1)}, 0.02, "bone_01")
    for k, x in enumerate((0.035, -0.035)):
        eye = rig_scenes.ball(f"Orb{k}", at(x, -0.1, 0.02), 0.014, 8)
        rig_scenes.bind_by_distance(eye, rig, {}, 0.02, f"bone_0{2 + k}")
    return head


def exported(path, change) -> None:
    """Export the open file; `change` edits its JSON."""
    glb = path.with_suffix(".glb")
    bpy.ops.export_scene.gltf(filepath=str(glb), export_morph=True, export_animations=False)
    gltf, rest = read_glb(glb.read_bytes())
    glb.unlink()
    change(gltf)
    path.write_bytes(packed_glb(gltf, rest))


def target(gltf: dict, name: str) -> tuple[int, int]:
    for i, mesh in enumerate(gltf["meshes"]):
        names = mesh.get("extras", {}).get("targetNames", [])
        if name in names:
            return i, names.index(name)
    raise KeyError(name)


def bones_of(gltf: dict) -> dict[str, int]:
    nodes = [n.get("name") for n in gltf["nodes"]]
    human = {"hips": "bone_00", "head": "bone_01", "leftEye": "bone_02", "rightEye": "bone_03"}
    return {bone: nodes.index(name) for bone, name in human.items()}


def add_vrm0(gltf: dict) -> None:
    def group(preset: str, *keys: str) -> dict:
        found = [target(gltf, opaque(k)) for k in keys]
        binds = [{"mesh": m, "index": t, "weight": 100} for m, t in found]
        return {"name": preset.title(), "presetName": preset, "binds": binds}

    nodes = [n.get("name") for n in gltf["nodes"]]
    human = [{"bone": b, "node": n} for b, n in bones_of(gltf).items()]
    gltf["extensions"] = {"VRM": {
        "humanoid": {"humanBones": human},
        "blendShapeMaster": {"blendShapeGroups": [
            group("a", "jawOpen"),
            group("blink_l", "eyeBlinkLeft"), group("blink_r", "eyeBlinkRight"),
            group("joy", "mouthSmileLeft", "mouthSmileRight", "cheekSquintLeft"),
        ]},
        "secondaryAnimation": {"boneGroups": [{"bones": [nodes.index("bone_09")]}]},
    }}  # fmt: skip
    gltf["extensionsUsed"] = gltf["extensionsRequired"] = ["VRM"]


def test_vrm_0_gives_names_bones_and_expressions(tmp_path):
    scene_with_bones(opaque)
    path, out = tmp_path / "a.vrm", tmp_path / "a.json"
    exported(path, add_vrm0)
    made = profiling.profile_file(path, out)
    controls = {c.name: c for c in made.profile.controls}
    assert controls["a"].channels == {"jawOpen": 1.0}
    assert (controls["blink_l"].role, controls["blink_r"].role) == ("blink_left", "blink_right")
    assert controls["joy"].maximum == 1.0  # three keys of the file together
    assert not [n for n in controls if "bone_09" in n]
    roles = {c.role for c in controls.values()}
    assert {"head_yaw", "head_pitch", "gaze_left_yaw", "gaze_right_pitch"} <= roles
    assert any("VRM 0.x: 4 expressions, 4 bones" in line for line in made.told)
    rigs = [o for o in bpy.data.objects if o.type == "ARMATURE"]
    assert [(o.show_in_front, o.data.display_type) for o in rigs] == [(False, "STICK")]
    from exprgen.exprgen_addon.profiling.pose_proposals import by_names

    assert {p.name: p.expression for p in by_names(made.profile)}["joy_joy"] == "joy"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("weight", float("nan"), "its weight is nan, not 0 to 100"),
        ("weight", 1e9, "its weight is 1000000000.0, not 0 to 100"),
        ("weight", -5, "its weight is -5, not 0 to 100"),
        ("weight", "much", "its weight is 'much', not 0 to 100"),
        ("index", 999, "there is no shape 999 of mesh 0"),
        ("mesh", 99, "of mesh 99"),
    ],
)
def test_an_expression_that_makes_no_sense_is_named_and_the_rest_is_read(
    tmp_path, key, value, told
):
    scene_with_bones(opaque)
    path, out = tmp_path / "a.vrm", tmp_path / "a.json"

    def spoil(gltf: dict) -> None:
        add_vrm0(gltf)
        vrm = gltf["extensions"]["VRM"]
        vrm["blendShapeMaster"]["blendShapeGroups"][3]["binds"][1][key] = value
        vrm["secondaryAnimation"]["boneGroups"][0]["stiffiness"] = float("inf")

    exported(path, spoil)
    made = profiling.profile_file(path, out)
    controls = {c.name: c for c in made.profile.controls}
    assert controls["a"].channels == {"jawOpen": 1.0}
    assert (controls["blink_l"].role, controls["blink_r"].role) == ("blink_left", "blink_right")
    assert "joy" not in controls
    (line,) = [line for line in made.told if "left out" in line]
    assert line.startswith("expressions left out, the others are read: joy (")
    assert told in line
    assert any("VRM 0.x: 3 expressions, 4 bones" in line for line in made.told)


def test_a_weight_of_a_mesh_that_is_no_number_is_told(tmp_path):
    path = tmp_path / "a.glb"

    def spoil(gltf: dict) -> None:
        (mesh,) = [m for m in gltf["meshes"] if m["primitives"][0].get("targets")]
        mesh["weights"] = [0.0] * len(mesh["primitives"][0]["targets"])
        mesh["weights"][2] = float("nan")

    simple(path, spoil)
    made = profiling.profile_file(path, tmp_path / "a.json")
    assert any("weights that are no numbers, taken as 0: " in line for line in made.told)
    assert all(np.isfinite(c.rest) for c in made.profile.controls)


def test_vrm_1_and_names_on_primitives(tmp_path):
    scene_with_bones(opaque)

    def add_vrm1(gltf: dict) -> None:
        node = next(i for i, n in enumerate(gltf["nodes"]) if n.get("name") == "Head")
        binds = {"aa": "jawOpen", "blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight"}
        preset = {
            name: {"morphTargetBinds": [
                {"node": node, "index": target(gltf, opaque(key))[1], "weight": 1.0}
            ]}
            for name, key in binds.items()
        }  # fmt: skip
        human = {b: {"node": n} for b, n in bones_of(gltf).items()}
        gltf["extensions"] = {"VRMC_vrm": {
            "specVersion": "1.0", "humanoid": {"humanBones": human},
            "expressions": {"preset": preset},
        }}  # fmt: skip
        gltf["extensionsUsed"] = ["VRMC_vrm"]
        for mesh in gltf["meshes"]:  # as older exporters have them
            for primitive in mesh["primitives"]:
                primitive["extras"] = mesh.get("extras", {})
            mesh.pop("extras", None)

    path = tmp_path / "b.vrm"
    exported(path, add_vrm1)
    made = profiling.profile_file(path, tmp_path / "b.json")
    names = {c.name for c in made.profile.controls}
    assert {"aa", "blinkLeft", "blinkRight", opaque("browInnerUp")} <= names


def test_text_fbx_is_read_and_a_broken_one_refused(tmp_path, capfd):
    rig_scenes.empty_file()
    head = rig_scenes.ball("Head")
    rig_scenes.add_keys(head)
    path = tmp_path / "text.fbx"
    write_text_fbx(path, [head])
    assert main.main(["profile", str(path), "--json"]) == EXIT_OK
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["with_channels"] >= 20
    assert "read as a text FBX" in result["told"]
    path.write_text(path.read_text()[:300] + "}}}", "utf-8")
    assert main.main(["profile", str(path), "--out", str(tmp_path / "c.json")]) == EXIT_INPUT
    assert capfd.readouterr().err.count("text.fbx: ") == 1


def simple(path, change=lambda gltf: None) -> None:
    rig_scenes.empty_file()
    rig_scenes.add_keys(rig_scenes.ball("Head"))
    exported(path, change)


def no_such_accessor(gltf: dict) -> None:
    gltf["meshes"][0]["primitives"][0]["targets"][0]["POSITION"] = 9999


def test_what_an_importer_says_is_told_not_where_it_broke(tmp_path, capfd):
    path = tmp_path / "odd.glb"
    simple(path, no_such_accessor)
    assert main.main(["profile", str(path), "--json"]) == EXIT_INPUT
    error = json.loads(capfd.readouterr().out.splitlines()[-1])["error"]
    assert "index out of range" in error["problem"]
    assert "Location" not in error["problem"]
    assert "open it in Blender" not in error["fix"], "which is what failed"


def test_the_same_command_again_takes_its_own_copy(tmp_path):
    path, out = tmp_path / "hero.glb", tmp_path / "hero.json"
    simple(path)
    profiling.profile_file(path, out)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "hero.blend"))
    bpy.data.objects["Head"]["mended"] = 1
    bpy.ops.wm.save_mainfile()
    by_hand = (tmp_path / "hero.blend").read_bytes()
    again = profiling.profile_file(path, out)
    assert (tmp_path / "hero.blend").read_bytes() == by_hand
    assert any("taken as it is now" in line for line in again.told)
    simple(path, lambda gltf: gltf["asset"].update(copyright="CC0"))
    changed = profiling.profile_file(path, out)
    assert (tmp_path / "hero.kept1.blend").read_bytes() == by_hand
    assert any("hero.kept1.blend" in line for line in changed.told)


def test_meshopt_names_the_tool(tmp_path):
    def pack(gltf: dict) -> None:
        gltf["extensionsUsed"] = gltf["extensionsRequired"] = ["EXT_meshopt_compression"]

    path = tmp_path / "packed.glb"
    simple(path, pack)
    if bpy.app.version >= (5, 2):  # reads it itself
        assert profiling.profile_file(path, tmp_path / "packed.json").profile.controls
        return
    with pytest.raises(InputError, match="meshopt") as error:
        profiling.profile_file(path, tmp_path / "packed.json")
    assert "gltfpack" in error.value.fix


def spoilt(gltf: dict) -> None:
    gltf["images"], gltf["textures"] = [{"uri": "skin.png"}], [{"source": 0}]
    gltf["materials"] = [{
        "name": "skin", "alphaMode": "BLEND",
        "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 0], "baseColorTexture": {"index": 0}},
    }]  # fmt: skip
    for mesh in gltf["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0


def test_missing_pictures_and_alpha_0_are_mended_in_the_copy(tmp_path):
    path = tmp_path / "pale.glb"
    simple(path, spoilt)
    made = profiling.profile_file(path, tmp_path / "pale.json")
    assert any("skin.png" in line and "mended in the copy" in line for line in made.told)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "pale.blend"))
    nodes = bpy.data.materials["skin"].node_tree.nodes
    shader = next(n for n in nodes if n.type == "BSDF_PRINCIPLED")
    assert not [n for n in nodes if n.type == "TEX_IMAGE"]
    factors = [shader.inputs["Alpha"]]
    if factors[0].is_linked:
        factors = list(factors[0].links[0].from_node.inputs)[:2]
    assert [s.default_value for s in factors] == [1.0] * len(factors)


def test_of_several_meshes_the_face_is_chosen_and_said(tmp_path):
    rig_scenes.empty_file()
    rig_scenes.add_keys(rig_scenes.ball("Teeth", radius=0.02, rings=8))
    head = rig_scenes.ball("Rumpf")
    rig_scenes.add_keys(head)
    rig_scenes.ball("Shirt", rig_scenes.at(0, 0, -0.3), 0.2, 30)
    assert choose_face([o for o in bpy.data.objects if o.type == "MESH"]) == head
    path = tmp_path / "many.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    made = profiling.profile_file(path, tmp_path / "many.json")
    assert made.profile.title == "Rumpf"
    assert any("'Rumpf'" in line and "Shirt" in line for line in made.told)
    bpy.data.objects.remove(bpy.data.objects["Rumpf"])
    bpy.data.objects.remove(bpy.data.objects["Teeth"])
    assert choose_face([bpy.data.objects["Shirt"]]) is None


def test_eyes_that_hang_on_nothing_belong_to_a_loose_head():
    """And what turns the head alone does not turn it."""
    rig_scenes.empty_file()
    head = rig_scenes.ball("Head")
    rig_scenes.add_keys(head)
    for side, x in (("L", 0.035), ("R", -0.035)):
        rig_scenes.ball(f"Eye_{side}", rig_scenes.at(x, -0.095, 0.02), 0.014, 8)
    rig_scenes.ball("Floor", rig_scenes.at(0, 0, -1.1), 1.0, 8)
    rig_scenes.ball("Apple", rig_scenes.at(0.5, 0, 0), 0.05, 8)
    made = profiling.propose_profile(head, "loose")
    assert set(made.profile.parts) == {"Head", "Eye_L", "Eye_R"}
    assert not made.profile.with_output("head")


def damaged(whole: bytes):
    """The file cut short, with an extension that makes no sense, and with bytes thrown about."""
    gltf, rest = read_glb(whole)
    vrm = gltf["extensions"]["VRM"]
    yield from (whole[:15], whole[:400], b"glTF" + whole[20:90], b"[1]", b"\xff" * 64)
    nowhere = [{"name": "A", "binds": [{"mesh": 99, "index": 0}]}]
    for spoil in (
        {"humanoid": {"humanBones": [3]}},
        {"humanoid": 7},
        {"blendShapeMaster": {"blendShapeGroups": "x"}},
        {"blendShapeMaster": {"blendShapeGroups": nowhere}},
        {"secondaryAnimation": {"boneGroups": [{"bones": ["x"]}]}},
    ):
        yield packed_glb({**gltf, "extensions": {"VRM": {**vrm, **spoil}}}, rest)
    random = np.random.default_rng(5)
    for _ in range(40):
        data = bytearray(whole)
        data[int(random.integers(20, 4000))] = int(random.integers(0, 256))
        yield bytes(data)


def test_damaged_gltf_is_refused_in_one_line(tmp_path):
    path = tmp_path / "whole.vrm"
    scene_with_bones(opaque)
    exported(path, add_vrm0)
    said = []
    for i, data in enumerate(damaged(path.read_bytes())):
        path.write_bytes(data)
        try:
            importable(path, tmp_path / f"copy{i}")
        except InputError as error:
            said.append(error)
    assert len(said) >= 8
    assert all("\n" not in str(e) and e.file == str(path) for e in said)
