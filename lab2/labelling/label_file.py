"""The CSV file of labels: a row a judgement; of one image and annotator the row with the latest time counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab2.aws.append_object import AppendObject
from lab2.aws.resources import LABEL_KEY
from lab2.aws.session import AwsSession
from lab2.labelling.csv_dialect import HEADER, CsvDialect
from lab2.labelling.label import Label, LabelOrder, Votes

HEAD = 4096  # bytes in which the header of a label file is looked for


class LabelRow(bytes):
    """The row of a label, which it remembers."""

    label: Label


def as_row(label: Label, form: CsvDialect | None = None) -> LabelRow:
    """Return the row of a label; without a form it is blank, and `LabelIndex.missing` writes it."""
    row = LabelRow(form.encode(label) if form else b"")
    row.label = label
    return row


@dataclass
class LabelIndex:
    """The rows that the label file is known to have. `head` reads the first bytes of the file."""

    head: Callable[[], bytes]
    form: CsvDialect | None = None
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    votes: Votes = field(default_factory=dict)
    _order: LabelOrder = field(default_factory=LabelOrder)
    _unread: list[bytes] = field(default_factory=list)

    def add(self, rows: Sequence[bytes]) -> None:
        self._unread += rows

    def replace(self, rows: Sequence[bytes]) -> None:
        self.form, self.identities, self.votes, self._order, self._unread = None, set(), {}, LabelOrder(), [*rows]

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        form = self.read()
        labels = {row.label.identity: row.label for row in rows if isinstance(row, LabelRow)}
        return [as_row(label, form) for identity, label in labels.items() if identity not in self.identities]

    def read(self) -> CsvDialect:
        """Take note of the rows that were added; return the form of the file. UserError where it has none."""
        if self.form is None or not all(isinstance(row, LabelRow) for row in self._unread):
            self.form = CsvDialect.of(self.head())  # somebody else wrote: perhaps the whole file, in another form
        for row in self._unread:
            label = row.label if isinstance(row, LabelRow) else self.form.decode(row)
            if label is not None:
                self.identities.add(label.identity)
                self._order.count(self.votes, label)
        self._unread = []
        return self.form


class LabelFile(AppendObject):
    """The label file of a bucket. Raises what botocore raises; UserError where it is not a file of labels."""

    def __init__(self, aws: AwsSession) -> None:
        self.rows = LabelIndex(head=lambda: self.start(HEAD))
        super().__init__(aws.s3, aws.bucket, LABEL_KEY, self.rows, f"{HEADER}\n".encode())

    def votes(self) -> Votes:
        """Return all labels that count now."""
        self.read_all()
        self.rows.read()
        return self.rows.votes
