"""PNG: its colour space, the grey that is transparent, animations, and large ones in bands of rows."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile

import numpy

from lab2.labelling.pictures.decoding import colour, opencv, samples, tags
from lab2.labelling.pictures.decoding.colour import ColourSpace
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED, INCOMPLETE, UNKNOWN_DAMAGE
from lab2.labelling.pictures.decoding.samples import Alpha, Pixels, Samples
from lab2.labelling.pictures.picture import UnreadableImage

START, END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xae\x42\x60\x82"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a colour type
GREY, PALETTE, GREY_AND_ALPHA = 0, 3, 4
WHOLE_BYTES = 128 * 2**20  # of pixels; what has more is decoded in bands
BAND_BYTES = 16 * 2**20
RGB_OF_FULL_RANGE = b"\0\1"  # of cICP; browsers pass over the rest
ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
Chunks = list[tuple[bytes, bytes]]


def read(data: bytes) -> Samples:
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        raise UnreadableImage(UNKNOWN_DAMAGE)
    try:
        return _read(data, chunks)
    except opencv.Undecodable:
        raise UnreadableImage(DAMAGED if END in data else INCOMPLETE) from None


def _read(data: bytes, chunks: Chunks) -> Samples:
    width, height, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    names = [name for name, _ in chunks]
    found = dict(reversed(chunks))  # the first of a kind
    before = dict(reversed(chunks[: names.index(b"IDAT")] if b"IDAT" in names else chunks))
    turn, colours = tags.orientation(found.get(b"eXIf", b"")), _colour_space(before)
    if b"acTL" in names:
        if first := _first_frame(chunks):
            frame, left, top = first
            return samples.placed(_decoded(frame, found), (width, height), left, top, colours, turn)
        chunks = [(name, body) for name, body in chunks if name not in ANIMATION]
        data = _file(chunks)
    row_bits = width * depth * CHANNELS.get(kind, 4)
    if row_bits * height > 8 * WHOLE_BYTES and not interlace and depth >= 8 and kind != PALETTE:
        check_size(width, height, 1)
        return replace(_in_bands(chunks, width, height), turn=turn, colours=colours)
    check_size(width, height, 4 * CHANNELS.get(kind, 4) * max(1, depth // 8))
    if _ends_within_a_chunk(data, chunks):  # OpenCV, too, refuses it, but later
        raise opencv.Undecodable
    return samples.of_array(_decoded(data if data.endswith(END) else data + END, found), turn=turn, colours=colours)


def _decoded(data: bytes, found: dict[bytes, bytes]) -> Pixels:
    """Return the pixels; the one grey that a file may call transparent is, which OpenCV does for colours only."""
    pixels, _ = opencv.decode(data)
    if found[b"IHDR"][9] == GREY_AND_ALPHA and pixels.ndim == 3:
        return pixels[:, :, [0, -1]]
    if b"tRNS" not in found or (pixels.ndim == 3 and pixels.shape[2] != 1) or found[b"IHDR"][9] != GREY:
        return pixels
    depth = found[b"IHDR"][8]
    value = int.from_bytes(found[b"tRNS"][:2], "big") * (255 // (2**depth - 1) if depth < 8 else 1)
    grey = pixels.reshape(pixels.shape[:2])
    return numpy.dstack([grey, (grey != value).astype(grey.dtype) * numpy.iinfo(grey.dtype).max])


def _colour_space(found: dict[bytes, bytes]) -> ColourSpace | None:
    """Return the colour space in the chunks before the pixels, of which the most specific counts."""
    numbers = found.get(b"cICP", b"")
    if numbers[2:] == RGB_OF_FULL_RANGE and colour.are_known(numbers[0], numbers[1]):
        return colour.of_cicp(numbers[0], numbers[1])
    gamma = _gamma(found)
    if b"iCCP" not in found:
        return gamma
    packed = found[b"iCCP"].partition(b"\0")[2][1:]
    try:
        return colour.of_profile(zlib.decompress(packed), otherwise=gamma)
    except zlib.error:
        return gamma


def _gamma(found: dict[bytes, bytes]) -> ColourSpace | None:
    """Return the colour space in gAMA and cHRM."""
    if b"sRGB" in found or len(gamma := found.get(b"gAMA", b"")) != 4 or not any(gamma):
        return None
    exponent = 100_000 / int.from_bytes(gamma, "big")
    if len(found.get(b"cHRM", b"")) == 32:
        white, red, green, blue = ((x / 100_000, y / 100_000) for x, y in struct.iter_unpack(">II", found[b"cHRM"]))
        with suppress(numpy.linalg.LinAlgError):  # red, green and blue on one line
            if all(y for _, y in (white, red, green, blue)):
                return colour.of_gamma(exponent, (red, green, blue, white))
    return colour.of_gamma(exponent)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each chunk and what is in it; a file may end within the last."""
    at, name = len(START), b""
    while at + 8 <= len(data) and name != b"IEND":
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8 : at + 8 + size]
        at += 12 + size


def _ends_within_a_chunk(data: bytes, chunks: Chunks) -> bool:
    last = len(START) + sum(12 + len(body) for _, body in chunks[:-1])
    return int.from_bytes(data[last : last + 4], "big") > len(chunks[-1][1])


def _file(chunks: Chunks) -> bytes:
    """Return a PNG file of these chunks."""
    parts = [START]
    for name, body in chunks:
        parts += struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
    return b"".join(parts)


def _first_frame(chunks: Chunks) -> tuple[bytes, int, int] | None:
    """Return the first frame of an animation as a PNG file, and its place; None if it is the default picture."""
    names = [name for name, _ in chunks]
    if b"fcTL" not in names or b"IDAT" not in names or names.index(b"fcTL") < names.index(b"IDAT"):
        return None
    start = names.index(b"fcTL")
    _, width, height, left, top = struct.unpack_from(">5I", chunks[start][1])
    frame = takewhile(lambda chunk: chunk[0] != b"fcTL", chunks[start + 1 :])
    parts = [(b"IDAT", body[4:]) for name, body in frame if name == b"fdAT"]
    if not parts:
        return None
    header = struct.pack(">II", width, height) + chunks[0][1][8:]
    before = [(name, body) for name, body in chunks[1 : names.index(b"IDAT")] if name not in ANIMATION]
    return _file([(b"IHDR", header), *before, *parts, (b"IEND", b"")]), left, top


# ---- in bands ---------------------------------------------------------------------------------


def _in_bands(chunks: Chunks, width: int, height: int) -> Samples:
    """Read a large picture a few rows at a time, each band as a PNG of its own."""
    head = chunks[0][1]
    depth, kind = head[8], head[9]
    row_bytes = (width * depth * CHANNELS[kind] + 7) // 8
    clear = [(name, body) for name, body in chunks if name == b"tRNS"]
    known = dict([*clear, (b"IHDR", head)])
    rows = max(1, BAND_BYTES // row_bytes)

    def bands() -> Iterator[Pixels]:
        packed = zlib.decompressobj()
        parts = (body for name, body in chunks if name == b"IDAT")
        waiting, last = b"", b""
        for start in range(0, height, rows):
            count = min(rows, height - start)
            need = count * (1 + row_bytes)
            while len(waiting) < need:
                try:
                    part = packed.unconsumed_tail or next(parts)
                    waiting += packed.decompress(part, need)
                except StopIteration:
                    raise UnreadableImage(INCOMPLETE) from None
                except zlib.error:
                    raise UnreadableImage(DAMAGED) from None
            band, waiting = waiting[:need], waiting[need:]
            filtered = (b"\0" + last if last else b"") + band  # the row above, of which filters speak
            shape = struct.pack(">II", width, count + bool(last)) + head[8:]
            idat = zlib.compress(filtered, 0)
            pixels = _decoded(_file([(b"IHDR", shape), *clear, (b"IDAT", idat), (b"IEND", b"")]), known)
            if last:
                pixels = pixels[1:]
            last = _row(pixels[-1], kind, depth)
            yield pixels if pixels.ndim == 3 else pixels[:, :, None]

    alpha = Alpha.STRAIGHT if kind in (4, 6) or clear else Alpha.NONE
    return Samples(bands, width, height, white=255 if depth == 8 else 65535, alpha=alpha)


def _row(pixels: Pixels, kind: int, depth: int) -> bytes:
    """Return a decoded row as a PNG has it when it is not filtered."""
    order = {0: [0], 2: [2, 1, 0], 4: [0, -1], 6: [2, 1, 0, 3]}[kind]
    channels = pixels.reshape(len(pixels), -1)[:, order]
    return channels.astype(">u2" if depth == 16 else "u1").tobytes()
