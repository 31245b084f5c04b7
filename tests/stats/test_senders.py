"""Bodies as other programs send them: each sender is told what to change, and a mark at the start does no harm."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support.client import client
from support.proxy import Proxy
from support.world import PATIENCE, ROOT, World

from lab2.aws.sqs.message_queue import Outgoing, batches
from lab2.stats.protocol import answer_request

POINTER = {"s3BucketName": "b", "s3Key": "k"}
CELERY = {"body": "W1tdLCB7fV0=", "content-type": "application/json", "headers": {"task": "add"}, "properties": {}}
DRAMATIQ = {"queue_name": "lab2", "actor_name": "add", "args": [3], "kwargs": {}, "message_id": "1"}


def error(body: str) -> str:
    return answer_request("1", body).error or ""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": "[3]"}, "raw message delivery"),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "[3]"}}]}, "raw message delivery"),
        ({"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:x", "Message": "You"}, "SNS"),
        ({"detail-type": "numbers", "source": "lab", "detail": {"numbers": [3]}}, "input path"),
        ({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}}}]}, "an event of S3"),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent"}, "an event of S3"),
        (["software.amazon.payloadoffloading.PayloadS3Pointer", POINTER], "extended client"),
        (["com.amazon.sqs.javamessaging.MessageS3Pointer", POINTER], "extended client"),
        (POINTER, "extended client"),
        ({"S3Payload": {"Id": "1", "Bucket": "b", "Key": "k"}}, "extended client"),
        (CELERY, "celery"),
        ({"task": "add", "id": "1", "args": [3], "kwargs": {}}, "celery"),
        ({"task_id": "1", "task_name": "add", "labels": {}, "args": [3], "kwargs": {}}, "as celery or dramatiq"),
        ({"job_class": "Add", "job_id": "1", "arguments": [3]}, "as celery or dramatiq"),
        ({"uuid": "1", "displayName": "Add", "job": "call", "data": {"command": "O:3"}}, "as celery or dramatiq"),
        (DRAMATIQ, "dramatiq"),
        ("[3, 5.5]", "encode it once"),
    ],
    ids=lambda value: "" if isinstance(value, str) else None,
)
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "base64"])
def test_each_sender_is_told_what_to_change(body: Any, words: str, encoded: bool) -> None:
    text = json.dumps(body)
    if not encoded:
        assert words in error(text) and words in error("\ufeff" + text)
    elif not isinstance(body, str):
        assert words in error(base64.b64encode(text.encode()).decode())
        assert words in error(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


def test_numbers_in_base64_are_not_read_and_their_sender_is_told() -> None:
    body = base64.b64encode(b"[3, 5.5]").decode()
    assert "base64" in error(body) and "base64" in error(json.dumps(body))


@pytest.mark.parametrize("mark", ["\ufeff", "\u200b", "\u2060\ufeff", "\n\ufeff", "\u200e", "\xa0"])
def test_a_mark_around_the_numbers_is_read_over(mark: str) -> None:
    assert answer_request("1", f"{mark}[3, 5]{mark}").summary["mean"] == 4


@pytest.mark.parametrize("body", ["", "abcd", "1234", "null", "{}", "[]", '{"Records": []}', '["3"]', "[[1]]"])
def test_other_bodies_get_the_reason_that_they_had(body: str) -> None:
    assert error(body).startswith(("the request is not", "the series is empty", "a series holds numbers"))


def test_long_bodies_are_not_searched() -> None:
    assert "longer than" in error(json.dumps({**CELERY, "body": "x" * 20_000}))


RIGHT = {
    "SNS without raw delivery": "turn on raw message delivery",
    "EventBridge": "by an input path",
    "S3 event": "send the numbers themselves",
    "extended client's pointer": "send the numbers in the message itself",
    "base64": "send the JSON text itself",
    "mark at the start": "",
    "object instead of array": "not an array",
    "text of numbers": "numbers only",
}


def test_bodies_of_other_programs_are_answered_logged_and_shown_though_no_reply_has_an_md5(
    world: World, proxy: Proxy
) -> None:
    sent = json.loads((ROOT / "tests/cases/senders/bodies.json").read_text())
    for batch in batches([Outgoing(each["body"]) for each in sent]):
        assert world.queue("lab2").send(batch) == []

    def leave_out_md5(reply: dict[str, Any]) -> None:
        for entry in (*reply.get("Messages", ()), *reply.get("Successful", ())):
            for name in ("MD5OfBody", "MD5OfMessageBody", "MD5OfMessageAttributes"):
                entry.pop(name, None)

    for operation in ("ReceiveMessage", "SendMessageBatch"):
        proxy.edit_reply(operation, leave_out_md5)
    world.env["AWS_ENDPOINT_URL"] = proxy.url
    server = world.start("server.py", "--drain")
    assert server.communicate(timeout=PATIENCE)[1] == "" and server.returncode == 0
    rows = [json.loads(line) for body in world.objects("log/2").values() for line in body.splitlines()]
    answers = {row["request"]: row["answer"] for row in rows if "request" in row}
    for each in sent:
        answer = answers[each["body"]]
        words = RIGHT[each["kind"]]
        assert words in answer["error"] if words else answer["mean"] == 4.25, each["kind"]
    world.start("server.py")
    _, output, errors = client(world, "3", "5.5", "--output", "json")
    assert json.loads(output)["mean"] == 4.25
    said = " ".join(errors.split())  # which are wrapped
    assert f"Found {len(sent)} answers to earlier runs." in said and "turn on raw message delivery" in said
    assert world.depth("lab2_1") == (0, 0) and proxy.calls["ReceiveMessage"] > 0
