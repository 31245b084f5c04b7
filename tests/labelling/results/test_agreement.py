"""How far annotators agree: Fleiss' kappa, Krippendorff's alpha, each annotator against the others."""

from __future__ import annotations

from fractions import Fraction

import krippendorff
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.labelling.results.agreement import compared_with_others, fleiss_kappa, krippendorff_alpha


def split(images: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return images given as (votes for 1, all votes) with the votes for each choice."""
    return [(ones, votes - ones) for ones, votes in images]


def fleiss_1971(images: list[tuple[int, int]]) -> Fraction:
    """Kappa as Fleiss defined it in 1971, for the same number of votes on each image."""
    pairs = [Fraction(x * (x - 1) + (n - x) * (n - x - 1), n * (n - 1)) for x, n in images]
    ones = Fraction(sum(x for x, _ in images), sum(n for _, n in images))
    observed, chance = sum(pairs) / len(pairs), ones**2 + (1 - ones) ** 2
    return (observed - chance) / (1 - chance)


@given(st.integers(2, 9).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n), st.just(n)), min_size=1)))
def test_with_equal_numbers_of_votes_kappa_is_that_of_fleiss_1971(images: list[tuple[int, int]]) -> None:
    if 0 < sum(x for x, _ in images) < sum(n for _, n in images):
        assert fleiss_kappa(split(images)) == pytest.approx(float(fleiss_1971(images)))
    else:
        assert fleiss_kappa(split(images)) is None


def test_kappa_with_uneven_numbers_of_votes() -> None:
    # By hand: shares of 4/7 and 3/7; x(n-x)/n are 0, 2/3, 0 and 0 over 1 + 2 + 0 + 0 pairs.
    assert fleiss_kappa(split([(2, 2), (1, 3), (0, 1), (1, 1)])) == pytest.approx(1 - (2 / 3 / 3) / (12 / 49))
    assert fleiss_kappa(split([(2, 2), (0, 3), (1, 1)])) == 1
    assert fleiss_kappa(split([(1, 1), (0, 1)])) is None
    assert fleiss_kappa([]) is None


def test_alpha_of_the_worked_example_of_krippendorff() -> None:
    """Example B of "Computing Krippendorff's Alpha-Reliability": two observers, binary, alpha = 0.095."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha(split([(a + b, 2) for a, b in zip(meg, owen, strict=True)])) == pytest.approx(
        0.095, abs=5e-4
    )


def test_kappa_of_the_worked_example_of_fleiss_1971_with_five_categories() -> None:
    """The psychiatric diagnoses of 30 patients by six raters, of which the first ten; kappa by hand as a fraction."""
    patients = [(0, 0, 0, 6, 0), (0, 3, 0, 0, 3), (0, 1, 4, 0, 1), (0, 0, 0, 0, 6), (0, 3, 0, 3, 0),
                (2, 0, 4, 0, 0), (0, 0, 4, 0, 2), (2, 0, 3, 1, 0), (2, 0, 0, 4, 0), (0, 0, 0, 0, 6)]  # fmt: skip
    observed = sum(Fraction(sum(n * (n - 1) for n in row), 30) for row in patients) / 10
    chance = sum(Fraction(sum(column), 60) ** 2 for column in zip(*patients, strict=True))
    assert fleiss_kappa(patients) == pytest.approx(float((observed - chance) / (1 - chance)))


@given(st.integers(2, 6).flatmap(lambda n: st.lists(st.tuples(*[st.sampled_from([0, 1, 2, None])] * n), min_size=1)))
def test_alpha_is_that_of_the_package_krippendorff_where_annotators_label_different_pictures(
    images: list[tuple[int | None, ...]],
) -> None:
    counts = [[votes.count(choice) for choice in range(3)] for votes in images]
    pairable = [row for row in counts if sum(row) > 1]
    if sum(any(column) for column in zip(*pairable, strict=True)) > 1:
        by_annotator = [[float("nan") if vote is None else vote for vote in votes]
                        for votes in zip(*images, strict=True)]  # fmt: skip
        expected = krippendorff.alpha(reliability_data=by_annotator, level_of_measurement="nominal")
        assert krippendorff_alpha(counts) == pytest.approx(expected)
    else:
        assert krippendorff_alpha(counts) is None


def test_each_annotator_is_compared_with_the_majority_of_the_others() -> None:
    images = [
        {"ada": "1", "bob": "1", "eve": "0"},  # for ada and bob the others are tied
        {"ada": "1", "bob": "1", "cyd": "1", "eve": "0"},
        {"ada": "0", "bob": "0", "eve": "1"},
        {"ada": "0"},
        {"cyd": "1"},
    ]
    agreed, compared = compared_with_others(images)
    assert agreed == {"ada": 1, "bob": 1, "cyd": 1, "eve": 0}
    assert compared == {"ada": 1, "bob": 1, "cyd": 1, "eve": 3}
    three = {"ada": "2", "bob": "2", "cyd": "1", "dan": "0"}  # for cyd 2 leads, for ada and bob the others are tied
    agreed, compared = compared_with_others([three])
    assert agreed.total() == 0
    assert compared == {"ada": 0, "bob": 0, "cyd": 1, "dan": 1}
    assert compared_with_others([]) == ({}, {})
