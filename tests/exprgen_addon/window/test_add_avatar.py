"""Add Avatar: from a file to a character in the scene; what finds its controls is made up here."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.engine.jobs import Messages
from exprgen.exprgen_addon.window import job_timer
from exprgen.networks.characters.profile import load_profile
from exprgen.tests.support import synthetic


class Ended(Messages):
    """A command that has done its work."""

    log: tuple = ()

    def __init__(self, result: dict):
        super().__init__()
        self.result = result


@pytest.fixture(scope="module")
def registered():
    exprgen.register()
    yield
    exprgen.unregister()


@pytest.fixture
def house(registered, tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    made = synthetic.build(tmp_path / "made", "bob")
    (tmp_path / "bob.glb").write_bytes(b"an avatar")
    shutil.copy(made.blend, tmp_path / "bob.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return tmp_path


def commands(monkeypatch, house: Path, *answers: dict) -> list[list[str]]:
    """What commands answer, one after the other, the first with a profile; what was asked."""
    asked, left = [], list(answers)

    def command(*words):
        def begin():
            asked.append([str(w) for w in words])
            shutil.copy(house / "made" / "bob.json", house / "bob.json")
            return Ended(left.pop(0))

        return begin

    monkeypatch.setattr(job_timer, "command", command)
    return asked


def test_a_file_becomes_a_character_in_the_scene_without_another_click(house, monkeypatch):
    placed = {"found": 7, "looked": 7, "text": "49 landmarks"}
    asked = commands(monkeypatch, house, {"controls": 9, "text": "Bob"}, placed)
    assert bpy.ops.exprgen.add_avatar(filepath=str(house / "bob.glb")) == {"FINISHED"}
    assert [words[0] for words in asked] == ["profile", "landmarks"]
    assert asked[0][1] == str(house / "bob.glb")
    scene = bpy.context.scene
    assert [c.profile.name for c in in_scene.characters_in(scene)] == ["bob"]
    assert Path(scene.exprgen.new_profile) == house / "bob.json"
    assert "7 of 7 views" in job_timer.queue.last.said


def test_a_second_avatar_looks_the_first_ones_way_and_is_the_chosen_one(house, monkeypatch):
    """VRM 0 looks along +Y where it was imported, most others along -Y."""
    ann = synthetic.build(house / "ann", "ann")
    scene = bpy.context.scene
    (first,) = in_scene.append_characters([ann], scene)
    bob = load_profile(house / "made" / "bob.json")
    framing = replace(bob.framing, center=(0.0, 0.05, 1.5), forward=(0.0, 1.0, 0.0))
    replace(bob, framing=framing).save(house / "made" / "bob.json")
    commands(monkeypatch, house, {"controls": 9, "text": "Bob"}, {"found": 7, "looked": 7})
    bpy.ops.exprgen.add_avatar(filepath=str(house / "bob.glb"))
    brought = next(c for c in in_scene.characters_in(scene) if c.profile.name == "bob")
    assert in_scene.active_collection(scene) == brought.collection
    assert brought.forward.dot(first.forward) > 0.999
    away = brought.face_center - first.face_center
    assert away.dot(in_scene.right_of(first.forward)) == pytest.approx(away.length, abs=1e-5)

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    row = in_scene.append_characters([ann, load_profile(house / "bob.json")], bpy.context.scene)
    assert row[1].forward.dot(row[0].forward) > 0.999


def test_what_was_stopped_brings_nothing(house, monkeypatch):
    asked = commands(monkeypatch, house, {"partial": True, "stopped": True})
    bpy.ops.exprgen.add_avatar(filepath=str(house / "bob.glb"))
    assert len(asked) == 1
    assert in_scene.characters_in(bpy.context.scene) == []


@pytest.mark.parametrize("name", ["bob.txt", "missing.glb", ""])
def test_what_is_no_avatar_is_refused_in_one_line(house, name):
    (house / "bob.txt").write_text("no avatar")
    with pytest.raises(RuntimeError, match=r"is no avatar.*choose .glb") as refused:
        bpy.ops.exprgen.add_avatar(filepath=str(house / name) if name else "")
    assert len(str(refused.value).strip().splitlines()) == 1
