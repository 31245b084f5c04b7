"""Where pictures are shown and answered: in a window, or else in the terminal, which may be a pipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lab2.labelling.pictures.picture import Picture

REFLEX_S = 0.15  # nobody sees a picture and answers it faster


class Screen(Protocol):
    @property
    def box(self) -> tuple[int, int]:
        """Return width and height in pixels that pictures should fit into."""

    def ask(self, picture: Picture, name: str, place: str, status: Callable[[], str]) -> tuple[str, float]:
        """Show the picture; return the answer (a choice's value, u, s or q) and the seconds that it took."""

    def hide(self) -> None:
        """Make room for the menu."""
