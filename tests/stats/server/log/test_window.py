"""Requests of one id are one request within 48 hours: after a restart, across midnight, with and without a date."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from support.proxy import Proxy
from support.world import PATIENCE, World

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import new_id
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.log.window import CLOCK_ERROR_S, WINDOW_S, first_logged, first_sent
from lab2.stats.server.redrive import redrive

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp()
DAY_S = 86_400


@pytest.mark.parametrize(
    ("id", "seconds"),
    [
        ("2026-11-23T11:59:00Z-x", 60),
        ("2026-11-23T12:10:00Z-x", 0),  # its clock is fast
        ("2026-11-21T12:00:00Z-x", WINDOW_S),
        ("2026-11-23T12:16:00Z-x", WINDOW_S),  # that is no clock's fault
        ("2026-11-21T11:59:59Z-x", WINDOW_S),
        ("2026-11-23T25:00:00Z-x", WINDOW_S),
        ("2026-11-23-x", WINDOW_S),
        ("../../x", WINDOW_S),
        ("", WINDOW_S),
    ],
)
def test_how_far_back_an_id_is_looked_for(id: str, seconds: float) -> None:
    assert first_logged(id, NOON, own=False) == NOON - seconds - CLOCK_ERROR_S
    assert first_logged(id, NOON, own=True) == NOON - CLOCK_ERROR_S


def test_our_client_s_ids_are_looked_for_in_the_last_minutes() -> None:
    now = datetime.now(timezone.utc).timestamp()
    assert first_logged(new_id(), now, own=False) >= now - CLOCK_ERROR_S - 10


@pytest.mark.parametrize(
    ("attribute", "first"),
    [(f"{NOON - 5 * DAY_S:.3f}", NOON - 5 * DAY_S), ("", NOON), ("nan", NOON), (f"{NOON + 1}", NOON), ("0", NOON)],
)
def test_a_dead_letter_says_when_it_was_first_sent_and_nonsense_is_ignored(attribute: str, first: float) -> None:
    assert first_sent(NOON, attribute) == first


def drain(world: World) -> None:
    server = world.start("server.py", "--drain")
    _, errors = server.communicate(timeout=2 * PATIENCE)
    assert server.returncode == 0, errors


def days_ago(days: int, text: str = "%Y-%m-%d") -> str:
    return f"{datetime.now(timezone.utc) - timedelta(days=days):{text}}"


@pytest.mark.parametrize(
    "id",
    [lambda: f"{days_ago(1)}-x", lambda: days_ago(1, "%Y-%m-%dT%H:%M:%SZ-x"), lambda: "x"],
    ids=["dated", "timed", "undated"],
)
def test_a_server_started_in_between_answers_a_request_sent_again_from_the_log(
    world: World, id: Callable[[], str]
) -> None:
    """What was logged a day ago is in segments behind which there are others, written by another server."""
    name, now = id(), datetime.now(timezone.utc)
    request = Outgoing("[1, 2]", {"id": name})
    assert world.queue("lab2").send([request]) == []
    drain(world)
    (first,) = world.drain("lab2_1")
    log = RequestLog(world.aws.whole_objects)
    for number in range(4):
        rows = [encode_row(f"{number} {part}", "", "[1]" + " " * 9_000, '{"id": "x"}', now) for part in range(2)]
        log.append(rows, since=now.timestamp())
    assert world.queue("lab2").send([Outgoing("[4, 4]", {"id": name})]) == []
    drain(world)
    (again,) = world.drain("lab2_1")
    assert again.body == first.body
    rows = [json.loads(line)["id"] for body in world.objects("log/2").values() for line in body.splitlines()]
    assert Counter(rows)[name] == 1


def test_no_form_of_an_id_costs_a_call(world: World, proxy: Proxy) -> None:
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    calls = []
    for attributes in ({"id": new_id()}, {"id": new_id()}, {}, {"id": "x"}, {"id": f"{days_ago(0)}-x"}):
        assert world.queue("lab2").send([Outgoing("[1]", attributes)]) == []
        proxy.calls.clear()
        drain(world)
        calls.append((proxy.calls["PutObject"], proxy.calls["GetObject"], proxy.calls["ListObjectsV2"]))
    assert len(set(calls[1:])) == 1 and calls[0][0] == 2  # the first one begins the log


@pytest.mark.long
def test_a_dead_letter_put_back_is_looked_for_since_it_was_sent(world: World) -> None:
    """It may be in the log by its MessageId."""
    sent = world.aws.sqs.send_message(QueueUrl=world.aws.queue_url("lab2_dead"), MessageBody="[1]")
    now = datetime.now(timezone.utc).timestamp()
    assert redrive(world.aws) == 1
    (message,) = world.drain("lab2")
    assert message.attributes["id"] == sent["MessageId"]
    assert now - 10 < float(message.attributes["sent"]) <= now + 1
