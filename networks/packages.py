"""The packages that the engine's Python needs: which are missing, and the line that installs them.

Needs none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec

from .errors import ModelError

PACKAGES = {
    "numpy": "numpy",
    "mediapipe": "mediapipe",
    "cv2": "opencv-contrib-python",
    "av": "av",
    "safetensors": "safetensors",
    "threadpoolctl": "threadpoolctl",
}
"""Module -> the name that pip knows it by."""

TRAINING = {"torch": "torch"}
"""What trainings and evaluations need beside them."""


def missing(modules: Iterable[str] = PACKAGES) -> list[str]:
    """The modules that this Python has not; imports none of them."""
    return [module for module in modules if find_spec(module) is None]


def pip_line(python: str, modules: Sequence[str]) -> str:
    """The line for a terminal that installs modules into a Python."""
    names = [PACKAGES.get(module, module) for module in modules]
    return f'"{python}" -m pip install {" ".join(names)}'


def lacking(modules: Sequence[str], python: str = "") -> ModelError:
    """The error for an engine without some modules.

    Args:
        python: the engine's Python, where it is known; then the fix holds its `pip_line` in
            backticks.
    """
    names = ", ".join(PACKAGES.get(module, module) for module in modules)
    if {*modules} <= {*TRAINING}:
        names += " (only trainings and evaluations need it)"
    count = "a package" if len(modules) == 1 else f"{len(modules)} packages"
    line = f" with `{pip_line(python, modules)}`" if python else " there"
    return ModelError(
        f"the engine's Python lacks {count}: {names}",
        file=python or None,
        fix=f"install what is missing{line}, or choose another Python in the preferences "
        "(Engine's Python) or by EXPRGEN_PYTHON",
    )
