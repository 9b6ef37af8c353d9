"""The rooms' tests share one Blender."""

import sys

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_file_stays_open():
    """A character's file that a module leaves open can't be appended to itself by the next one."""
    yield
    bpy = sys.modules.get("bpy")
    if bpy is not None and bpy.data.filepath:
        bpy.ops.wm.read_factory_settings(use_empty=True)
