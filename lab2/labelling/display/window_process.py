"""The process of the window: what must be so before OpenCV, and the Qt in it, can open one."""

from __future__ import annotations

import os
import sys

from lab2.labelling.display.x11 import X11Display
from lab2.labelling.pictures.decoding.opencv_check import problem_of_opencv
from lab2.system.worker_process import Channel, quiet_opencv


def main(channel: Channel) -> None:
    quiet_opencv()
    x11 = None
    if sys.platform == "linux":
        os.environ["QT_QPA_PLATFORM"] = "xcb"  # OpenCV's Qt has no other, and aborts if one is set
        os.environ["QT_XCB_NO_XI2_MOUSE"] = "1"  # so that the wheel is buttons, which X11Display can take away
        try:
            x11 = X11Display()
        except OSError:
            return None  # there is no display, and Qt would abort
    os.environ |= {"QT_ENABLE_HIGHDPI_SCALING": "0", "QT_AUTO_SCREEN_SCALE_FACTOR": "0", "QT_SCALE_FACTOR": "1"}
    os.environ.pop("QT_SCREEN_SCALE_FACTORS", None)  # draw in pixels of the screen, so that text is sharp
    if problem := problem_of_opencv():
        return channel.send({"problem": problem})
    import cv2

    from lab2.labelling.display.canvas import Canvas

    if not cv2.currentUIFramework():
        return channel.send({"headless": True})
    canvas = Canvas(channel, x11)
    channel.send({"ready": True, "box": [canvas.layout.width, canvas.layout.height - canvas.layout.bar]})
    return canvas.run()
