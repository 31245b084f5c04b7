"""Labels: their rows in any spreadsheet's CSV, the journal on disk, and each of them in S3 exactly once."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.proxy import Fault, Proxy
from support.world import PATIENCE, ROOT, World, until

from lab2.aws.append_object import COPY_FROM
from lab2.aws.resources import LABEL_KEY
from lab2.errors import UserError
from lab2.labelling.csv_dialect import HEADER, CsvDialect
from lab2.labelling.label import Clock, Label, clean_name
from lab2.labelling.outbox import Outbox
from lab2.labelling.outbox_file import left_behind, open_outbox_file

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(str.strip)
FORMS = [CsvDialect(), CsvDialect(end="\r"), CsvDialect(delimiter=";", end="\r"), CsvDialect(delimiter="\t"),
         CsvDialect(("timestamp", "note", "label", "annotator", "image"))]  # fmt: skip


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
    return Outbox(world.aws, world.home / "journals", said.append)


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


# ---- rows -------------------------------------------------------------------------------------


@given(image=LINE, annotator=LINE, form=st.sampled_from(FORMS))
def test_any_name_survives_in_any_form_of_the_file(image: str, annotator: str, form: CsvDialect) -> None:
    kept = Label(image, "0", annotator, "2026-11-23T12:00:00.000Z")
    row = form.encode(kept)
    assert form.decode(row) == kept
    assert b"\n" not in row
    cells = next(csv.reader([row.decode()], delimiter=form.delimiter))
    assert len(cells) == len(form.columns)


@given(start=st.sampled_from(list("=+-@\t")), rest=st.text("'=+-@ab\"", max_size=5))
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str, rest: str) -> None:
    row = CsvDialect().encode(Label(start + rest, "1", start + rest, "now")).decode()
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in next(csv.reader([row])))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_by_its_header(form: CsvDialect) -> None:
    header = form.delimiter.join(form.columns).encode() + form.end.encode() + b"\n"
    assert CsvDialect.of(header) == CsvDialect.of(b"\xef\xbb\xbf" + header + b"a.jpg,1") == form


def test_stamps_of_one_process_are_never_the_same() -> None:
    clock = Clock()
    stamps = [clock.stamp() for _ in range(5_000)]
    assert stamps == sorted(set(stamps))
    assert len(stamps[0]) == len("2026-11-23T12:00:00.000Z")


def test_names_of_people_are_one_line() -> None:
    assert clean_name(" Eve\n=1+1,\t\x1b[31mred ") == "Eve =1+1, [31mred"
    assert clean_name("\n") == ""


# ---- the file ---------------------------------------------------------------------------------


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
    assert not list((world.home / "journals").iterdir())


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
    journal = open_outbox_file(proxied.home / "journals")
    journal.add(old)  # its process died after S3 had the row and before it knew
    os.close(journal._file)
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


# ---- the journal ------------------------------------------------------------------------------


def test_the_label_is_on_disk_before_anything_crosses_the_network(proxied: World, proxy: Proxy) -> None:
    kept = label()
    on_disk: list[str] = []

    def look() -> None:
        on_disk.extend(path.read_text() for path in (proxied.home / "journals").iterdir())

    keeping = outbox(proxied)
    proxy.on("ListObjectsV2", Fault(before=look))
    keeping.keep(kept)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert json.loads(on_disk[0])["timestamp"] == kept.timestamp


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
    kept = [label(f"{number}.jpg") for number in range(3)]
    program = textwrap.dedent("""
        import os, pathlib, signal, sys
        from lab2.labelling.outbox_file import open_outbox_file
        from lab2.labelling.label import Label
        journal = open_outbox_file(pathlib.Path(sys.argv[1]))
        for line in sys.argv[2:]:
            journal.add(Label(*line.split("|")))
        os.write(journal._file, b'{"image": "torn')
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    folder = world.home / "journals"
    lines = ["|".join((each.image, each.label, each.annotator, each.timestamp, each.seconds)) for each in kept]
    died = subprocess.run([sys.executable, "-c", program, folder, *lines], cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    keeping = outbox(world)
    assert keeping.flush(PATIENCE)
    keeping.close()
    assert said == ["3 labels left on this disk by an earlier run, safe in S3 now."]
    assert [row["image"] for row in rows(world)] == ["0.jpg", "1.jpg", "2.jpg"]
    assert not list(folder.iterdir())


def test_labels_of_a_living_program_are_not_sent_by_another(world: World, tmp_path: Path) -> None:
    living = open_outbox_file(world.home / "journals")
    living.add(label())
    assert left_behind(world.home / "journals") == []
    other = outbox(world)
    assert other.waiting == 0
    other.close()
    assert len(living.waiting) == 1 and living.path.exists()
    living.close()
    assert len(left_behind(world.home / "journals")) == 1


def test_a_full_disk_refuses_the_label_and_spoils_no_earlier_one(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import pathlib, resource, signal, sys
        from lab2.labelling.outbox_file import open_outbox_file
        from lab2.labelling.label import Label
        from lab2.errors import UserError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        journal = open_outbox_file(pathlib.Path(sys.argv[1]))
        for number in range(100):
            try:
                journal.add(Label(f"{number}.jpg", "1", "eve", "now"))
            except UserError as problem:
                print(problem)
                break
        print(len(journal.waiting))
    """)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True)
    sentence, taken = done.stdout.splitlines()
    assert "This label was not taken" in sentence
    (journal,) = left_behind(tmp_path)
    assert len(journal.waiting) == int(taken) > 3
    assert journal.path.read_bytes().endswith(b"}\n")


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Labels can't be kept .* XDG_STATE_HOME"):
        open_outbox_file(tmp_path / "file" / "lab2")


def test_eight_keepers_at_once_lose_and_double_nothing(world: World) -> None:
    program = textwrap.dedent("""
        import pathlib, sys
        from lab2.labelling.outbox import Outbox
        from lab2.labelling.label import Clock, Label
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
        subprocess.Popen([sys.executable, "-c", program, world.home / "journals", f"labeller {number}"], cwd=ROOT)
        for number in range(8)
    ]
    assert [process.wait(PATIENCE * 2) for process in processes] == [0] * 8
    found = Counter((row["annotator"], row["image"]) for row in rows(world))
    assert found == {(f"labeller {who}", f"{number}.jpg"): 1 for who in range(8) for number in range(25)}
    assert len(world.objects(LABEL_KEY)[LABEL_KEY].splitlines()) == 201
