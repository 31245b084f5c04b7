"""What lab2 needs of AWS, and that it gets it: the same cases on AWS, on emulators, on S3s and queues of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from support.codec import Rows
from support.guards import REFUSED, Guards
from support.world import PATIENCE, ROOT, until

from lab2.aws.failures import error_code
from lab2.aws.s3.append_object import AppendObject
from lab2.aws.s3.stored_object import COPY_FROM_BYTES, StoredObject
from lab2.aws.session import AwsSession
from lab2.aws.sqs.message_queue import Message, Outgoing, Queue
from lab2.aws.timeouts import REQUEST_VISIBILITY_S
from lab2.errors import UserError

pytestmark = pytest.mark.long  # `make conformance` runs it, on more than the emulator of all tests
LACKS = os.environ.get(
    "LAB2_CONFORMANCE_LACKS", "signatures of SQS,signatures of S3"
)  # the emulator of all tests: both


def needs(ability: str, strict: bool = True) -> pytest.MarkDecorator:
    """Mark a case that fails, and if `strict` must fail, if an implementation lacks what it needs."""
    return pytest.mark.xfail(ability in LACKS.split(","), reason=f"no {ability} here", strict=strict)


@pytest.fixture
def queue(aws: AwsSession) -> Iterator[Queue]:
    """A queue of the test's own."""
    url = aws.sqs.create_queue(QueueName=f"lab2_1-conformance-{uuid4().hex[:12]}")["QueueUrl"]
    yield Queue(aws.sqs, url)
    aws.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def key() -> str:
    """The key of an object of the test's own."""
    return f"log/conformance/{uuid4().hex}.jsonl"


def receive(queue: Queue, count: int, **options: Any) -> list[Message]:
    """Receive until there are so many messages; SQS may give few at a time."""
    messages: list[Message] = []
    until(lambda: messages.extend(queue.receive(wait=1, **options)) or len(messages) >= count)
    return messages


def put(aws: AwsSession, key: str, body: bytes, **condition: str) -> str:
    """Put an object under a condition; return its ETag, '' where S3 refused."""
    try:
        return str(aws.s3.put_object(Bucket=aws.bucket, Key=key, Body=body, **condition)["ETag"])  # type: ignore[arg-type]
    except ClientError as error:
        assert error_code(error) in REFUSED, error
        return ""


def body(aws: AwsSession, key: str) -> bytes:
    return aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read()


# ---- queues --------------------------------------------------------------------------------------------------------


def test_a_message_comes_with_its_attributes_and_how_often_it_was_received(queue: Queue) -> None:
    assert queue.send([Outgoing("[3, 5.5]", {"id": "a", "client": "Åda"}, "group")]) == []
    (message,) = receive(queue, 1, visibility=60)
    assert (message.body, message.attributes) == ("[3, 5.5]", {"id": "a", "client": "Åda"})
    assert message.receives == 1 and message.sent > 1.7e9


def test_ten_messages_go_in_one_call(queue: Queue) -> None:
    assert queue.send([Outgoing(f"[{number}]") for number in range(10)]) == []
    messages = receive(queue, 10, visibility=60)
    assert {message.body for message in messages} == {f"[{number}]" for number in range(10)}
    for position in range(0, len(messages), 10):
        assert queue.delete(messages[position : position + 10]) == []


def test_a_message_is_hidden_until_it_is_released(queue: Queue) -> None:
    queue.send([Outgoing("[1]")])
    (message,) = receive(queue, 1, visibility=600)
    assert queue.receive(wait=1) == []
    assert queue.change_visibility([message], 0) == []
    (again,) = receive(queue, 1)
    assert again.id == message.id and again.receives == 2


def test_a_deleted_message_does_not_come_back(queue: Queue) -> None:
    queue.send([Outgoing("[1]")])
    (message,) = receive(queue, 1, visibility=2)
    assert queue.delete([message]) == []
    assert queue.receive(wait=4) == []  # beyond the end of its visibility timeout


def test_one_bad_entry_does_not_hold_up_a_batch(queue: Queue) -> None:
    queue.send([Outgoing("[1]")])
    (message,) = receive(queue, 1, visibility=60)
    stranger = Message("x", "no-receipt-of-ours", "", {}, 0, 1)
    assert queue.delete([stranger, message]) == []  # one is gone; the other never was there
    assert queue.receive() == []


def test_a_message_that_is_named_twice_is_hidden_and_deleted_once(queue: Queue) -> None:
    """Delivery at least once allows it twice in a reply; moto 5.2.5 refuses a batch that names a receipt twice."""
    queue.send([Outgoing("[1]"), Outgoing("[2]")])
    messages = receive(queue, 2, visibility=60)
    assert queue.change_visibility(messages * 2, 60) == []
    assert queue.delete(messages * 2) == []


def test_a_missing_queue_is_a_sentence(aws: AwsSession) -> None:
    with pytest.raises(UserError, match=r"There is no queue lab2_1-nobody in this account and region\."):
        aws.queue_url("lab2_1-nobody")


def test_a_message_that_is_received_six_times_is_a_dead_letter(aws: AwsSession) -> None:
    requests, dead = (Queue(aws.sqs, aws.queue_url(name)) for name in ("lab2", "lab2_dead"))
    requests.send([Outgoing("[666]", {"id": "poison"})])
    for _ in range(5):
        (message,) = receive(requests, 1)
        requests.change_visibility([message], 0)
    letters: list[Message] = []
    until(lambda: requests.receive() or letters.extend(dead.receive(wait=1, visibility=60)) or letters)
    assert [letter.attributes["id"] for letter in letters] == ["poison"]
    dead.delete(letters)


def test_the_queues_are_as_the_template_says(aws: AwsSession) -> None:
    reply = aws.sqs.get_queue_attributes(QueueUrl=aws.queue_url("lab2"), AttributeNames=["All"])["Attributes"]
    assert (int(reply["VisibilityTimeout"]), reply["MessageRetentionPeriod"]) == (REQUEST_VISIBILITY_S, "345600")


@needs("signatures of SQS")
def test_sqs_refuses_a_wrong_signature(aws: AwsSession, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(aws, monkeypatch, lambda: AwsSession().queue_url("lab2"))


# ---- S3 ------------------------------------------------------------------------------------------------------------


def test_an_object_is_created_once(aws: AwsSession, key: str) -> None:
    assert put(aws, key, b"1", IfNoneMatch="*")
    assert not put(aws, key, b"2", IfNoneMatch="*")
    assert body(aws, key) == b"1"


def test_an_object_is_overwritten_only_as_it_was_known(aws: AwsSession, key: str) -> None:
    first = put(aws, key, b"1", IfNoneMatch="*")
    assert put(aws, key, b"2", IfMatch=first)
    assert not put(aws, key, b"3", IfMatch=first)
    assert not put(aws, f"{key}.none", b"4", IfMatch=first)
    assert body(aws, key) == b"2"


def test_of_many_who_create_at_once_one_wins(aws: AwsSession, key: str) -> None:
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda number: put(aws, key, b"%d" % number, IfNoneMatch="*"), range(32)))
    assert sum(map(bool, won)) == 1 and body(aws, key) == b"%d" % next(n for n, etag in enumerate(won) if etag)


def test_of_many_who_overwrite_at_once_one_wins(aws: AwsSession, key: str) -> None:
    etag = put(aws, key, b"first", IfNoneMatch="*")
    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(lambda number: put(aws, key, b"%d" % number, IfMatch=etag), range(32)))
    assert sum(map(bool, won)) == 1


ROUNDS = int(os.environ.get("LAB2_CONFORMANCE_ROUNDS", "20"))  # `make conformance ENDPOINT=...` makes 200


def test_of_eight_who_overwrite_at_once_one_wins_in_every_round(aws: AwsSession, key: str) -> None:
    guards = Guards(aws.s3, aws.bucket, key)
    assert guards.put(b"first", IfNoneMatch="*")
    assert [guards.race_of_puts() for _ in range(ROUNDS)] == [1] * ROUNDS


@needs("races of uploads in parts", strict=False)  # such as SeaweedFS 4.48, in some rounds
def test_of_eight_who_complete_an_upload_at_once_one_wins_in_every_round(aws: AwsSession, key: str) -> None:
    guards = Guards(aws.s3, aws.bucket, key)
    assert guards.put(b"first", IfNoneMatch="*")
    assert [guards.race_of_uploads() for _ in range(ROUNDS)] == [1] * ROUNDS


def test_many_writers_append_and_each_row_is_there_once(aws: AwsSession, key: str) -> None:
    def write(writer: int) -> None:
        log = AppendObject(StoredObject(aws.s3, aws.bucket, key), Rows(b"header\n"))
        for number in range(5):
            log.append([b"%d-%d" % (writer, number)])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    header, *rows = body(aws, key).splitlines()
    assert header == b"header" and sorted(rows) == sorted(b"%d-%d" % (w, n) for w in range(6) for n in range(5))


def test_what_others_appended_is_read_as_a_tail(aws: AwsSession, key: str) -> None:
    one, two = (AppendObject(StoredObject(aws.s3, aws.bucket, key), Rows()) for _ in range(2))
    one.append([b"1"])
    two.append([b"2"])
    one.refresh()
    one.refresh()  # nothing new: 304
    assert one.codec.missing([b"1", b"2", b"3"]) == [b"3"]
    assert one.store.read(2) == b"2\n" and one.store.read(99) == b""


def test_a_big_object_grows_by_a_copy_of_itself(aws: AwsSession, key: str) -> None:
    lines = b"".join(b"%07d\n" % number for number in range(COPY_FROM_BYTES // 8 + 1))
    put(aws, key, lines, IfNoneMatch="*")
    one, two = (AppendObject(StoredObject(aws.s3, aws.bucket, key), Rows()) for _ in range(2))
    one.refresh(), two.refresh()
    one.append([b"one"])
    two.append([b"two"])  # its knowledge is old: refused once
    assert body(aws, key) == lines + b"one\ntwo\n"


def test_a_missing_key_is_told_by_list(aws: AwsSession, key: str) -> None:
    log = AppendObject(StoredObject(aws.s3, aws.bucket, key), Rows())
    log.refresh()
    assert log.etag is None and log.size == 0


def test_keys_are_listed_by_prefix_in_their_order(aws: AwsSession, key: str) -> None:
    names = [f"{key}/{name}" for name in ("1", "10", "2", "é", "a b+c%20")]
    for name in names:
        put(aws, name, b"", IfNoneMatch="*")
    pages = aws.s3.get_paginator("list_objects_v2").paginate(
        Bucket=aws.bucket, Prefix=f"{key}/", PaginationConfig={"PageSize": 2}
    )
    listed = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    assert listed == sorted(names, key=str.encode)


def test_a_missing_bucket_is_a_sentence(aws: AwsSession) -> None:
    with pytest.raises(UserError, match=r"bucket lab2-nobody-s-[0-9a-f]+"):
        AwsSession(f"lab2-nobody-s-{uuid4().hex[:8]}").check_bucket("log/")


@needs("signatures of S3")
def test_s3_refuses_a_wrong_signature(aws: AwsSession, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = aws.bucket
    refused(aws, monkeypatch, lambda: AwsSession(bucket).check_bucket("log/"))


def refused(aws: AwsSession, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> None:
    """Make a call with the right access key and a wrong secret."""
    keys = aws.credentials.get_frozen_credentials()
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys.token) if keys.token else monkeypatch.delenv(
        "AWS_SESSION_TOKEN", raising=False
    )
    # moto refuses a wrong signature in XML, of which no more can be read in JSON calls than that it is a 403.
    with pytest.raises(UserError, match=r"AWS refuses the signature|is denied"):
        call()


# ---- the two jobs --------------------------------------------------------------------------------------------------


def run(home: Path, *command: str, typed: str = "") -> str:
    done = subprocess.run(
        [sys.executable, ROOT / command[0], *command[1:]], cwd=home, env=os.environ | {"HOME": str(home)}, input=typed,
        capture_output=True, text=True, timeout=3 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_servers_answer_and_log_every_request_once(aws: AwsSession, tmp_path: Path) -> None:
    servers = [subprocess.Popen([sys.executable, ROOT / "server.py"], stdout=subprocess.DEVNULL) for _ in range(2)]
    try:
        assert " 5.5 " in run(tmp_path, "client.py", "3", "5.5", "8")
        assert " 5.5 " in run(tmp_path, "client.py", "--private-answers", "3", "5.5", "8")
        answers = run(tmp_path, "client.py", "file", "-", "--output", "csv", typed="1 2 3\n" * 100)
        assert answers.count("\n") == 101
    finally:
        for server in servers:
            server.terminate()
        assert [server.wait(PATIENCE) for server in servers] == [0, 0]
    assert "102 rows: 102 correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing" in run(tmp_path, "server.py", "verify")
    assert "lab2_dead" in run(tmp_path, "server.py", "status")


def test_pictures_are_uploaded_labelled_and_reported(aws: AwsSession, tmp_path: Path) -> None:
    run(tmp_path, "hotdog.py", "upload", str(ROOT / "underbase"))
    run(tmp_path, "hotdog.py", "label", "--annotator", "ada", "--display", "terminal", typed="1\n0\n1\n0\n")
    assert "ada" in run(tmp_path, "hotdog.py", "report")
    assert len(body(aws, "underbase.csv").splitlines()) == 5
