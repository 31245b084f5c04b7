"""Errors that a program reports as one sentence instead of a traceback."""

from __future__ import annotations

import os
from collections.abc import Callable

from lab2.terminal import printable

MAX_TRACEBACK_BYTES = 1_000_000  # that one process writes

_traceback_file = ""  # of this process, once it has one
_record: Callable[[str, str], object] | None = None  # takes sentence and traceback, if not the file


class UserError(Exception):
    """An error that the user can fix: the message says what happened and what to do."""

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))


class TryLater(UserError):
    """A transient error: the same call may succeed later."""


class InvalidInput(ValueError):
    """Input that is not valid; the message says why, in plain words."""


def hand_tracebacks_to(record: Callable[[str, str], object]) -> None:
    """From now on pass unexpected errors, each a sentence and a traceback, to `record`, and write no files."""
    global _record
    _record = record


def internal_error(error: BaseException) -> str:
    """Write the traceback of an unexpected error to a file or the log; return a sentence that says where it is."""
    import traceback  # not at the top: the first prompt waits for that

    reason = printable(traceback.format_exception_only(error)[-1].strip())[:200]
    sentence = f"internal error: {reason or type(error).__name__}"
    text = "".join(traceback.format_exception(error))
    if _record:
        _record(sentence, text)
        return f"{sentence} (traceback in the log)"
    try:
        return f"{sentence} (traceback in {_write_traceback(text)})"
    except OSError as problem:
        return f"{sentence} (the traceback can't be written: {problem.strerror})"


def _write_traceback(text: str) -> str:
    """Append to the traceback file of this process; return its path."""
    global _traceback_file
    import tempfile
    from datetime import datetime, timezone

    if not os.path.exists(_traceback_file):
        handle, _traceback_file = tempfile.mkstemp(prefix="lab2-error-", suffix=".log")  # readable by us alone
        os.close(handle)
    if os.path.getsize(_traceback_file) < MAX_TRACEBACK_BYTES:
        with open(_traceback_file, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}\n{text}\n")
    return _traceback_file
