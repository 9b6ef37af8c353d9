"""The Blender half of ExprGen inside a real Blender, without pip packages.

    blender -b --factory-startup --python tests/support/blender_smoke.py [-- SAVED.blend ...]
    python tests/support/blender_smoke.py [-- SAVED.blend ...]                    (with the bpy
    module)

Registers the extension, appends the sample characters (made-up ones where none are built), keys
them, undoes and redoes, saves, reopens, and opens any given .blend to see that its keys move its
characters. Prints one line a check; the exit code is 1 if any failed.
"""

import importlib.util
import os
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if importlib.util.find_spec("exprgen") is None:
    spec = importlib.util.spec_from_file_location(
        "exprgen", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    sys.modules["exprgen"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["exprgen"])

import bpy
import numpy as np

import exprgen
from exprgen.exprgen_addon.characters import in_scene
from exprgen.exprgen_addon.keying import takes
from exprgen.exprgen_addon.keying.key_options import KeyOptions
from exprgen.networks.characters.profile import sample_characters
from exprgen.tests.support import synthetic


def profiles(folder: Path) -> list:
    found = sample_characters()
    if found:
        return found
    return [synthetic.build(folder, "ann", primary=True), synthetic.build(folder, "bob")]


def largest_miss(scene, tracks) -> float:
    """Largest difference of a rig from its track, as a part of the control's range."""
    worst = 0.0
    for frame in (1, 40, 120):
        scene.frame_set(frame)
        for character, track in zip(in_scene.characters_in(scene), tracks, strict=True):
            for column, name in enumerate(track.controls):
                control = character.profile.control(name)
                for prop in character.bindings[name]:
                    miss = abs(prop.read() - float(track.values[frame - 1, column]) * prop.scale)
                    worst = max(worst, miss / (control.maximum - control.minimum))
    return worst


def check_keying(folder: Path) -> str:
    made = profiles(folder)
    tracks = [synthetic.rig_track(p, frames=472, seed=i) for i, p in enumerate(made)]
    take = takes.build_take(tracks, made, name="Smoke", fps=30.0)
    assert take.report.seconds < 0.5, f"keying took {take.report.seconds:.2f} s"
    miss = largest_miss(bpy.context.scene, tracks)
    assert miss < 1e-4, f"rigs miss their keys by {miss:.2g} of the range"
    out = takes.save_file(folder / "smoke.blend")
    bpy.ops.wm.open_mainfile(filepath=str(out))
    miss = largest_miss(bpy.context.scene, tracks)
    assert miss < 1e-4, f"after reopening by {miss:.2g}"
    return f"{take.report.keys} keys in {take.report.seconds:.3f} s, largest miss {miss:.1e}"


def check_reduction(folder: Path) -> str:
    made = profiles(folder)
    tracks = [synthetic.rig_track(p, frames=472, seed=i) for i, p in enumerate(made)]
    for kind in ("LINEAR", "BEZIER"):
        options = KeyOptions(reduce=0.01, interpolation=kind)
        takes.build_take(tracks, made, fps=30.0, options=options)
        miss = largest_miss(bpy.context.scene, tracks)
        assert miss < 0.01 + 1e-4, f"{kind} misses by {miss:.3g}"
    return f"within 0.01 ({miss:.4f})"


def check_operator(folder: Path) -> str:
    made = profiles(folder)
    scene = takes.new_file()
    in_scene.append_characters(made[:1], scene)
    synthetic.rig_track(made[0], frames=120).save(folder / "track.npz")
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.exprgen.apply_track("EXEC_DEFAULT", True, filepath=str(folder / "track.npz"))
    assert "ExprGen Take" in bpy.data.actions
    bpy.ops.ed.undo()
    assert "ExprGen Take" not in bpy.data.actions, "undo left the keys"
    bpy.ops.ed.redo()
    assert "ExprGen Take" in bpy.data.actions, "redo did not bring the keys back"
    return "undone and redone in one step"


def check_saved(path: str) -> str:
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    present = in_scene.characters_in(scene)
    assert present, "no characters"
    moved = []
    for character in present:
        rows = []
        for frame in range(scene.frame_start, scene.frame_end + 1, 5):
            scene.frame_set(frame)
            rows.append([p.read() for props in character.bindings.values() for p in props])
        moved.append(int((np.ptp(np.array(rows), axis=0) > 1e-4).sum()))
        assert moved[-1] > 3, f"{character.collection.name} does not move"
    return f"{len(present)} characters, moving properties: {moved}"


def main() -> int:
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    exprgen.register()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checks = [(f.__name__, f, folder) for f in (check_keying, check_reduction, check_operator)]
        checks += [(f"check_saved {w}", check_saved, w) for w in words]
        for title, check, argument in checks:
            try:
                print(f"ok    {title}: {check(argument)}", flush=True)
            except Exception:
                failed += 1
                print(f"FAIL  {title}\n{traceback.format_exc()}", flush=True)
    exprgen.unregister()
    print(f"Blender {bpy.app.version_string}: {failed} failed", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # the bpy module can hang a normal exit
