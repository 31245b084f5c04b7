"""Files on this disk: the paths that the user means, the files of a folder, the bytes of a file."""

from __future__ import annotations

import glob
import os
import re
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lab2.errors import UserError
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.terminal import printable

MAX_BYTES = 100 * 2**20  # of an image file
# Of Windows, macOS and a NAS.
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "icon\r"}
PICTURE_SUFFIXES = set(
    ".jpg .jpeg .jpe .jfif .png .apng .gif .webp .bmp .dib .tif .tiff .jp2 .j2k .jxl .avif .heic .heif .mpo .pbm .pgm "  # noqa: SIM905
    ".ppm .pnm .pam .pfm .hdr .exr .ras .tga .ico .psd .svg .dng .cr2 .cr3 .nef .arw .orf .raf .rw2".split()
)


def typed_paths(text: str) -> list[Path]:
    """Return the path that was typed, or the paths that a terminal writes when files are dropped on it.

    A path that does not exist is returned as typed, so that reading it reports that.
    """
    with suppress(ValueError):  # an open quote, or a character that no path has
        if found := _meant(text):
            return found
        words = [_meant(word) for word in (windows_words(text) if sys.platform == "win32" else shlex.split(text))]
        if words and all(words):
            return [path for paths in words for path in paths]
    return [Path(text)]


def given_paths(word: str) -> list[Path]:
    """Return the paths that an argument means, even if the shell did not expand it; UserError if it is empty."""
    if not word:
        raise UserError("A path is empty; if it is a variable, it is not set.")
    with suppress(ValueError):
        return _meant(word) or [Path(word)]
    return [Path(word)]


def _meant(word: str) -> list[Path]:
    """Return the existing paths that a path, a file:// URL or a pattern with wildcards means."""
    if word.lower().startswith("file:"):
        word = path_of_url(word)
    path = os.path.expanduser(word)
    if os.path.exists(path):
        return [Path(path)]
    if not glob.has_magic(path):
        return []
    # The folder that is there: brackets in its name are no pattern.
    folder = next((parent for parent in Path(path).parents if parent.exists()), Path())
    pattern = os.path.join(glob.escape(str(folder)), Path(path).relative_to(folder))
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]


def path_of_url(url: str, windows: bool = sys.platform == "win32") -> str:
    """Return the path in a file:// URL; on Windows, of a drive or another machine too."""
    parts = urlsplit(url.partition("?")[0].partition("#")[0])
    path = unquote(parts.path)
    if windows and parts.netloc not in ("", "localhost"):
        return f"//{parts.netloc}{path}"
    return path[1:] if windows and path[2:3] == ":" else path


def windows_words(text: str) -> list[str]:
    """Return the paths in a line, as Windows terminals write them: with backslashes, in quotes if they have spaces."""
    return ["".join(groups) for groups in re.findall(r"""(?:^|(?<=\s))(?:"([^"]*)"|'([^']*)'|(\S+))""", text)]


def completions(text: str) -> list[str]:
    """Return the completions of a path, for the Tab key; folders end with a slash."""
    quote = text[:1] if text[:1] in ("'", '"') else ""
    start = os.path.expanduser(text[len(quote) :].replace("\\ ", " "))
    return [f"{quote}{name}{'/' * os.path.isdir(name)}" for name in sorted(glob.glob(glob.escape(start) + "*"))]


def files_of(path: Path) -> tuple[list[Path], list[Path], int]:
    """Return the file, or the files of the folder; the folders in it; and the number of entries that are passed over.

    Those are hidden files and files of the system, such as .DS_Store.
    """
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return [path], [], 0
        entries = sorted(path.iterdir())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{printable(str(path))} can't be read: {reason}.") from None
    shown = [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES]
    folders = [entry for entry in shown if entry.is_dir()]
    return [entry for entry in shown if entry not in folders], folders, len(entries) - len(shown)


def is_picture_name(path: Path) -> bool:
    """Return whether the name of a file says that it is a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _open_at_once(name: str, flags: int) -> int:
    """Open a file, without waiting for a writer if it is a named pipe."""
    if sys.platform != "win32":
        flags |= os.O_NONBLOCK
    return os.open(name, flags)


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; UnreadableImage if it can't be read, is not a regular file, or is too large."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableImage("it is not a file")
            if found.st_size > MAX_BYTES:
                raise UnreadableImage(f"it is larger than {MAX_BYTES // 2**20} MB")
            return file.read()
    except OSError as error:
        raise UnreadableImage(f"it can't be read ({error.strerror})") from None
