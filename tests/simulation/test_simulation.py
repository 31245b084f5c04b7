"""Seeded schedules of labellers and servers: nothing is lost, nothing is twice, the newest label counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from simulation import labellers, servers
from support.world import ROOT

from lab2.aws.s3.append_object import AppendObject, Outcome
from lab2.labelling.labels.label_row import Label, LabelOrder
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.outbox_file import OutboxFile
from lab2.stats.server.log.request_log import RequestLog, _SegmentCodec
from lab2.stats.server.log.segments import Segment, date_of
from lab2.stats.server.log.window import CLOCK_ERROR_S
from lab2.stats.server.stages import Stages

SUBJECTS = {"labellers": labellers, "servers": servers}
MEMORY = Path("/dev/shm")  # where there is one, an fsync takes no time


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def first_violation(subject: ModuleType, seeds: range) -> tuple[int, list[str]] | None:
    """Run schedules; return the seed of the first in which something does not hold, and what."""
    with subject.simulated():
        for seed in seeds:
            with scratch() as folder:
                violations, _ = subject.simulate(seed, folder)
            if violations:
                return seed, violations
    return None


def parts(schedules: int, size: int) -> list[range]:
    return [range(start, start + size) for start in range(0, schedules, size)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "seeds",
    [range(75), *(pytest.param(part, marks=pytest.mark.long) for part in parts(10_000, 1_000))],
    ids=lambda seeds: f"seeds {seeds.start} to {seeds.stop - 1}",
)
@pytest.mark.parametrize("name", SUBJECTS)
def test_no_schedule_loses_or_doubles_anything(name: str, seeds: range) -> None:
    found = first_violation(SUBJECTS[name], seeds)
    assert not found, f"{found[1]}; replay it with: python -m tests.simulation {name} {found[0]}"


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_seed_is_a_schedule(name: str) -> None:
    """In another process, with other hashes, and on disk, the same happens again."""
    command = [sys.executable, "-m", "tests.simulation", name, "7"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    with SUBJECTS[name].simulated(), scratch() as folder:
        assert SUBJECTS[name].simulate(7, folder)[1] == again.stdout.splitlines()[:-1]
    assert len(again.stdout.splitlines()) > 20


# ---- what the simulation is worth: code that is broken on purpose is found --------------------


def blind_try_append(self: AppendObject[Any], items: Any) -> Outcome:
    """Whatever the reply, what is in the object is not looked at."""
    if not self.known:
        self.refresh()
    missing = self.codec.missing(items)
    try:
        if missing:
            self._write(missing)
    except (ClientError, BotoCoreError):
        self.known = False
        return Outcome.CONFLICT
    self.codec.wrote(missing)
    return Outcome.DURABLE


def open_unread(self: AppendObject[Any], open: Callable[[AppendObject[Any]], None] = AppendObject._open) -> None:
    """An object that was known to be small is opened like one that is seen for the first time."""
    self.known = False
    open(self)


def last_row_wins(self: LabelOrder, votes: Any, label: Any) -> None:
    votes.setdefault(label.image, {})[label.annotator] = label


def saved_too_early(self: Outbox, items: Any, save: Callable[[Outbox, Any], None] = Outbox._save) -> None:
    self.file.remove(self.file.labels())
    save(self, items)


def taken_as_its_own(self: OutboxFile) -> tuple[list[Label], bool]:
    """Once a program has seen others' labels they count as its own, though it may not have read the file."""
    found = self._select()
    self._db.execute("UPDATE waiting SET sender = ?", [self._sender])
    return [label for label, _ in found], any(sender != self._sender for _, sender in found)


async def deleted_too_early(self: Stages, requests: Any, write: Any = Stages._write) -> Any:
    self.done(requests)
    return await write(self, requests)


def learn_rows_only(self: Any, body: bytes) -> None:
    self.log.learn(self.segment, body)


def following_own_clock(self: RequestLog) -> Segment:
    return Segment(date_of(self.clock()), 1) if self._codec.next_day else self._segment.next


def append_without_closing(self: RequestLog, rows: Any) -> None:
    """Whose clock shows another day goes there."""
    if self._segment.day < date_of(self.clock()):
        self._go_to(Segment(date_of(self.clock()), 1))
    append_rows(self, rows)


append_rows = RequestLog._append


def begun_by_own_clock(self: RequestLog) -> None:
    self._go_to(Segment(date_of(self.clock()), 1))
    self._object.refresh()


def numbered_at_each_try(self: Any, items: Any, size: int, end: bytes, encode: Any = _SegmentCodec.encode) -> bytes:
    body: bytes = encode(self, items, size, end)
    self.log.written += len(items)
    return body


BREAKAGES: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "writes without a condition": (labellers, {"simulation.fakes.Bucket.conditional": False}),
    "log writes without a condition": (servers, {"simulation.fakes.Bucket.conditional": False}),
    "no look after a lost reply": (labellers, {"lab2.aws.s3.append_object.AppendObject.try_append": blind_try_append}),
    "a file that crosses 5 MiB is not read": (labellers, {"lab2.aws.s3.append_object.AppendObject._open": open_unread}),
    "the last row wins": (labellers, {"lab2.labelling.labels.label_row.LabelOrder.count": last_row_wins}),
    "another's labels are sent without a look at the file": (
        labellers,
        {"lab2.labelling.labels.outbox_file.OutboxFile.take": lambda self: (self.labels(), False)},
    ),
    "another's labels are looked for once, even where that failed": (
        labellers,
        {"lab2.labelling.labels.outbox_file.OutboxFile.take": taken_as_its_own},
    ),
    "labels leave the disk before they are in S3": (
        labellers,
        {"lab2.labelling.labels.outbox.Outbox._save": saved_too_early},
    ),
    "a window of 15 minutes": (
        servers,
        {"lab2.stats.server.stages.first_logged": lambda _, sent, __: sent - CLOCK_ERROR_S},
    ),
    "segments from before a server's start are not read": (
        servers,
        {"lab2.stats.server.log.request_log.RequestLog._read_back": lambda self, since: None},
    ),
    "a closing row that another server wrote is overlooked": (
        servers,
        {"lab2.stats.server.log.request_log._SegmentCodec.add": learn_rows_only},
    ),
    "the next day is what a server's own clock shows": (
        servers,
        {"lab2.stats.server.log.request_log.RequestLog._following": following_own_clock},
    ),
    "a day is not closed": (
        servers,
        {"lab2.stats.server.log.request_log.RequestLog._append": append_without_closing},
    ),
    "the first day is what a server's own clock shows": (
        servers,
        {"lab2.stats.server.log.request_log.RequestLog._begin": begun_by_own_clock},
    ),
    "rows are numbered at each try": (
        servers,
        {"lab2.stats.server.log.request_log._SegmentCodec.encode": numbered_at_each_try},
    ),
    "deleted before it is logged": (servers, {"lab2.stats.server.stages.Stages._write": deleted_too_early}),
}


# It takes thousands of schedules until somebody's reply is lost just there and another one adds to the file first:
# those before the first such one are left out.
FIRST_SEEDS = {"a file that crosses 5 MiB is not read": 5_100}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("breakage", BREAKAGES)
def test_code_that_is_broken_on_purpose_is_found(breakage: str) -> None:
    subject, broken = BREAKAGES[breakage]
    patches = [patch(target, value) for target, value in broken.items()]
    for each in patches:
        each.start()
    try:
        found = first_violation(subject, range(FIRST_SEEDS.get(breakage, 0), 20_000))
    finally:
        for each in patches:
            each.stop()
    assert found
    print(f"seed {found[0]}: {found[1][0]}")
