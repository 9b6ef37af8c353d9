"""A studio's prefix or suffix is seen through where many names have it; nothing else is."""

import json
from pathlib import Path

import pytest

from exprgen.networks.characters.control_meanings import read_names
from exprgen.networks.characters.name_affixes import LEAST, Affix, common_affix
from exprgen.networks.vocabulary import ARKIT_CHANNELS

LISTS = Path(__file__).parents[2] / "support" / "scheme_names.json"
SCHEMES = {k: v.split("|") for k, v in json.loads(LISTS.read_text("utf-8")).items()}
WHOLE = ("ARKit", "VRoid", "MMD Japanese", "MetaHuman curves", "Character Creator 4", "Daz FACS",
         "SRanipal", "Mixamo")  # fmt: skip
"""Tools whose names stand for enough channels exactly, each once."""
ACROSS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
BODY = [f"c_{part}_{side}" for part in ("thumb1", "hand_ik", "foot", "spine", "root", "leg_pole",
        "arm_fk", "shoulder", "toes", "index1", "pinky2", "cog") for side in "lr"]  # fmt: skip


def with_letter(channel: str) -> str:
    """mouthSmileLeft -> mouthSmile_L"""
    for side in ("Left", "Right"):
        if channel.endswith(side) and channel not in ACROSS:
            return f"{channel.removesuffix(side)}_{side[0]}"
    return channel


@pytest.mark.parametrize("spelt", [str, with_letter])
@pytest.mark.parametrize(
    "pattern",
    ["c_{}", "CTRL_expressions_{}", "face_{}", "bs_{}", "hero_{}", "{}_geo", "xy_{}_drv",
     "Bob:{}", "HERO-{}", "Head_blsh_{}", "head_bs.{}", "fc_{}_v01", "{}_c", "ann02_{}"],
)  # fmt: skip
def test_every_channel_is_read_through_an_affix(pattern, spelt):
    names = {pattern.format(spelt(c)): c for c in ARKIT_CHANNELS}
    found = read_names([*names, *BODY])
    assert {n: m.channels for n, m in found.items()} == {n: {c: 1.0} for n, c in names.items()}


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_a_tool_s_names_never_mean_something_else_behind_a_prefix(scheme):
    plain = {n: m.channels for n, m in read_names(SCHEMES[scheme]).items() if m.channels}
    found = read_names([f"zed_{n}" for n in SCHEMES[scheme]])
    through = {n.removeprefix("zed_"): m.channels for n, m in found.items() if m.channels}
    assert through.items() <= plain.items()
    if scheme in WHOLE:
        assert through == plain


@pytest.mark.parametrize(
    "prefix", ["lash_", "inv_", "neg_", "L_", "teeth_", "cor_", "tongue_", "50_", "half_", "brow_"]
)
def test_a_word_that_says_something_is_no_affix(prefix):
    names = [f"{prefix}{c}" for c in ARKIT_CHANNELS]
    assert common_affix(names, lambda bare: {n: {n} for n in bare}) is None
    assert common_affix([*names, *ARKIT_CHANNELS], lambda bare: {n: {n} for n in bare}) is None


def test_copies_on_other_meshes_are_not_taken_for_the_face():
    copies = [f"coat_{c}" for c in ARKIT_CHANNELS]
    assert set(read_names([*ARKIT_CHANNELS, *copies])) == set(ARKIT_CHANNELS)


def test_a_few_names_tell_no_affix():
    few = [f"hero_{c}" for c in ARKIT_CHANNELS[: LEAST - 1]]
    assert read_names([*few, "hero_stamina", "hero_health"]) == {}
    body = [f"c_{part}" for part in ("jaw", "open", "smile_bag", "blink_timer", "eye_patch")]
    assert read_names([*BODY, *body]) == {}


def test_what_an_affix_leaves():
    affix = Affix("c_", "_drv")
    assert affix.without("c_jawOpen_drv") == "jawOpen"
    assert [affix.without(n) for n in ("c_jawOpen", "jawOpen_drv", "c_drv", "c__drv")] == [""] * 4
