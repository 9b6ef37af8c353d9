"""Takes in the window: a clip's own take and sound, punch-in, undo; without a worker."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from exprgen.networks.track import RigTrack
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import fcurves, sound
from exprgen.exprgen_addon.keying.take_list import find_take, takes_in_file
from exprgen.exprgen_addon.window import applying, references, review
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


def apply(scene, house, clip: str, **punch):
    choose(scene, house, clip)
    words = json.dumps(punch) if punch else ""
    done = bpy.ops.exprgen.write_take(scene=scene.name, folder=str(house / clip), punch=words)
    assert done == {"FINISHED"}


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


def test_a_stretch_is_punched_in_and_the_rest_stays(scene, house):
    apply(scene, house, "a")
    before, brow = values(scene), values(scene, "brow")
    kept = RigTrack.load(house / "a" / "ann.npz")
    changed = kept.with_values(kept.values[::-1].copy())
    folder = house / "again"
    folder.mkdir(exist_ok=True)
    changed.save(folder / "ann.npz")
    punch = {"first": 20, "last": 40, "blend_in": 5, "blend_out": 5, "parts": ["mouth"]}
    bpy.ops.exprgen.write_take(scene=scene.name, folder=str(folder), punch=json.dumps(punch))
    after = values(scene)
    frames = np.arange(1, FRAMES + 1)
    outside = (frames < 20) | (frames > 40)
    np.testing.assert_array_equal(after[outside], before[outside])
    np.testing.assert_allclose(after[[19, 39]], before[[19, 39]], atol=1e-6)
    inside = (frames > 26) & (frames < 34)
    column = kept.controls.index("smile")
    np.testing.assert_allclose(after[inside], changed.values[:, column][inside], atol=1e-5)
    np.testing.assert_array_equal(values(scene, "brow"), brow)


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
