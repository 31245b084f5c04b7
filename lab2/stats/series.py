"""A series of numbers: what is valid, why something is not, and its shortest exact form."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from lab2.errors import InvalidInput

MAX_NUMBERS = 10

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)  # as people type it
_COMMA_DECIMAL = re.compile(r"[+-]?\d*,\d+", re.ASCII)


def parse_number(text: str) -> float:
    """Return the number in a text; InvalidInput unless it is a finite decimal number >= 0."""
    text = text.strip()
    if _COMMA_DECIMAL.fullmatch(text):
        raise InvalidInput("use a point for decimals, like 3.5")
    if not NUMBER.fullmatch(text):
        raise InvalidInput("not a number")
    return check_number(float(text))


def check_series(numbers: Sequence[object]) -> list[float]:
    """Return the series as doubles; InvalidInput unless it is 1 to 10 finite numbers >= 0."""
    if not isinstance(numbers, (list, tuple)):
        raise InvalidInput("the numbers are not an array")
    if not numbers:
        raise InvalidInput("the series is empty; send 1 to 10 numbers")
    if len(numbers) > MAX_NUMBERS:
        raise InvalidInput(f"the series has {len(numbers)} numbers; send 1 to 10")
    return [check_number(number) for number in numbers]


def check_number(number: object) -> float:
    """Return the number as a double; InvalidInput unless it is a finite number >= 0."""
    if type(number) is float and 0 <= number < math.inf:  # nearly always
        return abs(number)  # -0 is 0
    if type(number) is not float and type(number) is not int:  # to isinstance a bool is an int
        raise InvalidInput("a series holds numbers only, like [3, 5.5]")
    try:
        number = float(number)
    except OverflowError:
        raise InvalidInput("the number is too large") from None
    if math.isnan(number):
        raise InvalidInput("nan is not a number")
    if number < 0:
        raise InvalidInput("the number is negative; only 0 and above count")
    if math.isinf(number):
        raise InvalidInput("the number is too large")
    return abs(number)  # -0 is 0


def shortest(number: float) -> str:
    """Return the shortest text that is exactly this double: 4, 5.5, 1e+308."""
    return repr(number).removesuffix(".0")


def json_array(numbers: Sequence[float]) -> str:
    """Return the doubles as a JSON array, each in its shortest exact text: [4, 5.5]."""
    return repr([*numbers]).replace(".0,", ",").replace(".0]", "]")


def plainly(numbers: Sequence[float]) -> str:
    """Return the numbers as on a command line."""
    return " ".join(map(shortest, numbers))
