"""Where the engine keeps its own files in Blender."""

from __future__ import annotations

import pytest

pytest.importorskip("bpy")

from exprgen.exprgen_addon.addon import PACKAGE_ROOT
from exprgen.exprgen_addon.engine import engine_python
from exprgen.exprgen_addon.window import preferences
from exprgen.networks.tracking import landmark_model


@pytest.fixture(autouse=True)
def kept_engine(monkeypatch):
    monkeypatch.delenv(landmark_model.CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(preferences.python_check, "look", lambda: None)
    before = engine_python.engine()
    yield
    engine_python.use_engine(before)


def test_an_extension_writes_where_blender_keeps_its_files(monkeypatch):
    import bpy

    monkeypatch.setattr(preferences, "ADDON", "bl_ext.user_default.exprgen")
    preferences.use()
    folder = engine_python.cache_folder()
    assert str(folder) == bpy.utils.extension_path_user("bl_ext.user_default.exprgen")
    assert PACKAGE_ROOT not in folder.parents


def test_without_blender_it_is_the_user_s_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(preferences, "ADDON", "exprgen")
    preferences.use()
    assert engine_python.cache_folder() == landmark_model.cache_dir()
    monkeypatch.setattr(preferences, "ADDON", "bl_ext.user_default.exprgen")
    monkeypatch.setenv(landmark_model.CACHE_VARIABLE, str(tmp_path))
    preferences.use()
    assert engine_python.cache_folder() == tmp_path
