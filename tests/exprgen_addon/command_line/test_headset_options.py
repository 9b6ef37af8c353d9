"""`exprgen analyse --headset`: what makes no sense is refused before any work."""

import pytest

from exprgen.exprgen_addon.command_line.main import main
from exprgen.networks.errors import EXIT_USAGE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--calibrate", "3"], "--calibrate is of --headset"),
        (["--network", "own.safetensors"], "--network is of --headset"),
        (["--headset", "--calibrate", "-1"], "seconds from 0 up"),
        (["--headset", "--face", "left"], "--face and --primary are not of --headset"),
        (["--headset", "--primary", "mira"], "--face and --primary are not of --headset"),
    ],
)
def test_options_of_a_headset_alone(tmp_path, capsys, words, told):
    out = tmp_path / "track.npz"
    assert main(["analyse", *words, "clip.mp4", "--out", str(out)]) == EXIT_USAGE
    assert told in capsys.readouterr().err
    assert not out.exists()
