"""JPEG: the header, decoding at a reduced size, and whether the picture is complete."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy

from lab2.labelling.pictures.decoding import colour, opencv, samples, tags
from lab2.labelling.pictures.decoding.limits import LONGEST_SIDES, MAX_JPEG_PIXELS, check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED, DAMAGED_OR_INCOMPLETE, INCOMPLETE, unsupported
from lab2.labelling.pictures.decoding.samples import Alpha, Samples
from lab2.labelling.pictures.picture import UnreadableImage

END = b"\xff\xd9"
BASELINE, EXTENDED, ARITHMETIC, PROGRESSIVE_ARITHMETIC, JPEG_LS = 0xC0, 0xC1, 0xC9, 0xCA, 0xF7
STARTS_OF_FRAME = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {JPEG_LS}
PROGRESSIVE = {0xC2, PROGRESSIVE_ARITHMETIC}
UNSUPPORTED = {0xC3: "a lossless JPEG", 0xCB: "a lossless JPEG", JPEG_LS: "a JPEG-LS picture"} | dict.fromkeys(
    (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "a JPEG of layers"
)
TABLES, SCAN, APP1, APP2 = 0xC4, 0xDA, 0xE1, 0xE2
READ_AHEAD_BYTES = 8  # by which the position at which libjpeg stopped may be off
ZEROS, WORD = bytes(16), numpy.dtype(numpy.uint64)
PLAIN = bytes({*range(32, 127), 0, 9, 10, 13})  # what padding and trailers begin with, and entropy-coded data does not
MOSTLY = 0.6  # of entropy-coded data 0.38 is plain
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker that ends entropy-coded data
AN_EIGHTH, A_QUARTER, A_HALF = cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_2


@dataclass(slots=True)
class JpegHeader:
    """The header; `scan` is where the picture data starts, 0 if there is none."""

    width: int = 0
    height: int = 0
    bits: int = 8
    frame: int = 0  # the marker of the start of frame: baseline, progressive, lossless ...
    components: int = 3
    exif: bytes = b""
    profile: bytes = b""
    scan: int = 0


def read(data: bytes, width: int, height: int) -> Samples:
    """Return the samples of a JPEG, reduced as far as the box of width x height allows."""
    header = read_header(data)
    _check_kind(header)
    turn = tags.orientation(header.exif)
    is_large = header.frame in PROGRESSIVE  # all coefficients are in memory
    check_size(header.width, header.height, 6 if is_large else 1, MAX_JPEG_PIXELS)
    box = (height, width) if turn >= 5 else (width, height)
    flags = _reduction(max(header.width // box[0], header.height // box[1]) if width else 1)
    try:
        ended = data if data.endswith(END) else data + END  # which OpenCV needs and viewers don't
        pixels, messages = opencv.decode(ended, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except opencv.Undecodable:
        if header.frame in (ARITHMETIC, PROGRESSIVE_ARITHMETIC):
            raise unsupported("an arithmetically coded JPEG") from None
        raise UnreadableImage(DAMAGED if header.scan else INCOMPLETE) from None
    if what := flaw(data, header, messages):
        raise UnreadableImage(what)
    colours = colour.of_profile(header.profile)
    if colours and header.components == 4:  # browsers add the black to the other inks before they apply the profile
        inks = cv2.merge([*cv2.split(255 - pixels)[::-1], numpy.zeros(pixels.shape[:2], numpy.uint8)])
        return samples.of_array(inks, Alpha.NONE, turn=turn, colours=colours, is_cmyk=True)
    if colours and header.components == 1:
        pixels = numpy.ascontiguousarray(pixels[:, :, :1])
    return samples.of_array(pixels, turn=turn, colours=colours)


def _check_kind(header: JpegHeader) -> None:
    """Raise UnreadableImage if libjpeg has no decoder for this kind of JPEG."""
    if header.frame in UNSUPPORTED:
        raise unsupported(UNSUPPORTED[header.frame])
    if header.bits != 8:
        raise unsupported(f"a JPEG of {header.bits} bits a sample")
    if max(header.width, header.height) > (most := LONGEST_SIDES["jpg"]):
        raise unsupported(f"a JPEG wider or higher than {most:,} pixels")


def _reduction(room: int) -> int:
    """Return the flag that decodes a JPEG, `room` times as large as needed, to a half, a quarter or an eighth."""
    if room >= 8:
        return AN_EIGHTH
    if room >= 4:
        return A_QUARTER
    return A_HALF if room >= 2 else cv2.IMREAD_COLOR


def read_header(data: bytes) -> JpegHeader:
    """Return the header: the segments before the first scan."""
    header = JpegHeader()
    profile: dict[int, bytes] = {}
    for marker, body, end in segments(data, 2):
        if marker in STARTS_OF_FRAME and len(body) >= 6:
            header.frame = marker
            header.bits, header.height, header.width, header.components = struct.unpack_from(">BHHB", body)
        elif marker == APP1 and body.startswith(b"Exif\0") and not header.exif:
            header.exif = body[6:]
        elif marker == APP2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
            profile.setdefault(body[12], body[14:])
        elif marker == SCAN:
            header.scan = end
            break
    header.profile = b"".join(profile[number] for number in sorted(profile))
    return header


def segments(data: bytes, at: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield the marker of each segment from here, what is in it, and where it ends."""
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 4:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD9:  # no segment follows these
            at += 1
            continue
        yield marker, data[at + 4 : at + 2 + length], at + 2 + length
        at += 2 + length


def flaw(data: bytes, header: JpegHeader, message: str) -> str:
    """Return why a picture that libjpeg decoded with this warning is incomplete; '' if it is not.

    If bytes are missing or damaged, libjpeg decodes more or fewer blocks than the picture has, so the data ends too
    early or bytes are left over. Padding and vendors' trailers are harmless. `data` is the file; libjpeg got an end
    marker after it.
    """
    if not message:
        return DAMAGED if has_zeroed_run(data, header) else ""
    # a trailer may have brought the end marker
    missing = DAMAGED_OR_INCOMPLETE if data.find(END, header.scan) >= 0 else INCOMPLETE
    if "premature end" in message.lower():
        return missing
    if found := re.search(r"(\d+) extraneous bytes before marker 0x(\w\w)", message):
        count, marker = int(found[1]), int(found[2], 16)
        if marker in (TABLES, SCAN) or 0xD0 <= marker <= 0xD7:  # between scans, or between the parts of one
            return DAMAGED
        place = (data + END).find(bytes((0xFF, marker)), header.scan)
        if not _is_trailer(data, place - count, place):
            return missing if _plain(data[max(0, place - 64) : place]) > MOSTLY else DAMAGED
    is_lost = re.search("bad Huffman code|bad arithmetic code|found marker", message) or has_zeroed_run(data, header)
    return DAMAGED if is_lost else ""


def _is_trailer(data: bytes, start: int, end: int) -> bool:
    """Return whether the bytes left over differ in kind from those before them: then decoding ended correctly."""
    if end - start <= READ_AHEAD_BYTES:
        return True
    before = data[max(0, start - 64 - READ_AHEAD_BYTES) : start - READ_AHEAD_BYTES]
    return _plain(data[start : min(end, start + 64)]) > MOSTLY > _plain(before)


def _plain(part: bytes) -> float:
    return 1 - len(part.translate(None, PLAIN)) / max(1, len(part))


def has_zeroed_run(data: bytes, header: JpegHeader) -> bool:
    """Return whether a baseline scan has a run of zeros that no encoder writes.

    Zero bits repeat the first symbol of each table. If that is "the rest of the block is empty" (0) in every table of
    the scan, it may be a blank area; otherwise it would be block after block of the same small wave.
    """
    words = numpy.frombuffer(data, WORD, len(data) // WORD.itemsize)
    if header.frame not in (BASELINE, EXTENDED) or numpy.count_nonzero(words) == len(words):
        return False  # a quick check, which most pictures pass: ZEROS contain a whole word of zeros
    first_symbols: dict[int, int] = {}  # of AC tables, by their number
    for marker, body, start in segments(data, 2):
        if marker == TABLES:
            first_symbols |= _first_ac_symbols(body)
        elif marker == SCAN and body:
            after = AFTER_SCAN.search(data, start)
            if not after:
                return False
            tables = {number & 0x0F for number in body[2 : 2 + 2 * body[0] : 2]}
            if any(first_symbols.get(table) for table in tables) and data.find(ZEROS, start, after.start()) >= 0:
                return True
            if after[0] == END:
                return False
    return False


def _first_ac_symbols(tables: bytes) -> dict[int, int]:
    """Return the first symbol of each AC table of a segment, by the table's number."""
    found, at = {}, 0
    while at + 17 < len(tables):
        if tables[at] >= 0x10:
            found[tables[at] & 0x0F] = tables[at + 17]
        at += 17 + sum(tables[at + 1 : at + 17])
    return found
