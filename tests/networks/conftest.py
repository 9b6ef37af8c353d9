"""What tests that track faces need of the machine."""

import pytest

from exprgen.networks.errors import ModelError
from exprgen.networks.tracking import landmark_model


@pytest.fixture
def landmarks_known():
    """The path of the landmark model; skips where there is none."""
    try:
        return landmark_model.landmark_model()
    except ModelError as error:
        pytest.skip(f"no landmark model: {error.fix}")
