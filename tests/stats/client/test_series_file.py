"""Files of numbers as spreadsheets, instruments and people write them: read in the one way they can be meant."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import ROOT

from lab2.errors import UserError
from lab2.stats.client.series_file import parse_series, read_series

CASES = ROOT / "tests/cases"
Wanted = list[list[float] | str]  # of each line that is not blank: its numbers, or a part of the reason

# What a file holds, its lines apart by "\n", and what becomes of each.
RIGHT: dict[str, Wanted] = {
    # as the README of 1.0 has it: spaces, commas, semicolons or tabs, and a point
    "3 5.5 8": [[3, 5.5, 8]],
    "3, 5.5, 8": [[3, 5.5, 8]],
    "3,5.5,8": [[3, 5.5, 8]],
    "3;5.5;8": [[3, 5.5, 8]],
    "3\t5.5\t8": [[3, 5.5, 8]],
    " 3   5.5  8  ": [[3, 5.5, 8]],
    "3 ; 5.5 ;8": [[3, 5.5, 8]],
    "3 5.5 8\n1;2;3\n4, 5\n6\t7": [[3, 5.5, 8], [1, 2, 3], [4, 5], [6, 7]],
    "7": [[7]],
    "1 234": [[1, 234]],
    "1 2;3": [[1, 2, 3]],
    "1e3,2": [[1000, 2]],
    "10,20,30": [[10, 20, 30]],
    "01,02,03": [[1, 2, 3]],
    ".5 5.": [[0.5, 5]],
    "1, 2; 3": [[1, 2, 3]],
    "3\n\n5\n": [[3], [5]],
    # decimals with a comma
    "3,5;5,25;8": [[3.5, 5.25, 8]],
    "3,5\t5,25\t8": [[3.5, 5.25, 8]],
    "3,5;8\n4,25": [[3.5, 8], [4.25]],
    "3,5;8\n1,234;7": [[3.5, 8], [1.234, 7]],
    "1,5e3;2": [[1500, 2]],
    '"3,5";"8"': [[3.5, 8]],
    '"3,5","5,25"': [[3.5, 5.25]],
    "3,5": ["'3,5' could mean 3 and 5, or 3.5"],
    "3,5\n4,25": ["could mean", "could mean"],
    "3,5 8": ["could mean"],
    "3, 5,5, 8": ["could mean"],
    "3,05": ["could mean"],
    "4,5;6\n1 2 3": ["could mean", [1, 2, 3]],
    "3;5\n3,5": [[3, 5], "could mean"],
    ",5;3": ["a number is missing"],
    # a comma that other lines explain
    "1,2\n1,2,3": [[1, 2], [1, 2, 3]],
    "1,2\n1.5,3": [[1, 2], [1.5, 3]],
    "3,5;8\n4,5,6": ["some lines", "some lines"],
    "1,2,3\n4,5,6\n3,5;8\n7,8": [[1, 2, 3], [4, 5, 6], "some lines", "some lines"],
    "2.5;5,6": ["use a point"],
    "3,5;1\n2,5;1\n2.5;1": [[3.5, 1], [2.5, 1], "without a point"],
    # thousands
    "1,234.5;7": ["write thousands without a separator"],
    "1,234,567;7": ["write thousands without a separator"],
    '"1,234.5","7"': ["write thousands without a separator"],
    "1,000": ["'1,000' could mean 1, or 1000"],
    "1,234": ["could mean 1 and 234, or 1.234, or 1234"],
    "100,200,300": ["could mean 100 and 200 and 300, or 100200300"],
    "1,000,20": ["write thousands without a separator"],
    "1,234;7": ["could mean"],
    "1.234,5;7": ["without a point"],
    "1.234,5": ["could mean"],
    "1.234.567": ["write thousands without a separator"],
    "1.234;5,6": ["without a point"],
    "1\u00a0234": ["write thousands without a separator"],
    "1\u202f234;7": ["write thousands without a separator"],
    "1\u00a0234,5;7": ["write thousands without a separator"],
    "1 234;7": ["'1 234' could be one number or two"],
    "1 234,5\t7": ["'1 234' could be one number or two"],
    "1'234.5;7": ["write thousands without a separator"],
    "1\u2019234;7": ["write thousands without a separator"],
    "3\u00a05.5": ["put a plain space"],
    "3;\u00a05.5": [[3, 5.5]],
    # quotes, headers, padding
    '"3","5.5"': [[3, 5.5]],
    '"3" "5.5"': [[3, 5.5]],
    '3,"5.5",8': [[3, 5.5, 8]],
    '"3;5"': ["not a number"],
    '"3': ["not a number"],
    "a;b\n3;5": [[3, 5]],
    "first value,second value\n3,5.5": [[3, 5.5]],
    "Gr\u00f6\u00dfe\n3": [[3]],
    "a;b": ["not a number"],
    "nan\n3": ["not a number", [3]],
    "x 1\n3": ["not a number", [3]],
    "3\na;b\n5": [[3], "not a number", [5]],
    "sep=;\n3,5;4": [[3.5, 4]],
    "3;5.5;8;;": [[3, 5.5, 8]],
    "3, 5.5, 8,": [[3, 5.5, 8]],
    ";;;\n3;5": [[3, 5]],
    "3;;5": ["a number is missing"],
    ";3": ["a number is missing"],
    # no numbers
    "3;x": ["'x': not a number"],
    "[3, 5]": ["not a number"],
    "-3,5;2": ["negative"],
    "3..5": ["not a number"],
    "1 2 3 4 5 6 7 8 9 10 11": ["11 numbers"],
    "\uff13 5": ["not a number"],
}  # fmt: skip


def outcome(text: str, delimiter: str | None = None, decimal: str | None = None) -> list[list[float] | str]:
    file = parse_series(text.split("\n"), delimiter, decimal)
    lines = {**file.series, **{number: str(reason) for number, reason in file.refused.items()}}
    return [lines[number] for number in sorted(lines)]


@pytest.mark.parametrize("text", RIGHT)
def test_each_line_is_read_as_it_is_meant_or_refused_with_what_to_change(text: str) -> None:
    found = outcome(text)
    assert len(found) == len(RIGHT[text]), found
    for line, wanted in zip(found, RIGHT[text], strict=True):
        assert line == wanted or (isinstance(wanted, str) and isinstance(line, str) and wanted in line)


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal", "wanted"),
    [
        ("3,5", None, ",", [[3.5]]),
        ("3,5", None, ".", [[3, 5]]),
        ("3,5", ",", None, [[3, 5]]),
        ("3,5;5,25;8", None, ".", [[3, 5, 5, 25, 8]]),
        ("3,5 5,25 8", None, ",", [[3.5, 5.25, 8]]),
        ("3,5 8", " ", None, [[3.5, 8]]),
        ("100,200,300", ",", None, [[100, 200, 300]]),
        ("1,234;7", ";", ",", [[1.234, 7]]),
        ("1 2\t3", "\t", None, ["put a plain space"]),
        ("3.5", None, ",", ["without a point"]),
        ("1,234;7", ";", ".", ["write thousands"]),
    ],
)
def test_the_options_settle_what_the_file_leaves_open(
    text: str, delimiter: str | None, decimal: str | None, wanted: Wanted
) -> None:
    for line, right in zip(outcome(text, delimiter, decimal), wanted, strict=True):
        assert line == right or (isinstance(right, str) and isinstance(line, str) and right in line)


def test_what_is_not_obvious_is_said() -> None:
    assert parse_series(["3,5;8"]).notes == [
        "Commas mark decimals here: 3,5 is 3.5. If they separate numbers, add --decimal ."
    ]
    assert parse_series(["1,2", "1,2,3"]).notes == [
        "Commas separate numbers here: 1,2 is 1 and 2. If they mark decimals, add --decimal ,"
    ]
    assert parse_series(["a\x1b[2J", "3"]).notes == [r"Line 1 was taken for a header and not sent: a\x1b[2J."]
    assert parse_series(["1,2,3"]).notes == parse_series(["3,5;8"], decimal=",").notes == []


@pytest.mark.parametrize("name", ["bom.csv", "european.csv", "thousands.csv"])
def test_the_cases_are_read_or_refused_right(name: str) -> None:
    file = read_series(str(CASES / name))
    if name == "thousands.csv":
        assert file.series == {} and "write thousands" in str(file.refused[1])
    else:
        assert (
            list(file.series.values()) == {"bom.csv": [[3, 5.5, 8], [1, 2, 3]], "european.csv": [[3.5, 5.25, 8]]}[name]
        )


@pytest.mark.parametrize(
    ("name", "series", "note"),
    [
        ("degree.csv", [[1.5, 2.5], [3.5, 4.5]], "taken for a header"),
        ("paren.csv", [[1.5, 2.5]], "taken for a header"),
        ("pandas-index.csv", [[1.5, 2.5], [3.5, 4.5]], "taken for the rows' index"),
        ("numpy-header.txt", [[1, 2, 3], [4, 5, 6]], "is a comment"),
        ("utf32le.txt", [[12, 5], [345, 1], [7]], ""),
    ],
)
def test_what_other_programs_write_beside_the_numbers_is_not_sent_and_said(
    name: str, series: list[list[float]], note: str
) -> None:
    file = read_series(str(CASES / name))
    assert (list(file.series.values()), file.refused) == (series, {})
    assert note in " ".join(file.notes)


@pytest.mark.parametrize(
    ("lines", "series"),
    [
        (["\ta\tb", "0\t1.5\t2", "1\t3\t4"], {2: [1.5, 2], 3: [3, 4]}),
        (["Unnamed: 0;a", "17;5.5"], {2: [5.5]}),
        (["a\tb", "1.5\t2"], {2: [1.5, 2]}),
        (["a;b", "0;1.5;2.5"], {2: [0, 1.5, 2.5]}),  # two names and three columns: which has none is not known
        (["x", "% made by hand", "3 4", "# 5 6"], {3: [3, 4]}),
        (["€5;€6", "3;4"], {2: [3, 4]}),  # amounts are no names: the first line is refused
    ],
)
def test_an_index_is_not_counted_as_data_and_data_not_as_an_index(
    lines: list[str], series: dict[int, list[float]]
) -> None:
    assert parse_series(lines).series == series


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be with mark", "utf-16-le", "utf-32", "utf-32-be", "latin-1"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_line_end_is_read(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"größe{end}3;5.5{end}{end}8{end}"
    data = codecs.BOM_UTF16_BE + text.encode("utf-16-be") if "mark" in encoding else text.encode(encoding)
    (tmp_path / "series").write_bytes(data)
    file = read_series(str(tmp_path / "series"))
    assert (file.series, file.refused) == ({2: [3, 5.5], 4: [8]}, {})
    assert "größe" in file.notes[0]


@pytest.mark.parametrize("data", [b"3\x005\n", b"\xff\xfe3"])
def test_what_is_not_text_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "series").write_bytes(data)
    with pytest.raises(UserError, match="it is not text in UTF-8"):
        read_series(str(tmp_path / "series"))


NUMBERS = st.one_of(
    st.integers(0, 2_000_000), st.decimals(0, 1_999_999, places=1), st.decimals(0, 1_999_999, places=3),
    st.decimals(0, 10, places=2),
).map(str)  # fmt: skip


def grouped(number: str, mark: str) -> str:
    whole, _, fraction = number.partition(".")
    return f"{int(whole):,}".replace(",", mark) + ("." + fraction if fraction else "")


@given(
    st.lists(st.lists(NUMBERS, min_size=1, max_size=10), min_size=1, max_size=5),
    st.sampled_from(
        [("; ", "."), (";", ","), ("\t", ","), (";", "."), (",", "."), (", ", "."), (" ", "."), ("\t", ".")]
    ),
    st.sampled_from(["", "", ",", ".", "'", " ", "\u00a0", "\u202f"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_spreadsheet_s_file_is_read_right_or_refused_but_never_misread(
    lines: list[list[str]], style: tuple[str, str], thousands: str, quoting: int
) -> None:
    """A line is numbers in one style; where thousands are grouped with what also separates, quotes hold a cell."""
    delimiter, decimal = style
    if thousands in (decimal, *delimiter) and thousands:
        quoting = csv.QUOTE_ALL
    if thousands == decimal or thousands == delimiter == " ":
        thousands = ""
    if thousands == "." and not any("." in number for numbers in lines for number in numbers):
        thousands = ""  # in a file without commas a point marks decimals
    if thousands == " " and max(map(len, lines)) == 1 and quoting == csv.QUOTE_MINIMAL:
        thousands = ""  # in a file without another separator a space separates
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter[0], quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    for numbers in lines:
        cells = [grouped(number, "_") if thousands else number for number in numbers]
        writer.writerow([cell.replace(".", decimal).replace("_", thousands) for cell in cells])
    file = parse_series(text.getvalue().replace(delimiter[0], delimiter).split("\n") if quoting == csv.QUOTE_MINIMAL
                        else text.getvalue().split("\n"))  # fmt: skip
    for number, series in file.series.items():
        assert series == [float(cell) for cell in lines[number - 1]], text.getvalue()
