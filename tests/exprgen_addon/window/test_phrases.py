"""Phrases in the window: overruled in two clicks, kept, found again, and given to Apply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exprgen.networks.footage.stamp import stamp
from exprgen.networks.perception.phrasing import felt
from exprgen.networks.phrases import Phrase
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import CIRCUMPLEX, EXPRESSIONS
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.window import overruling, references
from exprgen.exprgen_addon.window.panels.perception import heading_text, reading_text
from exprgen.exprgen_addon.window.scene_settings import retarget_settings

PLACES = np.array(CIRCUMPLEX)


pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def scene(tmp_path):
    """A file with a clip in which somebody is neutral, then glad."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps = 25
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    scene.exprgen.reference = str(clip)
    scene.exprgen.track = str(analysis(tmp_path, 3.0))
    return scene


def analysis(folder, change: float):
    """An analysis whose feeling changes at a moment."""
    from dataclasses import replace

    track = synthetic.face_track(frames=150)
    said = np.full((150, len(EXPRESSIONS)), 0.05, np.float32)
    said[:, EXPRESSIONS.index("neutral")] = np.where(track.times < change, 0.7, 0.1)
    said[:, EXPRESSIONS.index("joy")] = np.where(track.times < change, 0.05, 0.65)
    said /= said.sum(1, keepdims=True)
    return felt(replace(track, expression=said)).save(folder / f"clip_{change}.npz")


def phrases(scene) -> tuple[Phrase, ...]:
    return references.seen(scene.exprgen).track.phrases


def overrule(scene, phrase: Phrase, said: str, **more) -> None:
    """The two clicks: a phrase's button, and what is felt there."""
    bpy.ops.exprgen.overrule(said=said, start=phrase.start, end=phrase.end, **more)


def test_two_clicks_overrule_a_phrase(scene):
    assert [p.expression for p in phrases(scene)] == ["neutral", "joy"]
    overrule(scene, phrases(scene)[1], "sadness")
    now = phrases(scene)
    assert [(p.expression, p.by_hand) for p in now] == [("neutral", False), ("sadness", True)]
    shown = references.seen(scene.exprgen).track.expression
    assert EXPRESSIONS[int(shown[-1].argmax())] == "sadness"
    ((start, end, weights),) = retarget_settings(scene.exprgen).phrases
    assert (start, end) == (now[1].start, now[1].end)
    assert weights[EXPRESSIONS.index("sadness")] == 1.0


def test_said_again_replaces_and_as_read_takes_back(scene):
    for said in ("sadness", "anger"):
        overrule(scene, phrases(scene)[1], said)
    assert len(scene.exprgen.overruled) == 1
    assert phrases(scene)[1].expression == "anger"
    overrule(scene, phrases(scene)[1], "read")
    assert not scene.exprgen.overruled
    assert phrases(scene)[1].expression == "joy"
    overrule(scene, phrases(scene)[0], "read")  # there is nothing to take back


def test_a_mixture(scene):
    overrule(scene, phrases(scene)[1], "mixture", first="joy", second="fear", share=0.25)
    phrase = phrases(scene)[1]
    assert phrase.by_hand
    assert (phrase.expression, phrase.confidence) == ("joy", pytest.approx(0.75))
    assert phrase.second == ("fear", pytest.approx(0.25))
    warned = references.seen(scene.exprgen).warnings
    assert not any(w.start >= phrase.start for w in warned), "nobody doubts what a person says"


def test_a_mixture_of_both_that_were_read_takes_two_clicks_too(scene):
    read = phrases(scene)[1]
    for before in ("anger", "both"):
        overrule(scene, phrases(scene)[1], before)
    now = phrases(scene)[1]
    assert now.by_hand
    assert {now.expression, now.second[0]} == {read.expression, read.second[0]}
    assert (now.confidence, now.second[1]) == (pytest.approx(0.5), pytest.approx(0.5))


def test_it_outlives_another_analysis_and_follows_its_phrase(scene, tmp_path):
    overrule(scene, phrases(scene)[1], "sadness")
    scene.exprgen.track = str(analysis(tmp_path, 3.2))
    now = phrases(scene)
    assert [p.expression for p in now] == ["neutral", "sadness"]
    assert now[1].start == pytest.approx(3.2, abs=0.1)


def test_it_belongs_to_its_clip(scene, tmp_path):
    overrule(scene, phrases(scene)[1], "sadness")
    track, other = scene.exprgen.track, tmp_path / "other.mp4"
    other.write_bytes(b"another clip")
    scene.exprgen.reference = str(other)
    scene.exprgen.track = track
    assert [p.expression for p in phrases(scene)] == ["neutral", "joy"]
    assert retarget_settings(scene.exprgen).phrases == ()
    assert len(scene.exprgen.overruled) == 1


def stamped(scene, folder, **meta) -> None:
    """The scene's analysis anew, of the file that is there, with the face in one place."""
    from dataclasses import replace

    track = FaceTrack.load(references.track_path(scene.exprgen))
    clip = references.reference_path(scene.exprgen)
    middle = meta.pop("middle", 160.0)
    landmarks = np.zeros_like(track.landmarks)
    landmarks[..., :2] = np.linspace(-40, 40, landmarks.shape[1])[:, None] + (middle, 180.0)
    meta = {**track.meta, "stamp": stamp([clip]), **meta}
    out = folder / f"{len(list(folder.glob('*.npz')))}_again.npz"
    scene.exprgen.track = str(replace(track, landmarks=landmarks, meta=meta).save(out))


def test_it_goes_with_the_clip_under_another_name(scene, tmp_path):
    stamped(scene, tmp_path)
    overrule(scene, phrases(scene)[1], "mixture", first="joy", second="fear", share=0.25)
    said, track = retarget_settings(scene.exprgen).phrases, scene.exprgen.track
    named = tmp_path / "renamed" / "sc010_tk3.mp4"
    named.parent.mkdir()
    Path(references.reference_path(scene.exprgen)).rename(named)
    scene.exprgen.reference = str(named)
    scene.exprgen.track = track
    stamped(scene, tmp_path)
    assert retarget_settings(scene.exprgen).phrases == said
    overrule(scene, phrases(scene)[1], "read")
    assert not scene.exprgen.overruled
    overrule(scene, phrases(scene)[1], "sadness")
    named.write_bytes(b"another clip of that name")
    scene.exprgen.reference = str(named)
    scene.exprgen.track = track
    stamped(scene, tmp_path)
    assert retarget_settings(scene.exprgen).phrases == ()


def test_a_person_carries_it_over_to_footage_that_was_encoded_anew(scene, tmp_path):
    overrule(scene, phrases(scene)[1], "sadness")
    was = scene.exprgen.reference
    again = tmp_path / "again.mov"
    again.write_bytes(b"the same, encoded anew")
    scene.exprgen.reference, track = str(again), scene.exprgen.track
    scene.exprgen.track = track
    assert not any(p.by_hand for p in phrases(scene)), "nobody has said that it is the same"
    clip = references.clip_of(scene.exprgen)
    (source,) = overruling.other_clips(scene.exprgen, clip)
    assert overruling.clip_name(source) == "clip.mp4"
    assert bpy.ops.exprgen.words_from(source=source) == {"FINISHED"}
    assert [(p.expression, p.by_hand) for p in phrases(scene)][1] == ("sadness", True)
    overrule(scene, phrases(scene)[1], "fear")
    scene.exprgen.reference, scene.exprgen.track = was, track
    assert phrases(scene)[1].expression == "sadness", "and each has its own from then on"


def test_words_of_another_face_or_behind_the_end_are_not_carried(scene, tmp_path):
    stamped(scene, tmp_path)
    overrule(scene, phrases(scene)[1], "sadness")
    (entry,) = scene.exprgen.overruled
    track, source = scene.exprgen.track, entry.reference
    again = tmp_path / "again.mov"
    again.write_bytes(b"encoded anew")
    scene.exprgen.reference = str(again)
    scene.exprgen.track = track
    stamped(scene, tmp_path, middle=480.0)
    assert overruling.carry_over(scene.exprgen, references.clip_of(scene.exprgen), source) == 0
    stamped(scene, tmp_path)
    end, entry.start, entry.end = entry.start, 900.0, 901.0
    assert overruling.carry_over(scene.exprgen, references.clip_of(scene.exprgen), source) == 0
    assert len(scene.exprgen.overruled) == 1
    entry.start, entry.end = end, end + 1.0
    assert overruling.carry_over(scene.exprgen, references.clip_of(scene.exprgen), source) == 1


def test_of_two_people_in_a_clip_it_is_of_one(scene, tmp_path):
    stamped(scene, tmp_path, middle=160.0)
    overrule(scene, phrases(scene)[1], "sadness")
    left = scene.exprgen.track
    stamped(scene, tmp_path, middle=480.0, face="right")
    assert [p.expression for p in phrases(scene)] == ["neutral", "joy"]
    assert retarget_settings(scene.exprgen).phrases == ()
    overrule(scene, phrases(scene)[1], "fear")
    assert [p.expression for p in phrases(scene)] == ["neutral", "fear"]
    scene.exprgen.track = left
    assert [p.expression for p in phrases(scene)] == ["neutral", "sadness"]
    stamped(scene, tmp_path, middle=165.0, face="0")
    assert [p.expression for p in phrases(scene)] == ["neutral", "sadness"], "chosen otherwise"
    stamped(scene, tmp_path, middle=480.0, size=[0, 0])
    assert len(retarget_settings(scene.exprgen).phrases) == 2, "what can't be told apart counts"


def test_valence_and_arousal_are_of_what_is_said(scene, tmp_path):
    from dataclasses import replace

    track = FaceTrack.load(references.track_path(scene.exprgen))
    affect = np.tile(np.float32([0.1, 0.2]), (len(track), 1))
    scene.exprgen.track = str(replace(track, affect=affect).save(tmp_path / "affect.npz"))
    overrule(scene, phrases(scene)[1], "mixture", first="anger", second="neutral", share=0.5)
    shown = references.seen(scene.exprgen).track.affect
    np.testing.assert_allclose(shown[-1], 0.5 * PLACES[EXPRESSIONS.index("anger")], atol=1e-6)
    np.testing.assert_array_equal(shown[:60], affect[:60])
    assert np.abs(np.diff(shown, axis=0)).max() < 0.1, "it passes smoothly"
    overrule(scene, phrases(scene)[1], "read")
    np.testing.assert_array_equal(references.seen(scene.exprgen).track.affect, affect)


def test_it_is_kept_in_the_file(scene, tmp_path):
    overrule(scene, phrases(scene)[1], "sadness")
    path = str(tmp_path / "kept.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert [p.expression for p in phrases(bpy.context.scene)] == ["neutral", "sadness"]


def test_entries_that_somebody_wrote_trip_nobody(scene):
    entry = scene.exprgen.overruled.add()
    entry.reference = references.identity(scene.exprgen)
    assert references.phrases_said(scene.exprgen) == ()
    entry.start, entry.end = -500.0, 900.0
    entry.weights = (0, 0, 0, 1, 0, 0, 0)
    assert [p.expression for p in phrases(scene)] == ["joy"]


def test_pictures_have_no_phrases_to_overrule(scene, tmp_path):
    track = synthetic.face_track(frames=4, stills=True)
    scene.exprgen.track = str(track.save(tmp_path / "stills.npz"))
    assert not bpy.ops.exprgen.overrule.poll()


def test_that_phrases_wait_is_said_in_the_line_that_is_there_anyway():
    assert heading_text(0, 3, 3, False) == "Phrases"
    assert heading_text(0, 3, 3, True) == "Phrases count at the next Apply"
    assert heading_text(2, 8, 20, False) == "Phrases 3 to 10 of 20"
    assert heading_text(2, 8, 20, True) == "3 to 10 of 20: at the next Apply"


def test_a_reading_is_told_in_letters_that_fit():
    def told(by_hand: bool, **weights: float) -> str:
        amounts = tuple(weights.get(name, 0.0) for name in EXPRESSIONS)
        return reading_text(Phrase(0.0, 3.0, amounts, by_hand=by_hand))

    assert told(False, surprise=0.54, sadness=0.46) == "surprise 54, sadness 46%"
    assert told(True, surprise=0.7, sadness=0.3) == "surprise, sadness 30%"
    assert told(False, joy=1.0) == "joy 100%"
    assert told(True, joy=1.0) == "joy"


def test_what_waits_for_apply_is_told_of_its_own_clip(scene, tmp_path):
    settings = scene.exprgen

    def waits() -> bool:
        said = references.phrases_said(settings)
        return overruling.wait(settings, references.identity(settings), said)

    assert not waits()
    overrule(scene, phrases(scene)[0], "fear")
    assert waits()
    overruling.note_applied(
        settings, references.identity(settings), references.phrases_said(settings)
    )
    assert not waits()
    first, track = settings.reference, settings.track
    other = tmp_path / "other.mp4"
    other.write_bytes(b"another clip")
    settings.reference, settings.track = str(other), track
    assert not waits(), "nothing was said of it"
    overruling.note_applied(settings, references.identity(settings), ())
    settings.reference, settings.track = first, track
    assert not waits(), "and its Apply takes nothing back of the first one's"
    settings.overruled_used = overruling.as_text(references.phrases_said(settings))
    assert not waits(), "as files of before kept it"
    settings.overruled_used = "damaged ["
    assert waits(), "what is not known is told"
