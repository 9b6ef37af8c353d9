"""A character's tongue is out where the actor's was seen, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character, sample_characters, to_unit
from exprgen.networks.live.causal import Tongue
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving.tongue import with_tongue
from exprgen.networks.track import RigTrack
from exprgen.tests.support import synthetic

PLAIN = RetargetSettings(smoothing_mouth=0.0)
OUT, IN, CLOSED = (0.95, 0.02, 0.4, 0.1), (0.05, 0.1, 0.05, 0.2), (0.9, 0.0, 0.01, 0.0)


def readings(*spans):
    """(N, 4) one reading after the other, (reading, frames) each."""
    return np.concatenate([np.tile(r, (n, 1)) for r, n in spans]).astype(np.float32)


def tongue(mouth, *, name="tobi", settings=PLAIN, **meta):
    """(N,) unit values of the character's tongue, of a track in which a network had put it out."""
    profile = find_character(name)
    seen = synthetic.face_track(frames=len(mouth) if mouth is not None else 20)
    seen = replace(seen, mouth=mouth, meta=seen.meta | meta)
    (control,) = (c for c in profile.expression_controls if "tongueOut" in c.channels)
    values = np.tile([c.rest for c in profile.controls], (len(seen), 1)).astype(np.float32)
    column = profile.names.index(control.name)
    values[:, column] = control.rest + 0.5 * (control.maximum - control.rest)
    track = RigTrack(name, seen.times, profile.names, values, seen.state, seen.expression)
    made = with_tongue(track, seen, profile, settings)
    jaws = [i for i, c in enumerate(profile.controls) if c.channels.get("jawOpen", 0) > 0]
    kept = np.delete(made.values, [column, *jaws], axis=1)
    same = np.delete(values, [column, *jaws], axis=1)
    assert np.allclose(kept, same, atol=1e-6), "only the tongue moves, and the jaw for it"
    opened = to_unit(tuple(profile.controls[i] for i in jaws), made.values[:, jaws])
    out = to_unit((control,), made.values[:, [column]]) > 0.5
    looked = mouth is not None and not meta.get("stills")
    assert not looked or ((opened.max(1, keepdims=True) > 0.05) == out).mean() > 0.9
    return to_unit((control,), made.values[:, [column]])[:, 0]


@pytest.mark.parametrize("name", [p.name for p in sample_characters()])
def test_it_comes_out_and_goes_back_on_every_sample(name):
    units = tongue(readings((IN, 20), (OUT, 20), (IN, 20)), name=name)
    assert max(units[:14].max(), units[-14:].max()) < 0.02
    assert units[25:35].min() > 0.9
    assert np.abs(np.diff(units)).max() < 0.3, "it slides"


def test_it_stays_in_behind_closed_lips():
    assert tongue(readings((CLOSED, 20))).max() < 1e-6


def test_it_neither_flickers_nor_comes_half_way():
    unsure = (0.5, 0.05, 0.3, 0.1)
    units = tongue(readings((unsure, 15), (OUT, 15), (unsure, 15), (IN, 15)))
    assert units[:12].max() < 0.05, "not by half a reading alone"
    assert units[32:42].min() > 0.4, "once out it stays until it is clearly in"
    assert units[-8:].max() < 0.02


@pytest.mark.parametrize(
    ("reading", "frames", "comes"),
    [((0.8, 0.02, 0.36, 0.3), 15, True), ((0.8, 0.02, 0.36, 0.3), 6, False),
     ((0.88, 0.02, 0.25, 0.3), 60, False), ((0.6, 0.02, 0.5, 0.3), 60, False)],
)  # fmt: skip
def test_less_sure_it_has_to_last_and_to_fill_the_mouth(reading, frames, comes):
    units = tongue(readings((IN, 20), (reading, frames), (IN, 20)))
    assert (units.max() > 0.5) == comes
    assert max(units[:15].max(), units[-12:].max()) < 0.1
    live, rate = Tongue(0.0), 30.0
    mouths = readings((IN, 20), (reading, frames), (IN, 20))
    amounts = np.array([live(i / rate, mouth) for i, mouth in enumerate(mouths)])
    assert (amounts.max() > 0.5) == comes
    assert max(amounts[:20].max(), amounts[-3:].max()) < 0.1


def test_nobody_looked_or_pictures_leave_it_as_it_is():
    assert np.allclose(tongue(None), 0.5)
    assert np.allclose(tongue(readings((OUT, 20)), stills=True), 0.5)


def test_a_range_takes_its_own_frames():
    seen = readings((IN, 20), (OUT, 20))
    profile = find_character("tobi")
    track = replace(synthetic.face_track(frames=40), mouth=seen)
    settings = RetargetSettings(smoothing_mouth=0.0, start=1.0)
    rows = track.times >= 1.0
    rig = RigTrack(
        "tobi", track.times[rows], profile.names,
        np.zeros((rows.sum(), len(profile.names)), np.float32), track.state[rows],
        track.expression[rows],
    )  # fmt: skip
    made = with_tongue(rig, track, profile, settings)
    assert made.values[:, profile.names.index("tongueOut")].min() > 0.8


@pytest.mark.parametrize("name", [p.name for p in sample_characters()])
def test_what_goes_below_rest_stays_there_while_the_tongue_is_in(name):
    profile = find_character(name)
    seen = replace(synthetic.face_track(frames=20), mouth=readings((IN, 20)))
    least = np.array([c.minimum for c in profile.controls], np.float32)
    values = np.tile(least, (20, 1))
    track = RigTrack(name, seen.times, profile.names, values, seen.state, seen.expression)
    made = with_tongue(track, seen, profile, PLAIN)
    assert np.allclose(made.values, values, atol=1e-6), "a lip's side that goes a little with a jaw"
