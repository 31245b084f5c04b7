"""What only the X server knows: key presses with position and modifiers, the focus, the screen, what is painted.

OpenCV reports neither whether a key repeats nor which window has the focus, and the wheel makes it zoom.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from typing import Any

from lab2.labelling.display.keys import FocusCame, KeyPress

Area = tuple[int, int, int, int]  # x, y, width, height in pixels

CONNECTING_S = 4.0  # for a display that accepts a connection to answer
REPEAT_GAP_MS = 3  # a server reports a repeating key as released and pressed at the same time
KEY_PRESS, KEY_RELEASE, FOCUS_IN, KEYMAP_NOTIFY, MAPPING_NOTIFY = 2, 3, 9, 11, 34  # events
EVENTS = 1 << 0 | 1 << 1 | 1 << 14 | 1 << 21  # the masks of KeyPress, KeyRelease, KeymapNotify, FocusIn
MODIFIERS = 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7  # Control, Alt, Super, AltGr; not Shift, Caps Lock, Num Lock
WHEEL_BUTTONS = range(4, 8)
ANY_MODIFIER, GRAB_ASYNC = 1 << 15, 1
ANY_TYPE, Z_PIXMAP = 0, 2
ALL_PLANES = 2**32 - 1
MAX_DEPTH = 3  # of our window below the root: window managers put frames around it


_HEAD = (  # of every event
    ("type", ctypes.c_int),
    ("serial", ctypes.c_ulong),
    ("send_event", ctypes.c_int),
    ("display", ctypes.c_void_p),
    ("window", ctypes.c_ulong),
)


class _KeyEvent(ctypes.Structure):
    _fields_ = (
        *_HEAD,
        ("root", ctypes.c_ulong),
        ("subwindow", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("x_root", ctypes.c_int),
        ("y_root", ctypes.c_int),
        ("state", ctypes.c_uint),
        ("keycode", ctypes.c_uint),
        ("same_screen", ctypes.c_int),
    )


class _KeymapEvent(ctypes.Structure):
    _fields_ = (*_HEAD, ("keys", ctypes.c_ubyte * 32))


class _Event(ctypes.Union):
    _fields_ = (("type", ctypes.c_int), ("key", _KeyEvent), ("keymap", _KeymapEvent), ("size", ctypes.c_long * 24))


class _Monitor(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_ulong),
        ("primary", ctypes.c_int),
        ("automatic", ctypes.c_int),
        ("noutput", ctypes.c_int),
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("mwidth", ctypes.c_int),
        ("mheight", ctypes.c_int),
        ("outputs", ctypes.c_void_p),
    )


class X11Display:
    """The display in DISPLAY, over a connection of its own. OSError if there is none."""

    def __init__(self) -> None:
        self._xlib = ctypes.CDLL("libX11.so.6")
        self._ignore = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
        self._xlib.XSetErrorHandler(self._ignore)  # the default one ends the process
        self._xlib.XOpenDisplay.restype = ctypes.c_void_p
        self._display: ctypes.c_void_p = self._connect()
        self._root = self._call("XDefaultRootWindow", restype=ctypes.c_ulong)
        self._window = 0  # ours; 0: none yet
        self._down: set[int] = set()  # keycodes of keys that are held
        self._released_ms: dict[int, int] = {}  # keycode → when it was released, or seems so, by the server's clock

    def work_area(self) -> Area:
        """Return the area for windows: the primary monitor without panels and docks, as far as that is known."""
        area = self._geometry(self._root)
        for part in (self._monitor(), self._property(self._root, "_NET_WORKAREA")[:4]):
            if len(part) == 4:
                left, top = max(area[0], part[0]), max(area[1], part[1])
                right, bottom = min(area[0] + area[2], part[0] + part[2]), min(area[1] + area[3], part[1] + part[3])
                if right > left and bottom > top:
                    area = left, top, right - left, bottom - top
        return area

    def attach(self) -> bool:
        """From now on get the keys and the focus of this process's window, and keep the wheel from it.

        Return whether the window was found.
        """
        self._window = next((window for window in self._windows() if self._is_ours(window)), 0)
        if not self._window:
            return False
        self._call("XSelectInput", self._window, EVENTS)
        for button in WHEEL_BUTTONS:  # it would make OpenCV's Qt zoom, and cut off the next pictures
            self._call("XGrabButton", button, ANY_MODIFIER, self._window, 0, 0, GRAB_ASYNC, GRAB_ASYNC, 0, 0)
        self.sync()
        return True

    def events(self) -> Iterator[KeyPress | FocusCame]:
        """Yield the key presses in our window since the last call, and when the focus came."""
        event = _Event()
        while self._call("XPending"):
            self._call("XNextEvent", ctypes.byref(event))
            if event.type == MAPPING_NOTIFY:
                self._xlib.XRefreshKeyboardMapping(ctypes.byref(event))
            elif event.type == KEYMAP_NOTIFY:  # comes after the focus, and is empty for untrusted clients
                keys = int.from_bytes(bytes(event.keymap.keys), "little")
                self._down |= {key for key in range(256) if keys >> key & 1}
            elif event.key.window != self._window:
                continue
            elif event.type == FOCUS_IN:
                self._down.clear()
                yield FocusCame()
            elif event.type == KEY_RELEASE:
                self._release(event.key)
            elif event.type == KEY_PRESS:
                yield self._press(event.key)

    def sync(self) -> None:
        """Return when the server has handled all requests, so that `events` has everything until now."""
        self._call("XSync", 0)

    def pixel(self, x: int, y: int) -> tuple[int, int, int] | None:
        """Return blue, green, red at (x, y) of our window; None if that is not known."""
        self._xlib.XGetPixel.restype = ctypes.c_ulong
        image = self._call("XGetImage", self._window, x, y, 1, 1, ALL_PLANES, Z_PIXMAP, restype=ctypes.c_void_p)
        if not image:
            return None
        value = self._xlib.XGetPixel(ctypes.c_void_p(image), 0, 0)
        self._xlib.XDestroyImage(ctypes.c_void_p(image))
        return value & 255, value >> 8 & 255, value >> 16 & 255

    def _connect(self) -> ctypes.c_void_p:
        found: list[int | None] = []
        thread = threading.Thread(target=lambda: found.append(self._xlib.XOpenDisplay(None)), daemon=True)
        thread.start()
        thread.join(CONNECTING_S)
        if not found or not found[0]:
            raise OSError("no display")
        return ctypes.c_void_p(found[0])

    def _release(self, event: _KeyEvent) -> None:
        """Record that a key was released, unless it is pressed again at the same time.

        That is how a server reports a repeating key, and to the second client of a window, as we are beside Qt, every
        press (Xorg 21).
        """
        if event.keycode in self._released_ms:
            self._down.discard(event.keycode)
        self._released_ms[event.keycode] = event.time

    def _press(self, event: _KeyEvent) -> KeyPress:
        keysym = ctypes.c_ulong()
        self._xlib.XLookupString(ctypes.byref(event), None, 0, ctypes.byref(keysym), None)
        key = event.keycode
        if event.time - self._released_ms.pop(key, event.time) > REPEAT_GAP_MS:
            self._down.discard(key)
        is_repeat = key in self._down
        self._down.add(key)
        return KeyPress(keysym.value, key, bool(event.state & MODIFIERS), is_repeat)

    def _monitor(self) -> tuple[int, ...]:
        """Return the primary monitor, or else the first; () if the extension RandR or its library is missing.

        A server without the extension, or one that hides it from untrusted clients, as those of `ssh -X` are, closes
        the connection of a client that uses it.
        """
        numbers = [ctypes.byref(ctypes.c_int()) for _ in range(3)]
        if not self._call("XQueryExtension", b"RANDR", *numbers):
            return ()
        try:
            randr = ctypes.CDLL("libXrandr.so.2")
        except OSError:
            return ()
        randr.XRRGetMonitors.restype = ctypes.POINTER(_Monitor)
        count = ctypes.c_int()
        monitors = randr.XRRGetMonitors(self._display, ctypes.c_ulong(self._root), 1, ctypes.byref(count))
        found = monitors[: max(0, count.value)] if monitors else []
        best = max(found, key=lambda monitor: monitor.primary, default=None)
        area = (best.x, best.y, best.width, best.height) if best else ()
        if monitors:
            randr.XRRFreeMonitors(monitors)
        return area

    def _windows(self) -> Iterator[int]:
        """Yield the windows on the screen, the newest first if a window manager lists them."""
        yield from reversed(self._property(self._root, "_NET_CLIENT_LIST"))
        level = [self._root]
        for _ in range(MAX_DEPTH):
            level = [child for window in level for child in reversed(self._children(window))]
            yield from level

    def _is_ours(self, window: int) -> bool:
        """Return whether this is a window of this process, but not the hidden one of 1 x 1 pixels that Qt has."""
        return self._property(window, "_NET_WM_PID")[:1] == (os.getpid(),) and self._geometry(window)[2] > 1

    def _geometry(self, window: int) -> Area:
        root, x, y = ctypes.c_ulong(), ctypes.c_int(), ctypes.c_int()
        numbers = [ctypes.c_uint() for _ in range(4)]
        filled = [ctypes.byref(each) for each in (root, x, y, *numbers)]
        self._call("XGetGeometry", window, *filled)
        return x.value, y.value, numbers[0].value, numbers[1].value

    def _children(self, window: int) -> tuple[int, ...]:
        root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        children = ctypes.POINTER(ctypes.c_ulong)()
        filled = [ctypes.byref(each) for each in (root, parent, children, count)]
        self._call("XQueryTree", window, *filled)
        return self._taken(children, count.value)

    def _property(self, window: int, name: str) -> tuple[int, ...]:
        """Return the numbers of a window's property, () if it has none."""
        atom = self._call("XInternAtom", name.encode(), 1, restype=ctypes.c_ulong)
        if not atom:
            return ()
        kind, count, after = (ctypes.c_ulong() for _ in range(3))
        bits = ctypes.c_int()
        numbers = ctypes.POINTER(ctypes.c_ulong)()
        filled = [ctypes.byref(each) for each in (kind, bits, count, after, numbers)]
        self._call("XGetWindowProperty", window, atom, 0, 4096, 0, ANY_TYPE, *filled)
        return self._taken(numbers, count.value if bits.value == 32 else 0)

    def _taken(self, numbers: Any, count: int) -> tuple[int, ...]:
        """Return numbers that Xlib has allocated, and free them."""
        if not numbers:
            return ()
        taken = tuple(numbers[:count])
        self._xlib.XFree(numbers)
        return taken

    def _call(self, name: str, *arguments: object, restype: object = ctypes.c_int) -> int:
        """Return what a function of Xlib returns for this display.

        Numbers are passed as C's longs, of which a function that takes an int reads the lower half.
        """
        function = getattr(self._xlib, name)
        function.restype = restype
        passed = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
        return int(function(self._display, *passed) or 0)
