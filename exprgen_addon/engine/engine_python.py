"""The engine's Python: which one runs the worker, and in what environment. No Blender."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ...networks.cores import CORES_VARIABLE
from ...networks.errors import ExprGenError, ModelError
from ...networks.tracking.landmark_model import cache_dir
from ...networks.worker import NICE_VARIABLE

PYTHON_VARIABLE = "EXPRGEN_PYTHON"


@dataclass(frozen=True)
class Engine:
    """What the worker runs in and how; the preferences' choice in Blender.

    python: its Python or its environment's folder, "" for the one that is found. cache: folder of
    models and tracks, "" for the default. threads: of the processor, 0 for all. nice: how far it
    steps back behind the window (POSIX niceness, 0..19).
    """

    python: str = ""
    cache: str = ""
    threads: int = 0
    nice: int = 0


_engine = Engine()


def use_engine(engine: Engine) -> None:
    """Start processes like this from now on; those that run stay as they are."""
    global _engine
    _engine = engine


def engine() -> Engine:
    """What processes are started with."""
    return _engine


def cache_folder() -> Path:
    """Where models and the tracks of unsaved files are kept."""
    return Path(_engine.cache) if _engine.cache else cache_dir()


TOO_OLD = ("needs Python 3.11", "future feature annotations is not defined")
"""What a Python before 3.11, or before 3.7, says of the engine's file."""

BROKEN = ("Fatal Python error", "ImportError: ")
"""What a Python says that can't start, or whose packages can't be loaded."""


def worker_python() -> str:
    """The Python that runs the worker.

    $EXPRGEN_PYTHON; else the one chosen in the preferences; else the Python that runs this, in
    Blender the one that Blender brings. The first two may name a folder: see `python_in`.

    Raises:
        ModelError: the folder holds no Python. ExprGenError: none was found.
    """
    given = os.environ.get(PYTHON_VARIABLE) or _engine.python
    if given:
        return python_in(given)
    return own_python()


def python_in(path: str) -> str:
    """A Python by its path, or by that of its environment (such as .venv) or its bin folder.

    Raises:
        ModelError: the folder holds no Python.
    """
    folder = Path(path)
    if not folder.is_dir():
        return path
    for place in (folder / "bin", folder / "Scripts", folder):
        for name in ("python", "python3", "python.exe"):
            # Not resolved: an environment is known by the link that it is started by.
            if (place / name).is_file():
                return str(place / name)
    raise ModelError(
        "is a folder without a Python",
        file=path,
        fix="choose an environment's folder or its python in the preferences (Engine's Python), "
        f"or set {PYTHON_VARIABLE}",
    )


def own_python() -> str:
    """The Python that runs this, in Blender the one that Blender brings.

    Raises:
        ExprGenError: none was found.
    """
    if Path(sys.executable).name.lower().startswith("python"):
        return sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (Path(sys.prefix) / "bin", Path(sys.base_prefix) / "bin"):
        for name in (version, "python3", "python", "python.exe"):
            if (folder / name).is_file():
                return str(folder / name)
    raise ExprGenError(
        "no Python was found to run the networks in",
        fix=f"choose one in ExprGen's preferences, or set {PYTHON_VARIABLE}",
    )


def worker_environment() -> dict[str, str]:
    """Environment of a process that runs in `worker_python`: the packages that this Python sees.

    What the user's own PYTHONPATH and PYTHONHOME say is meant for another Python: the worker finds
    its package by its own path.
    """
    environment = command_environment()
    for name in ("PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    if PYTHON_VARIABLE not in os.environ and not _engine.python:
        # Blender keeps extensions' packages in a folder that its Python alone does not look at.
        packages = [p for p in sys.path if Path(p).name == "site-packages" and Path(p).is_dir()]
        environment["PYTHONPATH"] = os.pathsep.join(packages)
    return environment


def threads_environment(threads: int) -> dict[str, str]:
    """What tells a process and its libraries how many threads they may use."""
    return {CORES_VARIABLE: str(threads), "OMP_NUM_THREADS": str(threads)}


def command_environment() -> dict[str, str]:
    """Environment of a process that runs in Blender: the engine's choices."""
    environment = dict(os.environ)
    environment["GLOG_minloglevel"] = environment.get("GLOG_minloglevel", "2")
    # Threads that wait shall sleep. By default they spin, which on a busy machine keeps the one
    # waited for from running: a picture's reading took 0.5 s instead of 0.025 s.
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if _engine.python:
        environment.setdefault(PYTHON_VARIABLE, _engine.python)
    if _engine.cache:
        environment.setdefault("EXPRGEN_CACHE_DIR", _engine.cache)
    if _engine.threads:
        environment |= threads_environment(_engine.threads)
    if _engine.nice:
        environment[NICE_VARIABLE] = str(_engine.nice)
    return environment
