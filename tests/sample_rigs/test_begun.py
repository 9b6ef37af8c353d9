"""A set of made pictures goes on with the settings that it was begun with, or not at all."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip("bpy")

from exprgen.networks.errors import InputError, OutputError, UsageError
from exprgen.networks.tracking import face_detector
from exprgen.sample_rigs.build import assemble, headset, mouths, people
from exprgen.sample_rigs.build.begun import BEGUN, begin
from exprgen.sample_rigs.build.talkers import clips


@dataclass(frozen=True)
class Settings:
    count: int = 3
    size: int = 64
    seed: int = 0


MADE = "clip_*"


def test_it_may_grow_and_be_nothing_else(tmp_path):
    out = tmp_path / "new" / "set"
    begin(out, Settings(), MADE, growing=("count",))
    (out / "clip_000").touch()
    begin(out, Settings(count=9), MADE, growing=("count",))
    with pytest.raises(UsageError, match=r"begun with --size 64\. Fix"):
        begin(out, Settings(size=32), MADE, growing=("count",))
    with pytest.raises(UsageError, match="begun with --count None"):
        begin(out, Settings(), MADE)


def test_a_place_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "set"):
        with pytest.raises(OutputError, match=r"file.*Fix: choose"):
            begin(place, Settings(), MADE)


def test_a_recording_that_cannot_be_read_leaves_nothing(tmp_path):
    out = tmp_path / "set"
    with pytest.raises(InputError, match="none"):
        clips.build_talkers(out, clips.TalkerSettings(rom=str(tmp_path / "none.csv")))
    assert not out.exists()


def test_what_an_older_note_does_not_tell_is_told(tmp_path):
    begin(tmp_path, Settings(), MADE, growing=("seed",))
    begin(tmp_path, Settings(), MADE, later={"seed": 0})
    with pytest.raises(UsageError, match="begun with --seed 0"):
        begin(tmp_path, Settings(seed=1), MADE, later={"seed": 0})


def test_what_was_made_with_nobody_knows_which_settings_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "clip_000").touch()
    with pytest.raises(UsageError, match=f"has clip_000, and no {BEGUN}"):
        begin(tmp_path, Settings(), MADE)
    assert not (tmp_path / BEGUN).exists()
    (tmp_path / BEGUN).write_text("{")
    with pytest.raises(InputError):
        begin(tmp_path, Settings(), MADE)


@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (people.build_people, people.PeopleSettings(count=0)),
        (headset.build_headset, headset.HeadsetSettings(people=1, val_people=1)),
        (mouths.build_mouths, mouths.MouthSettings()),
        (clips.build_talkers, clips.TalkerSettings()),
    ],
    ids=["people", "headset", "mouths", "talkers"],
)
def test_each_kind_of_set_refuses_other_settings(tmp_path, build, settings):
    note = f"{settings.split}.{BEGUN}" if hasattr(settings, "split") else BEGUN
    begin(tmp_path, replace(settings, seed=7), MADE, note=note)
    with pytest.raises(UsageError, match="begun with --seed 7"):
        build(tmp_path, settings)


def test_mouths_without_a_face_are_refused(tmp_path, monkeypatch):
    class Blind:
        """A detector that finds no face."""

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(face_detector, "FaceDetector", Blind)
    monkeypatch.setattr(mouths, "_registered", lambda detector, folder, i: None)
    monkeypatch.setattr(mouths, "_render", lambda *_: np.zeros(2))
    monkeypatch.setattr(assemble, "build_once", lambda *_: None)
    with pytest.raises(InputError, match="no face was found in its pictures") as raised:
        mouths.build_mouths(tmp_path, mouths.MouthSettings(count=2, people=1), say=lambda _: None)
    assert raised.value.file == str(tmp_path)
    assert not (tmp_path / "mouths.npz").exists()


def test_each_split_of_talkers_has_settings_of_its_own(tmp_path):
    begin(tmp_path, clips.TalkerSettings(seed=7), MADE, note=f"train.{BEGUN}")
    (tmp_path / "val_000.mp4").touch()
    with pytest.raises(UsageError, match=r"has val_000\.mp4, and no val\.settings\.json"):
        clips.build_talkers(tmp_path, clips.TalkerSettings("val", seed=7))
