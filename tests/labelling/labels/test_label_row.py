"""The names of annotators."""

from __future__ import annotations

from lab2.labelling.labels.label_row import clean_name


def test_names_of_people_are_one_line() -> None:
    assert clean_name(" Eve\n=1+1,\t\x1b[31mred ") == "Eve =1+1, [31mred"
    assert clean_name("\n") == ""
    assert clean_name("Jose\u0301") == "Jos\u00e9"
