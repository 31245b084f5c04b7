"""Summaries computed by integers alone, which the product's quick paths must equal."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Sequence

from lab2.stats.series import json_array, shortest
from lab2.stats.summary import Summary, summarise

LARGEST = sys.float_info.max


def first_difference(cases: int, seed: int) -> list[float] | None:
    """Return the first of so many random series whose summary, or its text, is not the exact one, else None."""
    chance = random.Random(seed)
    for _ in range(cases):
        kind = chance.choice(KINDS)
        series = [kind(chance) for _ in range(chance.randint(1, 10))]
        summary = summarise(series)
        if summary != exact(series) or [*map(shortest, summary)] != [*map(_text, summary)]:
            return series
        if json_array(series) != f"[{', '.join(map(_text, series))}]":
            return series
    return None


def exact(series: Sequence[float]) -> Summary:
    """Return the summary by integers alone: a double is one over a power of two, and a quotient of two rounds once."""
    ordered = sorted(series)
    half = len(ordered) // 2
    middle = ordered[half : half + 1] if len(ordered) % 2 else ordered[half - 1 : half + 1]
    return Summary(_mean(ordered), _mean(middle), ordered[-1], ordered[0])


def _mean(numbers: Sequence[float]) -> float:
    ratios = [number.as_integer_ratio() for number in numbers]
    scale = max(denominator for _, denominator in ratios)
    return sum(numerator * (scale // denominator) for numerator, denominator in ratios) / (scale * len(numbers))


def _text(number: float) -> str:
    """Return the number in its shortest exact text, integers without a point."""
    return repr(int(number) if number < 1e16 and number.is_integer() else number)


def any_double(chance: random.Random) -> float:
    """Return any finite double of 0 or more, each bit pattern alike: subnormal ones and the largest too."""
    number: float = struct.unpack("<d", struct.pack("<q", chance.getrandbits(63)))[0]
    return number if number <= LARGEST else LARGEST


KINDS = [
    lambda chance: float(chance.randint(0, 10)),
    lambda chance: float(chance.randint(0, 10**9)),
    lambda chance: float(2**49 + chance.randint(-20, 20)),  # where sums of integers cease to be exact
    lambda chance: float(2**53 + chance.randint(-20, 20)),
    lambda chance: round(chance.uniform(0, 1000), chance.randint(0, 4)),
    lambda chance: chance.random(),
    lambda chance: chance.uniform(0, 10) * 10.0 ** chance.randint(-10, 17),
    lambda chance: chance.randint(0, 2**54) * 5e-324,  # around the smallest normal number
    lambda chance: LARGEST * chance.choice([1, 0.5, chance.random()]),
    any_double,
]
