"""The extension's manifest: what Blender's extension schema 1.0.0 asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = tomllib.loads((ROOT / "blender_manifest.toml").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_identity():
    assert MANIFEST["schema_version"] == "1.0.0"
    assert MANIFEST["id"] == "exprgen"
    assert MANIFEST["type"] == "add-on"
    assert MANIFEST["blender_version_min"] == "4.5.0"
    assert MANIFEST["license"] == ["SPDX:GPL-3.0-or-later"]
    assert MANIFEST["copyright"]
    assert "blender" not in MANIFEST["name"].lower()
    assert len(MANIFEST["tagline"]) <= 64
    assert re.fullmatch(r"\d+\.\d+\.\d+", MANIFEST["version"])


def test_versions_agree():
    assert MANIFEST["version"] == PROJECT["version"]


@pytest.mark.parametrize(
    "text", [MANIFEST["tagline"], *MANIFEST["permissions"].values()], ids=lambda t: t[:20]
)
def test_short_texts_obey_the_schema(text):
    assert 0 < len(text) <= 64
    assert text[-1].isalnum() or text[-1] in ")]}"


def test_permissions_are_the_ones_used():
    assert set(MANIFEST["permissions"]) == {"files", "network", "camera"}


def test_build_leaves_out_what_users_do_not_need():
    assert "paths" not in MANIFEST["build"], "paths excludes paths_exclude_pattern"
    patterns = MANIFEST["build"]["paths_exclude_pattern"]
    for name in ("__pycache__/", "/tests/", "/out/"):
        assert name in patterns
