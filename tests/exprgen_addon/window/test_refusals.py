"""What the window says before something fails, and why a button is grey."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.networks.models.weights_places import WEIGHTS_VARIABLE, file_name
from exprgen.networks.solving import worst_frames
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.characters import casting, in_scene
from exprgen.exprgen_addon.keying import corrections
from exprgen.exprgen_addon.window import job_timer, preferences, references, review
from exprgen.exprgen_addon.window.panels import drawing
from exprgen.exprgen_addon.window.text_layout import shortened


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """Ann, who can be solved from a face, bob, who follows her, and odd, whom no network knows."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("ann", "bob", "odd"):
        synthetic.build(folder, name, primary=name == "ann")
    (folder / "weights").mkdir()
    for words in (("rig_regressor", "ann"), ("character_mlp", "ann", "bob")):
        (folder / "weights" / file_name(*words)).write_bytes(b"weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WEIGHTS_VARIABLE, str(folder / "weights"))
        exprgen.register()
        try:
            yield folder
        finally:
            exprgen.unregister()


@pytest.fixture
def scene(house):
    """A new file with an analysis and no character."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.exprgen.reference = str(house / "clip.mp4")
    synthetic.face_track(frames=30).save(house / "clip.npz")
    scene.exprgen.track = str(house / "clip.npz")
    return scene


def add(house, name: str) -> bpy.types.Collection:
    """Bring a character in; its collection."""
    before = set(bpy.data.collections)
    assert bpy.ops.exprgen.add_character(name=str(house / f"{name}.json")) == {"FINISHED"}
    return next(c for c in set(bpy.data.collections) - before if in_scene.CHARACTER_TAG in c)


def why_not(operator) -> str:
    """What Blender says of a grey button, "" if it is none."""
    try:
        operator()
    except RuntimeError as error:
        return str(error)
    return ""


def choose(scene, collection) -> None:
    scene.exprgen.active_character = list(bpy.data.collections).index(collection)


def test_who_cannot_lead_says_who_could(scene, house, monkeypatch):
    bob = add(house, "bob")
    ann_profile = casting.load_profile(house / "ann.json")
    monkeypatch.setattr(casting, "_samples", [ann_profile])
    said = f"Bob can't be solved from a face: add {ann_profile.title}, Bob then follows"
    assert casting.refusal(scene) == said
    assert not bpy.ops.exprgen.apply.poll()
    ann = add(house, "ann")
    assert casting.primary_collection(scene) == ann, "who can lead does so by itself"
    assert casting.refusal(scene) == ""
    assert bpy.ops.exprgen.apply.poll()
    scene.exprgen.primary = bob
    assert "make Ann the primary, Bob then follows" in casting.refusal(scene)
    scene.exprgen.primary = None
    odd = add(house, "odd")
    assert "No network leads from Ann to Odd: find its landmarks" in casting.refusal(scene)
    odd.exprgen.enabled = False
    assert casting.refusal(scene) == ""
    ann.exprgen.enabled = bob.exprgen.enabled = False
    assert "Tick a character" in casting.refusal(scene)


def test_make_primary_is_for_another_one_that_can_lead(scene, house):
    ann, bob = add(house, "ann"), add(house, "bob")
    other = add(house, "ann")
    for collection, able in ((ann, False), (bob, False), (other, True)):
        choose(scene, collection)
        assert bpy.ops.exprgen.make_primary.poll() == able
    assert bpy.ops.exprgen.make_primary() == {"FINISHED"}
    assert casting.primary_collection(scene) == other
    assert not bpy.ops.exprgen.make_primary.poll()


def test_apply_is_grey_while_the_analysis_is_gone(scene, house):
    add(house, "ann")
    assert bpy.ops.exprgen.apply.poll()
    (house / "clip.npz").unlink()
    assert not bpy.ops.exprgen.apply.poll()


def test_long_words_are_wrapped_too():
    path = "/a/very/long/folder/name/without/any/spaces/python"
    lines = drawing.wrapped(f"tried: {path}", 20)
    assert max(map(len, lines)) <= 20
    assert "".join(lines).replace(" ", "") == f"tried:{path}"
    assert drawing.wrapped("", 20) == []


def test_names_that_begin_alike_differ_when_they_are_shortened():
    names = ("disgust_one_sided", "disgust_one_sided_right", "disgust_one_sided_left")
    short = [shortened(name, 17) for name in names]
    assert short[0] == names[0]
    assert len(set(short)) == 3
    assert all(len(s) <= 17 for s in short)


def test_a_character_chosen_in_the_list_has_its_rig_selected(scene, house):
    found = [add(house, name) for name in ("ann", "bob")]
    for collection in reversed(found):
        choose(scene, collection)
        active = bpy.context.view_layer.objects.active
        assert active == in_scene.rig_of(in_scene.character_of(collection))
        assert active.name in collection.all_objects
        assert [o for o in bpy.context.view_layer.objects if o.select_get()] == [active]


def test_a_view_of_a_face_shows_its_handles(scene, house):
    from mathutils import Vector

    from exprgen.exprgen_addon.window.operators import view_faces

    character = in_scene.character_of(add(house, "ann"))
    handles = in_scene.handles_of(character)
    assert handles
    middle, width, height = view_faces.extent([character])
    right = in_scene.right_of(Vector(character.profile.framing.forward))
    for place in handles:
        assert abs(right.dot(place - middle)) < width / 2
        assert abs((place - middle).z) < height / 2


def test_a_file_that_shows_nothing_is_refused_at_once(scene, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("no face")
    kept = scene.exprgen.track
    said = why_not(lambda: bpy.ops.exprgen.pick_reference(filepath=str(notes)))
    assert "neither a clip nor a picture" in said
    assert "mp4 mov" in said
    assert "folder of pictures" in said
    assert scene.exprgen.track == kept
    for name in ("clip.MP4", "clip.mts", "face.png"):
        references.check_kind(str(tmp_path / name))
    references.check_kind(str(tmp_path))


def test_each_worst_frame_says_why(scene, house):
    track = synthetic.face_track(frames=90, fps=30.0)
    a, b = EXPRESSIONS.index("sadness"), EXPRESSIONS.index("surprise")
    for rows in (slice(20, 60), slice(73, 74)):
        track.expression[rows] = 0.02
        track.expression[rows, a], track.expression[rows, b] = 0.46, 0.44
    track.state[45] = 1
    track.confidence[86] = 0.3
    track.save(house / "clip.npz")
    rows = worst_frames.worst_rows(track)
    frame_by_frame = dict(zip(rows, worst_frames.reasons(track, rows), strict=True))
    assert frame_by_frame[73] == "sadness or surprise? (a quick change)"
    assert not [w for w in worst_frames.warnings(track) if abs(w.start - 73 / 30) < 0.05]
    told = {f.row: f.text for f in review.review_of(scene).findings}
    assert told.pop(45) == "face lost"
    assert told.pop(86) == "face seen poorly (30%)"
    assert set(told.values()) == {"sadness or surprise?"}, "a phrase in doubt, and no moment of one"
    assert all(20 <= row < 60 for row in told)
    scene.frame_set(1)
    bpy.ops.exprgen.worst_frame()
    assert review.told_at(scene, scene.frame_current) == f"1 of {2 + len(told)}: face lost"
    assert review.told_at(scene, 2) == ""


def test_a_correction_is_changed_only_against_the_keys(scene, house):
    entry = add(house, "ann").exprgen.corrections.add()
    assert not corrections.is_changed(entry), "of an older file nothing is known"
    corrections.mark_keyed(entry)
    assert not corrections.is_changed(entry)
    entry.strength = 0.5
    assert corrections.is_changed(entry)
    corrections.mark_keyed(entry)
    entry.radius = 1.0
    assert corrections.is_changed(entry)


def test_a_check_puts_the_last_one_s_findings_away(house, monkeypatch):
    monkeypatch.setattr(preferences, "findings", [{"what": "torch", "ok": False}])
    seen = []
    monkeypatch.setattr(
        job_timer, "start", lambda task, _: seen.append(list(preferences.findings)) or {"FINISHED"}
    )
    assert bpy.ops.exprgen.check_engine() == {"FINISHED"}
    assert seen == [[]]


def test_a_face_track_in_no_doubt_has_no_reasons():
    track = synthetic.face_track(frames=30)
    assert worst_frames.reasons(track, worst_frames.worst_rows(track)) == []
    assert np.all(worst_frames.faults(track) < 0.15)


def test_the_chosen_one_stays_chosen_when_collections_come_and_go(scene, house):
    bob = add(house, "bob")
    assert bpy.data.collections[scene.exprgen.active_character] == bob, "marked"
    other = add(house, "bob")
    choose(scene, other)
    ann, aside = add(house, "ann"), bpy.data.collections.new("A Set")
    assert in_scene.active_collection(scene) == other
    choose(scene, ann)
    bpy.data.collections.remove(aside)
    assert in_scene.active_collection(scene) == ann
    bpy.ops.exprgen.remove_character(collection=ann.name)
    assert in_scene.active_collection(scene) in (bob, other)
