"""How events are written: as text or JSON lines, the results of the work to stdout, all others to stderr."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone

from lab2.errors import hand_tracebacks_to
from lab2.events import LOGGER, log_event
from lab2.system import signals
from lab2.system.streams import reader_is_gone


def set_up(quiet: bool = False, verbose: bool = False, form: str = "text") -> None:
    """From now on write events as lines of `text` or `json`: warnings only if `quiet`, details too if `verbose`."""
    LOGGER.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    LOGGER.propagate = False
    LOGGER.handlers = [_Lines(as_json if form == "json" else as_text)]
    if form == "json":  # a log collector sees nothing but the log, and this machine's files may not outlive it
        hand_tracebacks_to(_log_traceback)


def log_fatal(sentence: str) -> bool:
    """Log why the program ends if it logs in JSON; return whether it does."""
    in_json = any(isinstance(handler, _Lines) and handler.form is as_json for handler in LOGGER.handlers)
    if in_json:
        log_event("fatal", sentence, logging.CRITICAL)
    return in_json


def _log_traceback(sentence: str, traceback: str) -> None:
    log_event("internal_error", sentence, logging.ERROR, traceback=traceback)


class _Lines(logging.Handler):
    """Writes each event as a line.

    A line that can't be written is lost, but the request that it is about must not fail. If the reader of a pipe has
    gone, as `head` does, the main thread gets the error, as from print; in another thread the program is ended as by
    kill. A socket, such as journald's, or a file is no reason to end.
    """

    def __init__(self, form: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self.form = form

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stdout if record.levelno == logging.INFO else sys.stderr
        try:
            stream.write(self.form(record) + "\n")  # in one piece: several threads may log
            stream.flush()
        except OSError as error:
            if not reader_is_gone(error):
                return
            if threading.current_thread() is threading.main_thread():
                raise
            if stream is sys.stdout and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
                signals.send(signal.SIGTERM)


def as_text(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, timezone.utc):%Y-%m-%dT%H:%M:%SZ} {record.getMessage()}"


def as_json(record: logging.LogRecord) -> str:
    """Return a record as one JSON object on one line: `time level event message`, then the fields of the event."""
    time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
    known = {
        "time": time.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": getattr(record, "event", record.name),
        "message": record.getMessage(),
    }
    return json.dumps(known | getattr(record, "fields", {}))
