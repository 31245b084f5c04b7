"""Errors that a program reports as one sentence instead of a traceback."""

from __future__ import annotations

from lab2.terminal import printable


class UserError(Exception):
    """An error that the user can fix: the message says what happened and what to do."""

    def __str__(self) -> str:
        return "\n".join(map(printable, super().__str__().split("\n")))


class InvalidInput(ValueError):
    """Input that is not valid; the message says why, in plain words."""
