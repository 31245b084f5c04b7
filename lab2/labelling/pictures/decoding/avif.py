"""What AVIF files say in their boxes (ISO/IEC 23008-12) and OpenCV does not apply: rotation, mirroring, bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator

TURNED = {  # EXIF's number for quarter turns anticlockwise, and for then mirroring on axis 0 (top to bottom) or 1
    0: (1, 4, 2),
    1: (8, 5, 7),
    2: (3, 2, 4),
    3: (6, 7, 5),
}


def orientation(data: bytes) -> int:
    """Return `irot` and `imir` of the primary picture as an EXIF orientation, 1 to 8."""
    quarters, axis = 0, -1
    for kind, body in _properties(data):
        if kind == b"irot" and body:
            quarters = body[0] & 3
        elif kind == b"imir" and body:
            axis = body[0] & 1
    return TURNED[quarters][axis + 1]


def bits(data: bytes) -> int:
    """Return the bits of a sample: 8, 10 or 12."""
    for kind, body in _properties(data):
        if kind == b"av1C" and len(body) > 2 and body[2] & 0x40:
            return 12 if body[2] & 0x20 else 10
    return 8


def _properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the properties of the primary picture: names of boxes and their contents."""
    try:
        meta = dict(_boxes(dict(_boxes(data)).get(b"meta", b"")[4:]))
        properties = dict(_boxes(meta.get(b"iprp", b"")))
        known = list(_boxes(properties.get(b"ipco", b"")))
        primary = meta.get(b"pitm", b"")
        (item,) = struct.unpack_from(">I" if primary[:1] > b"\0" else ">H", primary, 4)
        return [known[index - 1] for index in _associated(properties.get(b"ipma", b""), item) if index <= len(known)]
    except (struct.error, IndexError):
        return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind, head = *struct.unpack_from(">I4s", data, at), 8
        if size == 1 and at + 16 <= len(data):
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield kind, data[at + head : at + size]
        at += size


def _associated(table: bytes, item: int) -> list[int]:
    """Return the numbers, from 1, of the properties that the table gives to an item."""
    version, wide = table[0], table[3] & 1
    (entries,) = struct.unpack_from(">I", table, 4)
    at = 8
    for _ in range(entries):
        (owner,) = struct.unpack_from(">H" if version < 1 else ">I", table, at)
        at += 2 if version < 1 else 4
        count, at = table[at], at + 1
        size = 2 if wide else 1
        if owner == item:
            numbers = struct.unpack_from(f">{count}{'H' if wide else 'B'}", table, at)
            mask = 0x7FFF if wide else 0x7F  # the highest bit says that readers must know the property
            return [number & mask for number in numbers if number & mask]
        at += size * count
    return []
