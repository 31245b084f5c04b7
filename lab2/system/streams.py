"""Standard output and error: flushed line by line, and what to do once their reader has gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, Literal, TextIO

_failures: list[OSError] = []  # errors of writing to standard output or error


class _Output(io.FileIO):
    """A stream that records its write errors, to tell them from errors of other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _failures.append(error)
            raise


def set_up() -> None:
    """Give the program all three standard streams, even if some were closed when it started.

    A closed input is empty. Writing to a closed output fails, for nobody would see what was written.
    """
    sys.stdin = sys.stdin or _opened(0, os.O_RDONLY, "r")
    sys.stdout = sys.stdout or _opened(1, os.O_RDONLY, "w")
    sys.stderr = sys.stderr or _opened(2, os.O_WRONLY, "w")
    if sys.platform != "win32":  # there, a console is no file
        sys.stdout = _watched(sys.stdout)
        sys.stderr = _watched(sys.stderr)


def _opened(number: int, mode: int, kind: Literal["r", "w"]) -> TextIO:
    """Return a stream on the null device in place of a standard stream."""
    nowhere = os.open(os.devnull, mode)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    return open(number, kind, encoding="utf-8", closefd=False)


def _watched(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    output = _Output(stream.fileno(), "wb", closefd=False)
    buffer: Any = output if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(output)
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def is_of_output(error: BaseException) -> bool:
    """Return whether the error was raised by writing to standard output or error."""
    return any(error is failure for failure in _failures)


def flush_each_line() -> None:
    """Flush each line of standard output, into a pipe too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def reader_is_gone(error: OSError) -> bool:
    """Return whether the reader of our output has gone, as `head` does; on Windows that is an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def is_broken(stream: TextIO) -> bool:
    """Return whether a stream can no longer be written."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def discard(*streams: TextIO) -> None:
    """From now on discard what is written to these streams."""
    with open(os.devnull, "wb") as nowhere:
        for stream in streams:
            os.dup2(nowhere.fileno(), stream.fileno())


def abandon(stream: TextIO) -> None:
    """Leave a standard stream to the thread that is stuck in it: the end of the program does not wait for its reader.

    Whatever is written from now on is discarded.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is stream:
            setattr(sys, name, io.StringIO())
