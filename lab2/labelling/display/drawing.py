"""Text drawn on pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

WIDTH, HEIGHT, BAR = 960, 720, 80  # pixels of the window; the bar of text is at the bottom
GROUND = 32  # the grey behind picture and text


def write(canvas: numpy.ndarray[Any, Any], text: str, x: int, y: int, color: tuple[int, int, int]) -> None:
    """Write a line of text with its left end of the base line at (x, y)."""
    import cv2

    if hasattr(cv2, "FontFace"):  # OpenCV 5
        cv2.putText(canvas, text, (x, y), color, cv2.FontFace("sans"), 19, 400)
    else:
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.55, color, 1, cv2.LINE_AA)
