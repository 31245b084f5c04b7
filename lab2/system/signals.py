"""Signals: a handler for those that the system has, but none for one that was ignored when the program started."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # the client's first prompt waits for what is imported up here
if TYPE_CHECKING:
    from collections.abc import Callable

ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")  # kill, a terminal that is closed; Ctrl-Break and `taskkill` on Windows


def handle(handler: Callable[[int, object], object], *names: str) -> None:
    """Have `handler` called for the signals of these names. One that nohup, say, had ignored stays ignored."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def send(number: int) -> None:
    """Send a signal to this program, from any thread; its main thread handles it."""
    if sys.platform == "win32":
        import _thread

        _thread.interrupt_main(signal.Signals(number))  # os.kill would end the program there
    else:
        os.kill(os.getpid(), number)  # wakes a main thread that waits for input, too
