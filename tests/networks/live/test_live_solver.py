"""Solving frame by frame: the same as all at once, as far as the past can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character, to_unit
from exprgen.networks.characters.response import load_response
from exprgen.networks.errors import ModelError, UsageError
from exprgen.networks.live import solver as live_solver
from exprgen.networks.live.causal import RESTS, Lids, OneEuro, OpenGaze, Presence, Touch
from exprgen.networks.live.packets import FacePacket
from exprgen.networks.live.seen import Said, Seen, as_track, seen_by_phone
from exprgen.networks.live.solver import LiveSolver
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import head_and_gaze, perform
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.contact import (
    BLINK_SECONDS,
    LIPS_MEET,
    LIPS_PART,
    deepen_blinks,
    lids_opening,
)
from exprgen.networks.solving.perform import relation_fit
from exprgen.networks.solving.relations import INDEX, LID_GAPS, LIP_GAPS, relation_weights
from exprgen.networks.solving.solve import solve
from exprgen.networks.track import FaceTrack
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS
from exprgen.tests.support import acted, synthetic

BROWS = [
    INDEX[f"brow_{place}_{side}"] for place in ("inner", "outer") for side in ("left", "right")
]


def frames_of(track: FaceTrack, units: dict[str, np.ndarray] | None = None) -> list[Seen]:
    """The rows of a track as live frames."""
    return [
        Seen(
            float(track.times[i]),
            bool(track.found[i]),
            landmarks=track.landmarks[i],
            head_pose=track.head_pose[i],
            gaze=track.gaze[i],
            arkit=track.arkit[i],
            geometry=track.geometry[i],
            blink=track.blink[i],
            said=Said(
                track.expression[i], {name: values[i] for name, values in (units or {}).items()}
            ),
        )
        for i in range(len(track))
    ]


def played(solver: LiveSolver, frames: list[Seen], calm: int) -> np.ndarray:
    """(N, C) what the first character does, calibrated by the first frames."""
    solver.calibrate([f for f in frames[:calm] if f.found], named=True)
    return np.array([solver.step(f)[0] for f in frames])


def performance(frames: int = 200) -> tuple:
    """(track, response) of Tobi's points worn by an actor: calm, then lips, brows, blinks."""
    model = acted.with_meeting_lips(load_response(find_character("tobi")))
    t, units = np.arange(frames) / 25.0, np.zeros((frames, len(model.controls)))
    acts = np.clip((np.arange(frames) - 30) / 5, 0, 1)

    def put(value, *names):
        for name in names:
            units[:, model.controls.index(name)] = np.clip(value * acts, 0, 1)

    put(0.5 * np.maximum(np.sin(2 * np.pi * 2.3 * t), 0), "jawOpen")
    put(0.4 + 0.4 * np.sin(2 * np.pi * 0.7 * t), "mouthSmileLeft", "mouthSmileRight")
    put(0.3 + 0.3 * np.sin(2 * np.pi * 1.3 * t), "browInnerUp")
    blinks = sum(np.exp(-((np.arange(frames) - at) ** 2) / 4.0) for at in (60, 110, 170))
    put(blinks, "eyeBlinkLeft", "eyeBlinkRight")
    head = np.stack([0.15 * np.sin(t), 0.3 * np.sin(0.7 * t), 0.1 * np.sin(1.3 * t)], axis=1)
    return acted.worn(model, units, head), model


@pytest.fixture(scope="module")
def clip():
    track, model = performance()
    still = replace(track, rig_units={})
    return still, model


def relations(profile, controls, values) -> np.ndarray:
    model = load_response(profile)
    chosen = tuple(profile.control(n) for n in model.controls)
    columns = [list(controls).index(n) for n in model.controls]
    return model.through(relation_weights()).predict(to_unit(chosen, values[:, columns]))


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef((a - a.mean(0)).ravel(), (b - b.mean(0)).ravel())[0, 1])


@pytest.mark.parametrize("name", ["tobi", "anselm"])
def test_live_does_what_the_whole_clip_would(clip, name, monkeypatch):
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", "/nowhere")  # by channels: nothing else is compared
    track, _ = clip
    profile = find_character(name)
    settings = RetargetSettings(calibration=0.5)
    (whole,) = solve(track, profile, [], settings)
    solver = LiveSolver([profile], settings)
    values = played(solver, frames_of(track), 28)
    ((_, controls),) = solver.controls
    acts = slice(40, None)
    off = relations(profile, whole.controls, whole.values)[acts]
    live = relations(profile, controls, values)[acts]
    for columns, least in ((LIP_GAPS, 0.97), ([INDEX["mouth_width"]], 0.95), (LID_GAPS, 0.9),
                           (BROWS, 0.93)):  # fmt: skip
        assert alike(off[:, columns], live[:, columns]) > least
    rest = load_response(profile).through(relation_weights()).rest[LIP_GAPS].mean()
    gap, live_gap = (x[:, LIP_GAPS].mean(1) - rest for x in (off, live))
    shut, live_shut = gap < 0.02, live_gap < 0.02
    assert shut.sum() > 20
    assert np.mean(live_shut[shut]) > 0.9, "lips that close are closed"
    # The whole clip's solving takes the landmarker's lag off: live opens up to a frame later.
    assert np.mean(live_shut[~shut]) < 0.1
    apart = ~shut & ~np.roll(shut, 1)
    assert np.mean(live_shut[apart]) < 0.03
    yaw = next(c.name for c in profile.controls if c.role == "head_yaw")
    turned = values[acts, list(controls).index(yaw)]
    assert alike(turned, whole.values[acts, whole.controls.index(yaw)]) > 0.98


@pytest.mark.parametrize("calibration", ["auto", "none"])
@pytest.mark.parametrize("feeling", ["neutral", "anger"])
def test_a_neutral_is_trusted_as_far_as_in_a_clip(clip, feeling, calibration, monkeypatch):
    """A frown is not made deeper, nor a corner drawn down, from a neutral that nobody saw."""
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", "/nowhere")
    track, told = clip[0], []
    expression = np.full((len(track), len(EXPRESSIONS)), 0.02, np.float32)
    expression[:, EXPRESSIONS.index(feeling)] = 0.88
    track = replace(track, expression=expression)
    settings = RetargetSettings(calibration=calibration)

    def fitted(asked):
        told.append(asked.actor.trust)
        return relation_fit(asked)

    monkeypatch.setattr(live_solver, "relation_fit", fitted)
    solver = LiveSolver([find_character("tobi")], settings)
    frames = frames_of(track)
    solver.calibrate(frames[:50], named=False)
    solver.step(frames[50])
    assert told == [actor_relations(track, settings).trust]


def test_a_frame_knows_only_the_past(clip):
    track, _ = clip
    profile = find_character("tobi")
    frames = frames_of(track)[:90]
    other = [*frames[:70], *(replace(f, arkit=np.ones_like(f.arkit)) for f in frames[70:])]
    phone = (
        [replace(f, landmarks=None) for f in frames],
        [replace(f, landmarks=None) for f in other],
    )
    first, second = (
        played(LiveSolver([profile], RetargetSettings(), phone=True), f, 28) for f in phone
    )
    # Sums of the same numbers differ by their place in memory.
    np.testing.assert_allclose(first[:70], second[:70], atol=1e-5)
    assert not np.allclose(first[75:], second[75:], atol=1e-2)


def test_a_lost_face_is_held_and_then_at_rest(clip):
    track, _ = clip
    profile = find_character("tobi")
    solver = LiveSolver([profile], RetargetSettings(), phone=True)
    frames = [replace(f, landmarks=None) for f in frames_of(track)]
    smile = np.zeros(len(ARKIT_CHANNELS), np.float32)
    smile[ARKIT_INDEX["mouthSmileLeft"]] = smile[ARKIT_INDEX["mouthSmileRight"]] = 0.8
    solver.calibrate(frames[:28], named=True)
    for i in range(40):
        shown = solver.step(replace(frames[0], time=10 + i / 25, arkit=smile))[0]
    rest = np.array([c.rest for c in profile.controls])
    moved = np.abs(shown - rest).max()
    assert moved > 0.2
    lost = [solver.step(Seen(11.6 + i / 25))[0] for i in range(50)]
    assert np.abs(lost[5] - shown).max() < 1e-6, "held for a moment"
    assert np.abs(lost[-1] - rest).max() < 1e-6, "then at rest"
    steps = np.abs(np.diff(np.array([shown, *lost]), axis=0)).max(1)
    assert steps.max() < 0.2 * moved, "on a smooth way"
    again = [solver.step(replace(frames[0], time=14 + i / 25, arkit=smile))[0] for i in range(20)]
    assert np.abs(again[0] - rest).max() < 0.2 * moved
    assert np.abs(again[-1] - rest).max() > 0.9 * moved


def test_before_the_neutral_is_known_characters_rest():
    profile = find_character("tobi")
    solver = LiveSolver([profile], RetargetSettings(), phone=True)
    frame = seen_by_phone(0.0, FacePacket("p", "s", 0.0, np.ones(52), np.zeros(9)))
    assert np.array_equal(solver.step(frame)[0], [c.rest for c in profile.controls])
    with pytest.raises(UsageError, match="no face was seen"):
        solver.calibrate([frame], named=True)


def test_a_named_neutral_is_the_characters_rest():
    """Whatever a face does while it is said to be neutral is rest from then on."""
    profile = find_character("tobi")
    solver = LiveSolver([profile], RetargetSettings(emphasis=0.0), phone=True)
    odd = np.zeros(len(ARKIT_CHANNELS))
    odd[ARKIT_INDEX["mouthSmileLeft"]] = 0.3
    angles = np.zeros(9)
    angles[:2] = 0.2, -0.1
    frames = [seen_by_phone(i / 30, FacePacket("p", "s", 0.0, odd, angles)) for i in range(60)]
    solver.calibrate(frames, named=True)
    for frame in frames:
        values = dict(zip(solver.controls[0][1], solver.step(frame)[0], strict=True))
    response = load_response(profile)
    named = {c.name: c for c in profile.controls}
    controls = [named[name] for name in response.controls]
    unit = to_unit(controls, np.array([[values[c.name] for c in controls]]))
    moved = np.abs(response.predict(unit)[0] - response.predict(0.0 * unit)[0])
    assert moved.max() < 0.015  # eye distances
    for control in profile.controls:
        span = control.maximum - control.minimum
        assert abs(values[control.name] - control.rest) < 0.06 * span, control.name


def test_who_has_no_channels_cannot_follow_a_phone():
    profile = replace(synthetic.profile("ann"), controls=synthetic.profile("ann").controls[6:])
    with pytest.raises(ModelError, match="can't follow a phone"):
        LiveSolver([profile], RetargetSettings(), phone=True)


def test_frames_are_a_track(clip):
    track, _ = clip
    made = as_track(frames_of(track)[:20])
    assert made.landmarks == pytest.approx(track.landmarks[:20])
    assert made.blink == pytest.approx(track.blink[:20])


def test_one_euro_steadies_what_is_still_and_passes_what_is_quick():
    rng, steady = np.random.default_rng(0), OneEuro(0.4, 0.012)
    noise = 0.002 * rng.standard_normal(300)
    out = np.array([steady(i / 30, noise[i : i + 1])[0] for i in range(300)])
    assert out[50:].std() < 0.7 * noise[50:].std()
    jump = [steady((300 + i) / 30, np.array([0.3]))[0] for i in range(4)]
    assert jump[1] > 0.27, "a jump is there after a frame"
    assert OneEuro(0.0, 0.012)(0.0, np.array([0.5]))[0] == 0.5


def test_lips_that_touch_stay_until_they_part():
    touch = Touch(LIPS_MEET, LIPS_PART)
    gaps = [0.1, 0.04, 0.03, 0.04, 0.044, 0.05, 0.04]
    assert [touch(g) for g in gaps] == [False, False, True, True, True, False, False]


def test_a_blink_that_is_nearly_seen_shuts_the_lids():
    lids = Lids()
    way = [1.0, 1.0, 0.6, 0.25, 0.5, 0.9, 1.0]
    shown = [lids(i / 25, np.full(2, share)) for i, share in enumerate(way)]
    assert shown[3].max() == 0.0
    assert shown[0].min() == shown[-1].min() == 1.0
    low = [lids(1 + i / 25, np.full(2, 0.45)) for i in range(40)]
    assert low[-1] == pytest.approx([0.45, 0.45]), "lowered lids are no blink"


def shown_lids(eyes: np.ndarray, rate: float = 25.0) -> np.ndarray:
    """(N,) what live shows of both eyes that are open by these shares."""
    lids = Lids()
    return np.array([lids(i / rate, np.full(2, share))[0] for i, share in enumerate(eyes)])


@pytest.mark.parametrize("rate", [15.0, 25.0, 30.0, 60.0])
def test_lids_that_are_held_narrow_become_slits_once_they_are_no_blink(rate):
    """From then on, the same as in a clip, which knows it before."""
    at = np.arange(round(8 * rate)) / rate
    eyes = np.where((at > 1) & (at < 5), 0.15, 1.0)
    eyes[(at > 2) & (at < 2.5)] = -0.02
    eyes[(at > 3) & (at < 4)] = 0.08
    eyes[(at > 6) & (at < 7)] = 0.0
    live, whole = shown_lids(eyes, rate), lids_opening(at, deepen_blinks(at, eyes))
    late = (at > 1) & (at < 1 + BLINK_SECONDS + 2 / rate)
    assert np.array_equal(live[~late] == 0.0, whole[~late] == 0.0)
    assert live[~late] == pytest.approx(whole[~late])
    assert (whole == 0.0).any()


def test_an_eye_that_is_held_narrow_stays_a_slit_while_the_other_blinks():
    """The blink passes where the two are nearly alike, which lifts the held one as it is shown."""
    other = np.r_[np.ones(60), 0.4, 0.0, 0.0, 0.4, np.ones(30)]
    held = np.full(len(other), 0.15)
    lids = Lids()
    shown = np.array([lids(i / 25, both) for i, both in enumerate(np.c_[held, other])])
    since = round(25 * BLINK_SECONDS) + 2
    assert (shown[since:, 0] > 0.0).all()
    assert shown[64:, 0] == pytest.approx(held[64:])
    assert shown[61:63, 1].max() == 0.0


def test_eyes_that_narrow_and_stay_so_are_not_shut_for_longer_than_a_blink_turns():
    squint = np.r_[np.ones(20), 0.6, np.full(40, 0.3)]
    shut = shown_lids(squint) == 0.0
    assert shut.sum() <= RESTS * 25 + 1, "it falls as a blink does, and rests"
    slowly = np.r_[np.ones(20), np.linspace(1.0, 0.25, 12), np.full(20, 0.25)]
    assert shown_lids(slowly) == pytest.approx(slowly)


def test_lids_that_opened_after_a_rest_go_on_as_seen():
    eyes = np.r_[np.ones(10), 0.5, np.full(6, 0.3), np.linspace(0.3, 0.7, 5), np.ones(5)]
    assert shown_lids(eyes)[17:] == pytest.approx(eyes[17:])


def test_behind_a_lid_eyes_look_where_they_did():
    gaze, ahead, down = OpenGaze(), np.zeros((2, 2)), np.full((2, 2), 0.4)
    assert gaze(0.0, ahead, np.zeros(2)) == pytest.approx(ahead)
    assert gaze(0.04, down, np.full(2, 0.9)) == pytest.approx(ahead)
    assert gaze(0.08, down, np.zeros(2)) == pytest.approx(down)
    for i in range(40):
        shown = gaze(0.12 + i / 25, ahead, np.full(2, 0.9))
    assert shown == pytest.approx(ahead), "who looks down for long lowers the lids"


def test_a_face_comes_and_goes_smoothly():
    present = Presence()
    share = [present(i / 25, True) for i in range(20)]
    assert share[0] == 0.0
    assert share[-1] == 1.0
    assert present(0.9, False) == 1.0
    assert [present(1.0 + i / 25, False) for i in range(60)][-1] == 0.0
    assert head_and_gaze.JUMP_HEAD > 0


@pytest.mark.parametrize(("named", "share"), [(False, True), (True, False)])
def test_lids_at_rest_are_shown_as_in_a_clip(named, share, monkeypatch):
    """What a seen neutral shows of heavy lids is played; one that the user named is a build."""
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", "/nowhere")
    track = calm_then_acting()
    shown = []
    for looks in (True, False):
        with monkeypatch.context() as patch:
            if not looks:
                patch.setattr(perform, "with_resting_look", lambda times, values, *others: values)
            solver = LiveSolver([find_character("tobi")], RetargetSettings())
            frames = frames_of(track)
            solver.calibrate(frames[:50], named=named)
            values = np.array([solver.step(f)[0] for f in frames[:50]])
            ((_, controls),) = solver.controls
        lids = relations(find_character("tobi"), controls, values)[-10:, LID_GAPS]
        shown.append(lids.mean())
    if share:
        assert solver.neutral.trust > 0.6
        assert shown[0] < 0.98 * shown[1], "open eyes are a little less so"
        (whole,) = solve(track, find_character("tobi"), [], RetargetSettings())
        wanted = relations(find_character("tobi"), whole.controls, whole.values)[40:50, LID_GAPS]
        assert abs(shown[0] - wanted.mean()) < abs(shown[1] - wanted.mean())
    else:
        assert shown[0] == pytest.approx(shown[1])


def calm_then_acting() -> FaceTrack:
    """Two seconds of a calm face that looks neutral, then motion."""
    track, _ = performance()
    expression = np.full((len(track), len(EXPRESSIONS)), 0.02, np.float32)
    expression[:, EXPRESSIONS.index("neutral")] = 0.88
    rows = np.concatenate([np.zeros(50, int), np.arange(len(track) - 50)])
    parts = {n: getattr(track, n)[rows] for n in ("landmarks", "arkit", "geometry", "blink",
             "gaze", "head_pose")}  # fmt: skip
    return replace(track, expression=expression, rig_units={}, **parts)
