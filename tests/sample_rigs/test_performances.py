"""Performances and stills to learn from: what is drawn is what is told, and nobody is in both."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from exprgen.exprgen_addon.studio.drawn_studio import DrawnStudio
from exprgen.exprgen_addon.studio.face_studio import CED
from exprgen.networks.characters.profile import sample_characters
from exprgen.networks.errors import UsageError
from exprgen.networks.vocabulary import ARKIT_CHANNELS, ARKIT_INDEX, EXPRESSIONS
from exprgen.sample_rigs.build import facs, performances
from exprgen.sample_rigs.build.begun import BEGUN
from exprgen.sample_rigs.build.performances import (
    NEUTRALS,
    PHONEMES,
    Job,
    PerformanceSettings,
    actor,
    build_performances,
    draw_stills,
    felt_over_time,
    jobs,
    phonemes_over_time,
)
from exprgen.sample_rigs.build.performers import is_held_out, performer
from exprgen.sample_rigs.build.talkers.acting import Feeling
from exprgen.sample_rigs.build.talkers.clips import script, throughout
from exprgen.sample_rigs.build.talkers.phonetics import VISEMES

SMALL = PerformanceSettings(people=3, val_people=2, clips=8, val_clips=4, stills=120, val_stills=60)


def weight(arkit, channel):
    return arkit[ARKIT_INDEX[channel]]


def test_action_units_and_mouths_name_what_there_is():
    named = [*facs.UNITS.values(), *facs.MOUTHS.values(), *facs.RESTS]
    for channels in named:
        assert facs.weights(channels).any()
    assert set(facs.MOUTHS) <= set(VISEMES)
    assert set(facs.COMBINATIONS) == set(EXPRESSIONS) - {"neutral"}
    used = {u for units in facs.COMBINATIONS.values() for c in units for u in c}
    assert used <= set(facs.UNITS)


def test_nobody_smiles_who_is_afraid_and_whoever_is_angry_frowns():
    for units in facs.COMBINATIONS["fear"]:
        assert not {6, 12} & set(units)
    for units in facs.COMBINATIONS["anger"]:
        assert weight(facs.compose(units, np.ones(len(units))), "browDownLeft") == 1
    raised = facs.compose((1, 4), (1.0, 1.0))
    assert weight(raised, "browInnerUp") > 2 * weight(raised, "browDownLeft") > 0


@pytest.mark.parametrize("expression", facs.COMBINATIONS)
def test_the_levels_of_an_expression_rise_from_a_trace_to_the_whole(expression):
    rng = np.random.default_rng(3)
    means = []
    for level in "ABCDE":
        drawn = [facs.draw_expression(rng, expression, level) for _ in range(40)]
        means.append(np.mean([strength for _, strength in drawn]))
        assert all(0 <= pose.min() <= pose.max() <= 1 for pose, _ in drawn)
        assert all(0 < strength <= 1 for _, strength in drawn)
    assert means[0] < 0.2 < 0.8 < means[-1]
    assert sorted(means) == means


def test_all_kinds_grow_alike():
    """Of an unfinished set each kind and split is as far as the others."""
    todo = jobs(SMALL)
    whole = Counter((job.kind, job.split) for job in todo)
    half = Counter((job.kind, job.split) for job in todo[: len(todo) // 2])
    assert whole[("clip", "train")] == 8
    assert whole[("stills", "val")] * SMALL.each >= 60
    for kind, count in whole.items():
        assert abs(half[kind] - count / 2) <= 1


def test_no_person_is_in_both_splits_and_siblings_share_a_mesh():
    for split, meshes in (("train", SMALL.people), ("val", SMALL.val_people)):
        people = [actor(SMALL, split, i) for i in range(3 * meshes)]
        assert {is_held_out(p.number) for p in people} == {split == "val"}
        assert len({p.name for p in people}) == 3 * meshes
        built, others = people[:meshes], people[meshes:]
        assert not any(p.rest.any() for p in built), "the meshes as they were built come first"
        assert len({tuple(p.rest) for p in others}) == len(others)


def test_a_performer_is_a_person_of_another_build():
    assert performer(0, 3) == performer(0, 3)
    lifts = {performer(0, i).brow.lift for i in range(4)}
    assert len(lifts) == 4
    low = performer(0, 3, 0.006)
    assert low.brow.lift == pytest.approx(performer(0, 3).brow.lift - 0.006)
    assert replace(low, brow=performer(0, 3).brow) == performer(0, 3)


def test_brows_lie_as_differently_as_peoples_in_one_set():
    lowered = [PerformanceSettings().lowered(mesh) for mesh in range(40)]
    assert lowered == [PerformanceSettings().lowered(mesh) for mesh in range(40)]
    assert -0.002 <= min(lowered) < 0
    assert 0.008 < max(lowered) <= 0.010
    assert np.mean(lowered) == pytest.approx(0.004, abs=0.0015)
    assert PerformanceSettings(lower_brows=0.002, brows_apart=0).lowered(3) == 0.002


def test_some_feel_throughout_and_every_face_goes_with_what_it_says():
    s = PerformanceSettings()
    lines = [performances._held(performances._talker(s, "train"), i, s.lasting) for i in range(60)]
    assert all(line.signals for line in lines)
    lasting = np.mean([line.lasting for line in lines])
    assert 0.25 < lasting < 0.55
    assert not script(performances._talker(s, "train"), 3).signals
    ends = [Feeling("fear_wide", 0.6, 0.4, 2.0), Feeling("disgust_sneer", 0.6, 1.8, 4.0)]
    felt = felt_over_time(throughout(ends, 4.0), np.linspace(0, 4, 30))
    assert (felt[:, EXPRESSIONS.index("fear")] == 0.6).all()
    assert not felt[:, EXPRESSIONS.index("disgust")].any()


def test_a_sheet_begins_with_the_neutral_and_speaking_is_no_feeling():
    sheet = list(draw_stills(SMALL, Job("stills", "train", 4)))
    rest = actor(SMALL, "train", 4).rest
    looking = np.array([c.startswith("eyeLook") for c in ARKIT_CHANNELS])
    for still in sheet[:NEUTRALS]:
        assert not still.felt.any()
        assert still.speaking == still.blink == 0
        assert np.allclose(still.arkit[~looking], rest[~looking])
    plain = [s for s in sheet[NEUTRALS:] if not s.felt.any()]
    assert any(s.speaking for s in plain)
    brows = [weight(s.arkit, "browDownLeft") for s in plain]
    assert max(brows) <= weight(rest, "browDownLeft") + 0.01
    again = list(draw_stills(SMALL, Job("stills", "train", 4)))
    assert np.array_equal([s.arkit for s in sheet], [s.arkit for s in again])


def test_what_is_felt_comes_and_goes_one_after_the_other():
    feelings = (Feeling("sadness_frown", 0.4, 0.5, 2.0), Feeling("surprise_open", 0.8, 1.8, 3.5))
    times = np.linspace(0, 4, 81)
    felt = felt_over_time(feelings, times)
    assert felt[0].max() == felt[-1].max() == 0
    assert felt[:, EXPRESSIONS.index("sadness")].max() == pytest.approx(0.4)
    assert felt[:, EXPRESSIONS.index("surprise")].max() == pytest.approx(0.8)
    assert felt[:, EXPRESSIONS.index("neutral")].max() == 0


def test_each_frame_knows_its_sound():
    spoken = phonemes_over_time(
        ("", "p", "ɑˈː", ""), np.array([0.2, 0.3, 0.5, 0.8]), np.array([0.0, 0.25, 0.4, 0.7, 0.9])
    )
    assert [PHONEMES[i] for i in spoken] == ["rest", "bilabial", "open", "rest", "rest"]


def test_settings_that_make_nothing_are_refused():
    with pytest.raises(UsageError, match="nothing to make"):
        PerformanceSettings(people=0)
    for metres in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="brows can't lie"):
            PerformanceSettings(lower_brows=metres)
        with pytest.raises(UsageError, match="brows can't lie"):
            PerformanceSettings(brows_apart=metres)
    with pytest.raises(UsageError, match="nothing to make"):
        PerformanceSettings(each=performances.NEUTRALS)
    for less in ({"clips": -1}, {"seed": -1}):
        with pytest.raises(UsageError, match="less than nothing"):
            PerformanceSettings(**less)
    for pixels in (0, 175):
        with pytest.raises(UsageError, match="pixels can't be made"):
            PerformanceSettings(size=pixels)


def test_a_folder_goes_on_with_its_own_settings_alone(tmp_path):
    nothing = PerformanceSettings(clips=0, val_clips=0, stills=0, val_stills=0)
    for _ in range(2):
        assert build_performances(tmp_path, nothing) == []
    with pytest.raises(UsageError, match=r"begun with --seed 0 --lower_brows 0\.004"):
        build_performances(tmp_path, replace(nothing, seed=1, lower_brows=0.0))


def test_an_older_folder_that_does_not_tell_what_lasts_goes_on(tmp_path):
    nothing = PerformanceSettings(clips=0, val_clips=0, stills=0, val_stills=0)
    build_performances(tmp_path, nothing)
    path = tmp_path / BEGUN
    path.write_text(path.read_text().replace(',\n "lasting": 0.4', ""))
    assert "lasting" not in path.read_text()
    assert build_performances(tmp_path, nothing) == []
    with pytest.raises(UsageError, match=r"begun with --lasting 0\.4"):
        build_performances(tmp_path, replace(nothing, lasting=0.5))


@pytest.mark.skipif(not sample_characters(), reason="no sample characters")
def test_a_quickly_drawn_picture_is_like_a_drawn_one():
    pytest.importorskip("warp")
    from exprgen.sample_rigs.build.quick_studio import QuickStudio

    profile = sample_characters()[0]
    settings = replace(CED, size=96)
    pictures = []
    for studio in (DrawnStudio, QuickStudio):
        with studio(profile, settings) as open_studio:
            pictures.append(open_studio.render().astype(float))
    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0] - pictures[1]).mean() < 3
