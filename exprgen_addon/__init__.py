"""All of Blender: the extension's operators, panels and rig families."""

from __future__ import annotations

_command = None
_keys: list[tuple] = []
_registered: list[type] = []


def _classes() -> tuple[type, ...]:
    from .window import operators, panels, preferences, scene_settings

    return (
        *scene_settings.classes,
        *preferences.classes,
        *operators.classes(),
        *panels.classes(),
    )


def register() -> None:
    """Register classes, settings, Esc, what is drawn, and `blender --command exprgen`."""
    global _command
    import bpy

    from .engine import python_check
    from .window import (
        add_menu,
        exchange_menus,
        job_timer,
        lip_curve,
        perception_curve,
        preferences,
        scene_settings,
    )
    from .window.panels import status_bar

    for cls in _classes():
        bpy.utils.register_class(cls)
        _registered.append(cls)
    scene_settings.register()
    perception_curve.register()
    lip_curve.register()
    status_bar.register()
    add_menu.register()
    exchange_menus.register()
    _register_presets(True)
    _register_handlers()
    _register_keys()
    python_check.listeners.append(job_timer.redraw)
    preferences.use()
    _command = bpy.utils.register_cli_command("exprgen", _run_command)


def unregister() -> None:
    """Undo `register`, in reverse; jobs that run are ended."""
    global _command
    import bpy

    from .characters import casting
    from .engine import engine_python, python_check
    from .window import (
        add_menu,
        exchange_menus,
        job_timer,
        lip_curve,
        live_clarity,
        live_drive,
        perception_curve,
        references,
        review,
        scene_settings,
    )
    from .window.panels import status_bar

    if _command is not None:
        bpy.utils.unregister_cli_command(_command)
        _command = None
    live_drive.forget()
    live_clarity.switch(False)
    live_clarity.close()
    python_check.forget()
    python_check.listeners.clear()
    job_timer.close()
    _unregister_keys()
    _unregister_handlers()
    _register_presets(False)
    exchange_menus.unregister()
    add_menu.unregister()
    status_bar.unregister()
    lip_curve.unregister()
    perception_curve.unregister()
    review.forget()
    references.forget()
    casting.forget()
    scene_settings.unregister()
    while _registered:
        bpy.utils.unregister_class(_registered.pop())
    engine_python.use_engine(engine_python.Engine())


def _run_command(words: list[str]) -> int:
    from .command_line.main import main

    return main(list(words))


# --- what else is registered ---------------------------------------------------------------------


def _before_load(*_) -> None:
    """Another file: what runs belongs to the one that goes."""
    import bpy

    from .window import job_timer, live_clarity, live_drive, references, review

    live_drive.forget()
    live_clarity.switch(False)
    job_timer.abandon("ended by opening a file")
    references.forget()
    review.forget()
    if bpy.context.window_manager is not None:
        bpy.context.window_manager.exprgen["live"] = False


def _after_load(*_) -> None:
    from .window import kept_in_file

    kept_in_file.after_load()


def _after_frame(scene, *_) -> None:
    from .window import reference_overlay

    reference_overlay.follow_frame(scene)


def _after_undo(*_) -> None:
    import bpy

    from .window import live_clarity, live_drive, reference_overlay, review

    live_clarity.rebind()
    live_drive.rebind()
    review.follow(bpy.context.scene)
    reference_overlay.catch_up(bpy.context.scene)


def _before_save(path: str = "", *_) -> None:
    from .window import kept_in_file, live_drive

    live_drive.put_back()  # the file holds the pose of before, not a moment of a session
    kept_in_file.before_save(path)


def _after_save(path: str = "", *_) -> None:
    from .window import kept_in_file

    kept_in_file.after_save(path)


def _after_failed_save(*_) -> None:
    from .window import kept_in_file

    kept_in_file.put_back()


def _handlers() -> tuple[tuple[list, object], ...]:
    from bpy.app import handlers

    return (
        (handlers.load_pre, _before_load),
        (handlers.load_post, _after_load),
        (handlers.frame_change_post, _after_frame),
        (handlers.undo_post, _after_undo),
        (handlers.redo_post, _after_undo),
        (handlers.save_pre, _before_save),
        (handlers.save_post, _after_save),
        (handlers.save_post_fail, _after_failed_save),
    )


def _register_handlers() -> None:
    from bpy.app.handlers import persistent

    for functions, function in _handlers():
        functions.append(persistent(function))


def _unregister_handlers() -> None:
    for functions, function in _handlers():
        if function in functions:
            functions.remove(function)


def _register_keys() -> None:
    """Esc stops the running job; where none runs it does what it always did."""
    import bpy

    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:  # without a window
        return
    keymap = configuration.keymaps.new(name="Screen", space_type="EMPTY")
    _keys.append((keymap, keymap.keymap_items.new("exprgen.cancel_job", "ESC", "PRESS")))


def _unregister_keys() -> None:
    while _keys:
        keymap, item = _keys.pop()
        keymap.keymap_items.remove(item)


def _register_presets(on: bool) -> None:
    """The presets that ship with ExprGen; Blender looks for `presets/` in the folder."""
    from pathlib import Path

    import bpy

    change = "register_preset_path" if on else "unregister_preset_path"
    if hasattr(bpy.utils, change):
        getattr(bpy.utils, change)(str(Path(__file__).resolve().parent / "window"))
