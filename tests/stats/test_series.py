"""What is typed is read exactly as a number, or refused with the reason."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab2.errors import InvalidInput
from lab2.stats.series import parse_number


@given(some.floats(0, allow_nan=False, allow_infinity=False))
def test_a_typed_number_is_taken_exactly(number: float) -> None:
    assert parse_number(f" {number!r} ") == number


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("3,5", "use a point"), (",5", "use a point"), ("-1", "negative"), ("nan", "not a number"),
        ("inf", "not a number"), ("1e400", "too large"), ("true", "not a number"), ('"3"', "not a number"),
        ("1_000", "not a number"), ("0x10", "not a number"), ("٣", "not a number"), ("1 2", "not a number"),
        ("\x1b[2J", "not a number"), ("1" * 5000, "too large"),
    ],
)  # fmt: skip
def test_what_is_not_a_positive_number_is_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        parse_number(typed)


@given(some.text())
def test_anything_typed_is_a_number_or_refused(typed: str) -> None:
    try:
        number = parse_number(typed)
    except InvalidInput:
        return
    assert math.isfinite(number) and number >= 0
