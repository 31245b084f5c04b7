"""The window that shows a picture and takes a key as the answer, as the program sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lab2.errors import UserError
from lab2.labelling.pictures.picture import Picture
from lab2.system.worker_process import ProcessDied, WorkerProcess

PATIENCE_S = 20.0  # for the window to open


class Window:
    """The window, in a process of its own. ProcessDied if it can't be opened, or has died."""

    def __init__(self) -> None:
        self._process = WorkerProcess("lab2.labelling.display.window_process")
        self._box = 0, 0  # pixels; none: not ready yet
        self.is_headless = False  # OpenCV is known to have no windows

    @property
    def box(self) -> tuple[int, int]:
        self.wait_until_ready()
        return self._box

    def wait_until_ready(self) -> None:
        """Return when a window can be opened; ProcessDied if there is no display, UserError if no OpenCV."""
        if not any(self._box):
            if not self._process.ready(PATIENCE_S):
                raise ProcessDied
            reply, _ = self._process.receive()
            if "problem" in reply:
                raise UserError(reply["problem"])
            if "headless" in reply:
                self.is_headless = True
                raise ProcessDied
            width, height = reply["box"]
            self._box = width, height

    def ask(self, picture: Picture, name: str, position: str, status: Callable[[], str]) -> tuple[str, float]:
        """Show the picture, but not its name, which may give the answer away; return the answer and its seconds."""
        shown = status()
        self._process.ask(
            {"width": picture.width, "height": picture.height, "position": position, "status": shown},
            picture.pixels,
            PATIENCE_S,
        )
        while not self._process.ready(0.05):
            if (now := status()) != shown:
                shown = now
                self._process.send({"status": shown})
        reply, _ = self._process.receive()
        return reply["answer"], reply["seconds"]

    def hide(self) -> None:
        """Close the window until the next picture."""
        with suppress(ProcessDied):
            self._process.send({"hide": True})

    def close(self) -> None:
        self._process.close()
