"""Makes Linux look like Windows to lab2, as far as that goes: on PYTHONPATH, Python runs this before a program.

In lab2, and nowhere else, `sys.platform` reads "win32". The modules and constants that Windows lacks are gone; its
functions are refused to lab2, since Python itself needs them here. What Windows has instead is played: file locks of
kernel32, keys of msvcrt, flags of subprocess. A text file that lab2 opens without saying in which encoding is an error.
"""

import ctypes
import fcntl
import importlib.machinery
import os
import signal
import subprocess
import sys
import termios
import types
import warnings
from pathlib import Path

# What Python itself is built on here, imported while it can be.
import asyncio  # isort: skip
import multiprocessing.popen_spawn_posix  # isort: skip
import multiprocessing.resource_tracker  # noqa: F401  # isort: skip

MISSING = ("fcntl", "grp", "pwd", "readline", "resource", "termios", "tty")
MISSING_CONSTANTS = {os: ("O_NONBLOCK",), signal: ("SIGCONT", "SIGHUP", "SIGTSTP")}
MISSING_FUNCTIONS = {
    os: ("fork", "getpgrp", "getuid", "mkfifo", "set_blocking", "tcgetpgrp", "uname"),
    signal: ("pthread_sigmask",),
}
LOCK_VIOLATION = 33


class Kernel32:
    """File locks, shared and exclusive ones."""

    error = 0

    def LockFileEx(self, handle, flags, reserved, low, high, overlapped) -> int:  # type: ignore[no-untyped-def]
        try:
            fcntl.flock(handle.value, (fcntl.LOCK_EX if flags & 2 else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            Kernel32.error = LOCK_VIOLATION
            return 0
        return 1

    def UnlockFileEx(self, handle, reserved, low, high, overlapped) -> int:  # type: ignore[no-untyped-def]
        fcntl.flock(handle.value, fcntl.LOCK_UN)
        return 1

    def GetConsoleMode(self, handle, mode) -> int:  # type: ignore[no-untyped-def]
        return int(os.isatty(handle.value))

    def SetConsoleMode(self, handle, mode) -> int:  # type: ignore[no-untyped-def]
        assert mode & 4, "the console would print escape sequences instead of obeying them"
        return 1


class Msvcrt(types.ModuleType):
    """The keys of a console, and the handles of files."""

    @staticmethod
    def get_osfhandle(file: int) -> int:
        return file

    @staticmethod
    def kbhit() -> bool:
        import select

        return bool(select.select([0], [], [], 0)[0])

    @staticmethod
    def getwch() -> str:
        termios.tcflush(0, termios.TCIFLUSH)
        return "\n"


class Loader(importlib.machinery.SourceFileLoader):
    """Reads a module of lab2 as it would run on Windows."""

    def get_code(self, fullname: str) -> types.CodeType:
        source = Path(self.path).read_text("utf-8").replace("sys.platform", "'win32'")
        return compile(source, self.path, "exec", dont_inherit=True)


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]
        spec = super().find_spec(name, path, target) if name.partition(".")[0] == "lab2" else None
        if spec and spec.origin and spec.origin.endswith(".py"):
            spec.loader = Loader(name, spec.origin)
        return spec


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    def __init__(self, *args, creationflags: int = 0, **options) -> None:  # type: ignore[no-untyped-def]
        assert not options.get("pass_fds") and not options.get("start_new_session"), "not on Windows"
        super().__init__(*args, start_new_session=bool(creationflags), **options)


def main() -> None:
    sys.meta_path.insert(0, Finder)
    sys.modules["msvcrt"] = Msvcrt("msvcrt")
    ctypes.WinDLL = lambda name, use_last_error=False: Kernel32()  # type: ignore[attr-defined, assignment, misc]
    ctypes.WinError = OSError  # type: ignore[attr-defined, misc]
    ctypes.get_last_error = lambda: Kernel32.error  # type: ignore[attr-defined, assignment]
    subprocess.Popen = Popen  # type: ignore[misc]
    subprocess.CREATE_NO_WINDOW = subprocess.CREATE_NEW_PROCESS_GROUP = 1  # type: ignore[attr-defined]
    signal.SIGBREAK = signal.SIGUSR1  # type: ignore[attr-defined]
    warnings.filterwarnings("error", category=EncodingWarning, module=r"lab2\b|__main__")
    for name in MISSING:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in MISSING_CONSTANTS.items():
        for name in names:
            delattr(module, name)
    for module, names in MISSING_FUNCTIONS.items():
        for name in names:
            setattr(module, name, refused(getattr(module, name)))


def refused(function):  # type: ignore[no-untyped-def]
    """Return the function, which lab2 may not call: Python itself and numpy do, here."""

    def guarded(*args, **options):  # type: ignore[no-untyped-def]
        caller = sys._getframe(1).f_globals["__name__"]
        assert not caller.startswith("lab2"), f"{caller} calls {function.__name__}, which Windows lacks"
        return function(*args, **options)

    return guarded


assert asyncio
main()
