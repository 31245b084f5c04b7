"""What a reader returns: samples as in the file, and what is needed to show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import cv2
import numpy

from lab2.labelling.pictures.decoding import colour
from lab2.labelling.pictures.decoding.colour import ColourSpace
from lab2.labelling.pictures.decoding.limits import check_size

Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

GROUND = 255  # white, as in a browser, behind transparent pictures
BAND_ROWS = 256  # converted at a time, so that a large picture is not copied to a wider type as a whole
WHITES = {numpy.dtype(numpy.uint8): 255, numpy.dtype(numpy.uint16): 65535}  # of types whose largest value is white
STRONG = 8  # from this factor on, two steps, the first by a whole number, are faster and look the same
DARKEST, BRIGHTEST = 0.1, 99.8  # percentiles that become black and white if the white is not known


class Alpha(Enum):
    """What the last of two or four channels is."""

    NONE = "there is no such channel"
    STRAIGHT = "opacity"
    PREMULTIPLIED = "opacity that the colours were multiplied by"


@dataclass(frozen=True)
class Samples:
    """A picture as in its file, whole or in bands of rows from the top, which need not all be in memory.

    A band is height x width x channels: grey; blue, green, red; either and alpha; or cyan, magenta, yellow, black.
    """

    bands: Callable[[], Iterable[Pixels]]  # may be called again
    width: int
    height: int
    white: float = 255  # the value of a sample that is white; 0: not known
    alpha: Alpha = Alpha.NONE
    turn: int = 1  # the EXIF orientation
    colours: ColourSpace | None = None  # None: sRGB
    is_cmyk: bool = False


def of_array(pixels: Pixels, alpha: Alpha = Alpha.STRAIGHT, **known: Any) -> Samples:
    """Return the Samples of a picture in memory; of two or four channels the last is `alpha`."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] not in (2, 4):
        alpha = Alpha.NONE
    known.setdefault("white", WHITES.get(pixels.dtype, 0))
    return Samples(lambda: [pixels], pixels.shape[1], pixels.shape[0], alpha=alpha, **known)


def show(samples: Samples, width: int, height: int) -> Pixels:
    """Return the picture as rows of blue, green, red bytes: upright, on white, in sRGB, as large as fits the box.

    A box of 0 x 0 leaves it in its own size.
    """
    if samples.turn >= 5:
        width, height = height, width
    scale = min(width / samples.width, height / samples.height) if width else 1
    size = max(1, round(samples.width * scale)), max(1, round(samples.height * scale))
    factor = max(1, int(1 / scale))
    if samples.alpha is Alpha.NONE:
        pixels = _finished(_resized(_joined(samples.bands(), samples.height, factor), size), samples)
    else:  # made opaque first: colours of transparent pixels must not bleed into visible ones
        pixels = _resized(_joined(_opaque(samples), samples.height, factor), size)
    return _turned(pixels, samples.turn)


def _opaque(samples: Samples) -> Iterator[Pixels]:
    """Yield the bands of a transparent picture on white; alpha that is 0 everywhere was never filled and is ignored."""
    is_filled = any(band[:, :, -1].any() for band in samples.bands())
    for band in samples.bands():
        for row in range(0, len(band), BAND_ROWS):
            part = band[row : row + BAND_ROWS]
            yield _on_white(part, samples) if is_filled else _finished(part[:, :, :-1], samples)


def _joined(bands: Iterable[Pixels], height: int, factor: int) -> Pixels:
    """Return the picture of these bands; each is made `factor` times smaller before the next is read."""
    parts: list[Pixels] = []
    rest: Pixels | None = None
    for band in bands:
        if len(band) == height:
            return _reduced(band, factor) if factor >= STRONG else band
        whole = band if rest is None else numpy.concatenate([rest, band])
        rows = len(whole) // factor * factor
        if rows:
            parts.append(_reduced(whole[:rows], factor))
        rest = whole[rows:] if rows < len(whole) else None
    if rest is not None:
        parts.append(_reduced(rest, factor))
    return numpy.concatenate(parts)


def _reduced(pixels: Pixels, factor: int) -> Pixels:
    """Return the mean of each factor x factor pixels; OpenCV is quick if nothing is left over at the edges."""
    if factor == 1:
        return pixels
    rows, columns = (max(1, length // factor) for length in pixels.shape[:2])
    return _resized(pixels[: rows * factor, : columns * factor], (columns, rows))


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Return the pixels as height x width x channels, `size` being (width, height)."""
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    way = cv2.INTER_AREA if size[0] <= pixels.shape[1] and size[1] <= pixels.shape[0] else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, size, interpolation=way)
    return resized if resized.ndim == 3 else resized[:, :, None]


def _finished(pixels: Pixels, samples: Samples) -> Pixels:
    """Return opaque samples as blue, green and red bytes of sRGB."""
    if samples.is_cmyk:
        return colour.cmyk_to_srgb(_scaled(pixels, samples.white, numpy.uint8), samples.colours)
    is_deep = samples.colours and pixels.dtype != numpy.uint8
    pixels = _scaled(pixels, samples.white, numpy.uint16 if is_deep else numpy.uint8)
    if samples.colours:
        pixels = colour.to_srgb(pixels, samples.colours)
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.shape[2] == 1 else pixels


def _on_white(pixels: Pixels, samples: Samples) -> Pixels:
    """Return samples with alpha as blue, green and red bytes of sRGB on white."""
    if samples.alpha is Alpha.PREMULTIPLIED:
        pixels = _unmultiplied(pixels, samples.white)
    alpha = _scaled(pixels[:, :, -1:], samples.white, numpy.uint8).astype(numpy.uint16)
    colours = _finished(numpy.ascontiguousarray(pixels[:, :, :-1]), samples)
    sums = colours * alpha + GROUND * (255 - alpha) + 128
    return ((sums + (sums >> 8)) >> 8).astype(numpy.uint8)  # divided by 255


def _unmultiplied(pixels: Pixels, white: float) -> Pixels:
    """Return the pixels with the colours that they had before they were multiplied by alpha."""
    alpha = numpy.maximum(pixels[:, :, -1:].astype(numpy.float32), 1e-9)
    colours = numpy.minimum(pixels[:, :, :-1] * (white / alpha) + 0.5, white)
    return numpy.dstack([colours.astype(pixels.dtype), pixels[:, :, -1:]])


def _scaled(pixels: Pixels, white: float, kind: type[numpy.uint8 | numpy.uint16]) -> Pixels:
    """Return samples of any type as ones of an unsigned type, of which the largest is white."""
    largest = numpy.iinfo(kind).max
    if pixels.dtype == kind and white == largest:
        return pixels
    if white and pixels.dtype in WHITES and largest == 255:  # OpenCV's way is the quickest
        quick = cv2.convertScaleAbs(numpy.ascontiguousarray(pixels), alpha=largest / white)
        shaped: Pixels = quick.reshape(pixels.shape)
        return shaped
    low, high = (0.0, white) if white else _range(pixels)
    scaled = (pixels - numpy.float32(low)) * numpy.float32(largest / (high - low)) + numpy.float32(0.5)
    limited: Pixels = numpy.clip(numpy.nan_to_num(scaled), 0, largest)
    return limited.astype(kind)


def _range(pixels: Pixels) -> tuple[float, float]:
    """Return the values for black and white in samples of unknown range; a few outliers don't count."""
    finite = pixels[numpy.isfinite(pixels)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in numpy.percentile(finite, (DARKEST, BRIGHTEST)))
    low = min(0.0, low)
    if pixels.dtype.kind == "f" and low == 0 and high <= 1:
        return 0.0, 1.0
    return low, max(high, low + 1e-30)


def _turned(pixels: Pixels, turn: int) -> Pixels:
    """Return the pixels turned by the EXIF orientation."""
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def placed(
    pixels: Pixels, canvas: tuple[int, int], left: int, top: int, colours: ColourSpace | None = None, turn: int = 1
) -> Samples:
    """Return the Samples of a white canvas (width, height) with a frame of 8 or 16 bits at (left, top)."""
    check_size(*canvas, 6)
    frame = of_array(pixels, colours=colours)
    shown = numpy.full((canvas[1], canvas[0], 3), GROUND, numpy.uint8)
    part = shown[top : top + frame.height, left : left + frame.width]
    (band,) = frame.bands()
    opaque = _finished(band, frame) if frame.alpha is Alpha.NONE else _on_white(band, frame)
    part[:] = opaque[: part.shape[0], : part.shape[1]]
    return of_array(shown, turn=turn)
