"""The CSV file of labels, a row for each judgement. The latest row of an image and annotator counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lab2.aws.resources import LABEL_KEY
from lab2.aws.s3.append_object import AppendObject
from lab2.aws.session import AwsSession
from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import ANSI, HEADER, CsvDialect, decode
from lab2.labelling.labels.doubts import Doubts
from lab2.labelling.labels.label_row import Label, LabelOrder, Votes, without_withdrawn
from lab2.text_encodings import UTF_8

if TYPE_CHECKING:
    from lab2.labelling.labels.columns import Columns

HEAD_BYTES = 4096  # of a label file, among which its header is
_BLANK = b"\xef\xbb\xbf\xff\xfe\0\r\n "


@dataclass
class LabelIndex:
    """The labels that are known to be in the label file, and its dialect. `head` reads its first bytes.

    `identities`, by which a label is appended only once, are kept only if it `appends`: they are a third of the memory.
    """

    head: Callable[[], bytes]
    appends: bool = True
    blank: bool = False  # the file is known to have no more than a byte order mark and line ends
    dialect: CsvDialect | None = None
    identities: set[tuple[str, str, str]] = field(default_factory=set)
    votes: Votes = field(default_factory=dict)
    doubts: Doubts = field(default_factory=Doubts)
    _order: LabelOrder = field(default_factory=LabelOrder)
    _encodings: set[str] = field(default_factory=set)  # of the rows that are not ASCII
    _ends: int = 0  # line ends so far
    _unread: list[bytes | Label] = field(default_factory=list)  # parts of the file, and labels of ours

    def replace(self, body: bytes) -> None:
        vars(self).update(vars(LabelIndex(self.head, self.appends, blank=True)))
        self.add(body)

    def add(self, body: bytes) -> None:
        self.blank = self.blank and not body.strip(_BLANK)
        if body:
            self._unread.append(body)

    def wrote(self, labels: Sequence[Label]) -> None:
        self.blank = False
        self._unread += labels

    def missing(self, labels: Sequence[Label]) -> list[Label]:
        self.read()
        by_identity = {label.identity: label for label in labels}
        return [label for identity, label in by_identity.items() if identity not in self.identities]

    def encode(self, labels: Sequence[Label], size: int, end: bytes) -> bytes:
        dialect = self.read()
        rows = [dialect.encode(label) for label in labels]
        if len(self._encodings) > 1 and not b"".join(rows).isascii():
            raise UserError(
                f"{LABEL_KEY} in the bucket is partly in Windows-1252 and partly in UTF-8, so no label with characters "
                "beyond ASCII is added. Save it as CSV UTF-8."
            )
        if size % len(",".encode(dialect.encoding)):
            raise UserError(
                f"{LABEL_KEY} in the bucket is {dialect.encoding[:6].upper()} and ends in half a character. "
                "Save it as CSV UTF-8."
            )
        if self.blank:
            rows.insert(0, HEADER.encode(dialect.encoding))
        return dialect.join(rows, end if size else b"\n")

    def read(self) -> CsvDialect:
        """Read the rows that were added; return the dialect of the file. UserError if it has no header."""
        if self.dialect is None or not all(isinstance(part, Label) for part in self._unread):
            # Somebody else wrote: perhaps the whole file, in another dialect.
            self.dialect = CsvDialect.detect(self.head())
        for part in self._unread:
            if isinstance(part, Label):
                self._ends += 1
                self._count(part)
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
            line = self._ends + before + 1
            if label := dialect.label(cells):
                self.doubts.note(line, label, is_tied=self._count(label))
            elif not (dialect.is_header(cells) or (line == 1 and cells[0].lower().startswith("sep="))):
                self.doubts.unclear.add(line, dialect.delimiter.join(cells))
        self._ends += text.count("\n") + text.count("\r") - text.count("\r\n")

    def _count(self, label: Label) -> bool:
        if self.appends:
            self.identities.add(label.identity)
        return self._order.count(self.votes, label)


class LabelFile:
    """The label file of a bucket. Raises what botocore raises; UserError if it is not a file of labels."""

    def __init__(self, aws: AwsSession, appends: bool = True) -> None:
        self._index = LabelIndex(lambda: self._object.start(HEAD_BYTES), appends)
        self._doubts: Doubts | None = None  # those of a file that was read in columns
        self._aws = aws
        self._object = AppendObject(aws.stored_object(LABEL_KEY), self._index)

    @property
    def took(self) -> float:
        """The seconds of the last write."""
        return self._object.took

    def look(self) -> None:
        """Look at the file if that was never done: labels from now on can't be in it yet."""
        if not self._object.known:
            self._object.refresh()

    def read_all(self) -> None:
        """Read every label in the file, however large it is."""
        self._object.read_all()

    def append(self, labels: Sequence[Label]) -> None:
        """Return when all labels are durable in the file, each once; UserError if the store is not safe."""
        self._aws.check_conditional_writes(LABEL_KEY)
        self.look()
        plain = all("".join(label.identity).isascii() for label in labels)
        if not (plain or self._object.complete):
            self.read_all()  # for the encoding of a large file, on which these rows depend
        self._object.append(labels)

    def votes(self) -> Votes:
        """Return all labels that count now."""
        self.read_all()
        self._index.read()
        return without_withdrawn(self._index.votes)

    def columns(self, names: Iterable[str]) -> Columns | None:
        """Return the labels that count now, in columns, under the names of the images.

        None if the file is small, not as we write it, or was read before: then use `votes`.
        """
        self.look()
        if self._object.complete:
            return None
        from lab2.labelling.labels.columns import read_columns  # numpy, for a large file only

        found = read_columns(self._object.store.read_in_parts(), names)
        self._doubts = found.doubts if found else None
        return found

    def warning(self) -> str:
        """Return sentences on rows that somebody should check, '' if there are none."""
        return "\n".join((self._doubts or self._index.doubts).sentences())
