"""Whatever store and whatever network: as many rows as answers shown and labels called safe, or the reason why not.

Each case is the whole of lab2 at once: two servers, two clients of 100 requests, four labellers and two more writers,
who share a label file: on real stores one of 6 MiB, which AWS's would grow by an upload in parts.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.proxy import ALWAYS, Call, Fault, Proxy
from support.world import Program, World, until

from lab2.aws.resources import LABEL_KEY
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Label
from lab2.labelling.pictures.samples import fill
from tools import stores

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
OLD = b"%b.jpg,1,somebody,2026-11-01T12:00:00.000Z,1.5\n" % (b"long-name-" * 400)  # few rows: others try many
BIG = HEADER.encode() + b"\n" + OLD * (6 * 2**20 // len(OLD))
SERVERS, CLIENTS, REQUESTS, LABELLERS, WRITERS, LABELS = 2, 2, 100, 4, 2, 4
ENDS_S = 240  # within which everything has ended, on a busy machine


def finish(process: Program, typed: str | None = None) -> tuple[str, str]:
    return process.communicate(typed, timeout=ENDS_S)


def use_everything(world: World, labels: bytes) -> tuple[int, int, str]:
    """Run all programs at once; return the answers shown, the labels called safe, and what was said."""
    with suppress(world.aws.s3.exceptions.ClientError):
        world.aws.s3.create_bucket(Bucket=world.aws.bucket)
    fill(world.aws)
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=labels)
    servers = [world.start("server.py") for _ in range(SERVERS)]
    numbers = world.home / "numbers.txt"
    numbers.write_text("".join(f"{number} 2\n" for number in range(REQUESTS)))
    refused = until(lambda: [server.stdout.readline() if server.stdout else "" for server in servers]) == ["", ""]
    clients = [
        world.start("client.py", "file", str(numbers), "--output", "csv", "--client", f"client-{number}", "--wait",
                    "1" if refused else "60")
        for number in range(CLIENTS)
    ]  # fmt: skip
    homes = [world.home / f"labeller-{number}" for number in range(LABELLERS)]
    labellers = [
        world.start("hotdog.py", "label", "--display", "terminal", "--annotator", home.name, env={
            "HOME": str(home), "XDG_STATE_HOME": str(home)})
        for home in homes
    ]  # fmt: skip
    with ThreadPoolExecutor() as threads:
        typed = [threads.submit(finish, labeller, "1\n0\n1\n0\n") for labeller in labellers]
        writers = list(threads.map(append_labels, range(WRITERS)))
        ended = [done.result() for done in typed]
        safe = sum(int(count) for output, _ in ended for count in re.findall(r"(\d+) labels? safe in S3", output))
        shown, said = 0, "".join(errors for _, errors in ended)
        for client in clients:
            output, errors = finish(client)
            shown += len(list(csv.DictReader(output.splitlines())))
            said += errors
    for server in servers:
        server.terminate()
        said += finish(server)[1]
    return shown, safe + sum(writers), said


def append_labels(writer: int) -> int:
    """Append labels one by one, as a labeller does; return how many are safe."""
    file = LabelFile(AwsSession())
    outages = OutageReporter(f"Writer {writer}")
    try:
        for number in range(LABELS):
            label = Label(f"{number}.jpg", "1", f"writer {writer}", f"2026-11-23T12:00:0{number}.000Z")
            persist(partial(file.append, [label]), outages, ENDS_S)
    except (UserError, ClientError) as problem:
        assert "ignores" in str(problem) or "NotImplemented" in str(problem), problem
        return 0
    return LABELS


def check(world: World, sentence: str, labels: bytes = BIG, proxy: Proxy | None = None) -> None:
    """Claim that nothing is lost: that all is right, or, if there is a sentence, that nothing was entrusted."""
    shown, safe, said = use_everything(world, labels)
    if proxy:
        proxy.forget()  # its faults, for `verify` does not wait for the end of an outage
    assert "internal error" not in said and "refused this account" not in said, said
    label_file = world.objects(LABEL_KEY)[LABEL_KEY]
    assert label_file.startswith(labels)
    added = label_file[len(labels) :].splitlines()
    assert len(set(added)) == len(added) >= safe, said  # more, if what a labeller could not wait for was in time
    if sentence:
        assert said.count(sentence) >= SERVERS + LABELLERS, said
        assert (shown, added, world.objects("log/2")) == (0, [], {})
        assert sum(world.depth("lab2")) == CLIENTS * REQUESTS
        return
    assert shown == CLIENTS * REQUESTS and 0 < safe <= len(added) <= (LABELLERS + WRITERS) * LABELS, said
    verified = world.start("server.py", "verify")
    output, errors = finish(verified)
    assert f"{shown} rows: {shown} correct, 0 wrong, 0 duplicate, 0 truncated, 0 missing" in output, output + errors


@pytest.fixture
def elsewhere(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose store is not known to be AWS's."""
    monkeypatch.delenv("LAB2_STORE")
    del world.env["LAB2_STORE"]
    return world


# ---- real ones -----------------------------------------------------------------------------------------------------

IGNORES_BOTH = "ignores If-None-Match and If-Match, so"
REFUSED = {
    "LocalBucket": "ignores If-Match, so",
    "rclone": IGNORES_BOTH,
    "fauxqs": IGNORES_BOTH,
}


@pytest.mark.parametrize("name", ["rclone", "LocalBucket", "SeaweedFS", "fauxqs"])
def test_on_real_stores_nothing_is_lost(
    elsewhere: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (store,) = (store for store in stores.STORES if store.name.startswith(name))
    if "node" in store.command and not shutil.which("npm"):
        pytest.skip("npm is not installed")
    with stores.running(store, tmp_path / "store") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        elsewhere.env["AWS_ENDPOINT_URL_S3"] = url
        elsewhere.aws = AwsSession()
        until(lambda: is_ready(elsewhere))
        check(elsewhere, REFUSED.get(name, ""))


def is_ready(world: World) -> bool:
    with suppress(world.aws.s3.exceptions.ClientError):
        world.aws.s3.create_bucket(Bucket=world.aws.bucket)
        return True
    return False


# ---- manners of others, by a proxy ---------------------------------------------------------------------------------

CALLS_OF_S3 = ["PutObject", "GetObject", "ListObjectsV2", "DeleteObject"]


def gives_a_page_instead(proxy: Proxy) -> None:
    """Replace one reply in five, drawn: every fifth could be the same call of each start that a server tries."""
    page = 200, {"Content-Type": "text/html", "ETag": '"5f3c"'}, b"<html><body>Sign in to the network</body></html>"
    draw = Random(5)
    for operation in CALLS_OF_S3:
        proxy.on(operation, Fault(instead=page), times=ALWAYS, only=lambda call: draw.random() < 0.2)


def gives_a_message_twice(proxy: Proxy) -> None:
    def double(reply: dict[str, Any]) -> None:
        if 0 < len(reply.get("Messages") or ()) <= 5:  # ten at most are in a reply
            reply["Messages"] *= 2

    proxy.edit_reply("ReceiveMessage", double)


def locks_objects(proxy: Proxy) -> None:
    def lacks_checksum(call: Call) -> bool:
        names = {name.lower() for name in call.headers}
        return "content-md5" not in names and not any(name.startswith("x-amz-checksum-") for name in names)

    proxy.on("PutObject", Fault(refuse=(400, "InvalidRequest")), times=ALWAYS, only=lacks_checksum)


def has_no_conditional_writes(proxy: Proxy) -> None:
    def is_conditional(call: Call) -> bool:
        return bool({"if-match", "if-none-match"} & {name.lower() for name in call.headers})

    proxy.on("PutObject", Fault(refuse=(501, "NotImplemented")), times=ALWAYS, only=is_conditional)


@pytest.mark.parametrize(
    ("manners", "sentence"),
    [
        ((locks_objects, gives_a_page_instead, gives_a_message_twice), ""),
        ((has_no_conditional_writes,), "This store does not offer what"),
    ],
    ids=["many at once", "no conditional writes"],
)
def test_with_the_manners_of_others_nothing_is_lost(
    elsewhere: World,
    monkeypatch: pytest.MonkeyPatch,
    proxy: Proxy,
    manners: Sequence[Callable[[Proxy], None]],
    sentence: str,
) -> None:
    fill(elsewhere.aws)  # and what this test does with S3 does not go through the proxy
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    elsewhere.env["AWS_ENDPOINT_URL"] = proxy.url
    for behave in manners:
        behave(proxy)
    check(elsewhere, sentence, HEADER.encode() + b"\n" + OLD, proxy)


def test_messages_that_come_twice_from_moto_are_all_answered_and_the_server_stops(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It refuses a batch that names a receipt twice."""
    (moto,) = (queues for queues in stores.QUEUES if queues.name.startswith("moto"))
    with stores.running(moto, tmp_path / "moto") as url:
        proxy = Proxy(url)
        gives_a_message_twice(proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", proxy.url)
        world.env["AWS_ENDPOINT_URL_SQS"] = proxy.url
        world.aws = AwsSession()
        for name in ("lab2", "lab2_1", "lab2_dead"):
            world.aws.sqs.create_queue(QueueName=name)
        server = world.start("server.py")
        numbers = world.home / "numbers.txt"
        numbers.write_text("3 5.5\n" * 30)
        client = world.start("client.py", "file", str(numbers), "--output", "csv", "--wait", "60")
        output, errors = finish(client)
        assert (client.returncode, len(output.splitlines())) == (0, 31), errors
        server.terminate()
        _, errors = finish(server)
        assert (server.returncode, errors) == (0, "")
        assert world.depth("lab2") == (0, 0)
        proxy.close()
