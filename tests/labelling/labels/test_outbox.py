"""Labels are on disk first, and in S3 exactly once."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest
from support.proxy import ALWAYS, Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.stored_object import COPY_FROM_BYTES
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.outbox_file import OutboxFile
from lab2.labelling.labels.timestamps import Clock


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


def rows(world: World) -> list[dict[str, str]]:
    """Return the rows of the label file as a spreadsheet or pandas reads it."""
    text = world.objects(LABEL_KEY)[LABEL_KEY].decode("utf-8-sig")
    delimiter = ";" if ";" in text.split("\n")[0] else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def outbox(world: World) -> Outbox:
    return Outbox(world.aws, world.home / "labels", said.append)


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def on_disk(folder: Path) -> list[Label]:
    """Return the labels that another program finds waiting in a folder."""
    file = OutboxFile(folder)
    try:
        return file.labels()
    finally:
        file.close()


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run a program in this test's world and return what became of it."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE)


def test_the_label_is_on_disk_before_anything_crosses_the_network(proxied: World, proxy: Proxy) -> None:
    kept = label()
    found: list[Label] = []
    keeping = outbox(proxied)
    proxy.on("ListObjectsV2", Fault(before=lambda: found.extend(on_disk(keeping.folder))))
    keeping.keep(kept)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert found == [kept]
    assert on_disk(keeping.folder) == []


@pytest.mark.parametrize("operation", ["PutObject", "ListObjectsV2"])
def test_a_lost_reply_doubles_no_row(proxied: World, proxy: Proxy, operation: str) -> None:
    proxy.on(operation, Fault(lost=True), times=4)
    keeping = outbox(proxied)
    kept = [label(f"{number}.jpg") for number in range(3)]
    for each in kept:
        keeping.keep(each)
    until(lambda: keeping.waiting == 0)
    keeping.close()
    assert [row["timestamp"] for row in rows(proxied)] == [each.timestamp for each in kept]


def test_what_a_dead_process_left_is_sent_and_said(world: World) -> None:
    died = python(
        """
        import os, pathlib, signal, sys
        from lab2.labelling.labels.label_row import Label
        from lab2.labelling.labels.outbox_file import OutboxFile
        file = OutboxFile(pathlib.Path(sys.argv[1]))
        for number in range(3):
            file.add(Label(f"{number}.jpg", "1", "eve", f"2026-11-23T12:00:00.00{number}Z"))
        file._db.execute("BEGIN IMMEDIATE")
        file._db.execute("INSERT INTO waiting VALUES ('never', 'committed', '', '', '', '')")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        world.home / "labels",
    )
    assert died.returncode == -signal.SIGKILL
    keeping = outbox(world)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert said == ["Sent 3 labels that an earlier run had left on this disk."]
    assert [row["image"] for row in rows(world)] == ["0.jpg", "1.jpg", "2.jpg"]
    assert on_disk(keeping.folder) == []


KILLED = """
import os, pathlib, signal, sys
from lab2.aws.session import AwsSession
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox import Outbox

left = int(sys.argv[2])  # statements of SQLite until it is killed

def count(statement):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

keeping = Outbox(AwsSession(), pathlib.Path(sys.argv[1]), lambda line: None)
keeping.file._db.set_trace_callback(count)
for number in range(2):
    keeping.keep(Label(f"{number}.jpg", "1", "eve", f"2026-11-23T12:00:00.00{number}Z"))
    print(number, flush=True)
    keeping.flush(10)
keeping.close()
"""


@pytest.mark.parametrize(
    "statements",
    [1, 4, 8, *(pytest.param(number, marks=pytest.mark.long) for number in (0, 2, 3, 5, 6, 7, *range(9, 24)))],
    ids=lambda number: f"at statement {number} of SQLite",
)
def test_a_program_killed_at_any_step_loses_and_doubles_nothing(world: World, statements: int) -> None:
    """The first of two programs is killed while the second one may be sending the same labels."""
    folder = world.home / "labels"
    first = python(KILLED, folder, statements)
    assert first.returncode in (0, -signal.SIGKILL)
    second = python(KILLED.replace("eve", "bob"), folder, 10**9)
    assert second.returncode == 0, second.stderr
    taken = Counter((row["annotator"], row["image"]) for row in rows(world))
    promised = {("eve", f"{number}.jpg") for number in first.stdout.split()} | {("bob", "0.jpg"), ("bob", "1.jpg")}
    assert promised <= taken.keys() and set(taken.values()) == {1}
    assert on_disk(folder) == []


def test_a_living_program_without_a_network_has_its_labels_sent_by_another(proxied: World, proxy: Proxy) -> None:
    cut = proxy.on("PutObject", Fault(cut=True), times=ALWAYS)
    first, kept = outbox(proxied), label("first.jpg")
    first.keep(kept)
    until(lambda: first._saving.outages.tries)
    proxy.forget(cut)
    second = outbox(proxied)
    second.keep(label("second.jpg"))
    assert second.flush(PATIENCE)
    until(lambda: first.waiting == 0)
    first.close()
    second.close()
    assert first.saved == second.saved == 1
    assert [row["image"] for row in rows(proxied)] == ["first.jpg", "second.jpg"]


def test_a_permanent_refusal_ends_the_tries_until_the_next_label(
    proxied: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab2.aws.retry.LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr("lab2.aws.retry._patience_s", lambda error: 0.3)
    refusal = Fault(refuse=(501, "NotImplemented"), details={"Message": "Not by this store"})
    refused = proxy.on("PutObject", refusal, times=ALWAYS)
    keeping = outbox(proxied)
    for number in (1, 2):
        tries = refused.seen
        keeping.keep(label(f"{number}.jpg"))
        until(lambda: refused.seen > tries and len(said) == 2)  # noqa: B023
        tries = refused.seen
        time.sleep(0.5)  # five tries, if they went on
        assert refused.seen == tries and not keeping.flush(PATIENCE)
    assert "NotImplemented: Not by this store" in said[1] and "Labels stay on this disk" in said[1]
    assert keeping.waiting == len(on_disk(keeping.folder)) == 2
    proxy.forget(refused)
    keeping.keep(label("3.jpg"))
    until(lambda: keeping.waiting == 0)
    keeping.close()
    assert [row["image"] for row in rows(proxied)] == ["1.jpg", "2.jpg", "3.jpg"] and "works again" in said[-1]


def test_a_row_that_another_program_sent_is_not_sent_again_to_a_file_past_five_megabytes(world: World) -> None:
    """Its sender was killed before it removed it, and the first look at a large file leaves its rows unread."""
    row = "%01000d.jpg,1,bob,2026-11-23T12:00:00.000Z,\n"
    put = f"image,label,annotator,timestamp,seconds\n{''.join(row % number for number in range(5_200))}".encode()
    assert len(put) > COPY_FROM_BYTES
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=put)
    ours, kept = OutboxFile(world.home / "labels"), label()
    ours.add(kept)
    for _ in range(2):  # the first one sends it and is killed, the second one finds it there
        keeping = outbox(world)
        assert keeping.flush(PATIENCE)
        keeping.close()
        ours.add(kept)
    assert ours.take() == ([kept], False)  # nobody but this run is known to have sent the new one
    ours.close()
    assert [each["image"] for each in rows(world)].count(kept.image) == 1


def test_a_program_that_could_not_read_the_file_at_first_looks_again_before_it_sends(
    proxied: World, proxy: Proxy
) -> None:
    kept = label("left.jpg", "somebody")
    many = "".join(f"{number:01000}.jpg,1,bob,2026-11-23T12:00:00.000Z,\n" for number in range(5_200))
    body = f"image,label,annotator,timestamp,seconds\nleft.jpg,1,somebody,{kept.timestamp},\n{many}".encode()
    proxied.aws.s3.put_object(Bucket=proxied.aws.bucket, Key=LABEL_KEY, Body=body)
    left = OutboxFile(proxied.home / "labels")
    left.add(kept)  # it was sent, and its program killed
    left.close()
    proxy.on("GetObject", Fault(cut=True), nth=2, times=6)  # the end of the file is seen, the whole only much later
    keeping = outbox(proxied)
    until(lambda: keeping.waiting == 0)
    keeping.close()
    assert [row["image"] for row in rows(proxied)].count("left.jpg") == 1


def test_labels_are_sent_in_the_order_of_their_time(world: World) -> None:
    stamps = [f"2026-11-23T12:00:0{second}.000Z" for second in (3, 1, 2)]
    for stamp in stamps:  # each left by a program of its own
        file = OutboxFile(world.home / "labels")
        file.add(Label("a.jpg", "1", "eve", stamp))
        file.close()
    keeping = outbox(world)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert [row["timestamp"] for row in rows(world)] == sorted(stamps)


FULL = """
import pathlib, resource, sys
from lab2.errors import UserError
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox_file import OutboxFile

file = OutboxFile(pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
taken = []
for number in range(200):
    try:
        file.add(Label(f"{number}.jpg", "1", "eve", f"2026-11-23T12:00:00.{number:03}Z"))
    except UserError as problem:
        print(problem)
        break
    taken.append(number)
print(len(taken), len(file.labels()))
labels, _ = file.take()
file.remove(labels[:1])  # there may be no room for this either
print(len(file.labels()))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.add(Label("room again.jpg", "1", "eve", "2026-11-23T13:00:00.000Z"))
"""


@pytest.mark.parametrize("size", [0, 9_000, 70_000])
def test_a_full_disk_refuses_the_label_and_spoils_no_earlier_one(tmp_path: Path, size: int) -> None:
    done = python(FULL, tmp_path, size)
    assert done.returncode == 0, done.stderr
    sentence, counts, rest = done.stdout.splitlines()
    assert "This label was not saved" in sentence and str(tmp_path) in sentence
    taken, kept = map(int, counts.split())
    assert taken == kept and (taken > 3) == (size > 9_000)
    assert int(rest) == max(0, taken - 1)
    left = [each.image for each in on_disk(tmp_path)]
    assert left[-1] == "room again.jpg"
    assert left[:-1] in ([f"{number}.jpg" for number in range(start, taken)] for start in (0, 1))


@pytest.mark.long
def test_eight_keepers_at_once_lose_and_double_nothing(world: World) -> None:
    program = textwrap.dedent("""
        import pathlib, sys
        from lab2.labelling.labels.outbox import Outbox
        from lab2.labelling.labels.label_row import Label
        from lab2.labelling.labels.timestamps import Clock
        from lab2.aws.session import AwsSession
        keeping, clock = Outbox(AwsSession(), pathlib.Path(sys.argv[1]), print), Clock()
        for number in range(25):
            keeping.keep(Label(f"{number}.jpg", "1", sys.argv[2], clock.stamp()))
            keeping.flush(0.02)
        while keeping.waiting:
            keeping.flush(1.0)
        keeping.close()
    """)
    processes = [
        subprocess.Popen([sys.executable, "-c", program, world.home / "labels", f"labeller {number}"], cwd=ROOT)
        for number in range(8)
    ]
    assert [process.wait(PATIENCE * 2) for process in processes] == [0] * 8
    found = Counter((row["annotator"], row["image"]) for row in rows(world))
    assert found == {(f"labeller {who}", f"{number}.jpg"): 1 for who in range(8) for number in range(25)}
    assert len(world.objects(LABEL_KEY)[LABEL_KEY].splitlines()) == 201
