"""Say what is felt in a phrase, where it was read wrong."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, FloatProperty

from .. import job_timer, overruling, references, review
from ..scene_settings import EXPRESSION_ITEMS

BOTH, MIXTURE, READ = "both", "mixture", "read"
SAID_ITEMS = [
    *EXPRESSION_ITEMS,
    (
        BOTH,
        "Half and Half",
        "Both that the analysis thinks likeliest there, one half each",
        len(EXPRESSION_ITEMS) + 2,
    ),
    (MIXTURE, "Mixture...", "Two expressions at once, and how much of each", len(EXPRESSION_ITEMS)),
    (READ, "As Read", "What the analysis reads there", len(EXPRESSION_ITEMS) + 1),
]


class EXPRGEN_OT_overrule(bpy.types.Operator):
    """Say what the actor feels in this phrase instead of what was read. It counts at the next
    Apply, and outlives another analysis of the clip"""

    bl_idname = "exprgen.overrule"
    bl_label = "Overrule a Phrase"
    bl_options = {"REGISTER", "UNDO"}

    said: EnumProperty(
        name="Feels",
        items=SAID_ITEMS,
        options={"SKIP_SAVE"},
        description="What the actor feels in this phrase",
    )
    start: FloatProperty(name="From", unit="TIME_ABSOLUTE", options={"HIDDEN"})
    end: FloatProperty(name="To", unit="TIME_ABSOLUTE", options={"HIDDEN"})
    first: EnumProperty(
        name="Feels",
        items=EXPRESSION_ITEMS,
        default="joy",
        description="The first of the two expressions",
    )
    second: EnumProperty(
        name="And",
        items=EXPRESSION_ITEMS,
        default="surprise",
        description="The second of the two expressions",
    )
    share: FloatProperty(
        name="Share of the Second",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        description="How much of the mixture is the second; the rest is the first",
    )

    @classmethod
    def poll(cls, context):
        found = references.seen(context.scene.exprgen)
        if found is None or not found.track.phrases:
            cls.poll_message_set("Analyse a clip first")
            return False
        return True

    def invoke(self, context, event):
        if self.said != MIXTURE:
            return self.execute(context)
        phrase = references.phrase_near(context.scene.exprgen, 0.5 * (self.start + self.end))
        self.first, (self.second, _) = phrase.expression, phrase.second
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, context):
        names = ("first", "second", "share") if self.said == MIXTURE else ("said",)
        for name in names:
            self.layout.prop(self, name)

    def execute(self, context):
        settings = context.scene.exprgen
        span, clip = (self.start, self.end), references.clip_of(settings)
        if self.end <= self.start:
            self.report({"ERROR"}, "The phrase is empty")
            return {"CANCELLED"}
        if self.said == READ:
            if not overruling.take_back(settings, clip, span):
                return {"CANCELLED"}
        else:
            overruling.overrule(settings, clip, span, self._weights(settings))
        review.follow(context.scene)
        job_timer.redraw(viewport=True)
        return {"FINISHED"}

    def _weights(self, settings) -> tuple[float, ...]:
        if self.said == BOTH:
            read = references.phrase_near(settings, 0.5 * (self.start + self.end), as_read=True)
            return overruling.mixture(read.expression, read.second[0], 0.5)
        if self.said == MIXTURE:
            return overruling.mixture(self.first, self.second, self.share)
        return overruling.mixture(self.said, self.said, 0.0)


_clips: list[tuple[str, str, str]] = []


def _other_clips(self, context) -> list[tuple[str, str, str]]:
    """Other clips of which something is said, for a menu; kept, since Blender keeps no words."""
    settings = context.scene.exprgen
    names = overruling.other_clips(settings, references.clip_of(settings))
    tip = "Say of this clip what you said of that one, which is the same footage"
    _clips[:] = [(name, overruling.clip_name(name), tip) for name in names]
    return _clips


class EXPRGEN_OT_words_from(bpy.types.Operator):
    """Say of this clip's phrases what you said of another one's, at the same seconds: for footage
    that was encoded anew under another name"""

    bl_idname = "exprgen.words_from"
    bl_label = "Words of Another Clip"
    bl_options = {"REGISTER", "UNDO"}

    source: EnumProperty(name="Clip", items=_other_clips, description="Whose words are taken")

    @classmethod
    def poll(cls, context):
        return EXPRGEN_OT_overrule.poll.__func__(cls, context)

    def execute(self, context):
        settings = context.scene.exprgen
        count = overruling.carry_over(settings, references.clip_of(settings), self.source)
        if not count:
            self.report({"ERROR"}, "None of it is of this face, or within this clip")
            return {"CANCELLED"}
        words = "1 phrase is" if count == 1 else f"{count} phrases are"
        self.report({"INFO"}, f"{words} said as in {overruling.clip_name(self.source)}")
        review.follow(context.scene)
        job_timer.redraw(viewport=True)
        return {"FINISHED"}


classes = (EXPRGEN_OT_overrule, EXPRGEN_OT_words_from)
