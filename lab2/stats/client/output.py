"""Answers as a small table that fits the terminal."""

from __future__ import annotations

import csv
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import TextIO

from lab2.errors import internal_error
from lab2.stats.client.inbox import ReceivedAnswer
from lab2.stats.protocol import Answer, encode_answer
from lab2.stats.series import shortest
from lab2.stats.summary import Summary
from lab2.terminal import align, column_widths, counted, printable

EARLIER = "earlier"  # the name of an answer to an earlier run
HEADER = ("message", "numbers", *Summary._fields)

AnswerRow = tuple[str, Answer]  # what the message is called, and its answer


def table(rows: Sequence[AnswerRow], width: int) -> str:
    """Return the answers in lines of at most `width` columns: a table, or a block an answer where that is too wide.

    An answer for which that fails by a bug does not keep the others back: it is returned as it is.
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


def found_earlier(received: Sequence[ReceivedAnswer]) -> str:
    """Return how many answers to earlier runs were found, and their table."""
    rows = [(EARLIER, found.answer) for found in received if found.answer]
    return "\n".join([count_earlier(len(rows)), table(rows, shutil.get_terminal_size().columns)] if rows else [])


def count_earlier(count: int) -> str:
    return f"Found {counted(count, 'answer')} to earlier runs."


class AnswerWriter:
    """Prints the answers of a dialogue as they come: as tables for people, or as `csv` or `json` lines.

    In a form for machines, answers to earlier runs go to stderr, unless `listening`: then they are the result.
    """

    def __init__(self, form: str, listening: bool = False) -> None:
        self.form, self.listening = form, listening
        self._print: Callable[[str, Answer], None] | None = None

    def write(self, rows: Sequence[AnswerRow]) -> None:
        if self.form == "text":
            self._table(rows, sys.stdout)
            return
        aside = [row for row in rows if row[0] == EARLIER and not self.listening]
        for name, answer in rows:
            if (name, answer) not in aside:
                self._print = self._print or printer(self.form, first="message")
                self._print(name, answer)
        sys.stdout.flush()
        self._table(aside, sys.stderr)

    def _table(self, rows: Sequence[AnswerRow], stream: TextIO) -> None:
        if rows:
            print(table(rows, shutil.get_terminal_size().columns), file=stream, flush=True)


def _cells(name: str, answer: Answer) -> tuple[str, ...]:
    return (
        printable(name),
        " ".join(map(shortest, answer.numbers)),
        *(shortest(answer.summary[name]) if name in answer.summary else "" for name in Summary._fields),
    )


def _block(cells: tuple[str, ...], width: int) -> list[str]:
    lines = textwrap.wrap(f"message {cells[0]}: {cells[1]}", width, subsequent_indent="  ")
    return lines + [f"  {name:<7}{value}" for name, value in zip(Summary._fields, cells[2:], strict=True)]


def printer(
    form: str, requests: Sequence[tuple[str, list[float]]] = (), first: str = "line"
) -> Callable[[str, Answer], None]:
    """Return what prints one answer after another, each with its name in a column `first`.

    The form is `csv`, `json` lines, or `text`: lines of one table.
    """
    if form == "json":
        return lambda name, answer: print(encode_answer(answer))
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow((first, *HEADER[1:], "error"))
        return lambda name, answer: (
            writer.writerow(
                (name, *[""] * (len(HEADER) - 1), printable(answer.error))
                if answer.error
                else (*_cells(name, answer), "")
            )
            and None
        )
    # The columns are made for what was asked; a longer mean only pushes its own line.
    numbers = [" ".join(map(shortest, numbers)) for _, numbers in requests]
    one = max((len(shortest(number)) for _, series in requests for number in series), default=0)
    lines = [name for name, _ in requests]
    widths = [
        max(map(len, [first, *lines])),
        max(map(len, ["numbers", *numbers])),
        *[max(6, one + 2)] * len(Summary._fields),
    ]
    if requests:
        print(align((first, *HEADER[1:]), widths))
    return lambda name, answer: print(
        f"{name}: rejected: {printable(answer.error)}" if answer.error else align(_cells(name, answer), widths)
    )
