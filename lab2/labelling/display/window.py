"""A window that shows a picture and takes one key for an answer, as the program sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lab2.errors import Problem
from lab2.labelling.display.drawing import BAR, HEIGHT, WIDTH
from lab2.labelling.display.process import Child, Gone
from lab2.labelling.picture import Picture

PATIENCE = 20.0  # seconds for the window to open


class Window:
    """The window as the program sees it. Gone where it can't be opened, or has died."""

    def __init__(self) -> None:
        self._child = Child("lab2.labelling.display.window_process")
        self._ready = False

    @property
    def box(self) -> tuple[int, int]:
        return WIDTH, HEIGHT - BAR

    def wait_until_ready(self) -> None:
        """Return when a window can be opened; Gone where there is no display, Problem where OpenCV is missing."""
        if not self._ready:
            if not self._child.ready(PATIENCE):
                raise Gone
            reply, _ = self._child.receive()
            if "problem" in reply:
                raise Problem(reply["problem"])
            self._ready = True

    def ask(self, picture: Picture, name: str, place: str, status: Callable[[], str]) -> tuple[str, float]:
        """Show the picture, not its name, which may give the answer away; return the answer and its seconds."""
        shown = status()
        self._child.ask(
            {"width": picture.width, "height": picture.height, "place": place, "status": shown},
            picture.pixels,
            PATIENCE,
        )
        while not self._child.ready(0.05):
            if (now := status()) != shown:
                shown = now
                self._child.send({"status": shown})
        reply, _ = self._child.receive()
        return reply["answer"], reply["seconds"]

    def hide(self) -> None:
        """Close the window until the next picture."""
        with suppress(Gone):
            self._child.send({"hide": True})

    def close(self) -> None:
        self._child.close()
