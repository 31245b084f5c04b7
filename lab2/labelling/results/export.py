"""A training set on this disk, as `torchvision` and Hugging Face `datasets` read it: a folder for each class.

A file is written under another name first and then renamed, so it is never incomplete, and an export that was
interrupted continues where it stopped. Pictures that are there are not fetched again; they are moved if their label or
split has changed, and removed if they no longer belong to the set.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lab2.errors import UserError
from lab2.labelling.labels.csv_dialect import csv_row
from lab2.labelling.pictures.decoding.decoder import OWN_SIZE, Decoder
from lab2.labelling.pictures.decoding.encode import MAGIC, encode
from lab2.labelling.pictures.image_store import Image, digest
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.labelling.results.training_set import (
    CLASSES,
    SPLITS,
    TIED,
    Example,
    ExportedName,
    Split,
    TrainingSet,
    suffix_of,
)
from lab2.system.whole_file import write_whole
from lab2.terminal import Progress, counted, printable

PARALLEL_FETCHES = 16
MARKER = ".lab2-export"  # a file in a folder that export made; files that are being written start with this name
MARKER_TEXT = "hotdog.py export made this folder; run it again to bring the folder up to date.\n"
METADATA = "metadata.csv"
METADATA_HEADER = "file_name,label,votes,agreement,key"
ABANDONED_S = 3_600  # after which a file that was never renamed is nobody's
FETCHED = "fetched"
THERE = "already there"
MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Placed:
    """An example that is on disk now."""

    example: Example
    path: Path
    split: str
    what: str  # FETCHED, THERE or MOVED


class Format:
    """The format of all pictures of an export; `name` is its suffix."""

    def __init__(self, name: str, decoder: Decoder) -> None:
        self.name = name
        self.magic = MAGIC[name]
        self._decoder = decoder

    def convert(self, data: bytes) -> bytes:
        """Return a picture in this format, unchanged if it has it already; UnreadableImage if it can't be shown."""
        if data.startswith(self.magic):
            return data
        return encode(self._decoder.decode(data, *OWN_SIZE), self.name)


class Export:
    """One export into a folder. `fetch` returns the bytes of an image, or raises UnreadableImage.

    With a `format`, pictures are converted to it; without one, they are written as they are.
    """

    def __init__(
        self, folder: Path, split: Split, fetch: Callable[[Image], bytes], format: Format | None = None
    ) -> None:
        self.folder = folder
        self.split = split
        self.fetch = fetch
        self.format = format
        self.placed: list[Placed] = []
        self.left_out: dict[str, str] = {}  # image → reason
        self.removed = 0
        self.stopping = threading.Event()  # set when nothing more is to be fetched: for a fetch that waits
        self._present: dict[str, tuple[Path, ExportedName]] = {}  # by key of the example
        self._numbers = count()

    def run(self, wanted: TrainingSet) -> None:
        """Bring the folder up to date; UserError if AWS or this disk fails: the next run continues."""
        with self._disk_errors():
            self._open()
            self._present = {name.key: (path, name) for path, name in self._files()}
            with ThreadPoolExecutor(PARALLEL_FETCHES) as threads:
                try:
                    self._wait_for([threads.submit(self._place, example) for example in wanted.examples])
                except BaseException:
                    self.stopping.set()
                    threads.shutdown(wait=False, cancel_futures=True)
                    raise
            self._remove_others()
            self._write_metadata()

    def write(self, name: str, data: bytes) -> None:
        """Write a file into the folder, but no pictures; UserError if this disk fails."""
        with self._disk_errors():
            self._open()
            self._write(self.folder / name, data)

    def summary(self, wanted: TrainingSet) -> str:
        """Return what is in the folder, what was done, and what is left out, a sentence a line."""
        classes = Counter(placed.example.label for placed in self.placed)
        done = Counter(placed.what for placed in self.placed)
        parts = Counter(placed.split for placed in self.placed)
        named = (*CLASSES, *([TIED] if classes[TIED] else ()))
        lines = [f"{counted(len(self.placed), 'picture')} in {printable(str(self.folder))}: {_counts(classes, named)}."]
        if parts.keys() - {""}:
            lines.append(f"Split: {_counts(parts, [name for name, _ in self.split.parts])}.")
        lines.append(f"{_counts(done, (FETCHED, THERE, MOVED))}, {self.removed:,} removed.")
        if wanted.few_votes or wanted.ties:
            lines.append(f"Not in it: {wanted.few_votes:,} with too few labels, {wanted.ties:,} with a tie.")
        if wanted.gone:
            lines.append(f"No longer in the bucket: {wanted.gone:,} of the labelled pictures.")
        return "\n".join(lines)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            path = printable(str(error.filename or self.folder))
            raise UserError(
                f"{path} can't be written: {error.strerror}. Put it right, then run export again."
            ) from None

    def _open(self) -> None:
        """Create the folder; UserError if it has files and export did not create it."""
        marker = self.folder / MARKER
        if not marker.exists() and self.folder.exists() and any(self.folder.iterdir()):
            raise UserError(f"{printable(str(self.folder))} has files that export did not write. Name a new folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(MARKER_TEXT)
        for path in self.folder.glob(f"{MARKER}-*"):
            with suppress(FileNotFoundError):  # another export into this folder has renamed it
                if path.stat().st_mtime < time.time() - ABANDONED_S:
                    path.unlink()

    def _files(self) -> Iterator[tuple[Path, ExportedName]]:
        """Yield the pictures that exports wrote, of any class and split."""
        for split in ("", *SPLITS):
            for label in (*CLASSES, TIED):
                with suppress(FileNotFoundError):
                    for path in sorted((self.folder / split / label).iterdir()):
                        if name := ExportedName.parse(path.name):
                            yield path, name

    def _wait_for(self, work: list[Future[None]]) -> None:
        """Show progress until all is done; raise the first error."""
        with Progress(len(work), "picture") as progress:
            waiting = set(work)
            while waiting:
                done, waiting = wait(waiting, timeout=0.1, return_when=FIRST_EXCEPTION)
                for each in done:
                    each.result()
                progress(len(work) - len(waiting))

    def _place(self, example: Example) -> None:
        """Put the picture in place: keep, move or fetch it."""
        present = self._present.get(example.key)
        if present and self._is_as_wanted(*present, example):
            path, name = present
            target = self._target(example, name)
            if target != path:
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
            self._note(example, target, name.content, THERE if target == path else MOVED)
            return
        try:
            data = self.fetch(example.image)
            content = digest(data)
            if self.format:
                data = self.format.convert(data)
        except UnreadableImage as reason:
            self.left_out[example.image.name] = str(reason)
            return
        target = self._target(example, ExportedName(content, example.key, self._suffix(example)))
        self._write(target, data)
        self._note(example, target, content, FETCHED)

    def _is_as_wanted(self, path: Path, name: ExportedName, example: Example) -> bool:
        """Return whether a file of an earlier export is what this one would write."""
        if name.suffix != self._suffix(example):
            return False
        if not self.format:
            return path.stat().st_size == example.image.size
        with path.open("rb") as file:
            return file.read(len(self.format.magic)) == self.format.magic

    def _suffix(self, example: Example) -> str:
        return f".{self.format.name}" if self.format else suffix_of(example.image.name)

    def _target(self, example: Example, name: ExportedName) -> Path:
        return self.folder / self.split.part_of(name.content) / example.label / str(name)

    def _note(self, example: Example, path: Path, content: str, what: str) -> None:
        self.placed.append(Placed(example, path, self.split.part_of(content), what))

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, self.folder / f"{MARKER}-{os.getpid()}-{next(self._numbers)}")

    def _remove_others(self) -> None:
        kept = {(placed.path.parent, placed.path.name) for placed in self.placed}
        for path, _ in list(self._files()):
            if (path.parent, path.name) not in kept:
                path.unlink(missing_ok=True)
                self.removed += 1

    def _write_metadata(self) -> None:
        """Write the metadata of each part of the split, and remove that of parts that no longer exist.

        A part has all class folders, even empty ones: loaders number the classes by their folders.
        """
        parts = {name for name, _ in self.split.parts}
        for split in ("", *SPLITS):
            folder = self.folder / split
            rows = sorted((placed for placed in self.placed if placed.split == split), key=lambda placed: placed.path)
            if split in parts:
                for label in CLASSES:
                    (folder / label).mkdir(parents=True, exist_ok=True)
            if rows:
                self._write(folder / METADATA, _metadata(rows, folder))
            elif _is_metadata(folder / METADATA):
                (folder / METADATA).unlink()
            for label in (*CLASSES, TIED):
                if split not in parts or label == TIED:
                    with suppress(OSError):  # it is not there, or not empty
                        (folder / label).rmdir()
            if split not in parts:
                with suppress(OSError):
                    folder.rmdir()


def _is_metadata(path: Path) -> bool:
    """Return whether the file exists and export wrote it."""
    head = METADATA_HEADER.encode()
    try:
        with path.open("rb") as file:
            return file.read(len(head)) == head
    except OSError:
        return False


def _metadata(rows: list[Placed], folder: Path) -> bytes:
    lines = [METADATA_HEADER]
    for placed in rows:
        example = placed.example
        name = placed.path.relative_to(folder).as_posix()
        agreement = round(example.agreement, 4)
        lines.append(csv_row((name, example.label, len(example.given), agreement, example.image.name)))
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _counts(counts: Counter[str], names: Iterable[str]) -> str:
    return ", ".join(f"{counts[name]:,} {name}" for name in names)
