import math
import random
from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.exact_summaries import first_difference

from lab2.errors import InvalidInput
from lab2.stats.protocol import answer_request, decode_answer, decode_request, encode_answer, encode_request
from lab2.stats.series import parse_number
from lab2.stats.summary import summarise

series = some.lists(some.floats(0, allow_nan=False, allow_infinity=False), min_size=1, max_size=10)


def nearest(true: Fraction) -> float:
    return true.numerator / true.denominator


@given(series)
def test_mean_and_median_are_the_doubles_nearest_to_the_true_values(numbers: list[float]) -> None:
    answer = summarise(numbers)
    exact = sorted(map(Fraction, numbers))
    half, odd = divmod(len(exact), 2)
    assert answer.mean == nearest(sum(exact) / len(exact))
    assert answer.median == nearest(exact[half] if odd else (exact[half - 1] + exact[half]) / 2)
    assert answer.min <= answer.mean <= answer.max
    assert answer.min <= answer.median <= answer.max


@pytest.mark.parametrize(
    ("numbers", "mean"),
    [([1e308, 1e308], 1e308), ([10000001, 10000003, 10000002], 10000002), ([5e-324, 0, 0], 0), ([0.1] * 10, 0.1)],
)
def test_mean_of_hard_series(numbers: list[float], mean: float) -> None:
    assert summarise(list(map(float, numbers))).mean == mean


@pytest.mark.parametrize("cases", [3_000, pytest.param(300_000, marks=pytest.mark.long)])
def test_summaries_and_their_text_are_those_of_the_plain_exact_path(cases: int) -> None:
    seed = random.randrange(2**32)
    assert first_difference(cases, seed) is None, seed


@given(series)
def test_a_request_comes_back_as_it_was_sent(numbers: list[float]) -> None:
    assert decode_request(encode_request(numbers)) == numbers


@given(series, some.text())
def test_an_answer_comes_back_as_it_was_sent(numbers: list[float], id: str) -> None:
    answer = answer_request(id, encode_request(numbers))
    assert decode_answer(encode_answer(answer)) == answer


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


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[]", "empty"), (str([1] * 11), "11 numbers"), ("[-1]", "negative"), ("[NaN]", "nan"),
        ("[1e400]", "too large"), ("[Infinity]", "too large"), ("[true]", "numbers only"), ('["3"]', "numbers only"),
        ("[null]", "numbers only"), ("[[1]]", "numbers only"), ("{}", "not an array"), ("3", "not an array"),
        ("3,5", "not JSON"), ("", "not JSON"), ("[" * 9000, "not JSON"), ("[" + "9" * 5000 + "]", "too large"),
        ("[1]" + " " * 10_000, "longer than"), ("\x00\x1b[31m", "not JSON"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_with_the_reason(body: str, reason: str) -> None:
    answer = answer_request("id", body)
    assert answer.error and reason in answer.error
    assert not answer.numbers


json_values = some.recursive(
    some.none() | some.booleans() | some.floats() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@given(some.text() | json_values.map(repr))
def test_any_body_gets_an_answer(body: str) -> None:
    answer = answer_request("id", body)
    assert bool(answer.error) != bool(answer.numbers)
    assert decode_answer(encode_answer(answer)) == answer


@given(some.text() | json_values.map(str))
def test_anything_on_the_answer_queue_is_an_answer_or_refused(body: str) -> None:
    with suppress(InvalidInput):
        decode_answer(body)
