"""Options of a retarget: what is no number is refused before any work."""

import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.command_line import main
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.networks.errors import EXIT_USAGE, UsageError

RETARGET = ["retarget", "clip.mp4", "--primary", "mira", "--out", "x.blend"]


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "1e300", "x"])
@pytest.mark.parametrize(
    "option",
    ["--range={}:2", "--range=1:{}", "--calibrate={}", "--emphasis={}", "--gain=mouth={}",
     "--smoothing-eyes={}", "--fps={}", "--start-frame={}", "--reduce={}"],
)  # fmt: skip
def test_what_is_no_number_is_refused(option, number, capfd):
    assert main.main([*RETARGET, option.format(number)]) == EXIT_USAGE
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert number in said


def test_a_frame_that_blender_has_not_is_refused():
    with pytest.raises(UsageError, match="no frame"):
        KeyOptions(start_frame=1e9)
    with pytest.raises(UsageError, match="no frame"):
        KeyOptions(start_frame=float("nan"))
