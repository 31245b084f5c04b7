"""Catches what native code writes to stderr.

It is the only way to libjpeg's warnings: OpenCV returns a picture that is half grey without any.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

END = b"\0"  # written after the messages, so that reading ends


@contextmanager
def native_messages() -> Iterator[Callable[[], str]]:
    """Context in which stderr of native code is caught; it yields a function that returns it afterwards."""
    reader, writer = _pipe()
    shown = os.dup(2)
    said = bytearray()
    os.dup2(writer, 2)
    try:
        yield lambda: said.decode(errors="replace").removesuffix(END.decode())
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        while not _is_ended(writer):
            said += os.read(reader, 65536)
        while not said.endswith(END):
            said += os.read(reader, 4096)


@lru_cache(maxsize=1)
def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe that stays open: a new one takes 5 % of the processor time of a small picture."""
    reader, writer = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(writer, False)  # a full pipe must not stop the decoder
    return reader, writer


def _is_ended(writer: int) -> bool:
    """Return whether there was room in the pipe for the end."""
    try:
        return os.write(writer, END) == len(END)
    except BlockingIOError:
        return False
