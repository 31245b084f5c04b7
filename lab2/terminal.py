"""What strangers wrote, made safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with every character that a terminal could obey, or can't show, written out as an escape."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
