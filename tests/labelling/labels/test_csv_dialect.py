"""Rows of labels in any spreadsheet's CSV."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.labelling.labels.choices import value_meant
from lab2.labelling.labels.csv_dialect import CsvDialect, decode
from lab2.labelling.labels.label_row import Label, plain_name
from lab2.labelling.labels.timestamps import Clock

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(str.strip)

FORMS = [CsvDialect(), CsvDialect(end="\r\n"), CsvDialect(delimiter=";", end="\r\n"), CsvDialect(end="\r"),
         CsvDialect(delimiter="\t"),
         CsvDialect(("timestamp", "note", "label", "annotator", "image"))]  # fmt: skip


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


def read(form: CsvDialect, row: bytes) -> Label | None:
    ((_, cells),) = form.rows(decode(row, form.encoding)[0])
    return form.label(cells)


@given(image=LINE, annotator=LINE.map(plain_name).filter(bool), form=st.sampled_from(FORMS))
def test_any_name_survives_in_any_form_of_the_file(image: str, annotator: str, form: CsvDialect) -> None:
    kept = Label(image, "0", annotator, "2026-11-23T12:00:00.000Z")
    row = form.encode(kept)
    assert read(form, row) == kept
    assert b"\n" not in row
    cells = next(csv.reader([row.decode()], delimiter=form.delimiter))
    assert len(cells) == len(form.columns)


@given(start=st.sampled_from(list("=+-@\t")), rest=st.text("'=+-@ab\"", max_size=5))
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str, rest: str) -> None:
    row = CsvDialect().encode(Label(start + rest, "1", start + rest, "now")).decode()
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in next(csv.reader([row])))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_by_its_header(form: CsvDialect) -> None:
    header = form.delimiter.join(form.columns).encode() + form.end.encode()
    marked = CsvDialect.detect(b"\xef\xbb\xbf" + header + b"a.jpg,1")
    assert CsvDialect.detect(header) == replace(marked, marked=False) == form


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig"]
)
def test_the_encoding_is_found_with_and_without_a_mark(encoding: str) -> None:
    form = CsvDialect.detect("image,label,annotator,timestamp\n".encode(encoding))
    assert form.encode(label("é.jpg")).decode(form.encoding).startswith("é.jpg,1,eve,")
    assert form.encoding.startswith(encoding.removesuffix("-sig"))


def test_annotators_whose_accents_are_composed_or_not_are_one_person() -> None:
    form = CsvDialect()
    one, other = (form.label(["a.jpg", "1", name, "", ""]) for name in ("José", "Jose\u0301 "))
    assert one and one == other


@pytest.mark.parametrize(
    ("label", "cells"),
    [
        (
            "1",
            ["1", " 1 ", "1.0", "1,0", "01", "1.", "TRUE", "True", "yes", "Y", "hot dog", "Hotdog", "hot_dog", "WAHR"],
        ),
        ("0", ["0", "0.0", "FALSE", "no", "not", "not hot dog", "not a hot dog", "Not_HotDog", "FAUX", "falsch"]),
        (None, ["", " ", "2", "10", "1.5", "-1", "maybe", "dog", "nan", "?", "1;0", "11"]),
    ],
)
def test_a_label_is_what_people_and_spreadsheets_write_for_it(label: str | None, cells: list[str]) -> None:
    assert {cell: value_meant(cell) for cell in cells} == dict.fromkeys(cells, label)


def test_a_name_may_hold_line_ends_and_an_open_quote_spoils_its_own_row_only() -> None:
    dialect = CsvDialect()
    odd = [Label(f"a{end}b.jpg", "1", "eve", "t") for end in ("\r", "\n", "\r\n")]
    text = "\n".join([*(dialect.encode(label).decode() for label in odd), 'x.jpg,1,"eve,t,1', "y.jpg,0,bob,t,1", ""])
    read = [(before, dialect.label(cells)) for before, cells in dialect.rows(text)]
    assert [label for _, label in read[:3]] == odd and [before for before, _ in read] == [0, 2, 4, 6, 7]
    assert read[4][1] == Label("y.jpg", "0", "bob", "t", "1")


@pytest.mark.parametrize("ends", [["\n"], ["\r"], ["\r\n"], ["\n", "\r", "\r\n"]], ids=ascii)
def test_a_long_file_has_the_rows_of_its_parts(ends: list[str]) -> None:
    rows = [f"{number}.jpg,1," + number % 700 * "x" for number in range(1_000)]
    text = "".join(row + ends[number % len(ends)] for number, row in enumerate(rows))
    assert [(before, ",".join(cells)) for before, cells in CsvDialect().rows(text)] == [*enumerate(rows)]
