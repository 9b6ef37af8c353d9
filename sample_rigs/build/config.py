"""Settings of a character: who it is, how it is stylised, its colours, hair and control scheme.

Lengths are metres in the frame of `source` unless a name says otherwise; colours are sRGB hex.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Style:
    """Smooth space warp that turns the anatomical head into a stylised one; 1.0 / 0.0 is neutral.

    eye_scale: enlargement of eyes, lids and lashes together.
    eye_apart, eye_down: shift of each eye, metres.
    jaw_width, chin_width, cranium_width: widths relative to the anatomy.
    face_height: height between eyes and chin relative to the anatomy.
    cranium_height: height above the eyes relative to the anatomy.
    nose_scale, mouth_scale: size about their own centres.
    nose_up: lift of the nose tip, metres.
    neck_width, shoulder_scale: of what is below the chin.
    eye_open: share of eyeWide baked into the rest shape (anny's eyes are sleepy).
    smile: share of mouthSmile baked into the rest shape (anny's mouth is stern).
    strength: share of the exaggeration in `stylise.GAINS` (0: the actions as anny has them).
    brow_scale: travel of the brows relative to the stylised default.
    """

    eye_scale: float = 1.0
    eye_apart: float = 0.0
    eye_down: float = 0.0
    jaw_width: float = 1.0
    chin_width: float = 1.0
    cranium_width: float = 1.0
    face_height: float = 1.0
    cranium_height: float = 1.0
    nose_scale: float = 1.0
    nose_up: float = 0.0
    mouth_scale: float = 1.0
    neck_width: float = 1.0
    shoulder_scale: float = 1.0
    eye_open: float = 0.0
    smile: float = 0.0
    strength: float = 1.0
    brow_scale: float = 1.0


@dataclass(frozen=True)
class Brow:
    """One eyebrow, as a tapered tube on the skin.

    lift: height above the brow bone; height: thickness seen from the front; depth: how far it
    stands out; arch: rise of the outer third; inner_lift: rise of the inner end (a milder look).
    Metres.
    """

    lift: float = 0.0
    height: float = 0.007
    depth: float = 0.004
    arch: float = 0.004
    inner_lift: float = 0.0
    inner: float = 0.013
    outer: float = 0.054
    taper_in: float = 0.55
    taper_out: float = 0.15


@dataclass(frozen=True)
class Mouth:
    """What makes a drawn mouth readable from afar; at its defaults lips are the base mesh's.

    forward: how far round lips come forward, relative to the base mesh's.
    press: share of the red that pressed lips hide (0: the base mesh's press, which smiles).
    pout: how far the lower lip of a pout comes forward, metres; it swells with it.
    arched: how much less a raised upper lip rises and a lowered lower one falls beside the middle,
        share: the base mesh's bare a square.
    dark: how dark the inner side of the lips is, 0..1: a small opening is seen as one.
    teeth_up: how much higher the rows of teeth meet, metres: dark shows below them first.
    teeth_smile: how far a smile brings the upper row of teeth down, metres: a drawn smile opens
        downwards, and what shows in it has to be teeth. The lower row then sinks behind its lip.
    teeth_bared: how far a lower lip that is drawn down brings the upper row down, metres: the rows
        of a drawn mouth, which opens downwards, would else meet above its middle.
    teeth_open: how much further than that it comes down in an open mouth, metres, where the rows
        don't meet and the upper lip, raised, would hide most of it.
    teeth_tall: how tall the upper and the lower row are, relative to people's.
    sealed: whether the lips touch all along at rest.
    overlap: how far sealed lips lie over each other, metres.
    teeth_corners: how dark the rows are behind the corners of the mouth, share: the buccal
        corridor, which keeps a grin from being one white block.
    teeth_glow: emission of the teeth, which shadow does not darken.
    teeth_shaded: whether they fade into the hollow where lips leave little light on them.
    """

    forward: float = 1.0
    press: float = 0.0
    pout: float = 0.0
    arched: float = 0.0
    dark: float = 0.0
    teeth_up: float = 0.0
    teeth_smile: float = 0.0
    teeth_bared: float = 0.0
    teeth_open: float = 0.0
    teeth_tall: tuple[float, float] = (1.6, 0.4)
    teeth_corners: float = 0.0
    teeth_glow: float = 0.22
    teeth_shaded: bool = False
    sealed: bool = False
    overlap: float = 0.0003


@dataclass(frozen=True)
class Palette:
    """sRGB hex colours."""

    skin: str = "#e8b89b"
    blush: str = "#e08f78"
    lips: str = "#c9726a"
    lid: str = "#d9a186"
    crease: str = "#8a4a36"
    hair: str = "#5b3a29"
    hair_light: str = "#7d5239"
    brow: str = "#3f281c"
    lash: str = "#1c1210"
    iris: str = "#5d8a4a"
    iris_rim: str = "#23351c"
    sclera: str = "#f4f1ee"
    shirt: str = "#4d7fa8"
    teeth: str = "#f6f0e6"
    tongue: str = "#c9625f"
    cavity: str = "#5a1f1e"


@dataclass(frozen=True)
class CharacterConfig:
    """Everything `assemble.build_character` needs.

    phenotypes, local: anny's phenotype values and local changes.
    controls: "board" (bone face board), "arkit" (shape keys as controls), "properties" (custom
    properties with FACS names) or "actions" (shape keys without correctives): the scheme that
    `controls` builds.
    hair: name of a style in `hair.STYLES`.
    lashes: which lash sets of the base mesh to keep (1 lower, 2 upper).
    iris_angle: half angle of the iris seen from the ball's centre, degrees.
    creases: depth of wrinkles relative to the stylised default.
    crease_width: width of wrinkles likewise.
    deeper: crease -> its depth and darkness relative to the others'.
    lines: crease -> share of it that is always there, with age.
    bald: whether the scalp is bare above the temples. bush: stray hairs of each brow.
    pose_edits: pose name -> channel (or control) -> value: what this character corrects in the
        shared key poses, see `poses.edited_poses`.
    """

    name: str
    title: str
    phenotypes: dict[str, float]
    local: dict[str, float] = field(default_factory=dict)
    style: Style = Style()
    brow: Brow = Brow()
    palette: Palette = Palette()
    mouth: Mouth = Mouth()
    hair: str = "bob"
    controls: str = "arkit"
    primary: bool = False
    lashes: tuple[int, ...] = (2,)
    iris_angle: float = 33.0
    pupil_angle: float = 14.0
    creases: float = 1.0
    crease_width: float = 1.0
    lines: dict[str, float] = field(default_factory=dict)
    deeper: dict[str, float] = field(default_factory=dict)
    bald: bool = False
    bush: int = 0
    seed: int = 1
    pose_edits: dict[str, dict[str, float]] = field(default_factory=dict)


READABLE = Mouth(
    forward=1.4,
    press=0.75,
    pout=0.0045,
    arched=0.38,
    dark=1.0,
    teeth_up=0.0014,
    teeth_smile=0.0038,
    teeth_bared=0.0016,
    teeth_open=0.0032,
    teeth_tall=(1.75, 0.58),
    teeth_corners=0.9,
    teeth_glow=0.2,
    teeth_shaded=True,
    sealed=True,
)
"""Chosen by looking, at the size at which films and strips show a face."""
SNEER = {"nose": 1.5}
"""A nose that wrinkles is small on a drawn face: what makes it seen."""

MIRA = CharacterConfig(
    name="mira",
    title="Mira",
    phenotypes={
        "gender": 0.0,
        "age": 0.56,
        "muscle": 0.4,
        "weight": 0.42,
        "height": 0.5,
        "proportions": 0.9,
        "african": 0.12,
        "asian": 0.3,
        "caucasian": 0.58,
    },
    local={
        "nose-scale-horiz-incr": -0.35,
        "nose-hump-incr": -0.6,
        "nose-point-up": 0.45,
        "nose-volume-incr": -0.35,
        "chin-prominent-incr": 0.15,
        "l-cheek-volume-incr": 0.35,
        "r-cheek-volume-incr": 0.35,
        "mouth-upperlip-volume-incr": -0.3,
        "mouth-lowerlip-volume-incr": -0.3,
        "mouth-upperlip-height-incr": -0.35,
        "mouth-lowerlip-height-incr": -0.35,
        "mouth-scale-horiz-incr": 0.25,
        "mouth-scale-vert-incr": -0.4,
        "l-eye-bag-incr": -0.8,
        "r-eye-bag-incr": -0.8,
    },
    style=Style(
        eye_scale=1.5,
        eye_apart=0.0022,
        eye_down=0.003,
        jaw_width=0.93,
        chin_width=0.84,
        cranium_width=1.05,
        face_height=0.93,
        cranium_height=1.06,
        nose_scale=0.84,
        nose_up=0.003,
        mouth_scale=1.16,
        neck_width=0.82,
        shoulder_scale=0.78,
        eye_open=1.05,
        smile=0.34,
        brow_scale=1.15,
    ),
    brow=Brow(
        lift=0.004, height=0.0072, depth=0.004, arch=0.0026, inner_lift=0.0022, taper_in=0.75
    ),
    palette=Palette(
        skin="#dfa583",
        blush="#d9775f",
        lips="#b04a4c",
        lid="#c48a70",
        crease="#7e3d2b",
        hair="#3a1d16",
        hair_light="#8a4a30",
        brow="#2c1712",
        iris="#a8702c",
        iris_rim="#3a1f0c",
        shirt="#2f8f86",
    ),
    mouth=READABLE,
    hair="bob",
    deeper=SNEER,
    pupil_angle=13.0,
    controls="board",
    primary=True,
    seed=7,
    pose_edits={
        # The rest mouth smiles a little: what has to look stern takes more frown.
        "anger_pressed": {"mouthFrown": 0.8, "mouthPress": 0.6},
        "anger_subtle": {"browDown": 0.8, "mouthFrown": 0.6},
        "anger_one_sided": {"mouthFrown": 0.75},
        "anger_glare": {"mouthFrown": 0.65},
        "anger_tense": {"mouthFrown": 0.8},
        "anger_clenched": {"mouthFrown": 0.75},
        "anger_snarl": {"mouthUpperUp": 0.5, "noseSneer": 0.0},
        "fear_closed": {"eyeWide": 1.0, "mouthFrown": 0.5},
        "fear_subtle": {
            "browInnerUp": 0.85,
            "eyeWide": 0.8,
            "mouthStretch": 0.65,
            "mouthFrown": 0.25,
        },
        "fear_frozen": {"mouthStretch": 0.8, "mouthFrown": 0.45, "jawOpen": 0.18},
        "surprise_closed": {
            "browInnerUp": 0.6,
            "eyeWide": 1.0,
            "mouthPucker": 0.4,
            "mouthFunnel": 0.2,
        },
        "surprise_parted": {"browInnerUp": 0.55, "eyeWide": 0.9, "jawOpen": 0.32},
        "surprise_subtle": {"browOuterUp": 0.75, "browInnerUp": 0.4, "eyeWide": 0.65},
        "joy_subtle": {"mouthSmile": 0.7, "cheekSquint": 0.35},
    },
)

TOBI = CharacterConfig(
    name="tobi",
    title="Tobi",
    phenotypes={
        "gender": 1.0,
        "age": 0.30,
        "muscle": 0.45,
        "weight": 0.55,
        "height": 0.5,
        "proportions": 0.6,
        "african": 0.0,
        "asian": 0.05,
        "caucasian": 0.95,
    },
    local={
        "l-ear-scale-incr": 0.5,
        "r-ear-scale-incr": 0.5,
        "l-ear-wing-incr": 0.7,
        "r-ear-wing-incr": 0.7,
        "l-cheek-volume-incr": 0.6,
        "r-cheek-volume-incr": 0.6,
        "nose-point-up": 0.5,
        "mouth-upperlip-volume-incr": -0.55,
        "mouth-lowerlip-volume-incr": -0.2,
        "mouth-upperlip-height-incr": -0.3,
        "mouth-lowerlip-height-incr": -0.1,
        "mouth-scale-horiz-incr": 0.4,
        "mouth-scale-vert-incr": -0.35,
        "l-eye-bag-incr": -0.8,
        "r-eye-bag-incr": -0.8,
    },
    style=Style(
        eye_scale=1.26,
        eye_apart=0.002,
        eye_down=0.002,
        jaw_width=1.0,
        chin_width=0.95,
        cranium_width=1.06,
        face_height=0.95,
        cranium_height=1.05,
        nose_scale=0.92,
        nose_up=0.002,
        mouth_scale=1.16,
        neck_width=0.78,
        shoulder_scale=0.8,
        eye_open=0.75,
        smile=0.24,
    ),
    brow=Brow(lift=0.003, height=0.0085, depth=0.005, arch=0.001, taper_in=0.8, taper_out=0.45),
    palette=Palette(
        skin="#f0c3a8",
        blush="#e88c74",
        lips="#c4645e",
        lid="#e3ac92",
        crease="#9a5540",
        hair="#b4622a",
        hair_light="#d98b45",
        brow="#8f4a20",
        lash="#3a2218",
        iris="#3f7fb0",
        iris_rim="#1b3a58",
        shirt="#d8a53a",
    ),
    mouth=READABLE,
    hair="tousled",
    controls="arkit",
    deeper=SNEER,
    iris_angle=32.0,
    seed=11,
    pose_edits={
        "anger_subtle": {"browDown": 0.75, "mouthFrown": 0.45},
        "anger_pressed": {"mouthFrown": 0.6},
        "fear_closed": {"eyeWide": 1.0, "mouthFrown": 0.45},
        "fear_subtle": {
            "browInnerUp": 0.85,
            "eyeWide": 0.8,
            "mouthStretch": 0.65,
            "mouthFrown": 0.2,
        },
        "joy_subtle": {"mouthSmile": 0.75, "cheekSquint": 0.4},
        "surprise_closed": {"browInnerUp": 0.6, "eyeWide": 1.0, "mouthPucker": 0.35},
        "surprise_subtle": {"browOuterUp": 0.8, "browInnerUp": 0.35, "eyeWide": 0.65},
    },
)

ANSELM = CharacterConfig(
    name="anselm",
    title="Anselm",
    phenotypes={
        "gender": 1.0,
        "age": 0.93,
        "muscle": 0.4,
        "weight": 0.35,
        "height": 0.5,
        "proportions": 0.5,
        "african": 0.0,
        "asian": 0.0,
        "caucasian": 1.0,
    },
    local={
        "head-age-incr": 0.6,
        "l-ear-scale-incr": 1.0,
        "r-ear-scale-incr": 1.0,
        "l-ear-lobe-incr": 0.3,
        "r-ear-lobe-incr": 0.3,
        "l-ear-wing-incr": 0.5,
        "r-ear-wing-incr": 0.5,
        "l-ear-scale-vert-incr": 0.6,
        "r-ear-scale-vert-incr": 0.6,
        "nose-volume-incr": 0.6,
        "nose-hump-incr": 0.4,
        "nose-scale-vert-incr": 0.5,
        "nose-point-width-incr": 0.6,
        "nose-nostrils-width-incr": 0.4,
        "chin-prominent-incr": 0.4,
        "chin-height-incr": 0.3,
        "l-cheek-bones-incr": 0.6,
        "r-cheek-bones-incr": 0.6,
        "l-cheek-volume-incr": -0.5,
        "r-cheek-volume-incr": -0.5,
        "l-eye-push1-out": -0.4,
        "r-eye-push1-out": -0.4,
        "mouth-scale-horiz-incr": 0.25,
        "mouth-upperlip-volume-incr": -0.6,
        "mouth-lowerlip-volume-incr": -0.25,
        "mouth-upperlip-height-incr": -0.5,
        "mouth-lowerlip-height-incr": -0.1,
    },
    style=Style(
        eye_scale=1.2,
        eye_down=0.001,
        jaw_width=0.94,
        chin_width=0.92,
        cranium_width=0.98,
        face_height=1.14,
        cranium_height=0.93,
        nose_scale=1.5,
        nose_up=-0.002,
        mouth_scale=1.18,
        neck_width=0.74,
        shoulder_scale=0.74,
        eye_open=0.28,
        smile=0.14,
        brow_scale=1.35,
    ),
    brow=Brow(lift=0.002, height=0.0115, depth=0.0065, arch=0.002, taper_in=0.85, taper_out=0.4),
    palette=Palette(
        skin="#d29a7d",
        blush="#c4694f",
        lips="#9c4b49",
        lid="#b98069",
        crease="#70392a",
        hair="#cfcfcb",
        hair_light="#f4f3ee",
        brow="#efeeea",
        lash="#8d8078",
        iris="#6f93a8",
        iris_rim="#33495a",
        sclera="#efe8df",
        shirt="#6d4a57",
    ),
    # Little skin is between his nose and his lips.
    mouth=replace(READABLE, forward=1.1),
    hair="wreath",
    controls="properties",
    lashes=(),
    iris_angle=30.0,
    pupil_angle=11.0,
    creases=1.5,
    crease_width=1.2,
    lines={
        "nasolabial": 0.5,
        "forehead_mid": 0.65,
        "forehead_side": 0.65,
        "crow": 0.6,
        "under_eye": 0.8,
        "cheek_line": 0.5,
        "glabella": 0.1,
        "corner": 0.2,
    },
    bald=True,
    bush=32,
    seed=5,
    # His brows say a lot: low ones turn disgust into anger. His mouth rests in a faint smile.
    pose_edits={
        "anger_pressed": {"mouthFrown": 0.75, "noseSneer": 0.1},
        "anger_glare": {"mouthFrown": 0.75, "eyeSquint": 0.2},
        "anger_subtle": {"browDown": 0.7, "mouthFrown": 0.5},
        "anger_one_sided": {"mouthFrown": 0.6},
        "anger_clenched": {"mouthFrown": 0.75},
        "anger_tense": {"browDown": 1.0, "mouthFrown": 0.7},
        "anger_shout": {"mouthLowerDown": 0.5},
        "disgust_sneer": {"browDown": 0.1, "mouthUpperUp": 0.85},
        "disgust_open": {"browDown": 0.08, "mouthUpperUp": 1.0},
        "disgust_tongue": {"browDown": 0.08, "mouthUpperUp": 0.85},
        "disgust_chin": {"browDown": 0.08, "noseSneer": 1.0, "mouthUpperUp": 0.45},
        "disgust_subtle": {"browDown": 0.04, "noseSneer": 0.75, "mouthUpperUp": 0.55},
        "disgust_one_sided": {"browDown": 0.08},
        "disgust_gag": {"browDown": 0.05, "mouthUpperUp": 0.85},
        "disgust_lips_closed": {"browDown": 0.05, "mouthUpperUp": 0.4, "mouthPress": 0.15},
        "disgust_ew": {"browDown": 0.05, "mouthUpperUp": 1.0},
        "disgust_one_sided_right": {"browDown": 0.05},
        "fear_closed": {"eyeWide": 1.0, "browOuterUp": 0.1},
        "fear_subtle": {"browInnerUp": 0.85, "eyeWide": 0.8, "mouthStretch": 0.65},
        "joy_subtle": {"mouthSmile": 0.7, "cheekSquint": 0.45},
        "sadness_frown": {"mouthFrown": 1.0, "eyeBlink": 0.22},
        "sadness_subtle": {"browInnerUp": 0.75, "mouthFrown": 0.65, "eyeBlink": 0.18},
        "sadness_downcast": {"mouthFrown": 0.95},
        "surprise_open": {"browInnerUp": 0.32, "eyeWide": 1.0},
        "surprise_gasp": {"browInnerUp": 0.32},
        "surprise_round": {"browInnerUp": 0.32, "eyeWide": 1.0},
        "surprise_closed": {"browInnerUp": 0.35, "eyeWide": 1.0, "mouthFunnel": 0.3},
        "surprise_subtle": {"browOuterUp": 0.8, "eyeWide": 0.7, "jawOpen": 0.28},
        "surprise_one_sided": {"browInnerUp": 0.3, "eyeWide": 0.95},
        "surprise_wow": {"browInnerUp": 0.32, "browOuterUp": 1.0, "eyeWide": 0.95},
        "surprise_parted": {"browOuterUp": 1.0, "eyeWide": 1.0, "jawOpen": 0.38},
        "surprise_whistle": {"browInnerUp": 0.3, "eyeWide": 1.0},
        "surprise_one_sided_right": {"browInnerUp": 0.3, "eyeWide": 0.95},
    },
)

ACTOR = CharacterConfig(
    name="actor",
    title="Reference actor",
    phenotypes={
        "gender": 0.9,
        "age": 0.72,
        "muscle": 0.55,
        "weight": 0.5,
        "height": 0.5,
        "proportions": 0.7,
        "african": 0.2,
        "asian": 0.2,
        "caucasian": 0.6,
    },
    style=Style(eye_open=0.25, smile=0.05, strength=0.3, brow_scale=0.6),
    brow=Brow(lift=0.0, height=0.0065, depth=0.002, arch=0.002),
    palette=Palette(skin="#cf9f83", lips="#b06a60", hair="#2a2019", shirt="#4a4f57"),
    hair="short",
    controls="actions",
    iris_angle=28.0,
    pupil_angle=10.0,
    creases=0.7,
    seed=3,
)

CHARACTERS = {c.name: c for c in (MIRA, TOBI, ANSELM)}
