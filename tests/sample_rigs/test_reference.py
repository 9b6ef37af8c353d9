"""The embedded reference: its curves are those of a person, and its clip shows them."""

import av
import numpy as np
import pytest

from exprgen.exprgen_addon.studio.ced_poses import GAZE_FULL
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS
from exprgen.sample_rigs.build import reference

CLIP = reference.FOLDER / "reference.mp4"
TRUTH = reference.FOLDER / "reference.npz"


@pytest.fixture(scope="module")
def truth():
    with np.load(TRUTH) as f:
        return {name: f[name] for name in f.files}


def test_clip_is_small_and_as_long_as_its_curves(truth):
    assert CLIP.stat().st_size < 2_000_000
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (reference.SIZE, reference.SIZE)
        times = [f.time for f in container.decode(video=0)]
    np.testing.assert_allclose(times, truth["times"], atol=1e-3)
    assert len(times) == reference.SECONDS * reference.FPS


def test_curves_are_what_the_script_performs(truth):
    made = reference.perform()
    np.testing.assert_allclose(truth["arkit"], made.arkit, atol=1e-6)
    np.testing.assert_allclose(truth["head"], made.head, atol=1e-6)
    np.testing.assert_array_equal(truth["label"], made.label)
    assert tuple(truth["channels"]) == ARKIT_CHANNELS
    assert tuple(truth["expressions"]) == EXPRESSIONS


def test_curves_are_plausible(truth):
    arkit = truth["arkit"]
    assert arkit.min() >= 0
    assert arkit.max() <= 1
    blink = arkit[:, ARKIT_INDEX["eyeBlinkLeft"]]
    edges = np.flatnonzero(np.diff((blink > 0.6).astype(int)) == 1)
    assert len(edges) == len(reference.BLINKS)
    others = [i for i, c in enumerate(ARKIT_CHANNELS) if not c.startswith("eye")]
    assert np.abs(np.diff(arkit[:, others], axis=0)).max() < 0.35  # nothing jumps
    assert np.degrees(np.abs(truth["head"]).max(0)).max() < 17
    assert np.degrees(np.ptp(truth["head"], axis=0)).min() > 10  # all three axes are used
    shown = {EXPRESSIONS[i] for i in truth["label"] if i >= 0}
    assert shown == {"neutral", "joy", "surprise", "sadness", "anger", "disgust"}


def test_gaze_channels_follow_gaze(truth):
    yaw = truth["gaze"][:, 0]
    channel = truth["arkit"][:, ARKIT_INDEX["eyeLookOutLeft"]]
    np.testing.assert_allclose(channel, np.clip(yaw / GAZE_FULL, 0, 1), atol=1e-6)


def test_the_face_is_found_and_moves_as_the_curves_say(truth, landmarker):
    opening, wanted = [], []
    with av.open(str(CLIP)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % 6:
                continue
            points = landmarker(frame.to_ndarray(format="rgb24"))
            assert points is not None, f"no face in frame {i}"
            face = np.linalg.norm(points[10] - points[152])
            opening.append(np.linalg.norm(points[13] - points[14]) / face)
            wanted.append(truth["arkit"][i, ARKIT_INDEX["jawOpen"]])
    assert np.corrcoef(opening, wanted)[0, 1] > 0.8


@pytest.fixture(scope="module")
def landmarker():
    """Picture -> (478, 2) pixels, or None: MediaPipe itself, without ExprGen's tracking."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    from exprgen.networks.errors import ModelError
    from exprgen.networks.tracking.landmark_model import landmark_model

    try:
        model = landmark_model()
    except ModelError as error:
        pytest.skip(str(error))
    options = vision.FaceLandmarkerOptions(base_options=BaseOptions(model_asset_path=str(model)))
    with vision.FaceLandmarker.create_from_options(options) as detector:

        def find(picture: np.ndarray):
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
            faces = detector.detect(image).face_landmarks
            return np.array([(p.x, p.y) for p in faces[0]]) if faces else None

        yield find


def test_two_may_write_one_clip_at_once(tmp_path):
    clip = tmp_path / "a.mp4"
    pictures = list(np.full((3, 32, 32, 3), 90, np.uint8))

    def slowly():
        yield pictures[0]
        reference.write_clip(pictures, clip, 12)  # another one is quicker
        yield from pictures[1:]

    reference.write_clip(slowly(), clip, 12)
    with av.open(str(clip)) as container:
        assert len(list(container.decode(video=0))) == 3
    assert list(tmp_path.iterdir()) == [clip]
