"""Identity, heads and expressions of a filmed face are found again."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from exprgen.networks.errors import InputError
from exprgen.networks.face_model import fitting
from exprgen.networks.face_model.face_fit import FaceFit, fit_track
from exprgen.networks.face_model.fitting import FitSettings, Fitter, descend
from exprgen.networks.track import FaceTrack
from exprgen.tests.support.filmed_face import film, track_of


def test_a_clip_is_found_again(model, filmed):
    solved = Fitter(model, filmed.camera).clip(filmed.seen, filmed.times)
    assert np.median(solved.residual) < 0.7
    for name, error in (("mouthSmileLeft", 0.15), ("browInnerUp", 0.15), ("jawOpen", 0.12)):
        at = model.expressions.index(name)
        assert np.abs(solved.expression[:, at] - filmed.expression[:, at]).mean() < error
    turn = np.einsum("nij,nkj->nik", solved.heads.rotation, filmed.heads.rotation)
    cosine = (np.trace(turn, axis1=1, axis2=2) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < 2.5


def test_the_person_is_nearer_than_the_mean(model, filmed):
    solved = Fitter(model, filmed.camera).clip(filmed.seen, filmed.times)
    still = np.zeros(len(model.expressions))
    front = np.unique(model.landmark_corners)
    true, found = (model.points(i, still)[front] for i in (filmed.identity, solved.identity))

    def off(points):
        return np.linalg.norm((points - points.mean(0)) - (true - true.mean(0)), axis=1).mean()

    assert off(found) < 0.5 * off(model.mean[front])


def test_a_long_clip_takes_longer_and_no_more_than_that(model):
    """Frames a second are in docs/measured/face_in_3d.md; here, that no step looks at all pairs."""

    def seconds(frames):
        clip = film(model, seed=3, frames=frames)
        fitter = Fitter(model, clip.camera)
        began = time.process_time()
        fitter.frames(clip.seen, clip.times, clip.identity)
        return time.process_time() - began

    seconds(10)  # what is loaded once
    assert seconds(80) < 10 * seconds(20)


def test_a_landmark_that_is_far_off_moves_little(model, filmed):
    seen = filmed.seen.copy()
    seen[:, 291] += 40.0
    calm = Fitter(model, filmed.camera).frames(filmed.seen, filmed.times, filmed.identity)
    hurt = Fitter(model, filmed.camera).frames(seen, filmed.times, filmed.identity)
    assert np.abs(hurt.expression - calm.expression).mean() < 0.03


def test_noise_in_time_is_smoothed(model, filmed):
    seen = filmed.seen + np.random.default_rng(0).normal(0, 0.7, filmed.seen.shape)
    loose = Fitter(model, filmed.camera, FitSettings(steady=10.0, still=0.0))
    steady = Fitter(model, filmed.camera)
    jitter = [
        np.abs(np.diff(f.frames(seen, filmed.times, filmed.identity).expression, 2, 0)).mean()
        for f in (loose, steady)
    ]
    assert jitter[1] < 0.7 * jitter[0]


def test_descent_finds_the_least_within_bounds():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(4, 12, 6))
    goal = np.array([0.2, 0.9, 0.0, 1.0, 0.4, 0.6])
    normal = matrix.swapaxes(1, 2) @ matrix
    found = descend(normal, normal @ goal, np.zeros((4, 6)), sweeps=300, settled=1e-6)
    assert np.allclose(found, goal, atol=1e-3)
    assert (descend(normal, normal @ (goal * 3), np.zeros((4, 6))) <= 1).all()


def test_a_sweep_that_moves_nothing_is_the_last_and_changes_little(model, filmed, monkeypatch):
    fitter = Fitter(model, filmed.camera)
    usual = fitter.frames(filmed.seen, filmed.times, filmed.identity)
    monkeypatch.setattr(fitting, "descend", partial(descend, sweeps=60, settled=0.0))
    exact = fitter.frames(filmed.seen, filmed.times, filmed.identity)
    assert np.abs(usual.expression - exact.expression).max() < 0.05
    assert np.abs(usual.expression - exact.expression).mean() < 0.003


def test_an_identity_that_moves_no_more_is_the_one_of_many_rounds(model, filmed, monkeypatch):
    usual = Fitter(model, filmed.camera).identity(filmed.seen)
    monkeypatch.setattr(fitting, "SAME", 0.0)
    exact = Fitter(model, filmed.camera, FitSettings(rounds=12)).identity(filmed.seen)
    assert np.sqrt(((usual - exact) ** 2).mean()) < 0.1


def test_several_faces_settle_as_each_alone(model, filmed):
    fitter, rng = Fitter(model, filmed.camera), np.random.default_rng(0)
    identities = rng.normal(0, 1, (4, model.identities))
    heads = filmed.heads.of(np.arange(4))
    together = fitter.settle(filmed.seen[:4], identities, filmed.expression[:4], heads)
    for n in range(4):
        rows = slice(n, n + 1)
        alone = fitter.settle(
            filmed.seen[rows], identities[rows], filmed.expression[rows], heads.of(rows)
        )
        assert np.allclose(alone[0].rotation, together[0].rotation[rows])
        assert np.allclose(alone[1], together[1][rows])


def test_a_fit_is_kept_in_a_file(model, filmed, tmp_path):
    fit = fit_track(track_of(filmed))
    assert fit.camera.size == (640, 480)
    again = FaceFit.load(fit.save(tmp_path / "fit.npz"))
    assert again.camera == fit.camera
    assert again.names == model.expressions
    assert np.allclose(again.expression, fit.expression, atol=1e-6)
    assert again.meta["source"] == "clip.mp4"


def test_pictures_do_not_know_each_other(filmed):
    stills = track_of(filmed, stills=True, names=[f"p{i}" for i in range(len(filmed.times))])
    fit = fit_track(stills)
    turned = fit_track(reversed_track(stills))
    assert np.allclose(fit.expression, turned.expression[::-1], atol=0.02)


def reversed_track(track: FaceTrack) -> FaceTrack:
    """The pictures of a track in the other order."""
    return replace(track, landmarks=track.landmarks[::-1].copy())


def test_frames_without_a_face_pull_at_no_others(filmed):
    whole = fit_track(track_of(filmed))
    track = track_of(filmed)
    track.state[6:8] = 3
    track.landmarks[6:8] = 0.0
    holed = fit_track(track)
    seen = np.setdiff1d(np.arange(len(track)), (5, 6, 7, 8))
    assert np.abs(holed.expression[seen] - whole.expression[seen]).mean() < 0.02
    assert np.isfinite(holed.expression).all()


def test_a_track_without_a_face_is_refused(filmed):
    track = track_of(filmed)
    track.state[:] = 3
    with pytest.raises(InputError, match="no face"):
        fit_track(track)


def test_coefficients_alone_are_refused(filmed):
    with pytest.raises(InputError, match="no landmarks"):
        fit_track(track_of(filmed, coefficients=True))


def test_a_damaged_fit_is_refused(filmed, tmp_path):
    from exprgen.networks.track import load_arrays, save_arrays

    path = fit_track(track_of(filmed)).save(tmp_path / "fit.npz")
    meta, arrays = load_arrays(path, "exprgen.face_fit")
    for bad in ({"size": [0, 480]}, {"focal": -1.0}, {"projection": "fisheye"}):
        wrong = {**meta, "camera": {**meta["camera"], **bad}}
        save_arrays(tmp_path / "bad.npz", "exprgen.face_fit", wrong, arrays)
        with pytest.raises(InputError, match="camera"):
            FaceFit.load(tmp_path / "bad.npz")
    for own in (np.float16(0.0), np.zeros(3, np.float16), np.zeros((2, 3), np.float16)):
        save_arrays(tmp_path / "bad.npz", "exprgen.face_fit", meta, {**arrays, "own": own})
        with pytest.raises(InputError, match=r"own|another face model"):
            FaceFit.load(tmp_path / "bad.npz")
    older = {name: array for name, array in arrays.items() if name != "own"}
    save_arrays(tmp_path / "older.npz", "exprgen.face_fit", meta, older)
    assert not FaceFit.load(tmp_path / "older.npz").own.any()
    save_arrays(tmp_path / "bad.npz", "exprgen.face_fit", {**meta, "actions": ["jawOpen"]}, arrays)
    with pytest.raises(InputError, match="another face model"):
        FaceFit.load(tmp_path / "bad.npz")


def test_landmarks_that_are_no_faces_are_told_of_the_track(filmed, tmp_path):
    from exprgen.networks.face_model.steps import reconstruct

    track = track_of(filmed)
    far = replace(track, landmarks=np.asarray(track.landmarks * 1e3, np.float32))
    path = far.save(tmp_path / "far.npz")
    with pytest.raises(InputError, match=r"far\.npz.*analyse the footage again"):
        reconstruct(str(path), str(tmp_path / "fit.npz"), method="fit")
    assert not (tmp_path / "fit.npz").exists()
