"""The CSV file of labels: a row a judgement; of one image and annotator the row with the latest time counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.append_object import AppendObject
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import ANSI, HEADER, UTF_8, CsvDialect, decode
from lab2.labelling.labels.label import Label, LabelOrder, Votes
from lab2.terminal import printable

HEAD = 4096  # bytes in which the header of a label file is looked for
_BLANK = b"\xef\xbb\xbf\xff\xfe\0\r\n "
MAX_NAMED = 10  # rows that are not understood are named by their lines


class LabelRow(bytes):
    """The row of a label, which it remembers."""

    label: Label


def as_row(label: Label, dialect: CsvDialect | None = None) -> LabelRow:
    """Return the row of a label; without a dialect it is blank, and `LabelIndex.missing` writes it."""
    row = LabelRow(dialect.encode(label) if dialect else b"")
    row.label = label
    return row


@dataclass
class LabelIndex:
    """The rows that the label file is known to have. `head` reads the first bytes of the file.

    `identities`, by which a row is appended once, are kept where rows are to be appended: a third of the memory.
    """

    head: Callable[[], bytes]
    appends: bool = True
    dialect: CsvDialect | None = None
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    votes: Votes = field(default_factory=dict)
    unclear: dict[int, str] = field(default_factory=dict)  # the rows that are not understood, by line
    _order: LabelOrder = field(default_factory=LabelOrder)
    _encodings: set[str] = field(default_factory=set)  # of the rows with more than ASCII
    _ends: int = 0  # line ends in what was read
    _unread: list[bytes] = field(default_factory=list)  # parts of the file, and rows of ours

    def add(self, rows: Sequence[bytes]) -> None:
        self._unread += rows

    def replace(self, rows: Sequence[bytes]) -> None:
        vars(self).update(vars(LabelIndex(self.head, self.appends, _unread=[*rows])))

    def missing(self, rows: Sequence[bytes]) -> list[bytes]:
        assert self.appends
        dialect = self.read()
        labels = {row.label.identity: row.label for row in rows if isinstance(row, LabelRow)}
        added = [as_row(label, dialect) for identity, label in labels.items() if identity not in self.identities]
        if len(self._encodings) > 1 and not b"".join(added).isascii():
            raise UserError(
                f"{LABEL_KEY} in the bucket is partly in Windows-1252 and partly in UTF-8, so no label with characters "
                "beyond ASCII is added. Save it as CSV UTF-8."
            )
        return list(added)

    def read(self) -> CsvDialect:
        """Take note of the rows that were added; return the dialect of the file. UserError where it has none."""
        if self.dialect is None or not all(isinstance(row, LabelRow) for row in self._unread):
            self.dialect = CsvDialect.of(self.head())  # somebody else wrote: perhaps the whole file, in another dialect
        for part in self._unread:
            if isinstance(part, LabelRow):
                self._ends += 1
                self._count(part.label)
            else:
                self._read(part, self.dialect)
        self._unread = []
        if self._encodings == {ANSI} and not self.dialect.marked:
            self.dialect = replace(self.dialect, encoding=ANSI)
        return self.dialect

    def _read(self, part: bytes, dialect: CsvDialect) -> None:
        text, encodings = decode(part, dialect.encoding)
        self._encodings |= encodings | ({UTF_8} if dialect.marked and dialect.encoding == UTF_8 else set())
        for before, cells in dialect.rows(text):
            if label := dialect.label(cells):
                self._count(label)
            elif not (dialect.is_header(cells) or (self._ends + before == 0 and cells[0].lower().startswith("sep="))):
                self.unclear[self._ends + before + 1] = dialect.delimiter.join(cells)
        self._ends += text.count("\n") + text.count("\r") - text.count("\r\n")

    def _count(self, label: Label) -> None:
        if self.appends:
            self.identities.add(label.identity)
        self._order.count(self.votes, label)


class LabelFile(AppendObject):
    """The label file of a bucket. Raises what botocore raises; UserError where it is not a file of labels."""

    def __init__(self, aws: AwsSession, appends: bool = True) -> None:
        self.rows = LabelIndex(lambda: self.start(HEAD), appends)
        super().__init__(aws.s3, aws.bucket, LABEL_KEY, self.rows, f"{HEADER}\n".encode())

    def votes(self) -> Votes:
        """Return all labels that count now."""
        self.read_all()
        self.rows.read()
        return self.rows.votes

    def warning(self) -> str:
        """Return a sentence that names the rows that are not understood, '' where there are none."""
        unclear = self.rows.unclear
        if not unclear:
            return ""
        lines = f"line{'s' * (len(unclear) > 1)} {', '.join(map(str, list(unclear)[:MAX_NAMED]))}"
        more = f" and {len(unclear) - MAX_NAMED:,} more" if len(unclear) > MAX_NAMED else ""
        example = printable(next(iter(unclear.values()))[:60])
        return (
            f"{LABEL_KEY}: {lines}{more} can't be understood and {'are' if len(unclear) > 1 else 'is'} not counted "
            f"({example}). A row needs an image and a label, 1 or 0."
        )

    def try_append(self, rows: Sequence[bytes]) -> bool:
        """As in `AppendObject`; the encoding of a large file is looked up before the first row that depends on it."""
        if not self.known:
            self.refresh()
        plain = all("".join(row.label.identity).isascii() for row in rows if isinstance(row, LabelRow))
        if not (plain or self.complete):
            self.read_all()
        return super().try_append(rows)

    def split(self, body: bytes) -> list[bytes]:
        return [body] if body else []  # the dialect, which the index finds, says where rows end

    def join(self, rows: Sequence[bytes], last: bytes) -> bytes:
        dialect = self.rows.read()
        if dialect.encoding.startswith("utf-16") and self.size % 2:
            raise UserError(f"{LABEL_KEY} in the bucket is UTF-16 and ends in half a character. Save it as CSV UTF-8.")
        if self.size and self._body is not None and not self._body.strip(_BLANK):  # a mark or blank lines, no header
            rows = [HEADER.encode(dialect.encoding), *rows]
        return dialect.join(list(rows), last)
