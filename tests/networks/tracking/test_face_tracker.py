"""Finding faces, choosing one, keeping to it."""

import numpy as np
import pytest

from exprgen.networks.errors import ModelError, UsageError
from exprgen.networks.footage.frames import Frame
from exprgen.networks.footage.media import open_reference
from exprgen.networks.tracking import face_measures
from exprgen.networks.tracking.face_detector import FaceDetector, FaceObservation
from exprgen.networks.tracking.face_tracker import FaceTracker
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, LANDMARK_INDEX
from exprgen.tests.support.drawn_face import draw, scene, write_clip

FPS = 25


pytestmark = pytest.mark.usefixtures("landmarks_known")


def frames(pictures):
    return [Frame(i, i / FPS, picture, picture.shape[1::-1]) for i, picture in enumerate(pictures)]


def centre(tracked):
    return tracked.observation.landmarks[:, :2].mean(0) if tracked.found else None


def follow(pictures, face="largest"):
    with FaceTracker(face) as tracker:
        return [tracker.track(frame) for frame in frames(pictures)]


# --- pictures ------------------------------------------------------------------------------------


def test_face_is_found_where_it_is():
    with FaceDetector() as detector:
        (face,) = detector.detect(draw(scene(400, 300), 250, 140))
    points = face.landmarks49
    assert points.shape == (49, 2)
    np.testing.assert_allclose(points[LANDMARK_INDEX["nose_tip"]], (250, 165), atol=12)
    assert (
        points[LANDMARK_INDEX["eye_left_outer"], 0] > points[LANDMARK_INDEX["eye_right_outer"], 0]
    ), "the subject's left is on the viewer's right"
    assert face.arkit.shape == (len(ARKIT_CHANNELS),)
    assert abs(np.linalg.det(face.head_pose[:3, :3])) == pytest.approx(1.0, abs=0.1)


def test_no_face_is_no_error():
    with FaceDetector() as detector:
        assert detector.search(scene()) == []
        assert detector.search(np.zeros((48, 48), np.uint8)) == []


def test_tight_grey_crop_of_48_pixels():
    import cv2

    large = draw(scene(240, 240), 120, 105, 1.15)
    small = cv2.cvtColor(
        cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    with FaceDetector() as detector:
        (expected,) = detector.search(large)
        (found,) = detector.search(small)
    assert found.size == (48, 48)
    np.testing.assert_allclose(found.landmarks49, expected.landmarks49 / 5, atol=1.6)


def test_small_face_in_a_large_picture():
    picture = scene(2400, 1600)
    picture[1160:1460, 1650:2050] = draw(scene(400, 300), 200, 140)
    with FaceDetector(faces=4) as detector:
        found = detector.search(picture)
    assert len(found) == 1
    np.testing.assert_allclose(found[0].landmarks[:, :2].mean(0), (1850, 1320), atol=25)


def test_every_picture_is_chosen_from_anew():
    pictures = [draw(draw(scene(640, 300), 160, 140), 480, 140, 0.8), draw(scene(), 150, 110)]
    pictures.append(scene())
    with FaceTracker("right", stills=True) as tracker:
        found = [tracker.track(frame) for frame in frames(pictures)]
    assert centre(found[0])[0] == pytest.approx(480, abs=15)
    assert centre(found[1])[0] == pytest.approx(150, abs=15)
    assert not found[2].found
    assert found[2].face is None


# --- clips ---------------------------------------------------------------------------------------


def test_clip_from_file_to_faces(tmp_path):
    pictures = [draw(scene(), 120 + 3 * i, 110, mouth=i / 24) for i in range(25)]
    path = write_clip(tmp_path / "clip.mp4", pictures)
    with open_reference(path) as reader, FaceTracker() as tracker:
        found = [tracker.track(frame) for frame in reader]
    assert all(t.found for t in found)
    xs = [centre(t)[0] for t in found]
    np.testing.assert_allclose(np.diff(xs)[3:], 3, atol=2)
    assert all(t.face.shape == (256, 256) and t.face.dtype == np.uint8 for t in found)
    assert found[-1].geometry.shape == (9,)
    assert 0 < found[0].confidence <= 1


def test_a_followed_face_is_described_without_its_frame_as_with_it():
    pictures = [draw(scene(), 120 + 3 * i, 110) for i in range(3)]
    with FaceTracker() as tracker:
        followed = []
        for frame in frames(pictures):
            followed.append(tracker.follow(frame))
            frame.rgb[:] = 0  # its buffer may be the next frame's
    whole = follow([draw(scene(), 120 + 3 * i, 110) for i in range(3)])
    for mine, other in zip((face.described() for face in followed), whole, strict=True):
        assert mine.found
        np.testing.assert_array_equal(mine.face, other.face)
        np.testing.assert_array_equal(mine.geometry, other.geometry)
        np.testing.assert_array_equal(mine.observation.landmarks, other.observation.landmarks)
        assert (mine.index, mine.confidence) == (other.index, other.confidence)


def test_a_mouth_that_opens_at_once_is_open_in_the_same_frame():
    shut, wide = (draw(scene(), 160, 110, mouth=mouth) for mouth in (0.0, 1.0))

    def gap(tracked):
        lips = [LANDMARK_INDEX[f"lip_{side}_inner_2"] for side in ("top", "bottom")]
        return np.diff(tracked.observation.landmarks49[lips, 1])[0]

    gaps = [gap(t) for t in follow([*[shut] * 6, *[wide] * 6])]
    before, first, settled = gaps[5], gaps[6], gaps[11]
    assert settled - before > 5
    assert first - before > 0.9 * (settled - before)


def test_landmarks_are_pixels_of_the_full_frame():
    picture = draw(scene(), 160, 110)
    (reduced,) = follow([picture])
    with FaceTracker() as tracker:
        tracked = tracker.track(Frame(0, 0.0, picture, (1280, 960)))
    np.testing.assert_allclose(centre(tracked), 4 * centre(reduced), atol=0.1)
    assert tracked.observation.size == (1280, 960)
    assert tracked.face.std() > 10, "registered from the frame itself"


@pytest.mark.parametrize(
    ("choice", "x"), [("left", 110), ("right", 530), ("largest", 320), ("0", 110), ("1", 320)]
)
def test_choice_of_face(choice, x):
    picture = draw(scene(640, 300), 110, 140, 0.7)
    picture = draw(draw(picture, 320, 140, 1.0), 530, 140, 0.7)
    found = follow([picture] * 4, choice)
    for tracked in found:
        assert centre(tracked)[0] == pytest.approx(x, abs=15)


def test_number_beyond_the_faces_waits_for_one():
    one = draw(scene(640, 300), 150, 140)
    found = follow([one, one, draw(one, 480, 140)], "1")
    assert [t.found for t in found] == [False, False, True]
    assert centre(found[2])[0] == pytest.approx(480, abs=15)


@pytest.mark.parametrize("choice", ["nobody", "-1", "1.5", "", "\u00b2"])
def test_unknown_choice(choice):
    with pytest.raises(UsageError, match="choice of face"):
        FaceTracker(choice)


def test_hidden_face_is_not_replaced_by_another_and_is_found_again():
    def picture(i):
        image = draw(scene(640, 300), 480, 140, 0.9, skin=(150, 105, 80))
        return image if 8 <= i < 30 else draw(image, 150 + i, 140, 1.0)

    found = follow([picture(i) for i in range(38)])
    assert all(t.found for t in found[:8])
    assert not any(t.found for t in found[9:30]), "somebody else was taken for the chosen one"
    back = [t for t in found[31:] if t.found]
    assert len(back) >= 5
    assert all(centre(t)[0] < 250 for t in back)


def test_passer_by_does_not_take_over():
    chosen = draw(scene(640, 300), 480, 150, 1.0)
    pictures = [draw(chosen, 60 + 12 * i, 140, 0.8, skin=(150, 105, 80)) for i in range(24)]
    found = follow([chosen] * 3 + pictures)
    assert all(t.found and centre(t)[0] == pytest.approx(480, abs=20) for t in found)


def test_alone_a_face_may_come_back_elsewhere():
    pictures = [draw(scene(640, 300), 150, 140)] * 4 + [scene(640, 300)] * 20
    pictures += [draw(scene(640, 300), 470, 140)] * 6
    found = follow(pictures)
    assert not any(t.found for t in found[4:24])
    assert sum(t.found for t in found[24:]) >= 5


def test_clip_that_starts_without_a_face():
    found = follow([scene()] * 10 + [draw(scene(), 160, 110)] * 5)
    assert not any(t.found for t in found[:10])
    assert all(t.found for t in found[10:])


def test_clip_of_48_pixels():
    import cv2

    pictures = [cv2.resize(draw(scene(240, 240), 118 + i, 105, 1.15), (48, 48)) for i in range(8)]
    found = follow(pictures)
    assert sum(t.found for t in found) >= 7


# --- what is derived -----------------------------------------------------------------------------


def test_gaze_signs():
    def gaze(**channels):
        arkit = np.zeros(len(ARKIT_CHANNELS), np.float32)
        for name, value in channels.items():
            arkit[ARKIT_INDEX[name]] = value
        return face_measures.gaze_angles(arkit)

    to_own_left = gaze(eyeLookOutLeft=0.5, eyeLookInRight=0.5)
    assert (to_own_left[:, 0] > 0.2).all()
    assert (gaze(eyeLookInLeft=0.5, eyeLookOutRight=0.5)[:, 0] < -0.2).all()
    assert (gaze(eyeLookDownLeft=0.5, eyeLookDownRight=0.5)[:, 1] > 0.2).all()
    assert (gaze(eyeLookUpLeft=0.5, eyeLookUpRight=0.5)[:, 1] < -0.2).all()
    assert np.abs(gaze(jawOpen=1.0)).max() == 0


def test_lids_tell_open_from_shut():
    with FaceDetector() as detector:
        (awake,) = detector.detect(draw(scene(), 160, 110, lids=1.0))
        (shut,) = detector.detect(draw(scene(), 160, 110, lids=0.0))
    opened, closed = face_measures.lid_openings(awake), face_measures.lid_openings(shut)
    assert (opened > 0.2).all()
    assert (closed < 0.75 * opened).all()


def test_confidence_falls_with_size_turn_and_what_is_cut_off():
    def face(width=200.0, degrees=0.0, x=100.0):
        rng = np.random.default_rng(0)
        points = rng.uniform(0, width, (478, 3)).astype(np.float32) + np.float32([x, 100, 0])
        pose = np.eye(4, dtype=np.float32)
        a = np.radians(degrees)
        pose[:3, :3] = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
        return face_measures.confidence(FaceObservation(points, np.zeros(52), pose, (640, 480)))

    assert face() == pytest.approx(1.0)
    assert face(width=32) == pytest.approx(0.5, abs=0.02)
    assert face(degrees=60) == pytest.approx(0.5, abs=0.02)
    assert face(degrees=120) == 0
    assert face(x=-100) == pytest.approx(0.5, abs=0.1)


def test_missing_model_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelError, match="doctor --fetch"):
        FaceTracker()
