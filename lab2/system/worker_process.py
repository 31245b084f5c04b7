"""A module of ours in a process of its own, so that a crash or a lack of memory harms nothing else.

OpenCV decodes and opens windows in such processes only: decoders crash on untrusted bytes, and a dead display makes Qt
abort. Both sides send frames: a small JSON object, and bytes with it.
"""

from __future__ import annotations

import atexit
import importlib
import json
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

if sys.platform == "linux":
    import resource

if TYPE_CHECKING:
    from multiprocessing.connection import _ConnectionBase as Connection  # a socket, or a named pipe on Windows

Frame = tuple[dict[str, Any], bytes]

_spawn = multiprocessing.get_context("spawn")  # the same on every system, and safe in a program with threads
_starting = threading.Lock()


@atexit.register  # registered after multiprocessing.util, and so called before that ends all processes
def _end() -> None:
    """Start no more processes: one that is half started would print on stderr that its parent is gone."""
    _starting.acquire()


class ProcessDied(Exception):
    """The process at the other end has ended, or does not answer."""


class NoReply(ProcessDied):
    """The process at the other end is still there, but has not answered in time."""


class Channel:
    """One end of a connection between two processes."""

    def __init__(self, end: Connection) -> None:
        self._end = end
        self._in_use = threading.Lock()  # by one thread: if it is closed meanwhile, it may raise anything

    def send(self, head: dict[str, Any], data: bytes | memoryview = b"") -> None:
        try:
            with self._in_use:
                self._end.send_bytes(json.dumps(head).encode())
                self._end.send_bytes(data)
        except OSError:
            raise ProcessDied from None

    def receive(self) -> Frame:
        """Return the next frame; wait for it."""
        try:
            with self._in_use:
                return json.loads(self._end.recv_bytes()), self._end.recv_bytes()
        except (EOFError, OSError):
            raise ProcessDied from None

    def ready(self, timeout: float = 0.0) -> bool:
        """Return whether, within `timeout` seconds, a frame comes or the other end is closed."""
        try:
            with self._in_use:
                return self._end.poll(timeout)
        except OSError:  # ours is closed
            raise ProcessDied from None

    def close(self) -> None:
        with self._in_use:
            self._end.close()


class WorkerProcess(Channel):
    """The connection to a new process that runs the module's `main`, and ends when the connection is closed.

    The process ignores Ctrl-C, and the output of native libraries is not shown.
    """

    def __init__(self, module: str) -> None:
        self._closed = False
        ours, theirs = _spawn.Pipe()
        with theirs:
            self.process = _spawn.Process(target=_run, args=(module, theirs), name=module, daemon=True)
            _start(self.process)
        super().__init__(ours)

    def ask(self, head: dict[str, Any], data: bytes | memoryview = b"", patience: float = 60.0) -> Frame:
        """Send a frame and return the reply; NoReply if none comes within `patience` seconds."""
        try:
            self.send(head, data)
            if not self.ready(patience):
                raise NoReply
            return self.receive()
        except ProcessDied:
            if self._closed:  # no crash: the program is ending, and this background thread must not report one
                threading.Event().wait()
            raise

    def close(self) -> None:
        self._closed = True
        self.process.kill()  # first: this ends the wait of a thread that uses the connection
        self.process.join()
        super().close()


def _start(process: multiprocessing.process.BaseProcess) -> None:
    """Start a process that, unlike usual, does not import our main module again: boto3 takes 0.3 s."""
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            if sys.platform == "win32":
                process.start()
            else:
                # A Ctrl-C before the process ignores it must not end it either: masks are inherited.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
                try:
                    process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
        finally:
            sys.modules["__main__"] = main


def _run(module: str, line: Connection) -> None:
    """Run the module's `main` in this process until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        for stream in (0, 1, 2):
            os.dup2(nowhere.fileno(), stream)
    with suppress(ProcessDied):
        importlib.import_module(module).main(Channel(line))


def limit_memory(size: int) -> None:
    """Limit this process's address space, in bytes, where it can be: macOS refuses, and Windows has no such limit.

    ValueError or OSError if Linux refuses, as it does within a lower `ulimit -v`.
    """
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def quiet_opencv() -> None:
    """Set the variables that OpenCV reads when it is imported."""
    os.environ |= {"OPENCV_LOG_LEVEL": "SILENT", "OPENBLAS_NUM_THREADS": "1", "QT_LOGGING_RULES": "*=false"}
