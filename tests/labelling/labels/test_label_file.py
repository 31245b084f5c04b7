"""Labels are added to a label file in its own CSV, and what isn't a label file is not touched."""

from __future__ import annotations

import csv
import io
import json
from itertools import count

import pytest
from support.labeller import piped
from support.proxy import Proxy
from support.world import PATIENCE, ROOT, World

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.stored_object import COPY_FROM_BYTES
from lab2.labelling.labels.csv_dialect import HEADER, CsvDialect
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Label, by_image
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
        ("".join((HEADER, "\na.jpg,1,bob,,\n")).encode("utf-16")[:-1], "half a character"),
        (f"{HEADER}\nné.jpg,1,bob,,\n".encode() + "né.jpg,1,eve,,\n".encode("cp1252"), "partly in Windows-1252"),
        (f"{HEADER}\nné.jpg,1,bob,,\n".encode("cp1252"), "lacks a character"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "does not start with a header"),
    ],
)
def test_a_file_that_is_none_is_not_touched_and_labels_wait_on_disk(world: World, before: bytes, sentence: str) -> None:
    put(world, before)
    first, kept = outbox(world), label("日本.jpg")
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


@pytest.mark.long
def test_past_five_megabytes_only_new_rows_travel_and_none_is_doubled(proxied: World, proxy: Proxy) -> None:
    old = label("left.jpg")
    many = "".join(f"{number:012x}-a.jpg,1,bob,2026-11-23T12:00:00.000Z,\r\n" for number in range(120_000))
    put(proxied, f"\ufeff{HEADER}\r\n{CsvDialect().encode(old).decode()}\r\n{many}")
    assert len(proxied.objects(LABEL_KEY)[LABEL_KEY]) > COPY_FROM_BYTES
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


@pytest.mark.long
def test_a_reader_that_stays_open_sees_every_vote_when_the_file_grows_past_five_megabytes(world: World) -> None:
    many = "".join(f"{number:012x}-a.jpg,1,bob,2026-11-23T12:00:00.000Z,\n" for number in range(120_000))
    most = many[: COPY_FROM_BYTES - 200].rpartition("\n")[0]
    put(world, f"{HEADER}\n{most}\n")
    reader, writer = LabelFile(world.aws), LabelFile(world.aws)
    assert "first.jpg" not in reader.votes()
    for image in ("first.jpg", "second.jpg", "third.jpg", "fourth.jpg"):  # the first ones as a whole, the last in parts
        writer.append([label(image, "a person with a long name")])
    assert len(world.objects(LABEL_KEY)[LABEL_KEY]) > COPY_FROM_BYTES
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


# ---- files that people opened and saved ---------------------------------------------------------

CASES = ROOT / "tests/cases"
FIRST = "000000000000-Käsekrainer.gif,1,Zoë,2026-11-24T10:00:00.000Z,1.2"
SAVED = f"{HEADER}\n{FIRST}\n000000000001-plain.gif,1,Zoë,2026-11-24T10:00:01.000Z,0.9\n"


def semicolons(text: str) -> str:
    return text.replace(",", ";")


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.glob("labels_*.csv")))
def test_a_case_counts_and_is_added_to_in_its_own_form(world: World, name: str) -> None:
    check_counted_and_added_to(world, (CASES / name).read_bytes())


@pytest.mark.parametrize(
    "data",
    [
        SAVED.encode("utf-16"),
        b"\xfe\xff" + SAVED.encode("utf-16-be"),
        SAVED.encode("utf-16-le"),
        SAVED.encode("utf-32"),
        SAVED.encode("utf-32-be"),
        SAVED.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"),  # Excel's "Unicode text"
        SAVED.rstrip("\n").encode("utf-16"),
        SAVED.rstrip("\n").replace("\n", "\r").encode(),
        semicolons(SAVED).rstrip("\n").encode("cp1252"),
        f"sep=;\r{semicolons(SAVED)}".replace("\n", "\r").encode("cp1252"),
        f"{HEADER}\n{FIRST}\n".encode()
        + b"\x00\x00000000000001-plain.gif,\x001,Zo\xc3\xab,2026-11-24T10:00:01.000Z,0.9\n\0\0",
        SAVED.replace(",1,", " , 1 , ").encode(),
        SAVED.replace(",1,", ",hot dog,").encode(),
        SAVED.replace("Käse", "Ka\u0308se").encode(),  # as a Mac decomposes it
        SAVED.replace("\n", ",,\n").encode(),
        (SAVED + SAVED).encode(),
        ("\n\n" + SAVED.replace("\n", "\n\n")).encode(),
        "\n".join(f'"{cell}"' for cell in SAVED.split("\n")).replace(",", '","').encode(),
        semicolons(SAVED).replace("1.2", "1,2").encode("utf-8-sig"),
    ],
)
def test_a_file_that_people_saved_counts_and_is_added_to_in_its_own_form(world: World, data: bytes) -> None:
    check_counted_and_added_to(world, data)


def check_counted_and_added_to(world: World, data: bytes) -> None:
    put(world, data)
    images = ["000000000000-Käsekrainer.gif", "000000000001-plain.gif", "né.gif"]
    file = LabelFile(world.aws)
    votes = by_image(file.votes(), images)
    assert {image: {who: label.label for who, label in labels.items()} for image, labels in votes.items()} == {
        images[0]: {"Zoë": "1"}, images[1]: {"Zoë": "1"}
    }  # fmt: skip
    assert file.warning() == ""
    keeping = outbox(world)
    for image in ("né.gif", "plain.gif"):
        keeping.keep(label(image))
    assert keeping.flush(PATIENCE), said
    keeping.close()
    after = world.objects(LABEL_KEY)[LABEL_KEY]
    assert after.startswith(data)
    text = after.decode(
        next(each for each in ("utf-32", "utf-32-be", "utf-16", "utf-8", "cp1252") if decodes(data, each))
    )
    mark = ";" if ";" in text else "\t" if "\t" in text else ","
    end = next(end for end in ("\r\n", "\r", "\n") if end in text)
    rows = [row for row in text.replace("\0", "").split(end) if row.strip('",;')]
    assert [row.split(mark)[:3] for row in rows[-2:]] == [["né.gif", "1", "eve"], ["plain.gif", "1", "eve"]]
    assert text.endswith(end) and not text.endswith(end + end)
    again = LabelFile(world.aws)
    assert {"né.gif", "plain.gif"} < again.votes().keys() and again.warning() == ""


def decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return not encoding.startswith("utf-16") or b"\0" in data[:2] or data[:2] in (b"\xff\xfe", b"\xfe\xff")


def test_rows_that_are_not_understood_are_named_by_line_in_one_warning_and_stay(samples: World) -> None:
    first = next(iter(samples.objects("underbase/"))).removeprefix("underbase/")
    data = f"{HEADER}\n{first},1,eve,,\n{first},maybe,bob,,\n\n,1,ada,,\n{first},,cy,,\n{first},0,dan,,\n"
    put(samples, data)
    code, output, errors = piped(samples, "report", "--output", "json", typed="")
    told = json.loads(output)
    (image,) = [image for image in told["images"] if image["image"] == first]
    assert code == 0 and (image["hot_dog"], image["not_hot_dog"]) == (1, 1)
    assert len(errors.splitlines()) == 1 and "lines 3, 5, 6 can't be understood" in errors and "maybe" in errors
    assert samples.objects(LABEL_KEY)[LABEL_KEY] == data.encode()


def test_names_that_differ_in_their_accents_only_are_told_apart_where_both_are_there() -> None:
    composed, decomposed, spaced = "é.jpg", "e\u0301.jpg", " é.jpg"
    votes = {
        name: {"eve": Label(name, "1", "eve", "2026-11-24T10:00:00.000Z")} for name in (composed, decomposed, spaced)
    }
    assert by_image(votes, [composed, decomposed, spaced]) == votes
    assert by_image({decomposed: votes[decomposed]}, [composed]) == {composed: votes[decomposed]}
    newer = {"eve": Label(spaced, "0", "eve", "2026-11-24T11:00:00.000Z")}
    for order in ({composed: votes[composed], spaced: newer}, {spaced: newer, composed: votes[composed]}):
        assert by_image(order, [composed])[composed]["eve"].label == "0"


@pytest.mark.long
def test_a_large_file_in_windows_1252_gets_rows_in_windows_1252(world: World) -> None:
    many = "".join(f"{number:012x}-a.jpg;1;bob;2026-11-23T12:00:00.000Z;\r\n" for number in range(120_000))
    data = f"{semicolons(HEADER)}\r\né.jpg;1;bob;;\r\n{many}".encode("cp1252")
    put(world, data)
    LabelFile(world.aws).append([label("è.jpg")])
    assert world.objects(LABEL_KEY)[LABEL_KEY][len(data) :].startswith("è.jpg;1;eve".encode("cp1252"))


def test_a_file_of_blank_lines_gets_a_header(world: World) -> None:
    put(world, "\r\n\r\n")
    LabelFile(world.aws).append([label("a.jpg")])
    assert LabelFile(world.aws).votes().keys() == {"a.jpg"}
