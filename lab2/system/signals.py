"""Signals: a handler for those that the system has, but none for one that was ignored when the program started."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager

TYPE_CHECKING = False  # the client's first prompt waits for what is imported up here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")  # kill, a terminal that is closed; Ctrl-Break and `taskkill` on Windows
NOTICED = 0.2  # seconds until a signal is, at most, while input is waited for


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


@contextmanager
def noticed() -> Iterator[None]:
    """While the main thread waits for input in here, have Python call the handler of any signal within `NOTICED`.

    Python does so when a signal interrupts the wait. One that comes a moment before it, or to another thread, would be
    handled at the next key; a timer interrupts the wait again and again. Windows needs none.
    """
    if sys.platform == "win32":
        yield
        return
    signal.signal(signal.SIGALRM, _interrupted)
    try:
        signal.setitimer(signal.ITIMER_REAL, NOTICED, NOTICED)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupted(*_: object) -> None:
    """Nothing is to be done: Python is awake now, and handles what came before."""
