"""What only the X server knows: which keys are down, and whether a window is painted.

Events alone can't tell a key that is held from one that is pressed again.
"""

from __future__ import annotations

import ctypes


class X11Keyboard:
    """The keyboard of the display that DISPLAY names. OSError where there is none."""

    def __init__(self) -> None:
        self._xcb = ctypes.CDLL("libxcb.so.1")
        self._free = ctypes.CDLL(None).free
        self._xcb.xcb_connect.restype = ctypes.c_void_p
        self._xcb.xcb_query_keymap.restype = ctypes.c_uint
        self._xcb.xcb_query_keymap_reply.restype = ctypes.POINTER(ctypes.c_ubyte)
        self._free.argtypes = [ctypes.c_void_p]
        for name in ("xcb_get_input_focus", "xcb_get_geometry", "xcb_get_image"):
            getattr(self._xcb, name).restype = ctypes.c_uint
            getattr(self._xcb, f"{name}_reply").restype = ctypes.POINTER(ctypes.c_ubyte)
        self._connection = ctypes.c_void_p(self._xcb.xcb_connect(None, None))
        if self._xcb.xcb_connection_has_error(self._connection):
            raise OSError("no display")

    def down(self) -> int:
        """Return the keys that are down, a bit each; OSError where the display is gone."""
        keys = self._ask("xcb_query_keymap", 40)
        if not keys:
            raise OSError("the display is gone")
        return int.from_bytes(keys[8:40], "little")

    def pixel(self, x: int, y: int, width: int, height: int) -> bytes | None:
        """Return blue, green, red at (x, y) of the window with the focus; None where it is not of this size."""
        window = ctypes.c_uint32(int.from_bytes(self._ask("xcb_get_input_focus", 12)[8:12], "little"))
        geometry = self._ask("xcb_get_geometry", 20, window)
        size = int.from_bytes(geometry[16:18], "little"), int.from_bytes(geometry[18:20], "little")
        if size != (width, height):
            return None
        place = *map(ctypes.c_int16, (x, y)), ctypes.c_uint16(1), ctypes.c_uint16(1), ctypes.c_uint32(0xFFFFFFFF)
        return self._ask("xcb_get_image", 36, ctypes.c_uint8(2), window, *place)[32:35] or None

    def _ask(self, request: str, size: int, *arguments: object) -> bytes:
        """Return so many bytes of the reply to a request, of which the first 8 are a header; b'' where it fails."""
        cookie = ctypes.c_uint(getattr(self._xcb, request)(self._connection, *arguments))
        reply = getattr(self._xcb, f"{request}_reply")(self._connection, cookie, None)
        if not reply:
            return b""
        content = bytes(reply[:size])
        self._free(reply)
        return content
