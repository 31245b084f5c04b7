"""JPEG files: what the header says, and whether the picture is whole."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

START, END = b"\xff\xd8", b"\xff\xd9"
STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
LOSSLESS_OR_HIERARCHICAL = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))
INCOMPLETE = "it is incomplete: part of the picture is missing"
DAMAGED = "it is damaged: part of the picture is lost"
DAMAGED_OR_INCOMPLETE = "it is damaged or incomplete: part of the picture is missing"
READ_AHEAD = 8  # bytes, by which the place where libjpeg stopped is not exact
ZEROS = bytes(16)
PLAIN = bytes({*range(32, 127), 0, 9, 10, 13})  # what padding and trailers begin with, and entropy-coded data does not
MOSTLY = 0.6  # of entropy-coded data 0.38 is plain


@dataclass(slots=True)
class JpegHeader:
    """What comes before the picture data; `scan` is where that starts, 0 where there is none."""

    width: int = 0
    height: int = 0
    bits: int = 8
    frame: int = 0  # the marker of the start of frame: baseline, progressive, lossless ...
    exif: bytes = b""
    scan: int = 0
    first_ac_symbols: set[int] = field(default_factory=set)  # of each Huffman table: what zero bits decode to

    @property
    def is_supported(self) -> bool:
        """Tell whether OpenCV's libjpeg has a decoder for this kind of JPEG."""
        return self.bits == 8 and self.frame not in LOSSLESS_OR_HIERARCHICAL


def read_header(data: bytes) -> JpegHeader:
    """Return what the segments before the first scan say."""
    header, at = JpegHeader(), 2
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 4:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:  # no segment follows these
            at += 1
            continue
        body = data[at + 4 : at + 2 + length]
        if marker in STARTS_OF_FRAME and len(body) >= 5:
            header.frame = marker
            header.bits, header.height, header.width = struct.unpack_from(">BHH", body)
        elif marker == 0xC4:
            header.first_ac_symbols |= _first_ac_symbols(body)
        elif marker == 0xE1 and body.startswith(b"Exif\0") and not header.exif:
            header.exif = body[6:]
        elif marker == 0xDA:
            header.scan = at + 2 + length
            break
        at += 2 + length
    return header


def _first_ac_symbols(tables: bytes) -> set[int]:
    found, at = set(), 0
    while at + 17 < len(tables):
        if tables[at] >= 0x10:
            found.add(tables[at + 17])
        at += 17 + sum(tables[at + 1 : at + 17])
    return found


def flaw(data: bytes, header: JpegHeader, message: str) -> str:
    """Return why the picture that libjpeg decoded with this warning is not whole; '' where it is.

    libjpeg is the judge: with bytes missing or lost, the blocks that it decodes are no longer as many as the picture
    has, so the data ends too early or something is left over. Harmless leftovers are padding and vendors' trailers.
    `data` is the file as it is; libjpeg was given an end marker behind it.
    """
    if not message:
        return DAMAGED if _has_zeroed_run(data, header) else ""
    # a trailer may have brought the end marker
    missing = DAMAGED_OR_INCOMPLETE if data.find(END, header.scan) >= 0 else INCOMPLETE
    if "premature end" in message.lower():
        return missing
    if found := re.search(r"(\d+) extraneous bytes before marker 0x(\w\w)", message):
        count, marker = int(found[1]), int(found[2], 16)
        if marker in (0xC4, 0xDA) or 0xD0 <= marker <= 0xD7:  # between scans, or between the parts of one
            return DAMAGED
        place = (data + END).find(bytes((0xFF, marker)), header.scan)
        if not _is_trailer(data, place - count, place):
            return missing if _plain(data[max(0, place - 64) : place]) > MOSTLY else DAMAGED
    is_lost = re.search("bad Huffman code|bad arithmetic code|found marker", message) or _has_zeroed_run(data, header)
    return DAMAGED if is_lost else ""


def _is_trailer(data: bytes, start: int, end: int) -> bool:
    """Tell whether the bytes left over are of another kind than those before them: then decoding stopped rightly."""
    if end - start <= READ_AHEAD:
        return True
    before = data[max(0, start - 64 - READ_AHEAD) : start - READ_AHEAD]
    return _plain(data[start : min(end, start + 64)]) > MOSTLY > _plain(before)


def _plain(part: bytes) -> float:
    return 1 - len(part.translate(None, PLAIN)) / max(1, len(part))


def _has_zeroed_run(data: bytes, header: JpegHeader) -> bool:
    """Tell whether a baseline scan has a run of zeros that no encoder writes.

    Zero bits are the first symbol of each table over and over. Where that is "the rest of the block is empty" (0), a
    blank area looks so; otherwise it would be one block after the other full of the same small wave.
    """
    if header.frame not in (0xC0, 0xC1) or header.first_ac_symbols <= {0}:
        return False
    zeros = data.find(ZEROS, header.scan)  # in a trailer they mean nothing
    return zeros >= 0 and data.find(END, header.scan, zeros) < 0 <= data.find(END, zeros)
