"""Another Blender without a window, or a bare Python, that runs a module of this package."""

from __future__ import annotations

import os
import sys

from ..addon import PACKAGE_ROOT


def package_code(module: str) -> str:
    """Python code that runs `main` of a module of this package in a bare interpreter.

    The package is loaded from its folder under its plain name, so that it need not be installed
    there, nor the extension be enabled. `main` gets the words after the code, and its result ends
    the process.
    """
    root = str(PACKAGE_ROOT)
    return (
        "import importlib, importlib.util as u, sys; "
        f"s = u.spec_from_file_location('exprgen', {os.path.join(root, '__init__.py')!r}, "
        f"submodule_search_locations=[{root!r}]); "
        "m = u.module_from_spec(s); sys.modules['exprgen'] = m; s.loader.exec_module(m); "
        "words = sys.argv[sys.argv.index('--') + 1:] if '--' in sys.argv else sys.argv[1:]; "
        f"sys.exit(importlib.import_module('exprgen.{module}').main(words))"
    )


def blender_command(module: str) -> list[str]:
    """The command that runs `main` of a module of this package, with the words that follow, in a
    Blender without a window."""
    import bpy

    code = package_code(module)
    if bpy.app.binary_path:
        return [
            bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1",
            "--python-expr", code, "--",
        ]  # fmt: skip
    return [sys.executable, "-c", code]
