"""Requests of one id are one request within 48 hours: after a restart, across midnight, with and without a date."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, World

from lab2.aws.resources import ID_PREFIX
from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.protocol import new_id
from lab2.stats.server.log.idempotency import CLOCK_ERROR, DAY, IdFile, Place, place_of
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.log.segments import RequestLog
from lab2.stats.server.redrive import redrive

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("id", "place"),
    [
        ("message", Place("2026-11-23", NOON - CLOCK_ERROR)),
        ("2026-11-23-x", Place("2026-11-23", 0.0)),
        ("2026-11-21", Place("2026-11-21", 0.0)),
        ("2026-11-24-x", Place("2026-11-24", 0.0)),
        ("2026-11-23T11:59:00Z-x", Place("2026-11-23", NOON - 60 - CLOCK_ERROR)),
        ("2026-11-23T12:10:00Z-x", Place("2026-11-23", NOON - CLOCK_ERROR)),  # its clock is fast
        ("2026-11-23T12:16:00Z-x", Place("2026-11-23", 0.0)),  # that is no clock's fault
        ("2026-11-23T25:00:00Z-x", Place("2026-11-23", 0.0)),
        ("2026-11-21T00:00:00Z-x", Place("2026-11-21", NOON - 2.5 * DAY - CLOCK_ERROR)),
        ("2026-11-20-x", None),
        ("2026-11-25-x", None),
        ("../../x", None),
        ("", None),
    ],
)
def test_where_a_request_of_an_id_is_logged_and_looked_for(id: str, place: Place | None) -> None:
    assert place_of(id, "message", NOON) == place


def test_the_place_of_a_dated_id_is_the_same_on_both_sides_of_midnight() -> None:
    midnight = datetime(2026, 11, 24, tzinfo=timezone.utc).timestamp()
    for id in ("2026-11-23-x", "2026-11-23T23:59:00Z-x"):
        assert len({place_of(id, "", midnight + seconds) for seconds in (-1, 0, 1, 23 * 3600)}) == 1
    made = place_of(new_id(), "", datetime.now(timezone.utc).timestamp())
    assert made and made.since >= datetime.now(timezone.utc).timestamp() - CLOCK_ERROR - 10


def test_an_id_without_a_date_stays_in_the_log_of_its_first_message_for_48_hours(world: World) -> None:
    file = IdFile(world.aws.s3, world.aws.bucket)
    assert file.place("x", NOON) == Place("2026-11-23", NOON - CLOCK_ERROR)
    for hours in (-24, 0, 13, 48):
        assert file.place("x", NOON + hours * 3600).day == "2026-11-23"
    assert file.place("x", NOON + 72 * 3600).day == "2026-11-26"
    assert file.place("x", NOON + 73 * 3600).day == "2026-11-26"
    assert [place.day for place in file.places([("y", NOON), ("x", NOON + 3 * DAY)])] == ["2026-11-23", "2026-11-26"]


@pytest.mark.parametrize("fault", [Fault(lost=True), Fault(refuse=(409, "ConditionalRequestConflict"))], ids=repr)
def test_two_servers_file_an_id_under_one_day(proxied: World, proxy: Proxy, fault: Fault) -> None:
    file, midnight = IdFile(proxied.aws.s3, proxied.aws.bucket), datetime(2026, 11, 24, tzinfo=timezone.utc).timestamp()
    proxy.on("PutObject", fault, times=2)
    days: list[str] = []
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        days.append(file.place("x", midnight - 1 + 2 * (number % 2)).day)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(days) == 8 and len(set(days)) == 1


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
    (key,) = world.objects("log/")
    log = RequestLog(world.aws.s3, world.aws.bucket, key.split("/")[1])
    for number in range(4):
        rows = [encode_row(f"{number} {part}", "", "[1]" + " " * 9_000, '{"id": "x"}', now) for part in range(2)]
        log.append(rows, since=now.timestamp())
    assert world.queue("lab2").send([Outgoing("[4, 4]", {"id": name})]) == []
    drain(world)
    (again,) = world.drain("lab2_1")
    assert again.body == first.body
    rows = [json.loads(line)["id"] for body in world.objects("log/").values() for line in body.splitlines()]
    assert Counter(rows)[name] == 1


def test_ids_of_our_client_cost_no_call_and_others_one_put(world: World, proxy: Proxy) -> None:
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    puts = []
    for attributes in ({"id": new_id()}, {}, {"id": "x"}):
        assert world.queue("lab2").send([Outgoing("[1]", attributes)]) == []
        proxy.calls.clear()
        drain(world)
        puts.append((proxy.calls["PutObject"], proxy.calls["GetObject"] <= 1))
    assert puts == [(1, True), (1, True), (2, True)]


def test_with_the_stack_of_1_0_an_id_without_a_date_is_logged_on_the_day_it_was_sent(
    proxied: World, proxy: Proxy
) -> None:
    """Its policy knows no ids: the server must not stop for that."""
    proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=ALWAYS, only=lambda call: ID_PREFIX in call.path)
    assert IdFile(proxied.aws.s3, proxied.aws.bucket).place("x", NOON) == Place("2026-11-23", NOON - CLOCK_ERROR)


@pytest.mark.long
def test_a_dead_letter_put_back_is_filed_under_the_day_on_which_it_was_sent(world: World) -> None:
    """It may be in that day's log by its MessageId."""
    world.aws.sqs.send_message(QueueUrl=world.aws.queue_url("lab2_dead"), MessageBody="[1]")
    assert redrive(world.aws) == 1
    (filed,) = world.objects(ID_PREFIX).values()
    assert filed.decode() == days_ago(0)
