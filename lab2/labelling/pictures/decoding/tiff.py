"""TIFF: libtiff unpacks strips and tiles (zlib those of Deflate), `tiff_values` interprets their bytes.

OpenCV shows many kinds wrongly or not at all: samples of 2, 4 or 16 bits, planes, white as zero, more than three
channels, tiles. So it gets a directory for "rows of grey bytes", and returns what libtiff has unpacked. JPEG, fax and
other compressions of pictures rather than bytes are left to OpenCV.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import partial

import numpy

from lab2.labelling.pictures.decoding import colour, jpeg, opencv, samples, tags
from lab2.labelling.pictures.decoding.colour import ColourSpace
from lab2.labelling.pictures.decoding.kinds import RAW
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED_OR_INCOMPLETE, UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.samples import Alpha, Pixels, Samples
from lab2.labelling.pictures.decoding.tags import Tags, number
from lab2.labelling.pictures.decoding.tiff_layout import BLACK_IS_ZERO, CMYK, COLOURS, RGB, Layout, layout_of
from lab2.labelling.pictures.decoding.tiff_values import check_numbers, meant, numbers, white_of
from lab2.labelling.pictures.picture import UnreadableImage

REDUCED, MASK = 1, 4  # bits of KIND_OF_PAGE
OF_CAMERAS = {32803, 34892}  # photometric: colour filter array, linear raw
DEFLATE = {8, 32946}
BYTES_PACKED = {1, 5, 32773} | DEFLATE  # not at all, LZW, PackBits
JPEG = 7
PICTURES_PACKED = {2, 3, 4, 6, JPEG, 32771}  # fax, JPEG, JPEG of old
NAMES = {
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    34661: "JBIG",
    32809: "ThunderScan",
    34676: "LogLuv",
    34677: "LogLuv",
    34892: "lossy JPEG",
    32766: "NeXT",
    32908: "PixarFilm",
    32909: "PixarLog",
}
STRAIGHT_ALPHA, PREMULTIPLIED_ALPHA = 2, 1
BAND_BYTES, MOST_ROWS, MOST_ROW_BYTES = 32 * 2**20, 2**20, 2**20  # of which OpenCV takes no more at once
DARK = 1 / 8  # of the range of 16 or 32 bits: brighter values mean that all of it is used
SPARSE = 3  # rows and columns, to look at every third
# Messages of libtiff and the libraries that it calls, after which they continue; OpenCV returns what is lost as black.
LOSS = re.compile(
    "TIFF_Error|JPEGLib|Premature EO|Line length mismatch|Bad code word|Discarding|Not enough data|Decoding error"
)


def read(data: bytes) -> Samples:
    try:
        return _read(data)
    except opencv.Undecodable:
        raise UnreadableImage(f"{UNKNOWN_DAMAGE}, or of a kind of TIFF that is not supported") from None


def _read(data: bytes) -> Samples:
    pages = tags.directories(data)
    if any(tags.DNG_VERSION in page for page in pages):
        raise unsupported(RAW.format("DNG"))
    if any(number(page, tags.PHOTOMETRIC, 0) in OF_CAMERAS for page in pages):
        raise unsupported(RAW.format("in a TIFF"))
    if not pages:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    whole = [page for page in pages if not number(page, tags.KIND_OF_PAGE, 0) & (REDUCED | MASK)]
    page = (whole or pages)[0]
    layout = layout_of(page, tags.order_of(data))
    check_size(layout.width, layout.height, 1)
    compression = number(page, tags.COMPRESSION, 1)
    if compression in BYTES_PACKED and layout.photometric in COLOURS:
        return _as_samples(data, layout)
    if compression not in PICTURES_PACKED | BYTES_PACKED:
        raise unsupported(f"a TIFF with {NAMES.get(compression, f'compression {compression}')} inside")
    if page is not pages[0]:  # OpenCV would read that
        raise unsupported("a TIFF with a thumbnail before its picture")
    check_size(layout.width, layout.height, 8)
    pixels, messages = opencv.decode(data)
    if LOSS.search(messages) or (compression == JPEG and _has_zeroed_jpeg(data, layout)):
        raise UnreadableImage(DAMAGED_OR_INCOMPLETE)
    return samples.of_array(pixels, colours=_profile(page))


def _has_zeroed_jpeg(data: bytes, layout: Layout) -> bool:
    """Return whether a strip or tile has a run of zeros that no encoder writes; libjpeg says nothing of most."""
    tables = layout.page.get(tags.JPEG_TABLES, b"")
    start = tables.removesuffix(jpeg.END) if isinstance(tables, bytes) else b""
    parts = (data[offset : offset + size] for offset, size in zip(layout.offsets, layout.sizes, strict=False))
    files = (start + (part[2:] if start else part) for part in parts)
    return any(jpeg.has_zeroed_run(file, jpeg.read_header(file)) for file in files)


def _profile(page: Tags) -> ColourSpace | None:
    profile = page.get(tags.PROFILE)
    return colour.of_profile(profile) if isinstance(profile, bytes) else None


def _as_samples(data: bytes, layout: Layout) -> Samples:
    """Return the samples of a page whose strips or tiles are packed bytes."""
    check_numbers(layout)
    colours = COLOURS[layout.photometric]
    if layout.channels < colours or not layout.part_width or not layout.part_height:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    parts_needed = layout.parts_across * layout.parts_down * (layout.channels if layout.is_planar else 1)
    if len(layout.offsets) < parts_needed:
        raise UnreadableImage(DAMAGED_OR_INCOMPLETE)
    alpha = Alpha.NONE
    if layout.channels > colours and layout.photometric != CMYK:
        # what is more than colours and not described is opacity, as others read it
        meaning = number(layout.page, tags.EXTRA_SAMPLES, STRAIGHT_ALPHA if layout.channels == colours + 1 else 0)
        alpha = {STRAIGHT_ALPHA: Alpha.STRAIGHT, PREMULTIPLIED_ALPHA: Alpha.PREMULTIPLIED}.get(meaning, Alpha.NONE)
    white = white_of(layout)
    bands = partial(_bands, data, layout, alpha)
    may_be_dark = layout.bits in (16, 32) and layout.photometric in (BLACK_IS_ZERO, RGB) and alpha is Alpha.NONE
    if may_be_dark and white and _is_dark(bands(), white):
        white = 0
    return Samples(
        bands,
        layout.width,
        layout.height,
        white=white,
        alpha=alpha,
        turn=tags.orientation_of(layout.page),
        colours=_profile(layout.page),
        is_cmyk=layout.photometric == CMYK,
    )


def _is_dark(bands: Iterable[Pixels], white: float) -> bool:
    """Return whether a picture uses 12 or 13 of its 16 bits, as microscopes' do; some hot pixels don't count."""
    return all(numpy.percentile(band[::SPARSE, ::SPARSE], samples.BRIGHTEST) <= DARK * white for band in bands)


def _bands(data: bytes, layout: Layout, alpha: Alpha) -> Iterator[Pixels]:
    """Yield rows of the picture from the top: as Samples has them, with alpha or without."""
    rows = layout.part_height * layout.parts_across  # of strips or tiles that are side by side
    if rows > MOST_ROWS or layout.row_bytes > MOST_ROW_BYTES:
        raise unsupported("a TIFF of such long strips or so many tiles in a row")
    size = layout.row_bytes * rows * layout.channels // layout.in_a_pixel
    at_once = max(1, min(BAND_BYTES // size, MOST_ROWS // rows))
    for first in range(0, layout.parts_down, at_once):
        count = min(at_once, layout.parts_down - first)
        planes = range(layout.channels if layout.is_planar else 1)
        values = [_unpacked(data, layout, first, count, plane) for plane in planes]
        yield meant(numpy.concatenate(values, axis=2) if len(values) > 1 else values[0], layout, alpha)


def _unpacked(data: bytes, layout: Layout, first: int, count: int, plane: int) -> Pixels:
    """Return `count` rows of strips or tiles of a plane as rows x width x samples side by side."""
    across, down = layout.parts_across, layout.parts_down
    start = (plane * down + first) * across
    rows = count * layout.part_height
    if not layout.is_tiled and first + count == down:
        rows = layout.height - first * layout.part_height  # the last strip may be lower
    packed = _grey_rows(data, layout, start, count * across, rows * across)
    if layout.is_tiled:
        tiles: Pixels = numbers(packed, layout).reshape(
            count, across, layout.part_height, layout.part_width, layout.in_a_pixel
        )
        tiles = tiles.transpose(0, 2, 1, 3, 4).reshape(rows, across * layout.part_width, layout.in_a_pixel)
        return tiles[: layout.height - first * layout.part_height, : layout.width]
    return numbers(packed, layout)


def _grey_rows(data: bytes, layout: Layout, start: int, count: int, rows: int) -> Pixels:
    """Return what libtiff unpacks from `count` strips or tiles, as rows of bytes."""
    offsets, sizes = layout.offsets[start : start + count], layout.sizes[start : start + count]
    if not sizes:  # old files leave them out where there is but one strip
        sizes = tuple(len(data) - offset for offset in offsets)
    parts = [data[offset : offset + size] for offset, size in zip(offsets, sizes, strict=True)]
    packed = b"".join(parts)
    if len(packed) < sum(sizes):
        raise UnreadableImage(DAMAGED_OR_INCOMPLETE)
    if number(layout.page, tags.COMPRESSION, 1) in DEFLATE and number(layout.page, tags.BIT_ORDER, 1) == 1:
        return _inflated(parts, layout, rows)
    places = [8 + int(end) - size for end, size in zip(numpy.cumsum(sizes), sizes, strict=True)]
    fields = [
        (tags.WIDTH, 4, [layout.row_bytes]),
        (tags.HEIGHT, 4, [rows]),
        (tags.BITS, 3, [8]),
        (tags.COMPRESSION, 3, [number(layout.page, tags.COMPRESSION, 1)]),
        (tags.PHOTOMETRIC, 3, [BLACK_IS_ZERO]),
        (tags.BIT_ORDER, 3, [number(layout.page, tags.BIT_ORDER, 1)]),
        (tags.STRIPS, 4, places),
        (tags.CHANNELS, 3, [1]),
        (tags.STRIP_ROWS, 4, [layout.part_height]),
        (tags.STRIP_BYTES, 4, list(sizes)),
    ]
    pixels, messages = opencv.decode(_file(fields, packed))
    if LOSS.search(messages) or pixels.shape[:2] != (rows, layout.row_bytes):
        raise UnreadableImage(DAMAGED_OR_INCOMPLETE)
    return pixels.reshape(rows, layout.row_bytes, -1)[:, :, 0]


def _inflated(parts: list[bytes], layout: Layout, rows: int) -> Pixels:
    """Return what zlib unpacks from strips or tiles, as rows of bytes; it compares checksums, libtiff does not."""
    whole, unpacked = layout.row_bytes * layout.part_height, []
    for first, part in zip(range(0, rows, layout.part_height), parts, strict=True):
        size = layout.row_bytes * min(layout.part_height, rows - first)  # the last strip may be lower, and be filled up
        try:
            bytes_of_part = zlib.decompressobj().decompress(part, whole + 1)
        except zlib.error:
            bytes_of_part = b""
        if not size <= len(bytes_of_part) <= whole:
            raise UnreadableImage(DAMAGED_OR_INCOMPLETE)
        unpacked.append(bytes_of_part[:size])
    return numpy.frombuffer(b"".join(unpacked), numpy.uint8).reshape(rows, layout.row_bytes)


def _file(fields: list[tuple[int, int, list[int]]], body: bytes) -> bytes:
    """Return a little-endian TIFF with these tags (number, type, values) and this body behind its header."""
    body += bytes(len(body) % 2)
    directory = 8 + len(body)
    beyond = directory + 2 + 12 * len(fields) + 4
    entries, more = [], b""
    for tag, kind, values in fields:
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            place = struct.pack("<I", beyond + len(more))
            more += packed
        else:
            place = packed.ljust(4, b"\0")
        entries.append(struct.pack("<HHI", tag, kind, len(values)) + place)
    head = b"II*\0" + struct.pack("<I", directory)
    return head + body + struct.pack("<H", len(fields)) + b"".join(entries) + bytes(4) + more
