"""Performances: what is measured on landmarks, what is true of made clips, strips and ratings."""

import csv
from dataclasses import replace

import cv2
import numpy as np
import pytest

from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.evaluation import performance, windows
from exprgen.networks.evaluation.face_features import CHIN, POINTS, features, one_eyed, unit
from exprgen.networks.evaluation.performance import Build
from exprgen.networks.evaluation.report import write_html
from exprgen.networks.evaluation.strips import SIDE, Strip, actor_crop, alike, write_strips
from exprgen.networks.footage.truth import BILABIALS, VOWELS, ClipTruth, truth_of, truth_path
from exprgen.networks.track import FaceTrack
from exprgen.networks.tracking.registration import average_face
from exprgen.networks.vocabulary import ARKIT_CHANNELS, LANDMARK_NAMES, LANDMARKS
from exprgen.tests.support import synthetic

RATE = 25.0
FRAMES = 200
TIMES = np.arange(FRAMES) / RATE
SEEN = np.ones(FRAMES, bool)
ROW = {name: i for i, name in enumerate(POINTS)}
LOWER = [ROW[n] for n in POINTS if n.startswith("lip_bottom") or n == "chin"]
LIDS = [ROW[n] for n in POINTS if n.startswith("eye_") and "_top_" in n]
BROWS = [ROW[n] for n in POINTS if n.startswith("brow_")]
CORNERS = [ROW["mouth_left_corner"], ROW["mouth_right_corner"]]


def resting() -> np.ndarray:
    """(50, 3) the average face, lips closed, x to its own left, y up."""
    flat = np.zeros((len(POINTS), 3))
    flat[: len(LANDMARK_NAMES), :2] = average_face() * (1, -1)
    flat[ROW["chin"]] = flat[ROW["lip_bottom_outer_3"]] - (0, 25, 0)
    for k in (1, 2, 3):
        flat[ROW[f"lip_bottom_inner_{k}"]] = flat[ROW[f"lip_top_inner_{4 - k}"]]
    return flat


def face(jaw=0.0, blink=0.0, brow=0.0, wide=0.0) -> np.ndarray:
    """(N, 50, 3) of motions (N,), in eye distances: chin and lower lip down, upper lids down, brows
    up, corners apart."""
    moves = np.broadcast_arrays(*map(np.atleast_1d, (jaw, blink, brow, wide)))
    jaw, blink, brow, wide = (m[:, None] * unit(resting()[None]) for m in moves)
    points = np.tile(resting(), (len(jaw), 1, 1))
    points[:, LOWER, 1] -= jaw
    points[:, LIDS, 1] -= blink
    points[:, BROWS, 1] += brow
    points[:, CORNERS, 0] += wide * (1, -1)
    return points


def words(seed: int = 0) -> np.ndarray:
    """(FRAMES,) motion of some six syllables a second, 0 to .4."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.normal(size=FRAMES + 8), np.hanning(9), "valid")
    return 0.4 * np.clip((noise - noise.min()) / np.ptp(noise) - 0.25, 0, None)


LIMITS = face(jaw=[0, 0.5, 0, 0, 0], blink=[0, 0, 0.3, 0, 0], brow=[0, 0, 0, 0.2, 0],
              wide=[0, 0, 0, 0, 0.1])  # fmt: skip


def shown(points: np.ndarray, limits: np.ndarray = LIMITS) -> performance.Performance:
    build = Build.of(limits)
    gap = features(points, build.unit)["gap"] * build.unit
    return performance.character_performance(points, gap, build)


def actor(points: np.ndarray) -> performance.Performance:
    seen = features(points, unit(points))
    closed, apart = performance.closed_and_open(seen["gap"], SEEN)
    lids = performance.shut_and_open(seen, SEEN)
    return performance.Performance({**seen, "opening": seen["gap"]}, closed, apart, closed, *lids)


def test_features_do_not_depend_on_size_or_place():
    points = face(jaw=words(), brow=words(1))
    small = 0.01 * points + (3.0, -2.0, 7.0)
    one, other = features(points, unit(points)), features(small, unit(small))
    for name in ("gap", "width", "lids", "brows_over_eyes", "roundness", "jaw_apart"):
        assert np.ptp(other[name] - one[name]) < 1e-9


def test_a_turned_head_changes_nothing():
    track = synthetic.face_track(frames=60)
    mesh = np.zeros((60, 478, 3))
    chosen = [*LANDMARKS.values(), CHIN]
    front = face(jaw=words()[:60]) - resting()[ROW["nose_bridge_1"]]
    turn = np.asarray(track.head_pose[:, :3, :3], float)
    mesh[:, chosen] = (front @ turn.transpose(0, 2, 1)) * (1, -1, -1) + (300, 200, 0)
    turned = replace(track, landmarks=mesh.astype(np.float32))
    told = performance.actor_performance(turned).features
    for name, values in features(front, unit(front)).items():
        assert np.ptp(told[name] - values) < 1e-4, name


def test_lips_that_are_seen_apart_are_not_closed_though_the_tracker_says_so():
    track = synthetic.face_track(frames=60)
    jaw = np.where(np.arange(60) < 30, 0.0, 0.2)
    mesh = np.zeros((60, 478, 3))
    mesh[:, [*LANDMARKS.values(), CHIN]] = face(jaw=jaw) * (1, -1, -1) + (300, 200, 0)
    pose = np.tile(np.eye(4, dtype=np.float32), (60, 1, 1))
    track = replace(track, landmarks=mesh.astype(np.float32), head_pose=pose)
    slit = np.where((np.arange(60) >= 10) & (np.arange(60) < 14), 0.04, 0.0)
    told, blind = performance.actor_performance(track, slit), performance.actor_performance(track)
    assert blind.closed[:30].all()
    assert (np.flatnonzero(blind.closed & ~told.closed) == np.arange(10, 14)).all()
    assert (told.near == blind.closed).all()
    assert told.features["opening"][10:14].min() > performance.SLIT
    assert np.array_equal(told.features["gap"], blind.features["gap"])
    speaks = performance.compare(told, told, track.times, np.ones(60, bool))
    assert speaks["closures"]["reached"] == 1.0
    assert speaks["closures_as_tracked"]["reached"] == pytest.approx(26 / 30, abs=1e-4)


def test_brows_that_are_seen_stand_beside_those_that_are_tracked():
    track = synthetic.face_track(frames=60)
    mesh = np.zeros((60, 478, 3))
    mesh[:, [*LANDMARKS.values(), CHIN]] = face(jaw=words()[:60]) * (1, -1, -1) + (300, 200, 0)
    pose = np.tile(np.eye(4, dtype=np.float32), (60, 1, 1))
    track = replace(track, landmarks=mesh.astype(np.float32), head_pose=pose)
    flick = 0.05 * np.exp(-(((np.arange(60) - 30) / 5.0) ** 2))
    actor = performance.actor_performance(track, None, np.tile(flick[:, None], (1, 6)))
    tracked = actor.features
    for name in ("brows", "brow_inner_left", "brow_outer_right"):
        assert tracked[name] - tracked[f"{name}_tracked"] == pytest.approx(flick)
    follows = face(brow=np.tile(flick, 1))
    build = Build.of(np.concatenate([follows[:1], face(brow=0.1)]))
    shown = performance.character_performance(follows, np.zeros(60), build)
    told = performance.compare(actor, shown, track.times, np.ones(60, bool))["features"]
    assert told["brows"]["fast"] > 0.99
    assert told["brows_tracked"]["fast"] is None, "tracked they don't move"
    means = performance.summarise([{**performance.compare(actor, shown, TIMES[:60], SEEN[:60])}])
    assert means["columns"]["inner brows"]["fast"] > 0.99
    assert not {"brows", "brows, as tracked"} & set(build.lacks)


def test_a_blink_lifts_no_brow():
    """Eye corners that ride on the lids must not count as brows."""
    points = face(blink=words())
    for corner in ("inner", "outer"):
        points[:, ROW[f"eye_left_{corner}"], 1] -= words() * 20
    told = features(points, unit(points))
    assert np.ptp(told["brows"]) < 1e-9 < np.ptp(told["brows_over_eyes"])


def test_the_same_motion_is_followed_in_full():
    speech = face(jaw=words(), blink=words(1), brow=words(2), wide=0.2 * words(3))
    told = performance.compare(actor(speech), shown(speech), TIMES, SEEN)
    for name in ("gap", "opening", "width", "lids", "lid_left", "brows", "jaw"):
        figures = told["features"][name]
        assert figures["all"] == figures["fast"] == pytest.approx(1.0)
        assert figures["amplitude"] == pytest.approx(1.0)
        assert figures["delay"] == pytest.approx(0.0, abs=0.01)
    assert told["closures"]["reached"] > 0.8  # what the tracker calls closed may be a slit
    assert told["closures"]["false"] == 0.0
    hard = np.where(words() < performance.ACTOR_CLOSED, 0.0, words())
    told = performance.compare(actor(speech), shown(face(jaw=hard)), TIMES, SEEN)
    assert told["closures"]["reached"] == 1.0


def test_a_mouth_that_never_closes_or_never_opens_is_caught():
    speech = actor(face(jaw=words()))
    ajar = performance.compare(speech, shown(face(jaw=0.1 + words())), TIMES, SEEN)
    assert ajar["features"]["gap"]["fast"] == pytest.approx(1.0)  # correlation does not tell
    assert ajar["closures"]["reached"] == 0.0
    shut = performance.compare(speech, shown(face(jaw=0.0 * words())), TIMES, SEEN)
    assert shut["closures"]["false"] == 1.0
    assert shut["features"]["gap"]["fast"] is None  # what does not move correlates with nothing


def test_contact_is_where_the_tracker_sees_it():
    """Lips that touch may be seen a little apart; a mouth that never closes has no contact."""
    gap = words()
    for least, touches in ((-0.01, True), (0.0, True), (0.045, True), (0.1, False)):
        closed, apart = performance.closed_and_open(gap + least, SEEN)
        assert closed[gap == 0].all() == touches
        assert not closed[gap > 0.05].any()
        assert not (closed & apart).any()


@pytest.mark.parametrize("late", [-1.5, 0.0, 0.4, 2.0])
def test_delay_is_found_to_parts_of_a_frame(late):
    motion = np.interp(np.arange(FRAMES) - late, np.arange(FRAMES), words())
    told = performance.compare(actor(face(jaw=words())), shown(face(jaw=motion)), TIMES, SEEN)
    assert told["features"]["gap"]["delay"] == pytest.approx(late, abs=0.1)


def test_blinks_are_met_missed_or_false():
    lid = features(face(), unit(face()))["lids"][0]
    blink = np.zeros(FRAMES)
    for middle in (30, 80, 140):
        blink[middle - 2 : middle + 3] = 1.05 * lid * np.array([0.3, 0.8, 1, 0.8, 0.3])
    eyes = actor(face(blink=blink))

    def told(blink):
        return performance.compare(eyes, shown(face(blink=blink)), TIMES, SEEN)["blinks"]

    assert told(blink)["count"] == 6  # two lids
    assert told(blink)["met"] == 1.0
    assert told(blink)["false"] == 0.0
    assert told(0.8 * blink)["met"] == 0.0  # half-way
    half = blink * (np.arange(FRAMES) < 100)
    assert told(half)["met"] == pytest.approx(2 / 3, abs=0.01)
    assert told(np.roll(blink, 10))["false"] > 0.0


def test_thick_lids_meet_where_their_rims_are_still_apart():
    lid = features(face(), unit(face()))["lids"][0]
    blink = np.zeros(FRAMES)
    blink[40:44] = 1.0
    eyes = actor(face(blink=1.05 * lid * blink))

    def met(closest: float) -> float:
        """Share of blinks that go as far as a control, which leaves landmarks so far apart."""
        limits = np.concatenate([face(), face(blink=lid - closest)])
        seen = shown(face(blink=(lid - closest) * blink), limits)
        return performance.compare(eyes, seen, TIMES, SEEN)["blinks"]["met"]

    assert met(0.04 * lid) == 1.0
    assert met(0.2 * lid) == 0.0  # a slit of the eye is seen


def test_jitter_counts_in_the_still_parts_only():
    motion = words() * (np.arange(FRAMES) > 100)
    noise = np.random.default_rng(0).normal(0, 0.002, FRAMES)
    told = performance.compare(
        actor(face(jaw=motion)), shown(face(jaw=motion + noise)), TIMES, SEEN
    )
    assert 90 <= told["still_frames"] <= 110
    assert told["reference_jitter"] < 0.3 * told["jitter"]
    assert 0.0005 < told["jitter"] < 0.002  # one of seven features trembles


def test_what_a_character_lacks_is_not_there():
    still = np.tile(resting(), (2, 1, 1))
    build = Build.of(np.concatenate([still, face(jaw=0.5)]))
    assert {"lids", "each lid", "inner brows", "mouth sideways"} <= set(build.lacks)
    assert not {"lip gap", "opening", "jaw"} & set(build.lacks)
    told = performance.compare(
        actor(face(jaw=words(), blink=words(1))),
        shown(face(jaw=words()), np.concatenate([still, face(jaw=0.5)])),
        TIMES,
        SEEN,
    )
    assert "lids" not in told["features"]
    means = performance.summarise([told])
    assert means["columns"]["lids"]["fast"] is None
    assert means["columns"]["lip gap"]["fast"] == pytest.approx(1.0)


def test_one_eye_is_measured_by_the_height_over_the_mouth():
    points = resting()[None].copy()
    two = unit(points)
    middle = 0.5 * (points[0, ROW["eye_left_inner"]] + points[0, ROW["eye_right_inner"]])
    for side in ("left", "right"):
        points[0, ROW[f"eye_{side}_inner"]] = middle
    assert one_eyed(points)
    assert unit(points) == pytest.approx(two, rel=0.2)
    poses = np.concatenate([points, points])
    poses[1, LIDS, 1] -= 10
    assert {"lids"} <= Build.of(poses).has
    assert not {"lid_left", "lid_right"} & Build.of(poses).has


# --- truth ---------------------------------------------------------------------------------------


def truth_with(jaw: np.ndarray, **changes) -> ClipTruth:
    """A made clip that says "ama": lips meet from 3 to 3.2 s."""
    points = face(jaw=jaw).astype(np.float32)
    made = ClipTruth(
        times=TIMES,
        arkit=np.zeros((FRAMES, len(ARKIT_CHANNELS)), np.float32),
        landmarks=points[:, :-1],
        chin=points[:, -1],
        head=np.zeros((FRAMES, 3), np.float32),
        phonemes=("", "aː", "m", "a"),
        starts=np.array([0.0, 1.0, 3.0, 3.2]),
        ends=np.array([1.0, 3.0, 3.2, 5.0]),
        extra={"closure": np.zeros(FRAMES)},
        meta={"sentence": "ama"},
    )
    return replace(made, **changes)


def spoken() -> np.ndarray:
    return 0.3 * (1 - np.exp(-(((TIMES - 3.12) / 0.08) ** 2)))


def test_truth_comes_back_as_it_was_and_lies_beside_the_clip(tmp_path):
    clip = tmp_path / "talk.mp4"
    assert truth_of(clip) is None
    truth_with(spoken()).save(truth_path(clip))
    told = truth_of(clip)
    assert told.phonemes == ("", "aː", "m", "a")
    assert told.meta == {"sentence": "ama"}
    assert np.array_equal(told.landmarks, truth_with(spoken()).landmarks)
    assert set(told.extra) == {"closure"}
    assert told.spans(BILABIALS).tolist() == [[3.0, 3.2]]
    assert len(told.spans(VOWELS)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"times": TIMES[::-1].copy()},
        {"chin": np.zeros((3, 3), np.float32)},
        {"head": np.full((FRAMES, 3), np.nan, np.float32)},
        {"phonemes": ("a",)},
        {"ends": np.zeros(4)},
        {"extra": {"closure": np.zeros(3)}},
    ],
)
def test_truth_that_makes_no_sense_is_refused(tmp_path, changes):
    with pytest.raises(InputError):
        truth_with(spoken(), **changes).save(tmp_path / "a.truth.npz")
    assert not list(tmp_path.iterdir())


def test_contacts_of_sounds_are_missed_reached_or_false():
    truth = truth_with(spoken())
    true = performance.true_performance(truth, TIMES)

    def said(jaw):
        return performance.compare_speech(truth, true, shown(face(jaw=jaw)), TIMES)

    told = said(spoken())
    assert 90 < told.pop("vowel_frames") < 105
    assert told == {"contacts": 1, "reached": 1.0, "false": 0.0}
    assert said(spoken() + 0.05)["reached"] == 0.0
    assert said(0.0 * spoken())["false"] == 1.0
    late = np.interp(TIMES - 0.4, TIMES, spoken())
    assert said(late)["reached"] == 0.0  # ten frames late is not reached


def test_true_contact_is_what_the_truth_tells():
    gap = np.repeat(np.where(TIMES > 4, 0.0, 30.0)[:, None], 3, axis=1)
    true = performance.true_performance(truth_with(spoken(), extra={"lip_gap": gap}), TIMES)
    assert np.array_equal(true.closed, TIMES > 4)


# --- windows, strips, ratings --------------------------------------------------------------------


def test_windows_are_seeded_spread_and_see_the_face():
    found = SEEN.copy()
    found[80:110] = False
    chosen = windows.choose_windows(TIMES, found, 3, 1, "a.mp4")
    assert chosen == windows.choose_windows(TIMES, found, 3, 1, "a.mp4")
    assert chosen != windows.choose_windows(TIMES, found, 3, 1, "b.mp4")
    assert len(chosen) == 3
    assert all(found[w].all() and len(w) == windows.FRAMES for w in chosen)
    assert [w[0] for w in chosen] == sorted(w[0] for w in chosen)
    assert windows.choose_windows(TIMES, found, 0, 1, "a.mp4") == []
    assert windows.choose_windows(TIMES[:20], SEEN[:20], 3, 1, "a.mp4") == []
    (at,) = windows.windows_at(TIMES, [2.0], "a.mp4")
    assert TIMES[at[0]] == 2.0
    with pytest.raises(UsageError, match="after the clip"):
        windows.windows_at(TIMES, [7.5], "a.mp4")


@pytest.fixture
def sheets(tmp_path):
    """Strips of a clip on two characters: each method's pictures are of one grey."""
    clip = synthetic.speaking_clip(tmp_path / "talk.mp4")
    track = synthetic.face_track(frames=50, fps=25.0)
    marks = np.zeros((50, 478, 3), np.float32)
    marks[:, 0, :2], marks[:, 1:, :2] = (100, 60), (220, 180)
    replace(track, landmarks=marks).save(tmp_path / "face.npz")
    return _sheets(tmp_path, clip, track, {"exprgen": 10, "emphasis-0": 120, "blendshapes": 230})


def _sheets(tmp_path, clip, track, greys):
    strips = []
    for character in ("ann", "bob"):
        files = {}
        for method, grey in greys.items():
            path = tmp_path / f"{character} {method}.png"
            cv2.imwrite(str(path), np.full((64, 64, 3), grey, np.uint8))
            files[method] = [str(path)] * windows.FRAMES
        at = windows.choose_windows(track.times, track.found, 2, 0, "talk.mp4")
        strips += [Strip(str(clip), str(tmp_path / "face.npz"), character, w, files) for w in at]
    return write_strips(strips, tmp_path / "sheets" / "strips", seed=2)


def test_methods_that_cannot_be_told_apart_share_a_row_and_its_rating(sheets, tmp_path):
    clip, track = tmp_path / "talk.mp4", FaceTrack.load(str(tmp_path / "face.npz"))
    greys = {"exprgen": 100, "emphasis-0": 104, "blendshapes": 130}
    pictures, key = _sheets(tmp_path, clip, track, greys)
    assert cv2.imread(str(pictures[0])).shape[0] == 3 * (SIDE + 4)
    told = windows.load_key(key)
    shared = ("emphasis-0", "exprgen")
    assert all(set(t.methods) == {shared, ("blendshapes",)} for t in told.values())
    kept = [(n, windows.LETTERS[t.methods.index(shared)]) for n, t in told.items()]
    rater = tmp_path / "anna.csv"
    rater.write_text("".join(f"{n},{letter},4,5,1\n" for n, letter in kept))
    scored = windows.score_strips(key, [rater])
    assert scored["exprgen"] == scored["emphasis-0"]
    assert scored["exprgen"] == {"closeness": 4, "feeling": 5, "kept": 1, "answers": 4}
    assert "blendshapes" not in scored


def test_a_lid_that_moved_is_told_apart():
    face = np.full((SIDE, SIDE, 3), 150, np.uint8)
    moved = face.copy()
    moved[60:64, 40:70] = 90
    assert alike([face], [face])
    assert not alike([face], [moved])


def test_strips_show_what_the_key_tells(sheets):
    pictures, key = sheets
    told = windows.load_key(key)
    assert len(pictures) == len(told) == 4
    greys = {"exprgen": 10, "emphasis-0": 120, "blendshapes": 230}
    for picture, shown_there in zip(pictures, told.values(), strict=True):
        sheet = cv2.imread(str(picture))
        assert sheet.shape[0] == 4 * (SIDE + 4)
        for row, (method,) in enumerate(shown_there.methods, start=1):
            middle = sheet[row * (SIDE + 4) + SIDE // 2, 400]
            assert np.abs(middle.astype(int) - greys[method]).max() <= 2
    assert len({s.methods for s in told.values()}) > 1


def test_the_crop_is_about_the_face_and_repeats_the_edge():
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[40:60, 40:60] = 255
    crop = actor_crop(rgb, np.array([[40.0, 40.0], [60.0, 60.0]]))
    assert crop.shape == (SIDE, SIDE, 3)
    assert crop[SIDE // 2, SIDE // 2].min() == 255
    assert crop[3, 3].max() == 0
    beyond = actor_crop(np.full((100, 100, 3), 9, np.uint8), np.array([[0.0, 0], [100, 100]]))
    assert beyond.min() == 9


def test_ratings_of_strips_are_scored_by_method(sheets, tmp_path):
    _, key = sheets
    rater = tmp_path / "anna.csv"
    with open(rater, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["window", "letter", "closeness", "feeling", "kept"])
        for number, told in windows.load_key(key).items():
            for letter, (method,) in zip(windows.LETTERS, told.methods, strict=False):
                good = method == "blendshapes"
                out.writerow([number, letter, 4 if good else 2, 3, int(good)])
    assert windows.rates_strips(rater)
    for text, strips in (("1,A,4,3,1,,\n", True), ("1,joy,\n", False), ("1,joy,,,\n", False)):
        (tmp_path / "filled_up.csv").write_text(text)
        assert windows.rates_strips(tmp_path / "filled_up.csv") == strips, "as spreadsheets save it"
    for text in ("", ",,\n", "what is this\n", "1,2,3\n", "1,A,4,3,1,0\n"):
        (tmp_path / "other.csv").write_text(text)
        with pytest.raises(InputError, match="rates neither pictures nor strips"):
            windows.rates_strips(tmp_path / "other.csv")
    scored = windows.score_strips(key, [rater, rater])
    assert scored["blendshapes"] == {"closeness": 4, "feeling": 3, "kept": 1, "answers": 8}
    assert scored["exprgen/bob"]["answers"] == 4
    rater.write_text(rater.read_text().replace("\n", ",,\n") + ",,,,,,\n")
    assert windows.score_strips(key, [rater, rater]) == scored, "as a spreadsheet fills lines up"
    wrong = ("1,D,4,3,1", "9,A,4,3,1", "1,A,6,3,1", "1,A,4,3,2", "1,A,good,3,1", "1,,4,3,1")
    for line in (*wrong, "1,AB,4,3,1", "1"):
        rater.write_text(line + "\n")
        with pytest.raises(InputError, match="rates no row"):
            windows.score_strips(key, [rater])


def test_ratings_of_strips_that_were_measured_anew_are_refused(sheets, tmp_path):
    clip, track = tmp_path / "talk.mp4", FaceTrack.load(str(tmp_path / "face.npz"))
    rater = tmp_path / "anna.csv"
    rater.write_text("1,A,4,3,1\n")
    greys = {"exprgen": 10, "emphasis-0": 120, "blendshapes": 230}
    same = _sheets(tmp_path, clip, track, greys)
    assert same == sheets
    assert windows.score_strips(same[1], [rater])
    pictures, key = _sheets(tmp_path, clip, track, greys | {"exprgen": 30})
    assert [*windows.load_key(key)] == [5, 6, 7, 8]
    assert sorted(key.parent.glob("*.png")) == sorted(pictures)
    with pytest.raises(InputError, match=r"number 1, of sheets that were measured anew"):
        windows.score_strips(key, [rater])


def test_a_key_with_one_name_a_row_or_with_lines_filled_up_is_read(tmp_path):
    key = tmp_path / "key.csv"
    lines = ("1,talk.mp4,ann,0.5,blendshapes,exprgen,emphasis-0", "2,talk.mp4,ann,2,exprgen+x,y,")
    key.write_text("\n".join(lines) + "\n")
    told = windows.load_key(key)
    assert told[1].methods == (("blendshapes",), ("exprgen",), ("emphasis-0",))
    assert told[2].methods == (("exprgen", "x"), ("y",))


def test_the_report_says_what_is_not_there(tmp_path):
    speech = actor(face(jaw=words()))
    told = performance.compare(speech, shown(face(jaw=words())), TIMES, SEEN)
    told["switches"] = 1.5
    figures = {
        "performance": {
            "clips": {"talk.mp4": {"frames": FRAMES, "measured": {}}},
            "means": {"ann": {"exprgen": performance.summarise([told])}},
            "lacks": {"ann": ["outer brows"]},
        },
        "strip_ratings": {
            "exprgen": {"closeness": 4.25, "feeling": 4.0, "kept": 0.8, "answers": 40}
        },
    }
    text = write_html(figures, tmp_path / "evaluation.html").read_text()
    for word in ("exprgen/ann", "not there", "talk.mp4", "4.25"):
        assert word in text
    earlier = figures["performance"]["means"]["ann"]["exprgen"]
    true = {**performance.summarise([told]), "speech": {"reached": 0.9, "false": 0.1}}
    with_truth = {
        **figures["performance"],
        "means": {"ann": {"exprgen": {**earlier, "truth": true}}},
    }
    text = write_html({"performance": with_truth}, tmp_path / "truth.html").read_text()
    assert text.count("<th>closed, as tracked</th>") == 3, "of what is true nothing is tracked"
    assert text.count("<th>closed</th>") == 4
    del earlier["columns"]["brows, as tracked"]
    del earlier["reached_as_tracked"]  # measured before that was told
    assert "exprgen/ann" in write_html(figures, tmp_path / "evaluation.html").read_text()
