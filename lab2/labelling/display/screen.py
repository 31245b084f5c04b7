"""What shows pictures and takes answers: a window, or else the terminal, which may be a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lab2.labelling.pictures.picture import Picture

REFLEX_S = 0.15  # nobody answers a picture faster
BRIGHTER = "b"  # not an answer: show the picture with the next of GAMMAS
GAMMAS = 1.0, 2.0, 4.0


class Screen(Protocol):
    @property
    def box(self) -> tuple[int, int]:
        """Return width and height in pixels that pictures should fit into."""

    def ask(self, picture: Picture, name: str, position: str, status: Callable[[], str]) -> tuple[str, float]:
        """Show the picture; return the answer (a choice's value, u, s or q) and the seconds that it took.

        `position` is that of the picture in its round, like "1 of 4".
        """

    def hide(self) -> None:
        """Make room for the menu."""
