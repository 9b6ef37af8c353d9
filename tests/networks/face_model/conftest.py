"""The face model that ships, and a person of it who was filmed."""

import pytest

from exprgen.networks.face_model.model import FaceModel, face_model
from exprgen.tests.support.filmed_face import Filmed, film


@pytest.fixture(scope="session")
def model() -> FaceModel:
    return face_model()


@pytest.fixture(scope="session")
def filmed(model) -> Filmed:
    return film(model)
