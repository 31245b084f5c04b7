"""What the labeller needs: started in the background, while the menu is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lab2.aws.failures import user_errors
from lab2.aws.resources import LABEL_KEY
from lab2.aws.retry import OutageReporter, persist
from lab2.aws.workers import BackgroundTask
from lab2.errors import UserError
from lab2.labelling.display.screen import Screen
from lab2.labelling.display.terminal_screen import TerminalScreen
from lab2.labelling.display.window import Window
from lab2.labelling.labels.label_file import LabelFile
from lab2.labelling.labels.label_row import Votes
from lab2.labelling.labels.outbox import Outbox
from lab2.labelling.labels.outbox_file import labels_wait
from lab2.labelling.pictures.decoding.decoder import Decoder
from lab2.labelling.pictures.decoding.opencv_check import HEADLESS
from lab2.labelling.pictures.image_store import Image, ImageStore
from lab2.labelling.results.report import Report
from lab2.system.worker_process import ProcessDied
from lab2.terminal import SILENT_S, counted, remark

T = TypeVar("T")

FLUSH_TIMEOUT_S = 15.0  # for labels on their way to S3, unless that fails


class Session:
    """Connection, outbox, window and decoder, started in the background, so that the menu appears at once.

    `connect` returns the images of the bucket; `state` is the folder of the outboxes; `display` is "window" or
    "terminal" if the user has chosen one.
    """

    patience = 30.0  # seconds of an outage, after which the user decides what to do

    def __init__(
        self,
        connect: Callable[[], ImageStore],
        state: Path,
        display: str | None = None,
        *,
        labels: bool,
        decodes: bool,
        local: bool,
    ) -> None:
        self.state = state
        self.display = display
        self.local = local
        self._news: list[str] = []
        self._images = BackgroundTask(lambda: persist(connect, OutageReporter("Connecting"), self.patience))
        self._outbox = BackgroundTask(self._open_outbox)
        self._window = Window() if labels and _wants_window(display) else None
        self.decoder = Decoder() if labels or decodes else None
        self._label_file: LabelFile | None = None
        self._warning = ""  # the last warning about rows that can't be understood

    @property
    def images(self) -> ImageStore:
        return _patiently(self._images)

    @property
    def outbox(self) -> Outbox:
        return _patiently(self._outbox)

    def send_waiting(self) -> None:
        """Send the labels in the outbox, if there is one, and print what comes of it."""
        _ = self.images  # raises the error if there is no connection, and thus no outbox
        try:
            self.outbox.flush(FLUSH_TIMEOUT_S)
        except UserError as problem:
            self.say(str(problem))
        self.tell()

    def persist(self, what: str, work: Callable[[], T]) -> T:
        """Return the result of `work`, repeated during an outage; raise its error if that lasts too long."""
        return persist(work, OutageReporter(what), self.patience)

    def all_images(self) -> list[Image]:
        """Return every image in the bucket."""
        return self.persist("Listing the pictures", lambda: list(self.images.all()))

    def votes(self) -> Votes:
        """Return the labels in the bucket that count; read only what is new since the last call."""
        return self._read(LabelFile.votes)

    def report(self, images: Iterable[str]) -> Report:
        """Return the report on images."""
        names = list(images)
        columns = self._read(lambda file: file.columns(names))
        return Report.from_columns(names, columns) if columns else Report.from_votes(names, self.votes())

    def _read(self, read: Callable[[LabelFile], T]) -> T:
        aws = self.images.aws
        file = self._label_file = self._label_file or LabelFile(aws, appends=False)
        with user_errors(f"{LABEL_KEY} in bucket {aws.bucket}"):
            found = self.persist("Reading the labels", lambda: read(file))
        if (warning := file.warning()) not in ("", self._warning):
            self._warning = warning
            self.say(warning)
        return found

    def screen(self) -> Screen:
        """Return the window, or the terminal if no window can be opened."""
        if self._window:
            with suppress(ProcessDied):
                self._window.wait_until_ready()
                return self._window
            self.give_up_window()
        return TerminalScreen()

    def give_up_window(self) -> None:
        """From now on show pictures in the terminal; UserError if the user asked for a window."""
        cure = HEADLESS if self._window and self._window.is_headless else ""
        if self.display == "window":
            raise UserError(f"No window can be opened on this display. {cure or 'Try: --display terminal'}")
        if self._window:
            self._window.close()
            self._window = None
            self.say(f"No window can be opened here, so pictures are shown in the terminal. {cure}".rstrip())

    def ready_decoder(self) -> Decoder:
        """Return the decoder when it is ready; UserError if OpenCV can't be used."""
        self.decoder = self.decoder or Decoder()
        self.decoder.check_opencv()
        return self.decoder

    def say(self, sentence: str) -> None:
        """Keep a sentence until `tell` prints it, when the user is not busy with a picture."""
        self._news.append(sentence)

    def tell(self) -> None:
        while self._news:
            print(self._news.pop(0), file=sys.stderr, flush=True)

    def close(self) -> int:
        """Send the labels that can still be sent; return 1 if any are left in the outbox, otherwise 0."""
        with suppress(KeyboardInterrupt, UserError):
            # Without a connection, the user has waited long enough.
            if not self._images.failed() and (self._outbox.result() or self.local or labels_wait(self.state)):
                self._outbox.get().flush(FLUSH_TIMEOUT_S)
        outbox = self._outbox.result()
        waiting = outbox.waiting if outbox else 0
        if outbox:
            outbox.close()
        if waiting:
            self.say(f"{counted(waiting, 'label')} not in S3 yet: kept in {self.state} and sent at the next start.")
        for child in (self._window, self.decoder):
            if child:
                child.close()
        self.tell()
        return 1 if waiting else 0

    def _open_outbox(self) -> Outbox:
        aws = self._images.get().aws
        return Outbox(aws, self.state / aws.bucket, self.say)


def _patiently(work: BackgroundTask[T]) -> T:
    if not work.done(SILENT_S) and sys.stderr.isatty():
        remark("Connecting ...")
    return work.get()


def _wants_window(display: str | None) -> bool:
    """Return whether to try a window: not if the answers come from a pipe."""
    desktop = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY"))
    return display == "window" or (display is None and desktop and sys.stdin.isatty())
