"""Every training that Ctrl-C stops goes on, by --resume, to the weights of one that was not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exprgen.networks.models import perceptual
from exprgen.networks.models.headset import HeadsetNetwork
from exprgen.networks.models.layouts import TEACHER_SIZE
from exprgen.networks.models.teacher import teacher
from exprgen.networks.models.weights_io import WeightsInfo, save_network
from exprgen.networks.training import (
    against_neutral,
    cmlp,
    cnn_3d,
    coefficients,
    fcnn,
    hcnn,
    headset,
    headset_character,
    judge,
    kind,
    mouth,
    photographs,
    scnn,
    upper_look,
)
from exprgen.networks.training import teacher as teacher_training
from exprgen.networks.training.shared.datasets import synthetic_faces
from exprgen.networks.vocabulary import EXPRESSIONS
from exprgen.tests.networks.training.test_headset import drawn_person
from exprgen.tests.support import trainings
from exprgen.tests.support.drawn_mouth import mouth_set

torch.set_num_threads(1)

SMALL = 32  # pixels


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Drawn characters, mouths and captures, and networks that nothing has taught."""
    folder = tmp_path_factory.mktemp("room")
    for seed, name in enumerate(("doll", "puppet")):
        profile = trainings.write_profile(folder, name)
        trainings.write_ced(folder / "ced", profile, seed=seed)
    mouth_set(60).save(folder / "mouths.npz")
    (folder / "captures").mkdir()
    for number, split in enumerate(("train", "train", "val")):
        person = drawn_person(number, split, 30)
        person.save(folder / "captures" / f"person_{split}_{number:03d}.npz")
    torch.manual_seed(0)
    info = WeightsInfo("hcnn", labels=EXPRESSIONS, input_size=SMALL)
    for name, network in (("hcnn", "hcnn"), ("hcnn_posed", "hcnn"), ("scnn", "scnn")):
        made = getattr(perceptual, network)()
        save_network(folder / f"{name}.safetensors", made, replace(info, network=network))
    large = WeightsInfo("teacher", labels=EXPRESSIONS, input_size=TEACHER_SIZE)
    save_network(folder / "teacher.safetensors", teacher(), large)
    save_network(folder / "headset.safetensors", HeadsetNetwork().eval(), WeightsInfo("headset"))
    return folder


TRAININGS = {
    "hcnn": (hcnn, "--data drawn:70 --sizes 32:100:0.003,48:100:0.003 --batch 20"),
    "teacher": (teacher_training, "--data drawn:70 --images 24 --batch 8"),
    "coefficients": (coefficients, "--data any --epochs 5 --batch 100 --hidden 16"),
    "against_neutral": (against_neutral, "--data any --no-pixels --epochs 5 --batch 100"),
    "photographs": (
        photographs, "--data any --epochs 3 --batch 50 --hidden 8 --heads 2 --looks 0"
    ),
    "upper_look": (
        upper_look, "--data any --init ROOM/hcnn.safetensors --images 120 --batch 30 --variants 1"
    ),
    "kind": (kind, "--data any --ced ROOM/ced --images 80 --batch 20"),
    "judge": (judge, "--data any --ced ROOM/ced --images 80 --batch 20"),
    "mouth": (mouth, "--data ROOM/mouths.npz --images 60 --batch 15"),
    "scnn": (
        scnn, "--ced ROOM/ced --init ROOM/hcnn.safetensors --epochs 1 --batch 30 --variants 2"
    ),
    "fcnn": (
        fcnn, "--data any --ced ROOM/ced --primary ROOM/doll.json --hcnn ROOM/hcnn.safetensors "
        "--scnn ROOM/scnn.safetensors --epochs 2 --variants 2",
    ),
    "rig": (
        cnn_3d, "--data any --ced ROOM/ced --primary ROOM/doll.json --init ROOM/hcnn.safetensors "
        "--epochs 2 --variants 2 --scnn ROOM/scnn.safetensors --consistency 0.1",
    ),
    "cmlp": (
        cmlp, "--ced ROOM/ced --primary ROOM/doll.json --secondary ROOM/puppet.json --epochs 200"
    ),
    "headset": (headset, "--data ROOM/captures --images 96 --batch 32 --no-augment"),
    "headset_character": (
        headset_character, "--data ROOM/captures --backbone ROOM/headset.safetensors "
        "--character mira --images 120 --batch 40 --anew 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_stopped_and_resumed_it_is_the_same(room, tmp_path, monkeypatch, name):
    module, words = TRAININGS[name]
    people = synthetic_faces(140, seed=1, size=64)
    sources = np.array([f"{i}.png" for i in range(len(people))])
    known = {
        "load_faces": people,
        "load_hed": people,
        "load_table": {"source": sources, "split": people.split},
        "subjects_of": np.full(len(people), ""),
    }
    for reader in known.keys() & vars(module).keys():
        monkeypatch.setattr(module, reader, lambda folder, given=known[reader]: given)
    monkeypatch.setenv("EXPRGEN_WEIGHTS_DIR", str(room))
    words = words.replace("ROOM", str(room)).split()
    trainings.check_resumed(
        module.main, [*words, "--threads", "1"], tmp_path, monkeypatch, which=1 + (name == "rig")
    )
