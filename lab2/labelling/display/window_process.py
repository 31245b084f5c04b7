"""The window itself, in a process of its own: what is on it, and which key presses count.

The key is one that was pressed for this very picture: not before it was on the screen, not within `REFLEX`
seconds of that, and not held down since earlier.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lab2.labelling.display.decoder import NO_OPENCV
from lab2.labelling.display.drawing import BAR, GROUND, HEIGHT, WIDTH, write
from lab2.labelling.display.process import Channel, ProcessDied, parent, quiet_opencv
from lab2.labelling.display.screen import REFLEX
from lab2.labelling.display.window import PATIENCE
from lab2.labelling.display.x11 import X11Keyboard

if TYPE_CHECKING:
    import numpy

TITLE = "Hot dog or not"
LONGEST_REPEAT_DELAY = 0.7  # seconds after which a key that is held starts to repeat, at most
PAINTING, OPENINGS = 0.7, 5  # seconds for it to be painted, and how often it is opened until it is
KEYS = "1 hot dog   0 not   u back   s skip   q end"
KEY_ANSWERS = {
    ord("1"): "1", 0xFFB1: "1", 0xFF9C: "1", ord("&"): "1",  # numeric pad with and without Num Lock; AZERTY
    ord("0"): "0", 0xFFB0: "0", 0xFF9E: "0", 0xE0: "0",
    ord("u"): "u", ord("U"): "u", 0xFF08: "u", 8: "u",
    ord("s"): "s", ord("S"): "s",
    ord("q"): "q", ord("Q"): "q", 0xFF1B: "q", 27: "q",
}  # fmt: skip
SILENT = {*range(0xFFE1, 0xFFEF), 0xFF7F, 0xFE03}  # Shift, Control, Num Lock and the like are no answers


class Canvas:
    """The window itself: what is on it, and which key presses count."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.picture: numpy.ndarray[Any, Any] | None = None  # None: nothing to answer
        self.place = self.status = self.refusal = ""
        self.open = False
        self.appeared = self.last_event = 0.0
        self.last_key = -1
        try:
            self.keyboard: X11Keyboard | None = X11Keyboard()
        except OSError:
            self.keyboard = None
        self.held = 0  # keys that have been down since before the last event

    def run(self) -> None:
        import cv2

        while True:
            if self.picture is None:
                if not self.channel.ready(0.02):
                    if self.open:
                        cv2.pollKey()  # keeps the window alive; the key answers nothing
                    continue
            else:
                self._wait_for_key()
                if not self.channel.ready():
                    continue
            self._obey(*self.channel.receive())

    def _obey(self, order: dict[str, Any], pixels: bytes) -> None:
        import cv2
        import numpy

        if "hide" in order:
            cv2.destroyAllWindows()
            cv2.pollKey()
            self.open, self.picture = False, None
            return
        self.status = order["status"]
        if "place" in order:
            self.place, self.refusal = order["place"], ""
            shape = order["height"], order["width"], 3
            self.picture = numpy.frombuffer(pixels, numpy.uint8).reshape(shape)
            self._show()
            self.channel.send({"shown": True})
        elif self.picture is not None:
            self._draw()

    def _show(self) -> None:
        import cv2

        for _ in range(0 if self.open else OPENINGS):
            self._open()
            if self._painted():
                break
        self._draw()
        while cv2.pollKey() != -1:  # painted now, and what was typed so far is not for this picture
            pass
        self.appeared = time.monotonic()
        self.held = self._down()

    def _open(self) -> None:
        import cv2

        cv2.destroyAllWindows()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, WIDTH, HEIGHT)
        cv2.moveWindow(TITLE, 60, 40)
        self.open = True
        self._draw()
        deadline = time.monotonic() + PATIENCE / 2
        while not self._visible() and time.monotonic() < deadline:
            cv2.waitKeyEx(10)

    def _painted(self) -> bool:
        """Tell whether what was drawn is on the screen, as far as the X server can say.

        On a busy machine one window in fifty was never painted and got no keys (OpenCV 5.0 with its Qt, 2026-11).
        """
        import cv2

        colour = None
        deadline = time.monotonic() + PAINTING
        while self.keyboard and time.monotonic() < deadline:
            colour = self.keyboard.pixel(4, HEIGHT - 4, WIDTH, HEIGHT)
            if colour == bytes([GROUND] * 3):
                return True
            cv2.waitKeyEx(10)
        return colour is None

    def _draw(self) -> None:
        import cv2
        import numpy

        assert self.picture is not None
        canvas = numpy.full((HEIGHT, WIDTH, 3), GROUND, numpy.uint8)
        height, width = self.picture.shape[:2]
        top, left = (HEIGHT - BAR - height) // 2, (WIDTH - width) // 2
        canvas[top : top + height, left : left + width] = self.picture
        write(canvas, self.place, 16, HEIGHT - BAR + 30, (255, 255, 255))
        write(canvas, self.status, 480, HEIGHT - BAR + 30, (190, 190, 190))
        if self.refusal:
            write(canvas, self.refusal, 16, HEIGHT - 18, (80, 190, 255))
        else:
            write(canvas, KEYS, 16, HEIGHT - 18, (190, 190, 190))
        cv2.imshow(TITLE, canvas)

    def _wait_for_key(self) -> None:
        import cv2

        key = cv2.waitKeyEx(10)
        if not self._visible():
            self.open = False
            cv2.destroyAllWindows()
            self._answer("q")
        elif key == -1:
            self.held &= self._down()
        elif self._counts(key) and key not in SILENT:
            if key in KEY_ANSWERS:
                self._answer(KEY_ANSWERS[key])
            else:
                name = f"'{chr(key)}'" if 32 < key < 127 else "That key"
                self.refusal = f"{name} is not an answer.   {KEYS}"
                self._draw()

    def _counts(self, key: int) -> bool:
        """Tell whether this event is a key that was pressed for the picture on the screen."""
        now, down = time.monotonic(), self._down()
        if self.keyboard:
            repeated = bool(self.held) and not down & ~self.held
        else:
            repeated = key == self.last_key and now - self.last_event < LONGEST_REPEAT_DELAY
        self.held, self.last_key, self.last_event = down, key, now
        return not repeated and now - self.appeared >= REFLEX

    def _answer(self, answer: str) -> None:
        self.picture = None
        self.channel.send({"answer": answer, "seconds": time.monotonic() - self.appeared})

    def _down(self) -> int:
        return self.keyboard.down() if self.keyboard else 0

    def _visible(self) -> bool:
        """Tell whether the window is there: asked about one that was closed, OpenCV raises or says less than 1."""
        import cv2

        try:
            return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False


def main(channel: Channel) -> None:
    quiet_opencv()
    try:
        import cv2  # noqa: F401 - only to know early
    except ImportError as error:
        return channel.send({"problem": NO_OPENCV.format(error)})
    canvas = Canvas(channel)
    if sys.platform == "linux" and canvas.keyboard is None:
        return None  # there is no display, and Qt would abort
    channel.send({"ready": True})
    return canvas.run()


if __name__ == "__main__":
    with suppress(ProcessDied, OSError):
        main(parent())
