"""Signals: handled if the system has them, and not if they were ignored when the program started."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDING = ("SIGTERM", "SIGHUP", "SIGBREAK")  # kill, a closed terminal; Ctrl-Break and `taskkill` on Windows
NOTICED_S = 0.2  # within which a signal is noticed while waiting for input


def handle(handler: Callable[[int, object], object], *names: str) -> None:
    """Have `handler` called for these signals. One that was ignored, as by nohup, stays ignored."""
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def send(number: int) -> None:
    """Send a signal to this program, from any thread; its main thread handles it."""
    if sys.platform == "win32":
        _thread.interrupt_main(signal.Signals(number))  # os.kill would end the program there
    else:
        os.kill(os.getpid(), number)  # wakes a main thread that waits for input, too


@contextmanager
def noticed(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Context in which the main thread waits for input: signals are handled, and `meanwhile` is called repeatedly.

    Python calls a handler when a signal interrupts the wait. A signal just before the wait, or to another thread, would
    be handled at the next key only, so a timer keeps interrupting the wait; its handler calls `meanwhile`, in the main
    thread. Windows has no such timer, and signals need none: there a thread calls `meanwhile`.
    """
    if sys.platform == "win32":
        over = threading.Event()
        thread = threading.Thread(target=_repeat, args=(meanwhile, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        return
    signal.signal(signal.SIGALRM, lambda *_: meanwhile())
    try:
        signal.setitimer(signal.ITIMER_REAL, NOTICED_S, NOTICED_S)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _repeat(work: Callable[[], object], over: threading.Event) -> None:
    while not over.wait(NOTICED_S):
        work()
