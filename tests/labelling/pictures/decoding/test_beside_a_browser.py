"""Three hundred files by chance, each beside what Chromium shows of it."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy
import pytest
from PIL import Image, ImageCms
from support.browser import CHROMIUM, shown_by_browser
from support.pictures import chunk
from support.variants import apng, saved, turned

from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.picture import UnreadableImage

pytestmark = [pytest.mark.long, pytest.mark.skipif(not CHROMIUM, reason="no Chromium here")]

FILES = 300
WIDTH, HEIGHT = 48, 32
MOST = 3  # of 255, mean distance of a channel


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    yield decoder
    decoder.close()


def drawn(chance: random.Random, mode: str) -> Image.Image:
    """Return a smooth picture of this mode."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    coarse = numpy.frombuffer(chance.randbytes(4 * 6 * channels), numpy.uint8).reshape(4, 6, channels)
    pixels = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).reshape(HEIGHT, WIDTH, channels)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode)


def matrix_profile(chance: random.Random) -> bytes:
    """Return an ICC profile of sRGB's whose curves and red and blue were changed."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", profile, 128)
    places = {}
    for number in range(count):
        name, start, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        places[name] = start
    struct.pack_into(">i", profile, places[b"rXYZ"] + 8, chance.randint(25_000, 34_000))
    struct.pack_into(">i", profile, places[b"bXYZ"] + 8, chance.randint(8_000, 13_000))
    struct.pack_into(">i", profile, places[b"rTRC"] + 12, chance.randint(100_000, 170_000))
    return bytes(profile)


def grey_profile(chance: random.Random) -> bytes:
    """Return an ICC profile of grey with a power as its curve."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, chance.randint(256, 700))
    head = struct.pack(">I4sI", 144 + len(curve), b"test", 0x02400000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp"
    white = struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(68, b"\0") + white.ljust(60, b"\0") + struct.pack(">I4sII", 1, b"kTRC", 144, 14) + curve


def jpeg(chance: random.Random) -> bytes:
    mode = chance.choice(("RGB", "RGB", "RGB", "L", "CMYK"))
    options: dict[str, Any] = {"quality": chance.randint(60, 98), "progressive": chance.random() < 0.4}
    options["subsampling"] = 0  # decoders differ in how they blow up colours
    if chance.random() < 0.3:
        options["restart_marker_blocks"] = chance.randint(1, 5)
    if mode == "RGB" and chance.random() < 0.5:
        options["icc_profile"] = matrix_profile(chance)
    if chance.random() < 0.4:
        options["exif"] = turned(chance.randint(1, 4))  # the same shape
    return saved(drawn(chance, mode), "JPEG", **options)


def png(chance: random.Random) -> bytes:
    mode = chance.choice(("RGB", "RGBA", "L", "LA"))
    image = drawn(chance, mode)
    if chance.random() < 0.2:
        image = image.convert("P")
    data = saved(image, "PNG")
    kinds = "", "cicp", "gamma", "gamma and primaries", "profile", "grey profile", "no profile", "behind", "deep"
    colours = chance.choice(kinds)
    extra = b""
    if colours == "cicp" and mode in ("RGB", "RGBA"):
        primaries, transfer = chance.choice((1, 4, 5, 6, 7, 8, 9, 11, 12, 22)), chance.choice((1, 4, 5, 8, 13, 16, 18))
        extra = chunk(b"cICP", bytes((primaries, transfer, 0, chance.choice((1, 1, 0)))))
    elif colours.startswith("gamma"):
        extra = chunk(b"gAMA", struct.pack(">I", chance.choice((45_455, 55_556, 100_000, 38_462))))
        if colours.endswith("primaries") and mode.startswith("RGB"):
            extra += chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    elif colours == "profile" and mode.startswith("RGB"):
        extra = chunk(b"iCCP", b"p\0\0" + zlib.compress(matrix_profile(chance)))
    elif colours == "grey profile" and mode.startswith("L"):
        extra = chunk(b"iCCP", b"p\0\0" + zlib.compress(grey_profile(chance)))
    elif colours == "no profile":  # then gamma counts
        extra = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200))) + chunk(b"gAMA", struct.pack(">I", 100_000))
    elif colours == "behind":  # the pixels, where it does not count
        return data[:-12] + chunk(b"gAMA", struct.pack(">I", 100_000)) + data[-12:]
    elif colours == "deep" and mode == "RGB":
        data = cv2.imencode(".png", numpy.array(image.convert("RGB"))[:, :, ::-1].astype(numpy.uint16) * 257)[
            1
        ].tobytes()
    return data[:33] + extra + data[33:]


def gif(chance: random.Random) -> bytes:
    image = drawn(chance, "RGB").quantize(chance.choice((2, 7, 16, 100, 256)))
    options: dict[str, Any] = {"interlace": chance.randint(0, 1)}
    if chance.random() < 0.4:
        options["transparency"] = chance.randint(0, 6)
    if chance.random() < 0.4:
        options |= {"save_all": True, "append_images": [image.rotate(180)], "disposal": chance.randint(0, 3)}
    data = saved(image, "GIF", **options)
    if chance.random() < 0.3:
        data = (
            data[:6] + struct.pack("<HH", *chance.choice(((0, 0), (WIDTH, HEIGHT), (WIDTH // 2, HEIGHT)))) + data[10:]
        )
    if chance.random() < 0.2:  # a palette of two, beyond which indices go
        size = 2 << (data[10] & 7)
        data = data[:10] + bytes((data[10] & 0xF8,)) + data[11:19] + data[13 + 3 * size :]
    return data if chance.random() < 0.7 else data[:-1]


def webp(chance: random.Random) -> bytes:
    options: dict[str, Any] = {"lossless": True}
    if chance.random() < 0.5:
        options["icc_profile"] = matrix_profile(chance)
    if chance.random() < 0.4:
        options |= {"save_all": True, "append_images": [drawn(chance, "RGB")], "duration": 100}
    if chance.random() < 0.3:
        options["exif"] = turned(chance.randint(1, 4))  # which browsers pass over
    return saved(drawn(chance, chance.choice(("RGB", "RGBA"))), "WEBP", **options)


def bmp(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return saved(drawn(chance, chance.choice(("RGB", "L"))), "BMP")
    if chance.random() < 0.3:
        return bmp_of_16_bits(chance)
    order = chance.sample(range(4), 4)
    masks = struct.pack("<3I", *(0xFF << 8 * place for place in order[:3]))
    pixels = numpy.zeros((HEIGHT, WIDTH, 4), numpy.uint8)
    pixels[:, :, order[:3]] = numpy.array(drawn(chance, "RGB"))
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 32, 3, pixels.nbytes, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 66 + pixels.nbytes, 0, 0, 66) + head + masks + pixels.tobytes()


def bmp_of_16_bits(chance: random.Random) -> bytes:
    """Return a BMP of 5 bits a sample, by masks or without, or of 5, 6 and 5."""
    masks = chance.choice(((), (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F), (0x1F, 0x7E0, 0xF800)))
    pixels = chance.randbytes(2 * WIDTH * HEIGHT)
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 16, 3 if masks else 0, len(pixels), 2835, 2835, 0, 0)
    packed = struct.pack(f"<{len(masks)}I", *masks)
    start = 54 + len(packed)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + packed + pixels


def avif(chance: random.Random) -> bytes:
    options: dict[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
    if chance.random() < 0.4:
        options["icc_profile"] = matrix_profile(chance)
    image = drawn(chance, "RGB")
    if chance.random() < 0.5:
        image.putalpha(drawn(chance, "L"))
    data = saved(image, "AVIF", range=chance.choice(("full", "limited")), **options)
    place = data.find(b"nclx") + 4
    if "icc_profile" in options or chance.random() < 0.5:
        return data
    numbers = chance.choice((1, 2, 5, 6, 9, 12)), chance.choice((1, 4, 6, 8, 13, 14, 15, 16, 18))
    return data[:place] + struct.pack(">2H", *numbers) + data[place + 4 :]


def animated_png(chance: random.Random) -> bytes:
    mode = chance.choice(("L", "LA", "RGB", "RGBA"))

    def pixels() -> numpy.ndarray[Any, Any]:
        return numpy.array(drawn(chance, mode)).reshape(HEIGHT, WIDTH, -1)

    frames = []
    for _ in range(2):
        width, height = chance.randint(8, WIDTH), chance.randint(8, HEIGHT)
        place = chance.randint(0, WIDTH - width), chance.randint(0, HEIGHT - height)
        frames.append((pixels()[:height, :width], *place))
    return apng(pixels(), frames, is_default_a_frame=chance.random() < 0.3)


KINDS = {".jpg": jpeg, ".png": png, ".gif": gif, ".webp": webp, ".bmp": bmp, ".avif": avif, ".apng": animated_png}


def test_what_is_shown_is_what_a_browser_shows(decoder: Decoder) -> None:
    chance = random.Random(26)
    files = {}
    for number in range(FILES):
        kind = list(KINDS)[number % len(KINDS)]
        files[f"{number}{kind}"] = KINDS[kind](chance)
    shown = shown_by_browser(files, WIDTH, HEIGHT)
    far, refused = {}, {}
    for name, data in files.items():
        try:
            picture = decoder.decode(data, WIDTH, HEIGHT)
        except UnreadableImage as reason:
            refused[name] = str(reason)
            continue
        pixels = numpy.frombuffer(picture.pixels, numpy.uint8).reshape(picture.height, picture.width, 3)
        if name in shown and abs(pixels.astype(int) - shown[name]).mean() > MOST:
            far[name] = round(float(abs(pixels.astype(int) - shown[name]).mean()), 1)
    print(f"{len(shown)} shown by the browser, {len(far)} far, {len(refused)} refused")
    assert len(shown) > 0.95 * FILES
    assert (far, {name: reason for name, reason in refused.items() if name in shown}) == ({}, {})
