"""The faces that a track keeps are decoded once, whoever looks at them."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import kept_faces
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.kept_faces import KeptFaces
from exprgen.networks.tracking import registration, track_recorder
from exprgen.networks.tracking.track_recorder import encode_face
from exprgen.tests.support import acted

FRAMES = 40


@pytest.fixture(scope="module")
def talking():
    """A filmed actor whose mouth opens, so that lips, teeth and brows are all looked at."""
    model = load_response(find_character("mira"))
    units = np.zeros((FRAMES, len(model.controls)))
    units[20:30, model.controls.index("jaw_open")] = 0.6
    face = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    jpeg = encode_face(face)
    return replace(
        acted.worn(model, units),
        face_offsets=len(jpeg) * np.arange(1, FRAMES + 1),
        face_bytes=np.frombuffer(jpeg * FRAMES, np.uint8),
    )


@pytest.fixture
def decoded(monkeypatch):
    """How often faces were decoded, a number a time."""
    calls, decode = [], track_recorder.decode_face

    def counted(jpeg):
        calls.append(len(jpeg))
        return decode(jpeg)

    monkeypatch.setattr(track_recorder, "decode_face", counted)
    return calls


def test_an_actors_relations_decode_each_face_once(talking, decoded):
    actor_relations(talking, RetargetSettings())
    assert 0 < len(decoded) <= FRAMES


def test_faces_of_a_long_clip_are_decoded_again_and_not_registered_again(
    talking, decoded, monkeypatch
):
    registered, register = [], registration.registering_affine

    def counted(points):
        registered.append(len(points))
        return register(points)

    monkeypatch.setattr(registration, "registering_affine", counted)
    monkeypatch.setattr(kept_faces, "AT_ONCE", 10)
    kept = KeptFaces(talking)
    seen = [[kept.picture(i) for i in range(FRAMES)] for _ in range(2)]
    assert len(decoded) == 10 + 2 * (FRAMES - 10)
    assert len(registered) == FRAMES
    for once, again in zip(*seen, strict=True):
        assert (once[0] == again[0]).all()
        assert (once[1] == again[1]).all()


def test_what_is_no_picture_is_none_however_often_it_is_asked_for(talking, decoded):
    kept = KeptFaces(replace(talking, face_bytes=np.zeros_like(talking.face_bytes)))
    assert [kept.picture(3), kept.picture(3), kept.with_points(3, (1, 2))] == [None] * 3
    assert len(decoded) == 1
