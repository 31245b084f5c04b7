"""Pictures decoded: the bytes of any image file become pixels that fit a box, the right way up, on a grey ground."""

from __future__ import annotations

import os
import re
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lab2.errors import UserError
from lab2.labelling.display.process import Channel, ProcessDied, WorkerProcess, parent, quiet_opencv
from lab2.labelling.picture import Picture, UnreadableImage

if TYPE_CHECKING:
    import numpy

    Pixels = numpy.ndarray[Any, numpy.dtype[Any]]

MAX_PIXELS = 100_000_000  # a 109 KB PNG can unpack to 5 GB
MAX_MEMORY = 6 * 2**30  # bytes of address space for a decoder: OpenCV reserves much and uses little
GROUND = 128  # the grey behind transparent pictures

NO_OPENCV = (
    "OpenCV can't be loaded ({}). Try: sudo apt-get install --no-install-recommends libgl1 libglib2.0-0, "
    "and: pip install -r requirements.txt"
)


class Decoder:
    """A process that decodes, one picture at a time; a new one takes over where it dies. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = WorkerProcess("lab2.labelling.display.decoder")

    def decode(self, data: bytes, width: int, height: int) -> Picture:
        """Return the picture, as large as fits into width x height; UnreadableImage where the bytes are not one."""
        with self._lock:
            try:
                reply, pixels = self._process.ask({"width": width, "height": height}, data)
            except ProcessDied:
                self._process.close()
                self._process = WorkerProcess("lab2.labelling.display.decoder")
                raise UnreadableImage("decoding it crashes OpenCV") from None
        if "problem" in reply:
            raise UserError(reply["problem"])
        if "reason" in reply:
            raise UnreadableImage(reply["reason"])
        return Picture(reply["width"], reply["height"], pixels)

    def close(self) -> None:
        self._process.close()


# ---- in the process of its own ----------------------------------------------------------------


def main(channel: Channel) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    quiet_opencv()
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PIXELS)
    problem = ""
    try:
        import cv2  # noqa: F401 - only to know early
    except ImportError as error:
        problem = NO_OPENCV.format(error)
    while True:
        box, data = channel.receive()
        try:
            if problem:
                channel.send({"problem": problem})
                continue
            pixels = decode(data, box["width"], box["height"])
        except UnreadableImage as reason:
            channel.send({"reason": str(reason)})
        else:
            channel.send({"width": pixels.shape[1], "height": pixels.shape[0]}, pixels.tobytes())


def decode(data: bytes, width: int, height: int) -> Pixels:
    import cv2

    if not data:
        raise UnreadableImage("it is empty")
    try:
        pixels = _decode(data, width, height)
    except (cv2.error, MemoryError) as error:
        if "PIXELS" not in str(error):
            raise UnreadableImage(_what_is_wrong(data)) from None
        raise UnreadableImage(f"it has more than {MAX_PIXELS // 10**6} megapixels") from None
    if pixels is None:
        raise UnreadableImage(_what_is_wrong(data))
    return pixels


def _decode(data: bytes, width: int, height: int) -> Pixels | None:
    import cv2
    import numpy

    orientation = _orientation(data)  # OpenCV itself honours it for some formats, versions and flags only
    if orientation >= 5:
        width, height = height, width
    flags = _jpeg_flags(data, width, height) if data[:2] == b"\xff\xd8" else cv2.IMREAD_UNCHANGED
    pixels = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), flags)
    if pixels is not None and pixels.dtype not in (numpy.uint8, numpy.uint16):
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), flags)
    if pixels is None:
        return None
    if pixels.dtype == numpy.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    if pixels.shape[2] == 4:
        pixels = _on_ground(pixels)
    pixels = _fit(pixels, width, height)
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _jpeg_flags(data: bytes, width: int, height: int) -> int:
    """Return how to decode a JPEG: a large one reduced, but not below what fills the box."""
    import cv2

    full_width, full_height, start = _jpeg_size(data)
    if full_width * full_height > MAX_PIXELS:  # OpenCV looks at the reduced size
        raise MemoryError("PIXELS")
    if data.rfind(b"\xff\xd9", start) < 0:  # OpenCV 4 shows what there is of one that is cut short
        raise cv2.error("no end")
    room = max(full_width // max(1, width), full_height // max(1, height))
    color = (
        cv2.IMREAD_REDUCED_COLOR_8 if room >= 8
        else cv2.IMREAD_REDUCED_COLOR_4 if room >= 4
        else cv2.IMREAD_REDUCED_COLOR_2 if room >= 2
        else cv2.IMREAD_COLOR
    )  # fmt: skip
    return color | cv2.IMREAD_IGNORE_ORIENTATION


def _jpeg_size(data: bytes) -> tuple[int, int, int]:
    """Return width, height and where the frame header is; (0, 0, 0) where there is none."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height, at
        at += 1 if marker == 0xFF else 2 + length
    return 0, 0, 0


def _orientation(data: bytes) -> int:
    """Return the orientation 1 to 8 that the EXIF data of a JPEG, PNG or WebP gives."""
    if data[:2] == b"\xff\xd8":
        data = data[: _jpeg_size(data)[2]]  # it stands before the frame; the search takes 6 ns a byte
    found = re.search(rb"(?:Exif\0\0|eXIf|EXIF....)(?=II\*\0|MM\0\*)", data, re.DOTALL)
    if not found or data[:2] not in (b"\xff\xd8", b"\x89P", b"RI"):
        return 1
    tiff = data[found.end() :]
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _on_ground(pixels: Pixels) -> Pixels:
    """Return pixels with alpha as they look on the grey ground."""
    import numpy

    alpha = pixels[:, :, 3].astype(numpy.uint16)
    if not alpha.any():  # not a picture of nothing, but a channel that nobody filled
        return numpy.ascontiguousarray(pixels[:, :, :3])
    shown = numpy.empty((*pixels.shape[:2], 3), numpy.uint8)
    for channel in range(3):
        shown[:, :, channel] = (pixels[:, :, channel] * alpha + GROUND * (255 - alpha)) // 255
    return shown


def _fit(pixels: Pixels, width: int, height: int) -> Pixels:
    import cv2

    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _what_is_wrong(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "it is a HEIC picture, which OpenCV can't read; save it as JPEG"
    known = data.startswith((b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")) or (
        data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    )
    return "it is damaged or cut short" if known else "it is not an image that OpenCV can read"


if __name__ == "__main__":
    with suppress(ProcessDied):
        main(parent())
