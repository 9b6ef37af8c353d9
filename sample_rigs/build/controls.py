"""Control schemes: which controls a character has, what they move, and what ARKit means on them."""

from __future__ import annotations

from dataclasses import dataclass

from ...networks.characters.profile import Control, Target
from ...networks.vocabulary import ARKIT_CHANNELS, mirror_name
from .controls_properties import property_controls

UNIT = 0.02
"""Travel of a face-board handle that means full strength, metres."""

LOOK_KEYS = tuple(c for c in ARKIT_CHANNELS if c.startswith("eyeLook"))
"""Lid shapes that follow the eyeballs by drivers; no controls of their own."""

GAZE_YAW, GAZE_PITCH = 0.50, 0.40
HEAD_LIMITS = {"head_pitch": 0.60, "head_yaw": 0.90, "head_roll": 0.50}
"""Radians either way."""


@dataclass(frozen=True)
class Handle:
    """One axis of a board handle.

    bone, axis: the pose bone and its location axis (0 across, 1 up). sign: direction of the bone
    for positive values. low, high: range in UNITs. drives: key -> (sign of the value, strength).
    """

    name: str
    bone: str
    axis: int
    sign: float
    low: float
    high: float
    region: str
    drives: dict[str, tuple[float, float]]
    channels: dict[str, float]
    role: str = ""


def _sided(side: str) -> list[Handle]:
    """The handles of one side; `side` is "L" or "R"."""
    word = {"L": "Left", "R": "Right"}[side]
    inward = -1.0 if side == "L" else 1.0
    k = lambda name: f"{name}{word}"  # noqa: E731

    def handle(name, bone, axis, sign, low, high, region, drives, channels, role=""):
        return Handle(
            f"{name}_{side}", f"{bone}_{side}", axis, sign, low, high, region,
            {k(key) if key not in _EYES else key: d for key, d in drives.items()},
            {(c if c in _CENTRAL else k(c)): v for c, v in channels.items()}, role,
        )  # fmt: skip

    return [
        handle("brow_inner", "brow_inner", 1, 1, -1, 1, "brow",
               {"browInnerUp": (1, 1), "browInnerDown": (-1, 1)},
               {"browInnerUp": 1.0, "browDown": -0.93, "browOuterUp": 0.15}),
        handle("brow_squeeze", "brow_inner", 0, inward, 0, 1, "brow",
               {"browSqueeze": (1, 1)}, {"browDown": 0.6, "browInnerUp": 0.15}),
        handle("brow_mid", "brow_mid", 1, 1, -1, 1, "brow",
               {"browMidUp": (1, 1), "browMidDown": (-1, 1)},
               {"browDown": -0.55, "browInnerUp": -0.2, "browOuterUp": 0.85}),
        handle("brow_outer", "brow_outer", 1, 1, -1, 1, "brow",
               {"browTailUp": (1, 1), "browTailDown": (-1, 1)},
               {"browDown": 0.25, "browInnerUp": -0.68, "browOuterUp": 0.9}),
        handle("lid_upper", "lid_upper", 1, -1, -1, 1, "eye",
               {"eyeBlink": (1, 1), "eyeWide": (-1, 1)},
               {"eyeBlink": 1.0, "eyeWide": -1.0}, f"blink_{word.lower()}"),
        handle("lid_lower", "lid_lower", 1, 1, 0, 1, "eye", {"eyeSquint": (1, 1)},
               {"eyeSquint": 1.0}),
        handle("cheek_raise", "cheek", 1, 1, 0, 1, "cheek", {"cheekSquint": (1, 1)},
               {"cheekSquint": 1.0}),
        handle("cheek_puff", "cheek", 0, -inward, 0, 1, "cheek", {"cheekPuff": (1, 1)},
               {"cheekPuff": 1.0}),
        handle("nose_sneer", "nose_sneer", 1, 1, 0, 1, "nose", {"noseSneer": (1, 1)},
               {"noseSneer": 1.0}),
        handle("nasolabial", "nose_sneer", 0, -inward, 0, 1, "cheek", {"nasolabial": (1, 1)},
               {"noseSneer": 0.35, "mouthUpperUp": 0.2}),
        handle("corner_up", "mouth_corner", 1, 1, -1, 1, "mouth",
               {"mouthSmile": (1, 1), "mouthFrown": (-1, 1)},
               {"mouthSmile": 1.0, "mouthFrown": -1.0}),
        handle("corner_out", "mouth_corner", 0, -inward, -1, 1, "mouth",
               {"mouthStretch": (1, 1), "mouthNarrow": (-1, 1)},
               {"mouthStretch": 1.0}),
        handle("lip_upper", "lip_upper", 1, 1, 0, 1, "mouth", {"mouthUpperUp": (1, 1)},
               {"mouthUpperUp": 1.0}),
        handle("lip_lower", "lip_lower", 1, -1, 0, 1, "mouth", {"mouthLowerDown": (1, 1)},
               {"mouthLowerDown": 1.0}),
        handle("lip_press", "corner_tuck", 1, 1, 0, 1, "mouth", {"mouthPress": (1, 1)},
               {"mouthPress": 1.0}),
        handle("dimple", "corner_tuck", 0, -inward, 0, 1, "mouth", {"mouthDimple": (1, 1)},
               {"mouthDimple": 1.0}),
    ]  # fmt: skip


_CENTRAL = ("browInnerUp", "cheekPuff")
_EYES = ("irisSmall",)

CENTRE = (
    Handle("jaw_open", "jaw", 1, -1, 0, 1, "jaw", {"jawOpen": (1, 1)}, {"jawOpen": 1.0}),
    Handle("jaw_side", "jaw", 0, 1, -1, 1, "jaw", {"jawLeft": (1, 1), "jawRight": (-1, 1)},
           {"jawLeft": 1.0, "jawRight": -1.0}),
    Handle("jaw_forward", "jaw_forward", 1, 1, 0, 1, "jaw", {"jawForward": (1, 1)},
           {"jawForward": 1.0}),
    Handle("mouth_side", "mouth", 0, 1, -1, 1, "mouth",
           {"mouthLeft": (1, 1), "mouthRight": (-1, 1)}, {"mouthLeft": 1.0, "mouthRight": -1.0}),
    Handle("mouth_close", "mouth", 1, 1, 0, 1, "mouth", {"mouthClose": (1, 1)},
           {"mouthClose": 1.0}),
    Handle("pucker", "lips_round", 0, 1, 0, 1, "mouth", {"mouthPucker": (1, 1)},
           {"mouthPucker": 1.0}),
    Handle("funnel", "lips_round", 1, 1, 0, 1, "mouth", {"mouthFunnel": (1, 1)},
           {"mouthFunnel": 1.0}),
    Handle("roll_upper", "roll_upper", 1, -1, 0, 1, "mouth", {"mouthRollUpper": (1, 1)},
           {"mouthRollUpper": 1.0}),
    Handle("roll_lower", "roll_lower", 1, 1, 0, 1, "mouth", {"mouthRollLower": (1, 1)},
           {"mouthRollLower": 1.0}),
    Handle("shrug_upper", "shrug_upper", 1, 1, 0, 1, "mouth", {"mouthShrugUpper": (1, 1)},
           {"mouthShrugUpper": 1.0}),
    Handle("shrug_lower", "shrug_lower", 1, 1, 0, 1, "mouth", {"mouthShrugLower": (1, 1)},
           {"mouthShrugLower": 1.0}),
    Handle("tongue_out", "tongue", 1, -1, 0, 1, "mouth", {"tongueOut": (1, 1)},
           {"tongueOut": 1.0}),
    Handle("nostril_flare", "nostrils", 1, 1, 0, 1, "nose", {"flare": (1, 1)},
           {"noseSneerLeft": 0.2, "noseSneerRight": 0.2}),
    Handle("iris_small", "iris", 1, -1, -0.6, 1, "eye", {"irisSmall": (1, 1)}, {}),
)  # fmt: skip

BOARD: tuple[Handle, ...] = (*_sided("L"), *_sided("R"), *CENTRE)
"""The face board, in profile order."""

BOARD_PLACES = {
    "brow_inner": (0.030, 0.150), "brow_mid": (0.068, 0.150), "brow_outer": (0.104, 0.150),
    "lid_upper": (0.050, 0.098), "lid_lower": (0.086, 0.098), "nose_sneer": (0.024, 0.052),
    "cheek": (0.082, 0.052), "lip_upper": (0.026, 0.006), "mouth_corner": (0.078, -0.010),
    "lip_lower": (0.026, -0.042), "corner_tuck": (0.082, -0.064),
    "iris": (0.0, 0.098), "nostrils": (0.0, 0.056), "shrug_upper": (-0.0, 0.014),
    "mouth": (0.0, -0.018), "shrug_lower": (0.0, -0.050), "jaw": (0.0, -0.092),
    "lips_round": (0.046, -0.100), "tongue": (-0.042, -0.096), "jaw_forward": (0.080, -0.112),
    "roll_upper": (-0.080, -0.100), "roll_lower": (-0.080, -0.132),
}  # fmt: skip
"""Where a handle rests on the board (metres from its centre), for the subject's left side."""


def key_drives() -> dict[str, list[tuple[Handle, float, float]]]:
    """Shape key -> the handles that drive it, with sign and strength."""
    out: dict[str, list[tuple[Handle, float, float]]] = {}
    for handle in BOARD:
        for key, (sign, strength) in handle.drives.items():
            out.setdefault(key, []).append((handle, sign, strength))
    return out


def board_keys() -> tuple[str, ...]:
    """Shape keys the head of a board character needs."""
    return tuple(sorted({*key_drives(), *LOOK_KEYS} - set(_EYES)))


def _board_control(handle: Handle, rig: str) -> Control:
    target = Target(
        "OBJECT", rig, f'pose.bones["{handle.bone}"].location', handle.axis, handle.sign
    )
    mirror = mirror_name(handle.name)
    return Control(
        name=handle.name, targets=(target,), rest=0.0, minimum=handle.low * UNIT,
        maximum=handle.high * UNIT, region=handle.region, role=handle.role,
        mirror=mirror if mirror != handle.name else "", channels=handle.channels,
    )  # fmt: skip


def _arkit_region(channel: str) -> str:
    for start in ("brow", "eye", "nose", "cheek", "jaw", "mouth"):
        if channel.startswith(start):
            return start
    return "mouth"


def _arkit_control(channel: str, head: str) -> Control:
    mirror = mirror_name(channel)
    has_mirror = mirror != channel
    return Control(
        name=channel, targets=(Target("KEY", head, f'key_blocks["{channel}"].value'),),
        rest=0.0, minimum=0.0, maximum=1.0, region=_arkit_region(channel),
        role={"eyeBlinkLeft": "blink_left", "eyeBlinkRight": "blink_right"}.get(channel, ""),
        mirror=mirror if has_mirror else "", channels={channel: 1.0},
    )  # fmt: skip


def pose_controls(rig: str) -> list[Control]:
    """Head and eyeball rotations, the same for every character."""
    out = []
    # A bone that points up has its Y along world Z and its Z along world -Y.
    for role, axis, scale in (("head_pitch", 0, 1.0), ("head_yaw", 1, 1.0), ("head_roll", 2, -1.0)):
        limit = HEAD_LIMITS[role]
        target = Target("OBJECT", rig, 'pose.bones["head"].rotation_euler', axis, scale)
        out.append(Control(role, (target,), 0.0, -limit, limit, "head", "head", role))
    for side, word, other in (("L", "left", "right"), ("R", "right", "left")):
        for turn, axis, limit in (("yaw", 1, GAZE_YAW), ("pitch", 0, GAZE_PITCH)):
            role = f"gaze_{word}_{turn}"
            path = f'pose.bones["eye_{side}"].rotation_euler'
            target = Target("OBJECT", rig, path, axis)
            out.append(
                Control(
                    role,
                    (target,),
                    0.0,
                    -limit,
                    limit,
                    "gaze",
                    "eyes",
                    role,
                    f"gaze_{other}_{turn}",
                )
            )
    return out


def make_controls(scheme: str, name: str) -> tuple[Control, ...]:
    """All controls of a character called `name`; scheme: "board", "properties" or "arkit"."""
    rig, head = f"{name}_rig", f"{name}_head"
    if scheme == "board":
        face = [_board_control(h, rig) for h in BOARD]
    elif scheme == "properties":
        face = property_controls(rig)
    else:
        face = [_arkit_control(c, head) for c in ARKIT_CHANNELS if c not in LOOK_KEYS]
    return (*face, *pose_controls(rig))
