"""A stage of the event loop: what waits is taken in batches, what fails is tried again, nobody is in others' way."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lab2.aws.retry import OutageReporter
from lab2.errors import UserError
from lab2.stats.server.stage import Stage


def away() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="http://aws")


class Work:
    """Work that records its batches, does what `then` says, and can be held up; it raises on what is `bad`."""

    bad: BaseException = KeyError("a bug")

    def __init__(self) -> None:
        self.batches: list[list[object]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.then: list[object] = []  # for the coming batches: an error to raise, or items to be done again
        self.said: list[str] = []
        self.rejected: list[tuple[object, BaseException]] = []

    async def __call__(self, batch: list[object]) -> Sequence[object]:
        self.batches.append(batch)
        await self.go.wait()
        match self.then.pop(0) if self.then else None:
            case BaseException() as error:
                raise error
            case list(again):
                return again
        if "bad" in batch:
            raise self.bad
        return []

    def stage(
        self,
        size: int,
        tasks: int = 1,
        linger_s: float = 0.0,
        unit: int = 0,
        key: Callable[[object], Hashable] = lambda item: None,
    ) -> Stage[object]:
        outages = OutageReporter("Working", self.said.append)
        return Stage(outages, self, self.reject, size=size, tasks=tasks, linger_s=linger_s, unit=unit, key=key)

    def reject(self, item: object, error: BaseException) -> None:
        self.rejected.append((item, error))


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setattr("lab2.aws.retry.LONGEST_PAUSE_S", 0.01)
    return Work()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def until(claim: Callable[[], object]) -> None:
    while not claim():
        await asyncio.sleep(0.001)


def test_what_arrives_during_work_goes_into_the_next_batch_together(work: Work) -> None:
    async def test() -> None:
        stage = work.stage(size=100)
        work.go.clear()
        stage.put([0])
        await until(lambda: work.batches)
        for number in range(1, 50):
            stage.put([number])
        work.go.set()
        await stage.flush()

    run(test())
    assert work.batches == [[0], list(range(1, 50))]


def test_a_batch_is_of_one_key_and_every_key_has_its_turn(work: Work) -> None:
    async def test() -> None:
        stage = work.stage(size=3, key=lambda item: str(item)[0])
        stage.put(["x", *(f"a{number}" for number in range(7)), "b1", "c1"])
        await stage.flush()

    run(test())
    assert work.batches == [["x"], ["a0", "a1", "a2"], ["b1"], ["c1"], ["a3", "a4", "a5"], ["a6"]]


def test_while_it_lingers_a_stage_takes_whole_units_and_the_rest_waits_for_more(work: Work) -> None:
    async def test() -> None:
        stage = work.stage(size=100, linger_s=3600, unit=10)
        stage.put(range(9))
        await asyncio.sleep(0.01)
        assert not work.batches
        stage.put(range(9, 23))
        await until(lambda: work.batches == [[*range(20)]])
        stage.put(range(23, 31))
        await until(lambda: work.batches == [[*range(20)], [*range(20, 30)]])
        stage.put(range(31, 43))
        await stage.flush()
        assert work.batches[-1][-1] == 42 and sum(map(len, work.batches)) == 43
        stage.linger_s = 0.0
        stage.put(range(13))
        await until(lambda: work.batches[-1] == [*range(13)])

    run(test())


def test_what_lingers_goes_when_its_time_is_over(work: Work) -> None:
    async def test() -> None:
        stage = work.stage(size=10, linger_s=0.01)
        stage.put([1])
        stage.put([2])
        await until(lambda: work.batches == [[1, 2]])

    run(test())


def test_only_what_failed_is_done_again_and_first(work: Work) -> None:
    async def test() -> None:
        work.then = [[2, 3]]
        stage = work.stage(size=3)
        stage.put([1, 2, 3, 4])
        await stage.flush()

    run(test())
    assert work.batches == [[1, 2, 3], [2, 3, 4]]


def test_an_outage_is_said_once_when_it_begins_and_once_when_it_is_over(work: Work) -> None:
    async def test() -> None:
        work.then = [away(), away(), UserError("no disk"), away()]
        stage = work.stage(size=3)
        stage.put([1])
        await stage.flush()

    run(test())
    assert work.batches == [[1]] * 5
    assert ["fails" in line for line in work.said] == [True, False] and "works again" in work.said[1]


@pytest.mark.parametrize("bad", [KeyError("a bug"), SystemExit(3), UnicodeDecodeError("utf-8", b"", 0, 1, "bad")])
def test_one_bad_item_is_set_aside_and_the_others_of_its_batch_go_on(work: Work, bad: BaseException) -> None:
    async def test() -> None:
        work.bad = bad
        stage = work.stage(size=100)
        stage.put([*range(20), "bad", *range(20, 50)])
        await stage.flush()
        stage.put(["later"])
        await stage.flush()

    run(test())
    assert work.rejected == [("bad", bad)]
    assert {*range(50)} <= {item for batch in work.batches if "bad" not in batch for item in batch}
    assert len(work.batches) < 2 + 2 * 6 + 2  # halved, not one by one
    assert work.batches[-1] == ["later"] and work.said == []


def test_if_every_item_is_bad_it_is_not_the_items_and_there_are_pauses(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when this machine fails: the whole queue must not go to the dead letters meanwhile."""

    async def test() -> None:
        stage = work.stage(size=1)
        pauses = [*[0.0] * 10, 3600.0]
        monkeypatch.setattr(stage.outages, "record_rejection", lambda: pauses.pop(0))
        stage.put(["bad"] * 1000)
        await until(lambda: not pauses)
        await asyncio.sleep(0.01)

    run(test())
    assert len(work.rejected) == 10


def test_a_rejection_that_fails_is_tried_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def reject(item: object, error: BaseException) -> None:
        tries.append(item)
        if len(tries) < 3:
            raise ValueError("in reject too")

    async def test() -> None:
        stage = work.stage(size=1)
        stage.reject = reject
        stage.put(["bad", 1])
        await stage.flush()

    run(test())
    assert tries == ["bad"] * 3 and work.batches[-1] == [1]


def test_while_one_batch_pauses_others_go_on_at_once(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        stage = work.stage(size=1, tasks=2, key=lambda item: item)
        monkeypatch.setattr(stage.outages, "record_failure", lambda *_: 3600.0)
        work.then = [away()]
        stage.put(["one"])
        await until(lambda: not work.then)
        for number in range(20):
            stage.put([number])
        await until(lambda: len(work.batches) == 21)

    run(test())


def test_close_drops_what_was_not_begun_and_ends_pauses(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        stage = work.stage(size=1)
        monkeypatch.setattr(stage.outages, "record_failure", lambda *_: 3600.0)
        work.then = [away()]
        stage.put([1, 2, 3])
        await until(lambda: not work.then)
        stage.close()
        await stage.flush()

    run(test())
    assert work.batches == [[1]]


def test_what_comes_after_the_close_is_not_begun(work: Work) -> None:
    async def test() -> None:
        stage = work.stage(size=1)
        stage.close()
        stage.put([1])
        await stage.flush()

    run(test())
    assert work.batches == []


def test_many_tasks_and_faults_do_everything_once(chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Counter[int]()

    async def send(batch: list[int]) -> list[int]:
        again = [item for item in batch if chance.random() < 0.05]
        await asyncio.sleep(chance.choice((0, 0, 0.001)))
        if chance.random() < 0.02:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "Send")
        done.update(item for item in batch if item not in again)
        return again

    async def test() -> None:
        outages = OutageReporter("Working", lambda line: None)
        monkeypatch.setattr(outages, "record_failure", lambda *_: 0.001)
        stage = Stage(outages, send, lambda *_: None, size=10, tasks=8, linger_s=0.01, key=lambda item: item % 3)
        for number in range(0, 2800, 7):
            stage.put(range(number, number + 7))
            await asyncio.sleep(0)
        await stage.flush()

    run(test())
    assert done == Counter(range(2800))
