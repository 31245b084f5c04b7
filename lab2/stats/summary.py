"""The exact summary of a series: the doubles nearest to the true values.

Answers, tables, CSV, JSON and the log have the fields of `Summary`, in this order: a statistic is added only here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

_SCALE = 2.0**80  # 0 and every double from 2**-28 on is an integer when multiplied by this


class Summary(NamedTuple):
    """Mean, median, maximum and minimum of a series."""

    mean: float
    median: float
    max: float
    min: float


def summarise(numbers: Sequence[float]) -> Summary:
    """Return the summary of 1 or more numbers."""
    ordered = sorted(numbers)
    return Summary(
        mean=_mean(ordered),
        median=_median(ordered),
        max=ordered[-1],
        min=ordered[0],
    )


def _median(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else _midpoint(*ordered[half - 1 : half + 1])


def _midpoint(low: float, high: float) -> float:
    """Return the double nearest to the mean of two numbers.

    Only the sum rounds, for halving is exact; below 2**-1022, where halving is not, the sum is exact.
    """
    total = low + high
    return total / 2 if total < inf else low / 2 + high / 2


def _mean(numbers: Sequence[float]) -> float:
    """Return the double nearest to the mean of numbers in ascending order, 10 at most.

    A double is an integer over a power of two, and the division of two Python integers rounds once, correctly. For
    nearly all numbers one power of two does, which takes half the time.
    """
    scaled = [number * _SCALE for number in numbers]
    if scaled[-1] < inf and all(map(float.is_integer, scaled)):
        return sum(map(int, scaled)) / (len(numbers) * int(_SCALE))
    ratios = [number.as_integer_ratio() for number in numbers]
    scale = max(denominator for _, denominator in ratios)
    total = sum(numerator * (scale // denominator) for numerator, denominator in ratios)
    return total / (scale * len(numbers))
