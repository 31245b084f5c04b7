"""Rows of the log on standard output: as text for people, as JSON lines, or as CSV."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable

from lab2.stats.server.log.reader import LogFields, LogLine
from lab2.stats.server.log.row import is_erased
from lab2.stats.summary import Summary
from lab2.terminal import harmless_cell, printable

COLUMNS = ("time", "id", "client", "request", *Summary._fields, "error")
LONGEST_REQUEST = 120  # characters in a line of text


def print_log(lines: Iterable[LogLine], form: str, client: str | None = None) -> int:
    """Print the rows (of one client if it is named) as `text`, `json` or `csv`, return how many.

    A truncated line is named on stderr.
    """
    write = _writer(form)
    count = 0
    for line in lines:
        if line.fields is None:
            print(f"{printable(line.place)} has a truncated line, which is left out.", file=sys.stderr, flush=True)
        elif not is_erased(line.fields) and (client is None or line.fields.get("client") == client):
            write(line.fields)
            count += 1
    return count


def _writer(form: str) -> Callable[[LogFields], object]:
    if form == "json":
        return lambda fields: print(json.dumps(fields))
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        return lambda fields: writer.writerow(_cells(fields))
    return lambda fields: print(_text(fields))


def _cells(fields: LogFields) -> list[str]:
    """Return the cells of a row of CSV, without control characters; a cell that the row lacks is empty."""
    return [harmless_cell(printable(_cell(value))) for value in _values(fields)]


def _text(fields: LogFields) -> str:
    time, _, client, request, *summary, error = (printable(_cell(value)) for value in _values(fields))
    if error:
        result = f"rejected: {error}"
    else:
        result = "  ".join(f"{name} {value}" for name, value in zip(Summary._fields, summary, strict=True))
    request = request if len(request) <= LONGEST_REQUEST else f"{request[:LONGEST_REQUEST]}…"
    return f"{time}  {client or '(no name)'}  {request}  {result}"


def _values(fields: LogFields) -> list[object]:
    """Return the values of the COLUMNS, None if the row, which somebody else may have written, lacks one."""
    answer = fields.get("answer")
    values = (answer if isinstance(answer, dict) else {}) | fields
    return [values.get(name) for name in COLUMNS]


def _cell(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
