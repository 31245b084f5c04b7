"""Labels, and the CSV file that holds them: a row a judgement, the last row of an image and annotator wins."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta, timezone

from lab2.aws.append_object import COPY_FROM, AppendLog
from lab2.aws.session import LABELS, Cloud, Problem

COLUMNS = ("image", "label", "annotator", "timestamp", "seconds")
HEADER = ",".join(COLUMNS)
HEAD = 4096  # bytes in which the header of a label file is looked for

_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet would calculate, and that with our mark before it


@dataclass(frozen=True, slots=True)
class Label:
    """A judgement: `label` is 1 for a hot dog, else 0; `timestamp` is ISO 8601 in UTC to the ms; `seconds` it took."""

    image: str
    label: str
    annotator: str = ""
    timestamp: str = ""
    seconds: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.image, self.annotator, self.timestamp


Votes = dict[str, dict[str, Label]]  # image → annotator → the label that counts


class Clock:
    """Time stamps that are never the same twice, so that each row is its own identity."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=timezone.utc)

    def stamp(self) -> str:
        now = datetime.now(timezone.utc)
        self._last = max(now, self._last + timedelta(milliseconds=1))
        return self._last.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Form:
    """How a label file writes its rows: spreadsheets change the order, the delimiter and the line ends."""

    columns: tuple[str, ...] = COLUMNS
    delimiter: str = ","
    end: str = ""  # what stands before the line feed

    @staticmethod
    def of(head: bytes) -> Form:
        """Return the form of the file that starts with `head`; Problem where that is not a header of labels."""
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Problem(f"{LABELS} in the bucket is UTF-16, so no label can be added. Save it as CSV UTF-8.")
        lines = [line for line in head.split(b"\n") if line.strip()]
        if not lines:
            return Form()
        line = lines[0].decode("utf-8-sig", "replace")
        for delimiter in ",;\t":
            columns = tuple(name.strip().lower() for name in _cells(line.rstrip("\r"), delimiter))
            if {"image", "label"} <= set(columns):
                return Form(columns, delimiter, "\r" if line.endswith("\r") else "")
        raise Problem(
            f"{LABELS} in the bucket does not start with a header, so no label can be added. "
            f"Make its first line: {HEADER}"
        )

    def encode(self, label: Label) -> bytes:
        """Return the row of a label, without its line feed; Problem where a column is missing for it."""
        if missing := [name for name in COLUMNS[:4] if name not in self.columns]:
            raise Problem(
                f"{LABELS} in the bucket has no column {' and no column '.join(missing)}, so no label can be added. "
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


class Row(bytes):
    """The row of a label, which it remembers."""

    label: Label


def as_row(label: Label, form: Form | None = None) -> Row:
    """Return the row of a label; without a form it is blank, and `Rows.missing` writes it."""
    row = Row(form.encode(label) if form else b"")
    row.label = label
    return row


@dataclass
class Rows:
    """The rows that the label file is known to have. `head` reads the first bytes of the file."""

    head: Callable[[], bytes]
    form: Form | None = None
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    votes: Votes = field(default_factory=dict)
    _unread: list[bytes] = field(default_factory=list)

    def add(self, rows: Sequence[bytes]) -> None:
        self._unread += rows

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        form = self.read()
        labels = {row.label.identity: row.label for row in rows if isinstance(row, Row)}
        return [as_row(label, form) for identity, label in labels.items() if identity not in self.identities]

    def read(self) -> Form:
        """Take note of the rows that were added; return the form of the file. Problem where it has none."""
        if self.form is None or not all(isinstance(row, Row) for row in self._unread):
            self.form = Form.of(self.head())  # somebody else wrote: perhaps the whole file, in another form
        for row in self._unread:
            label = row.label if isinstance(row, Row) else self.form.decode(row)
            if label is not None:
                self.identities.add(label.identity)
                self.votes.setdefault(label.image, {})[label.annotator] = label
        self._unread = []
        return self.form


class LabelFile(AppendLog):
    """The label file of a bucket. Raises what botocore raises; Problem where the file is none of labels."""

    def __init__(self, cloud: Cloud) -> None:
        self.rows = Rows(head=lambda: self.start(HEAD))
        super().__init__(cloud.s3, cloud.bucket, LABELS, self.rows, f"{HEADER}\n".encode())
        self._complete = False

    def read_all(self) -> None:
        """Know every row of the file: AppendLog by itself reads no more of a large one than it must."""
        self.catch_up()
        if not self._complete and self.size >= COPY_FROM:
            self.rows.add([line for line in self.read().split(b"\n") if line])
        self._complete = True

    def votes(self) -> Votes:
        """Return all labels that count now."""
        self.read_all()
        self.rows.read()
        return self.rows.votes


def count_labels(count: int) -> str:
    return f"{count:,} label{'s' * (count != 1)}"


def clean_name(name: str) -> str:
    """Return a person's name as it may stand in a row: one line, no control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in name).split())[:100]


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line by itself: a quote that somebody left open spoils that line only."""
    try:
        return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _harmless(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
