"""Cameras in a headset: lens, the 3D augmentation layer, and what a training makes of captures."""

import numpy as np
import pytest
import torch

from exprgen.networks.errors import InputError
from exprgen.networks.inference.headset import HeadsetReader
from exprgen.networks.inference.opening import opened
from exprgen.networks.models.headset import headset_codes
from exprgen.networks.models.weights_io import load_network
from exprgen.networks.training import headset
from exprgen.networks.training.shared.headset_augment import (
    COARSE,
    Move,
    displaced,
    draw_background,
    seen_anew,
)
from exprgen.networks.training.shared.headset_lens import Cameras, looking, turn
from exprgen.networks.training.shared.headset_set import CHANGES, DEPTH_UNIT, HeadsetPerson
from exprgen.networks.vocabulary import ARKIT_INDEX, HEADSET_SIZE

torch.set_num_threads(1)
FOCAL = 32.0


def camera(bend: float = 0.0, roll: float = 0.0) -> Cameras:
    """Before the face's middle, 60 mm away."""
    middle = np.full(2, (HEADSET_SIZE - 1) / 2)
    return looking(np.array([0.0, 0, 60]), np.zeros(3), roll, FOCAL, middle, bend)


@pytest.mark.parametrize("bend", [-0.08, 0.0, 0.12])
def test_a_pixels_ray_is_pictured_on_the_pixel(bend):
    lens = camera(bend, roll=0.2)
    rays = lens.rays(HEADSET_SIZE)
    y, x = np.mgrid[:HEADSET_SIZE, :HEADSET_SIZE].reshape(2, -1)
    assert np.allclose(lens.pixels(rays * 37.0), np.stack([x, y], -1), atol=1e-6)
    assert np.allclose(np.linalg.norm(rays, axis=-1), 1)
    again = Cameras.of(lens.rows)
    assert np.allclose(again.rays(HEADSET_SIZE), rays)


def test_what_is_to_the_actors_left_is_to_the_right():
    at = camera().pixels(camera().seen(np.array([[5.0, 0, 0], [0.0, 5, 0]]))) - camera().middle
    assert at[0, 0] > 2
    assert abs(at[0, 1]) < 1e-9
    assert at[1, 1] < -2


def wall(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures of a smooth wall around a camera at 50 mm: (pictures, depth, cameras)."""
    import cv2

    side = HEADSET_SIZE
    coarse = rng.uniform(0, 255, (8, 8)).astype(np.float32)
    picture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(picture, 0, 255).astype(np.uint8)[None]
    depth = np.full((1, side, side), 50 / DEPTH_UNIT, np.uint8)
    return picture, depth, camera(0.05).rows[None]


def test_without_a_move_a_picture_is_itself():
    picture, depth, rows = wall(np.random.default_rng(0))
    depth[:, :, :9] = 0
    assert np.abs(displaced(depth, rows, Move.none(1))).max() < 1e-3
    assert np.abs(seen_anew(picture, depth, rows, Move.none(1)).astype(int) - picture).max() <= 1


def test_a_shift_lands_where_geometry_says():
    picture, depth, rows = wall(np.random.default_rng(1))
    move = Move(np.zeros(3), np.array([2.35, -2.35, 0.0]), np.ones(1))
    carried = displaced(depth, rows, move)[0]
    middle = HEADSET_SIZE // 2 // COARSE
    # 2.35 mm aside at 50 mm are 0.047 radians; downwards is down.
    assert carried[middle, middle] == pytest.approx([FOCAL * 0.047, FOCAL * 0.047], rel=0.03)
    anew = seen_anew(picture, depth, rows, move)[0].astype(float)
    y, x = np.mgrid[5:19, 5:19]
    landed = COARSE * np.stack([x, y], -1) + (COARSE - 1) / 2 + carried[y, x]
    there = np.round(landed).astype(int)
    near = np.abs(landed - there).max(-1) < 0.2
    squares = picture[0].reshape(HEADSET_SIZE // COARSE, COARSE, -1, COARSE).mean((1, 3))
    before = squares[y, x]
    assert near.sum() > 3
    assert np.abs(anew[there[..., 1], there[..., 0]] - before)[near].mean() < 6


def test_a_turn_of_the_face_and_back_again():
    picture, depth, rows = wall(np.random.default_rng(2))
    there = Move(np.array([0.0, 0.0, 0.1]), np.zeros(3), np.full(1, 1.1))
    back = Move(np.array([0.0, 0.0, -0.1]), np.zeros(3), np.full(1, 1 / 1.1))
    moved = seen_anew(picture, depth, rows, there)
    again = seen_anew(moved, depth, rows, back)[0, 12:-12, 12:-12].astype(int)
    here = picture[0, 12:-12, 12:-12].astype(int)
    assert np.abs(moved[0, 12:-12, 12:-12].astype(int) - here).mean() > 6
    assert np.abs(again - here).mean() < 5
    assert np.allclose(turn(np.array([0, np.pi / 2, 0])) @ [0, 0, 1], [1, 0, 0])


def test_only_what_is_no_face_gets_another_background():
    rng = np.random.default_rng(3)
    picture, depth, rows = wall(rng)
    depth[:, :, : HEADSET_SIZE // 2] = 0
    behind = draw_background(rng, 1, HEADSET_SIZE)
    anew = seen_anew(picture, depth, rows, Move.none(1), behind)[0].astype(float)
    half = HEADSET_SIZE // 2
    assert np.abs(anew[:, half + 2 :] - picture[0, :, half + 2 :]).max() <= 1
    assert np.abs(anew[:, : half - 2] - behind[0, :, : half - 2]).max() <= 1


# --- the training --------------------------------------------------------------------------------


def drawn_person(seed: int, split: str, count: int = 60) -> HeadsetPerson:
    """Eyes that are bars as high as they are open, and a mouth likewise."""
    rng = np.random.default_rng([seed, split == "val"])
    side = HEADSET_SIZE
    truth = np.zeros((count, 52), np.float32)
    amounts = rng.random((count, 3)).astype(np.float32)
    amounts[:6] = 0
    names = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")
    pictures = np.full((count, 3, side, side), 150, np.uint8)
    for view, name in enumerate(names):
        truth[:, ARKIT_INDEX[name]] = amounts[:, view]
        for i, amount in enumerate(amounts[:, view]):
            high = round(3 + 14 * (amount if name == "jawOpen" else 1 - amount))
            pictures[i, view, 24 - high // 2 : 24 - high // 2 + high, 10:38] = 40
    pictures = pictures + rng.integers(0, 20, pictures.shape).astype(np.uint8) + 5 * (seed % 4)
    moves = np.zeros((52, 9, 3), np.float32)
    for k, name in enumerate(names):
        moves[ARKIT_INDEX[name], 3 * k : 3 * k + 3, 1] = -8.0
    rows = np.stack([camera().rows] * 3)
    return HeadsetPerson(
        pictures.astype(np.uint8),
        np.full(pictures.shape, 100, np.uint8),
        truth,
        (np.arange(count) < 6).astype(np.uint8),
        np.zeros(count, np.uint8),
        np.stack([rows] * len(CHANGES)).astype(np.float32),
        moves,
        np.zeros(4, np.float32),
        np.repeat([3, 3, 5], 3).astype(np.uint8),
        split,
    )


@pytest.fixture(scope="module")
def captures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captures")
    for i in range(3):
        drawn_person(i, "train").save(folder / f"person_train_{i:03d}.npz")
    drawn_person(9, "val").save(folder / "person_val_000.npz")
    return folder


def words(captures, out, *more: str) -> list[str]:
    return ["--data", str(captures), "--out", str(out), "--images", "2400", "--batch", "32", *more]


@pytest.fixture(scope="module")
def trained(captures, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights") / "headset.safetensors"
    assert headset.main(words(captures, out, "--no-augment")) == 0
    return out


def test_people_never_seen_are_read(trained, captures):
    network, info = load_network(trained, "headset")
    assert trained.stat().st_size < 105_000
    assert trained.with_suffix(".md").exists()
    found = info.training["metrics"]
    assert found["mm face"] < 0.5 * found["mm still"]
    person = HeadsetPerson.load(captures / "person_val_000.npz")
    rows = np.arange(6, len(person))
    answer = headset.answered(network, person, rows)
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen"):
        column = ARKIT_INDEX[name]
        assert np.corrcoef(answer[:, column], person.truth[rows, column])[0, 1] > 0.8


def test_without_torch_the_answers_are_the_same(trained, captures):
    network, _ = load_network(trained, "headset")
    reader = opened(HeadsetReader, trained, "headset")
    person = HeadsetPerson.load(captures / "person_val_000.npz")
    views = person.pictures[:7]
    codes = headset_codes(network, views)
    assert np.allclose(reader.codes(views), codes.numpy(), atol=1e-3)
    for neutral in (None, codes[:1]):
        with torch.inference_mode():
            own = neutral if neutral is None else neutral.expand_as(codes)
            wanted = network.adapted(codes, own).clamp(0, 1).numpy()
        told = None if neutral is None else neutral[0].numpy()
        assert np.allclose(reader.coefficients(codes.numpy(), told), wanted, atol=1e-4)


def test_one_person_alone_with_augmentation_goes_on_where_it_stopped(captures, tmp_path):
    out = tmp_path / "headset.safetensors"
    own = ["--images", "64", "--person", "1", "--checkpoints", str(tmp_path / "steps")]
    assert headset.main(words(captures, out, *own)) == 0
    assert headset.main(words(captures, out, *own, "--resume")) == 0
    assert headset.main(words(captures, out, *own[:2], "--person", "7")) != 0


def test_what_no_camera_sees_is_not_learned(captures):
    people = [HeadsetPerson.load(captures / "person_train_000.npz")]
    seen = headset.seen_channels(people)
    assert seen[ARKIT_INDEX["jawOpen"]] == seen[ARKIT_INDEX["eyeLookUpLeft"]] == 1
    assert seen[ARKIT_INDEX["tongueOut"]] == 0


def test_the_shape_loss_is_the_mean_square_of_the_errors(captures):
    person = HeadsetPerson.load(captures / "person_train_001.npz")
    rng = np.random.default_rng(4)
    off = rng.normal(0, 0.2, 52).astype(np.float32)
    errors = person.errors(person.truth[7:8] + off, np.array([7]))
    assert off @ person.gram() @ off == pytest.approx((errors**2).mean(), rel=1e-3)


def test_damaged_captures_are_refused(captures, tmp_path):
    with pytest.raises(InputError, match="no captures"):
        headset.load_people(tmp_path)
    broken = tmp_path / "person_000.npz"
    broken.write_bytes((captures / "person_train_000.npz").read_bytes()[:999])
    with pytest.raises(InputError, match=r"person_000|damaged|archive"):
        headset.load_people(tmp_path)
