"""How a run of the tests ends."""

import os
import sys

import pytest

_status = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    # The bpy module can hang, or be killed with SIGTRAP, while an interpreter that has used it
    # ends normally: the same reason as in the command line. Everything is reported by now.
    if "bpy" in sys.modules and _status in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])
