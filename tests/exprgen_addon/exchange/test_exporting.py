"""Takes out of a .blend: what was keyed comes out, and what other programs read is the same."""

import json
import struct

import bpy
import numpy as np
import pytest

from exprgen.exprgen_addon import profiling
from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.exchange import vrm_animation
from exprgen.exprgen_addon.keying.takes import build_take, save_file
from exprgen.networks.characters.profile import find_character, from_unit
from exprgen.networks.errors import EXIT_INPUT, EXIT_OK, EXIT_USAGE
from exprgen.networks.footage.live_link import read_live_link
from exprgen.networks.solving.head_and_gaze import head_angles
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS
from exprgen.tests.support import rig_scenes

FRAMES, FPS = 24, 24.0
SHOWN = {"jawOpen": 0.6, "mouthSmileLeft": 0.8, "mouthSmileRight": 0.7, "eyeBlinkLeft": 1.0}
TURNED = {"head_yaw": 0.2, "head_pitch": -0.1, "gaze_left_yaw": 0.15, "gaze_right_yaw": 0.15}
WAVE = np.sin(np.linspace(0, np.pi, FRAMES)) ** 2


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    """Tobi smiles, opens the mouth, shuts an eye and turns the head, in a .blend."""
    tobi = find_character("tobi")
    values = np.zeros((FRAMES, len(tobi.controls)))
    for column, control in enumerate(tobi.controls):
        values[:, column] = control.rest
        channel = next(iter(control.channels), "")
        if control.role in TURNED:
            values[:, column] = TURNED[control.role] * WAVE
        elif channel in SHOWN:
            values[:, column] = from_unit((control,), SHOWN[channel] * WAVE[:, None])[:, 0]
    track = RigTrack(
        "tobi", np.arange(FRAMES) / FPS, tuple(c.name for c in tobi.controls),
        values.astype(np.float32), np.zeros(FRAMES, np.uint8),
        np.zeros((FRAMES, len(EXPRESSIONS)), np.float32),
    )  # fmt: skip
    build_take([track], [tobi], fps=FPS)
    return save_file(tmp_path_factory.mktemp("shot") / "shot.blend")


def export(shot, *files, more=()):
    words = [str(w) for f in files for w in ("--to", f)]
    return main.main(["export", str(shot), *words, *map(str, more)])


def test_a_keyed_take_is_a_live_link_take(shot, tmp_path):
    assert export(shot, tmp_path / "take.csv") == EXIT_OK
    take = read_live_link(tmp_path / "take.csv")
    wanted = np.zeros((FRAMES, len(ARKIT_CHANNELS)))
    for channel, amount in SHOWN.items():
        wanted[:, ARKIT_INDEX[channel]] = amount * WAVE
    assert np.abs(take.coefficients - wanted).max() < 1e-6
    assert np.abs(take.angles[:, :2] - WAVE[:, None] * (0.2, -0.1)).max() < 1e-5
    assert np.abs(take.times - np.arange(FRAMES) / FPS).max() < 1e-4


def test_a_part_of_a_take(shot, tmp_path):
    assert export(shot, tmp_path / "part.csv", more=("--range", "0.25:0.75")) == EXIT_OK
    take = read_live_link(tmp_path / "part.csv")
    assert len(take.times) == 12
    jaw = take.coefficients[:, ARKIT_INDEX["jawOpen"]]
    assert np.abs(jaw - 0.6 * WAVE[6:18]).max() < 1e-6


def read_glb(path):
    """(the JSON, its accessors as arrays) of a binary glTF."""
    data = path.read_bytes()
    magic, version, length = struct.unpack_from("<III", data)
    assert (magic, version, length) == (0x46546C67, 2, len(data))
    size = struct.unpack_from("<I", data, 12)[0]
    file, binary = json.loads(data[20 : 20 + size]), data[28 + size :]
    wide = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
    arrays = []
    for accessor in file["accessors"]:
        view = file["bufferViews"][accessor["bufferView"]]
        shape = (accessor["count"], wide[accessor["type"]])
        flat = np.frombuffer(binary, "<f4", shape[0] * shape[1], view["byteOffset"])
        arrays.append(flat.reshape(shape))
    return file, arrays


def curves_of(file, arrays):
    """(node's name, path) -> values."""
    animation = file["animations"][0]
    return {
        (file["nodes"][c["target"]["node"]]["name"], c["target"]["path"]): arrays[
            animation["samplers"][c["sampler"]]["output"]
        ]
        for c in animation["channels"]
    }


class TestVrmAnimation:
    def test_presets_head_and_gaze(self, shot, tmp_path):
        assert export(shot, tmp_path / "take.vrma") == EXIT_OK
        file, arrays = read_glb(tmp_path / "take.vrma")
        assert file["extensionsUsed"] == [vrm_animation.EXTENSION]
        said = file["extensions"][vrm_animation.EXTENSION]
        bones = said["humanoid"]["humanBones"]
        assert {"hips", "spine", "head", "leftHand", "rightFoot"} <= bones.keys()
        assert not {"leftEye", "rightEye"} & bones.keys()
        assert not {"lookUp", "lookLeft"} & said["expressions"]["preset"].keys()
        curves = curves_of(file, arrays)
        top = FRAMES // 2
        shut = {s: curves[f"blink{s}", "translation"][:, 0] for s in ("Left", "Right")}
        assert np.abs(shut["Left"] - WAVE).max() < 0.02
        assert shut["Right"].max() < 0.02
        assert curves["happy", "translation"][top, 0] > 0.3
        assert curves["aa", "translation"][top, 0] > 0.2
        assert curves["sad", "translation"][top, 0] < 0.1
        pose = np.eye(4)[None]
        pose = np.repeat(pose, FRAMES, axis=0)
        pose[:, :3, :3] = [matrix_of(q) for q in curves["head", "rotation"]]
        wanted = WAVE[:, None] * (-0.1, 0.2, 0.0)
        assert np.abs(head_angles(pose) - wanted).max() < 1e-5
        gaze = matrix_of(curves["lookAt", "rotation"][top]) @ (0, 0, 1)
        assert gaze[0] > 0.1, "the subject's left is +x"

    def test_perfect_sync_names_the_coefficients(self, shot, tmp_path):
        assert export(shot, tmp_path / "take.vrma", more=["--perfect-sync"]) == EXIT_OK
        file, arrays = read_glb(tmp_path / "take.vrma")
        custom = file["extensions"][vrm_animation.EXTENSION]["expressions"]["custom"]
        assert set(custom) == set(ARKIT_CHANNELS)
        jaw = curves_of(file, arrays)["jawOpen", "translation"][:, 0]
        assert np.abs(jaw - 0.6 * WAVE).max() < 1e-6


def matrix_of(quaternion) -> np.ndarray:
    x, y, z, w = map(float, quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """A character's own file in which a slider drives keys and a bone turns the head, with its
    profile; what its keys show in each frame."""
    folder = tmp_path_factory.mktemp("driven")
    rig_scenes.empty_file()
    head = rig_scenes.ball("Head", rings=16)
    rig_scenes.add_keys(head)
    at = rig_scenes.at
    bones = {
        "head": (at(0, 0, -0.1), at(0, 0, 0.1)),
        "jaw_slider": (at(0.2, 0, 0), at(0.2, 0, 0.05)),
    }
    rig = rig_scenes.armature("rig", bones, parent="head")
    rig_scenes.bind_by_distance(head, rig, {}, 0.02, "head")
    for name, factor in (("jawOpen", -40.0), ("mouthSmileLeft", 25.0), ("mouthSmileRight", 25.0)):
        curve = head.data.shape_keys.key_blocks[name].driver_add("value")
        variable = curve.driver.variables.new()
        variable.name = "v"
        variable.targets[0].id = rig
        variable.targets[0].data_path = 'pose.bones["jaw_slider"].location[1]'
        curve.driver.expression = f"max(0.0, v * {factor})"
    slider, turned = rig.pose.bones["jaw_slider"], rig.pose.bones["head"]
    turned.rotation_mode = "XYZ"
    limit = slider.constraints.new("LIMIT_LOCATION")
    limit.owner_space = "LOCAL"
    limit.use_min_y = limit.use_max_y = True
    limit.min_y, limit.max_y = -0.025, 0.04
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, FRAMES
    for frame in range(1, FRAMES + 1):
        slider.location[1] = 0.02 * np.sin(frame / 4.0)
        slider.keyframe_insert("location", frame=frame)
        turned.rotation_euler[1] = 0.2 * np.sin(frame / 5.0)
        turned.keyframe_insert("rotation_euler", frame=frame)
    blend = folder / "driven.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    profile = profiling.propose_profile(head, "driven").profile
    profile.save(folder / "driven.json")
    return blend, shown(scene)


def shown(scene) -> dict[str, np.ndarray]:
    """Shape key -> its value in each frame; "low", "high": the corners of the mesh's box."""
    part = next(o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys)
    blocks = part.data.shape_keys.key_blocks[1:]
    rows, low, high = [], [], []
    for frame in range(scene.frame_start, scene.frame_start + FRAMES):
        scene.frame_set(frame)
        rows.append([b.value for b in blocks])
        evaluated = part.evaluated_get(bpy.context.evaluated_depsgraph_get())
        points = np.array([evaluated.matrix_world @ v.co for v in evaluated.data.vertices])
        low.append(points.min(0))
        high.append(points.max(0))
    values = dict(zip([b.name for b in blocks], np.array(rows).T, strict=True))
    return values | {"low": np.array(low), "high": np.array(high)}


@pytest.mark.parametrize(("ending", "near"), [("glb", 1e-5), ("fbx", 1e-4)])
def test_a_driven_take_leaves_whole(driven, tmp_path, ending, near):
    blend, before = driven
    out = tmp_path / f"take.{ending}"
    assert export(blend, out, more=["--character", blend.with_suffix(".json")]) == EXIT_OK
    rig_scenes.empty_file()
    scene = bpy.context.scene
    scene.render.fps = 24
    if ending == "glb":
        bpy.ops.import_scene.gltf(filepath=str(out))
    else:
        bpy.ops.import_scene.fbx(filepath=str(out), anim_offset=0.0)
    after = shown(scene)
    assert before["jawOpen"].max() > 0.5, "the slider drives it"
    for name in before.keys() - {"low", "high"}:
        assert np.abs(after[name] - before[name]).max() < near, name
    for corner in ("low", "high"):  # the head turns, the jaw drops
        assert np.abs(after[corner] - before[corner]).max() < 1e-3


class TestRefusals:
    def test_another_ending(self, shot, tmp_path, capsys):
        assert export(shot, tmp_path / "take.abc") == EXIT_USAGE
        assert "take.abc" in capsys.readouterr().err

    def test_no_such_character(self, shot, tmp_path, capsys):
        more = ["--character", "bob"]
        assert export(shot, tmp_path / "take.csv", more=more) == EXIT_USAGE
        assert "one of tobi" in capsys.readouterr().err

    def test_an_empty_range(self, shot, tmp_path):
        assert export(shot, tmp_path / "take.csv", more=["--range", "5:6"]) == EXIT_USAGE

    def test_what_is_read_is_never_written(self, driven, tmp_path):
        blend, _ = driven
        before = blend.read_bytes()
        more = ["--character", blend.with_suffix(".json")]
        assert export(blend, tmp_path / "take.glb", more=more) == EXIT_OK
        assert blend.read_bytes() == before

    def test_controls_that_stand_for_nothing(self, driven, tmp_path, capsys):
        blend, _ = driven
        more = ["--character", blend.with_suffix(".json")]
        assert export(blend, tmp_path / "take.csv", more=more) == EXIT_USAGE
        assert "channels" in capsys.readouterr().err

    def test_no_blend(self, tmp_path):
        (tmp_path / "x.blend").write_bytes(b"none")
        assert export(tmp_path / "x.blend", tmp_path / "x.csv") == EXIT_INPUT
