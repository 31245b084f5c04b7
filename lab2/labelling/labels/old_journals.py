"""Labels that version 1.0 left on this disk: a JSON lines file for each of its processes, locked while it lives."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab2.labelling.labels.label import Label
from lab2.labelling.labels.outbox_file import OutboxFile
from lab2.system.file_lock import lock


def take_over_journals(folder: Path, outbox: OutboxFile) -> None:
    """Move the labels of journals whose processes have ended into the outbox, each once; a living one keeps its own.

    A journal is removed after the outbox has its labels and its name. If this process is killed in between, the next
    one finds the name and only removes the journal. A journal that can't be read or removed is left where it is.
    """
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(OSError, sqlite3.Error), _locked(path):
            outbox.adopt(path.name, _read(path))
            path.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a journal; OSError where its process has it, or somebody has just removed the file."""
    file = os.open(path, os.O_RDWR)
    try:
        if not lock(file):
            raise BlockingIOError("its process still writes to it")
        if os.stat(path).st_ino != os.fstat(file).st_ino:
            raise FileNotFoundError("another process has just removed it")
        yield
    finally:
        os.close(file)


def _read(path: Path) -> list[Label]:
    """Return the labels of a journal; a torn last line was never taken."""
    labels = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, TypeError, AttributeError, RecursionError):
            fields = json.loads(line).items()
            labels.append(Label(**{name: str(value).encode("utf-8", "replace").decode() for name, value in fields}))
    return labels
