"""The opacity of AVIF stills as Chromium shows it: from 16 to 235 of 255, whatever range the stream has.

Chromium 156 does that with stills only, Firefox and libavif don't; a bit in the stream makes OpenCV do it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from lab2.labelling.pictures.decoding.boxes import boxes, meta_boxes

SEQUENCE_HEADER = 1  # of the units that streams of AV1 are made of


def with_limited_alpha(data: bytes) -> bytes:
    """Return the file with streams of opacity that say "limited range"; unchanged if they can't be found."""
    changed = bytearray(data)
    try:
        meta = meta_boxes(data)
        places = _places(meta.get(b"iloc", b""))
        for item in _opacity(meta.get(b"iref", b"")):
            start, end = places.get(item, (0, 0))
            if place := _range_bit(data, start, end):
                changed[place // 8] &= ~(0x80 >> place % 8)
    except (struct.error, IndexError, ValueError):
        pass
    return bytes(changed)


def _opacity(references: bytes) -> set[int]:
    """Return the items that are the opacity of others, and the tiles that they are made of."""
    letter = "I" if references[:1] > b"\0" else "H"
    auxiliary, tiles = set(), {}
    for kind, body in boxes(references[4:]):
        item, count = struct.unpack_from(f">{letter}H", body)
        if kind == b"auxl":
            auxiliary.add(item)
        elif kind == b"dimg":
            tiles[item] = struct.unpack_from(f">{count}{letter}", body, struct.calcsize(f">{letter}H"))
    return auxiliary.union(*(tiles.get(item, ()) for item in auxiliary))


def _places(table: bytes) -> dict[int, tuple[int, int]]:
    """Return where the data of each item starts and ends, if it is in one piece of the file."""
    version = table[0]
    offset_size, length_size, base_size = table[4] >> 4, table[4] & 15, table[5] >> 4
    index_size = table[5] & 15 if version else 0
    rest, item_size = io.BytesIO(table[6:]), 4 if version == 2 else 2

    def take(size: int) -> int:
        """Return the next number, which has `size` bytes; 0 if those are none. IndexError at the end of the table."""
        digits = rest.read(size)
        if len(digits) < size:
            raise IndexError
        return int.from_bytes(digits, "big")

    places = {}
    for _ in range(take(item_size)):
        item = take(item_size)
        is_elsewhere = version > 0 and take(2) & 15
        is_elsewhere = take(2) or is_elsewhere  # in another file
        start, pieces = take(base_size), take(2)
        if pieces != 1 or is_elsewhere:
            rest.seek(pieces * (index_size + offset_size + length_size), io.SEEK_CUR)
            continue
        take(index_size)
        start += take(offset_size)
        places[item] = start, start + take(length_size)
    return places


def _range_bit(data: bytes, start: int, end: int) -> int:
    """Return at which bit of the file a still's stream says "full range"; 0 if that is not known."""
    for kind, first, last in _units(data, start, end):
        if kind == SEQUENCE_HEADER:
            bits = "".join(f"{byte:08b}" for byte in data[first:last])
            profile, is_short = int(bits[:3], 2), bits[4] == "1"
            if not is_short:  # as SVT writes it, whose range is limited anyway
                return 0
            at = 18 + int(bits[10:14], 2) + 1 + int(bits[14:18], 2) + 1 + 6  # behind width, height and tools
            at += 2 if profile == 2 and bits[at] == "1" else 1  # behind the bits of a sample
            at += 0 if profile == 1 else 1  # behind whether it is grey
            at += 25 if bits[at] == "1" else 1  # behind the colours
            return 8 * first + at
    return 0


def _units(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the kind of each unit of a stream, and where it starts and ends."""
    while at < end:
        kind, has_extension, has_size = data[at] >> 3 & 15, data[at] >> 2 & 1, data[at] >> 1 & 1
        at += 1 + has_extension
        size = 0 if has_size else end - at
        shift = 0
        while has_size:
            size |= (data[at] & 0x7F) << shift
            shift += 7
            has_size = data[at] >> 7
            at += 1
        yield kind, at, at + size
        at += size
