"""The terminal's mode, restored when the program ends and while Ctrl-Z has stopped it.

readline reads keys in a mode of its own, in which the shell or the next program would not echo them.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from lab2.system import signals
from lab2.system.keyboard import ask_again

if sys.platform == "win32":
    import ctypes
    import msvcrt
else:
    import termios

STDIN = 0

_at_start: list[Any] | None = None  # the mode, as of termios; None: no terminal
_when_stopped: list[Any] | None = None  # the mode to continue in


def keep() -> None:
    """Save the terminal's mode for `restore`, and restore it also while Ctrl-Z has stopped the program.

    On Windows, make the console obey escape sequences, as terminals do elsewhere.
    """
    if sys.platform == "win32":
        _obey_escape_sequences()
    else:
        global _at_start
        with suppress(termios.error):
            _at_start = termios.tcgetattr(STDIN)
            signals.handle(_stop, "SIGTSTP")
            signals.handle(_go_on, "SIGCONT")


def restore() -> None:
    """Restore the mode that the terminal had at the start."""
    if _at_start:
        _set(_at_start)


def _stop(*_: object) -> None:
    if sys.platform != "win32":
        global _when_stopped
        with suppress(termios.error):
            _when_stopped = termios.tcgetattr(STDIN)
        restore()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)  # returns when the program continues
        signal.signal(signal.SIGTSTP, _stop)
        _go_on()  # needed if the system did not stop it, as nobody could have continued it


def _go_on(*_: object) -> None:
    """Continue as before the stop once we have the terminal; in the background, that is at the next SIGCONT."""
    global _when_stopped
    if _when_stopped and _set(_when_stopped):
        _when_stopped = None
        ask_again()


def _set(mode: list[Any]) -> bool:
    """Set the terminal's mode; return False if another program has the terminal: we would be stopped for it."""
    if sys.platform != "win32":
        with suppress(OSError, termios.error):
            if os.tcgetpgrp(STDIN) == os.getpgrp():
                termios.tcsetattr(STDIN, termios.TCSANOW, mode)
                return True
    return False


def _obey_escape_sequences() -> None:
    if sys.platform == "win32":
        virtual_terminal = 4  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
        kernel = ctypes.WinDLL("kernel32")
        for stream in (1, 2):
            with suppress(OSError):  # it is closed
                handle, mode = ctypes.c_void_p(msvcrt.get_osfhandle(stream)), ctypes.c_uint32()
                if kernel.GetConsoleMode(handle, ctypes.byref(mode)):
                    kernel.SetConsoleMode(handle, mode.value | virtual_terminal)
