"""What another program may have changed in a label file is named."""

from __future__ import annotations

import pytest

from lab2.labelling.labels.csv_dialect import HEADER
from lab2.labelling.labels.doubts import is_changeable, same_to_a_spreadsheet
from lab2.labelling.labels.label_file import LabelIndex

OURS, THEIRS = "2026-11-28T09:00:00.120Z,1.00", "2026-11-28 09:00:00+00:00,1.0"


def doubts(*rows: str) -> str:
    data = "\n".join((HEADER, *rows, "")).encode()
    index = LabelIndex(lambda: data)
    index.replace(data)
    index.read()
    return "\n".join(index.doubts.sentences())


@pytest.mark.parametrize(
    "name", ["0012", "12", "12.0", "1e5", "1E+05", "-3", "1,5", "NA", "null", "None", "nan", "true", "T", "FALSE",
             "1-2", "mar1", "1-Mar", "Sept 2", "2026-11-28"]
)  # fmt: skip
def test_a_name_that_programs_take_for_something_else_is_known(name: str) -> None:
    assert is_changeable(name)


@pytest.mark.parametrize(
    "name", ["ada", "NAN1", "eva12", "12a", "Mark1", "May", "Tom", "José", "nul", "a, b", "e5", "."]
)
def test_a_name_that_is_only_a_name_is_left_alone(name: str) -> None:
    assert not is_changeable(name)


def test_names_that_become_the_same_are_found() -> None:
    assert same_to_a_spreadsheet(["12", "0012", "ada", "1e3", "1000", "7", "T", "true", "x"]) == [
        ["0012", "12"], ["1000", "1e3"], ["T", "true"]
    ]  # fmt: skip


def test_rows_without_a_time_that_can_be_read_or_without_an_annotator_are_named() -> None:
    assert doubts(f"a.jpg,1,ada,{OURS}", "a.jpg,0,bob,,") == ""
    found = doubts("a.jpg,1,ada,3/4/2026 10:00,", f"a.jpg,0,,{OURS}", "a.jpg,1,bob,soon,")
    assert "the time of lines 2, 4 can't be read (3/4/2026 10:00), so they count" in found
    assert "line 3 has no annotator" in found and len(found.splitlines()) == 2


def test_names_in_rows_that_another_program_saved_are_named_and_those_in_our_own_are_not() -> None:
    assert doubts(f"a.jpg,1,0012,{OURS}", f"a.jpg,1,true,{OURS}", f"b.jpg,1,ada,{THEIRS}") == ""
    assert "another program saved lines 2, 4 and" in doubts(
        f"a.jpg,1,12,{THEIRS}", f"a.jpg,1,bob,{THEIRS}", f"a.jpg,1,100000.0,{THEIRS}"
    )
    assert "0012 and 12 count as different annotators" in doubts(f"a.jpg,1,0012,{OURS}", f"a.jpg,1,12,{OURS}")


def test_rows_that_only_their_order_decides_between_since_times_were_shortened_are_named() -> None:
    short, long = "28.11.2026 10:00,", "2026-11-28T10:00:00.120Z,1.00"
    assert "line 3 has the same time (28.11.2026 10:00) as another label" in doubts(
        f"a.jpg,1,ada,{short}", f"a.jpg,0,ada,{short}", f"a.jpg,0,bob,{short}", f"b.jpg,1,ada,{short}"
    )
    assert doubts(f"a.jpg,1,ada,{short}", f"a.jpg,1,ada,{short}", f"b.jpg,1,ada,{long}", f"b.jpg,0,ada,{long}") == ""
    assert doubts("a.jpg,1,ada,,", "a.jpg,0,ada,,") == ""


def test_a_file_of_many_such_rows_is_one_sentence() -> None:
    found = doubts(*(["a.jpg,maybe,ada,,"] * 1_000))
    assert found.startswith("underbase.csv: lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 990 more can't be understood")
