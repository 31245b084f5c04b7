"""A screen of its own, looked at, with keys that are pressed."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Blank(Exception):
    """No picture came: the window has been opened and stays blank."""


@dataclass
class Desktop:
    """A screen of its own, looked at through its frame buffer, with keys that are pressed through XTEST."""

    display: str
    pixels: mmap.mmap

    def __post_init__(self) -> None:
        head = struct.unpack(">25I", self.pixels[:100])
        self._start, self._stride = head[0] + 12 * head[19], head[12]
        self._x11, self._xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._connection = ctypes.c_void_p(self._x11.XOpenDisplay(self.display.encode()))

    def press(self, key: str) -> float:
        """Press and release a key; return when it went down."""
        code = self._x11.XKeysymToKeycode(self._connection, ctypes.c_ulong(ord(key)))
        now = time.monotonic()
        for down in (1, 0):
            self._xtest.XTestFakeKeyEvent(self._connection, code, down, ctypes.c_ulong(0))
        self._x11.XFlush(self._connection)
        return now

    def look(self) -> bytes:
        """Return some rows of where the picture is."""
        rows = (self._start + y * self._stride for y in range(120, 660, 45))
        return b"".join(self.pixels[row + 4 * 120 : row + 4 * 960] for row in rows)

    def next(self, shown: bytes, patience: float = 5.0) -> tuple[float, bytes]:
        """Wait for another picture than that shown; return when it was all there, and what it looks like."""
        deadline, changed, now = time.monotonic() + patience, 0.0, shown
        while now == shown or len(set(now)) < 32 or time.monotonic() < changed + 0.05:  # few colours: still empty
            if time.monotonic() > deadline:
                raise Blank
            time.sleep(0.0005)
            if (seen := self.look()) != now:
                now, changed = seen, time.monotonic()
        return changed, now


@contextmanager
def desktop(home: Path) -> Iterator[Desktop]:
    folder = Path(tempfile.mkdtemp(dir=home))
    ours, theirs = os.pipe()
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x900x24", "-fbdir", str(folder), "-nolisten",
               "tcp"]  # fmt: skip
    screen = subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL)
    os.close(theirs)
    with open(ours) as number:
        display = f":{number.readline().strip()}"
    manager = subprocess.Popen(["openbox"], env=os.environ | {"DISPLAY": display}, stderr=subprocess.DEVNULL)
    try:
        with open(folder / "Xvfb_screen0", "rb") as file:
            time.sleep(1)  # for openbox to manage what comes
            yield Desktop(display, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    finally:
        for process in (manager, screen):
            process.terminate()
            process.wait(10)
