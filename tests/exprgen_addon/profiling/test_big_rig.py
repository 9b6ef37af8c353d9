"""Rigs of very many bones: what can't reach the face is not tried, several are measured at once."""

import itertools

import numpy as np
import pytest

from exprgen.exprgen_addon import profiling, rigs
from exprgen.exprgen_addon.profiling import movers, proposal
from exprgen.exprgen_addon.profiling.face import find_face
from exprgen.exprgen_addon.profiling.machinery import without_machinery
from exprgen.exprgen_addon.profiling.meanings import Meanings, of_the_face
from exprgen.exprgen_addon.profiling.movers import find_movers
from exprgen.exprgen_addon.profiling.probe import Probe
from exprgen.exprgen_addon.profiling.reach import Reach, face_rows
from exprgen.exprgen_addon.profiling.scenes import character_objects
from exprgen.networks.errors import InputError
from exprgen.tests.support.big_rig import big_rig

BONES = 900
SOME = ("maxi", "brow_", "brows_", "mouth_", "lip_up_ctrl", "head_fk")


@pytest.fixture(scope="module")
def tried():
    """A rig whose machinery is in sight too: its candidates, and what moves the face of some of
    them, tried several at once and one by one."""
    mesh = big_rig(BONES, rings=24, all_shown=True)
    objects = character_objects(mesh)
    free = [f for f in rigs.find_controls(objects) if not f.blocked]
    meanings = Meanings(free)
    free, _ = of_the_face(free, meanings)
    told = []
    many = movers.MANY
    with Probe(objects) as probe:
        rest = probe.points()
        face = find_face(probe, mesh, rest, free, meanings)
        reach = Reach(objects, face_rows(probe, face))
        reaching = [f for f in free if f in reach]
        chosen, apart = without_machinery(reaching, objects)
        some = [f for f in chosen if f.label.startswith(SOME) or "/" not in f.name]
        found, evaluations = [], []
        try:
            for movers.MANY in (10, 10**9):
                told.append([])
                before = probe.evaluations
                found.append(find_movers(probe, some, face, rest, lambda *c: told[-1].append(c)))
                evaluations.append(probe.evaluations - before)
        finally:
            movers.MANY = many
    return free, reaching, chosen, apart, *found, evaluations, told


def test_limbs_are_not_tried(tried):
    free, reaching, *_ = tried
    names = {f.label for f in reaching}
    assert not any(n.startswith(("fing_", "palm_", "torso_", "ribs_")) for n in names)
    assert {"maxi", "brow_ctrl_2_L", "head_fk", "root", "follow_mouth"} <= names
    assert {"brow_mech_2_0_L", "brow_def_2_L"} <= names, "machinery reaches the face"
    assert len(reaching) < len(free)


def test_machinery_is_left_out(tried):
    _, _, chosen, apart, *_ = tried
    assert {f.label.split("_")[-1] for f in apart} <= {"L", "R", "def"} | set("0123")
    assert all("mech" in f.label or "def" in f.label for f in apart)
    assert not any("mech" in f.label for f in chosen)
    assert {"mouth_ctrl", "brow_ctrl_2_R", "eye_L"} <= {f.label for f in chosen}


def test_at_once_finds_what_one_by_one_finds(tried):
    *_, at_once, singly, evaluations, _ = tried
    assert [m.found.name for m in at_once] == [m.found.name for m in singly]
    for a, b in zip(at_once, singly, strict=True):
        assert np.abs(a.high - b.high).max() < 2e-5, a.found.name
        assert np.abs(a.low - b.low).max() < 2e-5, a.found.name
        assert (a.at_high, a.at_low) == (b.at_high, b.at_low)
    assert evaluations[0] < 0.6 * evaluations[1], "and with far fewer evaluations"


def test_progress_tells_the_truth(tried):
    told, evaluations = tried[-1], tried[-2]
    for counts, all_ in zip(told, evaluations, strict=True):
        done = [d for d, _ in counts]
        totals = [t for _, t in counts]
        assert done == sorted(done)
        assert done[0] == 0
        assert done[-1] == totals[-1] == all_
        late = [t for d, t in counts if d > 0.5 * all_]
        assert max(late) < 1.5 * all_
        assert min(late) > 0.7 * all_
    one_by_one = [t for _, t in told[1]]
    assert all(b <= a for a, b in itertools.pairwise(one_by_one)), "never longer than told"


def test_all_of_it_on_request(monkeypatch):
    """The machinery too, where somebody asks for it."""
    mesh = big_rig(1100, rings=12, all_shown=True)
    seen = []
    monkeypatch.setattr(proposal, "find_movers", lambda probe, free, *_: seen.append(free) or [])
    for everything in (False, True):
        with pytest.raises(InputError):
            profiling.propose_profile(mesh, "big", everything=everything)
    few, all_ = ({f.label for f in free} for free in seen)
    assert few < all_
    assert any("mech" in label for label in all_ - few)
