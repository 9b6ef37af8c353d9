"""What an animator made outlives Apply: keys in renamed takes, parts that were copied, strips,
other clips; and Apply is all or nothing."""

from __future__ import annotations

import dataclasses

import pytest

from exprgen.networks.errors import ExprGenError, InputError
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

from exprgen import exprgen_addon as addon
from exprgen.exprgen_addon.characters import casting, in_scene
from exprgen.exprgen_addon.keying import corrections, fcurves, generated, keyframes, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions


@pytest.fixture
def apply(profiles):
    """Apply a track of `frames` frames of a clip to both characters; the report."""

    def run(scene, seed=0, take="Take", frames=60, clip="a.mp4", **options):
        present = in_scene.characters_in(scene)
        tracks = [
            synthetic.rig_track(c.profile, seed=seed + i, frames=frames)
            for i, c in enumerate(present)
        ]
        tracks = [dataclasses.replace(t, meta={"source": clip}) for t in tracks]
        options = KeyOptions(**options)
        return keyframes.apply_tracks(tracks, present, scene, take=take, options=options)

    return run


def smile(scene, who: int = 0):
    return in_scene.characters_in(scene)[who].bindings["smile"][0]


def by_hand(scene, frame: float = 30.0) -> None:
    key = fcurves.curve_of(smile(scene)).keyframe_points.insert(frame, 0.123)
    key.type = "KEYFRAME"


def hands(scene) -> int:
    return sum(k.type == "KEYFRAME" for k in fcurves.curve_of(smile(scene)).keyframe_points)


def span(scene) -> list[float]:
    keys = [k.co[0] for k in fcurves.curve_of(smile(scene)).keyframe_points]
    return [round(keys[0], 2), round(keys[-1], 2)]


def everything() -> dict:
    """All that Apply could change: actions, slots, curves, who plays what."""
    keys = {
        (a.name, b.slot_handle, c.data_path, c.array_index): [
            tuple(k.co) for k in c.keyframe_points
        ]
        for a in bpy.data.actions
        for layer in a.layers
        for strip in layer.strips
        for b in strip.channelbags
        for c in b.fcurves
    }
    owners = [*bpy.data.objects, *bpy.data.shape_keys]
    plays = {
        o.name: (d.action and d.action.name, d.use_tweak_mode)
        for o in owners
        if (d := o.animation_data) is not None
    }
    return {"actions": sorted(a.name for a in bpy.data.actions), "keys": keys, "plays": plays}


def only(scene, name: str):
    """Select one object alone and make it active."""
    found = bpy.data.objects[name]
    for o in scene.objects:
        o.select_set(o == found)
    bpy.context.view_layer.objects.active = found
    return found


class TestTakes:
    """A take is found by its tag."""

    def test_a_renamed_action_is_the_take_still(self, scene, apply):
        apply(scene)
        bpy.data.actions["ExprGen Take"].name = "sh010_face_v01"
        by_hand(scene)
        assert apply(scene, seed=1).action == "sh010_face_v01"
        assert hands(scene) == 1
        assert len(bpy.data.actions) == 1

    def test_a_name_that_blender_cuts(self, scene, apply):
        take = "第12話_カット034_泣き笑い_テイク3_最終版_修正2"
        apply(scene, take=take)
        by_hand(scene)
        apply(scene, seed=1, take=take)
        assert hands(scene) == 1
        assert len(bpy.data.actions) == 1

    def test_somebody_elses_action_of_that_name_is_left_alone(self, scene, apply):
        own = bpy.data.actions.new("ExprGen Take")
        own.use_fake_user = True
        apply(scene)
        by_hand(scene)
        apply(scene, seed=1)
        assert hands(scene) == 1
        assert not own.layers, "theirs is as it was"
        assert len(bpy.data.actions) == 2

    def test_of_two_with_one_tag_the_one_that_plays_is_keyed_and_it_is_said(self, scene, apply):
        apply(scene)
        copy = bpy.data.actions["ExprGen Take"].copy()
        for who in in_scene.characters_in(scene):
            for owner in {p.owner for props in who.bindings.values() for p in props}:
                owner.animation_data.action = copy
        by_hand(scene)
        report = apply(scene, seed=1)
        assert report.action == copy.name
        assert hands(scene) == 1
        assert any("2 actions are the take 'Take'" in n for n in report.notes)


class TestCopies:
    """What a person duplicates is a copy: the original is driven."""

    def duplicated(self, scene, name):
        only(scene, name)
        bpy.ops.object.duplicate()
        return bpy.context.view_layer.objects.active

    @pytest.mark.parametrize("part", ["ann face", "ann rig"])
    def test_a_duplicate_is_not_keyed(self, scene, apply, part):
        apply(scene)
        before = smile(scene).owner
        copy = self.duplicated(scene, part)
        report = apply(scene, seed=1)
        assert smile(scene).owner == before
        assert f"{part!r} is driven, its copy {copy.name!r} is not" in report.notes

    def test_of_a_renamed_original_too(self, scene, apply):
        apply(scene)
        bpy.data.objects["ann face"].name = "HERO_face"
        copy = self.duplicated(scene, "HERO_face")
        assert copy.name == "HERO_face.001"
        apply(scene, seed=1)
        assert smile(scene).owner == bpy.data.objects["HERO_face"].data.shape_keys

    def test_of_a_second_copy_of_the_character_too(self, profiles):
        scene = takes.new_file()
        in_scene.append_characters([profiles[0], profiles[0]], scene)
        second = in_scene.characters_in(scene)[1].bindings["smile"][0].owner.user
        part = next(o for o in scene.objects if o.data == second)
        assert part.name == "ann face.001"
        self.duplicated(scene, part.name)
        assert in_scene.characters_in(scene)[1].bindings["smile"][0].owner.user == second

    def test_of_files_before_names_were_kept_too(self, scene, apply):
        for o in scene.objects:
            o.pop(in_scene.OWN_TAG, None)
        face = bpy.data.objects["ann face"].data
        self.duplicated(scene, "ann face")
        assert smile(scene).owner.user == face

    def test_a_separated_part_is_not_keyed(self, scene, apply):
        apply(scene)
        face = only(scene, "ann face")
        face.data.polygons[0].select = True
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.select_all(action="DESELECT")
        bpy.ops.object.mode_set(mode="OBJECT")
        face.data.polygons[0].select = True
        bpy.ops.object.mode_set(mode="EDIT")
        bpy.ops.mesh.separate(type="SELECTED")
        bpy.ops.object.mode_set(mode="OBJECT")
        assert smile(scene).owner.user == face.data

    def test_it_holds_after_the_file_was_saved(self, scene, apply, tmp_path):
        apply(scene)
        self.duplicated(scene, "ann face")
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "x.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "x.blend"))
        assert smile(bpy.context.scene).owner.user == bpy.data.objects["ann face"].data


class TestAllOrNothing:
    def tweaked(self, scene):
        """Push what is keyed down to a strip of each part, and tweak it."""
        characters = in_scene.characters_in(scene)
        for owner in {p.owner for c in characters for q in c.bindings.values() for p in q}:
            animation = owner.animation_data
            action, slot = animation.action, animation.action_slot
            track = animation.nla_tracks.new()
            strip = track.strips.new("take", 1, action)
            strip.action_slot = slot
            animation.action = None
            track.select = strip.select = True
            animation.nla_tracks.active = track
            animation.use_tweak_mode = True

    def linked_action(self, tmp_path):
        made = bpy.data.actions.new("Body")
        bpy.data.libraries.write(str(tmp_path / "lib.blend"), {made})
        bpy.data.actions.remove(made)
        with bpy.data.libraries.load(str(tmp_path / "lib.blend"), link=True) as (_, here):
            here.actions = ["Body"]
        return bpy.data.actions["Body"]

    def test_in_tweak_mode(self, scene, apply):
        apply(scene)
        self.tweaked(scene)
        report = apply(scene, seed=1, take="Second")
        assert report.action == "ExprGen Second"
        assert any("tweak mode of ann rig was left" in n for n in report.notes)
        animation = smile(scene).owner.animation_data
        assert animation.action == bpy.data.actions["ExprGen Second"]
        assert animation.nla_tracks[0].strips[0].action == bpy.data.actions["ExprGen Take"]

    def test_a_linked_action_of_the_second_character(self, scene, apply, tmp_path):
        apply(scene)
        owner = in_scene.characters_in(scene)[1].bindings["brow"][0].owner
        owner.animation_data.action = self.linked_action(tmp_path)
        before = everything()
        with pytest.raises(InputError, match=r"'Body' of 'bob rig' is linked.*make it local"):
            apply(scene, seed=9, take="Second")
        assert everything() == before

    def test_a_linked_action_behind_a_tweaked_strip(self, scene, apply, tmp_path):
        apply(scene)
        self.tweaked(scene)
        animation = in_scene.characters_in(scene)[1].bindings["brow"][0].owner.animation_data
        animation.use_tweak_mode = False
        animation.action = self.linked_action(tmp_path)
        animation.use_tweak_mode = True
        before = everything()
        with pytest.raises(InputError, match="is linked"):
            apply(scene, seed=9)
        assert everything() == before, "and tweak mode is on still"

    @pytest.mark.parametrize("system", [False, True])
    def test_library_overrides(self, profiles, apply, tmp_path, system):
        scene = takes.new_file()
        in_scene.append_characters(profiles[:1], scene)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
        scene = takes.new_file()
        with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (_, here):
            here.collections = ["Ann"]
        linked = here.collections[0]
        scene.collection.children.link(linked)
        assert in_scene.characters_in(scene) == [], "linked, it can't be keyed"
        with pytest.raises(InputError, match="make a library override"):
            in_scene.character_of(linked)
        options = {"do_fully_editable": not system}
        made = linked.override_hierarchy_create(scene, bpy.context.view_layer, **options)
        for part in made.all_objects:
            if part.data is not None and part.type == "MESH":
                part.data.override_create(remap_local_usages=True)  # with its shape keys
        scene.collection.children.unlink(linked)
        assert made in in_scene.collections_in(scene)
        if system:
            before = everything()
            with pytest.raises(InputError, match="can't be changed"):
                apply(scene)
            assert everything() == before
        else:
            keyframes.set_scene_fps(scene, 30.0)
            apply(scene)
            assert span(scene) == [1, 60]

    def play_linked(self, scene, who: int, folder) -> None:
        """Let one character play a linked copy of the take."""
        take = smile(scene, who).owner.animation_data.action
        bpy.data.libraries.write(str(folder / "take.blend"), {take})
        with bpy.data.libraries.load(str(folder / "take.blend"), link=True) as (_, here):
            here.actions = [take.name]
        linked = next(a for a in bpy.data.actions if a.library)
        bindings = in_scene.characters_in(scene)[who].bindings
        for owner in {p.owner for props in bindings.values() for p in props}:
            slot = owner.animation_data.action_slot.identifier
            owner.animation_data.action = linked
            owner.animation_data.action_slot = linked.slots[slot]

    def test_clearing_keys_too(self, scene, apply, tmp_path):
        apply(scene)
        self.play_linked(scene, 1, tmp_path)
        before = everything()
        with pytest.raises(InputError, match="linked"):
            fcurves.clear_generated(in_scene.characters_in(scene), -1e9, 1e9)
        assert everything() == before

    def test_a_correction_too(self, scene, apply, tmp_path):
        addon.register()
        try:
            apply(scene)
            self.play_linked(scene, 0, tmp_path)
            before, ann = everything(), in_scene.characters_in(scene)[0]
            with pytest.raises(InputError, match="linked"):
                corrections.add_correction(ann, scene, 10.0, 0.3, 0.2, {"smile": 0.3}, keyed=True)
            assert not len(ann.collection.exprgen.corrections)
            assert everything() == before
        finally:
            addon.unregister()

    def test_a_solo_track_that_hides_the_keys_is_said(self, scene, apply):
        apply(scene)
        owner = smile(scene).owner
        track = owner.animation_data.nla_tracks.new()
        track.name, track.is_solo = "Body pass", True
        report = apply(scene, seed=1)
        (note,) = report.notes
        assert "'Body pass'" in note
        assert "solo" in note


class TestSeen:
    """What hides the new keys, and what a person has locked, is told."""

    @pytest.mark.parametrize("of_group", [False, True])
    def test_muted_curves(self, scene, apply, of_group):
        apply(scene)
        curve = fcurves.curve_of(smile(scene))
        (curve.group if of_group else curve).mute = True
        assert any("is muted" in note for note in apply(scene, 1).notes)

    def test_a_mesh_that_shows_one_shape_key_alone(self, scene, apply):
        apply(scene)
        (part,) = (o for o in bpy.data.objects if o.data == smile(scene).owner.user)
        part.show_only_shape_key = True
        (note,) = apply(scene, 1).notes
        assert note.startswith(part.name)
        assert "Solo Active Shape Key" in note
        part.show_only_shape_key = False
        assert not apply(scene, 1).notes

    @pytest.mark.parametrize("of_group", [False, True])
    def test_locked_curves_stay_as_they_are(self, scene, apply, of_group):
        apply(scene)
        curve = fcurves.curve_of(smile(scene))
        (curve.group if of_group else curve).lock = True
        before = [tuple(k.co) for k in curve.keyframe_points]
        report = apply(scene, 1)
        after = fcurves.curve_of(smile(scene)).keyframe_points
        assert [tuple(k.co) for k in after] == before
        assert any("locked" in note for note in report.notes)

    def test_two_copies_that_share_their_keys(self, profiles, apply):
        scene = takes.new_file()
        in_scene.append_characters([profiles[0]] * 2, scene)
        apply(scene)
        a, b = in_scene.characters_in(scene)
        for name, props in a.bindings.items():
            for one, other in zip(props, b.bindings[name], strict=True):
                other.owner.animation_data.action_slot = one.owner.animation_data.action_slot
        assert any("share their keys" in note for note in apply(scene, 1).notes)


class TestRanges:
    """Generated keys of an older take of the same clip go; all others stay."""

    def test_of_a_longer_take(self, scene, apply):
        apply(scene, frames=60)
        by_hand(scene, 50)
        apply(scene, seed=1, frames=30)
        curve = fcurves.curve_of(smile(scene))
        assert [round(k.co[0]) for k in curve.keyframe_points if k.co[0] > 30.5] == [50]

    def test_of_a_shifted_take(self, scene, apply):
        apply(scene, start_frame=1)
        apply(scene, start_frame=101)
        assert span(scene) == [101, 160]

    def test_of_another_clip_they_stay(self, scene, apply):
        apply(scene, frames=60)
        apply(scene, frames=30, clip="b.mp4", start_frame=201)
        assert span(scene) == [1, 230]
        apply(scene, frames=20, clip="b.mp4", start_frame=201)
        assert span(scene) == [1, 220]
        apply(scene, frames=40)
        keys = [round(k.co[0]) for k in fcurves.curve_of(smile(scene)).keyframe_points]
        assert keys == [*range(1, 41), *range(201, 221)]

    def test_what_another_clip_was_keyed_over_is_its_own(self, scene, apply):
        apply(scene, frames=60)
        apply(scene, frames=21, clip="b.mp4", start_frame=30)  # 30 to 50, in the middle of a
        apply(scene, frames=10)
        keys = [round(k.co[0]) for k in fcurves.curve_of(smile(scene)).keyframe_points]
        assert keys == [*range(1, 11), *range(30, 51)]

    def test_a_part_that_is_punched_in_leaves_the_rest(self, scene, apply):
        apply(scene, frames=60)
        apply(scene, seed=1, frames=10, start_frame=20, whole=False)
        assert span(scene) == [1, 60]
        apply(scene, seed=2, frames=10)
        assert span(scene) == [1, 10], "applied whole again, it is all of it"

    def test_a_partial_track_takes_nothing_away(self, scene, apply, profiles):
        apply(scene, frames=60)
        present = in_scene.characters_in(scene)[:1]
        track = synthetic.rig_track(profiles[0], frames=20)
        track = dataclasses.replace(track, meta={"source": "a.mp4", "partial": True})
        keyframes.apply_tracks([track], present, scene)
        assert span(scene) == [1, 60]

    def test_of_files_before_ranges_were_kept_they_stay_and_it_is_said(self, scene, apply):
        apply(scene, frames=60)
        del bpy.data.actions["ExprGen Take"][generated.RANGES_TAG]
        report = apply(scene, frames=30)
        assert span(scene) == [1, 60]
        assert any("stay on" in n and "up to frame 60" in n for n in report.notes)

    @pytest.mark.parametrize("damaged", ["", "[]", "{", '{"1": 3}', '{"1": [["a", "x", 2]]}', 7])
    def test_a_damaged_note_counts_as_none(self, scene, apply, damaged):
        apply(scene, frames=60)
        bpy.data.actions["ExprGen Take"][generated.RANGES_TAG] = damaged
        apply(scene, frames=30)
        assert span(scene) == [1, 60]

    @pytest.mark.parametrize(
        ("a", "b", "same"),
        [
            ("a.mp4", "a.mp4", True),
            ("a.mp4", "b.mp4", False),
            ("plate.mp4:10", "plate.mp4:10", True),
            ("plate.mp4:10", "plate.mp4:11", False),
            ("plate.mp4", "plate.mp4:11", True),
            ("take:2", "take:3", False),
            ("", "", True),
            ("", "a.mp4", False),
        ],
    )
    def test_when_two_references_are_one(self, a, b, same):
        assert generated.same_reference(a, b) == generated.same_reference(b, a) == same


class TestBroken:
    """One broken character stands in the way of no other."""

    @pytest.mark.parametrize("tag", [in_scene.CHARACTER_TAG, in_scene.PROFILE_TAG])
    @pytest.mark.parametrize("said", [5, [1, 2], {"a": 1}, "/dev/zero", "/", "\x01"])
    def test_tags_that_somebody_wrote(self, scene, tag, said):
        collection = in_scene.collections_in(scene)[0]
        collection[tag] = said
        for part in collection.all_objects:
            part[in_scene.NAME_TAG] = part[in_scene.OWN_TAG] = said
        bob = in_scene.characters_in(scene)[-1]
        assert bob.profile.name == "bob"
        casting.profile_of(collection)

    @pytest.mark.parametrize("said", ["[" * 100_000, '{"1": 5}', '{"1": [["a", 1e999, 2]]}', 5])
    def test_ranges_that_somebody_wrote(self, scene, apply, said):
        apply(scene)
        bpy.data.actions["ExprGen Take"][generated.RANGES_TAG] = said
        apply(scene, 1)

    def test_one_part_deleted(self, scene, apply):
        bpy.data.objects.remove(bpy.data.objects["ann teeth"])
        assert [c.profile.name for c in in_scene.characters_in(scene)] == ["bob"]
        (error,) = in_scene.broken_in(scene).values()
        assert "'ann teeth' is missing" in error.problem
        assert apply(scene).keys

    def test_a_profile_that_moved(self, scene, apply):
        collection = bpy.data.collections["Ann"]
        collection[in_scene.PROFILE_TAG] = "/nowhere/ann.json"
        assert [c.profile.name for c in in_scene.characters_in(scene)] == ["bob"]
        assert apply(scene).keys

    def test_who_asks_for_the_broken_one_is_told_why(self, scene, tmp_path, profiles):
        bpy.data.objects.remove(bpy.data.objects["ann teeth"])
        path = synthetic.rig_track(profiles[0]).save(tmp_path / "ann.npz")
        for name in ("", "Ann"):
            with pytest.raises(ExprGenError, match="'ann teeth' is missing"):
                takes.apply_file(path, scene, character=name, take="T", options=KeyOptions())
