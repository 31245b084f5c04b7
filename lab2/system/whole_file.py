"""A file that is written whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(path: Path, data: bytes, new: Path) -> None:
    """Write the file by way of `new`, a name in the same file system that nothing else has; OSError if it can't be."""
    try:
        new.write_bytes(data)
        new.replace(path)
    except OSError:  # a full disk is not to stay full
        new.unlink(missing_ok=True)
        raise
