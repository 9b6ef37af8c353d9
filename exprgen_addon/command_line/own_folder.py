"""A command's own temporary folder: for it, its worker, its shots and the Blenders it renders in.

Blender and libraries make temporary files of their own where TMPDIR says. All of them go with the
command, or, when it is killed, with the next one (`files.sweep`).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...networks.errors import UsageError
from ...networks.files import PLACE_VARIABLES, scratch_folder, temporary_in


@contextlib.contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Within, temporary files of this process and those that it starts lie in one folder, which
    goes at the end.

    Raises:
        OutputError: there is no place for it.
    """
    before = {name: os.environ.get(name) for name in PLACE_VARIABLES}
    with scratch_folder() as folder:
        place, tempfile.tempdir = tempfile.tempdir, str(folder)
        os.environ.update(temporary_in(folder))
        try:
            yield folder
        finally:
            tempfile.tempdir = place
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def check_here() -> None:
    """Refuse to work in a folder that is gone: no relative path means anything there. Blender takes
    PWD for the present folder, which whoever started us need not have set to it.

    Raises:
        UsageError: it is gone.
    """
    try:
        os.environ["PWD"] = os.getcwd()
    except OSError as error:
        fix = "change to a folder that is there, and call it again"
        raise UsageError("the folder that it was started in is gone", fix=fix) from error
