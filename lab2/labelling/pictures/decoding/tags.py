"""The directories of TIFF, BigTIFF and EXIF, which have the same form: tags and their values."""

from __future__ import annotations

import struct

# The numbers of tags.
KIND_OF_PAGE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, BIT_ORDER, STRIPS = 254, 256, 257, 258, 259, 262, 266, 273
ORIENTATION, CHANNELS, STRIP_ROWS, STRIP_BYTES, PLANAR, PREDICTOR, COLOUR_MAP = 274, 277, 278, 279, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, SUB_DIRECTORIES, EXTRA_SAMPLES = 322, 323, 324, 325, 330, 338
SAMPLE_FORMAT, JPEG_TABLES, PROFILE, DNG_VERSION = 339, 347, 34675, 50706

FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 13: "I", 16: "Q", 18: "Q"}  # of the types of values that are read
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
MOST_DIRECTORIES = 64  # a file may have many pages, or a circle of them

Tags = dict[int, tuple[int, ...] | bytes]


def orientation(tiff: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1, upright, if none is given."""
    return orientation_of(next(iter(directories(tiff)), {}))


def orientation_of(tags: Tags) -> int:
    value = number(tags, ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def number(tags: Tags, tag: int, otherwise: int) -> int:
    """Return the first value of a tag, or what is to be taken if there is none."""
    values = tags.get(tag)
    return values[0] if values else otherwise


def order_of(tiff: bytes) -> str:
    """Return how numbers are packed, as `struct` has it; '' if this is no TIFF."""
    return {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}.get(tiff[:4], "")


def directories(tiff: bytes) -> list[Tags]:
    """Return the tags of each directory, those directly below a directory after it."""
    order = order_of(tiff)
    found: list[Tags] = []
    if not order:
        return found
    is_big = b"+" in tiff[:4]
    seen: set[int] = set()
    try:
        ahead = [struct.unpack_from(order + ("Q" if is_big else "I"), tiff, 8 if is_big else 4)[0]]
        while ahead and len(found) < MOST_DIRECTORIES:
            place = ahead.pop(0)
            if not place or place in seen:
                continue
            seen.add(place)
            tags, following = _directory(tiff, order, is_big, place)
            found.append(tags)
            below = tags.get(SUB_DIRECTORIES, ())
            ahead = [*(below if isinstance(below, tuple) else ()), following, *ahead]
    except struct.error:  # it points beyond its end
        pass
    return found


def _directory(tiff: bytes, order: str, is_big: bool, place: int) -> tuple[Tags, int]:
    """Return the tags of the directory at this place, and the place of the next one; 0: there is none."""
    pointer, entry_size, room = ("Q", 20, 8) if is_big else ("I", 12, 4)
    (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), tiff, place)
    first = place + (8 if is_big else 2)
    tags: Tags = {}
    left = len(tiff)  # bytes of values: they don't overlap, and many that do would take much memory
    for at in range(first, min(first + entries * entry_size, len(tiff)), entry_size):
        tag, kind, count = struct.unpack_from(f"{order}HH{pointer}", tiff, at)
        size = count * SIZES.get(kind, 0)
        inside = at + entry_size - room
        start = inside if size <= room else struct.unpack_from(order + pointer, tiff, inside)[0]
        if kind not in FORMATS or not size or start + size > len(tiff) or size > left:
            continue
        left -= size
        if FORMATS[kind] == "s":
            tags.setdefault(tag, tiff[start : start + size])
        else:
            tags.setdefault(tag, struct.unpack_from(f"{order}{count}{FORMATS[kind]}", tiff, start))
    end = first + entries * entry_size
    following = struct.unpack_from(order + pointer, tiff, end)[0] if end + room <= len(tiff) else 0
    return tags, following
