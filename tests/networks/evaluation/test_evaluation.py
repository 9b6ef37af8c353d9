"""Evaluation: what is chosen, read, compared, rated and reported; on drawn faces, without a GPU."""

import csv
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from exprgen.networks.characters.profile import arkit_to_unit, to_unit
from exprgen.networks.errors import InputError, UsageError
from exprgen.networks.evaluation import agreement, correlation, motion, sheets
from exprgen.networks.evaluation.baseline import copies_blendshapes, copy_blendshapes
from exprgen.networks.evaluation.choice import choose, describe, load_choice
from exprgen.networks.evaluation.judging import Judge, judged
from exprgen.networks.evaluation.parts import Part, character_part, human_part
from exprgen.networks.evaluation.recognition import Recognition, of_chances, of_part, recognise
from exprgen.networks.evaluation.report import write_html
from exprgen.networks.evaluation.steps import run_step
from exprgen.networks.models.judge import JUDGE_SIZE, judge
from exprgen.networks.models.weights_file import WeightsInfo, weights_path
from exprgen.networks.models.weights_io import save_network
from exprgen.networks.training.shared import copies
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.training.shared.hed_cache import VERSION
from exprgen.networks.training.shared.sets import half_of
from exprgen.networks.vocabulary import (
    ARKIT_CHANNELS,
    CIRCUMPLEX,
    EXPRESSIONS,
    GEOMETRIC_FEATURES,
)
from exprgen.tests.support import synthetic, tiny_weights
from exprgen.tests.support.trainings import write_ced, write_profile

COUNT = 70


def _faces(count: int, seed: int, size: int = 64) -> np.ndarray:
    """Pictures (N, size, size) of which no two look alike."""
    coarse = np.random.default_rng(seed).integers(0, 255, (count, 8, 8), np.uint8)
    return np.stack([cv2.resize(c, (size, size), interpolation=cv2.INTER_CUBIC) for c in coarse])


def silent(message):
    pass


def read(path):
    with open(path, newline="") as f:
        return list(csv.reader(f))


@pytest.fixture(scope="module")
def hed(tmp_path_factory):
    """A HED cache of drawn faces, half of them "mux", and the zip they came from."""
    folder = tmp_path_factory.mktemp("hed")
    drawn = synthetic_faces(COUNT)
    drawn.faces[:] = drawn.faces // 4 + _faces(COUNT, 5, drawn.faces.shape[1]) // 4 * 3  # unlike
    source = [f"{'mux' if i % 2 else 'ferplus'}/{i:03d}.png" for i in range(COUNT)]
    targets = drawn.targets.copy()
    targets[:7] = 0.5 * targets[:7] + 0.5 * np.roll(targets[:7], 1, axis=1)  # people disagree
    found = np.ones(COUNT, bool)
    found[7] = False
    for name, values in {
        "faces": drawn.faces,
        "landmarks49": np.zeros((COUNT, 49, 2), np.float32),
        "geometry": drawn.geometry,
        "arkit": drawn.arkit,
        "head_pose": np.tile(np.eye(4, dtype=np.float32), (COUNT, 1, 1)),
        "found": found,
        "done": np.ones(COUNT, bool),
    }.items():
        np.save(folder / f"{name}.npy", values)
    np.savez(
        folder / "table.npz",
        target=targets,
        label=targets.argmax(1),
        split=np.full(COUNT, "val"),
        source=np.array(source),
        pack=np.array([s.partition("/")[0] for s in source]),
        subject=np.full(COUNT, ""),
    )
    (folder / "hed.json").write_text(json.dumps({"version": VERSION}))
    for pack in ("mux", "ferplus"):
        with zipfile.ZipFile(folder / f"{pack}.zip", "w") as archive:
            for name, face in zip(source, drawn.faces, strict=True):
                if name.startswith(pack):
                    data = cv2.imencode(".png", face)[1].tobytes()
                    archive.writestr(name.partition("/")[2], data)
    return folder


# --- parts and recognition -----------------------------------------------------------------------


def test_part_leaves_out_other_packs_faces_not_found_and_loose_labels(hed):
    part = human_part(hed, "ferplus/val")
    assert all(s.startswith("ferplus/") for s in part.sources)
    assert human_part(hed, "mux/val").missing == 0  # its missing face has a label nobody trusts
    assert {EXPRESSIONS[i] for i in human_part(hed, "mux/val").labels} == {
        "joy",
        "neutral",
        "surprise",
    }
    with pytest.raises(InputError, match="no part"):
        human_part(hed, "other/val")
    with pytest.raises(UsageError):
        human_part(hed, "ferplus")


def test_recognition_counts_as_by_hand():
    truth, answers = np.array([0, 0, 3, 3, 3, 6]), np.array([0, 1, 3, 3, 0, 6])
    r = Recognition.of("HCNN", "x/val", truth, answers, missing=2)
    assert r.accuracy == pytest.approx(4 / 6)
    assert r.recall == pytest.approx({"anger": 0.5, "joy": 2 / 3, "surprise": 1.0})
    assert r.mean_recall == pytest.approx((0.5 + 2 / 3 + 1) / 3)
    assert r.to_json()["missing"] == 2


def test_recognise_reads_every_face_of_a_part(hed, tmp_path):
    tiny_weights.write(tmp_path, [synthetic.profile("ann")])
    part = human_part(hed, "ferplus/val")
    made, *fresh = recognise(weights_path("hcnn", folder=tmp_path), part, "hcnn")
    assert made.count == len(part)
    assert not fresh, "nothing of it was learned from"
    profile = write_profile(tmp_path, "doll")
    write_ced(tmp_path / "ced", profile)
    posed = character_part(tmp_path / "ced", "doll/val")
    (made,) = recognise(weights_path("scnn", folder=tmp_path), posed)
    assert made.count == len(posed) > 0


# --- the choice of pictures ----------------------------------------------------------------------


def test_choice_is_seeded_and_prefers_what_people_agree_on(hed):
    parts = [human_part(hed, "ferplus/val")]
    chosen = choose(parts, 3, seed=1, agreement=0.6)
    assert chosen == choose(parts, 3, seed=1, agreement=0.6)
    assert chosen != choose(parts, 3, seed=2, agreement=0.6)
    assert {c.label for c in chosen} == set(EXPRESSIONS)
    assert all(c.agreement >= 0.6 for c in chosen)
    everything = choose(parts, 100, seed=1, agreement=0.6)
    about = describe(everything, 0.6)
    assert sum(a["below"] for a in about.values()) > 0  # filled up, and it says so
    shares = [c.agreement for c in everything if c.label == EXPRESSIONS[0]]
    below = [s for s in shares if s < 0.6]
    assert shares[len(shares) - len(below) :] == below  # the agreed ones come first


def _again(face: np.ndarray) -> np.ndarray:
    """The same picture, lighter, compressed and a pixel aside."""
    data = cv2.imencode(".jpg", np.roll(face, 1, axis=1) // 2 + 90, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return cv2.imdecode(data[1], cv2.IMREAD_GRAYSCALE)


def test_near_copies_are_told_from_other_pictures(tmp_path):
    faces = _faces(12, 0)
    faces = np.concatenate([faces, [_again(faces[2]), _again(faces[2]), _again(faces[9])]])
    looks = copies.prints(faces, np.arange(15))
    assert np.flatnonzero(copies.repeated(looks)).tolist() == [12, 13, 14]
    assert copies.copied(looks[:12], looks[12:]).nonzero()[0].tolist() == [2, 9]
    assert not copies.copied(looks, looks[:0]).any()


def test_choice_shows_fresh_pictures_first_and_none_twice():
    faces = _faces(7, 1)
    faces = np.concatenate([faces, [_again(faces[0])]])
    targets = np.tile(np.eye(7, dtype=np.float32), (8, 1))[np.repeat(np.arange(7), 8)]
    seen = np.tile(np.arange(8) % 2 == 1, 7)  # the odd ones lie in training
    names = np.array([f"a/{i}.png" for i in range(56)])
    part = Part("a/val", np.concatenate([faces] * 7), np.arange(56), targets, names, seen)
    for_each = {n: [c for c in choose([part], 8, seed=3) if c.label == n] for n in EXPRESSIONS}
    for chosen in for_each.values():
        order = [int(c.source[2:-4]) % 8 for c in chosen]
        assert sorted(order[:7]) in (list(range(7)), list(range(1, 8)))
        assert order[7] in (0, 7), "the second look at one face comes last"
        assert [c.seen for c in chosen[:7]] == sorted(c.seen for c in chosen[:7])
    assert describe(choose([part], 8))["joy"]["seen"] == 4


def test_what_training_held_a_copy_of_is_also_measured_apart():
    part = Part(
        "a/val", _faces(4, 2), np.arange(4), np.eye(7, dtype=np.float32)[:4],
        np.array(["a/1"] * 4), np.array([True, False, False, True]),
    )  # fmt: skip
    whole, fresh = of_part("NET", part, np.array([0, 1, 1, 3]))
    assert (whole.count, whole.accuracy) == (4, 0.75)
    assert (fresh.count, fresh.accuracy, fresh.part) == (2, 0.5, "a/val without copies")
    told = of_part("NET", part, np.array([0, 1, 1, 3]), lambda rows: {"rows": rows.tolist()})
    assert [r.to_json()["rows"] for r in told] == [[0, 1, 2, 3], [1, 2]]


def test_how_far_chances_can_be_believed_and_their_affect():
    joy, anger = (EXPRESSIONS.index(e) for e in ("joy", "anger"))
    chances = np.full((10, 7), 0.2 / 6)
    chances[:, joy] = 0.8
    targets = np.eye(7)[[joy] * 8 + [anger] * 2]
    made = of_chances(chances, targets, targets @ np.array(CIRCUMPLEX))
    assert made["reliability"] == [(0.8, 0.8, 10)]
    assert made["ece"] == pytest.approx(0.0, abs=1e-6)
    assert made["affect"]["valence ccc"] == pytest.approx(1.0)
    assert made["affect"]["arousal rmse"] == pytest.approx(0.0, abs=1e-6)
    assert made["affect"]["valence sign"] == 1.0
    sure = of_chances(np.eye(7)[[joy] * 10], targets, None)
    assert sure["ece"] == pytest.approx(0.2)
    assert "affect" not in sure
    assert of_chances(chances[:0], targets[:0], None) == {}


def test_pick_writes_the_originals(hed, tmp_path):
    made = run_step(
        "pick",
        {
            "hed": str(hed), "source": str(hed), "parts": ["ferplus/val"], "each": 2, "seed": 0,
            "agreement": 0.6, "out": str(tmp_path),
        },
        silent,
    )  # fmt: skip
    chosen = load_choice(tmp_path / "chosen.json")
    faces = np.load(hed / "faces.npy")
    for path, picture in zip(made["pictures"], chosen, strict=True):
        number = int(picture.source.partition("/")[2].partition(".")[0])
        assert np.array_equal(cv2.imread(path, cv2.IMREAD_GRAYSCALE), faces[number])
    with pytest.raises(InputError, match="has no picture"):
        run_step(
            "pick",
            {
                "hed": str(hed), "source": str(tmp_path), "parts": ["ferplus/val"], "each": 2,
                "seed": 0, "agreement": 0.6, "out": str(tmp_path),
            },
            silent,
        )  # fmt: skip


def test_halves_are_of_about_the_same_size():
    halves = [half_of(f"ferplus/fer{i:07d}.png") for i in range(400)]
    assert 150 < sum(halves) < 250


# --- the judge -----------------------------------------------------------------------------------


def judges():
    torch.manual_seed(0)
    return [Judge(judge().eval(), JUDGE_SIZE, half, str(half)) for half in (0, 1)]


def test_nobody_judges_what_they_learned_from():
    pair = judges()
    faces = synthetic_faces(8).faces
    halves = np.array([0, 1, 0, 1, -1, 0, 1, -1])
    both = judged(pair, faces, halves)
    assert np.allclose(both.sum(1), 1, atol=1e-4)
    alone = judged(pair[:1], faces, np.ones(8, int))
    assert np.allclose(both[halves == 1], alone[halves == 1], atol=1e-5)
    assert not np.allclose(both[halves == 0], alone[halves == 0], atol=1e-5)
    with pytest.raises(InputError, match="other half"):
        judged(pair[:1], faces, halves)


def test_judge_is_small_and_learns_drawn_faces(hed, tmp_path):
    from exprgen.networks.training.judge import JudgeSettings, train

    profile = write_profile(tmp_path, "doll")
    write_ced(tmp_path / "ced", profile, count=140)
    out = tmp_path / "judge_0.safetensors"
    outcome = train(
        JudgeSettings(
            str(hed), str(tmp_path / "ced"), str(out), images=1200, batch=20, threads=1,
            other_ced=str(tmp_path / "ced"),
        )
    )  # fmt: skip
    assert outcome.metrics["accuracy doll (other seed)"] > 0.4  # chance: 0.14
    assert out.stat().st_size < 1_000_000
    loaded = Judge.load(out)
    assert loaded.half == 0
    assert "half 0" in out.with_suffix(".md").read_text()


# --- the baseline --------------------------------------------------------------------------------


def test_baseline_copies_the_trackers_coefficients_and_nothing_else():
    profile = synthetic.profile("ann")
    track = synthetic.rig_track(profile, frames=5)
    face_track = synthetic.face_track(frames=5)
    arkit = np.random.default_rng(0).random((5, len(ARKIT_CHANNELS))).astype(np.float32)
    copied = copy_blendshapes(replace(face_track, arkit=arkit), profile, track)
    controls = profile.expression_controls
    columns = [copied.controls.index(c.name) for c in controls]
    units = to_unit(controls, copied.values[:, columns])
    assert np.allclose(units, arkit_to_unit(controls, arkit), atol=1e-6)
    others = [i for i in range(len(copied.controls)) if i not in columns]
    assert np.array_equal(copied.values[:, others], track.values[:, others])
    bare = replace(profile, controls=tuple(replace(c, channels={}) for c in profile.controls))
    assert copies_blendshapes(profile)
    assert not copies_blendshapes(bare)
    with pytest.raises(UsageError, match="no control that stands"):
        copy_blendshapes(face_track, bare, track)


# --- sheets --------------------------------------------------------------------------------------


@pytest.fixture
def rated(tmp_path):
    """Pictures of two groups on sheets."""
    files, truth = [], {}
    for group in ("exprgen/ann", "blendshapes/ann"):
        for i in range(12):
            stem = f"{EXPRESSIONS[i % 7]}_{i:02d}"
            path = tmp_path / group / f"{stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((40, 60, 3), 10 * i, np.uint8))
            files.append(path)
            truth[stem] = EXPRESSIONS[i % 7]
    return sheets.write_sheets(files, truth, tmp_path / "sheets" / "blind", seed=3)


def test_sheets_hide_what_the_key_tells(rated):
    key = read(rated.key)
    assert len(rated.pictures) == 2
    assert [int(n) for n, _ in key] == list(range(1, 25))
    groups = [f.split("/")[-3] for _, f in key]
    assert groups != sorted(groups)  # shuffled across methods
    assert cv2.imread(str(rated.pictures[0])).shape == (4 * 246, 5 * 226, 3)


def test_ratings_are_scored_by_group(rated, tmp_path):
    truth = dict(read(rated.truth))
    answers = tmp_path / "anna.csv"
    with open(answers, "w") as f:
        for number, file in read(rated.key):
            right = truth[file.split("/")[-1].removesuffix(".png")]
            f.write(f"{number}, {right if 'exprgen' in file else 'joy'}\n")
    scored = sheets.score_ratings(rated.key, rated.truth, [answers, answers])
    assert scored["exprgen/ann"].accuracy == 1.0
    assert scored["exprgen/ann"].count == 24
    assert scored["blendshapes/ann"].mean_recall == pytest.approx(1 / 7)
    answers.write_text(answers.read_text().replace("\n", ",,\n"))
    again = sheets.score_ratings(rated.key, rated.truth, [answers])
    assert again["exprgen/ann"].accuracy == 1.0, "as a spreadsheet fills lines up"
    answers.write_text("no.\u00b2,label\n\u00b2,label\n", "utf-8")
    assert not sheets.score_ratings(rated.key, rated.truth, [answers])
    answers.write_text("1,happy\n")
    with pytest.raises(InputError, match="no expression"):
        sheets.score_ratings(rated.key, rated.truth, [answers])


def repainted(rated, grey: int):
    """The first picture of the key looks otherwise, and sheets are written anew."""
    files = [Path(file) for _, file in read(rated.key)]
    cv2.imwrite(str(files[0]), np.full((40, 60, 3), grey, np.uint8))
    return sheets.write_sheets(files, dict(read(rated.truth)), prefix_of(rated), seed=3)


def prefix_of(rated) -> Path:
    return rated.key.with_name("blind")


def test_a_picture_is_decoded_once(rated, monkeypatch):
    looked = []
    decode = sheets.read_image
    monkeypatch.setattr(sheets, "read_image", lambda path: looked.append(path) or decode(path))
    before = [path.read_bytes() for path in rated.pictures]
    files = [Path(file) for _, file in read(rated.key)]
    again = sheets.write_sheets(files, dict(read(rated.truth)), prefix_of(rated), seed=3)
    assert [path.read_bytes() for path in again.pictures] == before
    assert sorted(looked) == sorted(files)


def test_sheets_that_show_something_else_bear_other_numbers(rated, tmp_path):
    answers = tmp_path / "anna.csv"
    answers.write_text("".join(f"{n},joy\n" for n, _ in read(rated.key)))
    same = sheets.write_sheets(
        [Path(file) for _, file in read(rated.key)], dict(read(rated.truth)), prefix_of(rated), 3
    )
    assert [int(n) for n, _ in read(same.key)] == list(range(1, 25))
    sheets.score_ratings(same.key, same.truth, [answers])
    for first in (25, 49):
        other = repainted(rated, 200 + first)
        assert [int(n) for n, _ in read(other.key)] == list(range(first, first + 24))
        with pytest.raises(InputError, match=f"measured anew.* rate the sheets from {first} on"):
            sheets.score_ratings(other.key, other.truth, [answers])
        with pytest.raises(InputError, match="measured anew"):
            sheets.named(other.key, [answers])


def test_sheets_from_before_numbers_were_noted_are_not_taken_for_the_same(rated):
    prefix_of(rated).with_name("blind_numbers.json").unlink()
    (rated.key.parent / "blind_9.png").write_bytes(rated.pictures[0].read_bytes())
    other = repainted(rated, 5)
    assert next(int(n) for n, _ in read(other.key)) == 25
    assert sorted(rated.key.parent.glob("blind_*.png")) == sorted(other.pictures)
    prefix_of(rated).with_name("blind_numbers.json").write_text('{"first": "one"}')
    with pytest.raises(InputError, match="no note of numbers"):
        repainted(rated, 6)


# --- comparisons ---------------------------------------------------------------------------------


def test_correlations_of_features():
    rng = np.random.default_rng(0)
    actor = rng.normal(size=(50, len(GEOMETRIC_FEATURES)))
    character = 0.3 * actor + 5.0
    character[:, 1] *= -1
    character[:, 2] = 0.2
    found = [*agreement.correlations(actor, character).values()]
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(-1)
    assert np.isnan(found[2])


def test_rank_correlation_asks_for_order_only():
    x = np.array([0.1, 0.2, 0.3, 0.9])
    assert correlation.rank_correlation(x, np.exp(9 * x)) == pytest.approx(1)
    assert correlation.rank_correlation(x, -x) == pytest.approx(-1)
    assert abs(correlation.rank_correlation([1, 1, 2, 2], [1, 2, 1, 2])) < 1e-9


def test_consistency_tells_expressions_apart_from_people():
    labels = np.repeat(np.arange(7), 5)
    poses = np.eye(7)[labels]
    noise = np.random.default_rng(0).normal(size=(35, 7))
    clean = agreement.consistency(poses, labels)
    assert clean.ratio == pytest.approx(0, abs=1e-6)
    assert clean.between == pytest.approx(2**0.5)
    assert 0 < agreement.consistency(poses + 0.1 * noise, labels).ratio < 0.5
    assert agreement.consistency(noise, labels).ratio == pytest.approx(1, abs=0.2)


def test_spread_shows_regression_to_the_mean():
    poses = np.random.default_rng(0).normal(size=(60, 5))
    assert agreement.spread(0.4 * poses + 3, poses) == pytest.approx(0.4)


def test_worst_transfers_come_first():
    labels = np.array([3, 3, 3])
    shown = np.full((3, 7), 0.1)
    shown[:, 3] = (0.5, 0.05, 0.3)
    assert agreement.worst(labels, shown, 2).tolist() == [1, 2]


# --- over time -----------------------------------------------------------------------------------


def test_reference_has_held_faces_and_a_way_into_each_expression():
    truth = motion.Truth.load()
    for stretch in motion.held_stretches(truth):
        moved = np.ptp(truth.arkit[stretch], axis=0)
        gaze = [name.startswith("eyeLook") for name in ARKIT_CHANNELS]
        assert moved[~np.array(gaze)].max() < 0.05
    for expression in motion.SEQUENCES:
        frames, start = motion.sequence_frames(truth, expression)
        assert start != expression
        true = motion.true_intensity(truth, frames)
        assert true[0] == 0
        assert true[-1] == pytest.approx(1)
        assert (np.diff(true) > 0).all()


def test_jitter_is_the_deviation_of_noise_and_blind_to_drift():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=(500, 6))
    drift = np.linspace(0, 1, 500)[:, None]
    assert motion.jitter(noise) == pytest.approx(0.01, rel=0.05)
    assert motion.jitter(noise + drift) == pytest.approx(0.01, rel=0.05)
    assert motion.jitter(drift) < 1e-9


@pytest.mark.parametrize("delay", [-1, 0, 2])
def test_blink_delay_is_found(delay):
    truth = motion.lids(motion.Truth.load().arkit)
    found = motion.blinks(truth, 0.8 * np.roll(truth, delay))
    assert len(found) > 3
    assert [b.delay for b in found] == pytest.approx([delay] * len(found), abs=0.01)
    assert all(b.closed == pytest.approx(0.8 * b.true) for b in found)


def test_lost_blink_has_no_delay():
    truth = motion.lids(motion.Truth.load().arkit)
    assert all(np.isnan(b.delay) for b in motion.blinks(truth, np.zeros_like(truth)))


def test_held_clip_repeats_the_still_with_noise(tmp_path):
    from exprgen.networks.footage.media import open_reference

    still = np.tile(np.linspace(40, 200, 64).astype(np.uint8)[:, None, None], (1, 64, 3))
    clip = motion.write_held_clip(tmp_path / "held.mp4", still, frames=6, noise=3.0)
    with open_reference([str(clip)]) as reader:
        frames = np.stack([f.rgb for f in reader]).astype(float)
    assert len(frames) == 6
    assert np.abs(frames.mean(0) - still).mean() < 4
    assert frames.std(0).mean() > 0.3


# --- the report ----------------------------------------------------------------------------------


def test_report_names_every_figure(tmp_path):
    matrix = np.eye(7, dtype=int) * 3
    recognition = Recognition("HCNN", "ferplus/val", matrix, 4).to_json()
    told = dict.fromkeys(("named", "perceived", "human"), recognition)
    group = {
        "own": told,
        "geometry": {"mouth_width": 0.71, "mean": 0.71},
        "consistency": {"within": {"joy": 0.1}, "between": 0.5, "ratio": 0.21},
    }
    figures = {
        "recognition": [recognition],
        "transfer": {
            "pictures": {
                "joy": {"count": 3, "mean_agreement": 0.9, "least_agreement": 0.6,
                        "below": 0, "seen": 0}
            },
            "without_face": [],
            "agreement_at_least": 0.6,
            "judges": [],
            "humans_as_perceived": recognition,
            "groups": {"exprgen/ann": group},
            "files": {},
        },
        "intensity": {
            "joy": {
                "from": "neutral", "frames": [1, 2], "true": [0, 1.0], "units": [0, 1.0],
                "shown": 0.99, "actor": [0.1, 0.9], "character": [0.0, 0.8], "rank": 1.0,
                "alike": 1.0,
            }
        },
        "stability": {
            "jitter": 0.002, "blinks": [{"frame": 3.0, "delay": None, "closed": 1.0, "true": 1.0}]
        },
    }  # fmt: skip
    figures["clip"] = {
        "name": "laugh.mp4", "times": [0.0, 0.5], "actor": [[1 / 7] * 7] * 2,
        "character": [[1 / 7] * 7] * 2, "alike": 0.5,
        "correlation": dict.fromkeys(EXPRESSIONS, 0.3),
    }  # fmt: skip
    text = write_html(figures, tmp_path / "evaluation.html").read_text()
    for words in (
        "HCNN on ferplus/val",
        "exprgen/ann",
        "0.71",
        "neutral to joy",
        "0.002",
        "laugh.mp4",
    ):
        assert words in text
    assert not list(tmp_path.glob("*.part"))


def test_unknown_step_is_refused():
    with pytest.raises(UsageError, match="no step"):
        run_step("guess", {}, silent)


def test_recognition_step_measures_all_there_is(hed, tmp_path, monkeypatch):
    tiny_weights.write(tmp_path, [synthetic.profile("ann")])
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(tmp_path))
    torch.manual_seed(0)
    for half in (0, 1):
        info = WeightsInfo("judge", labels=EXPRESSIONS, input_size=64, training={"half": half})
        save_network(tmp_path / f"judge_{half}.safetensors", judge(), info)
    write_ced(tmp_path / "ced", write_profile(tmp_path, "doll"))
    made = run_step(
        "recognition",
        {"hed": str(hed), "ced": str(tmp_path / "ced"), "parts": ["ferplus/val", "mux/val"]},
        silent,
    )
    names = [(r["network"], r["part"]) for r in made["recognition"]]
    assert names == [
        ("HCNN", "ferplus/val"), ("HCNN", "mux/val"), ("SCNN", "doll/val"),
        ("HCNN as in use", "ferplus/val"), ("HCNN as in use", "mux/val"),
        ("JUDGE", "ferplus/val"), ("JUDGE", "mux/val"), ("JUDGE", "doll/val"),
    ]  # fmt: skip
    counts = {name: r["count"] for name, r in zip(names, made["recognition"], strict=True)}
    in_use = [r for r in made["recognition"] if r["network"] == "HCNN as in use"]
    for r in in_use:
        assert 0.0 <= r["ece"] <= 1.0
        assert sum(n for _, _, n in r["reliability"]) == r["count"]
        assert ("affect" in r) == (tmp_path / "affect_reader.safetensors").is_file()
    page = write_html(made, tmp_path / "evaluation.html").read_text()
    assert "expected calibration error" in page
    assert counts["JUDGE", "ferplus/val"] == counts["HCNN", "ferplus/val"]


def test_a_folder_without_prepared_pictures_is_refused(tmp_path):
    from exprgen.networks.evaluation.steps import recognition

    with pytest.raises(InputError, match="holds no prepared character pictures") as raised:
        recognition(lambda message: None, "", str(tmp_path), [])
    assert raised.value.file == str(tmp_path)


def test_what_is_no_clip_is_refused_before_the_work(tmp_path):
    pytest.importorskip("av")
    synthetic.speaking_clip(tmp_path / "one.mp4", frames=1)
    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "take.csv").write_text("Timecode")
    for name in ("one.mp4", "face.png", ".", "take.csv"):
        with pytest.raises(InputError, match=r"is no clip|holds no pictures") as told:
            run_step("check_clips", {"clips": [str(tmp_path / name)]}, lambda message: None)
        assert Path(told.value.file) == tmp_path / name
    clip = synthetic.speaking_clip(tmp_path / "talk.mp4", frames=2)
    assert run_step("check_clips", {"clips": [str(clip)]}, lambda message: None) == {}
