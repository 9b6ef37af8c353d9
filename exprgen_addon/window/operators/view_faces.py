"""Turn the 3D view to the characters' faces, all or one: in the default scene they are small."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty
from mathutils import Matrix, Vector

from ...characters.in_scene import (
    Character,
    active_collection,
    broken_in,
    characters_in,
    collections_in,
    handles_of,
    right_of,
)
from .. import perception_curve, reference_overlay

SENSOR = 72.0
"""Width in millimetres that Blender takes for a 3D view's own lens."""
HANDLE = 0.12
"""Side of what is shown around a handle beside a face, in sides of the face's picture."""
ROOM, CLOSE = 1.15, 1.02
"""How much wider than the faces' pictures the view is, of all and of one as large as can be."""
WHICH = [
    ("all", "All", "All characters, with their handles"),
    ("chosen", "Chosen", "The character that is chosen in the list, as large as can be"),
    ("next", "Next", "Choose the next character and look at it"),
    ("previous", "Previous", "Choose the character before and look at it"),
]
"""Whom to look at."""


class EXPRGEN_OT_view_faces(bpy.types.Operator):
    """Look at the characters' faces, and at the reference beside them, from the front. Solid
    shading then shows their colours, without which eyes have no pupils, and no highlights, which
    lie grey over pupils and open mouths"""

    bl_idname = "exprgen.view_faces"
    bl_label = "Look at Faces"

    which: EnumProperty(
        name="Which",
        items=WHICH,
        default="all",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def description(cls, context, properties):
        if properties.which == "all":
            return cls.__doc__
        what = next(text for name, _, text in WHICH if name == properties.which)
        return f"{what}. The reference, where it is shown, stands beside it"

    @classmethod
    def poll(cls, context):
        if collections_in(context.scene):
            return True
        cls.poll_message_set("Add a character first")
        return False

    def execute(self, context):
        scene, space = context.scene, context.space_data
        present = characters_in(scene)
        if not present:
            self.report({"ERROR"}, str(next(iter(broken_in(scene).values()))))
            return {"CANCELLED"}
        if space is None or space.type != "VIEW_3D":
            self.report({"ERROR"}, "Use it in a 3D view")
            return {"CANCELLED"}
        if self.which in ("next", "previous"):
            choose_neighbour(scene, 1 if self.which == "next" else -1)
        bpy.context.view_layer.update()
        picture = beside_of(scene)
        if self.which == "all":
            look_at(context.area, space, present, picture)
            return {"FINISHED"}
        chosen = [c for c in present if c.collection == active_collection(scene)] or present[:1]
        look_at(context.area, space, chosen, picture, close=True)
        return {"FINISHED"}


def choose_neighbour(scene: bpy.types.Scene, step: int) -> None:
    """Choose the character that comes so many behind the chosen one in the panel's list."""
    order = in_the_list(scene)
    at = order.index(active_collection(scene))
    chosen = order[(at + step) % len(order)]
    scene.exprgen.active_character = list(bpy.data.collections).index(chosen)


def in_the_list(scene: bpy.types.Scene) -> list[bpy.types.Collection]:
    """The characters in the order of the panel's list, which is the file's."""
    present = collections_in(scene)
    return [c for c in bpy.data.collections if c in present]


def reframe(scene: bpy.types.Scene) -> None:
    """Turn the 3D views that show the scene, but do not show all of the reference beside the
    characters; who looks through a camera keeps it, and who looks at the chosen face alone still
    does."""
    picture = beside_of(scene)
    if picture is None:
        return
    present = characters_in(scene)
    if not present:
        return
    right = right_of(present[0].forward)
    ends = [picture[0] + side * right * picture[1] / 2 for side in (-1, 1)]
    ends += [picture[0] + Vector((0.0, 0.0, side * picture[2] / 2)) for side in (-1, 1)]
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas if window.scene == scene else ():
            if area.type != "VIEW_3D":
                continue
            space = area.spaces.active
            through = space.region_3d.view_perspective == "CAMERA"
            if not through and not all(_in_view(area, space, p) for p in ends):
                near = [c for c in present if _in_view(area, space, c.face_center)]
                alone = [c.collection for c in near] == [active_collection(scene)]
                close = alone and len(present) > 1
                look_at(area, space, near if close else present, picture, close=close)


def _in_view(area: bpy.types.Area, space: bpy.types.SpaceView3D, point: Vector) -> bool:
    """A place is seen, and not under the sidebar or the tools."""
    free = {r.type: r for r in area.regions}
    width = free["WINDOW"].width
    x, y, _, depth = space.region_3d.perspective_matrix @ point.to_4d()
    if depth <= 0:
        return False
    left = free["TOOLS"].width if "TOOLS" in free else 0
    right = width - (free["UI"].width if "UI" in free else 0)
    return left <= (x / depth + 1) / 2 * width <= right and abs(y / depth) <= 1


def beside_of(scene: bpy.types.Scene) -> tuple[Vector, float, float] | None:
    """(centre, width, height in metres) of the reference beside the characters, where it is shown
    there."""
    empty = reference_overlay.overlay_of(scene)
    if empty is None or scene.exprgen.overlay != "beside" or empty.hide_viewport:
        return None
    width, height = (float(n) for n in empty[reference_overlay.TAG])
    side = empty.empty_display_size
    centre = empty.matrix_world.translation
    return centre, side * min(1.0, width / height), side * min(1.0, height / width)


def look_at(
    area: bpy.types.Area,
    space: bpy.types.SpaceView3D,
    characters: list[Character],
    picture: tuple[Vector, float, float] | None = None,
    close: bool = False,
) -> None:
    """Turn a 3D view so that all the faces are seen from the front, beside the sidebar, and with
    their colours and without highlights where it is as plain as Blender starts with.

    Args:
        picture: (centre, width, height) of the reference, to be seen too. close: the faces alone,
            without their handles, as large as can be.
    """
    view = space.region_3d
    forward = characters[0].forward
    middle, width, height = extent(characters, picture, handles=not close)
    free = {r.type: r for r in area.regions}
    full, tall = free["WINDOW"].width, free["WINDOW"].height
    covered = sum(free[t].width for t in ("UI", "TOOLS") if t in free and free[t].width > 1)
    # The longer side of the region shows SENSOR / lens of the distance.
    shown = SENSOR / space.lens / max(full, tall)
    room = max(full - covered, full // 3)
    low = min(_drawn_below(bpy.context.scene, space), tall / 2)
    if view.view_perspective == "CAMERA":
        view.view_perspective = "PERSP"
    around = CLOSE if close else ROOM
    view.view_distance = around * max(width / (shown * room), height / (shown * (tall - low)))
    view.view_rotation = facing(forward).to_quaternion()
    aside = (covered - 2 * free["TOOLS"].width if "TOOLS" in free else covered) / 2
    show_colors(space.shading, characters)
    view.view_location = middle + right_of(forward) * (aside * shown * view.view_distance)
    view.view_location.z -= low / 2 * shown * view.view_distance


def show_colors(shading: bpy.types.View3DShading, characters: list[Character]) -> None:
    """Show the characters' colours without highlights, if the shading is as Blender starts with, or
    as this left it: a textured avatar may have come first, and one that is painted would be grey
    beside it."""
    ours = shading.color_type in ("TEXTURE", "VERTEX") and not shading.show_specular_highlight
    if shading.type == "SOLID" and (shading.color_type == "MATERIAL" or ours):
        shading.color_type = "VERTEX" if _painted(characters) else "TEXTURE"
        shading.show_specular_highlight = False


def _drawn_below(scene: bpy.types.Scene, space: bpy.types.SpaceView3D) -> float:
    """Pixels of the view's bottom that the curves lie on."""
    if not space.overlay.show_overlays:
        return 0.0
    settings = scene.exprgen
    curves = settings.show_curve + settings.show_lips + settings.show_mimicry
    return curves * perception_curve.taken(scene) * bpy.context.preferences.system.ui_scale


def _painted(characters: list[Character]) -> bool:
    """Their colours lie on the vertices."""
    objects = (o for c in characters for o in c.collection.all_objects if o.type == "MESH")
    return any(o.data.color_attributes for o in objects)


def extent(
    characters: list[Character],
    picture: tuple[Vector, float, float] | None = None,
    handles: bool = True,
) -> tuple[Vector, float, float]:
    """(middle of the faces and their handles in world space, width, height of what frames them),
    metres.

    Args:
        picture: (centre, width, height) of a picture beside them. handles: theirs count too.
    """
    right = right_of(characters[0].forward)
    shown = [(c.face_center, *[c.profile.framing.size] * 2) for c in characters]
    for c in characters if handles else ():
        shown += [(h, *[HANDLE * c.profile.framing.size] * 2) for h in handles_of(c)]
    shown += [picture] if picture is not None else []
    spans = []
    for direction, column in ((right, 1), (Vector((0.0, 0.0, 1.0)), 2)):
        ends = [direction.dot(s[0]) + side * s[column] / 2 for s in shown for side in (-1, 1)]
        spans.append((min(ends), max(ends)))
    centers = [c.face_center for c in characters]
    middle = sum(centers, Vector()) / len(centers)
    middle += right * (sum(spans[0]) / 2 - right.dot(middle))
    middle.z = sum(spans[1]) / 2
    return middle, spans[0][1] - spans[0][0], spans[1][1] - spans[1][0]


def facing(forward: Vector) -> Matrix:
    """The rotation (3x3) of a view that looks somebody in the face, upright."""
    back, right = forward.normalized(), right_of(forward)
    return Matrix((right, back.cross(right), back)).transposed()


classes = (EXPRGEN_OT_view_faces,)
