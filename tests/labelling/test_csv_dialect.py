"""Rows of labels in any spreadsheet's CSV."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.labelling.csv_dialect import CsvDialect
from lab2.labelling.label import Clock, Label, clean_name

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(str.strip)

FORMS = [CsvDialect(), CsvDialect(end="\r"), CsvDialect(delimiter=";", end="\r"), CsvDialect(delimiter="\t"),
         CsvDialect(("timestamp", "note", "label", "annotator", "image"))]  # fmt: skip


def label(image: str = "a.jpg", annotator: str = "eve", clock: Clock = Clock()) -> Label:  # noqa: B008 - one for all
    return Label(image, "1", annotator, clock.stamp(), "0.8")


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
