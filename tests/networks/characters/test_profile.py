"""RigProfile: round trip, unit conversion, and a named refusal for every damaged field."""

import json

import numpy as np
import pytest

from exprgen.networks.characters.profile import (
    Control,
    Framing,
    KeyPose,
    RigProfile,
    Target,
    arkit_to_unit,
    find_character,
    from_unit,
    load_profile,
    to_unit,
)
from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX


def _control(name: str, rest=0.0, minimum=-2.0, maximum=0.5, **options) -> Control:
    target = Target("OBJECT", "rig", f'pose.bones["{name}"].location', 1)
    options.setdefault("region", "mouth")
    return Control(name, (target,), rest, minimum, maximum, **options)


@pytest.fixture
def profile(tmp_path):
    made = RigProfile(
        name="toy",
        title="Toy",
        family="control_bones",
        collection="toy",
        controls=(
            _control("corner_left", mirror="corner_right", channels={"mouthSmileLeft": 1.0}),
            _control("corner_right", mirror="corner_left", channels={"mouthFrownRight": -0.5}),
            _control("nod", region="head", output="head", role="head_pitch"),
        ),
        framing=Framing((0.0, 0.0, 1.6)),
        key_poses=(
            KeyPose("joy_1", "joy", {"corner_left": 0.5}),
            KeyPose("joy_2", "joy", {"corner_left": 0.2}, clarity=0.5),
        ),
    )
    made.save(tmp_path / "toy.json")
    return load_profile(tmp_path / "toy.json")


def test_round_trip(profile, tmp_path):
    profile.save(tmp_path / "again.json")
    again = load_profile(tmp_path / "again.json")
    assert again.controls == profile.controls
    assert again.key_poses == profile.key_poses
    assert again.framing == profile.framing
    assert not list(tmp_path.glob("*.part"))


def test_a_framing_keeps_its_digits_however_small_the_head():
    small = Framing.rounded(np.array([0.0, 0.0, 1.6e-6]), np.array([0.0, -1.0, 0.0]), 3.0e-7)
    assert small.size == pytest.approx(3.0e-7, rel=1e-3)
    assert small.center[2] == pytest.approx(1.6e-6, rel=1e-3)
    assert Framing.rounded(np.zeros(3), np.zeros(3), 0.2512345678).size == 0.25123


def test_a_profile_may_lie_apart_from_its_blend(profile, tmp_path):
    data = json.loads(profile.path.read_text())
    (tmp_path / "library").mkdir()
    data["file"] = "../shared/hero.blend"
    path = tmp_path / "library" / "toy.json"
    path.write_text(json.dumps(data))
    assert load_profile(path).blend.resolve() == (tmp_path / "shared" / "hero.blend").resolve()


def test_a_file_does_not_say_where_it_lies(profile):
    data = json.loads(profile.path.read_text())
    profile.path.write_text(json.dumps({**data, "path": "/elsewhere/x.json"}))
    assert load_profile(profile.path).path == profile.path


def test_units_round_trip_and_stay_inside_limits(profile):
    units = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 3))
    values = from_unit(profile.controls, units)
    assert values.min() >= -2.0
    assert values.max() <= 0.5
    np.testing.assert_allclose(to_unit(profile.controls, values), np.clip(units, -1, 1), atol=1e-12)


def test_arkit_channels_reach_their_controls(profile):
    arkit = np.zeros(len(ARKIT_CHANNELS))
    arkit[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthFrownRight"]]] = 0.8
    np.testing.assert_allclose(arkit_to_unit(profile.controls, arkit), [0.8, -0.4, 0.0])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.update(format="other"), "not an ExprGen rig profile"),
        (lambda d: d.update(version=99), "version 99"),
        (lambda d: d.update(controls=[]), "no controls"),
        (lambda d: d["controls"][0].update(name="nod"), "'nod' twice"),
        (lambda d: d["controls"][0].update(maximum=float("nan")), "not a number"),
        (lambda d: d["controls"][0].update(rest=9.0), "'corner_left'"),
        (lambda d: d["controls"][0].update(targets=[]), "moves nothing"),
        (lambda d: d["controls"][0].update(region="tail"), "region 'tail'"),
        (lambda d: d["controls"][0].update(mirror="gone"), "'gone'"),
        (lambda d: d["controls"][0].update(channels={"smile": 1}), "ARKit channel 'smile'"),
        (lambda d: d["key_poses"][0].update(expression="envy"), "'envy'"),
        (lambda d: d["key_poses"][0].update(values={"wink": 1}), "'wink'"),
        (lambda d: d["controls"][0].pop("rest"), "rest"),
        (lambda d: d["controls"][0].update(rest="0"), r"controls\[0\]\.rest is no number"),
        (lambda d: d["controls"][0].update(maximum=1e9), "limit beyond"),
        (lambda d: d["controls"][0].update(maximum=1e308), "maximum is too large"),
        (
            lambda d: d["controls"][0]["targets"][0].update(scale=float("inf")),
            "scale is not a number",
        ),
        (lambda d: d["controls"][0].update(channels={"jawOpen": float("nan")}), "jawOpen"),
        (lambda d: d["key_poses"][0]["values"].update(nod=float("nan")), "nod is not a number"),
        (lambda d: d["framing"].update(size=float("nan")), "framing.size"),
        (lambda d: d["framing"].update(size=-1.0), "framing shows nothing"),
        (lambda d: d["framing"].update(center=[0.0, 1.0]), "framing.center holds 2 values"),
        (lambda d: d.update(name="../toy"), "can't name a file"),
        (lambda d: d.update(name="a/b"), "can't name a file"),
        (lambda d: d.update(name=""), "can't name a file"),
        (lambda d: d.update(file="/dev/zero"), "is no .blend"),
        (lambda d: d.update(file="//host/share/x.blend"), "another host"),
        (lambda d: d.update(file="\\\\host\\x.blend"), "another host"),
        (lambda d: d.update(surprise=1), "surprise is unknown"),
    ],
)
def test_damage_is_named(profile, change, word):
    data = json.loads(profile.path.read_text())
    change(data)
    profile.path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=word) as caught:
        load_profile(profile.path)
    assert str(profile.path) in str(caught.value)
    assert caught.value.fix


def test_unknown_names_are_refused_with_the_known_ones(profile):
    with pytest.raises(UsageError, match="no control 'wink'"):
        profile.control("wink")
    with pytest.raises(UsageError, match="no character 'nobody'"):
        find_character("nobody")
    with pytest.raises(InputError, match="does not exist"):
        find_character("missing.json")


def test_a_characters_file_given_for_its_profile_is_told_what_to_do(tmp_path):
    avatar, own = tmp_path / "Hero.VRM", tmp_path / "Hero.json"
    with pytest.raises(UsageError, match=r"exprgen profile .*Hero\.VRM, then exprgen landmarks"):
        find_character(str(avatar))
    own.write_text("{}")
    with pytest.raises(UsageError) as refused:
        find_character(str(avatar))
    assert refused.value.fix == f"give {own}"
