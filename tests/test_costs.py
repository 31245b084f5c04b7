"""What it costs, in calls and bytes, which are exact: under load, at a trickle, idle, and as the log grows."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from datetime import datetime, timezone

from conftest import PATIENCE, World, until
from proxy import Proxy

import server as program
from lab2.costs import S3_WRITE, SQS_CALL
from lab2.daylog import FULL, DayLog, Logged, encode_row
from lab2.queues import Outgoing, batches

START = 30  # calls to look everything up, and to find at the end that nothing is left


def ask(world: World, count: int) -> None:
    for batch in batches([Outgoing("[3, 5.5]", {"client": "me@here"})] * count):
        assert world.queue("lab2").send(batch) == []


def listening(world: World) -> subprocess.Popen[str]:
    process = world.start("server.py")
    assert process.stdout
    process.stdout.readline()
    return process


def test_under_load_a_request_costs_three_tenths_of_a_call_and_a_share_of_a_log_write(
    world: World, proxy: Proxy
) -> None:
    count = 3_000
    ask(world, count)
    started = time.monotonic()
    process = world.start("server.py", "--drain", env={"AWS_ENDPOINT_URL": proxy.url})
    _, errors = process.communicate(timeout=4 * PATIENCE)
    assert process.returncode == 0, errors
    writes = proxy.calls["PutObject"]
    assert proxy.calls.total() - writes <= 0.305 * count + START
    assert writes <= (time.monotonic() - started) / program.GATHER + 5
    assert world.depth("lab2_1") == (count, 0)


def test_at_a_trickle_a_request_costs_four_calls(world: World, proxy: Proxy) -> None:
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    listening(world)
    ask(world, 1)
    until(lambda: proxy.calls["DeleteMessageBatch"] == 1)
    proxy.calls.clear()
    for number in range(1, 9):
        ask(world, 1)
        until(lambda number=number: proxy.calls["DeleteMessageBatch"] == number)
    assert proxy.calls.total() <= 4 * 8 + 2  # a poll that was under way when the counting began, and one now


def test_idle_it_only_polls_and_a_month_costs_a_quarter(world: World, proxy: Proxy) -> None:
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    process = listening(world)
    until(lambda: proxy.calls["ReceiveMessage"])
    proxy.calls.clear()
    started = time.monotonic()
    until(lambda: proxy.calls["ReceiveMessage"] == 2)
    assert time.monotonic() - started >= program.POLL
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    assert set(proxy.calls) == {"ReceiveMessage"}
    assert 30 * 86_400 / (program.POLL + program.PAUSE) * SQS_CALL / 1e6 <= 0.25
    assert S3_WRITE > SQS_CALL


def test_bytes_of_log_a_request_are_bounded_however_long_the_day(proxied: World, proxy: Proxy) -> None:
    cloud, now = proxied.cloud, datetime.now(timezone.utc)
    log = DayLog(cloud.s3, cloud.bucket, f"{now:%Y-%m-%d}", Logged())
    sent = [0]
    for number in range(300):
        row = encode_row(f"{number}", "me@here", "[3, 5.5]", json.dumps({"mean": 4.25, "numbers": [3, 5.5]}), now)
        log.append([row], since=now.timestamp())
        sent.append(proxy.sent["PutObject"])
        assert sent[-1] - sent[-2] <= FULL + len(row) + 1
    assert sent[300] - sent[200] <= 1.5 * sent[100]


def test_a_file_of_messages_costs_three_tenths_of_a_call_each(world: World, server: object, proxy: Proxy) -> None:
    count = 2_000
    (world.home / "series.txt").write_text("3 5.5\n" * count)
    process = world.start("client.py", "--file", "series.txt", "--csv", env={"AWS_ENDPOINT_URL": proxy.url})
    output, errors = process.communicate(timeout=4 * PATIENCE)
    assert process.returncode == 0 and len(output.splitlines()) == count + 1, errors
    assert proxy.calls.total() <= 0.33 * count + START
