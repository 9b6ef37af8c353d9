"""The same footage gives the same keys, to the bit, however many threads a machine solves it with.

Nothing is said of other processors or builds of numpy: their sums may round otherwise.
"""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from exprgen.networks import pipeline
from exprgen.networks.characters.profile import SAMPLE_RIGS, find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.settings import RetargetSettings
from exprgen.tests.support import acted

FRAMES = 60


def blas_threads() -> list[int]:
    """How many threads each BLAS that is loaded uses."""
    return [i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"]


@pytest.mark.skipif(not blas_threads(), reason="threadpoolctl knows no BLAS that numpy uses here")
def test_threads_share_no_sum_while_a_clip_is_solved(tmp_path, monkeypatch):
    """Shared among threads a sum is added in another order, and of two poses that fit alike the
    other may be found: with four threads keys are those of one."""
    model = load_response(find_character("tobi"))
    units = np.zeros((FRAMES, len(model.controls)))
    units[:, model.controls.index("jawOpen")] = 0.3 + 0.3 * np.sin(np.arange(FRAMES))
    track = acted.worn(model, units).save(tmp_path / "face.npz")
    real, shared = pipeline.solve, []

    def watched(*args):
        shared.extend(blas_threads())
        return real(*args)

    monkeypatch.setattr(pipeline, "solve", watched)
    files = []
    for threads in (1, 4):
        (out := tmp_path / str(threads)).mkdir()
        request = pipeline.SolveRequest(
            track=str(track),
            primary=str(SAMPLE_RIGS / "tobi.json"),
            secondary=(),
            settings=RetargetSettings().to_json(),
            out=str(out),
        )
        with threadpool_limits(threads, "blas"):
            pipeline.solve_file(request, lambda message: None, threading.Event())
        files.append((out / "tobi.npz").read_bytes())
    assert files[0] == files[1]
    assert set(shared) == {1}
