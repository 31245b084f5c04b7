"""Where pictures are shown and answered: in a window, or else in the terminal, which may be a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lab2.labelling.pictures.picture import Picture

REFLEX_S = 0.15  # nobody sees a picture and answers it faster
BRIGHTER = "b"  # what a key gives that is no answer: the picture is shown with the next of GAMMAS
GAMMAS = 1.0, 2.0, 4.0


class Screen(Protocol):
    @property
    def box(self) -> tuple[int, int]:
        """Return width and height in pixels that pictures should fit into."""

    def ask(self, picture: Picture, name: str, place: str, status: Callable[[], str]) -> tuple[str, float]:
        """Show the picture; return the answer (a choice's value, u, s or q) and the seconds that it took."""

    def hide(self) -> None:
        """Make room for the menu."""
