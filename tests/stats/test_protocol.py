"""The wire format: what is encoded is decoded again, and whatever comes is an answer, a request, or refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab2.errors import InvalidInput
from lab2.stats.protocol import answer_request, decode_answer, decode_request, encode_answer, encode_request

series = some.lists(some.floats(0, allow_nan=False, allow_infinity=False), min_size=1, max_size=10)


@given(series)
def test_a_request_comes_back_as_it_was_sent(numbers: list[float]) -> None:
    assert decode_request(encode_request(numbers)) == numbers


@given(series, some.text())
def test_an_answer_comes_back_as_it_was_sent(numbers: list[float], id: str) -> None:
    answer = answer_request(id, encode_request(numbers))
    assert decode_answer(encode_answer(answer)) == answer


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
