"""How a label file writes its rows: columns, delimiter, line ends, encoding."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import islice
from sys import intern

from lab2.aws.resources import LABEL_KEY
from lab2.errors import UserError
from lab2.labelling.labels.choices import value_meant
from lab2.labelling.labels.label_row import Label
from lab2.terminal import harmless_cell
from lab2.text_encodings import UTF_8, encoding_of, mark_of

COLUMNS = ("image", "label", "annotator", "timestamp", "seconds")
HEADER = ",".join(COLUMNS)
ANSI = "cp1252"  # what Excel on Windows saves as "CSV"

_PART_CHARACTERS = 2**16  # that are split into lines at once: StringIO takes four bytes for each
_MAX_LINES = 20  # of one row: a name may contain line ends, and a quote that was left open spoils no more rows

_LINE_END = re.compile(r"\r\n|\r|\n")
_FORMULA = re.compile(r"^'(?='*[=+\-@\t\r])")


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How a label file writes its rows: spreadsheets change column order, delimiter, line ends and encoding."""

    columns: tuple[str, ...] = COLUMNS
    delimiter: str = ","
    end: str = "\n"
    encoding: str = UTF_8
    marked: bool = False  # it starts with a byte order mark, so that its encoding is certain

    @staticmethod
    def detect(head: bytes) -> CsvDialect:
        """Return the dialect of the file that starts with `head`; UserError if that is not a header of labels.

        A file that is neither UTF-16 nor UTF-32 is taken for UTF-8; its rows may show that it is ANSI.
        """
        encoding, marked = encoding_of(head), bool(mark_of(head))
        text = head.decode(encoding, "replace").lstrip("\ufeff").replace("\0", "")
        found = _LINE_END.search(text)
        end = found[0] if found else "\n"
        lines = [line for line in _LINE_END.split(text) if line.strip()]
        if lines and re.match(r'"?sep=', lines[0], re.IGNORECASE):
            del lines[0]  # Excel's hint
        if not lines:
            return CsvDialect(end=end, encoding=encoding, marked=marked)
        for delimiter in ",;\t":
            columns = tuple(name.strip().lower() for name in _cells(lines[0], delimiter))
            if {"image", "label"} <= set(columns):
                return CsvDialect(columns, delimiter, end, encoding, marked)
        raise UserError(
            f"{LABEL_KEY} in the bucket does not start with a header, so no label can be added. "
            f"Make its first line: {HEADER}"
        )

    def encode(self, label: Label) -> bytes:
        """Return the row of a label, without a line end; UserError if the file has no way to write it."""
        if missing := [name for name in COLUMNS[:4] if name not in self.columns]:
            raise UserError(
                f"{LABEL_KEY} in the bucket has no column {' and no column '.join(missing)}, so no label can be added. "
                f"Make its first line: {self.delimiter.join(COLUMNS)} (the rows below may stay as they are)"
            )
        values = dict(zip(COLUMNS, astuple(label), strict=True))
        row = csv_row([values.get(name) for name in self.columns], self.delimiter)
        try:
            return row.encode(self.encoding, "strict" if self.encoding == ANSI else "replace")
        except UnicodeEncodeError:
            raise UserError(
                f"{LABEL_KEY} in the bucket is in Windows-1252, which lacks a character of a new label, so no label is "
                "added. Save it as CSV UTF-8."
            ) from None

    def join(self, rows: list[bytes], last: bytes) -> bytes:
        """Return the bytes that append rows to a file which ends with `last`."""
        end = self.end.encode(self.encoding)
        ended = last.endswith(("\n".encode(self.encoding), "\r".encode(self.encoding)))
        return (b"" if ended else end) + b"".join(row + end for row in rows)

    def rows(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield each row that is not blank: the number of line ends before it, and its cells.

        A line with an open quote continues up to the next such line if that makes as many cells as the header has.
        """
        lines = _lines(text.replace("\0", ""))
        ahead: deque[str] = deque()
        at = 0
        while (line := ahead.popleft() if ahead else next(lines, None)) is not None:
            start, at = at, at + 1
            if line.count('"') % 2:
                ahead.extend(islice(lines, _MAX_LINES - 1 - len(ahead)))
                closing = next((number for number, other in enumerate(ahead, 1) if other.count('"') % 2), 0)
                whole = line + "".join(islice(ahead, closing))
                if len(_cells(whole, self.delimiter)) == len(self.columns):
                    line, at = whole, start + 1 + closing
                    for _ in range(closing):
                        ahead.popleft()
            cells = _cells(line, self.delimiter)
            if "".join(cells).strip():
                yield start, cells

    def label(self, cells: list[str]) -> Label | None:
        """Return the label in the cells of a row, None if they can't be understood."""
        if self.columns != COLUMNS or len(cells) != len(COLUMNS):
            values = dict(zip(self.columns, cells, strict=False))
            cells = [values.get(name, "") for name in COLUMNS]
        image, label, annotator, timestamp, seconds = map(_without_quote, cells)
        meant = value_meant(label)
        if not meant or not image.strip():  # an image may start with a space
            return None
        # Names come again and again: each is kept once.
        annotator = intern(unicodedata.normalize("NFC", annotator.strip()))
        return Label(intern(image), meant, annotator, timestamp.strip(), seconds.strip())

    def is_header(self, cells: list[str]) -> bool:
        """Return whether a row is the header, or that of a file that was appended to this one."""
        return tuple(cell.strip().lower() for cell in cells)[: len(self.columns)] == self.columns


def csv_row(cells: Iterable[object], delimiter: str = ",") -> str:
    """Return a row without a line end; None is an empty cell, and a formula gets a ' before it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")  # so cells with \r or \n are quoted
    writer.writerow(["" if cell is None else harmless_cell(str(cell)) for cell in cells])
    return text.getvalue().removesuffix("\r\n")


def _without_quote(cell: str) -> str:
    """Return the cell without the ' that `harmless_cell` puts before a formula."""
    return _FORMULA.sub("", cell) if cell[:1] == "'" else cell


def decode(data: bytes, encoding: str) -> tuple[str, set[str]]:
    """Return the text of rows and their encodings: none if all is ASCII, two if rows differ.

    A line that should be UTF-8 and is not is read as ANSI; bytes that ANSI lacks become U+FFFD.
    """
    if encoding != UTF_8:
        return data.decode(encoding, "replace"), {encoding}
    try:
        return data.decode(), (set() if data.isascii() else {UTF_8})
    except UnicodeDecodeError:
        lines, found = [], set()
        for line in re.split(rb"(?<=[\r\n])", data):
            try:
                lines.append(line.decode())
                found |= set() if line.isascii() else {UTF_8}
            except UnicodeDecodeError:
                lines.append(line.decode(ANSI, "replace"))
                found |= {ANSI}
        return "".join(lines), found


def _lines(text: str) -> Iterator[str]:
    """Yield the lines with their ends, which are \\n, \\r or \\r\\n, one at a time: a file may be large."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PART_CHARACTERS) + 1 or len(text)
        yield from io.StringIO(text[start:end], newline="")
        start = end


def _cells(row: str, delimiter: str) -> list[str]:
    row = row.rstrip("\r\n").lstrip("\ufeff")
    if '"' not in row:
        return row.split(delimiter)
    try:
        return next(csv.reader(io.StringIO(row, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []
