"""The outbox: a label is on disk first, and then in S3, exactly once, many in one write (group commit)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab2.aws.failures import user_errors
from lab2.aws.resources import LABEL_KEY
from lab2.aws.retry import OutageReporter, is_outage
from lab2.aws.session import AwsSession
from lab2.errors import UserError, internal_error
from lab2.labelling.labels.label import Label
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.outbox_file import OutboxFile
from lab2.terminal import counted
from lab2.workers import BatchWorker

# For so many times the length of a write, labels gather for the next one: it sends the whole file, up to 5 MiB.
LINGER_FACTOR = 3


class Outbox:
    """The labels of one bucket; `folder` is where they wait on disk, `say` is told of failures in sentences.

    Several programs may share a folder. Each sends whatever waits there, so none depends on another one's network.
    """

    def __init__(self, aws: AwsSession, folder: Path, say: Callable[[str], None]) -> None:
        self.aws = aws
        self.folder = folder
        self.say = say
        self.saved = 0  # labels of this run that are safe in S3
        self.file = OutboxFile(folder)
        self._label_file = LabelFile(aws)
        self._in_doubt = False  # labels that only this run can have sent may be there, and not be known
        self._kept: set[Label] = set()  # labels of this run that are not known to be safe
        self._found = set(self.file.labels())  # the same of earlier runs
        self._has_given_up = False  # whether it was said that no waiting mends what fails
        self._may_work_now = threading.Event()  # set since the last try by a new label, and by the end
        self._saving = BatchWorker(OutageReporter("Saving labels", say, self._give_up), self._save, size=1_000)
        self._saving.put(self._found)

    @property
    def waiting(self) -> int:
        """The labels, of this run and of earlier ones, that are not known to be safe in S3."""
        return len(self._kept) + len(self._found)

    def status(self) -> str:
        return f"{self.saved} saved, {self.waiting} on their way"

    def keep(self, label: Label) -> None:
        """Return when the label is on disk, on its way to S3; UserError if it can't be kept."""
        try:
            self.file.add(label)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"This label was not saved: {internal_error(error)}") from error
        self._kept.add(label)  # only now: `_save` takes what is no longer in the file for saved
        self._may_work_now.set()
        self._saving.put([label])

    def flush(self, seconds: float) -> bool:
        """Wait up to `seconds` for all labels to be safe in S3, not if that fails; return whether they are."""
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
        """Say what no waiting mends, and let the thread that saves labels wait for the next one."""
        if not self._has_given_up:
            self._has_given_up = True
            self.say(f"{reason} Labels stay on this disk, and are tried again with the next one and at the next start.")
        self._may_work_now.wait()

    def _save(self, _: list[Label]) -> None:
        """Save all labels that wait on disk, this run's or not."""
        self._may_work_now.clear()
        try:
            with user_errors(f"{LABEL_KEY} in bucket {self.aws.bucket}"):
                labels = self._append()
        except BaseException as error:
            if not is_outage(error):  # what this object knows may be half the truth: the next one reads it again
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
        """Return the labels that wait on disk when they are in the label file."""
        self._label_file.look()
        labels, maybe_there = self.file.take()
        if maybe_there or self._in_doubt:
            self._label_file.read_all()
        self._in_doubt = False
        self._label_file.append(labels)
        self._saving.linger = LINGER_FACTOR * self._label_file.took
        return labels
