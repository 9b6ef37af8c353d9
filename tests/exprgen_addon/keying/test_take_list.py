"""Takes: told apart by their clip, shown, renamed, deleted; parts of several combined."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from exprgen.networks.errors import UsageError
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import (
    fcurves,
    keyframes,
    nla_layers,
    parts,
    take_actions,
    take_list,
)
from exprgen.exprgen_addon.keying.take_list import About


def perform(scene, take: str, seed: int, clip: str = "a.mp4") -> None:
    present = in_scene.characters_in(scene)
    tracks = [synthetic.rig_track(c.profile, seed=seed + i, frames=40) for i, c in
              enumerate(present)]  # fmt: skip
    tracks = [dataclasses.replace(t, meta={"source": clip}) for t in tracks]
    if take_list.find_take(take):
        take_list.show_take(scene, present, take)
    keyframes.apply_tracks(tracks, present, scene, take=take)
    for action in take_actions.actions_of(take):
        take_list.note_about(action, About(clip))


def values(scene, control: str, who: int = 0) -> np.ndarray:
    (prop, *_) = in_scene.characters_in(scene)[who].bindings[control]
    return fcurves.sample(prop, np.arange(1.0, 41.0))


def everyone(scene):
    return in_scene.characters_in(scene)


def test_takes_are_listed_with_clip_range_and_date(scene):
    perform(scene, "Take", 1)
    perform(scene, "Wild", 5, "b.mp4:200")
    found = {t.name: t for t in take_list.takes_in_file()}
    assert set(found) == {"Take", "Wild"}
    assert found["Wild"].clip == "b.mp4"
    assert (found["Take"].first, found["Take"].last) == (1.0, 40.0)
    assert found["Take"].about.made.startswith("20")


def test_another_clip_is_offered_another_take(scene):
    assert take_list.take_for("a.mp4", "Take") == "Take", "nothing is keyed yet"
    perform(scene, "Take", 1)
    assert take_list.take_for("a.mp4", "Take") == "Take"
    assert take_list.take_for("b.mp4", "Take") == "Take 2"
    assert take_list.take_for("c.mp4", "Take 2") == "Take 2", "nothing is keyed in it yet"
    assert take_list.take_for("a.mp4", "Take 2") == "Take", "back to the first clip"
    perform(scene, "Take 2", 2, "b.mp4")
    assert take_list.take_for("a.mp4", "Take 2") == "Take", "its own is found again"
    assert take_list.take_for("b.mp4", "Take") == "Take 2"


def test_what_is_shown_is_played(scene):
    perform(scene, "Take", 1)
    first = values(scene, "smile")
    perform(scene, "Take 2", 7, "b.mp4")
    second = values(scene, "smile")
    assert np.abs(first - second).max() > 0.05
    take_list.show_take(scene, everyone(scene), "Take")
    np.testing.assert_array_equal(values(scene, "smile"), first)
    take_list.show_take(scene, everyone(scene), "Take 2")
    np.testing.assert_array_equal(values(scene, "smile"), second)
    with pytest.raises(UsageError, match="no take 'Take 9'"):
        take_list.show_take(scene, everyone(scene), "Take 9")


def test_an_action_of_ones_own_is_left_where_it_is(scene):
    perform(scene, "Take", 1)
    perform(scene, "Take 2", 2)
    owner = everyone(scene)[0].bindings["brow"][0].owner
    mine = bpy.data.actions.new("walk")
    owner.animation_data.action = mine
    take_list.show_take(scene, everyone(scene), "Take")
    assert owner.animation_data.action == mine


def test_the_mouth_of_one_and_the_brows_of_another(scene):
    perform(scene, "Take", 1)
    one = {c: values(scene, c) for c in ("smile", "jaw", "brow", "head_yaw", "blink_l")}
    perform(scene, "Take 2", 7)
    two = {c: values(scene, c) for c in one}
    chosen = dict.fromkeys(parts.PARTS, "Take") | {"brows": "Take 2", "head": "Take 2"}
    made = take_list.combine_takes(everyone(scene), "Both", chosen)
    take_list.show_take(scene, everyone(scene), "Both")
    for control, source in (("smile", one), ("jaw", one), ("blink_l", one), ("brow", two),
                            ("head_yaw", two)):  # fmt: skip
        np.testing.assert_allclose(values(scene, control), source[control], atol=1e-6)
    assert made.about.parts == chosen
    perform(scene, "Take 2", 11)
    assert take_list.follow_up(everyone(scene), "Take 2") == ["Both"]
    new = values(scene, "brow")
    take_list.show_take(scene, everyone(scene), "Both")
    np.testing.assert_allclose(values(scene, "brow"), new, atol=1e-6)
    np.testing.assert_allclose(values(scene, "jaw"), one["jaw"], atol=1e-6)
    jaw = fcurves.curve_of(everyone(scene)[0].bindings["jaw"][0])
    jaw.keyframe_points[10].co[1] = 0.9  # a correction, whose keys are generated ones
    take_list.combine_takes(everyone(scene), "Both", chosen | {"gaze": "Take 2"}, again="")
    take_list.follow_up(everyone(scene), "Take 2")
    assert values(scene, "jaw")[10] == pytest.approx(0.9), "what did not change is left alone"


def test_keys_set_by_hand_in_a_combined_take_stay(scene):
    perform(scene, "Take", 1)
    perform(scene, "Take 2", 7)
    chosen = dict.fromkeys(parts.PARTS, "Take")
    take_list.combine_takes(everyone(scene), "Both", chosen)
    take_list.show_take(scene, everyone(scene), "Both")
    curve = fcurves.curve_of(everyone(scene)[0].bindings["smile"][0])
    key = curve.keyframe_points.insert(20.0, 0.77)
    key.type = "KEYFRAME"
    take_list.combine_takes(everyone(scene), "Both", {**chosen, "mouth": "Take 2"})
    curve = fcurves.curve_of(everyone(scene)[0].bindings["smile"][0])
    assert curve.evaluate(20.0) == pytest.approx(0.77)
    assert len(curve.keyframe_points) == 40
    with pytest.raises(UsageError, match="of its own"):
        take_list.combine_takes(everyone(scene), "Take", chosen)


def test_renamed_and_deleted(scene):
    perform(scene, "Take", 1)
    perform(scene, "Take 2", 7)
    take_list.combine_takes(everyone(scene), "Both", {"mouth": "Take", "brows": "Take 2"})
    take_list.rename_take("Take 2", "Wild")
    assert take_list.find_take("Both").about.parts["brows"] == "Wild"
    assert bpy.data.actions.get("ExprGen Wild") is not None
    for name, words in (("Take", "already"), ("  ", "needs a name"), ("x" * 80, "needs a name")):
        with pytest.raises(UsageError, match=words):
            take_list.rename_take("Wild", name)
    take_list.show_take(scene, everyone(scene), "Both")
    before = values(scene, "brow")
    take_list.delete_take("Wild")
    assert [t.name for t in take_list.takes_in_file()] == ["Take", "Both"]
    take_list.follow_up(everyone(scene), "Take")
    np.testing.assert_array_equal(values(scene, "brow"), before)


def at_rest(scene) -> bool:
    """All controls of all characters are at rest, in whatever frame is shown."""
    scene.frame_set(20)
    return all(
        prop.read() == pytest.approx(control.rest * prop.scale, abs=1e-6)
        for one in everyone(scene)
        for control in one.profile.controls
        for prop in one.bindings[control.name]
    )


@pytest.mark.parametrize("apart", [False, True], ids=["whole", "in NLA tracks"])
def test_after_the_last_take_characters_are_at_rest(scene, apart):
    perform(scene, "Take", 1)
    scene.frame_set(20)
    if apart:
        action = take_list.find_take("Take").action
        assert nla_layers.split(everyone(scene), "Take", action)
    assert not at_rest(scene)
    take_list.delete_take("Take")
    assert at_rest(scene)
    assert not nla_layers.is_split(everyone(scene))
    assert not bpy.data.actions


def test_what_no_deleted_take_moved_stays(scene):
    perform(scene, "Take", 1)
    perform(scene, "Take 2", 7)
    scene.frame_set(20)
    shown = values(scene, "brow")
    take_list.delete_take("Take")
    np.testing.assert_array_equal(values(scene, "brow"), shown)
    own = bpy.data.actions.new("By hand")
    prop = everyone(scene)[0].bindings["brow"][0]
    prop.owner.animation_data.action = own
    prop.set(0.0123)
    take_list.delete_take("Take 2")
    assert prop.read() == pytest.approx(0.0123)


def test_a_part_that_is_muted_rests(scene):
    perform(scene, "Take", 1)
    action = take_list.find_take("Take").action
    parts.mute_part(everyone(scene), action, "mouth", True)
    scene.frame_set(20)
    assert everyone(scene)[0].bindings["smile"][0].read() == 0.0
    assert parts.is_muted(everyone(scene), action, "mouth")
    assert not parts.is_muted(everyone(scene), action, "brows")
    parts.mute_part(everyone(scene), action, "mouth", False)
    assert not parts.is_muted(everyone(scene), action, "mouth")


def test_what_somebody_wrote_by_hand_trips_nobody(scene):
    perform(scene, "Take", 1)
    action = take_list.find_take("Take").action
    for words in (
        "",
        "{",
        "[1]",
        '{"source": 3}',
        '{"parts": {"ears": "Take"}, "source": "a.mp4"}',
    ):
        action[take_list.ABOUT_TAG] = words
        (found,) = take_list.takes_in_file()
        assert found.clip == "a.mp4"
        assert not found.about.parts
    action[take_list.ABOUT_TAG] = 5
    assert take_list.find_take("Take").clip == "a.mp4"


def test_parts_in_nla_tracks_play_the_same_and_come_back_with_edits(scene):
    perform(scene, "Take", 1)
    action = take_list.find_take("Take").action
    names = ("smile", "brow", "blink_l", "head_yaw", "gaze_left_yaw")
    props = {n: everyone(scene)[0].bindings[n][0] for n in names}

    def played() -> list[float]:
        out = []
        for frame in (5, 20, 33):
            scene.frame_set(frame)
            out += [prop.read() for prop in props.values()]
        return out

    before = played()
    assert nla_layers.split(everyone(scene), "Take", action) == len(parts.PARTS)
    np.testing.assert_allclose(played(), before, atol=1e-5)
    owner = props["brow"].owner
    assert owner.animation_data.action is None
    tracks = {t.name: t for t in owner.animation_data.nla_tracks}
    assert {"ExprGen Brows", "ExprGen Head", "ExprGen Gaze"} <= set(tracks)
    strip = tracks["ExprGen Brows"].strips[0]
    bag = take_actions.bag_of(strip.action, strip.action_slot)
    bag.fcurves[0].keyframe_points.insert(20.0, 0.019).type = "KEYFRAME"
    assert nla_layers.join(everyone(scene)) == ["Take"]
    assert not nla_layers.is_split(everyone(scene))
    take_list.show_take(scene, everyone(scene), "Take")
    assert fcurves.curve_of(props["brow"]).evaluate(20.0) == pytest.approx(0.019)
    assert hands(props["brow"]) == [20.0]
    assert [t.name for t in take_list.takes_in_file()] == ["Take"]
    assert len(bpy.data.actions) == 1


def hands(prop) -> list[float]:
    points = fcurves.curve_of(prop).keyframe_points
    return [k.co[0] for k in points if k.type == "KEYFRAME"]
