"""What the face expresses at this frame, and where that is unsure."""

from __future__ import annotations

import bpy

from ....networks.phrases import Phrase, phrase_at
from ....networks.vocabulary import AFFECT, EXPRESSIONS
from .. import overruling, references
from .drawing import Part, alert

WARNINGS = 6
"""Warnings that are listed; more are counted."""
PHRASES = 8
"""Phrases that are listed: those around the present frame."""


class EXPRGEN_PT_perception(Part, bpy.types.Panel):
    """What the face expresses"""

    bl_label = "Perception"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return references.seen(context.scene.exprgen) is not None

    def draw(self, context):
        layout, scene = self.layout, context.scene
        found = references.seen(scene.exprgen)
        row = references.row_at(scene, found, scene.frame_current_final)
        if row is None:
            layout.label(text="The reference does not reach this frame", icon="INFO")
        else:
            draw_bars(layout, found.track.expression[row])
            if not found.track.found[row]:
                alert(layout, "The face is lost at this frame")
        line = layout.split(factor=0.68, align=True)
        line.prop(scene.exprgen, "show_curve", icon="FCURVE")
        if found.track.affect is not None:
            line.prop(scene.exprgen, "show_affect")
            if row is not None:
                pairs = zip(AFFECT, found.track.affect[row], strict=True)
                layout.label(text=", ".join(f"{name} {value:+.2f}" for name, value in pairs))
        if found.track.phrases:
            _draw_phrases(layout, scene, found.track.phrases)
        _draw_warnings(layout, found)


def draw_bars(layout, probabilities) -> None:
    """Seven bars, the likeliest one named."""
    column = layout.column(align=True)
    best = int(max(range(len(EXPRESSIONS)), key=lambda i: probabilities[i]))
    for i, name in enumerate(EXPRESSIONS):
        share = float(probabilities[i])
        row = column.row(align=True)
        row.active = i == best
        row.progress(factor=min(max(share, 0.0), 1.0), text=f"{name}  {share:.0%}")


def _draw_phrases(layout, scene: bpy.types.Scene, phrases: tuple[Phrase, ...]) -> None:
    """A row a phrase: its time, which goes there, and what is felt, which opens the choice."""
    now = references.seconds_at(scene, scene.frame_current_final)
    here = phrase_at(phrases, now)
    first = min(max(0, here - PHRASES // 2), max(0, len(phrases) - PHRASES))
    shown = phrases[first : first + PHRASES]
    column = layout.column(align=True)
    source = references.identity(scene.exprgen)
    waits = overruling.wait(scene.exprgen, source, references.phrases_said(scene.exprgen))
    heading = heading_text(first, len(shown), len(phrases), waits)
    column.label(text=heading, icon="INFO" if waits else "SEQ_STRIP_META")
    for index, phrase in enumerate(shown, first):
        row = column.split(factor=0.27, align=True)
        span = f"{phrase.start:.1f}-{phrase.end:.1f}"
        row.operator("exprgen.go_to", text=span, depress=index == here).seconds = phrase.start
        icon = "USER" if phrase.by_hand else "NONE"
        text = reading_text(phrase)
        choice = row.operator_menu_enum("exprgen.overrule", "said", text=text, icon=icon)
        choice.start, choice.end = phrase.start, phrase.end
    settings = scene.exprgen
    # There too once something is said: what lies below would move under the mouse.
    if overruling.other_clips(settings, references.clip_of(settings)):
        layout.operator_menu_enum("exprgen.words_from", "source", icon="PASTEDOWN")


def heading_text(first: int, shown: int, count: int, waits: bool) -> str:
    """Which phrases are listed, and whether what is said of them waits to be applied: in the one
    line that is always there, so that nothing moves under the mouse."""
    listed = "" if shown == count else f" {first + 1} to {first + shown} of {count}"
    if not waits:
        return f"Phrases{listed}"
    return f"{listed.strip()}: at the next Apply" if listed else "Phrases count at the next Apply"


def reading_text(phrase: Phrase) -> str:
    """What is felt in a phrase, in as few letters as fit into the sidebar as it comes: of a mixture
    that a person said, which has an icon before it, the second's share tells the first's."""
    second, chance = phrase.second
    if chance < 0.005:  # it would be told as 0%
        sure = "" if phrase.by_hand else f" {phrase.confidence:.0%}"
        return f"{phrase.expression}{sure}"
    sure = "" if phrase.by_hand else f" {100 * phrase.confidence:.0f}"
    return f"{phrase.expression}{sure}, {second} {chance:.0%}"


def _draw_warnings(layout, found: references.Seen) -> None:
    column = layout.column(align=True)
    for w in found.warnings[:WARNINGS]:
        row = column.split(factor=0.74, align=True)
        row.label(text=w.text, icon="ERROR" if w.kind == "lost" else "QUESTION")
        button = row.operator("exprgen.go_to", text=f"{w.start:.1f} s")
        button.seconds = w.start
        if found.stills:
            button.row = int((found.track.times < w.start - 1e-6).sum())
    more = len(found.warnings) - WARNINGS
    if more > 0:
        column.label(text=f"and {more} more")


classes = (EXPRGEN_PT_perception,)
