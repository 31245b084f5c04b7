"""Picture files as cameras, phones, scanners and programs write them, whole and broken, and what is right for each.

The truth is the picture that was written, as PNG. If there is no `truth`, it is what Pillow shows on white, which is
right for the kinds that are so here; tests/cases/pictures has pictures that Chromium judged.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
from PIL import Image, ImageOps
from support.pictures import chunk

CASES = Path(__file__).resolve().parents[1] / "cases"
WIDTH, HEIGHT = 60, 40
INCOMPLETE, DAMAGED, UNSUPPORTED = "incomplete", "damaged", "not supported"
TRAILER = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1764072000000SEFHk\0\0\0\x01\0\0\0SEFT"


@dataclass(frozen=True)
class Variant:
    """A picture file: refused with a reason that has these words, or else shown as `truth` is."""

    name: str
    data: bytes
    refused: str = ""
    truth: bytes = b""  # of which Pillow's pixels are right; b'': of `data`
    tolerance: int = 2  # of a channel, since decoders round

    @property
    def pixels(self) -> numpy.ndarray[Any, Any]:
        return shown(self.truth or self.data)


def shown(data: bytes) -> numpy.ndarray[Any, Any]:
    """Return the picture as Pillow shows it, upright and on white: rows of blue, green, red."""
    image: Image.Image = Image.open(io.BytesIO(data))
    image.load()
    if image.format != "TIFF":  # which Pillow has turned by itself
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return numpy.dstack([(numpy.array(image).astype(float) / 257).round().astype(numpy.uint8)] * 3)
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return numpy.array(image.convert("RGB"))[:, :, ::-1]


def drawing(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a picture of smooth colours that is like none of its mirror images."""
    y, x = numpy.mgrid[:height, :width]
    pixels = numpy.dstack([x * 255 // (width - 1), y * 255 // (height - 1), 255 - x * 200 // (width - 1)])
    pixels[: height // 2, : width // 2] = (200, 0, 0)
    return Image.fromarray(pixels.astype(numpy.uint8))


def glass() -> Image.Image:
    """Return the drawing with a lower half that becomes transparent to the left."""
    pixels = numpy.array(drawing().convert("RGBA"))
    pixels[HEIGHT // 2 :, :, 3] = numpy.linspace(0, 255, WIDTH)
    return Image.fromarray(pixels)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def variants() -> list[Variant]:
    return [*jpegs(), *pngs(), *gifs_and_webps(), *bmps(), *tiffs(), *others()]


def jpegs() -> list[Variant]:
    plain, whole = saved(drawing(), "JPEG"), (CASES / "sample_without_eoi.jpg").read_bytes()
    half, ended = whole[: len(whole) // 2], whole + b"\xff\xd9"
    photo = Image.open(io.BytesIO(ended))
    progressive, restarts = saved(photo, "JPEG", progressive=True), saved(photo, "JPEG", restart_marker_blocks=8)
    return [
        Variant("baseline.jpg", plain),
        Variant("progressive.jpg", progressive),
        Variant("restarts.jpg", restarts),
        Variant("full chroma.jpg", saved(drawing(), "JPEG", subsampling=0)),
        Variant("grey.jpg", saved(drawing().convert("L"), "JPEG")),
        Variant("adobe cmyk.jpg", saved(drawing().convert("CMYK"), "JPEG")),
        Variant("exif 8.jpg", saved(drawing(), "JPEG", exif=turned(8))),
        Variant("exif long big-endian.jpg", (CASES / "o6_long_mm.jpg").read_bytes()),
        Variant("two frames.mpo", saved(drawing(), "MPO", save_all=True, append_images=[drawing().rotate(180)])),
        Variant("no end marker.jpg", whole, truth=ended),
        Variant("padded, no end marker.jpg", whole + bytes(4096), truth=ended),
        Variant("trailer.jpg", ended + TRAILER, truth=ended),
        Variant("trailer, no end marker.jpg", whole + TRAILER, truth=ended),
        Variant("motion photo.jpg", ended + b"\0\0\0\x18ftypmp42" + half, truth=ended),
        Variant("a few bytes too many.jpg", whole + b"\0\x01\xff\xd9", truth=ended),
        Variant("ten bytes too many.jpg", whole + bytes(range(0x91, 0x9B)) + b"\xff\xd9", truth=ended),
        Variant("cut.jpg", half, INCOMPLETE),
        Variant("cut, ended.jpg", half + b"\xff\xd9", INCOMPLETE),
        Variant("cut, trailer.jpg", half + TRAILER, INCOMPLETE),
        Variant("cut, long trailer.jpg", half + TRAILER * 1000, INCOMPLETE),
        Variant("cut, a picture behind.jpg", half + plain, INCOMPLETE),
        Variant("half downloaded.jpg", half + bytes(len(whole)), INCOMPLETE),
        Variant("cut, progressive.jpg", progressive[: len(progressive) // 2], INCOMPLETE),
        Variant("cut in the header.jpg", plain[:100], INCOMPLETE),
        Variant("hole.jpg", (CASES / "hole.jpg").read_bytes(), DAMAGED),
        Variant("hole of a sector.jpg", holed(ended, 512), DAMAGED),
        Variant("hole, restarts.jpg", holed(restarts, 2048), DAMAGED),
        Variant("hole, progressive.jpg", holed(progressive, 4096), DAMAGED),
        Variant("12 bits.jpg", (CASES / "jpeg12.jpg").read_bytes(), UNSUPPORTED),
        Variant(
            "wider than 65,500.jpg",
            plain.replace(struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", 8, 65_501), 1),
            "wider or higher than 65,500 pixels",
        ),
        Variant("lossless.jpg", plain.replace(b"\xff\xc0", b"\xff\xc3"), UNSUPPORTED),
    ]


def holed(data: bytes, size: int) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(size) + data[middle + size :]


def png(colour: int, rows: numpy.ndarray[Any, Any], *chunks: bytes) -> bytes:
    """Return a PNG of 16 bits a sample."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows))
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", packed), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def apng(
    default: numpy.ndarray[Any, Any], frames: list[tuple[numpy.ndarray[Any, Any], int, int]], is_default_a_frame: bool
) -> bytes:
    """Return an animated PNG of 8 bits: frames with their places (left, top), which blend over what is there."""
    height, width, channels = default.shape
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", len(frames) + is_default_a_frame, 0)),
    ]
    number = 0  # of the chunk in the animation
    for pixels, left, top in [(default, 0, 0), *frames]:
        is_default = pixels is default
        if not is_default or is_default_a_frame:
            shape = pixels.shape[1], pixels.shape[0], left, top
            parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *shape, 1, 10, 0, 1)))
            number += 1
        packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
        if is_default:
            parts.append(chunk(b"IDAT", packed))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + packed))
            number += 1
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")])


def pngs() -> list[Variant]:
    plain, clear = saved(drawing(), "PNG"), saved(glass(), "PNG")
    deep = numpy.array(glass()).astype(numpy.uint16) * 257
    exif = chunk(b"eXIf", turned(6).tobytes().removeprefix(b"Exif\0\0"))
    moving = saved(drawing(), "PNG", save_all=True, append_images=[drawing().rotate(180)], duration=100)
    return [
        Variant("colours.png", plain),
        Variant("alpha.png", clear),
        Variant("grey.png", saved(drawing().convert("L"), "PNG")),
        Variant("grey and alpha.png", saved(glass().convert("LA"), "PNG")),
        Variant("one grey transparent.png", saved(drawing().convert("L"), "PNG", transparency=60)),
        Variant("palette.png", saved(drawing().convert("P"), "PNG")),
        Variant("palette with alpha.png", saved(glass().quantize(), "PNG")),
        Variant("black and white.png", saved(drawing().convert("1"), "PNG")),
        Variant("16 bits grey.png", png(0, deep[:, :, 1:2])),
        Variant("16 bits.png", png(2, deep[:, :, :3])),
        Variant("16 bits and alpha.png", png(6, deep), truth=clear),
        Variant("exif.png", plain[:33] + exif + plain[33:]),
        Variant("exif behind the pixels.png", plain[:-12] + exif + plain[-12:]),
        Variant("moving.png", moving),
        Variant("no end chunk.png", plain[:-12], truth=plain),
        Variant("cut.png", clear[:-30], INCOMPLETE),
        Variant("hole.png", holed(clear, 32), DAMAGED),
    ]


def gifs_and_webps() -> list[Variant]:
    gif, webp = saved(drawing(), "GIF"), saved(glass(), "WEBP", lossless=True)
    moving = saved(drawing(), "GIF", save_all=True, append_images=[drawing().rotate(180)])
    return [
        Variant("colours.gif", gif),
        Variant("transparent.gif", saved(glass(), "GIF")),
        Variant("moving.gif", moving),
        Variant("no trailer.gif", gif[:-1], truth=gif),
        Variant("case without trailer.gif", (CASES / "g_notrail.gif").read_bytes()),
        Variant("cut.gif", gif[: len(gif) // 2], INCOMPLETE),
        Variant("cut in the second frame.gif", moving[:-20], truth=gif),
        Variant("colours.webp", saved(drawing(), "WEBP")),
        Variant("alpha.webp", webp),
        Variant("exif.webp", saved(drawing(), "WEBP", exif=turned(6)), truth=saved(drawing(), "WEBP")),
        Variant("moving.webp", saved(drawing(), "WEBP", save_all=True, append_images=[drawing().rotate(180)])),
        Variant("cut.webp", webp[: len(webp) // 2], INCOMPLETE),
    ]


def bmps() -> list[Variant]:
    plain, colours = saved(drawing(), "BMP"), numpy.array(drawing())[::-1, :, ::-1].tobytes()
    head = b"BM" + struct.pack("<IHHI", 26 + len(colours), 0, 0, 26)
    return [
        Variant("colours.bmp", plain),
        Variant("palette.bmp", saved(drawing().convert("P"), "BMP")),
        Variant("black and white.bmp", saved(drawing().convert("1"), "BMP")),
        Variant("32 bits.bmp", saved(glass(), "BMP")),
        Variant("os2.bmp", head + struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24) + colours),
        Variant("top down.bmp", plain[:22] + struct.pack("<i", -HEIGHT) + plain[26:]),
        Variant("cut.bmp", plain[: len(plain) // 2], DAMAGED),
    ]


def tiffs() -> list[Variant]:
    clear = numpy.array(glass()).astype(int)
    clear[:, :, :3] = (clear[:, :, :3] * clear[:, :, 3:] + 127) // 255
    extra = struct.pack("<HHI", 338, 3, 1)  # the tag that says what the fourth sample is; 1: alpha, multiplied already
    associated = saved(Image.fromarray(clear.astype(numpy.uint8)), "TIFF").replace(extra + b"\2", extra + b"\1")
    deep = numpy.array(glass()).astype(int) * 257
    multiplied = numpy.dstack([deep[:, :, :3] * deep[:, :, 3:] // 65535, deep[:, :, 3:]])
    plain = saved(drawing(), "TIFF", compression="tiff_lzw")
    float_ = saved(Image.fromarray((numpy.array(drawing().convert("L")) / 255).astype(numpy.float32)), "TIFF")
    return [
        Variant("lzw.tif", plain),
        Variant("deflate.tif", saved(drawing(), "TIFF", compression="tiff_adobe_deflate")),
        Variant("jpeg.tif", saved(drawing(), "TIFF", compression="jpeg")),
        Variant("fax.tif", saved(drawing().convert("1"), "TIFF", compression="group4")),
        Variant("cmyk.tif", saved(drawing().convert("CMYK"), "TIFF")),
        Variant("alpha.tif", saved(glass(), "TIFF")),
        Variant("16 bits and alpha.tif", deep_tiff(deep, 2), truth=saved(glass(), "PNG")),
        Variant("16 bits, associated alpha.tif", deep_tiff(multiplied, 1), truth=saved(glass(), "PNG")),
        Variant("associated alpha.tif", associated, truth=saved(glass(), "PNG"), tolerance=3),
        *(Variant(f"orientation {turn}.tif", saved(drawing(), "TIFF", tiffinfo={274: turn})) for turn in (3, 5, 6)),
        Variant("two pages.tif", saved(drawing(), "TIFF", save_all=True, append_images=[drawing().rotate(180)])),
        Variant("floats.tif", float_, truth=saved(drawing().convert("L"), "PNG")),
        Variant("grey and alpha.tif", saved(glass().convert("LA"), "TIFF")),
        Variant("zstd.tif", saved(drawing(), "TIFF", compression="zstd"), UNSUPPORTED),
        Variant("cut.tif", plain[: len(plain) // 2], DAMAGED),
    ]


def deep_tiff(samples: numpy.ndarray[Any, Any], extra: int) -> bytes:
    """Return a TIFF of 16 bits a sample, with alpha that colours were multiplied by (1) or were not (2)."""
    body = samples.astype("<u2").tobytes()
    after = 8 + 2 + 10 * 12 + 4
    tags = [(256, 3, WIDTH), (257, 3, HEIGHT), (258, 4, after), (259, 3, 1), (262, 3, 2), (273, 4, after + 8),
            (277, 3, 4), (278, 3, HEIGHT), (279, 4, len(body)), (338, 3, extra)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 3 if tag == 258 else kind, 4 if tag == 258 else 1, value)
                       for tag, kind, value in tags)  # fmt: skip
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + struct.pack("<4H", *[16] * 4) + body


def pam(samples: numpy.ndarray[Any, Any], tuples: str, most: int = 255) -> bytes:
    head = f"P7\n# made by hand\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {samples.shape[2]}\nMAXVAL {most}\n"
    return f"{head}TUPLTYPE {tuples}\nENDHDR\n".encode() + samples.astype(">u2" if most > 255 else "u1").tobytes()


def sun_raster(kind: int, samples: numpy.ndarray[Any, Any]) -> bytes:
    return struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, samples.size, kind, 0, 0) + samples.tobytes()


def others() -> list[Variant]:
    colours, clear = numpy.array(drawing()), numpy.array(glass())
    png, clear_png = saved(drawing(), "PNG"), saved(glass(), "PNG")
    grey = saved(Image.fromarray(clear[:, :, [0, 0, 0, 3]]), "PNG")
    ppm, avif = saved(drawing(), "PPM"), saved(drawing(), "AVIF", quality=100)
    mirrored = saved(drawing(), "AVIF", quality=100, exif=turned(5))
    jp2 = saved(drawing(), "JPEG2000")
    ten_bits = b"P6 60 40 1023\n" + (colours.astype(int) * 1023 // 255).astype(">u2").tobytes()
    return [
        Variant("colours.ppm", ppm),
        Variant("grey.pgm", saved(drawing().convert("L"), "PPM")),
        Variant("letters.ppm", b"P3\n# by hand\n60 40\n255\n" + " ".join(map(str, colours.ravel())).encode() + b"\n"),
        Variant("10 bits.ppm", ten_bits, truth=png),
        Variant("100 is white.ppm", b"P6\n60 40\n100\n" + (colours * (100 / 255)).round().astype("u1").tobytes(),
                truth=png, tolerance=3),
        Variant("red first.ras", sun_raster(3, colours), truth=png),
        Variant("blue first.ras", sun_raster(1, colours[:, :, ::-1]), truth=png),
        Variant("rgb.pam", pam(colours, "RGB"), truth=png),
        Variant("alpha.pam", pam(clear, "RGB_ALPHA"), truth=clear_png),
        Variant("grey and alpha.pam", pam(clear[:, :, [0, 3]], "GRAYSCALE_ALPHA"), truth=grey),
        Variant("16 bits.pam", pam(colours.astype(int) * 257, "RGB", 65535), truth=png),
        Variant("cut.ppm", ppm[: len(ppm) // 2], INCOMPLETE),
        Variant("cut.pam", pam(colours, "RGB")[:-1], INCOMPLETE),
        Variant("colours.avif", avif),
        Variant("irot.avif", (CASES / "o6.avif").read_bytes()),
        *(Variant(f"turned {turn}.avif", saved(drawing(), "AVIF", quality=100, exif=turned(turn)))
          for turn in range(1, 9)),
        *(Variant(f"mirrored after {turn} quarter turns.avif", mirrored.replace(b"irot\1", b"irot%c" % turn))
          for turn in range(4)),
        Variant("cut.avif", avif[: len(avif) // 2], DAMAGED),
        Variant("colours.jp2", jp2),
        Variant("alpha.jp2", saved(glass(), "JPEG2000")),
        Variant("cut.jp2", jp2[: len(jp2) // 2], DAMAGED),
        Variant("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500),
                "damaged" if find_spec("pillow_heif") else "HEIC picture, which needs pillow-heif"),
        Variant("new.jxl", b"\xff\x0a" + bytes(50),
                "damaged" if find_spec("pillow_jxl") else "it is a JPEG XL picture, which needs pillow-jxl-plugin"),
        Variant("icon.ico", saved(drawing(), "ICO"), "it is an icon (ICO)"),
        Variant("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "it is a drawing (SVG)"),
        Variant("mov.jpg", b"\0\0\0\x14ftypqt  \0\0\2\0qt  \0\0\0\x08wide" + bytes(50), "it is a video (MOV)"),
        Variant("mp4.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(50), "it is a video (MP4)"),
        Variant("m4a.jpg", b"\0\0\0\x18ftypM4A \0\0\2\0isomiso2" + bytes(50), "it is sound (M4A)"),
        Variant("mj2.jp2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypmjp2\0\0\0\0mjp2" + bytes(50),
                "a video (Motion JPEG 2000)"),
        Variant("raw.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(50), "a camera's raw picture (CR3)"),
        Variant("raw.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(50), "a camera's raw picture (CR2)"),
        Variant("pdf.jpg", b"%PDF-1.7\n", "it is a PDF document"),
        Variant("psd.jpg", b"8BPS\0\1" + bytes(50), "it is a Photoshop document (PSD)"),
        Variant("text.jpg", b"no picture", "not an image that OpenCV can read"),
        Variant("empty.jpg", b"", "it is empty"),
    ]  # fmt: skip
