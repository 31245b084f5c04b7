"""The window itself, in a process of its own: what is on it, and which key presses count.

The key is one that was pressed for this very picture: not before it was on the screen, not within `REFLEX`
seconds of that, and not held down since earlier.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from lab2.labelling.display.drawing import write
from lab2.labelling.display.keys import HELP, SILENT, answer_of_key, character_of
from lab2.labelling.display.layout import TEXT, layout
from lab2.labelling.display.screen import REFLEX
from lab2.labelling.display.window import PATIENCE
from lab2.labelling.display.x11 import X11Display
from lab2.labelling.pictures.decoding.decoder import NO_OPENCV
from lab2.system.worker_process import Channel, quiet_opencv

if TYPE_CHECKING:
    import numpy

TITLE = "Hot dog or not"
GROUND = 32  # the grey behind picture and text
LONGEST_REPEAT_DELAY = 0.7  # seconds after which a key that is held starts to repeat, at most
ELSEWHERE = 0, 0, 1280, 800  # pixels of a screen that can't be asked for them
PAINTING, OPENINGS = 0.7, 5  # seconds for it to be painted, and how often it is opened until it is


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
            self.x11: X11Display | None = X11Display()
        except OSError:
            self.x11 = None
        self.layout = layout(*self.x11.work_area() if self.x11 else ELSEWHERE)
        self.silent = sum(1 << place for place in self.x11.keycodes(SILENT)) if self.x11 else 0
        self.held = 0  # keys that have been down since before the picture appeared, or came too soon after it

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

        if not self.open:
            for _ in range(OPENINGS):
                self._open()
                if self._painted():
                    break
            # again, now that there is a title bar: before, its height may not be counted, and it may be off the screen
            cv2.moveWindow(TITLE, self.layout.x, self.layout.y)
        self._draw()
        while cv2.pollKey() != -1:  # painted now, and what was typed so far is not for this picture
            pass
        self.appeared = time.monotonic()
        self.held = self._down()

    def _open(self) -> None:
        import cv2

        cv2.destroyAllWindows()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, self.layout.width, self.layout.height)
        self.open = True
        self._draw()
        deadline = time.monotonic() + PATIENCE / 2
        while not self._visible() and time.monotonic() < deadline:
            cv2.waitKeyEx(10)
        cv2.moveWindow(TITLE, self.layout.x, self.layout.y)

    def _painted(self) -> bool:
        """Tell whether what was drawn is on the screen, as far as the X server can say.

        On a busy machine one window in fifty was never painted and got no keys (OpenCV 5.0 with its Qt, 2026-11).
        """
        import cv2

        colour = None
        deadline = time.monotonic() + PAINTING
        while self.x11 and time.monotonic() < deadline:
            colour = self.x11.pixel(4, self.layout.height - 4, self.layout.width, self.layout.height)
            if colour == bytes([GROUND] * 3):
                return True
            cv2.waitKeyEx(10)
        return colour is None

    def _draw(self) -> None:
        import cv2
        import numpy

        assert self.picture is not None
        width, height, bar, scaled = self.layout.width, self.layout.height, self.layout.bar, self.layout.scaled
        canvas = numpy.full((height, width, 3), GROUND, numpy.uint8)
        high, wide = self.picture.shape[:2]
        top, left = (height - bar - high) // 2, (width - wide) // 2
        canvas[top : top + high, left : left + wide] = self.picture
        first, second = height - bar + scaled(30), height - scaled(18)
        end = write(canvas, self.place, scaled(16), first, (255, 255, 255), scaled(TEXT))
        write(canvas, self.status, max(width // 2, end + scaled(TEXT)), first, (190, 190, 190), scaled(TEXT))
        colour = (80, 190, 255) if self.refusal else (190, 190, 190)
        write(canvas, self.refusal or HELP, scaled(16), second, colour, scaled(TEXT))
        cv2.imshow(TITLE, canvas)

    def _wait_for_key(self) -> None:
        import cv2

        key = cv2.waitKeyEx(10)
        if key < -1:
            key &= 0xFF  # Qt's name for a letter of Latin-1 as a signed byte: of é that of É
        if not self._visible():
            self.open = False
            cv2.destroyAllWindows()
            self._answer("q")
        elif key == -1 or key in SILENT:
            self.held &= self._down()
        else:
            down = self._down()
            pressed = down & ~self.held
            if self._counts(key, pressed, down):
                if answer := answer_of_key(key, self._places(key, pressed)):
                    self._answer(answer)
                else:
                    self.refusal = f"{self._name(key)} is not an answer.   {HELP}"
                    self._draw()

    def _counts(self, key: int, pressed: int, down: int) -> bool:
        """Tell whether this event is a key that was pressed for the picture on the screen.

        Of the keys that are `down` now, those not held were `pressed`; one may be that of an event still to come.
        """
        now = time.monotonic()
        is_early = now - self.appeared < REFLEX
        if self.x11:
            repeated = bool(self.held) and not pressed
        else:
            repeated = key == self.last_key and now - self.last_event < LONGEST_REPEAT_DELAY
        self.held = down if is_early else self.held & down
        self.last_key, self.last_event = key, now
        return not (repeated or is_early)

    def _places(self, key: int, pressed: int) -> set[int] | None:
        """Return the keycodes that may have typed the key: those that were just pressed, if that can be."""
        if not self.x11:
            return None
        keysyms = {key, *(ord(small) for small in character_of(key).lower() if small < "\u0100")}  # é may come as É
        places = self.x11.keycodes(keysyms)
        return {place for place in places if pressed >> place & 1} or places

    def _name(self, key: int) -> str:
        character = character_of(key)
        return f"'{character}'" if character.isascii() and character.strip() else "That key"

    def _answer(self, answer: str) -> None:
        self.picture = None
        self.channel.send({"answer": answer, "seconds": time.monotonic() - self.appeared})

    def _down(self) -> int:
        """Return the keys that are down, but for Shift and its like, a bit for each keycode."""
        return self.x11.down() & ~self.silent if self.x11 else 0

    def _visible(self) -> bool:
        """Tell whether the window is there: asked about one that was closed, OpenCV raises or says less than 1."""
        import cv2

        try:
            return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False


def main(channel: Channel) -> None:
    quiet_opencv()
    if sys.platform == "linux":
        os.environ["QT_QPA_PLATFORM"] = "xcb"  # OpenCV's Qt has no other, and aborts where one is asked for
    os.environ |= {"QT_ENABLE_HIGHDPI_SCALING": "0", "QT_AUTO_SCREEN_SCALE_FACTOR": "0", "QT_SCALE_FACTOR": "1"}
    os.environ.pop("QT_SCREEN_SCALE_FACTORS", None)  # pixels are those of the screen: text is drawn here, and sharp
    try:
        import cv2
    except ImportError as error:
        return channel.send({"problem": NO_OPENCV.format(error)})
    if not cv2.currentUIFramework():
        return None  # opencv-python-headless, which has no windows
    canvas = Canvas(channel)
    if sys.platform == "linux" and canvas.x11 is None:
        return None  # there is no display, and Qt would abort
    channel.send({"ready": True, "box": [canvas.layout.width, canvas.layout.height - canvas.layout.bar]})
    return canvas.run()
