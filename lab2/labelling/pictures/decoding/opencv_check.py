"""Whether OpenCV can be used, or is missing, broken, half overwritten by another package, or too old."""

from __future__ import annotations

import re
import sys

OLDEST_OPENCV = "4.13.0"  # as in pyproject.toml: 4.10 reads JPEGs only through `decode`
CURE = f"Try: pip install --force-reinstall 'opencv-python>={OLDEST_OPENCV}'"
NO_OPENCV = "OpenCV can't be used ({}). " + CURE
CRASHES = "OpenCV crashes while it is loaded. " + CURE
OLD_OPENCV = "OpenCV {} is too old. " + CURE
HEADLESS = (
    "OpenCV is installed without windows, as opencv-python-headless is. For a window: "
    "pip install --force-reinstall opencv-python"
)
SYSTEM_LIBRARIES = ", and: sudo apt-get install --no-install-recommends libgl1 libglib2.0-0"
NEEDED = ("imdecode", "imencode", "resize", "putText", "error")  # a few names; leftovers of a package have none of them


def problem_of_opencv() -> str:
    """Import OpenCV; return a sentence on what is wrong with it, and the remedy, '' if it can be used."""
    try:
        import cv2
    except Exception as error:  # a broken one may raise anything
        sentence = NO_OPENCV.format(" ".join(str(error).split()) or type(error).__name__)
        return sentence + SYSTEM_LIBRARIES if sys.platform == "linux" and ".so" in sentence else sentence
    version = str(getattr(cv2, "__version__", ""))
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if not numbers or not all(hasattr(cv2, name) for name in NEEDED):
        return NO_OPENCV.format("the package cv2 is incomplete, as after two packages of OpenCV were mixed")
    if tuple(map(int, numbers.groups())) < tuple(map(int, OLDEST_OPENCV.split("."))):
        return OLD_OPENCV.format(version)
    return ""
