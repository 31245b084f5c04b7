"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, data: bytes, new: Path) -> None:
    """Write the file by way of `new`, an unused name in the same file system; OSError if that fails."""
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError:  # as on a full disk, which is not to stay full
        new.unlink(missing_ok=True)
        raise
