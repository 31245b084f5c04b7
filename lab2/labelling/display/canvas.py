"""What is on the window, and which answer its keys give. It runs in the process of the window."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy

from lab2.labelling.display.drawing import write
from lab2.labelling.display.key_guard import KeyGuard
from lab2.labelling.display.keys import HELP, SILENT, FocusCame, KeyPress, answer_of_key, character_of
from lab2.labelling.display.layout import TEXT, layout
from lab2.labelling.display.screen import BRIGHTER, GAMMAS
from lab2.labelling.display.window import PATIENCE_S
from lab2.labelling.display.x11 import X11Display
from lab2.labelling.pictures.picture import Picture
from lab2.system.worker_process import Channel

TITLE = "Hot dog or not"
GROUND = 32  # the grey behind picture and text
LONGEST_REPEAT_DELAY_S = 0.7  # until a key that is held starts to repeat
DEFAULT_WORK_AREA = 0, 0, 1280, 800  # x, y, width, height in pixels, if there is no X server to ask
PAINT_TIMEOUT_S = 0.7  # for a window to be painted
MAX_OPENINGS = 5  # of the window, until it is painted
KEY_POLL_MS = 10  # between two checks of keys and orders
TOO_SOON = "Too soon to count."
MODIFIED = "Not with Ctrl or Alt."


class Canvas:
    """One picture at a time, with its position in the round, the status of the labels and which keys there are."""

    def __init__(self, channel: Channel, x11: X11Display | None) -> None:
        self.channel = channel
        self.x11 = x11
        self.layout = layout(*x11.work_area() if x11 else DEFAULT_WORK_AREA)
        self.picture: Picture | None = None  # None: nothing to answer
        self.brightness = 0  # index in GAMMAS
        self.position = ""  # of the picture in its round
        self.status = ""  # of the labels
        self.refusal = ""  # why the last key was no answer
        self.is_open = False
        self.is_attached = False  # the X server reports the window's keys
        self.appeared_s = 0.0  # when the picture appeared
        self.guard = KeyGuard()
        self.last_key = -1  # of those that OpenCV reports
        self.last_key_s = 0.0

    def run(self) -> None:
        while True:
            if self.picture:
                self._wait_for_key()
            elif self.is_open:
                cv2.pollKey()  # keeps the window alive; there is nothing to answer
            if self.channel.ready(0 if self.picture else 0.02):
                self._obey(*self.channel.receive())

    def _obey(self, order: dict[str, Any], pixels: bytes) -> None:
        if "hide" in order:
            cv2.destroyAllWindows()
            cv2.pollKey()
            self.is_open = self.is_attached = False
            self.picture = None
            return
        self.status = order["status"]
        if "position" in order:
            self.position = order["position"]
            self.refusal = ""
            self.picture = Picture(order["width"], order["height"], pixels)
            self.brightness = 0
            self._show()
            self.channel.send({"shown": True})
        else:
            self._draw()

    def _show(self) -> None:
        opened = not self.is_open
        if opened:
            for _ in range(MAX_OPENINGS):
                self._open()
                if self._painted():
                    break
            # Again, now that there is a title bar, which may have been left out and be off the screen.
            cv2.moveWindow(TITLE, self.layout.x, self.layout.y)
        self._draw()
        while cv2.pollKey() != -1:  # painted now
            pass
        if self.x11:
            self.x11.sync()
        self.appeared_s = time.monotonic()
        for event in self._events(-1):  # keys so far are not for this picture
            if isinstance(event, FocusCame):
                self.guard.focus_came(self.appeared_s)
            else:
                self.guard.is_too_soon(self.appeared_s)
        self.guard.picture_appeared(self.appeared_s)
        if opened:
            self.guard.focus_came(self.appeared_s)

    def _open(self) -> None:
        cv2.destroyAllWindows()
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, self.layout.width, self.layout.height)
        self.is_open = True
        self._draw()
        deadline = time.monotonic() + PATIENCE_S / 2
        while not self._visible() and time.monotonic() < deadline:
            cv2.waitKeyEx(KEY_POLL_MS)
        cv2.moveWindow(TITLE, self.layout.x, self.layout.y)
        self.is_attached = self.x11 is not None and self.x11.attach()

    def _painted(self) -> bool:
        """Return whether the drawing is on the screen, as far as the X server knows.

        On a busy machine one window in fifty was never painted and got no keys (OpenCV 5.0 with its Qt, 2026-11).
        """
        colour = None
        deadline = time.monotonic() + PAINT_TIMEOUT_S
        while self.x11 and self.is_attached and time.monotonic() < deadline:
            colour = self.x11.pixel(4, self.layout.height - 4)
            if colour == (GROUND, GROUND, GROUND):
                return True
            cv2.waitKeyEx(KEY_POLL_MS)
        return colour is None

    def _draw(self) -> None:
        if self.picture is None:
            return
        width, height, bar, scaled = self.layout.width, self.layout.height, self.layout.bar, self.layout.scaled
        canvas = numpy.full((height, width, 3), GROUND, numpy.uint8)
        high, wide = self.picture.height, self.picture.width
        top, left = (height - bar - high) // 2, (width - wide) // 2
        shown = self.picture.brightened(GAMMAS[self.brightness]) if self.brightness else self.picture
        pixels = numpy.frombuffer(shown.pixels, numpy.uint8).reshape(high, wide, 3)
        canvas[top : top + high, left : left + wide] = pixels
        first, second = height - bar + scaled(30), height - scaled(18)
        end = write(canvas, self.position, scaled(16), first, (255, 255, 255), scaled(TEXT))
        write(canvas, self.status, max(width // 2, end + scaled(TEXT)), first, (190, 190, 190), scaled(TEXT))
        colour = (80, 190, 255) if self.refusal else (190, 190, 190)
        write(canvas, f"{self.refusal}   {HELP}".lstrip(), scaled(16), second, colour, scaled(TEXT))
        cv2.imshow(TITLE, canvas)

    def _wait_for_key(self) -> None:
        key = cv2.waitKeyEx(KEY_POLL_MS)
        if not self._visible():
            self.is_open = False
            cv2.destroyAllWindows()
            self._answer("q")
            return
        for event in self._events(key):
            if isinstance(event, FocusCame):
                self.guard.focus_came(time.monotonic())
            elif event.keysym not in SILENT:
                self._press(event)
            if self.picture is None:
                break

    def _events(self, key: int) -> list[KeyPress | FocusCame]:
        """Return the events of the window; OpenCV's `key` counts only if the X server does not report keys.

        OpenCV does not say whether a key repeats: the same key within a keyboard's longest delay does.
        """
        if self.x11 and self.is_attached:
            return list(self.x11.events())
        if key == -1:
            return []
        now = time.monotonic()
        is_repeat = key == self.last_key and now - self.last_key_s < LONGEST_REPEAT_DELAY_S
        self.last_key = key
        self.last_key_s = now
        return [KeyPress(key, is_repeat=is_repeat)]

    def _press(self, press: KeyPress) -> None:
        """Take a key as the answer, or show on the window why it is none."""
        now = time.monotonic()
        if self.guard.is_too_soon(now):
            self._refuse(TOO_SOON)
        elif not self.guard.counts(press, now):
            return
        elif press.is_modified:
            self._refuse(MODIFIED)
        elif (answer := answer_of_key(press.keysym, press.keycode)) == BRIGHTER:
            self.brightness = (self.brightness + 1) % len(GAMMAS)
            self._draw()
        elif answer:
            self._answer(answer)
        else:
            self._refuse(f"{self._name(press.keysym)} is not an answer.")

    def _refuse(self, reason: str) -> None:
        if self.refusal != reason:
            self.refusal = reason
            self._draw()

    def _name(self, key: int) -> str:
        character = character_of(key)
        return f"'{character}'" if character.isascii() and character.strip() else "That key"

    def _answer(self, answer: str) -> None:
        self.picture = None
        self.channel.send({"answer": answer, "seconds": time.monotonic() - self.appeared_s})

    def _visible(self) -> bool:
        """Return whether the window is open: of a closed one, OpenCV raises an error or returns less than 1."""
        try:
            return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False
