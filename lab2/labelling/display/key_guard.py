"""Which key presses count: those made for the very picture that is on the screen, by somebody who looks at it."""

from __future__ import annotations

from lab2.labelling.display.keys import KeyPress
from lab2.labelling.display.screen import REFLEX_S

QUIET_S = 0.5  # without a key, after the focus came: longer than between two keys of somebody who types


class KeyGuard:
    """Judges presses by their time, in monotonic seconds.

    One that repeats while the key is held is none. What comes within REFLEX_S of a picture was not meant for it. And
    what comes as the focus does was typed for another window, until its typist has paused.
    """

    def __init__(self) -> None:
        self._appeared_s = 0.0  # when the picture did
        self._quiet_since_s = 0.0  # when the focus came, or the last key that did not count for it
        self._is_quiet = False  # whether the pause has been since the focus came

    def picture_appeared(self, now_s: float) -> None:
        self._appeared_s = now_s

    def focus_came(self, now_s: float) -> None:
        self._quiet_since_s = now_s
        self._is_quiet = False

    def is_too_soon(self, now_s: float) -> bool:
        """Note that a key comes now; return whether the pause after the focus came has still to be."""
        if not self._is_quiet:
            self._is_quiet = now_s - self._quiet_since_s >= QUIET_S
            self._quiet_since_s = now_s
        return not self._is_quiet

    def counts(self, press: KeyPress, now_s: float) -> bool:
        """Return whether a press that is not too soon after the focus came is one for this picture."""
        return not press.is_repeat and now_s - self._appeared_s >= REFLEX_S
