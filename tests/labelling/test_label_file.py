"""Labels are added to a label file in its own CSV, and what isn't a label file is not touched."""

from __future__ import annotations

import csv
import io
from itertools import count

import pytest
from support.proxy import Proxy
from support.world import PATIENCE, World

from lab2.aws.append_object import COPY_FROM
from lab2.aws.resources import LABEL_KEY
from lab2.labelling.csv_dialect import HEADER, CsvDialect
from lab2.labelling.label import Clock, Label
from lab2.labelling.label_file import LabelFile, as_row
from lab2.labelling.outbox import Outbox
from lab2.labelling.outbox_file import OutboxFile


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


def rows(world: World) -> list[dict[str, str]]:
    """Return the rows of the label file as a spreadsheet or pandas reads it."""
    text = world.objects(LABEL_KEY)[LABEL_KEY].decode("utf-8-sig")
    delimiter = ";" if ";" in text.split("\n")[0] else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def put(world: World, content: str | bytes) -> None:
    body = content.encode() if isinstance(content, str) else content
    world.aws.s3.put_object(Bucket=world.aws.bucket, Key=LABEL_KEY, Body=body)


def outbox(world: World) -> Outbox:
    return Outbox(world.aws, world.home / "labels", said.append)


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


@pytest.mark.parametrize(
    "before",
    [
        "",
        f"{HEADER}\nold.jpg,1,bob,2026-11-23T12:00:00.000Z,\n",
        f"\ufeff{HEADER}\r\nold.jpg,1,bob,2026-11-23T12:00:00.000Z,",
        f"\ufeff{HEADER.replace(',', ';')}\r\nold.jpg;1;bob;2026-11-23T12:00:00.000Z;\r\n",
        "timestamp,seconds,label,image,annotator,note\n2026-11-23T12:00:00.000Z,,1,old.jpg,bob,checked",
        '"Image","Label","Annotator","Timestamp"\r\n"old.jpg","1","bob","2026-11-23T12:00:00.000Z"\r\n',
        f"{HEADER}\nold.jpg,1\n",
    ],
)
def test_a_file_that_a_spreadsheet_saved_is_added_to_in_its_own_form(world: World, before: str) -> None:
    if before:
        put(world, before)
    kept = [label("new.jpg", '=eve, "the" labeller'), label("né.jpg")]
    keeping = outbox(world)
    for each in kept:
        keeping.keep(each)
    assert keeping.flush(PATIENCE)
    keeping.close()
    after = world.objects(LABEL_KEY)[LABEL_KEY]
    assert after.startswith(before.encode())
    found = [tuple(row[name] for name in ("image", "label", "timestamp")) for row in
             ({name.lower(): value for name, value in row.items()} for row in rows(world))]  # fmt: skip
    assert found[-2:] == [(each.image, "1", each.timestamp) for each in kept]
    assert len(found) == 3 - (not before)
    if "\r\n" in before:
        assert after.endswith(b"\r\n")
    assert keeping.waiting == 0


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        (b"image,label\r\nold.jpg,1", "no column annotator"),
        (b"old.jpg,1,bob,2026-11-23T12:00:00.000Z,\n", "does not start with a header"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "does not start with a header"),
    ],
)
def test_a_file_that_is_none_is_not_touched_and_labels_wait_on_disk(world: World, before: bytes, sentence: str) -> None:
    put(world, before)
    first, kept = outbox(world), label()
    first.keep(kept)
    assert not first.flush(PATIENCE)
    first.close()
    assert sentence in said[0] and len(said) == 1
    assert world.objects(LABEL_KEY)[LABEL_KEY] == before
    put(world, f"{HEADER}\n")
    second = outbox(world)
    assert second.flush(PATIENCE) and second.waiting == 0
    second.close()
    assert [row["timestamp"] for row in rows(world)] == [kept.timestamp]


def test_a_file_saved_in_another_form_meanwhile_gets_rows_in_the_new_form(world: World) -> None:
    keeping = outbox(world)
    keeping.keep(label("one.jpg"))
    assert keeping.flush(PATIENCE)
    put(world, HEADER.replace(",", ";") + "\r\none.jpg;1;eve;2026-11-23T12:00:00.000Z;0,8\r\n")
    keeping.keep(label("two.jpg"))
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert [row["image"] for row in rows(world)] == ["one.jpg", "two.jpg"]


def test_past_five_megabytes_only_new_rows_travel_and_none_is_doubled(proxied: World, proxy: Proxy) -> None:
    old = label("left.jpg")
    many = "".join(f"{number:012x}-a.jpg,1,bob,2026-11-23T12:00:00.000Z,\r\n" for number in range(120_000))
    put(proxied, f"\ufeff{HEADER}\r\n{CsvDialect(end=chr(13)).encode(old).decode()}\n{many}")
    assert len(proxied.objects(LABEL_KEY)[LABEL_KEY]) > COPY_FROM
    left = OutboxFile(proxied.home / "labels")
    left.add(old)  # its process died after S3 had the row and before it knew
    left.close()
    proxy.sent.clear()
    keeping = outbox(proxied)
    for number in count():
        keeping.keep(label(f"{number}.jpg"))
        if keeping.flush(PATIENCE) and number == 2:
            break
    keeping.close()
    assert proxy.sent.total() < 10_000
    found = rows(proxied)
    assert len(found) == 120_004
    assert [row["image"] for row in found[-3:]] == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_reader_that_stays_open_sees_every_vote_when_the_file_grows_past_five_megabytes(world: World) -> None:
    many = "".join(f"{number:012x}-a.jpg,1,bob,2026-11-23T12:00:00.000Z,\n" for number in range(120_000))
    most = many[: COPY_FROM - 200].rpartition("\n")[0]
    put(world, f"{HEADER}\n{most}\n")
    reader, writer = LabelFile(world.aws), LabelFile(world.aws)
    assert "first.jpg" not in reader.votes()
    for image in ("first.jpg", "second.jpg", "third.jpg", "fourth.jpg"):  # the first ones as a whole, the last in parts
        writer.append([as_row(label(image, "a person with a long name"))])
    assert len(world.objects(LABEL_KEY)[LABEL_KEY]) > COPY_FROM
    assert {"first.jpg", "second.jpg", "third.jpg", "fourth.jpg"} < reader.votes().keys()


def test_a_reader_that_stays_open_forgets_what_was_taken_out_of_the_file(world: World) -> None:
    put(world, f"{HEADER}\na.jpg,1,bob,2026-11-23T12:00:00.000Z,\nb.jpg,1,bob,2026-11-23T12:00:01.000Z,\n")
    reader = LabelFile(world.aws)
    assert reader.votes().keys() == {"a.jpg", "b.jpg"}
    put(world, f"{HEADER}\nb.jpg,0,bob,2026-11-23T12:00:00.000Z,\n")
    assert {image: labels["bob"].label for image, labels in reader.votes().items()} == {"b.jpg": "0"}


NOON, LATER = "2026-11-23T12:00:00.000Z", "2026-11-23T12:00:00.001Z"


@pytest.mark.parametrize(
    ("stamps", "counts"),
    [
        ([NOON, LATER], 1),
        ([LATER, NOON], 0),  # made offline, sent later
        ([NOON, NOON], 1),
        ([LATER, ""], 1),
        ([LATER, "yesterday", NOON], 1),
        (["", NOON, ""], 2),
        (["", "", NOON], 2),
        (["2026-11-23T13:00:00+02:00", "2026-11-23 10:59"], 0),
        (["2026-11-24", NOON, "2026-11-23T12:00:00"], 0),
    ],
)
def test_of_one_person_and_picture_the_row_with_the_latest_timestamp_counts(
    world: World, stamps: list[str], counts: int
) -> None:
    rows = [f"a.jpg,1,eve,{stamp},{number}\n" for number, stamp in enumerate(stamps)]
    put(world, f"{HEADER}\n{''.join(rows)}")
    at_once, one_by_one = LabelFile(world.aws), LabelFile(world.aws)
    assert at_once.votes()["a.jpg"]["eve"].seconds == str(counts)
    for end in range(1, len(rows) + 1):
        put(world, f"{HEADER}\n{''.join(rows[:end])}")
        one_by_one.votes()
    assert one_by_one.votes() == at_once.votes()
