"""Colour spaces: what a file's samples mean, and the same colours in sRGB.

A colour space is read from an ICC profile, from the numbers of ITU-T H.273 (cICP in PNG, nclx in AVIF) or from the
gamma and primaries of a PNG. Profiles of tables (CMYK, printers) are LittleCMS's, which Pillow brings.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy

Array = numpy.ndarray[Any, numpy.dtype[Any]]
Curve = Callable[[Array], Array]  # from samples, 0 to 1, to light, 0 to 1
Chromaticity = tuple[float, float]

NO_PILLOW = (
    "A picture's colour profile is a table, which needs Pillow; it is shown without, and colours are off. "
    "Try: pip install pillow"
)
D50 = numpy.array([0.9642, 1.0, 0.8249])  # the white of ICC profiles, as XYZ
BRADFORD = numpy.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
WHITE_D65 = (0.3127, 0.3290)
ILLUMINANT_C, ILLUMINANT_E, WHITE_OF_CINEMAS = (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), WHITE_D65)
BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), WHITE_D65)
SMPTE_170M = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), WHITE_D65)
PRIMARIES = {  # of H.273: red, green, blue, white
    1: SRGB,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), ILLUMINANT_C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), WHITE_D65),
    6: SMPTE_170M,
    7: SMPTE_170M,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), ILLUMINANT_C),
    9: BT2020,
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), ILLUMINANT_E),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), WHITE_OF_CINEMAS),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), WHITE_D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), WHITE_D65),
}
# How bright light of PQ and HLG is shown on a screen of sRGB, in units of 406 cd/m2: linear to a half, then ever less,
# and white at 1,000 cd/m2. Measured on a grey ramp in Chromium 156 (November 2026).
TONE_LIGHT = [0, 0.5, 0.579, 0.647, 0.723, 0.808, 0.902, 1.007, 1.123, 1.253, 1.397, 1.557, 1.736, 1.934, 2.155, 2.463]
TONE_SHOWN = [0, 0.5, 0.565, 0.604, 0.6445, 0.68, 0.716, 0.7454, 0.7835, 0.815, 0.847, 0.871, 0.905, 0.939, 0.965, 1]
UNIT_OF_TONES, SCREEN_OF_HLG = 406, 1000  # cd/m2
BT2020_LUMINANCE = numpy.array([[0.2627, 0.6780, 0.0593]])
SYSTEM_GAMMA = 1.2  # of HLG on a screen of 1,000 cd/m2
ROUNDING = 1e-4  # of the numbers of a profile
STEPS = 2**14  # of light, in the table of bytes of sRGB


@dataclass(frozen=True)
class ColourSpace:
    """What samples mean: a curve for each channel (or one for grey), and the light of red, green and blue."""

    curves: tuple[Curve, ...] = ()
    matrix: Array | None = None  # 3 x 3, from light of its own primaries to light of sRGB's; None: it is grey
    is_hdr: bool = False  # light is in units of UNIT_OF_TONES and may be above 1
    is_scene: bool = False  # light is the scene's, 0 to 1, and not a screen's: hybrid log-gamma
    tables: bytes = b""  # the ICC profile, if it has tables instead


# ---- conversion -------------------------------------------------------------------------------


def to_srgb(pixels: Array, space: ColourSpace) -> Array:
    """Return height x width x (grey, or blue, green, red) of 8 or 16 bits in this colour space as bytes of sRGB."""
    if space.tables:
        return _by_tables(pixels, space.tables, "RGB" if pixels.shape[2] == 3 else "L")
    samples = numpy.linspace(0, 1, numpy.iinfo(pixels.dtype).max + 1)
    light = [curve(samples).astype(numpy.float32) for curve in space.curves]
    if space.matrix is None:
        return _encoded(light[0])[pixels] if pixels.shape[2] == 1 else _in_bytes(pixels)
    if pixels.shape[2] == 1:
        pixels = numpy.repeat(pixels, 3, axis=2)
    linear = numpy.empty(pixels.shape, numpy.float32)  # red, green, blue
    for channel in range(3):
        linear[:, :, channel] = light[channel][pixels[:, :, 2 - channel]]
    matrix = space.matrix
    if space.is_hdr:
        wide = cv2.transform(linear, matrix_between(SRGB, BT2020) @ matrix)
        if space.is_scene:
            luminance = numpy.maximum(cv2.transform(wide, BT2020_LUMINANCE), 1e-6).reshape(*wide.shape[:2], 1)
            wide = wide * (numpy.power(luminance, SYSTEM_GAMMA - 1) * (SCREEN_OF_HLG / UNIT_OF_TONES))
        brightest = numpy.maximum(wide.max(axis=2, keepdims=True), 1e-6)
        linear = wide * (numpy.interp(brightest, TONE_LIGHT, TONE_SHOWN).astype(numpy.float32) / brightest)
        matrix = matrix_between(BT2020, SRGB)
    return numpy.ascontiguousarray(_encoded(cv2.transform(linear, matrix))[:, :, ::-1])


def cmyk_to_srgb(pixels: Array, space: ColourSpace | None) -> Array:
    """Return height x width x (cyan, magenta, yellow, black) bytes as blue, green, red bytes of sRGB."""
    if space and space.tables:
        return _by_tables(pixels, space.tables, "CMYK")
    inks = 255 - pixels.astype(numpy.uint16)
    return ((inks[:, :, 2::-1] * inks[:, :, 3:] + 127) // 255).astype(numpy.uint8)


def lab_to_srgb(lab: Array, is_d50: bool) -> Array:
    """Return height x width x (L* from 0 to 100, a*, b*) floats, of D50 or D65, as blue, green, red bytes of sRGB."""
    y = (lab[:, :, 0] + 16) / 116
    roots = numpy.stack([y + lab[:, :, 1] / 500, y, y - lab[:, :, 2] / 200], axis=2)
    xyz = numpy.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 3 * (6 / 29) ** 2)
    to_white = _to_xyz_d50(SRGB) / D50[:, None] if is_d50 else _to_xyz(SRGB) / _xyz_of(WHITE_D65)[:, None]
    linear = cv2.transform(xyz.astype(numpy.float32), numpy.linalg.inv(to_white))
    return numpy.ascontiguousarray(_encoded(linear)[:, :, ::-1])


def _by_tables(pixels: Array, profile: bytes, mode: str) -> Array:
    """Return bytes of grey, blue, green, red or CMYK as blue, green, red bytes of sRGB, if Pillow is there."""
    pixels = _in_bytes(pixels)
    try:
        from PIL import Image, ImageCms
    except ImportError:
        warnings.warn(NO_PILLOW, stacklevel=2)
        return cmyk_to_srgb(pixels, None) if mode == "CMYK" else pixels
    channels = pixels[:, :, ::-1] if mode == "RGB" else pixels[:, :, 0] if mode == "L" else pixels
    image = Image.fromarray(numpy.ascontiguousarray(channels), mode)
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        version_2 = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        version_2[8:10] = b"\2\x40"  # to one of version 4 LittleCMS compensates the black point, and browsers don't
        target = ImageCms.ImageCmsProfile(io.BytesIO(version_2))
        shown = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # no profile of this mode: it says nothing
        return cmyk_to_srgb(pixels, None) if mode == "CMYK" else pixels
    return numpy.ascontiguousarray(numpy.asarray(shown)[:, :, ::-1])


def _in_bytes(pixels: Array) -> Array:
    return pixels if pixels.dtype == numpy.uint8 else (pixels >> 8).astype(numpy.uint8)


@lru_cache(maxsize=1)
def _srgb_bytes() -> Array:
    """Return the byte of sRGB for each step of light."""
    light = numpy.linspace(0, 1, STEPS)
    curved = numpy.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * curved + 0.5).astype(numpy.uint8)


def _encoded(light: Array) -> Array:
    """Return bytes of sRGB for light, of which 1 is white."""
    steps = numpy.clip(light * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(numpy.uint16)
    return _srgb_bytes()[steps]


# ---- primaries --------------------------------------------------------------------------------


def matrix_between(primaries: tuple[Chromaticity, ...], others: tuple[Chromaticity, ...]) -> Array:
    """Return the 3 x 3 matrix from light of these primaries (red, green, blue, white) to light of the others."""
    return numpy.linalg.inv(_to_xyz_d50(others)) @ _to_xyz_d50(primaries)


def _to_xyz_d50(primaries: tuple[Chromaticity, ...]) -> Array:
    """Return the 3 x 3 matrix from light of these primaries to XYZ as ICC has it: white is D50's."""
    adapted = numpy.diag((BRADFORD @ D50) / (BRADFORD @ _xyz_of(primaries[3])))
    to_d50: Array = numpy.linalg.inv(BRADFORD) @ adapted @ BRADFORD @ _to_xyz(primaries)
    return to_d50


def _to_xyz(primaries: tuple[Chromaticity, ...]) -> Array:
    """Return the 3 x 3 matrix from light of these primaries to XYZ."""
    columns = numpy.stack([_xyz_of(primary) for primary in primaries[:3]], axis=1)
    return columns * numpy.linalg.solve(columns, _xyz_of(primaries[3]))


def _xyz_of(chromaticity: Chromaticity) -> Array:
    x, y = chromaticity
    return numpy.array([x, y, 1 - x - y]) / (y or 1)


# ---- curves -----------------------------------------------------------------------------------


def _power(gamma: float, x: Array) -> Array:
    return numpy.power(x, gamma)


def _parametric(g: float, a: float, b: float, c: float, d: float, e: float, f: float, x: Array) -> Array:
    """Return ICC's most general curve: a power above `d`, a line below."""
    return numpy.where(x >= d, numpy.power(numpy.maximum(a * x + b, 0), g) + e, c * x + f)


def _tabulated(table: Array, x: Array) -> Array:
    return numpy.interp(x, numpy.linspace(0, 1, len(table)), table)


def _pq(x: Array) -> Array:
    """Return the light of SMPTE ST 2084 in units of UNIT_OF_TONES."""
    power = numpy.power(x, 32 / 2523)
    light = numpy.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)
    return numpy.power(light, 16384 / 2610) * (10_000 / UNIT_OF_TONES)


def _hlg(x: Array) -> Array:
    """Return the light of the scene by BT.2100's hybrid log-gamma."""
    return numpy.where(x <= 0.5, x * x / 3, (numpy.exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12)


def _cinema(x: Array) -> Array:
    """Return the light of SMPTE ST 428-1, of which 48 cd/m2 is white."""
    return numpy.minimum(numpy.power(x, 2.6) * (52.37 / 48), 1)


SRGB_CURVE = partial(_parametric, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0)
BT1886_CURVE = partial(_power, 2.4)  # screens' for what BT.709 and its kin encode
TRANSFERS: dict[int, Curve] = {  # of H.273; of what is not here, browsers take sRGB's
    1: BT1886_CURVE,
    4: partial(_power, 2.2),
    5: partial(_power, 2.8),
    6: BT1886_CURVE,
    7: partial(_parametric, 1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4.0, 0.0913, 0.0, 0.0),
    8: partial(_power, 1.0),
    11: BT1886_CURVE,
    13: SRGB_CURVE,
    14: BT1886_CURVE,
    15: BT1886_CURVE,
    16: _pq,
    17: _cinema,
    18: _hlg,
}
PQ, HLG = 16, 18


# ---- where colour spaces are read from --------------------------------------------------------


def are_known(primaries: int, transfer: int) -> bool:
    """Return whether these numbers of H.273 say which colours are meant."""
    return primaries in PRIMARIES and transfer in TRANSFERS


def of_cicp(primaries: int, transfer: int) -> ColourSpace | None:
    """Return the colour space of these numbers of H.273; None: sRGB, or they say nothing."""
    curve = TRANSFERS.get(transfer, SRGB_CURVE)
    if primaries not in PRIMARIES or (primaries == 1 and curve is SRGB_CURVE):
        return None
    return ColourSpace((curve,) * 3, matrix_between(PRIMARIES[primaries], SRGB), transfer in (PQ, HLG), transfer == HLG)


def of_gamma(gamma: float, primaries: tuple[Chromaticity, ...] = SRGB) -> ColourSpace:
    """Return the colour space whose light is samples to the power of gamma."""
    return ColourSpace((partial(_power, gamma),) * 3, matrix_between(primaries, SRGB))


def of_profile(profile: bytes, otherwise: ColourSpace | None = None) -> ColourSpace | None:
    """Return the colour space of an ICC profile, None if that is sRGB; `otherwise` if it is empty or can't be read."""
    try:
        return _read_profile(profile)
    except (KeyError, ValueError, IndexError, ZeroDivisionError, struct.error):
        return otherwise


@lru_cache(maxsize=16)
def _read_profile(profile: bytes) -> ColourSpace | None:
    tags = _tags(profile)
    kind = profile[16:20]
    if numbers := tags.get(b"cicp"):  # of ICC.1:2022: it comes before all else
        return of_cicp(numbers[8], numbers[9])
    if kind == b"CMYK" or (kind in (b"RGB ", b"GRAY") and b"A2B0" in tags):
        return ColourSpace(tables=profile)
    if kind == b"GRAY":
        return ColourSpace((_curve(tags[b"kTRC"]),))
    if kind != b"RGB ":
        raise ValueError("a profile of other colours")
    curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    space = ColourSpace(curves, numpy.linalg.inv(_to_xyz_d50(SRGB)) @ numpy.stack(columns, axis=1))
    colours = numpy.mgrid[0:256:51, 0:256:51, 0:256:51].reshape(3, -1).T[None].astype(numpy.uint8)
    is_srgb = abs(to_srgb(colours, space).astype(int) - colours).max() <= 1
    return None if is_srgb else space


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * number) for number in range(min(count, 100))]
    return {name: profile[start : start + size] for name, start, size in entries}


def _xyz(tag: bytes) -> Array:
    return numpy.array(struct.unpack_from(">3i", tag, 8)) / 65536


def _curve(tag: bytes) -> Curve:
    """Return the curve of a `curv` or `para` element."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        numbers = [value / 65536 for value in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
        g, a, b, c, d, e, f = numbers + [0.0] * (7 - len(numbers))
        if kind == 0:
            return partial(_power, g)
        if kind == 1:  # nothing below the zero of a x + b
            c, d = 0.0, -b / a
        elif kind == 2:
            c, d, e, f = 0.0, -b / a, c, c
        if min(g, a, c, d, a * d + b + ROUNDING) < 0:  # browsers take no such curve
            raise ValueError("no curve")
        return partial(_parametric, g, a, b, c, d, e, f)
    if tag[:4] != b"curv":
        raise ValueError("no curve")
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return partial(_power, 1.0)
    if count == 1:
        return partial(_power, struct.unpack_from(">H", tag, 12)[0] / 256)
    return partial(_tabulated, numpy.frombuffer(tag, ">u2", count, 12) / 65535)
