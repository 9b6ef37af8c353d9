"""The words of the project, each once: expressions and their colours, landmarks, geometric
features, ARKit channels, regions, roles.

`left` and `right` are always the subject's own, as in ARKit and FACS. In a picture of a face that
looks at the camera the subject's right side is on the viewer's left.
"""

from __future__ import annotations

EXPRESSIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""The seven classes in the order of every probability vector (ExprGen, section 1)."""

NEUTRAL = EXPRESSIONS.index("neutral")

LARGEST = "largest"
"""Which of several faces is followed, unless something else is said."""

LEAST_CHANCE = 1e-3
"""No reader's chance of an expression counts as less where logarithms of chances are joined: the
reader over time learned from opinions cut off there."""

EXPRESSION_COLOURS = {
    "anger": (235, 87, 72),
    "disgust": (142, 190, 82),
    "fear": (174, 126, 230),
    "joy": (250, 196, 64),
    "neutral": (160, 168, 180),
    "sadness": (88, 148, 240),
    "surprise": (70, 206, 200),
}
"""Display colour of each expression wherever it is drawn: sRGB (not linear), 0-255 a channel.

Chosen for dark panels: on those of the film each has a contrast ratio (WCAG 2) of 4 or more.
"""

AFFECT = ("valence", "arousal")
"""How pleasant and how stirred a face looks, -1..1 each, in the order of every such pair."""

_CIRCUMPLEX = {
    "anger": (-0.51, 0.59), "disgust": (-0.60, 0.35), "fear": (-0.64, 0.60), "joy": (0.81, 0.51),
    "neutral": (0.0, 0.0), "sadness": (-0.63, -0.27), "surprise": (0.40, 0.67),
}  # fmt: skip
CIRCUMPLEX = tuple(_CIRCUMPLEX[name] for name in EXPRESSIONS)
"""(7, 2) valence and arousal, -1..1, of full expressions: Russell and Mehrabian 1977, "Evidence for
a three-factor theory of emotions", table of pleasure and arousal of angry, disgusted, fearful,
happy, sad and surprised; neutral is the origin."""

REGISTERED_SIZE = 256
"""Side in pixels of a registered face (ExprGen, section 3)."""

MEDIAPIPE_LANDMARKS = 478
"""Points of the MediaPipe face landmarker: 468 of the mesh, then 5 of each iris."""
SKIN_LANDMARKS = 468
"""Of these the first so many: those of the irises look about."""

# The 49 points of the paper are the 68-point markup without the jaw line (17 points) and without
# the two inner mouth corners. Each is named here with the MediaPipe mesh point that stands for it.
LANDMARKS = {
    "brow_right_1": 70,
    "brow_right_2": 63,
    "brow_right_3": 105,
    "brow_right_4": 66,
    "brow_right_5": 107,
    "brow_left_1": 336,
    "brow_left_2": 296,
    "brow_left_3": 334,
    "brow_left_4": 293,
    "brow_left_5": 300,
    "nose_bridge_1": 168,
    "nose_bridge_2": 197,
    "nose_bridge_3": 5,
    "nose_tip": 4,
    "nostril_right_outer": 64,
    "nostril_right_inner": 98,
    "nose_base": 2,
    "nostril_left_inner": 327,
    "nostril_left_outer": 294,
    "eye_right_outer": 33,
    "eye_right_top_1": 160,
    "eye_right_top_2": 158,
    "eye_right_inner": 133,
    "eye_right_bottom_1": 153,
    "eye_right_bottom_2": 144,
    "eye_left_inner": 362,
    "eye_left_top_1": 385,
    "eye_left_top_2": 387,
    "eye_left_outer": 263,
    "eye_left_bottom_1": 373,
    "eye_left_bottom_2": 380,
    "mouth_right_corner": 61,
    "lip_top_outer_1": 39,
    "lip_top_outer_2": 37,
    "lip_top_outer_3": 0,
    "lip_top_outer_4": 267,
    "lip_top_outer_5": 269,
    "mouth_left_corner": 291,
    "lip_bottom_outer_1": 405,
    "lip_bottom_outer_2": 314,
    "lip_bottom_outer_3": 17,
    "lip_bottom_outer_4": 84,
    "lip_bottom_outer_5": 181,
    "lip_top_inner_1": 82,
    "lip_top_inner_2": 13,
    "lip_top_inner_3": 312,
    "lip_bottom_inner_1": 317,
    "lip_bottom_inner_2": 14,
    "lip_bottom_inner_3": 87,
}
"""The 49 landmarks by name (ExprGen, section 3) -> index of the MediaPipe mesh point."""

LANDMARK_NAMES = tuple(LANDMARKS)
LANDMARK_INDEX = {name: i for i, name in enumerate(LANDMARK_NAMES)}

GEOMETRIC_FEATURES = (
    "brow_height_left",
    "brow_height_right",
    "lid_height_left",
    "lid_height_right",
    "nose_width",
    "mouth_width",
    "closed_mouth",
    "lip_height_left",
    "lip_height_right",
)
"""The geometric features of ExprGen, section 3, in the order of every feature vector."""

ARKIT_CHANNELS = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip
"""The 52 ARKit blendshape channels, alphabetical. MediaPipe reports all of them but tongueOut."""

MOUTH = ("tongue_out", "teeth", "tongue", "dark")
"""What is read in the mouth's picture: how far the tongue is out of the lips, and the areas of
teeth, tongue and dark in that of the lips' outline (0..1 each, 0 where it is closed; the rest is
lips)."""

ARKIT_INDEX = {name: i for i, name in enumerate(ARKIT_CHANNELS)}

POOLED = 256
"""Numbers that the teacher's convolutions give of a face, pooled, before it names it."""

REGIONS = ("brow", "eye", "nose", "cheek", "mouth", "jaw", "gaze", "head")
"""Parts of the face a control belongs to; gains and smoothing are set per region."""

OUTPUTS = ("expression", "head", "eyes")
"""What can be keyed, each switchable: the face, the head's rotation, the eyeballs' rotation."""

ROLES = (
    "head_pitch",  # radians; positive nods down
    "head_yaw",  # radians; positive turns to the subject's own left
    "head_roll",  # radians; positive tilts to the subject's own left shoulder
    "gaze_left_yaw",  # radians; positive looks to the subject's own left
    "gaze_left_pitch",  # radians; positive looks down
    "gaze_right_yaw",
    "gaze_right_pitch",
    "blink_left",  # expression control whose unit value 1 closes the lid
    "blink_right",
)
"""Controls that the tracker drives directly; a control with a role says so in its profile."""


def mirror_landmark(name: str) -> str:
    """The landmark on the other side of the face; the markup counts rows from the viewer's left."""
    counts = {"brow": 6, "eye": 3, "lip_outer": 6, "lip_inner": 4}
    parts = name.split("_")
    row = f"lip_{parts[2]}" if parts[0] == "lip" else parts[0]
    if row in counts and parts[-1].isdecimal():
        parts[-1] = str(counts[row] - int(parts[-1]))
    return mirror_name("_".join(parts)) if parts[0] != "lip" else "_".join(parts)


def mirror_name(name: str) -> str:
    """The name of the same thing on the other side; names without a side are their own mirror."""
    for left, right in (("Left", "Right"), ("left", "right"), ("_L", "_R"), (".L", ".R")):
        if left in name:
            return name.replace(left, right)
        if right in name:
            return name.replace(right, left)
    return name


HEADSET_VIEWS = ("left", "right", "mouth")
"""Cameras in a headset: at the actor's left eye, right eye, mouth."""
HEADSET_SIZE = 48
"""Side in pixels of their pictures as the headset network looks at them."""
