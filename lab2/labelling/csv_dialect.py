"""How a label file writes its rows: columns, delimiter, line ends."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import astuple, dataclass

from lab2.aws.resources import LABEL_KEY
from lab2.errors import UserError
from lab2.labelling.label import Label

COLUMNS = ("image", "label", "annotator", "timestamp", "seconds")
HEADER = ",".join(COLUMNS)
_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would calculate, and that with our mark before it


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How a label file writes its rows: spreadsheets change the order, the delimiter and the line ends."""

    columns: tuple[str, ...] = COLUMNS
    delimiter: str = ","
    end: str = ""  # what stands before the line feed

    @staticmethod
    def of(head: bytes) -> CsvDialect:
        """Return the form of the file that starts with `head`; UserError where that is not a header of labels."""
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise UserError(f"{LABEL_KEY} in the bucket is UTF-16, so no label can be added. Save it as CSV UTF-8.")
        lines = [line for line in head.split(b"\n") if line.strip()]
        if not lines:
            return CsvDialect()
        line = lines[0].decode("utf-8-sig", "replace")
        for delimiter in ",;\t":
            columns = tuple(name.strip().lower() for name in _cells(line.rstrip("\r"), delimiter))
            if {"image", "label"} <= set(columns):
                return CsvDialect(columns, delimiter, "\r" if line.endswith("\r") else "")
        raise UserError(
            f"{LABEL_KEY} in the bucket does not start with a header, so no label can be added. "
            f"Make its first line: {HEADER}"
        )

    def encode(self, label: Label) -> bytes:
        """Return the row of a label, without its line feed; UserError where a column is missing for it."""
        if missing := [name for name in COLUMNS[:4] if name not in self.columns]:
            raise UserError(
                f"{LABEL_KEY} in the bucket has no column {' and no column '.join(missing)}, so no label can be added. "
                f"Make its first line: {self.delimiter.join(COLUMNS)} (the rows below may stay as they are)"
            )
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.end)
        values = dict(zip(COLUMNS, astuple(label), strict=True))
        writer.writerow([_harmless(values.get(name, "")) for name in self.columns])
        return text.getvalue().encode("utf-8", "replace")

    def decode(self, line: bytes) -> Label | None:
        """Return the label in a line of the file, None where there is none."""
        values = dict(zip(self.columns, _cells(line.decode("utf-8-sig", "replace"), self.delimiter), strict=False))
        fields = {name: re.sub(r"^'(?='*[=+\-@\t\r])", "", values.get(name, "")) for name in COLUMNS}
        return Label(**fields) if fields["image"] and fields["label"] in ("0", "1") else None


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line by itself: a quote that somebody left open spoils that line only."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _harmless(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
