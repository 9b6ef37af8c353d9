"""Preferences: where the engine runs, how much of the machine it takes, and its cache."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
from bpy.props import IntProperty, StringProperty

from ...networks.errors import ExprGenError
from ...networks.tracking.landmark_model import CACHE_VARIABLE
from ..addon import ADDON
from ..engine import engine_python, python_check

"""The extension's name in Blender's list, whatever repository it came from."""
CHECK = "Check the Engine"
"""Title of the job that looks whether the engine is whole."""
WIDTH = 76
"""Letters of a line of text."""
NICE = 3
"""How far processes step back behind a window. Beside a program that keeps a core busy, one that
steps back by 15 gets a twentieth of it, by 3 a third (docs/measured/runtime_and_zips.md)."""

findings: list[dict] = []
"""What the last check of the engine found (`doctor.Finding`)."""


def _changed(self, context) -> None:
    # A function of its own: Blender evaluates these annotations as text, and a lambda in them would
    # not see this module's names when it is called.
    use()
    if not bpy.app.timers.is_registered(keep):  # not from within a drawing or an update
        bpy.app.timers.register(keep, first_interval=0.1)


class EXPRGEN_AP_preferences(bpy.types.AddonPreferences):
    """ExprGen's preferences"""

    bl_idname = ADDON

    python: StringProperty(
        name="Engine's Python",
        subtype="FILE_PATH",
        description="For trainings, and for the form without packages: a Python that has them, "
        "or the folder of its environment, such as .venv (press H in the file browser to see it); "
        "empty: the one that Blender brings, with the extension's own packages",
        update=_changed,
    )
    threads: IntProperty(
        name="Threads",
        min=0,
        max=256,
        description="Processor threads that jobs may use; 0: all",
        update=_changed,
    )
    cache: StringProperty(
        name="Cache",
        subtype="DIR_PATH",
        description="Folder of the landmark model and of analyses of unsaved files; empty: the "
        "default",
        update=_changed,
    )

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        box = layout.box().column()
        row = box.row(align=True)
        row.prop(self, "python", placeholder=_found_python())
        row.operator("exprgen.check_engine", text="Check", icon="CHECKMARK")
        box.prop(self, "threads")
        box.label(text="The networks run on the processor; jobs step back behind the window.")
        _draw_findings(box)
        box = layout.box().column()
        box.prop(self, "cache", placeholder=str(engine_python.cache_folder()))
        row = box.row(align=True)
        row.label(text=f"{cache_size() / 1e6:.1f} MB")
        row.operator("exprgen.clear_cache", icon="TRASH")
        box = layout.box().column()
        row = box.row(align=True)
        there = model_there()
        text = "Face landmark model" if there else "The face landmark model is missing"
        row.label(text=text, icon="CHECKMARK" if there else "ERROR")
        if not there:
            row.operator("exprgen.fetch_model", icon="IMPORT")
        if not there and not bpy.app.online_access:
            box.label(text="Blender's online access is off (System > Network): nothing is fetched")


class Quiet:
    """A console for `doctor.examine` that passes messages on and prints nothing."""

    def __init__(self, emit):
        self._emit = emit

    def message(self, message: dict) -> None:
        self._emit({"type": "stage", "stage": message.get("stage", "looking")})


def keep() -> None:
    """Save Blender's preferences now, so that a Blender that dies has kept them; not where a person
    saves them by hand, nor over their own in a Blender that was started without these."""
    view = bpy.context.preferences
    if view.use_preferences_save and not bpy.app.factory_startup and not bpy.app.background:
        bpy.ops.wm.save_userpref()


def preferences() -> EXPRGEN_AP_preferences | None:
    """ExprGen's preferences; None where it is not enabled as an add-on (command line, tests)."""
    found = bpy.context.preferences.addons.get(ADDON)
    return found.preferences if found is not None else None


def use() -> None:
    """Start processes as the preferences say from now on."""
    chosen = preferences()
    engine_python.use_engine(
        engine_python.Engine(
            python=bpy.path.abspath(chosen.python) if chosen and chosen.python else "",
            cache=bpy.path.abspath(chosen.cache) if chosen and chosen.cache else own_folder(),
            threads=chosen.threads if chosen else 0,
            nice=0 if bpy.app.background else NICE,
        )
    )
    if not bpy.app.background:
        python_check.look()


def own_folder() -> str:
    """The folder that Blender keeps for an extension's own files, beside the settings; "" where
    ExprGen is no extension, or $EXPRGEN_CACHE_DIR says another."""
    if not ADDON.startswith("bl_ext.") or os.environ.get(CACHE_VARIABLE):
        return ""
    return bpy.utils.extension_path_user(ADDON)


def cache_size() -> int:
    """Bytes in the cache folder."""
    return size_of([engine_python.cache_folder()])


def size_of(paths: list[Path]) -> int:
    """Bytes of files, and of all that is in folders."""
    files = (f for p in paths for f in ([p] if p.is_file() else p.rglob("*")))
    return sum(f.stat().st_size for f in files if f.is_file())


def model_there() -> bool:
    """The landmark model came with the extension or lies in the cache; whether it is whole, the
    check tells."""
    from ...networks.tracking import landmark_model

    places = (landmark_model.BUNDLED, engine_python.cache_folder() / landmark_model.LANDMARK_MODEL)
    path = next((p for p in places if p.is_file()), None)
    return path is not None and path.stat().st_size == landmark_model.LANDMARK_SIZE


def _found_python() -> str:
    try:
        return engine_python.own_python()
    except ExprGenError:
        return "none found"


def _draw_findings(layout) -> None:
    from . import job_timer
    from .text_layout import wrapped

    task = job_timer.queue.running
    if task is not None and task.title == CHECK:
        starved = task.processor.waits
        text = "Checking: waiting for the processor" if starved else "Checking..."
        layout.label(text=text, icon="SORTTIME")
    elif any(t.title == CHECK for t in job_timer.queue.waiting):
        layout.label(text="The check waits for its turn", icon="SORTTIME")
    good = [f for f in findings if f["ok"]]
    if good:
        whole = len(good) == len(findings)
        text = f"{len(good)} of {len(findings)} things that are needed are in order"
        layout.label(text=text, icon="CHECKMARK" if whole else "INFO")
        shown = [f for f in good if f["what"] in _VERSIONS]
        for f in shown:
            layout.label(text=f"{f['what']}: {f['detail']}", icon="BLANK1")
    for text, fix in missing():
        row = layout.row()
        row.alert = True
        row.label(text=text, icon="ERROR")
        error = ExprGenError(text, fix=fix)
        line = python_check.pip_line(error)
        column = layout.column(align=True)
        for part in wrapped(python_check.without_line(error, "by the line below"), WIDTH):
            column.label(text=part, icon="BLANK1")
        if line:
            for part in wrapped(line, WIDTH):
                column.label(text=part, icon="BLANK1")
            row = layout.row()
            row.label(text="", icon="CONSOLE")
            row.operator("exprgen.copy_line", icon="COPYDOWN").line = line


def missing() -> list[tuple[str, str]]:
    """(what is not in order, its fix) of the last check; what one fix mends stands together."""
    together: dict[tuple[str, str], list[str]] = {}
    for f in findings:
        if not f["ok"]:
            together.setdefault((f["detail"], f["fix"]), []).append(f["what"])
    return [(f"{', '.join(names)}: {detail}", fix) for (detail, fix), names in together.items()]


_VERSIONS = ("Blender", "engine's Python", "torch", "mediapipe")
"""What of a whole engine is still told: the rest is of use only where it is missing."""


classes = (EXPRGEN_AP_preferences,)
