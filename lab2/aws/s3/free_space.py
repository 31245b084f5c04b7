"""Room on the disk under an S3 of this machine.

ministack 1.5.33 acknowledges an object that a full disk does not take, keeps it in memory, and loses it at its end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

KEPT_FREE_BYTES = 200_000_000  # for the largest object, and for the queues, which are written when the emulator ends


def lack_of_space(folder: Path) -> str:
    """Return a sentence if the disk of the folder has no room for what comes next, "" if it has."""
    free = shutil.disk_usage(folder).free
    if free >= KEPT_FREE_BYTES:
        return ""
    return (
        f"The disk of {folder} is almost full: {free / 1e6:.0f} MB are free, and the local emulator needs "
        f"{KEPT_FREE_BYTES / 1e6:.0f}. Make room on it; what is there is untouched."
    )
