"""How far the actor's neutral is trusted where expressions are read against it."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.inference.against_neutral import AgainstNeutral as Network
from exprgen.networks.models.against_neutral import against_neutral
from exprgen.networks.models.weights_io import WeightsInfo, weights_of
from exprgen.networks.perception import against_neutral as against_neutral_file
from exprgen.networks.perception import opinions
from exprgen.networks.perception.against_neutral import AgainstNeutral
from exprgen.networks.perception.needed_weights import load_runner
from exprgen.networks.perception.opinions import as_known, by_itself, opinions_of
from exprgen.networks.solving.feeling import FeltOverTime
from exprgen.networks.vocabulary import EXPRESSIONS, NEUTRAL, POOLED
from exprgen.tests.support import synthetic


def test_frames_that_are_called_neutral_are_trusted_though_a_pose_would_not():
    track = synthetic.face_track(frames=20)
    weights = (np.arange(20) < 5).astype(float)

    def read(label: int, trust: float) -> np.ndarray:
        chances = np.full((20, len(EXPRESSIONS)), 0.02, np.float32)
        chances[:, label] = 0.88
        seen = replace(track, expression=chances, readings=None)
        return opinions_of(seen, weights, trust)["against_neutral"]

    joy = EXPRESSIONS.index("joy")
    assert np.allclose(read(NEUTRAL, 0.0), read(NEUTRAL, 0.6))
    assert not np.allclose(read(NEUTRAL, 0.9), read(NEUTRAL, 0.6))
    assert np.allclose(read(joy, 0.0), read(joy, 0.6), atol=0.02), "a smile that lasts is no rest"


def test_who_is_never_seen_at_rest_is_read_by_the_face_alone():
    alone, small = np.array([0.6, 0.4]), np.array([0.2, 0.8])
    said = {"whole": alone[None], "no_mouth": small[None]}
    assert np.allclose(as_known(said, 1.0, alone[None])["no_mouth"], small)
    assert np.allclose(as_known(said, 0.0, alone[None])["no_mouth"], alone)
    assert 0.2 < as_known(said, 0.5, alone[None])["no_mouth"][0, 0] < 0.6
    assert np.allclose(as_known(said, 0.5, alone[None])["whole"], alone)


def test_a_face_by_itself_is_what_pixels_show_seen_alone_and_against_peoples_neutral():
    whole, against = (np.array([[0.1, 0.9]]), np.array([[0.9, 0.1]]))
    assert np.array_equal(by_itself(whole, None), whole)
    both = by_itself(whole, against)
    assert whole[0, 0] < both[0, 0] < against[0, 0]
    assert both.sum() == pytest.approx(1.0)


def test_a_feeling_of_one_who_shows_no_rest_is_heard_from_what_convolutions_give(monkeypatch):
    """The readers of pixels say neutral throughout; the one that sees the convolutions, joy."""
    joy = EXPRESSIONS.index("joy")
    looks = np.full((30, len(EXPRESSIONS)), 0.05, np.float32)
    looks[:, NEUTRAL], looks[:, joy] = 0.45, 0.3
    merry = np.full_like(looks, 0.01)
    merry[:, joy] = 0.94
    numbers = {"against_neutral": looks, "against_upper": looks}
    track = replace(synthetic.face_track(frames=30), expression=looks, readings=None)

    def read(found: dict) -> np.ndarray:
        monkeypatch.setattr(opinions, "opinions_against", lambda *_, **__: found)
        return opinions_of(track, None, 0.0, np.ones(30))["whole"].argmax(1)

    assert (read(numbers) == NEUTRAL).all()
    assert (read(numbers | {"against_pixels": merry}) == joy).all()


def taught(**config) -> AgainstNeutral:
    """A reader against neutral, untrained."""
    info = WeightsInfo("against_neutral", {"hidden": 8, **config})
    return AgainstNeutral(Network(weights_of(against_neutral(**info.config), info)))


@pytest.mark.parametrize(
    ("recorded", "there", "looked_at"),
    [("these", "others", True), ("", "these", True), ("", "others", False)],
    ids=["named", "of before, the same teacher", "of before, another teacher"],
)
def test_pixels_are_read_if_the_readers_own_teacher_saw_them(
    monkeypatch, recorded, there, looked_at
):
    monkeypatch.setattr("exprgen.networks.perception.against_neutral.pooled_by", lambda: there)
    reader = taught(pooled=POOLED, under="these")
    said = opinions_of(seen_by(recorded), reader=reader)
    assert ("against_pixels" in said) == looked_at


def test_pixels_that_another_teacher_saw_are_refused():
    track = seen_by("others")
    with pytest.raises(InputError, match=r"teacher others, .* teacher these") as refused:
        opinions_of(track, reader=taught(pooled=POOLED, under="these"))
    assert "analyse" in refused.value.fix
    assert "against_pixels" not in opinions_of(track, reader=taught()), "nobody asks for them"


def test_an_analysis_reads_the_readers_file_once(monkeypatch):
    files, read = [], against_neutral_file.read_weights

    def counted(path, *args):
        files.append(path)
        return read(path, *args)

    monkeypatch.setattr(against_neutral_file, "read_weights", counted)
    felt = FeltOverTime.load()
    load_runner([], reader=felt.against)
    felt(synthetic.face_track(frames=20))
    assert len(files) == 1


def seen_by(teacher: str):
    """A track whose faces a teacher has seen; "": from before it was recorded."""
    track = synthetic.face_track(frames=20)
    meta = {**track.meta, **({"pooled_by": teacher} if teacher else {})}
    return replace(track, meta=meta, pooled=np.zeros((20, POOLED), np.float32))
