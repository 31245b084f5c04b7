"""What labelling costs in calls and bytes; times are measured by `python -m bench`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.proxy import Proxy
from support.world import ROOT, Program, World, until

from lab2.aws.resources import IMAGE_PREFIX, LABEL_KEY
from lab2.aws.s3.stored_object import COPY_FROM_BYTES
from lab2.aws.session import AwsSession
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label_row import Label
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.timestamps import Clock

ROW = b"0123456789ab-IMG_0001.jpg,1,adam,2026-11-23T00:00:00.000Z,0.85\n"
SMALL, LARGE = 100, 1 + COPY_FROM_BYTES // len(ROW)  # rows


def fill(world: World, images: int) -> None:
    """Put so many images into the bucket, all with the same bytes."""
    data = min((ROOT / IMAGE_PREFIX).iterdir(), key=lambda path: path.stat().st_size).read_bytes()

    def put(number: int) -> None:
        name = f"{number * 2**48 // images:012x}-photo.jpg"
        world.aws.s3.put_object(Bucket=world.aws.bucket, Key=IMAGE_PREFIX + name, Body=data)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(images)))


def write_rows(world: World, rows: int) -> None:
    body = f"{HEADER}\n".encode() + rows * ROW
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=body)


def listen(program: Program, words: str) -> None:
    """Read what the program prints up to a line with these words."""
    assert program.stdout
    for line in program.stdout:
        if words in line:
            return
    pytest.fail(f"not said: {words}")


def keep(outbox: Outbox, clock: Clock, number: int) -> None:
    outbox.keep(Label(f"{number:012x}-photo.jpg", "1", "eve", clock.stamp(), "0.50"))


@pytest.mark.parametrize("images", [10, 1_200])
def test_a_round_costs_one_list_and_a_get_for_each_picture(proxied: World, proxy: Proxy, images: int) -> None:
    fill(proxied, images)
    proxy.calls.clear()
    program = proxied.start("hotdog.py")
    assert program.stdin
    rounds = []
    for _ in range(5):
        program.stdin.write("label\n")
        program.stdin.flush()
        listen(program, "Picture 1 of 4")
        until(lambda: proxy.calls["GetObject"] >= 4)
        rounds.append((proxy.calls["ListObjectsV2"], proxy.calls["GetObject"]))
        proxy.calls.clear()
        program.stdin.write("s\n" * 4)
        program.stdin.flush()
        listen(program, "safe in S3")
    # The first has the bucket looked for besides, learns that there are more images than a page lists, and looks for
    # names that upload did not give. A page that the end of the listing cuts short is filled from its start.
    assert rounds[0][0] <= 5
    assert all(lists == 1 and gets == 4 for lists, gets in rounds[1:]), rounds


def test_from_the_start_to_the_first_picture_takes_five_calls_in_a_row(proxied: World, proxy: Proxy) -> None:
    fill(proxied, 10)
    proxy.calls.clear()
    program = proxied.start("hotdog.py", "label")
    listen(program, "Picture 1 of 4")
    calls = proxy.calls.copy()
    pictures = calls.pop("GetObject")
    assert pictures <= 4  # all at once
    assert calls.total() <= 4, calls  # whose account it is, whether the bucket is there, the images, the label file


@pytest.mark.parametrize(
    ("rows", "most_calls", "most_bytes"),
    [
        pytest.param(SMALL, 1, len(HEADER) + 1 + (SMALL + 12) * (len(ROW) + 10), id="100 rows"),
        pytest.param(LARGE, 4, 1_000, id="past 5 MiB"),
    ],
)
def test_a_label_costs_few_calls_and_bytes(
    proxied: World, proxy: Proxy, tmp_path: Path, rows: int, most_calls: int, most_bytes: int
) -> None:
    write_rows(proxied, rows)
    outbox, clock = Outbox(proxied.aws, tmp_path / "labels", print), Clock()
    keep(outbox, clock, 0)
    until(lambda: not outbox.waiting)  # the file has been looked at
    proxy.calls.clear()
    proxy.sent.clear()
    for number in range(1, 11):
        keep(outbox, clock, number)
        until(lambda: not outbox.waiting)
    outbox.close()
    assert proxy.calls.total() <= 10 * most_calls, proxy.calls
    assert proxy.sent.total() <= 10 * most_bytes, proxy.sent


def test_labels_that_come_faster_than_they_are_written_share_a_write(
    proxied: World, proxy: Proxy, tmp_path: Path
) -> None:
    write_rows(proxied, SMALL)
    outbox, clock = Outbox(proxied.aws, tmp_path / "labels", print), Clock()
    for number in range(200):
        keep(outbox, clock, number)
    until(lambda: not outbox.waiting)
    outbox.close()
    assert proxy.calls["PutObject"] <= 100


@pytest.mark.parametrize("rows", [SMALL, LARGE])
def test_sixteen_labellers_at_once_cost_few_calls_a_label(
    proxied: World, proxy: Proxy, tmp_path: Path, rows: int
) -> None:
    people, labels = 16, 20
    write_rows(proxied, rows)
    aws = AwsSession(connections=people)
    assert aws.s3
    keepers = [Outbox(aws, tmp_path / str(number), print) for number in range(people)]
    proxy.calls.clear()
    proxy.sent.clear()
    start = threading.Barrier(people)

    def label(outbox: Outbox) -> None:
        clock = Clock()
        start.wait()
        for number in range(labels):
            person = f"person {keepers.index(outbox)}"
            outbox.keep(Label(f"{number:012x}-photo.jpg", "1", person, clock.stamp(), "0.50"))

    threads = [threading.Thread(target=label, args=(outbox,)) for outbox in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: not any(outbox.waiting for outbox in keepers), 60)
    for outbox in keepers:
        outbox.close()
    assert proxy.calls.total() <= 4 * people * labels, proxy.calls
    if rows == LARGE:
        assert proxy.sent.total() <= 1_000 * people * labels, proxy.sent
    assert proxied.objects(LABEL_KEY)[LABEL_KEY].count(b"\n") == 1 + rows + people * labels


def test_a_file_uploaded_costs_one_list_and_one_put(proxied: World, proxy: Proxy) -> None:
    folder = proxied.home / "pictures"
    folder.mkdir()
    picture = min((ROOT / IMAGE_PREFIX).iterdir(), key=lambda path: path.stat().st_size).read_bytes()
    files = 40
    for number in range(files):
        (folder / f"{number}.jpg").write_bytes(picture + b"%d" % number)
    sent = sum(path.stat().st_size for path in folder.iterdir())
    for puts in (files, 0):  # the second time all are there already
        proxy.calls.clear()
        proxy.sent.clear()
        output, errors = proxied.start("hotdog.py", "upload", str(folder)).communicate()
        assert (output, errors) == (f"{puts} uploaded, {files - puts} already there, 0 left out.\n", "")
        assert proxy.calls.pop("Query") == 1  # whose account it is
        assert proxy.calls.pop("HeadObject") == 1  # whether its bucket is in a namespace of its own
        assert proxy.calls == {"ListObjectsV2": files} | ({"PutObject": puts} if puts else {})
        assert proxy.sent["PutObject"] == (sent if puts else 0)
