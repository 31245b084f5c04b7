"""The server as a process of its own, on a real emulator: what is answered, logged and left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import PATIENCE, Program, World, until

from lab2 import __version__
from lab2.aws.sqs.message_queue import Message, Outgoing, batches
from lab2.stats.protocol import decode_answer, encode_request, new_id


def ask(world: World, *bodies: str, **attributes: str) -> list[str]:
    """Send requests; return their ids."""
    ids = [new_id() for _ in bodies]
    sent = [
        Outgoing(body, {"id": id, "client": "test@here"} | attributes) for id, body in zip(ids, bodies, strict=True)
    ]
    for batch in batches(sent):
        assert world.queue("lab2").send(batch) == []
    return ids


def answers(world: World, count: int, queue: str = "lab2_1") -> dict[str, list[Message]]:
    """Wait until `count` requests are answered; return the messages by request id."""
    found: dict[str, list[Message]] = {}

    def enough() -> bool:
        for message in world.drain(queue):
            found.setdefault(decode_answer(message.body).id, []).append(message)
        return len(found) >= count

    until(enough)
    return found


def log(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for body in world.objects("log/2").values() for line in body.splitlines()]


def serve(world: World, *args: str, program: tuple[str, ...] = ("server.py",)) -> Program:
    """Start a server and wait until it serves; `program` is what is started, and what it is given first."""
    server = world.start(*program, *args)
    assert server.stdout
    assert "Serving lab2" in server.stdout.readline()
    return server


def stop(server: Program) -> str:
    """Stop a server; return what it said since it served."""
    server.send_signal(signal.SIGTERM)
    output, errors = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0, errors
    assert errors == ""
    return output


def settled(world: World) -> bool:
    return world.depth("lab2") == (0, 0) and world.depth("lab2_dead") == (0, 0)


@pytest.mark.exact
def test_every_request_is_answered_logged_once_and_deleted(world: World) -> None:
    ids = ask(world, *(encode_request([number, 2.5]) for number in range(100)))
    server = serve(world)
    found = answers(world, 100)
    until(lambda: settled(world))
    summary = stop(server)
    assert sorted(found) == sorted(ids)
    assert all(len(messages) == 1 for messages in found.values())
    assert Counter(row["id"] for row in log(world)) == Counter(ids)
    assert "100 requests, 100 answers" in summary and "API calls" in summary and "a million requests" in summary


def test_an_answer_and_its_log_row_have_the_fields_of_the_wire(world: World) -> None:
    (id,) = ask(world, "[3, 5.5, 8]")
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    (message,) = world.drain("lab2_1")
    answer = {"id": id, "numbers": [3, 5.5, 8], "mean": 5.5, "median": 5.5, "max": 8, "min": 3}
    assert json.loads(message.body) == answer
    assert message.attributes == {"id": id, "client": "test@here"}
    (row,) = log(world)
    assert datetime.fromisoformat(row.pop("time").replace("Z", "+00:00")).tzinfo == timezone.utc
    assert re.fullmatch("[0-9a-f]{12}", row.pop("run")) and row.pop("row") == 1
    assert row.pop("sender") == world.env["AWS_ACCESS_KEY_ID"]  # the emulator knows accounts only
    expected = {
        "v": 1,
        "id": id,
        "client": "test@here",
        "request": "[3, 5.5, 8]",
        "answer": answer,
        "server": __version__,
    }
    assert row == expected
    assert list(world.objects("log/2")) == [f"log/{id[:10]}/00000001.jsonl"]


BAD = ["", "[]", "[" * 200_000, "[" + "1," * 300_000 + "1]", "\t\n\r", '{"a": 1}', "[-1]", "é😀", "[1e999]", "null"]


def test_bad_requests_are_answered_with_an_error_logged_and_deleted_and_good_ones_beside_them_answered(
    world: World,
) -> None:
    bad = [ask(world, body or " ")[0] for body in BAD]
    good = ask(world, "[1]")[0]
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    found = {message.attributes["id"]: json.loads(message.body) for message in world.drain("lab2_1")}
    for id, body in zip(bad, BAD, strict=True):
        assert found[id]["error"] and "numbers" not in found[id], body[:12]
    assert found[good]["mean"] == 1
    assert Counter(row["id"] for row in log(world)) == Counter([*bad, good])
    assert settled(world)


def test_a_request_without_attributes_is_answered_under_its_message_id(world: World) -> None:
    sqs, url = world.aws.sqs, world.aws.queue_url("lab2")
    id = sqs.send_message(QueueUrl=url, MessageBody="[1, 2]")["MessageId"]
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    (message,) = world.drain("lab2_1")
    assert decode_answer(message.body).id == id
    assert message.attributes == {"id": id}


def test_a_hostile_id_or_client_is_not_echoed(world: World) -> None:
    names = ["x" * 201, "\x1b[2J", "a\nb"]
    for name in names:
        world.queue("lab2").send([Outgoing("[1]", {"id": name, "client": name})])
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    messages = world.drain("lab2_1")
    assert len(messages) == len(names)
    for name in names:
        assert not [found for found in messages if name in found.attributes.values() or name in found.body]


def test_a_redelivered_request_gets_the_logged_answer_and_no_second_row(world: World) -> None:
    id = new_id()
    world.queue("lab2").send([Outgoing("[1]", {"id": id})])
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    world.queue("lab2").send([Outgoing("[2]", {"id": id})])  # told apart by its answer: it must be the first one's
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    assert [decode_answer(message.body).summary["mean"] for message in world.drain("lab2_1")] == [1, 1]
    assert len(log(world)) == 1
    assert settled(world)


def test_one_id_twice_in_one_batch_is_logged_once(world: World) -> None:
    id = new_id()
    world.queue("lab2").send([Outgoing("[1]", {"id": id})] * 10)
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    assert len(log(world)) == 1
    assert settled(world)


@pytest.mark.long
def test_two_servers_on_one_log_answer_all_and_log_each_once(world: World) -> None:
    servers = [serve(world), serve(world)]
    ids = ask(world, *(encode_request([number]) for number in range(600)))
    found = answers(world, 600)
    until(lambda: settled(world))
    for server in servers:
        stop(server)
    assert sorted(found) == sorted(ids)
    assert Counter(row["id"] for row in log(world)) == Counter(ids)


def test_an_object_of_the_log_that_is_full_is_not_written_again(world: World) -> None:
    for _ in range(2):
        ask(world, *(encode_request([number] * 10) for number in range(60)))
        world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    sizes = [len(body) for body in world.objects("log/2").values()]
    assert len(sizes) > 1
    assert all(size >= 16 * 1024 for size in sizes[:-1])
    assert len(log(world)) == 120


def test_an_idle_server_that_is_stopped_leaves_no_message_invisible(world: World) -> None:
    server = serve(world)
    server.send_signal(signal.SIGINT)  # in the middle of a long poll
    ids = ask(world, "[1]", "[2]")  # and these arrive in it, or stay
    server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    visible, invisible = world.depth("lab2")
    assert invisible == 0
    assert visible + len(world.drain("lab2_1")) == len(ids)


def test_answers_go_to_the_private_queue_that_is_named(world: World) -> None:
    world.aws.sqs.create_queue(QueueName="lab2_1-me-1")
    ask(world, "[1]", reply_to="lab2_1-me-1")
    ask(world, "[2]", reply_to="lab2_1-me-gone")
    ask(world, "[3]", reply_to="lab2_dead")
    server = world.start("server.py", "--drain")
    _, errors = server.communicate(timeout=PATIENCE)
    assert (server.returncode, errors) == (0, "")
    assert [decode_answer(message.body).summary["mean"] for message in world.drain("lab2_1-me-1")] == [1]
    # Whoever asked has gone, and its next run looks on the shared queue.
    assert sorted(decode_answer(message.body).summary["mean"] for message in world.drain("lab2_1")) == [2, 3]
    assert settled(world)


def test_a_private_queue_that_aws_does_not_know_yet_gets_its_answers_and_nobody_waits(world: World) -> None:
    patient = "tests/support/with_setting.py", "server.py", "lab2.stats.server.stages:APPEARS_WITHIN_S=20"
    serve(world, program=patient)
    (late,) = ask(world, "[1]", reply_to="lab2_1-me-late")
    others = ask(world, *["[2]"] * 12)
    assert set(answers(world, 12)) == set(others)
    world.aws.sqs.create_queue(QueueName="lab2_1-me-late")
    assert set(answers(world, 1, "lab2_1-me-late")) == {late}
    until(lambda: settled(world))


@pytest.mark.parametrize("fault", [Fault(refuse=(403, "AccessDenied")), Fault(fail=10, code="InvalidParameterValue")])
def test_private_queues_that_take_nothing_keep_nobody_else_waiting(world: World, proxy: Proxy, fault: Fault) -> None:
    def is_private(call: Call) -> bool:
        return "lab2_1-" in call.fields["QueueUrl"]

    proxy.on("SendMessageBatch", fault, times=ALWAYS, only=is_private)
    for number in range(10):  # more than there are threads that answer
        world.aws.sqs.create_queue(QueueName=f"lab2_1-bad-{number}")
        ask(world, "[1]", reply_to=f"lab2_1-bad-{number}")
    ids = ask(world, *["[2]"] * 10)
    server = world.start("server.py", env={"AWS_ENDPOINT_URL": proxy.url})
    assert set(ids) < set(answers(world, 20))
    until(lambda: settled(world))
    assert len(log(world)) == 20
    assert server.poll() is None


def test_rows_in_the_log_that_somebody_tore_do_no_harm(world: World) -> None:
    ask(world, "[1]")
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    (key,) = world.objects("log/2")
    body = world.objects("log/2")[key] + b'{"id": "torn'
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=key, Body=body)
    ask(world, "[2]")
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)
    lines = world.objects("log/2")[key].splitlines()
    assert lines[1] == b'{"id": "torn'
    assert [json.loads(line)["request"] for line in (lines[0], lines[2])] == ["[1]", "[2]"]


def refusal(world: World, **env: str) -> str:
    """Start a server that can't go on; return the one sentence that it says."""
    server = world.start("server.py", env=env)
    output, errors = server.communicate(timeout=PATIENCE)
    assert server.returncode == 2
    assert output == "" and errors.count("\n") == 1 and "Traceback" not in errors
    return errors


def test_a_missing_queue_bucket_or_region_is_said_with_what_to_do(world: World) -> None:
    assert "lab2 deploy" in refusal(world, AWS_ACCESS_KEY_ID="999999999999")
    assert "lab2 deploy" in refusal(world, LAB2_BUCKET="nobody-has-it")
    assert "AWS_REGION" in refusal(world, AWS_REGION="")


def test_an_aws_that_is_away_at_the_start_is_said_in_a_sentence_and_waited_for(proxied: World, proxy: Proxy) -> None:
    rule = proxy.on("GetQueueUrl", Fault(cut=True), times=9)  # botocore itself asks three times
    server = serve(proxied)
    assert rule.seen > 9
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=PATIENCE)
    first, second = errors.splitlines()
    assert "Connecting fails; retrying: AWS can't be reached" in first and "Connecting works again" in second


def test_missing_credentials_are_said_with_what_to_do(world: World) -> None:
    env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    assert "aws configure" in refusal(world, **env)


def test_client_and_server_run_where_opencv_and_numpy_are_not_installed(world: World) -> None:
    broken = world.home / "broken"
    broken.mkdir()
    for module in ("cv2", "numpy"):
        (broken / f"{module}.py").write_text("raise ImportError('not on this machine')")
    ask(world, "[1]")
    server = world.start("server.py", "--drain", env={"PYTHONPATH": str(broken)})
    assert server.wait(PATIENCE) == 0
    assert len(world.drain("lab2_1")) == 1


def fill(pipe: int) -> None:
    """Fill a pipe, so that whoever writes to it waits for its reader."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"." * 1000)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b".")
    os.set_blocking(pipe, True)


AT_ONCE = "tests/support/with_setting.py", "server.py", "lab2.stats.server.stages:APPEARS_WITHIN_S=0"


def test_a_server_whose_reader_does_not_read_goes_on_and_ends(world: World) -> None:
    reader, writer = os.pipe()
    server = world.start(*AT_ONCE, stdout=writer)
    assert b"Serving lab2" in os.read(reader, 1000)
    fill(writer)
    first = ask(world, "[1]", reply_to="lab2_1-gone")  # which is said on standard output
    assert set(answers(world, 1)) == set(first)
    second = ask(world, "[2]")
    assert set(answers(world, 1)) == set(second)
    server.send_signal(signal.SIGTERM)
    assert server.wait(PATIENCE) == 0
    assert world.depth("lab2") == (0, 0)
    os.close(reader)
    os.close(writer)


def test_a_request_that_is_said_to_a_reader_who_has_gone_is_answered(world: World) -> None:
    server = serve(world, program=AT_ONCE)
    assert server.stdout
    server.stdout.close()
    ids = ask(world, "[1]", reply_to="lab2_1-gone")
    assert set(answers(world, 1)) == set(ids)
    assert server.wait(PATIENCE) == 1
    assert settled(world)


def test_a_request_that_fails_is_alone_though_the_reader_of_errors_has_gone(world: World) -> None:
    bug = "lab2.stats.server.stages:answer_request", "RuntimeError", "0", "[4711]"
    server = serve(world, program=("tests/support/with_bug.py", "server.py", *bug))
    assert server.stderr
    server.stderr.close()
    _, *good = ask(world, "[4711]", *["[1]"] * 9)
    assert set(answers(world, 9)) == set(good)


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory a process has")
def test_the_bodies_of_the_requests_in_hand_are_not_kept(world: World, proxy: Proxy) -> None:
    def memory() -> int:
        status = Path(f"/proc/{server.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024

    server = world.start("server.py", env={"AWS_ENDPOINT_URL": proxy.url})
    assert server.stdout and "Serving lab2" in server.stdout.readline()
    ask(world, "[1]")
    answers(world, 1)
    go = threading.Event()
    proxy.on("PutObject", Fault(before=go.wait), times=ALWAYS)
    before = memory()
    body = "[" + "1," * 450_000 + "1]"
    for _ in range(80):
        ask(world, body)
    until(lambda: world.depth("lab2") == (0, 80))
    grown = memory() - before
    go.set()
    assert grown < 80 * len(body) / 2
    answers(world, 80)


QUICK_END = (
    "tests/support/with_setting.py",
    "server.py",
    ",".join(
        f"lab2.stats.server.pacing:{name}={seconds}"
        for name, seconds in {"LAST_POLL_S": 1, "LAST_WORK_S": 2, "LAST_EFFORT_S": 3}.items()
    ),
)
HANGS = Fault(before=threading.Event().wait)
REFUSES = Fault(refuse=(400, "BatchEntryIdsNotDistinct"))


@pytest.mark.parametrize(
    ("fault", "operations"),
    [
        (HANGS, ["ReceiveMessage"]),
        (HANGS, ["PutObject", "ChangeMessageVisibilityBatch"]),
        (HANGS, ["GetObject"]),
        (HANGS, ["SendMessageBatch"]),
        (HANGS, ["DeleteMessageBatch"]),
        (Fault(cut=True), ["ReceiveMessage"]),
        (REFUSES, ["SendMessageBatch"]),
        (REFUSES, ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"]),
    ],
    ids=["poll", "log and release", "read", "answer", "delete", "cut", "answer refused", "delete refused"],
)
def test_a_server_ends_within_its_grace_whatever_fails_and_no_request_is_lost(
    world: World, proxy: Proxy, fault: Fault, operations: list[str]
) -> None:
    ask(world, "[1]")
    world.start("server.py", "--drain").communicate(timeout=PATIENCE)  # there is a log
    server = world.start(*QUICK_END, env={"AWS_ENDPOINT_URL": proxy.url})
    assert server.stdout and "Serving lab2" in server.stdout.readline()
    for operation in operations:
        proxy.on(operation, fault, times=ALWAYS)
    before = proxy.calls[operations[0]]
    ask(world, "[2]", "[3]")
    until(lambda: proxy.calls[operations[0]] > before)
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=PATIENCE)  # without end, as long as calls hang
    assert server.returncode == 0, errors
    assert "refused this account" not in errors and "internal error" not in errors
    answered = len({message.id for message in world.drain("lab2_1")})
    assert sum(world.depth("lab2")) + answered >= 3
    assert len(log(world)) >= answered
