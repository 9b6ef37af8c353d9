"""The reference beside, behind or over the character in the viewport, in step with the timeline.

An image empty of Blender's own, so it can be moved, is saved with the file and is in no render. Its
pictures are an image sequence with one picture a scene frame, which the worker writes from the
reference's own timestamps: a clip of another or a varying rate, or filmed upright on a phone, stays
in step, which a movie file in Blender would not.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import bpy
from mathutils import Matrix

from ...networks.characters.profile import RigProfile
from ...networks.errors import ExprGenError
from ..characters import casting
from ..characters.in_scene import Character, active_collection, character_of, characters_in
from .face_overlay import matrix_over
from .free_places import axes_of, place_beside

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
    user = empty.image_user
    user.frame_start, user.frame_duration, user.frame_offset = first, count, 0
    _keep_step(scene, empty)
    return empty


def _keep_step(scene: bpy.types.Scene, empty: bpy.types.Object) -> None:
    """Show the present frame's picture. Blender itself does at the next change of frame, and does
    not while the overlay is hidden."""
    user = empty.image_user
    number = scene.frame_current - user.frame_start + 1
    user.frame_current = min(max(number, 1), max(user.frame_duration, 1))
    if empty.data is not None:
        empty.data.gl_free()  # or the picture that was drawn last is drawn again


def catch_up(scene: bpy.types.Scene) -> None:
    """Show the present frame's picture where Blender shows the one of another frame: after a file
    was opened, or a step undone, it is that at which the overlay was put where it is."""
    empty = overlay_of(scene)
    if empty is not None and not empty.hide_viewport:
        _keep_step(scene, empty)


def refresh(scene: bpy.types.Scene) -> None:
    """Put the scene's overlay, if it has one, where its settings and the chosen character say;
    where that can't be it stays."""
    settings, found = scene.exprgen, active_collection(scene)
    if overlay_of(scene) is None or found is None:
        return
    way = settings.overlay
    opacity = settings.over_opacity if way == "over" else settings.overlay_opacity
    with contextlib.suppress(ExprGenError):
        place_overlay(scene, character_of(found), way, opacity)


def follow_frame(scene: bpy.types.Scene) -> None:
    """Show the new frame's picture, and keep an overlay that lies over a head there: the scene is
    at another frame."""
    settings, empty = getattr(scene, "exprgen", None), overlay_of(scene)
    if settings is None or settings.overlay == "off" or empty is None:
        return
    if bpy.app.is_job_running("RENDER"):  # it is in no render
        return
    if empty.data is not None:
        empty.data.gl_free()  # at its first change of frame Blender draws the old picture again
    if settings.overlay == "over":
        _follow_head(scene)


def _follow_head(scene: bpy.types.Scene) -> None:
    found = active_collection(scene)
    profile = casting.profile_of(found) if found is not None else None
    with contextlib.suppress(ExprGenError):
        if profile is not None:  # not bound: this is for every frame that is played
            place_over(scene, profile, found)


def place_overlay(scene: bpy.types.Scene, character: Character, way: str, opacity: float) -> None:
    """Put the scene's overlay beside a character's face where it hides nobody, behind it, or over
    its head.

    Args:
        way: "beside", "behind", "over" or "off".

    Raises:
        InputError: it can't lie over this character; see `face_overlay`.
    """
    empty = overlay_of(scene)
    width, height = (float(n) for n in empty[TAG])
    framing = character.profile.framing
    right, up, back = axes_of(character.forward)
    turn = Matrix((right, up, back)).transposed().to_4x4()
    if way == "over":
        place_over(scene, character.profile, character.collection)
    elif way == "behind":
        # A picture empty's size is that of its longer side.
        empty.empty_display_size = framing.size * BEHIND_SCALE
        centre = character.face_center - back * framing.size * 1.2
        empty.matrix_world = Matrix.Translation(centre) @ turn
    elif way == "beside":
        tall = framing.size * max(1.0, width / height)
        shown = tall * min(1.0, width / height), tall * min(1.0, height / width)
        empty.empty_display_size = tall
        centre = place_beside(character, characters_in(scene), *shown)
        empty.matrix_world = Matrix.Translation(centre) @ turn
    empty.hide_viewport = way == "off"
    _keep_step(scene, empty)
    empty.empty_image_depth = {"behind": "BACK", "over": "FRONT"}.get(way, "DEFAULT")
    opacity *= BEHIND_OPACITY if way == "behind" else 1.0
    empty.color = (1.0, 1.0, 1.0, opacity)
    # Blender draws its grid over pictures that might be seen through, opaque ones too.
    empty.use_empty_image_alpha = opacity < 1.0


def place_over(
    scene: bpy.types.Scene, profile: RigProfile, collection: bpy.types.Collection
) -> None:
    """Lay the scene's overlay over a character's head as it is at the present frame; where the clip
    shows no face it stays.

    Raises:
        InputError: see `face_overlay.matrix_over`.
    """
    empty = overlay_of(scene)
    found = matrix_over(scene, profile, collection, tuple(float(n) for n in empty[TAG]))
    if found is not None:
        empty.matrix_world, empty.empty_display_size = found


def picture_at(scene: bpy.types.Scene) -> Path | None:
    """The file of the overlay's picture at the present frame, if it is there."""
    empty = overlay_of(scene)
    if empty is None or empty.data is None:
        return None
    user = empty.image_user
    number = scene.frame_current - user.frame_start + 1
    first = Path(bpy.path.abspath(empty.data.filepath))
    if not 1 <= number <= user.frame_duration:
        return None
    numbered = re.sub(r"\d+(?=\.\w+$)", lambda m: f"{number:0{len(m[0])}d}", first.name)
    path = first.with_name(numbered)
    return path if path.is_file() else None


def hide_overlay(scene: bpy.types.Scene) -> None:
    """Show the scene's overlay, if it has one, no longer; its pictures stay for the next time."""
    empty = overlay_of(scene)
    if empty is not None:
        empty.hide_viewport = True


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
