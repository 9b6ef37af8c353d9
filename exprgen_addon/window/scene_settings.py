"""What a scene and a character remember: the panel's settings, kept in the .blend.

Nothing of a running job is kept here. Settings become the frozen dataclasses that the command line
uses (`retarget_settings`, `key_options`), so that a wrong one is refused in the same words.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from functools import partial

import bpy
import numpy as np
from bpy import props
from bpy.props import CollectionProperty, PointerProperty

from ...networks.errors import ExprGenError
from ...networks.settings import EMPHASIS_PARTS, RetargetSettings
from ...networks.vocabulary import EXPRESSIONS, LARGEST, OUTPUTS, REGIONS
from ..characters.in_scene import CHARACTER_TAG, active_collection, character_of, select_rig
from ..keying.fcurves import copy_curve, find_curve
from ..keying.key_options import INTERPOLATION_ITEMS, KeyOptions
from ..keying.keyframes import scene_fps
from ..keying.take_list import take_for

_DEFAULTS = RetargetSettings()
EXPRESSION_ITEMS = [(e, e.capitalize(), f"Towards {e}", i) for i, e in enumerate(EXPRESSIONS)]

# Blender lets any property be keyed that does not say otherwise. Of these the value of now counts
# for the whole shot: keys on them would be kept, shown and heard by nobody.
_STILL: set[str] = set()
BoolProperty = partial(props.BoolProperty, options=_STILL)
EnumProperty = partial(props.EnumProperty, options=_STILL)
FloatProperty = partial(props.FloatProperty, options=_STILL)
FloatVectorProperty = partial(props.FloatVectorProperty, options=_STILL)
IntProperty = partial(props.IntProperty, options=_STILL)
StringProperty = partial(props.StringProperty, options=_STILL)

_PATH = {"PATH_SUPPORTS_BLEND_RELATIVE"}

PRESET_FIELDS = (
    "key_expression", "key_head", "key_eyes", "smoothing_eyes", "smoothing_mouth",
    "smoothing_head", "calibration", "emphasis", "articulation", "own_emphasis",
    *(f"emphasis_{p}" for p in EMPHASIS_PARTS), "interpolation", "reduce", "subframes",
    "replace_hand_made", "blend_in", "blend_out", *(f"gain_{r}" for r in REGIONS),
)  # fmt: skip
"""What a preset of the Apply panel holds."""


def _part(name: str, default: float, what: str, **more):
    return FloatProperty(
        name=name, default=default, min=0.0, max=1.0, subtype="FACTOR", description=what, **more
    )


def _emphasis(name: str, what: str):
    """The one kind of setting whose keys count: it changes over the shot."""
    return _part(name, _DEFAULTS.emphasis, what, options={"ANIMATABLE"})


def _gain(region: str):
    return FloatProperty(
        name=region.capitalize(),
        default=1.0,
        min=0.0,
        soft_max=2.0,
        max=4.0,
        description=f"Factor on how far the {region} moves; 1 leaves it as it was seen",
    )


def _parts_begin(settings: EXPRGEN_PG_scene, context) -> None:
    """Parts that nobody has set yet begin with the emphasis of the whole, and with a copy of its
    keys where it has some: to tick By Part changes nothing by itself. A part that was set once,
    here or by hand, keeps what it is."""
    scene = settings.id_data
    whole = find_curve(scene, "exprgen.emphasis")
    for name in [f"emphasis_{part}" for part in EMPHASIS_PARTS] if settings.own_emphasis else ():
        path = f"exprgen.{name}"
        if settings.is_property_set(name) or find_curve(scene, path) is not None:
            continue
        setattr(settings, name, settings.emphasis)
        if whole is not None and whole.id_data.is_editable:
            copy_curve(whole, scene, path)


# Functions and no lambdas: Blender evaluates annotations as text, and a lambda in them would not
# see this module's names when it is called.


def _redraw(self, context) -> None:
    from . import job_timer

    job_timer.redraw(viewport=True)


def _reference_changed(self, context) -> None:
    from . import references

    self.track = ""  # it was of another one
    if self.reference:
        self.take = take_for(references.identity(self), self.take)


def _chosen_row(self) -> int:
    found = active_collection(self.id_data)
    return list(bpy.data.collections).index(found) if found is not None else 0


def _choose_row(self, row: int) -> None:
    everyone = bpy.data.collections
    self.chosen = everyone[row] if 0 <= row < len(everyone) else None


def _character_chosen(self, context) -> None:
    """Who chooses a character in the list means its rig."""
    found = active_collection(self.id_data)
    if context.scene != self.id_data or found is None:
        return
    with contextlib.suppress(ExprGenError):  # its profile is gone, which the list shows
        select_rig(character_of(found))
    _footage_changed(self, context)


def _footage_changed(self, context) -> None:
    from . import reference_overlay

    reference_overlay.refresh(self.id_data)


def _live_switched(self, context) -> None:
    from . import live_clarity

    live_clarity.switch(self.live)


class EXPRGEN_PG_correction(bpy.types.PropertyGroup):
    """A pose that an animator set by hand, kept as what it adds to the solved one."""

    time: FloatProperty(name="Time", unit="TIME_ABSOLUTE", description="Seconds of the reference")
    radius: FloatProperty(
        name="Reach",
        default=0.25,
        min=0.0,
        soft_max=2.0,
        description="Seconds before and after over which it fades in and out",
    )
    strength: FloatProperty(
        name="Strength",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How much of the correction counts; 0 switches it off",
    )
    offsets: StringProperty(description="Control -> what is added, in unit values, as JSON")
    keyed: StringProperty(description="Strength and reach that are in the keys")
    reference: StringProperty(description="The reference that it was made on; empty: before 0.2")


class EXPRGEN_PG_overruled(bpy.types.PropertyGroup):
    """What is felt in a span of a reference by an animator's word, instead of what was read."""

    start: FloatProperty(name="From", unit="TIME_ABSOLUTE", description="Seconds of the reference")
    end: FloatProperty(name="To", unit="TIME_ABSOLUTE", description="Seconds of the reference")
    weights: FloatVectorProperty(
        size=len(EXPRESSIONS), min=0.0, description="Of the seven expressions"
    )
    reference: StringProperty(description="The reference that it was said of")
    contents: StringProperty(description="Tells that reference under another name")
    moment: FloatProperty(unit="TIME_ABSOLUTE", description="When the face was where it is told")
    face: FloatVectorProperty(
        size=3,
        description="Middle and width of the face that it was said of, in widths of the picture; "
        "all 0: of any",
    )


class EXPRGEN_PG_character(bpy.types.PropertyGroup):
    """Settings of one copy of a character, on its collection."""

    enabled: BoolProperty(
        name="Drive", default=True, description="Key this character when applying"
    )
    gain: FloatProperty(
        name="Gain",
        default=1.0,
        min=0.0,
        soft_max=2.0,
        max=4.0,
        description="Factor on this character's expression; head and eyes stay as they are",
    )
    corrections: CollectionProperty(type=EXPRGEN_PG_correction)
    active_correction: IntProperty()


def _is_character(self, collection) -> bool:
    return CHARACTER_TAG in collection


class EXPRGEN_PG_scene(bpy.types.PropertyGroup):
    """The panel's settings."""

    reference: StringProperty(
        name="Reference",
        description="A clip, a picture, or a folder of pictures that shows a face",
        update=_reference_changed,
    )
    face: EnumProperty(
        name="Face",
        items=[
            (LARGEST, "Largest", "The largest face in the picture"),
            ("left", "Left", "The face furthest to the picture's left"),
            ("right", "Right", "The face furthest to the picture's right"),
            ("number", "By Number", "Counted from the left"),
        ],
        description="Which face to follow where there are several",
    )
    face_number: IntProperty(
        name="Number", min=0, max=31, description="Counted from the left, from 0"
    )
    use_range: BoolProperty(
        name="Only a Part", description="Analyse only a stretch of the reference"
    )
    range_start: FloatProperty(
        name="From", min=0.0, precision=2, description="Seconds of the reference"
    )
    range_end: FloatProperty(
        name="To", default=10.0, min=0.0, precision=2, description="Seconds of the reference"
    )
    track: StringProperty(
        name="Analysis",
        subtype="FILE_PATH",
        options=_PATH,
        description="What was seen of the face (.npz)",
    )
    start_frame: FloatProperty(
        name="Start Frame",
        default=1.0,
        description="Scene frame on which the reference's time zero lies",
    )

    primary: PointerProperty(
        type=bpy.types.Collection,
        name="Primary",
        poll=_is_character,
        description="The character that is solved first; the others follow it",
    )
    chosen: PointerProperty(
        type=bpy.types.Collection,
        description="The character that is chosen in the list, which tells rows by numbers that "
        "shift with every collection that comes or goes",
    )
    active_character: IntProperty(
        name="Character",
        get=_chosen_row,
        set=_choose_row,
        update=_character_chosen,
        description="The character that is looked at, corrected and exported",
    )

    key_expression: BoolProperty(name="Expression", default=True, description="Key the face")
    key_head: BoolProperty(name="Head", default=True, description="Key the head's rotation")
    key_eyes: BoolProperty(name="Eyes", default=True, description="Key where the eyes look")
    smoothing_eyes: _part(
        "Eyes", _DEFAULTS.smoothing_eyes, "Smoothing of brows, lids and gaze; blinks are kept"
    )
    smoothing_mouth: _part(
        "Mouth", _DEFAULTS.smoothing_mouth, "Smoothing of nose, cheeks, mouth and jaw"
    )
    smoothing_head: _part("Head", _DEFAULTS.smoothing_head, "Smoothing of the head's rotation")
    calibration: EnumProperty(
        name="Neutral",
        items=[
            ("auto", "Find It", "Take the calmest frames of the clip for the actor's neutral face"),
            ("none", "Don't Calibrate", "Take the face as it is"),
            ("frame", "At Time", "The actor is neutral at a time of your choice"),
        ],
        description="The actor's neutral face, which becomes the character's",
    )
    neutral_time: FloatProperty(
        name="Time",
        min=0.0,
        precision=2,
        description="Seconds at which the actor is neutral; the other shots of a clip that is cut "
        "find theirs",
    )
    emphasis: _emphasis(
        "Emphasis",
        "How far the face is drawn to the character's own key poses of what is perceived: in what "
        "is slow and what the actor's lips, lids and brows leave free, and in joy and surprise as "
        "far as the actor shows them. Key it to change it over the shot",
    )
    own_emphasis: BoolProperty(
        name="By Part",
        description="Brows, eyes and mouth have an emphasis of their own, which counts instead of "
        "the one for all",
        update=_parts_begin,
    )
    emphasis_brows: _emphasis("Brows", "Emphasis of the brows; it can be keyed too")
    emphasis_eyes: _emphasis("Eyes", "Emphasis of lids and cheeks; it can be keyed too")
    emphasis_mouth: _emphasis("Mouth", "Emphasis of mouth, jaw and nose; it can be keyed too")
    articulation: FloatProperty(
        name="Articulation",
        default=_DEFAULTS.articulation,
        min=0.5,
        max=1.5,
        subtype="FACTOR",
        description="Factor on how far mouth and jaw go: above 1 further than the actor's; closed "
        "lips stay closed",
    )
    actor: StringProperty(
        name="Actor",
        description="A name under which this actor's neutral face and reach are kept: another clip "
        "of the same actor starts calibrated",
    )
    gain_brow: _gain("brow")
    gain_eye: _gain("eye")
    gain_nose: _gain("nose")
    gain_cheek: _gain("cheek")
    gain_mouth: _gain("mouth")
    gain_jaw: _gain("jaw")
    gain_gaze: _gain("gaze")
    gain_head: _gain("head")
    use_apply_range: BoolProperty(
        name="Only a Part", description="Replace keys only in a stretch of the timeline"
    )
    apply_first: IntProperty(name="First", default=1, description="First scene frame")
    apply_last: IntProperty(name="Last", default=250, description="Last scene frame")
    blend_in: IntProperty(
        name="Blend In",
        min=0,
        soft_max=48,
        description="Frames over which the new keys take over from what was there before",
    )
    blend_out: IntProperty(
        name="Blend Out",
        min=0,
        soft_max=48,
        description="Frames over which the new keys give way to what was there before",
    )
    interpolation: EnumProperty(
        name="Interpolation",
        items=INTERPOLATION_ITEMS,
        description="How the curve runs from key to key",
    )
    reduce: FloatProperty(
        name="Reduce",
        min=0.0,
        max=0.5,
        soft_max=0.05,
        precision=3,
        step=0.1,
        description="Leave out keys while the curve stays this near, in parts of a control's "
        "range; 0.01 leaves few enough to edit",
    )
    subframes: BoolProperty(
        name="Subframes", description="Keep the reference's own times, between whole frames"
    )
    replace_hand_made: BoolProperty(
        name="Replace All Keys",
        description="In the range, keys set by hand go too; else they stay and rule their frame",
    )
    take: StringProperty(
        name="Take", default="Take", description="Keys go to the action of this name"
    )
    new_take: BoolProperty(
        name="New Take",
        description="Make a new action and leave the present one as it is; else keys are written "
        "into the present action",
    )
    key_affect: BoolProperty(
        name="Affect",
        description="Key valence and arousal too, as custom properties of each rig that drivers "
        "and geometry nodes can follow",
    )
    sound: BoolProperty(
        name="Sound",
        default=True,
        description="Put the clip's sound into the sequencer, in step with the keys",
    )
    fit_range: BoolProperty(
        name="Fit Frame Range",
        default=True,
        description="Set the scene's frame range to the keys after applying to all of the clip",
    )

    overlay: EnumProperty(
        name="Reference",
        items=[
            ("off", "Hidden", "Don't show the reference in the viewport"),
            ("beside", "Beside", "Beside the character's face, where it hides no character"),
            ("over", "Over", "Over the character's own head, by the landmarks of both"),
            ("behind", "Behind", "Behind the character, larger and paler"),
        ],
        description="Where the footage is shown in the viewport",
    )
    overlay_opacity: FloatProperty(
        name="Opacity",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How opaque the reference is shown",
        update=_footage_changed,
    )
    over_opacity: FloatProperty(
        name="Opacity",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How opaque the reference is shown over the character's head",
        update=_footage_changed,
    )

    show_curve: BoolProperty(
        name="Curve in Viewport",
        default=False,
        description="Draw the seven probabilities over the clip at the bottom of the 3D view",
        update=_redraw,
    )
    show_affect: BoolProperty(
        name="Affect",
        default=False,
        description="Draw valence (white) and arousal (orange) over the clip too",
        update=_redraw,
    )
    show_lips: BoolProperty(
        name="Lips in Viewport",
        default=False,
        description="Draw the actor's lip gap and the chosen character's over the clip, at the "
        "bottom of the 3D view",
        update=_redraw,
    )
    show_mimicry: BoolProperty(
        name="Mimicry in Viewport",
        default=False,
        description="Draw how near the chosen character's face stays to the actor's over the clip, "
        "at the bottom of the 3D view",
        update=_redraw,
    )
    clearer_expression: EnumProperty(
        name="Expression", items=EXPRESSION_ITEMS, description="What the pose shall express"
    )

    new_profile: StringProperty(
        name="Profile",
        subtype="FILE_PATH",
        options=_PATH,
        description="The character's profile (.json), made in the first step",
    )
    new_pictures: IntProperty(
        name="Poses of Each",
        default=1000,
        min=100,
        max=100000,
        description="Poses to take of the character, and of the one it follows; 1000 take a minute "
        "or two. With fewer than 500 the network follows less well",
    )
    new_role: EnumProperty(
        name="Role",
        items=[
            ("secondary", "Follows the Primary", "Learns from pictures of two characters: minutes"),
            ("primary", "Primary", "Learns from people's faces too: needs labelled faces (HED)"),
        ],
        description="What the new character's network learns",
    )

    overruled: CollectionProperty(type=EXPRGEN_PG_overruled)
    overruled_used: StringProperty(
        description="What was said of each clip's phrases at its last Apply"
    )

    neutral_used: StringProperty(description="Where the actor's neutral of the last Apply is from")

    written: IntProperty(description="How often a job has written into this scene; undone with it")

    @property
    def face_choice(self) -> str:
        """The choice of face as the command line takes it."""
        return str(self.face_number) if self.face == "number" else self.face

    @property
    def range_text(self) -> str:
        """The analysed part, for a name."""
        return f"{self.range_start:.3f}-{self.range_end:.3f}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is keyed."""
        return tuple(o for o in OUTPUTS if getattr(self, f"key_{o}"))


def _control_ticked(self, context) -> None:
    from .operators import try_controls

    if not context.window_manager.exprgen.filling:
        try_controls.ticked(context.window_manager.exprgen)


def _control_moved(self, context) -> None:
    from .operators import try_controls

    try_controls.move(context.window_manager.exprgen, self)


def _raised(self) -> float:
    return max(0.0, self.value)


def _raise(self, value: float) -> None:
    self.value = value


class EXPRGEN_PG_new_control(bpy.types.PropertyGroup):
    """A control of the new character, to be tried and kept or left out; `name` is its name."""

    kept: BoolProperty(
        name="Keep",
        default=True,
        description="Drive this control; without the tick it is left out of the profile",
        update=_control_ticked,
    )
    value: FloatProperty(
        name="Try",
        min=-1.0,
        max=1.0,
        subtype="FACTOR",
        description="Move the rig: 0 is at rest, 1 and -1 are the control's limits",
        update=_control_moved,
    )
    raised: FloatProperty(
        name="Try",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="Move the rig: 0 is at rest, 1 is the control's limit",
        get=_raised,
        set=_raise,
    )
    region: StringProperty()
    down: BoolProperty(description="It goes below its rest")
    up: BoolProperty(description="It goes above its rest")


class EXPRGEN_PG_window(bpy.types.PropertyGroup):
    """What belongs to the running Blender and not to the file.

    controls: of the new character whose profile is `controls_of`; refused: why the last one could
    not be tried or left out.
    """

    controls: CollectionProperty(type=EXPRGEN_PG_new_control)
    active_control: IntProperty(name="Control")
    controls_of: StringProperty()
    refused: StringProperty()
    filling: BoolProperty()

    live: BoolProperty(
        name="Live Clarity",
        description="Show how the character's present pose reads, while you pose it",
        update=_live_switched,
    )


classes = (
    EXPRGEN_PG_correction,
    EXPRGEN_PG_overruled,
    EXPRGEN_PG_character,
    EXPRGEN_PG_scene,
    EXPRGEN_PG_new_control,
    EXPRGEN_PG_window,
)


def register() -> None:
    """Hang the settings on scenes and collections."""
    bpy.types.Scene.exprgen = PointerProperty(type=EXPRGEN_PG_scene)
    bpy.types.Collection.exprgen = PointerProperty(type=EXPRGEN_PG_character)
    bpy.types.WindowManager.exprgen = PointerProperty(type=EXPRGEN_PG_window)


def unregister() -> None:
    """Take them off again."""
    del bpy.types.WindowManager.exprgen
    del bpy.types.Collection.exprgen
    del bpy.types.Scene.exprgen


def retarget_settings(
    settings: EXPRGEN_PG_scene, start_frame: float | None = None
) -> RetargetSettings:
    """The panel's settings as the worker takes them; the whole clip is solved.

    Args:
        start_frame: scene frame of the clip's time zero, by default the panel's.

    Raises:
        UsageError: nothing is to be keyed.
    """
    calibration = settings.calibration
    parts = EMPHASIS_PARTS if settings.own_emphasis else ()
    return RetargetSettings(
        smoothing_eyes=settings.smoothing_eyes,
        smoothing_mouth=settings.smoothing_mouth,
        smoothing_head=settings.smoothing_head,
        calibration=settings.neutral_time if calibration == "frame" else calibration,
        emphasis=settings.emphasis,
        emphasis_parts={part: getattr(settings, f"emphasis_{part}") for part in parts},
        emphasis_curve=emphasis_curve(settings.id_data, start_frame),
        emphasis_part_curves=_keyed_parts(settings.id_data, parts, start_frame),
        phrases=_phrases_said(settings),
        articulation=settings.articulation,
        actor=settings.actor,
        gain={
            r: getattr(settings, f"gain_{r}")
            for r in REGIONS
            if abs(getattr(settings, f"gain_{r}") - 1.0) > 1e-6
        },
        outputs=settings.outputs,
    )


def _phrases_said(settings: EXPRGEN_PG_scene) -> tuple:
    from . import references

    return references.phrases_said(settings)


def _keyed_parts(
    scene: bpy.types.Scene, parts: Iterable[str], start_frame: float | None
) -> dict[str, tuple[tuple[float, float], ...]]:
    """Those of the parts whose own emphasis is keyed, as `emphasis_curve`."""
    curves = {p: emphasis_curve(scene, start_frame, f"emphasis_{p}") for p in parts}
    return {part: curve for part, curve in curves.items() if curve}


def emphasis_curve(
    scene: bpy.types.Scene, start_frame: float | None = None, name: str = "emphasis"
) -> tuple[tuple[float, float], ...]:
    """(seconds of the reference, emphasis) on each frame on which the keyed emphasis, or that of a
    part by its property's name, changes; empty where it is not keyed, or muted. What goes on beyond
    the keys, by a modifier or a slope, does so as far as the scene's frames reach."""
    curve = find_curve(scene, f"exprgen.{name}")
    if curve is None or curve.is_empty or curve.mute:
        return ()
    first, last = (float(f) for f in curve.range())
    if len(curve.modifiers) or curve.extrapolation == "LINEAR":
        first, last = min(first, scene.frame_start), max(last, scene.frame_end)
    frames = first + np.arange(max(1, math.ceil(last - first) + 1))
    fps = scene_fps(scene)
    start = scene.exprgen.start_frame if start_frame is None else start_frame
    return tuple(
        (float(f - start) / fps, min(max(float(curve.evaluate(f)), 0.0), 1.0)) for f in frames
    )


def key_options(settings: EXPRGEN_PG_scene) -> KeyOptions:
    """The panel's settings of keys."""
    return KeyOptions(
        start_frame=settings.start_frame,
        subframes=settings.subframes,
        interpolation=settings.interpolation,
        reduce=settings.reduce,
        keep_hand_made=not settings.replace_hand_made,
        affect=settings.key_affect,
        whole=not (
            settings.use_range
            or settings.use_apply_range
            or settings.blend_in
            or settings.blend_out
        ),
    )
