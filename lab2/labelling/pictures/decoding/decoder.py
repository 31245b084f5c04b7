"""Pictures decoded in a process of its own, since strangers' bytes can crash a decoder or make it take all memory."""

from __future__ import annotations

import os
import sys
import threading

from lab2.errors import UserError, internal_error
from lab2.labelling.pictures.decoding.decode import MAX_PIXELS, check, decode
from lab2.labelling.pictures.picture import Picture, UnreadableImage
from lab2.system.worker_process import Channel, Frame, ProcessDied, WorkerProcess, quiet_opencv

OWN_SIZE = 0, 0  # the box of a picture that is not scaled
MAX_MEMORY = 6 * 2**30  # bytes of address space for a decoder: OpenCV reserves much and uses little

PREVIEW_SIDE = 1280  # pixels, of the longer side
PREVIEW_QUALITY = 80  # of a JPEG
NO_OPENCV = "OpenCV can't be loaded ({}). Try: pip install -r requirements.txt"
if sys.platform == "linux":
    NO_OPENCV += ", and: sudo apt-get install --no-install-recommends libgl1 libglib2.0-0"
NO_LIMIT = "The memory for decoding pictures can't be limited here ({}); they are decoded without a limit."

_warned = threading.Event()  # once a program, however many decoders it has


class Decoder:
    """A process that decodes, one picture at a time; a new one takes over where it dies. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = WorkerProcess("lab2.labelling.pictures.decoding.decoder")

    def decode(self, data: bytes, width: int, height: int) -> Picture:
        """Return the picture, as large as fits into width x height; UnreadableImage if the bytes are not one."""
        reply, pixels = self._ask({"width": width, "height": height}, data)
        return Picture(reply["width"], reply["height"], pixels)

    def check(self, data: bytes) -> None:
        """Raise UnreadableImage where `decode` would; it takes less time."""
        self._ask({}, data)

    def preview(self, data: bytes) -> bytes:
        """Return a JPEG of the picture, PREVIEW_SIDE pixels wide or high; UnreadableImage if the bytes are not one."""
        _, preview = self._ask({"width": PREVIEW_SIDE, "height": PREVIEW_SIDE, "quality": PREVIEW_QUALITY}, data)
        return preview

    def _ask(self, box: dict[str, int], data: bytes) -> Frame:
        with self._lock:
            try:
                reply, pixels = self._process.ask(box, data)
            except ProcessDied:
                died, self._process = self._process, WorkerProcess("lab2.labelling.pictures.decoding.decoder")
                died.close()  # only now: where no process can be started, this one goes on saying that it died
                raise UnreadableImage("decoding it crashes OpenCV") from None
            if (warning := reply.get("warning")) and not _warned.is_set():
                _warned.set()
                print(warning, file=sys.stderr, flush=True)
        if "problem" in reply:
            raise UserError(reply["problem"])
        if "reason" in reply:
            raise UnreadableImage(reply["reason"])
        return reply, pixels

    def close(self) -> None:
        self._process.close()


# ---- in the process of its own ----------------------------------------------------------------


def main(channel: Channel) -> None:
    quiet_opencv()
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PIXELS)
    first = {"warning": warning} if (warning := limit_memory()) else {}  # goes with the first reply
    problem = ""
    try:
        import cv2
    except ImportError as error:
        problem = NO_OPENCV.format(error)
    while True:
        box, data = channel.receive()
        try:
            if problem:
                channel.send({"problem": problem} | first)
                continue
            if not box:
                check(data)
                channel.send(first)
            else:
                pixels = decode(data, box["width"], box["height"])
                size = {"width": pixels.shape[1], "height": pixels.shape[0]}
                if "quality" in box:
                    _, pixels = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, box["quality"]])
                channel.send(size | first, pixels.tobytes())
        except UnreadableImage as reason:
            channel.send({"reason": str(reason)} | first)
        except BaseException as error:
            channel.send({"reason": internal_error(error)} | first)
        first = {}


def limit_memory() -> str:
    """Limit this process's memory; return what to tell the user where Linux refuses to (`ulimit -v`)."""
    if sys.platform == "linux":  # macOS refuses, Windows has no such limit: MAX_PIXELS alone keeps it small there
        import resource

        try:
            resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
        except (ValueError, OSError) as error:
            return NO_LIMIT.format(error)
    return ""
