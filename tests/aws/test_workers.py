"""Workers: what waits is taken in batches, what fails is tried again, and nobody is in the way of others."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from support.world import until

from lab2.aws.retry import OutageReporter
from lab2.aws.sqs.poller import Poller
from lab2.aws.workers import BatchWorker
from lab2.errors import UserError


class Work:
    """Work that records its batches, does what `then` says, and can be held up; it raises on what is `bad`."""

    bad: BaseException = KeyError("a bug")

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.go = threading.Event()
        self.go.set()
        self.then: list[object] = []  # for the coming batches: an error to raise, or items to be done again

    def __call__(self, batch: list[object]) -> Sequence[object] | None:
        self.batches.append(batch)
        self.go.wait()
        match self.then.pop(0) if self.then else None:
            case BaseException() as error:
                raise error
            case list(again):
                return again
        if "bad" in batch:
            raise self.bad
        return None

    @property
    def done(self) -> list[object]:
        return [item for batch in self.batches for item in batch]


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.go.set()


def away() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="http://aws")


def test_what_arrives_during_work_goes_into_the_next_batch_together(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=100)
    work.go.clear()
    worker.put([0])
    until(lambda: work.batches)
    for number in range(1, 50):
        worker.put([number])
    work.go.set()
    assert worker.flush(10)
    assert work.batches == [[0], list(range(1, 50))]
    worker.close()


def test_a_worker_lingers_for_more_but_not_when_it_is_flushed_or_full(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=4, linger=3600)
    worker.put([1, 2])
    worker.put([3])
    assert not work.batches
    worker.put([4, 5])
    until(lambda: work.batches == [[1, 2, 3, 4]])
    assert worker.flush(10)
    assert work.batches == [[1, 2, 3, 4], [5]]
    worker.close()


def test_only_what_failed_is_done_again_and_first(work: Work) -> None:
    work.then = [[2, 3]]
    worker = BatchWorker(OutageReporter("Working", lambda line: None), work, size=3)
    worker.put([1, 2, 3, 4])
    assert worker.flush(10)
    assert work.batches == [[1, 2, 3], [2, 3, 4]]
    worker.close()


def test_what_aws_refused_is_done_again_and_said_once_when_it_fails_and_once_when_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    work = Work()
    work.then = [away(), away(), UserError("no disk"), away()]
    worker = BatchWorker(OutageReporter("Working", said.append), work, size=3)
    quick(monkeypatch)
    worker.put([1])
    assert worker.flush(30)
    assert work.batches == [[1]] * 5
    assert len(said) == 2
    assert "Working fails" in said[0] and "can't be reached" in said[0]
    assert "Working works again" in said[1]
    worker.close()


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses be short."""
    monkeypatch.setattr("lab2.aws.retry.LONGEST_PAUSE_S", 0.01)


@pytest.mark.parametrize("bad", [KeyError("a bug"), SystemExit(3), UnicodeDecodeError("utf-8", b"", 0, 1, "bad")])
def test_one_bad_item_is_set_aside_and_the_others_of_its_batch_go_on(work: Work, bad: BaseException) -> None:
    rejected: list[tuple[object, BaseException]] = []
    said: list[str] = []
    work.bad = bad
    work.go.clear()
    worker = BatchWorker(
        OutageReporter("Working", said.append),
        work,
        size=100,
        reject=lambda item, error: rejected.append((item, error)),
    )
    worker.put(["first"])
    until(lambda: work.batches)
    worker.put([*range(20), "bad", *range(20, 50)])
    work.go.set()
    assert worker.flush(10)
    assert rejected == [("bad", bad)]
    assert {*range(50)} <= {item for batch in work.batches if "bad" not in batch for item in batch}
    assert len(work.batches) < 2 + 2 * 6 + 2  # halved, not one by one
    assert said == []
    worker.put(["later"])
    assert worker.flush(10) and work.batches[-1] == ["later"]
    worker.close()


def test_a_bad_item_that_nobody_takes_is_said_and_done_again_and_the_others_go_on(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    said: list[str] = []
    worker = BatchWorker(OutageReporter("Saving", said.append), work, size=100)
    worker.put([1, "bad", 2])
    until(lambda: len(work.batches) > 20)
    worker.put([3])
    until(lambda: [3] in work.batches)
    assert [1] in work.batches and [2] in work.batches and not worker.flush(0)
    work.bad = UserError("healed")
    assert len(said) == 1 and "Saving fails; retrying: internal error: KeyError: 'a bug' (traceback in /" in said[0]
    path = said[0].rpartition(" in ")[2][:-1]
    assert "test_workers.py" in Path(path).read_text()
    Path(path).unlink()
    worker.close()


def test_a_callback_that_raises_ends_no_thread(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    tries: list[object] = []
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)

    def reject(item: object, error: BaseException) -> None:
        tries.append(item)
        if len(tries) < 3:
            raise ValueError("in reject too")

    worker = BatchWorker(
        OutageReporter("Working", lambda line: 1 / 0 if "again" in line else None), work, 1, reject=reject
    )
    worker.put(["bad"])
    assert worker.flush(10)
    worker.put([1])
    assert worker.flush(10)
    assert tries == ["bad"] * 3 and work.batches[-1] == [1]
    assert not died
    worker.close()


def test_where_a_thread_dies_after_all_that_is_heard_and_another_takes_over(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    outages = OutageReporter("Working")
    monkeypatch.setattr(outages, "record_success", lambda _: 1 / 0)
    worker = BatchWorker(outages, work, 1)
    worker.put([1, 2])
    assert worker.flush(10)
    assert work.batches == [[1], [2]]
    until(lambda: len(died) == 2)
    assert died[0].exc_type is ZeroDivisionError
    worker.close()


def test_where_every_item_is_bad_it_is_not_the_items_and_there_are_pauses(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk of the index is full: the whole queue must not go to the dead letters meanwhile."""
    rejected: list[object] = []
    worker = BatchWorker(OutageReporter("Working"), work, 1, reject=lambda item, error: rejected.append(item))
    pauses = [*[0.0] * 10, 3600.0]
    monkeypatch.setattr(worker.outages, "record_rejection", lambda: pauses.pop(0))
    worker.put(["bad"] * 1000)
    until(lambda: not pauses)
    assert len(rejected) == 10
    worker.close()


@pytest.mark.parametrize("error", [KeyError("a bug"), SystemExit(), MemoryError(), away()])
def test_a_poller_goes_on_after_any_error(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    said: list[str] = []
    calls: list[object] = []

    def receive(patient: object = None) -> int:
        calls.append(patient)
        if len(calls) < 4:
            raise error
        return 0

    poller = Poller(receive, OutageReporter("Receiving", said.append), max_threads=1, pause=0.001)
    poller.start()
    until(lambda: len(calls) > 5)
    assert poller.running
    poller.stop()
    poller.join()
    assert [line.split()[:2] for line in said] == [["Receiving", "fails;"], ["Receiving", "works"]]


def test_while_one_batch_waits_to_be_tried_again_others_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with threads to spare must not wait for the one that pauses."""
    tries: Counter[object] = Counter()
    done: list[object] = []

    def send(batch: list[object]) -> None:
        tries[batch[0]] += 1
        if batch[0] == "bad":
            raise away()
        done.extend(batch)

    worker = BatchWorker(OutageReporter("Working", lambda line: None), send, size=1, threads=2)
    monkeypatch.setattr(worker.outages, "record_failure", lambda *_: 3600.0)
    worker.put(["good 0"])
    until(lambda: done)
    worker.put(["bad"])
    until(lambda: tries["bad"])
    for number in range(1, 20):
        worker.put([f"good {number}"])
        until(lambda number=number: f"good {number}" in done)
    worker.close()


def test_somebody_who_waits_for_the_end_keeps_nobody_asleep(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=1, threads=2)
    work.go.clear()
    worker.put([0])
    until(lambda: work.batches)
    waiting = [threading.Thread(target=worker.flush) for _ in range(3)]
    for thread in waiting:
        thread.start()
    worker.put([1])
    until(lambda: len(work.batches) == 2)  # by the other thread
    work.go.set()
    for thread in waiting:
        thread.join()
    worker.close()


def test_flush_says_whether_it_came_to_the_end(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=1)
    work.go.clear()
    worker.put([1, 2])
    assert not worker.flush(0.05)
    work.go.set()
    assert worker.flush(10)
    assert len(worker) == 0
    worker.close()


def test_close_gives_back_what_was_not_begun_and_interrupts_pauses(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.go.clear()
    work.then = [away()]
    worker = BatchWorker(OutageReporter("Working", lambda line: None), work, size=1)
    monkeypatch.setattr(worker.outages, "record_failure", lambda *_: 3600.0)
    worker.put([1, 2, 3])
    until(lambda: work.batches)
    work.go.set()
    before = threading.active_count()
    assert worker.close() == [2, 3]
    until(lambda: threading.active_count() < before)
    assert work.batches == [[1]]


def test_many_threads_and_faults_do_everything_once(chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, done = threading.Lock(), Counter[int]()

    def send(batch: list[int]) -> list[int]:
        with lock:
            again = [item for item in batch if chance.random() < 0.05]
            if chance.random() < 0.02:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "Send")
            done.update(item for item in batch if item not in again)
        return again

    worker = BatchWorker(OutageReporter("Working", lambda line: None), send, size=10, threads=8, linger=0.01)
    monkeypatch.setattr(worker.outages, "record_failure", lambda *_: 0.001)

    def put(first: int) -> None:
        for number in range(first, first + 700, 7):
            worker.put(range(number, number + 7))

    putters = [threading.Thread(target=put, args=(700 * number,)) for number in range(4)]
    for thread in putters:
        thread.start()
    for thread in putters:
        thread.join()
    assert worker.flush(30)
    assert done == Counter(range(2800))
    worker.close()
