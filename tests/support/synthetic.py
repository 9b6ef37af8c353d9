"""Small made-up characters and tracks for tests; needs bpy for the characters, nothing trained.

A character has what the sample characters have, in little: shape keys on two meshes, a slider bone,
a head bone, eye bones and a custom property.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from exprgen.networks.characters.profile import (
    Control,
    Framing,
    KeyPose,
    RigProfile,
    Target,
    load_profile,
)
from exprgen.networks.track import STILL_SECONDS, FaceTrack, RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, NEUTRAL


def profile(name: str, *, primary: bool = False, mirror: bool = True) -> RigProfile:
    """The profile of the made-up character `name`; objects are called "<name> face" and so on."""
    face, teeth, rig = f"{name} face", f"{name} teeth", f"{name} rig"

    def key(key_name: str, *objects: str) -> tuple[Target, ...]:
        return tuple(Target("KEY", o, f'key_blocks["{key_name}"].value') for o in objects)

    def bone(bone_name: str, path: str, index: int) -> tuple[Target, ...]:
        return (Target("OBJECT", rig, f'pose.bones["{bone_name}"].{path}', index),)

    def angle(
        control: str, bone_name: str, index: int, output: str, region: str, scale: float = 1.0
    ):
        targets = (
            Target("OBJECT", rig, f'pose.bones["{bone_name}"].rotation_euler', index, scale),
        )
        return Control(control, targets, 0.0, -0.9, 0.9, region, output, control)

    controls = [
        Control(
            "smile", key("smile", face), 0.0, 0.0, 1.0, "mouth",
            channels={"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5},
        ),
        Control("jaw", key("jaw", face, teeth), 0.0, 0.0, 1.0, "jaw", channels={"jawOpen": 1.0}),
        Control(
            "brow", bone("brow", "location", 2), 0.0, -0.01, 0.02, "brow",
            channels={"browInnerUp": 1.0, "browDownLeft": -0.5, "browDownRight": -0.5},
        ),
        Control(
            "frown", (Target("OBJECT", rig, '["frown"]'),), 0.0, 0.0, 1.0, "mouth",
            channels={"mouthFrownLeft": 0.5, "mouthFrownRight": 0.5},
        ),
        Control(
            "blink_l", key("blink_l", face), 0.0, 0.0, 1.0, "eye", role="blink_left",
            mirror="blink_r", channels={"eyeBlinkLeft": 1.0},
        ),
        Control(
            "blink_r", key("blink_r", face), 0.0, 0.0, 1.0, "eye", role="blink_right",
            mirror="blink_l", channels={"eyeBlinkRight": 1.0},
        ),
        angle("head_pitch", "head", 0, "head", "head"),
        angle("head_yaw", "head", 1, "head", "head"),
        angle("head_roll", "head", 2, "head", "head", -1.0),
        angle("gaze_left_yaw", "eye_l", 2, "eyes", "gaze"),
        angle("gaze_left_pitch", "eye_l", 0, "eyes", "gaze"),
        angle("gaze_right_yaw", "eye_r", 2, "eyes", "gaze"),
        angle("gaze_right_pitch", "eye_r", 0, "eyes", "gaze"),
    ]  # fmt: skip
    return RigProfile(
        name=name,
        title=name.capitalize(),
        family="synthetic",
        collection=name.capitalize(),
        controls=tuple(controls),
        framing=Framing((0.0, 0.0, 1.5)),
        key_poses=(
            KeyPose("grin", "joy", {"smile": 1.0}),
            KeyPose("rest", "neutral", {}),
        ),
        primary=primary,
        license="CC0-1.0",
    )


def build(folder: Path, name: str, *, primary: bool = False) -> RigProfile:
    """Make <folder>/<name>.blend and .json and leave an empty file open; needs bpy."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    made = profile(name, primary=primary)
    collection = bpy.data.collections.new(made.collection)
    bpy.context.scene.collection.children.link(collection)
    rig = _rig(made, collection)
    for part, keys in (("face", ("smile", "jaw", "blink_l", "blink_r")), ("teeth", ("jaw",))):
        _mesh(f"{name} {part}", keys, collection, parent=rig if part == "teeth" else None)
    rig["frown"] = 0.0
    folder.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"), compress=True)
    made.save(folder / f"{name}.json")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return load_profile(folder / f"{name}.json")


def _mesh(name: str, keys: tuple[str, ...], collection, parent) -> None:
    import bmesh
    import bpy

    mesh = bpy.data.meshes.new(name)
    shape = bmesh.new()
    bmesh.ops.create_uvsphere(shape, u_segments=8, v_segments=6, radius=0.1)
    shape.to_mesh(mesh)
    shape.free()
    part = bpy.data.objects.new(name, mesh)
    collection.objects.link(part)
    part.location = (0, 0, 1.5)
    part.parent = parent
    part.shape_key_add(name="Basis")
    for i, key in enumerate(keys):
        block = part.shape_key_add(name=key)
        block.data[i].co.z += 0.02


def _rig(made: RigProfile, collection):
    import bpy

    armature = bpy.data.armatures.new(f"{made.name} rig")
    rig = bpy.data.objects.new(armature.name, armature)
    collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for i, name in enumerate(("head", "brow", "eye_l", "eye_r")):
        bone = armature.edit_bones.new(name)
        bone.head, bone.tail = (0.02 * i, 0, 1.5), (0.02 * i, 0, 1.6)
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
    return rig


def rig_track(
    made: RigProfile, *, frames: int = 60, fps: float = 30.0, start: float = 0.0, seed: int = 0
) -> RigTrack:
    """Smooth random motion inside every control's limits, with a joyful second half."""
    rng = np.random.default_rng(seed)
    times = start + np.arange(frames) / fps
    waves = rng.uniform(0.2, 2.0, (3, len(made.controls)))
    phases = rng.uniform(0, 2 * math.pi, (3, len(made.controls)))
    unit = np.sin(2 * math.pi * times[:, None, None] * waves + phases).mean(1) * 0.5 + 0.5
    low = np.array([c.minimum for c in made.controls])
    high = np.array([c.maximum for c in made.controls])
    expression = np.zeros((frames, len(EXPRESSIONS)), np.float32)
    expression[: frames // 2, NEUTRAL] = 1
    expression[frames // 2 :, EXPRESSIONS.index("joy")] = 1
    return RigTrack(
        character=made.name,
        times=times,
        controls=made.names,
        values=(low + unit * (high - low)).astype(np.float32),
        state=np.zeros(frames, np.uint8),
        expression=expression,
    )


def resting_landmarks(frames: int) -> np.ndarray:
    """(frames, 478, 3) float32 pixels: the average face, which does nothing; what no landmark of
    the 49 is lies at its middle."""
    from exprgen.networks.tracking.registration import average_face
    from exprgen.networks.vocabulary import LANDMARKS, MEDIAPIPE_LANDMARKS

    face = np.full((MEDIAPIPE_LANDMARKS, 3), (128.0, 128.0, 0.0), np.float32)
    face[list(LANDMARKS.values()), :2] = average_face()
    return np.tile(face, (frames, 1, 1))


def face_track(*, frames: int = 60, fps: float = 30.0, stills: bool = False) -> FaceTrack:
    """A face that smiles, opens its jaw, blinks once and turns its head; JPEGs are grey squares."""
    import cv2

    times = np.arange(frames) * STILL_SECONDS if stills else np.arange(frames) / fps
    arkit = np.zeros((frames, len(ARKIT_CHANNELS)), np.float32)
    smile = np.clip(np.sin(np.linspace(0, math.pi, frames)), 0, 1)
    arkit[:, ARKIT_INDEX["mouthSmileLeft"]] = arkit[:, ARKIT_INDEX["mouthSmileRight"]] = smile
    arkit[:, ARKIT_INDEX["jawOpen"]] = smile * 0.5
    blink = np.zeros((frames, 2), np.float32)
    blink[frames // 3 : frames // 3 + 4] = 1.0
    arkit[:, ARKIT_INDEX["eyeBlinkLeft"]] = arkit[:, ARKIT_INDEX["eyeBlinkRight"]] = blink[:, 0]
    pose = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    pose[:, 2, 3] = -40.0
    yaw = 0.3 * np.sin(np.linspace(0, 2 * math.pi, frames))
    pose[:, 0, 0], pose[:, 0, 2] = np.cos(yaw), np.sin(yaw)
    pose[:, 2, 0], pose[:, 2, 2] = -np.sin(yaw), np.cos(yaw)
    expression = np.full((frames, len(EXPRESSIONS)), 0.02, np.float32)
    expression[:, NEUTRAL] = 0.88
    jpeg = np.frombuffer(cv2.imencode(".jpg", np.full((256, 256), 128, np.uint8))[1], np.uint8)
    return FaceTrack(
        times=times,
        state=np.zeros(frames, np.uint8),
        landmarks=resting_landmarks(frames),
        head_pose=pose,
        gaze=np.zeros((frames, 2, 2), np.float32),
        blink=blink,
        confidence=np.ones(frames, np.float32),
        arkit=arkit,
        geometry=np.full((frames, 9), 0.3, np.float32),
        expression=expression,
        face_offsets=np.arange(1, frames + 1, dtype=np.int64) * len(jpeg),
        face_bytes=np.tile(jpeg, frames),
        meta={
            "source": "synthetic.mp4",
            "size": [640, 360],
            "fps": fps,
            "partial": False,
            "face": "largest",
            "stills": stills,
            "names": [f"picture_{i}" for i in range(frames)] if stills else [],
        },
    )


def speaking_clip(path: Path, *, frames: int = 50) -> Path:
    """A 25 fps clip of a drawn face that speaks, blinks once and sways; mp4 with its index first,
    so that a cut one can be opened. Needs av and cv2."""
    import av

    from exprgen.tests.support import drawn_face

    pictures = []
    for i in range(min(frames, 50)):
        mouth = 0.5 - 0.5 * math.cos(i / 4)
        lids = 0.0 if min(frames, 50) // 2 <= i < min(frames, 50) // 2 + 4 else 1.0
        x = 160 + 12 * math.sin(i / 15)
        pictures.append(drawn_face.draw(drawn_face.scene(), x, 110, mouth=mouth, lids=lids))
    pictures = [pictures[i % len(pictures)] for i in range(frames)]
    plain = drawn_face.write_clip(path.with_suffix(".plain.mp4"), pictures)
    options = {"movflags": "faststart"}
    with av.open(str(plain)) as source, av.open(str(path), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    plain.unlink()
    return path


def with_landmarks(made: RigProfile, points: dict | None = None) -> RigProfile:
    """The made-up character with landmarks on its round face (or at `points`, see
    `landmarks.warp_template`); needs bpy, looks for nothing."""
    from exprgen.exprgen_addon.studio import landmark_finding
    from exprgen.networks.tracking.registration import average_face
    from exprgen.networks.vocabulary import LANDMARK_NAMES

    if points is None:
        face = (average_face() / 256 - 0.5) * 0.4 + 0.5
        points = {n: tuple(p) for n, p in zip(LANDMARK_NAMES, face, strict=True)}
    return landmark_finding.place_landmarks(made, lambda paths: [], points).profile
