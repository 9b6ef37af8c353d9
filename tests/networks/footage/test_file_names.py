"""Files are read and written by Python, which knows every file name; OpenCV only sees bytes."""

import re
from pathlib import Path

import exprgen

# A camera is opened by its number.
BY_NAME = re.compile(
    r"cv2\.(imread\w*|imwrite\w*|imcount|VideoCapture(?!\(self\._number\))|VideoWriter|FileStorage|haveImageReader)\b"
    r"|model_asset_path"
)


def test_no_library_opens_a_file_by_name_that_fails_on_windows():
    root = Path(exprgen.__path__[0])
    sources = [p for part in ("networks", "exprgen_addon") for p in (root / part).rglob("*.py")]
    assert len(sources) > 100
    found = [
        f"{p.relative_to(root)}: {m[0]}"
        for p in sources
        for m in BY_NAME.finditer(p.read_text(encoding="utf-8"))
    ]
    assert found == []
