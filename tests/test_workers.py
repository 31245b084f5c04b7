"""Stages: what waits is taken in batches, what fails is tried again, and nobody is in the way of others."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from support.world import until

from lab2.aws.retry import OutageReporter
from lab2.errors import UserError
from lab2.workers import BatchWorker


class Work:
    """Work that records its batches, does what `then` says, and can be held up."""

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.go = threading.Event()
        self.go.set()
        self.then: list[object] = []  # for the coming batches: an error to raise, or items to be done again

    def __call__(self, batch: list[object]) -> Sequence[object] | None:
        self.batches.append(batch)
        self.go.wait()
        match self.then.pop(0) if self.then else None:
            case Exception() as error:
                raise error
            case list(again):
                return again
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


def test_a_batch_is_of_one_key_and_every_key_has_its_turn(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=3, key=lambda item: str(item)[0])
    work.go.clear()
    worker.put(["x"])
    until(lambda: work.batches)
    worker.put([*(f"a{number}" for number in range(7)), "b1", "c1"])
    work.go.set()
    assert worker.flush(10)
    assert work.batches == [["x"], ["a0", "a1", "a2"], ["b1"], ["c1"], ["a3", "a4", "a5"], ["a6"]]
    worker.close()


def test_a_stage_lingers_for_more_but_not_when_it_is_flushed_or_full(work: Work) -> None:
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


def test_what_aws_refused_is_done_again_and_said_once_when_it_fails_and_once_when_it_works() -> None:
    said: list[str] = []
    work = Work()
    work.then = [away(), away(), UserError("no disk"), away()]
    worker = BatchWorker(OutageReporter("Working", said.append), work, size=3)
    worker.outages.failed = lambda error: OutageReporter.failed(worker.outages, error) / 100  # type: ignore[method-assign]
    worker.put([1])
    assert worker.flush(30)
    assert work.batches == [[1]] * 5
    assert len(said) == 2
    assert "Working fails" in said[0] and "can't be reached" in said[0]
    assert "Working works again" in said[1]
    worker.close()


def test_pauses_grow_and_stay_bounded() -> None:
    outages = OutageReporter("Working", say=lambda line: None)
    pauses = [outages.record_failure(away()) for _ in range(40)]
    assert pauses[0] <= 0.5 and all(10 <= pause <= 20 for pause in pauses[10:])
    outages.record_success()
    assert outages.record_failure(away()) <= 0.5


def test_an_error_of_ours_is_not_taken_for_a_fault_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda failure: raised.append(failure.exc_value))
    work = Work()
    work.then = [KeyError("ours")]
    worker = BatchWorker(OutageReporter("Working"), work, size=1)
    worker.put([1])
    until(lambda: raised)
    assert isinstance(raised[0], KeyError)
    worker.close()


def test_while_one_batch_waits_to_be_tried_again_others_go_on_at_once(work: Work) -> None:
    """A worker with threads to spare must not wait for the one that pauses."""
    tries: Counter[object] = Counter()
    done: list[object] = []

    def send(batch: list[object]) -> None:
        tries[batch[0]] += 1
        if batch[0] == "bad":
            raise away()
        done.extend(batch)

    worker = BatchWorker(OutageReporter("Working", lambda line: None), send, size=1, threads=2, key=lambda item: item)
    worker.outages.failed = lambda error: 3600.0  # type: ignore[method-assign]
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


def test_close_gives_back_what_was_not_begun_and_interrupts_pauses(work: Work) -> None:
    work.go.clear()
    work.then = [away()]
    worker = BatchWorker(OutageReporter("Working", lambda line: None), work, size=1)
    worker.outages.failed = lambda error: 3600.0  # type: ignore[method-assign]
    worker.put([1, 2, 3])
    until(lambda: work.batches)
    work.go.set()
    before = threading.active_count()
    assert worker.close() == [2, 3]
    until(lambda: threading.active_count() < before)
    assert work.batches == [[1]]


def test_many_threads_and_faults_do_everything_once(chance: random.Random) -> None:
    lock, done = threading.Lock(), Counter[int]()

    def send(batch: list[int]) -> list[int]:
        with lock:
            again = [item for item in batch if chance.random() < 0.05]
            if chance.random() < 0.02:
                raise ClientError({"Error": {"Code": "SlowDown"}}, "Send")
            done.update(item for item in batch if item not in again)
        return again

    worker = BatchWorker(
        OutageReporter("Working", lambda line: None), send, size=10, threads=8, linger=0.01, key=lambda item: item % 3
    )
    worker.outages.failed = lambda error: 0.001  # type: ignore[method-assign]

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
