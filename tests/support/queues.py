"""Queues of both kinds: with threads, and in an event loop. What holds for one holds for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message, Outgoing, Queue

T = TypeVar("T")


class QueueInLoop(Queue):
    """A queue whose hot calls are made in an event loop."""

    def __init__(self, aws: AwsSession, url: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(aws.sqs_transport, url)
        self._in_loop = aws.event_loop_queue(url)
        self._loop = loop

    def receive(self, wait: int = 0, visibility: int | None = None) -> list[Message]:
        return self._run(self._in_loop.receive(wait, visibility))

    def send(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return self._run(self._in_loop.send(messages))

    def delete(self, messages: Sequence[Message]) -> list[Message]:
        return self._run(self._in_loop.delete(messages))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(call)


@pytest.fixture(params=["threads", "event loop"], autouse=True)
def kind_of_queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every queue of the test is of this kind; a module that imports this fixture is run with both."""
    loop = asyncio.new_event_loop()
    if request.param == "event loop":
        monkeypatch.setattr(AwsSession, "queue_at", lambda aws, url: QueueInLoop(aws, url, loop))
    yield request.param
    loop.close()
