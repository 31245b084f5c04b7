"""A key has one meaning or none."""

from __future__ import annotations

import pytest

from lab2.labelling.display.keys import answer_of_key

ONE, TWO, ZERO, Q, U = 10, 11, 19, 24, 30  # X keycodes


@pytest.mark.parametrize(
    ("keysym", "keycode", "answer"),
    [
        (ord("1"), None, "1"), (0xFFB0, None, "0"), (0xFF9C, 79, "1"), (ord("Q"), None, "q"), (0xFF1B, None, "q"),
        (ord("a"), Q, ""),  # French: a letter is what it is
        (ord("&"), ONE, "1"), (0xE0, ZERO, "0"), (0xE9, ZERO, "0"), (0xE9, TWO, ""),  # é: Czech 0, French 2
        (0xE0, None, "0"), (0xE9, None, ""),  # without a keycode it is neither
        (0x6C7, U, "u"), (0x1000435, U, "u"), (0x6C7, None, ""),
        (0x1000661, None, "1"), (0x1000966, None, "0"), (0x1000662, ONE, ""),  # digits of other scripts
        (ord("x"), 53, ""), (0xFFBE, 67, ""),
    ],
)  # fmt: skip
def test_a_key_has_one_meaning_or_none(keysym: int, keycode: int | None, answer: str) -> None:
    assert answer_of_key(keysym, keycode) == answer
