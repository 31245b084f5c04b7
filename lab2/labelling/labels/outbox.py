"""The outbox: labels go to disk first, then to S3, exactly once, many in one write (group commit)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab2.aws.failures import user_errors
from lab2.aws.resources import LABEL_KEY
from lab2.aws.retry import OutageReporter, is_outage
from lab2.aws.session import AwsSession
from lab2.aws.workers import BatchWorker
from lab2.errors import UserError, internal_error
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox_file import OutboxFile
from lab2.terminal import counted

# For so many times the length of a write, labels gather for the next one: it sends the whole file, up to 5 MiB.
LINGER_FACTOR = 3


class Outbox:
    """The labels for one bucket, which wait on disk in `folder`. `say` gets sentences on failures.

    Several programs may share a folder. Each sends everything in it, so none depends on the network of another.
    """

    def __init__(self, aws: AwsSession, folder: Path, say: Callable[[str], None]) -> None:
        self.aws = aws
        self.folder = folder
        self.say = say
        self.saved = 0  # labels of this run that are safe in S3
        self.file = OutboxFile(folder)
        self._label_file = LabelFile(aws)
        self._in_doubt = False  # the label file may have labels of this run that we don't know of
        self._kept: set[Label] = set()  # labels of this run that are not known to be safe
        self._found = set(self.file.labels())  # those of earlier runs
        self._has_given_up = False  # a permanent error has been reported
        self._may_work_now = threading.Event()  # set by a new label since the last attempt, and at the end
        self._saving = BatchWorker(OutageReporter("Saving labels", say, self._give_up), self._save, size=1_000)
        self._saving.put(self._found)

    @property
    def waiting(self) -> int:
        """The number of labels, of this run and earlier ones, that are not known to be safe in S3."""
        return len(self._kept) + len(self._found)

    def status(self) -> str:
        return f"{self.saved} saved, {self.waiting} on their way"

    def keep(self, label: Label) -> None:
        """Return when the label is on disk, and on its way to S3; UserError if it can't be kept."""
        try:
            self.file.add(label)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"This label was not saved: {internal_error(error)}") from error
        self._kept.add(label)  # not before: `_save` takes labels that are not in the file for saved
        self._may_work_now.set()
        self._saving.put([label])

    def flush(self, seconds: float) -> bool:
        """Wait up to `seconds` until all labels are safe in S3, or saving fails; return whether they are."""
        deadline = time.monotonic() + seconds
        while not self._saving.flush(0.05):
            if self._saving.outages.tries or time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Stop saving. Labels that are not safe in S3 stay on disk for the next start."""
        self._saving.close()
        self._may_work_now.set()
        self.file.close()

    def _give_up(self, reason: UserError) -> None:
        """Report a permanent error, and let the thread that saves labels wait for the next one."""
        if not self._has_given_up:
            self._has_given_up = True
            self.say(f"{reason} Labels stay on this disk, and are tried again with the next one and at the next start.")
        self._may_work_now.wait()

    def _save(self, _: list[Label]) -> None:
        """Save all labels on disk, those of other runs too."""
        self._may_work_now.clear()
        try:
            with user_errors(f"{LABEL_KEY} in bucket {self.aws.bucket}"):
                labels = self._append()
        except BaseException as error:
            if not is_outage(error):  # what it knows of the file may be incomplete: a new one reads it again
                self._label_file = LabelFile(self.aws)
                self._in_doubt = True
            raise
        self._has_given_up = False
        self.file.remove(labels)
        waiting = set(self.file.labels())
        saved = self._kept - waiting  # by us, or by another program of the user
        self.saved += len(saved)
        self._kept -= saved
        if found := self._found.intersection(labels):
            self.say(f"Sent {counted(len(found), 'label')} that an earlier run had left on this disk.")
        self._found &= waiting

    def _append(self) -> list[Label]:
        """Append all labels on disk to the label file; return them."""
        self._label_file.look()
        labels, maybe_there = self.file.take()
        if maybe_there or self._in_doubt:
            self._label_file.read_all()
        self._in_doubt = False
        self._label_file.append(labels)
        self._saving.linger = LINGER_FACTOR * self._label_file.took
        return labels
