"""The convolutional network that the cascade is compared with: its file."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from exprgen.networks.errors import InputError
from exprgen.networks.training.face_cnn import SMALL, FaceCnn, Network


def test_what_is_written_is_read_and_nothing_else(tmp_path):
    path = tmp_path / "cnn.pt"
    cnn = FaceCnn(Network(7, 5).eval(), np.arange(5.0))
    cnn.save(path)
    again = FaceCnn.load(path)
    seen = torch.rand(2, 1, SMALL, SMALL), torch.rand(2, 7)
    assert torch.equal(again.network(*seen), cnn.network(*seen))
    assert np.array_equal(again.scale, cnn.scale)
    path.write_bytes(path.read_bytes()[:200])
    for bad in (path, tmp_path / "none.pt"):
        with pytest.raises(InputError, match=r"face_cnn"):
            FaceCnn.load(bad)
