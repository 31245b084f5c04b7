"""Standard output and error: written line by line, and what to do when their reader has gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO


def flush_each_line() -> None:
    """Write each line of standard output at once, into a pipe too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def reader_is_gone(error: OSError) -> bool:
    """Tell whether the reader of our output has gone, as `head` does; Windows calls that an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def is_broken(stream: TextIO) -> bool:
    """Tell whether nothing can be written to a stream any more."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def discard(*streams: TextIO) -> None:
    """Drop what is written to these streams from now on."""
    with open(os.devnull, "wb") as nowhere:
        for stream in streams:
            os.dup2(nowhere.fileno(), stream.fileno())
