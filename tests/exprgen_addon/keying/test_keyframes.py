"""Keys: their values and times, slots, reduction, re-application and undo."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from exprgen.networks.characters.profile import load_profile
from exprgen.networks.errors import InputError, UsageError
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import corrections, keyframes, punch, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions


def apply(scene, *tracks, **options):
    present = in_scene.characters_in(scene)[: len(tracks)]
    return keyframes.apply_tracks(list(tracks), present, scene, options=KeyOptions(**options))


def fcurve_of(prop: keyframes.Curve | object):
    animation = prop.owner.animation_data
    bag = next(
        b
        for b in animation.action.layers[0].strips[0].channelbags
        if b.slot_handle == animation.action_slot.handle
    )
    return bag.fcurves.find(prop.data_path, index=max(prop.index, 0))


def keys_of(prop) -> np.ndarray:
    points = fcurve_of(prop).keyframe_points
    co = np.empty(2 * len(points), np.float32)
    points.foreach_get("co", co)
    return co.reshape(-1, 2)


def test_keys_equal_the_tracks_values_at_their_times(scene, profiles):
    tracks = [synthetic.rig_track(p, frames=60, seed=i) for i, p in enumerate(profiles)]
    report = apply(scene, *tracks)
    assert (report.first, report.last) == (1.0, 60.0)
    for track, character in zip(tracks, in_scene.characters_in(scene), strict=True):
        for column, name in enumerate(track.controls):
            for prop in character.bindings[name]:
                keys = keys_of(prop)
                np.testing.assert_allclose(keys[:, 0], np.arange(1, 61), atol=1e-4)
                wanted = track.values[:, column] * prop.scale
                np.testing.assert_allclose(keys[:, 1], wanted, atol=1e-6)


def test_the_rig_moves_as_keyed(scene, profiles):
    track = synthetic.rig_track(profiles[0])
    apply(scene, track)
    character = in_scene.characters_in(scene)[0]
    for frame in (1, 17, 60):
        scene.frame_set(frame)
        for column, name in enumerate(track.controls):
            for prop in character.bindings[name]:
                assert prop.read() == pytest.approx(
                    track.values[frame - 1, column] * prop.scale, abs=1e-5
                )


def test_one_action_with_slots_named_after_each_character(scene, profiles):
    apply(scene, *(synthetic.rig_track(p) for p in profiles))
    (action,) = bpy.data.actions
    assert action.name == "ExprGen Take"
    names = {s.name_display for s in action.slots}
    assert {"Ann ann face", "Ann ann rig", "Bob bob rig"} <= names
    for character in in_scene.characters_in(scene):
        owners = {p.owner for props in character.bindings.values() for p in props}
        slots = {o.animation_data.action_slot.handle for o in owners}
        assert len(slots) == len(owners), "no datablock shares a slot"


def test_keys_are_marked_generated_and_grouped_by_region(scene, profiles):
    apply(scene, synthetic.rig_track(profiles[0]))
    character = in_scene.characters_in(scene)[0]
    fcurve = fcurve_of(character.bindings["smile"][0])
    assert {k.type for k in fcurve.keyframe_points} == {"GENERATED"}
    assert {k.interpolation for k in fcurve.keyframe_points} == {"LINEAR"}
    assert fcurve.group.name == "Mouth"


def test_two_copies_of_a_character_are_told_apart(profiles):
    scene = takes.new_file()
    first, second = in_scene.append_characters([profiles[0], profiles[0]], scene)
    assert first.collection.name == "Ann"
    assert second.collection.name == "Ann.001"
    assert second.face_center.x > first.face_center.x + 0.3
    tracks = [synthetic.rig_track(profiles[0], seed=i) for i in range(2)]
    keyframes.set_scene_fps(scene, 30)
    keyframes.apply_tracks(tracks, [first, second], scene)
    for track, character in zip(tracks, (first, second), strict=True):
        keys = keys_of(character.bindings["smile"][0])
        np.testing.assert_allclose(keys[:, 1], track.values[:, 0], atol=1e-6)


@pytest.mark.parametrize("clip_fps", [24.0, 30.0, 60.0])
def test_a_clip_of_any_rate_plays_at_its_own_speed(scene, profiles, clip_fps):
    keyframes.set_scene_fps(scene, 24.0)
    n = int(clip_fps * 2) + 1
    track = synthetic.rig_track(profiles[0], frames=n, fps=clip_fps)
    ramp = np.linspace(0, 1, n, dtype=np.float32)
    values = track.values.copy()
    values[:, 0] = ramp
    report = apply(scene, track.with_values(values))
    assert (report.first, report.last) == (1.0, 49.0)  # two seconds
    keys = keys_of(in_scene.characters_in(scene)[0].bindings["smile"][0])
    np.testing.assert_allclose(keys[:, 0], np.arange(1, 50), atol=1e-4)
    np.testing.assert_allclose(keys[:, 1], np.arange(49) / 48, atol=1e-5)


def test_variable_rate_keeps_its_timestamps(scene, profiles):
    track = synthetic.rig_track(profiles[0], frames=40)
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.08, 40))
    track = dataclasses.replace(track, times=times - times[0])
    apply(scene, track, subframes=True, start_frame=11.0)
    keys = keys_of(in_scene.characters_in(scene)[0].bindings["smile"][0])
    np.testing.assert_allclose(keys[:, 0], 11 + track.times * 30, atol=1e-4)
    apply(scene, track)  # whole frames again: what lay between them was generated and goes
    np.testing.assert_allclose(keys[0, 1], track.values[0, 0], atol=1e-6)


def test_ntsc_rates_are_set_exactly(scene):
    assert keyframes.set_scene_fps(scene, 24000 / 1001) == pytest.approx(23.976, abs=1e-3)
    assert scene.render.fps == 24
    assert keyframes.nearest_common_fps(29.4) == pytest.approx(30 / 1.001)
    assert keyframes.nearest_common_fps(12.2) == 12.0


def test_a_range_lands_at_its_own_time(scene, profiles):
    report = apply(scene, synthetic.rig_track(profiles[0], frames=31, start=2.0))
    assert (report.first, report.last) == (61.0, 91.0)


@pytest.mark.parametrize("interpolation", ["LINEAR", "BEZIER"])
@pytest.mark.parametrize("error", [0.01, 0.05])
def test_reduction_honours_its_bound_as_blender_draws_it(scene, profiles, interpolation, error):
    track = synthetic.rig_track(profiles[0], frames=240)
    full = apply(scene, track)
    report = apply(scene, track, reduce=error, interpolation=interpolation)
    assert report.keys < 0.6 * full.keys
    character = in_scene.characters_in(scene)[0]
    for column, name in enumerate(track.controls):
        control = character.profile.control(name)
        bound = error * (control.maximum - control.minimum)
        for prop in character.bindings[name]:
            fcurve = fcurve_of(prop)
            drawn = np.array([fcurve.evaluate(f) for f in range(1, 241)])
            missed = np.abs(drawn - track.values[:, column] * prop.scale).max()
            assert missed <= bound * abs(prop.scale) + 1e-5, name
            between = np.array([fcurve.evaluate(f / 4) for f in range(4, 961)])
            low, high = sorted((control.minimum * prop.scale, control.maximum * prop.scale))
            assert between.min() >= low - 1e-5, "stays inside the limits between keys too"
            assert between.max() <= high + 1e-5


def test_reapplying_replaces_generated_keys_and_leaves_the_rest(scene, profiles):
    track = synthetic.rig_track(profiles[0], frames=60)
    apply(scene, track)
    character = in_scene.characters_in(scene)[0]
    prop = character.bindings["smile"][0]
    curve = fcurve_of(prop)
    hand = curve.keyframe_points.insert(200.0, 0.7)
    hand.interpolation = "BEZIER"
    inside = curve.keyframe_points.insert(20.0, 0.123)
    inside.type = "KEYFRAME"
    other = synthetic.rig_track(profiles[0], frames=30, start=0.5, seed=9)
    apply(scene, other, whole=False)  # frames 16 to 45
    keys = keys_of(prop)
    assert len(keys) == 61
    at = dict(zip(keys[:, 0].round(2), keys[:, 1], strict=True))
    assert at[200.0] == pytest.approx(0.7)
    assert at[20.0] == pytest.approx(0.123), "a hand-made key inside stays"
    assert at[30.0] == pytest.approx(other.values[14, 0], abs=1e-6)
    assert at[10.0] == pytest.approx(track.values[9, 0], abs=1e-6), "outside the range: as before"
    types = [k.type for k in fcurve_of(prop).keyframe_points]
    assert types.count("KEYFRAME") == 2
    assert fcurve_of(prop).keyframe_points[-1].interpolation == "BEZIER"
    apply(scene, other, keep_hand_made=False, whole=False)
    at = {round(x, 2): y for x, y in keys_of(prop).tolist()}
    assert at[20.0] == pytest.approx(other.values[4, 0], abs=1e-6)
    assert at[200.0] == pytest.approx(0.7)


def test_an_action_made_by_hand_is_kept(scene, profiles):
    character = in_scene.characters_in(scene)[0]
    rig = character.bindings["brow"][0].owner
    rig.keyframe_insert("location", frame=5)
    own = rig.animation_data.action
    apply(scene, synthetic.rig_track(profiles[0]))
    assert rig.animation_data.action == own
    assert fcurve_of(character.bindings["brow"][0]) is not None
    assert len(own.layers[0].strips[0].channelbags[0].fcurves) > 3


CUT = 31
"""First frame of the second shot of `cut_track`, of sixty at 30 a second."""


def cut_track(made, **more):
    """A track whose every control is low before a cut and high after it, and moves a little."""
    track = synthetic.rig_track(made, **more)
    low, high = (np.array([getattr(c, n) for c in made.controls]) for n in ("minimum", "maximum"))
    after = (np.arange(len(track)) >= CUT)[:, None]
    unit = (track.values - low) / (high - low) * 0.2 + 0.8 * after
    meta = {"cuts": [float(track.times[CUT])]}
    affect = np.where(after, 0.8, -0.8) * np.ones((1, 2), np.float32)
    return dataclasses.replace(
        track.with_values(low + unit * (high - low)), meta=meta, affect=affect.astype(np.float32)
    )


@pytest.mark.parametrize("interpolation", ["LINEAR", "BEZIER"])
@pytest.mark.parametrize("reduce", [0.0, 0.03])
@pytest.mark.parametrize(("fps", "subframes"), [(30.0, False), (24.0, False), (24.0, True)])
def test_a_pose_holds_until_a_cut_and_the_next_is_there_at_once(
    scene, profiles, interpolation, reduce, fps, subframes
):
    keyframes.set_scene_fps(scene, fps)
    track = cut_track(profiles[0])
    options = {"interpolation": interpolation, "reduce": reduce, "subframes": subframes}
    apply(scene, track, affect=True, **options)
    character = in_scene.characters_in(scene)[0]
    cut = 1.0 + track.cuts[0] * fps
    first = cut if subframes else np.ceil(cut - 1e-3)
    for name in track.controls:
        control = character.profile.control(name)
        span = control.maximum - control.minimum
        for prop in character.bindings[name]:
            fcurve = fcurve_of(prop)
            drawn = np.array(
                [fcurve.evaluate(f) for f in (first - 0.6, first - 0.05, first + 1e-3)]
            )
            unit = (drawn / prop.scale - control.minimum) / span
            assert (unit[:2] < 0.2 + reduce + 1e-3).all(), (name, unit)
            assert unit[2] > 0.8 - reduce - 1e-3, (name, unit)
            assert unit[1] == pytest.approx(unit[0], abs=0.1)
            held = [k for k in fcurve.keyframe_points if k.interpolation == "CONSTANT"]
            assert len(held) == 1, "only the pose before the cut stays"
            assert held[0].co[0] < first
    rig = character.bindings["brow"][0].owner
    for curve in keyframes.bag_of(
        rig.animation_data.action, rig.animation_data.action_slot
    ).fcurves:
        if "exprgen_" in curve.data_path:
            assert curve.evaluate(first - 0.05) == pytest.approx(-0.8)
            assert curve.evaluate(first + 1e-3) == pytest.approx(0.8)


def test_a_range_that_ends_in_a_cut_ends_with_the_pose_before_it(profiles):
    track = cut_track(profiles[0])
    cut = track.cuts[0]
    before, after = punch.cut(track, 0.5, cut - 0.01), punch.cut(track, cut - 0.01, 1.5)
    np.testing.assert_array_equal(before.values[-1], track.values[CUT - 1])
    np.testing.assert_array_equal(after.values[0], track.values[CUT - 1])
    np.testing.assert_array_equal(after.values[1], track.values[CUT])
    assert before.cuts == after.cuts == track.cuts


def test_a_correction_stays_in_its_shot(addon, scene, profiles):
    track, ann = cut_track(profiles[0]), in_scene.characters_in(scene)[0]
    apply(scene, track)
    smile = fcurve_of(ann.bindings["smile"][0])
    was = np.array([smile.evaluate(f) for f in range(1, 61)])
    corrections.add_correction(ann, scene, CUT - 1.0, (CUT - 2) / 30, 0.4, {"smile": 0.3})
    smile = fcurve_of(ann.bindings["smile"][0])
    now = np.array([smile.evaluate(f) for f in range(1, 61)])
    np.testing.assert_allclose(now[CUT:], was[CUT:], atol=1e-6)
    assert now[CUT - 1] > was[CUT - 1] + 0.2
    assert smile.evaluate(CUT + 0.9) == pytest.approx(now[CUT - 1], abs=1e-6), "it holds still"
    again = corrections.correct(track, ann)
    np.testing.assert_allclose(again.values[:, track.controls.index("smile")], now, atol=1e-3)
    corrections.remove_correction(ann, scene, 0, CUT - 1.0)
    smile = fcurve_of(ann.bindings["smile"][0])
    np.testing.assert_allclose([smile.evaluate(f) for f in range(1, 61)], was, atol=1e-5)
    assert smile.evaluate(CUT + 0.9) == pytest.approx(was[CUT - 1], abs=1e-5)


def test_a_track_keeps_its_cuts_apart_where_one_shot_is_all_of_it(scene, profiles):
    """Cuts before the first or after the last frame of a track hold nothing."""
    track = synthetic.rig_track(profiles[0])
    apply(scene, dataclasses.replace(track, meta={"cuts": [-1.0, 0.0, 9.0]}))
    fcurve = fcurve_of(in_scene.characters_in(scene)[0].bindings["smile"][0])
    assert {k.interpolation for k in fcurve.keyframe_points} == {"LINEAR"}
    np.testing.assert_allclose(keys_of_curve(fcurve), track.values[:, 0], atol=1e-6)


def keys_of_curve(fcurve) -> np.ndarray:
    return np.array([k.co[1] for k in fcurve.keyframe_points])


def test_stills_get_a_frame_each(scene, profiles):
    track = synthetic.rig_track(profiles[0], frames=5)
    track = dataclasses.replace(track, times=np.arange(5.0), meta={"stills": True})
    report = apply(scene, track)
    assert (report.first, report.last) == (1.0, 5.0)
    fcurve = fcurve_of(in_scene.characters_in(scene)[0].bindings["smile"][0])
    assert {k.interpolation for k in fcurve.keyframe_points} == {"CONSTANT"}


def test_one_frame_between_whole_frames_is_kept(scene, profiles):
    track = synthetic.rig_track(profiles[0], frames=1, start=0.017)
    report = apply(scene, track)
    assert report.first == report.last
    assert report.keys == report.curves


def test_unknown_control_and_missing_parts_are_named(scene, profiles, tmp_path):
    track = dataclasses.replace(
        synthetic.rig_track(profiles[0]), controls=("nose", *profiles[0].names[1:])
    )
    with pytest.raises(UsageError, match="nose"):
        apply(scene, track)
    assert not bpy.data.actions, "nothing is written when something is wrong"

    broken = profiles[0].path.read_text().replace('key_blocks[\\"jaw\\"]', 'key_blocks[\\"jow\\"]')
    path = tmp_path / "ann.json"
    path.write_text(broken)
    (tmp_path / "ann.blend").write_bytes(profiles[0].blend.read_bytes())
    before = len(bpy.data.objects)
    with pytest.raises(InputError, match=r"ann\.blend.*control 'jaw'.*jow"):
        in_scene.append_characters([load_profile(path)], scene)
    assert len(bpy.data.objects) == before, "nothing is left behind"

    (tmp_path / "ann.blend").write_text("not a blend")
    with pytest.raises(InputError, match=r"ann\.blend"):
        in_scene.append_characters([load_profile(path)], scene)
    (tmp_path / "ann.blend").unlink()
    with pytest.raises(InputError, match="missing"):
        in_scene.append_characters([load_profile(path)], scene)


@pytest.fixture
def addon():
    import exprgen

    exprgen.register()
    yield
    exprgen.unregister()


def test_the_operator_is_one_undo_step(addon, scene, profiles, tmp_path):
    track = synthetic.rig_track(profiles[0])
    track.save(tmp_path / "track.npz")
    bpy.ops.ed.undo_push(message="before")
    done = bpy.ops.exprgen.apply_track(
        "EXEC_DEFAULT", True, filepath=str(tmp_path / "track.npz"), take="One"
    )
    assert done == {"FINISHED"}
    assert "ExprGen One" in bpy.data.actions
    bpy.ops.ed.undo()
    assert "ExprGen One" not in bpy.data.actions
    character = in_scene.characters_in(bpy.context.scene)[0]
    owners = {p.owner for props in character.bindings.values() for p in props}
    assert all(o.animation_data is None or o.animation_data.action is None for o in owners)


def test_the_operator_reports_what_is_wrong(addon, scene, tmp_path):
    with pytest.raises(RuntimeError, match="does not exist"):
        bpy.ops.exprgen.apply_track(filepath=str(tmp_path / "none.npz"))


def test_unregister_undoes_register(addon):
    import exprgen

    exprgen.unregister()
    assert not hasattr(bpy.types, "EXPRGEN_OT_apply_track")
    exprgen.register()


def test_two_characters_and_472_frames_take_less_than_half_a_second(scene, profiles):
    tracks = [synthetic.rig_track(p, frames=472, seed=i) for i, p in enumerate(profiles)]
    assert apply(scene, *tracks).seconds < 0.5


def with_affect(profile, frames=60):
    track = synthetic.rig_track(profile, frames=frames)
    wave = np.sin(np.arange(frames) / 10)
    return dataclasses.replace(track, affect=np.stack([wave, -0.5 * wave], 1).astype(np.float32))


def test_affect_is_keyed_when_asked_for(scene, profiles, tmp_path):
    track = with_affect(profiles[0])
    kept = type(track).load(track.save(tmp_path / "ann.npz"))
    assert np.array_equal(kept.affect, track.affect)
    plain = apply(scene, kept)
    rig = in_scene.rig_of(in_scene.characters_in(scene)[0])
    assert "exprgen_valence" not in rig
    report = apply(scene, kept, affect=True)
    assert report.curves == plain.curves + 2
    for frame in (1, 30, 60):
        scene.frame_set(frame)
        assert rig["exprgen_valence"] == pytest.approx(kept.affect[frame - 1, 0], abs=1e-5)
        assert rig["exprgen_arousal"] == pytest.approx(kept.affect[frame - 1, 1], abs=1e-5)


def test_a_track_that_knows_no_affect_keys_none(scene, profiles):
    track = synthetic.rig_track(profiles[0], frames=20)
    assert apply(scene, track, affect=True).curves == apply(scene, track).curves
