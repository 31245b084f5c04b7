"""The append-only object, against a proxy that loses replies, lets others be first, and counts bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from support.codec import Rows
from support.faults import first_always
from support.fuzz import few_and_many
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.s3.append_object import AppendObject
from lab2.aws.s3.stored_object import COPY_FROM_BYTES, StoredObject

KEY = "underbase.csv"
HEADER = b"image,label\n"


def open_log(world: World) -> AppendObject[bytes]:
    return AppendObject(StoredObject(world.aws.s3, world.aws.bucket, KEY), Rows(HEADER))


def rows(world: World) -> list[bytes]:
    body = world.objects(KEY)[KEY]
    assert body.startswith(HEADER) and body.endswith(b"\n")
    return body[len(HEADER) :].splitlines()


def content_type(world: World) -> str:
    return world.aws.s3.head_object(Bucket=world.aws.bucket, Key=KEY)["ContentType"]


def put(world: World, body: bytes) -> None:
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=KEY, Body=body)


def test_rows_are_appended_behind_a_header(proxied: World) -> None:
    log = open_log(proxied)
    log.append([b"1", b"2"])
    log.append([b"3"])
    assert rows(proxied) == [b"1", b"2", b"3"]
    assert content_type(proxied) == "text/csv"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_put_whose_reply_was_lost_is_not_written_twice(proxied: World, proxy: Proxy, nth: int) -> None:
    proxy.on("PutObject", Fault(lost=True), nth=nth)
    log = open_log(proxied)
    for row in (b"1", b"2", b"3"):
        log.append([row])
    assert rows(proxied) == [b"1", b"2", b"3"]
    assert proxy.calls["PutObject"] == 4  # boto3 did repeat it


@pytest.mark.parametrize(("status", "code"), [(409, "ConditionalRequestConflict"), (412, "PreconditionFailed")])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_put_that_was_refused_is_made_again(proxied: World, proxy: Proxy, nth: int, status: int, code: str) -> None:
    proxy.on("PutObject", Fault(refuse=(status, code)), nth=nth, times=2)
    log = open_log(proxied)
    log.append([b"1"])
    log.append([b"2"])
    assert rows(proxied) == [b"1", b"2"]


def test_an_append_that_failed_for_good_may_be_made_again(proxied: World, proxy: Proxy) -> None:
    log = open_log(proxied)
    log.append([b"1"])
    rule = proxy.on("PutObject", Fault(refuse=(403, "AccessDenied")), times=1000)
    with pytest.raises(ClientError):
        log.append([b"2"])
    proxy.forget(rule)
    log.append([b"2"])
    assert rows(proxied) == [b"1", b"2"]


def test_a_put_that_took_effect_and_was_answered_with_an_error_counts(proxied: World, proxy: Proxy) -> None:
    log = open_log(proxied)
    log.append([b"1"])
    proxy.on("PutObject", Fault(lost=True), times=3)  # every try of boto3 is lost, so it raises
    log.append([b"2"])
    assert rows(proxied) == [b"1", b"2"]


def test_two_writers_in_turn_lose_nothing_and_learn_of_each_other(proxied: World) -> None:
    one, two = open_log(proxied), open_log(proxied)
    for number in range(10):
        one.append([b"one %d" % number])
        two.append([b"two %d" % number])
    assert len(rows(proxied)) == len(set(rows(proxied))) == 20
    assert isinstance(two.codec, Rows) and set(two.codec.rows) >= set(rows(proxied))


def test_an_append_needs_no_get_when_nobody_else_writes(proxied: World, proxy: Proxy) -> None:
    log = open_log(proxied)
    log.append([b"0"])
    before = proxy.calls.copy()
    for number in range(1, 20):
        log.append([b"%d" % number])
    assert proxy.calls - before == Counter(PutObject=19)


def test_what_others_appended_is_read_from_the_known_length_on(proxied: World, proxy: Proxy) -> None:
    put(proxied, HEADER + b"x" * 100_000 + b"\n")
    one, two = open_log(proxied), open_log(proxied)
    one.refresh()
    two.append([b"2"])
    sent: list[str] = []
    proxied.aws.s3.meta.events.register(
        "before-send.s3.GetObject", lambda request, **_: sent.append(request.headers.get("Range"))
    )
    one.append([b"1"])
    known = 100_001 + len(HEADER)  # and when it was refused it waits, and asks once more
    assert [value.decode() if isinstance(value, bytes) else value for value in sent] == [
        f"bytes={known}-",
        f"bytes={known + len('2') + 1}-",
    ]


@pytest.mark.parametrize(
    "edited", [b"image,label\n1\nX\n", b"image,label\n1\n2\nX\n", b"image,label\n1", b"label\n", b""]
)
def test_what_somebody_else_put_there_is_never_destroyed(proxied: World, edited: bytes) -> None:
    log = open_log(proxied)
    log.append([b"1", b"2"])
    put(proxied, edited)
    log.append([b"3"])
    body = proxied.objects(KEY)[KEY]
    assert body.startswith(edited) and body.endswith(b"\n3\n")
    if edited.endswith(b"\n"):
        assert body in (edited + b"3\n", edited + b"1\n2\n3\n")


def test_an_object_that_was_deleted_begins_anew(proxied: World) -> None:
    log = open_log(proxied)
    log.append([b"1"])
    proxied.aws.s3.delete_object(Bucket=proxied.aws.bucket, Key=KEY)
    log.append([b"2"])
    assert rows(proxied) == [b"2"]


def test_a_missing_line_end_is_put_before_the_addition(proxied: World) -> None:
    put(proxied, HEADER + b"1")
    open_log(proxied).append([b"2"])
    assert rows(proxied) == [b"1", b"2"]


BIG = HEADER + b"".join(b"%07d\n" % number for number in range(COPY_FROM_BYTES // 8 + 1))


def test_from_five_mebibytes_on_only_the_new_rows_are_sent(proxied: World, proxy: Proxy) -> None:
    put(proxied, BIG)
    before = sum(proxy.sent.values())
    log = open_log(proxied)
    for number in range(3):
        log.append([b"new %d" % number])
    assert proxied.objects(KEY)[KEY] == BIG + b"new 0\nnew 1\nnew 2\n"
    assert sum(proxy.sent.values()) - before < 5_000
    assert proxy.calls["UploadPartCopy"] == 3
    assert content_type(proxied) == "text/csv"


def test_an_object_grows_through_five_mebibytes(proxied: World) -> None:
    put(proxied, BIG[: COPY_FROM_BYTES - 20] + b"\n")
    log = open_log(proxied)
    for number in range(6):
        log.append([b"new %d" % number])
    assert proxied.objects(KEY)[KEY] == BIG[: COPY_FROM_BYTES - 20] + b"\n" + b"".join(
        b"new %d\n" % n for n in range(6)
    )


@pytest.mark.parametrize(
    "operation", ["CreateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"]
)
@pytest.mark.parametrize("fault", first_always([Fault(lost=True), Fault(cut=True), Fault(refuse=(503, "SlowDown"))]))
def test_a_fault_in_a_step_of_composing_is_got_over(proxied: World, proxy: Proxy, operation: str, fault: Fault) -> None:
    put(proxied, BIG)
    proxy.on(operation, fault)
    log = open_log(proxied)
    log.append([b"1"])
    log.append([b"2"])
    assert proxied.objects(KEY)[KEY] == BIG + b"1\n2\n"


def test_two_writers_past_five_mebibytes_lose_nothing(proxied: World) -> None:
    put(proxied, BIG)
    one, two = open_log(proxied), open_log(proxied)
    for number in range(3):
        one.append([b"one %d" % number])
        two.append([b"two %d" % number])
    added = proxied.objects(KEY)[KEY][len(BIG) :].splitlines()
    assert sorted(added) == sorted(b"%s %d" % (who, number) for who in (b"one", b"two") for number in range(3))


def test_one_lost_reply_as_the_object_crosses_five_mebibytes_writes_no_row_twice(proxied: World, proxy: Proxy) -> None:
    """Ours takes it across and its reply is lost; before we look again, somebody else adds a row in parts."""
    put(proxied, BIG[: COPY_FROM_BYTES - 8])
    log, other = open_log(proxied), open_log(proxied)
    log.refresh()
    proxy.on("PutObject", Fault(after=lambda: other.append([b"theirs"]), lost=True))
    log.append([b"ours, and across"])
    assert len(proxied.objects(KEY)[KEY]) > COPY_FROM_BYTES
    assert rows(proxied)[-2:] == [b"ours, and across", b"theirs"]
    assert rows(proxied).count(b"ours, and across") == 1
    log.append([b"theirs", b"more"])
    assert rows(proxied)[-2:] == [b"theirs", b"more"]


@pytest.mark.long
def test_a_first_write_of_five_mebibytes_whose_replies_are_lost_writes_no_row_twice(
    proxied: World, proxy: Proxy
) -> None:
    log = open_log(proxied)
    log.refresh()
    many = BIG.removeprefix(HEADER).splitlines()
    proxy.on("PutObject", Fault(lost=True), times=3)  # every attempt of boto3
    log.append([*many, b"last"])
    assert proxied.objects(KEY)[KEY] == BIG + b"last\n"


def test_a_large_object_is_read_once_where_it_is_replaced_and_not_where_it_is_appended_to(
    proxied: World,
) -> None:
    put(proxied, BIG)
    log, other = open_log(proxied), open_log(proxied)
    log.refresh()
    whole: list[bool] = []
    proxied.aws.s3.meta.events.register(
        "before-send.s3.GetObject", lambda request, **_: whole.append("Range" not in request.headers)
    )
    other.append([b"theirs"])
    log.append([b"ours"])
    assert whole and not any(whole)
    put(proxied, HEADER + b"mine\n" + BIG.removeprefix(HEADER) + b"longer than before\n")
    log.append([b"mine", b"last"])
    assert sum(whole) == 1
    assert proxied.objects(KEY)[KEY].endswith(b"longer than before\nlast\n")


@pytest.mark.parametrize("size", [0, COPY_FROM_BYTES], ids=["small", "copied"])
def test_an_object_that_is_deleted_is_begun_again_though_aws_answers_403(proxied: World, size: int) -> None:
    put(proxied, HEADER + b"1,1\n" + b"2" * size)
    log = open_log(proxied)
    log.append([b"3,0"])
    proxied.aws.s3.delete_object(Bucket=proxied.aws.bucket, Key=KEY)
    log.append([b"4,0"])
    assert proxied.objects(KEY)[KEY] == HEADER + b"4,0\n"


def test_an_object_that_may_not_be_read_is_not_taken_for_a_missing_one(proxied: World, proxy: Proxy) -> None:
    put(proxied, HEADER + b"1,1\n")
    proxy.on("GetObject", Fault(refuse=(403, "AccessDenied")), times=ALWAYS)
    with pytest.raises(ClientError, match="AccessDenied"):
        open_log(proxied).append([b"2,0"])
    proxy.forget()
    assert proxied.objects(KEY)[KEY] == HEADER + b"1,1\n"


WRITER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}, {here!r}]
from lab2.aws.s3.append_object import AppendObject
from lab2.aws.s3.stored_object import StoredObject
from lab2.aws.session import AwsSession
from support.codec import Rows
from test_append_object import HEADER, KEY
aws = AwsSession()
log = AppendObject(StoredObject(aws.s3, aws.bucket, KEY), Rows(HEADER))
for number in range({count}):
    log.append([b"%d-%d" % (int(sys.argv[1]), number)])
"""


@pytest.mark.long
def test_processes_that_append_at_once_write_exactly_their_rows(world: World) -> None:
    count, writers = 12, 6
    code = WRITER.format(root=str(ROOT), tests=str(ROOT / "tests"), here=str(Path(__file__).parent), count=count)
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(writer)], env=os.environ.copy()) for writer in range(writers)
    ]
    assert [process.wait(3 * PATIENCE) for process in processes] == [0] * writers
    expected = [b"%d-%d" % (writer, number) for writer in range(writers) for number in range(count)]
    assert sorted(rows(world)) == sorted(expected)


def appended(log: AppendObject[bytes], row: bytes) -> bool:
    """Append a row; False where it failed, as when three faults in a row hit one call."""
    try:
        log.append([row])
    except (ClientError, BotoCoreError):
        return False
    return True


@few_and_many(10, 100)
def test_faults_at_random_never_lose_or_double_a_row(
    proxied: World, proxy: Proxy, chance: random.Random, cases: int
) -> None:
    faults = [Fault(lost=True), Fault(cut=True), Fault(refuse=(503, "SlowDown")),
              Fault(refuse=(409, "ConditionalRequestConflict")), Fault(refuse=(412, "PreconditionFailed"))]  # fmt: skip
    one, two = open_log(proxied), open_log(proxied)
    for number in range(cases):
        proxy.on("PutObject", chance.choice(faults), nth=chance.randint(1, 3))
        until(partial(appended, chance.choice((one, two)), b"%d" % number))
    assert sorted(rows(proxied), key=int) == [b"%d" % number for number in range(cases)]


def test_no_part_has_a_checksum_that_its_upload_did_not_declare(proxied: World, proxy: Proxy) -> None:
    """S3 refuses such a part. The emulator does not, so that it is not sent is tested."""
    put(proxied, BIG)
    sent: list[tuple[str, list[str]]] = []

    def note(call: Call) -> bool:
        sent.append((call.operation, [name for name in map(str.lower, call.headers) if "checksum" in name]))
        return False

    for operation in ("CreateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"):
        proxy.on(operation, Fault(), only=note)
    open_log(proxied).append([b"new"])
    assert sent == [
        ("CreateMultipartUpload", []), ("UploadPartCopy", []), ("UploadPart", []), ("CompleteMultipartUpload", [])
    ]  # fmt: skip
