"""A file of series: one a line."""

from __future__ import annotations

import re

from lab2.errors import InvalidInput, UserError
from lab2.stats.series import check_series, parse_number


def read_lines(path: str) -> list[str]:
    try:
        with open(0 if path == "-" else path, encoding="utf-8") as file:
            return file.readlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is not text in UTF-8"
        raise UserError(f"{path} can't be read: {reason}. Give a file with one series a line.") from None


def parse_line(line: str) -> list[float]:
    """Return the numbers of a line, which spaces, commas, semicolons or tabs separate; InvalidInput with the reason."""
    numbers = []
    for typed in re.split(r"[\s,;]+", line.strip(" \t\r\n,;")):
        try:
            numbers.append(parse_number(typed))
        except InvalidInput as reason:
            raise InvalidInput(f"{typed[:40]!r}: {reason}") from None
    return check_series(numbers)
