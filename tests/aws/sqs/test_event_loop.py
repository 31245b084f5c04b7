"""What is special about SQS's calls in an event loop: the threads beside it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from lab2.aws.retry import is_outage, is_transient
from lab2.aws.sqs.event_loop import in_thread


def test_an_error_that_no_future_takes_is_an_error_all_the_same() -> None:
    nothing: list[int] = []
    with pytest.raises(RuntimeError):
        asyncio.run(asyncio.wait_for(in_thread(lambda: next(iter(nothing))), 30))


def test_a_machine_that_has_no_thread_more_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(Exception, match="This machine has no room") as problem:
        asyncio.run(in_thread(lambda: 1))
    assert is_outage(problem.value) and is_transient(problem.value)
