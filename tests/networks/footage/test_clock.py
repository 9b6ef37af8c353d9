"""Timestamps -> seconds that begin at 0 and only grow."""

import numpy as np
import pytest

from exprgen.networks.footage.clock import LONGEST_GAP, LONGEST_PAUSE, Clock, own_rate

STEP = 0.04


def placed(stamps, step=STEP, **options):
    clock = Clock(step, **options)
    found = list(clock.place((s, i) for i, s in enumerate(stamps)))
    assert [item for _, item in found] == list(range(len(stamps))), "every frame, in order"
    times = [seconds for seconds, _ in found]
    assert (np.diff(times) > 0).all()
    return np.array(times), clock


def steady(count, start=0.0, step=STEP):
    return [start + i * step for i in range(count)]


@pytest.mark.parametrize("start", [0.0, 7.3, -2.5])
def test_time_begins_at_the_first_frame(start):
    times, clock = placed(steady(30, start))
    np.testing.assert_allclose(times, steady(30))
    assert not clock.jumps


@pytest.mark.parametrize("second", [0.0, -3.0, 1.0, 500_000.0])
def test_a_clock_that_starts_again_is_carried_on(second):
    times, clock = placed(steady(50) + steady(50, second), joined=True)
    np.testing.assert_allclose(times, steady(100))
    assert clock.jumps == pytest.approx([2.0])


def test_several_takes_and_one_of_few_frames():
    times, clock = placed(steady(40) + steady(12) + steady(40))
    np.testing.assert_allclose(times, steady(92))
    assert len(clock.jumps) == 2


@pytest.mark.parametrize(("pause", "joined"), [(LONGEST_GAP - 1, True), (LONGEST_PAUSE - 1, False)])
def test_a_pause_stays_a_pause(pause, joined):
    times, clock = placed(steady(40) + steady(40, pause), joined=joined)
    assert times[40] == pytest.approx(pause)
    assert not clock.jumps


def test_frames_an_hour_apart_are_no_jumps():
    times, clock = placed(steady(40, step=3600.0), step=3000.0, joined=True)
    np.testing.assert_allclose(times, steady(40, step=3600.0))
    assert not clock.jumps


def test_what_no_track_can_hold_is_no_pause():
    times, clock = placed(steady(40, step=20.0) + steady(40, 39 * 20.0 + 900.0, step=20.0), step=20)
    np.testing.assert_allclose(times, steady(80, step=20.0))
    assert len(clock.jumps) == 1


def test_a_hiccup_shares_the_time_that_is_there():
    stamps = steady(40)
    stamps[20:23] = [stamps[19]] * 3  # a clock that stood still
    stamps[30], stamps[31] = stamps[31], stamps[30]  # and two that changed places
    times, clock = placed(stamps)
    np.testing.assert_allclose(times, steady(40), atol=STEP)
    np.testing.assert_allclose(times[32:], steady(40)[32:])
    assert not clock.jumps


def test_without_timestamps_frames_follow_at_the_step():
    times, _ = placed([None] * 30)
    np.testing.assert_allclose(times, steady(30))
    stamps = steady(30, 5.0)
    stamps[0] = stamps[7] = stamps[29] = None
    np.testing.assert_allclose(placed(stamps)[0], steady(30), atol=1e-9)


def test_a_clip_that_ends_in_disorder_keeps_its_frames():
    times, _ = placed([*steady(30), 1.0, 0.9])
    np.testing.assert_allclose(times[:30], steady(30))


def test_own_rate():
    assert own_rate(np.arange(48) / 24) == pytest.approx(24)
    paused = np.concatenate([np.arange(48) / 24, 7 + np.arange(48) / 24])
    assert own_rate(paused) == pytest.approx(24)
    dropped = np.delete(np.arange(400) / 25, np.arange(3, 400, 8))
    assert own_rate(dropped) == pytest.approx(25)
    rounded = np.round(np.arange(300) / 24, 3)  # as Matroska does
    assert own_rate(rounded) == pytest.approx(24, rel=1e-3)
    assert own_rate(np.zeros(1)) == own_rate(np.zeros(0)) == 0
