"""Calibration, lost frames, smoothing, gain, limits: from unit values to a RigTrack."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import Control, Framing, RigProfile, Target, to_unit
from exprgen.networks.errors import UsageError
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import blinks, controls, head_and_gaze, neutral, smoothing
from exprgen.networks.track import BRIDGED, HELD, RESTING, TRACKED, FaceTrack
from exprgen.networks.tracking import lost_frames
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS, NEUTRAL

FPS = 24
SMILE, BROW, LID_L, LID_R, CHEEK = range(5)


def control(name, region, low=0.0, high=1.0, *, rest=0.0, output="expression", role=""):
    target = Target("OBJECT", "x", name)
    return Control(name, (target,), rest, low, high, region, output, role)


def profile():
    """Controls of several units, with limits on both sides and on one."""
    return RigProfile(
        name="ann",
        title="Ann",
        family="test",
        collection="Ann",
        framing=Framing((0, 0, 0)),
        controls=(
            control("smile", "mouth", -10.0, 30.0, rest=5.0),
            control("brow", "brow", -1.0, 1.0),
            control("lid_L", "eye", -0.2, 1.0, role="blink_left"),
            control("lid_R", "eye", role="blink_right"),
            control("cheek", "cheek"),
            control("nod", "head", -0.5, 0.5, output="head", role="head_pitch"),
            control("turn", "head", -1.0, 1.0, output="head", role="head_yaw"),
            control("tilt", "head", -0.5, 0.5, rest=0.1, output="head", role="head_roll"),
            control("look", "gaze", -0.4, 0.4, output="eyes", role="gaze_left_yaw"),
            control("ears", "head", output="head"),
        ),
    )


def clip(frames=120, fps=FPS, *, expression="neutral", **columns):
    """A track of a face that does nothing, all frames of one expression."""
    probabilities = np.full((frames, 7), 0.02, np.float32)
    probabilities[:, EXPRESSIONS.index(expression)] = 0.88
    base = {
        "times": np.arange(frames) / fps,
        "state": np.zeros(frames, np.uint8),
        "landmarks": np.zeros((frames, 478, 3), np.float32),
        "head_pose": np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1)),
        "gaze": np.zeros((frames, 2, 2), np.float32),
        "blink": np.zeros((frames, 2), np.float32),
        "confidence": np.ones(frames, np.float32),
        "arkit": np.zeros((frames, len(ARKIT_CHANNELS)), np.float32),
        "geometry": np.zeros((frames, 9), np.float32),
        "expression": probabilities,
        "face_offsets": np.zeros(frames, np.int64),
        "face_bytes": np.zeros(0, np.uint8),
        "meta": {"stills": False},
    }
    return FaceTrack(**base | columns)


PLAIN = RetargetSettings(smoothing_eyes=0, smoothing_mouth=0, smoothing_head=0, calibration="none")


def solved(track, units, settings=PLAIN, made=None):
    made = made or profile()
    result = controls.solve_controls(track, made, units, settings)
    return result, {n: result.values[:, i] for i, n in enumerate(result.controls)}


def still(frames=120):
    return np.zeros((frames, 5))


# --- values and limits ---------------------------------------------------------------------------


def test_unit_values_become_the_controls_own_in_profile_order():
    units = still()
    units[:, SMILE] = 0.5
    units[:, BROW] = -0.25
    result, values = solved(clip(), units)
    assert result.controls == profile().names
    assert result.values.dtype == np.float32
    np.testing.assert_allclose(values["smile"], 5 + 0.5 * 25)
    np.testing.assert_allclose(values["brow"], -0.25)
    np.testing.assert_allclose(values["tilt"], 0.1, err_msg="at rest")
    assert (values["ears"] == 0).all()


def test_values_never_leave_the_limits():
    rng = np.random.default_rng(0)
    track = clip(
        gaze=rng.normal(0, 3, (120, 2, 2)).astype(np.float32),
        blink=rng.uniform(-1, 2, (120, 2)).astype(np.float32),
    )
    units = rng.normal(0, 4, (120, 5))
    units[3, 2] = np.nan
    gain = dict.fromkeys(("mouth", "brow", "eye", "cheek", "head", "gaze"), 5.0)
    for calibration in ("auto", "none", 1.0):
        result, _ = solved(track, units, RetargetSettings(gain=gain, calibration=calibration))
        low = [c.minimum for c in profile().controls]
        high = [c.maximum for c in profile().controls]
        assert np.isfinite(result.values).all()
        assert (result.values >= np.float32(low)).all()
        assert (result.values <= np.float32(high)).all()


def test_gain_acts_on_its_region_alone():
    units = np.full((120, 5), 0.2)
    _, plain = solved(clip(), units)
    _, louder = solved(clip(), units, replace(PLAIN, gain={"mouth": 2.0}))
    np.testing.assert_allclose(louder["smile"] - 5, 2 * (plain["smile"] - 5), rtol=1e-6)
    for name in ("brow", "lid_L", "cheek"):
        np.testing.assert_array_equal(louder[name], plain[name])


def test_outputs_and_range_are_selected():
    settings = replace(PLAIN, outputs=("head",), start=1.0, end=2.0)
    result, _ = solved(clip(), still(), settings)
    assert result.controls == ("nod", "turn", "tilt", "ears")
    np.testing.assert_allclose(result.times, np.arange(24, 48) / FPS)
    with pytest.raises(UsageError, match="no frame"):
        solved(clip(), still(), replace(PLAIN, start=50.0))


def test_range_does_not_change_what_is_in_it():
    rng = np.random.default_rng(1)
    units = rng.uniform(-0.5, 0.5, (120, 5))
    whole, _ = solved(clip(), units, RetargetSettings())
    part, _ = solved(clip(), units, RetargetSettings(start=1.0, end=3.0))
    np.testing.assert_array_equal(part.values, whole.values[24:72])


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="unit values"):
        solved(clip(), np.zeros((120, 4)))


# --- smoothing -----------------------------------------------------------------------------------


def blink_clip(shape, at=60):
    blink = np.zeros((120, 2), np.float32)
    blink[at - len(shape) // 2 : at - len(shape) // 2 + len(shape)] = np.array(shape)[:, None]
    return clip(blink=blink)


@pytest.mark.parametrize("strength", [0.4, 1.0])
@pytest.mark.parametrize("shape", [(0.6, 1.0, 0.6), (0.85, 1.0, 0.85), (1.0, 1.0, 1.0)])
def test_blinks_keep_their_depth_and_their_moment(strength, shape):
    settings = replace(PLAIN, smoothing_eyes=strength)
    _, values = solved(blink_clip(shape), still(), settings)
    for lid in ("lid_L", "lid_R"):
        assert values[lid].max() >= 0.95
        assert values[lid].argmax() == (60 if shape[0] < 1 else 59) or shape[0] == 1
        centre = (values[lid] * np.arange(120)).sum() / values[lid].sum()
        assert centre == pytest.approx(60, abs=0.1)
        assert values[lid][:55].max() < 0.02


def test_blinks_that_only_the_network_saw_are_kept_too():
    units = still()
    units[59:62, [LID_L, LID_R]] = [[0.6], [1.0], [0.6]]
    track = blink_clip((0.6, 1.0, 0.6))
    _, values = solved(track, units, replace(PLAIN, smoothing_eyes=1.0))
    assert values["lid_L"].max() >= 0.95


@pytest.mark.parametrize("fps", [24, 60])
def test_jitter_goes_and_motion_stays_on_time(fps):
    times = np.arange(5 * fps) / fps
    motion = 0.4 * np.sin(2 * np.pi * times)
    noise = np.random.default_rng(0).normal(0, 0.02, len(times))
    smooth = smoothing.smooth(times, motion + noise, 0.4, smoothing.JUMP_UNITS)
    jerk = np.abs(np.diff(smooth - motion, 2)).mean()
    assert jerk < 0.5 * np.abs(np.diff(noise, 2)).mean()
    lags = range(-4, 5)
    fits = [np.corrcoef(np.roll(motion, lag)[10:-10], smooth[10:-10])[0, 1] for lag in lags]
    assert lags[int(np.argmax(fits))] == 0
    assert np.abs(smooth).max() > 0.38


def test_smoothing_is_the_same_backwards():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.08, 100))
    values = rng.normal(size=(100, 3)).cumsum(0) * 0.1
    forth = smoothing.smooth(times, values, 0.7, 0.2)
    back = smoothing.smooth(-times[::-1], values[::-1], 0.7, 0.2)[::-1]
    np.testing.assert_allclose(forth, back, atol=1e-12)


def test_steps_are_neither_delayed_nor_rounded():
    times = np.arange(60) / FPS
    step = (np.arange(60) >= 30).astype(float)
    np.testing.assert_allclose(smoothing.smooth(times, step, 1.0, 0.15), step, atol=1e-6)


def test_eyes_mouth_and_head_have_their_own_strength():
    rng = np.random.default_rng(0)
    units = 0.3 + rng.normal(0, 0.02, (120, 5))
    _, raw = solved(clip(), units)
    _, mouth = solved(clip(), units, replace(PLAIN, smoothing_mouth=0.8))
    assert np.diff(mouth["smile"]).std() < 0.5 * np.diff(raw["smile"]).std()
    assert np.diff(mouth["cheek"]).std() < 0.5 * np.diff(raw["cheek"]).std()
    np.testing.assert_array_equal(mouth["brow"], raw["brow"])
    _, eyes = solved(clip(), units, replace(PLAIN, smoothing_eyes=0.8))
    assert np.diff(eyes["brow"]).std() < 0.5 * np.diff(raw["brow"]).std()
    np.testing.assert_array_equal(eyes["smile"], raw["smile"])


def test_separate_pictures_are_left_apart():
    track = replace(
        clip(), meta={"stills": True}, state=np.array([TRACKED, RESTING] * 60, np.uint8)
    )
    units = np.tile([[0.8], [0.3], [-0.8], [0.1]], (30, 5))
    _, values = solved(track, units, RetargetSettings())
    np.testing.assert_allclose(values["brow"], np.tile([0.8, 0.0, -0.8, 0.0], 30), atol=1e-6)


def test_jaws_of_separate_pictures_are_open_at_least_as_far_as_tracked():
    made = profile()
    jaw = replace(control("jaw", "jaw"), channels={"jawOpen": 1.0})
    made = replace(made, controls=(*made.controls[:4], jaw, *made.controls[4:]))
    arkit = np.zeros((3, len(ARKIT_CHANNELS)), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 0.7
    columns = {"arkit": arkit, "state": np.array([TRACKED, TRACKED, RESTING], np.uint8)}
    settings = replace(PLAIN, emphasis=0.0)
    units = np.zeros((3, 6))
    units[:, 4] = 0.2, 0.9, 0.2
    _, values = solved(clip(3, **columns), units, settings, made)
    np.testing.assert_allclose(values["jaw"][:2], [0.2, 0.9], atol=1e-6)
    _, values = solved(clip(3, **columns, meta={"stills": True}), units, settings, made)
    np.testing.assert_allclose(values["jaw"], [0.7, 0.9, 0.0], atol=1e-6)


def test_jaws_of_separate_pictures_are_seen_from_the_neutral_and_stay_shut_where_none_is_open():
    made = profile()
    jaw = replace(control("jaw", "jaw", -1.0, 1.0), channels={"jawOpen": 1.0})
    made = replace(made, controls=(*made.controls[:4], jaw, *made.controls[4:]))
    arkit = np.zeros((4, len(ARKIT_CHANNELS)), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 0.2, 0.6, 0.0, np.nan
    units = np.zeros((4, 6))
    units[:, 4] = 0.2, 0.2, -0.4, 0.3
    pictures = clip(4, fps=0.5, arkit=arkit, meta={"stills": True})
    settings = replace(PLAIN, emphasis=0.0)
    _, values = solved(pictures, units, settings, made)
    np.testing.assert_allclose(values["jaw"], [0.2, 0.6, -0.4, 0.3], atol=1e-6)
    _, values = solved(pictures, units, replace(settings, calibration=0.0), made)
    np.testing.assert_allclose(values["jaw"][:2], [0.0, 0.5], atol=1e-6)


# --- lost frames ---------------------------------------------------------------------------------


def test_states_of_lost_frames():
    found = np.ones(100, bool)
    found[:10] = found[30:36] = found[50:] = False
    state = lost_frames.classify_losses(np.arange(100) / FPS, found)
    assert set(state[:10]) == {RESTING}
    assert set(state[30:36]) == {BRIDGED}
    assert state[50] == HELD
    assert state[-1] == RESTING
    assert (state[found] == TRACKED).all()


@pytest.mark.parametrize("fps", [12, 24, 60])
@pytest.mark.parametrize("seconds", [0.1, 0.35, 0.45, 0.7, 1.0, 1.6, 3.0])
def test_lost_frames_never_jump(fps, seconds):
    times = np.arange(int(6 * fps)) / fps
    found = ~((times > 1.0) & (times < 1.0 + seconds))
    values = np.where(times < 2.0, 0.9, -0.6)
    values[~found] = 77.0
    state = lost_frames.classify_losses(times, found)
    filled = lost_frames.fill_lost(times, state, values)
    np.testing.assert_array_equal(filled[found], values[found])
    steps = np.abs(np.diff(filled))[~(found[1:] & found[:-1])]
    steepest = 1.5 * 1.5 / min(seconds, 0.4)  # of an eased bridge over the whole difference
    assert steps.max() <= 1.2 * steepest / fps + 1e-9
    assert filled.max() <= 0.9 + 1e-9
    assert filled.min() >= -0.6 - 1e-9


def test_lost_face_relaxes_to_rest_and_comes_back():
    track = clip(state=np.r_[np.zeros(40), np.full(60, RESTING), np.zeros(20)].astype(np.uint8))
    units = np.full((120, 5), 0.8)
    units[40:100] = -1.0
    _, values = solved(track, units)
    np.testing.assert_allclose(values["brow"][75:88], 0.0, atol=1e-6)
    np.testing.assert_allclose(values["brow"][40:48], 0.8, atol=1e-6)
    assert values["brow"].min() >= 0


# --- calibration ---------------------------------------------------------------------------------


def actor(offset=0.2):
    """Neutral for two seconds, then joy for three; the network sees a smile in the neutral face."""
    track = clip()
    joy = EXPRESSIONS.index("joy")
    track.expression[48:, [NEUTRAL, joy]] = track.expression[48:, [joy, NEUTRAL]]
    track.arkit[48:, ARKIT_INDEX["mouthSmileLeft"]] = 0.8
    units = still()
    units[:, SMILE] = offset
    units[48:, SMILE] = 0.9
    units[:, BROW] = -offset
    return track, units


@pytest.mark.parametrize("calibration", ["auto", 1.0])
def test_the_actors_neutral_becomes_rest_and_the_smile_stays(calibration):
    track, units = actor()
    _, values = solved(track, units, replace(PLAIN, calibration=calibration))
    smile = to_unit((profile().controls[0],), values["smile"][:, None])[:, 0]
    np.testing.assert_allclose(smile[:48], 0.0, atol=0.03)
    assert smile[60:].min() > 0.8
    np.testing.assert_allclose(values["brow"], 0.0, atol=0.03)


def test_full_expression_stays_in_reach():
    offset = np.array([0.3, -0.3])
    for extreme in (-1.0, 1.0):
        seen = neutral.subtract_neutral(np.full((1, 2), extreme), offset)
        np.testing.assert_allclose(seen, extreme)
    np.testing.assert_allclose(neutral.subtract_neutral(offset[None], offset), 0.0)


def test_clip_without_a_neutral_moment_is_left_alone():
    track = clip(expression="sadness")
    track.arkit[:, ARKIT_INDEX["mouthFrownLeft"]] = 0.6
    units = np.full((120, 5), 0.4)
    _, plain = solved(track, units)
    _, auto = solved(track, units, replace(PLAIN, calibration="auto"))
    np.testing.assert_array_equal(auto["smile"], plain["smile"])
    np.testing.assert_array_equal(auto["brow"], plain["brow"])


def test_expression_that_is_held_and_called_neutral_survives():
    track = clip()  # the network calls all of it neutral
    track.arkit[:, ARKIT_INDEX["mouthSmileLeft"]] = 0.55  # but the tracker sees a smile
    units = still()
    units[:, SMILE] = 0.5
    _, values = solved(track, units, replace(PLAIN, calibration="auto"))
    smile = to_unit((profile().controls[0],), values["smile"][:, None])
    assert smile.min() > 0.4


@pytest.mark.parametrize(("channel", "chance", "trusted"),
                         [("browInnerUp", 0.9, True), ("browInnerUp", 0.55, False),
                          ("browDownLeft", 0.9, False)])  # fmt: skip
def test_raised_brows_of_a_face_that_is_called_neutral_are_its_build(channel, chance, trusted):
    track = clip()
    track.expression[:] = (1.0 - chance) / 6
    track.expression[:, NEUTRAL] = chance
    track.arkit[:, ARKIT_INDEX[channel]] = 0.6
    assert (neutral.find_neutral(track, "auto").trust > 0.9) == trusted


def test_blinks_do_not_become_the_lids_neutral():
    track = clip()
    track.blink[:70] = 1.0
    units = still()
    units[:70, LID_L] = 0.9
    units[70:, LID_L] = 0.1
    found = neutral.find_neutral(track, "auto")
    offset = neutral.neutral_offset(units, profile().expression_controls, found)
    assert offset[LID_L] == pytest.approx(0.1, abs=0.01)


def test_calibration_needs_a_face_there():
    track = clip(state=np.r_[np.zeros(60), np.full(60, RESTING)].astype(np.uint8))
    with pytest.raises(UsageError, match=r"4 s"):
        solved(track, still(), replace(PLAIN, calibration=4.0))


# --- head, eyes, blinks --------------------------------------------------------------------------


def test_head_angles_there_and_back_with_the_signs_of_the_roles():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-0.8, 0.8, (50, 3))
    poses = np.tile(np.eye(4), (50, 1, 1))
    poses[:, :3, :3] = [head_and_gaze.rotation_of(*a) for a in angles]
    np.testing.assert_allclose(head_and_gaze.head_angles(poses), angles, atol=1e-9)

    forward, up = np.array([0, 0, 1]), np.array([0, 1, 0])  # x is the subject's left
    assert (head_and_gaze.rotation_of(0.3, 0, 0) @ forward)[1] < 0, "positive pitch nods down"
    assert (head_and_gaze.rotation_of(0, 0.3, 0) @ forward)[0] > 0, "positive yaw turns left"
    assert (head_and_gaze.rotation_of(0, 0, 0.3) @ up)[0] > 0, "positive roll tilts left"


def posed(pitch, yaw, roll=0.0, frames=120):
    pose = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    angles = np.broadcast_arrays(pitch, yaw, roll, np.zeros(frames))[:3]
    pose[:, :3, :3] = [head_and_gaze.rotation_of(*a) for a in np.transpose(angles)]
    return clip(frames, head_pose=pose)


def test_head_is_counted_from_the_neutral():
    yaw = np.where(np.arange(120) < 60, 0.2, 0.5)
    track = posed(0.1, yaw)
    track.expression[60:] = np.eye(7)[EXPRESSIONS.index("joy")]
    track.arkit[60:, ARKIT_INDEX["jawOpen"]] = 0.9
    for calibration in ("auto", 1.0):
        _, values = solved(track, still(), replace(PLAIN, calibration=calibration))
        np.testing.assert_allclose(values["turn"][:60], 0.0, atol=0.02)
        np.testing.assert_allclose(values["turn"][60:], 0.3, atol=0.02)
    _, values = solved(track, still())
    np.testing.assert_allclose(values["turn"][60:], 0.5, atol=1e-5)
    np.testing.assert_allclose(values["nod"], 0.1, atol=1e-5)


def test_a_head_that_is_tilted_throughout_is_tilted_since_cameras_stand_level():
    track = posed(0.0, 0.0, 0.12)
    auto, named = (
        solved(track, still(), replace(PLAIN, calibration=c))[1]["tilt"] for c in ("auto", 1.0)
    )
    np.testing.assert_allclose(np.ptp(auto), 0.0, atol=1e-6)
    np.testing.assert_allclose(auto - named, 0.12, atol=1e-5)


def test_head_and_gaze_gain():
    track = replace(posed(0.1, 0.2), gaze=np.full((120, 2, 2), 0.1, np.float32))
    _, values = solved(track, still(), replace(PLAIN, gain={"head": 0.5, "gaze": 2.0}))
    np.testing.assert_allclose(values["turn"], 0.1, atol=1e-5)
    np.testing.assert_allclose(values["look"], 0.2, atol=1e-5)


def test_who_looks_a_little_aside_throughout_looks_ahead_and_who_looks_far_aside_does_not():
    def looks(yaw):
        gaze = np.zeros((120, 2, 2), np.float32)
        gaze[..., 0] = yaw
        gaze[60:70, :, 0] += 0.3
        _, values = solved(clip(gaze=gaze), still(), replace(PLAIN, calibration="auto"))
        return values["look"]

    little, far = looks(0.1), looks(0.35)
    assert abs(np.median(little)) < 0.02
    assert little[65] == pytest.approx(0.3, abs=0.03)  # a glance keeps its size
    assert np.median(far) > 0.3


def test_a_head_that_eyes_look_past_stays_turned_and_they_look_ahead():
    turn, aside = np.radians(12.0), np.radians(20.0)

    def shown(eyes):
        """Yaws of head and eyes of a clip whose head is turned, and whose eyes are, from it."""
        gaze = head_and_gaze.GAZE_BIAS.reshape(2, 2) + np.array([eyes, 0.0])
        track = posed(0.0, turn)
        track = replace(track, gaze=np.tile(gaze, (120, 1, 1)).astype(np.float32))
        found = neutral.find_neutral(track, "auto")
        settings = replace(PLAIN, calibration="auto")
        directed = head_and_gaze.directed_by_tracker(track, settings, found)
        return [float(np.median(directed[k])) for k in ("head_yaw", "gaze_left_yaw")]

    np.testing.assert_allclose(shown(-turn), (turn, -turn), atol=1e-3)
    np.testing.assert_allclose(shown(0.0), 0.0, atol=1e-3, err_msg="the camera stands aside")
    past_both = shown(-turn - aside)
    np.testing.assert_allclose(past_both, (turn, -turn - aside), atol=1e-3)


def test_what_is_ahead_stays_in_the_room_for_eyes_that_do_and_goes_along_for_others():
    head = np.zeros((120, 3))
    head[:, 0] = np.linspace(-0.15, 0.02, 120)  # above how it was held at rest, mostly
    stays, along = (np.tile(head_and_gaze.GAZE_BIAS, (120, 1)) for _ in range(2))
    stays[:, 1::2] -= head[:, :1]
    ahead = head_and_gaze.usual_gaze(stays, head, np.zeros(2))
    np.testing.assert_allclose((stays - ahead)[:, 1] + head[:, 0], 0.0, atol=1e-9)
    np.testing.assert_allclose(
        along - head_and_gaze.usual_gaze(along, head, np.zeros(2)), 0.0, atol=1e-9
    )


def test_eyes_that_stay_on_something_while_the_head_nods_do_not_look_up():
    nod = 0.2 * np.sin(np.linspace(0, 12, 120))
    gaze = np.zeros((120, 2, 2))
    gaze[..., 1] = -nod[:, None]
    kept = head_and_gaze.glances(gaze.reshape(120, 4), nod)
    np.testing.assert_allclose(kept, gaze.reshape(120, 4), atol=1e-12)
    looked = head_and_gaze.glances(gaze.reshape(120, 4), np.zeros(120))
    up = nod > head_and_gaze.GLANCE
    np.testing.assert_allclose(looked[up, 1], head_and_gaze.UPWARDS * -nod[up])
    held = nod < head_and_gaze.HELD
    np.testing.assert_array_equal(looked[held], kept[held])
    with_head = head_and_gaze.glances(np.zeros(4), -0.2)
    np.testing.assert_array_equal(with_head, 0.0, "a head that goes up takes its eyes along")


def test_saccades_stay_sharp():
    gaze = np.zeros((120, 2, 2), np.float32)
    gaze[60:, :, 0] = 0.35
    _, values = solved(clip(gaze=gaze), still(), replace(PLAIN, smoothing_eyes=1.0))
    assert values["look"][59] < 0.01
    assert values["look"][60] > 0.34


def test_blink_closes_fully_whatever_the_network_says():
    for network in (-1.0, 0.0, 0.4, 1.0):
        closed = blinks.blend_blink(np.array([network]), np.array([1.0]))
        np.testing.assert_allclose(closed, 1.0)
    wide = blinks.blend_blink(np.array([-0.7]), np.array([0.0]))
    np.testing.assert_allclose(wide, -0.7, err_msg="wide eyes are the network's")


def test_followers_get_head_and_blinks_but_keep_their_expression():
    track = replace(blink_clip((1.0, 1.0, 1.0)), head_pose=posed(0, 0.3).head_pose)
    settings = RetargetSettings(start=1.0, end=4.0, gain={"mouth": 3.0}, calibration="none")
    units = np.random.default_rng(0).uniform(0, 1, (72, 5))
    result = controls.follow_controls(track, profile(), units, settings)
    values = {n: result.values[:, i] for i, n in enumerate(result.controls)}
    np.testing.assert_allclose(values["smile"], 5 + 25 * units[:, SMILE], rtol=1e-5)
    np.testing.assert_allclose(values["turn"], 0.3, atol=1e-5)
    assert values["lid_R"][35:38].min() > 0.99
