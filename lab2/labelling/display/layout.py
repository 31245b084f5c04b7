"""How large the window is, and the text in it, on screens of any size."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH, HEIGHT, BAR, TEXT = 960, 720, 80, 19  # pixels of the window, the bar of text at its bottom, and a line of text
MOST = 2  # times that, where the screen is large: more pixels take longer to draw


@dataclass(frozen=True)
class Layout:
    """Pixels of the window and its place on the screen; `scale` is how large text is, 1 for a line of TEXT pixels."""

    x: int
    y: int
    width: int
    height: int
    scale: float

    @property
    def bar(self) -> int:
        """Pixels at the bottom that are not the picture's."""
        return self.scaled(BAR)

    def scaled(self, length: int) -> int:
        return round(length * self.scale)


def layout(x: int, y: int, width: int, height: int) -> Layout:
    """Return the layout of a window for this work area of a screen, with room for a title bar.

    It takes three quarters of the area, so that text grows with the pixels of a screen of high density; more where
    that is small, less where it is large.
    """
    wide = min(int(0.98 * width), max(WIDTH, min(MOST * WIDTH, 3 * width // 4)))
    high = min(int(0.92 * height), max(HEIGHT, min(MOST * HEIGHT, 3 * height // 4)))
    scale = max(0.8, min(wide / WIDTH, high / HEIGHT))
    return Layout(x + (width - wide) // 2, y + (height - high) // 4, wide, high, scale)
