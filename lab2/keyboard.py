"""Which keys are down, from the X server: events alone can't tell a key that is held from one pressed again."""

from __future__ import annotations

import ctypes


class Keyboard:
    """The keyboard of the display that DISPLAY names. OSError where there is none."""

    def __init__(self) -> None:
        self._xcb = ctypes.CDLL("libxcb.so.1")
        self._free = ctypes.CDLL(None).free
        self._xcb.xcb_connect.restype = ctypes.c_void_p
        self._xcb.xcb_query_keymap.restype = ctypes.c_uint
        self._xcb.xcb_query_keymap_reply.restype = ctypes.POINTER(ctypes.c_ubyte)
        self._free.argtypes = [ctypes.c_void_p]
        self._connection = ctypes.c_void_p(self._xcb.xcb_connect(None, None))
        if self._xcb.xcb_connection_has_error(self._connection):
            raise OSError("no display")

    def down(self) -> int:
        """Return the keys that are down, a bit each; OSError where the display is gone."""
        request = self._xcb.xcb_query_keymap(self._connection)
        reply = self._xcb.xcb_query_keymap_reply(self._connection, ctypes.c_uint(request), None)
        if not reply:
            raise OSError("the display is gone")
        keys = int.from_bytes(bytes(reply[8:40]), "little")  # 8 bytes of header, 32 of keys
        self._free(reply)
        return keys
