"""The summary of a series is exact: its numbers are the doubles nearest to the true values."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.exact_summaries import first_difference

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
