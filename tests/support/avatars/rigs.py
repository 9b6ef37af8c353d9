"""The avatars: one after each scheme of names and each structure that people bring."""

from __future__ import annotations

import json
from pathlib import Path

from .building import Avatar, Bones
from .skeleton import FACE

_LISTS = json.loads((Path(__file__).parents[1] / "scheme_names.json").read_text("utf-8"))
NAMES = {k: tuple(v.split("|")) for k, v in _LISTS.items()}
ARKIT = NAMES["ARKit"]
SHOULDERS = {"shoulder.L": "shoulder_L", "shoulder.R": "shoulder_R"}
VROID_BONES = Bones(
    "J_Bip_C_Head", "J_Bip_C_Neck", ("J_Adj_L_FaceEye", "J_Adj_R_FaceEye"),
    {"J_Sec_Hair1_01": "hair", "J_Bip_L_Shoulder": "shoulder_L", "J_Bip_R_Shoulder": "shoulder_R"},
)  # fmt: skip
CC_BONES = Bones(
    "CC_Base_Head", "CC_Base_NeckTwist01", ("CC_Base_L_Eye", "CC_Base_R_Eye"),
    {"CC_Base_L_Clavicle": "shoulder_L", "CC_Base_R_Clavicle": "shoulder_R"},
)  # fmt: skip
MMD_BONES = Bones(
    "頭", "首", ("左目", "右目"), {"前髪1": "hair", "左肩": "shoulder_L", "右肩": "shoulder_R"}
)
WOLF = ("Wolf3D_Head", "EyeLeft", "EyeRight", "Wolf3D_Hair")


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of which no two differ by case alone, as one rig has them."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.casefold(), name)
    return tuple(seen.values())


def opaque(names: tuple[str, ...]) -> dict[str, str]:
    """Key names that say nothing, as some exporters write them."""
    return {name: f"morph_{i:02d}" for i, name in enumerate(names)}


BOARD_EYES = tuple(f"CTRL_{s}_eye.t{axis}" for s in "LR" for axis in "xy")
VRM1 = NAMES["VRM 1"]

AVATARS = (
    Avatar("arkit", "ARKit", ARKIT, bones=None, kind="glb"),
    Avatar(
        "wolf", "ARKit and Oculus visemes, several meshes",
        (*ARKIT, *NAMES["Oculus visemes"]), meshes=WOLF,
        bones=Bones(others={"Hair": "hair", "LeftShoulder": "shoulder_L",
                            "RightShoulder": "shoulder_R"}),
        kind="glb", wrong=("Hair", "LeftShoulder", "RightShoulder"),
    ),
    Avatar(
        "vroid", "VRoid", (*NAMES["VRoid"], "Fcl_HA_Hide"), bones=VROID_BONES, kind="vrm0",
        meshes=("Face", "EyeL", "EyeR", "Hair001"),
        wrong=("Fcl_HA_Hide", *VROID_BONES.others),
    ),
    Avatar(
        "perfect_sync", "Perfect Sync beside VRoid", (*NAMES["VRoid"], *ARKIT),
        bones=VROID_BONES, kind="vrm0", meshes=("Face", "EyeL", "EyeR", "Hair001"),
        wrong=tuple(VROID_BONES.others),
    ),
    Avatar(
        "vrm1", "VRM 1 presets on nameless keys", VRM1, kind="vrm1", renamed=opaque(VRM1),
        bones=Bones("bone_07", "bone_06", ("bone_08", "bone_09"), {"bone_20": "hair"}),
        wrong=("bone_20",),
    ),
    Avatar("vrm0", "VRM 0 presets", _distinct(NAMES["VRM 0"]), kind="vrm0"),
    Avatar("mmd_ja", "MMD Japanese", NAMES["MMD Japanese"], bones=MMD_BONES,
           wrong=tuple(MMD_BONES.others)),
    Avatar("mmd_en", "MMD English", _distinct(NAMES["MMD English"])),
    Avatar("vrchat", "VRChat visemes", NAMES["VRChat visemes"],
           bones=Bones(others={"Ear_L": "ear_L", "Ear_R": "ear_R"}), wrong=("Ear_L", "Ear_R")),
    Avatar("metahuman", "MetaHuman curves", NAMES["MetaHuman curves"], bones=None),
    Avatar("metahuman_board", "MetaHuman face board", (*NAMES["MetaHuman board"], *BOARD_EYES),
           "sliders", bones=Bones(eyes=None)),
    Avatar("cc3", "Character Creator 3", _distinct(NAMES["Character Creator 3"]), bones=CC_BONES,
           wrong=tuple(CC_BONES.others)),
    Avatar("cc4", "Character Creator 4", _distinct(NAMES["Character Creator 4"]), bones=CC_BONES,
           kind="fbx", wrong=tuple(CC_BONES.others)),
    Avatar("daz", "Daz FACS, properties", _distinct(NAMES["Daz FACS"]), "properties",
           bones=Bones("head", "neckUpper", ("l_eye", "r_eye"),
                       {"lCollar": "shoulder_L", "rCollar": "shoulder_R"}),
           wrong=("lCollar", "rCollar")),
    Avatar("sranipal", "SRanipal", NAMES["SRanipal"], bones=None),
    Avatar("mixamo", "Mixamo, text FBX", NAMES["Mixamo"], bones=None, kind="fbx_text"),
    Avatar("rocketbox", "Rocketbox", NAMES["Rocketbox"],
           bones=Bones("Bip01 Head", "Bip01 Neck", ("Bip01 LEye", "Bip01 REye"))),
    Avatar("facs", "FACS words, properties", _distinct(NAMES["FACS words"]), "properties"),
    Avatar(
        "tiny_hat", "Unity prefixes, a head of 0.24 m with a hat",
        tuple(f"blendShape1.{n}" for n in ARKIT), scale=0.83, hat=True,
        bones=Bones(others={"Hair_Root": "hair"}), wrong=("Hair_Root",),
    ),
    Avatar(
        "spoilt", "ARKit, alpha 0 and missing pictures",
        tuple(n.replace("Left", "_L").replace("Right", "_R") for n in ARKIT), kind="glb",
        bones=Bones(others=SHOULDERS), wrong=tuple(SHOULDERS), spoilt=True,
    ),
    Avatar("bones", "bare bones of a game, no keys", tuple(b.name for b in FACE), "bones",
           bones=Bones("head", "neck", ("eye_l", "eye_r"), SHOULDERS, FACE), kind="glb",
           wrong=tuple(SHOULDERS), named=False),
    Avatar("rigify", "Rigify's handles (the sample Rosa)", (), "bones", sample="rosa", named=False,
           meshes=("rosa_head", "rosa_eye_L", "rosa_eye_R", "rosa_hair")),
)  # fmt: skip
