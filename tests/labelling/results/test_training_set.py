"""The split of a training set, and the file names in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab2.errors import UserError
from lab2.labelling.results.training_set import Split, suffix_of


@given(st.text(alphabet="0123456789abcdef", min_size=12, max_size=12))
def test_a_split_has_the_parts_that_were_asked_for(hash: str) -> None:
    place = int(hash, 16) / 16**12
    assert Split("80/10/10").part_of(hash) == ("train" if place < 0.8 else "validation" if place < 0.9 else "test")
    assert Split("70/30").part_of(hash) == ("train" if place < 0.7 else "test")
    assert Split("0/100/0").part_of(hash) == "validation"
    assert Split().part_of(hash) == ""


@pytest.mark.parametrize("text", ["80", "80/10", "80/10/20", "a/b/c", "110/-10", "50/25/12/13", "80/20/", "33.3/66.7"])
def test_a_split_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="like 80/10/10"):
        Split(text)


def test_a_suffix_is_one_of_pictures_or_none() -> None:
    names = {
        "a.JPG": ".jpg",
        "b.c.webp": ".webp",
        "none": "",
        "run.eval": "",
        "dot.": "",
        ".png": "",
        "a/b.gif": ".gif",
    }
    assert {name: suffix_of(name) for name in names} == names
