"""Labels on disk until they are safe in S3: a file for each process, which holds a lock on it while it lives."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from lab2.errors import UserError
from lab2.labelling.label import Label


class OutboxFile:
    """One outbox file file, open and locked. OSError where another process has it, or it is gone."""

    def __init__(self, path: Path) -> None:
        import fcntl

        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino != os.fstat(self._file).st_ino:
                raise FileNotFoundError("another process has just removed it")
        except OSError:
            os.close(self._file)
            raise
        self.waiting = _read(path)
        self._lock = threading.Lock()

    def add(self, label: Label) -> None:
        """Return when the label is on disk; UserError where it can't be, and then it is not kept at all."""
        line = json.dumps(asdict(label)).encode() + b"\n"
        with self._lock:
            end = os.fstat(self._file).st_size
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError("the disk is full")
                os.fsync(self._file)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(self._file, end)
                raise UserError(f"This label was not taken: {self.path} can't be written ({_reason(error)}).") from None
            self.waiting[label.identity] = label

    def remove(self, labels: Iterable[Label]) -> None:
        """Forget labels that are safe in S3. The file shrinks when all are: until then S3 knows which."""
        with self._lock:
            for label in labels:
                self.waiting.pop(label.identity, None)
            if not self.waiting:
                with suppress(OSError):
                    os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Give the file up; it stays where labels wait in it."""
        with self._lock:
            if not self.waiting:
                with suppress(OSError):
                    self.path.unlink()
            os.close(self._file)
            self._file = -1


def open_outbox_file(folder: Path) -> OutboxFile:
    """Return a new outbox file in the folder; UserError where none can be written there."""
    try:
        while True:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(BlockingIOError, FileNotFoundError):  # another process looked whether it is left behind
                return OutboxFile(folder / f"{os.getpid()}-{os.urandom(4).hex()}.jsonl")
    except OSError as error:
        raise UserError(
            f"Labels can't be kept on this disk ({_reason(error)}: {folder}), so none is taken. "
            "Make room there, or choose another folder: export XDG_STATE_HOME=..."
        ) from None


def left_behind(folder: Path) -> list[OutboxFile]:
    """Return the files in the folder whose processes have died, locked for this process."""
    files = []
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(OSError):
            files.append(OutboxFile(path))
    return files


def _read(path: Path) -> dict[tuple[str, str, str], Label]:
    """Return the labels of a outbox file by identity; a last line that was torn was never taken."""
    labels = {}
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, TypeError):
            label = Label(**json.loads(line))
            labels[label.identity] = label
    return labels


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
