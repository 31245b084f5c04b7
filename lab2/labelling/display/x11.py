"""What only the X server knows: which keys are down and where they are, how large the screen is, what is painted.

Events alone can't tell a key that is held from one that is pressed again.
"""

from __future__ import annotations

import ctypes
import struct

CARDINAL, ANY_TYPE = 6, 0  # predefined atoms
FIRST_KEYCODE, KEYCODES = 8, 248


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
            getattr(self._xcb, f"xcb_{name}").restype = ctypes.c_uint
            getattr(self._xcb, f"xcb_{name}_reply").restype = ctypes.POINTER(ctypes.c_ubyte)
        self._connection = ctypes.c_void_p(self._xcb.xcb_connect(None, None))
        if self._xcb.xcb_connection_has_error(self._connection):
            raise OSError("no display")

    def down(self) -> int:
        """Return the keys that are down, a bit for each keycode; OSError where the display is gone."""
        keys = self._ask("query_keymap")
        if not keys:
            raise OSError("the display is gone")
        return int.from_bytes(keys[8:40], "little")

    def keycodes(self, keysym: int) -> set[int]:
        """Return the keycodes that type this keysym in the layouts of now, with any modifiers."""
        reply = self._ask("get_keyboard_mapping", ctypes.c_uint8(FIRST_KEYCODE), ctypes.c_uint8(KEYCODES))
        each = reply[1] if reply else 0
        symbols = struct.unpack_from(f"={each * KEYCODES}I", reply, 32) if each else ()
        return {FIRST_KEYCODE + place // each for place, symbol in enumerate(symbols) if symbol == keysym}

    def work_area(self) -> tuple[int, int, int, int]:
        """Return x, y, width and height of the screen without panels and docks, as far as the window manager says."""
        setup = bytes(self._xcb.xcb_get_setup(self._connection)[:40])
        vendor, formats = int.from_bytes(setup[24:26], "little"), setup[29]
        start = 40 + (vendor + 3) // 4 * 4 + 8 * formats
        screen = bytes(self._xcb.xcb_get_setup(self._connection)[start : start + 24])
        root, width, height = *struct.unpack_from("=I", screen), *struct.unpack_from("=HH", screen, 20)
        name = b"_NET_WORKAREA"
        atom = self._ask("intern_atom", ctypes.c_uint8(1), ctypes.c_uint16(len(name)), ctypes.c_char_p(name))
        if atom:
            wanted = ctypes.c_uint32(int.from_bytes(atom[8:12], "little")), ctypes.c_uint32(CARDINAL)
            part = ctypes.c_uint32(0), ctypes.c_uint32(4)
            found = self._ask("get_property", ctypes.c_uint8(0), ctypes.c_uint32(root), *wanted, *part)
            if len(found) >= 48:
                area = struct.unpack_from("=4I", found, 32)
                if 0 < area[2] <= width and 0 < area[3] <= height:
                    return area
        return 0, 0, width, height

    def pixel(self, x: int, y: int, width: int, height: int) -> bytes | None:
        """Return blue, green, red at (x, y) of the window with the focus; None where it is not of this size."""
        window = ctypes.c_uint32(int.from_bytes(self._ask("get_input_focus")[8:12], "little"))
        geometry = self._ask("get_geometry", window)
        size = int.from_bytes(geometry[16:18], "little"), int.from_bytes(geometry[18:20], "little")
        if size != (width, height):
            return None
        place = *map(ctypes.c_int16, (x, y)), ctypes.c_uint16(1), ctypes.c_uint16(1), ctypes.c_uint32(0xFFFFFFFF)
        return self._ask("get_image", ctypes.c_uint8(2), window, *place)[32:35] or None

    def _ask(self, request: str, *arguments: object) -> bytes:
        """Return the reply to a request, 32 bytes and what its length says follows; b"" where it fails."""
        cookie = ctypes.c_uint(getattr(self._xcb, f"xcb_{request}")(self._connection, *arguments))
        reply = getattr(self._xcb, f"xcb_{request}_reply")(self._connection, cookie, None)
        if not reply:
            return b""
        content = bytes(reply[: 32 + 4 * int.from_bytes(bytes(reply[4:8]), "little")])
        self._free(reply)
        return content
