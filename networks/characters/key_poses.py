"""Key poses of the seven expressions after FACS / EMFACS, written once in ARKit channels: ten or
more of each, open and closed, one-sided, subtle to strong.

A channel without a side sets both. `arkit_to_unit` turns them into the controls of any rig whose
names are known, so they also prove that a rig's channel hints are right. Prototypes follow
Ekman, Friesen & Hager, "Facial Action Coding System" (2002), EMFACS combinations: anger AU4+5+7+23,
disgust AU9+15+16 or 10+17, fear AU1+2+4+5+20+26, joy AU6+12, sadness AU1+4+15, surprise AU1+2+5+26.
"""

from __future__ import annotations

from ..vocabulary import ARKIT_CHANNELS

# fmt: off
POSES: dict[str, dict[str, float]] = {
    # Anger: inner brows hard down, lids tight, lips pressed or teeth bared.
    "anger_pressed": {
        "browDown": 1.0, "eyeSquint": 0.45, "mouthPress": 0.8, "mouthFrown": 0.45,
        "mouthShrugLower": 0.35, "cheekSquint": 0.1,
    },
    "anger_glare": {
        "browDown": 1.0, "eyeWide": 0.35, "mouthPress": 0.5, "mouthFrown": 0.35,
        "jawForward": 0.5, "mouthRollUpper": 0.3,
    },
    "anger_teeth": {
        "browDown": 1.0, "eyeSquint": 0.5, "mouthUpperUp": 0.45, "mouthLowerDown": 0.75,
        "mouthStretch": 0.45, "jawOpen": 0.12, "noseSneer": 0.2, "mouthFrown": 0.35,
    },
    "anger_shout": {
        "browDown": 1.0, "eyeWide": 0.25, "jawOpen": 0.6, "mouthUpperUp": 0.4,
        "mouthLowerDown": 0.7, "mouthStretch": 0.35, "noseSneer": 0.2, "mouthFrown": 0.55,
    },
    "anger_subtle": {
        "browDown": 0.6, "eyeSquint": 0.35, "mouthPress": 0.45, "mouthFrown": 0.25,
    },
    "anger_one_sided": {
        "browDownLeft": 1.0, "browDownRight": 0.7, "eyeSquint": 0.45, "mouthPressLeft":
        0.7, "mouthFrown": 0.4, "mouthLowerDownRight": 0.5, "mouthStretchRight": 0.45,
    },
    "anger_clenched": {
        "browDown": 1.0, "eyeSquint": 0.6, "mouthRollUpper": 0.45, "mouthRollLower": 0.35,
        "mouthPress": 0.6, "jawForward": 0.6, "mouthFrown": 0.45, "mouthShrugLower": 0.3,
    },
    "anger_snarl": {
        "browDown": 1.0, "eyeSquint": 0.55, "mouthUpperUp": 0.7, "mouthLowerDown": 0.85,
        "mouthFrown": 0.5, "jawOpen": 0.06, "jawForward": 0.3, "noseSneer": 0.2,
    },
    "anger_bark": {
        "browDown": 1.0, "eyeSquint": 0.35, "jawOpen": 0.35, "mouthFunnel": 0.4,
        "mouthUpperUp": 0.3, "mouthLowerDown": 0.6, "mouthFrown": 0.4,
    },
    "anger_tense": {
        "browDown": 0.9, "eyeWide": 0.2, "mouthPucker": 0.3, "mouthPress": 0.6,
        "mouthShrugLower": 0.5, "mouthFrown": 0.5,
    },
    "anger_one_sided_right": {
        "browDownRight": 1.0, "browDownLeft": 0.75, "eyeSquintRight": 0.65, "eyeSquintLeft":
        0.35, "mouthUpperUpRight": 0.35, "mouthLowerDownRight": 0.7, "mouthStretchRight": 0.5,
        "mouthFrown": 0.45, "jawOpen": 0.1, "mouthPressLeft": 0.4,
    },
    # Disgust: nose wrinkled, upper lip raised, brows only a little down.
    "disgust_sneer": {
        "noseSneer": 1.0, "mouthUpperUp": 0.7, "browDown": 0.35, "eyeSquint": 0.5,
        "cheekSquint": 0.5, "mouthFrown": 0.5,
    },
    "disgust_open": {
        "noseSneer": 1.0, "mouthUpperUp": 0.9, "jawOpen": 0.22, "mouthLowerDown": 0.4,
        "browDown": 0.3, "eyeSquint": 0.6, "cheekSquint": 0.5, "mouthFrown": 0.55,
    },
    "disgust_tongue": {
        "noseSneer": 1.0, "mouthUpperUp": 0.7, "jawOpen": 0.42, "tongueOut": 0.75,
        "mouthLowerDown": 0.3, "browDown": 0.3, "eyeSquint": 0.75, "cheekSquint": 0.6,
        "mouthFrown": 0.4,
    },
    "disgust_chin": {
        "noseSneer": 0.85, "mouthShrugLower": 0.9, "mouthShrugUpper": 0.5, "browDown":
        0.3, "eyeSquint": 0.5, "mouthFrown": 0.75, "mouthUpperUp": 0.3,
    },
    "disgust_subtle": {
        "noseSneer": 0.6, "mouthUpperUp": 0.4, "browDown": 0.2, "eyeSquint": 0.3,
        "mouthFrown": 0.35,
    },
    "disgust_one_sided": {
        "noseSneerLeft": 1.0, "noseSneerRight": 0.55, "mouthUpperUpLeft": 1.0,
        "mouthUpperUpRight": 0.25, "browDown": 0.3, "eyeSquintLeft": 0.75,
        "eyeSquintRight": 0.4, "cheekSquintLeft": 0.6, "mouthFrown": 0.45,
    },
    "disgust_gag": {
        "noseSneer": 1.0, "mouthUpperUp": 0.7, "jawOpen": 0.5, "tongueOut": 0.4,
        "mouthLowerDown": 0.2, "browDown": 0.3, "eyeSquint": 0.6, "eyeBlink": 0.3,
        "cheekSquint": 0.6, "mouthFrown": 0.6,
    },
    "disgust_lips_closed": {
        "noseSneer": 1.0, "mouthUpperUp": 0.25, "mouthPress": 0.3, "mouthShrugLower": 0.6,
        "browDown": 0.25, "eyeSquint": 0.6, "cheekSquint": 0.5, "mouthFrown": 0.65,
    },
    "disgust_ew": {
        "noseSneer": 1.0, "mouthUpperUp": 0.8, "mouthLowerDown": 0.5, "mouthStretch": 0.35,
        "jawOpen": 0.1, "browDown": 0.25, "eyeSquint": 0.55, "cheekSquint": 0.6,
        "mouthFrown": 0.45,
    },
    "disgust_one_sided_right": {
        "noseSneerRight": 1.0, "noseSneerLeft": 0.6, "mouthUpperUpRight": 1.0,
        "mouthUpperUpLeft": 0.2, "browDown": 0.25, "eyeSquintRight": 0.75,
        "eyeSquintLeft": 0.4, "cheekSquintRight": 0.6, "mouthFrown": 0.4,
        "mouthLowerDownRight": 0.3, "jawOpen": 0.08,
    },
    # Fear: brows up and slanted, eyes wide, mouth stretched sidewards.
    "fear_stretched": {
        "browInnerUp": 1.0, "browOuterUp": 0.15, "eyeWide": 1.0, "mouthStretch": 0.9,
        "jawOpen": 0.18, "mouthLowerDown": 0.35, "mouthFrown": 0.25,
    },
    "fear_open": {
        "browInnerUp": 1.0, "browOuterUp": 0.2, "eyeWide": 1.0, "mouthStretch": 0.8,
        "jawOpen": 0.42, "mouthFrown": 0.35, "mouthLowerDown": 0.3,
    },
    "fear_scream": {
        "browInnerUp": 1.0, "browOuterUp": 0.2, "eyeWide": 1.0, "mouthStretch": 0.75,
        "jawOpen": 0.85, "mouthLowerDown": 0.4, "mouthFrown": 0.4, "mouthUpperUp": 0.2,
    },
    "fear_closed": {
        "browInnerUp": 1.0, "eyeWide": 0.9, "mouthStretch": 0.85, "mouthPress": 0.3,
        "mouthFrown": 0.3,
    },
    "fear_subtle": {
        "browInnerUp": 0.7, "eyeWide": 0.65, "mouthStretch": 0.5, "jawOpen": 0.06,
        "mouthLowerDown": 0.15,
    },
    "fear_one_sided": {
        "browInnerUp": 1.0, "browOuterUpLeft": 0.35, "eyeWideLeft": 1.0, "eyeWideRight":
        0.8, "mouthStretchLeft": 1.0, "mouthStretchRight": 0.35, "mouthLowerDownLeft":
        0.5, "jawOpen": 0.2, "mouthFrown": 0.25,
    },
    "fear_teeth": {
        "browInnerUp": 1.0, "browOuterUp": 0.1, "eyeWide": 1.0, "mouthStretch": 1.0,
        "mouthUpperUp": 0.25, "mouthLowerDown": 0.6, "jawOpen": 0.06, "mouthFrown": 0.3,
    },
    "fear_gasp": {
        "browInnerUp": 1.0, "browOuterUp": 0.1, "eyeWide": 1.0, "mouthStretch": 0.55,
        "jawOpen": 0.5, "mouthFrown": 0.4,
    },
    "fear_frozen": {
        "browInnerUp": 1.0, "browDown": 0.15, "eyeWide": 1.0, "mouthStretch": 0.6,
        "jawOpen": 0.12, "mouthFrown": 0.35,
    },
    "fear_one_sided_right": {
        "browInnerUp": 1.0, "browOuterUpRight": 0.3, "eyeWideRight": 1.0, "eyeWideLeft":
        0.8, "mouthStretchRight": 1.0, "mouthStretchLeft": 0.4, "mouthLowerDownRight":
        0.6, "mouthLowerDownLeft": 0.2, "jawOpen": 0.3, "mouthFrown": 0.35,
    },
    # Joy: corners up, cheeks raised.
    "joy_closed": {
        "mouthSmile": 0.9, "cheekSquint": 0.5, "eyeSquint": 0.2, "mouthDimple": 0.2,
        "browInnerUp": 0.1, "browOuterUp": 0.15,
    },
    "joy_teeth": {
        "mouthSmile": 0.9, "cheekSquint": 0.55, "eyeSquint": 0.25, "mouthUpperUp": 0.35,
        "mouthLowerDown": 0.35, "jawOpen": 0.1, "browOuterUp": 0.2,
    },
    "joy_open_strong": {
        "mouthSmile": 1.0, "cheekSquint": 0.8, "eyeSquint": 0.35, "jawOpen": 0.55,
        "mouthUpperUp": 0.25, "browOuterUp": 0.35, "browInnerUp": 0.2,
    },
    "joy_laugh": {
        "mouthSmile": 1.0, "cheekSquint": 1.0, "eyeSquint": 0.5, "eyeBlink": 0.75,
        "jawOpen": 0.5, "mouthUpperUp": 0.3, "mouthLowerDown": 0.2, "browOuterUp": 0.25,
    },
    "joy_subtle": {
        "mouthSmile": 0.55, "cheekSquint": 0.3, "eyeSquint": 0.1, "mouthDimple": 0.15,
    },
    "joy_one_sided": {
        "mouthSmileLeft": 1.0, "mouthSmileRight": 0.45, "cheekSquintLeft": 0.65,
        "cheekSquintRight": 0.35, "eyeSquintLeft": 0.3, "browOuterUpRight": 0.35,
        "jawOpen": 0.08, "mouthUpperUpLeft": 0.35,
    },
    "joy_grin": {
        "mouthSmile": 1.0, "cheekSquint": 0.65, "eyeSquint": 0.3, "mouthUpperUp": 0.5,
        "mouthLowerDown": 0.3, "jawOpen": 0.04, "browOuterUp": 0.15,
    },
    "joy_wink": {
        "mouthSmileLeft": 1.0, "mouthSmileRight": 0.75, "eyeBlinkLeft": 1.0, "cheekSquintLeft":
        0.8, "cheekSquintRight": 0.4, "eyeSquintLeft": 0.4, "browOuterUpRight": 0.3,
        "jawOpen": 0.12, "mouthUpperUp": 0.25,
    },
    "joy_chuckle": {
        "mouthSmile": 0.9, "cheekSquint": 0.8, "eyeSquint": 0.45, "eyeBlink": 0.4,
        "jawOpen": 0.25, "mouthUpperUp": 0.3, "browOuterUp": 0.15,
    },
    "joy_content": {
        "mouthSmile": 0.75, "cheekSquint": 0.45, "eyeBlink": 0.95, "mouthDimple": 0.25,
        "browInnerUp": 0.1, "browOuterUp": 0.2,
    },
    # Neutral: what is left of a face at rest.
    "neutral_rest": {},
    "neutral_relaxed": {"eyeBlink": 0.08, "jawOpen": 0.02},
    "neutral_alert": {"eyeWide": 0.12, "browInnerUp": 0.06, "browOuterUp": 0.06},
    "neutral_set": {
        "mouthPress": 0.12, "eyeBlink": 0.06, "mouthRollLower": 0.05,
    },
    "neutral_drowsy": {"eyeBlink": 0.22, "browInnerUp": 0.04},
    "neutral_parted": {"jawOpen": 0.08, "mouthLowerDown": 0.06, "eyeBlink": 0.04},
    "neutral_one_brow": {"browOuterUpRight": 0.14, "browInnerUp": 0.03, "eyeWideRight": 0.06},
    "neutral_lips_in": {"mouthRollUpper": 0.18, "mouthRollLower": 0.18, "mouthPress": 0.08},
    "neutral_chin": {"mouthShrugLower": 0.14, "mouthPucker": 0.1, "eyeBlink": 0.05},
    "neutral_uneven": {
        "mouthLeft": 0.12, "eyeBlinkLeft": 0.1, "eyeBlinkRight": 0.02, "mouthDimpleLeft": 0.1,
    },
    # Sadness: inner brows up, upper lids heavy, corners down.
    "sadness_frown": {
        "browInnerUp": 0.95, "mouthFrown": 0.9, "mouthShrugLower": 0.45, "eyeBlink": 0.14,
    },
    "sadness_pout": {
        "browInnerUp": 0.9, "mouthFrown": 0.75, "mouthShrugLower": 1.0, "eyeBlink": 0.16,
        "mouthPucker": 0.15,
    },
    "sadness_cry": {
        "browInnerUp": 1.0, "mouthFrown": 0.85, "mouthStretch": 0.3, "jawOpen": 0.2,
        "eyeSquint": 0.45, "eyeBlink": 0.25, "cheekSquint": 0.35, "mouthLowerDown": 0.3,
    },
    "sadness_sob": {
        "browInnerUp": 1.0, "mouthFrown": 1.0, "jawOpen": 0.35, "eyeBlink": 0.8,
        "eyeSquint": 0.4, "mouthStretch": 0.2, "mouthLowerDown": 0.25, "cheekSquint": 0.3,
    },
    "sadness_subtle": {
        "browInnerUp": 0.6, "mouthFrown": 0.5, "eyeBlink": 0.12, "mouthShrugLower": 0.2,
    },
    "sadness_one_sided": {
        "browInnerUp": 0.9, "mouthFrownLeft": 1.0, "mouthFrownRight": 0.5,
        "mouthShrugLower": 0.4, "eyeBlinkLeft": 0.22, "eyeBlinkRight": 0.1, "mouthLeft":
        0.15,
    },
    "sadness_wail": {
        "browInnerUp": 1.0, "mouthFrown": 1.0, "jawOpen": 0.55, "eyeBlink": 0.55,
        "eyeSquint": 0.5, "mouthStretch": 0.3, "mouthLowerDown": 0.4, "cheekSquint": 0.35,
    },
    "sadness_downcast": {
        "browInnerUp": 0.85, "mouthFrown": 0.75, "eyeBlink": 0.45, "mouthShrugLower": 0.3,
    },
    "sadness_trembling": {
        "browInnerUp": 1.0, "mouthFrown": 0.8, "mouthShrugLower": 0.8, "mouthRollLower": 0.25,
        "mouthPress": 0.25, "eyeSquint": 0.35, "cheekSquint": 0.2, "eyeBlink": 0.1,
    },
    "sadness_one_sided_right": {
        "browInnerUp": 1.0, "mouthFrownRight": 1.0, "mouthFrownLeft": 0.6, "mouthShrugLower":
        0.55, "eyeBlinkRight": 0.3, "eyeBlinkLeft": 0.18, "mouthRight": 0.15,
        "mouthLowerDownRight": 0.25, "eyeSquint": 0.2,
    },
    # Surprise: brows up and round, eyes wide, jaw drops, mouth narrow.
    "surprise_open": {
        "browOuterUp": 1.0, "browInnerUp": 0.4, "eyeWide": 0.8, "jawOpen": 0.6,
        "mouthFunnel": 0.15,
    },
    "surprise_gasp": {
        "browOuterUp": 1.0, "browInnerUp": 0.45, "eyeWide": 1.0, "jawOpen": 0.9,
    },
    "surprise_round": {
        "browOuterUp": 1.0, "browInnerUp": 0.4, "eyeWide": 0.8, "jawOpen": 0.4,
        "mouthFunnel": 0.55, "mouthPucker": 0.25,
    },
    "surprise_closed": {
        "browOuterUp": 1.0, "browInnerUp": 0.4, "eyeWide": 0.85, "mouthPucker": 0.25,
    },
    "surprise_subtle": {
        "browOuterUp": 0.65, "browInnerUp": 0.25, "eyeWide": 0.5, "jawOpen": 0.2,
    },
    "surprise_one_sided": {
        "browOuterUpLeft": 1.0, "browOuterUpRight": 0.5, "browInnerUp": 0.3,
        "eyeWideLeft": 1.0, "eyeWideRight": 0.7, "jawOpen": 0.5, "mouthLeft": 0.15,
    },
    "surprise_wow": {
        "browOuterUp": 0.9, "browInnerUp": 0.5, "eyeWide": 0.7, "jawOpen": 0.5,
        "mouthFunnel": 0.35, "mouthUpperUp": 0.1,
    },
    "surprise_parted": {
        "browOuterUp": 0.9, "browInnerUp": 0.4, "eyeWide": 0.75, "jawOpen": 0.25,
    },
    "surprise_whistle": {
        "browOuterUp": 1.0, "browInnerUp": 0.4, "eyeWide": 0.8, "mouthPucker": 0.6,
        "jawOpen": 0.12, "mouthFunnel": 0.25,
    },
    "surprise_one_sided_right": {
        "browOuterUpRight": 1.0, "browOuterUpLeft": 0.55, "browInnerUp": 0.35,
        "eyeWideRight": 1.0, "eyeWideLeft": 0.75, "jawOpen": 0.4, "mouthFunnel": 0.2,
        "mouthRight": 0.12,
    },
}
# fmt: on
"""Pose name -> ARKit channel (without side: both) -> weight. The name's first word is the label."""


def label(pose_name: str) -> str:
    """The expression that a pose of POSES shows: the first word of its name."""
    return pose_name.split("_")[0]


def arkit_weights(pose: dict[str, float]) -> list[float]:
    """A pose as a full vector in the order of ARKIT_CHANNELS; sided entries win."""
    out = []
    for channel in ARKIT_CHANNELS:
        plain = channel.removesuffix("Left").removesuffix("Right")
        sided = plain != channel and channel in pose
        out.append(pose[channel] if sided else pose.get(plain, 0.0))
    return out
