"""HEIC, JPEG XL and some JPEG 2000, which OpenCV can't read: by Pillow and its plugins, if installed."""

from __future__ import annotations

import importlib
import io

import numpy

from lab2.labelling.pictures.decoding import avif, colour, samples
from lab2.labelling.pictures.decoding.limits import check_size
from lab2.labelling.pictures.decoding.refusals import DAMAGED_OR_INCOMPLETE, UNKNOWN_DAMAGE
from lab2.labelling.pictures.decoding.samples import Samples
from lab2.labelling.pictures.picture import UnreadableImage

NEEDS = "it is {}, which needs {}; try: pip install {}"


def read_heif(data: bytes) -> Samples:
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:
        raise UnreadableImage(NEEDS.format("a HEIC picture", "pillow-heif", "pillow-heif")) from None
    return _read(data, avif.colour_space(avif.properties_of(data)))


def read_jxl(data: bytes) -> Samples:
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        raise UnreadableImage(NEEDS.format("a JPEG XL picture", "pillow-jxl-plugin", "pillow-jxl-plugin")) from None
    return _read(data, None)


def read_jp2(data: bytes) -> Samples:
    """Read a JPEG 2000 that OpenCV doesn't."""
    try:
        importlib.import_module("PIL")
    except ImportError:
        raise UnreadableImage(
            f"{UNKNOWN_DAMAGE}, or of a kind of JP2 that needs pillow; try: pip install pillow"
        ) from None
    return _read(data, None)


def _read(data: bytes, colours: colour.ColourSpace | None) -> Samples:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # `check_size` has a limit of ours
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_size(image.width, image.height, 8)
            profile = image.info.get("icc_profile")
            mode = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
            pixels = numpy.asarray(image.convert(mode))
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError):
        raise UnreadableImage(DAMAGED_OR_INCOMPLETE) from None
    if pixels.ndim == 3:
        pixels = numpy.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    return samples.of_array(pixels, colours=colour.of_profile(profile) if profile else colours)
