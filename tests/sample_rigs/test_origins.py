"""Blender draws a dashed line from each object's origin to what carries it: none crosses a face."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.characters.profile import sample_characters
from exprgen.sample_rigs.build import parts

LONGEST = 0.031
"""Metres: an eye's bone stands three centimetres high, in the head."""


@pytest.mark.parametrize("profile", sample_characters(), ids=lambda p: p.name)
def test_no_line_to_what_carries_an_object_is_long(profile):
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend))
    carried = [o for o in bpy.data.collections[profile.collection].all_objects if o.parent]
    assert carried
    for obj in carried:
        end = obj.parent.matrix_world.translation
        if obj.parent_type == "BONE":
            bone = obj.parent.data.bones[obj.parent_bone]
            end = obj.parent.matrix_world @ bone.tail_local
        assert (obj.matrix_world.translation - end).length < LONGEST, obj.name


def test_an_origin_moves_and_its_points_stay():
    mesh = parts.make_mesh(
        "worn", np.array([[0.5, 0.25, 1.0], [0, 0, 1], [0, 1, 1.0]]), [(0, 1, 2)]
    )
    obj = bpy.data.objects.new("worn", mesh)
    place = parts.move_origin(obj, (0.1, 0.0, -0.5), (0.0, -0.035, 0.32))
    assert np.abs(place - (0.0, -0.035, 0.32)).max() < parts.GRID
    points = np.array([v.co for v in mesh.vertices]) + place
    np.testing.assert_allclose(points[0], (0.6, 0.25, 0.5), atol=1e-6)
