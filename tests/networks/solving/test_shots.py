"""A cut clip: each of its shots is taken as a clip of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exprgen.networks.characters.profile import find_character, sample_characters
from exprgen.networks.characters.response import load_response
from exprgen.networks.errors import UsageError
from exprgen.networks.perception.phrasing import felt, through_calm
from exprgen.networks.phrases import Phrase
from exprgen.networks.settings import RetargetSettings
from exprgen.networks.solving import review
from exprgen.networks.solving.actor import actor_relations
from exprgen.networks.solving.actor_file import load_actor
from exprgen.networks.solving.feeling import FeltOverTime
from exprgen.networks.solving.shots import shots_in
from exprgen.networks.solving.solve import solve
from exprgen.networks.solving.targets import Geometry
from exprgen.networks.track import FaceTrack, RigTrack
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.support import acted, synthetic

FIRST, SECOND = 70, 60
CUT = FIRST / 25.0
PLAIN = RetargetSettings()

if not {"tobi", "anselm"} <= {p.name for p in sample_characters()}:
    pytest.skip("the sample characters are not built", allow_module_level=True)


def spoken(model, frames: int, **held: float) -> np.ndarray:
    """Unit values (N, C) of one who talks and blinks, with some controls held."""
    units = np.zeros((frames, len(model.controls)))
    at = np.arange(frames)
    units[:, model.controls.index("jawOpen")] = 0.5 * np.maximum(np.sin(at * 0.6), 0) * (at > 10)
    for side in ("Left", "Right"):
        units[:, model.controls.index(f"eyeBlink{side}")] = np.exp(-((at - 40) ** 2) / 4.0)
    for name, amount in held.items():
        units[:, model.controls.index(name)] += amount
    return units


def joined(first: FaceTrack, second: FaceTrack, cut: bool = True) -> FaceTrack:
    """The second clip after the first, as one; with a cut between them or without."""
    names = (
        "state", "landmarks", "head_pose", "gaze", "blink", "confidence", "arkit", "geometry",
        "expression",
    )  # fmt: skip
    columns = {n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names}
    step = float(first.times[1] - first.times[0])
    after = first.times[-1] + step + second.times - second.times[0]
    ends = np.concatenate([first.face_offsets, first.face_offsets[-1] + second.face_offsets])
    return replace(
        first,
        **columns,
        times=np.concatenate([first.times, after]),
        face_offsets=ends,
        face_bytes=np.concatenate([first.face_bytes, second.face_bytes]),
        meta=first.meta | ({"cuts": [float(after[0])]} if cut else {}),
    )


@pytest.fixture(scope="module")
def clips() -> tuple[FaceTrack, FaceTrack]:
    """Two people: one who looks up with raised brows, and one who frowns and smiles throughout."""
    model = load_response(find_character("tobi"))
    up = np.tile((0.25, -0.2, 0.0), (FIRST, 1))
    one = acted.worn(model, spoken(model, FIRST, browInnerUp=0.6), up)
    other = spoken(model, SECOND, browDownLeft=0.7, browDownRight=0.7, mouthSmileLeft=0.5)
    said = np.full((SECOND, len(EXPRESSIONS)), 0.02, np.float32)
    said[:, EXPRESSIONS.index("anger")] = 0.88
    two = replace(acted.worn(model, other), expression=said)
    return one, two


@pytest.fixture(scope="module")
def clip(clips) -> FaceTrack:
    return joined(*clips)


def solved(track: FaceTrack, settings: RetargetSettings = PLAIN) -> list[RigTrack]:
    return solve(track, find_character("tobi"), [find_character("anselm")], settings)


def at_same_times(track: FaceTrack, rows: slice) -> FaceTrack:
    """Those frames as if nothing else had been filmed."""
    part = track.part(rows)
    return replace(part, meta={k: v for k, v in part.meta.items() if k != "cuts"})


def test_each_shot_is_solved_as_a_clip_of_its_own(clip):
    whole = solved(clip)
    parts = [solved(at_same_times(clip, rows)) for rows in clip.shots]
    for together, *alone in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(together.values, np.concatenate([t.values for t in alone]))
        np.testing.assert_array_equal(together.times, clip.times)
        assert together.cuts == clip.cuts
        assert len(together.state) == len(together.expression) == len(clip)
    # What a solve over both would do instead.
    blurred = solved(joined(at_same_times(clip, clip.shots[0]), clip.part(clip.shots[1]), False))
    assert np.abs(blurred[0].values - whole[0].values).max() > 0.05


def test_a_track_without_cuts_is_one_shot(clips, tmp_path):
    track = FaceTrack.load(clips[0].save(tmp_path / "old.npz"))
    assert track.cuts == ()
    assert track.shots == [slice(0, FIRST)]
    (shot,) = shots_in(track, PLAIN)
    assert shot.track is track
    assert "cuts" not in solved(track)[0].meta


def test_cuts_are_saved_and_loaded(clip, tmp_path):
    assert FaceTrack.load(clip.save(tmp_path / "face.npz")).cuts == clip.cuts
    rig = solved(clip)[0]
    assert RigTrack.load(rig.save(tmp_path / "rig.npz")).cuts == clip.cuts


def test_cuts_that_lie_nowhere_in_the_clip_part_nothing(clip):
    for cuts in ([-3.0], [clip.times[0]], [clip.times[-1] + 1.0], [1e5, -1e5]):
        track = replace(clip, meta=clip.meta | {"cuts": [float(c) for c in cuts]})
        assert track.shots == [slice(0, len(clip))]


def test_a_second_that_is_called_neutral_is_its_own_shots(clip):
    told = []
    second = CUT + 0.2
    whole = solve(
        clip, find_character("tobi"), [], replace(PLAIN, calibration=second), told.append
    )[0]
    first, last = (at_same_times(clip, rows) for rows in clip.shots)
    found = solved(first)[0].values
    named = solved(last, replace(PLAIN, calibration=second))[0].values
    np.testing.assert_array_equal(whole.values, np.concatenate([found, named]))
    assert whole.meta["settings"]["calibration"] == second
    assert any("its own shot" in m.get("text", "") for m in told)


def test_a_nearmay_leave_shots_out(clip):
    track = solved(clip, replace(PLAIN, start=CUT + 0.4))[0]
    own = solved(at_same_times(clip, clip.shots[1]), replace(PLAIN, start=CUT + 0.4))[0]
    np.testing.assert_array_equal(track.values, own.values)
    near = replace(PLAIN, start=CUT - 0.4, end=CUT + 0.4)
    across = solved(clip, near)[0]
    alone = [solved(at_same_times(clip, rows), near)[0].values for rows in clip.shots]
    np.testing.assert_array_equal(across.values, np.concatenate(alone))
    assert [len(values) for values in alone] == [10, 10]
    with pytest.raises(UsageError, match="range"):
        solved(clip, replace(PLAIN, start=100.0))


def test_where_each_neutral_is_from_is_told(clip):
    meta = solved(clip)[0].meta
    alone = [solved(at_same_times(clip, rows))[0].meta for rows in clip.shots]
    assert meta["neutral_trust"] == min(m["neutral_trust"] for m in alone)
    assert all(m["neutral"] in meta["neutral"] for m in alone)


def test_a_named_actors_shots_are_kept_apart_and_solved_alike_again(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_ACTORS_DIR", str(tmp_path))
    asked = replace(PLAIN, actor="anna")
    before = solved(clip, asked)[0]
    names = load_actor("anna").sources
    assert len(names) == 2
    again = solved(clip, asked)[0]
    np.testing.assert_array_equal(again.values, before.values)
    assert set(load_actor("anna").sources) == set(names)
    whole = replace(clip, meta={k: v for k, v in clip.meta.items() if k != "cuts"})
    relations = actor_relations(whole, asked)  # the clip as one shot knows nothing else of her
    assert "other footage" not in relations.source
    other = replace(whole, meta=whole.meta | {"source": "other.mp4"})
    actor_relations(other, asked)
    assert len({n.partition(",")[0] for n in load_actor("anna").sources}) == 2


def test_an_actor_who_was_seen_in_the_clip_as_one_shot_is_seen_anew(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPRGEN_ACTORS_DIR", str(tmp_path))
    asked = replace(PLAIN, actor="anna")
    whole = replace(clip, meta={k: v for k, v in clip.meta.items() if k != "cuts"})
    actor_relations(whole, asked)
    (old,) = load_actor("anna").sources
    solved(clip, asked)
    assert old not in load_actor("anna").sources


def test_what_is_felt_in_a_shot_is_read_in_it_alone(clip):
    read = FeltOverTime.load()
    whole = read(clip)
    parts = [read(at_same_times(clip, rows)) for rows in clip.shots]
    for name in ("expression", "affect", "speaking"):
        if getattr(whole, name) is not None:
            alone = np.concatenate([getattr(p, name) for p in parts])
            np.testing.assert_allclose(getattr(whole, name), alone, atol=1e-6)
    starts = {round(p.start, 6) for p in whole.phrases}
    assert round(whole.cuts[0], 6) in starts
    assert [p.expression for p in whole.phrases] == [
        p.expression for part in parts for p in part.phrases
    ]


def test_no_phrase_goes_over_a_cut_and_the_next_begins_at_once():
    """One feeling that lasts over the cut is two phrases, and one that changes there does not fade
    into the next."""
    track = synthetic.face_track(frames=120)
    joy, anger = (EXPRESSIONS.index(e) for e in ("joy", "anger"))
    for after in (joy, anger):
        said = np.full((120, 7), 0.02, np.float32)
        said[:60, joy] = said[60:, after] = 0.88
        cut = replace(track, expression=said, meta=track.meta | {"cuts": [2.0]})
        heard = felt(cut)
        assert [p.start for p in heard.phrases] == [0.0, 2.0]
        assert heard.phrases[0].end == 2.0
        flat = [np.ptp(heard.expression[rows], axis=0).max() for rows in cut.shots]
        assert max(flat) < 1e-6
        assert np.abs(felt(replace(cut, meta=track.meta)).expression[57] - said[0]).max() > (
            0.01 if after == anger else -1.0
        )


def test_calm_after_a_cut_is_no_calm_that_passes():
    """A feeling goes on through a short calm, but not into another shot."""
    track = synthetic.face_track(frames=120)
    chances = {e: tuple(np.full(7, 0.02) + 0.86 * np.eye(7)[EXPRESSIONS.index(e)])
               for e in ("joy", "neutral")}  # fmt: skip
    phrases = tuple(
        Phrase(start, end, chances[e])
        for start, end, e in ((0.0, 2.0, "joy"), (2.0, 2.6, "neutral"), (2.6, 4.0, "joy"))
    )
    plain = replace(track, phrases=phrases, readings=track.expression)
    assert through_calm(plain).expression[66].argmax() == EXPRESSIONS.index("joy")
    for cut in (2.0, 2.6):
        parted = replace(plain, meta=track.meta | {"cuts": [cut]})
        assert through_calm(parted) is parted


def test_a_part_of_a_track_is_a_clip_of_its_own(clip, tmp_path):
    said = tuple(np.full(7, 1 / 7))
    units = {"x:y": np.arange(len(clip), dtype=np.float32)[:, None] / 200}
    phrases = (Phrase(0.0, CUT + 0.5, said, by_hand=True), Phrase(CUT + 0.5, 6.0, said))
    track = replace(clip, phrases=phrases, rig_units=units, readings=clip.expression)
    part = FaceTrack.load(track.part(slice(FIRST - 5, FIRST + 25)).save(tmp_path / "p.npz"))
    assert len(part) == 30
    assert part.cuts == clip.cuts
    assert part.face_jpeg(0) == clip.face_jpeg(FIRST - 5)
    assert part.face_jpeg(29) == clip.face_jpeg(FIRST + 24)
    np.testing.assert_array_equal(part.rig_units["x:y"], units["x:y"][FIRST - 5 : FIRST + 25])
    np.testing.assert_array_equal(part.readings, clip.expression[FIRST - 5 : FIRST + 25])
    ends = [(p.start, p.end) for p in part.phrases]
    assert ends == [(part.times[0], CUT + 0.5), (CUT + 0.5, clip.times[FIRST + 25])]
    assert track.part(slice(0, FIRST)).cuts == track.part(slice(FIRST, None)).cuts == ()


def test_a_review_looks_at_each_shot_by_its_own_actor(clip):
    """What follows a shot's own actor is not found wrong by what the other actor does."""
    profile = find_character("tobi")
    model = load_response(profile)
    geometry = Geometry.of(model, profile)
    shots = shots_in(clip, PLAIN)
    shown = [
        review.shown_by(
            profile, model.controls, np.zeros((len(s.track), len(model.controls))),
            actor_relations(s.track, s.settings), geometry, s.settings,
        )
        for s in shots
    ]  # fmt: skip
    one = review.joined(shown)
    assert len(one.lips) == len(one.near) == len(clip)
    np.testing.assert_array_equal(one.lids[: len(shots[0].track)], shown[0].lids)
    np.testing.assert_array_equal(one.brows[len(shots[0].track) :], shown[1].brows)


@pytest.mark.parametrize("part", [{"start": 1.0}, {"end": 2.0}])
def test_a_range_of_a_track_of_pictures_is_refused(part):
    pictures = synthetic.face_track(frames=4, stills=True)
    with pytest.raises(UsageError, match=r"a range is of a clip's seconds"):
        solve(pictures, synthetic.profile("ann"), [], RetargetSettings(**part))
