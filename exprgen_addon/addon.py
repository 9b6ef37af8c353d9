"""What the add-on is called here, its version and its folder; imports nothing of the project."""

from __future__ import annotations

from pathlib import Path

ADDON = __package__.rpartition(".exprgen_addon")[0]
"""The name by which Blender's preferences know it: "bl_ext.<repository>.exprgen", or "exprgen"."""

PACKAGE_ROOT = Path(__file__).resolve().parents[1]
"""The folder of the package: blender_manifest.toml, exprgen_addon/, networks/."""


def version() -> str:
    """The version that is installed, or the manifest's where Blender loads it as an extension."""
    import importlib.metadata

    try:
        return importlib.metadata.version("exprgen")
    except importlib.metadata.PackageNotFoundError:
        import tomllib

        manifest = PACKAGE_ROOT / "blender_manifest.toml"
        return tomllib.loads(manifest.read_text("utf-8"))["version"]
