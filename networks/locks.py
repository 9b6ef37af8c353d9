"""A lock on a name, which ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
"""What file systems without locks answer: there nobody is kept out."""


class Lock:
    """A lock by a file, which is there as long as somebody holds it.

    Args:
        path: of the file; its folder must be there.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it if it is free, without waiting; whether it is held now.

        Raises:
            OSError: the file can't be made.
        """
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            if _is(descriptor, self.path):
                self._descriptor = descriptor
            else:  # its holder has just removed it: this is nobody's name any more
                os.close(descriptor)
        return True

    def is_held(self) -> bool:
        """Somebody holds it, here or in another process; takes and makes nothing."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _lock(descriptor)
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give it back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        if os.name != "nt":  # while it is held, so that nobody's new one is removed
            self._remove()
        os.close(descriptor)
        if os.name == "nt":
            self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _is(descriptor: int, path: Path) -> bool:
    """The open file is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False
