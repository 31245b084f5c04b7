"""`server.py status`: what people and monitors are told, and what is a problem."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from support.logs import log_rows
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, World

from lab2 import __version__
from lab2.aws.resources import REQUEST_QUEUE
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.stats.protocol import new_id
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.monitor import status
from lab2.stats.server.monitor.status import OLD_S, OLD_SERVER, LogStatus, Status, log_status

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


def log(world: World, count: int, time: datetime, server: str = __version__, request: str = "[1]") -> None:
    """Have so many rows logged at a time, by a server of a version ('': of 1.0, which did not say)."""
    field = f', "server": "{server}"' if server else ""
    rows = [encode_row(new_id(), "", request, '{"mean": 1}', time) for _ in range(count)]
    ours = f', "server": "{__version__}"'.encode()
    rows = [row._replace(head=row.head.replace(ours, field.encode())) for row in rows]
    day = f"{time:%Y-%m-%d}"
    for batch in batches(rows, 80):
        log_rows(world, day, batch)


def test_the_log_is_counted_by_day_hour_and_minute_and_the_versions_of_its_servers_are_named(world: World) -> None:
    log(world, 3, NOW - timedelta(hours=3), server="")
    log(world, 5, NOW - timedelta(minutes=59), server="")
    log(world, 10, NOW - timedelta(minutes=4), server="9.9")
    log(world, 1, NOW)
    found = log_status(world.aws, NOW)
    assert found.last and found.last["server"] == __version__
    assert found == LogStatus(
        "2026-11-23", 19, 16, 11 / 5, False, found.last,
        {OLD_SERVER: "2026-11-23T11:01:00.000Z", "9.9": "2026-11-23T11:56:00.000Z",
         __version__: "2026-11-23T12:00:00.000Z"},
    )  # fmt: skip


def test_shortly_after_midnight_the_last_hour_is_in_the_log_of_the_day_before(world: World) -> None:
    midnight = NOW + timedelta(hours=12)
    log(world, 2, midnight - timedelta(minutes=3))
    found = log_status(world.aws, midnight + timedelta(seconds=1))
    assert (found.day, found.requests, found.last_hour, found.per_minute) == ("2026-11-24", 0, 2, 2 / 5)
    assert found.last and __version__ in found.servers


def test_of_a_long_log_the_newest_segments_are_read_and_the_rest_is_estimated(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "MAX_BYTES", 40_000)
    log(proxied, 1_200, datetime.now(timezone.utc))
    segments = len(proxied.objects("log/2"))
    proxy.calls.clear()
    found = log_status(proxied.aws, datetime.now(timezone.utc))
    assert segments >= 8 and proxy.calls["GetObject"] <= 3
    assert found.estimated and found.requests == pytest.approx(1_200, rel=0.05) == found.last_hour


def test_people_see_queues_dead_letters_and_the_log_and_that_dead_letters_are_a_problem(world: World) -> None:
    log(world, 2, datetime.now(timezone.utc))
    world.queue("lab2_dead").send([Outgoing("\x09the body of a dead letter")])
    world.queue("lab2").send([Outgoing("[5]")])
    process = world.start("server.py", "status")
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (1, "")
    depths = dict(line.split()[:2] for line in output.splitlines()[1:4])
    assert depths == {"lab2": "1", "lab2_1": "0", "lab2_dead": "1"}
    assert r"\tthe body of a dead letter" in output
    assert "2 requests; 2 in the last hour, 0.4 a minute now" in output and '"[1]"' in output
    assert f"Server {__version__} last wrote at " in output
    assert output.splitlines()[-1] == "Problem: 1 dead letter on lab2_dead."
    assert max(map(len, output.splitlines()[:4])) <= 80
    assert world.depth("lab2_dead") == (1, 0)  # it looked, no more


def test_a_monitor_is_told_the_same_as_json(world: World) -> None:
    found = Status.from_aws(world.aws, NOW)
    assert found.problems == []
    assert json.loads(found.as_json()) == {
        "time": "2026-11-23T12:00:00.000Z", "healthy": True, "problems": [],
        "queues": {name: {"waiting": 0, "in_flight": 0} for name in ("lab2", "lab2_1", "lab2_dead")},
        "oldest_seconds": None, "dead_letters": 0,
        "day": "2026-11-23", "requests_today": 0, "requests_last_hour": 0, "requests_per_minute": 0.0,
        "estimated": False, "last_request": None, "servers": [],
    }  # fmt: skip
    log(world, 1, NOW)
    told = json.loads(Status.from_aws(world.aws, NOW).as_json())
    assert told["requests_today"] == 1 and told["last_request"] == "2026-11-23T12:00:00.000Z"
    assert told["servers"] == [{"version": __version__, "last_request": told["last_request"]}]


@pytest.mark.parametrize(("age", "problems"), [(OLD_S, 0), (OLD_S + 1, 1)])
def test_a_request_that_waits_for_longer_than_five_minutes_is_a_problem(world: World, age: int, problems: int) -> None:
    now = datetime.now(timezone.utc)
    world.aws.cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[{
        "MetricName": "ApproximateAgeOfOldestMessage", "Value": age, "Timestamp": now - timedelta(minutes=1),
        "Dimensions": [{"Name": "QueueName", "Value": REQUEST_QUEUE}],
    }])  # fmt: skip
    found = Status.from_aws(world.aws, now)
    assert found.oldest == age
    assert len(found.problems) == problems
    assert json.loads(found.as_json())["healthy"] is not bool(problems)


def test_every_dead_letter_is_found_though_receives_are_short_and_all_are_left_visible(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [f"letter {number}" for number in range(25)]
    for batch in batches([Outgoing(body) for body in bodies]):
        assert world.queue("lab2_dead").send(batch) == []
    proxy.habits.names |= {"short-receives", "empty-polls", "stale-attributes"}
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    for _ in range(2):
        found = Status.from_aws(AwsSession(), NOW)
        assert sorted(message.body for message in found.dead_letters) == sorted(bodies)
        assert found.dead_letter_count == 25


def test_the_rest_is_told_if_cloudwatch_refuses(proxied: World, proxy: Proxy) -> None:
    proxy.on("GetMetricStatistics", Fault(refuse=(403, "AccessDenied"), details={"Message": "no"}), times=ALWAYS)
    found = Status.from_aws(proxied.aws, NOW)
    assert found.oldest is None and not found.problems
    assert (
        "Oldest request: not known (Access to the age of the oldest request in CloudWatch is denied" in found.as_text()
    )
    assert json.loads(found.as_json())["oldest_seconds"] is None
