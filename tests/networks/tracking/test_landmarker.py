"""The landmarker by the library's C interface and by MediaPipe's Python say the same."""

import re
from pathlib import Path

import numpy as np
import pytest

from exprgen.networks.errors import ModelError
from exprgen.networks.tracking import landmark_model, landmarker
from exprgen.networks.tracking.landmarker import DirectLandmarker, PlainLandmarker, open_landmarker
from exprgen.networks.tracking.mediapipe_tasks import mediapipe
from exprgen.tests.support.drawn_face import draw, scene

PROJECT = Path(__file__).parents[3] / "pyproject.toml"

pytestmark = pytest.mark.usefixtures("landmarks_known")


def both(**options):
    """By the C interface, where MediaPipe's version is known, and by MediaPipe's Python."""
    return [open_landmarker(**options), open_landmarker(**options, plain=True)]


def same(one, other):
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_array_equal(a, b)


def test_the_version_that_is_known_is_the_one_that_is_installed():
    pinned = re.search(r'"mediapipe==([\d.]+)"', PROJECT.read_text("utf-8"))
    assert pinned[1] == landmarker.KNOWN


def test_pictures_are_read_alike():
    crowd = draw(draw(draw(scene(640, 300), 110, 140, 0.7), 320, 140), 530, 140, 0.7)
    direct, plain = both(clip=False, faces=4, threshold=0.3)
    if mediapipe().__version__ == landmarker.KNOWN:
        assert isinstance(direct, DirectLandmarker)
    assert isinstance(plain, PlainLandmarker)
    for picture, count in [(crowd, 3), (scene(), 0), (draw(scene(), 160, 110, mouth=1.0), 1)]:
        found = direct(picture)
        assert len(found) == count
        same(found, plain(picture))
    direct.close()
    plain.close()


def test_clips_are_followed_alike():
    direct, plain = both(clip=True, faces=1, threshold=0.5)
    kept = []
    for i in range(12):
        picture = draw(scene(), 120 + 4 * i, 110, mouth=i / 12) if i != 6 else scene()
        found = direct(picture, 40_000 * i)
        same(found, plain(picture, 40_000 * i))
        kept += [(face, [part.copy() for part in face]) for face in found]
    assert len(kept) >= 9
    for face, then in kept:  # what was told stays when the library has forgotten it
        for part, copied in zip(face, then, strict=True):
            np.testing.assert_array_equal(part, copied)
    direct.close()
    plain.close()


def test_what_the_library_refuses_is_an_error_of_the_same_kind():
    for opened in both(clip=True, faces=1, threshold=0.5):
        opened(scene(), 40)
        with pytest.raises(ValueError, match=r"(?i)timestamp"):
            opened(scene(), 10)
        opened.close()
        opened.close()


def test_who_is_closed_says_so_and_does_not_end_the_process():
    opened = open_landmarker(clip=False, faces=1, threshold=0.5)
    opened.close()
    if isinstance(opened, DirectLandmarker):
        with pytest.raises(ValueError, match="closed"):
            opened(scene())


@pytest.mark.parametrize("version", [landmarker.KNOWN, "another"])
def test_a_model_that_is_none_is_told(version, monkeypatch, tmp_path):
    monkeypatch.setattr(landmarker, "KNOWN", version)
    broken = tmp_path / "face_landmarker.task"
    broken.write_bytes(b"no model" * 100)
    monkeypatch.setattr(landmark_model, "landmark_model", lambda: broken)
    with pytest.raises(ModelError, match="can't be started"):
        open_landmarker(clip=False, faces=1, threshold=0.5)
