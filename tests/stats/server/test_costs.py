"""What server and client cost in calls and bytes; times are measured by `python -m bench`."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.logs import begin_log
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, World, until

from lab2.aws.pricing import price
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.stats.protocol import answer_request, encode_answer, encode_request, new_id
from lab2.stats.server.log.request_log import RequestLog
from lab2.stats.server.log.row import encode_row
from lab2.stats.server.pacing import GATHER_S, Arrivals
from lab2.stats.server.service import Server

MONTH = 30 * 86_400  # seconds
FULL = 16 * 2**10  # bytes of an object of the log that is not written again


def ask(world: World, count: int) -> None:
    """Send so many requests."""
    queue = world.queue("lab2")
    requests = [Outgoing("[3, 5.5, 8]", {"id": new_id(), "client": "test@here"}) for _ in range(count)]
    with ThreadPoolExecutor(4) as threads:
        assert [failed for failed in threads.map(queue.send, batches(requests)) if failed] == []


def calls(proxy: Proxy) -> int:
    return sum(proxy.calls.values())


def dollars(proxy: Proxy) -> float:
    """Return what the calls so far cost, without finding out who we are, which is free."""
    names = ((name, "sqs" if "Message" in name or "Queue" in name else "s3") for name in proxy.calls if name != "Query")
    return sum(price(service, name) * proxy.calls[name] for name, service in names) / 1e6


def drain(world: World, proxy: Proxy, count: int) -> None:
    """Let a server answer so many requests that wait."""
    ask(world, count)
    server = world.start("server.py", "--drain", env={"AWS_ENDPOINT_URL": proxy.url})
    _, errors = server.communicate(timeout=3 * PATIENCE)
    assert server.returncode == 0, errors
    assert world.depth("lab2_1") == (count, 0)


def test_2000_waiting_requests_cost_0_31_calls_each_and_15_cents_a_million(world: World, proxy: Proxy) -> None:
    count = 2_000
    begin_log(world)
    # The first write waits until all are received: how many writes there are is not up to this machine's speed.
    received = Fault(before=lambda: until(lambda: world.depth("lab2")[0] == 0))
    proxy.on("PutObject", received)
    drain(world, proxy, count)
    proxy.calls["ChangeMessageVisibilityBatch"] = 0  # renewals, of which there are none unless this machine is slow
    assert calls(proxy) <= 0.31 * count, proxy.calls
    assert dollars(proxy) <= 0.15 * count / 1e6, proxy.calls


def test_receives_of_one_to_four_messages_cost_0_7_calls_a_request(world: World, proxy: Proxy) -> None:
    """Two and a half requests a receive are 0.4 calls, answers and deletions in tens 0.2; the rest is the log."""
    count = 500
    proxy.habits.names.add("short-receives")
    drain(world, proxy, count)
    assert calls(proxy) <= 0.7 * count, proxy.calls
    assert dollars(proxy) <= 0.5 * count / 1e6, proxy.calls


def test_fifty_requests_a_second_by_ones_to_fours_are_logged_answered_and_deleted_in_tens(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact counts: a receive for each one to four requests, and for ten of them a write, an answer, a delete."""
    count, now = 200, 0.0
    monkeypatch.setattr("lab2.stats.server.pacing.GATHER_S", 3_600.0)  # the time in which they come is made up
    proxy.habits.names.add("short-receives")
    ask(proxied, count)
    server = Server(proxied.aws)
    server._arrivals = Arrivals(lambda: now)
    server._delete.linger_s = 3_600.0
    proxy.calls.clear()

    async def serve() -> int:
        nonlocal now
        receives = 0
        while server.received < count:
            now += await server._receive(patient=False) / 50
            receives += 1
        while proxy.calls["DeleteMessageBatch"] < count / 10:
            await asyncio.sleep(0.01)
        return receives

    receives = asyncio.run(asyncio.wait_for(serve(), PATIENCE))
    assert proxy.calls["SendMessageBatch"] == proxy.calls["DeleteMessageBatch"] == count / 10
    assert proxy.calls["ReceiveMessage"] == receives and 0.3 * count < receives < 0.5 * count
    assert 1 <= proxy.calls["PutObject"] <= count / 10
    others = proxy.calls.keys() - {"DeleteMessageBatch", "SendMessageBatch", "ReceiveMessage", "PutObject"}
    assert others <= {"ListObjectsV2"} and proxy.calls["ListObjectsV2"] <= 3


def test_one_request_a_second_waits_for_no_others() -> None:
    now = 0.0
    arrivals = Arrivals(lambda: now)
    for _ in range(60):
        now += 1.0
        assert arrivals.note(1) == 0.0
    for _ in range(250):  # five seconds
        now += 0.02
        wait = arrivals.note(1)
    assert 40 < arrivals.rate < 60 and wait == GATHER_S
    now += 4.0  # an empty long poll
    assert arrivals.note(0) == 0.0


def test_under_load_the_log_is_written_seven_times_a_second_and_no_byte_much_more_than_once(
    world: World, proxy: Proxy
) -> None:
    writes: list[float] = []
    proxy.on("PutObject", Fault(before=lambda: writes.append(time.monotonic())), times=ALWAYS)
    drain(world, proxy, 1_000)
    most = 7 * (writes[-1] - writes[0]) + 3  # more for the first and the last ones, when little is under way
    assert len(writes) <= most, f"{len(writes)} writes, {most:.1f} at most"
    logged = sum(map(len, world.objects("log/2").values()))
    assert proxy.sent["PutObject"] <= logged + FULL * len(writes)


@pytest.mark.long
def test_three_servers_on_one_log_cost_hardly_more_calls_than_one(world: World, proxy: Proxy) -> None:
    count, servers = 3_000, 3
    ask(world, count)
    started = [world.start("server.py", "--drain", env={"AWS_ENDPOINT_URL": proxy.url}) for _ in range(servers)]
    for server in started:
        _, errors = server.communicate(timeout=3 * PATIENCE)
        assert server.returncode == 0, errors
    assert calls(proxy) <= 0.35 * count, proxy.calls
    rows = [json.loads(line)["id"] for body in world.objects("log/2").values() for line in body.splitlines()]
    assert len(rows) == len(set(rows)) == count
    assert proxy.sent["PutObject"] <= 3 * sum(map(len, world.objects("log/2").values()))


def test_a_server_that_is_asked_once_a_second_makes_4_calls_a_request(world: World, proxy: Proxy) -> None:
    server = world.start("server.py", env={"AWS_ENDPOINT_URL": proxy.url})
    assert server.stdout
    server.stdout.readline()
    count = 5
    for number in range(count + 1):
        ask(world, 1)
        until(lambda: world.drain("lab2_1"))
        time.sleep(1)
        if number == 0:
            proxy.calls.clear()  # the first one found out what was in the log
    assert proxy.calls["PutObject"] == count
    assert calls(proxy) <= 4 * count + 1, proxy.calls  # one more: the deletion of the first


def test_an_idle_server_costs_25_cents_a_month(world: World, proxy: Proxy) -> None:
    server = world.start("server.py", env={"AWS_ENDPOINT_URL": proxy.url})
    assert server.stdout
    server.stdout.readline()
    until(lambda: proxy.calls["ReceiveMessage"])
    start = time.monotonic()
    proxy.calls.clear()
    time.sleep(9)
    assert dollars(proxy) / (time.monotonic() - start) * MONTH <= 0.25, proxy.calls
    assert set(proxy.calls) == {"ReceiveMessage"}


@pytest.mark.long
def test_a_file_costs_the_client_0_33_calls_a_message(
    world: World, proxy: Proxy, tmp_path: Path, server: object
) -> None:
    count = 1_000
    path = tmp_path / "series.txt"
    path.write_text("3 5.5 8\n" * count)
    # Its receives wait until all is answered: how many answers a receive finds is not up to this machine's speed.
    answered = Fault(before=lambda: until(lambda: world.depth("lab2")[0] + world.depth("lab2")[1] == 0))
    proxy.on("ReceiveMessage", answered, times=ALWAYS)
    client = world.start("client.py", "file", str(path), env={"AWS_ENDPOINT_URL": proxy.url})
    _, errors = client.communicate(timeout=2 * PATIENCE)
    assert client.returncode == 0, errors
    assert calls(proxy) <= 0.33 * count, proxy.calls


def test_the_bytes_put_for_a_row_do_not_grow_with_the_log(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    begin_log(world)
    aws = AwsSession()
    assert aws.bucket  # which costs a start two calls
    proxy.calls.clear()
    log = RequestLog(aws.whole_objects)
    body = encode_request([3, 5.5, 8])
    for _ in range(200):
        id = new_id()
        row = encode_row(id, "test@here", body, encode_answer(answer_request(id, body)), datetime.now(timezone.utc))
        proxy.sent.clear()
        log.append([row], since=time.time())
        assert proxy.sent["PutObject"] <= FULL + len(row.head) + 100
    assert proxy.calls["PutObject"] == 200
    assert calls(proxy) <= 204, proxy.calls
