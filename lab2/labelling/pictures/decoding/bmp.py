"""BMP: colour masks of any order, pixels that run lengths skip, and OS/2 headers, which OpenCV gets wrong."""

from __future__ import annotations

import struct

import cv2
import numpy

from lab2.labelling.pictures.decoding import opencv, samples
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED, UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.samples import Pixels, Samples
from lab2.labelling.pictures.picture import UnreadableImage

OS2_HEADER_BYTES, HEADER_WITH_ALPHA_BYTES, HEADER_OF_VERSION_4_BYTES = 12, 56, 108
PLAIN, RUNS_OF_8, RUNS_OF_4, MASKS, JPEG, PNG, MASKS_AND_ALPHA = 0, 1, 2, 3, 4, 5, 6
END_OF_ROW, END_OF_PICTURE, JUMP = 0, 1, 2


def read(data: bytes) -> Samples:
    start, header = struct.unpack_from("<II", data, 10)
    if header == OS2_HEADER_BYTES:  # taken for grey, unless colours are asked for
        return samples.of_array(opencv.decode(data, cv2.IMREAD_COLOR)[0])
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in (JPEG, PNG) and header >= 40:
        raise unsupported("a BMP with a JPEG or PNG inside")
    check_size(max(width, 0), abs(height), 12)
    if masks := _masks(data, header, bits, compression):
        return _read_masked(data, start, masks, width, height, bits)
    if compression in (RUNS_OF_8, RUNS_OF_4) and bits in (8, 4):
        return _read_runs(data, start, header, width, height, bits)
    return samples.of_array(opencv.decode(data)[0])


def _masks(data: bytes, header: int, bits: int, compression: int) -> list[int]:
    """Return the bits of a pixel that are red, green, blue and perhaps alpha; [] if there are no masks."""
    if compression in (MASKS, MASKS_AND_ALPHA) and bits in (16, 32):
        has_alpha = header >= HEADER_WITH_ALPHA_BYTES or compression == MASKS_AND_ALPHA
        return list(struct.unpack_from("<4I" if has_alpha else "<3I", data, 54))
    if compression == PLAIN and bits == 16:
        return [0x7C00, 0x03E0, 0x001F]
    if compression == PLAIN and bits == 32 and header >= HEADER_OF_VERSION_4_BYTES:
        return [0xFF0000, 0xFF00, 0xFF, struct.unpack_from("<I", data, 66)[0]]
    return []


def _read_masked(data: bytes, start: int, masks: list[int], width: int, height: int, bits: int) -> Samples:
    size = bits // 8
    stride = (width * size + 3) // 4 * 4
    if width <= 0 or not height or len(data) < start + stride * abs(height):
        raise UnreadableImage(UNKNOWN_DAMAGE)
    rows = numpy.frombuffer(data, numpy.uint8, stride * abs(height), start).reshape(abs(height), stride)
    words = numpy.ascontiguousarray(rows[:, : width * size]).view(f"<u{size}")
    channels = [_channel(words, masks[index]) for index in (2, 1, 0)]
    if len(masks) == 4 and masks[3]:
        channels.append(_channel(words, masks[3]))
    pixels = numpy.dstack(channels)
    return samples.of_array(pixels if height < 0 else pixels[::-1])


def _channel(words: Pixels, mask: int) -> Pixels:
    """Return the bits of the mask as bytes, of which 255 is the most."""
    if not mask:
        return numpy.zeros(words.shape, numpy.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    values = (words.astype(numpy.uint32) & mask) >> shift
    return (values * (255 / most) + 0.5).astype(numpy.uint8)


def _read_runs(data: bytes, start: int, header: int, width: int, height: int, bits: int) -> Samples:
    if width <= 0 or height <= 0:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    count = struct.unpack_from("<I", data, 46)[0] or 1 << bits
    entries = numpy.frombuffer(data, numpy.uint8, 4 * min(count, 1 << bits), 14 + header).reshape(-1, 4)
    palette = numpy.zeros((256, 3), numpy.uint8)
    palette[: len(entries)] = entries[:, :3]
    return samples.of_array(_unpacked(data, start, width, height, bits, palette)[::-1])


def _unpacked(data: bytes, at: int, width: int, height: int, bits: int, palette: Pixels) -> Pixels:
    """Return the pixels, rows from the bottom; those that no run sets are black, as in browsers."""
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    x = y = 0
    while y < height:
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            pair = (value, value) if bits == 8 else (value >> 4, value & 15)
            run = (bytes(pair) * count)[:count]
        elif value == END_OF_ROW:
            x, y = 0, y + 1
            continue
        elif value == END_OF_PICTURE:
            break
        elif value == JUMP:
            x, y = x + data[at], y + data[at + 1]
            at += 2
            continue
        else:
            size = value if bits == 8 else (value + 1) // 2
            part = data[at : at + size]
            run = part if bits == 8 else bytes(half for byte in part for half in (byte >> 4, byte & 15))[:value]
            at += size + size % 2
        if x + len(run) > width + 1:
            raise UnreadableImage(DAMAGED)
        run = run[: width - x]
        pixels[y, x : x + len(run)] = palette[numpy.frombuffer(run, numpy.uint8)]
        x += len(run)
    return pixels
