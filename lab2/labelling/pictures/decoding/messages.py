"""What native code writes to stderr, caught: libjpeg's warnings can be had in no other way through OpenCV."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

END = b"\0"  # written behind what was said, so that reading ends


@contextmanager
def native_messages() -> Iterator[Callable[[], str]]:
    """What native code writes to stderr meanwhile is not shown; call what this yields to get it, afterwards.

    It is the only way to libjpeg's warnings: OpenCV returns a half grey picture without a word.
    """
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
    """Return the ends of a pipe that stays open: one for each picture costs a small one 5 % more processor time."""
    reader, writer = os.pipe()
    if sys.platform != "win32":
        os.set_blocking(writer, False)  # a pipe that is full does not stop the decoder
    return reader, writer


def _is_ended(writer: int) -> bool:
    """Return whether there was room in the pipe for the end."""
    try:
        return os.write(writer, END) == len(END)
    except BlockingIOError:
        return False
