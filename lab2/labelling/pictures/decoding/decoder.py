"""The decoder, as the program sees it. It is a process, since untrusted bytes may crash it or fill the memory."""

from __future__ import annotations

import sys
import threading
from typing import Any

from lab2.errors import UserError
from lab2.labelling.pictures.decoding.opencv_check import CRASHES
from lab2.labelling.pictures.picture import Picture, UnreadableImage
from lab2.system.worker_process import Frame, NoReply, ProcessDied, WorkerProcess

MODULE = "lab2.labelling.pictures.decoding.decoder_process"
OWN_SIZE = 0, 0  # the box of a picture that is not scaled
PREVIEW_SIDE = 1280  # pixels, of the longer side
PREVIEW_QUALITY = 80  # of a JPEG
CHECK_BOX = 16  # pixels: takes the least time, though all data is read
PATIENCE_S = 60.0, 300.0  # for a picture, and for one that is decoded alone

_large_pictures = threading.Lock()  # one at a time, however many decoders the program has
_warned: set[str] = set()


class Decoder:
    """A process that decodes one picture at a time; if it dies, a new one takes over. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = WorkerProcess(MODULE)

    def check_opencv(self) -> None:
        """Return when pictures can be decoded; UserError if OpenCV can't be used."""
        with self._lock:
            try:
                reply, _ = self._process.ask({}, patience=PATIENCE_S[1])
            except ProcessDied:
                reply = {"problem": CRASHES}
        self._take(reply)

    def decode(self, data: bytes, width: int, height: int) -> Picture:
        """Return the picture, as large as fits into width x height; UnreadableImage if the bytes are not one."""
        reply, pixels = self._ask({"width": width, "height": height}, data)
        return Picture(reply["width"], reply["height"], pixels)

    def check(self, data: bytes) -> None:
        """Raise UnreadableImage if `decode` would; it decodes to a small size."""
        self._ask({"width": CHECK_BOX, "height": CHECK_BOX}, data)

    def preview(self, data: bytes) -> bytes:
        """Return a JPEG of the picture, PREVIEW_SIDE pixels wide or high; UnreadableImage if the bytes are not one."""
        _, preview = self._ask({"width": PREVIEW_SIDE, "height": PREVIEW_SIDE, "quality": PREVIEW_QUALITY}, data)
        return preview

    def _ask(self, box: dict[str, int], data: bytes) -> Frame:
        with self._lock:
            reply, pixels = self._reply(box | {"alone": 0}, data)
            if "is_large" in reply:
                with _large_pictures:
                    reply, pixels = self._reply(box | {"alone": 1}, data)
        self._take(reply)
        return reply, pixels

    def _take(self, reply: dict[str, Any]) -> None:
        """Print the warnings of a reply; raise its problem."""
        for warning in reply.get("warnings", ()):
            if warning not in _warned:
                _warned.add(warning)
                print(warning, file=sys.stderr, flush=True)
        if "problem" in reply:
            raise UserError(reply["problem"])
        if "reason" in reply:
            raise UnreadableImage(reply["reason"])

    def _reply(self, question: dict[str, int], data: bytes) -> Frame:
        try:
            return self._process.ask(question, data, PATIENCE_S[question["alone"]])
        except ProcessDied as death:
            died = self._process
            self._process = WorkerProcess(MODULE)
            died.close()  # not before: if no process can be started, this one still reports that it died
            reason = "decoding it takes too long" if isinstance(death, NoReply) else "decoding it crashes OpenCV"
            raise UnreadableImage(reason) from None

    def close(self) -> None:
        self._process.close()
