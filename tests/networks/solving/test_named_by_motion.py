"""What unnamed controls stand for, on a sample with Rigify's handles whose makers named them."""

from dataclasses import replace

import pytest

from exprgen.networks.characters.coverage import missing_parts
from exprgen.networks.characters.profile import find_character
from exprgen.networks.characters.response import load_response
from exprgen.networks.solving.named_by_motion import named_by_motion


@pytest.fixture(scope="module")
def rosa():
    return find_character("rosa")


def without_channels(profile):
    return replace(profile, controls=tuple(replace(c, channels={}) for c in profile.controls))


@pytest.fixture(scope="module")
def named(rosa):
    return named_by_motion(without_channels(rosa), load_response(rosa))


def strongest(profile, channel: str) -> str:
    """The control with the largest share in a channel, with its sign before it."""
    shares = {c.name: c.channels.get(channel, 0.0) for c in profile.controls}
    name = max(shares, key=lambda n: abs(shares[n]))
    return f"{'-' if shares[name] < 0 else ''}{name}"


@pytest.mark.parametrize(
    ("channel", "control"),
    [
        ("jawOpen", "jaw_open"), ("eyeBlinkLeft", "lid_upper_L"), ("eyeWideRight", "-lid_upper_R"),
        ("mouthSmileLeft", "corner_up_L"), ("mouthFrownRight", "-corner_up_R"),
        ("mouthPucker", "pucker"), ("browOuterUpLeft", "brow_outer_L"),
        ("browDownRight", "-brow_inner_R"), ("mouthShrugLower", "lip_lower_up"),
    ],
)  # fmt: skip
def test_a_channel_is_made_by_what_moves_the_face_so(named, channel, control):
    assert strongest(named, channel) == control


def test_the_face_is_covered_and_the_head_and_eyes_stand_for_nothing(rosa, named):
    assert missing_parts(without_channels(rosa))
    assert missing_parts(named) == ()
    assert not any(c.channels for c in named.controls if c.output != "expression")


def test_what_names_tell_stays(rosa):
    told = tuple(
        c if c.name in ("corner_up_L", "jaw_open") else replace(c, channels={})
        for c in rosa.controls
    )
    named = named_by_motion(replace(rosa, controls=told), load_response(rosa))
    assert named.control("corner_up_L").channels == rosa.control("corner_up_L").channels
    others = [c for c in named.controls if c.name not in ("corner_up_L", "jaw_open")]
    own = {c for n in ("corner_up_L", "jaw_open") for c in rosa.control(n).channels}
    assert not any(own & c.channels.keys() for c in others)


def test_the_jaw_is_known_before_the_lips_were_seen_apart(rosa):
    """Where the lower lip's landmarks lie on the upper one, nothing seems to part the lips."""
    model = load_response(rosa)
    curves, rest = model.curves.copy(), model.rest.copy()
    for part in ("inner_1", "inner_2", "inner_3", "outer_2", "outer_3", "outer_4"):
        lower, upper = (model.points.index(f"lip_{end}_{part}") for end in ("bottom", "top"))
        curves[:, :, lower], rest[lower] = curves[:, :, upper], rest[upper]
    closed = replace(model, curves=curves, rest=rest, bends=0.0 * model.bends)
    bare = without_channels(rosa)
    assert strongest(named_by_motion(bare, closed, lips_known=False), "jawOpen") == "jaw_open"


def test_a_face_that_does_not_move_stands_for_nothing(rosa):
    model = load_response(rosa)
    stiff = replace(model, curves=0.0 * model.curves, bends=0.0 * model.bends)
    assert missing_parts(named_by_motion(without_channels(rosa), stiff))
