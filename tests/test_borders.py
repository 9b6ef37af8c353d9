"""The borders of the house: no Blender in networks/, no arrow up, no circle.

Imports are read as text, those inside functions too, so a lazy import is an arrow like any other.
"""

import ast
import functools
import graphlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLENDER = ("bpy", "mathutils", "bmesh", "bl_ui", "gpu", "gpu_extras", "addon_utils", "aud", "blf")

NETWORKS = (
    "vocabulary errors names records reading messages arrays owners files locks cores packages "
    "memory spans phrases settings progress track",
    "characters footage tracking models inference perception face_model head_rig solving live "
    "training evaluation",
    "pipeline worker",
)
ADDON = (
    "addon",
    "rigs engine characters keying actor_head studio profiling exchange head_rig command_line "
    "window",
    "packaging",
)
"""The rooms of both halves from the ground up (docs/architecture.md): what stands alone at the
bottom, the wings in the order in which data passes through them, what composes them."""

PATHS = {
    ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
    for half in ("networks", "exprgen_addon")
    for p in sorted((ROOT / half).rglob("*.py"))
    if "presets" not in p.parts
}


def arrows(name: str, text: str | None = None) -> list[tuple[str, int]]:
    """(module, line) of every import of a module of the project."""
    path = PATHS[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(text or path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = _base(package, node)
            for alias in node.names if base is not None else ():
                full = f"{base}.{alias.name}".lstrip(".")
                found += [(m, node.lineno) for m in (full, base) if m in PATHS][:1]
        elif isinstance(node, ast.Import):
            names = [a.name.removeprefix("exprgen.") for a in node.names]
            found += [(m, node.lineno) for m in names if m in PATHS]
    return found


def _base(package: str, node: ast.ImportFrom) -> str | None:
    """The dotted name that an import's names are looked up in, seen from the project's root."""
    if not node.level:
        inside = (node.module or "").partition(".")[0] == "exprgen"
        return node.module.removeprefix("exprgen").lstrip(".") if inside else None
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def floor(name: str) -> int:
    """How high a module's room lies in its half."""
    half, _, rest = name.partition(".")
    order = NETWORKS if half == "networks" else ADDON
    room = rest.partition(".")[0]
    if not room:
        return 99  # the half's own door
    ground, wings, top = (rooms.split() for rooms in order)
    if room in ground:
        return 0
    if room in wings:
        return 1 + wings.index(room)
    return 50 + top.index(room)  # ValueError: a room that nobody planned


def where(name: str, line: int) -> str:
    return f"{PATHS[name].relative_to(ROOT)}:{line}"


def test_every_room_has_its_place():
    planned = {room for order in (NETWORKS, ADDON) for part in order for room in part.split()}
    rooms = {name.split(".")[1] for name in PATHS if "." in name}
    assert rooms <= planned, f"say in {__file__} and docs/architecture.md where they stand"


def test_nothing_reaches_up():
    wrong = [
        f"{where(name, line)} imports {target}: put what both need into the lower wing"
        for name in PATHS
        for target, line in arrows(name)
        if name.partition(".")[0] == target.partition(".")[0] and floor(target) > floor(name)
    ]
    wrong += [
        f"{where(name, line)} imports {target}: networks/ must not know the add-on"
        for name in PATHS
        for target, line in arrows(name)
        if name.startswith("networks") and target.startswith("exprgen_addon")
    ]
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    lines = {name: dict(reversed(arrows(name))) for name in PATHS}
    graph = {name: {t for t in found if t != name} for name, found in lines.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        ring = error.args[1]
        # graphlib names what is needed first; each import stands in the module that follows.
        ends = [f"{where(b, lines[b][a])} imports {a}" for a, b in itertools.pairwise(ring)]
        pytest.fail("a circle, break it at one of:\n" + "\n".join(ends))


@pytest.mark.parametrize("half", ["networks"])
def test_networks_do_not_name_blender(half):
    wrong = []
    for name, path in PATHS.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))) if name.startswith(half) else ():
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            if any(n.partition(".")[0] in BLENDER for n in names):
                wrong.append(
                    f"{where(name, node.lineno)} imports {names[0]}: move it to the add-on"
                )
    assert not wrong, "\n".join(wrong)


CODE = """
import importlib, importlib.abc, pkgutil, sys

class NoBlender(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bpy", "mathutils", "bmesh"):
            raise ImportError(f"networks/ asked for {name}")

sys.meta_path.insert(0, NoBlender())
import exprgen.networks
found = [m.name for m in pkgutil.walk_packages(exprgen.networks.__path__, "exprgen.networks.")]
for name in found:
    importlib.import_module(name)
assert not any(m == "exprgen.exprgen_addon" or m.startswith("exprgen.exprgen_addon.")
               for m in sys.modules), "networks/ imports exprgen_addon/"
print(len(found))
"""


def test_networks_run_without_blender():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 20


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from ..errors import UsageError", ["networks.errors"]),
        ("def f():\n    from . import smoothing", ["networks.solving.smoothing"]),
        ("from exprgen.networks import track", ["networks.track"]),
        ("import exprgen.networks.track", ["networks.track"]),
        ("from numpy import array\nimport torch", []),
    ],
)
def test_imports_are_found(text, found):
    name = "networks.solving.emphasis"
    assert [m for m, _ in arrows(name, text=text)] == found


def test_what_is_asked_of_a_module_is_there():
    """Also by what only a window runs: no import fails late, no name is one that was renamed."""
    assert [f for name in PATHS for f in _missing(name)] == []


def test_a_name_that_is_gone_is_found():
    name = "exprgen_addon.window.operators.choose_poses"
    asked = "def look():\n    from ...profiling import pose_proposals\n    pose_proposals.GONE\n"
    assert list(_missing(name, asked)) == [f"{where(name, 3)}: pose_proposals.GONE"]
    lazy = "def look():\n    from ...profiling.pose_proposals import gone\n"
    assert list(_missing(name, lazy)) == [f"{where(name, 2)}: pose_proposals.gone"]


def _missing(name: str, text: str | None = None):
    """What a module asks of others of the project that they don't have."""
    path = PATHS[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(text or path.read_text("utf-8"))
    known: dict[str, str] = {}
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)):
        base = _base(package, node)
        for alias in node.names if base is not None else ():
            full = f"{base}.{alias.name}".lstrip(".")
            if full in PATHS:
                known[alias.asname or alias.name] = full
            elif base in PATHS and alias.name not in _names(base):
                yield f"{where(name, node.lineno)}: {base.rpartition('.')[2]}.{alias.name}"
    known = {local: module for local, module in known.items() if local not in _bound(tree)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        module = known.get(node.value.id)
        if module and f"{module}.{node.attr}" not in PATHS and node.attr not in _names(module):
            yield f"{where(name, node.lineno)}: {node.value.id}.{node.attr}"


def _bound(tree: ast.AST) -> set[str]:
    """Names that something in a file is assigned to."""
    stored = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return stored | {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}


@functools.cache
def _names(module: str) -> frozenset[str]:
    """What a module's own text defines at its top, whatever it stands within there."""
    found, todo = set(), [*ast.parse(PATHS[module].read_text("utf-8")).body]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Name):
            found.add(node.id)
        todo += ast.iter_child_nodes(node)
    return frozenset(found | {"__name__", "__file__", "__doc__", "__package__", "__path__"})


def test_nothing_that_is_shipped_loads_factory_settings():
    """Blender then takes the packages of every extension off the disk (see `close_scene`)."""
    calls = [
        f"{name}:{node.lineno}"
        for name, path in PATHS.items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "read_factory_settings"
    ]
    assert calls == []
