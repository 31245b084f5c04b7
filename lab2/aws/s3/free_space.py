"""Free space on the disk of the local emulator.

On a full disk ministack 1.5.33 acknowledges an object all the same, keeps it in memory, and loses it when it ends.
"""

from __future__ import annotations

import shutil
from pathlib import Path

KEPT_FREE_BYTES = 200_000_000  # for the largest object, and the queues, which are written when the emulator ends


def lack_of_space(folder: Path) -> str:
    """Return a sentence if too little of the folder's disk is free, "" if there is enough."""
    free = shutil.disk_usage(folder).free
    if free >= KEPT_FREE_BYTES:
        return ""
    return (
        f"The disk of {folder} is almost full: {free / 1e6:.0f} MB are free, and the local emulator needs "
        f"{KEPT_FREE_BYTES / 1e6:.0f}. Make room on it; what is there is untouched."
    )
