"""The settings of a retarget: checked, carried as JSON, emphasis over the shot and the face."""

import json

import numpy as np
import pytest

from exprgen.networks.errors import UsageError
from exprgen.networks.settings import RetargetSettings

TIMES = np.arange(0, 10, 0.1)


def test_one_number_is_the_same_everywhere():
    amount = RetargetSettings(emphasis=0.7).emphasis_at(TIMES, ["brow", "mouth"])
    assert amount.shape == (100, 2)
    assert (amount == 0.7).all()


def test_spans_hold_inside_and_fade_at_their_edges():
    settings = RetargetSettings(emphasis=0.9, emphasis_spans=((4.0, 6.0, 0.3),))
    amount = settings.emphasis_at(TIMES, ["jaw"])[:, 0]
    assert amount[50] == pytest.approx(0.3)
    assert amount[[30, 70]] == pytest.approx(0.9)
    assert np.abs(np.diff(amount)).max() < 0.31


def test_a_span_of_a_part_holds_there_alone_and_over_spans_of_all():
    spans = {
        "emphasis_spans": ((2.0, 6.0, 0.8),),
        "emphasis_part_spans": (("brows", 4.0, 8.0, 0.3),),
    }
    settings = RetargetSettings(emphasis=0.9, emphasis_parts={"brows": 0.5}, **spans)
    brow, jaw = settings.emphasis_at(TIMES, ["brow", "jaw"]).T
    assert brow[[10, 30, 50, 70, 90]] == pytest.approx([0.5, 0.8, 0.3, 0.3, 0.5])
    assert jaw[[10, 30, 50, 70, 90]] == pytest.approx([0.9, 0.8, 0.8, 0.9, 0.9])


def test_a_whole_number_is_as_good_as_a_broken_one():
    spans = ((4.0, 6.0, 0.3),)
    whole, broken = (RetargetSettings(emphasis=e, emphasis_spans=spans) for e in (1, 1.0))
    assert (whole.emphasis_at(TIMES, ["jaw"]) == broken.emphasis_at(TIMES, ["jaw"])).all()


def test_parts_and_curve():
    settings = RetargetSettings(
        emphasis_parts={"mouth": 0.2}, emphasis_curve=((0.0, 0.0), (9.9, 0.99))
    )
    brow, jaw = settings.emphasis_at(TIMES, ["brow", "jaw"]).T
    assert np.allclose(brow, TIMES / 10)
    assert (jaw == 0.2).all()


def test_there_and_back_as_json():
    settings = RetargetSettings(
        emphasis_parts={"eyes": 0.5}, emphasis_spans=((1.0, 2.0, 0.1),),
        emphasis_part_spans=(("mouth", 1.0, 2.0, 0.1),),
        emphasis_curve=((0.0, 0.3),), emphasis_part_curves={"brows": ((0.0, 0.1), (1.0, 0.9))},
        articulation=1.2, actor="anna_2",
    )  # fmt: skip
    assert RetargetSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"emphasis_parts": {"ears": 0.1}}, "unknown part"),
        ({"emphasis_spans": ((2.0, 1.0, 0.5),)}, "is empty"),
        ({"emphasis_spans": ((1.0, 2.0, 1.5),)}, "0..1"),
        ({"emphasis_part_spans": (("ears", 1.0, 2.0, 0.5),)}, "unknown part"),
        ({"emphasis_part_spans": (("brows", 2.0, 1.0, 0.5),)}, "is empty"),
        ({"emphasis_part_spans": (("brows", 1.0, 2.0, 1.5),)}, "0..1"),
        ({"emphasis_curve": ((1.0, 0.5), (0.5, 0.5))}, "backwards"),
        ({"emphasis_part_curves": {"mouth": ((1.0, 0.5), (0.5, 0.5))}}, "backwards"),
        ({"emphasis_part_curves": {"ears": ((0.0, 0.5),)}}, "unknown part"),
        ({"emphasis_part_curves": {"mouth": ((0.0, 1.5),)}}, "lie in 0..1"),
        ({"articulation": 3.0}, "articulation"),
        ({"actor": "../x"}, "name"),
    ],
)
def test_nonsense_is_refused(wrong, said):
    with pytest.raises(UsageError, match=said):
        RetargetSettings(**wrong)
