"""How alike performances are, what they play, and what an actor is told."""

import numpy as np
import pytest

from exprgen.networks.face_model.advice import advise
from exprgen.networks.face_model.mimicry import (
    EMOTIVE,
    align,
    blend,
    compare,
    correlation,
    displacements,
    emotive_expressions,
    moved,
    telling,
)
from exprgen.tests.support.filmed_face import as_fit


def weights(model, count=1, **named):
    out = np.zeros((count, len(model.expressions)))
    for name, amount in named.items():
        out[:, model.expressions.index(name)] = amount
    return out


def smile(model, amount=0.8, **more):
    return weights(model, mouthSmileLeft=amount, mouthSmileRight=amount, **more)


def words_of(model, target, attempt):
    fits = as_fit(model, target), as_fit(model, attempt, seed=1)
    found = compare(*fits)
    return [n.words for n in advise(*(displacements(f) for f in fits), found)]


def test_the_same_expression_of_another_head_is_alike(model):
    found = compare(as_fit(model, smile(model)), as_fit(model, smile(model), seed=9))
    assert found.score == pytest.approx(1.0)


def test_a_frown_is_no_smile(model):
    frown = weights(model, mouthFrownLeft=0.9, mouthFrownRight=0.9, browDownLeft=1, browDownRight=1)
    assert compare(as_fit(model, smile(model)), as_fit(model, frown)).score < 0.5


def test_two_calm_faces_are_alike_and_a_calm_one_is_no_smile(model):
    calm = weights(model)
    assert compare(as_fit(model, calm), as_fit(model, calm)).score == pytest.approx(1.0)
    assert compare(as_fit(model, smile(model)), as_fit(model, calm)).score < 0.4


def test_emotive_expressions_are_told_from_each_other(model):
    faces = moved(emotive_expressions(model), model)
    weights = telling(model)
    scores = np.array([[correlation(a, b, weights) for b in faces] for a in faces])
    assert np.allclose(np.diag(scores), 1.0)
    assert scores[~np.eye(len(EMOTIVE), dtype=bool)].max() < 0.94


def test_a_blend_is_found_again(model):
    emotive = emotive_expressions(model)
    mixed = 0.6 * emotive[EMOTIVE.index("joy")] + 0.3 * emotive[EMOTIVE.index("surprise")]
    found = blend(mixed[None], model)[0]
    assert found[EMOTIVE.index("joy")] == pytest.approx(0.6, abs=0.08)
    assert found[EMOTIVE.index("surprise")] == pytest.approx(0.3, abs=0.08)
    assert found.sum() == pytest.approx(0.9, abs=0.12)


def wave(model, count, shift=0.0):
    amount = np.clip(np.sin(np.linspace(-0.8, np.pi + 0.8, count) - shift), 0, 1)
    return amount[:, None] * smile(model)


def test_a_late_attempt_is_laid_over_its_target(model):
    target, late = wave(model, 60), wave(model, 60, 0.7)
    found = compare(as_fit(model, target), as_fit(model, late))
    assert found.score > 0.97
    assert found.lag > 0.05
    assert (np.diff(found.path, axis=0) >= 0).all()
    assert found.path[0].tolist() == [0, 0]
    assert found.path[-1].tolist() == [59, 59]


def test_a_slower_attempt_is_laid_over_its_target(model):
    found = compare(as_fit(model, wave(model, 40)), as_fit(model, wave(model, 60)))
    assert found.score > 0.97
    assert found.path[-1].tolist() == [39, 59]


def test_alignment_takes_single_pictures():
    one, many = np.ones((1, 3, 3)), np.ones((4, 3, 3))
    assert align(one, many, np.zeros(1), np.arange(4.0)).tolist() == [[0, i] for i in range(4)]


@pytest.mark.parametrize(
    ("target", "attempt", "said"),
    [
        ({"browInnerUp": 1.0}, {}, "raise the inner brows"),
        ({}, {"browInnerUp": 1.0}, "lower the inner brows"),
        ({"jawOpen": 0.8}, {"jawOpen": 0.2}, "open the mouth wider"),
        (
            {"mouthSmileLeft": 0.3, "mouthSmileRight": 0.9},
            {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9},
            "less smile on the left",
        ),
        ({"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}, {}, "more smile"),
        ({"eyeWideLeft": 1.0, "eyeWideRight": 1.0}, {}, "open the eyes wider"),
        (
            {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},
            {},
            "pull the corners of the mouth down",
        ),
    ],
)
def test_words_say_what_is_missing(model, target, attempt, said):
    assert said in words_of(model, weights(model, **target), weights(model, **attempt))


def test_nobody_is_told_what_is_right(model):
    assert words_of(model, smile(model), smile(model)) == []
