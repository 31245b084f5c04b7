"""Image files become pixels: whole, upright, in 8 bits, on white, as large as fits into a box."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from lab2.labelling.pictures.decoding import avif, exif, jpeg, netpbm
from lab2.labelling.pictures.decoding.jpeg import DAMAGED, INCOMPLETE
from lab2.labelling.pictures.decoding.messages import native_messages
from lab2.labelling.pictures.picture import UnreadableImage

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

MAX_PIXELS = 128 * 10**6  # phones take 108 million; a PNG of 109 KB can unpack to 5 GB
MAX_JPEG_PIXELS = 256 * 10**6  # phones take 200 million, and a JPEG is decoded reduced
GROUND = 255  # white, as in a browser, behind transparent pictures
ROWS = 256  # at a time, to blend a large picture without a copy of it in a wider type
PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
ENDS = {"jpeg": jpeg.END, "gif": b";", "png": PNG_END}
UNKNOWN_DAMAGE = "it is damaged or incomplete"
NO_MEMORY = "there is not enough memory to decode it"


class Undecodable(Exception):
    """OpenCV returned nothing, and no reason."""


class Samples(NamedTuple):
    """What OpenCV read, and what must be known to show it."""

    pixels: Pixels
    white: float  # the value that is white; 0: not known
    turn: int = 1  # EXIF's number
    is_premultiplied: bool = False  # the colours have been multiplied by alpha


def decode(data: bytes, width: int, height: int) -> Pixels:
    """Return rows of blue, green, red, as large as fits into width x height, or in its own size if those are 0.

    UnreadableImage says why there are none.
    """
    kind = kind_of(data)
    with _reasons(data, kind):
        if kind == "jpeg":
            return _decode_jpeg(data, width, height)
        samples = _READERS.get(kind, _read)(_ended(data, kind))
        colours = _on_white(_in_bytes(samples.pixels, samples.white), samples.is_premultiplied)
        return _upright(colours, samples.turn, width, height)


def check(data: bytes) -> None:
    """Raise UnreadableImage where `decode` would.

    Of a JPEG it computes an eighth of the size and no colours; libjpeg still reads all data and gives all warnings.
    """
    import cv2

    if kind_of(data) != "jpeg":
        decode(data, 16, 16)
        return
    with _reasons(data, "jpeg"):
        _read_jpeg(data, jpeg.read_header(data), cv2.IMREAD_REDUCED_GRAYSCALE_8)


@contextmanager
def _reasons(data: bytes, kind: str) -> Iterator[None]:
    """Turn what goes wrong while the file is decoded into UnreadableImage with the reason."""
    import cv2

    if not data:
        raise UnreadableImage("it is empty")
    try:
        yield
    except Undecodable:
        raise UnreadableImage(what_is_wrong(data, kind)) from None
    except MemoryError:
        raise UnreadableImage(NO_MEMORY) from None
    except cv2.error as error:
        if "PIXELS" in str(error):
            raise UnreadableImage(f"it has more than {MAX_PIXELS // 10**6} megapixels") from None
        if error.code == cv2.Error.StsNoMem:
            raise UnreadableImage(NO_MEMORY) from None
        raise UnreadableImage(what_is_wrong(data, kind)) from None


def kind_of(data: bytes) -> str:
    """Return the file format that the first bytes show, '' for one that is treated like any other."""
    if data[4:8] == b"ftyp":
        brands = data[8 : max(12, int.from_bytes(data[:4], "big"))]
        return "avif" if b"avif" in brands or b"avis" in brands else "heif"
    if data[:4] == b"RIFF":
        return "webp" if data[8:12] == b"WEBP" else ""
    starts = {
        b"\xff\xd8": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff",
        b"II+\0": "tiff", b"MM\0+": "tiff",         b"\0\0\0\x0cjP": "jp2", b"\xff\x4f\xff\x51": "jp2", b"P7\n": "pam",
    } | {b"P%d" % number: "pnm" for number in (2, 3, 5, 6)}  # fmt: skip
    return next((kind for start, kind in starts.items() if data.startswith(start)), "")


# ---- formats ----------------------------------------------------------------------------------


def _ended(data: bytes, kind: str) -> bytes:
    """Return the file with its end marker, without which OpenCV does not read it, and viewers do."""
    end = ENDS.get(kind, b"")
    return data if data.endswith(end) else data + end


def _decode_jpeg(data: bytes, width: int, height: int) -> Pixels:
    header = jpeg.read_header(data)
    turn = exif.orientation(header.exif)
    room = header.width // max(1, width), header.height // max(1, height)
    if turn >= 5:
        room = header.width // max(1, height), header.height // max(1, width)
    return _upright(_read_jpeg(data, header, _reduction(max(room) if width else 1)), turn, width, height)


def _read_jpeg(data: bytes, header: jpeg.JpegHeader, flags: int) -> Pixels:
    """Return what OpenCV reads with these flags, not turned; UnreadableImage where it is not the whole picture."""
    import cv2

    if header.width * header.height > MAX_JPEG_PIXELS:  # OpenCV looks at the reduced size
        raise UnreadableImage(f"it has more than {MAX_JPEG_PIXELS // 10**6} megapixels")
    with native_messages() as messages:
        pixels = _imdecode(_ended(data, "jpeg"), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise UnreadableImage(_what_is_wrong_with_jpeg(header))
    if flaw := jpeg.flaw(data, header, messages()):
        raise UnreadableImage(flaw)
    return pixels


def _reduction(room: int) -> int:
    """Return the flag to decode a JPEG that is `room` times as large as needed, by a half, a quarter or an eighth."""
    import cv2

    if room >= 8:
        return cv2.IMREAD_REDUCED_COLOR_8
    if room >= 4:
        return cv2.IMREAD_REDUCED_COLOR_4
    return cv2.IMREAD_REDUCED_COLOR_2 if room >= 2 else cv2.IMREAD_COLOR


def _read(data: bytes) -> Samples:
    """Read a file of any format but JPEG."""
    import cv2
    import numpy

    array = numpy.frombuffer(data, numpy.uint8)
    pixels, kinds, contents = cv2.imdecodeWithMetadata(array, flags=cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Undecodable
    found = [bytes(content) for kind, content in zip(kinds, contents, strict=True) if kind == cv2.IMAGE_METADATA_EXIF]
    turn = exif.orientation(found[0].removeprefix(b"Exif\0\0")) if found else 1
    white = {"uint8": 255, "uint16": 65535}.get(pixels.dtype.name, 0)
    return Samples(pixels, white, turn)


def _read_png(data: bytes) -> Samples:
    """Read a PNG; the one grey that a file may call transparent is, which OpenCV does for colours only."""
    import cv2

    samples = _read(data)
    place = data.find(b"tRNS", 33, max(33, data.find(b"IDAT")))
    if place < 0 or samples.pixels.ndim == 3:
        return samples
    grey, bits = samples.pixels, data[24]
    value = int.from_bytes(data[place + 4 : place + 6], "big") * (255 // (2**bits - 1) if bits < 8 else 1)
    alpha = (grey != value).astype(grey.dtype) * grey.dtype.type(samples.white)
    return samples._replace(pixels=cv2.merge([grey, grey, grey, alpha]))


def _read_avif(data: bytes) -> Samples:
    """Read an AVIF; OpenCV neither turns it nor says how many of 16 bits are used."""
    samples = _read(data)
    white = 2 ** avif.bits(data) - 1 if samples.white > 255 else samples.white
    return samples._replace(white=white, turn=avif.orientation(data))


def _read_jp2(data: bytes) -> Samples:
    """Read a JPEG 2000; its marker segment `SIZ` says how many of 16 bits are used."""
    samples, size = _read(data), data.find(b"\xff\x51")
    white = 2 ** ((data[size + 40] & 0x7F) + 1) - 1 if samples.white > 255 else samples.white
    return samples._replace(white=white)


def _read_tiff(data: bytes) -> Samples:
    """Read a TIFF, which OpenCV turns; where it hands 8 bits to libtiff, that multiplies colours by alpha."""
    tags = exif.tags(data)
    if tags.get(exif.SAMPLES_PER_PIXEL) == 2:
        raise UnreadableImage("it is a TIFF of grey and transparency, which is not supported")
    samples = _read(data)
    premultiplied = samples.pixels.itemsize == 1 or tags.get(exif.EXTRA_SAMPLES) == 1
    return samples._replace(turn=1, is_premultiplied=premultiplied)


def _read_bmp(data: bytes) -> Samples:
    """Read a BMP; one with the header of OS/2, of 12 bytes, OpenCV takes for grey unless it is told otherwise."""
    import cv2

    if int.from_bytes(data[14:18], "little") != 12:
        return _read(data)
    if (pixels := _imdecode(data, cv2.IMREAD_COLOR)) is None:
        raise Undecodable
    return Samples(pixels, 255)


_READERS: dict[str, Callable[[bytes], Samples]] = {
    "png": _read_png, "avif": _read_avif, "jp2": _read_jp2, "tiff": _read_tiff, "bmp": _read_bmp,
    "pnm": lambda data: _read(data)._replace(white=netpbm.maximum(data)),
    "pam": lambda data: Samples(*netpbm.read_pam(data, MAX_PIXELS)),
}  # fmt: skip


def _imdecode(data: bytes, flags: int) -> Pixels | None:
    import cv2
    import numpy

    return cv2.imdecode(numpy.frombuffer(data, numpy.uint8), flags)


# ---- pixels -----------------------------------------------------------------------------------


def _in_bytes(samples: Pixels, white: float) -> Pixels:
    """Return samples of any type as bytes; where no value is known to be white, the largest is, and the least black."""
    import cv2
    import numpy

    if samples.dtype == numpy.uint8 and white == 255:
        return samples
    if white:
        return cv2.convertScaleAbs(samples, alpha=255 / white)
    finite = numpy.nan_to_num(samples.astype(numpy.float32), nan=0, posinf=0, neginf=0)
    low, high = min(0, float(finite.min())), float(finite.max())
    high = 1 if low == 0 and 0 < high <= 1 else high
    return cv2.convertScaleAbs(finite - low, alpha=255 / max(high - low, 1e-30))


def _on_white(pixels: Pixels, is_premultiplied: bool) -> Pixels:
    """Return grey, BGR or BGRA pixels as BGR ones on white."""
    import cv2
    import numpy

    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.shape[2] == 3:
        return pixels
    if not pixels[:, :, 3].any():  # not a picture of nothing, but a channel that nobody filled
        return numpy.ascontiguousarray(pixels[:, :, :3])
    shown = numpy.empty((*pixels.shape[:2], 3), numpy.uint8)
    for row in range(0, len(pixels), ROWS):
        part = pixels[row : row + ROWS].astype(numpy.uint16)
        alpha = part[:, :, 3:]
        colours = 255 * part[:, :, :3] if is_premultiplied else part[:, :, :3] * alpha
        shown[row : row + ROWS] = numpy.minimum((colours + GROUND * (255 - alpha) + 127) // 255, 255)
    return shown


def _upright(pixels: Pixels, turn: int, width: int, height: int) -> Pixels:
    """Return the pixels turned as the EXIF orientation says, as large as fits into width x height."""
    import cv2

    if turn >= 5:
        width, height = height, width
    scale = min(width / pixels.shape[1], height / pixels.shape[0]) if width else 1
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


# ---- what is wrong ----------------------------------------------------------------------------


def what_is_wrong(data: bytes, kind: str) -> str:
    """Return why OpenCV did not decode this file."""
    if kind == "heif":
        return "it is a HEIC picture, which OpenCV can't read; save it as JPEG"
    if kind == "png":
        return UNKNOWN_DAMAGE if PNG_END in data else INCOMPLETE
    if kind == "webp" and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return INCOMPLETE
    if kind in ("tiff", "jp2", "avif"):
        return f"{UNKNOWN_DAMAGE}, or of a kind of {kind.upper()} that is not supported"
    return UNKNOWN_DAMAGE if kind else "it is not an image that OpenCV can read"


def _what_is_wrong_with_jpeg(header: jpeg.JpegHeader) -> str:
    if not header.is_supported:
        what = f"of {header.bits} bits a sample" if header.bits != 8 else "without loss, or of layers"
        return f"it is a JPEG {what}, which is not supported"
    return DAMAGED if header.scan else INCOMPLETE
