"""GIF: the first frame, on the canvas that browsers give it.

OpenCV lets the last frame decide what is transparent, and refuses what every browser shows: frames beyond the canvas,
a canvas of 0 x 0, missing terminators, more pixels than needed.
"""

from __future__ import annotations

import struct

import numpy

from lab2.labelling.pictures.decoding import samples
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED, INCOMPLETE
from lab2.labelling.pictures.decoding.samples import GROUND, Pixels, Samples
from lab2.labelling.pictures.picture import UnreadableImage

EXTENSION, FRAME = 0x21, 0x2C
GRAPHIC_CONTROL = 0xF9
MOST_INDEX_BITS, MOST_CODE_BITS = 8, 12
PASSES = ((0, 8), (4, 8), (2, 4), (1, 2))  # of an interlaced frame: first row, and rows between


def read(data: bytes) -> Samples:
    try:
        return _read(data)
    except (IndexError, struct.error):
        raise UnreadableImage(INCOMPLETE) from None


def _read(data: bytes) -> Samples:
    canvas_width, canvas_height, flags = struct.unpack_from("<HHB", data, 6)
    palette, at = _palette(data, 13, flags)
    transparent = -1
    while data[at] != FRAME:
        if data[at] == EXTENSION:
            label = data[at + 1]
            body, at = _blocks(data, at + 2)
            if label == GRAPHIC_CONTROL and len(body) >= 4:
                transparent = body[3] if body[0] & 1 else -1
        else:
            at += 1  # what isn't a block is passed over
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
    own, at = _palette(data, at + 10, flags)
    size = max(canvas_width, left + width), max(canvas_height, top + height)
    if not width or not height:
        raise UnreadableImage(DAMAGED)
    check_size(*size, 6)
    body, _ = _blocks(data, at + 1)
    indices = numpy.frombuffer(_unpacked(body, data[at], width * height), numpy.uint8).reshape(height, width)
    if flags & 0x40:
        indices = _in_order(indices)
    colours = numpy.zeros((256, 3), numpy.uint8)  # what is beyond the palette is black in browsers
    known = own if len(own) else palette
    colours[: len(known)] = known
    if transparent >= 0:
        colours[transparent] = GROUND
    return samples.placed(colours[indices], size, left, top)


def _palette(data: bytes, at: int, flags: int) -> tuple[Pixels, int]:
    """Return the palette that starts here if the flags say so (blue, green, red), and where it ends."""
    count = 2 << (flags & 7) if flags & 0x80 else 0
    end = at + 3 * count
    if end > len(data):
        raise UnreadableImage(INCOMPLETE)
    return numpy.frombuffer(data, numpy.uint8, 3 * count, at).reshape(count, 3)[:, ::-1], end


def _blocks(data: bytes, at: int) -> tuple[bytes, int]:
    """Return what is in the blocks from here to their terminator, or the end of the file; and where they end."""
    parts = []
    while at < len(data) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts), at + 1


def _unpacked(packed: bytes, code_bits: int, count: int) -> bytes:
    """Return `count` indices unpacked from LZW codes; UnreadableImage if they are fewer, or a code means nothing."""
    if not 1 <= code_bits <= MOST_INDEX_BITS:
        raise UnreadableImage(DAMAGED)
    clear, end = 1 << code_bits, (1 << code_bits) + 1
    first = [bytes((index,)) for index in range(clear)] + [b"", b""]
    table = first.copy()
    bits, next_bits = 0, code_bits + 1
    pool, unpacked, before = 0, bytearray(), b""
    for byte in packed:
        pool |= byte << bits
        bits += 8
        while bits >= next_bits:
            code = pool & ((1 << next_bits) - 1)
            pool >>= next_bits
            bits -= next_bits
            if code == clear:
                table = first.copy()
                next_bits = code_bits + 1
                before = b""
                continue
            if code == end:
                if len(unpacked) < count:
                    raise UnreadableImage(INCOMPLETE)
                return bytes(unpacked[:count])
            if code < len(table):
                entry = table[code]
            elif code == len(table) and before:
                entry = before + before[:1]
            else:
                raise UnreadableImage(DAMAGED)
            unpacked += entry
            if before and len(table) < 1 << MOST_CODE_BITS:
                table.append(before + entry[:1])
            if len(table) >= 1 << next_bits and next_bits < MOST_CODE_BITS:
                next_bits += 1
            before = entry
        if len(unpacked) >= count:
            return bytes(unpacked[:count])
    raise UnreadableImage(INCOMPLETE)


def _in_order(rows: Pixels) -> Pixels:
    """Return the rows of an interlaced frame from top to bottom."""
    order = [row for start, step in PASSES for row in range(start, len(rows), step)]
    ordered = numpy.empty_like(rows)
    ordered[order] = rows
    return ordered
