"""Which key gives which answer: by its character, or by its position on layouts with other letters."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from lab2.labelling.display.screen import BRIGHTER
from lab2.labelling.labels.choices import BY_VALUE, CHOICES

HELP = (
    "   ".join(f"{choice.value} {choice.title}" for choice in CHOICES)
    + "   u or Backspace back   s skip   b brighter   q or Esc end"
)
# Letters of Latin, Russian, Ukrainian, Greek, Hebrew, Arabic and Persian keyboards; a Greek q is ;, a Hebrew one is /.
KEYS = {"u": "u г θ ו ع", "s": "s ы і σ ς ד س", BRIGHTER: "b и β נ لا ﻻ", "q": "q й ض"}  # noqa: RUF001
COMMANDS = {key: answer for answer, keys in KEYS.items() for key in keys.split()}
BY_CHARACTER: dict[str, str] = COMMANDS | {
    key: choice.value for choice in CHOICES for key in (choice.value, *choice.keys)
}
# Digits on the numeric pad, with and without Num Lock, as X keysyms; and X keycodes, the same for all PC keyboards.
PAD_WITHOUT_NUM_LOCK = (0xFF9E, 0xFF9C, 0xFF99, 0xFF9B, 0xFF96, 0xFF9D, 0xFF98, 0xFF95, 0xFF97, 0xFF9A)
DIGIT_ROW = (19, 10, 11, 12, 13, 14, 15, 16, 17, 18)
PAD = (90, 87, 88, 89, 83, 84, 85, 79, 80, 81)
# Backspace and Escape, of Qt and of other toolkits.
BY_KEYSYM: dict[int, str] = {0xFF08: "u", 0x08: "u", 0xFF1B: "q", 0x1B: "q"}
BY_KEYCODE: dict[int, str] = {30: "u", 39: "s", 56: BRIGHTER, 24: "q"}
for _value in BY_VALUE:
    BY_KEYSYM |= dict.fromkeys((0xFFB0 + int(_value), PAD_WITHOUT_NUM_LOCK[int(_value)]), _value)
    BY_KEYCODE |= dict.fromkeys((DIGIT_ROW[int(_value)], PAD[int(_value)]), _value)
SILENT = {*range(0xFFE1, 0xFFEF), 0xFF7F, 0xFE03, 0xFE08, 0xFE0A}  # Shift, Num Lock, the next layout and the like


@dataclass(frozen=True)
class KeyPress:
    """A key that went down, or repeats while it is held; None as `keycode` if there is no X server.

    It is modified if it was pressed with Control, Alt or the like, but not with Shift or a lock.
    """

    keysym: int
    keycode: int | None = None  # its position
    is_modified: bool = False
    is_repeat: bool = False


@dataclass(frozen=True)
class FocusCame:
    """From now on keys go to our window."""


def answer_of_key(keysym: int, keycode: int | None) -> str:
    """Return the answer that a key gives, or BRIGHTER, "" for none; `keycode` (X) is None if not known.

    Latin letters and digits count by their character: a French keyboard has A in the position of q.
    """
    if keysym in BY_KEYSYM:
        return BY_KEYSYM[keysym]
    character = character_of(keysym)
    if character.isascii() and character.isalnum():
        return BY_CHARACTER.get(character.lower(), "")
    if (digit := unicodedata.decimal(character, None) if character else None) is not None:  # Arabic, Devanagari ...
        return BY_CHARACTER.get(str(digit), "")
    return answer_of_character(character) if keycode is None else BY_KEYCODE.get(keycode, "")


def answer_of_character(typed: str) -> str:
    """Return the answer that a typed character gives on any layout; "" for none."""
    return BY_CHARACTER.get(typed.lower(), "")


def character_of(keysym: int) -> str:
    """Return the character of an X keysym whose number tells it; "" for others."""
    if 0x20 <= keysym <= 0x7E or 0xA0 <= keysym <= 0xFF:
        return chr(keysym)
    return chr(keysym - 0x1000000) if 0x1000100 <= keysym <= 0x110FFFF else ""
