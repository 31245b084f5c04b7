"""Pictures that tests make, and what they look for in them."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import Picture

LEFT = numpy.array([0, 0, 200], numpy.uint8)  # red, in OpenCV's order


def drawing(height: int = 40, width: int = 60) -> numpy.ndarray:
    """Return a picture whose top left quarter is red and whose rest is white."""
    pixels = numpy.full((height, width, 3), 255, numpy.uint8)
    pixels[: height // 2, : width // 2] = LEFT
    return pixels


def encoded(kind: str, pixels: numpy.ndarray | None = None) -> bytes:
    return cv2.imencode(kind, drawing() if pixels is None else pixels)[1].tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, depth: int, kind: int, packed: bytes) -> bytes:
    """Return a PNG of this colour type whose filtered rows were packed by zlib."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def bomb() -> bytes:
    """Return a PNG of 400 megapixels in 400 KB."""
    deflate, part = zlib.compressobj(9, wbits=-15), bytes(20_001) * 100
    packed = deflate.compress(part) + deflate.flush(zlib.Z_FULL_FLUSH)  # which may stand there again and again
    checksum = struct.pack(">HH", 200 * len(part) % 65_521, 1)
    rows = b"\x78\x9c" + packed * 200 + deflate.flush() + checksum
    return png_of(20_000, 20_000, 8, 0, rows)


def turned(kind: str, orientation: int, pixels: numpy.ndarray | None = None) -> bytes:
    """Return a JPEG or PNG with EXIF data that says how it is to be turned."""
    data = encoded(kind, pixels)
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">H", orientation) + bytes(6)
    if kind == ".png":
        return data[:33] + chunk(b"eXIf", tiff) + data[33:]
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + data[2:]


def pixel(picture: Picture, x: float, y: float) -> tuple[int, ...]:
    """Return blue, green, red at a place given in fractions of width and height."""
    at = 3 * (int(y * picture.height) * picture.width + int(x * picture.width))
    return tuple(picture.pixels[at : at + 3])


def is_red(pixel: tuple[int, ...]) -> bool:
    return pixel[2] > 150 and max(pixel[:2]) < 80


def peak_memory(decoder: Decoder) -> int:
    """Return the most bytes of memory that the decoder's process has had."""
    with open(f"/proc/{decoder._process.process.pid}/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
