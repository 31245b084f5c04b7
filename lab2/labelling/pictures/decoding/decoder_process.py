"""The process of a decoder: it answers each picture with pixels, or the reason why there are none."""

from __future__ import annotations

import warnings
from typing import Any

from lab2.errors import internal_error
from lab2.labelling.pictures.decoding import limits
from lab2.labelling.pictures.decoding.opencv_check import problem_of_opencv
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.system.worker_process import Channel, Frame, limit_memory, quiet_opencv

MAX_MEMORY_BYTES = 6 * 2**30  # of address space: OpenCV reserves much and uses little. MAX_PIXELS keeps it small, too
NO_LIMIT = "The memory for decoding pictures can't be limited here ({}); they are decoded without a limit."


def main(channel: Channel) -> None:
    quiet_opencv()
    limits.prepare_opencv()
    said = []  # goes with the next reply
    try:
        limit_memory(MAX_MEMORY_BYTES)
    except (ValueError, OSError) as error:
        said.append(NO_LIMIT.format(error))
    problem = problem_of_opencv()
    while True:
        question, data = channel.receive()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            if problem or not question:  # an empty question: can OpenCV be used?
                reply, pixels = {"problem": problem} if problem else {}, b""
            else:
                reply, pixels = answer(question, data)
        said += [str(warning.message) for warning in caught if warning.category is UserWarning]
        channel.send(reply | {"warnings": said}, pixels)
        said = []


def answer(question: dict[str, Any], data: bytes) -> Frame:
    """Return the size and the pixels of a picture, or a JPEG; or the reason why there are none, or that it is large."""
    import cv2

    from lab2.labelling.pictures.decoding.decode import decode

    limits.is_alone.set(bool(question["alone"]))
    try:
        pixels = decode(data, question["width"], question["height"])
    except UnreadableImage as reason:
        return {"reason": str(reason)}, b""
    except limits.DecodeAlone:
        return {"is_large": True}, b""
    except BaseException as error:
        return {"reason": internal_error(error)}, b""
    size = {"width": pixels.shape[1], "height": pixels.shape[0]}
    if "quality" in question:
        _, pixels = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, question["quality"]])
    return size, pixels.tobytes()
