"""The fast path for a large label file whose rows are all as we write them: labels in columns of numbers.

A `Label` takes some 300 bytes and 10 microseconds, a row here 21 bytes and one microsecond. `LabelIndex`
reads all other files; from a file that both can read, both get the same labels.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy

from lab2.labelling.labels.choices import CHOICES, WITHDRAWN
from lab2.labelling.labels.csv_dialect import COLUMNS, HEADER
from lab2.labelling.labels.doubts import Doubts
from lab2.labelling.labels.label_row import Label, names_in_bucket

Numbers = numpy.ndarray[Any, numpy.dtype[Any]]

_IMAGE = re.compile(rb"(?!'|\xef\xbb\xbf)[^\"\r\n\0]+")
_ANNOTATOR = re.compile(rb"(?!')[^\"\r\n\0]*")
_DURATION = re.compile(rb"(\d{1,6}\.\d\d)?")
_TIME = b"0000-00-00T00:00:00.000Z"  # with 0 for every digit
_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_VALUES = [*(choice.value.encode() for choice in CHOICES), WITHDRAWN.encode()]
_CELLS = len(COLUMNS) + 1  # of a row, with its line end


class Tallied(NamedTuple):
    """What one annotator did: the fields of `report.Annotator`."""

    name: str
    labels: int
    seconds: float | None
    agreed: int
    compared: int


@dataclass
class Columns:
    """The labels that count: the image of label n is images[image[n]], and so on.

    `choice` is an index of CHOICES; `seconds` is NaN if not known.
    """

    images: list[str]
    annotators: list[str]
    image: Numbers
    annotator: Numbers
    choice: Numbers
    seconds: Numbers
    doubts: Doubts

    def tally(self, names: Iterable[str]) -> tuple[dict[str, list[int]], list[Tallied]]:
        """Return the votes on each of these images, a number for each of CHOICES, and what each annotator did.

        Labels of other images count for their annotators only.
        """
        shape = len(self.images), len(CHOICES)
        cell = self.image.astype(numpy.int64) * len(CHOICES) + self.choice
        counts = numpy.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        wanted = dict.fromkeys(names)
        rows: Any = counts.tolist()
        votes = dict(zip(self.images, rows, strict=True))
        agreed, compared = _compare(self, counts, numpy.array([image in wanted for image in self.images], bool))
        labels = numpy.bincount(self.annotator, minlength=len(self.annotators))
        order = numpy.argsort(self.annotator, kind="stable")
        durations = numpy.split(self.seconds[order], numpy.cumsum(labels)[:-1])
        numbers = zip(labels.tolist(), map(_median, durations), agreed.tolist(), compared.tolist(), strict=True)
        annotators = [Tallied(name, *each) for name, each in zip(self.annotators, numbers, strict=True) if each[0]]
        return {name: votes.get(name, [0] * len(CHOICES)) for name in wanted}, annotators


@dataclass
class _Rows:
    """All rows of a file in columns. Names are numbered in the order in which they first appear."""

    images: dict[bytes, int]
    annotators: dict[bytes, int]
    durations: dict[bytes, int]
    image: Numbers
    choice: Numbers
    annotator: Numbers
    time: Numbers
    duration: Numbers


def read_columns(parts: Iterable[bytes], names: Iterable[str]) -> Columns | None:
    """Return the labels that count in a file that comes in parts, under the names of the images in the bucket.

    None if any row is not as we write it, even if it could be understood.
    """
    try:
        rows = _read(parts)
        images = [image.decode() for image in rows.images]
        annotators = [unicodedata.normalize("NFC", annotator.decode().strip()) for annotator in rows.annotators]
    except ValueError:
        return None
    if not all(map(str.strip, images)):
        return None
    return _count(rows, images, annotators, set(names))


def _read(parts: Iterable[bytes]) -> _Rows:
    """Return all rows; ValueError if there are none, or one is not as we write it."""
    values = {value: number for number, value in enumerate(_VALUES)}
    images, annotators, durations = (defaultdict[bytes, int](count().__next__) for _ in range(3))
    columns = array("I"), array("B"), array("I"), array("q"), array("I")
    for lines in _whole_lines(parts):
        cells = lines.replace(b"\n", b",\n,").split(b",")[:-1]
        image, value, annotator, time, duration, end = (cells[place::_CELLS] for place in range(_CELLS))
        if set(end) != {b"\n"} or not values.keys() >= set(value):  # no other cell's form takes a line end
            raise ValueError("a row has more or fewer cells, or another value")
        columns[0].extend(_numbers(image, images, _IMAGE))
        columns[1].extend(map(values.__getitem__, value))
        columns[2].extend(_numbers(annotator, annotators, _ANNOTATOR))
        columns[3].frombytes(_milliseconds(time).tobytes())
        columns[4].extend(_numbers(duration, durations, _DURATION))
    if not images:
        raise ValueError("there is no row")
    return _Rows(images, annotators, durations, *map(numpy.asarray, columns))


def _numbers(cells: list[bytes], known: dict[bytes, int], form: re.Pattern[bytes]) -> Iterator[int]:
    """Return the numbers of cells, new ones with the next numbers; ValueError if one has another form."""
    if not all(map(form.fullmatch, set(cells) - known.keys())):
        raise ValueError("a cell has another form")
    return map(known.__getitem__, cells)


def _milliseconds(times: list[bytes]) -> Numbers:
    """Return the times since 1970; ValueError if one has another form, or is in no calendar."""
    if b",".join(times).translate(_TO_ZERO) != b",".join([_TIME] * len(times)) or min(times) < b"0001":
        raise ValueError("a time has another form")
    return numpy.array(times, f"S{len(_TIME) - 1}").astype("M8[ms]").astype(numpy.int64)


def _whole_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the file without its header in parts of whole lines; ValueError if header or last end is missing."""
    header = f"{HEADER}\n".encode()
    rest = b""
    for part in parts:
        lines, end, rest = (rest + part).rpartition(b"\n")
        if not end:
            continue
        lines += end
        if not lines.startswith(header):
            raise ValueError("there is another header")
        if rows := lines.removeprefix(header):
            yield rows
        header = b""
    if rest:
        raise ValueError("the last line has no end")


def _count(rows: _Rows, images: list[str], annotators: list[str], names: set[str]) -> Columns:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(annotators))}
    annotator = numpy.array([numbers[name] for name in annotators], numpy.uint32)[rows.annotator]
    doubts = Doubts(annotators=set(numbers))
    if "" in numbers:
        for row in numpy.flatnonzero(annotator == numbers[""]).tolist():
            doubts.note(row + 2, Label(images[rows.image[row]], ""))
    last = _last_of_each(rows.image, annotator, rows.time)
    last = last[rows.choice[last] < len(CHOICES)]  # the others are withdrawn
    targets = names_in_bucket(images, names)
    image = rows.image
    if targets != images:
        known = {name: number for number, name in enumerate(dict.fromkeys(targets))}
        image = numpy.array([known[name] for name in targets], numpy.uint32)[rows.image]
        last = last[numpy.argsort(rows.image[last], kind="stable")]  # of equal times that of the later name counts
        last = last[_last_of_each(image[last], annotator[last], rows.time[last])]
        images = list(known)
    durations = numpy.array([float(text or "nan") for text in rows.durations])
    return Columns(
        images, list(numbers), image[last], annotator[last], rows.choice[last], durations[rows.duration[last]], doubts
    )


def _last_of_each(image: Numbers, annotator: Numbers, time: Numbers) -> Numbers:
    """Return the index of the label with the latest time of each image and annotator; of equal times, the last one."""
    order: Numbers = numpy.lexsort((time, annotator, image))  # stable
    changes = (numpy.diff(image[order]) != 0) | (numpy.diff(annotator[order]) != 0)
    last: Numbers = order[numpy.append(changes, True)[: len(order)]]  # there may be none
    return last


def _median(seconds: Numbers) -> float | None:
    """Return the median of the numbers, None if all are NaN."""
    known = seconds[~numpy.isnan(seconds)]
    return float(numpy.median(known)) if len(known) else None


def _compare(columns: Columns, counts: Numbers, is_wanted: Numbers) -> tuple[Numbers, Numbers]:
    """Return how often each annotator agreed with the majority of the others, and on how many images they had one."""
    agrees, differs = (numpy.zeros(counts.shape, bool) for _ in range(2))  # whether a vote does so on an image
    for choice in range(len(CHOICES)):
        others = counts.copy()
        others[:, choice] -= 1
        most = others.max(axis=1)
        decided = is_wanted & (most > 0) & ((others == most[:, None]).sum(axis=1) == 1)
        leads = others.argmax(axis=1) == choice
        agrees[:, choice], differs[:, choice] = decided & leads, decided & ~leads
    same, other = agrees[columns.image, columns.choice], differs[columns.image, columns.choice]
    size = len(columns.annotators)
    agreed = numpy.bincount(columns.annotator[same], minlength=size)
    return agreed, agreed + numpy.bincount(columns.annotator[other], minlength=size)
