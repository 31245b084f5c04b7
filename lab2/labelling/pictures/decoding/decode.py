"""Decodes image files of all kinds: upright, in 8 bits of sRGB, on white, as large as fits into a box."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy

from lab2.labelling.pictures.decoding import (
    avif,
    bmp,
    gif,
    jp2,
    jpeg,
    netpbm,
    opencv,
    plugins,
    png,
    samples,
    tiff,
    webp,
)
from lab2.labelling.pictures.decoding.colour import of_cicp
from lab2.labelling.pictures.decoding.kinds import kind_of
from lab2.labelling.pictures.decoding.refusals import EMPTY, NO_MEMORY, UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.samples import Pixels, Samples
from lab2.labelling.pictures.picture import UnreadableImage

BLUE_FIRST, RED_FIRST = b"\0\0\0\1", b"\0\0\0\3"  # types of Sun rasters
UNKNOWN = "it is not an image that OpenCV can read"
# What reading raises if a file has numbers that can't be. Not TypeError, AttributeError ...: those are defects of ours.
DAMAGE = (struct.error, LookupError, ValueError, ArithmeticError)


def decode(data: bytes, width: int, height: int) -> Pixels:
    """Return rows of blue, green, red that fit into width x height, or in the picture's own size if those are 0.

    UnreadableImage, with the reason, if that fails.
    """
    if not data:
        raise UnreadableImage(EMPTY)
    kind = kind_of(data)
    try:
        return samples.show(_read(data, kind, width, height), width, height)
    except opencv.Undecodable:
        raise UnreadableImage(UNKNOWN_DAMAGE if kind in READERS else UNKNOWN) from None
    except MemoryError:
        raise UnreadableImage(NO_MEMORY) from None
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise UnreadableImage(NO_MEMORY) from None
        raise


def _read(data: bytes, kind: str, width: int, height: int) -> Samples:
    """Read a picture of this kind, at least as large as fits into width x height."""
    if kind and kind not in READERS and kind != "jpeg":
        raise unsupported(kind)
    with _damage_refused():
        read = jpeg.read(data, width, height) if kind == "jpeg" else READERS.get(kind, _read_other)(data)

    def bands() -> Iterator[Pixels]:
        """Yield the bands; some readers read them only now."""
        with _damage_refused():
            yield from read.bands()

    return replace(read, bands=bands)


@contextmanager
def _damage_refused() -> Iterator[None]:
    """Context in which a reader reads; it refuses a file that makes the reader fail."""
    try:
        yield
    except DAMAGE:
        raise UnreadableImage(UNKNOWN_DAMAGE) from None


def _read_other(data: bytes) -> Samples:
    """Read a kind that only OpenCV knows."""
    return samples.of_array(opencv.decode(data)[0])


def _read_ras(data: bytes) -> Samples:
    """Read a Sun raster; OpenCV takes one of 8 bits without a colour map for black, and none that begins with red."""
    if data[20:24] == RED_FIRST:
        pixels, _ = opencv.decode(data[:20] + BLUE_FIRST + data[24:])
        return samples.of_array(numpy.ascontiguousarray(pixels[:, :, 2::-1]) if pixels.ndim == 3 else pixels)
    if data[12:16] == b"\0\0\0\x08" and data[28:32] == bytes(4):
        grey = bytes(range(256)) * 3
        data = data[:24] + struct.pack(">II", 1, len(grey)) + grey + data[32:]
    return _read_other(data)


def _read_hdr(data: bytes) -> Samples:
    """Read a Radiance picture: light, of which 1 is white, or less in a dark picture, or more in a bright one."""
    light, _ = opencv.decode(data)
    median, bright = (float(value) for value in numpy.nanpercentile(light, (50, samples.BRIGHTEST)))
    return samples.of_array(light, white=max(1e-9, min(bright, max(1.0, 4 * median))), colours=of_cicp(1, 8))


READERS: dict[str, Callable[[bytes], Samples]] = {
    "png": png.read,
    "gif": gif.read,
    "webp": webp.read,
    "bmp": bmp.read,
    "tiff": tiff.read,
    "avif": avif.read,
    "jp2": jp2.read,
    "netpbm": netpbm.read,
    "ras": _read_ras,
    "hdr": _read_hdr,
    "heif": plugins.read_heif,
    "jxl": plugins.read_jxl,
}
