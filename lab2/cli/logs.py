"""How events are written: as text or JSON lines, the results of the work to stdout, all others to stderr."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import TextIO

from lab2.errors import hand_tracebacks_to
from lab2.events import LOGGER, log_event
from lab2.system import signals
from lab2.system.streams import abandon, reader_is_gone

MAX_WAITING = 10_000  # lines for a reader that does not read; more are lost
LAST_LINES_S = 5.0  # for which a program that ends waits for its readers


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


@contextmanager
def in_background() -> Iterator[None]:
    """Context in which threads write the events: who logs one does not wait for its reader, who may not read.

    If the reader of standard output goes, as `head` does, the program is ended as by kill, and the context raises the
    error, as print does. A socket, such as journald's, is no reason to end at once.
    """
    output = _Writer(sys.stdout)
    errors = _Writer(sys.stderr)

    def put(stream: TextIO, line: str) -> None:
        (output if stream is output.stream else errors).put(line)

    handlers = [handler for handler in LOGGER.handlers if isinstance(handler, _Lines)]
    for handler in handlers:
        handler.write = put
    try:
        yield
    finally:
        deadline = time.monotonic() + LAST_LINES_S
        output.end(deadline)
        errors.end(deadline)
        for handler in handlers:
            handler.write = _write
    if output.failure:
        raise output.failure


class _Lines(logging.Handler):
    """Writes each event as a line. If the reader has gone, the main thread gets the error, as from print."""

    def __init__(self, form: Callable[[logging.LogRecord], str]) -> None:
        super().__init__()
        self.form = form
        self.write: Callable[[TextIO, str], None] = _write

    def emit(self, record: logging.LogRecord) -> None:
        stream = sys.stdout if record.levelno == logging.INFO else sys.stderr
        try:
            self.write(stream, self.form(record) + "\n")
        except OSError:
            if threading.current_thread() is threading.main_thread():
                raise


class _Writer(threading.Thread):
    """Writes lines to a stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(name="Writing events", daemon=True)
        self.stream = stream
        self.failure: OSError | None = None  # because the reader has gone
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._is_output = stream is sys.stdout
        self.start()

    def put(self, line: str | None) -> None:
        """Hand over a line; None is the end. Never blocks."""
        with suppress(queue.Full):
            self._lines.put_nowait(line)

    def run(self) -> None:
        for line in iter(self._lines.get, None):
            try:
                _write(self.stream, line)
            except OSError as error:
                self.failure = error
                if self._is_output and stat.S_ISFIFO(os.fstat(self.stream.fileno()).st_mode):
                    signals.send(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """End the thread when all is written, or leave it alone at the deadline (monotonic seconds)."""
        self.put(None)
        self.join(max(0.0, deadline - time.monotonic()))
        if self.is_alive():
            abandon(self.stream)


def _write(stream: TextIO, line: str) -> None:
    """Write a line; one that can't be written is lost. Raises OSError if the reader has gone."""
    try:
        stream.write(line)  # in one piece: several threads may log
        stream.flush()
    except OSError as error:
        if reader_is_gone(error):
            raise


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
