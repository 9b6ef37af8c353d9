"""House rule 1: nothing in networks/ needs Blender."""

import subprocess
import sys

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


def test_networks_never_import_blender():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 20
