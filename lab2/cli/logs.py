"""Where events go: lines of text or JSON objects, results of the work to stdout, warnings and details to stderr."""

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
    """Let events be written from now on, as lines of `text` or `json`: `quiet` warnings only, `verbose` details too."""
    LOGGER.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    LOGGER.propagate = False
    LOGGER.handlers = [_Lines(as_json if form == "json" else as_text)]
    if form == "json":  # who reads these may have nothing else of this machine, and files go with it
        hand_tracebacks_to(_log_traceback)


def log_fatal(sentence: str) -> bool:
    """Log why the program ends, if it logs in JSON; return whether it does."""
    in_json = any(isinstance(handler, _Lines) and handler.form is as_json for handler in LOGGER.handlers)
    if in_json:
        log_event("fatal", sentence, logging.CRITICAL)
    return in_json


def _log_traceback(sentence: str, traceback: str) -> None:
    log_event("internal_error", sentence, logging.ERROR, traceback=traceback)


class _Lines(logging.Handler):
    """Writes each event as a line.

    A line that can't be written is lost, and nothing else: the request that it is about must not fail. Where nobody
    reads any more it raises in the main thread, as print does. In another thread, once the reader of a pipe has gone,
    as `head` does, the program is ended as by kill; not that of a socket, which is journald's, or of a file.
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
