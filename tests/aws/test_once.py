"""What threads ask for at the same time is made once, on every Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

from support.world import PATIENCE

from lab2.aws.once import once


def test_threads_that_ask_at_once_get_the_same_value_that_was_computed_once() -> None:
    computing, go_on = Event(), Event()

    class Account:
        computed = 0

        @once
        def client(self) -> object:
            self.computed += 1
            computing.set()
            go_on.wait(PATIENCE)
            return object()

    account = Account()

    def ask() -> Any:
        return account.client

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(ask)]
        assert computing.wait(PATIENCE)
        answers += [threads.submit(ask) for _ in range(3)]
        go_on.set()
        assert len({id(answer.result(PATIENCE)) for answer in answers}) == 1
    assert account.computed == 1 and account.client is answers[0].result()
