"""Pictures in the terminal, as half blocks, with answers that are typed."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Callable

from lab2.labelling.display.keys import answer_of_character
from lab2.labelling.display.screen import BRIGHTER, GAMMAS, REFLEX_S
from lab2.labelling.labels.choices import CHOICES
from lab2.labelling.pictures.picture import Picture
from lab2.system.keyboard import ask, drop_typed_ahead
from lab2.terminal import draws_over

HELP = ", ".join(f"{choice.value} {choice.title}" for choice in CHOICES) + ", u back, s skip, b brighter, q end"
STATUS_WIDTH = 50  # of the line below a picture, in characters, at most


class TerminalScreen:
    """Pictures as half blocks, two pixels a character; their names if the terminal has no colours."""

    def __init__(self) -> None:
        self.draws = _draws()

    @property
    def box(self) -> tuple[int, int]:
        columns, lines = shutil.get_terminal_size()
        # Lines of text, which may wrap.
        below = 1 + math.ceil(STATUS_WIDTH / columns) + math.ceil(len(f"{HELP}: 1") / columns)
        return max(1, columns - 1), max(2, 2 * (lines - below))

    def ask(self, picture: Picture, name: str, position: str, status: Callable[[], str]) -> tuple[str, float]:
        if self.draws:
            sys.stdout.write(half_blocks(picture, *self.box))
            name = ""
        print(f"Picture {position}{name and f': {name}'}   ({status()})", flush=True)
        started = time.monotonic()
        brightness = 0
        if sys.stdin.isatty():  # what was typed before the picture appeared is no answer to it
            time.sleep(REFLEX_S)
            drop_typed_ahead()
        while True:
            try:
                typed = ask(f"{HELP}: ").strip().lower()
            except EOFError:
                print()
                typed = "q"
            answer = answer_of_character(typed)
            if answer == BRIGHTER and self.draws:
                brightness = (brightness + 1) % len(GAMMAS)
                sys.stdout.write(half_blocks(picture.brightened(GAMMAS[brightness]), *self.box))
            elif answer and answer != BRIGHTER:
                return answer, time.monotonic() - started
            else:
                print(f"Please type one of these: {HELP}.")

    def hide(self) -> None:
        pass


def half_blocks(picture: Picture, width: int, height: int) -> str:
    """Return the picture as text of at most `width` columns and `height` / 2 lines."""
    scale = min(1.0, width / picture.width, height / picture.height)
    across = [int(x / scale) for x in range(max(1, int(picture.width * scale)))]
    down = [int(y / scale) for y in range(max(1, int(picture.height * scale)))]
    has_few_colours = _few_colours()

    def colour(x: int, y: int) -> str:
        at = 3 * (y * picture.width + x)
        blue, green, red = picture.pixels[at : at + 3]
        return _indexed(red, green, blue) if has_few_colours else f"2;{red};{green};{blue}"

    text = []
    for y in range(0, len(down), 2):
        for x in across:
            text.append(f"\x1b[38;{colour(x, down[y])}")
            if y + 1 < len(down):
                text.append(f";48;{colour(x, down[y + 1])}")
            text.append("m▀")
        text.append("\x1b[0m\n")
    return "".join(text)


def _indexed(red: int, green: int, blue: int) -> str:
    """Return the nearest colour of the 6 x 6 x 6 cube of terminals with 256 colours."""
    red, green, blue = (0 if value < 48 else 1 if value < 115 else (value - 35) // 40 for value in (red, green, blue))
    return f"5;{16 + 36 * red + 6 * green + blue}"


def _draws() -> bool:
    """Return whether standard output is a terminal that shows colours and half blocks."""
    if not draws_over(sys.stdout) or os.environ.get("NO_COLOR"):
        return False
    try:
        "▀".encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _few_colours() -> bool:
    """Return whether the terminal has 256 colours only."""
    screen = os.environ.get("TERM", "").startswith("screen") and "TMUX" not in os.environ
    return screen or os.environ.get("TERM_PROGRAM") == "Apple_Terminal"
