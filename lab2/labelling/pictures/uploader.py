"""Upload files to the image store: new pictures are decoded first, and what can't be shown is left out."""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from lab2.aws.retry import OutageReporter, is_outage, is_transient
from lab2.aws.workers import BatchWorker
from lab2.errors import internal_error
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.image_store import ImageStore, digest
from lab2.labelling.pictures.local_files import files_of, is_picture_name, read_file
from lab2.labelling.pictures.picture import UnreadableImage
from lab2.labelling.pictures.previews import SMALL_BYTES
from lab2.system.keyboard import ask
from lab2.terminal import Progress, counted, printable

PARALLEL_UPLOADS = 16
MAX_READ_BYTES = 256 * 2**20  # of files in memory at once, unless it is a single one
YES = ("y", "yes")
FEW_FILES = 5  # more than these from folders are not uploaded without asking
UPLOADED = "uploaded"
THERE = "already there"
LEFT_OUT = "left out"
SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a file: uploaded, already there, left out for a reason, or skipped since it is no picture."""

    path: Path
    what: str
    reason: str = ""


class Selection:
    """The files that some paths mean: files, and the files in folders. UserError if a path can't be read.

    `done` has the outcomes of entries of these folders that are not uploaded.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.files: list[Path] = []
        self.found_in_folders: set[Path] = set()  # files that the user did not name one by one
        self.folders: list[Path] = []
        self.done: list[Outcome] = []
        for path in paths:
            found, folders, hidden = files_of(path)
            self.files += found
            if found != [path]:
                self.folders.append(path)
                self.found_in_folders.update(found)
            self.done += [Outcome(path, SKIPPED)] * hidden
            self.done += [Outcome(folder, LEFT_OUT, "it is a folder; upload it by itself") for folder in folders]

    def is_agreed(self) -> bool:
        """Return whether to upload many files from folders; asks a user at a terminal."""
        count = len(self.found_in_folders)
        if count <= FEW_FILES or not sys.stdin.isatty():
            return True
        size = sum(_size(path) or 0 for path in self.found_in_folders) / 1e6
        folders = ", ".join(printable(str(folder.absolute())) for folder in self.folders)
        return ask(f"Upload {counted(count, 'file')} of {size:,.1f} MB from {folders}? [y/N] ").strip().lower() in YES


class Uploader:
    """An upload of many files: `done` grows until it has an outcome for each, or there is a `failure`.

    The first files are read and decoded while the connection is made.
    """

    def __init__(self, selection: Selection) -> None:
        self.done = list(selection.done)
        self.failure: Exception | None = None
        self._found_in_folders = selection.found_in_folders
        self.count = len(selection.files) + len(self.done)
        self._images: Future[ImageStore] = Future()
        self._memory = MemoryBudget(MAX_READ_BYTES)
        self._decoders: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        self._decoder_count = 0
        self._add_decoder().check_opencv()  # only one yet: more would slow down the connection
        self._worker = BatchWorker(
            OutageReporter("Uploading"), self._work, size=1, threads=PARALLEL_UPLOADS, reject=self._leave_out
        )
        self._closing = False
        self._worker.put(copies_together(selection.files))

    def run(self, images: ImageStore) -> None:
        """Upload until all files are done, showing progress; UserError if AWS fails."""
        self._images.set_result(images)
        for _ in range(min(os.cpu_count() or 1, self.count) - 1):
            self._add_decoder()
        with Progress(self.count, "file") as progress:
            while not self._worker.flush(0.1) and not self.failure:
                progress(len(self.done))
        if self.failure:
            raise self.failure

    def close(self) -> None:
        """Start no more files; return when those under way have an outcome."""
        self._images.cancel()
        self._closing = True
        self._worker.close()
        self._worker.flush()
        for _ in range(self._decoder_count):
            self._decoders.get().close()

    def summary(self) -> str:
        counts = Counter(outcome.what for outcome in self.done)
        named = (UPLOADED, THERE, LEFT_OUT, *([SKIPPED] if counts[SKIPPED] else []))
        line = ", ".join(f"{counts[what]:,} {what}" for what in named)
        rest = self.count - len(self.done)
        return f"{line}; {rest:,} not done. Run the same command again to continue." if rest else f"{line}."

    def is_whole(self) -> bool:
        """Return whether every picture is in the image store now."""
        return len(self.done) == self.count and not self.left_out()

    def left_out(self) -> list[str]:
        return [
            f"{printable(str(outcome.path))} is left out: {outcome.reason}."
            for outcome in sorted(self.done, key=lambda outcome: outcome.path)
            if outcome.what == LEFT_OUT
        ]

    def _work(self, groups: list[list[Path]]) -> None:
        (copies,) = groups
        while copies:
            self._upload(copies[0])
            del copies[0]  # not before: after an outage, work resumes with the file that failed
            if self._closing:
                break

    def _upload(self, path: Path) -> None:
        try:
            with self._memory.take(_size(path) or 0):
                data = read_file(path)
                shrink = cache(partial(self._shrink, data))
                if not self._images.done():  # no connection yet: use the time
                    shrink()
                images = self._images.result()
                stored = not self.failure and images.store(path.name, data, shrink)
            if not self.failure:
                self.done.append(Outcome(path, UPLOADED if stored else THERE))
        except UnreadableImage as reason:
            no_picture = path in self._found_in_folders and not is_picture_name(path)
            self.done.append(Outcome(path, SKIPPED) if no_picture else Outcome(path, LEFT_OUT, str(reason)))
        except CancelledError:  # closed before there was a connection: it has no outcome
            return
        except Exception as error:
            if is_transient(error) or not is_outage(error):
                raise  # repeated after an outage; a file that is at fault is left out
            self.failure = error  # raised by `run`

    def _leave_out(self, copies: list[Path], error: BaseException) -> None:
        self.done.append(Outcome(copies.pop(0), LEFT_OUT, internal_error(error)))
        if copies:
            self._worker.put([copies])

    def _add_decoder(self) -> Decoder:
        decoder = Decoder()
        self._decoders.put(decoder)
        self._decoder_count += 1
        return decoder

    def _shrink(self, data: bytes) -> bytes | None:
        """Return the preview of a picture, None if it is small; UnreadableImage if it can't be shown."""
        decoder = self._decoders.get()
        try:
            if len(data) > SMALL_BYTES:
                return decoder.preview(data)
            decoder.check(data)
            return None
        finally:
            self._decoders.put(decoder)


class MemoryBudget:
    """A number of bytes for several threads: one that needs more than is left waits, unless it is alone."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._change = threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: not self._taken or self._taken + size <= self.size)
            self._taken += size
        try:
            yield
        finally:
            with self._change:
                self._taken -= size
                self._change.notify_all()


def copies_together(files: Iterable[Path]) -> list[list[Path]]:
    """Return the files in groups of the same content, each in the order of names.

    Programs that upload the same folder at the same time then try the same name of a picture first, so that it is
    stored once. Only files of the same size are read for this.
    """
    paths = sorted(files)
    sizes = Counter(_size(path) for path in paths)
    groups: dict[object, list[Path]] = {}
    for path in paths:
        groups.setdefault(_content(path) if sizes[_size(path)] > 1 else path, []).append(path)
    return list(groups.values())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def _content(path: Path) -> object:
    try:
        return digest(read_file(path))
    except UnreadableImage:
        return path


def upload(paths: list[Path], connect: Callable[[], ImageStore], unasked: bool = False) -> int:
    """Upload files and the files of folders; return 0 if all of them are in the image store now, otherwise 1."""
    selection = Selection(paths)
    if not (unasked or selection.is_agreed()):
        print("Nothing was uploaded.", flush=True)
        return 1
    work = Uploader(selection)
    try:
        work.run(connect())
    except KeyboardInterrupt:
        pass  # the summary says what is not done
    finally:
        work.close()
        for line in work.left_out():
            print(line, file=sys.stderr, flush=True)
        print(work.summary(), flush=True)
    return 0 if work.is_whole() else 1
