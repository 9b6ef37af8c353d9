"""The build gives what ships, and says where it does not."""

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.networks.characters.profile import SAMPLE_RIGS
from exprgen.sample_rigs.build import checking
from exprgen.sample_rigs.build import rigify_fit as rt
from exprgen.sample_rigs.build.__main__ import build


@pytest.fixture(scope="module")
def blip(tmp_path_factory):
    """Blip, built from nothing: the others need MakeHuman's data."""
    path = build("blip", tmp_path_factory.mktemp("built"), pictured=False)
    yield path
    bpy.ops.wm.read_factory_settings(use_empty=True)


def test_what_is_built_is_what_ships(blip):
    assert checking.differences(SAMPLE_RIGS / "blip.blend", blip) == []


def test_what_differs_is_told_by_name(blip):
    bpy.ops.wm.open_mainfile(filepath=str(blip))
    head = bpy.data.objects["blip_head"]
    head.data.shape_keys.key_blocks["jawOpen"].data[7].co.z += 0.001
    head.data.shape_keys.animation_data.drivers[0].driver.expression = "0"
    head.modifiers.remove(head.modifiers["Subdivision"])
    changed = blip.with_name("changed.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(changed), copy=True)
    changed.with_suffix(".json").write_bytes(blip.with_suffix(".json").read_bytes())
    told = checking.differences(blip, changed)
    assert "blip_head: shape key jawOpen: 1 of 7931 differ, by up to 0.001" in told
    assert any(line.startswith("blip_head: modifiers: ") for line in told)
    assert any("driver of" in line for line in told)
    assert len(told) == 3


def test_nodes_are_told_by_what_leads_into_them_and_not_by_their_names():
    def tree(name: str, names: str, angle: float):
        made = bpy.data.node_groups.new(name, "GeometryNodeTree")
        sums = [made.nodes.new("ShaderNodeMath") for _ in names]
        for node, given in zip(sums, names, strict=True):
            node.name = given
        first, second = sorted(sums, key=lambda node: node.name == "b")
        first.inputs[0].default_value = angle
        made.links.new(first.outputs[0], second.inputs[1])
        return checking._nodes(made)

    assert tree("one", "ab", 0.5) == tree("two", "ba", 0.5) != tree("three", "ab", 0.6)


def test_of_bones_as_near_to_the_midline_always_the_same_moves_it():
    """Whatever the last bits of sums are."""
    bones = ("DEF-a.L", "DEF-a.R", "DEF-b.L", "DEF-b.R", "DEF-chin")
    points = np.array([[0.0, 0, 0], [0.0, 0, 0], [0.01, 0, 0]])
    first = rt.leaning(bones, points, (1,))
    for noise in (0.0, 1e-6, -1e-6):
        near = np.array([[0.2, 0.2 + noise, 0.15, 0.15 - noise, 0.3]] * 3)
        kept = rt.prune(near, first)
        assert (kept[0, [2, 3]] > 0).tolist() == [True, False]
        assert (kept[1, [2, 3]] > 0).tolist() == [False, True]
        np.testing.assert_allclose(kept.sum(1), 1.0)
