"""Compare the quick paths of summaries and of numbers as text with the plain exact ones: `make summaries`.

    tools/summaries.py [CASES [SEED]]      10,000,000 random series: two to three minutes on two cores

Ends with 1 and shows the series at the first difference.
"""

from __future__ import annotations

import os
import random
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab2.stats.series import plain, shortest
from lab2.stats.summary import Summary, summarise

SHARE = 100_000  # series a process is given at once
LARGEST = sys.float_info.max


def main(arguments: Sequence[str]) -> int:
    cases = int(arguments[0]) if arguments else 10_000_000
    seed = int(arguments[1]) if len(arguments) > 1 else random.randrange(2**32)
    shares = [min(SHARE, cases - done) for done in range(0, cases, SHARE)]
    print(f"{cases:,} series, seed {seed}", flush=True)
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        for wrong in processes.map(first_difference, shares, repeat(seed), range(len(shares))):
            if wrong is not None:
                print(f"{wrong}: {summarise(wrong)} and not {exact(wrong)}")
                return 1
    print("no difference")
    return 0


def first_difference(cases: int, seed: int, share: int = 0) -> list[float] | None:
    """Return the first of so many random series whose summary, or its text, is not the exact one, else None."""
    chance = random.Random(f"{seed} {share}")
    for _ in range(cases):
        kind = chance.choice(KINDS)
        series = [kind(chance) for _ in range(chance.randint(1, 10))]
        summary = summarise(series)
        if summary != exact(series) or any(shortest(number) != repr(plain(number)) for number in summary):
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
