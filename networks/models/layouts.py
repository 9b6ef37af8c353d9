"""The networks' layouts as numbers, for torch's form of them and for the one without; no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ..vocabulary import ARKIT_CHANNELS, EXPRESSIONS, GEOMETRIC_FEATURES, POOLED

CHANNELS = 64


@dataclass(frozen=True)
class LayerSpec:
    """One row of Table 1: a convolution of `kernel` x `kernel` pixels at `stride`."""

    name: str
    kernel: int
    stride: int


TABLE_1 = (
    LayerSpec("CONV-1", 11, 1),
    LayerSpec("CONV-2", 1, 2),
    LayerSpec("CONV-3", 5, 1),
    LayerSpec("CONV-4", 1, 2),
    LayerSpec("CONV-5", 5, 1),
    LayerSpec("CONV-6", 1, 2),
    LayerSpec("CONV-7", 3, 1),
    LayerSpec("CONV-8", 1, 2),
    LayerSpec("CONV-9", 3, 1),
    LayerSpec("CONV-10", 1, 2),
    LayerSpec("CONV-11", 3, 1),
)
"""The convolutions of HCNN, SCNN and 3D-CNN (ExprGen, Table 1); each gives 64 channels."""

PRINTED_STRIDES = tuple(spec.stride for spec in TABLE_1)


def folded_strides(specs: tuple[LayerSpec, ...] = TABLE_1) -> tuple[int, ...]:
    """The strides of the cheaper, equal form: (2, 1, 2, 1, ...).

    A 1x1 layer at stride 2 reads only every second pixel of the layer before it, so the layer
    before can compute those alone: its stride becomes 2 and that of the 1x1 layer 1.
    """
    strides = [spec.stride for spec in specs]
    for i in range(len(specs) - 1):
        if specs[i + 1].kernel == 1 and specs[i + 1].stride == 2 and strides[i] == 1:
            strides[i], strides[i + 1] = 2, 1
    return tuple(strides)


FOLDED_STRIDES = folded_strides()

SHARED_LAYERS = 4
"""First convolutions that all looks at a face have in common, HCNN's."""
UPPER_ROWS = 8
"""Of the 16 rows that CONV-4 gives of a face of 64 pixels those that the upper look sees: they tell
of the face's first 38 pixels alone, down to the nostrils; the lips begin 6 pixels below."""

TEACHER_SIZE = 112
"""Side in pixels of the faces it looks at: a registered face then is as large as the recogniser's,
which saw 150 pixels with a margin of a quarter."""
TEACHER_STEM = 32
TEACHER_LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True))
"""(channels, blocks, whether the first block halves the picture) of each level."""

KINDS = ("human", "character")
KIND_SIZE = 64
"""Side in pixels of the faces that the kind network looks at."""
KIND_WIDTHS = (1, 16, 32, 64)

MOUTH_WIDTHS = (1, 8, 16, 24)

COEFFICIENT_SHARE = 0.15
"""Of the coefficients in the joint opinion; the rest is seen in the pixels (on ferplus/val 0.15 and
0.3 are as good; without the teacher 0.3 was best)."""

MEASURED = len(GEOMETRIC_FEATURES) + len(ARKIT_CHANNELS)
"""Numbers that the tracker measures of a face: geometric features, then coefficients."""
UPPER_MEASURED = tuple(
    place
    for place, name in enumerate((*GEOMETRIC_FEATURES, *ARKIT_CHANNELS))
    if name.startswith(("brow", "lid_height", "nose", "eye", "cheekSquint"))
)
"""Places of those among them that speech hardly moves."""
MOST_APART = 6.0
"""Deviations from the mean beyond which a measurement says no more."""

LOOKED = POOLED + 2 * CHANNELS
"""Numbers that convolutions give of a face, pooled: the teacher's, HCNN's, the second HCNN's."""
OF_TEACHER = POOLED + MEASURED + len(ARKIT_CHANNELS)
"""Numbers that a photograph reader's head looks at which doesn't see the HCNNs': the teacher's,
measurements, roots of the coefficients."""
LOOKED_AND_MEASURED = OF_TEACHER + LOOKED - POOLED
"""The same of one that does."""

TIME_STEP = 0.05
"""Seconds between two moments that the reader over time looks at."""
TIME_DILATIONS = (1, 4, 5)
"""Of its convolutions over time, of `TIME_KERNEL` moments each: together they reach a second before
and after."""
TIME_KERNEL = 5
TIME_WIDTH = 24
TIME_READERS = ("whole", "no_mouth", "against_neutral", "against_upper", "against_pixels")
"""Whose opinions it joins: on the whole face, on its upper part, on what is measured against the
actor's own neutral, on that of it which is not mouth or jaw, on it and what is seen in pixels."""
TIME_STANDS_IN = (0, 0, 0, 0, 2)
"""Which of them is heard in place of each that is not there."""
TIME_REACH = sum(d * (TIME_KERNEL // 2) for d in TIME_DILATIONS)
"""Moments before and after that have a say in one."""
TIME_MOUTH = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthSmile", "mouthStretch",
              "mouthPress", "mouthUpperUp", "mouthLowerDown", "mouthRoll")  # fmt: skip
"""Channels by which it sees the mouth's motion, the sides (or lips) of each together."""
TIME_OPINIONS = len(TIME_READERS) * len(EXPRESSIONS)
TIME_MOTION = 2 * len(TIME_MOUTH) + 1
"""Numbers that tell whether a mouth speaks: where it is, how quickly it moves, a face is seen."""
TIME_INPUTS = TIME_OPINIONS + TIME_MOTION
"""What the reader over time looks at in a moment: opinions, then the motion."""
TIME_JOINED = TIME_OPINIONS + 1
"""How much each opinion on each expression counts, and what is added to neutral."""
TIME_FIRST = (0.5, 0.2, 0.2, 0.2, 0.4)
"""How much each of TIME_READERS counts before anything is learned."""

AFFECT_CHANNELS = (
    "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekSquint", "eyeSquint", "eyeWide",
    "jawOpen", "jawForward", "mouthSmile", "mouthFrown", "mouthStretch", "mouthPress",
    "mouthPucker", "mouthFunnel", "mouthUpperUp", "mouthLowerDown", "mouthShrug", "mouthDimple",
    "mouthRoll", "noseSneer",
)  # fmt: skip
"""Channels that the affect reader looks at, both sides of each together."""
AFFECT_INPUTS = len(EXPRESSIONS) + len(AFFECT_CHANNELS)

HEADSET_WIDTHS = {"eye": (1, 12, 16, 20, 24), "mouth": (1, 12, 16, 24, 32)}
"""Channels of each branch, a convolution between any two."""
HEADSET_NUMBERS = {"eye": 20, "mouth": 28}
"""Numbers that are left of an eye's picture and of the mouth's."""
HEADSET_CODE = 2 * HEADSET_NUMBERS["eye"] + HEADSET_NUMBERS["mouth"]
HEADSET_HIDDEN = 48
HEADSET_DARK = 4.0
"""The least deviation, in grey levels, by which such a picture is divided."""
