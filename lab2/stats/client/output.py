"""Answers as text, CSV or JSON: tables that fit the terminal, or lines for programs."""

from __future__ import annotations

import csv
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

from lab2.errors import internal_error
from lab2.stats.protocol import Answer, encode_answer
from lab2.stats.series import shortest
from lab2.stats.summary import Summary
from lab2.terminal import align, column_widths, printable

EARLIER = "earlier"  # the name of an answer to an earlier run
HEADER = ("message", "numbers", *Summary._fields)

AnswerRow = tuple[str, Answer]  # the name of a message, and its answer


def table(rows: Sequence[AnswerRow], width: int) -> str:
    """Return the answers in lines of at most `width` columns: a table, or a block for each if that is too wide.

    If a bug makes one answer fail, the others are shown, and that one as it is.
    """
    try:
        return _table(rows, width)
    except Exception as error:
        if len(rows) > 1:
            return "\n".join(table([row], width) for row in rows)
        return "\n".join(f"message {printable(name)}: {internal_error(error)}: {answer}" for name, answer in rows)


def _table(rows: Sequence[AnswerRow], width: int) -> str:
    good = [_cells(name, answer) for name, answer in rows if answer.error is None]
    bad = [
        f"message {printable(name)} was rejected: {printable(answer.error)}" for name, answer in rows if answer.error
    ]
    lines: list[str] = []
    if good:
        widths = column_widths([HEADER, *good])
        if sum(widths) + 2 * (len(widths) - 1) <= width:
            lines += [align(cells, widths) for cells in (HEADER, *good)]
        else:
            for cells in good:
                lines += _block(cells, width)
    for sentence in bad:
        lines += textwrap.wrap(sentence, width, subsequent_indent="  ")
    return "\n".join(lines)


class AnswerWriter:
    """Prints the answers of a dialogue as they come: tables for people, or `csv` or `json` lines.

    In the forms for programs, answers to earlier runs go to stderr, unless `listening`: then they are the result.
    """

    def __init__(self, form: str, listening: bool = False) -> None:
        self.form = form
        self.listening = listening
        self._lines: AnswerLines | None = None

    def write(self, rows: Sequence[AnswerRow]) -> None:
        if self.form == "text":
            print_table(rows, sys.stdout)
            return
        aside = [row for row in rows if row[0] == EARLIER and not self.listening]
        for row in rows:
            if row not in aside:
                self._lines = self._lines or AnswerLines(self.form, first="message")
                self._lines.write(*row)
        print_table(aside, sys.stderr)


def print_table(rows: Sequence[AnswerRow], stream: TextIO) -> None:
    if rows:
        print(table(rows, shutil.get_terminal_size().columns), file=stream, flush=True)


class AnswerLines:
    """Prints answers one by one as `csv`, `json` or `text` lines; the column with their names is called `first`.

    Lines of text form a table whose columns fit the requests; a longer mean shifts its own line only.
    """

    def __init__(self, form: str, requests: Sequence[tuple[str, list[float]]] = (), first: str = "line") -> None:
        self.form = form
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        numbers = [" ".join(map(shortest, numbers)) for _, numbers in requests]
        longest = max((len(shortest(number)) for _, series in requests for number in series), default=0)
        self._widths = [
            max(map(len, [first, *(name for name, _ in requests)])),
            max(map(len, ["numbers", *numbers])),
            *[max(6, longest + 2)] * len(Summary._fields),
        ]
        if form == "csv":
            self._csv.writerow((first, *HEADER[1:], "error"))
        elif form == "text" and requests:
            print(align((first, *HEADER[1:]), self._widths))

    def write(self, name: str, answer: Answer) -> None:
        """Return when the answer is written and may be deleted from its queue; OSError if that fails."""
        if self.form == "json":
            print(encode_answer(answer))
        elif self.form == "csv":
            cells = [name, *[""] * (len(HEADER) - 1)] if answer.error else _cells(name, answer)
            self._csv.writerow([*cells, printable(answer.error or "")])
        elif answer.error:
            print(f"{name}: rejected: {printable(answer.error)}")
        else:
            print(align(_cells(name, answer), self._widths))
        sys.stdout.flush()


def _cells(name: str, answer: Answer) -> tuple[str, ...]:
    return (
        printable(name),
        " ".join(map(shortest, answer.numbers)),
        *(shortest(answer.summary[field]) if field in answer.summary else "" for field in Summary._fields),
    )


def _block(cells: tuple[str, ...], width: int) -> list[str]:
    lines = textwrap.wrap(f"message {cells[0]}: {cells[1]}", width, subsequent_indent="  ")
    return lines + [f"  {name:<7}{value}" for name, value in zip(Summary._fields, cells[2:], strict=True)]
