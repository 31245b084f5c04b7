"""A window that is looked at through the screen's own memory, with keys that are pressed through XTEST."""

from __future__ import annotations

import ctypes
import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from support.desktop import desktop_of


class Blank(Exception):
    """No picture came: the window has been opened and stays blank."""


class Screen:
    """A screen of 1280 by 900, looked at twice in a millisecond."""

    def __init__(self, display: str, pixels: mmap.mmap) -> None:
        self.display, self.pixels = display, pixels
        head = struct.unpack(">25I", pixels[:100])
        self._start, self._stride = head[0] + 12 * head[19], head[12]
        self._x11, self._xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self._x11.XOpenDisplay.restype = ctypes.c_void_p
        self._connection = ctypes.c_void_p(self._x11.XOpenDisplay(display.encode()))

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

    def next(self, shown: bytes, patience_s: float = 5.0) -> tuple[float, bytes]:
        """Wait for another picture than that shown; return when it was all there, and what it looks like."""
        deadline, changed, now = time.monotonic() + patience_s, 0.0, shown
        while now == shown or len(set(now)) < 32 or time.monotonic() < changed + 0.05:  # few colours: still empty
            if time.monotonic() > deadline:
                raise Blank
            time.sleep(0.0005)
            if (seen := self.look()) != now:
                now, changed = seen, time.monotonic()
        return changed, now


@contextmanager
def screen() -> Iterator[Screen]:
    with desktop_of(1280, 900) as made, made.pixels.open("rb") as file:
        yield Screen(made.display, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
