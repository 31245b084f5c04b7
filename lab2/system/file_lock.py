"""Locks on open files, among all processes of this machine; the system drops a lock when its process ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if sys.platform == "win32":
    import ctypes
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:  # pathlib takes milliseconds of the client's first prompt
    from pathlib import Path

RETRY_S = 0.02  # a blocking lock of Windows can't be interrupted by Ctrl-C


def lock(file: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file, alone or `shared`; return False if another process has it and this one does not `wait`.

    It replaces a lock that this file object has already. OSError if the file system has no locks.
    """
    if sys.platform != "win32":
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
    while not _lock_on_windows(file, shared):
        if not wait:
            return False
        time.sleep(RETRY_S)
    return True


def _lock_on_windows(file: int, shared: bool) -> bool:
    """Lock the first byte, which need not exist: nobody else can read or write it, so lock files stay empty."""
    if sys.platform == "win32":  # msvcrt.locking knows no shared locks
        fail_immediately, exclusive, lock_violation = 1, 2, 33
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(file))
        first = ctypes.create_string_buffer(32)  # an OVERLAPPED of zeros
        kernel.UnlockFileEx(handle, 0, 1, 0, first)
        if not kernel.LockFileEx(handle, fail_immediately | (0 if shared else exclusive), 0, 1, 0, first):
            if ctypes.get_last_error() == lock_violation:
                return False
            raise ctypes.WinError(ctypes.get_last_error())
    return True


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """Context in which this process holds the lock of a lock file; it waits for the lock."""
    with path.open("ab") as file:
        lock(file.fileno(), shared=shared, wait=True)
        yield file
