"""Labels on disk until they are safe in S3: a SQLite file that all programs of a user share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import astuple
from pathlib import Path

from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label

NAME = "outbox.sqlite3"
ANY_RUN = ""
BUSY_TIMEOUT_S = 10.0  # while another program writes to the file
# `sender` is the only run that may have sent the label to S3; ANY_RUN: others may have, too. A run that is to send a
# label of another run first marks it so, and reads the whole label file: see `take`.
SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    timestamp TEXT, image TEXT, annotator TEXT, label TEXT, seconds TEXT, sender TEXT,
    PRIMARY KEY (timestamp, image, annotator)
) WITHOUT ROWID;
"""
FIELDS = "image, label, annotator, timestamp, seconds, sender"  # those of a Label, and the sender
# SQLite's write-ahead log (WAL) needs memory that all processes with the file share, which two machines can't. In a
# home on the network the rollback journal is used instead. It needs locks; without them opening the file fails.
NETWORK = ("nfs", "cifs", "smb", "afs", "9p", "fuse.sshfs")


class OutboxFile:
    """The open outbox file in a folder. Thread-safe. UserError if no labels can be kept there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._sender = os.urandom(8).hex()
        self._lock = threading.Lock()
        self._closed = False
        self._removed: set[Label] = set()  # safe in S3, but not removed yet, as on a full disk
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA synchronous = FULL")  # a label is on disk before the next picture is shown
            if not _is_on_network(folder):
                with suppress(sqlite3.OperationalError):  # another program is changing the mode
                    self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"Labels can't be kept on this disk ({_reason(error)}: {folder}), so you can't label. "
                "Make room there, or choose another folder: export XDG_STATE_HOME=..."
            ) from None

    def add(self, label: Label) -> None:
        """Return when the label is on disk; UserError if that fails: then it is not kept at all."""
        try:
            with self._lock, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(
                    f"INSERT OR IGNORE INTO waiting ({FIELDS}) VALUES (?, ?, ?, ?, ?, ?)",
                    (*astuple(label), self._sender),
                )
        except sqlite3.Error as error:
            raise UserError(f"This label was not saved: {self.path} can't be written ({_reason(error)}).") from None

    def labels(self) -> list[Label]:
        """Return the labels of all programs, in the order of their times."""
        return [label for label, _ in self._select()]

    def take(self) -> tuple[list[Label], bool]:
        """Return the labels to send, in the order of their times, and whether any may be in the label file already.

        Call it after a look at the label file, which can't have had labels then that only this run may have sent. The
        other labels are marked for good: this run, too, must look again if it fails before it sends them.
        """
        found = self._select()
        senders = {sender for _, sender in found}
        if senders - {self._sender, ANY_RUN}:
            try:
                with self._lock:
                    self._db.execute("UPDATE waiting SET sender = ? WHERE sender <> ?", (ANY_RUN, self._sender))
            except sqlite3.Error:  # a full disk: labels of other runs wait until there is room
                return [label for label, sender in found if sender == self._sender], False
        return [label for label, _ in found], bool(senders - {self._sender})

    def remove(self, labels: Iterable[Label]) -> None:
        """Remove labels that are safe in S3; the next start deals with those that can't be removed now."""
        with self._lock:
            self._removed.update(labels)
            if self._closed:
                return
            identities = [label.identity for label in self._removed]
            with suppress(sqlite3.Error):
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    self._db.executemany(
                        "DELETE FROM waiting WHERE image = ? AND annotator = ? AND timestamp = ?", identities
                    )
                self._removed.clear()

    def close(self) -> None:
        """Close the file; its labels stay in it."""
        with self._lock:
            self._closed = True
            self._db.close()

    def _select(self) -> list[tuple[Label, str]]:
        with self._lock:
            if self._closed:
                return []
            rows = self._db.execute(f"SELECT {FIELDS} FROM waiting ORDER BY timestamp, image, annotator").fetchall()
        found = [(Label(*fields), sender) for *fields, sender in rows]
        return [(label, sender) for label, sender in found if label not in self._removed]


def labels_wait(state: Path) -> bool:
    """Return whether the outbox of any bucket, below the folder `state`, has labels."""
    for path in state.glob(f"*/{NAME}"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as db:
            if db.execute("SELECT 1 FROM waiting").fetchone():
                return True
    return False


def _is_on_network(folder: Path) -> bool:
    """Return whether the folder is on a network file system, as far as Linux and Windows tell."""
    if folder.drive.startswith("\\\\"):  # \\server\share
        return True
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()]
    except OSError:
        return False
    kinds = {fields[1]: fields[2] for fields in mounts}
    path = folder.resolve()
    return next((kinds[str(place)] for place in (path, *path.parents) if str(place) in kinds), "").startswith(NETWORK)


def _reason(error: OSError | sqlite3.Error) -> str:
    return getattr(error, "strerror", None) or str(error)
