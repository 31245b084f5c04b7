"""Tags of TIFF files and of EXIF data, which has the same form: the orientation among them."""

from __future__ import annotations

import struct

ORIENTATION, SAMPLES_PER_PIXEL, EXTRA_SAMPLES = 274, 277, 338
FORMATS = {1: "B", 3: "H", 4: "I"}  # of a number, by the type that the entry gives


def orientation(tiff: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, where none is given."""
    value = tags(tiff).get(ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def tags(tiff: bytes) -> dict[int, int]:
    """Return the first number of each tag that has one beside it, in the first directory."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    found: dict[int, int] = {}
    if not order:
        return found
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if kind in FORMATS:
                (found[tag],) = struct.unpack_from(order + FORMATS[kind], tiff, entry + 8)
    except struct.error:  # it points beyond its end
        pass
    return found
