"""Live clarity without a window: which poses are shown, and when; which picture is on screen."""

from __future__ import annotations

import numpy as np
import pytest

from exprgen.networks.errors import ExprGenError
from exprgen.networks.footage.reference_pictures import rows_on_screen
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.window import live_clarity


class FakeMirror:
    """Answers when told to."""

    def __init__(self, profile):
        self.profile, self.shown, self.busy, self.alive = profile, [], False, True
        self.known, self.ready = True, None

    def show(self, values):
        self.shown.append(values)
        self.busy = True

    def answer(self):
        found, self.ready = self.ready, None
        self.busy = self.busy and found is None
        return found

    def close(self):
        self.alive = False


@pytest.fixture
def scene(tmp_path, monkeypatch):
    exprgen.register()
    try:
        profile = synthetic.build(tmp_path, "ann", primary=True)
        in_scene.append_characters([profile], bpy.context.scene)
        monkeypatch.setattr(live_clarity, "mirror_for", FakeMirror)
        live_clarity.close()
        yield bpy.context.scene
        live_clarity.close()
    finally:
        exprgen.unregister()


def test_a_pose_is_shown_once_and_the_newest_follows(scene):
    (character,) = in_scene.characters_in(scene)
    (smile,) = character.bindings["smile"]
    assert live_clarity._step() is False
    mirror = live_clarity._mirror
    assert len(mirror.shown) == 1
    for value in (0.2, 0.4, 0.6):  # posing goes on while the first is on its way
        smile.write(value)
        live_clarity._step()
    assert len(mirror.shown) == 1, "never two at a time"
    mirror.ready = np.eye(7)[3]
    assert live_clarity._step() is True
    assert live_clarity.view.probabilities[3] == 1.0
    at = character.profile.names.index("smile")
    assert [v[at] for v in mirror.shown] == pytest.approx([0.0, 0.6]), "those between are skipped"
    mirror.ready = np.eye(7)[0]
    live_clarity._step()
    live_clarity._step()
    assert len(mirror.shown) == 2, "a pose at rest is not shown again"


def test_undo_and_a_dead_process_are_noticed(scene):
    live_clarity._step()
    live_clarity.rebind()
    assert live_clarity._step() is False
    live_clarity._mirror.alive = False
    with pytest.raises(ExprGenError, match="process ended"):
        live_clarity._step()
    assert live_clarity._mirror is None


def test_what_is_on_screen_follows_the_timestamps():
    track = synthetic.face_track(frames=10, fps=10.0)
    track.times[5:] += 0.5  # a pause in the recording
    first, rows = rows_on_screen(track, 20.0, 1.0)
    assert first == 1
    assert rows[:4].tolist() == [0, 0, 1, 1]
    at = dict(enumerate(rows.tolist(), first))
    assert at[10] == at[18] == 4, "the last picture stays through the pause"
    assert at[21] == 5
    stills = synthetic.face_track(frames=3, stills=True)
    assert rows_on_screen(stills, 24.0, 5.0)[0] == 5
    assert rows_on_screen(stills, 24.0, 5.0)[1].tolist() == [0, 1, 2]
