"""Fixtures of tests of Blender's window."""

import pytest


@pytest.fixture(scope="module")
def registered():
    """The add-on is registered."""
    import exprgen

    exprgen.register()
    yield
    exprgen.unregister()
