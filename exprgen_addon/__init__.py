"""All of Blender: the extension's operators, panels and rig families."""

from __future__ import annotations

_command = None


def _classes() -> tuple[type, ...]:
    from . import operators, panels

    return (*operators.classes(), *panels.classes)


def register() -> None:
    """Register every class, and `blender --command exprgen`."""
    global _command
    import bpy

    for cls in _classes():
        bpy.utils.register_class(cls)
    _command = bpy.utils.register_cli_command("exprgen", _run_command)


def unregister() -> None:
    """Undo `register`, in reverse."""
    global _command
    import bpy

    if _command is not None:
        bpy.utils.unregister_cli_command(_command)
        _command = None
    for cls in reversed(_classes()):
        bpy.utils.unregister_class(cls)


def _run_command(words: list[str]) -> int:
    from .cli import main

    return main(list(words))
