"""The reference beside or behind the character in the viewport, in step with the timeline.

An image empty of Blender's own, so it can be moved, is saved with the file and is in no render. Its
pictures are an image sequence with one picture a scene frame, which the worker writes from the
reference's own timestamps: a clip of another or a varying rate, or filmed upright on a phone, stays
in step, which a movie file in Blender would not.
"""

from __future__ import annotations

from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from ..characters.in_scene import Character

NAME = "ExprGen reference"
TAG = "exprgen_overlay"
BEHIND_SCALE = 2.2
"""Side of the picture behind a character, in sides of its framing."""
BEHIND_OPACITY = 0.55


def overlay_of(scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The scene's overlay, if it has one."""
    return next((o for o in scene.objects if TAG in o), None)


def make_overlay(
    scene: bpy.types.Scene, folder: Path, pattern: str, count: int, first: int, size: tuple
) -> bpy.types.Object:
    """Make the scene's overlay, or give it other pictures.

    Args:
        first: scene frame of picture 1, of `count`. size: (width, height) in pixels.
    """
    old = overlay_of(scene)
    image = bpy.data.images.load(str(folder / (pattern % 1)), check_existing=False)
    image.name, image.source = NAME, "SEQUENCE"
    empty = old
    if empty is None:
        empty = bpy.data.objects.new(NAME, None)
        scene.collection.objects.link(empty)
    elif empty.data is not None and empty.data.users <= 1:
        bpy.data.images.remove(empty.data)
    empty[TAG] = [int(size[0]), int(size[1])]
    empty.empty_display_type = "IMAGE"
    empty.data = image
    empty.hide_render = True
    empty.hide_select = True
    empty.use_empty_image_alpha = True
    user = empty.image_user
    user.frame_start, user.frame_duration, user.frame_offset = first, count, 0
    # Blender itself sets this at the next change of frame; until then it would show the first one.
    user.frame_current = min(max(scene.frame_current - first + 1, 1), count)
    return empty


def place_overlay(empty: bpy.types.Object, character: Character, way: str, opacity: float) -> None:
    """Put the overlay beside (to the viewer's left of) or behind a character's face.

    Args:
        way: "beside", "behind" or "off".
    """
    empty.hide_viewport = way == "off"
    width, height = (float(n) for n in empty[TAG])
    framing = character.profile.framing
    back = Vector(framing.forward).normalized()
    up = Vector((0.0, 0.0, 1.0)) if abs(back.z) < 0.99 else Vector((0.0, 1.0, 0.0))
    right = up.cross(back).normalized()
    up = back.cross(right)
    side = framing.size * (BEHIND_SCALE if way == "behind" else 1.0)
    # A picture empty's size is that of its longer side.
    tall = side * max(1.0, width / height) if way == "beside" else side
    empty.empty_display_size = tall
    centre = character.face_center
    if way == "behind":
        centre = centre - back * framing.size * 1.2
    else:
        drawn = tall * min(1.0, width / height)
        centre = centre - right * (framing.size * 0.62 + drawn / 2)
    turn = Matrix((right, up, back)).transposed().to_4x4()
    empty.matrix_world = Matrix.Translation(centre) @ turn
    empty.empty_image_depth = "BACK" if way == "behind" else "FRONT"
    empty.color = (1.0, 1.0, 1.0, opacity * (BEHIND_OPACITY if way == "behind" else 1.0))


def remove_overlay(scene: bpy.types.Scene) -> bool:
    """Take the overlay and its image out of the file; whether there was one."""
    empty = overlay_of(scene)
    if empty is None:
        return False
    image = empty.data
    bpy.data.objects.remove(empty)
    if image is not None and not image.users:
        bpy.data.images.remove(image)
    return True


def frames_folder(track: Path) -> Path:
    """Where the pictures of a track's reference lie: beside it."""
    return track.with_suffix("") / "frames"
