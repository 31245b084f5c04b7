"""The meaning of the unpacked bytes of a TIFF: numbers, and then colours."""

from __future__ import annotations

import numpy

from lab2.labelling.pictures.decoding import colour, tags
from lab2.labelling.pictures.decoding.refusals import UNKNOWN_DAMAGE, unsupported
from lab2.labelling.pictures.decoding.samples import Alpha, Pixels
from lab2.labelling.pictures.decoding.tags import number
from lab2.labelling.pictures.decoding.tiff_layout import (
    CIELAB,
    COLOURS,
    FLOAT,
    ICCLAB,
    PALETTE,
    RGB,
    SIGNED,
    UNDEFINED,
    UNSIGNED,
    WHITE_IS_ZERO,
    Layout,
)
from lab2.labelling.pictures.picture import UnreadableImage

PREDICTED = {5, 8, 32946}  # compressions before which samples may be replaced by differences: LZW, Deflate
DIFFERENCES, DIFFERENCES_OF_FLOATS = 2, 3


def check_numbers(layout: Layout) -> None:
    """Raise UnreadableImage if samples are none of the numbers that `numbers` reads."""
    if layout.bits not in (1, 2, 4, 8, 12, 16, 32, 64) or (layout.sample_format == FLOAT and layout.bits < 16):
        raise unsupported(f"a TIFF of {layout.bits} bits a sample")
    if layout.sample_format not in (UNSIGNED, SIGNED, FLOAT, UNDEFINED):
        raise unsupported("a TIFF of complex numbers")


def numbers(packed: Pixels, layout: Layout) -> Pixels:
    """Return rows of bytes as rows x pixels x samples side by side, as numbers."""
    rows, bits = len(packed), layout.bits
    count = layout.part_width * layout.in_a_pixel
    predictor = number(layout.page, tags.PREDICTOR, 1) if number(layout.page, tags.COMPRESSION, 1) in PREDICTED else 1
    packed = numpy.ascontiguousarray(packed)
    if predictor == DIFFERENCES_OF_FLOATS and layout.sample_format == FLOAT:
        packed = _without_planes_of_bytes(packed, layout)
    if bits < 8:
        values = numpy.unpackbits(packed, axis=1)[:, : count * bits].reshape(rows, count, bits)
        weights = 2 ** numpy.arange(bits - 1, -1, -1, dtype=numpy.uint8)
        values = (values * weights).sum(axis=2, dtype=numpy.uint8)
    elif bits == 12:
        values = _of_12_bits(packed)[:, :count]
    else:
        letter = {FLOAT: "f", SIGNED: "i"}.get(layout.sample_format, "u")
        values = packed.view(f"{layout.order}{letter}{bits // 8}")
        values = values.astype(values.dtype.newbyteorder("="))
    values = values.reshape(rows, layout.part_width, layout.in_a_pixel)
    if predictor == DIFFERENCES and values.dtype.kind != "f":
        values = numpy.cumsum(values, axis=1, dtype=values.dtype)
    return values


def _of_12_bits(packed: Pixels) -> Pixels:
    """Return numbers of which two are in three bytes, scaled to 16 bits."""
    padded = numpy.pad(packed, ((0, 0), (0, -packed.shape[1] % 3))).astype(numpy.uint16)
    first, second, third = (padded[:, at::3] for at in range(3))
    pairs = numpy.stack([first << 4 | second >> 4, (second & 15) << 8 | third], axis=2)
    values = pairs.reshape(len(packed), -1)
    return values << 4 | values >> 8


def _without_planes_of_bytes(packed: Pixels, layout: Layout) -> Pixels:
    """Return rows of floats, of which the predictor stored all first bytes, then all second ones, as differences."""
    size = layout.bits // 8
    steps = packed.reshape(len(packed), -1, layout.in_a_pixel)
    planes = numpy.cumsum(steps, axis=1, dtype=numpy.uint8).reshape(len(packed), size, -1)
    numbers = planes.transpose(0, 2, 1)  # the most significant byte first
    if layout.order == "<":
        numbers = numbers[:, :, ::-1]
    return numpy.ascontiguousarray(numbers).reshape(len(packed), -1)


def meant(values: Pixels, layout: Layout, alpha: Alpha) -> Pixels:
    """Return numbers as Samples has them: grey, blue-green-red or CMYK, and alpha if there is."""
    if layout.sample_format == SIGNED:
        values = _unsigned(values)
    if layout.photometric == PALETTE:
        return _by_palette(values[:, :, 0], layout)
    if layout.photometric in (CIELAB, ICCLAB):
        return colour.lab_to_srgb(_lab(values, layout), is_d50=layout.photometric == ICCLAB)
    if layout.bits < 8:
        values = values * numpy.uint8(255 // (2**layout.bits - 1))
    if layout.photometric == WHITE_IS_ZERO:
        white = 1 if values.dtype.kind == "f" else numpy.iinfo(values.dtype).max
        values[:, :, 0] = white - values[:, :, 0]
    if values.dtype.itemsize > 4 or values.dtype in (numpy.uint32, numpy.float16):
        values = values.astype(numpy.float32)
    colours = COLOURS[layout.photometric]
    order = [2, 1, 0] if layout.photometric == RGB else list(range(colours))
    if alpha is not Alpha.NONE:
        order.append(colours)
    return numpy.ascontiguousarray(values[:, :, order])


def white_of(layout: Layout) -> float:
    """Return the value of white in what `meant` returns; 0: not known."""
    if layout.photometric in (PALETTE, CIELAB, ICCLAB):
        return 255
    if layout.sample_format == FLOAT or layout.bits > 32:
        return 0
    return 255 if layout.bits <= 8 else 2 ** max(16, layout.bits) - 1


def _unsigned(values: Pixels) -> Pixels:
    """Return signed numbers moved so that the least is 0."""
    unsigned: Pixels = values.view(values.dtype.str.replace("i", "u"))
    unsigned ^= numpy.array(1 << (8 * values.itemsize - 1), unsigned.dtype)
    return unsigned


def _by_palette(indices: Pixels, layout: Layout) -> Pixels:
    entries: Pixels = numpy.array(layout.page.get(tags.COLOUR_MAP, ()), numpy.uint16)
    count = len(entries) // 3
    if count == 0 or indices.max(initial=0) >= count:
        raise UnreadableImage(UNKNOWN_DAMAGE)
    by_entry = entries[: 3 * count].reshape(3, count)[::-1].T
    if entries.max() > 255:  # some programs wrote palettes of 8 bits
        by_entry = by_entry >> 8
    shown: Pixels = by_entry.astype(numpy.uint8)[indices]
    return shown


def _lab(values: Pixels, layout: Layout) -> Pixels:
    """Return L*, a* and b* as floats; a* and b* are stored signed, or with an offset."""
    unit = numpy.float32(2 ** (layout.bits - 8))
    raw = values[:, :, :3].astype(numpy.float32) / unit
    if layout.sample_format == SIGNED:  # moved by `_unsigned`
        raw = (raw + 128) % 256
    lightness = raw[:, :, :1] * (100 / (255 if layout.bits == 8 else 65535 / unit))
    axes = raw[:, :, 1:]
    axes = axes - 128 if layout.photometric == ICCLAB else numpy.where(axes >= 128, axes - 256, axes)
    return numpy.concatenate([lightness, axes.astype(numpy.float32)], axis=2)
