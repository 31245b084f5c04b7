"""Labels kept: on disk first, then behind the labeller's back in S3, each exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from lab2.aws.errors import explained
from lab2.aws.resources import LABELS
from lab2.aws.retry import Trouble
from lab2.aws.session import Cloud
from lab2.labelling.journal import Journal, left_behind, open_journal
from lab2.labelling.label import Label, count_labels
from lab2.labelling.label_file import LabelFile, as_row
from lab2.workers import Stage

REST = 3  # times as long as a write takes, labels gather for the next one: it sends the whole file, up to 5 MiB

Kept = tuple[Label, Journal]


class Keeper:
    """The labels of one bucket; `folder` is where they wait on disk, `say` is told of trouble in sentences."""

    def __init__(self, cloud: Cloud, folder: Path, say: Callable[[str], None]) -> None:
        self.cloud, self.folder, self.say = cloud, folder, say
        self.saved = 0  # labels of this process that are safe in S3
        self.journal = open_journal(folder)
        self._file = LabelFile(cloud)
        self._left_behind = left_behind(folder)
        self._saving = Stage(Trouble("Saving labels", say), self._save, size=1_000)
        self._saving.put((label, journal) for journal in self._left_behind for label in journal.waiting.values())

    @property
    def waiting(self) -> int:
        """The labels on disk that are not known to be in S3."""
        return sum(len(journal.waiting) for journal in (self.journal, *self._left_behind))

    def status(self) -> str:
        return f"{self.saved} saved, {self.waiting} on their way"

    def keep(self, label: Label) -> None:
        """Return when the label is on disk, on its way to S3; Problem where it can't be kept."""
        self.journal.add(label)
        self._saving.put([(label, self.journal)])

    def flush(self, seconds: float) -> bool:
        """Wait up to `seconds` for all labels to be safe in S3, not so where that fails; tell whether they are."""
        deadline = time.monotonic() + seconds
        while not self._saving.flush(0.05):
            if self._saving.trouble.tries or time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Stop saving. Labels that are not safe in S3 stay on disk for the next start."""
        self._saving.close()
        for journal in (self.journal, *self._left_behind):
            journal.close()

    def _save(self, kept: list[Kept]) -> None:
        with explained(f"{LABELS} in bucket {self.cloud.bucket}"):
            if self._left_behind:
                self._file.read_all()  # a row that a dead process wrote may be anywhere in the file
            self._file.append([as_row(label) for label, _ in kept])
            self._saving.linger = REST * self._file.took
        for journal in {id(journal): journal for _, journal in kept}.values():
            journal.remove(label for label, whose in kept if whose is journal)
        self.saved += sum(journal is self.journal for _, journal in kept)
        if old := sum(journal is not self.journal for _, journal in kept):
            self.say(f"{count_labels(old)} left on this disk by an earlier run, safe in S3 now.")
