"""The crash matrix: every program, killed or failed at every call that it makes, loses nothing and doubles nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.faults import FAULTS, at_each_call
from support.logs import begin_log
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.requests import ask, assert_all_is_well
from support.world import PATIENCE, Program, World, until

from lab2.aws.sqs.message_queue import Outgoing
from lab2.stats.client.batch import MANY_REQUESTS
from lab2.stats.protocol import encode_request, new_id

LEASE = 60  # seconds for which a request that is received is nobody else's
SOON = 3  # seconds that a message taken by somebody who died is hidden here, instead of a minute

SERVER_CALLS = ["GetQueueUrl", "ReceiveMessage", "ListObjectsV2", "PutObject", "SendMessageBatch", "DeleteMessageBatch"]
CLIENT_CALLS = ["GetQueueUrl", "ListQueues", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"]
PRIVATE_CALLS = ["ListQueues", "CreateQueue", "SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "DeleteQueue"]


def start(world: World) -> Program:
    return world.start("server.py", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def quick(world: World, proxy: Proxy) -> Iterator[World]:
    """A world whose programs speak through the proxy, and in which what a dead one held is there again soon."""
    leases = []

    def shorten(fields: dict[str, Any]) -> None:
        if fields["QueueUrl"].endswith("/lab2"):
            leases.append(fields["VisibilityTimeout"])
        fields["VisibilityTimeout"] = SOON

    world.env["AWS_ENDPOINT_URL"] = proxy.url
    proxy.edit("ReceiveMessage", shorten)
    begin_log(world)
    yield world
    assert min(leases, default=LEASE) == LEASE


@pytest.mark.parametrize(("call", "fault"), at_each_call(SERVER_CALLS))
def test_server(quick: World, proxy: Proxy, call: str, fault: str) -> None:
    go_through(quick, proxy, call, fault, servers=1)


@pytest.mark.parametrize(("call", "fault"), at_each_call(SERVER_CALLS, [name for name in FAULTS if "killed" in name]))
def test_server_of_two(quick: World, proxy: Proxy, call: str, fault: str) -> None:
    go_through(quick, proxy, call, fault, servers=2)


@pytest.mark.parametrize(("write", "fault"), at_each_call(["first of all", "that closes a day"], always=2))
def test_server_of_two_at_the_write(quick: World, proxy: Proxy, write: str, fault: str) -> None:
    if write == "first of all":
        quick.aws.s3.delete_object(Bucket=quick.aws.bucket, Key="log/start.jsonl")
    else:
        begin_log(quick, days_ago=1)
    go_through(quick, proxy, "PutObject", fault, servers=2)


def go_through(quick: World, proxy: Proxy, call: str, fault: str, servers: int) -> None:
    """Let a fault happen to a call of one of the servers; whoever is killed is started again."""
    ids = ask(quick)
    victims: list[Program] = []
    rule = proxy.on(call, FAULTS[fault](lambda: victims[0].kill()), times=1 if "killed" in fault else 2)
    victims.append(start(quick))
    if servers == 2:
        start(quick)
    until(lambda: rule.seen)
    if "killed" in fault:
        victims[0].wait(PATIENCE)
        start(quick)
    elif call == "GetQueueUrl":  # at the start of a program it says so and ends: a person is there
        start(quick)
    assert_all_is_well(quick, ids)


@pytest.mark.parametrize("call", ["SendMessageBatch", "DeleteMessageBatch"])
def test_server_part_of_a_batch_refused(quick: World, proxy: Proxy, call: str) -> None:
    ids = ask(quick)
    proxy.on(call, Fault(fail=3), times=2)
    start(quick)
    assert_all_is_well(quick, ids)
    assert proxy.calls[call] > 3


@pytest.mark.parametrize("service", ["S3", "SQS"])
def test_server_service_away_while_requests_come_in(quick: World, proxy: Proxy, service: str) -> None:
    server = start(quick)
    until(lambda: proxy.calls["ReceiveMessage"])
    calls = ["PutObject", "GetObject", "ListObjectsV2"] if service == "S3" else ["ReceiveMessage", "SendMessageBatch",
                                                                                 "DeleteMessageBatch"]  # fmt: skip
    rules = [proxy.on(call, Fault(cut=True), times=ALWAYS) for call in calls]
    ids = ask(quick)
    until(lambda: max(rule.seen for rule in rules) >= 6)
    proxy.forget(*rules)
    assert_all_is_well(quick, ids)
    assert server.poll() is None


def test_server_lease_lost_while_the_log_write_hangs(quick: World, proxy: Proxy) -> None:
    ids = ask(quick)
    proxy.on("PutObject", Fault(before=lambda: time.sleep(2 * SOON)))  # the other server gets the requests meanwhile
    start(quick)
    start(quick)
    assert_all_is_well(quick, ids)


def test_server_stopped_for_longer_than_its_lease(quick: World, proxy: Proxy) -> None:
    ids = ask(quick)
    victims: list[Program] = []
    rule = proxy.on("PutObject", Fault(before=lambda: victims[0].send_signal(signal.SIGSTOP)))
    victims.append(start(quick))
    until(lambda: rule.seen)
    start(quick)
    until(lambda: quick.depth("lab2") == (0, 0))
    victims[0].send_signal(signal.SIGCONT)
    assert_all_is_well(quick, ids)


def test_server_midnight_in_the_middle_of_a_batch(quick: World) -> None:
    begin_log(quick, days_ago=1)
    today, ids = new_id()[:10], [new_id() for _ in range(4)]
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    ids = [f"{yesterday}{id[10:]}" if number % 2 else id for number, id in enumerate(ids)]
    quick.queue("lab2").send([Outgoing(encode_request([n, 1]), {"id": id}) for n, id in enumerate(ids)])
    start(quick)
    assert_all_is_well(quick, ids)
    assert {key.split("/")[1] for key in quick.objects("log/2")} == {yesterday, today}
    quick.queue("lab2").send([Outgoing(encode_request([n, 1]), {"id": id}) for n, id in enumerate(ids)])
    assert_all_is_well(quick, ids)  # again after midnight: no second row


@pytest.mark.parametrize(("call", "fault"), at_each_call(CLIENT_CALLS))
def test_client(quick: World, proxy: Proxy, call: str, fault: str) -> None:
    """Whatever happens to the first run, the answer of what it sent is shown by it or by the next one."""
    start(quick)
    until(lambda: proxy.calls["ReceiveMessage"])
    victims: list[Program] = []
    queue = "lab2_1" if call in ("ReceiveMessage", "DeleteMessageBatch") else "lab2"
    times = 1 if "killed" in fault else 2
    rule = proxy.on(call, FAULTS[fault](lambda: victims[0].kill()), times=times, only=lambda it: _of_client(it, queue))
    victims.append(quick.start("client.py", "--client", "me@here", "41", "43"))
    first, errors = victims[0].communicate(timeout=3 * PATIENCE)
    assert "Traceback" not in errors
    assert rule.seen
    proxy.forget(rule)
    until(lambda: sum(quick.depth("lab2")) + quick.depth("lab2_1")[1] == 0)
    second, _ = quick.start("client.py", "--client", "me@here", "7").communicate(timeout=3 * PATIENCE)
    logged = b"[41, 43]" in b"".join(quick.objects("log/2").values())
    shown = first.count("41 43") + second.count("41 43")
    assert shown >= 1 if logged else shown == 0
    if "killed" not in fault and call not in ("GetQueueUrl", "ListQueues"):
        assert first.count("41 43") == 1 and second.count("41 43") == 0
    assert re.search(r"^ *1 +7 +7 ", second, re.MULTILINE)
    # Copies of answers may be left, of a request that was sent again because its reply was lost, or on a slow machine
    # received again before it was deleted.
    until(lambda: quick.depth("lab2_1")[1] == 0)
    assert all(re.search(r'"numbers": \[(41, 43|7)\]', message.body) for message in quick.drain("lab2_1"))
    assert quick.depth("lab2_1") == (0, 0)


@pytest.mark.parametrize(("call", "fault"), at_each_call(PRIVATE_CALLS, always=3))
def test_client_with_a_private_queue(quick: World, proxy: Proxy, call: str, fault: str) -> None:
    """Whatever happens to a run with a file, each answer is shown by it or by a listener that comes after it."""
    start(quick)
    until(lambda: proxy.calls["ReceiveMessage"])
    path = quick.home / "series.txt"
    path.write_text("".join(f"{number}\n" for number in range(MANY_REQUESTS)))
    victims: list[Program] = []

    def is_meant(it: Call) -> bool:
        url = str(it.fields.get("QueueUrl", ""))
        return url.endswith("/lab2") if call == "SendMessageBatch" else "QueueUrl" not in it.fields or "/lab2_1-" in url

    times = 1 if "killed" in fault else 2
    rule = proxy.on(call, FAULTS[fault](lambda: victims[0].kill()), times=times, only=is_meant)
    victims.append(quick.start("client.py", "file", str(path), "--client", "me@here", "--output", "json"))
    output, errors = victims[0].communicate(timeout=3 * PATIENCE)
    assert "Traceback" not in errors
    assert rule.seen
    proxy.forget(rule)
    first = [json.loads(line)["numbers"][0] for line in output.splitlines()]

    def queues() -> list[str]:
        return [
            url.rpartition("/")[2] for url in quick.aws.sqs.list_queues(QueueNamePrefix="lab2_1").get("QueueUrls", [])
        ]

    until(lambda: sum(quick.depth("lab2")) + sum(quick.depth(queue)[1] for queue in queues()) == 0)
    logged = [json.loads(line) for body in quick.objects("log/2").values() for line in body.splitlines()]
    listener = quick.start("client.py", "listen", "--client", "me@here", stdout=(quick.home / "shown").open("w"))
    until(lambda: all(quick.depth(queue) == (0, 0) for queue in queues()), patience=3 * PATIENCE)
    listener.terminate()
    listener.communicate(timeout=PATIENCE)
    rows = [line.split() for line in (quick.home / "shown").read_text().splitlines()]
    second = [int(row[1]) for row in rows if row[0] == "earlier"]
    assert set(first + second) == {json.loads(row["request"])[0] for row in logged}
    assert len(set(first)) == len(first) and len(set(second)) == len(second)
    if "killed" not in fault:
        assert first == list(range(MANY_REQUESTS)) and second == []


def _of_client(call: Call, queue: str) -> bool:
    """Tell the client's calls from the server's: by the queue that it speaks to and how."""
    if call.operation in ("GetQueueUrl", "ListQueues"):
        return True
    return str(call.fields.get("QueueUrl", "")).endswith(f"/{queue}")
