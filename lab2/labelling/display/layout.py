"""How large things are: the window and its text, on screens of any size, and the pictures of a contact sheet."""

from __future__ import annotations

from dataclasses import dataclass

# Pixels of the window, of the bar of text at its bottom, and of a line of text.
WIDTH = 960
HEIGHT = 720
BAR = 80
TEXT = 19
LARGEST_SCALE = 2  # on a large screen: more pixels take longer to draw

SHEET_COLUMNS = 6  # pictures in a row
# Pixels of the longer side of a picture, of the gap around it, and of the line below it.
SHEET_SIDE = 180
SHEET_GAP = 14
SHEET_CAPTION = 34


@dataclass(frozen=True)
class Layout:
    """Position and size of the window in pixels; `scale` is the size of text, 1 for lines of TEXT pixels."""

    x: int
    y: int
    width: int
    height: int
    scale: float

    @property
    def bar(self) -> int:
        """Height of the bar of text below the picture, in pixels."""
        return self.scaled(BAR)

    def scaled(self, length: int) -> int:
        return round(length * self.scale)


def layout(x: int, y: int, width: int, height: int) -> Layout:
    """Return the layout of a window for this work area of a screen, with room for a title bar.

    It takes three quarters of the area, so that text is large enough on dense screens; more of a small area, less of a
    large one.
    """
    wide = min(int(0.98 * width), max(WIDTH, min(LARGEST_SCALE * WIDTH, 3 * width // 4)))
    high = min(int(0.92 * height), max(HEIGHT, min(LARGEST_SCALE * HEIGHT, 3 * height // 4)))
    scale = max(0.8, min(wide / WIDTH, high / HEIGHT))
    return Layout(x + (width - wide) // 2, y + (height - high) // 4, wide, high, scale)
