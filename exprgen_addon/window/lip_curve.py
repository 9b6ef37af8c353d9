"""The actor against the chosen character over the clip, in the 3D view: the lip gaps of both, and
how near the character's face stays to the actor's.

Where the lips should touch, the ground is marked; where they do not, it is red. So is it where the
faces are those of different expressions.
"""

from __future__ import annotations

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ...networks.solving.review import TOUCH, Shown
from ...networks.spans import runs
from . import job_timer, perception_curve, references, review
from .perception_curve import HEIGHT, MARGIN, POINTS, box, free_width

ACTOR, CHARACTER = (0.95, 0.95, 0.95, 0.95), (1.0, 0.55, 0.15, 0.95)
MEET, MISSED = (0.35, 0.75, 0.45, 0.35), (0.9, 0.2, 0.2, 0.55)
LEAST = 0.1
"""Eye distances that the height shows at least."""
LOW, DIFFERENT = 0.3, 0.66
"""Least mimicry that is drawn, and the most that two different expressions of an actor and a
character were found to have (docs/measured/face_in_3d.md). Prima's .94 is of blends, between two
people."""
EDGE = (1.0, 1.0, 1.0, 0.25)

_handle = None
_drawn: dict[str, object] = {}
"""Scene -> the analysis whose curve was wanted there at the last redraw."""


def register() -> None:
    """Draw in every 3D view that shows a scene which wants it."""
    global _handle
    if not bpy.app.background:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Draw no more."""
    global _handle
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
    _handle = None


def _look() -> None:
    """Once, between two redraws: what is drawn was looked at long ago, or never."""
    review.review_of(bpy.context.scene)
    job_timer.redraw(viewport=True)


def _draw() -> None:
    context = bpy.context
    scene = context.scene
    found = references.seen(scene.exprgen)
    asked = (scene.exprgen.show_lips, scene.exprgen.show_mimicry)
    wanted = (id(found.track), asked) if any(asked) and found is not None else None
    anew = wanted is not None and wanted != _drawn.get(scene.name)
    if anew and not bpy.app.timers.is_registered(_look):
        bpy.app.timers.register(_look, first_interval=0.0)
    _drawn[scene.name] = wanted
    if not any(asked) or not context.space_data.overlay.show_overlays:
        return
    looked, shown = review.kept(scene), review.shown_now(scene)
    if found is None or shown is None or len(looked.rows) < 2:
        return
    scale = context.preferences.system.ui_scale
    left, right = free_width(context)
    x0, x1 = left + MARGIN * scale, right - MARGIN * scale
    # Above the perception's curve, in the same width, so that a moment stands in one column.
    taken = perception_curve.taken(scene) * scale
    y0 = MARGIN * scale + taken * scene.exprgen.show_curve
    if x1 - x0 < 120:
        return
    times = np.asarray(found.track.times)
    first, last = float(times[0]), float(times[-1])
    x = x0 + (times[looked.rows] - first) / max(last - first, 1e-6) * (x1 - x0)
    now = references.seconds_at(scene, scene.frame_current_final)
    at = x0 + (now - first) / max(last - first, 1e-6) * (x1 - x0)
    at = at if first <= now <= last else None
    if asked[0]:
        _paint_lips(shown, x, (x0, x1), (y0, HEIGHT * scale), at, scale)
        y0 += taken
    if asked[1] and len(shown.mimicry) == len(x):
        _paint_mimicry(shown, x, (x0, x1), (y0, HEIGHT * scale), at, scale)


def _paint_mimicry(shown: Shown, x: np.ndarray, width, room, now: float | None, scale) -> None:
    (x0, x1), (y0, height) = width, room
    gpu.state.blend_set("ALPHA")
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    box(shader, x0 - 6, y0 - 6, x1 + 6, y0 + height + 18 * scale, (0.08, 0.08, 0.09, 0.72))
    for start, end in runs(shown.mimicry < DIFFERENT):
        box(shader, x[start], y0, max(x[end - 1], x[start] + 2), y0 + height, MISSED)
    edge = y0 + (DIFFERENT - LOW) / (1.0 - LOW) * height
    box(shader, x0, edge, x1, edge + 1, EDGE)
    _line(shader, x, (shown.mimicry - LOW) / (1.0 - LOW), room, CHARACTER)
    _now(shader, now, room)
    words = f"{shown.name}: how near to the actor's face, {shown.mimicry_score:.2f} in all"
    told = [(words, CHARACTER)]
    if off := int((shown.mimicry < DIFFERENT).sum()):
        told.append((f"as another expression in {off} of {len(x)} frames", MISSED))
    _words(told, x0, y0 + height + 4 * scale, scale)


def _line(shader, x: np.ndarray, values: np.ndarray, room, colour) -> None:
    """A curve of values 0..1 over places x."""
    step = max(1, len(x) // POINTS)
    points = np.stack([x, room[0] + np.clip(values, 0.0, 1.0) * room[1]], axis=1)[::step]
    gpu.state.line_width_set(1.5)
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points.astype(np.float32).tolist()})
    shader.uniform_float("color", colour)
    batch.draw(shader)


def _now(shader, now: float | None, room) -> None:
    """The moment that the scene shows; ends the drawing of a curve."""
    if now is not None:
        box(shader, now - 1, room[0] - 4, now + 1, room[0] + room[1] + 4, (1, 1, 1, 0.9))
    gpu.state.line_width_set(1.0)
    gpu.state.blend_set("NONE")


def _paint_lips(shown: Shown, x: np.ndarray, width, room, now: float | None, scale) -> None:
    (x0, x1), (y0, height) = width, room
    gpu.state.blend_set("ALPHA")
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    box(shader, x0 - 6, y0 - 6, x1 + 6, y0 + height + 18 * scale, (0.08, 0.08, 0.09, 0.72))
    for start, end in runs(shown.lips_meet):
        box(shader, x[start], y0, max(x[end - 1], x[start] + 2), y0 + height, MEET)
    for start, end in runs(shown.lips_meet & (shown.lips > TOUCH)):
        box(shader, x[start], y0, max(x[end - 1], x[start] + 2), y0 + height, MISSED)
    top = max(LEAST, float(shown.lips_wanted.max()), float(shown.lips.max()))
    for gap, colour in ((shown.lips_wanted, ACTOR), (shown.lips, CHARACTER)):
        _line(shader, x, gap / top, room, colour)
    _now(shader, now, room)
    _legend(shown, x0, y0 + height + 4 * scale, scale)


def _legend(shown: Shown, x: float, y: float, scale: float) -> None:
    wanted = int(shown.lips_meet.sum())
    missed = int((shown.lips_meet & (shown.lips > TOUCH)).sum())
    met = f"lips meet in {wanted - missed} of {wanted} frames"
    _words((("the actor's lip gap", ACTOR), (f"{shown.name}'s", CHARACTER),
            (met, MISSED if missed else MEET)), x, y, scale)  # fmt: skip


def _words(told, x: float, y: float, scale: float) -> None:
    """Words in their colours, one after the other."""
    blf.size(0, 11 * scale)
    for words, colour in told:
        blf.color(0, *colour[:3], 1.0)
        blf.position(0, x, y, 0)
        blf.draw(0, words)
        x += blf.dimensions(0, words)[0] + 14 * scale
