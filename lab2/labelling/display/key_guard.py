"""Which key presses count: those meant for the picture on the screen, by somebody who looks at it."""

from __future__ import annotations

from lab2.labelling.display.keys import KeyPress
from lab2.labelling.display.screen import REFLEX_S

QUIET_S = 0.5  # without a key after the focus came: longer than between two keys of somebody who types


class KeyGuard:
    """Judges key presses by their time, in monotonic seconds.

    A repetition of a key that is held does not count. A key within REFLEX_S of a picture was not meant for it. Keys
    that come with the focus were typed for another window, until there is a pause.
    """

    def __init__(self) -> None:
        self._appeared_s = 0.0  # when the picture appeared
        self._quiet_since_s = 0.0  # when the focus came, or the last key that came too soon
        self._is_quiet = False  # there was a pause after the focus came

    def picture_appeared(self, now_s: float) -> None:
        self._appeared_s = now_s

    def focus_came(self, now_s: float) -> None:
        self._quiet_since_s = now_s
        self._is_quiet = False

    def is_too_soon(self, now_s: float) -> bool:
        """Record a key; return whether there was no pause yet since the focus came."""
        if not self._is_quiet:
            self._is_quiet = now_s - self._quiet_since_s >= QUIET_S
            self._quiet_since_s = now_s
        return not self._is_quiet

    def counts(self, press: KeyPress, now_s: float) -> bool:
        """Return whether a press, if not too soon after the focus came, is meant for this picture."""
        return not press.is_repeat and now_s - self._appeared_s >= REFLEX_S
