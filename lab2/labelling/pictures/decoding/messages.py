"""What native code writes to stderr, caught: libjpeg's warnings can be had in no other way through OpenCV."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def native_messages() -> Iterator[Callable[[], str]]:
    """What native code writes to stderr meanwhile is not shown; call what this yields to get it, afterwards.

    It is the only way to libjpeg's warnings: OpenCV returns a half grey picture without a word.
    """
    reader, writer = os.pipe()
    shown = os.dup(2)
    said = bytearray()
    try:
        if sys.platform != "win32":
            os.set_blocking(writer, False)  # a pipe that is full does not stop the decoder
        os.dup2(writer, 2)
        try:
            yield lambda: said.decode(errors="replace")
        finally:
            os.dup2(shown, 2)
            os.close(writer)
            while part := os.read(reader, 65536):
                said += part
    finally:
        os.close(shown)
        os.close(reader)
