"""A decoded picture, and the error for bytes that are none."""

from __future__ import annotations

from dataclasses import dataclass


class UnreadableImage(Exception):
    """The bytes can't be shown as a picture; the message says why, as a clause: "it is empty"."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of pixels from the top, each three bytes: blue, green, red."""

    width: int
    height: int
    pixels: bytes
