"""Takes of coefficients alone: read, written again, played and given back."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from exprgen.exprgen_addon.command_line import main
from exprgen.networks.characters.profile import find_character, from_unit
from exprgen.networks.errors import EXIT_OK, InputError, UsageError
from exprgen.networks.footage.live_link import CoefficientTake, read_live_link, write_live_link
from exprgen.networks.pipeline import AnalyseRequest, analyse
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.coefficients import coefficient_relations, take_of
from exprgen.networks.solving.relations import INDEX
from exprgen.networks.solving.solve import solve
from exprgen.networks.track import FaceTrack, RigTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS

SPOKEN = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight")


@pytest.fixture
def take() -> CoefficientTake:
    """Two seconds of a smile that opens and blinks, at rest at both ends."""
    times = np.arange(60) / 30.0
    coefficients = np.zeros((60, len(ARKIT_CHANNELS)))
    wave = np.sin(np.linspace(0, np.pi, 60)) ** 2
    for channel, amount in zip(SPOKEN, (0.6, 0.8, 0.8, 1.0, 1.0), strict=True):
        coefficients[:, ARKIT_INDEX[channel]] = amount * wave
    angles = np.linspace(-0.3, 0.3, 60 * 9).reshape(60, 9)
    return CoefficientTake(times, coefficients, angles, start=86399.0, rate=60.0)


def test_what_is_written_is_read_again(take, tmp_path):
    again = read_live_link(write_live_link(tmp_path / "take.csv", take))
    assert np.abs(again.coefficients - take.coefficients).max() < 1e-6
    assert np.abs(again.angles - take.angles).max() < 1e-6
    assert np.abs(again.times - take.times).max() < 1e-4, "past midnight"


def test_in_through_a_face_track_and_out(take, tmp_path):
    source, out = write_live_link(tmp_path / "take.csv", take), tmp_path / "again.csv"
    request = AnalyseRequest((str(source),), str(tmp_path / "face.npz"))
    done = analyse(request, lambda message: None, threading.Event())
    assert (done.frames, done.found) == (60, 60)
    assert main.main(["livelink", done.track, "--out", str(out)]) == EXIT_OK
    again = read_live_link(out)
    assert np.abs(again.coefficients - take.coefficients).max() < 1e-6
    rolls = [5, 8]  # of the eyes, which no character turns
    assert np.abs(np.delete(again.angles - take.angles, rolls, axis=1)).max() < 1e-5


def test_a_character_plays_it_by_its_channels(take, tmp_path):
    source = write_live_link(tmp_path / "take.csv", take)
    request = AnalyseRequest((str(source),), str(tmp_path / "face.npz"))
    track = FaceTrack.load(analyse(request, lambda message: None, threading.Event()).track)
    settings = RetargetSettings(emphasis=0.0, calibration="none")
    tobi, mira = find_character("tobi"), find_character("mira")
    lead, follower = solve(track, tobi, [mira], settings)
    assert lead.meta["solved_by"] == follower.meta["solved_by"] == "channels"
    for channel in SPOKEN:
        played = lead.values[:, lead.controls.index(channel)]
        assert np.corrcoef(played, take.coefficients[:, ARKIT_INDEX[channel]])[0, 1] > 0.9, channel


def test_a_track_gives_back_the_coefficients_that_made_it(take):
    tobi = find_character("tobi")
    controls = tobi.expression_controls
    stems = [next(iter(c.channels)) for c in controls]
    units = take.coefficients[:, [ARKIT_INDEX[s] for s in stems]]
    track = RigTrack(
        "tobi", take.times, tuple(c.name for c in controls), from_unit(controls, units),
        np.zeros(60, np.uint8), np.zeros((60, len(EXPRESSIONS)), np.float32),
    )  # fmt: skip
    assert np.abs(take_of(track, tobi).coefficients - take.coefficients).max() < 1e-6


def test_relations_of_coefficients_are_those_of_a_face():
    rows = np.zeros((3, len(ARKIT_CHANNELS)))
    rows[1, ARKIT_INDEX["jawOpen"]] = rows[2, ARKIT_INDEX["eyeBlinkLeft"]] = 1.0
    found = coefficient_relations(rows)
    assert found[1, INDEX["lip_gap_middle"]] > found[0, INDEX["lip_gap_middle"]] + 0.1
    assert found[2, INDEX["lid_gap_left"]] < 0.5 * found[0, INDEX["lid_gap_left"]]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.replace("JawOpen", "Jaw"), "JawOpen"),
        (lambda t: t.replace("0.0000000000", "open", 1), "row 2"),
        (lambda t: "\n".join(t.splitlines()[:2]), "1 frames"),
        (lambda t: t.replace("23:59:59", "noon"), "timecode"),
        (lambda t: "\n".join([*t.splitlines()[:3], t.splitlines()[1]]), "row 4"),
        (lambda t: t.replace("0.0000000000", "0,1", 1), "row 2 has more cells"),
        (lambda t: t.replace("0.0000000000,", "", 1), "row 2"),
    ],
)
def test_other_tables_are_refused(take, tmp_path, change, word):
    path = write_live_link(tmp_path / "take.csv", take)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=word):
        read_live_link(path)


def test_a_take_that_was_broken_off_in_a_row_is_kept_as_far_as_it_goes(take, tmp_path):
    path = write_live_link(tmp_path / "take.csv", take)
    path.write_text(path.read_text().rstrip("\n")[:-200])
    read = read_live_link(path)
    assert len(read.times) == len(take.times) - 1
    assert not read.between(0.0, float(take.times[5])).broken_off, "that part is whole"
    request = AnalyseRequest((str(path),), str(tmp_path / "face.npz"))
    told = []
    done = analyse(request, told.append, threading.Event())
    assert done.partial
    assert done.reason == told[0]["text"] == f"{path}: its last row is cut short"
    assert FaceTrack.load(done.track).meta["partial"] is True


def test_emphasis_of_what_the_clip_does_not_hold_is_told(take, tmp_path):
    source = write_live_link(tmp_path / "take.csv", take)
    request = AnalyseRequest((str(source),), str(tmp_path / "face.npz"))
    track = FaceTrack.load(analyse(request, lambda message: None, threading.Event()).track)
    told = []
    spans = ((0.5, 1.0, 0.2), (50.0, 60.0, 0.3))
    solve(track, find_character("tobi"), [], RetargetSettings(emphasis_spans=spans), told.append)
    (warning,) = [m["text"] for m in told if m.get("level") == "warning"]
    assert warning.startswith("the emphasis of 50 to 60 s lies outside the clip")


def test_a_range_without_frames(take):
    with pytest.raises(UsageError, match="no frame"):
        take.between(5.0, None)


def test_words_on_what_the_clip_does_not_hold_are_told(take, tmp_path):
    source = write_live_link(tmp_path / "take.csv", take)
    request = AnalyseRequest((str(source),), str(tmp_path / "face.npz"))
    track = FaceTrack.load(analyse(request, lambda message: None, threading.Event()).track)
    said = tuple(np.eye(len(EXPRESSIONS))[0])
    settings = RetargetSettings(phrases=((0.5, 1.0, said), (50.0, 60.0, said)))
    told = []
    solve(track, find_character("tobi"), [], settings, told.append)
    warnings = [m["text"] for m in told if m.get("level") == "warning"]
    assert [w for w in warnings if "outside the clip" in w] == [
        w for w in warnings if "50 to 60 s" in w
    ]
    assert len(warnings) == 1
