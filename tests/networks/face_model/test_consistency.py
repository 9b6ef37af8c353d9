"""Expressions that are bettered until the drawn head reads as the picture does."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from exprgen.networks.errors import EXIT_INPUT, EXIT_USAGE, InputError, ModelError, UsageError
from exprgen.networks.evaluation import consistency as evaluation
from exprgen.networks.face_model import consistency, steps
from exprgen.networks.face_model.drawn_face import (
    SIDE,
    DrawnFace,
    SkinShot,
    read_skin,
)
from exprgen.networks.face_model.face_fit import fit_track
from exprgen.networks.footage.stamp import stamp
from exprgen.networks.vocabulary import LANDMARKS
from exprgen.tests.support.filmed_face import SIZE, film, track_of

SETTINGS = consistency.ConsistencySettings(steps=12, rate=0.05)


@pytest.fixture(scope="module")
def filmed(model):
    """(track, its fit with the mouth at rest, grey pictures) of a face that smiles."""
    seen = film(model, frames=3, turn=0.1)
    track = track_of(seen)
    fit = fit_track(track)
    fit = replace(fit, expression=np.zeros_like(fit.expression))
    pictures = []
    for row in range(3):
        grey = np.full(SIZE[::-1], 60, np.uint8)
        marks = np.ascontiguousarray(track.landmarks[row, :468, :2], np.float32)
        cv2.fillConvexPoly(grey, cv2.convexHull(marks).astype(np.int32), 150)
        for name in LANDMARKS:
            x, y = track.landmarks[row, LANDMARKS[name], :2]
            cv2.circle(grey, (int(x), int(y)), 4, 70, -1)
        pictures.append((row, grey, 1.0))
    return track, fit, pictures


@pytest.fixture(scope="module")
def artist(filmed, model):
    track, fit, pictures = filmed
    return consistency.Artist(track, fit, model, consistency.chosen(track, pictures, 0.0))


def keypoints(artist, view, expression):
    points = artist.face.points(torch.from_numpy(np.asarray(expression, np.float32)))
    return float(artist._keypoints(points, view, SETTINGS))


def test_a_drawing_fills_the_face_and_leaves_what_is_around(artist, filmed):
    shot = consistency.Shot(1, filmed[2][1][1], 1.0)
    view = artist.view(shot)
    points = artist.face.points(torch.zeros(len(artist.face.moves)))
    covered = artist.covering(points, view)
    drawn = artist.drawing(points, view, covered)
    assert len(np.unique(covered[0])) == len(covered[0])
    middle = SIDE * (SIDE // 2) + SIDE // 2
    assert middle in covered[0]
    bare = np.setdiff1d(np.arange(SIDE**2), covered[0])
    assert torch.equal(drawn.reshape(-1)[bare], view.picture.reshape(-1)[bare])


def test_the_drawing_pulls_at_the_expression(artist, filmed):
    view = artist.view(consistency.Shot(1, filmed[2][1][1], 1.0))
    expression = torch.full((len(artist.face.moves),), 0.2, requires_grad=True)
    points = artist.face.points(expression)
    drawn = artist.drawing(points, view, artist.covering(points.detach(), view))
    artist.apart(artist.wanted(1, view), artist.read(drawn)).backward()
    assert torch.isfinite(expression.grad).all()
    assert float(expression.grad.abs().max()) > 1e-4


def test_lids_and_lips_come_nearer_and_so_does_what_is_read(artist, filmed):
    shot = consistency.Shot(1, filmed[2][1][1], 1.0)
    view = artist.view(shot)
    before = filmed[1].expression[1]
    after = artist.bettered(shot, SETTINGS)
    assert 0.0 <= after.min() <= after.max() <= 1.0
    assert keypoints(artist, view, after) < 0.8 * keypoints(artist, view, before)


def test_between_the_frames_looked_at_the_change_is_smooth(filmed, model, monkeypatch):
    track, fit, pictures = filmed
    monkeypatch.setattr(
        consistency.Artist, "bettered", lambda self, shot, s: fit.expression[0] + 0.1 * shot.row
    )
    found = consistency.consistent(track, fit, pictures[::2], model, replace(SETTINGS, every=0.05))
    assert np.allclose(found.expression[:, 3], [0.0, 0.1, 0.2])


def test_colours_are_read_where_landmarks_are_seen(filmed, model):
    """A dark spot on the nose's tip is there again, though the fit has the nose elsewhere."""
    fit = filmed[1]
    heads = fit.heads.of(np.array([0]))
    face = DrawnFace(model, fit.identity, fit.camera)
    rest = face.points(torch.zeros(len(face.moves)))
    marks = face.pixels(face.marks(rest), heads)[0].numpy() + np.array([6.0, 3.0])
    grey = np.full(SIZE[::-1], 160, np.uint8)
    cv2.circle(grey, tuple(int(v) for v in marks[1]), 7, 40, -1)
    skin = read_skin(face, [SkinShot(grey, np.zeros(len(face.moves)), heads, marks)])
    corner = int(model.landmark_corners[1][model.landmark_shares[1].argmax()])
    nose = (model.faces[: model.skin] == corner).any(1)
    shaded = skin.grey[: model.skin]
    assert np.median(shaded[nose]) < 0.6 * np.median(shaded)


def test_without_torch_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(consistency, "missing", lambda modules: ["torch"])
    with pytest.raises(ModelError, match="--consistency"):
        consistency.check_torch()


def nowhere(values, row: int):
    values = np.array(values, float)
    values[row] = np.nan
    return values


def test_what_can_not_be_bettered_is_said(filmed, model):
    """Before any reader is loaded: pictures that are missing or of another size, faces nowhere."""
    track, fit, pictures = filmed
    track = replace(track, meta={**track.meta, "source": "clip.mp4", "size": list(SIZE)})

    def refusal(fit=fit, pictures=pictures) -> str:
        with pytest.raises(InputError) as told:
            consistency.consistent(track, fit, pictures, model, SETTINGS)
        assert told.value.fix
        return str(told.value)

    assert "clip.mp4: none of its pictures shows the face" in refusal(pictures=[])
    small = [(row, grey[::2, ::2], zoom) for row, grey, zoom in pictures]
    assert "the picture of frame 0 is" in refusal(pictures=small)
    told = refusal(fit=replace(fit, expression=nowhere(fit.expression, 0)))
    assert "the face of frame 0 is nowhere" in told
    short = {n: getattr(fit, n)[:2] for n in ("times", "state", "rotation", "translation",
             "expression", "gaze", "residual")}  # fmt: skip
    assert "the reconstruction has 2 frames, its track 3" in refusal(fit=replace(fit, **short))
    halved = [(row, grey[::2, ::2], 0.5) for row, grey, _ in pictures]
    shots = consistency.chosen(track, halved, 0.0)
    consistency.check_shots(track, fit, shots)


def test_consistency_needs_the_footage(filmed, tmp_path):
    path = filmed[0].save(tmp_path / "track.npz")
    with pytest.raises(UsageError, match="needs the pictures"):
        steps.reconstruct(str(path), str(tmp_path / "fit.npz"), consistency=True)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gone.mp4"], EXIT_INPUT, "gone.mp4: does not exist"),
        (["clip.mp4"], EXIT_INPUT, "tracks/clip.npz: does not exist. Fix: analyse the clip"),
        (["other.mp4"], EXIT_INPUT, "was made from clip.mp4, not from this other.mp4"),
        (["clip.mp4", "--every", "nan"], EXIT_USAGE, "--every nan is no time"),
    ],
)
def test_its_evaluation_says_what_is_wrong(
    filmed, tmp_path, monkeypatch, capsys, words, code, said
):
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", "other.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "tracks").mkdir()
    meta = {**filmed[0].meta, "source": "clip.mp4", "stamp": stamp(["clip.mp4"])}
    replace(filmed[0], meta=meta).save(tmp_path / "tracks" / "other.npz")
    assert evaluation.main([*words, "--tracks", "tracks"]) == code
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert said in told
