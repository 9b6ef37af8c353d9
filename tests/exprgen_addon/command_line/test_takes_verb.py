"""Takes on the command line: one more in a file, a stretch anew, combined, renamed, deleted."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.networks.errors import EXIT_OK, InputError, UsageError
from exprgen.tests.support import synthetic

bpy = pytest.importorskip("bpy")
pytest.importorskip("av")

from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import fcurves, sound, take_list, takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.exprgen_addon.keying.punch import Punch
from exprgen.tests.networks.footage.test_sound import sounding

FRAMES = 40


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A character, a clip, and a file with a take of it and of another clip."""
    folder = tmp_path_factory.mktemp("house")
    profile = synthetic.build(folder, "ann", primary=True)
    sounding(folder / "a.mp4")
    options = KeyOptions()
    takes.build_take([track(profile, 1, "a.mp4")], [profile], name="a", fps=25.0,
                     sound=str(folder / "a.mp4"))  # fmt: skip
    takes.save_file(folder / "one.blend")
    made = takes.add_take([track(profile, 7, "b.mp4")], [profile], folder / "one.blend",
                          name="b", options=options)  # fmt: skip
    assert made.fps == 25.0
    takes.save_file(folder / "two.blend")
    return folder, profile


def track(profile, seed: int, clip: str):
    made = synthetic.rig_track(profile, seed=seed, frames=FRAMES)
    return dataclasses.replace(made, times=np.arange(FRAMES) / 25, meta={"source": clip})


def values(control: str) -> np.ndarray:
    (prop, *_) = in_scene.characters_in(bpy.context.scene)[0].bindings[control]
    return fcurves.sample(prop, np.arange(1.0, FRAMES + 1))


def told(capfd, *words) -> dict:
    capfd.readouterr()
    assert main.main([*map(str, words), "--json"]) == EXIT_OK
    return json.loads(capfd.readouterr().out)


def test_one_more_take_leaves_the_first(house, capfd):
    folder, profile = house
    found = told(capfd, "takes", folder / "two.blend")["takes"]
    assert [(t["name"], t["clip"], t["frames"]) for t in found] == [
        ("a", "a.mp4", [1.0, 40.0]), ("b", "b.mp4", [1.0, 40.0])]  # fmt: skip
    wanted = track(profile, 7, "b.mp4")
    smile = wanted.values[:, wanted.controls.index("smile")]
    np.testing.assert_allclose(values("smile"), smile, atol=1e-5)
    (strip,) = sound.sounds_of(bpy.context.scene)
    assert strip.mute, "the first one's sound is not the second's"
    with pytest.raises(UsageError, match=r"is of a\.mp4"):
        takes.add_take([wanted], [profile], folder / "two.blend", name="a", options=KeyOptions())
    other = dataclasses.replace(profile, name="cid")
    with pytest.raises(InputError, match="has no character"):
        takes.add_take([wanted], [other], folder / "two.blend", name="c", options=KeyOptions())


def test_a_stretch_of_a_part_anew(house):
    folder, profile = house
    takes.opened_scene(folder / "two.blend")
    before = {c: values(c) for c in ("smile", "brow")}
    punch = Punch(10, 20, 3, 3, ("mouth",))
    again = track(profile, 30, "b.mp4")
    takes.add_take([again], [profile], folder / "two.blend", name="b",
                   options=KeyOptions(), punch=punch)  # fmt: skip
    np.testing.assert_array_equal(values("brow"), before["brow"])
    np.testing.assert_array_equal(values("smile")[:9], before["smile"][:9])
    np.testing.assert_array_equal(values("smile")[20:], before["smile"][20:])
    smile = again.values[:, again.controls.index("smile")]
    np.testing.assert_allclose(values("smile")[13:16], smile[13:16], atol=1e-5)
    with pytest.raises(UsageError, match="there is no take 'c'"):
        takes.add_take([again], [profile], folder / "two.blend", name="c",
                       options=KeyOptions(), punch=punch)  # fmt: skip


def test_combined_renamed_deleted(house, capfd):
    folder, _ = house
    takes.opened_scene(folder / "two.blend")
    brow = values("brow")
    out = folder / "both.blend"
    words = ("--rename", "a=Calm", "--combine", "Both", "mouth=Calm", "brows=b", "--delete", "b")
    made = told(capfd, "takes", folder / "two.blend", "--out", out, *words)
    assert [t["name"] for t in made["takes"]] == ["Calm", "Both"]
    takes.opened_scene(out)
    np.testing.assert_allclose(values("brow"), brow, atol=1e-6)
    assert take_list.find_take("Both").about.parts["brows"] == "b"
    (strip,) = sound.sounds_of(bpy.context.scene)
    assert not strip.mute, "the mouth's sound is heard"


@pytest.mark.parametrize(
    "words",
    [
        ("--show", "b"),
        ("--rename", "b", "--out", "x.blend"),
        ("--combine", "Both", "--out", "x.blend"),
        ("--combine", "Both", "ears=a", "--out", "x.blend"),
        ("--show", "none", "--out", "x.blend"),
        ("--out", "x.blend"),
    ],
)
def test_what_makes_no_sense(house, tmp_path, monkeypatch, capfd, words):
    monkeypatch.chdir(tmp_path)
    assert main.main(["takes", str(house[0] / "two.blend"), *words]) == 2
    assert "error" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
