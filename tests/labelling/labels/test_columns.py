"""The straight path for large files counts what the general reader counts, or leaves the file to it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from support.fuzz import few_and_many

from lab2.labelling.labels.columns import read_columns
from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.label_file import LabelIndex
from lab2.labelling.labels.label_row import without_withdrawn
from lab2.labelling.results.report import Annotator, Report

IMAGES = ["a.jpg", "b c.jpg", "é.jpg", "e\u0301.jpg", " a.jpg", "gone.jpg", "日本.png", "d;e.gif"]
ANNOTATORS = ["ada", "bob", " ada ", "José", "Jose\u0301", "0012", "12", "", "zoë z"]
ROW = "a.jpg,1,ada,2026-11-28T09:00:00.000Z,1.00\n"


def in_parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def general(data: bytes, names: list[str]) -> tuple[Report, list[str]]:
    index = LabelIndex(lambda: data, appends=False)
    index.replace(data)
    index.read()
    return Report.from_votes(names, without_withdrawn(index.votes)), index.doubts.sentences()


def rounded(report: Report) -> Report:
    """Return the report with medians as far as two ways of adding agree: halves of cents."""
    annotators = [replace(each, seconds=each.seconds and round(each.seconds, 6)) for each in report.annotators]
    return replace(report, annotators=annotators)


def any_file(chance: random.Random) -> str:
    images = chance.sample(IMAGES, chance.randint(1, len(IMAGES)))
    annotators = chance.sample(ANNOTATORS, chance.randint(1, len(ANNOTATORS)))
    values = chance.choice(["1", "10", "01", "1110"])
    rows = [
        f"{chance.choice(images)},{chance.choice([*values, *['withdrawn'] * (chance.random() < 0.2)])},"
        f"{chance.choice(annotators)},2026-{chance.randint(1, 12):02}-28T09:00:00.{chance.randrange(9):03}Z,"
        f"{chance.choice(['', f'{chance.random() * 9:.2f}'])}\n"
        for _ in range(chance.randrange(60))
    ]
    return "".join((HEADER, "\n", *rows))


@few_and_many(150, 1_000)
def test_a_file_in_our_own_form_has_the_same_report_by_both_ways(chance: random.Random, cases: int) -> None:
    read = 0
    for _ in range(cases):
        data = any_file(chance).encode()
        names = chance.sample(IMAGES[:5] if chance.random() < 0.5 else IMAGES, chance.randint(1, 5))
        columns = read_columns(in_parts(data, chance.choice((7, 100, 2**20))), names)
        if columns is None:
            assert data.count(b"\n") == 1
            continue
        read += 1
        report, doubts = general(data, names)
        found = Report.from_columns(names, columns)
        assert rounded(found) == rounded(report), data.decode()
        assert found.as_text(80) == report.as_text(80)
        assert columns.doubts.sentences() == doubts
    assert read > cases / 2


@pytest.mark.parametrize(
    "data",
    [
        "", HEADER, f"{HEADER}\n{ROW}"[:-1], f"\ufeff{HEADER}\n{ROW}", f"{HEADER}\r\n{ROW}", ROW, f"{HEADER}\n\n{ROW}",
        *(
            f"{HEADER}\n{ROW}{row}"
            for row in ("a.jpg,2,ada,2026-11-28T09:00:00.000Z,\n", "a.jpg,1,ada,2026-11-28T09:00:00Z,\n",
                        "a.jpg,1,ada,2026-02-30T09:00:00.000Z,\n", '"a",1,ada,2026-11-28T09:00:00.000Z,\n',
                        "'=a,1,ada,2026-11-28T09:00:00.000Z,\n", "a,1,'=a,2026-11-28T09:00:00.000Z,\n",
                        " ,1,ada,2026-11-28T09:00:00.000Z,\n", "a,1,ada,2026-11-28T09:00:00.000Z,1,\n",
                        "a,1,ada,2026-11-28T09:00:00.000Z\n", "a,1,ada,,\n", "a,1,ada,2026-11-28T09:00:00.000Z,1,5\n",
                        "a,1,ada,2026-11-28T09:00:00.000Z,\r\n", f"{HEADER}\n",
                        "\ufeffa,1,b,2026-11-28T09:00:00.000Z,\n", "a,1,ada,0000-11-28T09:00:00.000Z,\n",
                        "a\"b,1,ada,2026-11-28T09:00:00.000Z,\n", "a,1,a\0b,2026-11-28T09:00:00.000Z,\n",
                        "a,1,ada,2026-11-28T09:00:00.000,\na,1,ada,Z2026-11-28T09:00:00.000Z,\n",
                        "a\rb,1,ada,2026-11-28T09:00:00.000Z,\n", "a,1,a\rb,2026-11-28T09:00:00.000Z,\n",
                        "a,1,a\"b,2026-11-28T09:00:00.000Z,\n", "a\0b,1,a,2026-11-28T09:00:00.000Z,\n",
                        "a,1,ada,2026-11-28T09:00:00.000Z,,a,a,1,ada,2026-11-28T09:00:00.000Z,\n",
                        "a,1\n2026-11-28T09:00:00.000Z,\n")
        ),
    ],
)  # fmt: skip
def test_any_other_file_is_left_to_the_general_reader(data: str) -> None:
    assert read_columns(in_parts(data.encode(), 64), ["a.jpg"]) is None
    assert read_columns([f"{HEADER}\n{ROW}".encode() + b"\xff,1,ada,2026-11-28T09:00:00.000Z,\n"], []) is None


def test_a_median_is_that_of_an_annotator() -> None:
    data = f"{HEADER}\n{ROW}{ROW.replace('a.jpg', 'b.jpg').replace('1.00', '2.00')}".encode()
    columns = read_columns([data], ["a.jpg"])
    assert columns
    assert Report.from_columns(["a.jpg"], columns).annotators == [Annotator("ada", 2, 1.5)]
