"""How a run of the tests begins and ends."""

import os
import signal
import sys

import pytest

# The networks of tests are small: threads would only wait for each other, and for the room beside.
# Before torch and numpy are imported, and for the processes that tests start.
for _library in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_library, "1")

# What is run in the background, or by nohup, ignores signals, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

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
