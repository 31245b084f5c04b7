"""What a program tells its user in a sentence instead of a traceback."""

from __future__ import annotations

from lab2.terminal import printable


class UserError(Exception):
    """Something the user can put right: the message says what happened and what to do."""

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))


class InvalidInput(ValueError):
    """What was typed or received is not valid; the message says why in plain words."""
