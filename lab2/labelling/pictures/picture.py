"""A decoded picture, and the error for bytes that can't be shown as one."""

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

    def brightened(self, gamma: float) -> Picture:
        """Return the picture with its dark parts brighter, by a gamma above 1; black and white don't change."""
        table = bytes(round(255 * (value / 255) ** (1 / gamma)) for value in range(256))
        return Picture(self.width, self.height, self.pixels.translate(table))
