"""The labels that count, for other programs: a row for each picture and annotator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from lab2.labelling.labels.csv_dialect import COLUMNS, HEADER, csv_row
from lab2.labelling.labels.label_row import Votes, by_image
from lab2.labelling.labels.timestamps import format_time

Row = dict[str, str | float | None]


def rows_of(images: Iterable[str], votes: Votes) -> Iterator[Row]:
    """Yield the labels that count, by picture and annotator, under the names of the pictures in the bucket.

    The columns are those of the label file. Timestamps are ISO 8601 in UTC; a timestamp or a number of seconds that
    can't be read is None.
    """
    for image, labels in sorted(by_image(votes, images).items()):
        for _, label in sorted(labels.items()):
            time = label.time
            stamp = format_time(time) if time else None
            values: tuple[str | float | None, ...] = (image, label.label, label.annotator, stamp, label.duration)
            yield dict(zip(COLUMNS, values, strict=True))


def as_csv(rows: Iterable[Row]) -> str:
    """Return the rows as CSV with a header."""
    return "\n".join([HEADER, *(csv_row(row.values()) for row in rows)])


def as_json(rows: Iterable[Row]) -> str:
    """Return the rows as a JSON array of objects, one a line."""
    return "[" + ",".join(f"\n {json.dumps(row)}" for row in rows) + "\n]"
