"""Stages: what waits is taken in batches, what fails is tried again, and nobody is in the way of others."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError, EndpointConnectionError
from support.world import until

from lab2.aws.failures import user_errors
from lab2.aws.retry import FEW_REJECTIONS, OutageReporter, is_passing, persist
from lab2.aws.sqs.poller import Poller
from lab2.errors import UserError
from lab2.workers import BatchWorker, PeriodicTask


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


def test_while_it_lingers_a_stage_takes_whole_units_and_the_rest_waits_for_more(work: Work) -> None:
    worker = BatchWorker(OutageReporter("Working"), work, size=100, linger=3600, unit=10)
    worker.put(range(9))
    assert not work.batches
    worker.put(range(9, 23))
    until(lambda: work.batches == [[*range(20)]])
    worker.put(range(23, 31))
    until(lambda: work.batches == [[*range(20)], [*range(20, 30)]])
    worker.put(range(31, 43))
    assert worker.flush(10)
    assert work.batches[-1][-1] == 42 and sum(map(len, work.batches)) == 43
    worker.linger = 0.0
    worker.put(range(13))
    until(lambda: work.batches[-1] == [*range(13)])
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


def test_pauses_grow_and_stay_bounded() -> None:
    outages = OutageReporter("Working", say=lambda line: None)
    pauses = [outages.record_failure(away()) for _ in range(40)]
    assert pauses[0] <= 0.5 and all(10 <= pause <= 20 for pause in pauses[10:])
    outages.record_success()
    assert outages.record_failure(away()) <= 0.5


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


def test_pauses_between_rejections_grow_and_end_with_the_first_success() -> None:
    outages = OutageReporter("Working", lambda line: None)
    pauses = [outages.record_rejection() for _ in range(30)]
    assert not any(pauses[:FEW_REJECTIONS]) and all(pauses[FEW_REJECTIONS:]) and max(pauses) > 5
    assert outages.failing
    outages.record_success()
    assert not outages.failing and outages.record_rejection() == 0


def test_a_periodic_task_that_is_stopped_is_waited_for() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        done.set()

    task = PeriodicTask(work, OutageReporter("Renewing"), interval=0.001)
    task.start()
    begun.wait()
    task.stop()  # not for long, where that is not asked for
    assert not done.is_set()
    threading.Timer(0.05, go_on.set).start()
    task.stop(timeout=60.0)
    assert done.is_set()


@pytest.mark.parametrize("error", [KeyError("a bug"), SystemExit(), MemoryError(), away()])
def test_a_poller_and_a_periodic_task_go_on_after_any_error(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    calls.clear()
    task = PeriodicTask(receive, OutageReporter("Renewing", said.append), interval=0.001)
    task.start()
    until(lambda: len(calls) > 5)
    task.stop()
    assert [line.split()[:2] for line in said] == [["Receiving", "fails;"], ["Receiving", "works"],
                                                   ["Renewing", "fails;"], ["Renewing", "works"]]  # fmt: skip


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Send")


def test_what_no_waiting_can_mend_is_given_up_after_its_grace_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("lab2.aws.retry.time.monotonic", lambda: clock[0])
    given_up: list[UserError] = []
    outages = OutageReporter("Working", lambda line: None, given_up.append)
    for code, grace in (("AccessDenied", 10), ("QueueDoesNotExist", 60), ("PermanentRedirect", 10)):
        outages.record_success()
        clock[0] += 1000
        outages.record_failure(away())
        clock[0] += 1000  # a long outage, and only then this error
        assert outages.record_failure(refusal(code)) <= grace
        clock[0] += grace - 1
        outages.record_failure(refusal(code))
        assert not given_up
        clock[0] += 1
        with pytest.raises(UserError), user_errors("queue lab2"):
            raise refusal(code)
        outages.record_failure(refusal(code))
        assert "Working fails: " in str(given_up.pop())
    for error in (away(), refusal("ExpiredToken"), refusal("RequestTimeTooSkewed"), refusal("SlowDown"), KeyError("x"),
                  refusal("InternalError"), refusal("InvalidClientTokenId")):  # fmt: skip
        for _ in range(10):
            clock[0] += 1000
            outages.record_failure(error)
    assert not given_up
    outages.record_failure(UserError("This store ignores If-Match."))
    clock[0] += 60
    outages.record_failure(UserError("This store ignores If-Match."))
    assert str(given_up.pop()) == "Working fails: This store ignores If-Match."


def test_persist_tries_again_what_passes_and_raises_what_does_not() -> None:
    said: list[str] = []
    pauses: list[float] = []
    results: list[object] = [away(), refusal("ExpiredToken"), 7]

    def work() -> object:
        result = results.pop(0)
        if isinstance(result, Exception):
            with user_errors():
                raise result
        return result

    assert persist(work, OutageReporter("Connecting", said.append), wait=pauses.append) == 7
    assert len(pauses) == 2 and len(said) == 2
    results[:] = [refusal("AccessDenied"), 7]
    with pytest.raises(UserError):
        persist(work, OutageReporter("Connecting", said.append), wait=pauses.append)
    results[:] = [KeyError("a bug"), 7]
    with pytest.raises(KeyError):
        persist(work, OutageReporter("Connecting", said.append), wait=pauses.append)
    results[:] = [away(), 7]
    with pytest.raises(UserError, match="reached"):
        persist(work, OutageReporter("Connecting", said.append), patience=0, wait=pauses.append)
    assert len(said) == 2


def test_whatever_botocore_raises_where_it_fetches_credentials_passes() -> None:
    """It is RuntimeError, ValueError, KeyError or OSError there, as the place has it."""
    for error in (RuntimeError("still expired"), ValueError("no JSON"), KeyError("AccessKeyId"), OSError("no program")):

        class Broken:
            def __get__(self, *_: object) -> object:
                raise error  # noqa: B023

        credentials = RefreshableCredentials("a", "b", "c", datetime.now(timezone.utc), lambda: {}, "process")
        with pytest.raises(UserError, match="can't be fetched") as raised, user_errors():
            credentials._refresh_using = lambda: Broken().__get__()
            credentials.get_frozen_credentials()
        assert is_passing(raised.value)
    with pytest.raises(KeyError), user_errors():
        raise KeyError("ours")


def test_while_one_batch_waits_to_be_tried_again_others_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker with threads to spare must not wait for the one that pauses."""
    tries: Counter[object] = Counter()
    done: list[object] = []

    def send(batch: list[object]) -> None:
        tries[batch[0]] += 1
        if batch[0] == "bad":
            raise away()
        done.extend(batch)

    worker = BatchWorker(OutageReporter("Working", lambda line: None), send, size=1, threads=2, key=lambda item: item)
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

    worker = BatchWorker(
        OutageReporter("Working", lambda line: None), send, size=10, threads=8, linger=0.01, key=lambda item: item % 3
    )
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


def test_what_began_before_an_outage_and_succeeds_in_it_does_not_end_it() -> None:
    said: list[str] = []
    outages = OutageReporter("Work", said.append)
    before = time.monotonic()
    outages.record_failure(away())
    outages.record_success(before)
    outages.record_failure(away())
    assert len(said) == 1 and outages.tries == 2
    outages.record_success(time.monotonic())
    assert len(said) == 2 and not outages.failing


def test_what_began_in_an_outage_and_fails_after_it_is_no_new_outage() -> None:
    said: list[str] = []
    outages = OutageReporter("Work", said.append)
    outages.record_failure(away())
    in_the_outage = time.monotonic()
    outages.record_success(time.monotonic())
    assert 0 < outages.record_failure(away(), in_the_outage) <= 0.5
    assert len(said) == 2 and not outages.failing
    outages.record_failure(away(), time.monotonic())
    assert len(said) == 3 and outages.failing
