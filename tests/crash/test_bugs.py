"""An error that nobody foresaw, anywhere in the server: its item is set aside, the rest goes on, nothing is lost."""

from __future__ import annotations

import json
import signal
from collections import Counter

import pytest
from support.bugs import BAD, ERRORS, assert_explained, buggy
from support.proxy import Fault, Proxy
from support.requests import ask_for, take_answers
from support.world import PATIENCE, Program, World, until

from lab2.stats.protocol import decode_answer

# Where the bug is, and whether it shows once or for one request at each try.
TARGETS = {
    "handler": "lab2.stats.server.stages:answer_request",
    "index, asked": "lab2.stats.server.log.index:LogIndex.find",
    "index, told": "lab2.stats.server.log.index:LogIndex.add",
    "index, told, after": "lab2.stats.server.log.index:LogIndex.add!",
    "log writer, before": "lab2.stats.server.log.request_log:RequestLog.append",
    "log writer, after": "lab2.stats.server.log.request_log:RequestLog.append!",
    "S3 write, after": "lab2.aws.s3.append_object:AppendObject._write!",
    "sender, before": "lab2.aws.sqs.event_loop:EventLoopQueue.send",
    "sender, after": "lab2.aws.sqs.event_loop:EventLoopQueue.send!",
    "deleter": "lab2.aws.sqs.event_loop:EventLoopQueue.delete",
    "receiver": "lab2.aws.sqs.event_loop:EventLoopQueue.receive",
    "leases": "lab2.aws.sqs.leases:Leases.hold!",
}
FULL_DISK = "lab2.stats.server.log.index:DayIndex.add"
OF_ONE_REQUEST = ["handler", "log writer, before", "sender, before"]


def ask(world: World) -> list[str]:
    """Put thirty requests on the queue, one of them with the bad number; return their ids, that one's first."""
    return ask_for(world, [[number or BAD] for number in range(30)])


def collect(world: World, ids: list[str]) -> None:
    """Wait until these requests, and no others, are answered rightly."""
    found: dict[str, set[float]] = {}

    def done() -> bool:
        take_answers(world, found)
        return len(found) >= len(ids)

    until(done)
    assert set(found) == set(ids) and all(len(means) == 1 for means in found.values())


def logged(world: World) -> Counter[str]:
    return Counter(json.loads(line)["id"] for body in world.objects("log/2").values() for line in body.splitlines())


def stop(server: Program, error: str) -> str:
    """Stop a server, which must still run; return what it said: sentences, and where the traceback is."""
    assert server.poll() is None
    server.send_signal(signal.SIGTERM)
    output, errors = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert_explained(output + errors, error)
    return output + errors


@pytest.mark.parametrize("error", [ERRORS[0], *(pytest.param(error, marks=pytest.mark.long) for error in ERRORS[1:])])
@pytest.mark.parametrize("place", TARGETS)
def test_a_bug_that_shows_for_a_while_loses_and_doubles_nothing(quick: World, place: str, error: str) -> None:
    ids = ask(quick)
    server = buggy(quick, "server.py", TARGETS[place], error, 3)
    collect(quick, ids)
    until(lambda: quick.depth("lab2") == (0, 0))
    stop(server, error)
    assert logged(quick) == Counter(ids)
    assert quick.depth("lab2_dead") == (0, 0)


def test_a_temporary_folder_that_is_full_for_a_while_is_an_outage_and_fails_no_request(quick: World) -> None:
    """What was written while the index was not is found in the log by a new one."""
    ids = ask(quick)
    server = buggy(quick, "server.py", FULL_DISK, "OSError", 3)
    collect(quick, ids)
    until(lambda: quick.depth("lab2") == (0, 0))
    assert server.poll() is None
    server.send_signal(signal.SIGTERM)
    output, errors = server.communicate(timeout=PATIENCE)
    said = output + errors
    assert said.count("The log's index can't be written in the temporary folder") == 1
    assert "failed, receive" not in said and "Traceback" not in said
    assert logged(quick) == Counter(ids)


@pytest.mark.parametrize(
    "place",
    [OF_ONE_REQUEST[0], *(pytest.param(place, marks=pytest.mark.long) for place in OF_ONE_REQUEST[1:])],
)
@pytest.mark.long
def test_a_request_that_fails_each_time_is_a_dead_letter_and_redrive_mends_it(quick: World, place: str) -> None:
    bad, *good = ask(quick)
    server = buggy(quick, "server.py", TARGETS[place], "RuntimeError", 0, str(BAD))
    collect(quick, good)
    until(lambda: (quick.depth("lab2_dead"), quick.depth("lab2")) == ((1, 0), (0, 0)))
    said = stop(server, "RuntimeError")
    again = quick.drain("lab2_1")  # by a slow machine, of requests that came back before they were deleted
    assert {decode_answer(message.body).id for message in again} <= set(good)
    for number in range(1, 6):
        assert f"Request {bad} failed, receive {number} of 5 before it goes to lab2_dead" in said
    output, _ = quick.start("server.py", "status").communicate(timeout=PATIENCE)
    assert f"[{BAD}]" in output and bad in output and "redrive" in output
    output, errors = quick.start("server.py", "redrive").communicate(timeout=PATIENCE)
    assert output == "1 dead letter put back on lab2.\n" and errors == ""
    quick.start("server.py", "--drain").communicate(timeout=PATIENCE)
    collect(quick, [bad])
    assert logged(quick) == Counter([bad, *good])
    assert quick.depth("lab2_dead") == quick.depth("lab2") == (0, 0)


@pytest.mark.parametrize("call", ["SendMessageBatch", "DeleteMessageBatch"])
@pytest.mark.parametrize("how", ["killed before", "killed after", "reply lost"])
def test_a_redrive_that_is_killed_loses_nothing_and_keeps_every_identity(
    quick: World, proxy: Proxy, call: str, how: str
) -> None:
    """A request without an id is known by its MessageId, which a move would change."""
    sqs, dead = quick.aws.sqs, quick.aws.queue_url("lab2_dead")
    binary = {"note": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
    ids = [sqs.send_message(QueueUrl=dead, MessageBody=f"[{number}]", MessageAttributes=binary)["MessageId"]
           for number in range(25)]  # fmt: skip
    victims: list[Program] = []

    def kill() -> None:
        victims[0].kill()

    fault = {"killed before": Fault(before=kill, cut=True), "killed after": Fault(after=kill, lost=True),
             "reply lost": Fault(lost=True)}[how]  # fmt: skip
    rule = proxy.on(call, fault, nth=2)
    victims.append(quick.start("server.py", "redrive"))
    victims[0].wait(PATIENCE)
    assert rule.seen >= 2
    until(lambda: quick.depth("lab2_dead")[1] == 0)
    output, _ = quick.start("server.py", "redrive").communicate(timeout=PATIENCE)
    assert "put back on lab2" in output
    (message, *_) = sqs.receive_message(
        QueueUrl=quick.aws.queue_url("lab2"), MessageAttributeNames=["All"], VisibilityTimeout=0
    )["Messages"]
    assert message["MessageAttributes"]["note"]["BinaryValue"] in (b"\0\1", "AAE=")
    assert message["MessageAttributes"]["id"]["StringValue"] in ids
    until(lambda: quick.depth("lab2")[1] == 0)
    quick.start("server.py", "--drain").communicate(timeout=PATIENCE)
    until(lambda: logged(quick) == Counter(ids))
    assert quick.depth("lab2_dead") == (0, 0)
