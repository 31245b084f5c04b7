"""The choices for a label. To add one, add it to CHOICES.

Keys, screens, label file, report, contact sheet, export and Label Studio iterate over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[int, int, int]  # blue, green, red


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice. `value` is its digit, in the label file and on the keyboard.

    `title` is for people, `folder` the class in exports and reports, `colour` for captions. `keys` are the other
    characters that the key of the digit types on some keyboards; `words` are what people and spreadsheets write for the
    choice, in lower case and without spaces, hyphens and underscores.
    """

    value: str
    title: str
    folder: str
    colour: Colour
    keys: str = ""
    words: str = ""


# Without Shift, the digit row types & and à on French keyboards, + on Czech and Slovak ones; their 0 is é, the French
# 2. The words include what spreadsheets in other languages make of TRUE and FALSE.
CHOICES = (
    Choice(
        value="1",
        title="hot dog",
        folder="hot_dog",
        colour=(30, 90, 160),
        keys="&+",
        words="true yes y ishotdog wahr ja vrai oui verdadero verdadeiro vero waar sant prawda истина",
    ),
    Choice(
        value="0",
        title="not",
        folder="not_hot_dog",
        colour=(60, 60, 60),
        keys="à",
        words="false no n notahotdog isnothotdog nohotdog falsch nein faux non falso onwaar falskt fałsz ложь",
    ),
)
BY_VALUE = {choice.value: choice for choice in CHOICES}
WITHDRAWN = "withdrawn"  # instead of a value: the annotator has taken the label back and given no other

_NUMBER = re.compile(r"0*(\d)([.,]0*)?", re.ASCII)  # 1.0 is how pandas writes a column with gaps
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def _plain(text: str) -> str:
    return _BETWEEN_WORDS.sub("", text).casefold()


_VALUE_OF_WORD = {WITHDRAWN: WITHDRAWN} | {
    _plain(word): choice.value for choice in CHOICES for word in (choice.title, choice.folder, *choice.words.split())
}


def value_meant(cell: str) -> str | None:
    """Return the value that a cell means, or WITHDRAWN; None for anything else."""
    if cell in BY_VALUE:
        return cell
    number = _NUMBER.fullmatch(cell.strip())
    if number and number[1] in BY_VALUE:
        return number[1]
    return _VALUE_OF_WORD.get(_plain(cell))


def majority(counts: Mapping[str, int]) -> str | None:
    """Return the value that was given more often than any other; None for a tie, or if none was given."""
    most = max(counts.values(), default=0)
    leading = [value for value, count in counts.items() if count == most]
    return leading[0] if most and len(leading) == 1 else None
