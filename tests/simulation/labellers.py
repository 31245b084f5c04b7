"""Labellers in a simulated world: the real Outbox, OutboxFile, LabelFile and AppendObject, on some machines.

What must hold: a label that was taken is in the label file once, however its program ended; nothing is there twice;
what was there stays; and for every reader the label with the latest timestamp counts.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError
from simulation.fakes import S3, Bucket, Stored
from simulation.schedule import SKEW, World

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.stored_object import StoredObject
from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import HEADER, CsvDialect
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.outbox_file import OutboxFile

FAILURES = (ClientError, BotoCoreError, UserError)
COPY_FROM, OVERLAP = 700, 64  # bytes instead of 5 MiB and 256
IMAGES, PEOPLE = ("a.jpg", "b.jpg"), ("eve", "bob")


class Labels:
    """One schedule."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.world, self.folder, self.bucket = World(seed), folder, Bucket()
        chance = self.chance = self.world.chance
        self.faults = chance.choice((0.0, 0.1, 0.25, 0.5))
        self.machines = chance.choice((2, 4))
        self.skews = [chance.uniform(-SKEW, SKEW) for _ in range(self.machines)]  # of their clocks
        self.taken: list[Label] = []
        self.files: list[OutboxFile] = []
        self.stamps = 0
        rows = chance.choice((None, 0, 20, 23, 25, 26, 27, 40))  # 28 are more than COPY_FROM
        self.before = b""
        if rows is not None:
            old = [CsvDialect().encode(Label(f"{number}.jpg", "1", "old", "2026-11-01")) for number in range(rows)]
            self.before = b"".join(row + b"\n" for row in (HEADER.encode(), *old))
            self.bucket.objects[LABEL_KEY] = Stored(self.before, '"before"', self.world.now)
            if chance.random() < 0.5:
                self.bucket.objects[LABEL_KEY].etag = f'"{random.randbytes(16).hex()}-2"'

    def aws(self, faults: float) -> Any:
        s3: Any = S3(self.world, self.bucket, faults)
        return SimpleNamespace(
            s3=s3, bucket="bucket", check_conditional_writes=lambda _: None,
            stored_object=lambda key: StoredObject(s3, "bucket", key),
        )  # fmt: skip

    def open(self, machine: int, faults: float) -> Outbox:
        outbox = Outbox(self.aws(faults), self.folder / str(machine), lambda _: None)
        outbox._label_file._object.sleep = self.world.step
        return outbox

    def run(self) -> list[str]:
        """Run the schedule; return what does not hold."""
        world, chance = self.world, self.chance
        for number in range(chance.randint(2, 4)):
            self.start(f"program {number}.0", number % self.machines)
        reader = LabelFile(self.aws(0.0))
        reader.sleep = world.step
        world.start("reader", lambda: [reader.votes() for _ in range(chance.randint(1, 5))] and None)
        world.run(chance.choice((0.0, 0.01, 0.05)), [self.pass_time], self.start_again)
        for machine in range(self.machines):  # everybody is back at work, and nothing fails
            outbox = self.open(machine, 0.0)
            outbox._save([])
        world.settle()
        found = self.violations(reader)
        for file in self.files:
            file.close()
        return found

    def start(self, name: str, machine: int) -> None:
        self.world.start(name, lambda: self.label(name, machine))

    def start_again(self, name: str) -> None:
        program, _, life = name.rpartition(".")
        if name != "reader" and int(life) < 3 and self.chance.random() < 0.8:
            self.start(f"{program}.{int(life) + 1}", int(program.split()[1]) % self.machines)

    def pass_time(self) -> None:
        self.world.now += self.chance.choice((3.0, 60.0, 900.0))

    def label(self, name: str, machine: int) -> None:
        """What a program does: labels, now and then while S3 is away, and saves."""
        chance = self.chance
        outbox = self.open(machine, self.faults)
        for _ in range(chance.randint(1, 4)):
            for _ in range(chance.choice((1, 1, 1, 2))):
                label = Label(chance.choice(IMAGES), chance.choice("01"), chance.choice(PEOPLE), self.stamp(machine))
                outbox.keep(label)
                self.taken.append(label)
                self.world.note(name, "took", label.image, label.annotator, label.timestamp)
            for _ in range(chance.choice((0, 1, 1, 3))):
                with suppress(*FAILURES):
                    outbox._save([])
                    break

    def stamp(self, machine: int) -> str:
        self.stamps += 1  # never twice the same, as Clock has it
        now = round(self.world.now + self.skews[machine], 2) + self.stamps / 1_000_000
        return datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def violations(self, reader: LabelFile) -> list[str]:
        body = self.bucket.objects[LABEL_KEY].body if LABEL_KEY in self.bucket.objects else b""
        rows = [Label(*line.split(",")) for line in body.decode().splitlines()[1:]]
        found = []
        if not body.startswith(self.before):
            found.append("what was in the file is not there any more")
        counts = Counter(label.identity for label in rows if label.annotator != "old")
        found += [f"lost: {label}" for label in self.taken if not counts[label.identity]]
        found += [f"{count} times: {identity}" for identity, count in counts.items() if count > 1]
        newest = {(label.image, label.annotator): label for label in sorted(rows, key=lambda row: row.timestamp)}
        for who, file in (("a new reader", LabelFile(self.aws(0.0))), ("the reader that stayed open", reader)):
            votes = file.votes()
            counted = {(image, person): label for image, labels in votes.items() for person, label in labels.items()}
            if counted != newest:
                found.append(f"{who} does not count the newest labels")
        return found


class Unthreaded:
    """A BatchWorker's place: the schedule says when to save."""

    def __init__(self, *_: object, **__: object) -> None:
        self.linger = 0.0

    def put(self, _: object) -> None: ...


@contextmanager
def simulated() -> Iterator[None]:
    """Small sizes, no threads, and a chance to be killed at each step that the outbox takes on disk."""

    class SteppedFile(OutboxFile):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            current[0].files.append(self)

        def _stepped(self, name: str, *args: Any) -> Any:
            current[0].world.step(name)
            result = getattr(OutboxFile, name)(self, *args)
            current[0].world.step(name)
            return result

        def add(self, label: Label) -> None:
            self._stepped("add", label)

        def take(self) -> tuple[list[Label], bool]:
            return self._stepped("take")

        def remove(self, labels: Any) -> None:
            self._stepped("remove", labels)

        def labels(self) -> list[Label]:
            return self._stepped("labels")

    with ExitStack() as patches:
        for target, value in {
            "lab2.aws.s3.stored_object.COPY_FROM_BYTES": COPY_FROM,
            "lab2.aws.s3.append_object.OVERLAP_BYTES": OVERLAP,
            "lab2.labelling.labels.outbox.BatchWorker": Unthreaded,
            "lab2.labelling.labels.outbox.OutboxFile": SteppedFile,
        }.items():
            patches.enter_context(patch(target, value))
        yield


current: list[Labels] = []


def simulate(seed: int, folder: Path) -> tuple[list[str], list[str]]:
    """Run the schedule of a seed; return what does not hold, and what happened."""
    schedule = Labels(seed, folder)
    current[:] = [schedule]
    return schedule.run(), schedule.world.trace
