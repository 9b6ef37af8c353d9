"""A few of the avatars of tests/support/avatars, as far as their profiles; all of them, to the
performance: python -m exprgen.tests.support.avatars."""

from __future__ import annotations

import pytest

bpy = pytest.importorskip("bpy")

from exprgen.exprgen_addon.profiling import propose_profile
from exprgen.networks.characters.coverage import missing_parts
from exprgen.tests.support.avatars.building import build
from exprgen.tests.support.avatars.measuring import (
    landmark_error,
    names_known,
    possible_roles,
    roles,
    wrongly_taken,
)
from exprgen.tests.support.avatars.rigs import AVATARS
from exprgen.tests.support.avatars.table import put_into

BY_NAME = {a.name: a for a in AVATARS}


@pytest.mark.parametrize("avatar", [a for a in AVATARS if a.named], ids=lambda a: a.name)
def test_names_of_every_avatar_are_known(avatar):
    assert names_known(avatar) >= 0.95


@pytest.mark.parametrize("name", ["mmd_ja", "metahuman_board", "tiny_hat", "cc3"])
def test_only_the_face_is_taken_and_all_roles_are_found(name):
    avatar = BY_NAME[name]
    built = build(avatar)
    profile = propose_profile(built.head, name).profile
    assert wrongly_taken(avatar, profile) == []
    assert roles(profile) == possible_roles(avatar)
    assert not missing_parts(profile)
    height = 0.29 * avatar.scale  # of the head's mesh
    assert 0.7 * height < profile.framing.size < 1.1 * height


def test_a_head_that_leaves_its_eyes_behind_is_not_turned():
    """Loose meshes: the head's own rotation would take the sockets from the eyes."""
    built = build(BY_NAME["arkit"])
    made = propose_profile(built.head, "arkit")
    assert not made.profile.with_output("head")
    assert any("not the eyes in it" in line for line in made.undecided)
    assert {f"gaze_{s}_{a}" for s in ("left", "right") for a in ("yaw", "pitch")} <= {
        c.role for c in made.profile.controls
    }


def test_bare_bones_of_the_face_become_controls_and_no_others():
    avatar = BY_NAME["bones"]
    profile = propose_profile(build(avatar).head, "bones").profile
    assert wrongly_taken(avatar, profile) == []
    assert roles(profile) == possible_roles(avatar)
    taken = {c.name.split("/")[0] for c in profile.expression_controls}
    assert {"jaw", "lip_corner_l", "eyelid_upper_r", "brow_inner_l", "cheek_r"} <= taken
    assert missing_parts(profile)  # the names alone don't tell a face


def test_a_table_takes_the_place_of_the_one_before_and_nothing_else(tmp_path):
    page, head = tmp_path / "page.md", "| avatar | file |\n| --- | --- |\n"
    page.write_text(f"Before.\n\n{head}| old | .glb |\n| older | .glb |\n\nAfter.\n\n| other |\n")
    put_into(page, f"{head}| new | .vrm |\n")
    assert page.read_text() == f"Before.\n\n{head}| new | .vrm |\n\nAfter.\n\n| other |\n"
    put_into(tmp_path / "none.md", head)
    assert (tmp_path / "none.md").read_text() == head


def test_landmarks_that_are_right_have_no_error(tmp_path):
    """The measure itself, on the sample that the avatars are made of."""
    from exprgen.networks.characters.profile import find_character

    assert landmark_error(BY_NAME["arkit"], find_character("tobi")) < 0.02
