"""The perceived expression over the clip, drawn along the bottom of the 3D view."""

from __future__ import annotations

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ...networks.phrases import Phrase
from ...networks.solving import worst_frames
from ...networks.vocabulary import AFFECT, EXPRESSION_COLOURS, EXPRESSIONS
from . import references

HEIGHT, MARGIN = 96, 16
"""Of the drawing, and around it, in pixels at a user interface scale of 1."""
BAND = 16
"""Height of the phrases' band within it."""
AFFECT_COLOURS = ((0.95, 0.95, 0.95, 0.95), (1.0, 0.55, 0.15, 0.95))
"""Of valence and arousal."""
POINTS = 600
"""Most points of a line; a longer clip is thinned."""

_handle = None
_lines: tuple | None = None


def register() -> None:
    """Draw in every 3D view that shows a scene which wants it."""
    global _handle
    if not bpy.app.background:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Draw no more."""
    global _handle, _lines
    if _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
    _handle = _lines = None


def taken(scene: bpy.types.Scene) -> float:
    """How much of the view's bottom the drawing takes, in pixels at a scale of 1; 0 where nothing
    is drawn."""
    found = references.seen(scene.exprgen)
    return HEIGHT + MARGIN + 24.0 if found is not None and len(found.track) > 1 else 0.0


def _draw() -> None:
    context = bpy.context
    scene = context.scene
    if not scene.exprgen.show_curve or not context.space_data.overlay.show_overlays:
        return
    found = references.seen(scene.exprgen)
    if found is None or len(found.track) < 2:
        return
    scale = context.preferences.system.ui_scale
    left, right = free_width(context)
    x0, x1 = left + MARGIN * scale, right - MARGIN * scale
    y0, height = MARGIN * scale, HEIGHT * scale
    if x1 - x0 < 120:
        return
    gpu.state.blend_set("ALPHA")
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    box(shader, x0 - 6, y0 - 6, x1 + 6, y0 + height + 18 * scale, (0.08, 0.08, 0.09, 0.72))
    times, columns = _thinned(found)
    first, last = float(times[0]), float(times[-1])
    x = x0 + (times - first) / (last - first) * (x1 - x0)

    def place(seconds: float) -> float:
        """Where it is across; what lasts as long as the last frame ends where the curve ends."""
        return x0 + (min(seconds, last) - first) / (last - first) * (x1 - x0)

    for w in found.warnings:
        colour = (0.9, 0.2, 0.2, 0.35) if w.kind == worst_frames.LOST else (0.95, 0.7, 0.2, 0.22)
        box(shader, place(w.start), y0, max(place(w.end), place(w.start) + 1), y0 + height, colour)
    gpu.state.line_width_set(1.5)
    for i, name in enumerate(EXPRESSIONS):
        y = y0 + columns[:, i] * height
        points = np.stack([x, y], axis=1).astype(np.float32)
        batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points.tolist()})
        shader.uniform_float("color", _colour(name, 0.95))
        batch.draw(shader)
    affect = scene.exprgen.show_affect and found.track.affect is not None
    if affect:
        _draw_affect(shader, found, x0, x1, y0, height)
    seconds = references.seconds_at(scene, scene.frame_current_final)
    if found.stills:
        row = references.row_at(scene, found, scene.frame_current_final)
        seconds = float(found.track.times[row]) if row is not None else first - 1
    if first <= seconds <= last:
        box(shader, place(seconds) - 1, y0 - 4, place(seconds) + 1, y0 + height + 4, (1, 1, 1, 0.9))
    gpu.state.line_width_set(1.0)
    for phrase in found.track.phrases or ():
        _draw_phrase(shader, phrase, place(phrase.start), place(phrase.end), y0, scale)
    gpu.state.blend_set("NONE")
    names = [(name, _colour(name, 1.0)) for name in EXPRESSIONS]
    if affect:
        names += zip(AFFECT, AFFECT_COLOURS, strict=True)
    _legend(names, x0, x1, y0 + height + 4 * scale, scale)


def _draw_affect(shader, found: references.Seen, x0, x1, y0: float, height: float) -> None:
    """Valence and arousal as lines about a middle that stands for neither."""
    step = max(1, len(found.track) // POINTS)
    times = np.asarray(found.track.times)[::step]
    affect = np.clip(np.asarray(found.track.affect, float)[::step], -1.0, 1.0)
    x = x0 + (times - times[0]) / max(times[-1] - times[0], 1e-6) * (x1 - x0)
    box(shader, x0, y0 + 0.5 * height, x1, y0 + 0.5 * height + 1, (1, 1, 1, 0.25))
    gpu.state.line_width_set(2.5)
    for column, colour in zip(affect.T, AFFECT_COLOURS, strict=True):
        points = np.stack([x, y0 + (0.5 + 0.5 * column) * height], axis=1).astype(np.float32)
        batch = batch_for_shader(shader, "LINE_STRIP", {"pos": points.tolist()})
        shader.uniform_float("color", colour)
        batch.draw(shader)


def _draw_phrase(shader, phrase: Phrase, x0: float, x1: float, y0: float, scale: float) -> None:
    """A phrase as a band below the curve, in its colour; one that a person said has a frame. The
    second candidate is a stripe in it, as high as it is likely."""
    x0, x1, height = x0 + 1, x1 - 1, BAND * scale
    if x1 <= x0:
        return
    box(shader, x0, y0, x1, y0 + height, _colour(phrase.expression, 0.75))
    second, chance = phrase.second
    box(shader, x0, y0, x1, y0 + chance * height, _colour(second, 0.9))
    if phrase.by_hand:
        for a, b in ((y0, y0 + 2), (y0 + height - 2, y0 + height)):
            box(shader, x0, a, x1, b, (1, 1, 1, 0.9))
    text = f"{phrase.expression} {phrase.confidence:.0%}"
    blf.size(0, 10 * scale)
    if blf.dimensions(0, text)[0] > x1 - x0 - 6:
        return
    blf.color(0, 0.05, 0.05, 0.06, 1.0)
    blf.position(0, x0 + 3, y0 + 0.28 * height, 0)
    blf.draw(0, text)


def _colour(name: str, opacity: float) -> tuple[float, float, float, float]:
    """RGBA in 0-1 of an expression; a region's pixels are sRGB, as the table is."""
    red, green, blue = EXPRESSION_COLOURS[name]
    return red / 255, green / 255, blue / 255, opacity


def _thinned(found: references.Seen) -> tuple[np.ndarray, np.ndarray]:
    global _lines
    if _lines is None or _lines[0] is not found.track:
        step = max(1, len(found.track) // POINTS)
        times = np.asarray(found.track.times)[::step]
        _lines = (found.track, times, np.asarray(found.track.expression, float)[::step])
    return _lines[1], _lines[2]


def free_width(context) -> tuple[float, float]:
    """The view's width without what lies over it at both sides."""
    left, right = 0.0, float(context.region.width)
    for region in context.area.regions:
        if region.type == "TOOLS" and region.width > 1:
            left = max(left, region.x + region.width - context.region.x)
        if region.type == "UI" and region.width > 1:
            right = min(right, region.x - context.region.x)
    return left, right


def box(shader, x0: float, y0: float, x1: float, y1: float, colour) -> None:
    """A filled rectangle."""
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    batch = batch_for_shader(shader, "TRIS", {"pos": corners}, indices=[(0, 1, 2), (0, 2, 3)])
    shader.uniform_float("color", colour)
    batch.draw(shader)


def _legend(names, x: float, end: float, y: float, scale: float) -> None:
    """Names in the colours of their lines, as many as there is room for."""
    blf.size(0, 11 * scale)
    for name, colour in names:
        width = blf.dimensions(0, name)[0]
        if x + width > end:
            return
        blf.color(0, *colour)
        blf.position(0, x, y, 0)
        blf.draw(0, name)
        x += width + 12 * scale
