"""What only the X server knows: which keys are down and where they are, how large the screen is, what is painted.

Events alone can't tell a key that is held from one that is pressed again.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Collection

Area = tuple[int, int, int, int]  # x, y, width, height in pixels

CARDINAL = 6  # a predefined atom: the type of a number
FIRST_KEYCODE, KEYCODES = 8, 248
NO_SYMBOL = 0


class X11Display:
    """The display that DISPLAY names. OSError where there is none."""

    def __init__(self) -> None:
        self._xcb = ctypes.CDLL("libxcb.so.1")
        self._free = ctypes.CDLL(None).free
        self._free.argtypes = [ctypes.c_void_p]
        self._xcb.xcb_connect.restype = ctypes.c_void_p
        self._xcb.xcb_get_setup.restype = ctypes.POINTER(ctypes.c_ubyte)
        for name in ("query_keymap", "get_input_focus", "get_geometry", "get_image", "intern_atom", "get_property",
                     "get_keyboard_mapping"):  # fmt: skip
            self._declare(name)
        self._connection = ctypes.c_void_p(self._xcb.xcb_connect(None, None))
        if self._xcb.xcb_connection_has_error(self._connection):
            raise OSError("no display")

    def down(self) -> int:
        """Return the keys that are down, a bit for each keycode; OSError where the display is gone."""
        keys = self._ask("query_keymap")
        if not keys:
            raise OSError("the display is gone")
        return int.from_bytes(keys[8:40], "little")

    def keycodes(self, keysyms: Collection[int]) -> set[int]:
        """Return the keycodes that type one of these keysyms in the layouts of now, with any modifiers."""
        reply = self._ask("get_keyboard_mapping", ctypes.c_uint8(FIRST_KEYCODE), ctypes.c_uint8(KEYCODES))
        each = reply[1] if reply else 0
        symbols = struct.unpack_from(f"={each * KEYCODES}I", reply, 32) if each else ()
        wanted = {*keysyms} - {NO_SYMBOL}
        return {FIRST_KEYCODE + place // each for place, symbol in enumerate(symbols) if symbol in wanted}

    def work_area(self) -> Area:
        """Return where windows should be: on the primary monitor, without panels and docks, as far as is known."""
        setup = self._xcb.xcb_get_setup(self._connection)
        head = bytes(setup[:40])
        screen = 40 + (int.from_bytes(head[24:26], "little") + 3) // 4 * 4 + 8 * head[29]  # after vendor and formats
        root, *_, width, height = struct.unpack("=5I2H", bytes(setup[screen : screen + 24]))
        area = 0, 0, width, height
        for part in (self._monitor(root), self._property(root, b"_NET_WORKAREA")):
            left, top = max(area[0], part[0]), max(area[1], part[1])
            right, bottom = min(area[0] + area[2], part[0] + part[2]), min(area[1] + area[3], part[1] + part[3])
            if right > left and bottom > top:
                area = left, top, right - left, bottom - top
        return area

    def _property(self, window: int, name: bytes) -> Area:
        """Return the first four numbers of a window's property; zeros where it has none."""
        atom = self._ask("intern_atom", ctypes.c_uint8(1), ctypes.c_uint16(len(name)), ctypes.c_char_p(name))
        numbers = (*map(ctypes.c_uint32, (window, int.from_bytes(atom[8:12], "little"), CARDINAL, 0, 4)),)
        found = self._ask("get_property", ctypes.c_uint8(0), *numbers) if atom else b""
        return struct.unpack_from("=4I", found, 32) if len(found) >= 48 else (0, 0, 0, 0)

    def _monitor(self, root: int) -> Area:
        """Return the primary monitor, or else the first; zeros where the extension RandR or its library is missing."""
        try:
            randr = ctypes.CDLL("libxcb-randr.so.0")
        except OSError:
            return 0, 0, 0, 0
        for name in ("xcb_randr_get_monitors", "xcb_randr_get_monitors_reply"):
            setattr(self._xcb, name, getattr(randr, name))
        self._declare("randr_get_monitors")
        reply = self._ask("randr_get_monitors", ctypes.c_uint32(root), ctypes.c_uint8(1))
        count, at = int.from_bytes(reply[12:16], "little"), 32
        monitors = []
        for _ in range(count):
            _, primary, _, outputs, *place = struct.unpack_from("=IBBH2h2H", reply, at)
            monitors.append((not primary, *place))
            at += 24 + 4 * outputs
        return min(monitors, default=(True, 0, 0, 0, 0), key=lambda monitor: monitor[0])[1:]

    def pixel(self, x: int, y: int, width: int, height: int) -> bytes | None:
        """Return blue, green, red at (x, y) of the window with the focus; None where it is not of this size."""
        window = ctypes.c_uint32(int.from_bytes(self._ask("get_input_focus")[8:12], "little"))
        geometry = self._ask("get_geometry", window)
        size = int.from_bytes(geometry[16:18], "little"), int.from_bytes(geometry[18:20], "little")
        if size != (width, height):
            return None
        place = *map(ctypes.c_int16, (x, y)), ctypes.c_uint16(1), ctypes.c_uint16(1), ctypes.c_uint32(0xFFFFFFFF)
        return self._ask("get_image", ctypes.c_uint8(2), window, *place)[32:35] or None

    def _declare(self, request: str) -> None:
        getattr(self._xcb, f"xcb_{request}").restype = ctypes.c_uint
        getattr(self._xcb, f"xcb_{request}_reply").restype = ctypes.POINTER(ctypes.c_ubyte)

    def _ask(self, request: str, *arguments: object) -> bytes:
        """Return the reply to a request, 32 bytes and what its length says follows; b"" where it fails."""
        cookie = ctypes.c_uint(getattr(self._xcb, f"xcb_{request}")(self._connection, *arguments))
        reply = getattr(self._xcb, f"xcb_{request}_reply")(self._connection, cookie, None)
        if not reply:
            return b""
        content = bytes(reply[: 32 + 4 * int.from_bytes(bytes(reply[4:8]), "little")])
        self._free(reply)
        return content
