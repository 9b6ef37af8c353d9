"""The panel, and a track applied by itself, say that the reference was replaced."""

import dataclasses
import os

import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.characters.in_scene import append_characters
from exprgen.exprgen_addon.keying import takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.exprgen_addon.window import references
from exprgen.networks.footage.stamp import stamp
from exprgen.tests.support import synthetic


def test_a_replaced_reference_is_said(tmp_path, monkeypatch):
    clip = tmp_path / "shot.mp4"
    clip.write_bytes(b"first" * 100)
    meta = {"source": "shot.mp4", "stamp": stamp([clip])}
    profile = synthetic.build(tmp_path, "ann", primary=True)
    scene = takes.new_file()
    append_characters([profile], scene)
    track = dataclasses.replace(synthetic.rig_track(profile, frames=10), meta=meta)
    track.save(tmp_path / "ann.npz")
    face = synthetic.face_track(frames=10)
    seen = references.Seen(dataclasses.replace(face, meta=face.meta | meta), [])
    monkeypatch.setattr(references, "reference_path", lambda settings: str(clip))
    monkeypatch.setattr(references, "LOOKED_UP", -1.0)

    def said():
        report = takes.apply_file(
            str(tmp_path / "ann.npz"), scene, character="", take="Take", options=KeyOptions()
        )
        return references.was_replaced(None, seen), report.notes

    assert said() == (False, ())
    clip.write_bytes(b"other" * 100)
    os.utime(clip, (1, 1))
    replaced, notes = said()
    assert replaced
    assert "shot.mp4 was replaced" in notes[0]
