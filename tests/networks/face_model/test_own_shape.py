"""What a person's face has beside its identity."""

import numpy as np

from exprgen.networks.face_model.face_fit import FaceFit, fit_track
from exprgen.networks.face_model.own_shape import with_own_shape
from exprgen.tests.support.filmed_face import film, track_of


def test_what_is_off_in_every_frame_is_of_the_person(model, tmp_path):
    track = track_of(film(model, frames=3, turn=0.1))
    fit = fit_track(track)
    people = np.tile(fit.identity, (3, 1))
    points = model.landmarks().shapes(people, np.asarray(fit.expression, float))
    points[:, [61, 291], 1] -= 3.0
    marks = fit.camera.project(points, fit.heads)
    marks[0] += 40.0  # one frame says nothing
    found = with_own_shape(fit, marks, model)
    own = found.own
    assert (found.residual[1:] < 0.9 * fit.residual[1:]).all()
    corner = model.landmark_corners[61][model.landmark_shares[61].argmax()]
    assert -3.5 < own[corner, 1] < -1.0
    assert np.abs(own[model.groups["brow_left"]]).max() < 0.01
    assert not own[model.groups["teeth_upper"]].any()
    assert np.ptp(own[model.groups["eye_left"]], axis=0).max() < 1e-9

    again = FaceFit.load(found.save(tmp_path / "fit.npz"))
    assert np.allclose(again.rest(model), fit.rest(model) + own, atol=0.01)
