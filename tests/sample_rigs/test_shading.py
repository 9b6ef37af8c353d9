"""Wrinkles are worked out on the points that have any, and no other point changes its colour."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters.in_scene import bind
from exprgen.networks.characters.profile import SAMPLE_RIGS, load_profile, sample_characters
from exprgen.sample_rigs.build.shading import COLOR, CREASED, LIPS


def read(mesh, name: str) -> np.ndarray:
    """(V,) an attribute of a mesh's points; (V, 4) of colours."""
    data = mesh.attributes[name].data
    return np.array([p.color[:] for p in data] if name == COLOR else [p.value for p in data])


@pytest.mark.parametrize("name", [p.name for p in sample_characters()])
def test_colours_change_where_wrinkles_and_teeth_are(name):
    profile = load_profile(SAMPLE_RIGS / f"{name}.json")
    bpy.ops.wm.open_mainfile(filepath=str(profile.blend))
    head = bpy.data.objects[f"{name}_head"]
    for modifier in head.modifiers:
        modifier.show_viewport &= modifier.type != "SUBSURF"  # the points stay those of the mesh
    masks = [a.name for a in head.data.attributes if a.name.startswith("crease_")]
    creased = np.any([read(head.data, m) != 0.0 for m in masks], axis=0)
    assert (read(head.data, CREASED) == creased).all()
    assert 0 < creased.mean() < 0.5
    free = ~creased
    if LIPS[0] in head.data.attributes:
        free &= read(head.data, LIPS[0]) == 0.0
    painted = read(head.data, COLOR)
    bindings = bind(profile, bpy.data.collections[profile.collection])
    pose = next(p for p in profile.key_poses if p.expression == "disgust")
    for control in profile.expression_controls:
        for prop in bindings[control.name]:
            prop.write(pose.values.get(control.name, control.rest))
            prop.owner.update_tag()
    bpy.context.view_layer.update()
    shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    colours = read(shown, COLOR)
    assert (colours[free] == painted[free]).all()
    assert np.abs(colours - painted)[creased].max() > 0.1
