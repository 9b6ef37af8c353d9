"""The examination of an installation: the weights that ship are whole, what is wrong is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from exprgen.exprgen_addon.command_line import main
from exprgen.networks.characters.profile import sample_characters
from exprgen.networks.errors import EXIT_MODEL
from exprgen.networks.models.weights_io import load_network, save_network
from exprgen.networks.models.weights_places import WEIGHTS, WEIGHTS_VARIABLE
from exprgen.networks.perception import weights_check
from exprgen.networks.perception.weights_check import examine_weights


@pytest.fixture(scope="module")
def characters():
    return sample_characters()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the weights that ship, to be damaged."""
    copy = tmp_path / "weights"
    shutil.copytree(WEIGHTS, copy)
    monkeypatch.setenv(WEIGHTS_VARIABLE, str(copy))
    return copy


def wrong(characters) -> dict[str, dict]:
    """What is not in order, by its name; every such finding says how to mend it."""
    findings = examine_weights(characters)
    assert all(bool(f["fix"]) != f["ok"] for f in findings)
    return {f["what"].removeprefix("weights "): f for f in findings if not f["ok"]}


def test_everything_that_ships_is_in_order(characters):
    findings = examine_weights(characters)
    assert [f for f in findings if not f["ok"]] == []
    told = " ".join(f["detail"] for f in findings)
    assert all(p.name in told for p in WEIGHTS.glob("*.safetensors"))
    primary, *others = (c.name for c in characters)
    for other in others:
        found = next(f for f in findings if f["what"] == f"weights C-MLP {primary} to {other}")
        assert f"for {primary} to {other}" in found["detail"]
    assert "15 MB at most" in findings[-1]["detail"]


def test_missing_files_are_named(characters, folder):
    assert wrong(characters) == {}
    for name in ("hcnn", "judge_1", "fcnn_mira"):  # the last two are known by their cards alone
        (folder / f"{name}.safetensors").unlink()
    (folder / "kind.md").unlink()
    found = wrong(characters)
    assert set(found) == {"HCNN", "judge_1", "fcnn_mira", "kind network"}
    assert "judge_1.safetensors: does not exist" in found["judge_1"]["detail"]
    assert "kind.md" in found["kind network"]["detail"]


def test_damaged_files_are_named(characters, folder):
    cut, flipped = folder / "scnn.safetensors", folder / "judge_0.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1000])
    data = bytearray(flipped.read_bytes())
    data[-3] ^= 1
    flipped.write_bytes(data)
    (folder / "spare.safetensors").write_text("weights")
    found = wrong(characters)
    assert set(found) == {"SCNN", "judge_0", "spare"}
    assert "damaged" in found["SCNN"]["detail"]
    assert "judge_0.md describes" in found["judge_0"]["detail"]


def test_exchanged_files_are_named(characters, folder):
    shutil.copy(folder / "hcnn.safetensors", folder / "scnn.safetensors")
    primary, first, second = (c.name for c in characters[:3])
    name = f"character_mlp_{primary}_{{}}.safetensors".format
    shutil.copy(folder / name(first), folder / name(second))
    found = wrong(characters)
    assert set(found) == {"SCNN", f"C-MLP {primary} to {second}"}
    assert "'hcnn', not 'scnn'" in found["SCNN"]["detail"]
    assert f"serves {primary} to {first}" in found[f"C-MLP {primary} to {second}"]["detail"]


def test_numbers_that_are_none_are_named(characters, folder):
    path = folder / "kind.safetensors"
    network, info = load_network(path)
    with torch.no_grad():
        network.fc.bias[0] = torch.nan
    save_network(path, network, info)
    assert "not finite" in wrong(characters)["kind network"]["detail"]


def test_a_rebuilt_character_needs_new_networks(characters, folder):
    primary, other = characters[:2]
    controls = tuple(c for c in other.controls if c is not other.expression_controls[0])
    rebuilt = [primary, replace(other, controls=controls), *characters[2:]]
    found = wrong(rebuilt)
    assert set(found) == {f"C-MLP {primary.name} to {other.name}"}
    assert "train it again" in found[f"C-MLP {primary.name} to {other.name}"]["fix"]


def test_too_much_weight_is_told(characters, folder, monkeypatch):
    monkeypatch.setattr(weights_check, "SIZE_LIMIT", 1_000_000)
    assert set(wrong(characters)) == {"together"}


def test_doctor_exits_with_the_code_of_a_model_error(folder, capfd):
    (folder / "coefficient_reader.safetensors").unlink()
    code = main.main(["doctor", "--json"])
    data = json.loads(capfd.readouterr().out)
    assert code == EXIT_MODEL
    assert [f["what"] for f in data["findings"] if not f["ok"]][-1] == "weights coefficient reader"
