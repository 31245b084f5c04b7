"""The series of numbers that is asked about and the answer to it: what is valid, encode, decode, summarise."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

MOST_NUMBERS = 10
MOST_CHARACTERS = 10_000  # of a request; ten numbers take some 250

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_COMMA_DECIMAL = re.compile(r"[+-]?\d*,\d+", re.ASCII)


class Refused(ValueError):
    """What was typed or received is not valid; the message says why in plain words."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to the request `id`: the numbers and their summary, or an `error` in words."""

    id: str
    numbers: tuple[float, ...] = ()
    mean: float = math.nan
    median: float = math.nan
    max: float = math.nan
    min: float = math.nan
    error: str | None = None


def new_id() -> str:
    """Return a new request id; it starts with the day (UTC), which is the day of the log that it goes into."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d}-{os.urandom(10).hex()}"


def parse_number(text: str) -> float:
    """Return the number that was typed; Refused where it is not a finite decimal number >= 0."""
    text = text.strip()
    if _COMMA_DECIMAL.fullmatch(text):
        raise Refused("use a point for decimals, like 3.5")
    if not _DECIMAL.fullmatch(text):
        raise Refused("not a number")
    return _checked(float(text))


def encode_request(numbers: Sequence[float]) -> str:
    """Return the body of a request: a JSON array of numbers in their shortest exact form."""
    return json.dumps([plain(number) for number in _checked_series(numbers)], separators=(", ", ": "))


def decode_request(body: str) -> list[float]:
    """Return the numbers in the body of a request; Refused where it is not an array of 1 to 10 numbers >= 0."""
    if len(body) > MOST_CHARACTERS:
        raise Refused(f"the request is longer than {MOST_CHARACTERS} characters")
    try:
        # Integers become doubles at once: Python's own take minutes for a million digits.
        series = json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        raise Refused("the request is not JSON; send an array of numbers like [3, 5.5]") from None
    if not isinstance(series, list):
        raise Refused("the request is not an array; send numbers like [3, 5.5]")
    return _checked_series(series)


def answer_request(id: str, body: str) -> Answer:
    """Return the answer to a request: its summary, or the reason why it is refused."""
    try:
        return summarise(id, decode_request(body))
    except Refused as reason:
        return Answer(id, error=str(reason))


def summarise(id: str, numbers: Sequence[float]) -> Answer:
    """Return mean, median, maximum and minimum, exact: the doubles nearest to the true values."""
    ordered = sorted(numbers)
    half = len(ordered) // 2
    median = ordered[half] if len(ordered) % 2 else _mean(ordered[half - 1 : half + 1])
    return Answer(id, tuple(numbers), _mean(ordered), median, ordered[-1], ordered[0])


def encode_answer(answer: Answer) -> str:
    """Return the body of an answer: a JSON object."""
    if answer.error is not None:
        return json.dumps({"id": answer.id, "error": answer.error})
    return json.dumps({
        "id": answer.id,
        "numbers": [plain(number) for number in answer.numbers],
        "mean": plain(answer.mean),
        "median": plain(answer.median),
        "max": plain(answer.max),
        "min": plain(answer.min),
    })  # fmt: skip


def decode_answer(body: str) -> Answer:
    """Return the answer in a body that anybody may have sent; Refused where it is not an answer."""
    try:
        fields = json.loads(body, parse_int=float)
        if error := fields.get("error"):
            return Answer(_text(fields["id"]), error=_text(error))
        mean, median, most, least = (_checked(fields[name]) for name in ("mean", "median", "max", "min"))
        return Answer(_text(fields["id"]), tuple(_checked_series(fields["numbers"])), mean, median, most, least)
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise Refused("not an answer") from None


def plain(number: float) -> float | int:
    """Return the number so that it prints in its shortest exact form: 4, not 4.0."""
    return int(number) if abs(number) < 1e16 and number.is_integer() else number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("not text")
    return value


def _checked_series(numbers: Sequence[object]) -> list[float]:
    if not isinstance(numbers, (list, tuple)):
        raise Refused("the numbers are not an array")
    if not numbers:
        raise Refused("the series is empty; send 1 to 10 numbers")
    if len(numbers) > MOST_NUMBERS:
        raise Refused(f"the series has {len(numbers)} numbers; send 1 to 10")
    return [_checked(number) for number in numbers]


def _checked(number: object) -> float:
    if type(number) is not float and type(number) is not int:  # bool is an int to isinstance
        raise Refused("a series holds numbers only, like [3, 5.5]")
    try:
        number = float(number)
    except OverflowError:
        raise Refused("the number is too large") from None
    if math.isnan(number):
        raise Refused("nan is not a number")
    if number < 0:
        raise Refused("the number is negative; only 0 and above count")
    if math.isinf(number):
        raise Refused("the number is too large")
    return abs(number)  # -0 is 0


def _mean(numbers: Sequence[float]) -> float:
    """Return the double nearest to the mean.

    A double is an integer over a power of two, and dividing two Python integers rounds once, correctly.
    """
    ratios = [number.as_integer_ratio() for number in numbers]
    scale = max(denominator for _, denominator in ratios)
    total = sum(numerator * (scale // denominator) for numerator, denominator in ratios)
    return total / (scale * len(numbers))
