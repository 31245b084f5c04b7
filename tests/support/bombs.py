"""Small files that say they are enormous pictures, for a decoder to refuse."""

from __future__ import annotations

import struct

from support.pictures import bomb, chunk, drawing, encoded


def png(width: int, height: int, depth: int = 8, colour: int = 6) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x\x9c\3\0\0\0\0\1") + chunk(b"IEND", b"")


def patched(kind: str, *patches: tuple[bytes, bytes]) -> bytes:
    """Return a drawing of 40 x 60 pixels whose header says otherwise."""
    data = encoded(kind, drawing())
    for old, new in patches:
        assert old in data
        data = data.replace(old, new, 1)
    return data


BOMBS: dict[str, bytes] = {
    "png": bomb(),
    "png of 2^31": png(2**31 - 1, 2**31 - 1),
    "png of no width": png(0, 10),
    "png of 16 bits, one line": png(2**31 - 1, 1, 16),
    "jpg": patched(".jpg", (b"\0\x28\0\x3c", b"\xff\xff\xff\xff")),
    "gif": patched(".gif", (b"\x3c\0\x28\0", b"\xff\xff\xff\xff")),
    "gif with frame": patched(".gif", (b"\x3c\0\x28\0", b"\xff\xff\xff\xff"), (b"\x3c\0\x28\0", b"\xff\xff\xff\xff")),
    "bmp": patched(".bmp", (struct.pack("<ii", 60, 40), struct.pack("<ii", 2**31 - 1, -(2**31)))),
    "bmp of 10^10": patched(".bmp", (struct.pack("<ii", 60, 40), struct.pack("<ii", 10**5, -(10**5)))),
    "tiff": patched(".tiff", (b"\0\1\3\0\1\0\0\0\x3c\0\0\0", b"\0\1\4\0\1\0\0\0\xff\xff\xff\x7f")),
    "tiff of 4 Gpixels": patched(
        ".tiff", (b"\0\1\3\0\1\0\0\0\x3c\0\0\0", b"\0\1\3\0\1\0\0\0\xff\xff\0\0"),
        (b"\1\1\3\0\1\0\0\0\x28\0\0\0", b"\1\1\3\0\1\0\0\0\xff\xff\0\0"),
    ),
    "webp": b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0/\xff\xff\xff\x0f" + bytes(9),
}  # fmt: skip
