"""Requests put on the queue, and what must be so of them at the end, whatever happened to who answered them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from support.world import PATIENCE, World, until

from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.stats.protocol import decode_answer, encode_request, new_id
from lab2.stats.server.log.row import is_closing

REQUESTS = 25


def ask(world: World, count: int = REQUESTS) -> list[str]:
    """Put requests on the queue; return their ids."""
    return ask_for(world, [[number, 1] for number in range(count)])


def ask_for(world: World, series: Sequence[list[float]]) -> list[str]:
    """Put a request for each series on the queue; return their ids."""
    ids = [new_id() for _ in series]
    for batch in batches(zip(ids, series, strict=True)):
        sent = [Outgoing(encode_request(numbers), {"id": id, "client": "me@here"}) for id, numbers in batch]
        assert world.queue("lab2").send(sent) == []
    return ids


def take_answers(world: World, means: dict[str, set[float]]) -> None:
    """Take what is on the answer queue now; add the mean in each answer to those of its id."""
    for message in world.drain("lab2_1"):
        answer = decode_answer(message.body)
        means.setdefault(answer.id, set()).add(answer.summary.get("mean"))


def assert_all_is_well(world: World, ids: list[str]) -> None:
    """Every request answered rightly, logged once, and gone; nothing dead, nothing left invisible."""
    answers: dict[str, set[float]] = {}

    def done() -> bool:
        take_answers(world, answers)
        return len(answers) == len(ids) and world.depth("lab2") == (0, 0)

    until(done, patience=3 * PATIENCE + len(ids) / 10)
    assert answers == {id: {(number + 1) / 2} for number, id in enumerate(ids)}
    rows = [json.loads(line) for body in world.objects("log/2").values() for line in body.splitlines()]
    rows = [row for row in rows if not is_closing(row)]
    assert Counter(row["id"] for row in rows) == Counter(ids)
    assert world.depth("lab2_dead") == (0, 0)
