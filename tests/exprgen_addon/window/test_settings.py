"""The panel's settings: which of them can be keyed, and that each tells what it is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.window import scene_settings
from exprgen.exprgen_addon.window.panels.apply import EXPRGEN_PT_presets
from exprgen.networks.settings import EMPHASIS_PARTS

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def scene():
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy.context.scene


def own_properties(kind):
    """Of a property group, or of an operator as Blender gives it."""
    rna = kind.get_rna_type() if hasattr(kind, "get_rna_type") else kind.bl_rna
    return [p for p in rna.properties if p.identifier not in ("rna_type", "name")]


def test_what_can_be_keyed_counts_over_the_shot(scene):
    """Keys on any other setting would be shown and count nothing."""
    keyable = {
        p.identifier
        for cls in scene_settings.classes
        for p in own_properties(cls)
        if p.is_animatable
    }
    parts = {f"emphasis_{part}" for part in scene_settings.EMPHASIS_PARTS}
    assert keyable == {"emphasis", *parts}
    with pytest.raises(TypeError):
        scene.keyframe_insert("exprgen.articulation", frame=1)
    assert scene.keyframe_insert("exprgen.emphasis", frame=1)


def test_a_setting_that_is_seen_tells_what_it_is():
    kinds = (
        scene_settings.EXPRGEN_PG_scene,
        scene_settings.EXPRGEN_PG_character,
        scene_settings.EXPRGEN_PG_correction,
        bpy.ops.exprgen.overrule,
        bpy.ops.exprgen.words_from,
    )
    hidden = {"overruled", "corrections", "active_correction"}
    silent = [
        p.identifier
        for kind in kinds
        for p in own_properties(kind)
        if not p.description and not p.is_hidden and p.identifier not in hidden
    ]
    assert silent == []


@pytest.fixture
def keyed(scene):
    """A scene whose emphasis rises from 0 on frame 1 to .5 on frame 11; its curve."""
    for frame, value in ((1, 0.0), (11, 0.5)):
        scene.exprgen.emphasis = value
        scene.keyframe_insert("exprgen.emphasis", frame=frame)
    curve = scene_settings.find_curve(scene, "exprgen.emphasis")
    for key in curve.keyframe_points:
        key.interpolation = "LINEAR"
    return curve


def test_a_muted_curve_counts_nothing(scene, keyed):
    assert scene_settings.emphasis_curve(scene)
    keyed.mute = True
    assert scene_settings.emphasis_curve(scene) == ()


def test_a_curve_that_goes_on_beyond_its_keys_is_followed_there(scene, keyed):
    scene.frame_start, scene.frame_end = 1, 16
    assert scene_settings.emphasis_curve(scene)[-1][1] == pytest.approx(0.5)
    keyed.extrapolation = "LINEAR"
    assert scene_settings.emphasis_curve(scene)[-1][1] == pytest.approx(0.75)
    keyed.extrapolation = "CONSTANT"
    keyed.modifiers.new("CYCLES")
    assert scene_settings.emphasis_curve(scene)[-1][1] == pytest.approx(0.25)


def test_by_part_changes_nothing_by_itself(scene):
    settings = scene.exprgen
    settings.emphasis = 0.25
    settings.own_emphasis = True
    parts = scene_settings.retarget_settings(settings).emphasis_parts
    assert parts == {part: pytest.approx(0.25) for part in EMPHASIS_PARTS}
    settings.emphasis_eyes = 0.5
    settings.own_emphasis = False
    settings.own_emphasis = True
    assert settings.emphasis_eyes == 0.5, "what was set stays"


@pytest.mark.parametrize("more", ["", "NOISE", "CYCLES", "ENVELOPE", "GENERATOR", "LIMITS"])
def test_by_part_begins_with_the_keys_of_the_whole(scene, keyed, more):
    keyed.keyframe_points[0].interpolation = "BEZIER"
    keyed.keyframe_points[0].handle_right = (9.0, 0.0)
    keyed.extrapolation = "LINEAR"
    scene.frame_start, scene.frame_end = 1, 30
    if more:
        vary(keyed.modifiers.new(more))
    before = scene_settings.emphasis_curve(scene)
    assert len({value for _, value in before}) > 3
    scene.exprgen.own_emphasis = True
    curves = scene_settings.retarget_settings(scene.exprgen).emphasis_part_curves
    assert {*curves} == {*EMPHASIS_PARTS}
    for curve in curves.values():
        np.testing.assert_allclose(curve, before, atol=1e-6)
    assert scene_settings.emphasis_curve(scene) == before, "the whole keeps its own"


def vary(modifier) -> None:
    """Another modifier than a new one of its kind."""
    modifier.use_restricted_range = modifier.type != "CYCLES"
    if modifier.use_restricted_range:
        modifier.frame_end, modifier.frame_start = 25.0, 3.0
        modifier.blend_in = 2.0
    for name, value in (("scale", 4.0), ("strength", 0.2), ("coefficients", (0.1, 0.02))):
        if hasattr(modifier, name):
            setattr(modifier, name, value)
    if modifier.type == "ENVELOPE":
        point = modifier.control_points.add(5.0)
        point.min, point.max = -0.5, 0.5
    if modifier.type == "LIMITS":
        modifier.use_max_y, modifier.max_y = True, 0.3


def test_by_part_leaves_a_part_that_was_set_or_keyed(scene, keyed):
    settings = scene.exprgen
    settings.emphasis_brows = 0.9  # as it is from the start, but set
    settings.emphasis_mouth = 0.2
    scene.keyframe_insert("exprgen.emphasis_mouth", frame=4)
    settings.own_emphasis = True
    solved = scene_settings.retarget_settings(settings)
    assert solved.emphasis_parts["brows"] == pytest.approx(0.9)
    assert {*solved.emphasis_part_curves} == {"eyes", "mouth"}
    assert [v for _, v in solved.emphasis_part_curves["mouth"]] == pytest.approx([0.2])


def use(preset: Path):
    """Press a preset in Blender's own list of them, as the panel has it."""
    rows = []

    class Layout:
        def row(self, **_):
            return self

        def operator(self, name, **_):
            rows.append((name, SimpleNamespace()))
            return rows[-1][1]

        def __getattr__(self, name):
            return lambda *_, **__: self

    panel = SimpleNamespace(layout=Layout(), bl_idname=EXPRGEN_PT_presets.__name__)
    bpy.types.Menu.path_menu(
        panel, [str(preset.parent)], EXPRGEN_PT_presets.preset_operator, prop_filepath="filepath"
    )
    ((name, given),) = [r for r in rows if r[1].filepath == str(preset)]
    assert name == "exprgen.preset_use"
    return bpy.ops.exprgen.preset_use("EXEC_DEFAULT", True, **vars(given))


def test_a_preset_is_undone_in_one_step(scene):
    preset = Path(bpy.utils.preset_paths("exprgen/apply")[0]) / "Cartoon.py"
    scene.exprgen.emphasis = 0.25
    bpy.ops.ed.undo_push(message="before")
    assert use(preset) == {"FINISHED"}
    assert bpy.context.scene.exprgen.emphasis == 1.0
    bpy.ops.ed.undo()
    assert bpy.context.scene.exprgen.emphasis == 0.25
    bpy.ops.ed.redo()
    assert bpy.context.scene.exprgen.emphasis == 1.0


def test_a_damaged_preset_is_told(scene, tmp_path):
    """Nothing but a report, which a call from Python meets as an error."""
    damaged = tmp_path / "damaged.py"
    damaged.write_text("settings = nobody.scene.exprgen")
    with pytest.raises(RuntimeError, match=r"damaged\.py: .*nobody.*remove it") as told:
        use(damaged)
    assert len(str(told.value).strip().splitlines()) == 1
