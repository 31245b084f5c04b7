"""A module of ours run as a process of its own, so that what crashes or swamps it takes nothing else along.

OpenCV lives in such processes alone: decoders crash on strangers' bytes, and a dead display makes Qt abort.
Both sides send frames: a small JSON object, and bytes with it; before them, the sizes of both.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SIZES = struct.Struct(">QQ")  # of a frame's two parts, before them

Frame = tuple[dict[str, Any], bytes]


class ProcessDied(Exception):
    """The process at the other end has ended, or does not answer."""


class Channel:
    """One end of the line between two processes."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, head: dict[str, Any], data: bytes | memoryview = b"") -> None:
        text = json.dumps(head).encode()
        try:
            self._end.sendall(SIZES.pack(len(text), len(data)) + text)
            self._end.sendall(data)
        except OSError:
            raise ProcessDied from None

    def receive(self) -> Frame:
        """Return the next frame, waiting for it."""
        text, data = SIZES.unpack(self._read(SIZES.size))
        return json.loads(self._read(text)), self._read(data)

    def ready(self, timeout: float = 0.0) -> bool:
        """Tell whether there is something to receive, within `timeout` seconds."""
        try:
            return bool(wait([self._end], timeout))
        except (OSError, ValueError):  # ours is closed
            raise ProcessDied from None

    def close(self) -> None:
        self._end.close()

    def _read(self, size: int) -> bytes:
        """Return so many bytes, read in one go: in pieces, each with memory of its own, it takes four times as long."""
        data = b""
        while len(data) < size:  # again only where a signal has come between
            try:
                part = self._end.recv(size - len(data), socket.MSG_WAITALL)
            except OSError:
                raise ProcessDied from None
            if not part:
                raise ProcessDied
            data = data + part if data else part
        return data


class WorkerProcess(Channel):
    """The line to a new process that runs the module's `main`; it ends when the line is closed.

    It is deaf to Ctrl-C, and what native libraries say on its way is not shown.
    """

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        super().__init__(ours)

    def ask(self, head: dict[str, Any], data: bytes | memoryview = b"", patience: float = 60.0) -> Frame:
        """Send a frame and return the reply; ProcessDied where none comes within `patience` seconds."""
        self.send(head, data)
        if not self.ready(patience):
            raise ProcessDied
        return self.receive()

    def close(self) -> None:
        super().close()
        with suppress(OSError):
            self.process.kill()
        self.process.wait()


def parent() -> Channel:
    """Return the line to the process that started this one."""
    return Channel(socket.socket(fileno=int(sys.argv[1])))


def quiet_opencv() -> None:
    """Set what OpenCV reads when it is imported."""
    os.environ |= {"OPENCV_LOG_LEVEL": "SILENT", "OPENBLAS_NUM_THREADS": "1", "QT_LOGGING_RULES": "*=false"}
