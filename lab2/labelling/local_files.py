"""Files on this disk: the paths that a user means, the files of a folder, their bytes."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from lab2.errors import UserError
from lab2.labelling.picture import UnreadableImage
from lab2.terminal import printable

MAX_BYTES = 100 * 2**20  # of an image file


def typed_paths(text: str) -> list[Path]:
    """Return the path that was typed, or the paths as a terminal writes them where files are dropped on it."""
    with suppress(ValueError):  # of a quote that is not closed, or a character that no path has
        for words_of in (lambda text: [text], shlex.split):
            paths = [os.path.expanduser(word) for word in words_of(text)]
            if paths and all(map(os.path.exists, paths)):
                return [Path(path) for path in paths]
    return [Path(text)]


def files_of(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the file, or the files of the folder, and the folders in it, which are left out."""
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path], []
        entries = sorted(path.iterdir())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{printable(str(path))} can't be read: {reason}.") from None
    folders = [entry for entry in entries if entry.is_dir()]
    return [entry for entry in entries if entry not in folders], folders


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; UnreadableImage where it can't be read or is no file of bearable size."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableImage("it is not a file")
            if found.st_size > MAX_BYTES:
                raise UnreadableImage(f"it is larger than {MAX_BYTES // 2**20} MB")
            return file.read()
    except OSError as error:
        raise UnreadableImage(f"it can't be read ({error.strerror})") from None
