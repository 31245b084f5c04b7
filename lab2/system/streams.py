"""Standard output and error: written line by line, and what to do when their reader has gone."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, Literal, TextIO

_failures: list[OSError] = []  # of writing to standard output or error


class _Output(io.FileIO):
    """A stream that notes the errors of writing to it, so that they are told from all other errors of files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            _failures.append(error)
            raise


def set_up() -> None:
    """Give the program all three standard streams, also if it was started with some of them closed.

    From a closed input nothing comes, and writing to a closed output fails: what was to be read there is not there.
    """
    sys.stdin = sys.stdin or _opened(0, os.O_RDONLY, "r")
    sys.stdout = sys.stdout or _opened(1, os.O_RDONLY, "w")
    sys.stderr = sys.stderr or _opened(2, os.O_WRONLY, "w")
    if sys.platform != "win32":  # where a console is no file
        sys.stdout = _watched(sys.stdout)
        sys.stderr = _watched(sys.stderr)


def _opened(number: int, mode: int, kind: Literal["r", "w"]) -> TextIO:
    """Return a stream to nowhere in the place of a standard stream."""
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
    """Write each line of standard output at once, into a pipe too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def reader_is_gone(error: OSError) -> bool:
    """Return whether the reader of our output has gone, as `head` does; Windows calls that an invalid argument."""
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def is_broken(stream: TextIO) -> bool:
    """Return whether nothing can be written to a stream any more."""
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
