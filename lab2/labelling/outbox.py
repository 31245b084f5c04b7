"""The outbox: a label is on disk first, and then in S3, exactly once, many in one write (group commit)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lab2.aws.errors import user_errors
from lab2.aws.resources import LABEL_KEY
from lab2.aws.retry import OutageReporter
from lab2.aws.session import AwsSession
from lab2.labelling.label import Label, count_labels
from lab2.labelling.label_file import LabelFile, as_row
from lab2.labelling.outbox_file import OutboxFile, left_behind, open_outbox_file
from lab2.workers import BatchWorker

REST = 3  # times as long as a write takes, labels gather for the next one: it sends the whole file, up to 5 MiB

Kept = tuple[Label, OutboxFile]


class Outbox:
    """The labels of one bucket; `folder` is where they wait on disk, `say` is told of trouble in sentences."""

    def __init__(self, aws: AwsSession, folder: Path, say: Callable[[str], None]) -> None:
        self.aws, self.folder, self.say = aws, folder, say
        self.saved = 0  # labels of this process that are safe in S3
        self.file = open_outbox_file(folder)
        self._label_file = LabelFile(aws)
        self._left_behind = left_behind(folder)
        self._saving = BatchWorker(OutageReporter("Saving labels", say), self._save, size=1_000)
        self._saving.put((label, file) for file in self._left_behind for label in file.waiting.values())

    @property
    def waiting(self) -> int:
        """The labels on disk that are not known to be in S3."""
        return sum(len(file.waiting) for file in (self.file, *self._left_behind))

    def status(self) -> str:
        return f"{self.saved} saved, {self.waiting} on their way"

    def keep(self, label: Label) -> None:
        """Return when the label is on disk, on its way to S3; UserError where it can't be kept."""
        self.file.add(label)
        self._saving.put([(label, self.file)])

    def flush(self, seconds: float) -> bool:
        """Wait up to `seconds` for all labels to be safe in S3, not so where that fails; tell whether they are."""
        deadline = time.monotonic() + seconds
        while not self._saving.flush(0.05):
            if self._saving.outages.tries or time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Stop saving. Labels that are not safe in S3 stay on disk for the next start."""
        self._saving.close()
        for file in (self.file, *self._left_behind):
            file.close()

    def _save(self, kept: list[Kept]) -> None:
        with user_errors(f"{LABEL_KEY} in bucket {self.aws.bucket}"):
            if self._left_behind:
                self._label_file.read_all()  # a row that a dead process wrote may be anywhere in the file
            self._label_file.append([as_row(label) for label, _ in kept])
            self._saving.linger = REST * self._label_file.took
        for file in {id(file): file for _, file in kept}.values():
            file.remove(label for label, whose in kept if whose is file)
        self.saved += sum(file is self.file for _, file in kept)
        if old := sum(file is not self.file for _, file in kept):
            self.say(f"{count_labels(old)} left on this disk by an earlier run, safe in S3 now.")
