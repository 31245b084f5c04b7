"""A file of series, one a line: a line is read if it has only one meaning, and refused with the reason otherwise.

Numbers have a decimal point and are separated by spaces, tabs, semicolons or commas. Only a comma between two digits is
ambiguous: it may separate (`3,5` is 3 and 5), mark decimals (3.5) or group thousands (`1,234`). Which of these, is
decided once for the file, from the lines that have one meaning only. If two meanings are left, the lines that depend on
them are refused, and `--delimiter` or `--decimal` decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from lab2.errors import InvalidInput, UserError
from lab2.stats.series import NUMBER, check_series, parse_number, shortest
from lab2.terminal import printable
from lab2.text_encodings import UTF_8, encoding_of, mark_of

DELIMITERS = {",": ",", ";": ";", "tab": "\t", "space": " "}  # as --delimiter calls them

_QUOTED = re.compile(r'(?<![^ \t,;])"([^"\s;]*)"(?![^ \t,;])')
_INNER = "\0"  # stands for a comma in a quoted cell, which separates nothing
_SPLIT = {
    None: r"[ \t]*(?:;|,(?=[ \t]|$)|(?<=[ \t]),)[ \t]*|[ \t]+",  # a comma without a space beside it stays in its cell
    ",": r"[ \t]*,[ \t]*",
    ";": r"[ \t]*;[ \t]*",
    "\t": r" *\t *",
    " ": r"[ \t]+",
}
_EUROPEAN = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)([,\0]\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)  # 1.234,5
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([,\0]\d{3})+(\.\d*)?", re.ASCII)
_ZERO_GROUP = re.compile(r"(?<![\d.])[1-9]\d{0,2},0\d\d(?!\d)", re.ASCII)  # 1,000: nobody means 1 and 000
_POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)  # 1.234 is 1234 where commas mark decimals
_GROUPED = re.compile(r"[+-]?\d+([.,\0 '\u2019_\u00a0\u2007\u2009\u202f]\d{3})+([.,\0]\d*)?", re.ASCII)
_SPACED_GROUP = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?: \d{3})+(?!\d)", re.ASCII)  # in a file with other separators
_NO_VALUE = {"nan", "inf", "infinity", "null", "none", "na", "n/a"}  # in place of a number, and in no header


class Comma(Enum):
    """What a comma between two digits means; the value is how the user can say so."""

    SEPARATES = "add --delimiter ,"
    MARKS_DECIMALS = "add --decimal ,"
    GROUPS_THOUSANDS = "write 1234 for 1,234"


@dataclass
class SeriesFile:
    """The series of a file and the reasons for refused lines, both by line; and notes for the user."""

    series: dict[int, list[float]] = field(default_factory=dict)
    refused: dict[int, InvalidInput] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Row:
    """A line of a file in cells, and what commas may mean in a file that has this line."""

    cells: list[str]
    meanings: set[Comma]
    contradicts: bool = False  # it contradicts most lines, or may do so
    in_doubt: list[str] = field(init=False)  # the cells with a comma between two digits

    def __post_init__(self) -> None:
        self.in_doubt = [cell for cell in self.cells if "," in cell or _INNER in cell]


def read_series(path: str, delimiter: str | None = None, decimal: str | None = None) -> SeriesFile:
    """Read a file ('-': standard input); UserError if it can't be read or is not text.

    `delimiter` is a value of DELIMITERS, `decimal` '.' or ','; None: as the file has it.
    """
    try:
        with open(0 if path == "-" else path, "rb") as file:
            data = file.read()
        return parse_series(re.split(r"\r\n|\r|\n", _decoded(data)), delimiter, decimal)
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is not text in UTF-8"
        raise UserError(f"{printable(path)} can't be read: {reason}. Give a file with one series a line.") from None


def parse_series(lines: Iterable[str], delimiter: str | None = None, decimal: str | None = None) -> SeriesFile:
    """Parse the lines of a file; all of them decide what its commas mean."""
    file = SeriesFile()
    texts = {number: text for number, line in enumerate(lines, 1) if (text := line.strip(" \t\ufeff")).strip(" \t,;")}
    first = min(texts, default=0)
    if first and (named := re.fullmatch(r"sep=([,;])", texts[first])):  # Excel's way of naming the delimiter
        delimiter = delimiter or named[1]
        del texts[first]
    _without_comments(texts, file)
    first = min(texts, default=0)
    if len(texts) > 1 and _is_header(texts[first]):
        header = texts.pop(first)
        file.notes.append(f"Line {first} was taken for a header and not sent: {printable(header[:40])}.")
        _without_index(texts, header, file)
    used = set().union(*map(_separators, texts.values())) if delimiter is None else {delimiter}
    strict = decimal != "." and used in ({";"}, {"\t"})
    rows = {number: _row(text, delimiter, strict) for number, text in texts.items()}
    doubted = any(row.in_doubt for row in rows.values())
    meant = _decide(list(rows.values()), decimal) if doubted or decimal else {Comma.SEPARATES}
    for number, row in rows.items():
        try:
            if (used > {" "} or doubted) and (pair := _SPACED_GROUP.search(texts[number])):
                raise InvalidInput(f"{pair[0]!r} could be one number or two: write one number without spaces")
            file.series[number] = check_series(_numbers(row, meant))
        except InvalidInput as reason:
            file.refused[number] = reason
    taken = [row for number, row in rows.items() if number in file.series and row.in_doubt]
    if decimal is None and any(row.meanings != {Comma.SEPARATES} for row in taken):
        file.notes.append(_note(taken[0].in_doubt[0], meant))
    return file


def _decoded(data: bytes) -> str:
    """Return the text of a file; UnicodeDecodeError if it is not text.

    Text that is neither UTF-8 nor, by its first bytes, another form of Unicode is read as Latin-1: the digits are the
    same in any case.
    """
    encoding = encoding_of(data[:4])
    if encoding != UTF_8:
        return data[len(mark_of(data[:4])) :].decode(encoding)
    if b"\0" in data:
        raise UnicodeDecodeError("utf-8", data, 0, 1, "binary")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _without_comments(texts: dict[int, str], file: SeriesFile) -> None:
    """Drop comments, as numpy and MATLAB write them; add a note on how many there were."""
    comments = [number for number, text in texts.items() if text.startswith(("#", "%"))]
    if comments:
        lines = "line is a comment" if len(comments) == 1 else "lines are comments"
        file.notes.append(f"{len(comments):,} {lines}, not sent: {printable(texts[comments[0]][:40])}.")
    for number in comments:
        del texts[number]


def _without_index(texts: dict[int, str], header: str, file: SeriesFile) -> None:
    """Drop the first cell of each line if the header has no name for it: pandas writes an index like that."""
    named = re.match(r'(?:""|"?Unnamed: 0"?)?([,;\t])', header)
    separator = named[1] if named else "\t"
    # `header` has lost a tab before the first name: then each line has one more.
    if named or all(text.count(separator) == header.count(separator) + 1 for text in texts.values()):
        for number, text in texts.items():
            texts[number] = text.partition(separator)[2].strip(" \t")
        file.notes.append("The first column has no name: it was taken for the rows' index and not sent.")


def _is_header(text: str) -> bool:
    """Return whether a first line names columns: no cell may be a number, and at least one has a letter."""
    cells = [cell.strip(' "') for cell in re.split(r"[,;\t]", text.rstrip(" ,;\t"))]
    names = cells if len(cells) > 1 else text.split()
    plausible = all(name[:1].isalpha() or not re.search(r"\d", name) for name in names)
    has_letter = any(map(str.isalpha, "".join(names)))
    return plausible and has_letter and not any(name.lower() in _NO_VALUE for name in names)


def _unquoted(text: str) -> str:
    """Return the line without quotes around cells; a comma next to them gets a space, since it separates."""
    return _QUOTED.sub(lambda cell: f" {cell[1].replace(',', _INNER)} ", text).strip(" \t")


def _separators(text: str) -> set[str]:
    """Return the certain separators on a line; a comma is one only with a space beside it."""
    return {found.strip(" ") or " " for found in re.findall(_SPLIT[None], _unquoted(text))}


def _row(text: str, delimiter: str | None, strict: bool) -> Row:
    """Return a line in cells, and what its commas may mean: if `strict`, not to separate beside other separators."""
    padding = " \t" + (",;" if delimiter is None else delimiter)  # trailing empty cells, as spreadsheets write them
    cells = [cell.strip() for cell in re.split(_SPLIT[delimiter], _unquoted(text).rstrip(padding))]
    row = Row(cells, set(Comma))
    if not row.in_doubt:
        if any(NUMBER.fullmatch(cell) and "." in cell and not _POINT_GROUPS.fullmatch(cell) for cell in cells):
            row.meanings -= {Comma.MARKS_DECIMALS}
        return row
    separated = delimiter is not None or (strict and bool(_separators(text)))
    if separated or _ZERO_GROUP.search(text) or not _all(NUMBER, ",".join(cells).split(",")):
        row.meanings -= {Comma.SEPARATES}
    if not _all(_EUROPEAN, cells):
        row.meanings -= {Comma.MARKS_DECIMALS}
    if not all((_THOUSANDS if cell in row.in_doubt else NUMBER).fullmatch(cell) for cell in cells):
        row.meanings -= {Comma.GROUPS_THOUSANDS}
    return row


def _all(pattern: re.Pattern[str], cells: Iterable[str]) -> bool:
    return all(map(pattern.fullmatch, cells))


def _decide(rows: Sequence[Row], decimal: str | None) -> set[Comma]:
    """Return what commas may mean on every line: one thing if the file is unambiguous.

    If lines contradict each other the majority counts, and a line with two meanings is refused.
    """
    if decimal == ",":
        return {Comma.MARKS_DECIMALS}
    options = set(Comma) - ({Comma.MARKS_DECIMALS} if decimal else set())
    telling = [found for row in rows if (found := row.meanings & options)]
    support = {comma: sum(comma in found for found in telling) for comma in options}
    best = {comma for comma in options if support[comma] == max(support.values())}
    if max(support.values()) < len(telling):
        for row in rows:
            if row.in_doubt and (len(best) > 1 or row.meanings != best):
                row.contradicts = True
    return best


def _numbers(row: Row, meant: set[Comma]) -> list[float]:
    """Return the numbers of a line; InvalidInput if it has none, or has several meanings."""
    if not row.in_doubt:
        unsure = Comma.MARKS_DECIMALS in meant and (len(meant) == 1 or any(map(_POINT_GROUPS.fullmatch, row.cells)))
        return _read(row.cells, Comma.MARKS_DECIMALS if unsure else Comma.SEPARATES)
    doubted = _shown(row.in_doubt[0])
    if row.contradicts:
        raise InvalidInput(f"{doubted!r}: commas separate numbers on some lines and mark decimals on others")
    choices = [comma for comma in Comma if comma in row.meanings & meant]
    if choices == [Comma.GROUPS_THOUSANDS]:
        raise InvalidInput(f"{doubted!r}: write thousands without a separator, like 1234.5")
    if len(choices) == 1:
        return _read(row.cells, choices[0])
    if choices:
        cells = dict.fromkeys(choices, row.in_doubt[:1])
        cells[Comma.MARKS_DECIMALS] = [row.in_doubt[0].replace(".", "")]  # 1.234,5 would be 1234.5
        readings = [" and ".join(map(shortest, _read(cells[comma], comma))) for comma in choices]
        advice = " or ".join(comma.value for comma in choices)
        raise InvalidInput(f"{doubted!r} could mean {', or '.join(readings)}: {advice}")
    for cell in (*",".join(row.cells).split(","), *row.cells):
        _number(cell, cell)  # raises the reason
    raise InvalidInput(f"{doubted!r}: use a point for decimals, like 3.5")


def _read(cells: Sequence[str], comma: Comma) -> list[float]:
    """Return the numbers in cells whose commas mean this; InvalidInput if one is not a number."""
    if comma is Comma.SEPARATES:
        return [_number(cell, cell) for cell in ",".join(cells).split(",")]
    mark = "." if comma is Comma.MARKS_DECIMALS else ""
    for cell in cells if mark else ():
        if "." in cell:
            raise InvalidInput(f"{_shown(cell)!r}: commas mark decimals in this file; write it without a point")
    return [_number(cell, re.sub(f"[,{_INNER}]", mark, cell)) for cell in cells]


def _number(cell: str, text: str) -> float:
    """Return the number in `text`; InvalidInput says what to change in the `cell` that it comes from."""
    if not text:
        raise InvalidInput("a number is missing between two separators")
    try:
        return parse_number(text)
    except InvalidInput as reason:
        sentence = str(reason)
        if _GROUPED.fullmatch(cell):
            sentence = "write thousands without a separator and decimals with a point, like 1234.5"
        elif any(char.isspace() for char in cell):
            sentence = "put a plain space, a comma or a semicolon between numbers"
        raise InvalidInput(f"{_shown(cell)!r}: {sentence}") from None


def _shown(text: str) -> str:
    return text.replace(_INNER, ",")[:40]


def _note(cell: str, meant: set[Comma]) -> str:
    """Return a sentence on what the commas of a file, such as the one in `cell`, are taken for."""
    if meant == {Comma.MARKS_DECIMALS}:
        value = shortest(_read([cell], Comma.MARKS_DECIMALS)[0])
        return f"Commas mark decimals here: {_shown(cell)} is {value}. If they separate numbers, add --decimal ."
    numbers = " and ".join(cell.split(","))
    return f"Commas separate numbers here: {cell} is {numbers}. If they mark decimals, add --decimal ,"
