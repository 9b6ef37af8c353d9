"""Takes in the window: a clip's own take and sound, punch-in, undo; without a worker."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.track import RigTrack
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.engine.live import live_source
from exprgen.exprgen_addon.keying import fcurves, sound, take_list
from exprgen.exprgen_addon.keying.keyframes import KeyReport
from exprgen.exprgen_addon.keying.parts import PARTS
from exprgen.exprgen_addon.keying.punch import Punch
from exprgen.exprgen_addon.keying.take_list import (
    About,
    find_take,
    note_about,
    takes_in_file,
)
from exprgen.exprgen_addon.window import applying, references, review, take_pieces
from exprgen.exprgen_addon.window.operators import apply as operators_apply
from exprgen.exprgen_addon.window.operators import live as operators_live
from exprgen.exprgen_addon.window.operators import takes as operators_takes
from exprgen.exprgen_addon.window.panels import take_target
from exprgen.exprgen_addon.window.panels import takes as panels_takes
from exprgen.tests.networks.footage.test_sound import sounding

FRAMES = 60


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A character, two clips with sound, and a performance of each."""
    folder = tmp_path_factory.mktemp("takes")
    profile = synthetic.build(folder, "ann", primary=True)
    for clip, seed in (("a", 1), ("b", 9)):
        sounding(folder / f"{clip}.mp4", sound_at=0.2)
        (folder / clip).mkdir()
        track = synthetic.rig_track(profile, seed=seed, frames=FRAMES)
        times = np.arange(FRAMES) / 25
        dataclasses.replace(track, times=times, meta={"sound": 0.2}).save(folder / clip / "ann.npz")
        synthetic.face_track(frames=FRAMES).save(folder / f"{clip}.npz")
    exprgen.register()
    try:
        yield folder
    finally:
        exprgen.unregister()


@pytest.fixture
def scene(house):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(house / "shot.blend"))
    bpy.ops.exprgen.add_character(name=str(house / "ann.json"))
    scene = bpy.context.scene
    scene.render.fps = 25
    return scene


def choose(scene, house, clip: str) -> None:
    scene.exprgen.reference = str(house / f"{clip}.mp4")
    scene.exprgen.track = str(house / f"{clip}.npz")


def apply(scene, house, clip: str):
    choose(scene, house, clip)
    done = bpy.ops.exprgen.write_take(scene=scene.name, folder=str(house / clip))
    assert done == {"FINISHED"}


def reversed_in(house, clip: str) -> RigTrack:
    """A folder beside a clip's, named with an `r`, whose performance runs backwards."""
    track = RigTrack.load(house / clip / "ann.npz")
    track = track.with_values(track.values[::-1].copy())
    (house / f"{clip}r").mkdir(exist_ok=True)
    track.save(house / f"{clip}r" / "ann.npz")
    return track


def punch_in(scene, house, parts=PARTS, first=20, last=40, blend=5) -> KeyReport:
    """Punch a stretch of the performances backwards into the shown take."""
    pieces, _ = take_pieces.punched_pieces(scene.exprgen, parts)
    pieces = [
        dataclasses.replace(p, folder=str(house / f"{Path(p.about.reference).stem}r"))
        for p in pieces
    ]
    punch = Punch(first, last, blend, blend, tuple(parts))
    return applying.write_pieces(scene, pieces, punch, again=True)


def values(scene, control: str = "smile") -> np.ndarray:
    (prop, *_) = in_scene.characters_in(scene)[0].bindings[control]
    return fcurves.sample(prop, np.arange(1.0, FRAMES + 1))


def heard(scene) -> dict[str, bool]:
    return {s[sound.TAKE_TAG]: not s.mute for s in sound.sounds_of(scene)}


def begins(strip) -> float:
    return strip.left_handle if hasattr(strip, "left_handle") else strip.frame_final_start


def test_a_second_clip_goes_to_a_take_of_its_own(scene, house):
    apply(scene, house, "a")
    first = values(scene)
    apply(scene, house, "b")
    assert scene.exprgen.take == "Take 2"
    second = values(scene)
    assert np.abs(first - second).max() > 0.05
    assert {t.name: t.clip for t in takes_in_file()} == {"Take": "a.mp4", "Take 2": "b.mp4"}
    assert bpy.ops.exprgen.show_take(take="Take") == {"FINISHED"}
    np.testing.assert_array_equal(values(scene), first)
    assert references.identity(scene.exprgen) == find_take("Take").about.source
    assert scene.exprgen.track == str(house / "a.npz")
    apply(scene, house, "b")
    np.testing.assert_array_equal(values(scene), second)
    assert len(takes_in_file()) == 2, "its own take again"


def test_a_take_that_is_shown_again_has_its_range_and_no_review_of_another(scene, house):
    apply(scene, house, "a")
    scene.exprgen.start_frame = 11
    apply(scene, house, "b")
    ranges = (1, FRAMES), (11, FRAMES + 10)
    assert (scene.frame_start, scene.frame_end) == ranges[1]
    assert review.review_of(scene) is review.kept(scene)
    choose(scene, house, "a")
    assert review.kept(scene) is None
    assert review.shown_now(scene) is None
    (told,) = review.review_of(scene).lacking
    assert "the keys are of b.mp4" in told, "one clip's lips are not compared with another's"
    scene.exprgen.overlay = "beside"
    assert bpy.ops.exprgen.show_take(take="Take") == {"FINISHED"}
    assert (scene.frame_start, scene.frame_end) == ranges[0]
    assert scene.exprgen.overlay == "beside", "its own footage comes"
    scene.frame_end = 28
    assert bpy.ops.exprgen.show_take(take="Take 2") == {"FINISHED"}
    assert scene.frame_end == 28, "somebody's own range stays"


def test_a_clip_that_is_chosen_again_brings_its_take(scene, house):
    apply(scene, house, "a")
    first = values(scene)
    apply(scene, house, "b")
    second = values(scene)
    assert take_list.played_take(scene) == "Take 2"
    assert bpy.ops.exprgen.pick_reference(filepath=str(house / "a.mp4")) == {"FINISHED"}
    assert take_list.played_take(scene) == scene.exprgen.take == "Take"
    np.testing.assert_array_equal(values(scene), first)
    assert references.identity(scene.exprgen) == find_take("Take").about.source
    choose(scene, house, "b")
    assert scene.exprgen.take == "Take 2", "what the next Apply keys"
    assert take_list.played_take(scene) == "Take", "which is not what is played yet"
    assert bpy.ops.exprgen.show_take(take="Take 2") == {"FINISHED"}
    np.testing.assert_array_equal(values(scene), second)


def test_who_wants_it_in_one_take_is_told(scene, house):
    apply(scene, house, "a")
    choose(scene, house, "b")
    scene.exprgen.take = "Take"
    report = applying.write_take(scene, house / "b")
    assert any("was of a.mp4" in note for note in report.notes)


def test_the_take_has_its_sound_once(scene, house):
    for _ in range(2):
        apply(scene, house, "a")
    (strip,) = sound.sounds_of(scene)
    assert begins(strip) == 1 + round(0.2 * 25)
    assert (scene.sync_mode, scene.use_audio_scrub) == ("AUDIO_SYNC", True)
    scene.exprgen.start_frame = 11
    apply(scene, house, "a")
    (strip,) = sound.sounds_of(scene)
    assert begins(strip) == 11 + round(0.2 * 25)
    apply(scene, house, "b")
    assert heard(scene) == {"Take": False, "Take 2": True}
    bpy.ops.exprgen.show_take(take="Take")
    assert heard(scene) == {"Take": True, "Take 2": False}
    assert bpy.ops.exprgen.rename_take(take="Take", name="Calm") == {"FINISHED"}
    assert heard(scene) == {"Calm": True, "Take 2": False}
    bpy.ops.exprgen.delete_take(take="Calm")
    assert heard(scene) == {"Take 2": True}
    assert len(bpy.data.sounds) == 1
    scene.exprgen.sound = False
    bpy.ops.exprgen.delete_take(take="Take 2")
    apply(scene, house, "a")
    assert not sound.sounds_of(scene)


FAR = np.r_[0:18, 41:FRAMES]
INSIDE = np.r_[26:33]
"""Rows of `values` outside of a punch of the frames 20 to 40, and within its blends."""


def test_a_stretch_is_punched_in_and_the_rest_stays(scene, house):
    apply(scene, house, "a")
    before, brow = values(scene), values(scene, "brow")
    changed = reversed_in(house, "a")
    (strip,) = sound.sounds_of(scene)
    strip.channel = 5  # somebody has moved it
    scene.exprgen.start_frame = 7  # of the next clip
    punch_in(scene, house, ["mouth"])
    after = values(scene)
    np.testing.assert_array_equal(after[FAR], before[FAR])
    np.testing.assert_allclose(after[[19, 39]], before[[19, 39]], atol=1e-6)
    column = changed.controls.index("smile")
    np.testing.assert_allclose(after[INSIDE], changed.values[:, column][INSIDE], atol=1e-5)
    np.testing.assert_array_equal(values(scene, "brow"), brow)
    assert sound.sounds_of(scene)[0].channel == 5
    assert scene.exprgen.take == "Take"


def combined(scene, house) -> None:
    """The mouth of one clip, the brows of another one, that begins two frames later."""
    apply(scene, house, "a")
    scene.exprgen.start_frame = 3
    apply(scene, house, "b")
    bpy.ops.exprgen.show_take(take="Take")
    assert scene.exprgen.start_frame == 1
    assert bpy.ops.exprgen.layer_take(part="brows", take="Take 2") == {"FINISHED"}
    assert scene.exprgen.take == "Combined"


def test_a_punch_into_a_combined_take_keys_each_part_in_its_own(scene, house):
    combined(scene, house)
    a, b = reversed_in(house, "a"), reversed_in(house, "b")
    before, brow = values(scene), values(scene, "brow")
    report = punch_in(scene, house)
    assert scene.exprgen.take == "Combined"
    assert "ExprGen Take 2 and ExprGen Take" in applying.describe(report)
    smiles, brows = values(scene), values(scene, "brow")
    np.testing.assert_allclose(
        smiles[INSIDE], a.values[INSIDE, a.controls.index("smile")], atol=1e-5
    )
    moved = b.values[INSIDE - 2, b.controls.index("brow")]
    np.testing.assert_allclose(brows[INSIDE], moved, atol=1e-5)
    np.testing.assert_array_equal(smiles[FAR], before[FAR])
    np.testing.assert_array_equal(brows[FAR], brow[FAR])
    bpy.ops.exprgen.show_take(take="Take 2")
    np.testing.assert_array_equal(values(scene, "brow"), brows)
    other = RigTrack.load(house / "b" / "ann.npz")
    kept = other.values[:, other.controls.index("smile")]
    np.testing.assert_allclose(values(scene)[2:], kept[:-2], atol=1e-5)
    assert find_take("Combined").about.parts["brows"] == "Take 2"


def test_each_clip_of_a_combined_take_is_solved_by_what_was_said_of_it(scene, house):
    combined(scene, house)
    settings = scene.exprgen
    for clip, said, start in (("a", "anger", 0.0), ("b", "fear", 1.0)):
        choose(scene, house, clip)
        phrase = references.phrase_near(settings, start)
        bpy.ops.exprgen.overrule(said=said, start=phrase.start, end=phrase.end)
    settings.calibration, settings.neutral_time = "frame", 0.5
    pieces, _ = take_pieces.punched_pieces(settings, PARTS)
    cast, spoken = applying.cast_of(scene), {}
    for piece in pieces:
        request = applying.solve_request(scene, cast, house, piece.about)
        name = Path(piece.about.reference).stem
        spoken[name] = request["settings"]["phrases"], request["settings"]["calibration"]
    ((said, _), (other, calibration)) = spoken["b"], spoken["a"]
    assert [[EXPRESSIONS[int(np.argmax(w))] for _, _, w in x] for x in (said, other)] == [
        ["fear"],
        ["anger"],
    ]
    assert calibration == "auto", "the moment is one of the clip that is shown"


def test_a_part_that_was_recorded_live_or_is_gone_stays_and_is_told(scene, house):
    combined(scene, house)
    reversed_in(house, "a")
    action = find_take("Take 2").action
    note_about(action, About(source=live_source()))
    pieces, left = take_pieces.punched_pieces(scene.exprgen, PARTS)
    assert [p.take for p in pieces] == ["Take"]
    assert left == ("Brows: as before, Take 2 was recorded live",)
    with pytest.raises(UsageError, match="nothing here can be keyed anew"):
        take_pieces.punched_pieces(scene.exprgen, ["brows"])
    bpy.ops.exprgen.delete_take(take="Take 2")
    bpy.ops.exprgen.show_take(take="Combined")
    assert take_pieces.punched_pieces(scene.exprgen, PARTS)[1] == (
        "Brows: as before, the take Take 2 is gone",
    )


def test_a_punch_outside_of_one_clip_changes_nothing(scene, house):
    combined(scene, house)
    for clip in ("a", "b"):
        reversed_in(house, clip)
    before = values(scene), values(scene, "brow")
    with pytest.raises(InputError, match="shows nothing of the reference"):
        punch_in(scene, house, first=FRAMES + 2, last=FRAMES + 2, blend=0)
    assert scene.exprgen.take == "Combined"
    np.testing.assert_array_equal((values(scene), values(scene, "brow")), before)


def test_a_part_that_is_switched_off_stays_so(scene, house):
    combined(scene, house)
    assert bpy.ops.exprgen.mute_part(part="brows") == {"FINISHED"}
    apply(scene, house, "a")
    assert find_take("Combined").about.muted == ("brows",)
    bpy.ops.exprgen.show_take(take="Take")
    assert bpy.ops.exprgen.mute_part(part="mouth") == {"FINISHED"}
    apply(scene, house, "a")
    assert find_take("Take").about.muted == ("mouth",)
    assert bpy.ops.exprgen.mute_part(part="mouth") == {"FINISHED"}
    assert find_take("Take").about.muted == ()


def test_the_list_keeps_its_order_and_tells_a_live_take_shortly(scene, house):
    apply(scene, house, "b")
    note_about(find_take("Take").action, About(source=live_source()))
    apply(scene, house, "a")
    scene.exprgen.new_take = True
    apply(scene, house, "a")
    bpy.ops.exprgen.rename_take(take="Take 3", name="A")
    bpy.ops.exprgen.show_take(take="Take 2")
    apply(scene, house, "a")
    assert [t.name for t in takes_in_file()] == ["Take", "Take 2", "A"]
    clip, frames, at = panels_takes.told(find_take("Take")).split(", ")
    assert (clip, frames) == ("live", f"1-{FRAMES}")
    assert len(at) == len("12:00")


def test_an_apply_reaches_the_combined_take_that_is_shown(scene, house):
    apply(scene, house, "a")
    apply(scene, house, "b")
    brow = values(scene, "brow")
    bpy.ops.exprgen.show_take(take="Take")
    assert bpy.ops.exprgen.layer_take(part="brows", take="Take 2") == {"FINISHED"}
    assert scene.exprgen.take == "Combined"
    np.testing.assert_allclose(values(scene, "brow"), brow, atol=1e-6)
    assert heard(scene) == {"Take": True, "Take 2": False}
    apply(scene, house, "a")
    assert scene.exprgen.take == "Combined", "what is shown stays"
    np.testing.assert_allclose(values(scene, "brow"), brow, atol=1e-6)
    assert len(takes_in_file()) == 3
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    assert find_take("Combined").about.parts["brows"] == "Take 2"
    assert heard(bpy.context.scene) == {"Take": True, "Take 2": False}


class _Lines:
    """A layout that counts its labels."""

    def __init__(self):
        self.lines: list[str] = []

    def column(self, **_):
        return self

    def row(self, **_):
        return self

    def label(self, text="", **_):
        self.lines.append(text)


def test_asking_for_a_new_take_moves_nothing_under_the_mouse(scene, house):
    apply(scene, house, "a")

    def lines() -> list[str]:
        layout = _Lines()
        take_target.draw_target(layout, scene.exprgen)
        return layout.lines

    assert lines() == []
    assert take_target.apply_text(scene.exprgen) == "Apply"
    scene.exprgen.new_take = True
    assert lines() == []
    assert "New Take" in take_target.apply_text(scene.exprgen)
    for asked in (False, True):
        scene.exprgen.new_take, scene.exprgen.take = asked, "Another"
        assert "Another" in " ".join(lines()), "that is the new one"


@pytest.mark.parametrize("shown", ["combined", "another clip's", "a long name"])
def test_nor_does_it_where_the_shown_take_has_lines_of_its_own(scene, house, shown):
    apply(scene, house, "a")
    name = "Combined"
    if shown == "combined":
        combined(scene, house)
    else:
        name = "Take" if shown == "another clip's" else "A take of a very, very long name indeed"
        bpy.ops.exprgen.rename_take(take="Take", name=name)
        choose(scene, house, "b")
        scene.exprgen.take = name
    assert scene.exprgen.take == name

    def lines() -> list[str]:
        layout = _Lines()
        take_target.draw_target(layout, scene.exprgen)
        return layout.lines

    plain = lines()
    scene.exprgen.new_take = True
    asked = lines()
    assert len(plain) == len(asked) >= 1
    assert asked[0] == textwrap.wrap(f"{name} stays as it is", 30)[0]


def test_one_step_takes_it_back(scene, house):
    bpy.ops.ed.undo_push(message="before")
    apply(scene, house, "a")
    bpy.ops.ed.undo_push(message="apply")
    apply(scene, house, "b")
    bpy.ops.ed.undo_push(message="another clip")
    name = scene.name
    bpy.ops.ed.undo()
    scene = bpy.data.scenes[name]
    assert [t.name for t in takes_in_file()] == ["Take"]
    assert heard(scene) == {"Take": True}
    bpy.ops.ed.redo()
    assert len(takes_in_file()) == 2
    assert len(sound.sounds_of(bpy.data.scenes[name])) == 2


def test_a_file_takes_the_analyses_of_all_its_takes_along(scene, house, tmp_path):
    cache = references.cached_tracks()
    cache.mkdir(parents=True, exist_ok=True)
    for clip in ("a", "b"):
        choose(scene, house, clip)
        kept = cache / f"kept_{clip}.npz"
        kept.write_bytes((house / f"{clip}.npz").read_bytes())
        scene.exprgen.track = str(kept)
        folder = str(house / clip)
        assert bpy.ops.exprgen.write_take(scene=scene.name, folder=folder) == {"FINISHED"}
    try:
        assert not {p.stem for p in references.unused()} & {"kept_a", "kept_b"}
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    finally:
        for kept in cache.glob("kept_?.npz"):
            kept.unlink()
    bpy.ops.exprgen.show_take(take="Take")
    assert references.track_path(scene.exprgen) == tmp_path / references.TRACKS / "kept_a.npz"
    assert len(references.seen(scene.exprgen).track) == FRAMES


def test_takes_of_one_clip_are_solved_once_for_a_punch(scene, house, monkeypatch):
    asked = []

    def ask_all(command, stage, requests):
        asked.extend(requests)
        return lambda: None

    monkeypatch.setattr(operators_apply.job_timer, "ask_all", ask_all)
    monkeypatch.setattr(operators_apply.job_timer, "start", lambda task, operator: {"FINISHED"})
    apply(scene, house, "a")
    scene.exprgen.new_take = True
    apply(scene, house, "a")
    assert bpy.ops.exprgen.layer_take(part="brows", take="Take") == {"FINISHED"}
    punch = Punch(10, 20)
    assert operators_apply.solve_and_punch(None, scene, punch) == {"FINISHED"}
    assert len(asked) == 1
    apply(scene, house, "b")
    bpy.ops.exprgen.show_take(take="Combined")
    assert bpy.ops.exprgen.layer_take(part="gaze", take="Take 3") == {"FINISHED"}
    scene.exprgen.calibration, scene.exprgen.neutral_time = "frame", 1.5
    asked.clear()
    assert operators_apply.solve_and_punch(None, scene, punch) == {"FINISHED"}
    told = {Path(r["track"]).stem: r["settings"].get("calibration", "auto") for r in asked}
    assert told == {"a": 1.5, "b": "auto"}, "the neutral moment is one of the scene's clip"


def test_what_is_to_be_deleted_is_told_by_its_kind_and_name(tmp_path):
    """A take may be called Take, and a recording by what was open then."""
    asked = []

    class Windows:
        def invoke_confirm(self, operator, event, **words):
            asked.append(words["title"])

    context = SimpleNamespace(window_manager=Windows())
    operators_takes.EXPRGEN_OT_delete_take.invoke(SimpleNamespace(take="Take"), context, None)
    tape = SimpleNamespace(tape=str(tmp_path / "shot.live~x"))
    operators_live.EXPRGEN_OT_live_discard.invoke(tape, context, None)
    assert asked[0] == 'Delete the Take "Take"'
    assert asked[1].startswith('Delete the Recording "shot, ')
